"""Task + L2 rule = one objective over a flat parameter vector.

This is all that a solver (`skl2net.solvers`) sees of what it minimises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from skl2net.engines.interface import Batches, Task
from skl2net.l2 import L2Rule


@dataclass(frozen=True)
class Decoder:
    """What the numbers of a network mean: from targets and outputs to what a user passes to `fit` and gets back.

    Parameters
    ----------
    truth : callable
        ``truth(Y) -> y_true``: labels or values, from encoded targets.
    predictions : callable
        ``predictions(outputs) -> y_pred``: what `predict` returns.
    score : callable
        ``score(Y, outputs, sample_weight) -> float``: what the estimator's `score` returns.
    raw : bool
        Whether `predictions` and `score` take raw outputs.
    """

    truth: Callable
    predictions: Callable
    score: Callable
    raw: bool


@dataclass(frozen=True)
class Problem:
    """An objective over a flat parameter vector.

    Parameters
    ----------
    task : Task
        Network, loss and data.
    rule : L2Rule
    engine : module
        See `skl2net.engines`.
    decoder : Decoder
        What the targets and outputs mean, for validation scores and objectives of the user's own.
    n_seen : float, default=0.0
        Number of samples that a stream has brought before these; they count in the rule's N.
    """

    task: Task
    rule: L2Rule
    engine: ModuleType
    decoder: Decoder | None = None
    n_seen: float = 0.0

    @property
    def network(self):
        return self.task.network

    @property
    def n_rows(self):
        return self.task.n_rows

    @property
    def dtype(self):
        return self.task.dtype

    @property
    def n_parameters(self):
        return self.network.n_parameters

    @property
    def n_samples(self):
        """Number of samples: rows, or the sum of their weights."""
        return self.task.n_samples

    @property
    def n_total(self):
        """N of the L2 rule: the number of training samples, or in a stream of all samples so far."""
        return self.n_seen + self.n_samples

    @property
    def is_weighted(self):
        return self.task.sample_weight is not None

    @property
    def loss_name(self):
        """The name by which `skl2net.convert_alpha` knows the loss: that of multilabel targets is another."""
        is_multilabel = self.network.output == "logistic" and self.network.layer_sizes[-1] > 1
        return "multilabel_log_loss" if self.task.loss == "log_loss" and is_multilabel else self.task.loss

    @cached_property
    def coefficients(self):
        """Coefficients of the L2 rule for an update over all samples; only a penalty has them without a step."""
        return self.rule.coefficients(n=self.n_samples, n_total=self.n_total)

    @cached_property
    def _common_coefficients(self):
        """The coefficients of all layers as those of a single one if they are the same; else None."""
        penalty = self.coefficients.penalty
        return None if np.any(penalty != penalty[0]) else self.coefficients[:1]

    def penalty(self, parameters):
        """The penalty's part of the objective, in double precision; 0 for a decay.

        Parameters
        ----------
        parameters : ndarray of shape (..., n_parameters)

        Returns
        -------
        ndarray of shape (...,)
        """
        if self._common_coefficients is None:
            return self.coefficients.added_loss(self.network.layer_sums_of_squares(parameters))
        weights = parameters[..., : self.network.n_weights]
        total = np.einsum("...i,...i->...", weights, weights, dtype=np.float64)
        return self._common_coefficients.added_loss(total[..., np.newaxis])

    def objective_and_gradient(self, parameters):
        """Data loss plus penalty over all rows, and its gradient.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)

        Returns
        -------
        objective : float
        gradient : ndarray of shape (n_parameters,)
        """
        value, gradient = self.engine.loss_and_gradient(self.task, parameters)
        for s, coefficient in zip(self.network.weight_slices, self.coefficients.penalty, strict=True):
            gradient[s] += gradient.dtype.type(coefficient) * parameters[s]
        return value + float(self.penalty(parameters)), gradient

    def data_losses(self, vectors):
        """Data loss over all rows of each of several parameter vectors.

        Parameters
        ----------
        vectors : ndarray of shape (n_vectors, n_parameters)

        Returns
        -------
        ndarray of shape (n_vectors,), float64
        """
        return self.engine.losses(self.task, vectors)

    def data_loss(self, parameters):
        """Data loss over all rows at the given parameters."""
        return float(self.data_losses(parameters[np.newaxis])[0])

    def outputs(self, parameters, *, raw=False):
        """Outputs for all rows, ndarray of shape (n_rows, n_outputs); `raw` leaves the output function out."""
        return self.engine.outputs(self.task, parameters, raw=raw)

    def weight_norm(self, parameters):
        """Σw² over all weights, in double precision."""
        weights = parameters[: self.network.n_weights]
        # not np.dot: its BLAS would wake threads that spin on for a while, in the way of the engine's own
        return float(np.einsum("i,i", weights, weights, dtype=np.float64))

    @property
    def epochs_per_call(self):
        """Number of epochs that the engine should be asked for at most in one call."""
        return self.engine.epochs_per_call(self.task)

    def batches(self, orders, bounds, n_epochs, n_samples=None):
        """The batches of the next epochs.

        Parameters
        ----------
        orders : ndarray of intp, shape (n_epochs, n_rows), or None
            The order in which each epoch visits the rows of the task.
        bounds : ndarray of intp, shape (n_updates + 1,)
        n_epochs : int
        n_samples : ndarray, default=None
            `Batches.n_samples`, if it is known already.

        Returns
        -------
        Batches
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

    def coefficients_of(self, batches, learning_rate):
        """Coefficients of the L2 rule in each update."""
        return self.rule.coefficients(n=batches.n_samples, n_total=self.n_total, learning_rate=learning_rate)

    def run_updates(self, state, batches, coefficients, optimiser, learning_rate):
        """Run mini-batch updates, changing `state` in place; see `skl2net.engines.reference.run_updates`."""
        return self.engine.run_updates(self.task, state, batches, coefficients, optimiser, learning_rate)
