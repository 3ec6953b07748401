"""What depends on the version of scikit-learn: the private names that skl2net uses, and what version 1.9 does better.

Private names have a substitute where skl2net can do without them. `tests/test_sklearn_private.py` says which
versions are tested.
"""

import copy
import os
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np
import sklearn
from sklearn.base import _fit_context
from sklearn.metrics._scorer import _BaseScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _score
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params, _routing_enabled
from sklearn.utils.metaestimators import available_if as _available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight, validate_data

try:
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads as openmp_effective_n_threads
except ImportError:

    def openmp_effective_n_threads():
        """As many threads as processors that this process may use, or as ``OMP_NUM_THREADS`` says."""
        n_processors = getattr(os, "process_cpu_count", os.cpu_count)() or 1
        limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
        return min(int(limit), n_processors) if limit.isdigit() and int(limit) else n_processors


try:
    from sklearn.callback import AutoPropagatedCallback, CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class AutoPropagatedCallback:
        """No callback is one."""

    class CallbackSupportMixin:
        """Says what callbacks need."""

        def set_callbacks(self, *callbacks: Any) -> NoReturn:
            """Raise an error, since callbacks need scikit-learn 1.9.

            Parameters
            ----------
            callbacks : callbacks
                What would be set.

            Raises
            ------
            ImportError
                In any case.
            """
            raise ImportError(
                f"Callbacks need scikit-learn 1.9 or newer, and scikit-learn {sklearn.__version__} is installed. "
                "Upgrade it, or fit without callbacks."
            )

    class BaseSearchCV(CallbackSupportMixin, BaseSearchCV):
        """scikit-learn's base class of searches, which supports callbacks itself since version 1.9."""


if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9):
    check_sample_weight = _check_sample_weight

else:
    _validate_data = validate_data

    def check_sample_weight(sample_weight, X, **options):
        """scikit-learn's function, with the refusal of weights that are all zero, which came with version 1.9."""
        sample_weight = _check_sample_weight(sample_weight, X, **options)
        if not sample_weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return sample_weight

    def validate_data(estimator, X, *args, **options):
        """scikit-learn's function, with the names of polars' columns, which it cannot find before version 1.9."""
        return _validate_data(estimator, _NamedColumns(X) if _is_polars(X) else X, *args, **options)

    def _is_polars(X):
        return type(X).__module__.startswith("polars.") and hasattr(X, "columns")

    class _NamedColumns:
        """A frame with the part of the interchange protocol that scikit-learn asks for, and polars 2 lacks."""

        def __init__(self, frame):
            self._frame = frame

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self._frame, dtype=dtype)

        def __dataframe__(self):
            return self

        def column_names(self):
            return self._frame.columns


_Method = TypeVar("_Method", bound=Callable[..., Any])

BaseScorer = _BaseScorer
check_partial_fit_first_call = _check_partial_fit_first_call
fit_context: Callable[..., Callable[[_Method], _Method]] = _fit_context
available_if: Callable[..., Callable[[_Method], _Method]] = _available_if
raise_for_params = _raise_for_params
safe_indexing = _safe_indexing
routing_enabled = _routing_enabled
score_of_split = _score


def callbacks_of(estimator):
    """The callbacks that were set on an estimator."""
    return getattr(estimator, "_skl_callbacks", ())


def without_callbacks(estimator):
    """A copy of an estimator, perhaps one in the middle of a fit, without its callbacks and their tasks."""
    copied = copy.copy(estimator)
    for name in ("_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx", "_parent_callback_ctx"):
        vars(copied).pop(name, None)
    return copied


def stochastic_optimizers():
    """scikit-learn's classes of SGD and Adam, which only the conversion of fitted networks needs."""
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    return SGDOptimizer, AdamOptimizer


__all__ = [
    "AutoPropagatedCallback",
    "BaseScorer",
    "BaseSearchCV",
    "CallbackSupportMixin",
    "Interval",
    "Options",
    "StrOptions",
    "available_if",
    "callbacks_of",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "openmp_effective_n_threads",
    "raise_for_params",
    "routing_enabled",
    "safe_indexing",
    "score_of_split",
    "stochastic_optimizers",
    "validate_data",
    "without_callbacks",
]
