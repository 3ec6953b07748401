"""Objectives of the user's own, minimised by a particle swarm."""

import pickle
import warnings

import numpy as np
import pytest
from cases import classes, fit, regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    accuracy_score,
    fbeta_score,
    get_scorer,
    log_loss,
    make_scorer,
    max_error,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    zero_one_loss,
)
from sklearn.model_selection import GridSearchCV
from solvers.swarm.cases import TASKS

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "must return a number, got None"),
        ("0.5", TypeError, "must return a number, got '0.5'"),
        (np.zeros(3), TypeError, r"must return a number, got ndarray of shape \(3,\)"),
        (-np.inf, ValueError, "returned -inf.*bounded below"),
        (np.nan, ValueError, "No particle .* finite loss. The objective has to be finite"),
    ],
)
def test_values_that_an_objective_must_not_have_are_explained(value, error, message):
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(5, objective=lambda y_true, y_pred, sample_weight: value))
    with pytest.raises(error, match=message):
        net.fit(X, y)


@pytest.mark.parametrize("objective", [max_error, lambda y_true, y_pred: 0.0])
def test_objectives_that_take_no_weights_are_refused_with_the_way_out(objective):
    X, y = regression()
    with pytest.raises(ValueError, match=r"cannot be called as objective\(y_true.*Wrap it, as in lambda"):
        L2NetRegressor((3,), solver=ParticleSwarm(objective=objective)).fit(X, y)


def test_an_objective_may_return_any_number():
    X, y = classes()
    for number in (1, np.float32(1.0), np.array(1.0)):
        swarm = ParticleSwarm(5, objective=lambda y_true, y_pred, sample_weight, number=number: number)
        assert fit(L2NetClassifier((3,), solver=swarm, alpha=0.0, max_iter=2), X, y).loss_ == 1.0


def test_an_objective_cannot_change_the_data():
    X, y = regression()
    weight = np.ones(len(y))

    def greedy(y_true, y_pred, sample_weight):
        for array in (y_true, sample_weight):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0.0
        return 1.0

    fit(L2NetRegressor((3,), solver=ParticleSwarm(5, objective=greedy), max_iter=2), X, y, sample_weight=weight)


def test_an_objective_sees_labels_and_predictions_and_weights():
    X, y = classes()
    y = np.array(["ash", "elm", "oak"])[y]
    weight = np.random.default_rng(0).uniform(0.5, 1, len(X))
    seen = []

    def misclassified(y_true, y_pred, sample_weight):
        seen.append((y_true, y_pred, sample_weight))
        return np.average(y_true != y_pred, weights=sample_weight)

    swarm = ParticleSwarm(10, objective=misclassified)
    net = L2NetClassifier((3,), solver=swarm, l2_mode="penalty", alpha=0.01, max_iter=30, random_state=0)
    fit(net, X, y, sample_weight=weight)
    y_true, y_pred, sample_weight = seen[0]
    np.testing.assert_array_equal(y_true, y)
    assert set(y_pred) <= set(y)
    np.testing.assert_array_equal(sample_weight, weight)
    assert net.data_loss_ == pytest.approx(1 - net.score(X, y, weight))
    assert net.loss_ == pytest.approx(net.data_loss_ + 0.005 * net.weight_norm_curve_[-1])
    assert net.data_loss_ < 0.5
    assert net.l2_report().rule == "own objective + 0.01/2 * sum of w^2"


@pytest.mark.parametrize("task", ["binary", "multilabel", "regression", "two outputs", "poisson"])
def test_an_objective_gets_targets_as_fit_got_them(task):
    estimator, kwargs, (X, y) = TASKS[task]
    metric = zero_one_loss if estimator is L2NetClassifier else mean_absolute_error
    solver = ParticleSwarm(10, objective=metric)
    net = fit(estimator((3,), "tanh", solver=solver, alpha=0, max_iter=20, random_state=0, **kwargs), X, y)
    assert net.data_loss_ == pytest.approx(metric(y, net.predict(X)))
    assert net.data_loss_ == net.loss_


# --- scorers of scikit-learn ------------------------------------------------------------------------------------------

BINARY = np.array(["no", "yes"])
SCORERS = ["accuracy", "balanced_accuracy", "neg_log_loss", "roc_auc", "f1_macro", "neg_brier_score"]


def swarm_of(objective, **params):
    return ParticleSwarm(6, objective=objective, **params)


def binary(n_rows=60):
    X, y = classes(n_rows, n_classes=2)
    return X, y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SCORERS)
def test_the_name_of_a_scorer_is_maximised(name, weighted):
    X, y = binary()
    weight = np.linspace(0.1, 2.0, len(y)) if weighted else None
    net = L2NetClassifier((3,), solver=swarm_of(name), alpha=0.0, max_iter=20, random_state=0)
    fit(net, X, y, sample_weight=weight)
    score = get_scorer(name)(net, X, y, sample_weight=weight)
    assert net.data_loss_ == pytest.approx(-score, rel=1e-12)
    assert net.loss_curve_ == sorted(net.loss_curve_, reverse=True)
    assert net.loss_curve_[-1] < net.loss_curve_[0]


@pytest.mark.parametrize(
    "scorer",
    [
        make_scorer(zero_one_loss, greater_is_better=False),
        make_scorer(roc_auc_score, response_method="decision_function"),
        make_scorer(roc_auc_score, response_method="predict_proba"),
        make_scorer(fbeta_score, beta=2, pos_label="yes"),
    ],
    ids=["a loss", "decision values", "probabilities", "a label"],
)
def test_a_scorer_is_maximised_with_its_sign_its_predictions_and_its_parameters(scorer):
    X, y = binary()
    y = BINARY[y]
    net = fit(L2NetClassifier((3,), solver=swarm_of(scorer), alpha=0.0, max_iter=10, random_state=0), X, y)
    assert net.data_loss_ == pytest.approx(-scorer(net, X, y), rel=1e-12)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("name", ["r2", "neg_mean_absolute_error", "neg_root_mean_squared_error"])
def test_scorers_of_regressions_are_maximised(name, outputs):
    X, Y = regression(n_outputs=outputs)
    net = fit(L2NetRegressor((3,), solver=swarm_of(name), alpha=0.0, max_iter=10, random_state=0), X, Y)
    assert net.data_loss_ == pytest.approx(-get_scorer(name)(net, X, Y), rel=1e-12)


def test_a_scorer_and_its_metric_give_the_same_network():
    X, y = classes()
    fits = [
        fit(L2NetClassifier((3,), solver=swarm_of(objective), max_iter=10, random_state=0), X, y)
        for objective in (zero_one_loss, make_scorer(zero_one_loss, greater_is_better=False))
    ]
    np.testing.assert_array_equal(fits[0].coefs_[0], fits[1].coefs_[0])
    assert fits[0].loss_curve_ == fits[1].loss_curve_


def test_multilabel_targets_and_class_weights_reach_the_scorer():
    X, y = classes()
    for target, params in ((np.eye(3, dtype=int)[y], {}), (y, {"class_weight": {0: 1.0, 1: 2.0, 2: 3.0}})):
        net = L2NetClassifier((3,), solver=swarm_of("accuracy"), alpha=0.0, max_iter=5, random_state=0, **params)
        fit(net, X, target)
        weight = np.array([1.0, 2.0, 3.0])[y] if params else None
        assert net.data_loss_ == pytest.approx(-accuracy_score(target, net.predict(X), sample_weight=weight))


def test_a_scorer_without_weights_is_refused_only_where_there_are_some():
    X, y = regression()
    net = L2NetRegressor((3,), solver=swarm_of(make_scorer(max_error, greater_is_better=False)), max_iter=3)
    fit(net, X, y)
    with pytest.raises(ValueError, match=r"max_error.* does not support sample_weight"):
        fit(net, X, y, sample_weight=np.ones(len(y)))


def test_an_unknown_name_is_refused_by_scikit_learn():
    X, y = classes()
    with pytest.raises(ValueError, match="The 'objective' parameter of ParticleSwarm must be a str among"):
        L2NetClassifier((3,), solver=swarm_of("acuracy")).fit(X, y)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (accuracy_score, "accuracy_score: higher values of it are better.*objective='accuracy'"),
        (roc_auc_score, "roc_auc_score: higher values of it are better.*objective='roc_auc'"),
        (r2_score, "r2_score: higher values of it are better.*objective='r2'"),
        (log_loss, "log_loss: it needs the result of predict_proba.*objective='neg_log_loss'"),
    ],
)
def test_a_bare_metric_that_should_be_a_scorer_draws_a_warning_that_names_it(metric, message):
    X, y = binary()
    net = L2NetClassifier((3,), solver=swarm_of(metric), max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match=message):
        fit(net, X, y)


@pytest.mark.parametrize("metric", [zero_one_loss, mean_absolute_error])
def test_a_bare_loss_draws_no_warning(metric):
    X, y = classes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        L2NetClassifier((3,), solver=swarm_of(metric), max_iter=2).fit(X, y)


def test_the_name_of_an_objective_is_saved():
    X, y = binary()
    net = fit(L2NetClassifier((3,), solver=swarm_of("roc_auc"), max_iter=3, random_state=0), X, y)
    assert pickle.loads(pickle.dumps(net)).solver.objective == "roc_auc"


# --- the name "pso" ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [L2NetClassifier, L2NetRegressor])
def test_pso_becomes_a_particle_swarm_when_its_parameters_are_set(estimator):
    net = estimator(solver="pso").set_params(solver__n_particles=7, alpha=2.0)
    assert isinstance(net.solver, ParticleSwarm)
    assert (net.solver.n_particles, net.alpha) == (7, 2.0)
    assert estimator().set_params(solver="pso", solver__topology="ring").solver.topology == "ring"
    net = estimator(solver="pso")
    with pytest.raises(ValueError, match="Invalid parameter 'particles'"):
        net.set_params(solver__particles=7)
    assert net.solver == "pso"


def test_a_grid_of_pso_has_the_parameters_of_the_swarm():
    X, y = classes()
    net = L2NetClassifier((3,), solver="pso", max_iter=3, random_state=0)
    grid = {"solver__n_particles": [3, 5], "solver__topology": ["ring", "global"]}
    search = fit(GridSearchCV(net, grid, cv=2, error_score="raise"), X, y)
    assert search.best_estimator_.swarm_.positions.shape[0] == search.best_params_["solver__n_particles"]
