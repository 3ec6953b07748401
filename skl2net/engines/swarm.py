"""One iteration of a swarm in NumPy: `move` computes velocities and positions, `step` evaluates and remembers them.

`Session.iterate_swarm` runs it. The compiled engine does the same, many times in one call, with the same random
numbers. User-defined objectives are always minimised by `step`.
"""

from dataclasses import dataclass, replace

import numpy as np

from skl2net.engines.random_numbers import uniform, uniform_between
from skl2net.engines.topology import links, neighbourhood_best


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


def iterate(state, motion, evaluate, network):
    """Iterations of a swarm, see `Session.iterate_swarm`. Of `state`, only the generator is changed.

    `evaluate` returns the losses of positions, with and without the penalty.
    """
    curves = []
    for inertia in motion.inertia:
        moved = step(state, motion, float(inertia), evaluate)
        if moved is None:
            break
        state, best = moved, int(moved.best_losses.argmin())
        weight_norm = network.weight_norm(state.best_positions[best])
        curves.append([state.best_losses[best], state.best_data_losses[best], weight_norm, *state.best_losses])
    return state, np.reshape(curves, (len(curves), 3 + len(state.best_losses)))


def step(state, motion, inertia, evaluate):
    """One iteration: move the swarm, except in the first iteration, evaluate it, and update the personal bests.

    Returns None if positions or velocities, or the losses of all personal bests, are not finite.
    """
    positions, velocities = state.positions, state.velocities
    if state.n_iterations:
        positions, velocities = move(state, motion, inertia)
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
    )


def move(state, motion, inertia):
    """New positions and velocities of the canonical or the fully informed swarm, see `ParticleSwarm`.

    The generator draws r₁ and r₂ of the first particle, then of the second, and so on; in the fully informed swarm, an
    array for each informant.
    """
    x, v, p = state.positions, state.velocities, state.best_positions
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
    """Bring entries outside the box back into it, in place, see `ParticleSwarm`."""
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
