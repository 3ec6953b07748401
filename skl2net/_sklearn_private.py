"""Private names of scikit-learn that skl2net uses, and substitutes for what scikit-learn 1.7 and 1.8 lack.

`tests/package/test_sklearn_private.py` says which versions are tested.
"""

# ruff: noqa: F401
import copy
import sys
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NoReturn, TypeVar

import numpy as np
import sklearn
from sklearn import config_context
from sklearn.base import _fit_context
from sklearn.metrics._scorer import _BaseScorer as BaseScorer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _score as score_of_split
from sklearn.preprocessing import TargetEncoder as _TargetEncoder
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads as openmp_effective_n_threads
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils._param_validation import Options, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params as raise_for_params
from sklearn.utils.metadata_routing import _routing_enabled as routing_enabled
from sklearn.utils.metaestimators import available_if as _available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight, validate_data
from sklearn.utils.validation import _num_samples as num_samples

try:
    from sklearn.callback import AutoPropagatedCallback, CallbackSupportMixin, FitCallback
except ImportError:  # before scikit-learn 1.9

    class FitCallback:
        """No estimator calls it."""

    class AutoPropagatedCallback:
        """No callback is an instance of this."""

    class CallbackSupportMixin:
        """Estimators refuse callbacks."""

        def set_callbacks(self, *callbacks: Any) -> NoReturn:
            """Raise an error: callbacks need scikit-learn 1.9."""
            raise ImportError(
                f"Callbacks need scikit-learn 1.9 or newer, and scikit-learn {sklearn.__version__} is installed. "
                "Upgrade it, or fit without callbacks."
            )

    class BaseSearchCV(CallbackSupportMixin, BaseSearchCV):
        """scikit-learn's base class of searches, which supports callbacks itself since version 1.9."""


def check_sample_weight(sample_weight, X, **options):
    """scikit-learn's function. Refuses weights that are all zero, as version 1.9 does."""
    sample_weight = _check_sample_weight(sample_weight, X, **options)
    if not sample_weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return sample_weight


_Method = TypeVar("_Method", bound=Callable[..., Any])

fit_context: Callable[..., Callable[[_Method], _Method]] = _fit_context
available_if: Callable[..., Callable[[_Method], _Method]] = _available_if


class Interval(_Interval):
    """scikit-learn's interval without bools, and without integers that no machine integer or float can hold."""

    def is_satisfied_by(self, val):
        """Whether a value is in the interval."""
        if isinstance(val, bool | np.bool_) or not isinstance(val, self.type):
            return False
        if not isinstance(val, Integral):
            return float(val) in self  # a Fraction cannot be compared as it is
        return abs(val) <= (sys.maxsize if self.type is Integral else sys.float_info.max) and val in self


is_finite_number = Interval(Real, None, None, closed="neither").is_satisfied_by


def callbacks_of(estimator):
    """The callbacks that were set on an estimator."""
    return getattr(estimator, "_skl_callbacks", ())


def without_callbacks(estimator):
    """A copy of an estimator, possibly during a fit, without its callbacks and their tasks."""
    copied = copy.copy(estimator)
    for name in ("_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx", "_parent_callback_ctx"):
        vars(copied).pop(name, None)
    return copied


class TargetEncoder(_TargetEncoder):
    """scikit-learn's encoder, which version 1.9 cannot fit without groups if metadata routing is enabled."""

    def fit_transform(self, X: Any, y: Any) -> Any:
        """Fit, and transform by cross-fitting, see :class:`sklearn.preprocessing.TargetEncoder`."""
        with config_context(enable_metadata_routing=False):
            return super().fit_transform(X, y)


def target_encoder(*, of_classes, random_state):
    """A TargetEncoder whose folds `random_state` determines."""
    encoder = TargetEncoder(target_type="auto" if of_classes else "continuous")
    if encoder.random_state != "deprecated":  # before scikit-learn 1.9
        return encoder.set_params(random_state=random_state)
    folds = StratifiedKFold if of_classes else KFold
    return encoder.set_params(cv=folds(5, shuffle=True, random_state=random_state))


def stochastic_optimizers():
    """scikit-learn's classes of SGD and Adam, imported when a fitted network is converted."""
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    return SGDOptimizer, AdamOptimizer
