"""From one convention to another: the number, how equal the two rules are, and why.

The strengths of both are monomials in the quantities of the run, and quantities that cancel are not asked for. Between
a penalty and a decay stands the share of a weight that one update removes in the long run, which momentum makes no
monomial. `skl2net.conventions.comparison` says how the two updates differ.
"""

import difflib
import math
import re
from numbers import Integral, Real

from skl2net._sklearn_private import Interval
from skl2net.conventions.comparison import FULL_BATCH, NAMES, Pair, find_conditions, find_differences
from skl2net.conventions.records import ALIASES, CONVENTIONS, LEFT_OUT
from skl2net.conventions.result import SENSES, AlphaConversion, ConventionTable, Equivalents, claim_of
from skl2net.l2 import long_run_share
from skl2net.losses import LOSSES

_SOLVERS = ("sgd", "adam", "lbfgs", "pso")
_RANGES = {
    **dict.fromkeys(("batch_size", "n_samples", "n_epochs", "n_outputs"), Interval(Integral, 1, 2**53, closed="left")),
    **dict.fromkeys(("learning_rate", "epsilon"), Interval(Real, 0, None, closed="neither")),
    **dict.fromkeys(("momentum", "beta_1", "beta_2"), Interval(Real, 0, 1, closed="left")),
}


def convert_alpha(
    alpha: float,
    source: str,
    target: str,
    *,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    n_samples: int | None = None,
    n_epochs: float | None = None,
    momentum: float | None = None,
    nesterov: bool | None = None,
    beta_1: float | None = None,
    beta_2: float | None = None,
    epsilon: float | None = None,
    loss: str | None = None,
    n_outputs: int | None = None,
    solver: str | None = None,
    schedule: bool = False,
) -> AlphaConversion:
    r"""Convert an L2 strength from one library's convention to another's.

    Two penalties are made equal as multiples of their data losses, everything else as the share of a weight that one
    update removes. Only the quantities that the number depends on are required, and other quantities are accepted.
    Settings that only change the printed lines (the learning rate, the momentum, Adam's constants) default to those of
    the source.

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
        Epochs of the whole training. Used by Loshchilov & Hutter's normalised decay only.
    momentum : float, default=None
        Momentum :math:`\mu` of SGD, in [0, 1).
    nesterov : bool, default=None
        Whether it is Nesterov's momentum. None is the source's default: Nesterov's here and in scikit-learn, plain in
        PyTorch, Keras and optax.
    beta_1, beta_2, epsilon : float, default=None
        Adam's constants. None is the source's default.
    loss : str, default=None
        The libraries' own loss functions, which differ in scale: "log_loss", "multilabel_log_loss", "squared_error",
        "absolute_error", "huber", "quantile" or "poisson". The squared error is :math:`\tfrac12\sum` over outputs here
        and in scikit-learn, and the mean over outputs without the :math:`\tfrac12` in PyTorch and Keras. "huber" has
        :math:`\delta = 1.35` in every library; "quantile" stands for the mean over outputs where users write it
        themselves. None is the same loss function on both sides.
    n_outputs : int, default=None
        Number of outputs of the network. Required if a library divides the loss by it.
    solver : {"sgd", "adam", "lbfgs", "pso"}, default=None
        The optimiser, if the conventions do not determine it. None is "sgd" if `momentum` is given.
    schedule : bool, default=False
        Whether the learning rate changes during training.

    Returns
    -------
    AlphaConversion
        `alpha`, `exact`, `sense`, `reason`, `learning_rate`, `code`, ...

    Raises
    ------
    ValueError
        If a name is unknown, a required quantity is missing, a value is invalid, or the result is beyond the range of
        floating point numbers.

    Examples
    --------
    scikit-learn's default alpha in PyTorch, with 2000 samples in batches of 250:

    >>> from skl2net import convert_alpha
    >>> conversion = convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size=250, n_samples=2000)
    >>> f"{float(conversion):.6g}", conversion.exact
    ('4e-07', True)
    >>> conversion.naive_factor  # 1e-4 would be this many times too strong there
    250.0

    The prior has the scale of ridge regression, so that nothing is required of the data:

    >>> print(convert_alpha(2.0, "sklearn.Ridge", "prior"))
    sklearn.Ridge 2 is prior 2, exactly: the two minimise the same objective, without hidden layers. A
    linear model.
    L2NetRegressor(hidden_layer_sizes=(), solver="lbfgs", l2_mode="prior", alpha=2, normalize_y=False)

    Under momentum, a penalty and a decoupled decay follow different trajectories, with the same share of a weight
    removed per update:

    >>> print(convert_alpha(1e-4, "penalty", "decoupled", solver="sgd", momentum=0.9, learning_rate=0.01))
    penalty 0.0001 is decoupled 0.00100008, though not exactly: the two remove the same share of a
    weight per update, and so have the same timescale. A penalty passes through the momentum and a decay
    does not: the share is that of the long run. ...
    L2NetClassifier(solver="sgd", learning_rate="constant", l2_mode="decoupled", alpha=0.00100008...)
    """
    source, target = _find_convention(source, "source"), _find_convention(target, "target")
    quantities = _check_quantities(
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
    loss = _check_choice(loss, LOSSES, "loss")
    solver = _check_choice(solver, _SOLVERS, "solver")
    number = _check_number(alpha, source)
    pair = Pair(source, target, quantities, loss, solver, bool(schedule))
    try:
        scale = _loss_ratio(pair)
        alpha = _translate(pair, number, scale)
        differences = [] if source is target else find_differences(pair)
        pair.raise_if_missing()
    except _NoEquivalent as why:
        pair.raise_if_missing()
        return _result(pair, number, None, [(None, str(why))], 1.0)
    except (OverflowError, ZeroDivisionError):
        pair.raise_if_missing()
        raise _out_of_range(pair, number) from None
    return _result(pair, number, alpha, differences, scale)


def equivalents(alpha, l2_mode, *, solver, n_layers, n_outputs, **run):
    """The equivalents of a rule of ours in every library that supports the network, the solver and the loss.

    Libraries for which `convert_alpha` lacks a quantity are left out. Exact equivalents come first, then those from the
    strongest sense of equivalence to the weakest.
    """
    found = []
    for name, convention in CONVENTIONS.items():
        runs_there = solver in convention.solvers or convention.is_closed_form
        runs_there |= solver in FULL_BATCH and "lbfgs" not in convention.solvers and not convention.is_decay
        fits_there = convention.n_layers is None or n_layers <= convention.n_layers
        fits_there &= convention.n_outputs is None or n_outputs <= convention.n_outputs
        if convention.is_ours or convention.is_measure or not (runs_there and fits_there):
            continue
        try:
            conversion = convert_alpha(alpha, l2_mode, name, solver=solver, n_outputs=n_outputs, **run)
        except ValueError:  # another loss, a missing quantity, or out of range
            continue
        if conversion.alpha is not None and conversion.sense != "penalty":
            found.append(conversion)
    return Equivalents(sorted(found, key=lambda conversion: (not conversion.exact, SENSES.index(conversion.sense))))


def list_conventions() -> ConventionTable:
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


def _find_convention(name, role):
    """The convention of a name or an alias."""
    known = CONVENTIONS | ALIASES
    if isinstance(name, str) and name in known:
        return known[name]
    hint = _hint(name, known) if isinstance(name, str) and name else ""
    raise ValueError(f"{role}={name!r} is not a known convention.{hint} list_conventions() lists all of them.")


def _hint(name, known):
    """What the name of a library, a class or an optimiser may stand for."""
    word = name.lower().rpartition(".")[2]

    def occurs(text, followed_by=r"\b"):
        return re.search(rf"\b{re.escape(word)}{followed_by}", text.lower()) is not None

    for matches in (
        lambda key: key.lower() == name.lower(),
        lambda key: key.lower().rpartition(".")[2] == word or occurs(known[key].parameter, r"\("),
        lambda key: key.lower().startswith(name.lower()),
        lambda key: occurs(known[key].library),
    ):
        found = [key for key in known if matches(key)]
        if found:
            return f" Did you mean {' or '.join(map(repr, found[:3]))}?"
    for libraries, reason in LEFT_OUT.items():
        if occurs(libraries.replace("'s", "")):
            return f" Left out: {libraries}, since {reason}."
    return _suggestion(name, known)


def _suggestion(name, known):
    """The names that are spelt most like a name."""
    lower = {key.lower(): key for key in known}
    near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.4)
    return f" Did you mean {' or '.join(repr(lower[key]) for key in near)}?" if near else ""


def _check_choice(value, choices, name):
    if value is None or (isinstance(value, str) and value in choices):
        return value
    hint = _suggestion(value, choices) if isinstance(value, str) else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.{hint}")


def _check_quantities(**quantities):
    """The quantities of a run as Python numbers; None stays None."""
    automatic = isinstance(quantities["batch_size"], str) and quantities["batch_size"] == "auto"
    if automatic:
        quantities["batch_size"] = None
    checked = dict(quantities)
    for name, value in quantities.items():
        if value is not None:
            if not _RANGES[name].is_satisfied_by(value):
                raise ValueError(f"{name} must be {_RANGES[name]}; got {value!r}.")
            checked[name] = int(value) if _RANGES[name].type is Integral else float(value)
    batch_size, n_samples = checked["batch_size"], checked["n_samples"]
    if automatic:
        if n_samples is None:
            raise ValueError("batch_size='auto' is min(200, n_samples): pass n_samples too, or the batch size itself.")
        checked["batch_size"] = min(200, n_samples)
    elif batch_size is not None and n_samples is not None and batch_size > n_samples:
        raise ValueError(f"batch_size={batch_size} is larger than n_samples={n_samples}; pass at most n_samples.")
    return checked


def _check_number(number, convention):
    """The number in the source's convention, as a float."""
    if not isinstance(number, Real) or number != number:
        raise ValueError(f"alpha must be a number; got {number!r}. Convert the values of several layers one by one.")
    try:
        number = float(number)
    except OverflowError:
        raise ValueError("alpha is too large for a floating point number.") from None
    name, is_reciprocal = convention.name, convention.is_measure or convention.power < 0
    if name == "keep" and not 0 < number <= 1:
        raise ValueError(f"keep is the factor that an update multiplies weights by, in (0, 1]; got {number:g}.")
    if is_reciprocal and number <= 0:
        raise ValueError(f"{name} must be positive: at 0 all weights would be gone at once; got {number:g}.")
    if not is_reciprocal and not 0 <= number < math.inf:
        raise ValueError(f"alpha must be finite and not negative: weights would grow otherwise; got {number:g}.")
    return number


def _loss_ratio(pair):
    """The source's data loss as a multiple of the target's."""
    for convention in pair.both:
        if convention.loss and pair.loss and convention.loss != pair.loss:
            raise ValueError(f"{convention.name} has loss={convention.loss!r}; got loss={pair.loss!r}.")
    if not pair.has_closed_form and (pair.has_measure or (pair.solvers[0] != pair.solvers[1] and not pair.penalties)):
        return 1.0  # the learning rates of two different optimisers are not comparable
    own, other = (c.loss for c in pair.both)
    common = pair.loss or own or other
    if common is None:
        scales, others = (c.loss_scales for c in pair.both)
        if _assumes_loss(pair) or all(scales[loss] == others[loss] for loss in scales.keys() & others.keys()):
            return 1.0
        common = pair.need("loss")
    (factor, divided), (other_factor, other_divided) = (_loss_scale(c, c.loss or common) for c in pair.both)
    ratio = factor / other_factor
    if divided != other_divided:
        k = pair.need("n_outputs", ": one of the two divides the loss by it")
        ratio *= 1 / k if divided else k
    if ratio != 1 and pair.solvers == (None, None) and not pair.has_closed_form:
        pair.missing["solver"] = ": the two scale the loss differently, which Adam undoes and SGD does not"
    return ratio


def _loss_scale(convention, loss):
    scales = convention.loss_scales
    if loss not in scales:
        raise ValueError(f"{convention.name} has no loss={loss!r}; it has {', '.join(map(repr, scales))}.")
    return scales[loss]


def _assumes_loss(pair):
    """Whether no loss was given, and a library that trains with any loss can have that of the other."""
    is_open = any(c.squared_error for c in pair.both) and not any(c.loss for c in pair.both)
    return pair.loss is None and not pair.has_measure and is_open


def _loss_assumption(pair):
    """What a library's own squared error would change, if no loss was given."""
    if not _assumes_loss(pair):
        return ""
    scales = [c.loss_scales.get("squared_error") for c in pair.both]
    if None in scales or scales[0] == scales[1]:
        return ""
    (factor, divided), (other_factor, other_divided) = scales
    ratio, power = factor / other_factor, other_divided - divided
    k = pair.quantities["n_outputs"]
    changed = []
    if pair.penalties or (pair.is_sgd and (pair.target.is_penalty or pair.target.rule == "decoupled")):
        changed.append(f"the number by {_factor_text(1 / ratio, -power, k)}")
    if pair.is_sgd or (pair.penalties and pair.solvers == (None, None)):
        under = "" if pair.is_sgd else " under SGD"
        changed.append(f"the learning rate{under} by {_factor_text(ratio, power, k)}")
    if not changed:
        return ""
    library = next(c for c in reversed(pair.both) if c.squared_error)
    outputs = ", with K outputs" if k is None and power else ""
    return (
        f"The loss function is the same on both sides; for {library.library}'s {library.squared_error}{outputs}, "
        f"multiply {' and '.join(changed)}."
    )


def _factor_text(factor, power, n_outputs):
    """A factor times a power of the number of outputs, K if it is unknown."""
    if n_outputs is not None:
        return f"{factor * n_outputs**power:.6g}"
    if power > 0:
        return f"{factor:g}·K" if factor > 1 else f"K/{1 / factor:g}" if factor < 1 else "K"
    if power < 0:
        return f"{factor:g}/K" if factor >= 1 else f"1/({1 / factor:g}·K)"
    return f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}"


class _NoEquivalent(Exception):
    """There is no number in the target's convention; the message says why."""


def _out_of_range(pair, number):
    return ValueError(
        f"{pair.source.name} {number:g} is beyond the range of floating point numbers in {pair.target.name}."
    )


def _translate(pair, number, scale):
    """The number in the target's convention."""
    is_same = pair.source is pair.target
    reads_updates = any(c.reads_updates for c in pair.both)
    if is_same and reads_updates:
        return number
    updates = pair.need("updates_per_epoch") if reads_updates else None
    strength = pair.source.strength(number, updates)
    _check_share(pair, number, strength)
    if is_same:
        return number
    if strength in (0, math.inf):
        if 0 < number < math.inf and number != 1:  # keep 1 is no decay
            raise _out_of_range(pair, number)
        return pair.target.number(strength, updates)
    solver = _solver_of_penalty(pair) if pair.crosses else None
    before, after = (pair.powers(c, of_share=pair.crosses) for c in pair.both)
    # the learning rate of a closed form is that of the other side, and so is the scale of its loss
    source_scale, target_scale = (scale if pair.crosses and c.is_closed_form else 1.0 for c in pair.both)
    strength /= source_scale
    if solver == "sgd" and (_momentum(pair) or pair.is_known({**before, **after})):
        strength *= _product(pair, before, _rate(pair, 0, scale))
        strength = _through_sgd(pair, strength)
        strength /= _product(pair, after, _rate(pair, 1, scale))
    else:
        strength *= _ratio(pair, before, after, scale)
    strength /= target_scale
    alpha = pair.target.number(strength, updates)
    if not (0 < strength < math.inf and math.isfinite(alpha)) and not pair.missing:
        raise _out_of_range(pair, number)
    return alpha


def _check_share(pair, number, strength):
    """Refuse a decay that would remove whole weights, if its share is known."""
    powers = pair.source.powers()
    if pair.source.is_penalty or not pair.is_known(powers):
        return
    share = strength * _product(pair, powers, pair.quantities["learning_rate"])
    if share >= 1:
        advice = "Raise it." if pair.source.is_measure or pair.source.name == "keep" else "Lower it."
        if "learning_rate" in powers:
            advice = "Lower it or the learning rate."
        raise ValueError(
            f"{pair.source.name} {number:g} would remove {share:.4g} times each weight in every update; a share "
            f"must stay below 1. {advice}"
        )


def _solver_of_penalty(pair):
    """The solver that a penalty's share passes through; raise if it has no share."""
    if pair.solvers == (None, None) and pair.solver is None:
        pair.missing["solver"] = ": a penalty removes a share of a weight under SGD, and none that is fixed under Adam"
        return "sgd"
    side = 0 if pair.source.is_penalty else 1
    solver = pair.solvers[side] or pair.solvers[1 - side] or pair.solver
    if solver == "sgd":
        return solver
    if solver in FULL_BATCH:
        why = f"solver={solver!r} minimises the objective as a whole and has no update that removes a share of a weight"
    else:
        why = (
            f"{NAMES[solver]} divides a penalty's part of the gradient by its own size, so that a penalty removes no "
            "fixed share of a weight, whatever its strength"
        )
    raise _NoEquivalent(f"{why}; choose the decay afresh, by validation")


def _ratio(pair, before, after, scale):
    """Ratio of the two strengths; quantities that cancel are not asked for."""
    net = {key: before.get(key, 0) - after.get(key, 0) for key in {**before, **after}}
    net = {key: power for key, power in net.items() if power}
    ratio = _product(pair, net, _rate(pair, 0, scale) if "learning_rate" in net else 1.0)
    if pair.penalties:
        return ratio / scale
    return ratio / _rate_ratio(pair, scale) ** after.get("learning_rate", 0)


def _product(pair, powers, rate):
    return math.prod((rate if key == "learning_rate" else pair.need(key)) ** power for key, power in powers.items())


def _momentum(pair):
    return pair.need("momentum", ": SGD's momentum multiplies the share that a penalty removes")


def _rate(pair, side, scale):
    """The learning rate that the gradient is multiplied by on one side."""
    given = 1 if pair.source.is_measure or pair.source.is_closed_form else 0
    rate = pair.need("learning_rate") * _rate_times(pair, given)
    return rate if side == given else rate * _rate_ratio(pair, scale) ** (side - given)


def _rate_times(pair, side):
    """Factor of a library's learning rate before it is used."""
    optimiser = pair.both[side].optimisers.get(pair.solvers[side])
    return 1 - _momentum(pair) if optimiser is not None and optimiser.is_dampened else 1.0


def _rate_ratio(pair, scale):
    """Ratio of the two effective learning rates: under SGD it compensates the scale of the loss."""
    return scale if pair.is_sgd else 1.0


def _learning_rate_factor(pair, scale):
    if pair.has_measure or pair.has_closed_form:
        return 1.0
    return _rate_ratio(pair, scale) * _rate_times(pair, 0) / _rate_times(pair, 1)


def _through_sgd(pair, value):
    """From a penalty's shrink to the share of the long run, or back."""
    momentum, nesterov = _momentum(pair), bool(pair.settings.get("nesterov"))
    if not pair.source.is_penalty:
        return _shrink_of_share(value, momentum, nesterov)
    pair.shrink = value
    if value >= 2 * (1 + momentum) / (1 + 2 * momentum * nesterov):
        raise _NoEquivalent("under so strong a penalty weights grow without bound")
    share = float(long_run_share(value, momentum=momentum, nesterov=nesterov))
    if share >= 1 and pair.target.is_decay:
        raise _NoEquivalent("it removes whole weights at once, and a decay has to leave a part of them")
    return share


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


def _result(pair, number, alpha, differences, scale):
    source, target = pair.both
    best = "measure" if pair.has_measure else "trajectory"
    if not pair.has_measure and (pair.has_closed_form or (pair.penalties and pair.is_full_batch)):
        best = "objective"
    senses = {best, *(sense for sense, _ in differences)}
    rate_factor = _learning_rate_factor(pair, scale)
    rate = pair.quantities["learning_rate"]
    rate = None if rate is None or target.is_closed_form or target.is_measure else rate * rate_factor
    is_found, is_same = alpha is not None, source is target
    is_open = pair.solvers == (None, None) and not (pair.has_measure or is_same)
    return AlphaConversion(
        source=source.name,
        target=target.name,
        given=number,
        alpha=alpha,
        exact=not differences,
        sense=max(senses, key=SENSES.index) if is_found else None,
        claim=claim_of(senses, same_optimiser=is_open, linear=pair.is_linear) if is_found else "",
        reason="; ".join(dict.fromkeys(reason for _, reason in differences)),
        conditions=tuple(find_conditions(pair)) if is_found and not is_same else (),
        assumption=_loss_assumption(pair) if is_found and not is_same else "",
        remarks=tuple(dict.fromkeys(c.remark for c in reversed(pair.both) if c.remark)),
        learning_rate=rate,
        learning_rate_factor=rate_factor,
        naive_factor=_naive_factor(pair, number, alpha),
        language=target.language,
        code=_code(pair, alpha, scale, rate_factor) if is_found else "",
    )


def _naive_factor(pair, number, alpha):
    if alpha is None or pair.has_measure:
        return None
    meant = pair.target.strength(alpha)
    return pair.target.strength(number) / meant if 0 < meant < math.inf else None


def _code(pair, alpha, scale, rate_factor):
    solver = pair.solvers[1]
    if solver is None and pair.has_closed_form and "lbfgs" in pair.target.solvers:
        solver = "lbfgs"
    values = dict(pair.settings)
    if "learning_rate" in values:
        values["learning_rate"] *= rate_factor
    if pair.solvers == ("adam", "adam"):
        values["epsilon"] /= scale
    if not values.get("momentum"):
        values["nesterov"] = None
    batch_size, n_samples = pair.quantities["batch_size"], pair.quantities["n_samples"]
    if batch_size is not None and n_samples is not None and batch_size == min(200, n_samples):
        values["batch_size"] = None
    return pair.target.lines(solver, alpha, values, loss=pair.loss or pair.source.loss, is_linear=pair.is_linear)
