"""Numbers among the parameters that scikit-learn's validation lets through, and that nothing can be computed with."""

import math
import sys
from numbers import Integral, Real

import numpy as np

from skl2net._sklearn_private import Interval


def check_numbers(estimator):
    """Refuse truth values and numbers beyond the range of the machine, where an interval of numbers is expected.

    Parameters
    ----------
    estimator : BaseEstimator
        With `_parameter_constraints`.

    Raises
    ------
    ValueError
        If a parameter is True or False, or an integer that is too large for a machine integer or a float.
    """
    for name, value in estimator.get_params(deep=False).items():
        constraints = estimator._parameter_constraints.get(name, ())
        types = [constraint.type for constraint in constraints if isinstance(constraint, Interval)]
        if not types:
            continue
        if isinstance(value, bool | np.bool_):
            raise ValueError(f"{name}={bool(value)} is a truth value. Pass a number.")
        if isinstance(value, Integral):
            limit = sys.maxsize if types[0] is Integral else sys.float_info.max
            if abs(value) > limit:
                raise ValueError(
                    f"{name} is an integer of {int(value).bit_length()} bits, and must be smaller than {limit:.3g}."
                )


def is_finite_number(value):
    """Whether a value is a number, no truth value, and can be a finite float."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
