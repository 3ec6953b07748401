"""The number: from the source's strength to the target's.

Both are monomials in the quantities of the run, and those that cancel are not asked for. Between a penalty and a decay
stands the share of a weight that one update removes in the long run, which momentum makes no monomial.
"""

import math

from skl2net.conventions.run import CALLED, FULL_BATCH
from skl2net.l2 import long_run_share


class NoEquivalent(Exception):
    """There is no number in the target's convention; the message says why."""


def translate(run, number, scale):
    """The number in the target's convention."""
    same = run.source is run.target
    reads_updates = any(c.reads_updates for c in run.pair)
    if same and reads_updates:
        return number
    updates = run.quantity("updates_per_epoch") if reads_updates else None
    strength = run.source.strength(number, updates)
    _check_source(run, number, strength)
    if same:
        return number
    if strength in (0, math.inf):
        if 0 < number < math.inf and number != 1:  # keep 1 is no decay
            raise out_of_range(run, number)
        return run.target.number(strength, updates)
    solver = _solver_of_penalty(run) if run.crosses else None
    before, after = (run.powers(c, of_share=run.crosses) for c in run.pair)
    # the learning rate is that of the other side, and its loss
    source_scale, target_scale = (scale if run.crosses and c.is_closed_form else 1.0 for c in run.pair)
    strength /= source_scale
    if solver == "sgd" and (_momentum(run) or run.is_known({**before, **after})):
        strength *= _product(run, before, _rate(run, 0, scale))
        strength = _through_sgd(run, strength)
        strength /= _product(run, after, _rate(run, 1, scale))
    else:
        strength *= _ratio(run, before, after, scale)
    strength /= target_scale
    alpha = run.target.number(strength, updates)
    if not (0 < strength < math.inf and math.isfinite(alpha)) and not run.missing:
        raise out_of_range(run, number)
    return alpha


def _ratio(run, before, after, scale):
    """Ratio of the two strengths; the quantities that cancel are not asked for."""
    net = {key: before.get(key, 0) - after.get(key, 0) for key in {**before, **after}}
    net = {key: power for key, power in net.items() if power}
    ratio = _product(run, net, _rate(run, 0, scale) if "learning_rate" in net else 1.0)
    if run.penalties:
        return ratio / scale
    return ratio / _rate_ratio(run, scale) ** after.get("learning_rate", 0)


def _product(run, powers, rate):
    return math.prod((rate if key == "learning_rate" else run.quantity(key)) ** power for key, power in powers.items())


def _through_sgd(run, value):
    """From a penalty's shrink to the share of the long run, or back."""
    momentum, nesterov = _momentum(run), bool(run.settings.get("nesterov"))
    if not run.source.is_penalty:
        return _shrink_of_share(value, momentum, nesterov)
    run.shrink = value
    if value >= 2 * (1 + momentum) / (1 + 2 * momentum * nesterov):
        raise NoEquivalent("under so strong a penalty weights grow without bound")
    share = float(long_run_share(value, momentum=momentum, nesterov=nesterov))
    if share >= 1 and run.target.is_decay:
        raise NoEquivalent("it removes whole weights at once, and a decay has to leave a part of them")
    return share


def _solver_of_penalty(run):
    """The solver that a penalty's share passes through; raise if it leaves none."""
    if run.solvers == (None, None) and run.solver is None:
        run.missing["solver"] = ": a penalty removes a share of a weight under SGD, and none that is fixed under Adam"
        return "sgd"
    side = 0 if run.source.is_penalty else 1
    solver = run.solvers[side] or run.solvers[1 - side] or run.solver
    if solver in FULL_BATCH:
        raise NoEquivalent(
            f"solver={solver!r} minimises the objective as a whole and has no update that removes a share of a "
            "weight; choose the decay afresh, by validation"
        )
    if solver != "sgd":
        raise NoEquivalent(
            f"{CALLED[solver]} divides a penalty's part of the gradient by its own size, so that a penalty "
            "removes no fixed share of a weight, whatever its strength; choose the decay afresh, by validation"
        )
    return solver


def _momentum(run):
    return run.need("momentum", ": SGD's momentum multiplies the share that a penalty removes")


def _rate(run, side, scale):
    """The learning rate that the gradient is multiplied by on one side."""
    given = 1 if run.source.is_measure or run.source.is_closed_form else 0
    rate = run.need("learning_rate") * _rate_times(run, given)
    return rate if side == given else rate * _rate_ratio(run, scale) ** (side - given)


def _rate_times(run, side):
    """What a library multiplies its learning rate by before it is used."""
    optimiser = run.pair[side].optimisers.get(run.solvers[side])
    if optimiser is None or not optimiser.rate_times:
        return 1.0
    known = {"1 - momentum": 1 - _momentum(run)}
    return math.prod(known[key] ** power for key, power in optimiser.rate_times.items())


def _rate_ratio(run, scale):
    """Ratio of the two effective learning rates: under SGD it makes up for the scale of the loss."""
    return scale if run.is_sgd else 1.0


def learning_rate_factor(run, scale):
    """What the learning rate has to be multiplied by."""
    if run.has_measure or run.has_closed_form:
        return 1.0
    return _rate_ratio(run, scale) * _rate_times(run, 0) / _rate_times(run, 1)


def _check_source(run, number, strength):
    """Refuse a decay that would remove whole weights, if that is known."""
    powers = run.source.powers()
    if run.source.is_penalty or not run.is_known(powers):
        return
    share = strength * _product(run, powers, run.quantities["learning_rate"])
    if share >= 1:
        advice = "Raise it." if run.source.is_measure or run.source.name == "keep" else "Lower it."
        if "learning_rate" in powers:
            advice = "Lower it or the learning rate."
        raise ValueError(
            f"{run.source.name} {number:g} would remove {share:.4g} times each weight in every update; a share "
            f"must stay below 1. {advice}"
        )


def out_of_range(run, number):
    return ValueError(
        f"{run.source.name} {number:g} is beyond the range of floating point numbers in {run.target.name}."
    )


def _shrink_of_share(share, momentum, nesterov):
    """The learning rate times the penalty whose share of the long run this is: the inverse of `long_run_share`."""
    kept = 1 - share
    if nesterov and share > (1 - momentum) / (1 + momentum):
        return 1 - kept**2 / momentum
    if nesterov:
        return share * (kept - momentum) / (kept - momentum * share)
    if share > 1 - math.sqrt(momentum):
        raise NoEquivalent(
            f"with momentum {momentum:g} no penalty removes more than {1 - math.sqrt(momentum):.3g} of a weight per "
            f"update, and this is {share:.3g}"
        )
    return share * (kept - momentum) / kept
