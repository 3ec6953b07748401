"""The scale of a library's data loss: what one is in multiples of another, and what is assumed if no loss is named."""

from skl2net.conventions.convention import LOSS_SCALES, OPEN_LOSSES


def loss_ratio(run):
    """The source's data loss as a multiple of the target's; a measure is of a run of ours, and so has our loss."""
    for convention in run.pair:
        if convention.loss and run.loss and convention.loss != run.loss:
            raise ValueError(f"{convention.name} has loss={convention.loss!r}; got loss={run.loss!r}.")
    if not run.has_closed_form and (run.has_measure or (run.solvers[0] != run.solvers[1] and not run.penalties)):
        return 1.0  # the learning rates of two different optimisers are not comparable anyway
    own, other = (c.loss for c in run.pair)
    common = run.loss or own or other
    if common is None:
        scales, others = _loss_tables(run)
        differ = any(scales[loss] != others[loss] for loss in scales.keys() & others.keys())
        if _assumes_loss(run) or not differ:
            return 1.0
        common = run.need("loss")
    (factor, divided), (other_factor, other_divided) = (_loss_scale(c, c.loss or common) for c in run.pair)
    ratio = factor / other_factor
    if divided != other_divided:
        k = run.need("n_outputs", ": one of the two divides the loss by it")
        ratio *= 1 / k if divided else k
    if ratio != 1 and run.solvers == (None, None) and not run.has_closed_form:
        run.missing["solver"] = ": the two scale the loss differently, which Adam undoes and SGD does not"
    return ratio


def _loss_tables(run):
    return [_loss_table(c) for c in run.pair]


def _loss_table(convention):
    return LOSS_SCALES["skl2net" if convention.is_measure else convention.losses]


def _assumes_loss(run):
    """Whether no loss was given, and the same loss function can run on both sides."""
    is_open = any(c.losses in OPEN_LOSSES for c in run.pair) and not any(c.loss for c in run.pair)
    return run.loss is None and not run.has_measure and is_open


def loss_assumption(run):
    """What a library's own squared error would change, if no loss was given."""
    if not _assumes_loss(run):
        return ""
    scales = [table.get("squared_error") for table in _loss_tables(run)]
    if None in scales or scales[0] == scales[1]:
        return ""
    (factor, divided), (other_factor, other_divided) = scales
    ratio, power = factor / other_factor, other_divided - divided
    k = run.quantities["n_outputs"]
    changed = []
    if run.penalties or (run.is_sgd and (run.target.is_penalty or run.target.rule == "decoupled")):
        changed.append(f"the number by {_factor_text(1 / ratio, -power, k)}")
    if run.is_sgd or (run.penalties and run.solvers == (None, None)):
        under = "" if run.is_sgd else " under SGD"
        changed.append(f"the learning rate{under} by {_factor_text(ratio, power, k)}")
    if not changed:
        return ""
    library = next(c for c in reversed(run.pair) if c.losses in OPEN_LOSSES)
    outputs = ", with K outputs" if k is None and power else ""
    return (
        f"The loss function is the same on both sides; for {library.library}'s {library.squared_error}{outputs}, "
        f"multiply {' and '.join(changed)}."
    )


def _loss_scale(convention, loss):
    scales = _loss_table(convention)
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
