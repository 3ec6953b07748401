"""Learning rate schedules: one class for each value of the parameter `learning_rate`.

A schedule gives the learning rate of each update of the next epochs. `SCHEDULES` lists the classes by name; the
estimators accept these names. `skl2net.solvers.gradient` asks for the rates.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np

from skl2net.solvers.optimisers import OPTIMISERS

LearningRate: TypeAlias = Literal["constant", "invscaling", "adaptive", "cosine"]


class Position(NamedTuple):
    """How far a training is when its next learning rates are computed.

    Parameters
    ----------
    t : int
        Number of rows visited so far, including earlier trainings.
    n_rows : int
        Number of rows visited in each epoch.
    epoch : int
        Number of finished epochs of this training.
    max_iter : int
        Largest number of epochs of this training.
    n_reductions : int
        Number of times that patience has run out under a schedule that `depends_on_loss`.
    """

    t: int
    n_rows: int
    epoch: int
    max_iter: int
    n_reductions: int


@dataclass(frozen=True)
class Schedule:
    """Base class of the schedules.

    Parameters
    ----------
    initial : float
        The parameter `learning_rate_init`.
    power_t : float, default=0.5
        Exponent of "invscaling".

    Attributes
    ----------
    name : str
        Value of the parameter `learning_rate`.
    solvers : tuple of str
        Solvers that the schedule applies to. The others use a constant rate.
    depends_on_loss : bool
        Whether the learning rate is reduced, instead of ending training, when patience runs out.
    default_rates : dict of str to float
        The initial learning rate of each solver if none is given.
    default_max_iter : int
        Number of epochs if none is given.
    has_horizon : bool
        Whether training always runs for `max_iter` epochs and has then converged. A stream has no such end, so that
        `partial_fit` uses a constant rate instead.
    """

    initial: float
    power_t: float = 0.5

    name: ClassVar[str]
    solvers: ClassVar[tuple[str, ...]] = ("sgd",)
    default_rates: ClassVar[dict] = {"sgd": 0.001, "adam": 0.001}
    default_max_iter: ClassVar[int] = 200
    depends_on_loss: ClassVar[bool] = False
    has_horizon: ClassVar[bool] = False

    def rates(self, n_epochs, n_updates, position):
        """The learning rates of the next epochs.

        Parameters
        ----------
        n_epochs : int
        n_updates : int
            Number of updates in each epoch.
        position : Position

        Returns
        -------
        ndarray of float64, shape (n_epochs, n_updates)
            Read-only. If the rates are constant, each call returns the same array.
        """
        raise NotImplementedError


@lru_cache(maxsize=64)
def _filled(rate, n_epochs, n_updates):
    return np.broadcast_to(rate, (n_epochs, n_updates))


class Constant(Schedule):
    """The initial learning rate."""

    name = "constant"
    solvers = OPTIMISERS

    def rates(self, n_epochs, n_updates, position):
        """See `Schedule.rates`."""
        return _filled(self.initial, n_epochs, n_updates)


class InvScaling(Schedule):
    """η = η₀ / (t + 1)^power_t, where t is the number of rows visited before the epoch, as in scikit-learn."""

    name = "invscaling"

    def rates(self, n_epochs, n_updates, position):
        """See `Schedule.rates`."""
        visited = (position.t + i * position.n_rows for i in range(n_epochs))
        return np.broadcast_to(np.array([[self._after(t)] for t in visited]), (n_epochs, n_updates))

    def _after(self, t):
        try:
            return self.initial / float(t + 1) ** self.power_t
        except OverflowError:
            return 0.0


class Adaptive(Schedule):
    """η = η₀ / 5^k after patience has run out k times, as in scikit-learn."""

    name = "adaptive"
    depends_on_loss = True

    def rates(self, n_epochs, n_updates, position):
        """See `Schedule.rates`."""
        return _filled(self.initial / 5.0**position.n_reductions, n_epochs, n_updates)


class Cosine(Schedule):
    """η = η₀ · ½ · (1 + cos(π · (t + ½) / T)) in update t of T, the number of updates in `max_iter` epochs.

    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without restarts.
    """

    name = "cosine"
    solvers = OPTIMISERS
    default_rates = {"sgd": 0.03, "adam": 0.01}
    default_max_iter = 60
    has_horizon = True

    def rates(self, n_epochs, n_updates, position):
        """See `Schedule.rates`."""
        done = np.arange(n_epochs * n_updates).reshape(n_epochs, n_updates) + position.epoch * n_updates
        return self.initial * 0.5 * (1 + np.cos(np.pi * (done + 0.5) / (position.max_iter * n_updates)))


SCHEDULES = {schedule.name: schedule for schedule in (Constant, InvScaling, Adaptive, Cosine)}
