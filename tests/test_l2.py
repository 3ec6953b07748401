"""The rules as data: their three numbers, the share they remove, the timescale, what is refused and why."""

import numpy as np
import pytest
from cases import classes, fit

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.l2 import (
    DECAYS,
    MODES,
    MODES_OF_SOLVER,
    PENALTIES,
    check_rule,
    l2_numbers,
    share_removed,
    timescale,
    warn_if_explosive,
)

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("penalty", (0.2, 0, 0)),
        ("penalty_per_sample", (0.2 / 32, 0, 0)),
        ("decay_before", (0, 0.2, 0)),
        ("decay_after", (0, 0, 0.2)),
        ("decoupled", (0, 0.05 * 0.2, 0)),
    ],
)
def test_the_three_numbers(mode, expected):
    numbers = l2_numbers(mode, [0.2], learning_rate=0.05, n=32)
    np.testing.assert_array_equal([numbers.gradient[0], numbers.before[0], numbers.after[0]], expected)


@pytest.mark.parametrize("mode", MODES)
def test_numbers_of_several_updates_are_those_of_each(mode):
    n = np.array([32.0, 32.0, 5.0])
    together = l2_numbers(mode, [0.2, 0.1], 0.05, n)
    for i, items in enumerate(n):
        alone = l2_numbers(mode, [0.2, 0.1], 0.05, items)
        for field in ("gradient", "before", "after"):
            assert getattr(together, field).shape == (3, 2)
            np.testing.assert_array_equal(getattr(together, field)[i], getattr(alone, field))


def test_numbers_of_a_batch_without_items_are_zero():
    np.testing.assert_array_equal(
        l2_numbers("penalty_per_sample", [1.0], 0.1, np.array([0.0, 4.0])).gradient, [[0], [0.25]]
    )


def test_an_unknown_rule_is_refused_by_name():
    with pytest.raises(ValueError, match=r"one of 'penalty'.*got 'ridge'"):
        l2_numbers("ridge", [0.1], 0.1, 1)


def test_penalty_is_half_the_weighted_sum_of_squares():
    numbers = l2_numbers("penalty", [0.2, 0.4], None, 10)
    assert numbers.penalty([3.0, 5.0]) == pytest.approx(0.5 * (0.2 * 3 + 0.4 * 5), rel=4 * EPS)
    for mode in DECAYS:
        assert l2_numbers(mode, [0.2, 0.4], 0.1, 10).penalty([3.0, 5.0]) == 0


def decayed(mode, alpha, rate, n, momentum, n_updates):
    """A weight after SGD updates in which no gradient acts, starting from 1, the table of the rules written out."""
    w, velocity = 1.0, 0.0
    for _ in range(n_updates):
        g = {"penalty": alpha, "penalty_per_sample": alpha / n}.get(mode, 0.0) * w
        velocity = momentum * velocity - rate * g
        before = {"decay_before": alpha, "decoupled": rate * alpha}.get(mode, 0.0)
        after = alpha if mode == "decay_after" else 0.0
        w = (1 - after) * ((1 - before) * w + velocity)
    return w


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("mode", MODES)
def test_share_removed_is_the_rate_at_which_a_weight_shrinks_under_sgd(mode, momentum):
    alpha, rate, n = 1e-4, 0.1, 8
    share = share_removed(l2_numbers(mode, [alpha], rate, n), solver="sgd", learning_rate=rate, momentum=momentum)
    # in the long run: momentum spreads a shrink over 1 / (1 - momentum) updates; the first order in the share is exact
    # to about share / (1 - momentum)
    w_1000, w_2000 = (decayed(mode, alpha, rate, n, momentum, k) for k in (1000, 2000))
    measured = -np.log(w_2000 / w_1000) / 1000
    np.testing.assert_allclose(share, measured, rtol=2 * share[0] / (1 - momentum) + 1000 * EPS / (1000 * share[0]))


@pytest.mark.parametrize("mode", DECAYS)
def test_adam_leaves_the_share_of_a_decay_alone(mode):
    numbers = l2_numbers(mode, [0.01], 0.1, 8)
    np.testing.assert_array_equal(
        share_removed(numbers, solver="adam", learning_rate=0.1),
        share_removed(numbers, solver="sgd", learning_rate=0.1, momentum=0.9),
    )


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "pso"])
@pytest.mark.parametrize("mode", PENALTIES)
def test_a_penalty_has_no_share_except_under_sgd(mode, solver):
    assert share_removed(l2_numbers(mode, [0.01], 0.1, 8), solver=solver, learning_rate=0.1) is None


def test_a_penalty_has_no_share_with_momentum_one():
    assert share_removed(l2_numbers("penalty", [0.01], 0.1, 8), solver="sgd", learning_rate=0.1, momentum=1.0) is None


def test_timescale_is_the_epochs_until_a_weight_is_down_to_one_part_in_e():
    share, updates_per_epoch = 1e-4, 50
    epochs = timescale(share, updates_per_epoch)
    # log(1 - s) = -s - s²/2 - …
    assert (1 - share) ** (epochs * updates_per_epoch) == pytest.approx(np.exp(-1), rel=2 * share)
    assert timescale(0.0, 10) == np.inf


@pytest.mark.parametrize("solver", MODES_OF_SOLVER)
def test_penalties_run_everywhere_and_decays_only_where_there_are_updates(solver):
    for mode in MODES:
        if mode in PENALTIES or solver in ("sgd", "adam"):
            assert check_rule(mode, 0.1, n_layers=2, solver=solver, learning_rate=0.1).alpha == (0.1, 0.1)
        else:
            with pytest.raises(ValueError, match=r"cannot run with solver.*Use l2_mode='penalty'"):
                check_rule(mode, 0.1, n_layers=2, solver=solver, learning_rate=0.1)


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
        check_rule(mode, alpha, n_layers=2, solver="sgd", learning_rate=0.1)


@pytest.mark.parametrize("mode", ["decay_before", "decay_after"])
def test_factor_trap(mode):
    # background 000: "the lambda value might be something like 0.97 … compare to … 0.03"
    with pytest.warns(UserWarning, match=r"removes 97% of every weight in each update.*pass alpha=0\.03 "):
        check_rule(mode, 0.97, n_layers=1, solver="sgd")


@pytest.mark.parametrize("mode", ["decay_before", "decay_after"])
def test_no_word_about_a_decay_of_a_half(mode, recwarn):
    check_rule(mode, 0.5, n_layers=1, solver="sgd")
    assert not recwarn


@pytest.mark.parametrize(("mode", "alpha"), [("penalty", 20.0), ("penalty_per_sample", 80.0)])
def test_explosive_penalty_is_announced_before_training(mode, alpha):
    # η·α = 0.1·20 = 2, and η·α/n = 0.1·80/4: w - 2·w = -w never shrinks
    X, y = classes(8, n_classes=2)
    net = L2NetClassifier(
        (3,), solver="sgd", l2_mode=mode, alpha=alpha, learning_rate_init=0.1, batch_size=4, momentum=0
    )
    with pytest.warns(UserWarning, match=r"is 2 times the weight.*from 2 on.*training explodes.*more than 1\."):
        net.partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize(("mode", "alpha"), [("penalty", 19.9), ("penalty_per_sample", 79.0), ("decoupled", 9.9)])
def test_no_word_about_a_penalty_that_shrinks(mode, alpha, recwarn):
    warn_if_explosive(l2_numbers(mode, [alpha], 0.1, 4.0), 0.1, momentum=0.0, nesterov=True)
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
        alpha=excess * limit / 0.1,
        learning_rate_init=0.1,
        momentum=momentum,
        nesterovs_momentum=nesterov,
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
        rule = check_rule("penalty", alpha, n_layers=2, solver="sgd")
        assert all(type(a) is float for a in rule.alpha)
