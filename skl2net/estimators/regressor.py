"""The regressor."""

from typing import Literal, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d

from skl2net._sklearn_private import StrOptions, available_if, fit_context, validate_data
from skl2net.activations import ActivationName
from skl2net.estimators.base import FLOATS, BaseL2Net
from skl2net.estimators.sparse_input import check_sparse
from skl2net.hints import (
    ArrayLike,
    Floats,
    L2Mode,
    MatrixLike,
    RandomState,
    Sizes,
    SolverName,
    Strengths,
)
from skl2net.losses import REGRESSION_LOSSES, RegressionLoss
from skl2net.problem import Decoder
from skl2net.solvers.schedules import LearningRate
from skl2net.solvers.swarm import ParticleSwarm
from skl2net.target_scale import TargetScale
from skl2net.training import TrainingData


class L2NetRegressor(RegressorMixin, BaseL2Net):
    r"""Multi-layer perceptron regressor whose L2 regularisation is a named, exact rule.

    `l2_mode` selects the rule and `alpha` its strength. The default, a Gaussian prior of variance 1 on every weight,
    needs no tuning to start with; it assumes targets of about unit variance. Biases are never penalised nor decayed.

    The other parameters, attributes and methods are those of :class:`sklearn.neural_network.MLPRegressor`, and
    ``L2NetRegressor(l2_mode="penalty_per_sample", ...)`` follows the same trajectory as ``MLPRegressor(...)``, except
    with ``solver="lbfgs"`` and several outputs, where the gradient of the latter is wrong.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units in each hidden layer. ``()`` gives a linear model (ridge regression).
    activation : {"identity", "logistic", "tanh", "relu", "softplus"}, default="relu"
        Activation function of the hidden units.
    loss : {"squared_error", "poisson"}, default="squared_error"
        Loss function, a mean over samples of a sum over outputs: of
        :math:`\tfrac12(\mathrm{output}-\mathrm{target})^2`, or of half the Poisson deviance. "poisson" uses an
        exponential output and requires ``y >= 0``.
    solver : {"lbfgs", "sgd", "adam", "pso"} or ParticleSwarm, default="adam"
        Algorithm that minimises the loss: L-BFGS, mini-batch stochastic gradient descent with momentum, Adam, or a
        particle swarm. "pso" is the same as ``ParticleSwarm()``.
    l2_mode : {"prior", "penalty", "penalty_per_sample", "decay_before", "decay_after", "decoupled"}, default="prior"
        The L2 rule. Let :math:`w` be a weight, :math:`g` the gradient of the data loss, :math:`\eta` the learning
        rate, :math:`n` the number of samples in the update, :math:`N` the number of training samples, and "step" what
        the optimiser subtracts for a given gradient:

        - ``"prior"``: :math:`w \leftarrow w - \mathrm{step}(g + \tfrac\alpha N w)`. Adds
          :math:`\tfrac\alpha{2N}\sum w^2` to the loss. `alpha` is the precision of a Gaussian prior on each weight, as
          in :class:`~sklearn.linear_model.Ridge`, and the fit is the maximum a posteriori estimate;
        - ``"penalty"``: :math:`w \leftarrow w - \mathrm{step}(g + \alpha w)`, the mathematical definition. Adds
          :math:`\tfrac\alpha2\sum w^2` to the loss;
        - ``"penalty_per_sample"``: :math:`w \leftarrow w - \mathrm{step}(g + \tfrac\alpha n w)`, scikit-learn's rule.
          Adds :math:`\tfrac\alpha{2n}\sum w^2` to the loss. The rule becomes stronger when sample weights are scaled
          down, since :math:`n` is their sum;
        - ``"decay_before"``: :math:`w \leftarrow (1-\alpha)w - \mathrm{step}(g)`;
        - ``"decay_after"``: :math:`w \leftarrow (1-\alpha)(w - \mathrm{step}(g))`;
        - ``"decoupled"``: :math:`w \leftarrow (1-\eta\alpha)w - \mathrm{step}(g)`, AdamW and SGDW as in PyTorch,
          Keras and optax [1]_.

        The three decays have no objective and are only supported by "sgd" and "adam". With "lbfgs" and "pso",
        :math:`n = N`. In `partial_fit`, :math:`N` is the number of samples seen so far. With early stopping, the
        validation set does not count.
    alpha : float, array-like of shape (n_layers - 1,) or None, default=None
        Strength of the rule: one number, or one for each weight layer. None uses the default strength of the rule: 1
        for ``"prior"``, 1e-4 for ``"penalty_per_sample"``, 1e-2 for ``"penalty"`` and ``"decoupled"``, 1e-3 for
        ``"decay_before"`` and ``"decay_after"``. The last two require ``alpha < 1``, and ``"decoupled"`` requires
        ``learning_rate_init * alpha < 1``.
    batch_size : int or "auto", default="auto"
        Number of samples per update. "auto" is ``min(200, n_samples)``; 1 is online training. Only used when
        ``solver="sgd"`` or ``"adam"``.
    learning_rate : {"constant", "invscaling", "adaptive", "cosine"}, default="constant"
        Learning rate schedule. "constant" keeps `learning_rate_init`. "invscaling" divides it by
        ``(t + 1) ** power_t``, where `t` is the number of samples seen, updated after each epoch. "adaptive" divides
        it by 5 each time training stops improving. Both are only used when ``solver="sgd"``. "cosine" decreases it to
        0 over `max_iter` epochs: update `t` of `T` uses ``learning_rate_init * (1 + cos(pi * (t + 0.5) / T)) / 2``.
        Training then always runs for `max_iter` epochs, and `tol` and `n_iter_no_change` are ignored; `partial_fit`
        uses a constant rate. Only used when ``solver="sgd"`` or ``"adam"``.
    learning_rate_init : float, default=0.001
        Initial learning rate. Only used when ``solver="sgd"`` or ``"adam"``.
    power_t : float, default=0.5
        Exponent of the "invscaling" schedule. Only used when ``solver="sgd"`` and ``learning_rate="invscaling"``.
    max_iter : int, default=200
        Maximum number of iterations: epochs for "sgd" and "adam", steps for "lbfgs", evaluations of the whole swarm
        for "pso".
    shuffle : bool, default=True
        Whether to shuffle the samples before each epoch. Only used when ``solver="sgd"`` or ``"adam"``.
    random_state : int, RandomState instance or None, default=None
        Determines random number generation for the initial weights, the validation set, the order of the samples and
        the particle swarm. Pass an int for reproducible results.
    tol : float, default=1e-4
        Smallest improvement of the loss, or of the validation score with early stopping, that counts as one. "lbfgs"
        stops when the largest absolute entry of the gradient is at most `tol`.
    verbose : bool, default=False
        Whether to print the loss of each iteration.
    warm_start : bool, default=False
        Whether `fit` continues from the previous call. The weights, the state of the optimiser or of the swarm, the
        random stream and the curves are kept, so that 30 calls with ``max_iter=1`` give the same network as one call
        with ``max_iter=30``, unless a stopping rule ends training first. Patience, best loss and best validation score
        are reset in each call. Exceptions are "lbfgs", which keeps the weights only and rebuilds its approximation of
        the curvature, early stopping, which draws another validation set, ``learning_rate="adaptive"``, which starts
        from `learning_rate_init`, and a particle swarm with a schedule of its inertia, unless `inertia_iterations` is
        set.
    momentum : float, default=0.9
        Momentum, in [0, 1]. Only used when ``solver="sgd"``.
    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum. Only used when ``solver="sgd"`` and ``momentum > 0``.
    early_stopping : bool, default=False
        Whether to set aside a validation set, to stop training when the validation score stops improving, and to keep
        the weights with the best validation score. Ignored when ``solver="lbfgs"``.
    validation_fraction : float, default=0.1
        Proportion of the samples in the validation set, in [0, 1). Only used when ``early_stopping=True``.
    beta_1 : float, default=0.9
        Decay rate of the first moment, in [0, 1). Only used when ``solver="adam"``.
    beta_2 : float, default=0.999
        Decay rate of the second moment, in [0, 1). Only used when ``solver="adam"``.
    epsilon : float, default=1e-8
        Added to the square root of the second moment. Only used when ``solver="adam"``.
    n_iter_no_change : int or inf, default=10
        Number of consecutive iterations with an improvement smaller than `tol` before training stops. With "pso", the
        larger of this number and the swarm's `patience` applies. Ignored when ``solver="lbfgs"``.
    max_fun : int, default=15000
        Maximum number of evaluations of the loss. Only used when ``solver="lbfgs"``.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer, in the dtype of the training data.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer.
    loss_ : float
        Loss of the last iteration, including the penalty. The decays have none.
    data_loss_ : float
        Loss of the last iteration, without the penalty.
    loss_curve_ : list of float
        Loss of each iteration. For "sgd" and "adam", the average over the batches of the epoch, each evaluated before
        its update.
    data_loss_curve_ : list of float
        The same without the penalty.
    weight_norm_curve_ : list of float
        :math:`\sum w^2` after each iteration.
    best_loss_ : float or None
        Smallest loss of the last fit; None with early stopping.
    validation_scores_ : list of float or None
        :math:`R^2` on the validation set after each iteration; None without early stopping.
    validation_loss_curve_ : list of float or None
        Loss on the validation set after each iteration, without the penalty; None without early stopping.
    best_validation_score_ : float or None
        Best :math:`R^2` on the validation set; None without early stopping.
    n_iter_ : int
        Number of iterations of the last fit.
    t_ : int
        Number of samples visited in all calls, repeated visits included; 0 with "lbfgs".
    swarm_ : SwarmState or None
        Final state of the swarm; None unless ``solver="pso"`` or a `ParticleSwarm`.
    n_layers_ : int
        Number of layers, including the input and the output layer.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Activation function of the outputs: "exp" with ``loss="poisson"``, otherwise "identity".
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Defined only when `X` has feature names that are all strings.

    See Also
    --------
    L2NetClassifier : Multi-layer perceptron classifier with the same L2 rules.
    ParticleSwarm : Particle swarm optimisation, with its parameters.

    References
    ----------
    .. [1] Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2net import L2NetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = L2NetRegressor((5,), solver="lbfgs", random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, (y - y.mean()) / y.std())
    >>> model.score(X, (y - y.mean()) / y.std()) > 0.5
    True
    """

    _parameter_constraints: dict = {
        **BaseL2Net._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
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
        normalize_y: bool = True,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "cosine",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        max_iter: int | None = None,
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
        self.normalize_y = normalize_y
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
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

    def predict(self, X: MatrixLike) -> Floats:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predicted targets.
        """
        return _flat_if_single(self._network_outputs(X))

    def _training_data(self, X, y, sample_weight, *, continues=False, is_stream=False, classes=None):
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
            dtype=FLOATS,
            order="C",
            reset=not continues,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._loss = REGRESSION_LOSSES[self.loss]
        self._loss.check_targets(y)
        if np.abs(y).max() > np.finfo(X.dtype).max:
            raise ValueError(
                f"`y` has targets of {np.abs(y).max():.3g}, too large for float32, which they are converted to because "
                "`X` has it. Divide the targets by a constant, or pass `X` in float64."
            )
        weight, Y = self._checked_weights(X, sample_weight), y.reshape(len(y), -1)
        if is_stream and continues:
            scale = self._training_state.target_scale
        else:
            scale = TargetScale.of(Y, weight) if self.normalize_y and self._loss.has_scale else None
        Y = np.ascontiguousarray(Y if scale is None else scale.standardised(Y), dtype=X.dtype)
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
    """Refuse targets that are no numbers, but would be converted to some."""
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
    """The bits of `sklearn.metrics.r2_score`, in less time than training a small network for an epoch."""
    if len(Y) < 2 or not np.isfinite(outputs).all():
        return float(r2_score(Y, outputs, sample_weight=sample_weight))  # its warning, its error
    weight = 1.0 if sample_weight is None else sample_weight[:, np.newaxis]
    with np.errstate(over="ignore"):  # of a training that diverges, which is said elsewhere
        errors = np.sum(weight * (Y - outputs) ** 2, axis=0)
    spread = np.sum(weight * (Y - np.average(Y, axis=0, weights=sample_weight)) ** 2, axis=0)
    is_defined = spread != 0
    scores = np.where(is_defined, 0, errors == 0).astype(errors.dtype)
    scores[is_defined] = 1 - errors[is_defined] / spread[is_defined]
    return float(scores.mean())
