"""The optimisers of mini-batch training: SGD with momentum, and Adam.

An optimiser turns a gradient into a change of the parameters. Each is defined by one class, and for the compiled engine
by a functor of a similar name in ``engines/kernels/loops/optimisers.h``. `skl2net.solvers.gradient` is the loop around
them.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: v ← μ·v − η·g, then w ← w + v, or w + μ·v − η·g with Nesterov's momentum.

    Parameters
    ----------
    momentum : float
        μ, in [0, 1].
    nesterov : bool
    """

    momentum: float
    nesterov: bool

    name: ClassVar = "sgd"
    n_moments: ClassVar = 1

    @property
    def constants(self):
        """What the compiled engine is told."""
        return self.momentum, float(self.nesterov)

    def feels_subnormals(self, info):
        """Whether subnormal moments matter, in the precision of ``info``, a `finfo`: they change no weight."""
        return False

    def change(self, state, gradient, learning_rate, xp):
        """What update number ``state.n_updates`` adds to the parameters; the moments are changed in place."""
        velocity = self.momentum * state.moments[0, :] - learning_rate * gradient
        state.moments[0, :] = velocity
        return self.momentum * velocity - learning_rate * gradient if self.nesterov else velocity


@dataclass(frozen=True)
class Adam:
    """Adam: w ← w − η·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε), with ε beside √v as in scikit-learn and Keras.

    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Parameters
    ----------
    beta_1, beta_2 : float
        Decay of the first and of the second moment, in [0, 1).
    epsilon : float
    """

    beta_1: float
    beta_2: float
    epsilon: float

    name: ClassVar = "adam"
    n_moments: ClassVar = 2
    momentum: ClassVar = None  # a penalty's shrink is no share of the weight, see `skl2net.l2.share_removed`
    nesterov: ClassVar = False

    @property
    def constants(self):
        """What the compiled engine is told."""
        return self.beta_1, self.beta_2, self.epsilon

    def feels_subnormals(self, info):
        """Whether subnormal moments matter, in the precision of ``info``, a `finfo`: only if ε is tiny."""
        return float(info.smallest_normal) ** 0.5 > float(info.eps) * self.epsilon

    def change(self, state, gradient, learning_rate, xp):
        """What update number ``state.n_updates`` adds to the parameters; the moments are changed in place."""
        t = state.n_updates
        first = self.beta_1 * state.moments[0, :] + (1 - self.beta_1) * gradient
        second = self.beta_2 * state.moments[1, :] + (1 - self.beta_2) * (gradient * gradient)
        state.moments[0, :] = first
        state.moments[1, :] = second
        rate = learning_rate * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        return -rate * first / (xp.sqrt(second) + self.epsilon)


OPTIMISERS = (SGD.name, Adam.name)  # the values of the parameter `solver` that stand for mini-batch training
