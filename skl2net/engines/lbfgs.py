"""L-BFGS by `scipy.optimize`, for engines that have none of their own and within bounds.

The compiled engine has one whose iterates are the same, up to rounding; an `LBFGSState` is what its calls continue.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.optimize

N_PAIRS = 10
UNBOUNDED = -np.inf, np.inf


@dataclass
class LBFGSState:
    """State of L-BFGS in double precision. The compiled engine updates it in place.

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
        See `Session.minimise_by_lbfgs`. "gradient" and "reduction" have converged.
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
    loss, gradient = session.objective_and_gradient(parameters, penalty)
    gradient, n = gradient.astype(np.float64), len(parameters)
    pairs = [np.zeros((N_PAIRS, n)) for _ in range(2)]
    state = LBFGSState(parameters.astype(np.float64), gradient, loss, *pairs, np.zeros(N_PAIRS))
    if not _are_finite(loss, gradient):
        state.status = "overflow"
    elif np.abs(gradient).max() <= limits.gtol:
        state.status = "gradient"
    return state


def minimise(session, parameters, penalty, limits, max_iter, report, bounds=UNBOUNDED):
    """See `Session.minimise_by_lbfgs`."""
    network = session.task.network

    def evaluate(x):
        value, gradient = session.objective_and_gradient(x.astype(session.dtype), penalty)
        return value, gradient.astype(np.float64)

    def objective(x):
        value, gradient = evaluate(x)
        if _are_finite(value, gradient):
            return value, gradient
        return loss + max(abs(loss), 1.0), np.zeros(len(x))  # a wall from which the line search returns

    def finish_iteration(intermediate_result):
        nonlocal loss
        x, loss = intermediate_result.x.astype(session.dtype), float(intermediate_result.fun)
        data_loss = loss - float(network.penalty(x, penalty))
        report(x, np.array([[loss, data_loss, network.weight_norm(x)]]))

    loss, gradient = evaluate(parameters)
    if not _are_finite(loss, gradient):
        return "overflow"
    result = scipy.optimize.minimize(
        objective,
        parameters.astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        bounds=None if bounds == UNBOUNDED else scipy.optimize.Bounds(*bounds),
        callback=finish_iteration,
        options={"maxiter": max_iter, "maxfun": limits.max_fun, "gtol": limits.gtol, "ftol": max(limits.ftol, 0.0)},
    )
    if result.status == 1:
        return "max_fun" if result.nfev > limits.max_fun else "running"
    return "line_search" if result.status == 2 else "reduction"


def _are_finite(loss, gradient):
    """Whether a loss and the square of its gradient are finite."""
    return np.isfinite(loss) and np.isfinite(np.einsum("i,i", gradient, gradient))
