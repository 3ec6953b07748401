"""From one convention to another: which number, how equal, and why.

A number becomes the strength of its rule, a monomial in the quantities of the run (`skl2net.conventions.records`).
Two penalties are compared as multiples of their data losses, everything else by the share of a weight that one update
removes (`skl2net.l2.long_run_share`). Whether the two then do the same is a question about the two updates, and
`_Run.differences` answers it in words.
"""

import math

from skl2net.conventions.checks import check_choice, check_number, check_quantities, find_convention
from skl2net.conventions.convention import LOSS_SCALES, OPEN_LOSSES
from skl2net.conventions.lines import render
from skl2net.conventions.records import CONVENTIONS
from skl2net.conventions.result import SENSES, AlphaConversion, ConventionTable, claim_of
from skl2net.l2 import long_run_share

_SOLVERS = ("sgd", "adam", "lbfgs", "pso")
_FULL_BATCH = ("lbfgs", "pso")
_LOSSES = tuple(LOSS_SCALES["skl2net"])
_CALLED = {"sgd": "SGD", "adam": "Adam", "lbfgs": "L-BFGS", "pso": "the swarm", None: "another optimiser"}
_CALLED |= {name.lower(): name for name in ("NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax")}

# What a quantity is, for a user who is asked for it; and what stands for it until then.
_MEANINGS = {
    "learning_rate": "the learning rate",
    "batch_size": "the number of samples in an update",
    "n_samples": "the number of training samples",
    "n_epochs": "the number of epochs of the whole training",
    "momentum": "the momentum of SGD, 0 for none",
    "n_outputs": "the number of outputs",
    "loss": "the loss function: " + ", ".join(map(repr, _LOSSES)),
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
    nesterov=None,
    beta_1=None,
    beta_2=None,
    epsilon=None,
    loss=None,
    n_outputs=None,
    solver=None,
    schedule=False,
):
    r"""Convert an L2 strength from one library's convention to another's.

    Two penalties are made equal as multiples of their data losses, everything else as the share of a weight that one
    update removes. Only what the number depends on is asked for, all of it at once; what the pair does not need may be
    given all the same. What is not given and decides nothing but the printed lines (the learning rate, the momentum,
    Adam's constants) is the source's default.

    Parameters
    ----------
    alpha : float
        The number in the source's convention.
    source, target : str
        Names of conventions, see `list_conventions`: ``"penalty"``, ``"sklearn.MLP"``, ``"torch.AdamW"``, ...
    learning_rate : float, default=None
        Learning rate :math:`\eta`, in the terms of the source, or of the target if the source is a closed form or a
        measure. With a schedule, the initial one.
    batch_size : int or "auto", default=None
        Number of samples in an update; "auto" is ``min(200, n_samples)``, the default of our estimators and of
        scikit-learn's.
    n_samples : int, default=None
        Number of training samples.
    n_epochs : int, default=None
        Epochs of the whole training; only Loshchilov & Hutter's normalised decay depends on it.
    momentum : float, default=None
        Momentum :math:`\mu` of SGD, in [0, 1).
    nesterov : bool, default=None
        Whether it is Nesterov's momentum. None is the source's default: Nesterov's here and in scikit-learn, plain in
        PyTorch, Keras and optax.
    beta_1, beta_2, epsilon : float, default=None
        Adam's constants. None is the source's default.
    loss : {"log_loss", "multilabel_log_loss", "squared_error", "poisson"}, default=None
        The libraries' own loss functions, which differ in scale: the squared error is :math:`\tfrac12\sum` over
        outputs here and in scikit-learn, and the mean over outputs without the :math:`\tfrac12` in PyTorch and Keras.
        None is the same loss function on both sides.
    n_outputs : int, default=None
        Number of outputs of the network. Needed if a library divides the loss by it.
    solver : {"sgd", "adam", "lbfgs", "pso"}, default=None
        The optimiser, if the names of the conventions do not say it. None is "sgd" if `momentum` is given.
    schedule : bool, default=False
        Whether the learning rate changes during training.

    Returns
    -------
    AlphaConversion
        `alpha`, `exact`, `sense`, `reason`, `learning_rate`, `code`, ...

    Raises
    ------
    ValueError
        If a name is unknown, quantities that the pair needs are missing, a value is impossible, or the result is
        beyond the range of floating point numbers.

    Examples
    --------
    What scikit-learn's default alpha is in PyTorch, at 2000 samples in batches of 250:

    >>> from skl2net import convert_alpha
    >>> conversion = convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size=250, n_samples=2000)
    >>> f"{float(conversion):.6g}", conversion.exact
    ('4e-07', True)
    >>> conversion.naive_factor  # 1e-4 typed there would be so many times too strong
    250.0

    The prior counts as ridge regression does, so that there is nothing to know of the data:

    >>> print(convert_alpha(2.0, "sklearn.Ridge", "prior"))
    sklearn.Ridge 2 is prior 2, exactly: the two minimise the same objective, without hidden layers. A
    linear model.
    L2NetRegressor(hidden_layer_sizes=(), solver="lbfgs", l2_mode="prior", alpha=2)

    Under momentum, a penalty and a decoupled decay follow different trajectories, with the same share of a weight
    removed per update:

    >>> print(convert_alpha(1e-4, "penalty", "decoupled", solver="sgd", momentum=0.9, learning_rate=0.01))
    penalty 0.0001 is decoupled 0.00100008, though not exactly: the two remove the same share of a
    weight per update, and so have the same timescale. A penalty passes through the momentum and a decay
    does not: the share is that of the long run. ...
    L2NetClassifier(solver="sgd", l2_mode="decoupled", alpha=0.00100008..., learning_rate_init=0.01)
    """
    source, target = find_convention(source, "source"), find_convention(target, "target")
    quantities = check_quantities(
        learning_rate=learning_rate,
        batch_size=batch_size,
        n_samples=n_samples,
        n_epochs=n_epochs,
        momentum=momentum,
        n_outputs=n_outputs,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
    )
    quantities["nesterov"] = None if nesterov is None else bool(nesterov)
    loss = check_choice(loss, _LOSSES, "loss")
    solver = check_choice(solver, _SOLVERS, "solver")
    number = check_number(alpha, source)
    return _Run(source, target, quantities, loss, solver, bool(schedule)).convert(number)


def equivalents(
    alpha,
    l2_mode,
    *,
    solver,
    n_layers,
    learning_rate=None,
    momentum=None,
    nesterov=None,
    batch_size=None,
    n_samples=None,
    loss=None,
    n_outputs=None,
    has_schedule=False,
    beta_1=None,
    beta_2=None,
    epsilon=None,
):
    """What a run of ours would be called elsewhere, in every library that has the network, the solver and the loss.

    Parameters
    ----------
    alpha : float
    l2_mode : str
        One of skl2net's own rules.
    solver : {"sgd", "adam", "lbfgs", "pso"}
    n_layers : int
        Number of weight layers of the network.
    has_schedule : bool, default=False
        Whether the learning rate changed.
    learning_rate, momentum, nesterov, batch_size, n_samples, loss, n_outputs, beta_1, beta_2, epsilon
        As for `convert_alpha`; libraries that need one that is None are left out.

    Returns
    -------
    tuple of AlphaConversion
        The exact ones first, then by what is left of the equivalence.
    """
    run = {
        "learning_rate": learning_rate,
        "momentum": momentum,
        "nesterov": nesterov,
        "batch_size": batch_size,
        "n_samples": n_samples,
        "loss": loss,
        "n_outputs": n_outputs,
        "beta_1": beta_1,
        "beta_2": beta_2,
        "epsilon": epsilon,
        "schedule": has_schedule,
    }
    found = []
    for name, convention in CONVENTIONS.items():
        runs_there = solver in convention.solvers or convention.is_closed_form
        runs_there |= solver in _FULL_BATCH and "lbfgs" not in convention.solvers and not convention.is_decay
        fits_there = convention.n_layers is None or n_layers <= convention.n_layers
        fits_there &= convention.n_outputs is None or (n_outputs or 1) <= convention.n_outputs
        if convention.is_ours or convention.is_measure or not (runs_there and fits_there):
            continue
        try:
            conversion = convert_alpha(alpha, l2_mode, name, solver=solver, **run)
        except ValueError:  # another loss, something that is not known of the run, or out of range
            continue
        if conversion.alpha is not None and conversion.sense != "penalty":
            found.append(conversion)
    return tuple(sorted(found, key=lambda conversion: (not conversion.exact, SENSES.index(conversion.sense))))


def list_conventions():
    """List the conventions that `convert_alpha` knows.

    Returns
    -------
    ConventionTable
        A tuple of `Convention` that prints, and displays in notebooks, as a table.

    Examples
    --------
    >>> from skl2net import list_conventions
    >>> list_conventions()
    name ...
    prior w ← w − step(g + λ/N·w); objective: mean loss + λ/(2N)·Σw² [skl2net]
    ...
    >>> [convention.name for convention in list_conventions() if convention.library == "optax"]
    ['optax.add_decayed_weights', 'optax.adamw']
    """
    return ConventionTable(CONVENTIONS.values())


class _NoEquivalent(Exception):
    """There is no number in the target's convention; the message says why."""


class _Run:
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

    def convert(self, number):
        try:
            scale = self._loss_ratio()
            alpha = self._translate(number, scale)
            differences = [] if self.source is self.target else self._differences()
            self._raise_if_missing()
        except _NoEquivalent as why:
            self._raise_if_missing()
            return self._result(number, None, [(None, str(why))], 1.0)
        except (OverflowError, ZeroDivisionError):
            self._raise_if_missing()
            raise self._out_of_range(number) from None
        return self._result(number, alpha, differences, scale)

    # What is known of the run

    def _need(self, name, why=""):
        """A quantity that the number depends on. If it is missing it is noted, and a stand-in is returned."""
        value = self.loss if name == "loss" else self.quantities[name]
        if value is None:
            self.missing.setdefault(name, why)
            return _PLACEHOLDERS[name]
        return value

    def _raise_if_missing(self):
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
        known = [(CONVENTIONS["penalty"], self.solvers[1]), (self.target, self.solvers[1])]
        known += [(self.source, self.solvers[0])] if self.solvers[0] == self.solvers[1] else []
        settings = {}
        for convention, solver in known:
            optimiser = convention.optimisers.get(solver)
            settings |= {} if optimiser is None else optimiser.defaults
        return settings | {name: value for name, value in self.quantities.items() if value is not None}

    def _quantity(self, key):
        if key == "updates_per_epoch":
            return math.ceil(self._need("n_samples") / self._need("batch_size"))
        return self._need(key)

    def _powers(self, convention, *, of_share=False):
        """Powers of the quantities in the strength, or in the share that one update removes before momentum."""
        powers = convention.powers()
        if self._is_full_batch() and "batch_size" in powers:
            powers["n_samples"] = powers.get("n_samples", 0) + powers.pop("batch_size")
        if of_share and convention.is_penalty:
            powers["learning_rate"] = powers.get("learning_rate", 0) + 1
        return powers

    def _is_known(self, powers):
        names = {name for key in powers for name in _NAMES.get(key, (key,))}
        return all(self.quantities[name] is not None for name in names)

    def _is_full_batch(self):
        return any(solver in _FULL_BATCH for solver in self.solvers) or (self.has_closed_form and not any(self.solvers))

    # The number

    def _translate(self, number, scale):
        """The number in the target's convention."""
        same = self.source is self.target
        reads_updates = any(c.reads_updates for c in self.pair)
        if same and reads_updates:
            return number
        updates = self._quantity("updates_per_epoch") if reads_updates else None
        strength = self.source.strength(number, updates)
        self._check_source(number, strength)
        if same:
            return number
        if strength in (0, math.inf):
            if 0 < number < math.inf and number != 1:  # keep 1 is no decay
                raise self._out_of_range(number)
            return self.target.number(strength, updates)
        solver = self._solver_of_penalty() if self.crosses else None
        before, after = (self._powers(c, of_share=self.crosses) for c in self.pair)
        if solver == "sgd" and (self._momentum() or self._is_known({**before, **after})):
            strength *= self._product(before, self._rate(0, scale))
            strength = self._through_sgd(strength)
            strength /= self._product(after, self._rate(1, scale))
        else:
            strength *= self._ratio(before, after, scale)
        alpha = self.target.number(strength, updates)
        if not (0 < strength < math.inf and math.isfinite(alpha)) and not self.missing:
            raise self._out_of_range(number)
        return alpha

    def _ratio(self, before, after, scale):
        """Ratio of the two strengths; the quantities that cancel are not asked for."""
        net = {key: before.get(key, 0) - after.get(key, 0) for key in {**before, **after}}
        net = {key: power for key, power in net.items() if power}
        ratio = self._product(net, self._rate(0, scale) if "learning_rate" in net else 1.0)
        if self.penalties:
            return ratio / scale
        return ratio / self._rate_ratio(scale) ** after.get("learning_rate", 0)

    def _product(self, powers, rate):
        return math.prod(
            (rate if key == "learning_rate" else self._quantity(key)) ** power for key, power in powers.items()
        )

    def _through_sgd(self, value):
        """From a penalty's shrink to the share of the long run, or back."""
        momentum, nesterov = self._momentum(), bool(self.settings.get("nesterov"))
        if not self.source.is_penalty:
            return _shrink_of_share(value, momentum, nesterov)
        self.shrink = value
        if value >= 2 * (1 + momentum) / (1 + 2 * momentum * nesterov):
            raise _NoEquivalent("under so strong a penalty weights grow without bound")
        share = float(long_run_share(value, momentum=momentum, nesterov=nesterov))
        if share >= 1 and self.target.is_decay:
            raise _NoEquivalent("it removes whole weights at once, and a decay has to leave a part of them")
        return share

    def _solver_of_penalty(self):
        """The solver that a penalty's share passes through; raise if it leaves none."""
        if self.solvers == (None, None) and self.solver is None:
            self.missing["solver"] = (
                ": a penalty removes a share of a weight under SGD, and none that is fixed under Adam"
            )
            return "sgd"
        side = 0 if self.source.is_penalty else 1
        solver = self.solvers[side] or self.solvers[1 - side] or self.solver
        if solver in _FULL_BATCH:
            raise _NoEquivalent(
                f"solver={solver!r} minimises the objective as a whole and has no update that removes a share of a "
                "weight; choose the decay afresh, by validation"
            )
        if solver != "sgd":
            raise _NoEquivalent(
                f"{_CALLED[solver]} divides a penalty's part of the gradient by its own size, so that a penalty "
                "removes no fixed share of a weight, whatever its strength; choose the decay afresh, by validation"
            )
        return solver

    def _momentum(self):
        return self._need("momentum", ": SGD's momentum multiplies the share that a penalty removes")

    def _rate(self, side, scale):
        """The learning rate that the gradient is multiplied by on one side."""
        given = 1 if self.source.is_measure or self.source.is_closed_form else 0
        rate = self._need("learning_rate") * self._rate_times(given)
        return rate if side == given else rate * self._rate_ratio(scale) ** (side - given)

    def _rate_times(self, side):
        """What a library multiplies its learning rate by before it is used."""
        optimiser = self.pair[side].optimisers.get(self.solvers[side])
        if optimiser is None or not optimiser.rate_times:
            return 1.0
        known = {"1 - momentum": 1 - self._momentum()}
        return math.prod(known[key] ** power for key, power in optimiser.rate_times.items())

    def _rate_ratio(self, scale):
        """Ratio of the two effective learning rates: under SGD it makes up for the scale of the loss."""
        return scale if self.is_sgd else 1.0

    def _rate_factor(self, scale):
        """What the learning rate has to be multiplied by."""
        if self.has_measure or self.has_closed_form:
            return 1.0
        return self._rate_ratio(scale) * self._rate_times(0) / self._rate_times(1)

    def _check_source(self, number, strength):
        """Refuse a decay that would remove whole weights, if that is known."""
        powers = self.source.powers()
        if self.source.is_penalty or not self._is_known(powers):
            return
        share = strength * self._product(powers, self.quantities["learning_rate"])
        if share >= 1:
            advice = "Raise it." if self.source.is_measure or self.source.name == "keep" else "Lower it."
            if "learning_rate" in powers:
                advice = "Lower it or the learning rate."
            raise ValueError(
                f"{self.source.name} {number:g} would remove {share:.4g} times each weight in every update; a share "
                f"must stay below 1. {advice}"
            )

    def _out_of_range(self, number):
        return ValueError(
            f"{self.source.name} {number:g} is beyond the range of floating point numbers in {self.target.name}."
        )

    # The data loss

    def _loss_ratio(self):
        """The source's data loss as a multiple of the target's."""
        for convention in self.pair:
            if convention.loss and self.loss and convention.loss != self.loss:
                raise ValueError(f"{convention.name} has loss={convention.loss!r}; got loss={self.loss!r}.")
        if self.has_measure or (self.solvers[0] != self.solvers[1] and not self.penalties):
            return 1.0  # the learning rates of two different optimisers are not comparable anyway
        own, other = (c.loss for c in self.pair)
        common = self.loss or own or other
        if common is None:
            scales, others = self._loss_tables()
            differ = any(scales[loss] != others[loss] for loss in scales.keys() & others.keys())
            if self._assumes_loss() or not differ:
                return 1.0
            common = self._need("loss")
        (factor, divided), (other_factor, other_divided) = (_loss_scale(c, c.loss or common) for c in self.pair)
        ratio = factor / other_factor
        if divided != other_divided:
            k = self._need("n_outputs", ": one of the two divides the loss by it")
            ratio *= 1 / k if divided else k
        if ratio != 1 and self.solvers == (None, None) and not self.has_closed_form:
            self.missing["solver"] = ": the two scale the loss differently, which Adam undoes and SGD does not"
        return ratio

    def _loss_tables(self):
        return [LOSS_SCALES[c.losses] for c in self.pair]

    def _assumes_loss(self):
        """Whether no loss was given, and the same loss function can run on both sides."""
        is_open = any(c.losses in OPEN_LOSSES for c in self.pair) and not any(c.loss for c in self.pair)
        return self.loss is None and not self.has_measure and is_open

    def _assumption(self):
        """What a library's own squared error would change, if no loss was given."""
        if not self._assumes_loss():
            return ""
        scales = [table.get("squared_error") for table in self._loss_tables()]
        if None in scales or scales[0] == scales[1]:
            return ""
        (factor, divided), (other_factor, other_divided) = scales
        ratio, power = factor / other_factor, other_divided - divided
        k = self.quantities["n_outputs"]
        changed = []
        if self.penalties or (self.is_sgd and (self.target.is_penalty or self.target.rule == "decoupled")):
            changed.append(f"the number by {_factor_text(1 / ratio, -power, k)}")
        if self.is_sgd or (self.penalties and self.solvers == (None, None)):
            under = "" if self.is_sgd else " under SGD"
            changed.append(f"the learning rate{under} by {_factor_text(ratio, power, k)}")
        if not changed:
            return ""
        library = next(c for c in reversed(self.pair) if c.losses in OPEN_LOSSES)
        outputs = ", with K outputs" if k is None and power else ""
        return (
            f"The loss function is the same on both sides; for {library.library}'s {library.squared_error}{outputs}, "
            f"multiply {' and '.join(changed)}."
        )

    # What differs

    def _differences(self):
        """Pairs of the sense that is left and the reason why, for everything in which the two updates differ."""
        found = [*self._rule_differences(), *self._model_differences()]
        if not (self.has_closed_form or self.has_measure):
            found += self._optimiser_differences()
        is_mild = all(sense == "limit" for sense, _ in found)
        if is_mild or self._is_known(("batch_size", "n_samples")):
            found += self._batch_differences()
        return found

    def _rule_differences(self):
        """What the two rules do differently on the same run."""
        rules = {c.rule for c in self.pair}
        if self.crosses and self.quantities["momentum"] != 0:
            yield (
                "share",
                "a penalty passes through the momentum and a decay does not: the share is that of the long run",
            )
        if self._oscillates():
            yield "share", "the penalty is so strong that weights change sign: the share is that of their size"
        if "decay_after" in rules and len(rules) > 1 and not self.has_measure:
            yield "share", "one shrinks the weights' step along with the weights, but not that of the biases"
        if self.schedule:
            follows = {c.follows_schedule for c in self.pair if not c.is_measure}
            if len(follows) == 2:
                yield "share", "the schedule of the learning rate changes the share in one of the two only"
            elif self.has_measure and True in follows:
                yield "share", "the schedule changes the share; the number holds for the given learning rate"

    def _oscillates(self):
        """Whether the penalty's share is that of an oscillation, or of weights that change sign in every update."""
        if not self.shrink:
            return False
        momentum = self._momentum()
        if self.settings.get("nesterov"):
            return self.shrink > 1 - 4 * momentum / (1 + momentum) ** 2
        return self.shrink > (1 - math.sqrt(momentum)) ** 2

    def _batch_differences(self):
        """What a last batch of another size does to a penalty that is divided by it."""
        rules = {c.rule for c in self.pair}
        if "penalty_per_sample" not in rules or len(rules) == 1 or self._is_full_batch():
            return
        if self.quantities["batch_size"] == 1 or self._need("n_samples") % self._need("batch_size") == 0:
            return
        yield (
            "batches",
            f"batch_size={self.quantities['batch_size']} does not divide n_samples={self.quantities['n_samples']}: the "
            "last batch of an epoch is smaller, and penalised more in one of the two",
        )

    def _model_differences(self):
        """What differs in the model, the loss or what is penalised, whatever the optimiser."""
        left = "objective" if self.penalties else "share"
        n_outputs = self.quantities["n_outputs"] or 1
        if self.source.loss and self.target.loss and self.source.loss != self.target.loss:
            yield "penalty", f"one has the loss {self.source.loss}, the other {self.target.loss}"
        for convention, solver in zip(self.pair, self.solvers, strict=True):
            yield from convention.differences
            if convention.n_outputs is not None and n_outputs > convention.n_outputs:
                yield "penalty", f"{convention.name} has one output only"
            wrong = convention.name == "sklearn.MLP" and solver == "lbfgs" and n_outputs > 1
            if wrong and self.loss in ("squared_error", "poisson"):
                yield (
                    "penalty",
                    "for several real targets scikit-learn's L-BFGS follows a wrong gradient (its issue 8349)",
                )
        for conflict in self.conflicts:
            yield left, conflict
        treats = {c.biases == "always" for c in self.pair if not c.is_measure}
        if len(treats) == 2:
            name = next(c.name for c in self.pair if c.biases == "always")
            yield "parts", f"{name} shrinks the biases too, and cannot leave them out"

    def _optimiser_differences(self):
        """What the two optimisers do differently."""
        left = "objective" if self.penalties else "share"
        own, other = self.solvers
        if own != other:
            advice = "" if left == "objective" else "; if their learning rates differ, go by way of 'timescale'"
            yield left, f"{_CALLED[own]} and {_CALLED[other]} take different steps{advice}"
        elif own == "sgd":
            yield from self._momentum_differences(left)
        elif len({c.optimisers["adam"].epsilon_at for c in self.pair if "adam" in c.solvers}) == 2:
            under = "" if own else "under Adam, "
            yield "limit", f"{under}epsilon stands beside √v in one and beside the corrected √v̂ in the other"

    def _momentum_differences(self, left):
        if not self.settings.get("momentum"):
            return
        kind = "nesterov" if self.settings.get("nesterov") else "plain"
        for convention in self.pair:
            if kind not in convention.optimisers["sgd"].momenta and "momentum" not in convention.fixed:
                default = "" if "nesterov" in self.given else f", the default of {self.source.name}"
                yield (
                    left,
                    f"{convention.name} has no {'Nesterov' if kind == 'nesterov' else 'plain'} momentum{default}",
                )
        if self.schedule and len({c.optimisers["sgd"].rate_inside for c in self.pair}) == 2:
            yield (
                left,
                "one holds the learning rate inside the momentum and the other outside: the two are equal while it is "
                "constant",
            )

    # The result

    def _conditions(self):
        source, target = self.pair
        for convention in self.pair:
            if convention.biases == "by default" and source.biases != target.biases:
                yield f"biases are exempt in {convention.name}, which decays them by default"
            if convention.condition:
                yield convention.condition
        settled = {name: value for name, value in target.fixed.items() if name not in {*self.given, *source.fixed}}
        if settled and source.optimisers:
            yield f"{source.name} runs with " + " and ".join(f"{name}={value:g}" for name, value in settled.items())

    def _result(self, number, alpha, differences, scale):
        senses = {self._best_sense(), *(sense for sense, _ in differences)}
        rate_factor = self._rate_factor(scale)
        rate = self.quantities["learning_rate"]
        rate = None if rate is None or self.target.is_closed_form or self.target.is_measure else rate * rate_factor
        found, same = alpha is not None, self.source is self.target
        is_open = self.solvers == (None, None) and not (self.has_measure or same)
        return AlphaConversion(
            source=self.source.name,
            target=self.target.name,
            given=number,
            alpha=alpha,
            exact=not differences,
            sense=max(senses, key=SENSES.index) if found else None,
            claim=claim_of(senses, same_optimiser=is_open, linear=self.is_linear) if found else "",
            reason="; ".join(dict.fromkeys(reason for _, reason in differences)),
            conditions=tuple(self._conditions()) if found and not same else (),
            assumption=self._assumption() if found and not same else "",
            remarks=tuple(dict.fromkeys(c.remark for c in reversed(self.pair) if c.remark)),
            learning_rate=rate,
            learning_rate_factor=rate_factor,
            naive_factor=self._naive_factor(number, alpha),
            language=self.target.language,
            code=self._code(alpha, scale, rate_factor) if found else "",
        )

    def _best_sense(self):
        if self.has_closed_form or (self.penalties and any(solver in _FULL_BATCH for solver in self.solvers)):
            return "objective"
        return "measure" if self.has_measure else "trajectory"

    def _naive_factor(self, number, alpha):
        if alpha is None or self.has_measure:
            return None
        meant = self.target.strength(alpha)
        return self.target.strength(number) / meant if 0 < meant < math.inf else None

    def _code(self, alpha, scale, rate_factor):
        solver = self.solvers[1]
        if solver is None and self.has_closed_form and "lbfgs" in self.target.solvers:
            solver = "lbfgs"
        values = dict(self.settings)
        if "learning_rate" in values:
            values["learning_rate"] *= rate_factor
        if self.solvers == ("adam", "adam"):
            values["epsilon"] /= scale
        if not values.get("momentum"):
            values["nesterov"] = None
        batch_size, n_samples = self.quantities["batch_size"], self.quantities["n_samples"]
        if batch_size is not None and n_samples is not None and batch_size == min(200, n_samples):
            values["batch_size"] = None
        loss = self.loss or self.source.loss
        return render(self.target, solver, alpha, values, loss=loss, is_linear=self.is_linear)


def _shrink_of_share(share, momentum, nesterov):
    """The learning rate times the penalty whose share of the long run this is: the inverse of `long_run_share`."""
    kept = 1 - share
    if nesterov and share > (1 - momentum) / (1 + momentum):
        return 1 - kept**2 / momentum
    if nesterov:
        return share * (kept - momentum) / (kept - momentum * share)
    if share > 1 - math.sqrt(momentum):
        raise _NoEquivalent(
            f"with momentum {momentum:g} no penalty removes more than {1 - math.sqrt(momentum):.3g} of a weight per "
            f"update, and this is {share:.3g}"
        )
    return share * (kept - momentum) / kept


def _loss_scale(convention, loss):
    scales = LOSS_SCALES[convention.losses]
    if loss not in scales:
        raise ValueError(f"{convention.name} has no loss={loss!r}; it has {', '.join(map(repr, scales))}.")
    return scales[loss]


def _factor_text(factor, power, n_outputs):
    """A factor times a power of the number of outputs, as a reader would write it."""
    if n_outputs is not None:
        return f"{factor * n_outputs**power:.6g}"
    above = "K" if power > 0 else ""
    below = "K" if power < 0 else ""
    if factor >= 1:
        above = (f"{factor:g}·{above}" if factor != 1 else above) if above else f"{factor:g}"
    else:
        below = f"({1 / factor:g}·{below})" if below else f"{1 / factor:g}"
    return f"{above or 1}/{below}" if below else above
