"""The tasks of a search for alpha, of which scikit-learn's callbacks hear, as those of `GridSearchCV`."""

from contextlib import contextmanager
from functools import cache

from skl2net._sklearn_private import (
    AutoPropagatedCallback,
    callback_management_context,
    callbacks_of,
    safe_indexing,
)


class SearchTasks:
    """The tasks of one search. Making it begins the search; without callbacks, nothing happens.

    The search is its own estimator: its callbacks hear of the tasks of the search and of those of its networks.

    Parameters
    ----------
    search : L2NetClassifierCV or L2NetRegressorCV
    X, y : array-like
        Training data as the user passed them.
    sample_weight : array-like or None
    """

    def __init__(self, search, X, y, sample_weight):
        self._root = None
        if not callbacks_of(search):
            return
        self._search, self._X, self._y, self._sample_weight = search, X, y, sample_weight
        self._root = search._init_callback_context(max_subtasks=1 + search.refit)
        self._root.call_on_fit_task_begin(estimator=search, **self._data())

    def begin_comparison(self, n_networks):
        """Begin the comparison of networks. Returns the context of each, None without callbacks."""
        if self._root is None:
            return [None] * n_networks
        self._comparison = self._root.subcontext(
            task_name="search", max_subtasks=n_networks, sequential_subtasks=False
        ).call_on_fit_task_begin(estimator=self._search)
        return [
            self._comparison.subcontext(task_name="candidate-split-evaluation", task_id=i) for i in range(n_networks)
        ]

    def end_comparison(self):
        """End the comparison of networks."""
        if self._root is not None:
            self._comparison.call_on_fit_task_end(estimator=self._search)

    def begin_refit(self):
        """The context of the last fit, None without callbacks."""
        return None if self._root is None else self._root.subcontext(task_name="refit-with-best-params")

    def end(self):
        """End the search, which has been fitted."""
        if self._root is not None:
            fitted = {} if self._search.refit else None
            self._root.call_on_fit_task_end(estimator=self._search, **self._data(), reconstruction_attributes=fitted)

    @contextmanager
    def of_network(self, net, context, rows=None):
        """Let the callbacks hear of a fit of `net` to some rows of the data.

        Parameters
        ----------
        net : L2NetClassifier or L2NetRegressor
            Has callbacks as long as the context manager is open.
        context : CallbackContext or None
            From `begin_comparison` or `begin_refit`.
        rows : ndarray of intp, default=None
            None for all.

        Yields
        ------
        dict
            The data, for `FitTasks`.
        """
        if context is None:
            yield {}
            return
        data = self._data(rows)
        of_networks = [one for one in callbacks_of(self._search) if not isinstance(one, AutoPropagatedCallback)]
        net.set_callbacks(*of_networks)
        try:
            with context.propagate_callback_context(net):
                context.call_on_fit_task_begin(estimator=self._search, **data)
                with callback_management_context(net):
                    yield data
        finally:
            net.set_callbacks()
            context.call_on_fit_task_end(estimator=self._search, **data)

    def _data(self, rows=None):
        X, y, sample_weight = (_taken(values, rows) for values in (self._X, self._y, self._sample_weight))
        metadata = None
        if sample_weight is not None:
            metadata = {"sample_weight": sample_weight} if rows is None else lambda: {"sample_weight": sample_weight()}
        return {"X": X, "y": y, "metadata": metadata}


def _taken(values, rows):
    """Some rows, as a function that takes them when it is first called; the values themselves for all rows."""
    return values if values is None or rows is None else cache(lambda: safe_indexing(values, rows))
