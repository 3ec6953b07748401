"""Random numbers of a swarm. Every engine draws the same numbers from the same generator."""

import math

import numpy as np


def new_generator(random_state):
    """A fast generator, seeded from the estimator's random state."""
    return np.random.Generator(np.random.SFC64(random_state.randint(0, 2**32, size=4, dtype=np.uint32)))


def uniform(generator, shape, dtype):
    """Uniform random numbers in [0, 1), from the upper bits of a generator's words: one float64 or two float32 each.

    Every engine draws them in this way, so that a seed gives the same motion in each of them.

    Examples
    --------
    >>> uniform(np.random.Generator(np.random.SFC64(0)), (2,), np.float64).round(3)
    array([0.569, 0.235])
    >>> uniform(np.random.Generator(np.random.SFC64(0)), (2, 2), np.float32).round(3)
    array([[0.724, 0.569],
           [0.353, 0.235]], dtype=float32)
    """
    n = math.prod(shape)
    if dtype == np.float64:
        return ((random_words(generator, n) >> 12) * 2.0**-52).reshape(shape)
    halves = random_words(generator, (n + 1) // 2).view(np.uint32)[:n]
    return ((halves >> 9).astype(np.float32) * np.float32(2.0**-23)).reshape(shape)


def uniform_between(low, high, generator, n):
    """Uniform random numbers between two bounds, ndarray of shape (n,)."""
    return low + (high - low) * uniform(generator, (n,), np.float64)


def random_words(generator, n):
    """The next n 64-bit words of a generator."""
    return generator.bit_generator.random_raw(n)
