"""What conversions return: objects that print as text and display as tables in notebooks."""

import re
import textwrap
from dataclasses import dataclass
from html import escape

from skl2net import notebook
from skl2net.conventions.convention import Convention

WIDTH = 100

# From the strongest sense of "equivalent" to the weakest.
SENSES = ("trajectory", "measure", "limit", "batches", "parts", "objective", "share", "penalty")
_CLAIMS = {
    "trajectory": "the two follow the same trajectory, weight for weight",
    "measure": "it is the share of a weight that one update removes, in other units",
    "objective": "the two minimise the same objective",
    "share": "the two remove the same share of a weight per update, and so have the same timescale",
    "penalty": "the two have the same penalty, added to different data losses",
}
_QUALIFIERS = {
    "limit": "as Adam's epsilon goes to 0",
    "batches": "except in the last batch of an epoch",
    "parts": "except for the parameters that one of them treats differently",
}
_CAPTIONS = {
    "trajectory": "The same trajectory",
    "limit": "As epsilon goes to 0",
    "objective": "The same objective",
    "batches": "The same update, except for the last batch",
    "parts": "The same update of most parameters",
    "share": "The same share",
}


@dataclass(frozen=True)
class AlphaConversion:
    """What `convert_alpha` returns: the number to type in the other library, and in what sense it is the same.

    ``float(conversion)`` is `alpha`. Printing it gives at most three sentences and the lines of code; it displays as
    a table in notebooks.

    Attributes
    ----------
    source, target : str
        Names of the conventions.
    given : float
        The number in the source's convention.
    alpha : float or None
        The number in the target's convention; None if there is none, see `reason`.
    exact : bool
        Whether the two are the same under `conditions`: they follow the same trajectory weight for weight, or have the
        same objective if one of them has no updates.
    sense : {"trajectory", "measure", "limit", "batches", "parts", "objective", "share", "penalty"} or None
        The weakest sense of equivalence that applies: same trajectory; same share in other units; same trajectory as
        Adam's ε goes to 0; same update except in the last batch of an epoch; same rule except for parameters, such as
        biases, that one of them treats differently; same objective; same share of a weight removed per update when no
        gradient acts, hence same timescale; same penalty added to another data loss. None if there is none.
    claim : str
        The sense in words.
    reason : str
        Why the conversion is not exact; empty if it is.
    conditions : tuple of str
        What must hold in the two libraries.
    assumption : str
        What was assumed of the loss function, and what changes without it; empty if nothing was assumed.
    remarks : tuple of str
        Further remarks on the two conventions.
    learning_rate : float or None
        Learning rate to use in the target library; None if none was given, or the target has none.
    learning_rate_factor : float
        Factor of the learning rate, because the data loss has another scale there.
    naive_factor : float or None
        How many times too strong the target's rule is if the source's number is typed there unchanged; None for
        measures.
    language : str
        Language of `code`; "text" if it is a formula.
    code : str
        The lines that use the number in the target library and exempt the biases; empty if there are none.
    """

    source: str
    target: str
    given: float
    alpha: float | None
    exact: bool
    sense: str | None
    claim: str
    reason: str
    conditions: tuple[str, ...]
    assumption: str
    remarks: tuple[str, ...]
    learning_rate: float | None
    learning_rate_factor: float
    naive_factor: float | None
    language: str
    code: str

    def __float__(self) -> float:
        if self.alpha is None:
            raise ValueError(self._headline())
        return self.alpha

    def __repr__(self) -> str:
        alpha = "None" if self.alpha is None else f"{self.alpha:.6g}"
        exact = "exact" if self.exact else f"sense={self.sense!r}"
        return f"<AlphaConversion {self.source} {self.given:.6g} -> {self.target} {alpha}, {exact}>"

    def __str__(self) -> str:
        return "\n".join([textwrap.fill(" ".join(self.sentences()), WIDTH), *([self.code] if self.code else [])])

    def sentences(self) -> list[str]:
        """Return the result in at most three sentences, the most important first."""
        if self.alpha is None:
            return [self._headline()]
        told = [
            self._headline(),
            f"{_capital(self.reason)}." if self.reason else "",
            f"This holds if {', and '.join(self.conditions)}." if self.conditions else "",
            self.assumption,
            f"Typed unchanged, {self.given:.6g} is {self.naive_factor:.4g} times as strong there."
            if self._is_trap()
            else "",
            *(_first_sentence(remark) for remark in self.remarks[:1]),
        ]
        return [sentence for sentence in told if sentence][:3]

    def _headline(self):
        start = f"{self.source} {self.given:.6g}"
        if self.alpha is None:
            return f"{start} has no equivalent in {self.target}: {self.reason}."
        rate = ""
        if self.learning_rate_factor != 1:
            value = (
                f"times {self.learning_rate_factor:.6g}" if self.learning_rate is None else f"{self.learning_rate:.6g}"
            )
            rate = f" with the learning rate {value}"
        exactly = "exactly" if self.exact else "though not exactly"
        return f"{start} is {self.target} {self.alpha:.6g}{rate}, {exactly}: {self.claim}."

    def _is_trap(self):
        return self.naive_factor is not None and abs(self.naive_factor - 1) > 1e-9

    def _repr_html_(self) -> str:
        alpha = "none" if self.alpha is None else f"{self.alpha:.6g}"
        rate = "" if self.learning_rate is None else f"{self.learning_rate:.6g}"
        if not rate and self.learning_rate_factor != 1:
            rate = f"multiply by {self.learning_rate_factor:.6g}"
        rows = {
            escape(self.source): f"{self.given:.6g}",
            escape(self.target): f"<b>{alpha}</b>",
            "exact": "yes" if self.exact else "no",
            "meaning": escape(self.claim),
            "why not exact": escape(self.reason),
            "learning rate": rate,
            "conditions": escape("; ".join(self.conditions)),
            "assumption": escape(self.assumption),
            "typed unchanged": f"{self.naive_factor:.4g} times as strong" if self._is_trap() else "",
            "remarks": escape(" ".join(self.remarks)),
            "code": f"<pre>{escape(self.code)}</pre>" if self.code else "",
        }
        rows = [(name, text) for name, text in rows.items() if text]
        return notebook.show("AlphaConversion", notebook.table(rows))


class Equivalents(tuple[AlphaConversion, ...]):
    """The equivalents of a rule in other libraries: a tuple that prints and displays as a table of numbers."""

    __slots__ = ()

    def by_sense(self) -> dict[str, dict[str, str]]:
        """Return the names of the conventions by the sense of equivalence, and by the number to type there."""
        found: dict[str, dict[str, list[str]]] = {}
        for sense, caption in _CAPTIONS.items():
            for conversion in self:
                if conversion.sense == sense:
                    found.setdefault(caption, {}).setdefault(_number_and_rate(conversion), []).append(conversion.target)
        return {
            caption: {number: _joined(names) for number, names in numbers.items()} for caption, numbers in found.items()
        }

    def __str__(self) -> str:
        lines = []
        for caption, numbers in self.by_sense().items():
            width = max(map(len, numbers)) + 2
            lines.append(f"{caption}:")
            for number, names in numbers.items():
                lines += textwrap.wrap(
                    f"  {number:<{width}}{names}", WIDTH, subsequent_indent=" " * (width + 2), break_on_hyphens=False
                )
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            tuple(map(escape, (number, names, caption)))
            for caption, numbers in self.by_sense().items()
            for number, names in numbers.items()
        ]
        return notebook.show("Equivalents", notebook.table(rows, header=("number", "where", "in which sense")))


class ConventionTable(tuple[Convention, ...]):
    """The conventions, as `list_conventions` returns them: a tuple that prints and displays as a table."""

    __slots__ = ()

    def __str__(self) -> str:
        names = max(len(convention.name) for convention in self)
        lines = [f"{'name':<{names}}  one update, or the objective"]
        for convention in self:
            first, *rest = textwrap.wrap(f"{convention.formula} [{convention.library}]", WIDTH - names - 2)
            lines += [f"{convention.name:<{names}}  {first}", *(f"{'':<{names}}  {text}" for text in rest)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = (map(escape, (c.name, c.library, c.parameter, c.formula)) for c in self)
        header = ("name", "library", "where λ is typed", "one update, or the objective")
        return notebook.show("Conventions", notebook.table(rows, header=header))


def claim_of(senses, *, same_optimiser=False, linear=False):
    """What is equal in all of the senses that apply, in words."""
    base = next(sense for sense in reversed(SENSES) if sense in senses and sense in _CLAIMS)
    qualifiers = [
        text for sense, text in _QUALIFIERS.items() if sense in senses and base in ("trajectory", "objective")
    ]
    if same_optimiser and base == "trajectory":
        qualifiers.insert(0, "under the same optimiser")
    if linear:
        qualifiers.append("without hidden layers")
    return ", ".join([_CLAIMS[base], *qualifiers])


def _number_and_rate(conversion):
    """The number to type, and the learning rate if that is different."""
    text = f"{conversion.alpha:.6g}"
    if conversion.learning_rate is not None and conversion.learning_rate_factor != 1:
        text += f" (learning rate {conversion.learning_rate:.6g})"
    return text


def _joined(names):
    """Names of conventions, those of one library as in "torch.SGD/Adam"."""
    joined = []
    for name in names:
        library, _, rest = name.partition(".")
        if rest and joined and joined[-1].startswith(f"{library}."):
            joined[-1] += f"/{rest}"
        else:
            joined.append(name)
    return ", ".join(joined)


def _capital(text):
    """A sentence with a capital, unless it begins with the name of a convention or an argument."""
    return text if re.match(r"\w*[._=0-9]", text) else text[:1].upper() + text[1:]


def _first_sentence(text):
    return text if ". " not in text else f"{text.partition('. ')[0]}."
