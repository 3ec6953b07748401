"""L2NetClassifierCV and L2NetRegressorCV: what they find is what separate fits find, faster and in one estimator."""

import contextlib
import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from io import BytesIO

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from cases import SOLVER_MODES, classes, converging_or_not, fit, flat, iterating_method, regression
from scipy.special import huber
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import (
    get_scorer,
    log_loss,
    make_scorer,
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
)
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, L2NetRegressorCV, NodeSweepCV
from skl2net.engines import default_engine
from skl2net.search_threads import SearchThreads, limits_of_this_thread

PAIRS = [(L2NetClassifier, L2NetClassifierCV), (L2NetRegressor, L2NetRegressorCV)]
ALPHAS = [0.1, 1.0, 10.0]


def small(estimator, **params):
    """An estimator that fits at once."""
    return estimator(**{"hidden_layer_sizes": (5,), "max_iter": 5, "random_state": 0, "batch_size": 16, **params})


def minus_loss(net, X, y, sample_weight=None):
    """What a search maximises if no scoring is given, as scikit-learn computes it."""
    if isinstance(net, L2NetRegressor):
        return -mean_squared_error(y, net.predict(X), sample_weight=sample_weight)
    return pytest.approx(-log_loss(y, net.predict_proba(X), sample_weight=sample_weight, labels=net.classes_), rel=1e-6)


def data(estimator):
    return classes(60) if issubclass(estimator, L2NetClassifier) else regression(60)


@parametrize_with_checks(
    [
        L2NetClassifierCV((5,), solver="lbfgs", max_iter=40, alphas=[0.1, 10.0], cv=2),
        L2NetRegressorCV((5,), solver="lbfgs", max_iter=20, alphas=[0.1, 10.0], cv=2),
    ]
)
def test_estimator_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize(("solver", "mode"), [*SOLVER_MODES, ("pso", "penalty")])
@pytest.mark.parametrize(("one", "search"), PAIRS)
def test_every_network_has_the_bits_of_a_separate_fit(one, search, solver, mode, n_jobs):
    X, y = data(one)
    alphas = [0.01, 0.1, 0.3]
    params = {"solver": solver, "l2_mode": mode, "learning_rate_init": 0.01}
    with converging_or_not():
        found = small(search, alphas=alphas, cv=3, n_jobs=n_jobs, **params).fit(X, y)
    splitter = StratifiedKFold(3) if one is L2NetClassifier else KFold(3)
    for i, alpha in enumerate(alphas):
        for j, (training, test) in enumerate(splitter.split(X, y)):
            net = fit(small(one, alpha=alpha, **params), X[training], y[training])
            assert found.scores_[i, j] == minus_loss(net, X[test], y[test])
            assert found.weight_norms_[i, j] == pytest.approx(net.weight_norm_curve_[-1], rel=1e-12)
            assert found.n_iters_[i, j] == net.n_iter_
    np.testing.assert_array_equal(flat(found), flat(fit(small(one, alpha=found.alpha_, **params), X, y)))
    assert found.alpha_ == alphas[int(found.scores_.mean(axis=1).argmax())]
    assert found.best_score_ == found.scores_.mean(axis=1).max()


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True, "validation_fraction": 0.3},
        {"class_weight": "balanced"},
        {"class_weight": {0: 1.0, 1: 3.0}},
        {"weighted": True},
        {"weighted": True, "class_weight": "balanced"},
        {"sparse": True},
        {"dtype": np.float32},
        {"shuffle": False},
    ],
    ids=str,
)
def test_weights_early_stopping_and_kinds_of_data_are_those_of_separate_fits(params):
    params = dict(params)
    X, y = classes(80)
    X = X.astype(params.pop("dtype", np.float64))
    X = sp.csr_matrix(np.where(np.abs(X) > 0.7, X, 0)) if params.pop("sparse", False) else X
    weight = np.random.default_rng(0).uniform(0.1, 3, 80) if params.pop("weighted", False) else None
    params |= {"solver": "adam", "learning_rate_init": 0.05, "max_iter": 20}
    with converging_or_not():
        found = small(L2NetClassifierCV, alphas=ALPHAS, cv=3, n_jobs=2, **params).fit(X, y, sample_weight=weight)
    for i, alpha in enumerate(ALPHAS):
        for j, (training, test) in enumerate(StratifiedKFold(3).split(X, y)):
            of_training, of_test = (None, None) if weight is None else (weight[training], weight[test])
            net = fit(
                small(L2NetClassifier, alpha=alpha, **params), X[training], y[training], sample_weight=of_training
            )
            assert found.scores_[i, j] == minus_loss(net, X[test], y[test], sample_weight=of_test)
            assert found.weight_norms_[i, j] == pytest.approx(float(np.sum(np.square(flat_weights(net)))), rel=1e-6)


def flat_weights(net):
    return np.concatenate([coef.ravel().astype(np.float64) for coef in net.coefs_])


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc_ovr", "balanced_accuracy"])
def test_scores_are_those_of_a_grid_search(scoring):
    X, y = classes(60)
    params = {"solver": "lbfgs", "max_iter": 30}
    with converging_or_not():
        found = small(L2NetClassifierCV, alphas=ALPHAS, scoring=scoring, cv=5, **params).fit(X, y)
        grid = GridSearchCV(small(L2NetClassifier, **params), {"alpha": ALPHAS}, scoring=scoring).fit(X, y)
    expected = np.array([grid.cv_results_[f"split{j}_test_score"] for j in range(5)]).T
    np.testing.assert_array_equal(found.scores_, expected)
    assert found.alpha_ == grid.best_params_["alpha"]
    assert found.score(X, y) == get_scorer(scoring)(found, X, y) == grid.score(X, y)


@pytest.mark.parametrize(("one", "search"), PAIRS)
def test_results_are_those_of_a_grid_search(one, search):
    X, y = data(one)
    params = {"solver": "lbfgs", "max_iter": 20}
    scoring = "accuracy" if one is L2NetClassifier else "r2"
    with converging_or_not():
        found = small(search, alphas=ALPHAS, cv=3, n_jobs=2, scoring=scoring, **params).fit(X, y)
        grid = GridSearchCV(small(one, **params), {"alpha": ALPHAS}, cv=3, scoring=scoring).fit(X, y)
    assert list(found.cv_results_) == list(grid.cv_results_)
    for name, values in grid.cv_results_.items():
        if not name.endswith("_time"):
            np.testing.assert_array_equal(found.cv_results_[name], values)
    for name in ("best_index_", "best_params_", "best_score_", "n_splits_"):
        assert getattr(found, name) == getattr(grid, name)
    assert found.scorer_(found, X, y) == grid.scorer_(grid, X, y)
    np.testing.assert_allclose(found.fit_times_.mean(axis=1), found.cv_results_["mean_fit_time"])
    net = found.best_estimator_
    assert type(net) is one
    assert net.get_params() == grid.best_estimator_.get_params()
    assert vars(net).keys() == vars(grid.best_estimator_).keys()
    np.testing.assert_array_equal(net.predict(X), found.predict(X))
    assert str(net.l2_report()) == str(grid.best_estimator_.l2_report())


def test_a_scorer_is_given_a_network_with_the_alpha_of_the_candidate():
    X, y = classes(60)

    def refitted(net, X, y):
        assert net.alpha in ALPHAS
        return clone(net).fit(X, y).score(X, y)

    params = {"solver": "lbfgs", "max_iter": 20}
    found = fit(small(L2NetClassifierCV, alphas=ALPHAS, cv=3, scoring=refitted, error_score="raise", **params), X, y)
    grid = fit(GridSearchCV(small(L2NetClassifier, **params), {"alpha": ALPHAS}, cv=3, scoring=refitted), X, y)
    np.testing.assert_array_equal(found.cv_results_["mean_test_score"], grid.cv_results_["mean_test_score"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_each_fold_has_the_classes_of_its_training_part():
    X, y = classes(60)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    params = {"solver": "lbfgs", "max_iter": 20, "class_weight": "balanced"}
    # each fold lacks a class
    found = fit(small(L2NetClassifierCV, alphas=ALPHAS, cv=KFold(3), scoring="accuracy", **params), X, y)
    grid = fit(GridSearchCV(small(L2NetClassifier, **params), {"alpha": ALPHAS}, cv=KFold(3)), X, y)
    np.testing.assert_array_equal(found.scores_.mean(axis=1), grid.cv_results_["mean_test_score"])
    net = fit(small(L2NetClassifier, alpha=0.1, **params), X[20:], y[20:])
    assert net.classes_.tolist() == [1, 2]
    assert found.n_iters_[0, 0] == net.n_iter_
    assert found.weight_norms_[0, 0] == pytest.approx(net.weight_norm_curve_[-1], rel=1e-12)
    assert found.classes_.tolist() == [0, 1, 2]


def test_label_indicators_may_be_sparse():
    X, y = classes(60)
    Y = np.eye(3, dtype=int)[y]
    dense, sparse = (
        fit(small(L2NetClassifierCV, alphas=ALPHAS, cv=3, n_jobs=2), X, targets) for targets in (Y, sp.csr_matrix(Y))
    )
    np.testing.assert_array_equal(sparse.scores_, dense.scores_)
    assert sp.issparse(sparse.predict(X))
    np.testing.assert_array_equal(sparse.predict(X).toarray(), dense.predict(X))


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "pso"])
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_an_empty_training_fold_counts_as_error_score(solver):
    X, y = classes(60)
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        small(L2NetClassifier, solver=solver).fit(X[:0], y[:0])
    rows = np.arange(60)
    search = small(L2NetClassifierCV, alphas=ALPHAS, solver=solver, cv=[(rows[:0], rows), (rows[::2], rows[1::2])])
    with pytest.warns(FitFailedWarning, match=r"0 sample\(s\)"):
        fit(search.set_params(error_score=0.0), X, y)
    assert (search.scores_[:, 0] == 0).all()
    assert np.isnan(search.n_iters_[:, 0]).all()
    assert (search.n_iters_[:, 1] > 0).all()
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        fit(search.set_params(error_score="raise"), X, y)


def test_without_a_seed_all_networks_draw_the_same_numbers():
    X, y = classes(60)
    search = small(L2NetClassifierCV, alphas=[1.0, 1.0 + 1e-15], cv=2, random_state=None)
    with converging_or_not():
        for _ in range(2):
            np.testing.assert_allclose(*search.fit(X, y).weight_norms_, rtol=1e-9)


def test_a_penalty_is_laid_out_around_the_prior():
    X, y = classes(60)
    for mode, unit in (("prior", 1), ("penalty", 1 / 60), ("penalty_per_sample", 16 / 60)):
        with converging_or_not():
            found = small(L2NetClassifierCV, l2_mode=mode, cv=2, max_iter=1).fit(X, y)
        assert len(found.alphas_) == 7
        np.testing.assert_allclose(found.alphas_[[0, -1]], [0.1 * unit, 100 * unit], rtol=1e-12)
        assert np.allclose(np.diff(np.log(found.alphas_)), np.log(10) / 2)


@pytest.mark.parametrize("mode", ["decay_before", "decay_after", "decoupled"])
def test_a_decay_is_laid_out_in_timescales(mode):
    X, y = classes(64)
    with converging_or_not():
        found = small(L2NetClassifierCV, l2_mode=mode, alphas=5, cv=2, max_iter=10, learning_rate_init=0.1).fit(X, y)
    timescales = []
    for alpha in found.alphas_:
        net = small(L2NetClassifier, l2_mode=mode, alpha=alpha, max_iter=10, learning_rate_init=0.1)
        fit(net.set_params(learning_rate="constant"), X, y)
        timescales.append(net.l2_report().timescale[0])
    np.testing.assert_allclose(timescales, np.geomspace(100, 1, 5), rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(("one", "search"), PAIRS)
def test_without_scoring_the_search_is_a_grid_search_by_the_held_out_loss(one, search, solver):
    X, y = data(one)
    scoring, folds = ("neg_log_loss", StratifiedKFold) if one is L2NetClassifier else ("neg_mean_squared_error", KFold)
    grid = GridSearchCV(
        small(one, solver=solver),
        {"alpha": ALPHAS},
        scoring=scoring,
        cv=folds(5, shuffle=True, random_state=0),
    )
    with converging_or_not():
        found = small(search, alphas=ALPHAS, solver=solver).fit(X, y)
        grid.fit(X, y)
    expected = np.array([grid.cv_results_[f"split{j}_test_score"] for j in range(5)]).T
    np.testing.assert_allclose(found.scores_, expected, rtol=1e-12)
    assert found.alpha_ == grid.best_params_["alpha"]
    np.testing.assert_array_equal(flat(found), flat(grid.best_estimator_))
    assert found.score(X, y) == grid.best_estimator_.score(X, y)  # accuracy, or R²


def test_the_held_out_loss_of_several_labels_is_the_sum_over_the_labels():
    X, y = classes(60)
    Y = np.eye(3, dtype=int)[y] | (X[:, :3] > 0.5)
    weight = np.random.default_rng(0).uniform(0.1, 3, 60)
    for targets in (Y, sp.csr_matrix(Y)):
        found = small(L2NetClassifierCV, alphas=ALPHAS, solver="lbfgs", cv=KFold(3))
        fit(found, X, targets, sample_weight=weight)
        for j, (training, test) in enumerate(KFold(3).split(X)):
            net = small(L2NetClassifier, alpha=0.1, solver="lbfgs")
            P = fit(net, X[training], Y[training], sample_weight=weight[training]).predict_proba(X[test])
            losses = [log_loss(Y[test, k], P[:, k], sample_weight=weight[test], labels=[0, 1]) for k in range(3)]
            assert found.scores_[0, j] == pytest.approx(-sum(losses), rel=1e-6)
    assert found.score(X, Y) == pytest.approx((found.predict(X).toarray() == Y).all(axis=1).mean())


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_the_held_out_loss_of_counts_is_half_the_poisson_deviance(n_outputs):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 4)), rng.poisson(2.0, size=(60, n_outputs)).astype(float)
    Y = Y.ravel() if n_outputs == 1 else Y
    weight, folds = rng.uniform(0.1, 3, 60), KFold(3)
    found = small(L2NetRegressorCV, alphas=ALPHAS, solver="lbfgs", loss="poisson", cv=folds)
    fit(found, X, Y, sample_weight=weight)
    for j, (training, test) in enumerate(folds.split(X)):
        net = small(L2NetRegressor, alpha=ALPHAS[0], solver="lbfgs", loss="poisson")
        P = fit(net, X[training], Y[training], sample_weight=weight[training]).predict(X[test]).reshape(-1, n_outputs)
        truth = Y[test].reshape(-1, n_outputs).T
        deviances = [mean_poisson_deviance(y, p, sample_weight=weight[test]) for y, p in zip(truth, P.T, strict=True)]
        assert found.scores_[0, j] == pytest.approx(-np.mean(deviances) / 2, rel=1e-9)
    told = f"on held-out folds {-found.best_score_:.4g}"
    assert (told in " ".join(found.l2_report().remarks)) == (n_outputs == 1)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber"])
def test_the_held_out_loss_is_that_of_the_fit_in_the_units_of_the_targets(loss, n_outputs):
    X, Y = regression(60, n_outputs=n_outputs)
    Y, weight, folds = 1000 * Y, np.random.default_rng(0).uniform(0.1, 3, 60), KFold(3)
    parameters = {"loss": loss, "quantile": 0.8}
    found = fit(small(L2NetRegressorCV, alphas=ALPHAS, cv=folds, **parameters), X, Y, sample_weight=weight)
    for j, (training, test) in enumerate(folds.split(X)):
        net = small(L2NetRegressor, alpha=ALPHAS[0], **parameters)
        fit(net, X[training], Y[training], sample_weight=weight[training])
        y, p, weights = Y[test], net.predict(X[test]), {"sample_weight": weight[test]}
        if loss == "absolute_error":
            expected = mean_absolute_error(y, p, **weights)
        elif loss == "quantile":
            expected = mean_pinball_loss(y, p, alpha=0.8, **weights)
        else:
            losses = huber(1.35 * net._training_state.target_scale.std, (y - p).reshape(-1, n_outputs))
            expected = np.average(losses.mean(axis=1), weights=weight[test])
        assert found.scores_[0, j] == pytest.approx(-expected, rel=1e-9)
    in_standard_units = -found.best_score_ / found._training_state.target_scale.std[0] ** (1 + (loss == "huber"))
    told = f"on held-out folds {in_standard_units:.4g}"
    assert (told in " ".join(found.l2_report().remarks)) == (n_outputs == 1)


@pytest.mark.parametrize("names", [np.arange(3), np.array(["a", "b", "c"]), np.array([2.0, 0.0, 1.0])], ids=str)
def test_a_class_that_a_fold_has_not_seen_counts_with_the_smallest_probability(names):
    X, y = classes(60)
    order = np.argsort(y, kind="stable")
    X, y = X[order], names[y[order]]
    found = fit(small(L2NetClassifierCV, alphas=ALPHAS, cv=KFold(3), solver="lbfgs"), X, y)
    assert np.isfinite(found.scores_).all()
    for j in range(3):  # the rows of a fold are those of the class that the others lack
        np.testing.assert_allclose(found.scores_[:, j], np.log(np.finfo(float).eps / 2), rtol=1e-12)
    mixed = [(np.arange(40), np.arange(30, 60))]
    found = fit(small(L2NetClassifierCV, alphas=[1.0], cv=mixed, solver="lbfgs"), X, y)
    net = fit(small(L2NetClassifier, alpha=1.0, solver="lbfgs"), X[:40], y[:40])
    seen = np.log(net.predict_proba(X[30:40])[np.arange(10), np.searchsorted(net.classes_, y[30:40])])
    assert found.scores_[0, 0] == pytest.approx((seen.sum() + 20 * np.log(np.finfo(float).eps / 2)) / 30, rel=1e-12)


@pytest.mark.parametrize(("one", "search"), PAIRS)
def test_default_folds_are_shuffled_by_random_state(one, search):
    # an ordered table: folds of neighbouring rows have other targets than the rows that are trained on
    X, y = data(one)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    folds = StratifiedKFold if one is L2NetClassifier else KFold
    params = {"alphas": ALPHAS, "solver": "lbfgs"}
    with converging_or_not():
        for seed in (0, 1):
            found = small(search, random_state=seed, **params).fit(X, y)
            same = small(search, random_state=seed, cv=folds(5, shuffle=True, random_state=seed), **params).fit(X, y)
            np.testing.assert_array_equal(found.scores_, same.scores_)
        other = small(search, random_state=0, **params).fit(X, y)
        stream = small(search, random_state=np.random.RandomState(0), **params).fit(X, y)
        drawn = small(search, random_state=None, **params).fit(X, y)
    assert not np.array_equal(found.scores_, other.scores_)
    np.testing.assert_array_equal(stream.scores_, other.scores_)
    assert np.isfinite(drawn.scores_).all()


def test_an_alpha_at_an_end_of_the_grid_is_remarked_on():
    X, y = classes(60)
    params = {"solver": "lbfgs", "max_iter": 100}
    ends = {}
    for alphas in ([1e-6, 1e3, 1e4], [1e3, 1e4], [5.0], [1e-6, 5.0, 1e6]):
        found = fit(small(L2NetClassifierCV, alphas=alphas, **params), X, y)
        is_end = len(alphas) > 1 and found.alpha_ in (alphas[0], alphas[-1])
        remarks = [remark for remark in found.l2_report().remarks if "is an end of the compared strengths" in remark]
        assert bool(remarks) == is_end
        if remarks:
            assert remarks[0].startswith(f"alpha={found.alpha_:g} is an end of")
        ends[tuple(alphas)] = is_end
    assert ends[1e3, 1e4]
    assert not ends[1e-6, 5.0, 1e6]


@pytest.mark.parametrize("normalize_y", [False, True])
def test_the_report_compares_the_training_loss_with_that_of_the_held_out_folds(normalize_y):
    X, y = regression(60)
    params = {"alphas": ALPHAS, "solver": "lbfgs"}
    found = fit(small(L2NetRegressorCV, normalize_y=normalize_y, **params), X, 1000 * y)
    held_out = -found.best_score_ / 2 / ((1000 * y).var() if normalize_y else 1)
    told = f"Loss on the training data {found.data_loss_:.4g}, on held-out folds {held_out:.4g}."
    assert any(remark.startswith(told) for remark in found.l2_report().remarks)
    X, y = classes(60)
    found = fit(small(L2NetClassifierCV, **params), X, y)
    told = f"Loss on the training data {found.data_loss_:.4g}, on held-out folds {-found.best_score_:.4g}."
    assert any(remark.startswith(told) for remark in found.l2_report().remarks)
    found = fit(small(L2NetClassifierCV, scoring="accuracy", **params), X, y)  # which is no loss
    assert not any("held-out folds" in remark for remark in found.l2_report().remarks)


def test_one_standard_error_takes_the_strongest_alpha_that_is_as_good():
    X, y = classes(60)
    params = {"alphas": np.geomspace(0.01, 1000, 9), "solver": "lbfgs", "max_iter": 50}
    with converging_or_not():
        best = small(L2NetClassifierCV, **params).fit(X, y)
        strong = small(L2NetClassifierCV, selection="one_standard_error", **params).fit(X, y)
    means = best.scores_.mean(axis=1)
    error = best.scores_[means.argmax()].std(ddof=1) / np.sqrt(5)
    within = best.alphas_[means >= means.max() - error]
    assert strong.alpha_ == within.max() >= best.alpha_
    np.testing.assert_array_equal(strong.scores_, best.scores_)


def test_every_fit_starts_from_the_initial_weights():
    # the order of the grid does not matter: no fit continues another
    X, y = classes(60)
    with converging_or_not():
        together = small(L2NetClassifierCV, alphas=[0.1, 1.0, 100.0], solver="lbfgs").fit(X, y)
        alone = [small(L2NetClassifierCV, alphas=[alpha], solver="lbfgs").fit(X, y) for alpha in (0.1, 1.0, 100.0)]
    np.testing.assert_array_equal(together.weight_norms_, np.concatenate([net.weight_norms_ for net in alone]))


@pytest.mark.parametrize(("one", "search"), PAIRS)
def test_a_fitted_search_is_the_network_that_it_found(one, search):
    X, y = data(one)
    found = fit(make_pipeline(StandardScaler(), small(search, alphas=ALPHAS, cv=2)), X, y)
    net = found[-1]
    assert net.l2_report().alpha == net.alpha_
    assert net.loss_ == net.loss_curve_[-1]
    assert not hasattr(net, "partial_fit")
    again = joblib.load(_dumped(net))
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert clone(net).get_params().keys() == net.get_params().keys()


def _dumped(net):
    file = BytesIO()
    joblib.dump(net, file)
    file.seek(0)
    return file


def test_groups_are_routed_to_the_splitter():
    X, y = classes(60)
    groups = np.arange(60) // 6
    with sklearn.config_context(enable_metadata_routing=True), converging_or_not():
        search = small(L2NetClassifierCV, alphas=ALPHAS, cv=GroupKFold(4)).fit(X, y, groups=groups)
        assert search.scores_.shape == (3, 4)
        weighted = small(
            L2NetClassifierCV, alphas=ALPHAS, scoring=get_scorer("accuracy").set_score_request(sample_weight=True)
        ).set_fit_request(sample_weight=True)
        weighted.fit(X, y, sample_weight=np.arange(1.0, 61))
    with pytest.raises(ValueError, match="groups"):
        small(L2NetClassifierCV, alphas=ALPHAS).fit(X, y, groups=groups)


@pytest.mark.filterwarnings("ignore:The penalty")
def test_an_alpha_under_which_training_diverges_counts_as_nan():
    X, y = regression(60)
    params = {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0, "l2_mode": "penalty", "max_iter": 600}
    search = small(L2NetRegressorCV, alphas=[0.01, 1000.0], cv=2, n_iter_no_change=np.inf, **params)
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 4"), np.errstate(all="ignore"):
        fit(search, X, y)
    assert search.alpha_ == 0.01
    assert np.isnan(search.scores_[1]).all()
    before = copy.copy(vars(search))
    with (
        pytest.raises(ValueError, match=r"All the 2 fits failed(.|\n)*lower learning_rate_init"),
        np.errstate(all="ignore"),
    ):
        clone(search).set_params(alphas=[1000.0]).fit(X, y)
    with pytest.raises(ValueError, match="diverged"), np.errstate(all="ignore"):
        search.set_params(error_score="raise").fit(X, y)
    assert {name: value for name, value in vars(search).items() if name != "error_score"} == {
        name: value for name, value in before.items() if name != "error_score"
    }


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_an_interrupted_search_leaves_the_estimator_as_it_was(n_jobs, monkeypatch):
    X, y = classes(60)
    search = fit(small(L2NetClassifierCV, alphas=ALPHAS, cv=2, n_jobs=n_jobs, solver="sgd"), X, y)
    before = pickle.dumps(search)
    original, n_calls = default_engine().session.run_updates, 0

    def interrupted(*args):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 4:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(default_engine().session, "run_updates", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert pickle.dumps(search) == before


LONG = {"max_iter": 10**6, "n_iter_no_change": np.inf}


@pytest.mark.skipif(os.name == "nt", reason="needs a signal sent to the process itself")
@pytest.mark.parametrize("threading_backend", [False, True])
@pytest.mark.parametrize(
    "search",
    [
        L2NetClassifierCV((50,), n_jobs=2, **LONG),
        NodeSweepCV(L2NetClassifier((50,), **LONG), n_jobs=2),
        NodeSweepCV(make_pipeline(StandardScaler(), L2NetClassifier((50,), **LONG)), n_jobs=2),
    ],
    ids=["alpha", "sweep", "pipeline"],
)
def test_ctrl_c_ends_the_networks_in_other_threads(search, threading_backend):
    X, y = classes(2000)
    search, sent = clone(search), []

    def interrupt():
        sent.append((time.monotonic(), _is_training()))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(1.0, interrupt).start()
    backend = joblib.parallel_config("threading") if threading_backend else contextlib.nullcontext()
    with backend, pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    ((at, was_training),) = sent
    assert was_training
    assert time.monotonic() - at < 0.5
    assert not [name for name in vars(search) if name.endswith("_")]
    deadline = time.monotonic() + 30  # far more than the second that an engine call may take
    while _is_training():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_threads_that_are_aborted_have_ended_when_the_error_is_raised():
    is_waiting, begun, ended = threading.Event(), [], []

    def work(i):
        if i == 0:
            is_waiting.wait()
            raise RuntimeError("not today")
        is_cancelled, n_threads = limits_of_this_thread()
        begun.append(i)
        is_waiting.set()
        while not is_cancelled():
            time.sleep(0.001)
        time.sleep(0.05)
        ended.append((i, n_threads))

    with joblib.parallel_config(backend=SearchThreads(nesting_level=0)), pytest.raises(RuntimeError, match="not today"):
        joblib.Parallel(n_jobs=2)(joblib.delayed(work)(i) for i in range(4))
    assert sorted(ended) == [(i, 1) for i in sorted(begun)]
    assert 1 in begun
    assert limits_of_this_thread() == (None, None)


def _is_training():
    """Whether a thread is within `fit_network`."""
    for frame in sys._current_frames().values():
        while frame is not None:
            if frame.f_code.co_name == "fit_network":
                return True
            frame = frame.f_back
    return False


def weighted_accuracy(y_true, y_pred, costs=None):
    assert costs is not None
    return float(np.average(y_true == y_pred, weights=costs))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_what_a_scorer_asks_for_reaches_it_in_every_thread(n_jobs):
    X, y = classes(60)
    costs = np.random.default_rng(0).uniform(size=60)
    with sklearn.config_context(enable_metadata_routing=True), converging_or_not():
        scorer = make_scorer(weighted_accuracy).set_score_request(costs=True)
        found = small(L2NetClassifierCV, alphas=ALPHAS, cv=3, scoring=scorer, n_jobs=n_jobs).fit(X, y, costs=costs)
        assert found.score(X, y, costs=costs) == weighted_accuracy(y, found.predict(X), costs)
    for j, (training, test) in enumerate(StratifiedKFold(3).split(X, y)):
        net = fit(small(L2NetClassifier, alpha=0.1), X[training], y[training])
        assert found.scores_[0, j] == weighted_accuracy(y[test], net.predict(X[test]), costs[test])


@pytest.mark.parametrize(("one", "search"), PAIRS)
def test_weights_count_in_the_scores_under_metadata_routing(one, search):
    X, y = data(one)
    weight = np.random.default_rng(0).uniform(0.1, 3, 60)
    with converging_or_not():
        expected = small(search, alphas=ALPHAS).fit(X, y, sample_weight=weight)
        with sklearn.config_context(enable_metadata_routing=True):
            found = small(search, alphas=ALPHAS)
            found.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            found.fit(X, y, sample_weight=weight)
            score = found.score(X, y, sample_weight=weight)
            inner = clone(found)
            grid = GridSearchCV(inner, {"activation": ["relu", "tanh"]}, cv=3).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(found.scores_, expected.scores_)
    assert score == expected.score(X, y, sample_weight=weight) != expected.score(X, y)
    with converging_or_not():
        unrouted = GridSearchCV(small(search, alphas=ALPHAS), {"activation": ["relu", "tanh"]}, cv=3).fit(
            X, y, sample_weight=weight
        )
    np.testing.assert_array_equal(grid.cv_results_["mean_test_score"], unrouted.cv_results_["mean_test_score"])


def test_parameters_of_the_scorer_need_metadata_routing():
    X, y = classes(60)
    found = fit(small(L2NetClassifierCV, alphas=ALPHAS, cv=2), X, y)
    with pytest.raises(ValueError, match="costs"):
        found.score(X, y, costs=np.ones(60))


def test_a_scorer_without_weights_scores_without_them():
    X, y = classes(60)
    weight = np.random.default_rng(0).uniform(0.1, 3, 60)
    search = small(L2NetClassifierCV, alphas=ALPHAS, cv=3, scoring=lambda net, X, y: net.score(X, y))
    with pytest.warns(UserWarning, match=r"lambda.*does not support sample_weight"):
        fit(search, X, y, sample_weight=weight)
    for j, (training, test) in enumerate(StratifiedKFold(3).split(X, y)):
        net = fit(small(L2NetClassifier, alpha=0.1), X[training], y[training], sample_weight=weight[training])
        assert search.scores_[0, j] == net.score(X[test], y[test])


def test_a_scorer_that_raises_counts_as_error_score():
    X, y = classes(60)

    def scorer(net, X, y):
        if net.l2_report().alpha == 10.0:
            raise RuntimeError("not today")
        return net.score(X, y)

    search = small(L2NetClassifierCV, alphas=ALPHAS, cv=2, scoring=scorer)
    with pytest.warns(UserWarning, match=r"Scoring failed(.|\n)*in scorer(.|\n)*not today"):
        fit(search, X, y)
    assert np.isnan(search.scores_[2]).all()
    assert np.isfinite(search.weight_norms_).all()
    with pytest.raises(RuntimeError, match="not today"):
        fit(search.set_params(error_score="raise"), X, y)
    search.set_params(error_score=0.25)
    with pytest.warns(UserWarning, match="Scoring failed"):
        fit(search, X, y)
    assert (search.scores_[2] == 0.25).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alphas": [-1.0, 1.0]}, r"alphas must be .*finite and not negative.*-1.0"),
        ({"alphas": [1.0, np.nan]}, r"alphas must be .*finite.*nan"),
        ({"alphas": [0.5, 1.0], "l2_mode": "decay_after"}, r"needs 0 <= alpha < 1"),
        ({"solver": "lbfgs", "l2_mode": "decoupled"}, "cannot run with solver='lbfgs'"),
        ({"alphas": [0.1, 1.0], "solver": "lbfgs", "l2_mode": "decoupled"}, "cannot run with solver='lbfgs'"),
        ({"alphas": [[0.1], [1.0]]}, r"alphas must be numbers in one row.*\[\[0.1\], \[1.0\]\]"),
        ({"alphas": []}, r"alphas must be numbers in one row.*\[\]"),
        ({"cv": []}, "Was the CV iterator empty"),
    ],
    ids=str,
)
def test_what_cannot_run_is_refused_before_the_first_fit(params, message, monkeypatch):
    X, y = classes(60)
    monkeypatch.setattr("skl2net.estimators.base.fit_network", None)
    with pytest.raises(ValueError, match=message):
        small(L2NetClassifierCV, **params).fit(X, y)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_without_a_finite_mean_score_no_alpha_is_chosen(value):
    X, y = classes(60)
    search = small(L2NetClassifierCV, alphas=ALPHAS, cv=2, scoring=lambda net, X, y: value)
    with pytest.raises(ValueError, match="No alpha has a finite mean score"):
        fit(search, X, y)
    assert not hasattr(search, "scores_")


@pytest.mark.parametrize("routing", [False, True])
def test_splits_that_can_be_read_once_are_enough(routing):
    X, y = classes(60)
    with sklearn.config_context(enable_metadata_routing=routing), converging_or_not():
        expected = small(L2NetClassifierCV, alphas=ALPHAS, cv=3).fit(X, y)
        found = small(L2NetClassifierCV, alphas=ALPHAS, cv=StratifiedKFold(3).split(X, y)).fit(X, y)
    np.testing.assert_array_equal(found.scores_, expected.scores_)


@pytest.mark.parametrize("mode", ["prior", "penalty", "penalty_per_sample"])
def test_the_grid_counts_weights_and_not_rows(mode):
    # a weight of two is a sample twice
    X, y = classes(60)
    with converging_or_not():
        weighted = small(L2NetClassifierCV, l2_mode=mode, cv=2, max_iter=1).fit(X, y, sample_weight=np.full(60, 2.0))
        X, y = np.vstack([X, X]), np.concatenate([y, y])
        twice = small(L2NetClassifierCV, l2_mode=mode, cv=2, max_iter=1, batch_size=32).fit(X, y)
    np.testing.assert_allclose(weighted.alphas_, twice.alphas_, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:The scoring")
def test_training_rows_without_any_weight_are_refused_as_in_a_separate_fit():
    X, y = regression(60)
    weight = np.repeat([0.0, 1.0], 30)
    params = {"alphas": ALPHAS, "cv": KFold(2), "scoring": "neg_max_error"}
    with pytest.raises(ValueError, match="at least one non-zero"):
        fit(small(L2NetRegressor), X[:30], y[:30], sample_weight=weight[:30])
    with pytest.raises(ValueError, match="at least one non-zero"):
        fit(small(L2NetRegressorCV, error_score="raise", **params), X, y, sample_weight=weight)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_an_interrupted_refit_leaves_the_estimator_as_it_was(solver, monkeypatch, iterations_per_call):
    X, y = classes(60)
    iterations_per_call(1)
    search = fit(small(L2NetClassifierCV, alphas=ALPHAS, cv=2, solver=solver), X, y)
    before = pickle.dumps(search)
    name = iterating_method(solver)
    original, n_calls = getattr(default_engine().session, name), 0

    def interrupted(session, *args):
        nonlocal n_calls
        n_calls += session.task.n_rows == 60  # of the refit, on all rows
        if n_calls == 4:
            raise KeyboardInterrupt
        return original(session, *args)

    monkeypatch.setattr(default_engine().session, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(search, X, y)
    assert n_calls == 4
    assert pickle.dumps(search) == before


@pytest.mark.parametrize(("one", "search"), PAIRS)
def test_networks_are_trained_in_processes_too(one, search):
    X, y = data(one)
    expected = fit(small(search, alphas=ALPHAS, cv=2), X, y)
    with joblib.parallel_config("multiprocessing"):
        found = fit(small(search, alphas=ALPHAS, cv=2, n_jobs=2), X, y)
    np.testing.assert_array_equal(found.scores_, expected.scores_)


def test_batches_larger_than_a_fold_are_named():
    X, y = classes(60)
    with pytest.warns(UserWarning, match="batch_size=50 is larger than the sample size 30. It is going to be clipped"):
        fit(small(L2NetClassifierCV, alphas=ALPHAS, cv=2, batch_size=50, n_jobs=2), X, y)


@pytest.mark.parametrize(("one", "search"), PAIRS)
def test_a_search_is_not_made_from_a_network_of_scikit_learn(one, search):
    with pytest.raises(TypeError, match=rf"Use {one.__name__}\.from_sklearn"):
        search.from_sklearn(None)


def test_the_package_works_without_docstrings():
    code = "import skl2net; raise SystemExit(skl2net.L2NetClassifierCV.__doc__ is not None)"
    assert subprocess.run([sys.executable, "-OO", "-c", code]).returncode == 0
