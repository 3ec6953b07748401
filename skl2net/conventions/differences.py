"""What two conventions do differently on the same run, in words, and what must be so for them to do the same."""

import math

from skl2net.conventions.run import CALLED


def find_differences(run):
    """Pairs of the sense that is left and the reason why, for everything in which the two updates differ."""
    found = [*_rule_differences(run), *_model_differences(run)]
    if not (run.has_closed_form or run.has_measure):
        found += _optimiser_differences(run)
    is_mild = all(sense == "limit" for sense, _ in found)
    if is_mild or run.is_known(("batch_size", "n_samples")):
        found += _batch_differences(run)
    return found


def _rule_differences(run):
    """What the two rules do differently on the same run."""
    rules = {c.rule for c in run.pair}
    if run.crosses and run.quantities["momentum"] != 0:
        yield (
            "share",
            "a penalty passes through the momentum and a decay does not: the share is that of the long run",
        )
    if _oscillates(run):
        yield "share", "the penalty is so strong that weights change sign: the share is that of their size"
    if "decay_after" in rules and len(rules) > 1 and not run.has_measure:
        yield "share", "one shrinks the weights' step along with the weights, but not that of the biases"
    if run.schedule:
        follows = {c.follows_schedule for c in run.pair if not c.is_measure}
        if len(follows) == 2:
            yield "share", "the schedule of the learning rate changes the share in one of the two only"
        elif run.has_measure and True in follows:
            yield "share", "the schedule changes the share; the number holds for the given learning rate"


def _oscillates(run):
    """Whether the penalty's share is that of an oscillation, or of weights that change sign in every update."""
    if not run.shrink:
        return False
    momentum = run.need("momentum")
    if run.settings.get("nesterov"):
        return run.shrink > 1 - 4 * momentum / (1 + momentum) ** 2
    return run.shrink > (1 - math.sqrt(momentum)) ** 2


def _batch_differences(run):
    """What a last batch of another size does to a penalty that is divided by it."""
    rules = {c.rule for c in run.pair}
    if "penalty_per_sample" not in rules or len(rules) == 1 or run.is_full_batch():
        return
    if run.quantities["batch_size"] == 1 or run.need("n_samples") % run.need("batch_size") == 0:
        return
    yield (
        "batches",
        f"batch_size={run.quantities['batch_size']} does not divide n_samples={run.quantities['n_samples']}: the "
        "last batch of an epoch is smaller, and penalised more in one of the two",
    )


def _model_differences(run):
    """What differs in the model, the loss or what is penalised, whatever the optimiser."""
    left = "objective" if run.penalties else "share"
    n_outputs = run.quantities["n_outputs"] or 1
    if run.source.loss and run.target.loss and run.source.loss != run.target.loss:
        yield "penalty", f"one has the loss {run.source.loss}, the other {run.target.loss}"
    for convention, solver in zip(run.pair, run.solvers, strict=True):
        yield from convention.differences
        if convention.n_outputs is not None and n_outputs > convention.n_outputs:
            yield "penalty", f"{convention.name} has one output only"
        wrong = convention.name == "sklearn.MLP" and solver == "lbfgs" and n_outputs > 1
        if wrong and run.loss in ("squared_error", "poisson"):
            yield (
                "penalty",
                "for several real targets scikit-learn's L-BFGS follows a wrong gradient (its issue 8349)",
            )
    for conflict in run.conflicts:
        yield left, conflict
    treats = {c.biases == "always" for c in run.pair if not c.is_measure}
    if len(treats) == 2:
        name = next(c.name for c in run.pair if c.biases == "always")
        yield "parts", f"{name} shrinks the biases too, and cannot leave them out"


def _optimiser_differences(run):
    """What the two optimisers do differently."""
    left = "objective" if run.penalties else "share"
    own, other = run.solvers
    if own != other:
        advice = "" if left == "objective" else "; if their learning rates differ, go by way of 'timescale'"
        yield left, f"{CALLED[own]} and {CALLED[other]} take different steps{advice}"
    elif own == "sgd":
        yield from _momentum_differences(run, left)
    elif len({c.optimisers["adam"].epsilon_at for c in run.pair if "adam" in c.solvers}) == 2:
        under = "" if own else "under Adam, "
        yield "limit", f"{under}epsilon stands beside √v in one and beside the corrected √v̂ in the other"


def _momentum_differences(run, left):
    if not run.settings.get("momentum"):
        return
    kind = "nesterov" if run.settings.get("nesterov") else "plain"
    for convention in run.pair:
        if kind not in convention.optimisers["sgd"].momenta and "momentum" not in convention.fixed:
            default = "" if "nesterov" in run.given else f", the default of {run.source.name}"
            yield (
                left,
                f"{convention.name} has no {'Nesterov' if kind == 'nesterov' else 'plain'} momentum{default}",
            )
    if run.schedule and len({c.optimisers["sgd"].rate_inside for c in run.pair}) == 2:
        yield (
            left,
            "one holds the learning rate inside the momentum and the other outside: the two are equal while it is "
            "constant",
        )


def find_conditions(run):
    """What must be so in the two libraries for an exact conversion to hold."""
    source, target = run.pair
    for convention in run.pair:
        if convention.biases == "by default" and source.biases != target.biases:
            yield f"biases are exempt in {convention.name}, which decays them by default"
        if convention.condition:
            yield convention.condition
    settled = {name: value for name, value in target.fixed.items() if name not in {*run.given, *source.fixed}}
    if settled and source.optimisers:
        yield f"{source.name} runs with " + " and ".join(f"{name}={value:g}" for name, value in settled.items())
