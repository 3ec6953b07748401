"""What solvers hand to an engine, and what they get back.

An engine is a module with a `name` and four functions: `outputs`, `loss_and_gradient`, `losses` and `run_updates`.
`skl2net.engines.reference` documents them and is the oracle for every other engine. An engine may have a fifth, `fly`,
which iterates a swarm; where it has none, `skl2net.solvers.swarm` does so itself, around `losses`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class SGDStep:
    """Stochastic gradient descent: v ← μ·v − η·g, then w ← w + v, or w + μ·v − η·g with Nesterov's momentum."""

    learning_rate: float
    momentum: float
    nesterov: bool


@dataclass(frozen=True)
class AdamStep:
    """Adam: w ← w − η·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε), with ε beside √v as in scikit-learn and Keras.

    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    learning_rate: float
    beta_1: float
    beta_2: float
    epsilon: float


@dataclass
class GradientState:
    """Parameters and what the optimiser remembers about them; engines change it in place.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    first : ndarray of shape (n_parameters,)
        SGD's velocity, or Adam's first moment.
    second : ndarray of shape (n_parameters,)
        Adam's second moment; empty for SGD.
    n_updates : int, default=0
        Updates so far, Adam's t.
    """

    parameters: np.ndarray
    first: np.ndarray
    second: np.ndarray
    n_updates: int = 0


@dataclass(frozen=True)
class Batches:
    """The rows of a run of updates: of one epoch or several, or of a part of one.

    Parameters
    ----------
    order : ndarray of intp, shape (n_epochs, n_rows), or None
        The rows in the order in which each epoch visits them; None for the order of the data.
    bounds : ndarray of intp, shape (n_updates + 1,)
        Update i of an epoch takes the rows ``order[epoch, bounds[i]:bounds[i + 1]]``.
    items : ndarray of float64, shape (n_epochs, n_updates)
        Items of each update: its rows, or the sum of their weights. An update of 0 items is skipped.
    """

    order: np.ndarray | None
    bounds: np.ndarray
    items: np.ndarray


@dataclass(frozen=True)
class Motion:
    """How a swarm moves in its next iterations; `skl2net.solvers.swarm.ParticleSwarm` explains each parameter.

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


class EpochTotals(NamedTuple):
    """What an epoch amounts to; `run_updates` returns an array with a column for each field.

    The losses are sums over the updates, each taken before the update and weighted by its number of rows.
    """

    data_loss: float
    penalty: float
    n_rows: float
    weight_norm: float  # Σw² at the end
