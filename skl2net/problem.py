"""Task + L2 rule = one objective over a flat parameter vector.

A solver (`skl2net.solvers`) sees nothing else of the data and the network.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skl2net._sklearn_private import BaseScorer
from skl2net.engines.base import Batches, Engine, Task
from skl2net.l2 import L2Rule


@dataclass(frozen=True)
class Decoder:
    """Converts encoded targets and outputs back to the labels or values that users pass and receive.

    Parameters
    ----------
    truth : callable
        ``truth(Y) -> y_true``: the labels or values of encoded targets.
    predictions : callable
        ``predictions(outputs) -> y_pred``: the result of `predict`.
    score : callable
        ``score(Y, outputs, sample_weight) -> float``: the result of `score`.
    raw : bool
        Whether `predictions` and `score` take raw outputs (logits).
    estimator : callable
        ``estimator(outputs) -> object``: a fitted estimator that makes its predictions of ``outputs(raw=...)``, for
        scorers of scikit-learn.
    """

    truth: Callable
    predictions: Callable
    score: Callable
    raw: bool
    estimator: Callable | None = None

    def scored(self, scorer, outputs, X, y_true, sample_weight):
        """What a scorer of scikit-learn returns for the predictions made of ``outputs(raw=...)``."""
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return scorer(self.estimator(outputs), X, y_true, **weights)


def takes_weights(function):
    """Whether a scorer, or a function of labels and predictions, can be called with weights of samples."""
    is_scorer = isinstance(function, BaseScorer)
    try:
        inspect.signature(function._score_func if is_scorer else function).bind_partial(None, None, sample_weight=None)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


@dataclass(frozen=True)
class Problem:
    """An objective over a flat parameter vector.

    Parameters
    ----------
    task : Task
        Network, loss and data.
    rule : L2Rule
    engine : Engine
        See `skl2net.engines`.
    decoder : Decoder
        Converts targets and outputs for validation scores and user-defined objectives.
    n_seen : float, default=0.0
        Number of samples in earlier calls of `partial_fit`. They count in N of the L2 rule.
    """

    task: Task
    rule: L2Rule
    engine: Engine
    decoder: Decoder | None = None
    n_seen: float = 0.0

    @cached_property
    def session(self):
        """The task, opened by the engine."""
        return self.engine.open(self.task)

    @property
    def network(self):
        return self.task.network

    @property
    def n_rows(self):
        return self.task.n_rows

    @property
    def n_samples(self):
        """Number of samples: of rows, or the sum of their weights."""
        return self.task.n_samples

    @property
    def n_total(self):
        """N of the L2 rule: the number of training samples; for `partial_fit`, of all samples so far."""
        return self.n_seen + self.n_samples

    @property
    def is_weighted(self):
        return self.task.sample_weight is not None

    @cached_property
    def coefficients(self):
        """Coefficients of a penalty for an update over all samples; those of a decay do not matter here."""
        return self.rule.coefficients(n=self.n_samples, n_total=self.n_total, learning_rate=0.0)

    def penalty(self, parameters):
        """Penalty part of the objective, see `Network.penalty`; 0 for a decay."""
        return self.network.penalty(parameters, self.coefficients.penalty)

    def data_loss(self, parameters):
        """Data loss over all rows at the given parameters."""
        return float(self.session.losses(parameters[np.newaxis])[0])

    def batches(self, orders, bounds, n_epochs, n_samples=None):
        """The batches of the next epochs.

        `orders` are those in which each epoch visits the rows of the task, None for their own order; `n_samples` is
        that of the `Batches` if it is already known.
        """
        if orders is not None and self.task.rows is not None:
            orders = self.task.rows[orders]
        if n_samples is None:
            if self.task.sample_weight is None:
                n_samples = np.diff(bounds).astype(np.float64)
            else:
                weight = self.task.taken(self.task.sample_weight) if orders is None else self.task.sample_weight[orders]
                n_samples = np.add.reduceat(weight.astype(np.float64), bounds[:-1], axis=-1)
            n_samples = np.broadcast_to(n_samples, (n_epochs, len(bounds) - 1))
        return Batches(orders, bounds, n_samples)

    def coefficients_of(self, batches, learning_rates):
        """Coefficients of the L2 rule in each update."""
        return self.rule.coefficients(n=batches.n_samples, n_total=self.n_total, learning_rate=learning_rates)
