"""What solvers hand to an engine, and what they get back.

An engine is a module with a `name` and these functions, which `skl2net.engines.reference` documents; it is the oracle
for every other engine:

- ``outputs(task, parameters, raw=False)``
- ``loss_and_gradient(task, parameters)``
- ``losses(task, vectors)``
- ``run_updates(task, state, batches, coefficients, optimiser, learning_rates, each=None)``
- ``epochs_per_call(task)``: how many epochs `run_updates` should be asked for at most

An engine may also iterate a swarm: ``iterate_swarm(task, swarm, penalty, motion)`` does what
`skl2net.solvers.swarm.flight.step` does, many times in one call, and ``swarm_iterations_per_call(task, swarm, motion)``
says how many times. Without them, the swarm runs `step`, around `losses`.

Likewise for L-BFGS: ``iterate_lbfgs(task, state, penalty, limits, n_iterations)`` does what
`skl2net.solvers.lbfgs.step` does, many times in one call, but ends of itself after about 0.1 s. Without it, the solver
runs `step`, around `loss_and_gradient`.

And it may predict from arrays as they are: ``predict(coefs, intercepts, activation, output, X, raw=False)`` returns
what `outputs` does, or None if any of them would have to be converted or refused first. Without it, all predictions
validate their input and go through `outputs`.

A call ends early for Ctrl-C and for `Task.is_cancelled`, which it asks between parts of its work: with `Cancelled`, or
with whatever a signal handler raises. Its results are lost then; an `OptimiserState` is that of the last finished
update, and an `LBFGSState` that of the last finished iteration. So a solver should ask for no more than about 0.1 s of
work in one call, where it can be divided: the engine knows how much that is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np


class Cancelled(Exception):
    """Ends a call of the engine, or a training, whose result is no longer needed."""


@dataclass(frozen=True)
class Task:
    """A network on data: what an engine trains, evaluates and predicts with.

    Parameters
    ----------
    network : Network
    X : ndarray or CSR of shape (n_rows_of_X, n_features)
    Y : ndarray of shape (n_rows_of_X, n_outputs) or (n_rows_of_X,), default=None
        Targets, of the dtype of `X`. With softmax outputs also an int32 for each row: the number of its class, whose
        target is 1; the other targets are 0. None for predictions.
    sample_weight : ndarray of shape (n_rows_of_X,), default=None
        Weight of each row, of the dtype of `X`; not negative, and not all zero. None if all are one.
    loss : {"squared_error", "log_loss", "poisson"}, default="squared_error"
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
    X: np.ndarray
    Y: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    loss: str = "squared_error"
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


@dataclass(frozen=True)
class SwarmMotion:
    """How a swarm moves in its next iterations; `skl2net.ParticleSwarm` explains each parameter.

    Parameters
    ----------
    variant : {"inertia", "fips"}
    inertia : ndarray of float64, shape (n_iterations,)
        ω of each iteration.
    cognitive, social : float
    velocity_clamp : float
        inf for none.
    box : (float, float)
        (-inf, inf) for none.
    boundary : {"bounce", "clamp", "reinitialise"}
    n_informed : int
        With the random topology, the number of particles that each particle informs, drawn anew after each iteration
        that has not improved the swarm's best. 0 for links that stay.
    """

    variant: str
    inertia: np.ndarray
    cognitive: float
    social: float
    velocity_clamp: float
    box: tuple[float, float]
    boundary: str
    n_informed: int


@dataclass
class LBFGSState:
    """Where L-BFGS is and what it knows of the curvature, in double precision; engines change it in place.

    Parameters
    ----------
    parameters, gradient : ndarray of float64, shape (n_parameters,)
    loss : float
        Objective at `parameters`, including the penalty.
    steps, changes : ndarray of float64, shape (n_pairs, n_parameters)
        The last steps, and the changes of the gradient over them: pair number i is in row ``i % n_pairs``.
    curvatures : ndarray of float64, shape (n_pairs,)
        Inner product of each step and its change.
    n_updates : int, default=0
        Number of pairs since the memory was last emptied.
    scale : float, default=1.0
        Curvature in directions that the pairs do not describe.
    n_iterations : int, default=0
    n_evaluations : int, default=1
    status : str, default="running"
        Or why the iterations have ended: "gradient" and "reduction" have converged, "max_fun" has reached the limit,
        "line_search" found no step with a smaller loss, and the next parameters of "diverged" are not finite.
    """

    parameters: np.ndarray
    gradient: np.ndarray
    loss: float
    steps: np.ndarray
    changes: np.ndarray
    curvatures: np.ndarray
    n_updates: int = 0
    scale: float = 1.0
    n_iterations: int = 0
    n_evaluations: int = 1
    status: str = "running"


class LBFGSLimits(NamedTuple):
    """When L-BFGS ends, asked after each iteration.

    Parameters
    ----------
    max_fun : int or inf
        It ends after more evaluations than that.
    gtol : float
        Largest absolute entry of the gradient at which it has converged.
    ftol : float
        Largest decrease of the loss, as a share of it or of 1, after which it has converged.
    """

    max_fun: float
    gtol: float
    ftol: float


class EpochTotals(NamedTuple):
    """What an epoch amounts to; `run_updates` returns an array with a column for each field.

    The losses are sums over the updates, each taken before the update and weighted by its number of rows.
    """

    data_loss: float
    penalty: float
    n_rows: float
    weight_norm: float  # Σw² at the end
