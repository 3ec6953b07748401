"""The monitor of a training: it records each finished iteration and applies the stopping rule.

The last finished iteration is one object, assigned at once, so that an interruption at any moment leaves a consistent
state.
"""

from typing import NamedTuple

import numpy as np

from skl2net.engines.base import Cancelled
from skl2net.solvers.base import Iterate
from skl2net.solvers.curves import Curves, IterationTotals
from skl2net.solvers.stopping import Progress


class Stopped(Exception):
    """Ends a training whose last finished iteration is the result, because a callback asked for it."""


class Finished(NamedTuple):
    """The state of a training after a finished iteration.

    Parameters
    ----------
    iterate : Iterate
    last : IterationTotals
    n_iter : int
        Number of finished iterations.
    progress : Progress
    """

    iterate: Iterate
    last: IterationTotals
    n_iter: int
    progress: Progress


class Monitor:
    """Records the iterations of one training.

    Parameters
    ----------
    stopping : StoppingRule
    start : Progress, default=None
        The progress that training begins with. None for that of a new training.
    curves : Curves, default=None
        The curves that this training extends. None for those of a new training.
    validate : callable, default=None
        ``validate(vectors) -> [(score, data loss), ...]`` on the validation set, with early stopping: of each row of
        an array of shape (n, n_parameters).
    verbose : bool or int, default=False
        Whether to print each iteration.
    is_cancelled : callable, default=None
        ``is_cancelled() -> bool``: whether the result is no longer needed.
    on_begin : callable, default=None
        ``on_begin()``, called before each iteration.
    on_end : callable, default=None
        ``on_end() -> bool``, called after each iteration: whether training should stop.

    Attributes
    ----------
    finished : Finished or None
        State after the last finished iteration; None before the first.
    """

    def __init__(
        self,
        stopping,
        start=None,
        curves=None,
        *,
        validate=None,
        verbose=False,
        is_cancelled=None,
        on_begin=None,
        on_end=None,
    ):
        self.stopping = stopping
        self.verbose = verbose
        self.finished = None
        self._start = Progress() if start is None else start
        self._validate = validate
        self._is_cancelled = is_cancelled
        self._on_begin = on_begin
        self._on_end = on_end
        self._has_begun = False
        self._iterations = []
        self._validations = []
        self._first_before = np.nan if curves is None else curves.loss.first
        self._extended = 0, Curves() if curves is None else curves  # by how many iterations

    @property
    def progress(self):
        """The progress after the last finished iteration."""
        return self._start if self.finished is None else self.finished.progress

    @property
    def first_losses(self):
        """Training loss of the first iteration, of this training and of those that it continues; NaN if none."""
        return self._iterations[0].loss, self._first_before

    @property
    def n_iter(self):
        """Number of finished iterations."""
        return 0 if self.finished is None else self.finished.n_iter

    def begin(self):
        """Announce that the next iteration begins.

        Solvers that need not know whether there will be another iteration, such as L-BFGS, leave it to `finish`.
        """
        if self._on_begin is not None and not self._has_begun:
            self._has_begun = True
            self._on_begin()

    def finish(self, iterate, totals, each=None, *, label="Iteration"):
        """Record finished iterations, and announce the last one.

        Parameters
        ----------
        iterate : Iterate
            Result of the last of them.
        totals : list of IterationTotals
            Totals of each, at most `n_until_decision` of them, or with `each` at most `n_until_stop`.
        each : ndarray of shape (n, n_parameters), default=None
            Parameters after each. None if there is one iteration, or if none `is_validated`.
        label : str, default="Iteration"
            Label of the messages printed by `verbose`.

        Raises
        ------
        Cancelled
            If the result is no longer needed.
        Stopped
            If a callback asks to stop.
        """
        if self._is_cancelled is not None and self._is_cancelled():
            raise Cancelled
        progress, n_iter = self.progress, self.n_iter
        # remove records of a call that was interrupted
        del self._iterations[n_iter:]
        del self._validations[n_iter:]
        each = iterate.parameters[np.newaxis] if each is None else each
        validations = self._validations_of(each)
        for i, record in enumerate(totals):
            n_iter += 1
            self._iterations.append(record)
            if self.verbose:
                print(f"{label} {n_iter}, loss = {record.loss:.8f}")
            if self._validate is None:
                progress = progress.after_loss(record.loss, self.stopping)
            else:
                self._validations.append(validations[i])
                if self.verbose:
                    print(f"Validation score: {validations[i][0]:f}")
                progress = progress.after_score(validations[i][0], each[i], self.stopping)
        self.finished = Finished(iterate, totals[-1], n_iter, progress)
        if self.verbose:
            print(end="", flush=True)  # output that is not a terminal would come in bursts
        if self._on_end is not None:
            self.begin()
            self._has_begun = False
            if self._on_end():
                raise Stopped

    def finish_at_start(self, iterate, totals):
        """Record that training had converged before its first iteration."""
        self._iterations[:] = [totals]
        self.finished = Finished(iterate, totals, 0, Progress(best_loss=totals.loss))

    @property
    def has_converged(self):
        """Whether training has not improved for more than `n_iter_no_change` iterations."""
        return self.progress.n_stalled > self.stopping.n_iter_no_change

    @property
    def is_validated(self):
        """Whether each iteration is validated."""
        return self._validate is not None

    @property
    def n_until_stop(self):
        """Number of iterations before which training cannot stop; 1 if each is announced."""
        return 1 if self._on_end is not None else self.stopping.n_iter_no_change + 1 - self.progress.n_stalled

    @property
    def n_until_decision(self):
        """The same for solvers that know the parameters after the last iteration alone: 1 if each is validated."""
        return 1 if self.is_validated else self.n_until_stop

    def renew_patience(self, state):
        """Reset the patience, and replace the state that a later training continues."""
        finished = self.finished
        self.finished = finished._replace(
            iterate=finished.iterate._replace(state=state), progress=finished.progress._replace(n_stalled=0)
        )

    def announce_convergence(self, consequence):
        """Print that training has converged, and the consequence, if `verbose`."""
        if self.verbose:
            what = "Training loss" if self._validate is None else "Validation score"
            print(
                f"{what} did not improve by more than tol={self.stopping.tol:f} for {self.stopping.n_iter_no_change} "
                f"consecutive iterations. {consequence}"
            )

    @property
    def not_converged(self):
        """The warning that training reached `max_iter`."""
        return (
            f"Maximum number of iterations (max_iter={self.stopping.max_iter}) reached and the training has not "
            "converged yet. Increase max_iter, or increase tol."
        )

    @property
    def curves(self):
        """The curves after the last finished iteration."""
        n_before, curves = self._extended
        n = max(self.finished.n_iter, 1)  # one record if training had converged before its first iteration
        curves = curves.extended(self._iterations[n_before:n], self._validations[n_before : self.finished.n_iter])
        self._extended = n, curves
        return curves

    def _validations_of(self, each):
        """Scores and losses on the validation set; not computed again if a single iteration has changed nothing."""
        if self._validate is None:
            return []
        if len(each) == 1 and self.finished is not None and np.array_equal(each[0], self.finished.iterate.parameters):
            return self._validations[-1:]
        return self._validate(each)
