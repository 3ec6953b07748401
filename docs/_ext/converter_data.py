"""What the converter on the page of the conventions knows: the answers of `convert_alpha` for every pair.

The page has no Python, so each answer is stored as texts with places for numbers, and each number as a constant times
powers of λ and of the quantities that the conversion needs; both are found by asking `convert_alpha`. Between a penalty
and a decay under momentum, ``_static/converter.js`` computes the share of the long run.
"""

import json
import math
import re
from itertools import chain, combinations

from skl2net import convert_alpha
from skl2net.conventions import CONVENTIONS
from skl2net.losses import LOSSES

CHOICES = {"solver": ("sgd", "adam"), "loss": tuple(LOSSES)}
MOMENTUM = 0.678901
RUN = {
    "learning_rate": 0.0123457,
    "batch_size": 37,
    "n_samples": 37 * 4 * 113,
    "n_epochs": 17,
    "momentum": MOMENTUM,
    "n_outputs": 7,
}
TOKEN = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
LISTED = [c for c in CONVENTIONS.values() if c.curve is None]


def script():
    """The text of the JavaScript file that holds the data."""
    texts = {}
    pairs = [[_answer(source, target, {}, texts) for target in LISTED] for source in LISTED]
    conventions = [{"name": c.name, "library": c.library, "share": _share(c)} for c in LISTED]
    data = {"conventions": conventions, "pairs": pairs, "texts": list(texts)}
    return f"const CONVERTER = {json.dumps(data, ensure_ascii=False, separators=(',', ':'))};\n"


def _share(convention):
    """The share of a weight that one update removes, as a formula; None for a penalty, where it depends on momentum."""
    return None if convention.is_penalty else [convention.factor, {"λ": convention.power, **convention.powers()}]


def _answer(source, target, choice, texts):
    """What a pair of conventions needs, and its cases; or what has to be chosen, and the answer for each choice."""
    run, found = _ask(source, target, choice)
    missing = next((name for name in CHOICES if name in run), None)
    if missing:
        return {
            "choose": missing,
            **{value: _answer(source, target, {**choice, missing: value}, texts) for value in CHOICES[missing]},
        }
    if isinstance(found, ValueError):
        return {"error": _index(str(found), texts)}
    answer = {"needs": list(run)}
    if any("batch_size" in c.fixed for c in (source, target)):
        answer["batch_size"] = 1
    # under momentum; with a smaller last batch; with one output, where a library has no more
    variants = {"m": {"momentum": MOMENTUM}} if "momentum" in run else {}
    variants |= {"r": {"n_samples": RUN["n_samples"] + 5}} if {"batch_size", "n_samples"} <= run.keys() else {}
    is_limited = "n_outputs" in run and any(c.n_outputs == 1 for c in (source, target))
    variants |= {"1": {"n_outputs": 1}} if is_limited else {}
    plain = run | ({"momentum": 0.0} if "momentum" in run else {})
    for names in chain.from_iterable(combinations(variants, n) for n in range(len(variants) + 1)):
        changed = {key: value for name in names for key, value in variants[name].items()}
        answer[f"case{''.join(names)}"] = _case(source, target, choice, plain | changed, texts)
    if "momentum" in run and source.is_penalty != target.is_penalty:
        answer["nesterov"] = int(_is_nesterov(source, target, choice))
        settings = target if source.is_measure else source  # whose learning rate is given
        answer["dampened"] = int(any(optimiser.is_dampened for optimiser in settings.optimisers.values()))
    return answer


def _ask(source, target, choice):
    """The quantities that a conversion needs, and its result; or the missing choices, and the error."""
    run = {}
    while True:
        try:
            found = convert_alpha(_probe(source), source.name, target.name, **choice, **run)
            if not run.get("momentum"):
                return (run | {"momentum": MOMENTUM} if "momentum" in run else run), found
            run["momentum"] = 0.0  # without it, more may be needed
        except ValueError as error:
            names = re.findall(r"(\w+)=\.\.\.", str(error))
            if not names or any(name in CHOICES for name in names):
                return dict.fromkeys(names), error
            run |= {name: RUN[name] for name in names}


def _case(source, target, choice, run, texts):
    """The texts of a conversion and the formulas of the numbers in them, of which the first is the result."""

    def ask(times=1, **changed):
        return convert_alpha(times * _probe(source), source.name, target.name, **choice, **(run | changed))

    found = ask()
    if found.alpha is None:
        return {"none": _index(found.reason, texts)}
    changes = {"λ": (2, ask(2))}
    for name, value in run.items():
        if name != "momentum":
            changes[name] = 2, ask(**{name: 2 * value})
        elif value:
            changes["1 - momentum"] = (1 - value / 2) / (1 - value), ask(momentum=value / 2)
    updates = target.power * (_updates(source) - _updates(target))
    is_ceiled = _ceiled(run) ** updates
    changed = {name: (factor, TOKEN.findall(_lines(other))) for name, (factor, other) in changes.items()}
    lines, formulas, parts, end = _lines(found), [], [], 0
    for i, match in enumerate(TOKEN.finditer(lines)):
        token = float(match.group())
        if i and match.group() == f"{found.alpha:.12g}":
            place = 0
        else:
            powers = {}
            for name, (factor, tokens) in changed.items():
                power = round(2 * math.log(float(tokens[i]) / token, factor)) / 2 if token else 0
                if power:
                    powers[name] = power
            if token and token == run.get("momentum"):
                powers = {"momentum": 1}
            if not powers and i:
                continue
            value = token if i else found.alpha / is_ceiled
            at_run = math.prod(_value(name, run, source) ** power for name, power in powers.items())
            place = len(formulas)
            formulas.append([_rounded(value / at_run), powers])
        parts += [lines[end : match.start()], f"⟨{place}⟩"]
        end = match.end()
    text = "".join([*parts, lines[end:]])
    head, code = text.split("\n\n", 1)
    case = {"exact": int(found.exact), "texts": [_index(part, texts) for part in (*head.split("\n"), code)]}
    return case | {"formulas": formulas} | ({"updates": updates} if updates else {})


def _updates(convention):
    return convention.powers().get("updates_per_epoch", 0)


def _ceiled(run):
    """The updates of an epoch as a multiple of samples per batch, which the formulas count with."""
    if not {"batch_size", "n_samples"} <= run.keys():
        return 1.0
    ratio = run["n_samples"] / run["batch_size"]
    return math.ceil(ratio) / ratio


def _rounded(number):
    return float(f"{number:.11g}")


def _lines(conversion):
    """Everything that is shown of a conversion: number, learning rate, claim, reason, conditions, a gap, the code."""
    rate = "" if conversion.learning_rate is None else f"{conversion.learning_rate:.12g}"
    items = [f"{conversion.alpha:.12g}", rate, conversion.claim, conversion.reason, "; ".join(conversion.conditions)]
    return "\n".join([*(item or "–" for item in items), "", conversion.code])


def _is_nesterov(source, target, choice):
    """Whether the momentum is Nesterov's, if it is not given."""
    default, nesterov = (
        float(convert_alpha(_probe(source), source.name, target.name, **choice, **RUN, **more))
        for more in ({}, {"nesterov": True})
    )
    return default == nesterov


def _value(name, run, source):
    return _probe(source) if name == "λ" else 1 - run["momentum"] if name == "1 - momentum" else run[name]


def _probe(convention):
    """A number of a convention, of digits that occur nowhere else."""
    return 1234.56789 if convention.is_measure or convention.power < 0 else 1.23456789e-5


def _index(text, texts):
    return texts.setdefault(text, len(texts))
