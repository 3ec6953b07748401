"""Cross-validation of many networks on the same data, side by side in Python threads.

The data are validated and encoded once; a fold is an array of row numbers, so that nothing is copied. Each network is
trained by one thread of the engine, which lets go of Python's global lock. The result is that of separate fits, bit for
bit.
"""

import copy
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.exceptions import FitFailedWarning
from sklearn.utils.parallel import Parallel, delayed

from skl2net._sklearn_private import safe_indexing
from skl2net.engines.base import Cancelled
from skl2net.estimators.tasks import FitTasks
from skl2net.fitting import Start, Watch, fit_network


@dataclass(frozen=True)
class Outcome:
    """What came of a candidate. If it could not be fitted or scored, `error` says why."""

    score: float
    fit_time: float
    weight_norm: float = np.nan
    n_iter: float = np.nan
    warnings: tuple = ()
    error: str | None = None


@dataclass(frozen=True)
class FoldScorer:
    """Scores a network on the rows that it was not trained on.

    Parameters
    ----------
    net : L2NetClassifier or L2NetRegressor
        With what validation recorded; not changed.
    scorer : callable
    X, y : array-like
        All samples.
    params : dict
        Parameters for the scorer. Those with a value per sample are split.
    """

    net: object
    scorer: object
    X: object
    y: object
    params: dict

    def __call__(self, rows, problem, result):
        """The score on the given rows, a float."""
        fitted = copy.copy(self.net)
        vars(fitted).pop("feature_names_in_", None)  # a fold is scored on arrays
        fitted._keep(problem.network, result, None)
        n_samples = self.X.shape[0]
        of_test = {
            name: safe_indexing(value, rows) if _is_per_sample(value, n_samples) else value
            for name, value in self.params.items()
        }
        return float(self.scorer(fitted, self.X[rows], safe_indexing(self.y, rows), **of_test))


def _is_per_sample(value, n_samples):
    return hasattr(value, "__len__") and not isinstance(value, str) and len(value) == n_samples


@dataclass(frozen=True, eq=False)
class Trials:
    """What all networks of a search have in common.

    Parameters
    ----------
    net : L2NetClassifier or L2NetRegressor
        Their parameters; not changed.
    data : TrainingData
    folds : list of (ndarray of intp, ndarray of intp)
        Row numbers of each fold, training and test.
    score : FoldScorer
    random_state : int, array of int or numpy.random.RandomState
        Each network draws the same numbers.
    error_score : float or "raise"
    tasks : SearchTasks
    """

    net: object
    data: object
    folds: list
    score: FoldScorer
    random_state: object
    error_score: object
    tasks: object


def evaluate_candidates(trials, candidates, n_jobs):
    """Train and score networks.

    Parameters
    ----------
    trials : Trials
    candidates : list of (float, int)
        Alpha and number of the fold of each. Those that take longest first.
    n_jobs : int or None

    Returns
    -------
    list of Outcome
    """
    n_threads = 1 if effective_n_jobs(n_jobs) > 1 else None
    cancelled = _Cancellation()
    shared = _on_all_workers(trials)
    contexts = trials.tasks.begin_comparison(len(candidates))
    try:
        outcomes = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(_evaluate)(shared, alpha, fold, n_threads, cancelled, context)
            for (alpha, fold), context in zip(candidates, contexts, strict=True)
        )
    except BaseException:
        cancelled.set_and_wait()  # threads cannot be ended from outside
        raise
    trials.tasks.end_comparison()
    _warn_of(outcomes, trials.error_score)
    return outcomes


def _on_all_workers(trials):
    """The trials, or on a Dask cluster a future of them: sent once to each worker, and there even if others die."""
    backend, _ = get_active_backend()
    if type(backend).__name__ != "DaskDistributedBackend":
        return trials
    return backend.client.scatter(trials, broadcast=True, hash=False)


class _Cancellation:
    """An event that ends the work of other threads. It can be pickled: a copy in another process is never set."""

    def __init__(self):
        self._is_set = False
        self._n_working = 0
        self._changes = threading.Condition()

    @contextmanager
    def work(self):
        """The context of work that the event ends."""
        with self._changes:
            if self._is_set:
                raise Cancelled
            self._n_working += 1
        try:
            yield
        finally:
            with self._changes:
                self._n_working -= 1
                self._changes.notify_all()

    def set_and_wait(self):
        """End the work, and wait for it, but not for a scorer that takes long."""
        with self._changes:
            self._is_set = True
            self._changes.wait_for(lambda: self._n_working == 0, timeout=0.4)

    def __call__(self):
        return self._is_set

    def __reduce__(self):
        return _Cancellation, ()


def _evaluate(trials, alpha, fold, n_threads, cancelled, context):
    with cancelled.work():
        return _outcome(trials, alpha, fold, n_threads, cancelled, context)


def _outcome(trials, alpha, fold, n_threads, cancelled, context):
    net, data = trials.net, trials.data
    training, test = trials.folds[fold]
    solver = net._solver(len(training))
    start = time.perf_counter()
    try:
        problem = net._problem(data, solver, alpha, rows=training, n_threads=n_threads)
        watch = Watch(net._early_stopping(data, training), is_cancelled=cancelled)
        result = _fit(trials, alpha, problem, solver, watch, context)
    except ValueError as error:
        if trials.error_score == "raise":
            raise
        seconds = time.perf_counter() - start
        return Outcome(trials.error_score, seconds, error=f"alpha={alpha:g}, fold {fold}: {error}")
    seconds = time.perf_counter() - start
    error = None
    try:
        value = trials.score(test, problem, result)
    except Exception as raised:
        if trials.error_score == "raise":
            raise
        value = trials.error_score
        error = f"alpha={alpha:g}, fold {fold}: the scorer {trials.score.scorer} raised {raised!r}"
    return Outcome(
        value, seconds, problem.network.weight_norm(result.parameters), result.n_iter, result.warnings, error
    )


def _fit(trials, alpha, problem, solver, watch, context):
    net = copy.copy(trials.net)
    net.alpha = alpha
    start, stopping = Start(trials.random_state), net._stopping_rule()
    with trials.tasks.of_network(net, context, problem.task.rows) as data:
        n = solver.max_iterations(stopping.max_iter)
        tasks = FitTasks(net, net, problem.network, max_iterations=n, **data)
        result = fit_network(problem, solver, start, stopping, tasks.watching(watch))
        tasks.end(result)
    return result


def _warn_of(outcomes, error_score):
    """Pass on what the fits have to say, each kind of warning once."""
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors and len(errors) == len(outcomes):
        raise ValueError(
            f"All {len(errors)} fits failed, so that no alpha can be chosen. The first failure was {errors[0]}"
        )
    if errors:
        warnings.warn(
            f"{len(errors)} of {len(outcomes)} fits failed; their score is {error_score}. The first failure was "
            f"{errors[0]}",
            FitFailedWarning,
            stacklevel=5,
        )
    of_fits = {}
    for outcome in outcomes:
        for message, category in outcome.warnings:
            of_fits.setdefault(category, []).append(message)
    for category, messages in of_fits.items():
        warnings.warn(f"{len(messages)} of {len(outcomes)} fits: {messages[0]}", category, stacklevel=5)
