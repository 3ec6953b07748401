"""The monitor of a training: it records each finished iteration and applies the stopping rule.

What is known after the last finished iteration is one object, assigned at once, so that an interruption at any moment
leaves a consistent state.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from skl2net.engines.base import Cancelled
from skl2net.solvers.stopping import Progress


class Stopped(Exception):
    """Ends a training whose last finished iteration is the result, because a callback asked for it."""


class _Finished(NamedTuple):
    """The fields of a `TrainingState` that an iteration changes: cheaper to replace than the whole."""

    parameters: np.ndarray
    solver_state: object
    progress: Progress
    t: int
    n_iter: int
    loss: float
    data_loss: float


class Monitor:
    """Records the iterations of one training.

    Parameters
    ----------
    stopping : StoppingRule
    start : TrainingState
        The state that training continues.
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
    n_iter : int
        Number of finished iterations.
    progress : Progress
        The progress after the last of them.
    has_result : bool
        Whether an iteration has been finished, or training had converged before the first one.
    """

    def __init__(self, stopping, start, *, validate=None, verbose=False, is_cancelled=None, on_begin=None, on_end=None):
        self.stopping = stopping
        self.verbose = verbose
        self._start = replace(start, n_iter=0)
        self._at_start = self._last = _Finished(*(getattr(self._start, name) for name in _Finished._fields))
        self._validate = validate
        self._is_cancelled = is_cancelled
        self._on_begin = on_begin
        self._on_end = on_end
        self._has_begun = False
        self._iterations = []
        self._validations = []

    @property
    def has_result(self):
        return self._last is not self._at_start

    @property
    def progress(self):
        return self._last.progress

    @property
    def n_iter(self):
        return self._last.n_iter

    @property
    def state(self):
        """The `TrainingState` after the last finished iteration, or at the start; with the `curves` of the start."""
        return replace(self._start, **self._last._asdict())

    @property
    def first_losses(self):
        """Training loss of the first iteration, of this training and of those that it continues; NaN if none."""
        before = self._start.curves.loss
        return self._iterations[0].loss, before[0] if len(before) else np.nan

    @property
    def curves(self):
        """The curves after the last finished iteration."""
        n = max(self.n_iter, 1)  # one record if training had converged before its first iteration
        return self._start.curves.extended(self._iterations[:n], self._validations[: self.n_iter])

    def begin(self):
        """Announce that the next iteration begins.

        Solvers that need not know whether there will be another iteration, such as L-BFGS, leave it to `finish`.
        """
        if self._on_begin is not None and not self._has_begun:
            self._has_begun = True
            self._on_begin()

    def finish(self, parameters, totals, each=None, *, solver_state=None, t=0, label="Iteration"):
        """Record finished iterations, and announce the last one.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
            Parameters after the last of them. This array and those of `solver_state` must not be changed afterwards.
        totals : list of IterationTotals
            Totals of each, at most `n_until_decision` of them, or with `each` at most `n_until_stop`.
        each : ndarray of shape (n, n_parameters), default=None
            Parameters after each. None if there is one iteration, or if none `is_validated`.
        solver_state : object, default=None
            See `TrainingState`.
        t : int, default=0
            Number of rows visited so far, including earlier trainings.
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
        n_before, progress = self.n_iter, self.progress
        # remove records of a call that was interrupted
        del self._iterations[n_before:]
        del self._validations[n_before:]
        each = parameters[np.newaxis] if each is None else each
        validations = self._validations_of(each)
        for i, record in enumerate(totals):
            if self.verbose:
                print(f"{label} {n_before + i + 1}, loss = {record.loss:.8f}")
            if self._validate is None:
                progress = progress.after_loss(record.loss, self.stopping)
            else:
                if self.verbose:
                    print(f"Validation score: {validations[i][0]:f}")
                progress = progress.after_score(validations[i][0], each[i], self.stopping)
        self._iterations += totals
        self._validations += validations
        n_iter, (loss, data_loss, _) = n_before + len(totals), totals[-1]
        self._last = _Finished(parameters, solver_state, progress, t, n_iter, loss, data_loss)
        if self.verbose:
            print(end="", flush=True)  # output that is not a terminal would come in bursts
        if self._on_end is not None:
            self.begin()
            self._has_begun = False
            if self._on_end():
                raise Stopped

    def finish_at_start(self, parameters, totals):
        """Record that training had converged before its first iteration."""
        self._iterations[:] = [totals]
        progress = Progress(best_loss=totals.loss)
        self._last = _Finished(parameters, None, progress, 0, 0, totals.loss, totals.data_loss)

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

    def renew_patience(self):
        """Reset the patience."""
        self._last = self._last._replace(progress=self.progress._replace(n_stalled=0))

    def replace_solver_state(self, solver_state):
        """Replace the state of the solver from which a later training continues."""
        self._last = self._last._replace(solver_state=solver_state)

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

    def _validations_of(self, each):
        """Scores and losses on the validation set; not computed again if a single iteration has changed nothing."""
        if self._validate is None:
            return []
        if len(each) == 1 and self.n_iter and np.array_equal(each[0], self._last.parameters):
            return self._validations[-1:]
        return self._validate(each)
