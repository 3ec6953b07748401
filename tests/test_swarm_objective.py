"""Objectives of the user's own, minimised by a particle swarm."""

import numpy as np
import pytest
from cases import classes, fit, regression
from sklearn.metrics import get_scorer, max_error, mean_absolute_error, zero_one_loss
from swarm_cases import TASKS

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "must return a number, got None"),
        ("0.5", TypeError, "must return a number, got '0.5'"),
        (np.zeros(3), TypeError, "must return a number, got array"),
        (-np.inf, ValueError, "returned -inf.*bounded below"),
        (np.nan, ValueError, "No particle .* finite loss. The objective has to be finite"),
    ],
)
def test_values_that_an_objective_must_not_have_are_explained(value, error, message):
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(5, objective=lambda y_true, y_pred, sample_weight: value))
    with pytest.raises(error, match=message):
        net.fit(X, y)


@pytest.mark.parametrize("objective", [max_error, get_scorer("accuracy"), lambda y_true, y_pred: 0.0])
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
