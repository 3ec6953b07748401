"""How fast it is computed: the engines, which all compute the same.

`base` says what an engine is; `reference` is the readable one, the oracle that the others are tested against, and what
runs where no extension was built; `_compiled` is the fast one. `threads` limits the threads of the latter.
"""

import importlib
import warnings
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import threadpoolctl

from skl2net._sklearn_private import openmp_effective_n_threads
from skl2net.engines.reference import engine as reference_engine

try:  # a `from` import of a missing submodule would speak of a circular import
    _compiled = importlib.import_module("skl2net.engines._compiled")
except ImportError as error:
    _compiled, _import_error = None, error
else:
    from skl2net.engines.threads import ThreadLimitController

    threadpoolctl.register(ThreadLimitController)


def available_engines():
    """The engines of this installation, the fastest first."""
    return [reference_engine] if _compiled is None else [_compiled.engine, reference_engine]


def default_engine():
    """The fastest engine that this installation has; warns once if that is the slow one."""
    engine = available_engines()[0]
    if engine is reference_engine:
        _warn_slow()
    return engine


def effective_n_threads():
    """Number of threads that the compiled engine uses for a task that does not say.

    As many as there are physical cores, or what ``OMP_NUM_THREADS``, joblib's workers and threadpoolctl allow. A limit
    of threadpoolctl that the main thread sets also holds in the threads that Python starts.

    Returns
    -------
    int
    """
    return openmp_effective_n_threads() if _compiled is None else _compiled.effective_n_threads()


def why_reference():
    """Why the reference engine is the default."""
    if _compiled is not None:
        return "the compiled one was not asked for"
    if not isinstance(_import_error, ModuleNotFoundError) or _import_error.name != "skl2net.engines._compiled":
        return f"the compiled one fails to load ({type(_import_error).__name__}: {_import_error})"
    return (
        f"{Path(__file__).parent} has no _compiled{EXTENSION_SUFFIXES[0]}. If this is a source folder that hides an "
        "installed skl2net, start Python in another folder. Otherwise reinstall skl2net with this Python "
        "and GCC or Clang (clang-cl on Windows): 'pip install -v' shows why a build fails"
    )


@cache
def _warn_slow():
    warnings.warn(
        "skl2net runs on its reference engine, which is up to hundreds of times slower than the compiled one: "
        f"{why_reference()}.",
        RuntimeWarning,
    )
