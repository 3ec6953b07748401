"""How fast it is computed: the engines, which all compute the same.

`interface` says what an engine is; `reference` is the readable one, the oracle that the others are tested against, and
what runs where no extension was built; `_compiled` is the fast one.
"""

import warnings
from functools import cache

from skl2net.engines import reference

try:
    from skl2net.engines import _compiled
except ImportError:
    _compiled = None


def available_engines():
    """The engines of this installation, the fastest first."""
    return [reference] if _compiled is None else [_compiled, reference]


def default_engine():
    """The fastest engine that this installation has; warns once where that is the slow one."""
    engine = available_engines()[0]
    if engine is reference:
        _warn_slow()
    return engine


@cache
def _warn_slow():
    warnings.warn(
        "skl2net runs on its reference engine, which is up to hundreds of times slower than the compiled one: the "
        "extension skl2net.engines._compiled was not built or does not load. Reinstall skl2net where a C compiler (GCC "
        "or Clang) is.",
        RuntimeWarning,
        stacklevel=2,
    )
