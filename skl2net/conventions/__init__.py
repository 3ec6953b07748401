"""What other libraries mean by their λ, to and from ours.

What a convention is (`convention`), what each library means (`records`, one record per convention, with its source;
`aliases`), when two of them are the same and with which number (`conversion`), and how the answer is shown (`result`,
and `lines` for the code that it prints).
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
