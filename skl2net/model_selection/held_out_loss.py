"""The scorer of the searches for alpha: minus the loss on held-out data."""

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_regressor
from sklearn.metrics import mean_squared_error

from skl2net._sklearn_private import BaseScorer


class HeldOutLoss(BaseScorer):
    """Minus the log loss of a classifier; minus the mean squared error, or another loss of its fit, of a regressor."""

    def __init__(self):
        super().__init__(held_out_loss, -1, {}, None)

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        return -held_out_loss(estimator, X, y_true, **kwargs)

    def __repr__(self):
        return "HeldOutLoss()"


def held_out_loss(net, X, y, sample_weight=None):
    """Mean loss of the predictions of a network, without the penalty, summed over labels and averaged over targets.

    It is the squared error, or with other losses of a regressor these themselves, in the units of `y`. A class that the
    network has not seen counts with the smallest probability that `predict_proba` returns.
    """
    if sample_weight is not None:
        sample_weight = np.broadcast_to(sample_weight, y.shape[:1] if hasattr(y, "shape") else len(y))
    if is_regressor(net) and net._loss.name == "squared_error":
        return float(mean_squared_error(y, net.predict(X), sample_weight=sample_weight))
    if is_regressor(net):
        raw, scale = net._network_outputs(X, raw=True), net._training_state.target_scale
        unit = 1.0 if scale is None else scale.std
        Z, Y = (np.reshape(values / unit, (-1, 1)) for values in (raw, np.reshape(y, raw.shape)))
        losses = np.reshape(net._loss.value_and_derivative(Z, Y, np)[0], raw.shape) * unit**net._loss.degree
        return float(np.average(losses.mean(axis=1), weights=sample_weight))
    y, P = y.toarray() if sp.issparse(y) else np.asarray(y), net.predict_proba(X)
    if y.ndim == 2 and y.shape[1] > 1:
        losses = -np.log(np.where(y > 0, P, 1 - P)).sum(axis=1)
    else:
        y = y.ravel()
        codes = np.minimum(np.searchsorted(net.classes_, y), len(net.classes_) - 1)
        seen = net.classes_[codes] == y
        losses = -np.log(np.where(seen, P[np.arange(len(y)), codes], np.finfo(P.dtype).eps / 2))
    return float(np.average(losses, weights=sample_weight))
