"""L-BFGS: full-batch minimisation of data loss plus penalty, by `skl2net.engines.base.Session.minimise_by_lbfgs`."""

from dataclasses import dataclass, replace

import numpy as np

from skl2net.engines.lbfgs import UNBOUNDED, LBFGSLimits
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
    bounds : (float, float), default=(-inf, inf)
        Bounds of each parameter.
    """

    max_fun: int
    ftol: float | None = None
    bounds: tuple[float, float] = UNBOUNDED

    name = "lbfgs"
    why_no_decay = "L-BFGS minimises an objective, and weight decay has none"
    uses_validation = False

    def stopping(self, rule):
        """See `Solver.stopping`. L-BFGS has stopping rules of its own and no patience."""
        return replace(rule, n_iter_no_change=np.inf)

    @np.errstate(all="ignore")  # a trial may overflow; the line search goes on from there
    def minimise(self, problem, start, monitor):
        """See `Solver.minimise`. Only the parameters of an earlier training are used, not its state."""
        problem.task.loss.check_smooth("solver='lbfgs'", "solver='adam'")
        session, penalty, max_iter = problem.session, problem.coefficients.penalty, monitor.stopping.max_iter
        tol = monitor.stopping.tol
        ftol = max(2.2204460492503131e-05 * tol, float(np.finfo(session.dtype).eps)) if self.ftol is None else self.ftol
        limits = LBFGSLimits(self.max_fun, tol, ftol)

        def report(parameters, curves):
            monitor.finish(parameters, [*map(IterationTotals._make, curves.tolist())])

        status = session.minimise_by_lbfgs(
            start.parameters, penalty, limits, max_iter, report, monitor.n_until_decision, self.bounds
        )
        if status in ("overflow", "diverged"):
            raise Diverged(_advice(problem), is_at_start=status == "overflow")
        if monitor.n_iter == 0:
            loss, _ = session.objective_and_gradient(start.parameters, penalty)
            data_loss = loss - float(problem.penalty(start.parameters))
            totals = IterationTotals(loss, data_loss, problem.network.weight_norm(start.parameters))
            monitor.finish_at_start(start.parameters, totals)
        return self._warning(status, monitor, session.dtype)

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
