"""The state of a swarm, and the spread of its losses."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from skl2net.solvers.curves import Curve


class Spread(NamedTuple):
    """Losses of the personal bests after each iteration: the smallest, and the quartiles.

    A quartile is one of the losses: of those in ascending order, that a quarter, half, or three quarters of the way up,
    rounded down. It is inf while so many particles have not had a finite loss yet.

    Parameters
    ----------
    best, lower_quartile, median, upper_quartile : Curve
    """

    best: Curve = Curve()
    lower_quartile: Curve = Curve()
    median: Curve = Curve()
    upper_quartile: Curve = Curve()

    def extended(self, best_losses):
        """Return this spread followed by that of iterations whose personal bests are the rows of `best_losses`."""
        last = best_losses.shape[1] - 1
        in_order = np.sort(best_losses, axis=1)
        columns = in_order[:, [0, last // 4, last // 2, 3 * last // 4]].T.tolist()
        return Spread(*(curve.extended(column) for curve, column in zip(self, columns, strict=True)))


@dataclass(repr=False)
class SwarmState:
    """The state of a swarm: the attribute `swarm_`, and what a warm start continues.

    Parameters
    ----------
    positions, velocities : ndarray of shape (n_particles, n_parameters)
        Rows are flat parameter vectors: all weights, layer by layer, then all biases. With ``normalize_y=True``, they
        are in standard units, as the losses are.
    best_positions : ndarray of shape (n_particles, n_parameters)
        Personal bests, the positions at which each particle had its smallest loss so far.
    best_losses : ndarray of shape (n_particles,)
        Loss of the personal bests, including the penalty; inf if a particle has not had a finite loss yet.
    best_data_losses : ndarray of shape (n_particles,)
        The same without the penalty.
    neighbourhood_best : ndarray of intp, shape (n_particles,)
        Index of the best personal best among the informants of each particle.
    topology : str
        The `topology` of the links.
    links : ndarray of bool, shape (n_particles, n_particles)
        Whether the particle of the column informs that of the row. Each particle informs itself.
    generator : numpy.random.Generator
        Source of the random numbers of the motion.
    n_iterations : int
        Number of iterations in all calls.
    seed_mark : int
        Checksum of the estimator's random state after initialisation, which detects a new seed.
    spread : Spread
        Best and quartiles of the personal bests after each iteration, each with a method `tolist`.
    """

    positions: np.ndarray
    velocities: np.ndarray
    best_positions: np.ndarray
    best_losses: np.ndarray
    best_data_losses: np.ndarray
    neighbourhood_best: np.ndarray
    topology: str
    links: np.ndarray
    generator: np.random.Generator
    n_iterations: int = 0
    seed_mark: int = 0
    spread: Spread = field(default_factory=Spread)

    def __repr__(self):
        n, d = self.positions.shape
        return (
            f"<SwarmState of {n} particles in {d} dimensions, {self.topology!r} topology, after {self.n_iterations} "
            f"iterations: best loss {self.best_losses.min():.6g}>"
        )

    @property
    def best(self):
        """Index of the particle with the smallest loss."""
        return int(self.best_losses.argmin())
