"""Versions of the installed packages, for bug reports."""

import sklearn

from skl2net._version import __version__
from skl2net.engines import available_engines, why_reference


def show_versions() -> None:
    """Print the version of skl2net, its engine, and what `sklearn.show_versions` prints.

    Examples
    --------
    >>> import skl2net
    >>> skl2net.show_versions()
    <BLANKLINE>
    skl2net: ...
     engine: ...
    """
    engine = available_engines()[0]
    if engine.name == "reference":
        description = f"reference (the slow one: {why_reference()})"
    else:
        description = f"{engine.name} ({engine.instruction_set})"
    print(f"\nskl2net: {__version__}\n engine: {description}")
    sklearn.show_versions()
