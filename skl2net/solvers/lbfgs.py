"""L-BFGS: full-batch minimisation of data loss plus penalty.

One iteration is `skl2net.engines.lbfgs.step`.
"""

from dataclasses import dataclass, replace

import numpy as np

from skl2net.engines.lbfgs import LBFGSLimits, first_state, totals
from skl2net.solvers.base import Diverged, Solver
from skl2net.solvers.curves import IterationTotals

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
    why_no_decay = "L-BFGS minimises an objective, and weight decay has none"
    uses_validation = False

    def stopping(self, rule):
        """See `Solver.stopping`. L-BFGS has stopping rules of its own and no patience."""
        return replace(rule, n_iter_no_change=np.inf)

    @np.errstate(all="ignore")  # a trial may overflow; the line search goes on from there
    def minimise(self, problem, start, monitor):
        """See `Solver.minimise`. Only the parameters of an earlier training are used, not its state."""
        tol, dtype = monitor.stopping.tol, problem.session.dtype
        ftol = max(2.2204460492503131e-05 * tol, float(np.finfo(dtype).eps)) if self.ftol is None else self.ftol
        limits = LBFGSLimits(self.max_fun, tol, ftol)
        session, penalty = problem.session, problem.coefficients.penalty
        state = first_state(session, start.parameters, penalty, limits)
        if not (np.isfinite(state.loss) and np.isfinite(np.einsum("i,i", state.gradient, state.gradient))):
            raise Diverged(_advice(problem), is_at_start=True)
        while state.status == "running" and monitor.n_iter < monitor.stopping.max_iter:
            n = min(monitor.stopping.max_iter - monitor.n_iter, monitor.n_until_decision)
            curves = session.iterate_lbfgs(state, penalty, limits, n)
            if state.status == "diverged":
                raise Diverged(_advice(problem), n_unreported=len(curves))
            if len(curves):
                iterations = [*map(IterationTotals._make, curves.tolist())]
                monitor.finish(state.parameters.astype(dtype), iterations)
        if monitor.n_iter == 0:
            at_start = IterationTotals(*totals(session, state, penalty))
            monitor.finish_at_start(state.parameters.astype(dtype), at_start)
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
