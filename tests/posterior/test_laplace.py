"""The Laplace approximation: closed forms without hidden layers, both forms of the matrix, units that are dead."""

import numpy as np
import pytest
from cases import LOSS_OF, classes, fit, make_case, regression
from scipy.special import softmax
from sklearn.linear_model import BayesianRidge, LogisticRegression

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.engines import default_engine
from skl2net.l2 import PENALTIES, L2Rule
from skl2net.posterior import FLAT, laplace
from skl2net.problem import Problem

LINEAR = {
    "hidden_layer_sizes": (),
    "solver": "lbfgs",
    "tol": 1e-10,
    "max_iter": 5000,
    "random_state": 0,
    "posterior": True,
}
ALPHA = 2.0


def problem_of(case):
    return Problem(case.task, L2Rule("prior", (ALPHA,) * case.network.n_layers), default_engine())


def posterior_of(case):
    problem = problem_of(case)
    return laplace(problem, case.parameters, problem.coefficients.penalty)


def with_bias(X):
    return np.column_stack([X, np.ones(len(X))])


def assert_posterior(posterior, hessian, precision, J, rtol=1e-8):
    """A posterior is that of a Hessian of the summed data loss and a prior, written out."""
    A = hessian + np.diag(precision)
    covariance = np.linalg.inv(A)
    np.testing.assert_allclose(posterior.variances(J), np.einsum("...i,ij,...j", J, covariance, J), rtol=rtol)
    np.testing.assert_allclose(posterior.effective_parameters.sum(), np.trace(covariance @ hessian), rtol=rtol)
    np.testing.assert_allclose(posterior.log_determinant, np.linalg.slogdet(A)[1], rtol=rtol)


@pytest.mark.parametrize("normalize_y", [False, True])
def test_bayesian_ridge_regression_of_known_noise(normalize_y):
    X, y = regression(80)
    X_test, y = regression(30, seed=1)[0], 3 * y + 1
    scale = y.std() if normalize_y else 1.0
    ridge = BayesianRidge(tol=1e-12).fit(X, y)
    net = L2NetRegressor(**LINEAR, alpha=ridge.lambda_ / ridge.alpha_, normalize_y=normalize_y).fit(X, y)
    mean, std = net.predict(X_test, return_std=True)
    np.testing.assert_allclose(mean, ridge.predict(X_test), rtol=0, atol=1e-8)
    posterior, centred = net.posterior_, X_test - X.mean(axis=0)
    of_weights = np.einsum("ni,ij,nj->n", centred, ridge.sigma_ * ridge.alpha_, centred)
    of_bias = 1 / 80  # which BayesianRidge takes as known
    variance = scale**2 * posterior.noise_variance * (1 + of_weights + of_bias)
    np.testing.assert_allclose(std**2, variance, rtol=1e-8)
    spectrum = np.linalg.eigvalsh(np.cov(X.T, bias=True)) * 80
    n_effective = (spectrum / (spectrum + net.alpha)).sum() + 1
    np.testing.assert_allclose(posterior.effective_parameters, n_effective, rtol=1e-8)
    rss = np.sum((y - net.predict(X)) ** 2) / scale**2
    np.testing.assert_allclose(posterior.noise_variance, rss / (80 - n_effective), rtol=1e-8)
    np.testing.assert_allclose(posterior.loss, rss / 160, rtol=1e-12)
    np.testing.assert_allclose(
        posterior.expected_loss, rss / 160 + posterior.noise_variance[0] * n_effective / 80, rtol=1e-8
    )


def test_each_output_of_a_linear_regression_is_one_of_its_own():
    X, Y = regression(60, n_outputs=3)
    Y *= [1, 10, 100]
    mean, std = L2NetRegressor(**LINEAR).fit(X, Y).predict(X, return_std=True)
    assert mean.shape == std.shape == (60, 3)
    for k in range(3):
        alone = L2NetRegressor(**LINEAR).fit(X, Y[:, k]).predict(X, return_std=True)
        np.testing.assert_allclose(std[:, k], alone[1], rtol=1e-8)


def test_logistic_regression():
    X, y = classes(80, n_classes=2)
    net = L2NetClassifier(**LINEAR, alpha=ALPHA).fit(X, y)
    p = LogisticRegression(C=1 / ALPHA, solver="newton-cholesky", tol=1e-12).fit(X, y).predict_proba(X)[:, 1]
    J = with_bias(X)
    hessian = J.T @ ((p * (1 - p))[:, None] * J)
    assert_posterior(net.posterior_, hessian, [ALPHA] * 4 + [FLAT], J)
    loss = -np.log(np.where(y == 1, p, 1 - p)).mean()
    n_effective = net.posterior_.effective_parameters.sum()
    np.testing.assert_allclose(net.posterior_.expected_loss, loss + n_effective / 80, rtol=1e-8)
    assert net.posterior_.noise_variance is None


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_multinomial_logistic_regression(weighted):
    X, y = classes(80)
    weight = np.random.default_rng(0).uniform(0, 2, 80) if weighted else np.ones(80)
    net = L2NetClassifier(**LINEAR, alpha=ALPHA).fit(X, y, sample_weight=weight)
    P = softmax(X @ net.coefs_[0] + net.intercepts_[0], axis=1)
    H = weight[:, None, None] * (P[:, :, None] * np.eye(3) - P[:, :, None] * P[:, None, :])
    hessian = np.einsum("ni,nkl,nj->ikjl", with_bias(X), H, with_bias(X)).reshape(15, 15)
    J = np.kron(with_bias(X)[:, None, :], np.eye(3)).reshape(80, 3, 15)
    # the flat directions of the biases have an eigenvalue of 1e-6 in a matrix of about 100
    assert_posterior(net.posterior_, hessian, [ALPHA] * 12 + [FLAT] * 3, J, rtol=1e-7)


def test_poisson_regression():
    X, _ = regression(80)
    y = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0]))
    net = L2NetRegressor(**LINEAR, loss="poisson", alpha=ALPHA).fit(X, y)
    J = with_bias(X)
    assert_posterior(net.posterior_, J.T @ (net.predict(X)[:, None] * J), [ALPHA] * 4 + [FLAT], J)


@pytest.mark.parametrize("n_rows", [5, 200], ids=["rows", "parameters"])
@pytest.mark.parametrize(("output", "loss"), [key for key, loss in LOSS_OF.items() if loss.has_curvature])
def test_both_forms_are_the_posterior(output, loss, n_rows):
    case = make_case((3, 6, 5, 2), "tanh", output, loss, n_rows=n_rows, weighted=True)
    posterior, session = posterior_of(case), default_engine().open(case.task)
    assert (posterior.rows is None) == (n_rows == 200)
    upper = session.gauss_newton(case.parameters)
    hessian = upper + np.triu(upper, 1).T
    J = np.concatenate([*session.jacobians(case.parameters)])
    # in the form of rows, 1/FLAT and what the data say of biases are subtracted
    assert_posterior(posterior, hessian, posterior.precision, J, rtol=1e-8 if posterior.rows is None else 1e-6)
    of_layers = np.diagonal(np.linalg.inv(hessian + np.diag(posterior.precision)) @ hessian)
    slices = zip(case.network.weight_slices, case.network.bias_slices, strict=True)
    expected = [of_layers[weights].sum() + of_layers[biases].sum() for weights, biases in slices]
    np.testing.assert_allclose(posterior.effective_parameters, expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("n_rows", [5, 60])
def test_doubled_weights_are_doubled_rows(n_rows, loss):
    output = "identity" if loss == "squared_error" else "exp"
    case = make_case((3, 6, 1), "tanh", output, loss, n_rows=n_rows)
    doubled = posterior_of(make_case((3, 6, 1), "tanh", output, loss, n_rows=n_rows))
    J = next(default_engine().open(case.task).jacobians(case.parameters))
    case.sample_weight = np.full(n_rows, 2.0)
    weighted = posterior_of(case)
    case.sample_weight, case.rows = None, np.tile(np.arange(n_rows), 2)
    repeated = posterior_of(case)
    assert np.all(repeated.variances(J) < doubled.variances(J))
    for name in ("effective_parameters", "log_determinant", "loss", "expected_loss"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-7)
    np.testing.assert_allclose(weighted.variances(J), repeated.variances(J), rtol=1e-7)
    if loss == "squared_error":
        np.testing.assert_allclose(weighted.noise_variance, repeated.noise_variance, rtol=1e-7)


@pytest.mark.parametrize("n_rows", [5, 60])
def test_a_dead_unit_has_the_uncertainty_of_its_prior_where_it_is_not_dead(n_rows):
    case = make_case((3, 6, 1), "relu", "identity", "squared_error", n_rows=n_rows)
    coefs, intercepts = case.network.unpack(case.parameters)
    intercepts[0][2] = -100.0
    X = np.full((1, 3), 100.0)
    coefs[0][:, 2] = 1.0
    posterior = posterior_of(case)
    case.X, case.Y = X, np.zeros((1, 1))
    (J,) = default_engine().open(case.task).jacobians(case.parameters)
    dead = np.zeros(case.network.n_parameters, bool)
    of_coefs, of_intercepts = case.network.unpack(dead)
    of_coefs[0][:, 2] = of_coefs[1][2] = of_intercepts[0][2] = True
    j = np.where(dead, J, 0.0)
    assert np.count_nonzero(j) == 5
    np.testing.assert_allclose(posterior.variances(j), np.sum(j**2, axis=-1) / ALPHA, rtol=1e-12)
    assert posterior.effective_parameters.sum() <= min(n_rows, case.network.n_parameters - 5)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam", "pso"])
def test_the_prior_is_that_of_the_rule_that_ran(solver):
    X, y = regression(60)
    params = {"solver": solver, "batch_size": 20, "max_iter": 3, "random_state": 0, "posterior": True}
    n = 20 if solver in ("sgd", "adam") else 60
    alphas = {"prior": [2.0, 3.0], "penalty": [2 / 60, 3 / 60], "penalty_per_sample": [2 * n / 60, 3 * n / 60]}
    assert alphas.keys() == set(PENALTIES)
    for mode, alpha in alphas.items():
        net = fit(L2NetRegressor((3,), **params, l2_mode=mode, alpha=alpha), X, y)
        np.testing.assert_allclose(net.posterior_.precision, [2.0] * 12 + [3.0] * 3 + [2.0] * 3 + [FLAT], rtol=1e-14)


def test_infinite_noise_where_weights_are_less_than_effective_parameters():
    X, y = regression(60)
    net = L2NetRegressor(**LINEAR, alpha=1e-3).fit(X, y, sample_weight=np.full(60, 1 / 60))
    assert net.posterior_.effective_parameters.sum() > 1
    assert np.isinf(net.predict(X, return_std=True)[1]).all()
