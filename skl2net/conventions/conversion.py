"""From one convention to another: which number, how equal, and why.

The strengths of two conventions are monomials in the quantities of the run (`skl2net.conventions.records`); the number
in the other library is the one that makes them equal. Whether the two then do the same is a question about the two
updates, and `_differences` answers it in words.
"""

import difflib
import math
from dataclasses import dataclass
from numbers import Integral, Real

from skl2net.conventions.records import CONVENTIONS, LOSS_SCALES

_SOLVERS = ("sgd", "adam", "lbfgs", "pso")
_FULL_BATCH = ("lbfgs", "pso")
_LOSSES = tuple(LOSS_SCALES["skl2net"])

# From the strongest sense of "equivalent" to the weakest.
_SENSES = {
    "trajectory": "the two take the same trajectory, weight for weight",
    "measure": "it is the share of a weight that one update removes, in other units",
    "limit": "the two trajectories agree as Adam's epsilon goes to 0",
    "objective": "the two minimise the same objective",
    "batches": "the two do the same in every update but the last of an epoch",
    "share": "the two remove the same share of a weight per update, and so have the same timescale",
    "penalty": "the two have the same penalty, beside different data losses",
}


@dataclass(frozen=True)
class AlphaConversion:
    """What `convert_alpha` returns: the number to type in the other library, and what it is worth.

    ``float(conversion)`` is `alpha`; printing it gives a few sentences and the line of code.

    Attributes
    ----------
    source, target : str
        Names of the conventions.
    given : float
        The number in the source's convention.
    alpha : float or None
        The number in the target's convention; None where there is none, as `reason` says.
    exact : bool
        Whether the two do the same: follow the same trajectory weight for weight, or, where one of them has no
        updates, have the same objective.
    sense : {"trajectory", "measure", "limit", "objective", "batches", "share", "penalty"} or None
        In which sense they are equivalent: same trajectory; same share in other units; same trajectory as Adam's ε
        goes to 0; same objective; same update but for the last of an epoch; same share of a weight removed per update
        where no gradient acts, hence same timescale; same penalty beside another data loss. None where they are not
        equivalent in any.
    reason : str
        Why they are not exact; empty where they are.
    learning_rate : float or None
        Learning rate to use on the other side; None where none was given, or the target has none.
    learning_rate_factor : float
        What the learning rate has to be multiplied by, because the data loss has another scale there.
    naive_factor : float or None
        How many times too strong the target's rule is if the source's number is typed there unchanged; None for the
        measures, which are no rules.
    code : str
        The line that uses the number in the target library and leaves the biases alone; empty for a measure.
    """

    source: str
    target: str
    given: float
    alpha: float | None
    exact: bool
    sense: str | None
    reason: str
    learning_rate: float | None
    learning_rate_factor: float
    naive_factor: float | None
    code: str

    def __float__(self):
        if self.alpha is None:
            raise ValueError(f"{self.source} {self.given:.6g} has no equivalent in {self.target}. {self.reason}")
        return self.alpha

    def __str__(self):
        if self.alpha is None:
            return f"{self.source} {self.given:.6g} has no equivalent in {self.target}. {self.reason}"
        exactly = "exactly" if self.exact else "though not exactly"
        sentences = [f"{self.source} {self.given:.6g} is {self.target} {self.alpha:.6g}, {exactly}:"]
        linear = any(CONVENTIONS[name].n_layers == 1 for name in (self.source, self.target))
        sentences.append(f"{_SENSES[self.sense]}{', without hidden layers' if linear else ''}.")
        if self.reason:
            sentences.append(self.reason)
        if self.learning_rate_factor != 1:
            sentences.append(f"Multiply the learning rate by {self.learning_rate_factor:.6g} there.")
        if self.naive_factor is not None and not math.isclose(self.naive_factor, 1):
            sentences.append(f"Typed unchanged, the number would be {self.naive_factor:.4g} times as strong.")
        return "\n".join([" ".join(sentences), *([self.code] if self.code else [])])

    def __repr__(self):
        return str(self)


def convert_alpha(
    alpha,
    source,
    target,
    *,
    learning_rate=None,
    batch_size=None,
    n_samples=None,
    n_epochs=None,
    momentum=None,
    loss=None,
    n_outputs=None,
    solver=None,
    schedule=False,
):
    r"""Convert an L2 strength from one library's convention to another's.

    Every convention's number is, up to a monomial in the quantities of the run, the share of a weight that one update
    removes; the conversion makes the two shares (for two penalties: the two penalties) equal. Only what does not
    cancel is asked for; what the pair does not need may be given all the same.

    Parameters
    ----------
    alpha : float
        The number in the source's convention.
    source, target : str
        Names of conventions, see `list_conventions`: ``"penalty"``, ``"sklearn.MLP"``, ``"torch.AdamW"``, ...
    learning_rate : float, default=None
        Learning rate :math:`\eta`, in the terms of the source, or of the target where the source is a closed form or
        a measure. With a schedule, the initial one.
    batch_size : int or "auto", default=None
        Items in an update; "auto" is ``min(200, n_samples)``, the default of our estimators and of scikit-learn's.
    n_samples : int, default=None
        Items in the training data.
    n_epochs : int, default=None
        Epochs of the whole training; only Loshchilov & Hutter's normalised decay depends on it.
    momentum : float, default=None
        Momentum :math:`\mu` of SGD, in [0, 1); Nesterov's or not, on both sides alike.
    loss : {"log_loss", "multilabel_log_loss", "squared_error", "poisson"}, default=None
        Data loss. Libraries scale it differently: the squared error is :math:`\tfrac12\sum` over outputs here and in
        scikit-learn, and the mean over outputs without the :math:`\tfrac12` in PyTorch and Keras.
    n_outputs : int, default=None
        Outputs of the network, where a library divides the loss by their number.
    solver : {"sgd", "adam", "lbfgs", "pso"}, default=None
        What runs the rule, where the names of the conventions do not say so.
    schedule : bool, default=False
        Whether the learning rate changes during the training.

    Returns
    -------
    AlphaConversion
        `alpha`, `exact`, `sense`, `reason`, `learning_rate`, `code`, ...

    Raises
    ------
    ValueError
        If a name is unknown, a quantity that the pair needs is missing, or a value is impossible.

    Examples
    --------
    What scikit-learn's default alpha is in PyTorch, at 2000 items in batches of 250:

    >>> from skl2net import convert_alpha
    >>> conversion = convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", loss="log_loss", batch_size=250, n_samples=2000)
    >>> f"{float(conversion):.6g}", conversion.exact
    ('4e-07', True)
    >>> conversion.naive_factor  # 1e-4 typed there would be so many times too strong
    250.0

    Under momentum, a penalty and a decoupled decay take different trajectories; the same share is what can be had:

    >>> print(convert_alpha(1e-4, "penalty", "decoupled", solver="sgd", momentum=0.9))
    penalty 0.0001 is decoupled 0.001, though not exactly: the two remove the same share of a weight per update, and so
    have the same timescale. ... Typed unchanged, the number would be 0.1 times as strong.
    L2NetClassifier(solver="sgd", l2_mode="decoupled", alpha=0.001, learning_rate_init=learning_rate, momentum=0.9)
    """
    run = _Run(
        _convention(source, "source"),
        _convention(target, "target"),
        _checked_quantities(
            learning_rate=learning_rate,
            batch_size=batch_size,
            n_samples=n_samples,
            n_epochs=n_epochs,
            momentum=momentum,
            n_outputs=n_outputs,
        ),
        _one_of(loss, _LOSSES, "loss"),
        _one_of(solver, _SOLVERS, "solver"),
        bool(schedule),
    )
    return run.convert(_checked_number(alpha, run.source))


def equivalents(alpha, mode, *, solver, n_layers, nesterov=False, has_schedule=False, **run):
    """What a run of ours would be called elsewhere, in every library that has the network, the solver and the loss.

    Parameters
    ----------
    alpha : float
    mode : str
        One of skl2net's own rules.
    solver : {"sgd", "adam", "lbfgs", "pso"}
    n_layers : int
        Weight layers of the network.
    **run
        As for `convert_alpha`; a quantity that is None rules out the libraries that need it.

    Returns
    -------
    tuple of AlphaConversion
        The exact ones first, then by what is left of the equivalence.
    """
    run["schedule"] = has_schedule
    if mode == "prior":
        return ()
    found = []
    for name, convention in CONVENTIONS.items():
        runs_there = solver in convention.solvers or solver in _FULL_BATCH or convention.is_closed_form
        fits_there = convention.n_layers is None or n_layers <= convention.n_layers
        if convention.is_ours or convention.is_measure or not (runs_there and fits_there):
            continue
        try:
            conversion = convert_alpha(alpha, mode, name, solver=solver, **run)
        except ValueError:  # another loss, something that is not known of the run, or a share that no decay can have
            continue
        if conversion.alpha is not None:
            found.append(conversion)
    ranks = list(_SENSES)
    return tuple(sorted(found, key=lambda conversion: (not conversion.exact, ranks.index(conversion.sense))))


def list_conventions():
    """Print the table of conventions that `convert_alpha` knows.

    Examples
    --------
    >>> from skl2net import list_conventions
    >>> list_conventions()
    name ...
    penalty ... w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw²
    ...
    """
    rows = [("name", "library", "where λ is typed", "one update, or the objective")]
    rows += [(c.name, c.library, c.parameter, c.formula) for c in CONVENTIONS.values()]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for *cells, formula in rows:
        print("  ".join([*(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)), formula]))


class _Run:
    """A pair of conventions, and what is known of the run."""

    def __init__(self, source, target, quantities, loss, solver, schedule):
        self.source = source
        self.target = target
        self.pair = (source, target)
        self.has_closed_form = source.is_closed_form or target.is_closed_form
        self.is_linear = any(c.n_layers == 1 for c in self.pair)
        self.has_measure = source.is_measure or target.is_measure
        self.quantities = quantities
        self.loss = loss
        self.schedule = schedule
        self.solvers = self._solvers(solver)
        self.conflicts = self._settle_fixed()

    def convert(self, number):
        if self.source is self.target:
            return self._result(number, number, [], 1.0)
        why_not = self._why_no_share()
        if why_not:
            return self._result(number, None, [(None, why_not)], 1.0)
        scale = self._loss_ratio()
        if scale != 1 and not self.has_closed_form:
            self._need_solver("the two libraries scale the data loss differently, which Adam undoes and SGD does not")
        rate_factor = scale if self._rate_follows_loss() else 1.0
        updates = self._updates_per_epoch() if any(c.reads_updates for c in self.pair) else None

        # Two penalties, and a closed form, are compared as multiples of their data losses, whatever the solver.
        scaled = scale if all(c.is_penalty for c in self.pair) or self.has_closed_form else rate_factor
        rate_power = (self.source if self.source.is_closed_form else self.target).exponents().get("learning_rate", 0)
        strength = self.source.factor * self.source.strength(number, updates) / self.target.factor
        powers = [(self._quantity(key), power) for key, power in self._net_exponents().items()]
        strength *= math.prod(value**power for value, power in powers if power > 0)
        strength /= math.prod(value**-power for value, power in powers if power < 0)
        strength *= scaled**-rate_power
        self._check_share(self.source, number, self.source.factor * self.source.strength(number, updates), 1.0)
        self._check_share(self.target, number, self.target.factor * strength, rate_factor)
        return self._result(number, self.target.number(strength, updates), self._differences(scale), rate_factor)

    def _need(self, name, why):
        value = self.loss if name == "loss" else self.quantities[name]
        if value is None:
            choices = f"{', '.join(map(repr, _LOSSES[:-1]))} or {_LOSSES[-1]!r}" if name == "loss" else "..."
            raise ValueError(
                f"convert_alpha from {self.source.name!r} to {self.target.name!r} needs {name}, since {why}. "
                f"Pass {name}={choices}."
            )
        return value

    def _need_solver(self, why):
        """The solvers of the two sides, where at least one is known."""
        if self.solvers == (None, None):
            raise ValueError(
                f"convert_alpha from {self.source.name!r} to {self.target.name!r} needs solver, since {why}. Pass "
                "solver='sgd' or solver='adam'."
            )

    def _solvers(self, given):
        """Solver of each side; None where the names do not say it and it was not given, or there are no updates."""
        allowed = [c.solvers for c in self.pair if not c.is_measure]
        if given is not None and allowed and not any(given in solvers or not solvers for solvers in allowed):
            raise ValueError(
                f"solver={given!r} runs neither {self.source.name!r} nor {self.target.name!r}; leave solver out, or "
                f"pass one of {', '.join(sorted({repr(s) for solvers in allowed for s in solvers}))}."
            )
        implied = [c.solvers[0] if len(c.solvers) == 1 else None for c in self.pair]
        return tuple(
            own or next((solver for solver in (given, other) if solver in c.solvers), None)
            for c, own, other in zip(self.pair, implied, reversed(implied), strict=True)
        )

    def _settle_fixed(self):
        """Fill in what a library leaves no choice in, and return what contradicts it."""
        conflicts = []
        for convention in self.pair:
            for name, value in convention.fixed.items():
                if self.quantities[name] is None:
                    self.quantities[name] = value
                elif self.quantities[name] != value:
                    conflicts.append(f"{convention.name} always has {name}={value:g}.")
        return conflicts

    def _why_no_share(self):
        """Why a penalty and a decay, or a measure, cannot be compared under this solver; None where they can."""
        if all(c.is_penalty for c in self.pair) or not any(c.is_penalty for c in self.pair):
            return None
        self._need_solver("a penalty removes a share of a weight under SGD, and none that is fixed under Adam")
        own, other = self.solvers if self.source.is_penalty else reversed(self.solvers)
        solver = own or other
        if solver == "sgd":
            return None
        if solver == "adam":
            return (
                "Adam divides a penalty's part of the gradient by its own size, so that a penalty removes no fixed "
                "share of a weight, whatever its strength: choose the decay afresh, by validation."
            )
        return (
            f"solver={solver!r} minimises the objective as a whole and has no update that removes a share of a weight: "
            "choose the decay afresh, by validation."
        )

    def _loss_ratio(self):
        """The source's data loss as a multiple of the target's."""
        tables = [c.losses for c in self.pair]
        implied = [c.loss for c in self.pair]
        for convention in self.pair:
            if convention.loss and self.loss and convention.loss != self.loss:
                raise ValueError(f"{convention.name} has loss={convention.loss!r}; got loss={self.loss!r}.")
        penalties = all(c.is_penalty for c in self.pair)
        own, other = self.solvers
        if None in tables or (own != other and not penalties and not self.has_closed_form):
            return 1.0  # the learning rates of two different optimisers are not comparable anyway
        common = self.loss or implied[0] or implied[1]
        if common is None:
            scales, other_scales = (LOSS_SCALES[table] for table in tables)
            if all(scales[loss] == other_scales[loss] for loss in scales.keys() & other_scales.keys()):
                return 1.0
            libraries = " and ".join(c.library for c in self.pair)
            common = self._need("loss", f"{libraries} scale some losses differently")
        (factor, divided), (other_factor, other_divided) = (
            self._loss_scale(c, own or common) for c, own in zip(self.pair, implied, strict=True)
        )
        ratio = factor / other_factor
        if divided == other_divided:
            return ratio
        k = self._need("n_outputs", f"one of the two divides {common} by the number of outputs and the other does not")
        return ratio / k if divided else ratio * k

    def _loss_scale(self, convention, loss):
        scales = LOSS_SCALES[convention.losses]
        if loss not in scales:
            raise ValueError(f"{convention.name} has no loss={loss!r}; it has {', '.join(map(repr, scales))}.")
        return scales[loss]

    def _rate_follows_loss(self):
        """Whether the learning rate has to make up for the scale of the loss: under SGD, between two that have one."""
        return self.solvers == ("sgd", "sgd") and not self.has_closed_form

    def _net_exponents(self):
        """Powers of the quantities that do not cancel between the two."""
        source, target = (c.exponents() for c in self.pair)
        net = {key: source.get(key, 0) - target.get(key, 0) for key in {**source, **target}}
        return {key: power for key, power in net.items() if power}

    def _quantity(self, key):
        if key == "1 - momentum":
            return 1 - self._need("momentum", "momentum multiplies the share that a penalty removes")
        if key == "updates_per_epoch":
            return self._updates_per_epoch()
        if key == "batch_size" and self._is_full_batch():
            key = "n_samples"
        return self._need(key, "their ratio depends on it")

    def _updates_per_epoch(self):
        n_samples = self._need("n_samples", "it sets the number of updates in an epoch")
        return math.ceil(n_samples / self._need("batch_size", "it sets the number of updates in an epoch"))

    def _check_share(self, convention, number, strength, rate_factor):
        """Refuse what would remove a whole weight at a time, where that can be known."""
        if not (convention.is_decay or convention.is_measure):
            return
        learning_rate = 1.0
        if "learning_rate" in convention.exponents():
            learning_rate = (self.quantities["learning_rate"] or 0.0) * rate_factor
        share = strength * learning_rate * self._known_powers(convention)
        if share >= 1:
            raise ValueError(
                f"{self.source.name} {number:g} would remove {share:.4g} times each weight in every update, which no "
                "decay can: the share must stay below 1. Lower it"
                + (" or the learning rate." if learning_rate != 1 else ".")
            )

    def _known_powers(self, convention):
        return math.prod(self._quantity(key) ** power for key, power in convention.per.items() if power)

    def _differences(self, scale):
        """Pairs of the sense that is left and the reason why, for everything in which the two updates differ."""
        return [*self._rule_differences(), *self._run_differences(scale)]

    def _rule_differences(self):
        """What the two rules do differently on the same run."""
        rules = {c.rule for c in self.pair}
        penalties = [c for c in self.pair if c.is_penalty]
        momentum = self.quantities["momentum"]
        if len(penalties) == 1 and momentum:
            yield (
                "share",
                "A penalty passes through the momentum and a decay does not: the share is that of the long run.",
            )
        if "decay_after" in rules and len(rules) > 1 and "share" not in rules:
            yield "share", "One shrinks the weights' step along with the weights, but not that of the biases."
        if "penalty_per_sample" in rules and len(rules) > 1 and not self._batches_are_even():
            yield (
                "batches",
                f"batch_size={self.quantities['batch_size']} does not divide n_samples={self.quantities['n_samples']}: "
                "the last batch of an epoch is smaller, and penalised more in one of the two.",
            )
        if self.schedule:
            follows = {self._follows_schedule(c) for c in self.pair if not c.is_measure}
            if len(follows) == 2:
                yield "share", "The schedule of the learning rate changes the share in one of the two only."
            elif "share" in rules and True in follows:
                yield "share", "The schedule changes the share; the number holds for the given learning rate."

    def _run_differences(self, scale):
        """What the two libraries do differently whatever the rule."""
        left = "objective" if all(c.is_penalty for c in self.pair) else "share"
        if self.source.loss and self.target.loss and self.source.loss != self.target.loss:
            yield "penalty", f"One has the loss {self.source.loss}, the other {self.target.loss}."
        for conflict in self.conflicts:
            yield left, conflict
        several_targets = self.loss in ("squared_error", "poisson") and (self.quantities["n_outputs"] or 1) > 1
        if several_targets and any(
            c.name == "sklearn.MLP" and solver == "lbfgs" for c, solver in zip(self.pair, self.solvers, strict=True)
        ):
            yield "penalty", "For several real targets scikit-learn's L-BFGS follows a wrong gradient (its issue 8349)."
        if self.has_closed_form or self.has_measure:
            return
        own, other = self.solvers
        if own != other:
            advice = "" if left == "objective" else " Where their learning rates differ, go by way of 'timescale'."
            yield left, f"{_called(own)} and {_called(other)} take different steps.{advice}"
            return
        epsilon_differs = self.source.epsilon != self.target.epsilon
        if epsilon_differs:
            self._need_solver("Adam's epsilon stands in different places, while SGD has none")
        if own == "adam" and epsilon_differs:
            yield "limit", "Adam's epsilon stands beside √v in one and beside the corrected √v̂ in the other."
        if own == "adam" and scale != 1:
            yield "limit", f"The data loss there is {1 / scale:.6g} times the one here, and epsilon should be so too."
        if own == "sgd" and self.schedule and self.source.rate_inside != self.target.rate_inside:
            why = "one holds the learning rate inside the momentum and the other outside"
            if self._need("momentum", why):
                yield left, f"As to the schedule, {why}: the two are equal while it is constant."

    def _is_full_batch(self):
        return any(solver in _FULL_BATCH for solver in self.solvers)

    def _batches_are_even(self):
        if self._is_full_batch() or self.quantities["batch_size"] == 1:
            return True
        batch_size = self._need("batch_size", "one of the two divides by it")
        return self._need("n_samples", "batches that do not divide it evenly are penalised unevenly") % batch_size == 0

    def _follows_schedule(self, convention):
        """Whether the share that an update removes follows the schedule of the learning rate."""
        return convention.rule == "scheduled" or "learning_rate" in convention.exponents()

    def _result(self, number, alpha, differences, rate_factor):
        ranks = list(_SENSES)
        best = "objective" if self.has_closed_form else "measure" if self.has_measure else "trajectory"
        senses = [best, *(sense for sense, _ in differences)]
        rate = self.quantities["learning_rate"]
        if rate is None or self.target.is_closed_form or self.target.is_measure:
            rate = None
        else:
            rate *= rate_factor
        return AlphaConversion(
            source=self.source.name,
            target=self.target.name,
            given=number,
            alpha=alpha,
            exact=not differences,
            sense=None if alpha is None else max(senses, key=ranks.index),
            reason=" ".join(reason for _, reason in differences),
            learning_rate=rate,
            learning_rate_factor=rate_factor,
            naive_factor=self._naive_factor(number, alpha),
            code="" if alpha is None else self._code(alpha, rate, rate_factor),
        )

    def _naive_factor(self, number, alpha):
        if alpha is None or self.has_measure:
            return None
        meant = self.target.strength(alpha)
        return self.target.strength(number) / meant if 0 < meant < math.inf else None

    def _code(self, alpha, rate, rate_factor):
        code = self.target.code
        if isinstance(code, dict):
            by_default = "lbfgs" if self.has_closed_form and "lbfgs" in code else "sgd"
            code = code[self.solvers[1] or by_default]
        momentum, batch_size = self.quantities["momentum"], self.quantities["batch_size"]
        loss = self.loss or self.source.loss or self.target.loss or "log_loss"
        if rate is None:
            rate = "learning_rate" if rate_factor == 1 else f"{rate_factor:.10g} * learning_rate"
        else:
            rate = f"{rate:.10g}"
        return code.format(
            number=f"{alpha:.10g}",
            rate=rate,
            momentum="momentum" if momentum is None else f"{momentum:.10g}",
            batch="" if batch_size is None else f", batch_size={batch_size}",
            loss=loss,
            layers="(), " if self.is_linear else "",
            kind="Regressor" if loss in ("squared_error", "poisson") else "Classifier",
        )


def _called(solver):
    return {"sgd": "SGD", "adam": "Adam", "lbfgs": "L-BFGS", "pso": "the swarm", None: "another optimiser"}[solver]


def _convention(name, role):
    if name in CONVENTIONS:
        return CONVENTIONS[name]
    lower = {key.lower(): key for key in CONVENTIONS}
    near = difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(repr(lower[key]) for key in near)}?" if near else ""
    raise ValueError(f"{role}={name!r} is not a known convention.{hint} list_conventions() prints all of them.")


def _one_of(value, choices, name):
    if value is not None and value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.{hint}")
    return value


def _checked_quantities(**quantities):
    automatic = quantities["batch_size"] == "auto"
    if automatic:
        quantities["batch_size"] = None
    for name, value in quantities.items():
        if value is None:
            continue
        if name in ("batch_size", "n_samples", "n_epochs", "n_outputs"):
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} counts things, and must be a whole number of at least 1; got {value!r}.")
        elif not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number; got {value!r}.")
    rate, momentum = quantities["learning_rate"], quantities["momentum"]
    if rate is not None and rate <= 0:
        raise ValueError(f"learning_rate must be positive, since no update moves a weight without it; got {rate!r}.")
    if momentum is not None and not 0 <= momentum < 1:
        raise ValueError(f"momentum must be in [0, 1), since at 1 nothing is ever forgotten; got {momentum!r}.")
    batch_size, n_samples = quantities["batch_size"], quantities["n_samples"]
    if automatic:
        if n_samples is None:
            raise ValueError("batch_size='auto' is min(200, n_samples): pass n_samples too, or the batch size itself.")
        quantities["batch_size"] = min(200, n_samples)
    elif batch_size is not None and n_samples is not None and batch_size > n_samples:
        raise ValueError(f"batch_size={batch_size} is larger than n_samples={n_samples}; pass at most n_samples.")
    return quantities


def _checked_number(number, convention):
    name = convention.name
    if not isinstance(number, Real) or math.isnan(number):
        raise ValueError(f"alpha must be a number; got {number!r}. Convert the values of several layers one by one.")
    number = float(number)
    if name == "keep":
        if not 0 < number <= 1:
            raise ValueError(f"keep is the factor that an update multiplies weights by, in (0, 1]; got {number:g}.")
    elif convention.is_measure or convention.power < 0:
        if number <= 0:
            raise ValueError(f"{name} must be positive: at 0 all weights would be gone at once; got {number:g}.")
    elif number < 0 or math.isinf(number):
        raise ValueError(f"alpha must be finite and not negative: it would make weights grow; got {number:g}.")
    return number
