"""The stopping rule of iterative training. Each call of `fit` starts with its full patience."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class StoppingRule:
    """The stopping parameters of the estimators.

    Parameters
    ----------
    max_iter : int
        Maximum number of iterations.
    tol : float
        Smallest improvement that counts.
    n_iter_no_change : int or inf
        Training has converged when it has not improved by `tol` for more than this number of consecutive iterations.
    cumulative : bool, default=False
        Whether an improvement is measured from the loss at the last improvement, so that small steps add up, or from
        the smallest loss so far, as in scikit-learn.
    """

    max_iter: int
    tol: float
    n_iter_no_change: float
    cumulative: bool = False


class Progress(NamedTuple):
    """The progress of a training.

    Parameters
    ----------
    best_loss : float or None
        Smallest training loss; None with early stopping.
    reference_loss : float
        Loss from which the next improvement is measured.
    best_score : float or None
        Best validation score; None without early stopping.
    best_parameters : ndarray or None
        Parameters with the best validation score.
    n_stalled : int
        Number of consecutive iterations without an improvement.
    """

    best_loss: float | None = None
    reference_loss: float = np.inf
    best_score: float | None = None
    best_parameters: np.ndarray | None = None
    n_stalled: int = 0

    def after_loss(self, loss, rule):
        """The progress after an iteration with this training loss."""
        if rule.cumulative:
            stalled = not loss < self.reference_loss - rule.tol
            reference = self.reference_loss if stalled else loss
        else:
            stalled = not loss <= self.reference_loss - rule.tol
            reference = min(self.reference_loss, loss)
        best_loss = loss if self.best_loss is None else min(self.best_loss, loss)
        n_stalled = self.n_stalled + 1 if stalled else 0
        return Progress(best_loss, reference, self.best_score, self.best_parameters, n_stalled)

    def after_score(self, score, parameters, rule):
        """The progress after an iteration with this validation score."""
        best = -np.inf if self.best_score is None else self.best_score
        n_stalled = 0 if score >= best + rule.tol else self.n_stalled + 1
        if score > best:
            return self._replace(best_score=score, best_parameters=parameters, n_stalled=n_stalled)
        return self._replace(best_score=best, n_stalled=n_stalled)
