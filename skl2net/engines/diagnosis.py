"""Why the compiled engine cannot be imported, in words that say what to do."""

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distributions
from pathlib import Path

_NAME = "skl2net.engines._compiled"
_FOLDER = Path(__file__).resolve().parent


def why_not_imported(error):
    """The true cause of a failed import of the compiled engine.

    Parameters
    ----------
    error : ImportError
        What the import raised.

    Returns
    -------
    str
        A clause without a full stop.
    """
    if error.name != _NAME or not isinstance(error, ModuleNotFoundError):
        return f"the compiled one is here but fails to load ({type(error).__name__}: {error})"
    installed = _installed_elsewhere()
    if installed is not None:
        return (
            f"Python imports skl2net from the source folder {_FOLDER.parent}, where no extension was built, instead of "
            f"the installed package {installed}, which has one. Start Python in another folder, or install the source "
            "folder itself with 'pip install -e'"
        )
    others = sorted(path.name for suffix in ("so", "pyd") for path in _FOLDER.glob(f"_compiled.*.{suffix}"))
    if others:
        return (
            f"the compiled one was built for another Python ({', '.join(others)}; this one needs "
            f"_compiled{EXTENSION_SUFFIXES[0]}). Reinstall skl2net with this Python"
        )
    return (
        f"the compiled one was not built ({_FOLDER} has no _compiled{EXTENSION_SUFFIXES[0]}). Reinstall skl2net where "
        "GCC or Clang is found (on Windows clang-cl); 'pip install -v' shows why a build fails"
    )


def _installed_elsewhere():
    """Folder of an installed skl2net that has the extension and is not this one, or None."""
    for distribution in distributions(name="skl2net"):
        for suffix in EXTENSION_SUFFIXES:
            extension = Path(distribution.locate_file(f"skl2net/engines/_compiled{suffix}")).resolve()
            if extension.exists() and extension.parent != _FOLDER:
                return extension.parent.parent
    return None
