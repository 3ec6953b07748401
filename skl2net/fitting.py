"""One fit as one pure function: `fit_network` knows no estimator, changes none of its arguments and returns everything.

The estimators (`skl2net.estimators`) validate and encode, call it, and turn the `TrainingState` that it returns into
their attributes. The solvers (`skl2net.solvers`) do the work and report to a monitor. What happens when a fit ends
early, because of Ctrl-C or overflow, is decided here and nowhere else.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skl2net.engines.base import Task
from skl2net.posterior import laplace
from skl2net.problem import Problem, takes_weights
from skl2net.solvers.base import Diverged, Solver
from skl2net.solvers.monitor import Monitor, Stopped
from skl2net.solvers.stopping import StoppingRule


@dataclass(frozen=True)
class EarlyStopping:
    """What early stopping watches, and on which data.

    Parameters
    ----------
    fraction : float
        Proportion of the rows in the validation set.
    stratify : ndarray of shape (n_rows,), default=None
        Labels by which the split is stratified.
    validation : Task, default=None
        The validation set. If given, all rows are trained on, and `fraction` and `stratify` are ignored.
    scoring : callable or "score", default=None
        A scorer of scikit-learn, or "score" for that of the decoder. None for the loss.
    """

    fraction: float
    stratify: np.ndarray | None = None
    validation: Task | None = None
    scoring: Callable | str | None = None


@dataclass(frozen=True)
class Plan:
    """What a fit is to do; `skl2net.training.make_plan` makes it from the parameters of an estimator.

    Parameters
    ----------
    problem : Problem
        The objective.
    solver : Solver
        The algorithm that minimises it.
    stopping : StoppingRule
        When training stops.
    early_stopping : EarlyStopping, default=None
        None to train on all rows. Ignored by solvers that do not support early stopping.
    has_posterior : bool, default=False
        Whether to compute the posterior at the end.
    """

    problem: Problem
    solver: Solver
    stopping: StoppingRule
    early_stopping: EarlyStopping | None = None
    has_posterior: bool = False


@dataclass(frozen=True)
class Watch:
    """How a fit is monitored.

    Parameters
    ----------
    verbose : bool or int, default=False
        Whether to print each iteration.
    is_cancelled : callable, default=None
        ``is_cancelled() -> bool``, asked after each call of the engine and during long ones: whether the
        result is no longer needed. If given, Ctrl-C ends the fit without a result.
    on_begin : callable, default=None
        ``on_begin()``, called before each iteration.
    on_end : callable, default=None
        ``on_end(result) -> bool``, called after each iteration: whether the fit should stop. ``result()`` is the
        `TrainingState` that `fit_network` returns if it does. If given, the engine runs one iteration per call.
    """

    verbose: bool = False
    is_cancelled: Callable | None = None
    on_begin: Callable | None = None
    on_end: Callable | None = None


def fit_network(plan, start, watch):
    """Train a network.

    Parameters
    ----------
    plan : Plan
        What to minimise, how, and when to stop.
    start : TrainingState
        Where training starts: a seed or random stream and, unless the initial weights are to be drawn, parameters.
    watch : Watch
        How training is monitored.

    Returns
    -------
    state : TrainingState
        The state after the last iteration; with early stopping, with the parameters of the best one.
    warnings : list of (str, type)
        Warnings for the user: messages and categories.

    Raises
    ------
    ValueError
        If training diverges, unless early stopping has kept the parameters of an earlier iteration.
    Cancelled
        If `watch` says that the result is no longer needed.
    KeyboardInterrupt
        If training is interrupted before the first iteration is finished, or while the posterior is computed. If it is
        interrupted in between, the last finished iteration is returned, with a warning.
    """
    problem, solver = plan.problem, plan.solver
    problem = replace(problem, task=replace(problem.task, is_cancelled=watch.is_cancelled))
    stream = _new_stream(start.random_state)
    parameters = start.parameters
    if parameters is None:
        parameters = problem.network.initial_parameters(stream, problem.session.dtype)
    else:
        parameters = parameters.astype(problem.session.dtype, copy=False)
    start = replace(start, random_state=stream, parameters=parameters)
    validate = None
    if plan.early_stopping is not None and solver.uses_validation:
        if plan.early_stopping.validation is None:
            problem, validation = _split(problem, plan.early_stopping, stream)
        else:
            task = replace(plan.early_stopping.validation, is_cancelled=watch.is_cancelled)
            validation = replace(problem, task=task)
        validate = _validation_of(validation, plan.early_stopping.scoring)
    monitor = Monitor(
        solver.stopping(plan.stopping),
        start,
        validate=validate,
        verbose=watch.verbose,
        is_cancelled=watch.is_cancelled,
        on_begin=watch.on_begin,
        on_end=None if watch.on_end is None else lambda: watch.on_end(result_so_far),
    )

    def result_so_far():
        return copy.deepcopy(_result(problem, solver, monitor))  # training goes on with its random numbers

    warnings, is_lost = [], False
    try:
        message = solver.minimise(problem, start, monitor)
        if message is not None:
            warnings.append((message, ConvergenceWarning))
    except Stopped:
        pass
    except Diverged as error:
        n_iter = monitor.n_iter + error.n_unreported + 1
        what = f"iteration {n_iter} produced weights or biases that are not finite"
        if error.is_at_start:
            what = "the loss or its gradient overflows at the initial weights"
        message = f"Training diverged: {what}. {error}"
        if monitor.progress.best_parameters is None:
            raise ValueError(message) from None
        warnings.append((f"{message} The weights of the best validation score are kept.", UserWarning))
        is_lost = True
    except KeyboardInterrupt:
        if not monitor.has_result or watch.is_cancelled is not None:
            raise
        message = f"Training interrupted by user: the weights of iteration {monitor.n_iter} are kept."
        warnings.append((message, UserWarning))
    risen = None if is_lost else _rise_of_loss(problem, solver, parameters, monitor)
    if risen is not None:  # more iterations would not help
        warnings = [warning for warning in warnings if warning[1] is not ConvergenceWarning]
        warnings.append((risen, ConvergenceWarning))
    result = _result(problem, solver, monitor)
    if plan.has_posterior:
        posterior = laplace(problem, result.parameters, result.applied_rule.coefficients.penalty)
        result = replace(result, posterior=posterior)
    # the moments of a training that diverged belong to weights that are lost
    return replace(result, solver_state=None) if is_lost else result, warnings


def _result(problem, solver, monitor):
    """What a fit returns that ends with the last finished iteration."""
    state = monitor.state
    best = state.progress.best_parameters
    return replace(
        state,
        parameters=(state.parameters if best is None else best).copy(),
        curves=monitor.curves,
        progress=state.progress._replace(best_parameters=None),
        n_total=problem.n_total,
        applied_rule=solver.applied(problem, state.solver_state),
    )


def _rise_of_loss(problem, solver, parameters, monitor):
    """The warning that training has increased the loss, with all numbers finite; None if it has not.

    The final loss is compared with that of the first iteration. As this may already have diverged, and the loss of an
    iteration is taken before its updates, those of the initial and the final parameters are also compared: on all rows
    only if they are suspicious on some.
    """
    state = monitor.state
    advice = solver.advice_if_loss_rises(problem, state.solver_state)
    if advice is None:
        return None
    # that of earlier trainings counts too: near a minimum, the loss rises and falls
    first, before = monitor.first_losses
    last, reference, name = state.loss, np.fmax(first, before), "first"
    kept = "" if state.progress.best_parameters is None else " The weights of the best validation score are kept."
    if not np.isfinite(last):
        return f"Training diverged: the final loss, {last:g}, is not finite. {advice}{kept}"
    if not _is_above(last, reference, monitor):
        final = state.parameters
        start, end = (_loss_at(problem, vector, n_most=200) for vector in (parameters, final))
        if not max(last, end) <= 2 * np.fmax(start, before):
            reference, name = np.fmax(_loss_at(problem, parameters), before), "initial"
            if not _is_above(last, reference, monitor):
                last = np.fmax(last, _loss_at(problem, final))
    if not _is_above(last, reference, monitor):
        return None
    return f"Training diverged: the final loss, {last:.6g}, is above the {name} one, {reference:.6g}. {advice}{kept}"


def _is_above(loss, reference, monitor):
    """Whether a loss has risen, by more than those of batches differ."""
    return not loss - reference <= max(monitor.stopping.tol, 0.05 * abs(reference))


def _loss_at(problem, parameters, n_most=None):
    """Loss with the penalty, of all rows or of a sample of them."""
    task = problem.task
    if n_most is not None and n_most < task.n_rows:
        rows, weight = task.rows, task.sample_weight
        if weight is not None:
            rows = np.flatnonzero(weight) if rows is None else rows[weight[rows] > 0]
        taken = np.linspace(0, (task.n_rows if rows is None else len(rows)) - 1, n_most).astype(np.intp)
        task = task.with_rows(taken if rows is None else rows[taken])
    return replace(problem, task=task).data_loss(parameters) + float(problem.penalty(parameters))


def _new_stream(random_state):
    """A copy of the random stream, owned by this fit."""
    if not isinstance(random_state, np.random.RandomState):
        return np.random.RandomState(random_state)
    stream = np.random.RandomState(0)  # takes less time than copy.deepcopy
    stream.set_state(random_state.get_state(legacy=False))
    return stream


def _split(problem, early_stopping, stream):
    """The problem on the training rows, and on the validation rows, split as in scikit-learn's MLP."""
    task = problem.task
    rows = np.arange(task.n_rows) if task.rows is None else task.rows
    try:
        training, validation = train_test_split(
            rows, random_state=stream, test_size=early_stopping.fraction, stratify=early_stopping.stratify
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping=True could not set validation_fraction={early_stopping.fraction} of {task.n_rows} samples "
            f"aside: {str(error).rstrip('.')}. Change validation_fraction, or set early_stopping=False."
        ) from error
    if len(validation) < 2:
        raise ValueError(
            f"The validation set is too small: validation_fraction={early_stopping.fraction} of the data is "
            f"{len(validation)} sample(s), and early stopping needs at least 2. Increase 'validation_fraction' or the "
            "size of your dataset."
        )
    for part, name in ((training, "training"), (validation, "validation")):
        if task.sample_weight is not None and not task.sample_weight[part].any():
            raise ValueError(
                f"All samples in the {name} set of early stopping have a sample weight of zero. Remove the samples "
                "without weight from the data, or change validation_fraction or random_state."
            )
    return tuple(replace(problem, task=task.with_rows(part)) for part in (training, validation))


def _validation_of(problem, scoring):
    """The function ``vectors -> [(score, loss), ...]`` of a validation set; the score is minus the loss for None."""
    task, decoder, session = problem.task, problem.decoder, problem.session
    if scoring is None:
        return lambda vectors: [(-loss, loss) for loss in session.losses(vectors).tolist()]
    X, Y, sample_weight = (task.taken(array) for array in (task.X, task.Y, task.sample_weight))
    if scoring != "score" and sample_weight is not None and not takes_weights(scoring):
        raise ValueError(
            f"scoring={scoring} does not support sample_weight, nor class weights, which multiply it. Pass a scorer "
            "that does, or none of them."
        )

    def score(parameters):
        outputs = session.outputs(parameters, raw=decoder.raw)
        if not np.isfinite(outputs).all():
            return np.nan
        if scoring == "score":
            return decoder.score(Y, outputs, sample_weight)
        return float(decoder.scored(scoring, partial(session.outputs, parameters), X, y_true, sample_weight))

    y_true = decoder.truth(Y)
    return lambda vectors: [*zip(map(score, vectors), session.losses(vectors).tolist(), strict=True)]
