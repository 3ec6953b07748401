"""L-BFGS: full-batch minimisation of data loss plus penalty.

`LBFGS` is the solver, and `step` one iteration in NumPy. An engine with a function `iterate_lbfgs` runs many of these
iterations in one call. The iterates are those of `scipy.optimize.minimize` with `method="L-BFGS-B"` and no bounds, up
to rounding.

References
----------
J. Nocedal, "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35 (1980), 773-782.
"""

from dataclasses import dataclass, replace

import numpy as np

from skl2net.engines.interface import LBFGSLimits, LBFGSState
from skl2net.solvers.base import Diverged, Solver
from skl2net.solvers.curves import IterationTotals
from skl2net.solvers.line_search import LARGEST_STEP, MAX_TRIALS, LineSearch, Trial

N_PAIRS = 10

# as scipy words them
_MESSAGES = {
    "max_iter": "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT",
    "max_fun": "STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT",
    "line_search": "ABNORMAL",
}


@dataclass(frozen=True)
class LBFGS(Solver):
    """L-BFGS with the stopping rules of scikit-learn's MLP.

    It stops when the largest absolute entry of the gradient is at most `tol`, when an iteration decreases the loss by a
    share of less than 2.2e-5·tol (scipy's default if `tol` is 1e-4; at least the rounding error of the dtype), after
    `max_iter` iterations, or after `max_fun` evaluations.

    Parameters
    ----------
    max_fun : int or inf
    ftol : float, default=None
        Replaces 2.2e-5·tol above.
    """

    max_fun: int
    ftol: float | None = None

    name = "lbfgs"
    why_no_decay = "L-BFGS minimises an objective, and a decay of the weights has none"
    uses_validation = False

    def stopping(self, rule):
        """See `Solver.stopping`. L-BFGS has stopping rules of its own and no patience."""
        return replace(rule, n_iter_no_change=np.inf)

    @np.errstate(all="ignore")  # a trial may overflow; the line search goes on from there
    def minimise(self, problem, start, monitor):
        """See `Solver.minimise`. Only the parameters of an earlier training are used, not its state."""
        tol, dtype = monitor.stopping.tol, problem.dtype
        ftol = max(2.2204460492503131e-05 * tol, float(np.finfo(dtype).eps)) if self.ftol is None else self.ftol
        limits = LBFGSLimits(self.max_fun, tol, ftol)
        state = first_state(problem, start.parameters, limits)
        if not (np.isfinite(state.loss) and np.isfinite(_dot(state.gradient, state.gradient))):
            raise Diverged(_advice(problem), is_at_start=True)
        while state.status == "running" and monitor.n_iter < monitor.stopping.max_iter:
            n = min(monitor.stopping.max_iter - monitor.n_iter, monitor.n_until_decision)
            totals = _iterate(problem, state, limits, n)
            if state.status == "diverged":
                raise Diverged(_advice(problem), n_unreported=len(totals))
            if totals:
                monitor.finish(state.parameters.astype(dtype), totals)
        if monitor.n_iter == 0:
            monitor.finish_at_start(state.parameters.astype(dtype), _totals(problem, state))
        return self._warning(state.status, monitor, dtype)

    def _warning(self, status, monitor, dtype):
        """The warning that training stopped before it converged, or None."""
        max_iter = monitor.stopping.max_iter
        if monitor.n_iter == max_iter:
            status = "max_iter"
        if status not in _MESSAGES:
            return None
        advice = f"Increase max_iter (now {max_iter}) or max_fun (now {self.max_fun}), or scale the data."
        if status == "line_search":
            advice = (
                f"The line search found no smaller loss: tol={monitor.stopping.tol:g} is below the rounding error of "
                f"{dtype}, or the data are not scaled. Increase tol, or scale the data."
            )
        return f"lbfgs failed to converge after {monitor.n_iter} iteration(s): {_MESSAGES[status]}. {advice}"


def _advice(problem):
    """What to change if training has diverged."""
    largest = max(problem.rule.alpha)
    alpha = f"decrease alpha (now up to {largest:g})" if np.any(problem.coefficients.penalty > 1) else "increase alpha"
    return (
        "solver='lbfgs' has no learning rate to decrease; scale the input, and the targets of a regression, to unit "
        f"variance, or {alpha}."
    )


def first_state(problem, parameters, limits):
    """The state before the first iteration.

    Parameters
    ----------
    problem : Problem
    parameters : ndarray of shape (n_parameters,)
    limits : LBFGSLimits

    Returns
    -------
    LBFGSState
    """
    loss, gradient = _evaluate(problem, parameters)
    n = len(parameters)
    pairs = [np.zeros((N_PAIRS, n)) for _ in range(2)]
    state = LBFGSState(parameters.astype(np.float64), gradient, loss, *pairs, np.zeros(N_PAIRS))
    if np.abs(gradient).max() <= limits.gtol:
        state.status = "gradient"
    return state


def step(problem, state, limits):
    """One iteration.

    Parameters
    ----------
    problem : Problem
    state : LBFGSState
        Changed in place; its status must be "running".
    limits : LBFGSLimits

    Returns
    -------
    IterationTotals or None
        None if no parameters were found; the status says why.
    """
    found = None
    while found is None:
        direction = descent_direction(state)
        slope = _dot(state.gradient, direction)
        if slope < 0:
            found = _search(problem, state, limits, direction, slope)
        if found is None:
            if state.n_updates == 0:
                state.status = "line_search"
                return None
            state.n_updates, state.scale = 0, 1.0
    parameters, loss, gradient, length, slope_after = found
    if not (np.isfinite(loss) and np.isfinite(parameters.astype(problem.dtype)).all()):
        state.status = "diverged"
        return None
    curvature = (slope_after - slope) * length
    if curvature > np.finfo(np.float64).eps * -slope * length:
        at, change = state.n_updates % len(state.steps), gradient - state.gradient
        state.steps[at], state.changes[at], state.curvatures[at] = length * direction, change, curvature
        state.n_updates, state.scale = state.n_updates + 1, _dot(change, change) / curvature
    state.status = _status(state, limits, loss, gradient, length)
    state.parameters[:], state.gradient[:], state.loss = parameters, gradient, loss
    state.n_iterations += 1
    return _totals(problem, state)


def descent_direction(state):
    """The direction -H·gradient, by the two-loop recursion; H is the inverse of the curvature that the pairs describe.

    Parameters
    ----------
    state : LBFGSState

    Returns
    -------
    ndarray of shape (n_parameters,)
    """
    n_pairs = len(state.steps)
    pairs = [i % n_pairs for i in range(max(0, state.n_updates - n_pairs), state.n_updates)]  # the oldest first
    direction, shares = -state.gradient, np.empty(n_pairs)
    for i in reversed(pairs):
        shares[i] = _dot(state.steps[i], direction) / state.curvatures[i]
        direction -= shares[i] * state.changes[i]
    direction /= state.scale
    for i in pairs:
        direction += (shares[i] - _dot(state.changes[i], direction) / state.curvatures[i]) * state.steps[i]
    return direction


def _search(problem, state, limits, direction, slope):
    """The next parameters, their loss and gradient, the length of the step and the slope there; None if not found."""
    length = 1.0
    if state.n_iterations == 0:
        length = min(1 / np.sqrt(_dot(direction, direction)), LARGEST_STEP)
    search = LineSearch(Trial(0.0, np.float64(state.loss), np.float64(slope)), length)
    for _ in range(MAX_TRIALS):
        parameters = state.parameters + search.step * direction
        loss, gradient = _evaluate(problem, parameters)
        state.n_evaluations += 1
        length, slope = search.step, _dot(gradient, direction)
        if search.ends(loss, slope):
            if search.is_satisfied or loss < state.loss or np.abs(gradient).max() <= limits.gtol:
                return parameters, loss, gradient, length, slope
            return None  # the steps are too short to change the loss
    return None


def _status(state, limits, loss, gradient, length):
    """The status after an iteration that has gone from `state` to this loss and gradient, by a step of this length."""
    if state.n_evaluations > limits.max_fun:
        return "max_fun"
    if np.abs(gradient).max() <= limits.gtol:
        return "gradient"
    # at the largest step, the direction was far too short
    has_stalled = length < LARGEST_STEP and state.loss - loss <= limits.ftol * max(abs(state.loss), abs(loss), 1.0)
    return "reduction" if has_stalled else "running"


def _evaluate(problem, parameters):
    """Objective and gradient in double precision; the engine computes in that of the problem."""
    loss, gradient = problem.objective_and_gradient(parameters.astype(problem.dtype, copy=False))
    return np.float64(loss), gradient.astype(np.float64)


def _totals(problem, state):
    parameters = state.parameters.astype(problem.dtype)
    penalty = float(problem.penalty(parameters))
    return IterationTotals(float(state.loss), float(state.loss) - penalty, problem.weight_norm(parameters))


def _iterate(problem, state, limits, n):
    """At most `n` iterations in the engine, or one `step`. Returns the totals of each that was finished."""
    engine = problem.engine
    if hasattr(engine, "iterate_lbfgs"):
        curves = engine.iterate_lbfgs(problem.task, state, problem.coefficients.penalty, limits, n)
        return [*map(IterationTotals._make, curves.tolist())]
    totals = step(problem, state, limits)
    return [] if totals is None else [totals]


def _dot(a, b):
    # not np.dot: it may wake threads of BLAS
    return np.einsum("i,i", a, b)
