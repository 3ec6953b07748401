"""Each L2 rule, against updates computed by hand for a network without hidden units.

The network is linear, its loss ½·(output − target)², so that one row's gradient is (output − target)·x for the weights
and (output − target) for the bias: the updates below are written out from that and from the table of the rules alone.
"""

import numpy as np
import pytest
from cases import LOSS_OF, Case, fit, make_network, run
from sklearn.base import clone

from skl2net import L2NetRegressor
from skl2net.engines import available_engines
from skl2net.engines.base import Batches
from skl2net.l2 import MODES
from skl2net.solvers.optimisers import SGD, Adam

ALPHA, RATE, MOMENTUM = 0.3, 0.1, 0.9
X = np.array([[1.0, -2.0], [0.5, 1.5], [-1.0, 0.25], [2.0, 1.0]])
Y = np.array([[1.0], [-0.5], [2.0], [0.75]])
W, B = np.array([0.8, -0.6]), 0.2
BATCHES = [[0, 1, 2], [3]]  # the last batch is smaller, which changes n
LINEAR = make_network((2, 1), "identity")

CLOSE = {"rtol": 100 * np.finfo(np.float64).eps}  # a few dozen operations on numbers of size one

each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)


def sgd(g, memory, t):
    """Plain descent."""
    return RATE * g


def momentum(g, memory, t):
    """The velocity of which the weights move."""
    memory["v"] = MOMENTUM * memory.get("v", 0.0) - RATE * g
    return -memory["v"]


def nesterov(g, memory, t):
    """The velocity of the next step, looked up ahead."""
    memory["v"] = MOMENTUM * memory.get("v", 0.0) - RATE * g
    return -(MOMENTUM * memory["v"] - RATE * g)


def adam(g, memory, t):
    """Moments, corrected for their start at zero."""
    memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * g
    memory["v"] = 0.999 * memory.get("v", 0.0) + 0.001 * g**2
    rate = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return rate * memory["m"] / (np.sqrt(memory["v"]) + 1e-8)


OPTIMISERS = {
    "sgd": (sgd, SGD(0.0, nesterov=False)),
    "momentum": (momentum, SGD(MOMENTUM, nesterov=False)),
    "nesterov": (nesterov, SGD(MOMENTUM, nesterov=True)),
    "adam": (adam, Adam(0.9, 0.999, 1e-8)),
}


def prior(w, g, step, n):
    return w - step(g + ALPHA / len(X) * w)


def penalty(w, g, step, n):
    return w - step(g + ALPHA * w)


def penalty_per_sample(w, g, step, n):
    return w - step(g + ALPHA / n * w)


def decay_before(w, g, step, n):
    return (1 - ALPHA) * w - step(g)


def decay_after(w, g, step, n):
    return (1 - ALPHA) * (w - step(g))


def decoupled(w, g, step, n):
    return (1 - RATE * ALPHA) * w - step(g)


RULES = {rule.__name__: rule for rule in (prior, penalty, penalty_per_sample, decay_before, decay_after, decoupled)}


def by_hand(rule, optimiser, w=W, b=B, batches=BATCHES):
    """Weights and bias after updates by the formulas above."""
    weight_memory, bias_memory = {}, {}
    for t, rows in enumerate(batches, start=1):
        error = X[rows] @ w + b - Y[rows, 0]
        g, g_bias = error @ X[rows] / len(rows), error.mean()
        w = rule(w, g, lambda gradient: optimiser(gradient, weight_memory, t), len(rows))  # noqa: B023
        b = b - optimiser(g_bias, bias_memory, t)
    return w, b


def by_engine(engine, mode, alpha, optimiser, network=LINEAR, parameters=(*W, B), sizes=(3, 1)):
    """Parameters after the same two updates by an engine, or after updates of other sizes."""
    case = Case(network, LOSS_OF["identity", "squared_error"], np.array(parameters), X, Y)
    batches = Batches(None, np.append(0, np.cumsum(sizes)), np.array([sizes], dtype=np.float64))
    state, _ = run(engine, case, (optimiser, RATE), mode, alpha, batches)
    return state.parameters


def first_epoch(net):
    """Weights and bias of a linear network before and after its first epoch."""
    # the smallest steps leave the weights as they were drawn
    drawn = clone(net).set_params(learning_rate_init=1e-300, alpha=0.0).partial_fit(X, Y[:, 0])
    return [(n.coefs_[0][:, 0], n.intercepts_[0][0]) for n in (drawn, net.partial_fit(X, Y[:, 0]))]


def test_every_rule_is_here():
    assert set(RULES) == set(MODES)


@each_engine
@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("mode", MODES)
def test_two_updates_by_hand(engine, mode, name):
    step_by_hand, optimiser = OPTIMISERS[name]
    computed = by_engine(engine, mode, ALPHA, optimiser)
    np.testing.assert_allclose(computed, np.append(*by_hand(RULES[mode], step_by_hand)), **CLOSE)
    difference = computed - by_engine(engine, mode, 0.0, optimiser)
    assert np.abs(difference[:2]).max() > 1e-3  # the rule did something


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam"])
@pytest.mark.parametrize("mode", MODES)
def test_the_estimator_makes_the_same_updates(mode, name):
    optimiser, _ = OPTIMISERS[name]
    net = L2NetRegressor(
        (),
        solver="adam" if name == "adam" else "sgd",
        l2_mode=mode,
        alpha=ALPHA,
        learning_rate_init=RATE,
        momentum=0.0 if name == "sgd" else MOMENTUM,
        nesterovs_momentum=name == "nesterov",
        batch_size=3,
        shuffle=False,
        random_state=0,
        normalize_y=False,
    )
    start, end = first_epoch(net)
    for u, v in zip(end, by_hand(RULES[mode], optimiser, *start), strict=True):
        np.testing.assert_allclose(u, v, **CLOSE)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_subtracting_a_fraction_of_the_original_weight_is_decay_before(name):
    # background 001: "adjust the weight as normal without L2 regularization, and then subtract a fraction of the
    # original weight value"
    optimiser, _ = OPTIMISERS[name]

    def adjust_then_subtract(w, g, step, n):
        adjusted = w - step(g)
        return adjusted - ALPHA * w

    for u, v in zip(by_hand(adjust_then_subtract, optimiser), by_hand(decay_before, optimiser), strict=True):
        np.testing.assert_allclose(u, v, **CLOSE)


def test_multiplying_by_0_98_after_the_update_is_decay_after():
    # background 002: wt = wt + wt_delta; wt = wt * 0.98 (or wt - 0.02 * wt)
    error = X @ W + B - Y[:, 0]
    weight_delta = -RATE * error @ X / 4
    expected = (W + weight_delta) * 0.98
    for engine in available_engines():
        parameters = by_engine(engine, "decay_after", 0.02, SGD(0.0, nesterov=False), sizes=(4,))
        np.testing.assert_allclose(parameters[:2], expected, **CLOSE)


def test_textbook_factor_of_online_training():
    # background 001: "first reduce the weight by a factor of 1 - (eta * lambda) / n … then subtract eta times the
    # partial derivative", n = 1 for online learning
    net = L2NetRegressor((), solver="sgd", momentum=0.0, shuffle=False, batch_size=1, learning_rate_init=RATE)
    net.set_params(normalize_y=False)
    (w, b), end = first_epoch(net.set_params(l2_mode="penalty_per_sample", alpha=ALPHA, random_state=1))
    for x, y in zip(X, Y[:, 0], strict=True):
        error = x @ w + b - y
        w, b = (1 - RATE * ALPHA / 1) * w - RATE * error * x, b - RATE * error
    np.testing.assert_allclose(end[0], w, **CLOSE)
    np.testing.assert_allclose(end[1], b, **CLOSE)


@each_engine
@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("mode", MODES)
def test_each_layer_has_its_own_alpha(engine, mode, name):
    # one update of a network with one hidden unit: a layer's strength acts on that layer alone
    _, optimiser = OPTIMISERS[name]
    network = make_network((2, 1, 1), "tanh")
    ends = {
        alphas: by_engine(engine, mode, alphas, optimiser, network, (*W, 0.7, B, -0.1), sizes=(4,))
        for alphas in ((0.0, 0.0), (ALPHA, 0.0), (0.0, ALPHA), (ALPHA, ALPHA))
    }
    first, second, biases = slice(0, 2), slice(2, 3), slice(3, None)
    np.testing.assert_array_equal(ends[ALPHA, 0.0][first], ends[ALPHA, ALPHA][first])
    np.testing.assert_array_equal(ends[ALPHA, 0.0][second], ends[0.0, 0.0][second])
    np.testing.assert_array_equal(ends[0.0, ALPHA][second], ends[ALPHA, ALPHA][second])
    np.testing.assert_array_equal(ends[0.0, ALPHA][first], ends[0.0, 0.0][first])
    for end in ends.values():
        np.testing.assert_array_equal(end[biases], ends[0.0, 0.0][biases])


@pytest.mark.parametrize("mode", ["penalty", "penalty_per_sample"])
def test_gradient_of_the_penalty_leaves_biases_alone(mode):
    small, large = (
        fit(
            L2NetRegressor((3,), solver="sgd", l2_mode=mode, alpha=a, max_iter=1, batch_size=4, random_state=0),
            X,
            Y[:, 0],
        )
        for a in (0.0, 0.5)
    )
    for u, v in zip(small.intercepts_, large.intercepts_, strict=True):
        np.testing.assert_array_equal(u, v)
    assert all(np.all(u != v) for u, v in zip(small.coefs_, large.coefs_, strict=True))
