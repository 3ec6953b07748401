"""Task + L2 rule = one objective over a flat parameter vector.

A solver (`skl2net.solvers`) sees nothing else of the data and the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from skl2net.engines.interface import Batches, Task
from skl2net.l2 import L2Rule


@dataclass(frozen=True)
class Decoder:
    """Converts encoded targets and outputs back to the labels or values that users pass and receive.

    Parameters
    ----------
    truth : callable
        ``truth(Y) -> y_true``: the labels or values of encoded targets.
    predictions : callable
        ``predictions(outputs) -> y_pred``: the result of `predict`.
    score : callable
        ``score(Y, outputs, sample_weight) -> float``: the result of `score`.
    raw : bool
        Whether `predictions` and `score` take raw outputs (logits).
    estimator : callable
        ``estimator(outputs) -> object``: a fitted estimator that makes its predictions of ``outputs(raw=...)``, for
        scorers of scikit-learn.
    """

    truth: Callable
    predictions: Callable
    score: Callable
    raw: bool
    estimator: Callable | None = None


@dataclass(frozen=True)
class Problem:
    """An objective over a flat parameter vector.

    Parameters
    ----------
    task : Task
        Network, loss and data.
    rule : L2Rule
    engine : module
        See `skl2net.engines`.
    decoder : Decoder
        Converts targets and outputs for validation scores and user-defined objectives.
    n_seen : float, default=0.0
        Number of samples in earlier calls of `partial_fit`. They count in N of the L2 rule.
    """

    task: Task
    rule: L2Rule
    engine: ModuleType
    decoder: Decoder | None = None
    n_seen: float = 0.0

    @property
    def network(self):
        return self.task.network

    @property
    def n_rows(self):
        return self.task.n_rows

    @property
    def dtype(self):
        return self.task.dtype

    @property
    def n_parameters(self):
        return self.network.n_parameters

    @property
    def n_samples(self):
        """Number of samples: of rows, or the sum of their weights."""
        return self.task.n_samples

    @property
    def n_total(self):
        """N of the L2 rule: the number of training samples; for `partial_fit`, of all samples so far."""
        return self.n_seen + self.n_samples

    @property
    def is_weighted(self):
        return self.task.sample_weight is not None

    @property
    def loss_name(self):
        """Name of the loss in `skl2net.convert_alpha`, which distinguishes multilabel targets."""
        is_multilabel = self.network.output == "logistic" and self.network.layer_sizes[-1] > 1
        return "multilabel_log_loss" if self.task.loss == "log_loss" and is_multilabel else self.task.loss

    @cached_property
    def coefficients(self):
        """Coefficients of a penalty for an update over all samples; those of a decay do not matter here."""
        return self.rule.coefficients(n=self.n_samples, n_total=self.n_total, learning_rate=0.0)

    @cached_property
    def _common_coefficients(self):
        """The coefficients of one layer if all layers have the same; else None."""
        penalty = self.coefficients.penalty
        return None if np.any(penalty != penalty[0]) else self.coefficients[:1]

    def penalty(self, parameters):
        """Penalty part of the objective, in double precision; 0 for a decay.

        Parameters
        ----------
        parameters : ndarray of shape (..., n_parameters)

        Returns
        -------
        ndarray of shape (...,)
        """
        if self._common_coefficients is None:
            return self.coefficients.added_loss(self.network.layer_sums_of_squares(parameters))
        weights = parameters[..., : self.network.n_weights]
        total = np.einsum("...i,...i->...", weights, weights, dtype=np.float64)
        return self._common_coefficients.added_loss(total[..., np.newaxis])

    def objective_and_gradient(self, parameters):
        """Data loss over all rows plus penalty, and its gradient.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)

        Returns
        -------
        objective : float
        gradient : ndarray of shape (n_parameters,)
        """
        value, gradient = self.engine.loss_and_gradient(self.task, parameters)
        for s, coefficient in zip(self.network.weight_slices, self.coefficients.penalty, strict=True):
            gradient[s] += gradient.dtype.type(coefficient) * parameters[s]
        return value + float(self.penalty(parameters)), gradient

    def data_losses(self, vectors):
        """Data loss over all rows of each of several parameter vectors.

        Parameters
        ----------
        vectors : ndarray of shape (n_vectors, n_parameters)

        Returns
        -------
        ndarray of shape (n_vectors,), float64
        """
        return self.engine.losses(self.task, vectors)

    def data_loss(self, parameters):
        """Data loss over all rows at the given parameters."""
        return float(self.data_losses(parameters[np.newaxis])[0])

    def outputs(self, parameters, *, raw=False):
        """Outputs for all rows, ndarray of shape (n_rows, n_outputs); logits if `raw`."""
        return self.engine.outputs(self.task, parameters, raw=raw)

    def weight_norm(self, parameters):
        """Σw² over all weights, in double precision."""
        weights = parameters[: self.network.n_weights]
        # not np.dot: it wakes BLAS threads, which keep spinning and slow down the threads of the engine
        return float(np.einsum("i,i", weights, weights, dtype=np.float64))

    @property
    def epochs_per_call(self):
        """Largest number of epochs that one call of the engine should run."""
        return self.engine.epochs_per_call(self.task)

    def batches(self, orders, bounds, n_epochs, n_samples=None):
        """The batches of the next epochs.

        Parameters
        ----------
        orders : ndarray of intp, shape (n_epochs, n_rows), or None
            Order in which each epoch visits the rows of the task. None for their own order.
        bounds : ndarray of intp, shape (n_updates + 1,)
        n_epochs : int
        n_samples : ndarray, default=None
            `Batches.n_samples` if it is already known.

        Returns
        -------
        Batches
        """
        if orders is not None and self.task.rows is not None:
            orders = self.task.rows[orders]
        if n_samples is None:
            if self.task.sample_weight is None:
                n_samples = np.diff(bounds).astype(np.float64)
            else:
                weight = self.task.taken(self.task.sample_weight) if orders is None else self.task.sample_weight[orders]
                n_samples = np.add.reduceat(weight.astype(np.float64), bounds[:-1], axis=-1)
            n_samples = np.broadcast_to(n_samples, (n_epochs, len(bounds) - 1))
        return Batches(orders, bounds, n_samples)

    def coefficients_of(self, batches, learning_rates):
        """Coefficients of the L2 rule in each update."""
        return self.rule.coefficients(n=batches.n_samples, n_total=self.n_total, learning_rate=learning_rates)

    def run_updates(self, state, batches, coefficients, optimiser, learning_rates, each=None):
        """Run mini-batch updates, changing `state` in place; see `skl2net.engines.reference.run_updates`."""
        return self.engine.run_updates(self.task, state, batches, coefficients, optimiser, learning_rates, each)
