"""What a solver is, what it starts from, and what it says about a training."""

from dataclasses import dataclass

import numpy as np

from skl2net.l2 import AppliedRule


class Diverged(Exception):
    """Raised by a solver whose next parameters are not finite; the message says what was set and what to change.

    Parameters
    ----------
    advice : str
    n_unreported : int, default=0
        Number of iterations that were finished before, but not reported to the monitor.
    """

    def __init__(self, advice, n_unreported=0):
        super().__init__(advice)
        self.n_unreported = n_unreported


@dataclass(frozen=True)
class SolverStart:
    """What a solver starts from.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Not changed.
    random_state : numpy.random.RandomState
        The stream that the solver draws from.
    state : object, default=None
        `Iterate.state` of an earlier training, by this solver or another, if this one continues it; not changed.
    t : int, default=0
        Number of rows visited by earlier trainings.
    """

    parameters: np.ndarray
    random_state: np.random.RandomState
    state: object = None
    t: int = 0


@dataclass(frozen=True)
class Iterate:
    """Where a solver is after a finished iteration. Nobody changes its arrays any more.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    state : object
        What a later training continues; None if the solver keeps nothing.
    t : int
        Number of rows visited so far, by earlier trainings too.
    random_state : dict or None
        State of the random stream; None if nothing was drawn.
    """

    parameters: np.ndarray
    state: object = None
    t: int = 0
    random_state: dict | None = None


class Solver:
    """Base class of the solvers.

    Attributes
    ----------
    name : str
        As `solver` of the estimators calls it.
    why_no_decay : str or None
        Why it cannot run an L2 rule without an objective; None if it can.
    uses_validation : bool
        Whether early stopping applies.
    objective : callable or None
        What is minimised in place of the data loss.
    """

    name = None
    why_no_decay = None
    uses_validation = True
    objective = None

    def stopping(self, rule):
        """The stopping rule that this solver makes of the estimator's.

        Parameters
        ----------
        rule : StoppingRule

        Returns
        -------
        StoppingRule
        """
        return rule

    def minimise(self, problem, start, monitor):
        """Minimise, reporting each finished iteration to `monitor`.

        Parameters
        ----------
        problem : Problem
        start : SolverStart
        monitor : Monitor

        Returns
        -------
        str or None
            Why training ended before it converged; None if it converged or `monitor` asked to stop.

        Raises
        ------
        Diverged
            If the next parameters are not finite.
        """
        raise NotImplementedError

    def applied(self, problem, state):
        """The L2 rule as it ran, an `AppliedRule`.

        Parameters
        ----------
        problem : Problem
        state : object
            `Iterate.state` of the last iteration.
        """
        return AppliedRule(
            problem.rule,
            self.name,
            n=problem.n_samples,
            n_total=problem.n_total,
            loss=problem.loss_name,
            objective="mean loss" if self.objective is None else "own objective",
        )
