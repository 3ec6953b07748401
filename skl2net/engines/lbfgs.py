"""L-BFGS in NumPy: `step` is one iteration, which `Session.iterate_lbfgs` runs.

The compiled engine does the same, many times in one call. The iterates are those of `scipy.optimize.minimize` with
``method="L-BFGS-B"`` and no bounds, up to rounding.

References
----------
J. Nocedal, "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35 (1980), 773-782.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skl2net.engines.line_search import LARGEST_STEP, MAX_TRIALS, LineSearch, Trial

N_PAIRS = 10


@dataclass
class LBFGSState:
    """Where L-BFGS is and what it knows of the curvature, in double precision; engines change it in place.

    Parameters
    ----------
    parameters, gradient : ndarray of float64, shape (n_parameters,)
    loss : float
        Objective at `parameters`, including the penalty.
    steps, changes : ndarray of float64, shape (n_pairs, n_parameters)
        The last steps, and the changes of the gradient over them: pair number i is in row ``i % n_pairs``.
    curvatures : ndarray of float64, shape (n_pairs,)
        Inner product of each step and its change.
    n_updates : int, default=0
        Number of pairs since the memory was last emptied.
    scale : float, default=1.0
        Curvature in directions that the pairs do not describe.
    n_iterations : int, default=0
    n_evaluations : int, default=1
    status : str, default="running"
        Or why the iterations have ended: "gradient" and "reduction" have converged, "max_fun" has reached the limit,
        "line_search" found no step with a smaller loss, and the next parameters of "diverged" are not finite.
    """

    parameters: np.ndarray
    gradient: np.ndarray
    loss: float
    steps: np.ndarray
    changes: np.ndarray
    curvatures: np.ndarray
    n_updates: int = 0
    scale: float = 1.0
    n_iterations: int = 0
    n_evaluations: int = 1
    status: str = "running"


class LBFGSLimits(NamedTuple):
    """When L-BFGS ends, asked after each iteration.

    Parameters
    ----------
    max_fun : int or inf
        It ends after more evaluations than that.
    gtol : float
        Largest absolute entry of the gradient at which it has converged.
    ftol : float
        Largest decrease of the loss, as a share of it or of 1, after which it has converged.
    """

    max_fun: float
    gtol: float
    ftol: float


def first_state(session, parameters, penalty, limits):
    """The `LBFGSState` before the first iteration. `penalty` has the coefficient of each layer."""
    loss, gradient = _evaluate(session, parameters, penalty)
    n = len(parameters)
    pairs = [np.zeros((N_PAIRS, n)) for _ in range(2)]
    state = LBFGSState(parameters.astype(np.float64), gradient, loss, *pairs, np.zeros(N_PAIRS))
    if np.abs(gradient).max() <= limits.gtol:
        state.status = "gradient"
    return state


def step(session, state, penalty, limits):
    """One iteration, which changes the state in place; its status must be "running".

    Returns the `totals` of the iteration. If no parameters were found it returns None, and the status says why.
    """
    found = None
    while found is None:
        direction = descent_direction(state)
        slope = _dot(state.gradient, direction)
        if slope < 0:
            found = _search(session, state, penalty, limits, direction, slope)
        if found is None:
            if state.n_updates == 0:
                state.status = "line_search"
                return None
            state.n_updates, state.scale = 0, 1.0
    parameters, loss, gradient, length, slope_after = found
    if not (np.isfinite(loss) and np.isfinite(parameters.astype(session.dtype)).all()):
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
    return totals(session, state, penalty)


def descent_direction(state):
    """The direction -H·gradient, by the two-loop recursion; the pairs describe the curvature, whose inverse is H."""
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


def _search(session, state, penalty, limits, direction, slope):
    """The next parameters, their loss and gradient, the length of the step and the slope there; None if not found."""
    length = 1.0
    if state.n_iterations == 0:
        length = min(1 / np.sqrt(_dot(direction, direction)), LARGEST_STEP)
    search = LineSearch(Trial(0.0, np.float64(state.loss), np.float64(slope)), length)
    for _ in range(MAX_TRIALS):
        parameters = state.parameters + search.step * direction
        loss, gradient = _evaluate(session, parameters, penalty)
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


def totals(session, state, penalty):
    """Loss, data loss and Σw² at the parameters of a state."""
    parameters, network = state.parameters.astype(session.dtype), session.task.network
    data_loss = float(state.loss) - float(network.penalty(parameters, penalty))
    return float(state.loss), data_loss, network.weight_norm(parameters)


def _evaluate(session, parameters, penalty):
    """Objective and gradient in double precision; the engine computes in that of the data."""
    loss, gradient = session.objective_and_gradient(parameters.astype(session.dtype, copy=False), penalty)
    return np.float64(loss), gradient.astype(np.float64)


def _dot(a, b):
    # not np.dot: it may wake threads of BLAS
    return np.einsum("i,i", a, b)
