"""The private names of scikit-learn that skl2net uses, in one place, with a substitute where it can do without them.

Tried with scikit-learn 1.9; `tests/test_sklearn_private.py` says with which versions it passed.
"""

import os
from contextlib import nullcontext

import sklearn
from sklearn.base import _fit_context
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._split import _yields_constant_splits
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params, _routing_enabled
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight

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
    from sklearn.callback._callback_support import callback_management_context
except ImportError:  # before scikit-learn 1.9

    class AutoPropagatedCallback:
        """No callback is one."""

    class CallbackSupportMixin:
        """Says what callbacks need."""

        def set_callbacks(self, *callbacks):
            """Not supported by this version of scikit-learn."""
            raise ImportError(
                f"Callbacks need scikit-learn 1.9 or newer, and scikit-learn {sklearn.__version__} is installed. "
                "Upgrade it, or fit without callbacks."
            )

    callback_management_context = nullcontext


check_partial_fit_first_call = _check_partial_fit_first_call
check_sample_weight = _check_sample_weight
fit_context = _fit_context
raise_for_params = _raise_for_params
safe_indexing = _safe_indexing
routing_enabled = _routing_enabled
yields_constant_splits = _yields_constant_splits


def callbacks_of(estimator):
    """The callbacks that were set on an estimator."""
    return getattr(estimator, "_skl_callbacks", ())


def stochastic_optimizers():
    """scikit-learn's classes of SGD and Adam, which only the conversion of fitted networks needs."""
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    return SGDOptimizer, AdamOptimizer


__all__ = [
    "AutoPropagatedCallback",
    "BaseSearchCV",
    "CallbackSupportMixin",
    "Interval",
    "Options",
    "StrOptions",
    "callback_management_context",
    "callbacks_of",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "openmp_effective_n_threads",
    "raise_for_params",
    "routing_enabled",
    "safe_indexing",
    "stochastic_optimizers",
    "yields_constant_splits",
]
