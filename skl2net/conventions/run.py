"""A pair of conventions, and what is known of the run that both are to have.

A quantity that is needed and was not given is noted, and something stands in for it until all are known that are
missing: they are asked for at once.
"""

import math

from skl2net.conventions.convention import LOSSES
from skl2net.conventions.records import CONVENTIONS

FULL_BATCH = ("lbfgs", "pso")
CALLED = {"sgd": "SGD", "adam": "Adam", "lbfgs": "L-BFGS", "pso": "the swarm", None: "another optimiser"}
CALLED |= {name.lower(): name for name in ("NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax")}


# What a quantity is, for a user who is asked for it; and what stands for it until then.
_MEANINGS = {
    "learning_rate": "the learning rate",
    "batch_size": "the number of samples in an update",
    "n_samples": "the number of training samples",
    "n_epochs": "the number of epochs of the whole training",
    "momentum": "the momentum of SGD, 0 for none",
    "n_outputs": "the number of outputs",
    "loss": "the loss function: " + ", ".join(map(repr, LOSSES)),
    "solver": "'sgd' or 'adam'",
}
_PLACEHOLDERS = {
    "learning_rate": 1e-3,
    "batch_size": 7,
    "n_samples": 20,
    "n_epochs": 10,
    "momentum": 0.5,
    "n_outputs": 2,
    "loss": "squared_error",
}
# The quantities that a power is made of.
_NAMES = {"updates_per_epoch": ("n_samples", "batch_size")}


class Run:
    """A pair of conventions, and what is known of the run."""

    def __init__(self, source, target, quantities, loss, solver, schedule):
        self.source = source
        self.target = target
        self.pair = (source, target)
        self.quantities = quantities
        self.loss = loss
        self.schedule = schedule
        self.missing = {}
        self.shrink = 0.0
        self.has_closed_form = source.is_closed_form or target.is_closed_form
        self.has_measure = source.is_measure or target.is_measure
        self.is_linear = any(c.n_layers == 1 for c in self.pair)
        self.penalties = all(c.is_penalty for c in self.pair)
        self.crosses = source.is_penalty != target.is_penalty
        self._check_solver(solver)
        self.solver = self._inferred(solver)
        self.solvers = self._solvers()
        self.is_sgd = self.solvers == ("sgd", "sgd")
        self.given = {name for name, value in quantities.items() if value is not None}
        self.conflicts = [*self._settle_fixed()]
        self.settings = self._settings()

    def need(self, name, why=""):
        """A quantity that the number depends on. If it is missing it is noted, and a stand-in is returned."""
        value = self.loss if name == "loss" else self.quantities[name]
        if value is None:
            self.missing.setdefault(name, why)
            return _PLACEHOLDERS[name]
        return value

    def raise_if_missing(self):
        if self.missing:
            *names, last = self.missing
            listed = f"{', '.join(names)} and {last}" if names else last
            meanings = "; ".join(f"{name}=... ({_MEANINGS[name]}{why})" for name, why in self.missing.items())
            raise ValueError(
                f"convert_alpha from {self.source.name!r} to {self.target.name!r} needs {listed}. Pass {meanings}."
            )

    def _inferred(self, solver):
        """The solver that was given, or SGD if its momentum was, unless two objectives are compared."""
        has_momentum = self.quantities["momentum"] is not None
        return "sgd" if solver is None and has_momentum and not (self.has_closed_form and self.penalties) else solver

    def _check_solver(self, solver):
        allowed = [c.solvers for c in self.pair if not c.is_measure]
        if solver is not None and allowed and not any(solver in solvers or not solvers for solvers in allowed):
            raise ValueError(
                f"solver={solver!r} runs neither {self.source.name!r} nor {self.target.name!r}; leave solver out, or "
                f"pass one of {', '.join(sorted({repr(s) for solvers in allowed for s in solvers}))}."
            )

    def _solvers(self):
        """Solver of each side; None if neither the names nor the arguments say it, or there are no updates."""
        implied = [c.solvers[0] if len(c.solvers) == 1 else None for c in self.pair]
        return tuple(
            own or next((solver for solver in (self.solver, other) if solver in c.solvers), None)
            for c, own, other in zip(self.pair, implied, reversed(implied), strict=True)
        )

    def _settle_fixed(self):
        """Fill in what a library leaves no choice in, and return what contradicts it."""
        for convention in self.pair:
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
            optimiser = convention.optimisers.get(solver)
            settings |= {} if optimiser is None else optimiser.defaults
        return settings | {name: value for name, value in self.quantities.items() if value is not None}

    def quantity(self, key):
        if key == "updates_per_epoch":
            return math.ceil(self.need("n_samples") / self.need("batch_size"))
        return self.need(key)

    def powers(self, convention, *, of_share=False):
        """Powers of the quantities in the strength, or in the share that one update removes before momentum."""
        powers = convention.powers()
        if self.is_full_batch() and "batch_size" in powers:
            powers["n_samples"] = powers.get("n_samples", 0) + powers.pop("batch_size")
        if of_share and convention.is_penalty:
            powers["learning_rate"] = powers.get("learning_rate", 0) + 1
        return powers

    def is_known(self, powers):
        names = {name for key in powers for name in _NAMES.get(key, (key,))}
        return all(self.quantities[name] is not None for name in names)

    def is_full_batch(self):
        return any(solver in FULL_BATCH for solver in self.solvers) or (self.has_closed_form and not any(self.solvers))
