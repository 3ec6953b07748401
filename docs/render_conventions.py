"""Write docs/conventions.md from the records of `skl2net.conventions`: ``python docs/render_conventions.py``."""

import contextlib
import io
import re
from pathlib import Path

from skl2net import convert_alpha
from skl2net.conventions import ALIASES, CONVENTIONS, LEFT_OUT
from skl2net.losses import LOSSES

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
READ = {
    "tested": "tests against the library",
    "source": "its source",
    "documentation": "its documentation",
    "definition": "definition",
}
BIASES = {"exempt": "no", "by default": "**yes**", "always": "**always**"}
RUN = {"learning_rate": 0.01, "momentum": 0.9, "batch_size": 50, "n_samples": 2000, "n_epochs": 100, "nesterov": False}
ADAM_RUN = RUN | {"learning_rate": 0.001, "momentum": None}
MATRIX = ["prior", "penalty", "sklearn.MLP", "torch.SGD", "keras.L2", "keras.weight_decay", "tfa.SGDW"]


def render():
    """The text of the page."""
    rules = {_meaning(c) for c in CONVENTIONS.values() if not c.is_measure}
    return TEMPLATE.format(
        n_conventions=sum(not c.is_measure for c in CONVENTIONS.values()),
        n_meanings=len(rules),
        filter=FILTER,
        converter=CONVERTER,
        conventions=_table(
            ["library", "where λ is typed<br>one update, or the objective", "biases too?", "known from"],
            [
                [
                    f"{c.library}<br>[`{c.name}`](#{_anchor(c.name)})",
                    f"{_cell(c.parameter)}<br>{c.formula}",
                    "–" if c.is_measure else BIASES[c.biases],
                    READ[c.read],
                ]
                for c in CONVENTIONS.values()
            ],
        ),
        aliases=_table(
            ["name", "stands for", "where λ is typed<br>remark"],
            [
                [f"`{a.name}`", f"[`{a.alias_of}`](#{_anchor(a.alias_of)})", _cell(a.parameter) + _own_remark(a)]
                for a in ALIASES.values()
            ],
        ),
        left_out="\n".join(f"- {name}: {reason}." for name, reason in LEFT_OUT.items()),
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
            [_naive_row(c) for c in CONVENTIONS.values() if c.is_closed_form or "sgd" in c.solvers],
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


def _meaning(convention):
    """What the number means, whatever the library: two conventions with the same are one rule."""
    rule = "penalty" if convention.is_penalty else convention.rule
    powers = tuple(sorted(convention.powers().items()))
    return rule, convention.factor, convention.power, powers, convention.curve is not None


def _own_remark(alias):
    """An alias's remark, without that of the convention it stands for."""
    remark = alias.remark.removesuffix(CONVENTIONS[alias.alias_of].remark).strip()
    return f"<br>{remark}" if remark else ""


def _anchor(name):
    """The anchor that MyST gives to the heading of a convention."""
    return re.sub(r"[^\w-]", "", name.lower())


def _table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text):
    """Code as code, unless there are words beside it."""
    has_words = re.search(r", (and|every|its|the|whose|with)\b|\b(in|of|with)\b", text)
    return f"`{text}`" if ("(" in text or "{" in text) and not has_words else text


def _strength(convention, loss):
    """The strength of the convention's rule, in symbols."""
    if convention.loss not in (None, loss) or loss not in convention.loss_scales:
        return "–"
    if convention.name in CURVES:
        return CURVES[convention.name]
    factor, divided = convention.loss_scales[loss]
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
    """How many times too strong a penalty's number is there; under momentum to first order."""
    exponents = convention.powers()
    if convention.is_decay:
        exponents["1 - momentum"] = 1
        exponents["learning_rate"] = exponents.get("learning_rate", 0) - 1
    formula = _monomial(convention.factor, exponents)
    if convention.power < 0:
        formula = f"{_monomial(convention.factor, convention.per | {'λ²': -1})}"
    if convention.name == "keep":
        formula = "(1 − λ)·(1−μ)/(λ·η)"
    losses = ("log_loss", "squared_error")
    numbers = [_naive("penalty", convention.name, loss) for loss in losses]
    return [f"`{convention.name}`", formula, *numbers]


def _naive(source, target, loss):
    conventions = [CONVENTIONS[name] for name in (source, target)]
    if any(c.loss not in (None, loss) or loss not in c.loss_scales for c in conventions):
        return "–"
    run = RUN | conventions[1].fixed
    return _times(convert_alpha(1e-4, source, target, solver="sgd", loss=loss, n_outputs=1, **run).naive_factor)


def _times(factor):
    return f"{factor:,.0f}" if factor >= 1000 else f"{factor:.3g}"


def _naive_adam_row(convention):
    exponents = convention.powers()
    exponents["learning_rate"] = exponents.get("learning_rate", 0) - 1
    formula = "(1 − λ)/(λ·η)" if convention.name == "keep" else _monomial(convention.factor, exponents)
    conversion = convert_alpha(0.01, "decoupled", convention.name, solver="adam", loss="log_loss", **ADAM_RUN)
    return [f"`{convention.name}`", formula, _times(conversion.naive_factor)]


def _details(convention):
    version = f" {convention.version}" if convention.version else ""
    lines = [f"### `{convention.name}`", "", f"{convention.library}{version}: {convention.formula}."]
    if convention.condition:
        lines += ["", f"Conversions are exact if {convention.condition}."]
    if convention.remark:
        lines += ["", convention.remark]
    lines += ["", f"Known from {READ[convention.read]}: {convention.source}."]
    solvers = [solver for solver in convention.solvers if solver != "pso"] or [None]
    shown = [_example(convention, solver) for solver in solvers]
    shown = [code for code in dict.fromkeys(shown) if code]
    if shown:
        lines += ["", "```text", *shown, "```"]
    return "\n".join(lines)


def _example(convention, solver):
    """The line for λ with strength 0.001, at a learning rate of 0.01."""
    if convention.is_measure:
        return ""
    defaults = {
        "learning_rate": 0.01,
        "momentum": 0.9,
        "nesterov": False,
        "epsilon": 1e-8,
        "beta_1": 0.9,
        "beta_2": 0.999,
    }
    if solver != "sgd" or "momentum" in convention.fixed:
        del defaults["momentum"]
    number = convention.number(0.001, 40) if convention.power > 0 else 2.0
    return convention.lines(solver, number, defaults, loss=None, is_linear=convention.n_layers == 1)


def _block(code):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, NAMESPACE)
    return f"```python\n{code}```\n\n```text\n{output.getvalue()}```"


NAMESPACE = {}
RULES = {"scheduled": "Loshchilov & Hutter's: `decoupled` with α/η"}

FILTER = """\
```{raw} html
<p class="convention-filter">
<input id="convention-filter" type="search" placeholder="Filter this page: a library, a name, a formula"
 aria-label="Filter the conventions"> <output for="convention-filter"></output>
</p>
<script>
document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("convention-filter");
  const own = field.closest("section");
  const name = (element) => element.querySelector("code")?.textContent;
  const conventions = own.querySelectorAll("tbody tr");
  const others = [...document.querySelectorAll("article tbody tr")].filter((row) => !own.contains(row));
  const sections = document.querySelectorAll("#library-by-library > section");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\\s+/);
    const matches = (row) => words.every((word) => row.textContent.toLowerCase().includes(word));
    const shown = new Set();
    for (const row of conventions) {
      row.hidden = !matches(row);
      if (!row.hidden) shown.add(name(row));
    }
    for (const row of others) {
      const aliasOf = row.querySelector("a code")?.textContent;
      row.hidden = !matches(row) && !shown.has(name(row)) && !shown.has(aliasOf);
    }
    for (const section of sections) section.hidden = !shown.has(name(section));
    field.nextElementSibling.textContent = words[0] ? `${shown.size} of ${conventions.length}` : "";
  });
});
</script>
```"""

FIELDS = {
    "learning_rate": ("learning rate η", 'step="any" min="1e-300" value="0.01"'),
    "batch_size": ("samples in a batch n", 'step="1" min="1" value="50"'),
    "n_samples": ("training samples N", 'step="1" min="1" value="2000"'),
    "n_epochs": ("epochs E", 'step="1" min="1" value="100"'),
    "momentum": ("momentum μ, 0 for none", 'step="any" min="0" max="0.999999" value="0.9"'),
    "n_outputs": ("outputs K", 'step="1" min="1" value="1"'),
}

CONVERTER = """\
```{{raw}} html
<form id="alpha-converter" aria-label="Converter">
<label>from <select name="source"></select></label>
<label>λ <input name="alpha" type="number" step="any" min="0" value="0.0001" required></label>
<button type="button" aria-label="Swap the two libraries">⇄</button>
<label>to <select name="target"></select></label>
{fields}
<output></output>
</form>
<script src="_static/converter_data.js"></script>
<script src="_static/converter.js"></script>
```""".format(
    fields="\n".join(
        [
            '<label data-name="solver">optimiser <select name="solver"><option>sgd</option><option>adam</option>'
            "</select></label>",
            '<label data-name="loss">loss <select name="loss">'
            + "".join(f"<option>{loss}</option>" for loss in LOSSES)
            + "</select></label>",
            *(
                f'<label data-name="{name}">{label} <input name="{name}" type="number" {limits} required></label>'
                for name, (label, limits) in FIELDS.items()
            ),
        ]
    )
)

BLOCKS = {
    "first": """\
from skl2net import convert_alpha

print(convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size=50, n_samples=2000))
""",
    "inexact": """\
print(convert_alpha(5e-4, "torch.SGD", "keras.weight_decay", momentum=0.9, learning_rate=0.1))
""",
    "missing": """\
try:
    convert_alpha(1e-4, "sklearn.MLP", "penalty")
except ValueError as error:
    print(error)
""",
    "forgotten": """\
run = {"learning_rate": 0.001, "batch_size": 50}
for n_samples in (2_000, 20_000):
    timescale = convert_alpha(0.5, "decoupled", "timescale", n_samples=n_samples, **run)
    print(f"{n_samples:>6} samples: {float(timescale):g} epochs")
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
    params = {"learning_rate": "constant", "learning_rate_init": 0.001, "batch_size": 50, "max_iter": 2}
    net = L2NetClassifier((10,), l2_mode="decoupled", alpha=alpha, **params, random_state=0)
    report = net.fit(X[:rows], y[:rows]).l2_report()
    print(f"{rows:>6} samples, alpha {alpha:g}: timescale {report.timescale[0]:g} epochs")
""",
}

TEMPLATE = """\
---
html_theme.sidebar_secondary.remove: true
---

% Written by docs/render_conventions.py from the records of skl2net.conventions; edit those.

# Other libraries' λ

```{{contents}}
:local:
:depth: 1
:backlinks: none
```

In a hurry: find your library in the table, then let `convert_alpha` do the arithmetic, as in
`convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size=50, n_samples=2000)`. Print the result: it says which number
to type, whether the two networks then do the same, and the line of code. Do not carry a number from one library to
another as it is; the last table of this page says how many times too strong it can be. If you have no number yet, start
with the default, `l2_mode="prior"` with `alpha=5`, see {{doc}}`choosing_lambda`.

Most neural-network libraries have a number that makes weights smaller, and most call it weight decay or L2
regularisation. The {n_conventions} conventions on this page have {n_meanings} different meanings. The number may be
multiplied by the learning rate or not, divided by the batch, by the training data, or by 2; it may go through momentum
and Adam's moments or past them; it may act on the biases too.

In the formulas, λ is the number that is typed, w a weight, g the gradient of the library's own data loss (a mean over
the n samples of the batch, unless it says otherwise), η the learning rate, step(·) what the optimiser subtracts for a
gradient, N the number of training samples, E the epochs, U the updates in an epoch, K the outputs of the network and
μ the momentum of SGD.

## Converter

{converter}

The same with more settings, in Python: `convert_alpha`, see [Converting](#converting).

## The conventions

{filter}

{conventions}

"Biases too?" is the default; "always" means that the library cannot leave them out. None of skl2net's rules touches a
bias, and the lines of code on this page keep a library from doing so. "Its documentation" is the source of a record
where that of the library could not be opened; none is guessed.

## Other names

{aliases}

Left out:

{left_out}

## The same, as a rule of skl2net

{{doc}}`l2_rules` describes the six rules. The strength α of the rule follows from λ as below; a `penalty` of λ/N is a
`prior` of λ. The columns differ if the library's squared error is not ½ of the sum over the K outputs: the learning
rate of SGD has to make up for that too, and `convert_alpha` returns the one to use. (Adam undoes the scale of the loss,
so that neither its learning rate nor the strength of a decay changes; that of a penalty does, and its epsilon.)

{strengths}

`timescale` and `half_life` are no rules, but measures of all rules that have a share (see {{doc}}`l2_rules`).

## What happens if you type the same number

A number that was tuned as skl2net's `penalty` and is typed unchanged into another library acts there so many times as
strong. "Here" is SGD with λ = 1e-4, learning rate 0.01, momentum 0.9, 2000 samples in batches of 50, 100 epochs.
(Batches of one, or no momentum, for libraries that have no others. Between a penalty and a decay under momentum,
strength is the share of a weight that one update removes in the long run; the formula is its first order.)

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

Exact means the same trajectory, weight for weight, with the same kind of momentum, the same constants of Adam and the
same learning rate in each update. The printed line sets the constants that differ from the library's defaults. The
learning rate schedule is yours to set: most libraries have a constant rate by default, and skl2net has
`learning_rate="cosine"`. If the two updates differ there is a reason, and the
sense in which they are equivalent all the same:

{inexact}

It asks for what the pair needs, all at once, and for nothing else:

{missing}

## More data, same alpha

Most rules act once per update, and ten times the data are ten times the updates in an epoch. So the same alpha forgets
ten times as fast, counted in epochs:

{forgotten}

To refit on the larger data with the same timescale, go by way of it:

{kept}

The network's own report agrees:

{seen}

`penalty`, `decay_before` and `decay_after` behave in the same way; `penalty_per_sample` does so for a fixed batch size.
`prior`, `sklearn.Ridge`, `sklearn.LogisticRegression`, `nielsen`, `weka.MLPClassifier` and `R.nnet` count against the
sum over the data instead: their pull on a weight does not grow with the data, and their timescale in epochs stays.

## Library by library

{details}
"""

if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
