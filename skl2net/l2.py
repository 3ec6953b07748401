"""The five L2 rules, as data.

A rule is a name (`mode`) and a strength (`alpha`, one number per weight layer). What it does to the weights
in one update is three numbers per layer, an `L2Numbers`; `l2_numbers` computes them, and everything else
in the package (solvers, engines, reports, conversions) works with those numbers and never with a name:

    w ← (1 − after) · ((1 − before) · w − step(g + gradient · w))

======================  ============================  ==========================  ==================
mode                    one update                    objective                   the number
======================  ============================  ==========================  ==================
``penalty``             w ← w − step(g + α·w)         mean loss + α/2·Σw²         gradient = α
``penalty_per_sample``  w ← w − step(g + (α/n)·w)     mean loss + α/(2n)·Σw²      gradient = α/n
``decay_before``        w ← (1−α)·w − step(g)         none                        before = α
``decay_after``         w ← (1−α)·(w − step(g))       none                        after = α
``decoupled``           w ← (1−η·α)·w − step(g)       none                        before = η·α
======================  ============================  ==========================  ==================

`w` is a weight, never a bias; `g` the gradient of the data loss at the weights before any decay; `η` the current
learning rate of the schedule; `n` the number of items in the update (the sum of their weights). The rules run in
`skl2net.solvers`; what they did is told by `skl2net.report`.
"""

import warnings
from dataclasses import dataclass
from numbers import Real

import numpy as np

PENALTIES = ("penalty", "penalty_per_sample")
DECAYS = ("decay_before", "decay_after", "decoupled")
MODES = PENALTIES + DECAYS

MODES_OF_SOLVER = {"sgd": MODES, "adam": MODES, "lbfgs": PENALTIES, "pso": PENALTIES}

_WHY_NO_DECAY = {
    "lbfgs": "L-BFGS minimises an objective, and a decay of the weights has none",
    "pso": (
        "a swarm is steered by its personal bests, which are remembered and not moved, so that shrinking the "
        "positions only disturbs the search"
    ),
}


@dataclass(frozen=True)
class L2Numbers:
    """What an L2 rule does in one update; each field has shape (n_layers,), or (n_updates, n_layers).

    Parameters
    ----------
    gradient : ndarray
        Multiple of the weight that is added to its gradient before the optimiser's step.
    before : ndarray
        Share of the weight that is removed before the step is taken.
    after : ndarray
        Share of the weight that is removed after the step has been taken.
    """

    gradient: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def penalty(self, sum_of_squares):
        """What the rule adds to the loss, ½·Σ gradient·Σw² over the layers; 0 for a decay.

        Parameters
        ----------
        sum_of_squares : array-like of shape (..., n_layers)
            Σw² of each layer.
        """
        return 0.5 * np.vecdot(self.gradient, sum_of_squares)


def l2_numbers(mode, alpha, learning_rate, n):
    """Compute the three numbers of an L2 rule.

    Parameters
    ----------
    mode : str
        One of `MODES`.
    alpha : array-like of shape (n_layers,)
        Strength of the rule in each weight layer.
    learning_rate : float or None
        Current learning rate η of the schedule; only ``"decoupled"`` reads it.
    n : float or ndarray of shape (n_updates,)
        Items in the update, or in each of several; only ``"penalty_per_sample"`` reads it. Where it is 0, the
        update is skipped, and the numbers are 0.

    Returns
    -------
    L2Numbers
        Fields of shape (n_layers,), or (n_updates, n_layers) where `n` is an array.
    """
    alpha = np.broadcast_to(np.asarray(alpha, dtype=np.float64), (*np.shape(n), len(alpha)))
    none = np.broadcast_to(0.0, alpha.shape)
    if mode == "penalty":
        return L2Numbers(alpha, none, none)
    if mode == "penalty_per_sample":
        n = np.asarray(n, dtype=np.float64)[..., np.newaxis]
        return L2Numbers(np.divide(alpha, n, out=np.zeros(alpha.shape), where=n > 0), none, none)
    if mode == "decay_before":
        return L2Numbers(none, alpha, none)
    if mode == "decay_after":
        return L2Numbers(none, none, alpha)
    if mode == "decoupled":
        return L2Numbers(none, learning_rate * alpha, none)
    raise ValueError(f"l2_mode must be one of {', '.join(map(repr, MODES))}; got {mode!r}.")


@dataclass(frozen=True)
class L2Rule:
    """A named rule and its strength in each weight layer, as `check_rule` returns it."""

    mode: str
    alpha: tuple[float, ...]

    def numbers(self, *, n, learning_rate=None):
        """The three numbers of one update over `n` items, see `l2_numbers`."""
        return l2_numbers(self.mode, self.alpha, learning_rate, n)


def share_removed(numbers, *, solver, learning_rate=None, momentum=0.0):
    """Share of a weight that one update removes when no gradient acts on it.

    A decay removes the same share under every solver. A penalty's shrink passes through the optimiser: under SGD
    with momentum μ it amounts to η·gradient/(1−μ) in the long run; Adam divides it by its own size, so that there
    is no such share, and L-BFGS and the swarm have no update to speak of.

    Parameters
    ----------
    numbers : L2Numbers
    solver : {"sgd", "adam", "lbfgs", "pso"}
    learning_rate : float, default=None
        Learning rate η; read where SGD applies a penalty.
    momentum : float, default=0.0
        Momentum μ of SGD, below 1.

    Returns
    -------
    ndarray of shape (n_layers,) or None
        None where no such share exists. All zero where alpha is 0.
    """
    decay = numbers.before + numbers.after
    if not np.any(numbers.gradient):
        return decay if solver in ("sgd", "adam") else None
    if solver != "sgd" or momentum == 1:
        return None
    return learning_rate * numbers.gradient / (1 - momentum)


def timescale(share, updates_per_epoch):
    """Epochs over which a weight is forgotten: 1 / (share · updates per epoch); infinite where the share is 0.

    Wang & Aitchison, "How to set AdamW's weight decay as you scale model and dataset size", ICML 2025.
    """
    with np.errstate(divide="ignore"):
        return 1 / (np.asarray(share, dtype=np.float64) * updates_per_epoch)


def check_rule(mode, alpha, *, n_layers, solver, learning_rate=None):
    """Check that a rule can run, and spread its strength over the layers.

    Parameters
    ----------
    mode : str
        One of `MODES`.
    alpha : float or array-like of shape (n_layers,)
        Strength; a single number holds for every layer.
    n_layers : int
        Number of weight layers, one more than hidden layers.
    solver : {"sgd", "adam", "lbfgs", "pso"}
    learning_rate : float, default=None
        Initial learning rate, the largest that a schedule takes.

    Returns
    -------
    L2Rule

    Raises
    ------
    ValueError
        If the solver cannot run the rule, or `alpha` is negative, not finite, of the wrong length, or so large that
        a decay would remove a whole weight.

    Warns
    -----
    UserWarning
        If a decay removes more than half of every weight in each update.
    """
    if mode not in MODES_OF_SOLVER[solver]:
        raise ValueError(
            f"l2_mode={mode!r} cannot run with solver={solver!r}: {_WHY_NO_DECAY[solver]}. "
            f"Use l2_mode='penalty', or keep {mode!r} with solver='sgd' or solver='adam'."
        )
    alphas = _one_per_layer(alpha, n_layers)
    largest = max(alphas)
    if mode in ("decay_before", "decay_after"):
        if largest >= 1:
            raise ValueError(
                f"alpha={alpha!r} with l2_mode={mode!r} would remove {largest:.3g} times each weight in every update; "
                "a decay needs 0 <= alpha < 1. If the number is the factor that is kept, as in w = w * 0.98, pass "
                "1 - factor."
            )
        if largest > 0.5:
            warnings.warn(
                f"alpha={alpha!r} with l2_mode={mode!r} removes {largest:.0%} of every weight in each update. If "
                f"{largest:g} was meant as the factor that is kept, pass alpha={1 - largest:.6g} (1 - alpha).",
                UserWarning,
                stacklevel=2,
            )
    elif mode == "decoupled" and learning_rate * largest >= 1:
        raise ValueError(
            f"alpha={alpha!r} with l2_mode='decoupled' and learning_rate_init={learning_rate!r} would remove "
            f"learning rate * alpha = {learning_rate * largest:.3g} times each weight in every update; it must stay "
            "below 1. Lower alpha or learning_rate_init."
        )
    return L2Rule(mode, alphas)


def warn_if_explosive(numbers, learning_rate, *, momentum, nesterov):
    """Warn, before SGD runs, of a penalty under which weights grow without bound, no gradient acting on them.

    With momentum μ they do so from η·gradient = 2·(1 + μ) on, or with Nesterov's from 2·(1 + μ)/(1 + 2·μ) on: there the
    iteration w, v ↦ w + v', v' with v' = μ·v − η·gradient·w no longer contracts. Without momentum both are 2.

    Parameters
    ----------
    numbers : L2Numbers
        Of every update of an epoch.
    learning_rate : float
        Initial learning rate η.
    momentum : float
    nesterov : bool
    """
    shrink = learning_rate * np.max(numbers.gradient)
    limit = 2 * (1 + momentum) / (1 + 2 * momentum) if nesterov else 2 * (1 + momentum)
    if shrink >= limit:
        warnings.warn(
            f"The penalty's part of one SGD update, learning rate times its gradient, is {shrink:.3g} times the "
            f"weight: with momentum={momentum:g}, from {limit:.3g} on it throws each weight past zero without ever "
            f"making it smaller, and training explodes. Divide alpha or learning_rate_init by more than "
            f"{shrink / limit:.3g}.",
            UserWarning,
            stacklevel=2,
        )


def _one_per_layer(alpha, n_layers):
    if isinstance(alpha, Real):
        alphas = (float(alpha),) * n_layers
    else:
        try:
            alphas = tuple(float(a) for a in alpha)
        except (TypeError, ValueError):
            raise ValueError(f"alpha must be a number, or one number per weight layer; got {alpha!r}.") from None
        if len(alphas) != n_layers:
            raise ValueError(
                f"alpha has {len(alphas)} values, but the network has {n_layers} weight layers (one more than "
                f"hidden layers); pass one value per layer, or a single number for all. Got {alpha!r}."
            )
    if not all(np.isfinite(a) and a >= 0 for a in alphas):
        raise ValueError(f"alpha must be finite and not negative; got {alpha!r}.")
    return alphas
