"""The rule "prior": alpha is the precision of a Gaussian prior on each weight, for any number of samples and batch."""

import numpy as np
import pytest
from cases import classes, distance, fit, flat, make_case, regression
from sklearn.linear_model import LogisticRegression, Ridge

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.engines import default_engine
from skl2net.l2 import L2Rule
from skl2net.problem import Problem

EXACT = {"solver": "lbfgs", "tol": 1e-9, "max_iter": 5000, "random_state": 0}


@pytest.mark.parametrize("n_rows", [30, 100, 1000])
def test_the_same_alpha_is_that_of_ridge_for_any_size_of_the_data(n_rows):
    X, y = regression(n_rows)
    net = L2NetRegressor((), alpha=2.5, **EXACT).fit(X, y)
    ridge = Ridge(alpha=2.5, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(net.coefs_[0].ravel(), ridge.coef_, atol=1e-4)
    np.testing.assert_allclose(net.intercepts_[0], ridge.intercept_, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_rows", [30, 100, 1000])
def test_one_over_alpha_is_the_c_of_logistic_regression_for_any_size_of_the_data(n_rows, n_classes):
    X, y = classes(n_rows, n_classes=n_classes)
    net = L2NetClassifier((), alpha=2.5, **EXACT).fit(X, y)
    logistic = LogisticRegression(C=1 / 2.5, tol=1e-10, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(net.coefs_[0], logistic.coef_.T, atol=1e-4)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam", "pso"])
def test_doubling_the_weights_is_doubling_the_data(solver):
    X, y = classes(30)
    # batches of the same samples: each twice as heavy, or twice in it
    params = {"hidden_layer_sizes": (5,), "solver": solver, "shuffle": False, "random_state": 0, "max_iter": 15}
    heavy = fit(L2NetClassifier(batch_size=10, **params), X, y, sample_weight=np.full(30, 2.0))
    twice = fit(L2NetClassifier(batch_size=20, **params), np.repeat(X, 2, axis=0), np.repeat(y, 2))
    assert distance(flat(heavy), flat(twice)) <= 1e-9
    assert heavy.l2_report().n_total == twice.l2_report().n_total == 60


def test_the_penalty_does_not_depend_on_the_size_of_the_batch():
    X, y = classes(60)
    rules = {fit(L2NetClassifier((5,), batch_size=n, max_iter=1), X, y).l2_report().rule for n in (1, 7, 20, 60)}
    assert rules == {f"w <- w - step(g + {5 / 60:.6g} * w)"}


@pytest.mark.parametrize("weighted", [False, True])
def test_its_objective_times_n_is_the_negative_log_posterior_and_its_gradient_the_derivative(weighted):
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss", n_rows=20, weighted=weighted)
    problem = Problem(case.task, L2Rule("prior", (2.0, 2.0)), default_engine())
    value, gradient = problem.objective_and_gradient(case.parameters)
    weights = case.parameters[: case.network.n_weights]
    n_samples = 20 if case.sample_weight is None else case.sample_weight.sum()
    log_likelihood = -n_samples * problem.data_loss(case.parameters)
    assert n_samples * value == pytest.approx(-log_likelihood + 2.0 / 2 * np.sum(weights**2), rel=1e-12)
    h = 1e-6
    for i in range(0, len(case.parameters), 7):
        step = h * np.eye(len(case.parameters))[i]
        ahead, behind = (problem.objective_and_gradient(case.parameters + s * step)[0] for s in (1, -1))
        assert (ahead - behind) / (2 * h) == pytest.approx(gradient[i], abs=1e-7)


@pytest.mark.parametrize("precision", [0.3, 3.0, 30.0])
def test_the_best_alpha_is_the_precision_that_the_weights_were_drawn_with(precision):
    # a linear model with weights from N(0, 1 / precision) and noise of variance 1: held-out errors, over many draws
    rng = np.random.default_rng(0)
    alphas = precision * np.geomspace(1e-2, 1e2, 9)
    errors = np.zeros(len(alphas))
    for _ in range(80):
        w = rng.normal(scale=precision**-0.5, size=10)
        X, X_test = rng.normal(size=(15, 10)), rng.normal(size=(200, 10))
        y = X @ w + rng.normal(size=15)
        for i, alpha in enumerate(alphas):
            net = fit(L2NetRegressor((), solver="lbfgs", alpha=alpha, tol=1e-6, random_state=0), X, y)
            errors[i] += np.mean((net.predict(X_test) - X_test @ w) ** 2)
    assert abs(np.log10(alphas[errors.argmin()] / precision)) <= 0.5 + 1e-9  # one step of the grid
