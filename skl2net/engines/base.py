"""What an engine is: `Engine.open` takes a task, and returns a `Session` that computes with it.

`skl2net.engines.reference` is the oracle for every other engine. A session must define `outputs`, `losses`,
`loss_and_gradient` and `run_updates`; iterations of a swarm and L-BFGS are defined here in terms of these.

Ctrl-C and `Task.is_cancelled` are checked between blocks of work; they end a call with the handler's exception or with
`Cancelled`, and its results are discarded. An `OptimiserState` is then that of the last finished update. A solver
should ask for no more than about 0.1 s of work in one call, if it can be divided: the session knows how much that is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from skl2net.engines import jacobians, lbfgs, swarm


class Cancelled(Exception):
    """Ends a call of the engine, or a training, whose result is no longer needed."""


@dataclass(frozen=True)
class Task:
    """A network, a loss and data: what an engine trains, evaluates and predicts with.

    Parameters
    ----------
    network : Network
    loss : Loss
        Loss and output function.
    X : ndarray or CSR of shape (n_rows_of_X, n_features)
    Y : ndarray of shape (n_rows_of_X, n_outputs) or (n_rows_of_X,), default=None
        Targets, of the dtype of `X`. If the loss `takes_classes`, also an int32 for each row: the number of its class,
        whose target is 1; the other targets are 0. None for predictions.
    sample_weight : ndarray of shape (n_rows_of_X,), default=None
        Weight of each row, of the dtype of `X`; not negative, and not all zero. None if all are one.
    rows : ndarray of intp, shape (n_rows,), default=None
        The rows of `X` that count, in their order; None for all. They are never copied.
    n_threads : int, default=None
        Number of threads that the engine may use. None for as many as OpenMP, threadpoolctl and joblib allow
        (`skl2net.engines.effective_n_threads`). Results do not depend on it.
    is_cancelled : callable, default=None
        ``is_cancelled() -> bool``: whether the result is no longer needed. A long call asks it about every 0.1 s,
        in the thread of the call.
    """

    network: object
    loss: object
    X: np.ndarray
    Y: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    rows: np.ndarray | None = None
    n_threads: int | None = None
    is_cancelled: Callable | None = None

    @property
    def n_rows(self):
        """Number of rows that count."""
        return self.X.shape[0] if self.rows is None else len(self.rows)

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def is_sparse(self):
        """Whether `X` is sparse."""
        return hasattr(self.X, "indptr")

    @cached_property
    def n_samples(self):
        """Number of samples: rows, or the sum of their weights."""
        weight = self.taken(self.sample_weight)
        return float(self.n_rows if weight is None else weight.sum(dtype=np.float64))

    def taken(self, array):
        """The rows of an array that count; None for None."""
        return array if array is None or self.rows is None else array[self.rows]

    def raise_if_cancelled(self):
        """Raise `Cancelled` if the result is no longer needed."""
        if self.is_cancelled is not None and self.is_cancelled():
            raise Cancelled

    def with_rows(self, rows):
        """The same task on other rows."""
        return replace(self, rows=rows)


@dataclass
class OptimiserState:
    """Parameters and what the optimiser remembers about them; engines change it in place.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    moments : ndarray of shape (n_moments, n_parameters)
        SGD's velocity; Adam's first and second moment.
    n_updates : int, default=0
        Number of updates so far, Adam's t.
    """

    parameters: np.ndarray
    moments: np.ndarray
    n_updates: int = 0


@dataclass(frozen=True)
class Batches:
    """Which rows each update takes, in one epoch or several.

    Parameters
    ----------
    order : ndarray of intp, shape (n_epochs, n_rows), or None
        The rows of `Task.X` in the order in which each epoch visits them; None for the order of the task.
    bounds : ndarray of intp, shape (n_updates + 1,)
        Update i of an epoch takes the rows ``order[epoch, bounds[i]:bounds[i + 1]]``.
    n_samples : ndarray of float64, shape (n_epochs, n_updates)
        Number of samples in each update: its rows, or the sum of their weights. An update of 0 samples is skipped.
    """

    order: np.ndarray | None
    bounds: np.ndarray
    n_samples: np.ndarray


class EpochTotals(NamedTuple):
    """Totals of an epoch; `Session.run_updates` returns an array with a column for each field.

    The losses are sums over the updates, each taken before the update and weighted by its number of rows.
    """

    data_loss: float
    penalty: float
    n_rows: float
    weight_norm: float  # Σw² at the end


class Session:
    """A task opened by an engine: a context manager. It belongs to the thread that opened it, and cannot be pickled.

    Parameters
    ----------
    task : Task
        Checked once, here. What calls share, such as converted data, is kept until the session ends.
    """

    epochs_per_call = 1  # largest number of epochs that one call of `run_updates` should run

    def __init__(self, task):
        self.task = task

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """End the session. Those of this machine hold memory only, which Python frees."""

    def __reduce__(self):
        raise TypeError("A session of an engine cannot be pickled. Pickle its task, and open it again.")

    @property
    def dtype(self):
        """Dtype of the NumPy vectors that the session takes and returns."""
        return self.task.dtype

    def outputs(self, parameters, *, raw=False):
        """Outputs of the network.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
        raw : bool, default=False
            Leave the output function out.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
        """
        raise NotImplementedError

    def losses(self, vectors):
        """Data loss of many parameter vectors.

        Parameters
        ----------
        vectors : ndarray of shape (n_vectors, n_parameters)

        Returns
        -------
        ndarray of shape (n_vectors,), float64
        """
        raise NotImplementedError

    def loss_and_gradient(self, parameters):
        """Data loss (the weighted mean over rows of the sum over outputs) and its gradient.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)

        Returns
        -------
        loss : float
        gradient : ndarray of shape (n_parameters,)
        """
        raise NotImplementedError

    def run_updates(self, state, batches, coefficients, optimiser, learning_rates, each=None):
        """Run epochs of mini-batch updates, one update after the other, changing `state` in place.

        Parameters
        ----------
        state : OptimiserState
            Parameters, the optimiser's moments, and the number of updates so far.
        batches : Batches
            Which rows each update takes, and how many samples they amount to; a batch of 0 samples is skipped.
        coefficients : L2Coefficients
            Fields of shape (n_epochs, n_updates, n_layers).
        optimiser : SGD or Adam
            See `skl2net.solvers.optimisers`.
        learning_rates : ndarray of float64, shape (n_epochs, n_updates)
        each : ndarray of shape (n_epochs, n_parameters), default=None
            Receives the parameters after each epoch.

        Returns
        -------
        ndarray of shape (n_done, 4)
            `EpochTotals` of each epoch. The first epoch whose parameters are not finite ends the run and is left out.
        """
        raise NotImplementedError

    def objective_and_gradient(self, parameters, penalty):
        """Data loss plus penalty, and its gradient.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
        penalty : ndarray of shape (n_layers,)
            Coefficient of each layer.

        Returns
        -------
        objective : float
        gradient : ndarray of shape (n_parameters,)
        """
        network = self.task.network
        value, gradient = self.loss_and_gradient(parameters)
        for s, coefficient in zip(network.weight_slices, penalty, strict=True):
            gradient[s] += gradient.dtype.type(coefficient) * parameters[s]
        return value + float(network.penalty(parameters, penalty)), gradient

    def jacobians(self, parameters, *, curved=False):
        """Derivatives of the raw outputs of each row with respect to the parameters, by blocks of rows.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
        curved : bool, default=False
            Multiply those of a row by the square root of its weight and, from the left, by the transposed
            `Loss.curvature_root`. Rows of weight zero are left out.

        Yields
        ------
        ndarray of float64, shape (n_rows_of_block, n_outputs, n_parameters)
        """
        return jacobians.jacobians(self.task, parameters, curved=curved)

    def gauss_newton(self, parameters):
        """Gauss-Newton matrix of the data loss, a sum over the rows: Σ weight · Jᵀ·H·J.

        J is the Jacobian of the raw outputs, and H the second derivative of the loss with respect to them.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)

        Returns
        -------
        ndarray of float64, shape (n_parameters, n_parameters)
            The upper triangle; what is below is 0.
        """
        return jacobians.gauss_newton(self.jacobians(parameters, curved=True), len(parameters))

    def squared_errors(self, parameters):
        """Sum over the rows of weight · (output - target)², for each output.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)

        Returns
        -------
        ndarray of float64, shape (n_outputs,)
        """
        task, errors = self.task, self.outputs(parameters).astype(np.float64)
        Y, weight = task.taken(task.Y), task.taken(task.sample_weight)
        if Y.ndim == 1:
            errors[np.arange(len(Y)), Y] -= 1
        else:
            errors -= Y
        return np.sum(errors**2 if weight is None else errors**2 * weight[:, None], axis=0)

    def swarm_iterations_per_call(self, state, motion):
        """Largest number of iterations that one call of `iterate_swarm` should run."""
        return 1

    def iterate_swarm(self, state, penalty, motion):
        """Iterate a swarm.

        Parameters
        ----------
        state : SwarmState
            Not changed, except for its generator.
        penalty : ndarray of shape (n_layers,)
            Coefficient of each layer.
        motion : SwarmMotion

        Returns
        -------
        state : SwarmState
        curves : ndarray of shape (n_done, 3 + n_particles)
            Loss, data loss and Σw² of the swarm's best after each iteration, then the losses of all personal bests. The
            first iteration whose positions or velocities are not finite, or after which no loss is, ends the call and
            is left out.
        """
        network = self.task.network

        def evaluate(positions):
            data_losses = self.losses(positions)
            return data_losses + network.penalty(positions, penalty), data_losses

        return swarm.iterate(state, motion, evaluate, network)

    def minimise_by_lbfgs(self, parameters, penalty, limits, max_iter, report, n_per_report=1, bounds=lbfgs.UNBOUNDED):
        """Minimise data loss plus penalty by L-BFGS.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
            Where to start.
        penalty : ndarray of shape (n_layers,)
            Coefficient of each layer.
        limits : LBFGSLimits
        max_iter : int
        report : callable
            ``report(parameters, curves)``, called after each iteration, or after several: the parameters after the last
            of them, and an array of shape (n_iterations, 3) of loss, data loss and Σw² after each.
        n_per_report : int or inf, default=1
            Largest number of iterations of a report.
        bounds : (float, float), default=(-inf, inf)
            Bounds of each parameter. Gradient components pointing out of the bounds are ignored.

        Returns
        -------
        str
            "gradient" or "reduction" if it has converged, "running" after `max_iter` iterations, "max_fun",
            "line_search" if no step decreases the loss, "overflow" if loss or gradient are not finite at the start, and
            "diverged" if the next parameters are not.
        """
        return lbfgs.minimise(self, parameters, penalty, limits, max_iter, report, bounds)


class Engine:
    """Opens tasks.

    Parameters
    ----------
    name : str
    session : type
        Its subclass of `Session`.
    """

    def __init__(self, name, session):
        self.name, self.session = name, session

    def open(self, task):
        """Check a task, and return the `Session` that computes with it."""
        return self.session(task)

    def predict(self, coefs, intercepts, activation, output, X, *, raw=False):
        """Predict without validation, if the arrays need no conversion.

        Parameters
        ----------
        coefs, intercepts : list of ndarray
            As `Network.unpack` returns them; the arrays need not be parts of one vector.
        activation, output : Function
        X : ndarray of shape (n_rows, n_features)
        raw : bool, default=False
            Leave the output function out.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs), or None
            None if anything would have to be converted or refused first.
        """
        return None
