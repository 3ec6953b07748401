"""The six L2 rules, as data.

A rule is a name (`mode`) and a strength (`alpha`, one number per weight layer). `L2Rule.coefficients` turns it into
three numbers per layer, the `L2Coefficients` of one update. Solvers, engines and reports work with these numbers and
never with the name of a rule:

    w ← (1 − decay_after) · ((1 − decay_before) · w − step(g + penalty · w))

======================  ============================  ==========================  ====================
mode                    one update                    objective                   the coefficient
======================  ============================  ==========================  ====================
``prior``               w ← w − step(g + (α/N)·w)     mean loss + α/(2N)·Σw²      penalty = α/N
``penalty``             w ← w − step(g + α·w)         mean loss + α/2·Σw²         penalty = α
``penalty_per_sample``  w ← w − step(g + (α/n)·w)     mean loss + α/(2n)·Σw²      penalty = α/n
``decay_before``        w ← (1−α)·w − step(g)         none                        decay_before = α
``decay_after``         w ← (1−α)·(w − step(g))       none                        decay_after = α
``decoupled``           w ← (1−η·α)·w − step(g)       none                        decay_before = η·α
======================  ============================  ==========================  ====================

`w` is a weight, never a bias; `g` the gradient of the data loss at the weights before any decay; `η` the current
learning rate of the schedule; `n` the number of samples in the update (the sum of their weights) and `N` that of the
whole training set. The rules run in `skl2net.solvers`; `skl2net.report` describes what they did.
"""

import math
import warnings
from dataclasses import dataclass, field

import numpy as np

PENALTIES = ("prior", "penalty", "penalty_per_sample")
DECAYS = ("decay_before", "decay_after", "decoupled")
MODES = PENALTIES + DECAYS

# The default strength of each rule. `prior`: measured on 82 prediction tasks, see docs/choosing_lambda.md.
# `penalty_per_sample`: scikit-learn's. `decoupled`: that of AdamW in PyTorch. `penalty` and the decays: the weaker of
# the two best strengths on the data sets of scikit-learn (examples/benchmarks/default_strength.py).
DEFAULT_ALPHA = {
    "prior": 5.0,
    "penalty": 1e-2,
    "penalty_per_sample": 1e-4,
    "decay_before": 1e-3,
    "decay_after": 1e-3,
    "decoupled": 1e-2,
}


@dataclass(frozen=True)
class L2Coefficients:
    """What an L2 rule does in one update. Each field has shape (n_layers,) or (..., n_updates, n_layers)."""

    penalty: np.ndarray  # multiple of the weight that is added to its gradient before the optimiser's step
    decay_before: np.ndarray  # share of the weight that is removed before the step is taken
    decay_after: np.ndarray  # share of the weight that is removed after the step has been taken

    def __getitem__(self, key):
        """The coefficients of some of the updates."""
        return L2Coefficients(self.penalty[key], self.decay_before[key], self.decay_after[key])


@dataclass(frozen=True)
class L2Rule:
    """A named rule, one of `MODES`, and its strength in each weight layer, as `check_rule` returns it."""

    mode: str
    alpha: tuple[float, ...]

    def coefficients(self, *, n=None, n_total=None, learning_rate=None):
        """The `L2Coefficients` of an update, or of each of several if `n` is an array of shape (..., n_updates).

        `n` is the number of samples in each update, of which one with 0 samples is skipped and has coefficients of 0;
        `n_total` the number N of training samples, and `learning_rate` the rate η of each update. A rule reads only
        what its formula has: "penalty_per_sample" `n`, "prior" `n_total`, and "decoupled" `learning_rate`.
        """
        alpha = np.broadcast_to(np.asarray(self.alpha, dtype=np.float64), (*np.shape(n), len(self.alpha)))
        none = np.broadcast_to(0.0, alpha.shape)
        if self.mode == "prior":
            return L2Coefficients(alpha / n_total, none, none)
        if self.mode == "penalty":
            return L2Coefficients(alpha, none, none)
        if self.mode == "penalty_per_sample":
            n = np.asarray(n, dtype=np.float64)[..., np.newaxis]
            return L2Coefficients(np.divide(alpha, n, out=np.zeros(alpha.shape), where=n > 0), none, none)
        if self.mode == "decay_before":
            return L2Coefficients(none, alpha, none)
        if self.mode == "decay_after":
            return L2Coefficients(none, none, alpha)
        return L2Coefficients(none, np.asarray(learning_rate)[..., np.newaxis] * alpha, none)


@dataclass(frozen=True)
class AppliedRule:
    """An L2 rule as it ran in a fit: everything that a report needs besides the weights.

    What is None or empty by default belongs to solvers with updates; full-batch solvers have none of it.
    """

    rule: L2Rule
    solver: str
    n: float  # samples per update, the sum of their weights; a smaller last batch of an epoch is ignored
    n_total: float  # training samples; for `partial_fit`, all samples seen so far
    loss: str  # its name in `skl2net.convert_alpha`
    learning_rate: float | None = None  # the initial one of the last fit
    mean_learning_rate: float | None = None  # over the updates of the last fit; None also if it is unknown
    constants: dict = field(default_factory=dict)  # of the optimiser, by the names of its parameters
    updates_per_epoch: int | None = None
    has_schedule: bool = False  # whether the learning rate changed during training
    objective: str = "mean loss"  # what the penalty is added to, or "own objective" for one that a user has defined

    @property
    def coefficients(self):
        """The three coefficients of a full update at the initial learning rate."""
        return self.rule.coefficients(n=self.n, n_total=self.n_total, learning_rate=self.learning_rate)

    @property
    def share(self):
        """Share of a weight that an update removes, see `share_removed`; None for full-batch solvers.

        Under a schedule, that of the mean learning rate.
        """
        if self.updates_per_epoch is None:
            return None
        rate = self.learning_rate if self.mean_learning_rate is None else self.mean_learning_rate
        coefficients = self.rule.coefficients(n=self.n, n_total=self.n_total, learning_rate=rate)
        momentum, nesterov = self.constants.get("momentum"), self.constants.get("nesterov", False)
        return share_removed(coefficients, learning_rate=rate, momentum=momentum, nesterov=nesterov)


def long_run_share(shrink, *, momentum=0.0, nesterov=False):
    r"""Share of a weight that each SGD update removes in the long run if only the penalty has a gradient.

    With a shrink :math:`s = \eta\,\cdot` penalty and momentum μ, the weight and its velocity follow a linear iteration
    with eigenvalues :math:`\lambda^2 - (1 + \mu - s)\lambda + \mu = 0`, or with Nesterov's momentum
    :math:`\lambda^2 - (1 + \mu)(1 - s)\lambda + \mu(1 - s) = 0`. The share is one minus the modulus of the larger one.
    To first order it is :math:`s/(1-\mu)`. If the eigenvalues are complex the weight oscillates, and the share is at
    most :math:`1 - \sqrt\mu`. If the share is negative the weight grows.

    Examples
    --------
    >>> round(float(long_run_share(0.002, momentum=0.9)), 4)  # to first order 0.02
    0.0265
    """
    s = np.asarray(shrink, dtype=np.float64)
    trace = (1 + momentum) * (1 - s) if nesterov else 1 + momentum - s
    determinant = momentum * (1 - s) if nesterov else np.broadcast_to(float(momentum), s.shape)
    discriminant = trace**2 - 4 * determinant
    root = np.sqrt(np.maximum(discriminant, 0))
    # (1 - larger)(1 - smaller) = s: no cancellation where the larger eigenvalue is close to 1
    rest = 1 - (trace - root) / 2
    positive = np.divide(s, rest, out=np.zeros_like(s), where=rest > 0)
    real = np.where(trace >= 0, positive, 1 - (root - trace) / 2)
    share = np.where(discriminant >= 0, real, 1 - np.sqrt(np.maximum(determinant, 0)))
    return share[()]


def share_removed(coefficients, *, learning_rate=None, momentum=None, nesterov=False):
    """Share of a weight that one update removes when no gradient acts on it.

    A decay removes the same share under every optimiser. A penalty passes through the optimiser: under SGD its share is
    `long_run_share`. Adam divides it by its own size: there is no such share, and the result is None, as for any
    optimiser whose `momentum` is None.
    """
    if not np.any(coefficients.penalty):
        return coefficients.decay_before + coefficients.decay_after
    if momentum is None:
        return None
    return long_run_share(learning_rate * coefficients.penalty, momentum=momentum, nesterov=nesterov)


def timescale(share, updates_per_epoch):
    """Epochs over which a weight is forgotten: 1 / (share · updates per epoch), infinite if the share is 0.

    See Wang & Aitchison, "How to set AdamW's weight decay as you scale model and dataset size", ICML 2025.
    """
    with np.errstate(divide="ignore"):
        return 1 / (np.asarray(share, dtype=np.float64) * updates_per_epoch)


def check_rule(mode, alpha, *, n_layers, solver, learning_rate=None):
    """Check that a solver can run a rule, and return the `L2Rule`.

    `alpha` is one number, one for each layer, or None for the default of the rule; `learning_rate` the largest of the
    schedule, for ``"decoupled"``. Raises ValueError if the solver cannot run the rule or if `alpha` is invalid, and
    warns if a decay removes more than half of every weight in each update.
    """
    if mode in DECAYS and solver.why_no_decay is not None:
        raise ValueError(
            f"l2_mode={mode!r} cannot run with solver={solver.name!r}: {solver.why_no_decay}. "
            f"Use l2_mode='prior', or keep {mode!r} with solver='sgd' or solver='adam'."
        )
    alpha = DEFAULT_ALPHA[mode] if alpha is None else alpha
    alphas = _one_per_layer(alpha, n_layers)
    largest = max(alphas)
    shown = _shown(alphas)
    if mode in ("decay_before", "decay_after"):
        if largest >= 1:
            raise ValueError(
                f"alpha={shown} with l2_mode={mode!r} would remove {largest:.3g} times each weight in every update; "
                "a decay needs 0 <= alpha < 1. If the number is the factor that is kept, as in w = w * 0.98, pass "
                "1 - factor."
            )
        if largest > 0.5:
            warnings.warn(
                f"alpha={shown} with l2_mode={mode!r} removes {largest:.0%} of every weight in each update. If "
                f"{largest:g} was meant as the factor that is kept, pass alpha={1 - largest:.6g} (1 - alpha).",
                UserWarning,
            )
    elif mode == "decoupled" and learning_rate * largest >= 1:
        raise ValueError(
            f"alpha={shown} with l2_mode='decoupled' and learning_rate_init={float(learning_rate):g} would remove "
            f"learning rate * alpha = {learning_rate * largest:.3g} times each weight in every update; it must stay "
            "below 1. Lower alpha or learning_rate_init."
        )
    return L2Rule(mode, alphas)


def warn_if_explosive(coefficients, learning_rate, *, momentum, nesterov):
    """Warn before SGD runs with a penalty under which weights grow without bound.

    They grow if η·penalty is 2·(1 + μ) or more, or with Nesterov's momentum 2·(1 + μ)/(1 + 2·μ) or more: then
    `long_run_share` is not positive. `coefficients` are those of every update of an epoch.
    """
    shrink = learning_rate * np.max(coefficients.penalty)
    limit = 2 * (1 + momentum) / (1 + 2 * momentum) if nesterov else 2 * (1 + momentum)
    if shrink >= limit:
        warnings.warn(
            f"learning_rate_init times the gradient of the penalty is {shrink:.3g} times the weight. With "
            f"momentum={momentum:g} and {limit:.3g} or more, each update overshoots zero, the weights diverge and "
            f"training explodes. Divide alpha or learning_rate_init by more than {shrink / limit:.3g}.",
            UserWarning,
        )


def _one_per_layer(alpha, n_layers):
    try:
        found = np.asarray(alpha)
        if found.dtype.kind not in "iuf" or found.ndim > 1:
            raise TypeError
        alphas = (float(alpha),) * n_layers if found.ndim == 0 else tuple(found.astype(float).tolist())
    except (TypeError, ValueError):
        raise ValueError(f"alpha must be a number, or one number per weight layer; got {alpha!r}.") from None
    if len(alphas) != n_layers:
        raise ValueError(
            f"alpha has {len(alphas)} values, but the network has {n_layers} weight layers (one more than "
            f"hidden layers); pass one value per layer, or a single number for all. Got {alpha!r}."
        )
    if not all(math.isfinite(a) and a >= 0 for a in alphas):
        raise ValueError(f"alpha must be finite and not negative; got {_shown(alphas)}.")
    return alphas


def _shown(alphas):
    """The strengths as text: one number if all are equal, else a list."""
    return repr(alphas[0]) if len(set(alphas)) == 1 else repr(list(alphas))
