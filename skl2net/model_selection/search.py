"""The base of all searches: scikit-learn's, with networks trained side by side in threads, which Ctrl-C ends."""

import signal
import threading
from contextlib import contextmanager
from itertools import chain, count, takewhile
from typing import Any, Self

import numpy as np
from joblib import parallel_config
from joblib.parallel import ThreadingBackend, get_active_backend
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import assert_all_finite
from sklearn.utils.metadata_routing import get_routing_for_object, process_routing
from sklearn.utils.validation import indexable

from skl2net._sklearn_private import BaseSearchCV, routing_enabled
from skl2net.estimators.base import BaseL2Net, is_dask
from skl2net.estimators.sparse_input import check_sparse
from skl2net.hints import MatrixLike
from skl2net.search_threads import SearchThreads


def check_in_memory(X):
    """Refuse Dask collections: folds of their rows would move between the workers."""
    if is_dask(X):
        raise ValueError(
            "The searches of skl2net take data in memory. Pass X.compute() and y.compute(), or a sample of the rows, "
            "or use GridSearchCV of scikit-learn, which fits one candidate after the other on the cluster."
        )


class Search(BaseSearchCV):
    """A search of scikit-learn that leaves the estimator as it was if it does not finish."""

    def fit(self, X: MatrixLike, y: MatrixLike = None, **params: Any) -> Self:
        """Search, and fit the best candidate to all data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target.
        **params : dict
            Passed on to the `fit` of the estimator, the scorer and the splitter, see
            :meth:`sklearn.model_selection.GridSearchCV.fit`.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError
            If a parameter is invalid, `y` has values that are not finite, or no candidate can be fitted. The search is
            left unchanged.
        KeyboardInterrupt
            If the search is interrupted. The search is left unchanged.
        """
        self._validate_params()
        check_in_memory(X)
        check_sparse(X, with_csr=True)
        check_sparse(y, with_csr=True, name="y")
        X, y = indexable(X, y)
        if y is not None:
            assert_all_finite(y, input_name="y")  # once, and not as the failure of every fit
        before = vars(self).copy()
        try:
            splits = self._splits(X, y, params)
            self.n_splits_, self.cv = len(splits), _FixedSplits(self.cv, splits)
            data = [values for values in (X, y, *chain(*splits)) if values is not None]
            with _ended_by_ctrl_c(), _side_by_side(self.estimator, data):
                super().fit(X, y, **params)
            self.cv = before["cv"]
            vars(self).pop("_checked_cv_orig", None)
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _splits(self, X, y, params):
        """Row numbers ``(training, test)`` of each fold, the same throughout the search."""
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        if routing_enabled():
            split_params = process_routing(self, "fit", **params).splitter.split
        else:
            split_params = {"groups": params.get("groups")}
        return list(splitter.split(X, y, **split_params))

    def _deciding_metric(self, results):
        """Name of the metric in `cv_results_` that decides between candidates."""
        if "mean_test_score" in results:
            return "score"
        if not isinstance(self.refit, str):
            raise ValueError(
                f"With several metrics, refit must name the one that decides the comparisons, got refit={self.refit!r}."
            )
        return self.refit

    def __sklearn_is_fitted__(self):
        return hasattr(self, "best_estimator_" if self.refit else "cv_results_")


class _FixedSplits:
    """A splitter that returns precomputed splits."""

    def __init__(self, cv, splits):
        self.cv, self.splits = cv, splits

    def split(self, X=None, y=None, **params):
        return self.splits

    def get_n_splits(self, X=None, y=None, **params):
        return len(self.splits)

    def get_metadata_routing(self):
        return get_routing_for_object(self.cv)


@contextmanager
def _side_by_side(estimator, data):
    """Train networks in threads, where users have not chosen a backend; send the data to each worker of Dask once."""
    backend, _ = get_active_backend(prefer="threads")
    if type(backend).__name__ == "DaskDistributedBackend":
        backend = type(backend)(client=backend.client, scatter=data, **backend.submit_kwargs)
    elif isinstance(backend, ThreadingBackend):
        if not any(isinstance(part, BaseL2Net) for part in (estimator, *estimator.get_params().values())):
            yield  # threads of Python would wait for each other
            return
        backend = SearchThreads(nesting_level=backend.nesting_level)
    with parallel_config(backend=backend):
        yield


@contextmanager
def task_of(search, name, context, **subtasks):
    """A task of a search, for scikit-learn's callbacks: yields the arguments by which its fits become subtasks.

    There are none before scikit-learn 1.9, where `context` is None.
    """
    if context is None:
        yield {}
        return
    context = context.subcontext(task_name=name, **subtasks)
    yield {"callback_ctx": context.call_on_fit_task_begin(estimator=search)}
    context.call_on_fit_task_end(estimator=search)


class _SearchInterrupted(BaseException):
    """Raised in place of KeyboardInterrupt, which networks catch."""


@contextmanager
def _ended_by_ctrl_c():
    """Let Ctrl-C end the search, and not only the fit that is running.

    A network that is interrupted keeps the weights of its last finished iteration, here as in scikit-learn. A search
    would take that for the end of a fit, and continue with the next one. Outside the main thread, and where the program
    handles Ctrl-C in a way of its own, nothing changes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def interrupt(signum, frame):
        raise _SearchInterrupted

    try:
        signal.signal(signal.SIGINT, interrupt)
        yield
    except _SearchInterrupted:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def checked_alphas(alphas):
    """The strengths of a search as a vector of float, in the order given; refuses others."""
    found = np.asarray(alphas)
    is_vector = found.dtype.kind in "iuf" and found.ndim == 1 and len(found)
    if not is_vector or not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError(
            f"alphas must be numbers in one row, finite and not negative, such as [0.1, 1.0, 10.0]; got {alphas!r}."
        )
    return found.astype(float)


def split_scores(results, metric="score"):
    """Test scores of all candidates in all folds, ndarray of shape (n_candidates, n_splits)."""
    names = (f"split{i}_test_{metric}" for i in count())
    return np.column_stack([results[name] for name in takewhile(results.__contains__, names)])


def standard_error(values):
    """Standard error of the mean of one value for each fold; 0 for a single fold, about which nothing is known."""
    n = len(values)
    return float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else 0.0


def mean_score(scores):
    """Mean score of a network; -inf if a score is not finite, also if it is inf, of which there is no mean error."""
    return np.mean(scores) if np.isfinite(scores).all() else -np.inf


def ties(scores, best):
    """Whether scores are at most one standard error of the differences behind the best ones."""
    return bool(np.isfinite(scores).all()) and np.mean(best - scores) <= standard_error(best - scores)
