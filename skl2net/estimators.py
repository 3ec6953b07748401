"""The estimators: what users import. They validate and encode, delegate to a solver, and hold the results."""

import copy
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skl2net import interchange
from skl2net.engines import default_engine
from skl2net.l2 import MODES, check_rule
from skl2net.network import ACTIVATIONS, Network
from skl2net.problem import Problem
from skl2net.report import RuleRun, make_report
from skl2net.solvers.gradient import GradientDescent
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.swarm import ParticleSwarm, SwarmState
from skl2net.solvers.training import History, Training

_FLOATS = (np.float64, np.float32)


@dataclass
class _Continuation:
    """What a warm start goes on from, besides the weights."""

    history: History
    run: object
    random_state: np.random.RandomState
    seed: object


class _BaseL2Net(BaseEstimator, ABC):
    """What the classifier and the regressor share."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions({"lbfgs", "sgd", "adam", "pso"}), ParticleSwarm],
        "l2_mode": [StrOptions(set(MODES))],
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input. float32 stays float32; sparse input is taken as CSR.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or a label indicator matrix, or real targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each item in the loss and in the number of items `n` of an update; not negative.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input or a parameter cannot be used, or training diverges. An estimator that was fitted before is
            then left as it was.
        """
        return self._fit(X, y, sample_weight)

    def l2_report(self):
        """Say in plain words which L2 rule ran in the last fit, and what it did to the weights.

        Returns
        -------
        L2Report
            Prints as text and displays as HTML; see `skl2net.report.L2Report` for its attributes.

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
        check_is_fitted(self)
        if self._rule_run is None:
            raise ValueError(
                "There is nothing to report: this network was trained by scikit-learn's L-BFGS, which does not "
                "remember the number of items that alpha was divided by. Call fit first."
            )
        return make_report(self._rule_run, self.coefs_)

    @classmethod
    def from_sklearn(cls, mlp):
        """Take over a fitted multi-layer perceptron of scikit-learn.

        It predicts the same, and `partial_fit` without shuffling goes on along the same trajectory: parameters, weights
        and the state of the optimiser are taken over, and scikit-learn's rule is ``l2_mode="penalty_per_sample"``.

        Parameters
        ----------
        mlp : MLPClassifier or MLPRegressor
            Fitted.

        Returns
        -------
        L2NetClassifier or L2NetRegressor
            Fitted. What scikit-learn does not record is NaN: `data_loss_`, `validation_loss_curve_`, and
            `weight_norm_curve_` but for its last value.

        Raises
        ------
        TypeError
            If `mlp` is of the other kind.

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
        net = cls(**interchange.parameters_from_sklearn(cls, mlp))
        network, parameters, history, run, net._rule_run = interchange.training_from_sklearn(mlp)
        vars(net).update(interchange.shared_attributes(mlp))
        continuation = _Continuation(history, run, copy.deepcopy(mlp._random_state), mlp.random_state)
        net._keep(network, parameters, continuation, validated=history.best_parameters is not None)
        return net

    def to_sklearn(self):
        """Make a fitted multi-layer perceptron of scikit-learn.

        It predicts the same, and with ``l2_mode="penalty_per_sample"`` its `partial_fit` without shuffling goes on
        along the same trajectory; so it does with ``"penalty"`` where the batch size divides the data, `alpha` being
        multiplied by it.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Fitted. Through it a network can be exported to ONNX, by skl2onnx.

        Raises
        ------
        ValueError
            If further training would minimise another loss: with ``loss="squared_error"`` on the classifier.

        Warns
        -----
        UserWarning
            If something cannot be carried that matters to further training only: a decay, one alpha per layer, class
            weights, the particle swarm.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skl2net import L2NetClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = L2NetClassifier((5,), solver="lbfgs", alpha=0.01, random_state=0).fit(X, y)
        >>> net.to_sklearn().alpha  # scikit-learn divides it by the 150 items
        1.5
        """
        check_is_fitted(self)
        return interchange.to_sklearn(self, self._rule_run)

    def to_torch(self):
        """Make a PyTorch module with the same outputs.

        Returns
        -------
        torch.nn.Sequential
            Takes a tensor of the dtype of `coefs_`, shape (n_samples, n_features); returns the outputs, for classifiers
            the probabilities, of which two classes have one, that of ``classes_[1]``. ``module[:-1]`` returns the raw
            outputs, logits, for losses that expect these.

        Notes
        -----
        Training goes on under the same rule with weight decay on the weights alone::

            weights = [p for p in module.parameters() if p.ndim > 1]
            biases = [p for p in module.parameters() if p.ndim == 1]
            groups = [{"params": weights, "weight_decay": wd}, {"params": biases, "weight_decay": 0.0}]

        and the optimiser

        - ``torch.optim.SGD(groups, lr, momentum, nesterov=...)`` or ``torch.optim.Adam(groups, lr)`` for
          ``"penalty"``, with ``wd = alpha``, and for ``"penalty_per_sample"``, with ``wd = alpha / n``;
        - ``torch.optim.AdamW(groups, lr)`` for ``"decoupled"`` under Adam, with ``wd = alpha``, and for
          ``"decay_before"``, with ``wd = alpha / lr``;
        - any of them with ``wd = 0`` for ``"decay_after"`` and for decays under SGD, and, without gradient,
          ``p.mul_(1 - share)`` for each weight `p`: after ``step()`` for ``"decay_after"``, otherwise before.

        That is for the log loss: ``torch.nn.CrossEntropyLoss()(module[:-1](X), y)`` with three or more classes, and
        with two ``torch.nn.BCEWithLogitsLoss()(module[:-1](X)[:, 0], y.to(X.dtype))``. For several labels, and for
        other losses, :func:`skl2net.convert_alpha` knows the factor.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skl2net import L2NetClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = L2NetClassifier((5,), solver="lbfgs", random_state=0).fit(X, y)
        >>> import torch  # doctest: +SKIP
        >>> probabilities = net.to_torch()(torch.from_numpy(X))  # doctest: +SKIP
        """
        check_is_fitted(self)
        return interchange.to_torch(self)

    def _fit(self, X, y, sample_weight, *, single_pass=False, classes=None):
        with _restored_on_error(self):
            hidden_layer_sizes = self._hidden_layer_sizes()
            rule = check_rule(
                self.l2_mode,
                self.alpha,
                n_layers=len(hidden_layer_sizes) + 1,
                solver=self._solver_name(),
                learning_rate=self.learning_rate_init,
            )
            going_on = hasattr(self, "coefs_") and (self.warm_start or single_pass)
            if single_pass and self.early_stopping:
                raise ValueError(
                    "partial_fit does not support early_stopping=True, since it makes one pass over the data it is "
                    "given; set early_stopping=False, or call fit."
                )
            X, Y = self._validate(X, y, going_on=going_on, single_pass=single_pass, classes=classes)
            weight = self._item_weights(X, Y, sample_weight)

            network = Network((X.shape[1], *hidden_layer_sizes, Y.shape[1]), self.activation, self._output())
            since = self._since(network, going_on)
            if going_on:
                parameters = network.pack(self.coefs_, self.intercepts_).astype(X.dtype, copy=False)
            else:
                parameters = network.initial_parameters(since.random_state, X.dtype)

            training = Training(
                since.history,
                since.random_state,
                self.max_iter,
                self.tol,
                self.n_iter_no_change,
                verbose=self.verbose,
                single_pass=single_pass,
            )
            if self.early_stopping and self.solver != "lbfgs":
                X, Y, weight, validation = self._split(X, Y, weight, since.random_state)
                validation_problem = Problem(network, self.loss, rule, *validation, default_engine())
                training.validate = lambda p: (
                    self._validation_score(validation_problem, p),
                    validation_problem.data_loss(p),
                )
            problem = Problem(network, self.loss, rule, X, Y, weight, default_engine())
            solver = self._solver(problem.n_rows)
            if getattr(solver, "objective", None) is not None:
                y_true, training.predict = self._true_and_predicted(problem)
                training.y_true, training.sample_weight = _read_only(y_true), _read_only(problem.sample_weight)
            parameters, run = solver.minimise(problem, parameters, training, since.run)
            continuation = _Continuation(since.history, run, since.random_state, since.seed)
            self._keep(network, parameters, continuation, validated=training.validate is not None)
            self._rule_run = RuleRun.of(rule, solver, self._solver_name(), problem, run)
        return self

    def _hidden_layer_sizes(self):
        sizes = self.hidden_layer_sizes
        sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(
                f"hidden_layer_sizes must be > 0, whole numbers of units for each hidden layer (or () for a linear "
                f"model), got {self.hidden_layer_sizes!r}."
            )
        return tuple(int(size) for size in sizes)

    def _item_weights(self, X, Y, sample_weight):
        """Weight of each row in the dtype of `X`, class weights included; None where all are one."""
        if sample_weight is None:
            return None
        return _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)

    def _since(self, network, going_on):
        """What this call continues; copies, so that a failed fit changes nothing."""
        if not going_on:
            return _Continuation(History(), None, check_random_state(self.random_state), self.random_state)
        before = self._continuation
        if [coef.shape for coef in self.coefs_] != list(network.shapes):
            raise ValueError(
                f"The fitted network has layers of {self._layer_sizes()} units and cannot go on with "
                f"{network.layer_sizes}: set hidden_layer_sizes back, or call fit with warm_start=False."
            )
        random_state, seed = before.random_state, before.seed
        if isinstance(seed, Integral) and seed == self.random_state:
            random_state = copy.deepcopy(random_state)
        elif seed is not self.random_state:
            random_state = check_random_state(self.random_state)
        return _Continuation(copy.deepcopy(before.history), before.run, random_state, self.random_state)

    def _layer_sizes(self):
        return (self.coefs_[0].shape[0], *(coef.shape[1] for coef in self.coefs_))

    def _split(self, X, Y, weight, random_state):
        """Set a validation set apart, as scikit-learn's MLP does: training X, Y, weight, and the validation's."""
        arrays = [X, Y] if weight is None else [X, Y, weight]
        stratify = Y if isinstance(self, ClassifierMixin) and Y.shape[1] == 1 else None
        try:
            parts = train_test_split(
                *arrays, random_state=random_state, test_size=self.validation_fraction, stratify=stratify
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True could not set validation_fraction={self.validation_fraction} of {X.shape[0]} "
                f"items apart: {error} Change validation_fraction, or set early_stopping=False."
            ) from error
        if weight is None:
            parts += [None, None]
        X, X_val, Y, Y_val, weight, weight_val = parts
        if X_val.shape[0] < 2:
            raise ValueError(
                f"The validation set is too small: validation_fraction={self.validation_fraction} of the data is "
                f"{X_val.shape[0]} item(s), and early stopping needs 2. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        for part, name in ((weight, "training"), (weight_val, "validation")):
            if part is not None and not part.any():
                raise ValueError(
                    f"All items that early stopping put into the {name} set have a sample weight of zero. Leave the "
                    "items without weight out of the data, or change validation_fraction or random_state."
                )
        return X, Y, weight, (X_val, Y_val, weight_val)

    def _solver_name(self):
        return "pso" if isinstance(self.solver, ParticleSwarm) else self.solver

    def _solver(self, n_rows):
        if isinstance(self.solver, ParticleSwarm):
            return self.solver
        if self.solver == "pso":
            return ParticleSwarm()
        if self.solver == "lbfgs":
            return LBFGS(max_fun=self.max_fun)
        return GradientDescent(
            solver=self.solver,
            batch_size=_batch_size(self.batch_size, n_rows),
            shuffle=self.shuffle,
            learning_rate=self.learning_rate,
            learning_rate_init=self.learning_rate_init,
            power_t=self.power_t,
            momentum=self.momentum,
            nesterovs_momentum=self.nesterovs_momentum,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )

    def _keep(self, network, parameters, continuation, *, validated):
        """Turn the result of a solver into fitted attributes; `validated` says that there was a validation set."""
        history = continuation.history
        self.coefs_, self.intercepts_ = network.unpack(parameters)
        self.n_layers_ = len(network.layer_sizes)
        self.n_outputs_ = network.layer_sizes[-1]
        self.out_activation_ = network.output
        self._activation = network.activation  # of the fitted weights, whatever set_params says later
        self.n_iter_ = history.n_iter
        self.t_ = history.t
        self.loss_curve_ = history.loss_curve
        self.weight_norm_curve_ = history.weight_norm_curve
        self.loss_ = history.loss_curve[-1] if history.loss_curve else np.nan
        self.data_loss_ = history.data_loss
        self.best_loss_ = None if validated else history.best_loss
        self.validation_scores_ = history.validation_scores if validated else None
        self.swarm_ = continuation.run if isinstance(continuation.run, SwarmState) else None
        self.validation_loss_curve_ = history.validation_loss_curve if validated else None
        self.best_validation_score_ = history.best_validation_score if validated else None
        self._continuation = continuation

    def _network_outputs(self, X, *, raw=False):
        """Outputs of the fitted network for validated or raw input, ndarray of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=_FLOATS, order="C", reset=False)
        network = self._network()
        parameters = network.pack(self.coefs_, self.intercepts_)
        if X.dtype != parameters.dtype:
            X, parameters = X.astype(np.float64, copy=False), parameters.astype(np.float64, copy=False)
        return default_engine().outputs(network, parameters, X, raw=raw)

    def _network(self):
        """The fitted network."""
        return _cached_network(self._layer_sizes(), self._activation, self.out_activation_)

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "coefs_"):  # views were pickled one by one: make them views again
            network = self._network()
            self.coefs_, self.intercepts_ = network.unpack(network.pack(self.coefs_, self.intercepts_))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def set_params(self, **params):
        """Set parameters of this estimator, and as ``solver__...`` those of a `ParticleSwarm`.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : object
            The estimator.
        """
        solver = params.get("solver", self.solver)
        of_solver = [name for name in params if name.startswith("solver__")]
        if of_solver and isinstance(solver, str):
            raise ValueError(
                f"{of_solver[0]} needs a solver that has parameters of its own, and solver={solver!r} has none; set "
                "solver=ParticleSwarm() first."
            )
        return super().set_params(**params)

    def _has_updates(self):
        """Whether `partial_fit` is available."""
        if self.solver not in ("sgd", "adam"):
            raise AttributeError(
                f"partial_fit is only available with solver='sgd' or 'adam', which make a pass over the data update by "
                f"update; solver={self.solver!r} does not."
            )
        return True

    @abstractmethod
    def _output(self):
        """Name of the output function."""

    @abstractmethod
    def _validate(self, X, y, *, going_on, single_pass, classes):
        """Validated input, and targets of shape (n_samples, n_outputs) in its dtype."""

    @abstractmethod
    def _true_and_predicted(self, problem):
        """For an objective of the user's own: what `predict` should give, and parameters -> what it gives."""

    @abstractmethod
    def _validation_score(self, problem, parameters):
        """Score on the validation set, as `score` gives it."""


class L2NetClassifier(ClassifierMixin, _BaseL2Net):
    r"""Multi-layer perceptron classifier whose L2 regularisation is a named, exact rule.

    The parameters, attributes and methods are those of :class:`sklearn.neural_network.MLPClassifier`, and
    ``L2NetClassifier(l2_mode="penalty_per_sample", ...)`` follows the same trajectory as ``MLPClassifier(...)``.
    `l2_mode` chooses the rule and `alpha` its strength; biases are never penalised nor decayed.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; ``()`` is a linear model (logistic regression).
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Function of the hidden units.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        Mean over items of the sum over outputs of the log loss, or of
        :math:`\tfrac12(\mathrm{output}-\mathrm{target})^2` between the softmax/logistic outputs and the one-hot
        targets.
    solver : {"lbfgs", "sgd", "adam", "pso"} or ParticleSwarm, default="adam"
        How the loss is minimised: by L-BFGS, by mini-batch gradient descent with momentum or Adam's moments, or by a
        particle swarm, "pso" being ``ParticleSwarm()``.
    l2_mode : {"penalty", "penalty_per_sample", "decay_before", "decay_after", "decoupled"}, default="penalty"
        The L2 rule. With :math:`w` a weight, :math:`g` the gradient of the data loss there, :math:`\eta` the learning
        rate, :math:`n` the items in the update and "step" what the optimiser subtracts for a gradient:

        - ``"penalty"``: :math:`w \leftarrow w - \mathrm{step}(g + \alpha w)`, the mathematical definition; the loss
          gains :math:`\tfrac\alpha2\sum w^2`;
        - ``"penalty_per_sample"``: :math:`w \leftarrow w - \mathrm{step}(g + \tfrac\alpha n w)`, scikit-learn's rule;
          the loss gains :math:`\tfrac\alpha{2n}\sum w^2`. Since `n` is a sum of sample weights, the rule becomes
          stronger where these are scaled down;
        - ``"decay_before"``: :math:`w \leftarrow (1-\alpha)w - \mathrm{step}(g)`;
        - ``"decay_after"``: :math:`w \leftarrow (1-\alpha)(w - \mathrm{step}(g))`;
        - ``"decoupled"``: :math:`w \leftarrow (1-\eta\alpha)w - \mathrm{step}(g)`, AdamW and SGDW as in PyTorch,
          Keras and optax [1]_.

        The three decays have no objective and run with "sgd" and "adam" only. With "lbfgs" and "pso", :math:`n` is the
        whole training set.
    alpha : float or array-like of shape (n_layers - 1,), default=1e-4
        Strength of the rule; one number, or one for each weight layer. The decays need ``0 <= alpha < 1``,
        ``"decoupled"`` needs ``learning_rate_init * alpha < 1``.
    class_weight : dict, list of dict or "balanced", default=None
        Weights of the classes, multiplied with `sample_weight`. "balanced" gives each class the same sum of sample
        weights, see :func:`sklearn.utils.class_weight.compute_class_weight`. Of a multilabel target, a list has one
        dict per label, and "balanced" counts items, see :func:`sklearn.utils.class_weight.compute_sample_weight`.
    batch_size : int or "auto", default="auto"
        Items per update of "sgd" and "adam"; "auto" is ``min(200, n_samples)``, 1 is online training.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule of the learning rate of "sgd". "invscaling" divides it by ``(t + 1) ** power_t`` after each epoch, `t`
        the rows seen; "adaptive" divides it by 5 each time training has come to rest.
    learning_rate_init : float, default=0.001
        Initial learning rate of "sgd" and "adam".
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Iterations: epochs of "sgd" and "adam", steps of "lbfgs", evaluations of the whole swarm of "pso".
    shuffle : bool, default=True
        Whether "sgd" and "adam" visit the rows in a new random order in each epoch.
    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the validation set, and the order of the rows.
    tol : float, default=1e-4
        Training has come to rest when the loss, or under early stopping the validation score, has not improved by
        `tol` for more than `n_iter_no_change` iterations (with "pso", the swarm's `patience` if that is more). "lbfgs"
        stops where the largest entry of the gradient is at most `tol`.
    verbose : bool, default=False
        Whether to print the loss of each iteration.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit: its weights, and for "sgd", "adam" and "pso" also the moments of the
        optimiser or the swarm, and the random stream, so that 30 fits of one iteration are one fit of 30 (without early
        stopping). "lbfgs" starts from the last weights, but its model of the curvature is built anew.
    momentum : float, default=0.9
        Momentum of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether "sgd", "adam" and "pso" set a validation set apart, stop by its score, and keep the weights of the best
        score.
    validation_fraction : float, default=0.1
        Share of the data in the validation set, in [0, 1).
    beta_1 : float, default=0.9
        Decay of Adam's first moment, in [0, 1).
    beta_2 : float, default=0.999
        Decay of Adam's second moment, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root of Adam's second moment.
    n_iter_no_change : int or inf, default=10
        Iterations without an improvement by `tol` that are borne before training stops; "lbfgs" has no use for it.
    max_fun : int, default=15000
        Evaluations of the loss that "lbfgs" may use.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer, in the dtype of the training data.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer.
    loss_ : float
        Loss of the last iteration, with the penalty where the rule has one.
    data_loss_ : float
        Loss of the last iteration, without the penalty.
    loss_curve_ : list of float
        Loss of each iteration; for "sgd" and "adam" the average over the epoch, each batch taken before its update.
    weight_norm_curve_ : list of float
        :math:`\sum w^2` after each iteration.
    best_loss_ : float or None
        Smallest loss; None under early stopping.
    validation_scores_ : list of float or None
        Accuracy on the validation set after each iteration; None without early stopping.
    validation_loss_curve_ : list of float or None
        Loss on the validation set after each iteration, without the penalty; None without early stopping.
    best_validation_score_ : float or None
        Best accuracy on the validation set; None without early stopping.
    n_iter_ : int
        Iterations of the last call of `fit`.
    t_ : int
        Rows visited in all calls; 0 with "lbfgs".
    swarm_ : SwarmState or None
        Final state of the swarm of "pso"; None with other solvers.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Function of the outputs: "softmax" for several classes, "logistic" for two, and for multilabel targets.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where `X` has any.

    See Also
    --------
    L2NetRegressor : The same for real targets.
    ParticleSwarm : The swarm and its parameters.

    References
    ----------
    .. [1] Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skl2net import L2NetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = L2NetClassifier((10,), solver="lbfgs", l2_mode="penalty", alpha=0.01, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.95
    True
    >>> print(net.predict(X[:3]))
    [0 0 0]
    """

    _parameter_constraints: dict = {
        **_BaseL2Net._parameter_constraints,
        "loss": [StrOptions({"log_loss", "squared_error"})],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="log_loss",
        solver="adam",
        l2_mode="penalty",
        alpha=1e-4,
        class_weight=None,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.l2_mode = l2_mode
        self.alpha = alpha
        self.class_weight = class_weight
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
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Make one pass over the given data, from where the last call left off.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a label indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each item; not negative.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur; needed in the first call.

        Returns
        -------
        self : object
            The estimator.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} is not supported for partial_fit, which cannot know how often "
                "each class will occur. Compute the weights from all the data with "
                "sklearn.utils.class_weight.compute_class_weight, and pass them as a dict."
            )
        return self._fit(X, y, sample_weight, single_pass=True, classes=classes)

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The predicted classes, or label indicator matrix.
        """
        return self._labels(self._network_outputs(X, raw=True))

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; every entry lies in the open interval (0, 1).
        """
        P = self._network_outputs(X)
        tiny = np.finfo(P.dtype).eps / 2
        np.minimum(np.maximum(P, tiny, out=P), 1 - tiny, out=P)
        return np.hstack([1 - P, P]) if P.shape[1] == 1 else P

    def predict_log_proba(self, X):
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        P = self.predict_proba(X)
        return np.log(P, out=P)

    def decision_function(self, X):
        """Logits: the raw outputs of the network, before softmax or logistic function.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            One column, for ``classes_[1]``, where there are two classes.
        """
        raw = self._network_outputs(X, raw=True)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def _validate(self, X, y, *, going_on, single_pass, classes):
        first_partial_fit = single_pass and _check_partial_fit_first_call(self, classes)
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, dtype=_FLOATS, order="C", reset=not going_on
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if first_partial_fit:
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        elif not going_on:
            self._label_binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._label_binarizer.classes_
        if going_on or single_pass:
            self._check_labels(unique_labels(y), same=self.warm_start and not single_pass)
        return X, self._label_binarizer.transform(y).astype(X.dtype)

    def _check_labels(self, labels, *, same):
        if same and set(labels) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {labels}. Set warm_start=False to start anew."
            )
        if len(np.setdiff1d(labels, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {labels}. Name "
                "all classes in the first call of partial_fit."
            )

    def _item_weights(self, X, Y, sample_weight):
        weight = super()._item_weights(X, Y, sample_weight)
        if self.class_weight is None:
            return weight
        if self._label_binarizer.y_type_.startswith("multilabel"):
            of_items = compute_sample_weight(self.class_weight, Y)
        else:
            of_items = self._weights_of_classes(self._codes(Y - 0.5), weight)
        of_items = of_items.astype(X.dtype)
        weight = of_items if weight is None else weight * of_items
        if np.any(weight < 0) or not np.any(weight):
            raise ValueError(
                f"class_weight={self.class_weight!r} makes the weight of an item negative, or that of all items zero; "
                "pass weights of at least 0, and some above."
            )
        return weight

    def _weights_of_classes(self, codes, weight):
        """Class weight of each item, from the number of its class."""
        if not isinstance(self.class_weight, str):
            return compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)[codes]
        # an item without weight is as if it were not there, also for the balance of the classes
        there = np.ones(len(codes), dtype=bool) if weight is None else weight > 0
        weight = None if weight is None else weight[there]
        found, of_classes = np.unique(codes[there]), np.zeros(len(self.classes_))
        of_classes[found] = compute_class_weight(self.class_weight, classes=found, y=codes[there], sample_weight=weight)
        return of_classes[codes]

    def _output(self):
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _labels(self, raw):
        """Labels, or label indicator matrix, for the raw outputs of the network."""
        if self._label_binarizer.y_type_.startswith("multilabel"):
            return self._label_binarizer.inverse_transform(raw, threshold=0)
        codes = self._codes(raw)
        return self.classes_[np.zeros_like(codes) if len(self.classes_) == 1 else codes]

    def _true_and_predicted(self, problem):
        return self._labels(problem.Y - 0.5), lambda p: self._labels(problem.outputs(p, raw=True))

    def _codes(self, raw):
        """Column index of the predicted class of each row, or for two classes 0 or 1."""
        return raw.argmax(axis=1) if raw.shape[1] > 1 else (raw[:, 0] > 0).astype(np.intp)

    def _validation_score(self, problem, parameters):
        raw = problem.outputs(parameters, raw=True)
        if not np.isfinite(raw).all():
            return np.nan
        if problem.network.output == "softmax" or raw.shape[1] == 1:
            right = self._codes(raw) == self._codes(problem.Y - 0.5)
        else:
            right = ((raw > 0) == (problem.Y > 0.5)).all(axis=1)
        return float(np.average(right, weights=problem.sample_weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class L2NetRegressor(RegressorMixin, _BaseL2Net):
    r"""Multi-layer perceptron regressor whose L2 regularisation is a named, exact rule.

    The parameters, attributes and methods are those of :class:`sklearn.neural_network.MLPRegressor`, and
    ``L2NetRegressor(l2_mode="penalty_per_sample", ...)`` follows the same trajectory as ``MLPRegressor(...)`` where the
    latter is right (its L-BFGS is wrong for several outputs). `l2_mode` chooses the rule and `alpha` its strength;
    biases are never penalised nor decayed.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; ``()`` is a linear model (ridge regression).
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Function of the hidden units.
    loss : {"squared_error", "poisson"}, default="squared_error"
        Mean over items of the sum over outputs of :math:`\tfrac12(\mathrm{output}-\mathrm{target})^2`, or of half the
        Poisson deviance; "poisson" has an exponential output and needs ``y >= 0``.
    solver : {"lbfgs", "sgd", "adam", "pso"} or ParticleSwarm, default="adam"
        How the loss is minimised: by L-BFGS, by mini-batch gradient descent with momentum or Adam's moments, or by a
        particle swarm, "pso" being ``ParticleSwarm()``.
    l2_mode : {"penalty", "penalty_per_sample", "decay_before", "decay_after", "decoupled"}, default="penalty"
        The L2 rule. With :math:`w` a weight, :math:`g` the gradient of the data loss there, :math:`\eta` the learning
        rate, :math:`n` the items in the update and "step" what the optimiser subtracts for a gradient:

        - ``"penalty"``: :math:`w \leftarrow w - \mathrm{step}(g + \alpha w)`, the mathematical definition; the loss
          gains :math:`\tfrac\alpha2\sum w^2`;
        - ``"penalty_per_sample"``: :math:`w \leftarrow w - \mathrm{step}(g + \tfrac\alpha n w)`, scikit-learn's rule;
          the loss gains :math:`\tfrac\alpha{2n}\sum w^2`. Since `n` is a sum of sample weights, the rule becomes
          stronger where these are scaled down;
        - ``"decay_before"``: :math:`w \leftarrow (1-\alpha)w - \mathrm{step}(g)`;
        - ``"decay_after"``: :math:`w \leftarrow (1-\alpha)(w - \mathrm{step}(g))`;
        - ``"decoupled"``: :math:`w \leftarrow (1-\eta\alpha)w - \mathrm{step}(g)`, AdamW and SGDW as in PyTorch,
          Keras and optax [1]_.

        The three decays have no objective and run with "sgd" and "adam" only. With "lbfgs" and "pso", :math:`n` is the
        whole training set.
    alpha : float or array-like of shape (n_layers - 1,), default=1e-4
        Strength of the rule; one number, or one for each weight layer. The decays need ``0 <= alpha < 1``,
        ``"decoupled"`` needs ``learning_rate_init * alpha < 1``.
    batch_size : int or "auto", default="auto"
        Items per update of "sgd" and "adam"; "auto" is ``min(200, n_samples)``, 1 is online training.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule of the learning rate of "sgd". "invscaling" divides it by ``(t + 1) ** power_t`` after each epoch, `t`
        the rows seen; "adaptive" divides it by 5 each time training has come to rest.
    learning_rate_init : float, default=0.001
        Initial learning rate of "sgd" and "adam".
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Iterations: epochs of "sgd" and "adam", steps of "lbfgs", evaluations of the whole swarm of "pso".
    shuffle : bool, default=True
        Whether "sgd" and "adam" visit the rows in a new random order in each epoch.
    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the validation set, and the order of the rows.
    tol : float, default=1e-4
        Training has come to rest when the loss, or under early stopping the validation score, has not improved by
        `tol` for more than `n_iter_no_change` iterations (with "pso", the swarm's `patience` if that is more). "lbfgs"
        stops where the largest entry of the gradient is at most `tol`.
    verbose : bool, default=False
        Whether to print the loss of each iteration.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit: its weights, and for "sgd", "adam" and "pso" also the moments of the
        optimiser or the swarm, and the random stream, so that 30 fits of one iteration are one fit of 30 (without early
        stopping). "lbfgs" starts from the last weights, but its model of the curvature is built anew.
    momentum : float, default=0.9
        Momentum of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether "sgd", "adam" and "pso" set a validation set apart, stop by its score, and keep the weights of the best
        score.
    validation_fraction : float, default=0.1
        Share of the data in the validation set, in [0, 1).
    beta_1 : float, default=0.9
        Decay of Adam's first moment, in [0, 1).
    beta_2 : float, default=0.999
        Decay of Adam's second moment, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root of Adam's second moment.
    n_iter_no_change : int or inf, default=10
        Iterations without an improvement by `tol` that are borne before training stops; "lbfgs" has no use for it.
    max_fun : int, default=15000
        Evaluations of the loss that "lbfgs" may use.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer, in the dtype of the training data.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer.
    loss_ : float
        Loss of the last iteration, with the penalty where the rule has one.
    data_loss_ : float
        Loss of the last iteration, without the penalty.
    loss_curve_ : list of float
        Loss of each iteration; for "sgd" and "adam" the average over the epoch, each batch taken before its update.
    weight_norm_curve_ : list of float
        :math:`\sum w^2` after each iteration.
    best_loss_ : float or None
        Smallest loss; None under early stopping.
    validation_scores_ : list of float or None
        :math:`R^2` on the validation set after each iteration; None without early stopping.
    validation_loss_curve_ : list of float or None
        Loss on the validation set after each iteration, without the penalty; None without early stopping.
    best_validation_score_ : float or None
        :math:`R^2` of the best iteration on the validation set; None without early stopping.
    n_iter_ : int
        Iterations of the last call of `fit`.
    t_ : int
        Rows visited in all calls; 0 with "lbfgs".
    swarm_ : SwarmState or None
        Final state of the swarm of "pso"; None with other solvers.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Function of the outputs: "identity", or "exp" with the Poisson loss.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where `X` has any.

    See Also
    --------
    L2NetClassifier : The same for classes.
    ParticleSwarm : The swarm and its parameters.

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
    >>> net = L2NetRegressor((5,), solver="lbfgs", alpha=1.0, random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    """

    _parameter_constraints: dict = {
        **_BaseL2Net._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        solver="adam",
        l2_mode="penalty",
        alpha=1e-4,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.l2_mode = l2_mode
        self.alpha = alpha
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
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Make one pass over the given data, from where the last call left off.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each item; not negative.

        Returns
        -------
        self : object
            The estimator.
        """
        return self._fit(X, y, sample_weight, single_pass=True)

    def predict(self, X):
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

    def _validate(self, X, y, *, going_on, single_pass, classes):
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=True,
            dtype=_FLOATS,
            order="C",
            reset=not going_on,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and np.any(y < 0):
            raise ValueError(
                f"loss='poisson' needs targets y >= 0, got {y.min():g}. Use loss='squared_error' for targets of "
                "either sign."
            )
        Y = np.ascontiguousarray(y.reshape(len(y), -1), dtype=X.dtype)
        return X, Y

    def _output(self):
        return "exp" if self.loss == "poisson" else "identity"

    def _true_and_predicted(self, problem):
        return _flat_if_single(problem.Y), lambda p: _flat_if_single(problem.outputs(p))

    def _validation_score(self, problem, parameters):
        prediction = problem.outputs(parameters)
        if not np.isfinite(prediction).all():
            return np.nan
        return float(r2_score(problem.Y, prediction, sample_weight=problem.sample_weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


# Predicting one row takes less time than working out where each layer's parameters are.
_cached_network = lru_cache(maxsize=64)(Network)


@contextmanager
def _restored_on_error(estimator):
    """Give the estimator its attributes back if the block fails."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _read_only(array):
    """A view of an array, or None, that code of the user's own cannot change."""
    if array is not None:
        array = array.view()
        array.flags.writeable = False
    return array


def _flat_if_single(Y):
    return Y.ravel() if Y.shape[1] == 1 else Y


def _batch_size(batch_size, n_rows):
    if batch_size == "auto":
        return min(200, n_rows)
    if batch_size > n_rows:
        warnings.warn(
            f"batch_size={batch_size} is larger than the sample size {n_rows}. It is going to be clipped.",
            stacklevel=2,
        )
    return min(int(batch_size), n_rows)
