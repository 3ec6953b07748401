"""Topologies of a swarm: which particle informs which."""

import numpy as np

from skl2net.engines.random_numbers import random_words

N_INFORMED = 3  # by each particle, in the random topology: SPSO-2006's and SPSO-2011's number


def links(topology, n, generator=None):
    """Whether the particle of the column informs that of the row, ndarray of bool, shape (n, n); see `ParticleSwarm`.

    >>> links("ring", 5).astype(int)
    array([[1, 1, 0, 0, 1],
           [1, 1, 1, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 1, 1],
           [1, 0, 0, 1, 1]])
    """
    if topology == "global":
        return np.ones((n, n), dtype=bool)
    who = np.arange(n)
    informed = np.eye(n, dtype=bool)
    if topology == "random":
        drawn = (random_words(generator, n * N_INFORMED) >> 32) * np.uint64(n) >> 32
        informed[drawn.astype(np.intp).reshape(n, N_INFORMED), who[:, np.newaxis]] = True
    elif topology == "ring":
        informed[who, (who + 1) % n] = informed[who, (who - 1) % n] = True
    else:
        n_rows = max(r for r in range(1, int(n**0.5) + 1) if n % r == 0)
        row, column = np.divmod(who, n // n_rows)
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            informed[who, (row + down) % n_rows * (n // n_rows) + (column + right) % (n // n_rows)] = True
    return informed


def neighbourhood_best(links, best_losses):
    """Index of the best personal best among the informants of each particle, ndarray of shape (n_particles,)."""
    return np.where(links, np.minimum(best_losses, np.finfo(np.float64).max), np.inf).argmin(axis=1)
