"""Estimators with a posterior: standard deviations of predictions, what is refused, what keeps a posterior."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import skops.io
from cases import classes, distance, fit, regression
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, L2NetRegressor, L2NetRegressorCV, ParticleSwarm, posterior
from skl2net.l2 import DECAYS

X, Y = regression(80)
PARAMS = {"hidden_layer_sizes": (4,), "activation": "tanh", "solver": "lbfgs", "max_iter": 1000, "random_state": 0}


def fitted(X=X, y=Y, **params):
    return fit(L2NetRegressor(**PARAMS | {"posterior": True} | params), X, y)


def test_standard_deviations_are_in_the_units_of_the_targets():
    mean, std = fitted().predict(X, return_std=True)
    scaled_mean, scaled_std = fitted(y=1000 * Y - 7).predict(X, return_std=True)
    np.testing.assert_allclose(scaled_mean, 1000 * mean - 7, rtol=1e-6)
    np.testing.assert_allclose(scaled_std, 1000 * std, rtol=1e-6)
    assert mean.shape == std.shape == (80,)


def test_shape_and_dtype_are_those_of_the_mean():
    X, Y = regression(60, n_outputs=2)
    net = fitted(X.astype(np.float32), Y)
    mean, std = net.predict(X.astype(np.float32), return_std=True)
    assert mean.shape == std.shape == (60, 2)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_array_equal(mean, net.predict(X.astype(np.float32)))


def test_sparse_input_and_pipelines():
    dense = fitted().predict(X, return_std=True)[1]
    np.testing.assert_allclose(fitted(sp.csr_matrix(X)).predict(sp.csr_matrix(X), return_std=True)[1], dense, rtol=1e-6)
    pipe = make_pipeline(StandardScaler(), L2NetRegressor(**PARAMS, posterior=True)).fit(X, Y)
    mean, std = pipe.predict(X, return_std=True)
    assert distance(mean, pipe.predict(X)) == 0
    assert (std > 0).all()


def test_intervals_hold_what_they_promise():
    # a network of the shape of the truth, and noise of 0.3
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (3000, 1))
    y = np.sin(2 * X[:, 0]) + 0.3 * rng.normal(size=3000)
    net = fitted(X[:100], y[:100], hidden_layer_sizes=(10,), alpha=0.3)
    mean, std = net.predict(X[100:], return_std=True)
    covered = np.mean(abs(y[100:] - mean) < 1.645 * std)
    assert 0.86 < covered < 0.94
    np.testing.assert_allclose(np.sqrt(net.posterior_.noise_variance) * y[:100].std(), 0.3, rtol=0.2)


def test_uncertainty_grows_away_from_the_data():
    X = np.linspace(-1, 1, 60)[:, None]
    std = fitted(X, np.sin(3 * X[:, 0])).predict([[0.0], [2.0], [4.0]], return_std=True)[1]
    assert std[0] < std[1] < std[2]


def test_only_the_training_part_counts_under_early_stopping():
    net = fitted(solver="adam", max_iter=20, early_stopping=True)
    assert net.l2_report().n_total == 72
    told = net.posterior_
    optimism = told.noise_variance[0] * told.effective_parameters.sum() / 72
    np.testing.assert_allclose(told.expected_loss, told.loss + optimism, rtol=1e-12)


@pytest.mark.parametrize("mode", DECAYS)
def test_decays_have_no_posterior(mode):
    with pytest.raises(ValueError, match=r"needs an objective.*Use l2_mode='prior'"):
        fitted(solver="adam", l2_mode=mode)


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "quantile"])
def test_losses_without_curvature_have_no_posterior(loss):
    params = {"quantile": 0.5} if loss == "quantile" else {}
    with pytest.raises(ValueError, match=f"a second derivative, and loss='{loss}' has none"):
        fitted(loss=loss, **params)


def test_what_has_no_posterior():
    with pytest.raises(ValueError, match="ParticleSwarm"):
        fitted(solver=ParticleSwarm(objective="r2"))
    with pytest.raises(ValueError, match=r"40,001 weights .* 11.9 GiB .* fewer hidden units.*BaggingRegressor"):
        fitted(np.zeros((50_000, 2)), np.zeros(50_000), hidden_layer_sizes=(10_000,))
    with pytest.raises(ValueError, match="Set posterior=True"):
        fitted(posterior=False).predict(X, return_std=True)
    with pytest.raises(ValueError, match=r"Gaussian noise.*loss='poisson'"):
        fitted(y=abs(Y), loss="poisson").predict(X, return_std=True)


def test_a_matrix_that_cannot_be_factorised_is_reported():
    with pytest.raises(ValueError, match=r"not positive definite.*Standardise"):
        fitted(1e9 * X[:, [0, 0]], hidden_layer_sizes=(), alpha=0)


def test_partial_fit_has_no_posterior_and_drops_that_of_fit():
    net = fitted(solver="adam", max_iter=2)
    with pytest.raises(ValueError, match="partial_fit does not support posterior=True"):
        net.partial_fit(X, Y)
    net.set_params(posterior=False).partial_fit(X, Y)
    assert net.posterior_ is None


def test_a_warm_start_computes_it_again_or_drops_it():
    net = fitted(solver="adam", max_iter=2, warm_start=True)
    first = net.posterior_
    assert fit(net, X, Y).posterior_.loss < first.loss
    assert fit(net.set_params(posterior=False), X, Y).posterior_ is None


def test_parameters_that_are_set_later_do_not_matter():
    net = fitted()
    before = net.predict(X, return_std=True)[1]
    net.set_params(posterior=False, activation="relu", normalize_y=False, hidden_layer_sizes=(7,))
    np.testing.assert_array_equal(net.predict(X, return_std=True)[1], before)
    assert fitted(posterior=False).posterior_ is None


def test_edited_weights_of_other_layers_are_refused():
    net = fitted()
    net.coefs_ = [np.ones((4, 2)), np.ones((2, 1))]
    net.intercepts_ = [np.zeros(2), np.zeros(1)]
    with pytest.raises(ValueError, match="other layers"):
        net.predict(X, return_std=True)


@pytest.mark.parametrize("n_rows", [10, 80], ids=["rows", "parameters"])
def test_copies_and_files_have_it(n_rows):
    net = fitted(X[:n_rows], Y[:n_rows])
    assert (net.posterior_.rows is None) == (n_rows == 80)
    std = net.predict(X, return_std=True)[1]
    copies = [copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    saved = skops.io.dumps(net)
    copies.append(skops.io.loads(saved, trusted=skops.io.get_untrusted_types(data=saved)))
    for copied in copies:
        np.testing.assert_array_equal(copied.predict(X, return_std=True)[1], std)


def test_a_broken_file_is_refused_by_the_name_of_the_part():
    state = fitted().__getstate__()
    for factor, message in (
        ("text", r"posterior\.factor` must be of type ndarray"),
        (np.eye(3), "`factor` must be of"),
    ):
        state["_skl2net_training"]["posterior"]["factor"] = factor
        with pytest.raises(ValueError, match=message):
            L2NetRegressor().__setstate__(state)


def test_searches_compute_it_in_the_last_fit_only(monkeypatch):
    n_computed = []
    monkeypatch.setattr(
        "skl2net.fitting.laplace", lambda *args: n_computed.append(1) or posterior.laplace(*args), raising=True
    )
    params = {name: value for name, value in PARAMS.items() if name != "alpha"}
    search = fit(L2NetRegressorCV(**params, posterior=True, alphas=[1.0, 10.0], cv=3), X, Y)
    assert len(n_computed) == 1
    assert search.best_estimator_.get_params()["posterior"]
    alone = fitted(alpha=search.alpha_)
    np.testing.assert_array_equal(search.predict(X, return_std=True)[1], alone.predict(X, return_std=True)[1])
    grid = GridSearchCV(L2NetRegressor(**PARAMS, posterior=True), {"alpha": [search.alpha_]}, cv=2)
    std = fit(grid, X, Y).best_estimator_.predict(X, return_std=True)[1]
    np.testing.assert_array_equal(std, alone.predict(X, return_std=True)[1])


def test_scikit_learn_has_none():
    with pytest.warns(UserWarning, match="posterior"):
        mlp = fitted(normalize_y=False).to_sklearn()
    assert L2NetRegressor.from_sklearn(mlp).posterior_ is None


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers(n_classes, loss):
    X, y = classes(60, n_classes=n_classes)
    net = fit(L2NetClassifier(**PARAMS, loss=loss, posterior=True), X, y)
    plain = fit(clone(net).set_params(posterior=False), X, y)
    np.testing.assert_array_equal(net.predict_proba(X), plain.predict_proba(X))
    told = net.posterior_
    np.testing.assert_allclose(told.loss, net.data_loss_, rtol=1e-6)
    assert told.loss < told.expected_loss < 2
    assert 0 < told.effective_parameters.sum() < 60 * n_classes


def test_multilabel_classifier():
    X, _ = classes(60)
    Y = (X[:, :2] > 0).astype(int)
    net = fit(L2NetClassifier(**PARAMS, posterior=True), X, Y)
    assert net.posterior_.effective_parameters.shape == (2,)


def test_class_weights_count():
    X, y = classes(60, n_classes=2)
    net = fit(L2NetClassifier(**PARAMS, class_weight={0: 1, 1: 3}, posterior=True), X, y)
    peer = fit(L2NetClassifier(**PARAMS, posterior=True), X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    np.testing.assert_array_equal(net.posterior_.factor, peer.posterior_.factor)
