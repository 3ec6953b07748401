"""L-BFGS within bounds, by `scipy.optimize`: for the polish of a swarm with bounds."""

import threading
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import threadpoolctl

from skl2net.solvers.base import Diverged
from skl2net.solvers.curves import IterationTotals

# The vectors are too short for threads of BLAS, which wake more slowly than they work. Their limit belongs to the
# process: limits that overlap would leave each other's behind.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class BoundedLBFGS:
    """L-BFGS-B, which stops like `skl2net.solvers.lbfgs.LBFGS` with ``ftol=0`` and no limit of evaluations.

    Parameters
    ----------
    low, high : float
        Bounds of each parameter. Gradient components pointing out of the bounds are ignored.
    """

    low: float
    high: float

    def minimise(self, problem, start, monitor):
        """See `Solver.minimise`, but for the warning: the polish has one of its own."""
        dtype = problem.dtype

        def objective(x):
            value, gradient = problem.objective_and_gradient(x.astype(dtype))
            return value, gradient.astype(np.float64)

        def found(result):
            parameters, loss = result.x.astype(dtype), float(result.fun)
            if not (np.isfinite(loss) and np.isfinite(parameters).all()):
                raise Diverged("Scale the input to unit variance, or increase alpha.")
            penalty, weight_norm = float(problem.penalty(parameters)), problem.network.weight_norm(parameters)
            return parameters, IterationTotals(loss, loss - penalty, weight_norm)

        def finish_iteration(intermediate_result):
            parameters, totals = found(intermediate_result)
            monitor.finish(parameters, [totals])

        stopping = monitor.stopping
        with _one_at_a_time, threadpoolctl.threadpool_limits(1, user_api="blas"):
            result = scipy.optimize.minimize(
                objective,
                start.parameters.astype(np.float64),
                method="L-BFGS-B",
                jac=True,
                bounds=scipy.optimize.Bounds(self.low, self.high),
                callback=finish_iteration,
                options={"maxfun": np.inf, "maxiter": stopping.max_iter, "gtol": stopping.tol, "ftol": 0.0},
            )
        if monitor.n_iter == 0:
            monitor.finish_at_start(*found(result))
