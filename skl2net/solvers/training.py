"""What every solver records, and how iterative solvers decide that training has come to rest."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter

import numpy as np
from sklearn.exceptions import ConvergenceWarning


@dataclass
class History:
    """What training leaves behind; a warm start or `partial_fit` continues it.

    Parameters
    ----------
    loss_curve : list of float
        Loss of each iteration, penalty included.
    weight_norm_curve : list of float
        Σw² after each iteration.
    validation_scores, validation_loss_curve : list of float
        Score and data loss on the validation set after each iteration, where there is one.
    data_loss : float
        Loss of the last iteration, without the penalty.
    best_loss, best_validation_score : float
    best_parameters : ndarray or None
        Parameters of the best validation score.
    no_improvement : int
        Iterations in a row without an improvement.
    n_iter : int
        Iterations of the last call.
    t : int
        Rows visited in all calls.
    """

    loss_curve: list = field(default_factory=list)
    weight_norm_curve: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)
    validation_loss_curve: list = field(default_factory=list)
    data_loss: float = np.nan
    best_loss: float = np.inf
    best_validation_score: float = -np.inf
    best_parameters: np.ndarray | None = None
    no_improvement: int = 0
    n_iter: int = 0
    t: int = 0


@dataclass
class Training:
    """One call of `fit` or `partial_fit`, as a solver sees it.

    Parameters
    ----------
    history : History
        Continued by this call.
    random_state : numpy.random.RandomState
    max_iter : int
    tol : float
    n_iter_no_change : int or inf
        Iterations without an improvement by `tol` that are borne before training stops.
    validate : callable or None
        ``validate(parameters) -> (score, data loss)`` on the validation set, under early stopping.
    y_true, sample_weight : ndarray or None
    predict : callable or None
        Labels or targets and weights of the training rows, and ``predict(parameters) -> y_pred``; for solvers that
        minimise an objective of the user's own.
    verbose : bool or int
    single_pass : bool
        `partial_fit`: one iteration, and no word about convergence.
    stage : str
        What the iterations belong to, in messages, where this is not the whole training.
    """

    history: History
    random_state: np.random.RandomState
    max_iter: int
    tol: float
    n_iter_no_change: float
    validate: Callable | None = None
    y_true: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    predict: Callable | None = None
    verbose: bool = False
    single_pass: bool = False
    stage: str = ""

    def begin(self):
        """Begin to count the iterations of this call; how many there may be."""
        self.history.n_iter = 0
        return 1 if self.single_pass else self.max_iter

    def record(self, parameters, *, loss, data_loss, weight_norm, stalled=None):
        """Enter a finished iteration, and count how long nothing has improved.

        Whether the loss has stalled is told by `stalled`, or else by scikit-learn's rule: it has not fallen by `tol`
        below the smallest one so far. Under early stopping the validation score is watched instead.
        """
        history = self.history
        history.n_iter += 1
        history.loss_curve.append(loss)
        history.weight_norm_curve.append(weight_norm)
        history.data_loss = data_loss
        if self.verbose:
            print(f"Iteration {history.n_iter}, loss = {loss:.8f}")
        if self.validate is None:
            stalled = loss > history.best_loss - self.tol if stalled is None else stalled
            history.best_loss = min(history.best_loss, loss)
        else:
            score, validation_loss = self.validate(parameters)
            history.validation_scores.append(score)
            history.validation_loss_curve.append(validation_loss)
            if self.verbose:
                print(f"Validation score: {score:f}")
            stalled = score < history.best_validation_score + self.tol
            if score > history.best_validation_score:
                history.best_validation_score = score
                history.best_parameters = parameters.copy()
        history.no_improvement = history.no_improvement + 1 if stalled else 0

    @property
    def at_rest(self):
        """Whether nothing has improved for longer than `n_iter_no_change` iterations."""
        return self.history.no_improvement > self.n_iter_no_change

    @property
    def n_until_rest(self):
        """Iterations after which, at the earliest, something has to be decided: 1 where each is validated."""
        return 1 if self.validate is not None else self.n_iter_no_change + 1 - self.history.no_improvement

    def describe_rest(self):
        """The sentence that `verbose` prints when training has come to rest."""
        what = "Training loss" if self.validate is None else "Validation score"
        return f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive iterations."

    def warn_not_converged(self):
        """Warn that `max_iter` iterations were not enough."""
        if not self.single_pass:
            warnings.warn(
                f"Maximum number of iterations (max_iter={self.max_iter}) reached before the training converged. "
                "Increase max_iter, or tol to be content with less.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def warn_interrupted(self):
        """Warn that Ctrl-C ended the training."""
        warnings.warn(
            f"Training interrupted by user: the weights of iteration {self.history.n_iter}{self.stage} are kept.",
            stacklevel=2,
        )

    def best(self, parameters):
        """The parameters to keep: those of the best validation score where there is one, else the last."""
        if self.validate is None or self.history.best_parameters is None:
            return parameters
        return self.history.best_parameters

    def diverged(self, advice):
        """Deal with non-finite parameters: keep the best ones, with a warning, or raise.

        Parameters
        ----------
        advice : str
            What was set and what to change.

        Raises
        ------
        ValueError
            If there is no finite set of parameters to return to.
        """
        message = (
            f"Training diverged: iteration {self.history.n_iter + 1} produced non-finite parameter weights. {advice}"
        )
        if self.validate is None or self.history.best_parameters is None:
            raise ValueError(message)
        warnings.warn(f"{message} The weights of the best validation score are kept.", stacklevel=2)


_LISTS = tuple(f.name for f in fields(History) if f.type is list)
_VALUES = tuple(f.name for f in fields(History) if f.type is not list)
_values = attrgetter(*_VALUES)


def snapshot(history):
    """What `rewind` needs to undo an unfinished iteration: the length of each curve, and all other values."""
    return [len(getattr(history, name)) for name in _LISTS], _values(history)


def rewind(history, mark):
    """Take back whatever an interrupted iteration had entered into the history."""
    lengths, values = mark
    for name, length in zip(_LISTS, lengths, strict=True):
        del getattr(history, name)[length:]
    for name, value in zip(_VALUES, values, strict=True):
        setattr(history, name, value)
