"""The share of the long run beside a simulation: one weight under SGD with momentum, no gradient but the penalty's."""

import math
from itertools import product

import numpy as np
import pytest

from skl2net import convert_alpha
from skl2net.l2 import L2Coefficients, long_run_share, share_removed

SHRINKS = (1e-6, 1e-4, 2e-3, 1e-2, 0.05, 0.3, 0.9, 1.0, 1.4, 1.9, 2.5, 3.5)
MOMENTA = (0.0, 0.1, 0.5, 0.9, 0.97, 0.99)
GRID = list(product(SHRINKS, MOMENTA, (False, True)))


def simulated_share(shrink, momentum, nesterov):
    """The share, from the growth of the state (weight and velocity) over many updates.

    The power of the update's matrix is taken by repeated squaring, so that the first updates do not count; its norm
    rises and falls where weights oscillate, and its mean logarithm over a period does not.
    """

    def update(w, velocity):
        gradient = shrink * w
        velocity = momentum * velocity + gradient
        return w - (momentum * velocity + gradient if nesterov else velocity), velocity

    matrix = np.array([update(1.0, 0.0), update(0.0, 1.0)]).T
    log_norm, doublings = 0.0, 40
    for _ in range(doublings):  # matrix ** (2 ** doublings), rescaled
        matrix = matrix @ matrix
        norm = np.abs(matrix).max()
        if norm == 0:
            return 1.0
        log_norm = 2 * log_norm + math.log(norm)
        matrix /= norm
    return -math.expm1(log_norm / 2**doublings)


@pytest.mark.parametrize(("shrink", "momentum", "nesterov"), GRID)
def test_the_share_is_the_simulated_one(shrink, momentum, nesterov):
    expected = simulated_share(shrink, momentum, nesterov)
    share = float(long_run_share(shrink, momentum=momentum, nesterov=nesterov))
    assert share == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("shrink", "momentum"), [(0.002, 0.9), (1e-4, 0.5), (0.02, 0.6)])
@pytest.mark.parametrize("nesterov", [False, True])
def test_a_weight_is_down_by_the_share_in_every_update(shrink, momentum, nesterov):
    """Without matrices: an SGD loop, once the first updates are over."""
    w, velocity, ratio = 1.0, 0.0, 0.0
    for _ in range(1500):
        velocity = momentum * velocity + shrink * w
        step = momentum * velocity + shrink * w if nesterov else velocity
        ratio, w = 1 - step / w, w - step
    assert 1 - ratio == pytest.approx(float(long_run_share(shrink, momentum=momentum, nesterov=nesterov)), rel=1e-6)


def test_what_was_claimed_to_first_order():
    """The audit's cases: 0.02 was claimed of both, and 0.0265 and 0.0050 are true."""
    assert float(long_run_share(0.1 * 0.02, momentum=0.9)) == pytest.approx(0.0264847, rel=1e-5)
    assert float(long_run_share(0.01 * 0.01, momentum=0.99)) == pytest.approx(0.00501256, rel=1e-5)


@pytest.mark.parametrize("momentum", [0.3, 0.9, 0.99])
def test_the_share_cannot_exceed_that_of_the_oscillation(momentum):
    limit = (1 - math.sqrt(momentum)) ** 2
    shares = long_run_share(np.linspace(0, 2 * (1 + momentum), 200), momentum=momentum)
    assert shares.max() <= 1 - math.sqrt(momentum) + 1e-12
    assert float(long_run_share(limit * 1.01, momentum=momentum)) == pytest.approx(1 - math.sqrt(momentum))


def test_share_removed_is_the_exact_one():
    coefficients = L2Coefficients(np.array([0.02]), np.array([0.0]), np.array([0.0]))
    share = share_removed(coefficients, learning_rate=0.1, momentum=0.9)
    np.testing.assert_allclose(share, 0.0264847, rtol=1e-5)


@pytest.mark.parametrize(("shrink", "momentum", "nesterov"), GRID)
def test_conversions_go_there_and_back(shrink, momentum, nesterov):
    """A penalty becomes the decay of the same share; what oscillates says so, and what grows has no equivalent."""
    run = {"solver": "sgd", "momentum": momentum, "nesterov": nesterov, "learning_rate": 0.1}
    conversion = convert_alpha(shrink / 0.1, "penalty", "decay_before", **run)
    share = simulated_share(shrink, momentum, nesterov)
    if not 0 < share < 1 - 1e-6:
        assert conversion.alpha is None
        return
    assert conversion.alpha == pytest.approx(share, rel=1e-6)
    changes_sign = (1 + momentum - shrink) ** 2 < 4 * momentum or shrink > 1 + momentum
    if nesterov:
        changes_sign = (1 + momentum) ** 2 * (1 - shrink) < 4 * momentum
    assert ("change sign" in conversion.reason) == changes_sign
    if not changes_sign:
        back = convert_alpha(conversion.alpha, "decay_before", "penalty", **run)
        assert back.alpha == pytest.approx(shrink / 0.1, rel=1e-6)


def test_a_share_that_momentum_cannot_have():
    conversion = convert_alpha(0.2, "decay_before", "torch.SGD", momentum=0.9, nesterov=False, learning_rate=0.1)
    assert conversion.alpha is None
    assert "no penalty removes more than 0.0513" in conversion.reason
    assert convert_alpha(0.2, "decay_before", "torch.SGD", momentum=0.9, nesterov=True, learning_rate=0.1).alpha > 0
