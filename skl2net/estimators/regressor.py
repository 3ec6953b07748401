"""The regressor."""

import warnings
from numbers import Real
from typing import Literal, Self, overload

import numpy as np
import scipy.sparse as sp
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d

from skl2net._sklearn_private import Interval, StrOptions, available_if, fit_context, validate_data
from skl2net.activations import ActivationName
from skl2net.engines import default_engine
from skl2net.engines.base import Task
from skl2net.estimators.base import FLOATS, BaseL2Net, by_blocks
from skl2net.estimators.docstrings import documented
from skl2net.estimators.sparse_input import check_sparse
from skl2net.hints import (
    ArrayLike,
    Floats,
    L2Mode,
    MatrixLike,
    RandomState,
    Scoring,
    Sizes,
    SolverName,
    Strengths,
)
from skl2net.losses import REGRESSION_LOSSES, RegressionLoss, regression_loss
from skl2net.problem import Decoder
from skl2net.solvers.schedules import LearningRate
from skl2net.solvers.swarm import ParticleSwarm
from skl2net.target_scale import TargetScale
from skl2net.training import TrainingData


@documented
class L2NetRegressor(RegressorMixin, BaseL2Net):
    r"""Multi-layer perceptron regressor whose L2 regularisation is a named, exact rule.

    `l2_mode` selects the rule and `alpha` its strength. The default is a Gaussian prior of precision 5 on every weight
    of a network for standardised targets, see `normalize_y`. Biases are never penalised nor decayed. Standardise the
    features, as for every neural network.

    The other parameters, attributes and methods are those of :class:`sklearn.neural_network.MLPRegressor`, and
    ``L2NetRegressor(l2_mode="penalty_per_sample", learning_rate="constant", normalize_y=False, ...)`` follows the same
    trajectory as ``MLPRegressor(...)``, with ``early_stopping=True`` if ``scoring="score"``, except with
    ``solver="lbfgs"`` and several outputs, where the gradient of the latter is wrong.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson"}, default="squared_error"
        Loss function, a mean over samples of a sum over outputs. With the error
        :math:`e = \mathrm{output}-\mathrm{target}`, in standard units if `normalize_y`:

        - "squared_error": :math:`\tfrac12 e^2`. Predicts means;
        - "absolute_error": :math:`|e|`. Predicts medians;
        - "huber": :math:`\tfrac12 e^2` of errors up to :math:`\delta = 1.35`,
          :math:`\delta(|e| - \tfrac12\delta)` of larger ones. Predicts means on which outliers have little influence;
        - "quantile": :math:`q\,|e|` of outputs below the target, :math:`(1-q)\,|e|` of those above, with :math:`q` the
          parameter `quantile`. Predicts quantiles;
        - "poisson": half the Poisson deviance, with an exponential output; requires ``y >= 0``. Predicts means.

        "absolute_error" and "quantile" have no gradient where the output equals the target (0 counts as one there), so
        that they are not supported by "lbfgs", nor by ``ParticleSwarm(polish=True)``. `score` is :math:`R^2` for every
        loss; :func:`~sklearn.metrics.d2_absolute_error_score` and :func:`~sklearn.metrics.d2_pinball_score` are those
        of these two.
    quantile : float or None, default=None
        The quantile to predict, in (0, 1). Only used, and required, when ``loss="quantile"``.
    normalize_y : bool, default=True
        Whether `fit` centres each target and divides it by its standard deviation, both weighted by `sample_weight`.
        Fitting ``a * y + b`` then gives ``a * f + b``. `coefs_`, `intercepts_`, `predict` and exported networks are in
        the units of `y`. `alpha`, losses, curves (that of :math:`\sum w^2` included) and `swarm_` are in standard
        units. `partial_fit` keeps the mean and the standard deviation of its first call. With "absolute_error", "huber"
        and "quantile", median and median distance from it take their places, on which outliers have little influence.
        Ignored when ``loss="poisson"``.

    See Also
    --------
    L2NetClassifier : Multi-layer perceptron classifier with the same L2 rules.
    L2NetRegressorCV : The same with `alpha` found by cross-validation.
    ParticleSwarm : Particle swarm optimisation, with its parameters.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2net import L2NetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = L2NetRegressor((5,), solver="lbfgs", random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    """

    _parameter_constraints: dict = {
        **BaseL2Net._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
        "quantile": [Interval(Real, 0, 1, closed="neither"), None],
        "normalize_y": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sizes = (100,),
        activation: ActivationName = "relu",
        *,
        loss: RegressionLoss = "squared_error",
        solver: SolverName | ParticleSwarm = "adam",
        l2_mode: L2Mode = "prior",
        alpha: float | Strengths | None = None,
        quantile: float | None = None,
        normalize_y: bool = True,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "cosine",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        max_iter: int | None = None,
        scoring: Scoring = None,
        posterior: bool = False,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.l2_mode = l2_mode
        self.alpha = alpha
        self.quantile = quantile
        self.normalize_y = normalize_y
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.scoring = scoring
        self.posterior = posterior
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    @available_if(lambda estimator: estimator._has_updates())
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one pass over the given data, continuing from the previous call.

        Under ``l2_mode="prior"``, `N` is the number of samples in all calls so far, as Bayes' rule has it for a stream:
        the more data, the less the prior matters. Samples count again in repeated passes over the same data, which
        makes the rule weaker; ``l2_mode="penalty"`` keeps it constant.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample; not negative.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, is_stream=True)

    @overload
    def predict(self, X: MatrixLike, return_std: Literal[False] = False) -> Floats: ...
    @overload
    def predict(self, X: MatrixLike, return_std: Literal[True]) -> tuple[Floats, Floats]: ...
    @by_blocks
    def predict(self, X: MatrixLike, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        r"""Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.
        return_std : bool, default=False
            Whether to return the standard deviation of a new observation too, noise included, as
            :class:`~sklearn.linear_model.BayesianRidge` does. Requires ``posterior=True`` and
            ``loss="squared_error"``.

        Returns
        -------
        y_mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predicted targets.
        y_std : ndarray of the same shape
            Only with ``return_std=True``: :math:`s\sqrt{1 + j^\mathsf T A^{-1} j}` in the units of `y`, where
            :math:`j` is the derivative of the output with respect to the weights and biases, and :math:`s^2` and
            :math:`A` are the noise variance and the precision matrix of `posterior_`.

        Raises
        ------
        ValueError
            If `return_std` is True and the network has no posterior, or one of another loss.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from skl2net import L2NetRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> net = L2NetRegressor((10,), "tanh", solver="lbfgs", posterior=True, random_state=0)
        >>> model = make_pipeline(StandardScaler(), net).fit(X[:300], y[:300])
        >>> mean, std = model.predict(X[300:], return_std=True)
        >>> float(np.mean(abs(y[300:] - mean) < 1.645 * std))  # nominally 0.90
        0.9...
        """
        mean = _flat_if_single(self._network_outputs(X))
        return (mean, _flat_if_single(self._standard_deviations(X))) if return_std else mean

    def _standard_deviations(self, X):
        """Standard deviation of new observations of each output, ndarray of shape (n_samples, n_outputs)."""
        posterior = self.posterior_
        if posterior is None:
            raise ValueError(
                f"return_std=True needs a posterior, and this {type(self).__name__} has none. Set posterior=True, and "
                "call fit."
            )
        if posterior.noise_variance is None:
            raise ValueError(
                f"return_std=True needs a loss of Gaussian noise, and this {type(self).__name__} was fitted with "
                f"loss={self._loss.name!r}. Use loss='squared_error'."
            )
        X, network, scale = self._checked_input(X), self._network(), self._training_state.target_scale
        if len(posterior.precision) != network.n_parameters:
            raise ValueError("`posterior_` is that of a network of other layers than `coefs_` has. Call fit.")
        with default_engine().open(Task(network, self._loss, X)) as session:
            blocks = session.jacobians(self._parameters_in(scale, network))
            variances = np.concatenate([posterior.variances(J) for J in blocks])
        std = np.sqrt(posterior.noise_variance * (1 + variances))
        return (std if scale is None else std * scale.std).astype(X.dtype)

    @by_blocks
    def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the :math:`R^2` of `predict`, a mean over outputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        float
            At most 1. See :func:`sklearn.metrics.r2_score`.
        """
        return float(super().score(X, y, sample_weight))

    def _training_data(self, X, y, sample_weight, *, continues=False, is_stream=False, classes=None, training=None):
        if sp.issparse(y):
            raise TypeError(
                f"Sparse targets are not supported, got y of type {type(y).__name__}. Use y.toarray() to convert it to "
                "a dense array."
            )
        _check_targets(y)
        check_sparse(X, with_csr=False)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=True,
            dtype=FLOATS if training is None else training.X.dtype,
            order="C",
            reset=not (continues or training is not None),
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._loss = regression_loss(self.loss, self.quantile)
        self._loss.check_targets(y)
        if np.abs(y).max() > np.finfo(X.dtype).max:
            raise ValueError(
                f"`y` has targets of {np.abs(y).max():.3g}, too large for float32, which they are converted to because "
                "`X` has it. Divide the targets by a constant, or pass `X` in float64."
            )
        weight, Y = self._checked_weights(X, sample_weight), y.reshape(len(y), -1)
        if training is not None:
            if Y.shape[1] != training.n_outputs:
                raise ValueError(f"`y_val` has {Y.shape[1]} outputs, and `y` has {training.n_outputs}.")
            scale = training.target_scale
        elif is_stream and continues:
            scale = self._training_state.target_scale if self._loss.has_scale else None
        else:
            is_scaled = self.normalize_y and self._loss.has_scale
            scale = TargetScale.of(Y, weight, is_robust=self._loss.is_robust) if is_scaled else None
            seen = Y if weight is None else Y[weight > 0]
            if is_stream and scale is not None and (seen == seen[0]).all(axis=0).any():
                warnings.warn(
                    "A target is constant in the first call of partial_fit, and its standard deviation counts as 1 in "
                    "this and all later calls. Pass a larger first batch, or set normalize_y=False.",
                    UserWarning,
                )
        if scale is not None:
            Y = scale.standardised(Y)
            if weight is not None:
                Y[weight == 0] = 0  # they do not count, and may be far out of range
        Y = np.ascontiguousarray(Y, dtype=X.dtype)
        return TrainingData(X, Y, Y.shape[1], weight, self._loss, self._decoder(scale), target_scale=scale)

    def _decoder(self, scale):
        """What targets and outputs in standard units mean; in their own for None."""

        def values(outputs):
            return outputs if scale is None else scale.unscaled(outputs)

        def flat(Y):
            return _flat_if_single(values(Y))

        def estimator(outputs):
            return self._with_outputs(lambda raw=False: values(outputs(raw=raw)))

        return Decoder(flat, flat, _r2, raw=False, estimator=estimator)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _check_targets(y):
    """Refuse non-numeric targets that NumPy would convert."""
    if y is None or sp.issparse(y):
        return
    try:
        found = np.asarray(y)
    except ValueError:  # of several lengths
        return
    if found.dtype.kind in "Mm":
        raise ValueError(
            f"`y` has the dtype {found.dtype}, and a regressor needs numbers. Pass numbers of days or seconds, such as "
            "(y - y.min()) / np.timedelta64(1, 'D')."
        )
    if found.dtype.kind == "O" and any(target is None for target in found.flat):
        raise ValueError("Input y contains NaN.")  # scikit-learn's words
    if found.dtype.kind in "SU" or (found.dtype.kind == "O" and any(isinstance(t, str | bytes) for t in found.flat)):
        raise ValueError(
            "dtype='numeric' is not compatible with arrays of bytes/strings. Convert your data to numeric values "
            "explicitly instead."
        )


def _flat_if_single(Y):
    return Y.ravel() if Y.shape[1] == 1 else Y


def _r2(Y, outputs, sample_weight):
    """Same result as `r2_score`, bit for bit, but faster for small data."""
    if len(Y) < 2 or not np.isfinite(outputs).all():
        return float(r2_score(Y, outputs, sample_weight=sample_weight))  # its warning, its error
    weight = 1.0 if sample_weight is None else sample_weight[:, np.newaxis]
    with np.errstate(over="ignore"):  # of a training that diverges, which is said elsewhere
        errors = np.sum(weight * (Y - outputs) ** 2, axis=0)
    return r2(errors, np.sum(weight * (Y - np.average(Y, axis=0, weights=sample_weight)) ** 2, axis=0))


def r2(errors, spread):
    """Mean R² of the outputs, from the sums of the squared errors and of the squared deviations of the targets."""
    is_defined = spread != 0
    scores = np.where(is_defined, 0, errors == 0).astype(errors.dtype)
    scores[is_defined] = 1 - errors[is_defined] / spread[is_defined]
    return float(scores.mean())
