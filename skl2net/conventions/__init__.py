"""What other libraries mean by their λ, to and from ours.

A convention is defined in `convention`; what each library means is in `records` (one record per convention, with its
source) and `aliases`. `conversion` says when two of them are the same, and with which number; `result` shows the
answer, and `lines` the code that it prints.
"""

from skl2net.conventions.aliases import ALIASES, LEFT_OUT
from skl2net.conventions.convention import Convention
from skl2net.conventions.conversion import convert_alpha, equivalents, list_conventions
from skl2net.conventions.records import CONVENTIONS
from skl2net.conventions.result import AlphaConversion

__all__ = [
    "ALIASES",
    "CONVENTIONS",
    "LEFT_OUT",
    "AlphaConversion",
    "Convention",
    "convert_alpha",
    "equivalents",
    "list_conventions",
]
