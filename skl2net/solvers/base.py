"""The interface of a solver. It continues a `TrainingState` and reports each iteration to a monitor."""

from skl2net.l2 import AppliedRule


class Diverged(Exception):
    """Raised by a solver when its next parameters, or the loss or gradient at the initial ones, are not finite.

    The message names the parameters that were set, and what to change.

    Parameters
    ----------
    advice : str
    n_unreported : int, default=0
        Number of finished iterations that were not yet reported to the monitor.
    is_at_start : bool, default=False
        Whether the loss or its gradient overflows before the first iteration.
    """

    def __init__(self, advice, n_unreported=0, *, is_at_start=False):
        super().__init__(advice)
        self.n_unreported, self.is_at_start = n_unreported, is_at_start


class Solver:
    """Base class of the solvers.

    Attributes
    ----------
    name : str
        Name of the solver, the value of the parameter `solver` of the estimators.
    why_no_decay : str or None
        Reason why the solver does not support L2 rules without an objective; None if it does.
    uses_validation : bool
        Whether the solver supports early stopping.
    objective : callable or None
        User-defined objective that replaces the data loss.
    learning_rate_init : float or None
        Initial learning rate; None for solvers that have none.
    default_max_iter : int
        Number of iterations if none is given.
    n_extra_iterations : int
        Number of iterations that may follow the last one of `max_iter`.
    """

    name = None
    why_no_decay = None
    uses_validation = True
    objective = None
    learning_rate_init = None
    default_max_iter = 200
    n_extra_iterations = 0

    def stopping(self, rule):
        """The `StoppingRule` that this solver makes of the estimator's."""
        return rule

    def rows_per_update(self, n_rows):
        """Number of rows in an update, if training is on `n_rows`."""
        return n_rows

    def minimise(self, problem, start, monitor):
        """Minimise the objective of `problem`, and report each finished iteration to `monitor`.

        Parameters
        ----------
        problem : Problem
        start : TrainingState
            With parameters, and with a random stream of its own.
        monitor : Monitor

        Returns
        -------
        str or None
            Warning that training stopped before it converged; None if it converged.

        Raises
        ------
        Diverged
            If the next parameters are not finite.
        """
        raise NotImplementedError

    def advice_if_loss_rises(self, problem, solver_state):
        """Advice if training increased the loss, with the last `TrainingState.solver_state`; None if it cannot."""
        return None

    def applied(self, problem, solver_state):
        """The L2 rule as it ran, an `AppliedRule`, with the last `TrainingState.solver_state`."""
        return AppliedRule(
            problem.rule,
            self.name,
            n=problem.n_samples,
            n_total=problem.n_total,
            loss=problem.task.loss.convention,
            objective="mean loss" if self.objective is None else "own objective",
        )
