"""What the classifier and the regressor share: parameters, `fit`, the fitted attributes, reports and exports."""

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, wraps
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer_names
from sklearn.utils.validation import check_is_fitted

from skl2net._sklearn_private import (
    CallbackSupportMixin,
    Interval,
    Options,
    StrOptions,
    check_sample_weight,
    fit_context,
    is_finite_number,
    validate_data,
)
from skl2net.activations import ACTIVATIONS
from skl2net.engines import default_engine
from skl2net.engines.base import Task
from skl2net.estimators.persistence import plain, restored
from skl2net.estimators.sparse_input import check_sparse
from skl2net.estimators.tasks import FitTasks
from skl2net.fitting import Watch, fit_network
from skl2net.hints import ArrayLike, Estimator, Floats, MatrixLike, NDArray
from skl2net.l2 import MODES
from skl2net.network import Network
from skl2net.posterior import Posterior
from skl2net.report import HeldOut, L2Report, make_report
from skl2net.search_threads import limits_of_this_thread
from skl2net.solvers.optimisers import OPTIMISERS
from skl2net.solvers.schedules import SCHEDULES
from skl2net.solvers.swarm import ParticleSwarm, SwarmState
from skl2net.training import layer_sizes, make_plan, make_start

FLOATS = (np.float64, np.float32)

_Method = TypeVar("_Method", bound=Callable[..., Any])


def is_dask(X):
    """Whether `X` is a Dask collection. Dask is not imported to find out."""
    return type(X).__module__.startswith("dask.")


def by_blocks(method: _Method) -> _Method:
    """Decorator of a method that predicts or scores `X`, which may then also be a Dask collection."""

    @wraps(method)
    def decorated(self, X, *args, **kwargs):
        if is_dask(X):
            from skl2net.estimators import dask_input

            if method.__name__ == "score":
                return dask_input.score(self, X, *args, **kwargs)
            return dask_input.predicted(self, X, method.__name__, *args, **kwargs)
        return method(self, X, *args, **kwargs)

    return cast(_Method, decorated)


class BaseL2Net(CallbackSupportMixin, BaseEstimator, ABC):
    r"""Base class of the classifier and the regressor.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units in each hidden layer. ``()`` gives a linear model (logistic or ridge regression).
    activation : {"identity", "logistic", "tanh", "relu", "softplus"}, default="relu"
        Activation function of the hidden units.
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
          Keras and optax (Loshchilov & Hutter, ICLR 2019). It follows the learning rate schedule.

        The three decays have no objective and are only supported by "sgd" and "adam". With "lbfgs" and "pso",
        :math:`n = N`. In `partial_fit`, :math:`N` is the number of samples seen so far. With early stopping, the
        validation set does not count.
    alpha : float, array-like of shape (n_layers - 1,) or None, default=None
        Strength of the rule: one number, or one for each weight layer. None uses the default strength of the rule: 5
        for ``"prior"``, 1e-4 for ``"penalty_per_sample"``, 1e-2 for ``"penalty"`` and ``"decoupled"``, 1e-3 for
        ``"decay_before"`` and ``"decay_after"``. The last two require ``alpha < 1``, and ``"decoupled"`` requires
        ``learning_rate_init * alpha < 1``.
    batch_size : int or "auto", default="auto"
        Number of samples per update. "auto" is ``min(200, n_samples)``; 1 is online training. Only used when
        ``solver="sgd"`` or ``"adam"``.
    learning_rate : {"constant", "invscaling", "adaptive", "cosine"}, default="cosine"
        Learning rate schedule. Only used when ``solver="sgd"`` or ``"adam"``.

        - "cosine" decreases the rate from `learning_rate_init` to 0 over `max_iter` epochs: update :math:`t` of
          :math:`T`, counted from 0, uses
          :math:`\eta = \eta_0 \cdot \tfrac12 (1 + \cos(\pi (t + \tfrac12) / T))`. Training always runs for `max_iter`
          epochs, and no ConvergenceWarning is raised at the end. `partial_fit`, which has no end, uses a constant rate;
        - "constant" keeps `learning_rate_init`;
        - "invscaling" divides it by ``(t + 1) ** power_t``, where `t` is the number of samples seen, updated after each
          epoch. Only used when ``solver="sgd"``;
        - "adaptive" divides it by 5 each time training stops improving. Only used when ``solver="sgd"``.
    learning_rate_init : float or None, default=None
        Initial learning rate. With ``learning_rate="cosine"``, None is 0.01 for "adam" and 0.03 for "sgd"; with other
        schedules, and in `partial_fit`, it is 0.001. Only used when ``solver="sgd"`` or ``"adam"``.
    power_t : float, default=0.5
        Exponent of the "invscaling" schedule. Only used when ``solver="sgd"`` and ``learning_rate="invscaling"``.
    max_iter : int or None, default=None
        Maximum number of iterations: epochs for "sgd" and "adam", steps for "lbfgs", evaluations of the whole swarm
        for "pso". With "sgd" or "adam" and ``learning_rate="cosine"``, it is the number of epochs, and None is 60;
        otherwise None is 200.
    scoring : str, callable or None, default=None
        Score that early stopping watches. None for minus the loss on the validation set; "score" for that of the method
        `score`, accuracy or :math:`R^2`, as in scikit-learn; otherwise the name of a scorer
        (:func:`sklearn.metrics.get_scorer_names`) or a callable ``scorer(estimator, X, y)``, whose `estimator` predicts
        the validation set. Only used when ``early_stopping=True``.
    posterior : bool, default=False
        Whether `fit` computes the posterior of the weights and biases around the fitted ones, a Laplace approximation
        with the full Gauss-Newton matrix: `posterior_`, the lines on effective parameters in the report, and for
        squared errors the standard deviations of ``predict(X, return_std=True)``. It takes time and memory that grow
        with the square of the number of weights. Requires a rule with an objective, not a decay, and a loss with a
        second derivative. `partial_fit` does not support it.
    shuffle : bool, default=True
        Whether to shuffle the samples before each epoch. Only used when ``solver="sgd"`` or ``"adam"``.
    random_state : int, RandomState instance or None, default=None
        Determines random number generation for the initial weights, the validation set, the order of the samples and
        the particle swarm. Pass an int for reproducible results.
    tol : float, default=1e-4
        Smallest improvement of the loss, or of the validation score with early stopping, that counts as one. "lbfgs"
        stops when the largest absolute entry of the gradient is at most `tol`. Ignored by "sgd" and "adam" with
        ``learning_rate="cosine"``.
    verbose : bool, default=False
        Whether to print the loss of each iteration.
    warm_start : bool, default=False
        Whether `fit` continues from the previous call. The weights, the state of the optimiser or of the swarm, the
        random stream and the curves are kept. With ``learning_rate="constant"``, 30 calls with ``max_iter=1`` give the
        same network as one call with ``max_iter=30``, unless a stopping rule ends training first. Patience, best loss
        and best validation score are reset in each call. With ``learning_rate="cosine"``, each call starts from
        `learning_rate_init` and has its own `max_iter` epochs. Other exceptions are "lbfgs", which keeps the weights
        only and rebuilds its approximation of the curvature, early stopping, which continues from the best weights and
        draws another validation set,
        ``learning_rate="adaptive"``, which starts from `learning_rate_init`, and a particle swarm with a schedule of
        its inertia, unless `inertia_iterations` is set.
    momentum : float, default=0.9
        Momentum, in [0, 1]. Only used when ``solver="sgd"``.
    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum. Only used when ``solver="sgd"`` and ``momentum > 0``.
    early_stopping : bool, default=False
        Whether to stop training when the score on a validation set, see `scoring`, stops improving, and to keep the
        weights with the best score. The set is passed to `fit`, or a part of the samples is set aside. "sgd" and "adam"
        with ``learning_rate="cosine"`` do not stop, but keep the best weights. Ignored when ``solver="lbfgs"``.
    validation_fraction : float, default=0.1
        Proportion of the samples that are set aside as the validation set, in [0, 1). Only used when
        ``early_stopping=True`` and no validation set is passed to `fit`.
    beta_1 : float, default=0.9
        Decay rate of the first moment, in [0, 1). Only used when ``solver="adam"``.
    beta_2 : float, default=0.999
        Decay rate of the second moment, in [0, 1). Only used when ``solver="adam"``.
    epsilon : float, default=1e-8
        Added to the square root of the second moment. Only used when ``solver="adam"``.
    n_iter_no_change : int or inf, default=10
        Number of consecutive iterations with an improvement smaller than `tol` before training stops. With "pso", the
        larger of this number and the swarm's `patience` applies. Ignored by "lbfgs", and by "sgd" and "adam" with
        ``learning_rate="cosine"``.
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
        Score on the validation set after each iteration, see `scoring`; None without early stopping.
    validation_loss_curve_ : list of float or None
        Loss on the validation set after each iteration, without the penalty; None without early stopping.
    best_validation_score_ : float or None
        Best score on the validation set; None without early stopping.
    n_iter_ : int
        Number of iterations of the last fit.
    max_iter_ : int
        Largest number of iterations of the last fit, the parameter `max_iter` or its default; 1 after `partial_fit`.
    learning_rate_init_ : float or None
        Initial learning rate of the last fit, the parameter `learning_rate_init` or its default; None with "lbfgs" and
        "pso".
    t_ : int
        Number of samples visited in all calls, repeated visits included; 0 with "lbfgs".
    swarm_ : SwarmState or None
        Final state of the swarm; None unless ``solver="pso"`` or a `ParticleSwarm`.
    posterior_ : Posterior or None
        Posterior of the weights and biases, see `skl2net.posterior.Posterior`; None with ``posterior=False``.
    n_layers_ : int
        Number of layers, including the input and the output layer.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Activation function of the outputs: "logistic" for two classes and for multilabel targets, "softmax" for more
        classes, "identity" for a regression, and "exp" with ``loss="poisson"``.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Defined only when `X` has feature names that are all strings.
    """

    coefs_: list[Floats]
    intercepts_: list[Floats]
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    if TYPE_CHECKING:  # methods of scikit-learn, which is not typed

        def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float: ...
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions({"lbfgs", "sgd", "adam", "pso"}), ParticleSwarm],
        "l2_mode": [StrOptions(set(MODES))],
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like", None],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES))],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), None],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "scoring": [StrOptions({"score", *get_scorer_names()}), callable, None],
        "posterior": ["boolean"],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
    }

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: MatrixLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input data. float32 is kept, other dtypes are converted to float64; sparse input is converted to CSR.
            The blocks of a Dask array or data frame stay on the workers of the active `dask.distributed` client;
            "lbfgs" and "pso" support them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values: class labels, a label indicator matrix, or real numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each sample, in the loss and in the numbers of samples `n` and `N` of the L2 rule.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            The validation set of early stopping, converted to the dtype of `X`. All samples of `X` are trained on then.
            In a :class:`~sklearn.pipeline.Pipeline`, ``transform_input=["X_val"]`` transforms it like `X`.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Its targets. A classifier requires classes that `y` has.
        sample_weight_val : array-like of shape (n_val,), default=None
            Non-negative weight of each of its samples, multiplied with `class_weight` as in training.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid, or if training diverges. The estimator is left unchanged, with its
            previous fit if it has one.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def l2_report(self) -> L2Report:
        """Report which L2 rule ran in the last fit, and what it did to the weights.

        Returns
        -------
        L2Report
            Prints as text and displays as HTML. See `skl2net.report.L2Report` for its attributes. Under a learning rate
            schedule, share and timescale are means over the updates of the last fit. Weights of a regressor with
            ``normalize_y=True`` are in standard units.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skl2net import L2NetClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = L2NetClassifier((5,), solver="sgd", l2_mode="decay_after", alpha=0.001, batch_size=50,
        ...                       max_iter=500, random_state=0).fit(X, y)
        >>> report = net.l2_report()
        >>> report.rule
        'w <- (1 - 0.001) * (w - step(g))'
        >>> float(report.timescale[0])  # 1 / (0.001 * 3 updates per epoch)
        333.3...
        """
        self._check_network()
        applied_rule = self._training_state.applied_rule
        if applied_rule is None:
            raise ValueError(
                "There is nothing to report: this network was trained by the L-BFGS of scikit-learn, which does not "
                "remember the number of samples that alpha was divided by. Call fit first."
            )
        has_target_scale = self._training_state.target_scale is not None
        return make_report(
            applied_rule,
            self._standard_coefs(),
            held_out=self._held_out(),
            posterior=self.posterior_,
            has_target_scale=has_target_scale,
        )

    @classmethod
    def from_sklearn(cls, mlp: Estimator) -> Self:
        """Convert a fitted multi-layer perceptron of scikit-learn.

        Parameters, weights and the state of the optimiser are copied, and scikit-learn's rule is
        ``l2_mode="penalty_per_sample"``. The result makes the same predictions, and `partial_fit` without shuffling
        continues along the same trajectory.

        Parameters
        ----------
        mlp : MLPClassifier or MLPRegressor
            A fitted network, such as the last step of a pipeline.

        Returns
        -------
        L2NetClassifier or L2NetRegressor
            A fitted network. Values that scikit-learn does not record are NaN: `data_loss_`, `data_loss_curve_`,
            `validation_loss_curve_`, and `weight_norm_curve_` except for its last value.

        Raises
        ------
        TypeError
            If `mlp` is not an MLPClassifier, or for a regressor not an MLPRegressor.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.neural_network import MLPClassifier
        >>> from skl2net import L2NetClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> mlp = MLPClassifier((5,), solver="lbfgs", random_state=0, max_iter=1000).fit(X, y)
        >>> net = L2NetClassifier.from_sklearn(mlp)
        >>> bool((net.predict(X) == mlp.predict(X)).all())
        True
        """
        from skl2net.interchange.sklearn import from_sklearn

        parameters, attributes, network, state = from_sklearn(cls, mlp)
        net = cls(**parameters)
        vars(net).update(attributes)
        net._keep(network, state)
        return net

    def to_sklearn(self) -> Estimator:
        """Convert to a fitted multi-layer perceptron of scikit-learn.

        The result makes the same predictions, and its `alpha` is converted. The initial learning rate and the constants
        of the optimiser are those of the last fit, unless another solver was set since. Under
        ``l2_mode="penalty_per_sample"``, its `partial_fit` without shuffling continues along the same trajectory; under
        the other penalties, it does if all batches have the same size.

        Returns
        -------
        MLPClassifier or MLPRegressor
            A fitted network, which skl2onnx can export to ONNX.

        Raises
        ------
        ValueError
            If scikit-learn does not support the loss or the activation, as ``loss="squared_error"`` of the classifier.

        Warns
        -----
        UserWarning
            If something is lost that affects further training, but not predictions: a decay, one alpha per layer, class
            weights, the particle swarm.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skl2net import L2NetClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = L2NetClassifier((5,), solver="lbfgs", l2_mode="penalty", alpha=0.01, random_state=0).fit(X, y)
        >>> net.to_sklearn().alpha  # scikit-learn divides it by the 150 samples
        1.5
        """
        from skl2net.interchange.sklearn import to_sklearn

        self._check_network()
        return to_sklearn(self)

    def to_torch(self) -> Any:
        """Convert to a PyTorch module with the same outputs.

        Returns
        -------
        torch.nn.Sequential
            Takes a tensor of shape (n_samples, n_features) in the dtype of `coefs_`. The outputs of a classifier are
            probabilities; for two classes, one column with those of ``classes_[1]``. ``module[:-1]`` returns the raw
            outputs (logits), for losses that expect these.

        Notes
        -----
        To continue training under the same rule, apply weight decay to the weights only::

            weights = [p for p in module.parameters() if p.ndim > 1]
            biases = [p for p in module.parameters() if p.ndim <= 1]
            groups = [{"params": weights, "weight_decay": wd}, {"params": biases, "weight_decay": 0.0}]

        and use the optimiser

        - ``torch.optim.SGD(groups, lr, momentum, nesterov=...)`` or ``torch.optim.Adam(groups, lr)`` for the penalties,
          with ``wd = alpha / N`` for ``"prior"``, ``wd = alpha`` for ``"penalty"``, and ``wd = alpha / n`` for
          ``"penalty_per_sample"``;
        - ``torch.optim.AdamW(groups, lr)`` for ``"decoupled"`` under Adam, with ``wd = alpha``, and for
          ``"decay_before"``, with ``wd = alpha / lr``;
        - any of them with ``wd = 0`` for ``"decay_after"`` and for decays with SGD; call ``p.mul_(1 - share)`` for each
          weight `p` under ``torch.no_grad()``, after ``step()`` for ``"decay_after"`` and before it otherwise.

        These numbers hold for the log loss: ``torch.nn.CrossEntropyLoss()(module[:-1](X), y)`` for three or more
        classes, and ``torch.nn.BCEWithLogitsLoss()(module[:-1](X)[:, 0], y.to(X.dtype))`` for two. For multilabel
        targets and other losses, :func:`skl2net.convert_alpha` gives the factor. `lr` is constant for
        ``"decay_before"``. A regressor needs ``normalize_y=False``: otherwise the module predicts in the units of the
        targets, while `alpha` is in standard units.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skl2net import L2NetClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = L2NetClassifier((5,), solver="lbfgs", random_state=0).fit(X, y)
        >>> import torch  # doctest: +SKIP
        >>> probabilities = net.to_torch()(torch.from_numpy(X))  # doctest: +SKIP
        """
        from skl2net.interchange.torch import to_torch

        self._check_network()
        return to_torch(self)

    @property
    def loss_(self) -> float:
        """Loss of the last iteration, float."""
        return self._state_with("loss_").loss

    @property
    def data_loss_(self) -> float:
        """Loss of the last iteration without the penalty, float."""
        return self._state_with("data_loss_").data_loss

    @property
    def best_loss_(self) -> float | None:
        """Smallest loss of the last fit; None with early stopping."""
        return self._state_with("best_loss_").progress.best_loss

    @property
    def best_validation_score_(self) -> float | None:
        """Best score on the validation set; None without early stopping."""
        return self._state_with("best_validation_score_").progress.best_score

    @property
    def n_iter_(self) -> int:
        """Number of iterations of the last fit, int."""
        return self._state_with("n_iter_").n_iter

    @property
    def t_(self) -> int:
        """Number of samples visited in all calls, int."""
        return self._state_with("t_").t

    @property
    def loss_curve_(self) -> list[float]:
        """Loss of each iteration, list of float."""
        return self._state_with("loss_curve_").curves.loss.tolist()

    @property
    def data_loss_curve_(self) -> list[float]:
        """Loss of each iteration without the penalty, list of float."""
        return self._state_with("data_loss_curve_").curves.data_loss.tolist()

    @property
    def weight_norm_curve_(self) -> list[float]:
        r""":math:`\sum w^2` after each iteration, list of float."""
        return self._state_with("weight_norm_curve_").curves.weight_norm.tolist()

    @property
    def validation_scores_(self) -> list[float] | None:
        """Score on the validation set after each iteration; None without early stopping."""
        state = self._state_with("validation_scores_")
        return state.curves.validation_score.tolist() if state.is_validated else None

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """Loss on the validation set after each iteration; None without early stopping."""
        state = self._state_with("validation_loss_curve_")
        return state.curves.validation_loss.tolist() if state.is_validated else None

    @property
    def swarm_(self) -> SwarmState | None:
        """Final state of the swarm, a `SwarmState`; None if another solver was used."""
        state = self._state_with("swarm_").solver_state
        return state if isinstance(state, SwarmState) else None

    @property
    def posterior_(self) -> Posterior | None:
        """Posterior of the weights and biases, a `Posterior`; None with ``posterior=False``."""
        return self._state_with("posterior_").posterior

    def _state_with(self, attribute):
        """The state after the last fit; without a fit, an error that names the attribute that needs it."""
        if "_training_state" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} is not fitted yet, and has no {attribute}.")
        return self._training_state

    def _check_network(self):
        """Refuse a network that is not fitted, and edited weights that do not fit together."""
        check_is_fitted(self)
        self._network().check(self.coefs_, self.intercepts_)

    def _fit(self, X, y, sample_weight, validation=(None, None, None), *, is_stream=False, classes=None):
        continues = hasattr(self, "coefs_") and (self.warm_start or is_stream)
        if is_stream and self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, since each call makes a single pass over its data. "
                "Set early_stopping=False and validate with a callback, or call fit."
            )
        self._check_validation(*validation)
        if is_stream and self.posterior:
            raise ValueError(
                "partial_fit does not support posterior=True, since a posterior needs all samples at the last weights. "
                "Set posterior=False, or call fit."
            )
        layer_sizes(self.hidden_layer_sizes)  # refuses before the data are looked at
        fitted = copy.copy(self)  # so that a fit that fails leaves the estimator unchanged
        data = fitted._data(X, y, sample_weight, continues=continues, is_stream=is_stream, classes=classes)
        validation = fitted._validation_data(*validation, data)
        self._warn_if_clipped(data.X.shape[0])
        before, parameters = self._training_state if continues else None, None
        n_seen = before.n_total if continues and is_stream else 0.0
        is_cancelled, n_threads = limits_of_this_thread()
        plan = make_plan(self, data, validation, n_threads=n_threads, n_seen=n_seen, is_stream=is_stream)
        network = plan.problem.network
        fitted.max_iter_, fitted.learning_rate_init_ = plan.stopping.max_iter, plan.solver.learning_rate_init
        if continues:
            self._check_same_layers(network)
            parameters = self._parameters_in(data.target_scale, network)
        start = make_start(self.random_state, before, parameters, is_stream=is_stream)
        start = replace(start, target_scale=data.target_scale)
        tasks = FitTasks(
            self,
            fitted,
            plan,
            name="partial_fit" if is_stream else "fit",
            X=X,
            y=y,
            metadata=None if sample_weight is None else {"sample_weight": sample_weight},
        )
        state, messages = fit_network(plan, start, tasks.watching(Watch(self.verbose, is_cancelled)))
        fitted._keep(network, state)
        for message, category in messages:  # before anything is changed: they may be errors
            if not (is_stream and category is ConvergenceWarning):  # one pass need not converge
                warnings.warn(message, category)
        tasks.end(state)
        self._adopt(vars(fitted))
        if isinstance(self.random_state, np.random.RandomState):
            self.random_state.set_state(state.random_state.get_state(legacy=False))
        return self

    def _check_validation(self, X_val, y_val, sample_weight_val):
        """Refuse a validation set that is incomplete, or of no use."""
        passed = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        names = [name for name, values in passed.items() if values is not None]
        if names and names[:2] != ["X_val", "y_val"]:
            raise ValueError(f"A validation set needs both X_val and y_val, got only {' and '.join(names)}.")
        if names and not self.early_stopping:
            raise ValueError(
                "X_val and y_val are the validation set of early stopping, and early_stopping=False. Set "
                "early_stopping=True, or fit without them."
            )
        if names and self.solver == "lbfgs":
            raise ValueError(
                "X_val and y_val are the validation set of early stopping, which solver='lbfgs' does not support. Set "
                "solver='adam', or fit without them."
            )

    def _validation_data(self, X_val, y_val, sample_weight_val, training):
        """The validation set as `TrainingData`, encoded like those that are trained on; None if there is none."""
        if X_val is None:
            return None
        try:
            return self._data(X_val, y_val, sample_weight_val, training=training)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"The validation set, X_val and y_val, cannot be used: {error}") from error

    def _validate_params(self):
        alpha = getattr(self, "alpha", None)  # a search has none
        if isinstance(alpha, str):
            raise ValueError(
                f"alpha={alpha!r} is a string. Pass a number such as alpha=0.1, one number per weight layer, or "
                "None for the default strength of the rule."
            )
        super()._validate_params()
        if isinstance(self.solver, ParticleSwarm):
            self.solver._validate_params()
        if isinstance(self.random_state, np.random.RandomState):
            generator = self.random_state.get_state(legacy=False)["bit_generator"]
            if generator != "MT19937":
                raise ValueError(
                    f"random_state is a RandomState of {generator}, and only that of MT19937 can be continued and "
                    "saved. Pass an integer, or numpy.random.RandomState(seed)."
                )

    def _check_same_layers(self, network):
        """Refuse to continue a network of other sizes, saying what has changed."""
        before, now = self._layer_sizes(), network.layer_sizes
        if before == now:
            return
        if before[-1] != now[-1] and before[:-1] == now[:-1]:
            change = f"`y` has {now[-1]} output(s), but the fitted network has {before[-1]}. Pass targets of that shape"
        else:
            change = f"The fitted network has layers of {before} units, hidden_layer_sizes={now[1:-1]} asks for {now}. "
            change += f"Set hidden_layer_sizes={before[1:-1]}"
        raise ValueError(f"{change}, or call fit with warm_start=False to train a new network.")

    def _checked_weights(self, X, sample_weight):
        """Weight of each row in the dtype of `X`; None if all are one."""
        if sample_weight is None:
            return None
        if isinstance(sample_weight, Real) and not is_finite_number(sample_weight):
            raise ValueError(f"sample_weight={sample_weight} is not finite. Pass one finite number for each sample.")
        weight = check_sample_weight(sample_weight, X, ensure_non_negative=True)
        check_range(weight, X.dtype, "The sample weights")
        return weight.astype(X.dtype, copy=False)

    def _layer_sizes(self):
        """Number of units of each layer. `Network.check` says which weights do not fit, if users have replaced some."""
        for name in ("coefs_", "intercepts_"):
            arrays = getattr(self, name)
            if not isinstance(arrays, list | tuple):
                raise ValueError(
                    f"{name} must be a list of arrays, one for each weight layer; got {type(arrays).__name__}."
                )
        if len(self.coefs_) != len(self.intercepts_):
            raise ValueError(
                f"coefs_ has {len(self.coefs_)} arrays, and intercepts_ has {len(self.intercepts_)}. Both must have "
                "one for each weight layer."
            )
        pairs = zip(self.coefs_[:-1], self.intercepts_, strict=False)
        hidden = (np.shape(coef)[1] if np.ndim(coef) == 2 else np.size(intercept) for coef, intercept in pairs)
        return self.n_features_in_, *hidden, self.n_outputs_

    def _warn_if_clipped(self, n_rows):
        """Warn of batches that are larger than the data."""
        if self.solver in OPTIMISERS and self.batch_size != "auto" and self.batch_size > n_rows:
            warnings.warn(
                f"batch_size={self.batch_size} is larger than the sample size {n_rows}. It is going to be clipped.",
            )

    def _with_outputs(self, outputs):
        """A copy that predicts from the outputs of another network; ``outputs(raw=...)`` computes them."""
        copied = copy.copy(self)
        copied._network_outputs = lambda X, raw=False: outputs(raw=raw)
        return copied

    def __copy__(self):
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def _parameters_in(self, scale, network):
        """The fitted parameters as one vector, in the units of a `TargetScale`, or of the targets for None."""
        parameters, own = network.pack(self.coefs_, self.intercepts_), self._training_state.target_scale
        if scale is None:
            return parameters
        return (own if scale.is_same(own) else scale).standard_parameters(network, parameters)

    def _held_out(self):
        """Losses of the epoch whose weights early stopping has kept, a `HeldOut`; None if they are unknown."""
        if not self._training_state.is_validated:
            return None
        curves = self._training_state.curves
        n = self.n_iter_  # curves may begin with earlier fits
        scores, training, held_out = (
            curve.tolist()[-n:] for curve in (curves.validation_score, curves.data_loss, curves.validation_loss)
        )
        if np.isnan(scores).all() or np.isnan(held_out).all():  # scikit-learn does not record the losses
            return None
        best = int(np.nanargmax(scores))
        return HeldOut(training[best], held_out[best], "the validation set")

    def _standard_coefs(self):
        """Weights of each layer in the units in which they were trained and penalised."""
        network, scale = self._network(), self._training_state.target_scale
        return self.coefs_ if scale is None else network.unpack(self._parameters_in(scale, network))[0]

    def _keep(self, network, state):
        """Turn the state after a fit into fitted attributes."""
        parameters, scale = state.parameters, state.target_scale
        if scale is not None:
            last = np.concatenate([np.ravel(arrays[-1]) for arrays in network.unpack(parameters)])
            state = replace(state, target_scale=replace(scale, last_layer=last))
            parameters = scale.unscaled_parameters(network, parameters)
        coefs, intercepts = network.unpack(parameters)
        vars(self).update(
            coefs_=coefs,
            intercepts_=intercepts,
            n_layers_=len(network.layer_sizes),
            n_outputs_=network.layer_sizes[-1],
            out_activation_=self._loss.output.name,
            _activation=network.activation.name,  # of the fitted weights, whatever set_params says later
            _training_state=replace(state, parameters=None),
        )

    def _adopt(self, attributes):
        """Take over the attributes of a finished fit, and drop those of an earlier one that it has not."""
        of_fits = {"_activation", "_loss", "_training_state", "_label_binarizer"}
        kept = {name: value for name, value in vars(self).items() if not (name.endswith("_") or name in of_fits)}
        self.__dict__ = kept | attributes  # at once, whenever Ctrl-C comes

    def _network_outputs(self, X, *, raw=False):
        """Outputs of the fitted network for any input, ndarray of shape (n_samples, n_outputs)."""
        engine, fitted = default_engine(), vars(self)
        if (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.shape[1] == fitted.get("n_features_in_")
            and "coefs_" in fitted
            and "feature_names_in_" not in fitted
        ):  # nothing to refuse, to convert or to warn of, if the engine agrees
            outputs = engine.predict(
                self.coefs_, self.intercepts_, ACTIVATIONS[self._activation], self._loss.output, X, raw=raw
            )
            if outputs is not None and outputs.shape[1] == self.n_outputs_:
                return outputs
        X, network = self._checked_input(X), self._network()
        parameters = network.pack(self.coefs_, self.intercepts_)
        if X.dtype != parameters.dtype:
            X, parameters = X.astype(np.float64, copy=False), parameters.astype(np.float64, copy=False)
        with engine.open(Task(network, self._loss, X)) as session:
            return session.outputs(parameters, raw=raw)

    def _checked_input(self, X):
        """Input of predictions as the engine takes it."""
        check_is_fitted(self)
        check_sparse(X, with_csr=False)
        return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, order="C", reset=False)

    def _network(self):
        """The fitted network, of the layers that its weights have."""
        return _cached_network(self._layer_sizes(), ACTIVATIONS[self._activation])

    def __getstate__(self):
        return plain(super().__getstate__(), type(self))

    def __setstate__(self, state):
        super().__setstate__(restored(state, type(self)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of this estimator, and as ``solver__<parameter>`` those of a `ParticleSwarm`.

        With the latter, ``solver="pso"`` becomes a `ParticleSwarm`.

        Parameters
        ----------
        **params : dict
            Estimator parameters.

        Returns
        -------
        self : object
            Estimator instance.
        """
        solver = params.get("solver", self.solver)
        of_solver = {name: value for name, value in params.items() if name.startswith("solver__")}
        if of_solver and solver == "pso":
            swarm = ParticleSwarm().set_params(**{name[len("solver__") :]: of_solver[name] for name in of_solver})
            params = {**{name: value for name, value in params.items() if name not in of_solver}, "solver": swarm}
        elif of_solver and isinstance(solver, str):
            raise ValueError(
                f"{next(iter(of_solver))} needs a solver with parameters, and solver={solver!r} has none. Only "
                "ParticleSwarm() has, and solver='pso', which becomes one."
            )
        return super().set_params(**params)

    def _has_updates(self):
        """Whether `partial_fit` is available."""
        if self.solver not in OPTIMISERS:
            raise AttributeError(
                f"partial_fit is only available with solver='sgd' or solver='adam', got solver={self.solver!r}."
            )
        return True

    def _data(self, X, y, sample_weight, **options):
        """The result of `_training_data`. The rows of a Dask collection stay on its workers."""
        if is_dask(X):
            from skl2net.estimators.dask_input import training_data

            return training_data(self, X, y, sample_weight, **options)
        return self._training_data(X, y, sample_weight, **options)

    @abstractmethod
    def _training_data(self, X, y, sample_weight, *, continues=False, is_stream=False, classes=None, training=None):
        """Validate and encode, recording what has to be remembered of it in the attributes of this estimator.

        Class weights are not included yet: they may depend on the rows that are trained on. A validation set is encoded
        like the `TrainingData` `training`, and nothing is recorded of it.
        """


# Predicting one row takes less time than working out where each layer's parameters are.
_cached_network = lru_cache(maxsize=64)(Network)


def check_range(weight, dtype, what):
    """Refuse weights of samples whose sum is out of the range of a dtype. `what` says which weights they are."""
    with np.errstate(over="ignore"):
        total = weight.sum(dtype=np.float64)
    info = np.finfo(dtype)
    if total > 0 and not info.tiny < total < info.max:
        raise ValueError(
            f"{what} sum to {total:.3g}, which is out of the range of {dtype}. Multiply all of them by the same "
            "number, so that the sum is about the number of samples."
        )
