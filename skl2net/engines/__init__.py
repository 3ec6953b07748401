"""How fast it is computed: the engines, which all compute the same.

`interface` says what an engine is; `reference` is the readable one, and the oracle that the others are tested
against.
"""

from skl2net.engines import reference


def available_engines():
    """The engines of this installation, the fastest first."""
    return [reference]


def default_engine():
    """The fastest engine that this installation has."""
    return available_engines()[0]
