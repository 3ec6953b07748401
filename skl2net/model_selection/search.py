"""Cross-validation of many networks on the same data, side by side in Python threads.

The data are validated and encoded once; a fold is an array of row numbers, so that nothing is copied. Each network is
trained by one thread of the engine, which lets go of Python's global lock. The result is that of separate fits, bit for
bit.
"""

import threading
import warnings
from dataclasses import dataclass

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import FitFailedWarning
from sklearn.utils.parallel import Parallel, delayed

from skl2net._sklearn_private import safe_indexing
from skl2net.fitting import Start, Watch, fit_network


@dataclass(frozen=True)
class Candidate:
    """One network to train and to score.

    Parameters
    ----------
    alpha : float
    fold : int
    training, test : ndarray of intp
        Row numbers.
    """

    alpha: float
    fold: int
    training: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """What came of a candidate. If it could not be fitted or scored, `error` says why."""

    score: float
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

    def __call__(self, candidate, problem, result):
        """The score, a float."""
        fitted = self.net._shallow_copy()
        vars(fitted).pop("feature_names_in_", None)  # a fold is scored on arrays
        fitted._keep(problem.network, result, None)
        n_samples = self.X.shape[0]
        of_test = {
            name: safe_indexing(value, candidate.test) if _is_per_sample(value, n_samples) else value
            for name, value in self.params.items()
        }
        return float(self.scorer(fitted, self.X[candidate.test], safe_indexing(self.y, candidate.test), **of_test))


def _is_per_sample(value, n_samples):
    return hasattr(value, "__len__") and not isinstance(value, str) and len(value) == n_samples


def evaluate_candidates(net, data, candidates, score, *, random_state, error_score, n_jobs):
    """Train and score networks.

    Parameters
    ----------
    net : L2NetClassifier or L2NetRegressor
        Their parameters; not changed.
    data : TrainingData
    candidates : list of Candidate
        Those that take longest first.
    score : FoldScorer
    random_state : int, array of int or numpy.random.RandomState
        Each network draws the same numbers.
    error_score : float or "raise"
    n_jobs : int or None

    Returns
    -------
    list of Outcome
    """
    n_threads = 1 if effective_n_jobs(n_jobs) > 1 else None
    cancelled = _Cancellation()
    try:
        outcomes = Parallel(n_jobs=n_jobs, prefer=net._solver(len(data.Y)).prefers)(
            delayed(_evaluate)(net, data, candidate, score, random_state, error_score, n_threads, cancelled)
            for candidate in candidates
        )
    except BaseException:
        cancelled.set()  # threads cannot be ended from outside
        raise
    _warn_of(outcomes, error_score)
    return outcomes


class _Cancellation:
    """An event that can be pickled: a copy in another process is never set."""

    def __init__(self):
        self._event = threading.Event()

    def set(self):
        self._event.set()

    def __call__(self):
        return self._event.is_set()

    def __reduce__(self):
        return _Cancellation, ()


def _evaluate(net, data, candidate, score, random_state, error_score, n_threads, cancelled):
    rows = candidate.training
    solver = net._solver(len(rows))
    try:
        problem = net._problem(data, solver, candidate.alpha, rows=rows, n_threads=n_threads)
        result = fit_network(
            problem,
            solver,
            Start(random_state),
            net._stopping_rule(),
            Watch(net._early_stopping(data, rows), is_cancelled=cancelled),
        )
    except ValueError as error:
        if error_score == "raise":
            raise
        return Outcome(error_score, error=f"alpha={candidate.alpha:g}, fold {candidate.fold}: {error}")
    error = None
    try:
        value = score(candidate, problem, result)
    except Exception as raised:
        if error_score == "raise":
            raise
        value = error_score
        error = f"alpha={candidate.alpha:g}, fold {candidate.fold}: the scorer {score.scorer} raised {raised!r}"
    return Outcome(value, problem.weight_norm(result.parameters), result.n_iter, result.warnings, error)


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
