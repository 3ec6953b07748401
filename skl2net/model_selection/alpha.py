"""`L2NetClassifierCV` and `L2NetRegressorCV`: the strength of the L2 rule by cross-validation."""

import re
import time
import warnings
from inspect import cleandoc, signature
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, indexable

from skl2net._sklearn_private import Interval, StrOptions, available_if, fit_context, raise_for_params, routing_enabled
from skl2net.conventions import convert_alpha
from skl2net.estimators import L2NetClassifier, L2NetRegressor
from skl2net.estimators.base import BaseL2Net
from skl2net.estimators.sparse_input import check_sparse
from skl2net.hints import (
    Activation,
    ArrayLike,
    ClassWeight,
    Estimator,
    L2Mode,
    LearningRate,
    MatrixLike,
    NDArray,
    RandomState,
    Scoring,
    Sizes,
    SolverName,
    Strengths,
)
from skl2net.l2 import PENALTIES, L2Rule
from skl2net.model_selection.search import FoldScorer, Trials, evaluate_candidates
from skl2net.model_selection.tasks import SearchTasks
from skl2net.solvers.swarm import ParticleSwarm
from skl2net.training import make_plan, seed_of

_SET_BY_THE_SEARCH = ("alpha", "warm_start")
_METHODS_OF_A_NETWORK = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score",
    "l2_report",
    "to_sklearn",
    "to_torch",
)


class _AlphaSearch(BaseL2Net):
    """What the two estimators share. Each is the estimator that it searches for, once it has found it."""

    alpha_: float
    alphas_: NDArray[np.float64]
    scores_: NDArray[np.float64]
    weight_norms_: NDArray[np.float64]
    n_iters_: NDArray[np.float64]
    fit_times_: NDArray[np.float64]
    refit_time_: float
    best_score_: float

    _search_constraints: dict = {
        "alphas": [Interval(Integral, 2, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "n_jobs": [Integral, None],
        "refit": ["boolean"],
        "selection": [StrOptions({"best", "one_standard_error"})],
        "error_score": [StrOptions({"raise"}), Real],
    }

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None, **params: Any) -> Self:
        """Find `alpha` by cross-validation, and fit the network with it to all the data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input. float32 stays float32; sparse input is converted to CSR.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, a label indicator matrix, or real targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, in training and in the scores; not negative.
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
            If the input or a parameter cannot be used, or if no alpha has a finite mean score. An estimator that was
            fitted before stays as it was.
        KeyboardInterrupt
            If the search or the last fit is interrupted. The estimator stays as it was.

        Warns
        -----
        FitFailedWarning
            If some fits diverge or cannot be scored; they count with `error_score`.
        UserWarning
            If the scorer does not support `sample_weight`; then the scores are not weighted.
        """
        raise_for_params(params, self, "fit")
        check_sparse(X, with_csr=True)
        X, y, sample_weight = indexable(X, y, sample_weight)
        net = self._net(alpha=None)
        data = net._training_data(X, y, sample_weight)
        scorer = self._scorer()
        if routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            split_params, score_params = routed.splitter.split, routed.scorer.score
        else:
            split_params, score_params = {}, self._weights_for(scorer, sample_weight)
        folds = self._folds(net, X, y, split_params)
        alphas = self._alphas_for(net, data)

        # the weaker the rule, the longer L-BFGS takes
        order = sorted((alpha, fold) for alpha in alphas for fold in range(len(folds)))
        tasks = SearchTasks(self, X, y, sample_weight)
        trials = Trials(
            net,
            data,
            folds,
            FoldScorer(net, scorer, data.X, y, score_params),
            random_state=seed_of(self.random_state),
            error_score=self.error_score,
            tasks=tasks,
        )
        outcomes = evaluate_candidates(trials, order, self.n_jobs)
        outcome_of = dict(zip(order, outcomes, strict=True))
        scores, weight_norms, n_iters, fit_times = (
            np.array([[getattr(outcome_of[alpha, fold], name) for fold in range(len(folds))] for alpha in alphas])
            for name in ("score", "weight_norm", "n_iter", "fit_time")
        )
        best = _select(scores, self.selection)
        refit_time = {}
        if self.refit:
            start = time.perf_counter()
            # as one that can be cancelled, which Ctrl-C ends without a result
            net = self._net(alpha=alphas[best])
            with tasks.of_network(net, tasks.begin_refit()):
                net._fit(X, y, sample_weight, is_cancelled=lambda: False)
            refit_time["refit_time_"] = time.perf_counter() - start
        left_out = {*net.get_params(deep=False), *(() if self.refit else ("_loss",))}
        fitted = {name: value for name, value in vars(net).items() if name not in left_out}
        found = {
            "alpha_": float(alphas[best]),
            "alphas_": np.array(alphas),
            "scores_": scores,
            "weight_norms_": weight_norms,
            "n_iters_": n_iters,
            "fit_times_": fit_times,
            "best_score_": float(scores[best].mean()),
        }
        self._adopt(fitted | found | refit_time)
        tasks.end()
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
        return (
            MetadataRouter(owner=type(self).__name__)
            .add_self_request(self)
            .add(
                splitter=self.cv,
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
            .add(
                scorer=self._scorer(),
                method_mapping=MethodMapping().add(caller="fit", callee="score").add(caller="score", callee="score"),
            )
        )

    def _net(self, alpha):
        """The estimator that is searched for, unfitted."""
        params = self.get_params(deep=False)
        return self._net_class(
            **{name: value for name, value in params.items() if name not in self._search_constraints}, alpha=alpha
        )

    def _scorer(self):
        net = self._net(alpha=None)  # this estimator would ask its own `score`
        if self.scoring is None and routing_enabled():
            net.set_score_request(sample_weight=True)
        return check_scoring(net, self.scoring)

    def _weights_for(self, scorer, sample_weight):
        """Parameters of the scorer without metadata routing: the weights, if there are any and it supports them."""
        if sample_weight is None:
            return {}
        if hasattr(scorer, "_accept_sample_weight"):
            is_supported = scorer._accept_sample_weight()
        else:
            is_supported = "sample_weight" in signature(scorer).parameters
        if is_supported:
            return {"sample_weight": sample_weight}
        warnings.warn(
            f"The scoring {scorer} does not support sample_weight. The networks are trained with the weights, and "
            "their scores are not weighted.",
        )
        return {}

    def _folds(self, net, X, y, split_params):
        """Row numbers ``(training, test)`` of each fold."""
        rows = np.arange(len(y))
        splitter = check_cv(self.cv, y, classifier=is_classifier(self))
        folds = [(rows[training], rows[test]) for training, test in splitter.split(X, y, **split_params)]
        if not folds:
            raise ValueError(f"cv={self.cv!r} has no folds. Pass at least one split into training and test samples.")
        net._warn_if_clipped(min(len(training) for training, _ in folds))
        return folds

    def _has_updates(self):
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit, since it trains many networks. Use {self._net_class.__name__} "
            "with the alpha that it found."
        )

    @classmethod
    def from_sklearn(cls, mlp: Estimator) -> Self:
        """Not supported: a network of scikit-learn has no scores to compare.

        Parameters
        ----------
        mlp : MLPClassifier or MLPRegressor

        Raises
        ------
        TypeError
            Always. Use the `from_sklearn` of the estimator for one alpha.
        """
        raise TypeError(
            f"{cls.__name__} cannot be made from one network, since it compares many. Use "
            f"{cls._net_class.__name__}.from_sklearn."
        )

    def _alphas_for(self, net, data):
        """The strengths to compare, ascending. All of them can run."""
        n_rows = data.X.shape[0]
        if isinstance(self.alphas, Integral):
            plan = make_plan(net, data)
            alphas = self._laid_out(plan.problem, getattr(plan.solver, "batch_size", n_rows))
        else:
            alphas = np.asarray(self.alphas)
            if alphas.dtype.kind not in "iuf":
                raise ValueError(f"alphas must be numbers, such as [0.1, 1.0, 10.0], or how many; got {self.alphas!r}.")
            alphas = np.sort(alphas.astype(float))
            if alphas.ndim != 1 or len(alphas) == 0:
                raise ValueError(
                    f"alphas must be one row of at least one strength, or a number of strengths; got an array of shape "
                    f"{alphas.shape}."
                )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fits warn
            for alpha in alphas:
                make_plan(self._net(float(alpha)), data)
        return alphas.tolist()

    def _laid_out(self, problem, batch_size):
        """As many strengths as `alphas` says."""
        if self.l2_mode in PENALTIES:
            n_total = problem.n_samples
            n = n_total * batch_size / problem.n_rows
            of_prior, of_mode = (
                L2Rule(mode, (1.0,)).coefficients(n=n, n_total=n_total).penalty[0] for mode in ("prior", self.l2_mode)
            )
            return np.geomspace(1e-2, 1e3, self.alphas) * (of_prior / of_mode)
        # from ten times the training down to one epoch, or to two updates: no decay removes a whole weight
        shortest = max(1.0, 2 * batch_size / problem.n_rows)
        timescales = np.geomspace(10 * self.max_iter, shortest, self.alphas)
        known = {"learning_rate": self.learning_rate_init, "batch_size": batch_size, "n_samples": problem.n_rows}
        return np.array([convert_alpha(float(t), "timescale", self.l2_mode, **known).alpha for t in timescales])


def _documented_like(net_class):
    """Fill in, in a docstring, the parameters and attributes that a search shares with the network it searches for."""

    def entries(title, left_out=()):
        pattern = rf"^{title}\n-+\n(.*?)\n\n(?=[^\n]+\n-+\n)"
        section = re.search(pattern, cleandoc(net_class.__doc__), re.DOTALL | re.MULTILINE).group(1)
        section = section.replace(" [1]_", "")  # the references stay with the network
        found = re.split(r"\n(?=\S)", section)
        return "\n".join(entry for entry in found if entry.split(" :")[0] not in left_out)

    def fill(search_class):
        if search_class.__doc__ is None:  # python -OO
            return search_class
        doc = cleandoc(search_class.__doc__)
        doc = doc.replace("{parameters}", entries("Parameters", _SET_BY_THE_SEARCH))
        search_class.__doc__ = doc.replace("{attributes}", entries("Attributes"))
        return search_class

    return fill


def _network_with_refit(search_class):
    """Make the methods of a fitted network available only where there is one, as GridSearchCV does."""

    def is_available(name):
        def check(search):
            if not search.refit:
                raise AttributeError(
                    f"This {type(search).__name__} instance was initialized with `refit=False`. {name} is available "
                    f"only after refitting with the chosen alpha: set refit=True, or fit "
                    f"{search._net_class.__name__}(alpha=search.alpha_)."
                )
            return True

        return check

    for name in _METHODS_OF_A_NETWORK:
        if hasattr(search_class, name):
            setattr(search_class, name, available_if(is_available(name))(getattr(search_class, name)))
    return search_class


@_network_with_refit
@_documented_like(L2NetClassifier)
class L2NetClassifierCV(_AlphaSearch, L2NetClassifier):
    """L2NetClassifier whose `alpha` is found by cross-validation.

    Every alpha is tried on every fold, always from the initial weights, and the network is fitted to all the data with
    the chosen one. The result is that of a grid search over :class:`L2NetClassifier`, bit for bit, in about the same
    time, nearly all of which is training. The data are validated and encoded once, nothing is copied, and with `n_jobs`
    the networks are trained side by side in threads.

    Parameters
    ----------
    {parameters}
    alphas : int or array-like of shape (n_alphas,), default=11
        Strengths to compare. A number lays that many out. For a penalty these are 1e-2 to 1e3 times the strength of
        ``"prior"`` with ``alpha=1``, in the unit of `l2_mode`. For a decay they are timescales from ten times
        `max_iter` down to one epoch.
    cv : int, cross-validation generator or iterable, default=None
        How to split the data, as in `GridSearchCV`. None for stratified 5-fold cross-validation.
    scoring : str or callable, default=None
        Score to maximise, as in `GridSearchCV`. None for the accuracy. In the search, scorers are given
        validated data: arrays or CSR matrices, without names of features.
    n_jobs : int, default=None
        Number of networks to train at a time, in Python threads, each with one thread of the engine. None means 1
        unless in a :obj:`joblib.parallel_backend` context: networks are trained one after the other, with all threads
        of the engine. -1 means as many as there are processors.
    refit : bool, default=True
        Whether to fit the network to all the data with the chosen alpha. Without it there are no predictions. `verbose`
        is for this fit only.
    selection : {"best", "one_standard_error"}, default="best"
        Which alpha to choose: that of the best mean score, or the strongest one whose mean score is within one standard
        error of the best.
    error_score : "raise" or float, default=nan
        Score of a fit that diverges, or that the scorer cannot score. "raise" raises the error. An alpha with a NaN is
        not chosen.

    Attributes
    ----------
    alpha_ : float
        The chosen strength.
    alphas_ : ndarray of shape (n_alphas,)
        The strengths that were compared, ascending.
    scores_ : ndarray of shape (n_alphas, n_folds)
        Score of each strength on the held-out part of each fold.
    weight_norms_ : ndarray of shape (n_alphas, n_folds)
        Sum of the squared weights of the networks.
    n_iters_ : ndarray of shape (n_alphas, n_folds)
        Number of iterations of each fit.
    fit_times_ : ndarray of shape (n_alphas, n_folds)
        Seconds of each fit, without its scoring.
    refit_time_ : float
        Seconds of the fit to all the data. Only with `refit`.
    best_score_ : float
        Mean score of the chosen strength.
    {attributes}

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
    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in L2NetClassifier._parameter_constraints.items()
            if name not in _SET_BY_THE_SEARCH
        },
        **_AlphaSearch._search_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sizes = (100,),
        activation: Activation = "relu",
        *,
        loss: Literal["log_loss", "squared_error"] = "log_loss",
        solver: SolverName | ParticleSwarm = "adam",
        l2_mode: L2Mode = "prior",
        class_weight: ClassWeight = None,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
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
        alphas: int | Strengths = 11,
        cv: Any = None,
        scoring: Scoring = None,
        n_jobs: int | None = None,
        refit: bool = True,
        selection: Literal["best", "one_standard_error"] = "best",
        error_score: float | Literal["raise"] = np.nan,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.l2_mode = l2_mode
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
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.selection = selection
        self.error_score = error_score


@_network_with_refit
@_documented_like(L2NetRegressor)
class L2NetRegressorCV(_AlphaSearch, L2NetRegressor):
    """L2NetRegressor whose `alpha` is found by cross-validation.

    Every alpha is tried on every fold, always from the initial weights, and the network is fitted to all the data with
    the chosen one. The result is that of a grid search over :class:`L2NetRegressor`, bit for bit, in about the same
    time, nearly all of which is training. The data are validated and encoded once, nothing is copied, and with `n_jobs`
    the networks are trained side by side in threads.

    Parameters
    ----------
    {parameters}
    alphas : int or array-like of shape (n_alphas,), default=11
        Strengths to compare. A number lays that many out. For a penalty these are 1e-2 to 1e3 times the strength of
        ``"prior"`` with ``alpha=1``, in the unit of `l2_mode`. For a decay they are timescales from ten times
        `max_iter` down to one epoch.
    cv : int, cross-validation generator or iterable, default=None
        How to split the data, as in `GridSearchCV`. None for 5-fold cross-validation.
    scoring : str or callable, default=None
        Score to maximise, as in `GridSearchCV`. None for the :math:`R^2`. In the search, scorers are given
        validated data: arrays or CSR matrices, without names of features.
    n_jobs : int, default=None
        Number of networks to train at a time, in Python threads, each with one thread of the engine. None means 1
        unless in a :obj:`joblib.parallel_backend` context: networks are trained one after the other, with all threads
        of the engine. -1 means as many as there are processors.
    refit : bool, default=True
        Whether to fit the network to all the data with the chosen alpha. Without it there are no predictions. `verbose`
        is for this fit only.
    selection : {"best", "one_standard_error"}, default="best"
        Which alpha to choose: that of the best mean score, or the strongest one whose mean score is within one standard
        error of the best.
    error_score : "raise" or float, default=nan
        Score of a fit that diverges, or that the scorer cannot score. "raise" raises the error. An alpha with a NaN is
        not chosen.

    Attributes
    ----------
    alpha_ : float
        The chosen strength.
    alphas_ : ndarray of shape (n_alphas,)
        The strengths that were compared, ascending.
    scores_ : ndarray of shape (n_alphas, n_folds)
        Score of each strength on the held-out part of each fold.
    weight_norms_ : ndarray of shape (n_alphas, n_folds)
        Sum of the squared weights of the networks.
    n_iters_ : ndarray of shape (n_alphas, n_folds)
        Number of iterations of each fit.
    fit_times_ : ndarray of shape (n_alphas, n_folds)
        Seconds of each fit, without its scoring.
    refit_time_ : float
        Seconds of the fit to all the data. Only with `refit`.
    best_score_ : float
        Mean score of the chosen strength.
    {attributes}

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
    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in L2NetRegressor._parameter_constraints.items()
            if name not in _SET_BY_THE_SEARCH
        },
        **_AlphaSearch._search_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sizes = (100,),
        activation: Activation = "relu",
        *,
        loss: Literal["squared_error", "poisson"] = "squared_error",
        solver: SolverName | ParticleSwarm = "adam",
        l2_mode: L2Mode = "prior",
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
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
        alphas: int | Strengths = 11,
        cv: Any = None,
        scoring: Scoring = None,
        n_jobs: int | None = None,
        refit: bool = True,
        selection: Literal["best", "one_standard_error"] = "best",
        error_score: float | Literal["raise"] = np.nan,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.l2_mode = l2_mode
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.selection = selection
        self.error_score = error_score


def _select(scores, selection):
    """Index of the chosen alpha."""
    means = scores.mean(axis=1)
    means = np.where(np.isfinite(means), means, np.nan)
    if np.isnan(means).all():
        raise ValueError(
            "No alpha has a finite mean score, so that none can be chosen: each has a fold that could not be fitted or "
            "scored, or whose score is not finite. Check scoring and cv, for example that every fold has samples of "
            "all classes, or set error_score to a number or to 'raise'."
        )
    best = int(np.nanargmax(means))
    if selection == "best" or scores.shape[1] < 2:
        return best
    error = scores[best].std(ddof=1) / np.sqrt(scores.shape[1])
    return int(np.flatnonzero(means >= means[best] - error)[-1])
