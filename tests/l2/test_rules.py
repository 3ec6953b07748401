"""The rules as data: their coefficients, the share they remove, the timescale, what is refused and why."""

import numpy as np
import pytest
from cases import classes, fit, flat, regression

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.activations import Tanh
from skl2net.l2 import (
    DECAYS,
    DEFAULT_ALPHA,
    MODES,
    PENALTIES,
    L2Rule,
    check_rule,
    long_run_share,
    share_removed,
    timescale,
    warn_if_explosive,
)
from skl2net.network import Network
from skl2net.solvers.gradient import GradientDescent
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.optimisers import SGD, Adam
from skl2net.solvers.schedules import Constant

EPS = np.finfo(np.float64).eps
CONSTANT = Constant(0.1)
SGD_SOLVER = GradientDescent(SGD(0.9, nesterov=True), CONSTANT, batch_size=10, shuffle=True)
SOLVERS = {
    "sgd": SGD_SOLVER,
    "adam": GradientDescent(Adam(0.9, 0.999, 1e-8), CONSTANT, batch_size=10, shuffle=True),
    "lbfgs": LBFGS(max_fun=15000),
    "pso": ParticleSwarm(),
}


def coefficients(mode, alpha, rate=0.1, n=8.0, n_total=40.0):
    """The coefficients of a rule, with all that any rule reads."""
    return L2Rule(mode, alpha).coefficients(n=n, n_total=n_total, learning_rate=rate)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("prior", (0.2 / 500, 0, 0)),
        ("penalty", (0.2, 0, 0)),
        ("penalty_per_sample", (0.2 / 32, 0, 0)),
        ("decay_before", (0, 0.2, 0)),
        ("decay_after", (0, 0, 0.2)),
        ("decoupled", (0, 0.05 * 0.2, 0)),
    ],
)
def test_the_three_coefficients(mode, expected):
    of_rule = coefficients(mode, [0.2], rate=0.05, n=32, n_total=500)
    np.testing.assert_array_equal([of_rule.penalty[0], of_rule.decay_before[0], of_rule.decay_after[0]], expected)


@pytest.mark.parametrize(
    ("mode", "needed"),
    [("prior", {"n_total": 40.0}), ("penalty_per_sample", {"n": 8.0}), ("decoupled", {"learning_rate": 0.1})]
    + [(mode, {}) for mode in ("penalty", "decay_before", "decay_after")],
)
def test_a_rule_reads_only_what_is_said(mode, needed):
    alone, together = L2Rule(mode, [0.2]).coefficients(**needed), coefficients(mode, [0.2])
    for field in ("penalty", "decay_before", "decay_after"):
        np.testing.assert_array_equal(getattr(alone, field), getattr(together, field))


@pytest.mark.parametrize("mode", MODES)
def test_coefficients_of_several_updates_are_those_of_each(mode):
    n = np.array([[32.0, 32.0, 5.0], [1.0, 2.0, 3.0]])
    together = coefficients(mode, [0.2, 0.1], n=n)
    for update in np.ndindex(n.shape):
        alone = coefficients(mode, [0.2, 0.1], n=n[update])
        for field in ("penalty", "decay_before", "decay_after"):
            assert getattr(together, field).shape == (2, 3, 2)
            np.testing.assert_array_equal(getattr(together, field)[update], getattr(alone, field))
            np.testing.assert_array_equal(getattr(together[update], field), getattr(alone, field))


def test_coefficients_of_a_batch_without_samples_are_zero():
    of_rule = coefficients("penalty_per_sample", [1.0], n=np.array([0.0, 4.0]))
    np.testing.assert_array_equal(of_rule.penalty, [[0], [0.25]])


def test_penalty_is_half_the_weighted_sum_of_squares():
    # weights of 1 and 2, then biases, which are not penalised
    network, vectors = Network((1, 1, 1), Tanh()), np.array([[1.0, 2.0, 9.0, 9.0], [0.0, 1.0, 9.0, 9.0]])
    for alpha, expected in (([0.2, 0.4], [0.9, 0.2]), ([0.2, 0.2], [0.5, 0.1])):
        penalty = coefficients("penalty", alpha).penalty
        np.testing.assert_allclose(network.penalty(vectors, penalty), expected, rtol=4 * EPS)
        np.testing.assert_allclose(network.penalty(vectors[0], penalty), expected[0], rtol=4 * EPS)
    for mode in DECAYS:
        assert network.penalty(vectors[0], coefficients(mode, [0.2, 0.4]).penalty) == 0


# --- updates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_two_updates_of_sgd_by_hand(mode, weighted):
    # a linear model of one weight, 6 rows in batches of 4 and 2; the table of the rules written out
    X, y = regression(6, n_features=1)
    weight = np.array([1.0, 2.0, 0.5, 0.25, 3.0, 1.0]) if weighted else np.ones(6)
    rate, momentum, alpha = 0.1, 0.5, 0.3
    params = {"solver": "sgd", "learning_rate_init": rate, "momentum": momentum, "nesterovs_momentum": False}
    params |= {"batch_size": 4, "shuffle": False, "max_iter": 1, "random_state": 0, "l2_mode": mode}
    params |= {"learning_rate": "constant", "normalize_y": False}
    start = fit(L2NetRegressor((), **{**params, "learning_rate_init": 1e-300, "l2_mode": "penalty"}, alpha=0.0), X, y)
    (w, b), v_w, v_b = flat(start), 0.0, 0.0
    for rows in (slice(0, 4), slice(4, 6)):
        n, n_total = weight[rows].sum(), weight.sum()
        error = weight[rows] * (X[rows, 0] * w + b - y[rows])
        g, g_b = (error * X[rows, 0]).sum() / n, error.sum() / n
        added = {"prior": alpha / n_total, "penalty": alpha, "penalty_per_sample": alpha / n}.get(mode, 0.0)
        before = {"decay_before": alpha, "decoupled": rate * alpha}.get(mode, 0.0)
        after = alpha if mode == "decay_after" else 0.0
        v_w, v_b = momentum * v_w - rate * (g + added * w), momentum * v_b - rate * g_b
        w, b = (1 - after) * ((1 - before) * w + v_w), b + v_b
    net = fit(L2NetRegressor((), **params, alpha=alpha), X, y, sample_weight=weight)
    np.testing.assert_allclose(flat(net), [w, b], rtol=1e-13)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs", "pso"])
def test_prior_is_the_penalty_of_alpha_divided_by_the_samples_that_are_trained_on(solver, weighted, early_stopping):
    X, y = classes(60)
    weight = np.full(60, 0.25) if weighted else np.ones(60)
    n_total = 0.25 * 60 if weighted else 60
    if early_stopping and solver != "lbfgs":
        n_total *= 0.5
    params = {"solver": solver, "max_iter": 10, "random_state": 0, "early_stopping": early_stopping}
    params |= {"validation_fraction": 0.5, "batch_size": 16}
    prior = fit(L2NetClassifier((4,), l2_mode="prior", alpha=2.0, **params), X, y, sample_weight=weight)
    penalty = fit(L2NetClassifier((4,), l2_mode="penalty", alpha=2.0 / n_total, **params), X, y, sample_weight=weight)
    np.testing.assert_array_equal(flat(prior), flat(penalty))
    assert prior.loss_curve_ == penalty.loss_curve_
    assert prior.loss_ > prior.data_loss_


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_prior_counts_the_samples_of_a_stream_so_far(solver):
    X, y = classes(60)
    weight = np.linspace(0.5, 1.5, 60)
    params = {"solver": solver, "random_state": 0, "batch_size": 8}
    prior = L2NetClassifier((4,), l2_mode="prior", alpha=2.0, **params)
    penalty = L2NetClassifier((4,), l2_mode="penalty", **params)
    n_total = 0.0
    for rows in (slice(0, 10), slice(10, 40), slice(40, 60), slice(0, 10)):
        n_total += weight[rows].sum()
        prior.partial_fit(X[rows], y[rows], sample_weight=weight[rows], classes=[0, 1, 2])
        penalty.set_params(alpha=2.0 / n_total)
        penalty.partial_fit(X[rows], y[rows], sample_weight=weight[rows], classes=[0, 1, 2])
        np.testing.assert_allclose(flat(prior), flat(penalty), rtol=1e-12)
        assert prior.l2_report().n_total == pytest.approx(n_total, rel=1e-14)
    # a fit begins to count anew
    prior.set_params(max_iter=1, warm_start=True)
    assert fit(prior, X, y).l2_report().n_total == 60


# --- share and timescale ----------------------------------------------------------------------------------------------


def decayed(mode, alpha, rate, n, n_total, momentum, nesterov, n_updates):
    """A weight after SGD updates in which no gradient acts, starting from 1, the table of the rules written out."""
    w, velocity = 1.0, 0.0
    for _ in range(n_updates):
        g = {"prior": alpha / n_total, "penalty": alpha, "penalty_per_sample": alpha / n}.get(mode, 0.0) * w
        velocity = momentum * velocity - rate * g
        change = momentum * velocity - rate * g if nesterov else velocity
        before = {"decay_before": alpha, "decoupled": rate * alpha}.get(mode, 0.0)
        after = alpha if mode == "decay_after" else 0.0
        w = (1 - after) * ((1 - before) * w + change)
    return w


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("mode", MODES)
def test_share_removed_is_the_rate_at_which_a_weight_shrinks_under_sgd(mode, momentum, nesterov):
    alpha, rate, n, n_total = 0.01, 0.1, 8, 16
    share = share_removed(
        coefficients(mode, [alpha], rate, n, n_total), learning_rate=rate, momentum=momentum, nesterov=nesterov
    )
    # in the long run: momentum spreads a shrink over 1 / (1 - momentum) updates, and 0.9^500 is nothing
    w_500, w_1000 = (decayed(mode, alpha, rate, n, n_total, momentum, nesterov, k) for k in (500, 1000))
    measured = -np.expm1(np.log(w_1000 / w_500) / 500)
    # each of the 500 updates rounds a few times: as much as a few roundings of the factor 1 - share
    np.testing.assert_allclose(share, measured, rtol=10 * EPS / share[0])


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_long_run_share_is_that_of_the_largest_eigenvalue(momentum, nesterov):
    shrink = np.concatenate([[0.0], np.geomspace(1e-6, 8.0, 60)])
    expected = []
    for s in shrink:
        # (w, v) -> (w + change, momentum * v - s * w)
        velocity = np.array([-s, momentum])
        change = momentum * velocity - [s, 0] if nesterov else velocity
        expected.append(1 - np.abs(np.linalg.eigvals([np.add([1, 0], change), velocity])).max())
    share = long_run_share(shrink, momentum=momentum, nesterov=nesterov)
    # two equal eigenvalues are known to the root of a rounding error
    np.testing.assert_allclose(share, expected, rtol=0, atol=10 * np.sqrt(EPS))
    assert long_run_share(0.01, momentum=momentum, nesterov=nesterov) == pytest.approx(
        float(long_run_share(np.array([0.01]), momentum=momentum, nesterov=nesterov)[0]), rel=4 * EPS
    )


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_long_run_share_of_a_small_shrink_is_the_first_order_one_without_cancellation(momentum, nesterov):
    for shrink in (1e-6, 1e-12, 1e-300):
        share = long_run_share(shrink, momentum=momentum, nesterov=nesterov)
        # the second order is at most shrink / (1 - momentum)^2 times the first
        first_order = shrink / (1 - momentum)
        assert share == pytest.approx(first_order, rel=shrink / (1 - momentum) ** 2 + 8 * EPS)


@pytest.mark.parametrize("mode", DECAYS)
def test_the_share_of_a_decay_is_the_same_under_every_optimiser(mode):
    of_rule = coefficients(mode, [0.01])
    shares = [share_removed(of_rule, learning_rate=0.1, momentum=momentum) for momentum in (None, 0.0, 0.9, 1.0)]
    for share in shares:
        np.testing.assert_array_equal(share, 0.1 * 0.01 if mode == "decoupled" else 0.01)


@pytest.mark.parametrize("mode", PENALTIES)
def test_a_penalty_has_no_share_except_under_sgd(mode):
    assert SOLVERS["adam"].optimiser.momentum is None
    assert share_removed(coefficients(mode, [0.01]), learning_rate=0.1, momentum=None) is None
    np.testing.assert_array_equal(share_removed(coefficients(mode, [0.0]), learning_rate=0.1, momentum=None), 0)


def test_with_momentum_one_a_weight_swings_forever():
    share = share_removed(coefficients("penalty", [0.01]), learning_rate=0.1, momentum=1.0)
    np.testing.assert_array_equal(share, 0)
    np.testing.assert_array_equal(timescale(share, 10), np.inf)


def test_timescale_is_the_epochs_until_a_weight_is_down_to_one_part_in_e():
    share, updates_per_epoch = 1e-4, 50
    epochs = timescale(share, updates_per_epoch)
    # log(1 - s) = -s - s²/2 - …
    assert (1 - share) ** (epochs * updates_per_epoch) == pytest.approx(np.exp(-1), rel=2 * share)
    assert timescale(0.0, 10) == np.inf


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOLVERS)
def test_penalties_run_everywhere_and_decays_only_where_there_are_updates(name):
    solver = SOLVERS[name]
    assert solver.name == name
    for mode in MODES:
        if mode in PENALTIES or name in ("sgd", "adam"):
            assert check_rule(mode, 0.1, n_layers=2, solver=solver, learning_rate=0.1).alpha == (0.1, 0.1)
        else:
            with pytest.raises(ValueError, match=rf"cannot run with solver='{name}'.*Use l2_mode='prior'"):
                check_rule(mode, 0.1, n_layers=2, solver=solver, learning_rate=0.1)


@pytest.mark.parametrize("mode", MODES)
def test_alpha_none_is_the_rules_own_strength(mode):
    rule = check_rule(mode, None, n_layers=2, solver=SGD_SOLVER, learning_rate=0.1)
    assert rule.alpha == (DEFAULT_ALPHA[mode],) * 2
    X, y = classes()
    net = L2NetClassifier((3,), solver="sgd", l2_mode=mode, max_iter=3, random_state=0)
    np.testing.assert_array_equal(
        flat(fit(net.set_params(alpha=None), X, y)), flat(fit(net.set_params(alpha=DEFAULT_ALPHA[mode]), X, y))
    )


@pytest.mark.parametrize(
    ("mode", "alpha", "message"),
    [
        ("penalty", -0.1, "finite and not negative"),
        ("penalty", np.nan, "finite and not negative"),
        ("penalty", [0.1, np.inf], "finite and not negative"),
        ("penalty", [0.1], r"has 1 values, but the network has 2 weight layers"),
        ("penalty", [0.1, 0.1, 0.1], r"has 3 values, but the network has 2 weight layers"),
        ("penalty", [[0.1, 0.1]], "one number per weight layer"),
        ("penalty", ["a", "b"], "one number per weight layer"),
        ("decay_before", 1.0, "needs 0 <= alpha < 1"),
        ("decay_after", [0.1, 1.5], "pass 1 - factor"),
        ("decoupled", 10.0, "Lower alpha or learning_rate_init"),
    ],
)
def test_alpha_that_cannot_be_is_refused(mode, alpha, message):
    with pytest.raises(ValueError, match=message):
        check_rule(mode, alpha, n_layers=2, solver=SGD_SOLVER, learning_rate=0.1)


@pytest.mark.parametrize("mode", ["decay_before", "decay_after"])
def test_factor_trap(mode):
    # background 000: "the lambda value might be something like 0.97 … compare to … 0.03"
    with pytest.warns(UserWarning, match=r"removes 97% of every weight in each update.*pass alpha=0\.03 "):
        check_rule(mode, 0.97, n_layers=1, solver=SGD_SOLVER)


@pytest.mark.parametrize("mode", ["decay_before", "decay_after"])
def test_no_word_about_a_decay_of_a_half(mode, recwarn):
    check_rule(mode, 0.5, n_layers=1, solver=SGD_SOLVER)
    assert not recwarn


@pytest.mark.parametrize(("mode", "alpha"), [("prior", 160.0), ("penalty", 20.0), ("penalty_per_sample", 80.0)])
def test_explosive_penalty_is_announced_before_training(mode, alpha):
    # η·α = 0.1·20 = 2, η·α/n = 0.1·80/4, η·α/N = 0.1·160/8: w - 2·w = -w never shrinks
    X, y = classes(8, n_classes=2)
    net = L2NetClassifier(
        (3,), solver="sgd", l2_mode=mode, alpha=alpha, learning_rate_init=0.1, batch_size=4, momentum=0
    )
    with pytest.warns(UserWarning, match=r"is 2 times the weight.*and 2 or more,.*training explodes.*more than 1\."):
        net.partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize(
    ("mode", "alpha"), [("prior", 79.0), ("penalty", 19.9), ("penalty_per_sample", 79.0), ("decoupled", 9.9)]
)
def test_no_word_about_a_penalty_that_shrinks(mode, alpha, recwarn):
    warn_if_explosive(coefficients(mode, [alpha], n=4.0, n_total=4.0), 0.1, momentum=0.0, nesterov=True)
    assert not recwarn


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("excess", [0.99, 1.01])
def test_an_explosive_penalty_is_announced_exactly_where_weights_explode(excess, momentum, nesterov, recwarn):
    # a network with one weight and no input: nothing but the penalty moves the weight
    limit = 2 * (1 + momentum) / (1 + 2 * momentum) if nesterov else 2 * (1 + momentum)
    net = L2NetRegressor(
        (),
        solver="sgd",
        l2_mode="penalty",
        alpha=excess * limit / 0.1,
        learning_rate_init=0.1,
        momentum=momentum,
        nesterovs_momentum=nesterov,
        learning_rate="constant",
        max_iter=20000,
        tol=0.0,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    try:
        fit(net, np.zeros((4, 1)), np.zeros(4))
        exploded = net.weight_norm_curve_[-1] > 1e3 * net.weight_norm_curve_[0]
    except ValueError as error:
        exploded = "diverged" in str(error)
    assert exploded == (excess > 1)
    assert any("training explodes" in str(warning.message) for warning in recwarn) == (excess > 1)


def test_alpha_of_numpy_types_is_taken():
    for alpha in (np.float32(0.5), np.int64(1), np.array([0.5, 1.0]), (0.5, 1)):
        rule = check_rule("penalty", alpha, n_layers=2, solver=SGD_SOLVER)
        assert all(type(a) is float for a in rule.alpha)
