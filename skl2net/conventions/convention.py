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

    Parameters
    ----------
    defaults : dict
        Defaults of ``learning_rate``, ``momentum``, ``nesterov``, ``beta_1``, ``beta_2``, ``epsilon`` and
        ``batch_size``. A setting without a default is always printed.
    arguments : str, default=""
        Arguments, separated by "; ", for `str.format` with these settings. Those that differ from the defaults are
        printed.
    name : str, default=""
        Name of the optimiser in the line of code.
    momenta : dict of str to str
        Kinds of momentum that SGD supports ("plain", "nesterov"), and the name of the optimiser if it depends on the
        kind. The key "none" has the name without momentum.
    separator : str, default=", "
        Text between two arguments.
    rate_inside : bool, default=True
        Whether SGD's momentum accumulates steps, with the learning rate inside, or gradients.
    is_dampened : bool, default=False
        Whether the learning rate is multiplied by 1 − momentum.
    epsilon_at : {"v", "v_hat"}, default="v"
        Whether Adam's ε is added to √v or to the bias-corrected √v̂.
    """

    defaults: dict = field(default_factory=dict)
    arguments: str = ""
    name: str = ""
    momenta: dict = field(default_factory=lambda: {"plain": "", "nesterov": ""})
    separator: str = ", "
    rate_inside: bool = True
    is_dampened: bool = False
    epsilon_at: str = "v"

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
    """What a library means by its λ.

    Parameters
    ----------
    name : str
        Name in `skl2net.convert_alpha`.
    library : str
        Library or paper.
    parameter : str
        Where λ is typed.
    formula : str
        One update, or the objective; `w` a weight, `g` the gradient of the library's own data loss, `η` the learning
        rate, `n` the samples in the update, `N` the training samples, `E` the epochs.
    source : str
        Reference.
    rule : str, default="penalty"
        Key of `POWERS`.
    version : str, default=""
        Version of the library that was read or tested.
    read : {"tested", "source", "documentation", "definition"}, default="source"
        How it is known: tested against the library, read in its source or in its documentation only, or a definition.
    factor : float, default=1.0
        Constant that λ is multiplied by in the strength of the rule.
    power : {1, -1}, default=1
        Power of λ in the strength.
    per : dict of str to float
        Powers of the quantities of the run in the strength, in addition to those of the rule.
    curve : pair of callables or None, default=None
        ``strength(λ, updates per epoch)`` and its inverse, if the strength is no power of λ.
    reads_updates : bool, default=False
        Whether `curve` depends on the updates per epoch.
    losses : str or None, default=None
        Key of `Loss.scales`; None for the losses of skl2net.
    loss : str or None, default=None
        The only loss, if there is one only.
    squared_error : str, default=""
        Name of the squared error in a library that trains with any loss.
    optimisers : dict of str to Optimiser
        Optimisers by the name of our solver; empty for a closed form, which has no updates.
    fixed : dict of str to float
        Quantities that the library does not let users choose.
    n_outputs, n_layers : int or None, default=None
        Largest number of outputs and of weight layers (1 for linear models); None if there is no limit.
    biases : {"exempt", "by default", "always"}, default="exempt"
        Whether biases are penalised or decayed too.
    differences : tuple of (str, str)
        Differences from every other convention: the sense of equivalence that is left, and the reason.
    condition : str, default=""
        What must hold for an exact conversion.
    remark : str, default=""
        What else a user should know.
    language : str, default="python"
        Language of the lines of code; "text" if they are no code.
    code : str, default=""
        Lines of code that use λ and exempt biases, for `str.format`.
    code_if_unknown, code_if_linear : str, default=""
        The lines for an unknown optimiser and for a network without hidden layers, if they differ.
    loss_arguments : dict of str to str
        How the lines specify each loss.
    alias_of : str, default=""
        Name of the convention that this one is an alias of.
    """

    name: str
    library: str
    parameter: str
    formula: str
    source: str
    rule: str = "penalty"
    version: str = ""
    read: str = "source"
    factor: float = 1.0
    power: int = 1
    per: dict = field(default_factory=dict)
    curve: tuple[Callable, Callable] | None = None
    reads_updates: bool = False
    losses: str | None = None
    loss: str | None = None
    squared_error: str = ""
    optimisers: dict = field(default_factory=dict)
    fixed: dict = field(default_factory=dict)
    n_outputs: int | None = None
    n_layers: int | None = None
    biases: str = "exempt"
    differences: tuple[tuple[str, str], ...] = ()
    condition: str = ""
    remark: str = ""
    language: str = "python"
    code: str = ""
    code_if_unknown: str = ""
    code_if_linear: str = ""
    loss_arguments: dict = field(default_factory=dict)
    alias_of: str = ""

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
