"""What other libraries mean by their λ, to and from ours.

Two subjects: what each library means (`skl2net.conventions.records`, one record per convention, with its source), and
when two of them are the same (`skl2net.conventions.conversion`).
"""

from skl2net.conventions.conversion import AlphaConversion, convert_alpha, equivalents, list_conventions
from skl2net.conventions.records import CONVENTIONS, Convention

__all__ = ["CONVENTIONS", "AlphaConversion", "Convention", "convert_alpha", "equivalents", "list_conventions"]
