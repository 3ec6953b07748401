"""A grid search in stages, each around the winner of the one before, that preprocesses each fold once.

`make_tabular_search` in `tabular` returns one.
"""

import copy
import hashlib
import pickle
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from skl2net.hints import Estimator, MatrixLike
from skl2net.model_selection.search import Search, mean_score, split_scores, task_of, ties


class StagedSearchCV(Search):
    """Grid search in stages: each grid is searched around the winner of those before it.

    A stage tries the points of its grid with all other parameters as in the winner of the stage before. What has been
    evaluated in an earlier stage is not evaluated again. The grids therefore cost the sum of their sizes, where one
    grid would cost the product.

    A candidate *ties* with the best of its stage if its mean score is at most one standard error behind. The standard
    error is that of the differences between the two in each fold; with a single split it is 0. The winner of a stage is
    the first candidate that ties with the best one, so that grids should start with the simplest model.

    The preprocessing steps of a pipeline are fitted once to each fold for all candidates that share their parameters.

    Parameters
    ----------
    estimator : estimator object
        The network, or a pipeline or another meta-estimator around it.
    param_grids : list of dict, or of list of dict
        The grid of each stage, as in :class:`~sklearn.model_selection.ParameterGrid`.
    scoring : str, callable, list, tuple or dict, default=None
        Strategy to evaluate the candidates, see :class:`~sklearn.model_selection.GridSearchCV`. With several metrics,
        `refit` names the one that decides.
    n_jobs : int, default=None
        Number of candidates to train at a time, in threads of Python with one thread of the engine each, or in
        processes if `estimator` has no network of skl2net. None means 1 unless in a :class:`joblib.parallel_config`
        context. -1 means as many as there are processors.
    refit : bool, str or callable, default=True
        Whether to fit the winner on all data. See :class:`~sklearn.model_selection.GridSearchCV` for the other types.
    cv : int, cross-validation generator or iterable, default=None
        Cross-validation splitting strategy; None is 5-fold. The splits are the same throughout the search, even if the
        generator draws others each time.
    verbose : int, default=0
        Verbosity, see :class:`~sklearn.model_selection.GridSearchCV`.
    error_score : "raise" or float, default=nan
        Score of a fit that fails. By default, such a candidate does not win. If all fits of a stage fail, an error says
        why.
    return_train_score : bool, default=False
        Whether `cv_results_` has training scores.

    Attributes
    ----------
    stage_winners_ : list of int
        Row in `cv_results_` of the winner of each stage.
    cv_results_ : dict of ndarray
        All candidates, see :class:`~sklearn.model_selection.GridSearchCV`. ``cv_results_["stage"]`` is the stage in
        which a candidate was evaluated.
    best_index_ : int
        Row of the winner of the last stage in `cv_results_`.
    best_params_ : dict
        Parameters of the winner.
    best_score_ : float
        Mean score of the winner. It need not be the highest, see above.
    best_estimator_ : estimator
        The winner, fitted on all data.
    network_ : L2NetClassifier or L2NetRegressor
        `best_estimator_`, or its last step if it is a pipeline.
    refit_time_ : float
        Seconds of that fit.
    scorer_ : callable or dict
        The scorer, or those of several metrics.
    n_splits_ : int
        Number of folds.
    multimetric_ : bool
        Whether there are several metrics.
    feature_names_in_ : ndarray of shape (n_features,)
        Feature names seen during `fit`, if they are all strings.

    See Also
    --------
    skl2net.make_tabular_search : Such a search for a data frame.
    skl2net.StagedSearchDisplay : Plot how far the candidates are apart.
    sklearn.model_selection.GridSearchCV : Exhaustive search.

    Notes
    -----
    In threads, candidates share the preprocessed folds, which are kept in memory until the search ends. In processes
    and on a cluster, each fit preprocesses its fold itself.

    Ctrl-C ends the search and leaves this estimator as it was before `fit`.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2net import L2NetClassifier
    >>> from skl2net.model_selection import StagedSearchCV
    >>> X, y = load_wine(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), L2NetClassifier((8,), alpha=5, random_state=0))
    >>> sizes, alphas = {"l2netclassifier__hidden_layer_sizes": [(4,), (8,)]}, {"l2netclassifier__alpha": [50, 5, 0.5]}
    >>> search = StagedSearchCV(model, [sizes, alphas]).fit(X, y)
    >>> search.cv_results_["stage"]
    array([0, 0, 1, 1, 1])
    """

    stage_winners_: list[int]
    best_estimator_: Estimator
    best_params_: dict[str, Any]
    best_score_: float
    best_index_: int
    cv_results_: dict[str, Any]
    n_splits_: int
    refit_time_: float

    _parameter_constraints: dict = {**Search._parameter_constraints, "param_grids": [list, tuple]}
    _parameter_constraints.pop("pre_dispatch")

    def __init__(
        self,
        estimator: Estimator,
        param_grids: Sequence[Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]]],
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[..., int] = True,
        cv: Any = None,
        verbose: int = 0,
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_grids = param_grids

    @property
    def network_(self) -> Estimator:
        """The network that was chosen, fitted on all data."""
        return self.best_estimator_[-1] if isinstance(self.best_estimator_, Pipeline) else self.best_estimator_

    def fit(self, X: MatrixLike, y: MatrixLike = None, **params: Any) -> Self:
        with _folds_preprocessed_once(self):
            return super().fit(X, y, **params)

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        evaluated, winner, self.stage_winners_ = [], {}, []
        with task_of(self, "search", callback_ctx, max_subtasks=len(self.param_grids)) as stages:
            for stage, grid in enumerate(self.param_grids):
                candidates = [{**winner, **params} for params in ParameterGrid(grid)]
                new = [params for params in candidates if params not in evaluated]
                fits = {"max_subtasks": len(new) * self.n_splits_, "sequential_subtasks": False}
                with task_of(self, "stage", stages.get("callback_ctx"), **fits) as watched:
                    if new:
                        results = evaluate_candidates(new, more_results={"stage": [stage] * len(new)}, **watched)
                        evaluated += new
                rows = [evaluated.index(params) for params in candidates]
                self.stage_winners_.append(self._first_tie(rows, results))
                winner = evaluated[self.stage_winners_[-1]]

    def _first_tie(self, rows, results):
        """The first of the rows whose scores tie with the best ones."""
        scores = split_scores(results, self._deciding_metric(results))
        best = max(scores[rows], key=mean_score)
        for row in rows:
            if ties(scores[row], best):
                return row
        raise ValueError("No candidate has a finite score in each fold; see the warnings.")

    def _select_best_index(self, refit, refit_metric, results):
        if callable(refit):
            return super()._select_best_index(refit, refit_metric, results)
        return self.stage_winners_[-1]


@contextmanager
def _folds_preprocessed_once(search):
    """Let the candidates of a search over a pipeline share what its preprocessing steps return."""
    pipeline = search.estimator
    if not isinstance(pipeline, Pipeline) or pipeline.memory is not None:
        yield
        return
    *steps, last = pipeline.steps
    shared = [(name, _SharedStep(step, _Store()) if hasattr(step, "fit_transform") else step) for name, step in steps]
    try:
        search.estimator = copy.copy(pipeline)
        search.estimator.steps = [*shared, last]
        yield
    finally:
        search.estimator = pipeline
    if hasattr(search, "best_estimator_"):
        best = search.best_estimator_
        best.steps = [(name, step.fitted if isinstance(step, _SharedStep) else step) for name, step in best.steps]


class _SharedStep:
    """A preprocessing step whose results are those of all its copies with equal parameters, fitted to equal data."""

    def __init__(self, step, store):
        self._step, self._store, self._params, self.fitted = step, store, {}, None

    def set_params(self, **params):
        self._params |= params
        return self

    def fit_transform(self, X, y=None, **params):
        def compute():
            fitted = clone(self._step).set_params(**self._params)
            return fitted, fitted.fit_transform(X, y, **params)

        self.fitted, X = self._store.result((self._params, X, y, params), compute)
        return X

    def transform(self, X, **params):
        def compute():
            return self.fitted, self.fitted.transform(X, **params)

        return self._store.result((id(self.fitted), X, params), compute)[1]

    def __getattr__(self, name):
        """What routing asks of the step, and scorers of the fitted one."""
        if name.startswith("__") or "fitted" not in vars(self):
            raise AttributeError(name)
        return getattr(self._step if self.fitted is None else self.fitted, name)

    def __sklearn_clone__(self):
        return _SharedStep(self._step, self._store)

    def __sklearn_is_fitted__(self):
        return self.fitted is not None

    def __sklearn_tags__(self):
        return self._step.__sklearn_tags__()


class _Store:
    """Fitted steps and what they return, by the content of the arguments; that of another process is empty at first.

    Threads that ask for the same result wait for one of them. Results of what cannot be pickled are not stored.
    """

    def __init__(self):
        self._results, self._locks, self._lock = {}, defaultdict(threading.Lock), threading.Lock()

    def result(self, arguments, compute):
        try:
            key = hashlib.blake2b(pickle.dumps(arguments, protocol=5)).digest()
        except Exception:
            return compute()
        with self._lock:
            lock = self._locks[key]
        with lock:
            if key not in self._results:
                self._results[key] = compute()
            fitted, X = self._results[key]
        return fitted, X.copy() if hasattr(X, "copy") else X  # the next step may work in place

    def __reduce__(self):
        return _Store, ()
