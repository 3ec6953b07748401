"""What other libraries mean by their λ, and its conversion to and from ours.

`convention` defines a convention and `records` has one for each library, with its source. `conversion` computes the
number in another convention, `comparison` whether the two do the same, and `result` prints the answer.
"""

from skl2net.conventions.convention import Convention
from skl2net.conventions.conversion import convert_alpha, equivalents, list_conventions
from skl2net.conventions.records import ALIASES, CONVENTIONS, LEFT_OUT
from skl2net.conventions.result import AlphaConversion, Equivalents

__all__ = [
    "ALIASES",
    "CONVENTIONS",
    "LEFT_OUT",
    "AlphaConversion",
    "Convention",
    "Equivalents",
    "convert_alpha",
    "equivalents",
    "list_conventions",
]
