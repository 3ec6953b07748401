"""Data + network + loss + L2 rule = one objective over a flat parameter vector.

This is all that a solver (`skl2net.solvers`) sees of what it minimises.
"""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from skl2net.engines.interface import Batches
from skl2net.l2 import L2Numbers, L2Rule
from skl2net.network import Network


@dataclass(frozen=True)
class Problem:
    """An objective over a flat parameter vector.

    Parameters
    ----------
    network : Network
    loss : {"squared_error", "log_loss", "poisson"}
    rule : L2Rule
    X : ndarray or CSR of shape (n_rows, n_features)
    Y : ndarray of shape (n_rows, n_outputs)
        Targets, of the dtype of `X`.
    sample_weight : ndarray of shape (n_rows,) or None
        Weight of each row, of the dtype of `X`; not negative, and not all zero.
    engine : module
        See `skl2net.engines`.
    """

    network: Network
    loss: str
    rule: L2Rule
    X: np.ndarray
    Y: np.ndarray
    sample_weight: np.ndarray | None
    engine: ModuleType

    @property
    def n_rows(self):
        return self.X.shape[0]

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def n_parameters(self):
        return self.network.n_parameters

    @cached_property
    def n_items(self):
        """Number of items: rows, or the sum of their weights."""
        return float(self.n_rows if self.sample_weight is None else self.sample_weight.sum(dtype=np.float64))

    @cached_property
    def numbers(self):
        """The three numbers of the L2 rule for an update over all items; only a penalty has them without a step."""
        return self.rule.numbers(n=self.n_items)

    @cached_property
    def _common_numbers(self):
        """The numbers of all layers as those of a single one, where they are the same; else None."""
        gradient = self.numbers.gradient
        if np.any(gradient != gradient[0]):
            return None
        return L2Numbers(*(values[:1] for values in (gradient, self.numbers.before, self.numbers.after)))

    def penalty(self, parameters):
        """The penalty's part of the objective, in double precision; 0 for a decay.

        Parameters
        ----------
        parameters : ndarray of shape (..., n_parameters)

        Returns
        -------
        ndarray of shape (...,)
        """
        if self._common_numbers is None:
            return self.numbers.penalty(self.network.layer_sums_of_squares(parameters))
        weights = parameters[..., : self.network.n_weights]
        total = np.einsum("...i,...i->...", weights, weights, dtype=np.float64)
        return self._common_numbers.penalty(total[..., np.newaxis])

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
        value, gradient = self.engine.loss_and_gradient(
            self.network, self.loss, parameters, self.X, self.Y, self.sample_weight
        )
        for s, coefficient in zip(self.network.weight_slices, self.numbers.gradient, strict=True):
            gradient[s] += gradient.dtype.type(coefficient) * parameters[s]
        return value + float(self.penalty(parameters)), gradient

    def data_losses(self, swarm):
        """Data loss over all rows of each of several parameter vectors.

        Parameters
        ----------
        swarm : ndarray of shape (n_vectors, n_parameters)

        Returns
        -------
        ndarray of shape (n_vectors,), float64
        """
        return self.engine.losses(self.network, self.loss, swarm, self.X, self.Y, self.sample_weight)

    def fly(self, swarm, motion):
        """Iterate a swarm in the engine, where it can; see `skl2net.solvers.swarm.step` for what an iteration does.

        Parameters
        ----------
        swarm : SwarmState
            Not changed, but for its generator.
        motion : Motion

        Returns
        -------
        swarm : SwarmState
        curves : ndarray of shape (n_done, 3)
            Loss, data loss and Σw² of the swarm's best after each iteration.
        """
        return self.engine.fly(
            self.network, self.loss, swarm, self.X, self.Y, self.sample_weight, self.numbers.gradient, motion
        )

    def data_loss(self, parameters):
        """Data loss over all rows at the given parameters."""
        return float(self.data_losses(parameters[np.newaxis])[0])

    def outputs(self, parameters, *, raw=False):
        """Outputs for all rows, ndarray of shape (n_rows, n_outputs); `raw` leaves the output function out."""
        return self.engine.outputs(self.network, parameters, self.X, raw=raw)

    def weight_norm(self, parameters):
        """Σw² over all weights, in double precision."""
        weights = parameters[: self.network.n_weights]
        # not np.dot: its BLAS would wake threads that spin on for a while, in the way of the engine's own
        return float(np.einsum("i,i", weights, weights, dtype=np.float64))

    def batch_items(self, order, bounds, n_epochs):
        """Items of each batch, see `Batches`."""
        if self.sample_weight is None:
            items = np.diff(bounds).astype(np.float64)
        else:
            weight = self.sample_weight if order is None else self.sample_weight[order]
            items = np.add.reduceat(weight.astype(np.float64), bounds[:-1], axis=-1)
        return np.broadcast_to(items, (n_epochs, len(bounds) - 1))

    @cached_property
    def rows_at_once(self):
        """Rows that an engine may train on in one call: for about 0.1 s, so that signals are heard."""
        # six operations a weight and row, forward and backward, and some a row, at no less than ten a nanosecond
        return max(1, int(1e9 / (6 * self.network.n_weights + 10000)))

    def run_updates(self, state, batches, numbers, step):
        """Run mini-batch updates, changing `state` in place; see `skl2net.engines.reference.run_updates`.

        One epoch of more than `rows_at_once` is handed to the engine in parts.
        """
        n_epochs, n_updates = batches.items.shape
        data = self.X, self.Y, self.sample_weight
        n_rows = batches.bounds[-1]
        if n_epochs > 1 or n_rows <= self.rows_at_once:
            return self.engine.run_updates(self.network, self.loss, state, *data, batches, numbers, step)
        chunk = max(1, n_updates * self.rows_at_once // n_rows)
        sums = np.zeros(3)  # of the totals but for Σw², which is that of the last part
        for start in range(0, n_updates, chunk):
            part = np.s_[:, start : start + chunk]
            curves = self.engine.run_updates(
                self.network,
                self.loss,
                state,
                *data,
                Batches(batches.order, batches.bounds[start : start + chunk + 1], batches.items[part]),
                L2Numbers(numbers.gradient[part], numbers.before[part], numbers.after[part]),
                step,
            )
            if not len(curves):
                return curves
            sums += curves[0, :3]
        curves[0, :3] = sums
        return curves
