"""Reports a fit and its iterations to scikit-learn's callbacks."""

import copy
from dataclasses import replace

import numpy as np

from skl2net._sklearn_private import callbacks_of


class FitTasks:
    """The tasks of one fit of a network. Making it begins the fit; without callbacks, nothing happens.

    `fitted` is a copy of the `estimator`, with what validation recorded; `X`, `y` and `metadata`, the sample weights,
    are what the user passed.
    """

    def __init__(self, estimator, fitted, plan, *, name, X, y, metadata):
        self._root = None
        if not callbacks_of(estimator):
            return
        self._fitted, self._network = fitted, plan.problem.network
        self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        n_iterations = plan.stopping.max_iter + plan.solver.n_extra_iterations
        self._root = estimator._init_callback_context(name, max_subtasks=n_iterations)
        self._root.call_on_fit_task_begin(**self._data)

    def watching(self, watch):
        """The `Watch` with callbacks that hear of each iteration."""
        if self._root is None:
            return watch
        return replace(watch, on_begin=self._begin_iteration, on_end=self._end_iteration)

    def end(self, state):
        """End the fit, with the `TrainingState` after it."""
        if self._root is not None:
            self._root.call_on_fit_task_end(
                **self._data, reconstruction_attributes=lambda: self._attributes_after(state)
            )

    def _begin_iteration(self):
        self._iteration = self._root.subcontext(task_name="iteration")
        self._iteration.call_on_fit_task_begin(**self._data)

    def _end_iteration(self, result):
        return self._iteration.call_on_fit_task_end(
            **self._data, reconstruction_attributes=lambda: self._attributes_after(result())
        )

    def _attributes_after(self, state):
        """The attributes of the estimator, had the fit ended with this state."""
        fitted = copy.copy(self._fitted)
        fitted._keep(self._network, state)
        if isinstance(fitted.random_state, np.random.RandomState):
            fitted.random_state = state.random_state
        # scikit-learn sets them on a copy of the estimator, which may have others of an earlier fit
        of_earlier_fit = {name: None for name in vars(self._data["estimator"]) if name.endswith("_")}
        return of_earlier_fit | vars(fitted)
