"""Write docs/conventions.md from the records of `skl2net.conventions`: ``python docs/render_conventions.py``."""

import contextlib
import io
from pathlib import Path

from skl2net import convert_alpha
from skl2net.conventions import CONVENTIONS
from skl2net.conventions.records import LOSS_SCALES

PAGE = Path(__file__).parent / "conventions.md"

SYMBOLS = {
    "learning_rate": "η",
    "1 - momentum": "(1−μ)",
    "batch_size": "n",
    "n_samples": "N",
    "n_epochs": "E",
    "updates_per_epoch": "U",
}
CURVES = {"keep": "1 − λ", "half_life": "1 − 2^(−1/(λ·U))"}
RUN = {"learning_rate": 0.01, "momentum": 0.9, "batch_size": 50, "n_samples": 2000, "n_epochs": 100}
ADAM_RUN = RUN | {"learning_rate": 0.001, "momentum": None}
MATRIX = ["penalty", "sklearn.MLP", "torch.SGD", "keras.L2", "keras.weight_decay", "tfa.SGDW", "R.nnet"]


def render():
    """The text of the page."""
    return TEMPLATE.format(
        conventions=_table(
            ["name", "where λ is typed", "one update, or the objective", "biases too?"],
            [[f"`{c.name}`", _cell(c.parameter), c.formula, _biases(c)] for c in CONVENTIONS.values()],
        ),
        strengths=_table(
            ["name", "rule", "its α, log loss", "its α, squared error"],
            [
                [
                    f"`{c.name}`",
                    RULES.get(c.rule, f"`{c.rule}`"),
                    _strength(c, "log_loss"),
                    _strength(c, "squared_error"),
                ]
                for c in CONVENTIONS.values()
                if not c.is_measure
            ],
        ),
        naive=_table(
            ["typed there", "times too strong", "here, log loss", "here, squared error, one output"],
            [
                _naive_row(c)
                for c in CONVENTIONS.values()
                if c.is_closed_form or ("sgd" in c.solvers and not c.is_measure)
            ],
        ),
        naive_adam=_table(
            ["typed there", "times too strong", "here"],
            [_naive_adam_row(c) for c in CONVENTIONS.values() if "adam" in c.solvers and c.is_decay],
        ),
        matrix=_table(
            ["number of ↓, typed into →", *(f"`{name}`" for name in MATRIX)],
            [[f"`{source}`", *(_naive(source, target, "log_loss") for target in MATRIX)] for source in MATRIX],
        ),
        details="\n\n".join(_details(c) for c in CONVENTIONS.values()),
        **{name: _block(code) for name, code in BLOCKS.items()},
    )


def _table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text):
    return f"`{text}`" if "(" in text or "{" in text else text


def _biases(convention):
    return "–" if convention.is_measure else "**yes**" if convention.biases else "no"


def _strength(convention, loss):
    """The strength of the convention's rule, in symbols."""
    if convention.loss not in (None, loss):
        return "–"
    if convention.name in CURVES:
        return CURVES[convention.name]
    factor, divided = LOSS_SCALES[convention.losses][loss]
    scaled = convention.is_penalty or (convention.rule == "decoupled" and convention.solvers != ("adam",))
    if not scaled:
        factor, divided = 1, False
    return _monomial(convention.factor / factor, {"λ": convention.power, "K": int(divided), **convention.per})


def _monomial(coefficient, exponents):
    above, below = [], []
    for key, power in exponents.items():
        symbol = SYMBOLS.get(key, key)
        symbol = f"√{symbol}" if abs(power) == 0.5 else symbol
        if power:
            (above if power > 0 else below).append(symbol)
    if coefficient > 1 or not above:
        above.insert(0, f"{coefficient:g}")
    elif coefficient < 1:
        below.insert(0, f"{1 / coefficient:g}")
    denominator = "·".join(below)
    if not below:
        return "·".join(above) if len(above) > 1 else above[0].strip("()")
    return "·".join(above) + "/" + (f"({denominator})" if len(below) > 1 else denominator)


def _naive_row(convention):
    """How many times too strong a penalty's number is there."""
    exponents = convention.exponents()
    for key, power in CONVENTIONS["penalty"].exponents().items():
        exponents[key] = exponents.get(key, 0) - power
    formula = _monomial(convention.factor, exponents)
    if convention.power < 0:
        formula = f"{_monomial(convention.factor, convention.per | {'λ²': -1})}"
    if convention.name == "keep":
        formula = "(1 − λ)·(1−μ)/(λ·η)"
    losses = ("log_loss", "squared_error")
    numbers = [_naive("penalty", convention.name, loss) for loss in losses]
    return [f"`{convention.name}`", formula, *numbers]


def _naive(source, target, loss):
    convention = CONVENTIONS[target]
    if any(CONVENTIONS[name].loss not in (None, loss) for name in (source, target)):
        return "–"
    run = RUN | convention.fixed
    factor = convert_alpha(1e-4, source, target, solver="sgd", loss=loss, n_outputs=1, **run).naive_factor
    return _times(factor)


def _times(factor):
    return f"{factor:,.0f}" if factor >= 1000 else f"{factor:.4g}"


def _naive_adam_row(convention):
    exponents = convention.exponents()
    exponents["learning_rate"] = exponents.get("learning_rate", 0) - 1
    formula = "(1 − λ)/(λ·η)" if convention.name == "keep" else _monomial(convention.factor, exponents)
    conversion = convert_alpha(0.01, "decoupled", convention.name, solver="adam", loss="log_loss", **ADAM_RUN)
    return [f"`{convention.name}`", formula, _times(conversion.naive_factor)]


def _details(convention):
    lines = [f"### `{convention.name}`", "", f"{convention.library}: {convention.formula}."]
    if convention.remark:
        lines += ["", convention.remark]
    lines += ["", f"Source: {convention.source}."]
    code = convention.code if isinstance(convention.code, dict) else {"": convention.code}
    fields = {
        "number": "λ",
        "rate": "learning_rate",
        "momentum": "momentum",
        "batch": "",
        "layers": "",
        "loss": "log_loss",
        "kind": "Classifier",
    }
    shown = [text.format(**fields) for text in code.values() if text]
    if shown:
        lines += ["", "```text", *shown, "```"]
    return "\n".join(lines)


def _block(code):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, NAMESPACE)
    return f"```python\n{code}```\n\n```text\n{output.getvalue()}```"


NAMESPACE = {}
RULES = {"scheduled": "Loshchilov & Hutter's: `decoupled` with α/η"}

BLOCKS = {
    "first": """\
from skl2net import convert_alpha

print(convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", loss="log_loss", batch_size=50, n_samples=2000))
""",
    "inexact": """\
print(convert_alpha(5e-4, "torch.SGD", "keras.weight_decay", momentum=0.9))
""",
    "missing": """\
try:
    convert_alpha(1e-4, "penalty", "torch.SGD")
except ValueError as error:
    print(error)
""",
    "forgotten": """\
run = {"learning_rate": 0.001, "batch_size": 50}
for n_samples in (2_000, 20_000):
    timescale = convert_alpha(0.5, "decoupled", "timescale", n_samples=n_samples, **run)
    print(f"{n_samples:>6} items: {float(timescale):g} epochs")
""",
    "kept": """\
timescale = convert_alpha(0.5, "decoupled", "timescale", n_samples=2_000, **run)
refit = convert_alpha(float(timescale), "timescale", "decoupled", n_samples=20_000, **run)
print(f"{float(refit):g}")
""",
    "seen": """\
import warnings

from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from skl2net import L2NetClassifier

warnings.simplefilter("ignore", ConvergenceWarning)
X, y = make_classification(20_000, random_state=0)
for rows, alpha in ((2_000, 0.5), (20_000, 0.5), (20_000, float(refit))):
    net = L2NetClassifier((10,), l2_mode="decoupled", alpha=alpha, batch_size=50, max_iter=2, random_state=0)
    report = net.fit(X[:rows], y[:rows]).l2_report()
    print(f"{rows:>6} items, alpha {alpha:g}: timescale {report.timescale[0]:g} epochs")
""",
}

TEMPLATE = """\
<!-- Written by docs/render_conventions.py from the records of skl2net.conventions; edit those. -->

# What does your library mean by weight decay?

Every neural-network library has a number that makes weights smaller, most call it weight decay or L2 regularisation,
and no two mean the same by it. It may be multiplied by the learning rate or not, divided by the batch, by the data, or
by 2; it may go through momentum and Adam's moments or past them; it may act on the biases too. This page says which,
library by library. Each line is tested against the library itself, or, where that cannot be installed beside ours,
against the update that it publishes.

In the formulas, λ is the number that is typed, w a weight, g the gradient of the library's own data loss (a mean over
the n items of the batch, unless it says otherwise), η the learning rate, step(·) what the optimiser subtracts for a
gradient, N the items in the training data, E the epochs, U the updates in an epoch, K the outputs of the network and
μ the momentum of SGD.

## The conventions

{conventions}

"Biases too?" is the default. None of skl2net's rules touches a bias, and every line of code on this page keeps a
library from doing so.

## The same, as a rule of skl2net

{{doc}}`l2_rules` describes the five rules. The strength α of the rule follows from λ as below. The columns differ where
the library's squared error is not ½ of the sum over the K outputs: the learning rate of SGD has to make up for that
too, and `convert_alpha` returns the one to use. (Adam undoes the scale of the loss, so that neither its learning rate
nor the strength of a decay changes; that of a penalty does.)

{strengths}

`timescale` and `half_life` are no rules, but measures of all rules that have a share (see {{doc}}`l2_rules`).

## What happens if you type the same number

A number that was tuned as skl2net's `penalty` and is typed unchanged into another library acts there so many times as
strong. "Here" is SGD with λ = 1e-4, learning rate 0.01, momentum 0.9, 2000 items in batches of 50, 100 epochs. (Batches
of one and no momentum for `sklearn.SGD`, which has no others. Between a penalty and a decay under momentum, strength is
the share of a weight that one update removes.)

{naive}

A number that was tuned as `decoupled` under Adam, with λ = 0.01 and learning rate 0.001:

{naive_adam}

Between a penalty and a decay, Adam leaves nothing to convert: it divides the penalty's part of a gradient by its own
size, so that no fixed share of a weight is removed.

From library to library, under SGD with the log loss, in the run above:

{matrix}

## Converting

{{func}}`skl2net.convert_alpha` gives the number, says whether it is exact, and writes the line of code:

{first}

Exact means the same trajectory, weight for weight. Where the two updates differ there is a reason, and the sense in
which they are equivalent all the same:

{inexact}

It asks for what the pair needs, and for nothing else:

{missing}

## More data, same alpha

The rules act once per update, and ten times the data are ten times the updates in an epoch. So the same alpha forgets
ten times as fast, counted in epochs:

{forgotten}

To refit on the larger data with the same timescale, go by way of it:

{kept}

The network's own report agrees:

{seen}

`penalty`, `decay_before` and `decay_after` behave in the same way; `penalty_per_sample` does so for a fixed batch size.
`sklearn.Ridge`, `sklearn.LogisticRegression`, `nielsen` and `R.nnet` sum over the data instead, and grow weaker with
it.

## Library by library

{details}
"""

if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
