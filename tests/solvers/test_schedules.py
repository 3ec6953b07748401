"""Learning rate schedules: the rates of each update, and trainings with a horizon.

That "constant", "invscaling" and "adaptive" are scikit-learn's is tested in estimators/test_parity.py.
"""

import copy
import pickle
import warnings
from typing import get_args

import numpy as np
import pytest
from cases import classes, fit, flat, regression
from sklearn.exceptions import ConvergenceWarning

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.l2 import MODES
from skl2net.solvers.schedules import SCHEDULES, LearningRate, Position

X, Y = classes(60)
XR, YR = regression(60)
COSINE = {"hidden_layer_sizes": (4,), "learning_rate": "cosine", "batch_size": 16, "random_state": 0}


def test_the_names_are_those_of_the_type_hint():
    assert get_args(LearningRate) == tuple(SCHEDULES)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_of_several_epochs_are_those_of_one_after_the_other(name):
    schedule = SCHEDULES[name](0.1, 0.5)
    at_once = schedule.rates(6, 3, Position(t=120, n_rows=60, epoch=2, max_iter=20, n_reductions=1))
    one_by_one = [schedule.rates(1, 3, Position(120 + 60 * i, 60, 2 + i, 20, 1)) for i in range(6)]
    assert at_once.shape == (6, 3)
    np.testing.assert_array_equal(at_once, np.concatenate(one_by_one))


def test_the_rates_of_invscaling_and_adaptive():
    position = Position(t=120, n_rows=60, epoch=2, max_iter=20, n_reductions=2)
    rates = SCHEDULES["invscaling"](0.1, 0.5).rates(2, 3, position)
    np.testing.assert_allclose(rates, [[0.1 / 121**0.5] * 3, [0.1 / 181**0.5] * 3], rtol=1e-15)
    np.testing.assert_allclose(SCHEDULES["adaptive"](0.1).rates(2, 3, position), 0.1 / 25, rtol=1e-15)


def descent(rates, alpha, mode, n_total):
    """The weight of a linear model without gradient after SGD updates without momentum."""
    w = 1.0
    for rate in rates:
        share = {"penalty": rate * alpha, "decoupled": rate * alpha, "decay_before": alpha, "decay_after": alpha}
        share |= {"prior": rate * alpha / n_total, "penalty_per_sample": rate * alpha / 15}
        w *= 1 - share[mode]
    return w


@pytest.mark.parametrize("mode", MODES)
def test_updates_by_hand(mode):
    # zero inputs and targets, so that only the rule changes the weight; four updates of 15 rows in each of three epochs
    params = {"solver": "sgd", "momentum": 0.0, "learning_rate": "cosine", "learning_rate_init": 0.5, "max_iter": 3}
    net = L2NetRegressor((), l2_mode=mode, alpha=0.2, batch_size=15, warm_start=True, random_state=0, **params)
    zeros = np.zeros((60, 1))
    fit(net.set_params(max_iter=1), zeros, np.zeros(60))
    net.coefs_[0][:], net.intercepts_[0][:] = 1.0, 0.0
    net.set_params(max_iter=3).fit(zeros, np.zeros(60))
    rates = [0.5 * 0.5 * (1 + np.cos(np.pi * (t + 0.5) / 12)) for t in range(12)]
    assert net.coefs_[0][0, 0] == pytest.approx(descent(rates, 0.2, mode, 60), rel=1e-12)
    applied = net._training_state.applied_rule
    assert applied.learning_rate == 0.5
    assert net._training_state.solver_state.learning_rate == pytest.approx(rates[-1], rel=1e-12)
    assert applied.mean_learning_rate == pytest.approx(np.mean(rates), rel=1e-12)


RESOLVED = {
    ("sgd", "cosine"): (0.03, 60),
    ("adam", "cosine"): (0.01, 60),
    ("sgd", "constant"): (0.001, 200),
    ("adam", "constant"): (0.001, 200),
    ("sgd", "invscaling"): (0.001, 200),
    ("adam", "invscaling"): (0.001, 200),  # constant
    ("sgd", "adaptive"): (0.001, 200),
    ("adam", "adaptive"): (0.001, 200),
    ("lbfgs", "cosine"): (None, 200),
    ("pso", "cosine"): (None, 200),
}


@pytest.mark.parametrize(("solver", "schedule"), RESOLVED)
def test_what_is_left_out_is_chosen_by_solver_and_schedule(solver, schedule):
    rate, max_iter = RESOLVED[solver, schedule]
    net = fit(L2NetRegressor((3,), solver=solver, learning_rate=schedule, random_state=0), XR, YR)
    assert (net.learning_rate_init_, net.max_iter_) == (rate, max_iter)
    assert (net.learning_rate_init, net.max_iter) == (None, None)
    assert net.n_iter_ <= max_iter
    named = L2NetRegressor((3,), solver=solver, learning_rate=schedule, max_iter=max_iter, random_state=0)
    np.testing.assert_array_equal(flat(fit(named.set_params(learning_rate_init=rate), XR, YR)), flat(net))
    given = fit(named.set_params(learning_rate_init=0.005, max_iter=2), XR, YR)
    assert (given.learning_rate_init_, given.max_iter_) == (None if rate is None else 0.005, 2)
    if solver in ("sgd", "adam"):
        net = L2NetRegressor((3,), solver=solver, learning_rate=schedule, random_state=0).partial_fit(XR, YR)
        assert net.learning_rate_init_ == net._training_state.solver_state.mean_learning_rate == 0.001


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_training_runs_to_its_horizon_without_a_warning(solver, early_stopping):
    net = L2NetClassifier(solver=solver, early_stopping=early_stopping, max_iter=30, **COSINE)
    net.set_params(tol=10.0, n_iter_no_change=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        net.fit(X, Y)
    assert net.n_iter_ == 30
    if early_stopping:  # the weights of the best epoch are kept
        assert net.best_validation_score_ == max(net.validation_scores_)
        best = int(np.argmax(net.validation_scores_))
        kept = sum(np.sum(coef**2) for coef in net.coefs_)
        assert kept == pytest.approx(net.weight_norm_curve_[best], rel=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_how_many_epochs_a_call_runs_changes_nothing(solver, iterations_per_call):
    net = L2NetClassifier(solver=solver, max_iter=12, **COSINE)
    found = []
    for n in (1, 5, 12):
        iterations_per_call(n)
        found.append(flat(fit(copy.deepcopy(net), X, Y)))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_warm_start_begins_a_new_horizon():
    net = L2NetClassifier(solver="sgd", momentum=0.0, max_iter=5, warm_start=True, **COSINE).fit(X, Y)
    first_rate = net.l2_report().learning_rate
    other = pickle.loads(pickle.dumps(net))
    for each in (net, other):
        each.fit(X, Y)
    np.testing.assert_array_equal(flat(net), flat(other))
    assert net.l2_report().learning_rate == first_rate
    assert len(net.loss_curve_) == 10


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_stream_has_a_constant_rate(solver):
    nets = [
        L2NetRegressor(**{**COSINE, "solver": solver, "learning_rate": learning_rate})
        for learning_rate in ("cosine", "constant")
    ]
    for _ in range(3):
        for net in nets:
            net.partial_fit(XR, YR)
    np.testing.assert_array_equal(flat(nets[0]), flat(nets[1]))


def test_adam_ignores_the_schedules_that_it_ignores_in_scikit_learn():
    nets = [
        fit(L2NetClassifier(**{**COSINE, "learning_rate": learning_rate, "max_iter": 5}), X, Y)
        for learning_rate in ("constant", "invscaling", "adaptive", "cosine")
    ]
    np.testing.assert_array_equal(flat(nets[0]), flat(nets[1]))
    np.testing.assert_array_equal(flat(nets[0]), flat(nets[2]))
    assert not np.array_equal(flat(nets[0]), flat(nets[3]))


def test_scikit_learn_does_not_have_it():
    net = L2NetClassifier(max_iter=5, **COSINE).fit(X, Y)
    with pytest.warns(UserWarning, match="learning_rate='cosine'"):
        mlp = net.to_sklearn()
    mlp.partial_fit(X, Y)
    assert mlp.learning_rate == "constant"
