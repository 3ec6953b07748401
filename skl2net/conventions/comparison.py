"""Two conventions on the same run: what is known of the run, and how the two updates differ.

A quantity that is needed and was not given is noted, and a placeholder stands for it, so that everything missing is
asked for at once.
"""

import math

from skl2net.conventions.records import CONVENTIONS
from skl2net.losses import LOSSES, REGRESSION_LOSSES

FULL_BATCH = ("lbfgs", "pso")
NAMES = {"sgd": "SGD", "adam": "Adam", "lbfgs": "L-BFGS", "pso": "the swarm", None: "another optimiser"}
NAMES |= {name.lower(): name for name in ("NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax")}

# Each quantity in words, and a placeholder.
_QUANTITIES = {
    "learning_rate": ("the learning rate", 1e-3),
    "batch_size": ("the number of samples in an update", 7),
    "n_samples": ("the number of training samples", 20),
    "n_epochs": ("the number of epochs of the whole training", 10),
    "momentum": ("the momentum of SGD, 0 for none", 0.5),
    "n_outputs": ("the number of outputs", 2),
    "loss": (f"the loss function: {', '.join(map(repr, LOSSES))}", "squared_error"),
    "solver": ("'sgd' or 'adam'", None),
}


class Pair:
    """A pair of conventions, and what is known of the run.

    `quantities` are those of the run and the settings of the optimiser, None for unknown ones; `schedule` says whether
    the learning rate changes during training.
    """

    def __init__(self, source, target, quantities, loss, solver, schedule):
        self.source, self.target = self.both = source, target
        self.quantities = quantities
        self.loss = loss
        self.schedule = schedule
        self.missing = {}
        self.shrink = 0.0
        self.has_closed_form = any(c.is_closed_form for c in self.both)
        self.has_measure = any(c.is_measure for c in self.both)
        self.is_linear = any(c.n_layers == 1 for c in self.both)
        self.penalties = all(c.is_penalty for c in self.both)
        self.crosses = source.is_penalty != target.is_penalty
        self._check_solver(solver)
        has_momentum = quantities["momentum"] is not None
        if solver is None and has_momentum and not (self.has_closed_form and self.penalties):
            solver = "sgd"
        self.solver = solver
        self.solvers = self._solvers()
        self.is_sgd = self.solvers == ("sgd", "sgd")
        self.is_full_batch = any(solver in FULL_BATCH for solver in self.solvers)
        self.is_full_batch |= self.has_closed_form and not any(self.solvers)
        self.given = {name for name, value in quantities.items() if value is not None}
        self.conflicts = [*self._settle_fixed()]
        self.settings = self._settings()

    def need(self, name, why=""):
        """A quantity that the number depends on. If it is missing it is noted, and a placeholder is returned."""
        if name == "updates_per_epoch":
            return math.ceil(self.need("n_samples") / self.need("batch_size"))
        value = self.loss if name == "loss" else self.solver if name == "solver" else self.quantities[name]
        if value is None:
            self.missing.setdefault(name, why)
            return _QUANTITIES[name][1]
        return value

    def is_known(self, names):
        """Whether all of some quantities were given."""
        parts = {"updates_per_epoch": ("n_samples", "batch_size")}
        return all(self.quantities[part] is not None for name in names for part in parts.get(name, (name,)))

    def raise_if_missing(self):
        """Ask for everything that is missing."""
        if self.missing:
            *names, last = self.missing
            listed = f"{', '.join(names)} and {last}" if names else last
            meanings = "; ".join(f"{name}=... ({_QUANTITIES[name][0]}{why})" for name, why in self.missing.items())
            raise ValueError(
                f"convert_alpha from {self.source.name!r} to {self.target.name!r} needs {listed}. Pass {meanings}."
            )

    def powers(self, convention, *, of_share=False):
        """Powers of the quantities in the strength, or in the share that one update removes before momentum."""
        powers = convention.powers()
        if self.is_full_batch and "batch_size" in powers:
            powers["n_samples"] = powers.get("n_samples", 0) + powers.pop("batch_size")
        if of_share and convention.is_penalty:
            powers["learning_rate"] = powers.get("learning_rate", 0) + 1
        return powers

    def _check_solver(self, solver):
        allowed = [c.solvers for c in self.both if not c.is_measure]
        if solver is not None and allowed and not any(solver in solvers or not solvers for solvers in allowed):
            raise ValueError(
                f"solver={solver!r} runs neither {self.source.name!r} nor {self.target.name!r}; leave solver out, or "
                f"pass one of {', '.join(sorted({repr(s) for solvers in allowed for s in solvers}))}."
            )

    def _solvers(self):
        """Solver of each side; None if neither the names nor the arguments determine it, or there are no updates."""
        implied = [c.solvers[0] if len(c.solvers) == 1 else None for c in self.both]
        return tuple(
            own or next((solver for solver in (self.solver, other) if solver in c.solvers), None)
            for c, own, other in zip(self.both, implied, reversed(implied), strict=True)
        )

    def _settle_fixed(self):
        """Fill in what a library leaves no choice in, and yield what contradicts it."""
        for convention in self.both:
            for name, value in convention.fixed.items():
                if self.quantities[name] is None:
                    self.quantities[name] = value
                elif self.quantities[name] != value:
                    yield f"{convention.name} always has {name}={value:g}"

    def _settings(self):
        """The optimiser's settings: those given, else the source's defaults, the target's, or skl2net's."""
        ours = self.solver if self.has_measure and self.has_closed_form else self.solvers[1]
        known = [(CONVENTIONS["penalty"], ours), (self.target, self.solvers[1])]
        known += [(self.source, self.solvers[0])] if self.solvers[1] in (self.solvers[0], None) else []
        settings = {}
        for convention, solver in known:
            if solver in convention.optimisers:
                settings |= convention.optimisers[solver].defaults
        return settings | {name: value for name, value in self.quantities.items() if value is not None}


def find_differences(pair):
    """Everything in which the two updates differ: pairs of the sense of equivalence that is left, and the reason."""
    found = [*_rule_differences(pair), *_model_differences(pair)]
    if not (pair.has_closed_form or pair.has_measure):
        found += _optimiser_differences(pair)
    if all(sense == "limit" for sense, _ in found) or pair.is_known(("batch_size", "n_samples")):
        found += _batch_differences(pair)
    return found


def _rule_differences(pair):
    rules = {c.rule for c in pair.both}
    if pair.crosses and pair.quantities["momentum"] != 0:
        yield "share", "a penalty passes through the momentum and a decay does not: the share is that of the long run"
    if _oscillates(pair):
        yield "share", "the penalty is so strong that weights change sign: the share is that of their size"
    if "decay_after" in rules and len(rules) > 1 and not pair.has_measure:
        yield "share", "one shrinks the weights' step along with the weights, but not that of the biases"
    if pair.schedule:
        follows = {c.follows_schedule for c in pair.both if not c.is_measure}
        if len(follows) == 2:
            yield "share", "the schedule of the learning rate changes the share in one of the two only"
        elif pair.has_measure and True in follows:
            yield "share", "the schedule changes the share; the number holds for the given learning rate"


def _oscillates(pair):
    """Whether the share of the penalty is that of an oscillation, or of weights that change sign in every update."""
    if not pair.shrink:
        return False
    momentum = pair.need("momentum")
    if pair.settings.get("nesterov"):
        return pair.shrink > 1 - 4 * momentum / (1 + momentum) ** 2
    return pair.shrink > (1 - math.sqrt(momentum)) ** 2


def _batch_differences(pair):
    """A smaller last batch changes a penalty that is divided by the batch size."""
    rules = {c.rule for c in pair.both}
    if "penalty_per_sample" not in rules or len(rules) == 1 or pair.is_full_batch:
        return
    batch_size, n_samples = pair.quantities["batch_size"], pair.quantities["n_samples"]
    if batch_size != 1 and pair.need("n_samples") % pair.need("batch_size"):
        yield (
            "batches",
            f"batch_size={batch_size} does not divide n_samples={n_samples}: the last batch of an epoch is smaller, "
            "and penalised more in one of the two",
        )


def _model_differences(pair):
    """Differences in the model, the loss or the parameters that are penalised, whatever the optimiser."""
    left = "objective" if pair.penalties else "share"
    n_outputs = pair.quantities["n_outputs"] or 1
    if pair.source.loss and pair.target.loss and pair.source.loss != pair.target.loss:
        yield "penalty", f"one has the loss {pair.source.loss}, the other {pair.target.loss}"
    for convention, solver in zip(pair.both, pair.solvers, strict=True):
        yield from convention.differences
        if convention.n_outputs is not None and n_outputs > convention.n_outputs:
            yield "penalty", f"{convention.name} has one output only"
        is_wrong = convention.name == "sklearn.MLP" and solver == "lbfgs" and n_outputs > 1
        if is_wrong and pair.loss in REGRESSION_LOSSES:
            yield "penalty", "for several real targets scikit-learn's L-BFGS follows a wrong gradient (its issue 8349)"
    for conflict in pair.conflicts:
        yield left, conflict
    if len({c.biases == "always" for c in pair.both if not c.is_measure}) == 2:
        name = next(c.name for c in pair.both if c.biases == "always")
        yield "parts", f"{name} shrinks the biases too, and cannot leave them out"


def _optimiser_differences(pair):
    left = "objective" if pair.penalties else "share"
    own, other = pair.solvers
    if own != other:
        advice = "" if left == "objective" else "; if their learning rates differ, go by way of 'timescale'"
        yield left, f"{NAMES[own]} and {NAMES[other]} take different steps{advice}"
    elif own == "sgd":
        yield from _momentum_differences(pair, left)
    elif len({c.optimisers["adam"].epsilon_at for c in pair.both if "adam" in c.solvers}) == 2:
        under = "" if own else "under Adam, "
        yield "limit", f"{under}epsilon stands beside √v in one and beside the corrected √v̂ in the other"


def _momentum_differences(pair, left):
    if not pair.settings.get("momentum"):
        return
    kind, word = ("nesterov", "Nesterov") if pair.settings.get("nesterov") else ("plain", "plain")
    for convention in pair.both:
        if kind not in convention.optimisers["sgd"].momenta and "momentum" not in convention.fixed:
            default = "" if "nesterov" in pair.given else f", the default of {pair.source.name}"
            yield left, f"{convention.name} has no {word} momentum{default}"
    if pair.schedule and len({c.optimisers["sgd"].rate_inside for c in pair.both}) == 2:
        yield (
            left,
            "one holds the learning rate inside the momentum and the other outside: the two are equal while it is "
            "constant",
        )


def find_conditions(pair):
    """What must hold in the two libraries for an exact conversion."""
    source, target = pair.both
    for convention in pair.both:
        if convention.biases == "by default" and source.biases != target.biases:
            yield f"biases are exempt in {convention.name}, which decays them by default"
        if convention.condition:
            yield convention.condition
    settled = {name: value for name, value in target.fixed.items() if name not in {*pair.given, *source.fixed}}
    if settled and source.optimisers:
        yield f"{source.name} runs with " + " and ".join(f"{name}={value:g}" for name, value in settled.items())
