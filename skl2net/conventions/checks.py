"""What users pass to `convert_alpha`, checked: names, numbers, choices."""

import difflib
import math
import re
from numbers import Integral, Real

from skl2net.conventions.aliases import ALIASES, LEFT_OUT
from skl2net.conventions.records import CONVENTIONS

_COUNTS = ("batch_size", "n_samples", "n_epochs", "n_outputs")
_IN_UNIT_INTERVAL = {
    "momentum": "at 1 nothing is ever forgotten",
    "beta_1": "at 1 the first moment never moves",
    "beta_2": "at 1 the second moment never moves",
}


def find_convention(name, role):
    """The convention of a name, or of an alias."""
    known = CONVENTIONS | ALIASES
    if isinstance(name, str) and name in known:
        return known[name]
    hint = _hint(name, known)
    raise ValueError(f"{role}={name!r} is not a known convention.{hint} list_conventions() lists all of them.")


def check_choice(value, choices, name):
    """A choice of a few words, or None."""
    if value is None or (isinstance(value, str) and value in choices):
        return value
    raise ValueError(
        f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.{_suggestion(value, choices)}"
    )


def _hint(name, known):
    """What somebody who uses the name of a library, a class or an optimiser may mean."""
    if not isinstance(name, str) or not name:
        return ""
    word = name.lower().rpartition(".")[2]

    def occurs(text, followed_by=r"\b"):
        return re.search(rf"\b{re.escape(word)}{followed_by}", text.lower()) is not None

    for matches in (
        lambda key: key.lower() == name.lower(),
        lambda key: key.lower().rpartition(".")[2] == word or occurs(known[key].parameter, r"\("),
        lambda key: key.lower().startswith(name.lower()),
        lambda key: occurs(known[key].library),
    ):
        found = [key for key in known if matches(key)]
        if found:
            return f" Did you mean {' or '.join(map(repr, found[:3]))}?"
    for libraries, reason in LEFT_OUT.items():
        if occurs(libraries.replace("'s", "")):
            return f" Left out: {libraries}, since {reason}."
    return _suggestion(name, known)


def _suggestion(name, known):
    if not isinstance(name, str):
        return ""
    lower = {key.lower(): key for key in known}
    starts = [key for key in lower if key.startswith(name.lower())]
    near = starts[:3] or difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.4)
    return f" Did you mean {' or '.join(repr(lower[key]) for key in near)}?" if near else ""


def check_quantities(**quantities):
    """The quantities of a run as Python numbers; None stays None."""
    automatic = isinstance(quantities["batch_size"], str) and quantities["batch_size"] == "auto"
    if automatic:
        quantities["batch_size"] = None
    checked = {name: None if value is None else _checked(name, value) for name, value in quantities.items()}
    batch_size, n_samples = checked["batch_size"], checked["n_samples"]
    if automatic:
        if n_samples is None:
            raise ValueError("batch_size='auto' is min(200, n_samples): pass n_samples too, or the batch size itself.")
        checked["batch_size"] = min(200, n_samples)
    elif batch_size is not None and n_samples is not None and batch_size > n_samples:
        raise ValueError(f"batch_size={batch_size} is larger than n_samples={n_samples}; pass at most n_samples.")
    return checked


def _checked(name, value):
    if name in _COUNTS:
        if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= value < 2**53:
            raise ValueError(f"{name} counts things, and must be a whole number from 1 to 2**53; got {value!r}.")
        return int(value)
    number = as_float(value, name)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number; got {value!r}.")
    if name == "learning_rate" and number <= 0:
        raise ValueError(f"learning_rate must be positive, since no update moves a weight without it; got {value!r}.")
    if name in _IN_UNIT_INTERVAL and not 0 <= number < 1:
        raise ValueError(f"{name} must be in [0, 1), since {_IN_UNIT_INTERVAL[name]}; got {value!r}.")
    if name == "epsilon" and number <= 0:
        raise ValueError(f"epsilon must be positive; got {value!r}.")
    return number


def as_float(value, name):
    """A real number as a float."""
    if not isinstance(value, Real):
        raise ValueError(f"{name} must be a number; got {value!r}.")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large for a floating point number.") from None


def check_number(number, convention):
    """The number in the source's convention, as a float."""
    name = convention.name
    if not isinstance(number, Real) or number != number:
        raise ValueError(f"alpha must be a number; got {number!r}. Convert the values of several layers one by one.")
    number = as_float(number, "alpha")
    if name == "keep":
        if not 0 < number <= 1:
            raise ValueError(f"keep is the factor that an update multiplies weights by, in (0, 1]; got {number:g}.")
    elif convention.is_measure or convention.power < 0:
        if number <= 0:
            raise ValueError(f"{name} must be positive: at 0 all weights would be gone at once; got {number:g}.")
    elif number < 0 or math.isinf(number):
        raise ValueError(f"alpha must be finite and not negative: it would make weights grow; got {number:g}.")
    return number
