"""What a convention is: a library's λ, as a rule, a strength and the optimisers that it runs with.

The data are in `skl2net.conventions.records`, and what is computed from them in `skl2net.conventions.conversion`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from skl2net.l2 import DECAYS, MODES, PENALTIES

# Each rule's strength as powers of the quantities of the run: for a penalty, what multiplies the weight in the
# gradient; for a decay or a measure, the share of a weight that one update removes. "scheduled" is Loshchilov &
# Hutter's own decay, which a schedule multiplies but the learning rate does not; "share" is that of measures.
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

# What a library's data loss is, in multiples of skl2net's (the mean over samples of the sum over outputs, with the ½
# of the squared error), and whether it is divided by the number of outputs too.
LOSS_SCALES = {
    "skl2net": {
        "log_loss": (1, False),
        "multilabel_log_loss": (1, False),
        "squared_error": (1, False),
        "poisson": (1, False),
    },
    "mean over outputs": {
        "log_loss": (1, False),
        "multilabel_log_loss": (1, True),
        "squared_error": (2, True),
        "poisson": (1, True),
    },
    "flux": {"log_loss": (1, False), "multilabel_log_loss": (1, True), "squared_error": (2, True)},
    "dl4j": {"log_loss": (1, False), "squared_error": (2, True)},
    "gluon": {"log_loss": (1, False), "multilabel_log_loss": (1, True), "squared_error": (1, True)},
    "plain": {"log_loss": (1, False), "multilabel_log_loss": (1, False), "squared_error": (1, False)},
    "linear": {"log_loss": (1, False), "squared_error": (1, False)},
    "generalised linear": {"log_loss": (1, False), "squared_error": (1, False), "poisson": (1, False)},
    "nnet": {"log_loss": (1, False), "multilabel_log_loss": (1, False), "squared_error": (2, False)},
    "cuml": {"log_loss": (1, False), "squared_error": (2, False)},
    "tidymodels keras": {"squared_error": (2, True)},
}

LOSSES = tuple(LOSS_SCALES["skl2net"])

# The tables of libraries that train with any loss function that they are given; the others have their own.
OPEN_LOSSES = ("mean over outputs", "flux", "dl4j", "gluon")


@dataclass(frozen=True)
class Optimiser:
    """How a library spells and presets an optimiser.

    Parameters
    ----------
    defaults : dict
        What applies where nothing is given: ``learning_rate``, ``momentum``, ``nesterov``, ``beta_1``, ``beta_2``,
        ``epsilon``. What has no default must be printed.
    arguments : tuple of str
        Arguments, for `str.format` with these quantities; a line prints those that differ from the default.
    momenta : dict of str to str
        Kinds of momentum that SGD can have there ("plain", "nesterov"), and what the optimiser is then called; under
        "none" its name without momentum, if it is another.
    rate_inside : bool, default=True
        Whether SGD's momentum remembers steps (the learning rate inside) or gradients (outside).
    rate_times : dict of str to float
        Powers of the quantities by which the learning rate is multiplied before it is used.
    epsilon_at : {"v", "v_hat"}, default="v"
        Whether Adam's ε stands beside √v or beside the bias-corrected √v̂.
    """

    defaults: dict = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    momenta: dict = field(default_factory=lambda: {"plain": "", "nesterov": ""})
    rate_inside: bool = True
    rate_times: dict = field(default_factory=dict)
    epsilon_at: str = "v"


@dataclass(frozen=True)
class Convention:
    """What a library means by its λ.

    Parameters
    ----------
    name : str
        As users type it.
    library : str
        Library or paper.
    parameter : str
        Where λ is typed.
    formula : str
        One update, or the objective; `w` a weight, `g` the gradient of the library's own data loss, `η` the learning
        rate, `n` the samples in the update, `N` the training samples, `E` the epochs.
    rule : str
        The rule of `POWERS` that runs.
    source : str
        Where it is written.
    version : str, default=""
        Version of the library that was looked at.
    read : {"tested", "source", "documentation", "definition"}, default="source"
        How it is known: tested against the library itself, read in its source, in its documentation only, or a
        definition.
    factor : float, default=1.0
        Constant by which λ is multiplied to make the strength of the rule.
    power : {1, -1}, default=1
        Power of λ in the strength.
    per : dict of str to float
        Powers of the quantities of the run in the strength, beyond those of the rule.
    curve : pair of callables or None, default=None
        ``strength(λ, updates per epoch)`` and its inverse, if the strength is no power of λ.
    reads_updates : bool, default=False
        Whether `curve` reads the updates per epoch.
    losses : str or None, default="skl2net"
        Key of `LOSS_SCALES`; None if there is no loss.
    loss : str or None, default=None
        The only loss that there is.
    squared_error : str, default=""
        What the library calls its squared error.
    optimisers : dict of str to Optimiser
        Those that the convention runs with; empty for a closed form, which has no updates.
    fixed : dict of str to float
        Quantities that the library leaves no choice in.
    n_outputs : int or None, default=None
        The largest number of outputs; None if there is no limit.
    n_layers : int or None, default=None
        The largest number of weight layers, 1 for linear models; None if there is no limit.
    biases : {"exempt", "by default", "always"}, default="exempt"
        Whether biases are penalised or decayed too.
    differences : tuple of (str, str)
        What always parts it from other conventions: the sense that is left, and why.
    condition : str, default=""
        What must be so for an exact conversion to hold.
    remark : str, default=""
        What else a user should know.
    language : str, default="python"
        Language of the lines of code; "text" if they are no code.
    code : str or dict of str to str
        The lines that use λ and leave biases alone, for `str.format`; a dict has one entry for each optimiser, under
        None the one for an unknown optimiser, and under "linear" the one for networks without hidden layers.
    loss_arguments : dict of str to str
        How the lines say which loss it is.
    alias_of : str, default=""
        Name of the convention that this one has the rule and the number of.
    """

    name: str
    library: str
    parameter: str
    formula: str
    rule: str
    source: str
    version: str = ""
    read: str = "source"
    factor: float = 1.0
    power: int = 1
    per: dict = field(default_factory=dict)
    curve: tuple[Callable, Callable] | None = None
    reads_updates: bool = False
    losses: str | None = "skl2net"
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
    code: str | dict = ""
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
        """Whether there is an objective, and no update to speak of."""
        return self.is_penalty and not self.optimisers

    @property
    def is_ours(self):
        """Whether this is one of skl2net's own rules."""
        return self.name in MODES

    @property
    def follows_schedule(self):
        """Whether the share that an update removes follows the schedule of the learning rate."""
        return self.is_penalty or self.rule in ("decoupled", "scheduled")

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


def _power(number, power):
    if number == 0 and power < 0:
        return math.inf
    return 1 / number if power == -1 else float(number) ** power
