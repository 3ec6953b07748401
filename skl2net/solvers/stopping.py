"""When iterative training has converged. Each call of `fit` begins with a patience of its own."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class StoppingRule:
    """The stopping parameters of the estimators.

    Parameters
    ----------
    max_iter : int
        Largest number of iterations.
    tol : float
        Smallest improvement that counts.
    n_iter_no_change : int or inf
        Training has converged when it has not improved by `tol` for more than this number of consecutive iterations.
    cumulative : bool, default=False
        What an improvement of the loss is measured from. False: the smallest loss so far, as in scikit-learn. True: the
        loss at the last improvement, so that small steps add up to one.
    """

    max_iter: int
    tol: float
    n_iter_no_change: float
    cumulative: bool = False


@dataclass(frozen=True)
class Progress:
    """How a training has improved so far.

    Parameters
    ----------
    best_loss : float
        Smallest training loss; not recorded under early stopping.
    reference_loss : float
        Loss that the next one is compared with.
    best_score : float
        Best validation score.
    best_parameters : ndarray or None
        Parameters of the best validation score.
    n_stalled : int
        Number of consecutive iterations without an improvement.
    """

    best_loss: float = np.inf
    reference_loss: float = np.inf
    best_score: float = -np.inf
    best_parameters: np.ndarray | None = None
    n_stalled: int = 0

    def after_loss(self, loss, rule):
        """The progress after one more iteration, watched by its training loss."""
        if rule.cumulative:
            stalled = loss >= self.reference_loss - rule.tol
            reference = self.reference_loss if stalled else loss
        else:
            stalled = loss > self.reference_loss - rule.tol
            reference = min(self.reference_loss, loss)
        return replace(
            self,
            best_loss=min(self.best_loss, loss),
            reference_loss=reference,
            n_stalled=self.n_stalled + 1 if stalled else 0,
        )

    def after_score(self, score, parameters, rule):
        """The progress after one more iteration, watched by its validation score."""
        n_stalled = self.n_stalled + 1 if score < self.best_score + rule.tol else 0
        if score > self.best_score:
            return replace(self, best_score=score, best_parameters=parameters, n_stalled=n_stalled)
        return replace(self, n_stalled=n_stalled)
