"""One iteration of a swarm in NumPy: `move` computes velocities and positions, `step` evaluates and remembers them.

An engine with a function `iterate_swarm` runs many of these iterations in one call, with the same random numbers.
User-defined objectives are always minimised by `step`.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from skl2net.solvers.curves import Curve
from skl2net.solvers.swarm.random_numbers import uniform, uniform_between
from skl2net.solvers.swarm.topology import links, neighbourhood_best


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
        """Return this spread followed by that of other iterations.

        Parameters
        ----------
        best_losses : ndarray of shape (n_iterations, n_particles)
            Losses of the personal bests.

        Examples
        --------
        >>> spread = Spread().extended(np.array([[5.0, 1.0, 4.0, 2.0, 3.0]]))
        >>> [curve.tolist() for curve in spread]
        [[1.0], [2.0], [3.0], [4.0]]
        """
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
        Rows are flat parameter vectors: all weights, layer by layer, then all biases.
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


def step(state, motion, evaluate):
    """One iteration: move the swarm, except in the first iteration, evaluate it, and update the personal bests.

    Parameters
    ----------
    state : SwarmState
        Not changed, except for its generator.
    motion : SwarmMotion
        Motion of a single iteration.
    evaluate : callable
        ``evaluate(positions) -> (losses, losses without penalty)``.

    Returns
    -------
    SwarmState or None
        None if positions or velocities, or the losses of all personal bests, are not finite.
    """
    positions, velocities = state.positions, state.velocities
    if state.n_iterations:
        positions, velocities = move(state, motion)
        if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
            return None
    losses, data_losses = evaluate(positions)
    better = losses < state.best_losses
    best_losses = np.where(better, losses, state.best_losses)
    if not np.isfinite(best_losses.min()):
        return None
    linked = state.links
    if motion.n_informed and not best_losses.min() < state.best_losses.min():
        linked = links("random", len(linked), state.generator)
    return replace(
        state,
        positions=positions,
        velocities=velocities,
        best_positions=np.where(better[:, np.newaxis], positions, state.best_positions),
        best_losses=best_losses,
        best_data_losses=np.where(better, data_losses, state.best_data_losses),
        neighbourhood_best=neighbourhood_best(linked, best_losses),
        links=linked,
        n_iterations=state.n_iterations + 1,
        spread=state.spread.extended(best_losses[np.newaxis]),
    )


def move(state, motion):
    """New positions and velocities of the canonical or the fully informed swarm, see `ParticleSwarm`.

    Parameters
    ----------
    state : SwarmState
        Not changed, except for its generator. It draws r₁ and r₂ of the first particle, then of the second, and so on;
        in the fully informed swarm, an array for each informant.
    motion : SwarmMotion
        Motion of a single iteration.

    Returns
    -------
    positions, velocities : ndarray of shape (n_particles, n_parameters)
    """
    x, v, p = state.positions, state.velocities, state.best_positions
    inertia = float(motion.inertia[0])
    if motion.variant == "fips":
        velocities = inertia * v
        for i, linked in enumerate(state.links):
            informants = np.flatnonzero(linked)
            draws = uniform(state.generator, (len(informants), x.shape[1]), x.dtype)
            pull = (motion.cognitive + motion.social) / len(informants)
            velocities[i] += (pull * draws * (p[informants] - x[i])).sum(axis=0)
    else:
        draws = uniform(state.generator, (len(x), 2, x.shape[1]), x.dtype)
        velocities = inertia * v + motion.cognitive * draws[:, 0] * (p - x)
        velocities += motion.social * draws[:, 1] * (p[state.neighbourhood_best] - x)
    np.clip(velocities, -motion.velocity_clamp, motion.velocity_clamp, out=velocities)
    positions = x + velocities
    apply_bounds(positions, velocities, motion.box, motion.boundary, state.generator)
    return positions, velocities


def apply_bounds(positions, velocities, box, boundary, generator):
    """Bring entries outside the box back into it, in place.

    Parameters
    ----------
    positions, velocities : ndarray of shape (n_particles, n_parameters)
    box : (float, float)
    boundary : {"bounce", "clamp", "reinitialise"}
        See `ParticleSwarm`.
    generator : numpy.random.Generator
        Source of the positions of "reinitialise".
    """
    low, high = box
    gone = (positions < low) | (positions > high)
    if not gone.any():
        return
    if boundary == "bounce":
        x = positions[gone]
        # an entry that overshoots by more than the width of the box stops at the opposite bound
        positions[gone] = np.clip(np.where(x < low, 2 * low - x, 2 * high - x), low, high)
        velocities[gone] *= -1
        return
    velocities[gone] = 0
    if boundary == "clamp":
        np.clip(positions, low, high, out=positions)
    else:
        positions[gone] = uniform_between(low, high, generator, np.count_nonzero(gone))
