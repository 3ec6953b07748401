"""From one convention to another: which number, how equal, and why.

What is known of the run is in `run`. The number comes from `strengths`, with the scale of the data loss from `losses`;
whether the two then do the same is a question about the two updates, and `differences` answers it in words.
"""

import math

from skl2net.conventions.checks import check_choice, check_number, check_quantities, find_convention
from skl2net.conventions.convention import LOSSES
from skl2net.conventions.differences import find_conditions, find_differences
from skl2net.conventions.lines import render
from skl2net.conventions.losses import loss_assumption, loss_ratio
from skl2net.conventions.records import CONVENTIONS
from skl2net.conventions.result import SENSES, AlphaConversion, ConventionTable, claim_of
from skl2net.conventions.run import FULL_BATCH, Run
from skl2net.conventions.strengths import NoEquivalent, learning_rate_factor, out_of_range, translate

_SOLVERS = ("sgd", "adam", "lbfgs", "pso")


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
    loss = check_choice(loss, LOSSES, "loss")
    solver = check_choice(solver, _SOLVERS, "solver")
    number = check_number(alpha, source)
    return _convert(Run(source, target, quantities, loss, solver, bool(schedule)), number)


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
        runs_there |= solver in FULL_BATCH and "lbfgs" not in convention.solvers and not convention.is_decay
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


def _convert(run, number):
    """The conversion of a number on a run."""
    try:
        scale = loss_ratio(run)
        alpha = translate(run, number, scale)
        differences = [] if run.source is run.target else find_differences(run)
        run.raise_if_missing()
    except NoEquivalent as why:
        run.raise_if_missing()
        return _result(run, number, None, [(None, str(why))], 1.0)
    except (OverflowError, ZeroDivisionError):
        run.raise_if_missing()
        raise out_of_range(run, number) from None
    return _result(run, number, alpha, differences, scale)


def _result(run, number, alpha, differences, scale):
    senses = {_best_sense(run), *(sense for sense, _ in differences)}
    rate_factor = learning_rate_factor(run, scale)
    rate = run.quantities["learning_rate"]
    rate = None if rate is None or run.target.is_closed_form or run.target.is_measure else rate * rate_factor
    found, same = alpha is not None, run.source is run.target
    is_open = run.solvers == (None, None) and not (run.has_measure or same)
    return AlphaConversion(
        source=run.source.name,
        target=run.target.name,
        given=number,
        alpha=alpha,
        exact=not differences,
        sense=max(senses, key=SENSES.index) if found else None,
        claim=claim_of(senses, same_optimiser=is_open, linear=run.is_linear) if found else "",
        reason="; ".join(dict.fromkeys(reason for _, reason in differences)),
        conditions=tuple(find_conditions(run)) if found and not same else (),
        assumption=loss_assumption(run) if found and not same else "",
        remarks=tuple(dict.fromkeys(c.remark for c in reversed(run.pair) if c.remark)),
        learning_rate=rate,
        learning_rate_factor=rate_factor,
        naive_factor=_naive_factor(run, number, alpha),
        language=run.target.language,
        code=_code(run, alpha, scale, rate_factor) if found else "",
    )


def _best_sense(run):
    if run.has_measure:
        return "measure"
    is_full_batch = run.penalties and any(solver in FULL_BATCH for solver in run.solvers)
    return "objective" if run.has_closed_form or is_full_batch else "trajectory"


def _naive_factor(run, number, alpha):
    if alpha is None or run.has_measure:
        return None
    meant = run.target.strength(alpha)
    return run.target.strength(number) / meant if 0 < meant < math.inf else None


def _code(run, alpha, scale, rate_factor):
    solver = run.solvers[1]
    if solver is None and run.has_closed_form and "lbfgs" in run.target.solvers:
        solver = "lbfgs"
    values = dict(run.settings)
    if "learning_rate" in values:
        values["learning_rate"] *= rate_factor
    if run.solvers == ("adam", "adam"):
        values["epsilon"] /= scale
    if not values.get("momentum"):
        values["nesterov"] = None
    batch_size, n_samples = run.quantities["batch_size"], run.quantities["n_samples"]
    if batch_size is not None and n_samples is not None and batch_size == min(200, n_samples):
        values["batch_size"] = None
    loss = run.loss or run.source.loss
    return render(run.target, solver, alpha, values, loss=loss, is_linear=run.is_linear)
