"""`L2NetClassifierCV` and `L2NetRegressorCV`: the strength of the L2 rule by cross-validation."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from skl2net._sklearn_private import (
    AutoPropagatedCallback,
    Interval,
    StrOptions,
    callbacks_of,
    fit_context,
    raise_for_params,
    routing_enabled,
    score_of_split,
    without_callbacks,
)
from skl2net.activations import ActivationName
from skl2net.conventions import convert_alpha
from skl2net.estimators import L2NetClassifier, L2NetRegressor
from skl2net.estimators.base import BaseL2Net
from skl2net.estimators.docstrings import documented
from skl2net.estimators.sparse_input import check_sparse
from skl2net.hints import (
    ArrayLike,
    ClassWeight,
    Estimator,
    L2Mode,
    MatrixLike,
    NDArray,
    RandomState,
    Scoring,
    Sizes,
    SolverName,
    Strengths,
)
from skl2net.l2 import PENALTIES, L2Rule, check_rule
from skl2net.losses import ClassificationLoss, RegressionLoss
from skl2net.model_selection.held_out_loss import HeldOutLoss
from skl2net.model_selection.search import (
    Search,
    check_in_memory,
    checked_alphas,
    split_scores,
    standard_error,
    task_of,
)
from skl2net.report import HeldOut, L2Report
from skl2net.solvers.schedules import LearningRate
from skl2net.solvers.swarm import ParticleSwarm
from skl2net.training import make_plan

_SET_BY_THE_SEARCH = ("alpha", "warm_start")
_OF_EACH_FIT = {"weight_norms_": "weight_norm", "n_iters_": "n_iter", "fit_times_": "fit_time"}
_OF_SEARCH = ("cv_results_", "best_index_", "best_params_", "best_score_", "n_splits_", "refit_time_", *_OF_EACH_FIT)
_FOUND = {"alpha_", "alphas_", "scores_", *_OF_SEARCH}


class _AlphaGrid(Search):
    """Grid search over alpha, run by the CV estimators. Callbacks see it as part of the owner."""

    def __init__(self, owner, estimator, alphas, cv):
        super().__init__(estimator, n_jobs=owner.n_jobs, cv=cv, error_score=owner.error_score, return_train_score=False)
        self.owner = owner
        self.alphas = alphas

    def found(self):
        """The attributes of the owner after the search."""
        net = self.best_estimator_
        found = {name: value for name, value in vars(without_callbacks(net)).items() if name not in net.get_params()}
        found |= {name: getattr(self, name) for name in _OF_SEARCH}
        return found | {
            "alpha_": self.best_params_["alpha"],
            "alphas_": np.array(self.alphas),
            "scores_": split_scores(self.cv_results_),
        }

    def _get_scorers(self):
        return _NetworkScorer(self.owner._scorer(), self.error_score), "score"

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        candidates = [{"alpha": alpha, "verbose": False, "posterior": False} for alpha in self.alphas]
        n_fits = len(candidates) * self.n_splits_
        with task_of(self, "search", callback_ctx, max_subtasks=n_fits, sequential_subtasks=False) as watched:
            evaluate_candidates(candidates, **watched)

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        candidates = [{"alpha": params["alpha"]} for params in candidate_params]
        for result in out:
            scored = result["test_scores"] if result["fit_error"] is None else {}
            result["n_iter"], result["weight_norm"] = (scored.get(name, np.nan) for name in ("n_iter", "weight_norm"))
            result["test_scores"] = scored.get("score", self.error_score)
        for name, key in _OF_EACH_FIT.items():
            setattr(self, name, np.array([result[key] for result in out], float).reshape(len(candidates), n_splits))
        return super()._format_results(candidates, n_splits, out, more_results)

    def _select_best_index(self, refit, refit_metric, results):
        return _select(split_scores(results), self.owner.selection)

    def _init_callback_context(self, **task):
        if not callbacks_of(self.owner):
            return super()._init_callback_context(**task)
        context = self.owner._init_callback_context(**task)
        return _TasksOfOwner(context, self.owner, self._attributes_for_callbacks)

    def _attributes_for_callbacks(self):
        # scikit-learn sets them on a copy of the owner, which may have others of an earlier fit
        return dict.fromkeys(name for name in vars(self.owner) if name.endswith("_")) | self.found()


class _NetworkScorer:
    """A scorer that also says how large the weights are and how many iterations training took."""

    def __init__(self, scorer, error_score):
        self.__wrapped__, self.error_score = scorer, error_score

    def __call__(self, net, X, y, **params):
        weight_norm = sum(np.sum(np.square(coef, dtype=np.float64)) for coef in net._standard_coefs())
        score = score_of_split(net, X, y, self.__wrapped__, params, self.error_score)
        return {"score": score, "weight_norm": weight_norm, "n_iter": net.n_iter_}

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)  # which metadata it requests, and whether it supports weights

    def __repr__(self):
        return repr(self.__wrapped__)


class _TasksOfOwner:
    """The callback context of a search whose tasks are those of its owner, with `attributes()` at their end."""

    def __init__(self, context, owner, attributes=None):
        self._context, self._owner, self._attributes = context, owner, attributes

    def subcontext(self, **task):
        return _TasksOfOwner(self._context.subcontext(**task), self._owner)

    def propagate_callback_context(self, net):
        return self._context.propagate_callback_context(net)

    def call_on_fit_task_begin(self, *, estimator, **data):
        self._context.call_on_fit_task_begin(estimator=self._owner, **data)
        return self

    def call_on_fit_task_end(self, *, estimator, **data):
        return self._context.call_on_fit_task_end(
            estimator=self._owner, reconstruction_attributes=self._attributes, **data
        )


class _AlphaSearch(BaseL2Net):
    r"""What the two estimators share. Each is the estimator that it searches for, once it has found it.

    Parameters
    ----------
    alphas : int or array-like of shape (n_alphas,), default=7
        Strengths to compare, or how many. A number of strengths is spaced geometrically: for a penalty from 0.1 to 100
        times the strength of ``"prior"`` with ``alpha=1``, in the unit of `l2_mode`; for a decay in timescales, from
        ten times `max_iter` down to one epoch.
    cv : int, cross-validation generator or iterable, default=None
        Cross-validation splitting strategy. None for 5 folds of samples that are shuffled with `random_state`, and
        stratified for a classifier; others as in :class:`~sklearn.model_selection.GridSearchCV`.
    scoring : str or callable, default=None
        Score to maximise, as in :class:`~sklearn.model_selection.GridSearchCV`. None for the negative log loss of a
        classifier (summed over the labels of multilabel targets), or the negative mean squared error of a regressor, in
        the units of `y`, and with ``loss="poisson"`` minus half the mean Poisson deviance. The method `score` then is
        that of the network, accuracy or :math:`R^2`. Early stopping watches the validation loss in any case.
    n_jobs : int, default=None
        Number of networks to train at a time, in threads of Python with one thread of the engine each. None means 1
        unless in a :class:`joblib.parallel_config` context: networks are trained one after the other, with all threads
        of the engine. -1 means as many as there are processors.
    verbose : bool, default=False
        Whether to print the loss of each iteration of the fit to all the data.
    selection : {"best", "one_standard_error"}, default="best"
        Which alpha to choose: the one with the best mean score, or the strongest one whose mean score is within one
        standard error of the best.
    error_score : "raise" or float, default=nan
        Score of a fit that fails, or that cannot be scored. "raise" raises the error. An alpha whose mean score is not
        finite is not chosen.

    Attributes
    ----------
    alpha_ : float
        The chosen strength.
    alphas_ : ndarray of shape (n_alphas,)
        The compared strengths, in ascending order.
    scores_ : ndarray of shape (n_alphas, n_folds)
        Score of each strength on the held-out part of each fold.
    weight_norms_ : ndarray of shape (n_alphas, n_folds)
        Sum of the squared weights of each network, in the units in which they are trained; NaN if its fit failed.
    n_iters_ : ndarray of shape (n_alphas, n_folds)
        Number of iterations of each fit; NaN if it failed.
    fit_times_ : ndarray of shape (n_alphas, n_folds)
        Seconds of each fit, without scoring.
    refit_time_ : float
        Seconds of the fit to all the data.
    best_score_ : float
        Mean score of the chosen strength.
    best_params_ : dict
        ``{"alpha": alpha_}``.
    best_index_ : int
        Index of the chosen strength in `alphas_` and `cv_results_`.
    best_estimator_ : L2NetClassifier or L2NetRegressor
        The network without the search.
    cv_results_ : dict of ndarray
        All candidates, see :class:`~sklearn.model_selection.GridSearchCV`.
    n_splits_ : int
        Number of folds.
    scorer_ : callable
        The scorer.
    """

    alphas: int | Strengths
    cv: Any
    scoring: Scoring
    n_jobs: int | None
    selection: Literal["best", "one_standard_error"]
    error_score: float | Literal["raise"]

    alpha_: float
    alphas_: NDArray[np.float64]
    scores_: NDArray[np.float64]
    weight_norms_: NDArray[np.float64]
    n_iters_: NDArray[np.float64]
    fit_times_: NDArray[np.float64]
    refit_time_: float
    best_score_: float
    best_params_: dict[str, Any]
    best_index_: int
    cv_results_: dict[str, Any]
    n_splits_: int

    _search_constraints: dict = {
        "alphas": [Interval(Integral, 2, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "n_jobs": [Integral, None],
        "selection": [StrOptions({"best", "one_standard_error"})],
        "error_score": [StrOptions({"raise"}), Real],
    }

    @property
    def best_estimator_(self) -> Estimator:
        """The network without the search."""
        net, fitted = self._net(alpha=self.alpha_), vars(without_callbacks(self))
        names = fitted.keys() - self.get_params(deep=False).keys() - _FOUND
        vars(net).update({name: fitted[name] for name in names})
        return net

    @property
    def scorer_(self) -> Callable[..., float]:
        """The scorer."""
        return self._scorer()

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
        **params: Any,
    ) -> Self:
        """Find `alpha` by cross-validation, and fit the network with it to all the data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input. float32 stays float32; sparse input is converted to CSR.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, a label indicator matrix, or real targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, in training and in the scores; not negative.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            The validation set of early stopping, the same in each fit. As in
            :class:`~sklearn.model_selection.GridSearchCV`, one with as many samples as `X` is taken for a property of
            these samples: each fit validates on those in the places of its training samples.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Its targets.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weight of each of its samples; not negative.
        **params : dict
            Parameters for the splitter and the scorer, such as ``groups``. They need
            ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid, or if no alpha has a finite mean score. The estimator is left
            unchanged.
        KeyboardInterrupt
            If the search or the last fit is interrupted. The estimator is left unchanged.

        Warns
        -----
        FitFailedWarning
            If some fits fail. Their score is `error_score`.
        UserWarning
            If some fits cannot be scored, or if the scorer does not support `sample_weight`.
        """
        raise_for_params(params, self, "fit")
        check_in_memory(X)
        check_sparse(X, with_csr=True)
        net = self._net()
        if net.random_state is None or net.random_state is np.random:  # all networks draw the same numbers
            net.random_state = int(np.random.randint(2**31))
        if routing_enabled():
            net.set_fit_request(sample_weight=True, X_val=True, y_val=True, sample_weight_val=True)
        if callbacks_of(self):
            net.set_callbacks(*(one for one in callbacks_of(self) if not isinstance(one, AutoPropagatedCallback)))
        search = _AlphaGrid(self, net, self._strengths(net, X, y, sample_weight), self._folds(net, y))
        of_net = {
            "sample_weight": sample_weight,
            "X_val": X_val,
            "y_val": y_val,
            "sample_weight_val": sample_weight_val,
        }
        search.fit(X, y, **params, **{name: values for name, values in of_net.items() if values is not None})
        self._adopt(search.found())
        return self

    def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None, **score_params: Any) -> float:
        """Score of the predictions, by `scoring`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What should be predicted.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample.
        **score_params : dict
            Parameters for the scorer. They need ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        float
            The score.
        """
        raise_for_params(score_params, self, "score")
        check_is_fitted(self)
        if sample_weight is not None:
            score_params["sample_weight"] = sample_weight
        if routing_enabled():
            score_params = process_routing(self, "score", **score_params).scorer.score
        if self.scoring is None:
            return self._net_class.score(self, X, y, **score_params)
        return self._scorer()(self, X, y, **score_params)

    def get_metadata_routing(self) -> Any:
        """Metadata routing of this object: to itself, the splitter and the scorer.

        Returns
        -------
        MetadataRouter
        """
        to_scorer = MethodMapping().add(caller="fit", callee="score").add(caller="score", callee="score")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        router.add(splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        return router.add(scorer=self._scorer(), method_mapping=to_scorer)

    def _net(self, **params):
        """The estimator that is searched for, unfitted."""
        names = {*self._net_class._get_param_names()} - {"scoring"}  # which is that of the search
        of_net = {name: value for name, value in vars(self).items() if name in names}
        net = self._net_class(**of_net | params)
        if routing_enabled():
            net.set_score_request(sample_weight=True)
        return net

    def _scorer(self):
        if self.scoring is None:
            scorer = HeldOutLoss()
            return scorer.set_score_request(sample_weight=True) if routing_enabled() else scorer
        return check_scoring(self._net(), self.scoring)

    def _folds(self, net, y):
        """The parameter `cv`, or its default."""
        if self.cv is not None:
            return self.cv
        is_stratified = is_classifier(self) and type_of_target(y) in ("binary", "multiclass")
        folds = StratifiedKFold if is_stratified else KFold
        return folds(5, shuffle=True, random_state=copy.deepcopy(net.random_state))

    def _held_out(self):
        on_validation_set, loss, scale = super()._held_out(), -self.best_score_, self._training_state.target_scale
        is_scored_by_it = self.scoring is None and loss >= 0 and getattr(self, "class_weight", None) is None
        is_of_fit = is_regressor(self) or self._loss.name == "log_loss"
        if on_validation_set is not None or not (is_scored_by_it and is_of_fit):
            return on_validation_set
        if is_regressor(self) and self.n_outputs_ > 1:
            return None
        if self._loss.name == "squared_error":
            loss /= 2
        if scale is not None:
            loss /= scale.std[0] ** self._loss.degree  # in the units of the training loss
        return HeldOut(self.data_loss_, loss, "held-out folds")

    def l2_report(self) -> L2Report:
        """Report which L2 rule ran in the last fit, and what it did to the weights, see `L2NetClassifier.l2_report`.

        Returns
        -------
        L2Report
        """
        report, ends = super().l2_report(), (self.alphas_[0], self.alphas_[-1])
        if self.alpha_ not in ends or len(self.alphas_) == 1:
            return report
        remark = f"alpha={self.alpha_:g} is an end of the compared strengths, {ends[0]:g} to {ends[1]:g}. Compare more."
        return replace(report, remarks=(remark, *report.remarks))

    def _has_updates(self):
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit, since it trains many networks. Use {self._net_class.__name__} "
            "with the alpha that it found."
        )

    @classmethod
    def from_sklearn(cls, mlp: Estimator) -> Self:
        """Not supported: a search compares many networks. Use the `from_sklearn` of the estimator for one alpha."""
        raise TypeError(f"{cls.__name__} compares many networks. Use {cls._net_class.__name__}.from_sklearn for one.")

    def _strengths(self, net, X, y, sample_weight):
        """The strengths to compare, ascending. Data, solver and strengths have been validated."""
        plan = make_plan(net, net._training_data(X, y, sample_weight))
        alphas = self._laid_out(plan) if isinstance(self.alphas, Integral) else np.sort(checked_alphas(self.alphas))
        known = {"n_layers": plan.problem.network.n_layers, "solver": plan.solver}
        known["learning_rate"] = plan.solver.learning_rate_init
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fits warn
            for alpha in alphas.tolist():
                check_rule(self.l2_mode, alpha, **known)
        return alphas.tolist()

    def _laid_out(self, plan):
        """As many strengths as `alphas` says."""
        problem, solver = plan.problem, plan.solver
        batch_size = solver.rows_per_update(problem.n_rows)
        if self.l2_mode in PENALTIES:
            n_total = problem.n_samples
            n = n_total * batch_size / problem.n_rows
            of_prior, of_mode = (
                L2Rule(mode, (1.0,)).coefficients(n=n, n_total=n_total).penalty[0] for mode in ("prior", self.l2_mode)
            )
            return np.geomspace(0.1, 100, self.alphas) * (of_prior / of_mode)
        # from ten times the training down to one epoch, or to two updates: no decay removes a whole weight
        shortest = max(1.0, 2 * batch_size / problem.n_rows)
        timescales = np.geomspace(10 * plan.stopping.max_iter, shortest, self.alphas)
        known = {"learning_rate": solver.learning_rate_init, "batch_size": batch_size, "n_samples": problem.n_rows}
        return np.array([convert_alpha(float(t), "timescale", self.l2_mode, **known).alpha for t in timescales])


def _constraints_like(net_class):
    """The parameter constraints of a network, and those of the search for its alpha."""
    of_net = {name: one for name, one in net_class._parameter_constraints.items() if name not in _SET_BY_THE_SEARCH}
    return of_net | _AlphaSearch._search_constraints


def _set_parameters(search, values):
    """Set the parameters of an `__init__`, whose local variables `values` are."""
    vars(search).update({name: value for name, value in values.items() if name != "self"})


@documented
class L2NetClassifierCV(_AlphaSearch, L2NetClassifier):
    """L2NetClassifier whose `alpha` is found by cross-validation.

    Each alpha is tried on each fold, starting from the initial weights, and the network is fitted to all the data with
    the chosen one. Scores and network are those of :class:`~sklearn.model_selection.GridSearchCV` over
    :class:`L2NetClassifier`. With `n_jobs`, networks are trained side by side in threads.

    See Also
    --------
    L2NetClassifier : The same for one alpha.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2net import L2NetClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = L2NetClassifierCV((5,), solver="lbfgs", max_iter=1000, alphas=[0.1, 1.0, 10.0, 1000.0], random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> net.alpha_ < 1000
    True
    >>> net.scores_.shape
    (4, 5)
    """

    _net_class = L2NetClassifier
    _parameter_constraints = _constraints_like(L2NetClassifier)

    def __init__(
        self,
        hidden_layer_sizes: int | Sizes = (100,),
        activation: ActivationName = "relu",
        *,
        loss: ClassificationLoss = "log_loss",
        solver: SolverName | ParticleSwarm = "adam",
        l2_mode: L2Mode = "prior",
        class_weight: ClassWeight = None,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "cosine",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        max_iter: int | None = None,
        posterior: bool = False,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        alphas: int | Strengths = 7,
        cv: Any = None,
        scoring: Scoring = None,
        n_jobs: int | None = None,
        selection: Literal["best", "one_standard_error"] = "best",
        error_score: float | Literal["raise"] = np.nan,
    ) -> None:
        _set_parameters(self, locals())


@documented
class L2NetRegressorCV(_AlphaSearch, L2NetRegressor):
    """L2NetRegressor whose `alpha` is found by cross-validation.

    Each alpha is tried on each fold, starting from the initial weights, and the network is fitted to all the data with
    the chosen one. Scores and network are those of :class:`~sklearn.model_selection.GridSearchCV` over
    :class:`L2NetRegressor`. With `n_jobs`, networks are trained side by side in threads.

    See Also
    --------
    L2NetRegressor : The same for one alpha.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from skl2net import L2NetRegressorCV
    >>> X, y = make_regression(60, 5, noise=10.0, random_state=0)
    >>> net = L2NetRegressorCV((), solver="lbfgs", alphas=[0.1, 1.0, 1000.0], random_state=0).fit(X, y / y.std())
    >>> net.alpha_ < 1000
    True
    >>> net.scores_.shape
    (3, 5)
    """

    _net_class = L2NetRegressor
    _parameter_constraints = _constraints_like(L2NetRegressor)

    def __init__(
        self,
        hidden_layer_sizes: int | Sizes = (100,),
        activation: ActivationName = "relu",
        *,
        loss: RegressionLoss = "squared_error",
        solver: SolverName | ParticleSwarm = "adam",
        l2_mode: L2Mode = "prior",
        quantile: float | None = None,
        normalize_y: bool = True,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "cosine",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        max_iter: int | None = None,
        posterior: bool = False,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        alphas: int | Strengths = 7,
        cv: Any = None,
        scoring: Scoring = None,
        n_jobs: int | None = None,
        selection: Literal["best", "one_standard_error"] = "best",
        error_score: float | Literal["raise"] = np.nan,
    ) -> None:
        _set_parameters(self, locals())


def _select(scores, selection):
    """Index of the chosen alpha."""
    means = scores.mean(axis=1)
    means = np.where(np.isfinite(means), means, np.nan)
    if np.isnan(means).all():
        raise ValueError(
            "No alpha has a finite mean score: each has a fold that could not be fitted or scored, or whose score is "
            "not finite. Check scoring and cv, for example that every fold has samples of all classes, or set "
            "error_score to a number or to 'raise'."
        )
    best = int(np.nanargmax(means))
    if selection == "best":
        return best
    return int(np.flatnonzero(means >= means[best] - standard_error(scores[best]))[-1])
