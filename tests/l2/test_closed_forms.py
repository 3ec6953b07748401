"""Without hidden layers the network is a linear model whose optimum is known otherwise."""

import numpy as np
import pytest
from cases import classes, distance, regression
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.l2 import PENALTIES

# a gradient of 1e-9 leaves the weights within 1e-9 / (the penalty's coefficient) of the optimum
OPTIMUM = {"hidden_layer_sizes": (), "solver": "lbfgs", "tol": 1e-9, "max_iter": 5000, "random_state": 0}


each_mode = pytest.mark.parametrize("mode", PENALTIES)


def precision(mode, alpha, weight):
    """Factor of ½·Σw² where the losses of the samples are summed, in full batches."""
    return weight.sum() * alpha if mode == "penalty" else alpha


@each_mode
@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_ridge(weighted, n_outputs, alpha, mode):
    X, Y = regression(80, n_outputs=n_outputs)
    weight = np.random.default_rng(0).uniform(0, 2, 80) if weighted else np.ones(80)
    net = L2NetRegressor(**OPTIMUM, l2_mode=mode, alpha=alpha).fit(X, Y, sample_weight=weight)
    # Ridge minimises the sum, not the mean, and without the factors of a half
    ridge = Ridge(alpha=precision(mode, alpha, weight)).fit(X, Y, sample_weight=weight)
    assert distance(net.coefs_[0].T, np.atleast_2d(ridge.coef_)) <= 1e-4
    assert distance(net.intercepts_[0], ridge.intercept_) <= 1e-4
    np.testing.assert_allclose(net.predict(X), ridge.predict(X), rtol=0, atol=1e-4)


@each_mode
@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_logistic_regression(weighted, n_classes, alpha, mode):
    X, y = classes(80, n_classes=n_classes)
    weight = np.random.default_rng(0).uniform(0, 2, 80) if weighted else np.ones(80)
    net = L2NetClassifier(**OPTIMUM, l2_mode=mode, alpha=alpha).fit(X, y, sample_weight=weight)
    peer = LogisticRegression(C=1 / precision(mode, alpha, weight), tol=1e-9, max_iter=5000)
    peer.fit(X, y, sample_weight=weight)
    assert distance(net.coefs_[0].T, peer.coef_) <= 1e-4
    # softmax leaves a common shift of the biases open
    shift = net.intercepts_[0] - peer.intercept_
    assert distance(shift, np.full_like(shift, shift.mean() if n_classes > 2 else 0.0)) <= 1e-4
    np.testing.assert_allclose(net.predict_proba(X), peer.predict_proba(X), rtol=0, atol=1e-4)


@each_mode
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_poisson_regression(alpha, mode):
    X, _ = regression(80)
    y = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0]))
    net = L2NetRegressor(**OPTIMUM, loss="poisson", l2_mode=mode, alpha=alpha).fit(X, y)
    # half the mean deviance, as here
    peer = PoissonRegressor(alpha=precision(mode, alpha, np.ones(80)) / 80, tol=1e-9, max_iter=5000).fit(X, y)
    assert distance(net.coefs_[0][:, 0], peer.coef_) <= 1e-4
    assert distance(net.intercepts_[0], peer.intercept_) <= 1e-4


def test_penalty_per_sample_is_the_penalty_divided_by_the_samples():
    X, y = classes(80)
    weight = np.random.default_rng(0).uniform(0, 2, 80)
    per_sample = L2NetClassifier(**OPTIMUM, l2_mode="penalty_per_sample", alpha=5.0).fit(X, y, sample_weight=weight)
    penalty = L2NetClassifier(**OPTIMUM, l2_mode="penalty", alpha=5.0 / weight.sum()).fit(X, y, sample_weight=weight)
    assert distance(per_sample.coefs_[0], penalty.coefs_[0]) <= 1e-4


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_full_batches_of_sgd_and_adam_reach_the_same_optimum(solver):
    X, y = regression(40)
    alpha = 4.0
    net = L2NetRegressor((), solver=solver, alpha=alpha, batch_size=40, learning_rate_init=0.03, tol=0, random_state=0)
    net.set_params(learning_rate="constant", max_iter=3000, n_iter_no_change=np.inf)
    with pytest.warns(UserWarning, match="max_iter"):
        net.fit(X, y)
    ridge = Ridge(alpha=alpha).fit(X, y)
    assert distance(net.coefs_[0][:, 0], ridge.coef_) <= 1e-4


@pytest.mark.parametrize("mode", ["decay_before", "decay_after", "decoupled"])
def test_plain_sgd_with_a_decay_rests_where_its_penalty_does(mode):
    # full batches, no momentum: w = (1 - s)·w - η·g rests at g = -(s/η)·w, which is the optimum of a penalty of s/η;
    # after the step instead of before it, w = (1 - s)·(w - η·g), and the rest is at s / (η·(1 - s))
    X, y = regression(40)
    rate, share = 0.1, 0.01
    alpha = share / rate if mode == "decoupled" else share
    net = L2NetRegressor((), solver="sgd", l2_mode=mode, alpha=alpha, learning_rate_init=rate, momentum=0.0)
    net.set_params(batch_size=40, max_iter=3000, tol=0, n_iter_no_change=np.inf, random_state=0)
    net.set_params(learning_rate="constant")
    with pytest.warns(UserWarning, match="max_iter"):
        net.fit(X, y)
    penalty = share / rate / (1 - share if mode == "decay_after" else 1)
    ridge = Ridge(alpha=40 * penalty, tol=1e-12).fit(X, y)
    assert distance(net.coefs_[0][:, 0], ridge.coef_) <= 1e-4
    assert distance(net.intercepts_[0], ridge.intercept_) <= 1e-4
