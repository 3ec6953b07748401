"""L-BFGS: full-batch minimisation of data loss plus penalty by `scipy.optimize`."""

from dataclasses import dataclass

import numpy as np
import scipy.optimize

from skl2net.engines.threads import one_blas_thread
from skl2net.solvers.base import Diverged, Iterate, Solver
from skl2net.solvers.curves import IterationTotals

_ADVICE = (
    "solver='lbfgs' has no learning rate to decrease; scale the input, and the targets of a regression, to unit "
    "variance, or increase alpha."
)


@dataclass(frozen=True)
class LBFGS(Solver):
    """L-BFGS with the stopping rules of scikit-learn's MLP.

    It stops when the largest absolute entry of the gradient is at most `tol`, when an iteration decreases the loss by a
    share of less than 2.2e-5·tol (scipy's default if `tol` is 1e-4; at least the rounding error of the dtype), after
    `max_iter` iterations, or after `max_fun` evaluations.

    Parameters
    ----------
    max_fun : int or inf
    bounds : scipy.optimize.Bounds, default=None
        Bounds of the parameters. Gradient components pointing out of the bounds are ignored.
    ftol : float, default=None
        Replaces 2.2e-5·tol above.
    """

    max_fun: int
    bounds: scipy.optimize.Bounds | None = None
    ftol: float | None = None

    name = "lbfgs"
    why_no_decay = "L-BFGS minimises an objective, and a decay of the weights has none"
    uses_validation = False
    prefers = "processes"  # its loop is Python's: in threads, each evaluation waits for the global lock

    def minimise(self, problem, start, monitor):
        """See `Solver.minimise`. Only the parameters of an earlier training are used, not its state."""
        max_iter, tol = monitor.stopping.max_iter, monitor.stopping.tol

        def objective(x):
            value, gradient = problem.objective_and_gradient(x.astype(problem.dtype))
            return value, gradient.astype(np.float64)

        def totals(x, loss):
            return IterationTotals(loss, loss - float(problem.penalty(x)), problem.weight_norm(x))

        def finish_iteration(intermediate_result):
            x, loss = intermediate_result.x.copy(), float(intermediate_result.fun)
            self._check_finite(x.astype(problem.dtype), loss)
            monitor.finish(Iterate(x.astype(problem.dtype)), [totals(x, loss)])

        ftol = max(2.2204460492503131e-05 * tol, float(np.finfo(problem.dtype).eps)) if self.ftol is None else self.ftol
        try:
            with one_blas_thread:  # scipy's vector operations wake threads that take longer to wake than to work
                result = scipy.optimize.minimize(
                    objective,
                    start.parameters.astype(np.float64),
                    method="L-BFGS-B",
                    jac=True,
                    bounds=self.bounds,
                    callback=finish_iteration,
                    options={"maxfun": self.max_fun, "maxiter": max_iter, "gtol": tol, "ftol": ftol},
                )
        finally:
            one_blas_thread.release()  # Ctrl-C may have come on the way in or out
        self._check_finite(result.x.astype(problem.dtype), float(result.fun))
        if monitor.n_iter == 0:
            monitor.finish_at_start(Iterate(result.x.astype(problem.dtype)), totals(result.x, float(result.fun)))
        if result.status == 0:
            return None
        advice = f"Increase max_iter (now {max_iter}) or max_fun (now {self.max_fun}), or scale the data."
        if result.status != 1:  # neither limit was reached
            advice = (
                f"The line search found no smaller loss: tol={tol:g} is below the rounding error of {problem.dtype}, "
                "or the data are not scaled. Increase tol, or scale the data."
            )
        return f"lbfgs failed to converge after {monitor.n_iter} iteration(s): {result.message}. {advice}"

    def _check_finite(self, parameters, loss):
        if not (np.isfinite(loss) and np.isfinite(parameters).all()):
            raise Diverged(_ADVICE)
