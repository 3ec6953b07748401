"""The interface of a solver: where it starts, what it reports, and what it returns."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

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


@dataclass(frozen=True)
class SolverStart:
    """Where a solver starts.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Not changed.
    random_state : numpy.random.RandomState
        Source of the random numbers of the solver.
    state : object, default=None
        `Iterate.state` of the training that this one continues, by this solver or another; not changed.
    t : int, default=0
        Number of rows visited by earlier trainings.
    """

    parameters: np.ndarray
    random_state: np.random.RandomState
    state: object = None
    t: int = 0


class Iterate(NamedTuple):
    """The result of a finished iteration. Its arrays are never changed afterwards.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    state : object
        State of the solver, of which `Solver.kept` makes what a later training continues; None if it has none.
    t : int
        Number of rows visited so far, including earlier trainings.
    """

    parameters: np.ndarray
    state: object = None
    t: int = 0


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

    def max_iterations(self, max_iter):
        """The largest number of iterations of a training.

        Parameters
        ----------
        max_iter : int
            The estimator's.

        Returns
        -------
        int
        """
        return max_iter

    def minimise(self, problem, start, monitor):
        """Minimise the objective of `problem`, and report each finished iteration to `monitor`.

        Parameters
        ----------
        problem : Problem
        start : SolverStart
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

    def kept(self, state):
        """What a later training needs of an iterate.

        Parameters
        ----------
        state : object
            `Iterate.state`.

        Returns
        -------
        state : object
            `SolverStart.state` of a later training.
        random_state : dict or None
            State of the random stream after the iterate; None if it is that at the first iteration.
        """
        return state, None

    def advice_if_loss_rises(self, state):
        """What to change if training has increased the loss. Only solvers that do so for some parameters have it.

        Parameters
        ----------
        state : object
            `Iterate.state` of the last iteration.

        Returns
        -------
        str or None
        """
        return None

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
            loss=problem.task.loss.convention,
            objective="mean loss" if self.objective is None else "own objective",
        )
