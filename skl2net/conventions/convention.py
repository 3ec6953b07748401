"""What a convention is: a library's λ as a rule, a strength, the optimisers that it runs with, and lines of code.

The data are in `skl2net.conventions.records`.
"""

import math
import string
from collections.abc import Callable
from dataclasses import dataclass, field

from skl2net.l2 import DECAYS, MODES, PENALTIES
from skl2net.losses import LOSSES, REGRESSION_LOSSES

# Powers of the quantities of the run in each rule's strength. The strength of a penalty is the factor of the weight in
# the gradient; that of a decay or a measure is the share of a weight that one update removes. "scheduled" is the decay
# of Loshchilov & Hutter, which is multiplied by a schedule but not by the learning rate; "share" is that of measures.
POWERS = {
    "prior": {"n_samples": -1},
    "penalty": {},
    "penalty_per_sample": {"batch_size": -1},
    "decay_before": {},
    "decay_after": {},
    "decoupled": {"learning_rate": 1},
    "scheduled": {},
    "share": {},
}


@dataclass(frozen=True)
class Optimiser:
    """How a library spells and presets an optimiser.

    `arguments`, separated by "; ", are for `str.format` with the settings ``learning_rate``, ``momentum``,
    ``nesterov``, ``beta_1``, ``beta_2``, ``epsilon`` and ``batch_size``. Those that differ from the defaults are
    printed.
    """

    defaults: dict = field(default_factory=dict)  # of these settings; one without a default is always printed
    arguments: str = ""
    name: str = ""  # in the line of code
    # kinds of momentum that SGD supports, and the name of the optimiser if it depends on the kind; "none": without any
    momenta: dict = field(default_factory=lambda: {"plain": "", "nesterov": ""})
    separator: str = ", "  # between two arguments
    rate_inside: bool = True  # whether SGD's momentum accumulates steps, with the learning rate inside, or gradients
    is_dampened: bool = False  # whether the learning rate is multiplied by 1 − momentum
    epsilon_at: str = "v"  # what Adam's ε is added to: √v, or the bias-corrected √v̂ ("v_hat")

    def fields(self, values):
        """What it contributes to a line of code: its name and the arguments that differ from the defaults."""
        kind = "none" if not values.get("momentum") else "nesterov" if values.get("nesterov") else "plain"
        arguments = []
        for argument in self.arguments.split("; "):
            keys = [key for _, key, _, _ in string.Formatter().parse(argument) if key]
            if any(_differs(values.get(key), self.defaults.get(key)) for key in keys):
                arguments.append(argument.format(**{key: _setting(values.get(key)) for key in keys}))
        return {
            "optimiser": self.momenta.get(kind) or self.momenta.get("plain") or self.name,
            "arguments": self.separator.join(arguments),
            "more": "".join(self.separator + argument for argument in arguments),
        }


@dataclass(frozen=True)
class Convention:
    """What a library means by its λ."""

    name: str  # in `skl2net.convert_alpha`
    library: str  # or paper
    parameter: str  # where λ is typed
    # one update, or the objective: w a weight, g the gradient of the library's own data loss, η the learning rate,
    # n the samples in the update, N the training samples, E the epochs
    formula: str
    source: str  # reference
    rule: str = "penalty"  # key of `POWERS`
    version: str = ""  # of the library that was read or tested
    read: str = "source"  # or "tested" against the library, "documentation" if only that was read, "definition"
    factor: float = 1.0  # that λ is multiplied by in the strength of the rule
    power: int = 1  # of λ in the strength, 1 or -1
    per: dict = field(default_factory=dict)  # powers of the quantities of the run, in addition to those of the rule
    curve: tuple[Callable, Callable] | None = None  # strength(λ, updates per epoch), and its inverse, if it is no power
    reads_updates: bool = False  # whether `curve` depends on the updates per epoch
    losses: str | None = None  # key of `Loss.scales`; None for the losses of skl2net
    loss: str | None = None  # the only loss, if there is one only
    squared_error: str = ""  # name of the squared error in a library that trains with any loss
    optimisers: dict = field(default_factory=dict)  # `Optimiser` by the name of our solver; empty for a closed form
    fixed: dict = field(default_factory=dict)  # quantities that the library does not let users choose
    n_outputs: int | None = None  # the largest number
    n_layers: int | None = None  # the largest number of weight layers, 1 for linear models
    biases: str = "exempt"  # or penalised or decayed "by default" or "always"
    differences: tuple[tuple[str, str], ...] = ()  # from every other: the sense of equivalence that is left, the reason
    condition: str = ""  # what must hold for an exact conversion
    remark: str = ""  # what else a user should know
    language: str = "python"  # of the lines of code; "text" if they are no code
    code: str = ""  # lines that use λ and exempt biases, for `str.format`
    code_if_unknown: str = ""  # the lines for an unknown optimiser, if they differ
    code_if_linear: str = ""  # the lines for a network without hidden layers, if they differ
    loss_arguments: dict = field(default_factory=dict)  # how the lines specify each loss
    alias_of: str = ""  # name of the convention that this one is an alias of

    @property
    def solvers(self):
        """Names of the optimisers."""
        return tuple(self.optimisers)

    @property
    def is_penalty(self):
        return self.rule in PENALTIES

    @property
    def is_decay(self):
        return self.rule in DECAYS or self.rule == "scheduled"

    @property
    def is_measure(self):
        return self.rule == "share"

    @property
    def is_closed_form(self):
        """Whether there is an objective and there are no updates."""
        return self.is_penalty and not self.optimisers

    @property
    def is_ours(self):
        """Whether it is a rule of skl2net."""
        return self.name in MODES

    @property
    def follows_schedule(self):
        """Whether the share that an update removes follows the schedule of the learning rate."""
        return self.is_penalty or self.rule in ("decoupled", "scheduled")

    @property
    def loss_scales(self):
        """Each loss of the library in multiples of ours, and whether it is divided by the number of outputs."""
        if self.losses is None:
            return dict.fromkeys(LOSSES, (1, False))
        return {name: loss.scales[self.losses] for name, loss in LOSSES.items() if self.losses in loss.scales}

    def strength(self, number, updates_per_epoch=None):
        """The part of the strength that depends on λ itself."""
        if self.curve is not None:
            return self.factor * self.curve[0](number, updates_per_epoch)
        return self.factor * _power(number, self.power)

    def number(self, strength, updates_per_epoch=None):
        """Inverse of `strength`."""
        if self.curve is not None:
            return self.curve[1](strength / self.factor, updates_per_epoch)
        return _power(strength / self.factor, self.power)

    def powers(self):
        """Powers of the quantities of the run in the strength."""
        own = POWERS[self.rule]
        powers = {key: own.get(key, 0) + self.per.get(key, 0) for key in {**own, **self.per}}
        return {key: power for key, power in powers.items() if power}

    def lines(self, solver, number, values, *, loss, is_linear):
        """The lines of code that use a number. `values` are settings of the run in the terms of the library."""
        optimiser = self.optimisers.get(solver)
        code = (is_linear and self.code_if_linear) or (optimiser is None and self.code_if_unknown) or self.code
        loss = loss or self.loss or "log_loss"
        batch_size = None if solver else values.get("batch_size")
        return code.format(
            **{key: _setting(value) for key, value in values.items()},
            **(optimiser or Optimiser()).fields(values),
            number=f"{number:.12g}",
            solver=f'solver="{solver}", ' if solver else "",
            constant_rate='learning_rate="constant", ' if solver in ("sgd", "adam") else "",
            own_units=", normalize_y=False" if LOSSES[loss].has_scale else "",
            batch="" if batch_size is None else f", batch_size={batch_size}",
            loss=self.loss_arguments.get(loss, ""),
            sizes="hidden_layer_sizes=(), " if is_linear else "",
            kind="Regressor" if loss in REGRESSION_LOSSES else "Classifier",
        )


def _power(number, power):
    if number == 0 and power < 0:
        return math.inf
    return 1 / number if power == -1 else float(number) ** power


def _differs(value, default):
    if value is None:
        return False
    return default is None or not math.isclose(value, default, rel_tol=1e-14)


def _setting(value):
    """A setting as it is typed. A float remains a float, since some libraries require one."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.12g}"
    return f"{text}.0" if text.isdigit() else text
