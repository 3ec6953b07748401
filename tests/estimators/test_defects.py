"""Where scikit-learn's MLP is wrong or leaves a question open, a test named after the defect shows what is right.

The second half does the same for the defects of skl2net's first release.
"""

import os
import pickle
import subprocess
import sys
import warnings
from dataclasses import replace
from time import perf_counter

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from cases import OUTPUT_LOSSES, classes, distance, fit, flat, make_case, regression
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.fixes import parse_version

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.engines import default_engine
from skl2net.l2 import MODES, L2Rule
from skl2net.problem import Problem
from skl2net.solvers.curves import Curve, Curves
from skl2net.solvers.monitor import Monitor


def test_8349_multi_output_lbfgs_minimises_the_loss_it_reports():
    X, Y = regression(50, n_outputs=3)
    # the minimum of a sum over outputs without a shared layer is the minimum of each: they can be fitted one by one
    params = {"solver": "lbfgs", "alpha": 0.1, "tol": 1e-9, "max_iter": 2000, "random_state": 0}
    together = L2NetRegressor((), **params).fit(X, Y)
    alone = [L2NetRegressor((), **params).fit(X, Y[:, k]) for k in range(3)]
    assert distance(together.coefs_[0], np.hstack([net.coefs_[0] for net in alone])) <= 1e-6
    assert together.loss_ == pytest.approx(sum(net.loss_ for net in alone), rel=1e-6)


def test_8349_gradient_of_several_outputs_is_that_of_the_loss():
    case = make_case((4, 5, 3), "tanh", "identity", "squared_error", n_rows=20)
    problem = Problem(case.task, L2Rule("penalty", (0.1, 0.1)), default_engine())
    _, gradient = problem.session.objective_and_gradient(case.parameters, problem.coefficients.penalty)
    direction = gradient / np.linalg.norm(gradient)
    h = 1e-6
    ahead, behind = (
        problem.session.objective_and_gradient(case.parameters + s * h * direction, problem.coefficients.penalty)[0]
        for s in (1, -1)
    )
    # scikit-learn's would be three times as steep
    assert (ahead - behind) / (2 * h) == pytest.approx(np.linalg.norm(gradient), rel=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("random_state", [0, 1000])
def test_12505_thirty_warm_started_fits_of_one_iteration_are_one_fit_of_thirty(solver, schedule, random_state):
    X, y = classes(50)
    params = {"solver": solver, "learning_rate": schedule, "learning_rate_init": 0.02, "batch_size": 16}
    params |= {"random_state": random_state, "n_iter_no_change": np.inf}  # each fit has a patience of its own
    whole = fit(L2NetClassifier((5,), max_iter=30, **params), X, y)
    parts = L2NetClassifier((5,), max_iter=1, warm_start=True, **params)
    for _ in range(whole.n_iter_):
        fit(parts, X, y)
    np.testing.assert_array_equal(flat(parts), flat(whole))
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.weight_norm_curve_ == whole.weight_norm_curve_
    assert parts.t_ == whole.t_
    assert parts.n_iter_ == 1


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_12505_partial_fit_goes_on_like_fit(solver):
    X, y = classes(50)
    # the prior would count the samples of the stream
    params = {"solver": solver, "learning_rate": "constant", "l2_mode": "penalty", "batch_size": 16}
    params |= {"random_state": 1000, "n_iter_no_change": np.inf}
    whole = fit(L2NetClassifier((5,), max_iter=12, **params), X, y)
    parts = L2NetClassifier((5,), **params)
    for _ in range(12):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(flat(parts), flat(whole))
    mixed = fit(L2NetClassifier((5,), max_iter=6, warm_start=True, **params), X, y)
    for _ in range(6):
        mixed.partial_fit(X, y)
    np.testing.assert_array_equal(flat(mixed), flat(whole))


def test_12505_parameters_that_are_set_in_between_apply_from_then_on():
    X, y = classes(50)
    net = L2NetClassifier((5,), max_iter=3, warm_start=True, random_state=0, learning_rate_init=0.01)
    before = flat(fit(net, X, y)).copy()
    fit(net.set_params(learning_rate_init=1e-300, l2_mode="decay_after", alpha=0.1), X, y)
    weights = net.coefs_[0].size + net.coefs_[1].size
    # three updates that only decay: rounded three times
    np.testing.assert_allclose(flat(net)[:weights], 0.9**3 * before[:weights], rtol=10 * np.finfo(float).eps)
    np.testing.assert_array_equal(flat(net)[weights:], before[weights:])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_batch_of_zero_sample_weights_is_skipped(solver, mode):
    X, y = classes(40)
    weight = np.ones(40)
    weight[10:20] = 0.0
    params = {"solver": solver, "l2_mode": mode, "alpha": 0.1, "batch_size": 10, "shuffle": False, "random_state": 0}
    params["learning_rate"] = "constant"  # a schedule counts the batch that is skipped
    net = fit(L2NetClassifier((5,), max_iter=5, **params), X, y, sample_weight=weight)
    without = fit(L2NetClassifier((5,), max_iter=5, **params), X[weight > 0], y[weight > 0])
    assert np.isfinite(flat(net)).all()
    assert distance(flat(net), flat(without)) <= 1e-12
    assert distance(net.loss_curve_, without.loss_curve_) <= 1e-12


@pytest.mark.parametrize("estimator", [L2NetClassifier, L2NetRegressor])
@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lbfgs_keeps_float32(solver, estimator, dtype):
    X, y = classes(30)
    net = fit(estimator((5,), solver=solver, max_iter=5), X.astype(dtype), y)
    assert all(array.dtype == dtype for array in (*net.coefs_, *net.intercepts_))
    if estimator is L2NetRegressor:
        assert net.predict(X.astype(dtype)).dtype == dtype
    else:
        assert net.predict_proba(X.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 2.0, 2: 0.5}, "balanced"])
@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_9113_class_weight_multiplies_sample_weight(solver, class_weight):
    X, y = classes(40)
    X, y = X[:33], y[:33]
    weight = np.random.default_rng(0).uniform(0.5, 2, 33)
    params = {"solver": solver, "max_iter": 5, "random_state": 0}
    net = fit(L2NetClassifier((5,), class_weight=class_weight, **params), X, y, sample_weight=weight)
    of_classes = compute_class_weight(class_weight, classes=np.arange(3), y=y, sample_weight=weight)
    product = weight * of_classes[y]
    np.testing.assert_array_equal(flat(net), flat(fit(L2NetClassifier((5,), **params), X, y, sample_weight=product)))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 2.0, 2: 3.0}, {0: 1.0, 2: 5.0}])
def test_9113_samples_without_weight_do_not_count_in_the_balance_of_the_classes(class_weight):
    X, y = classes(40)
    y[30:] = np.repeat([0, 1], 5)
    weight = np.where(np.arange(40) < 30, 1.0, 0.0)
    net = L2NetClassifier((5,), solver="lbfgs", max_iter=5, random_state=0, class_weight=class_weight)
    there = fit(clone(net), X[:30], y[:30])
    np.testing.assert_allclose(flat(fit(net, X, y, sample_weight=weight)), flat(there), rtol=0, atol=1e-8)


def test_9113_class_weight_names_classes_that_a_part_of_the_data_lacks():
    X, y = classes(40)
    net = L2NetClassifier((5,), class_weight={0: 1.0, 2: 5.0}, random_state=0)
    net.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    plain = clone(net).set_params(class_weight=None).partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    np.testing.assert_array_equal(flat(net), flat(plain))


def test_9113_class_weight_of_multilabel_targets_is_one_dict_per_label():
    X, y = classes(40)
    Y = np.eye(3, dtype=int)[y]
    weights = [{0: 1.0, 1: 3.0}, {0: 1.0, 1: 1.0}, {0: 0.5, 1: 1.0}]
    params = {"solver": "lbfgs", "max_iter": 5, "random_state": 0}
    net = fit(L2NetClassifier((5,), class_weight=weights, **params), X, Y)
    peer = fit(L2NetClassifier((5,), **params), X, Y, sample_weight=compute_sample_weight(weights, Y))
    np.testing.assert_array_equal(flat(net), flat(peer))


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("estimator", [L2NetClassifier, L2NetRegressor])
def test_18507_validation_loss_under_early_stopping(estimator, weighted):
    X, y = classes(60)
    weight = {"sample_weight": np.random.default_rng(0).uniform(0.5, 2, 60)} if weighted else {}
    net = fit(estimator((5,), early_stopping=True, max_iter=8, random_state=0), X, y, **weight)
    assert len(net.validation_loss_curve_) == len(net.validation_scores_) == len(net.loss_curve_) == net.n_iter_
    assert all(loss > 0 for loss in net.validation_loss_curve_)
    assert fit(estimator((5,), max_iter=2), X, y).validation_loss_curve_ is None


def test_18507_validation_loss_is_the_data_loss_of_the_rows_set_apart():
    X, y = classes(60)
    net = L2NetClassifier((5,), early_stopping=True, validation_fraction=0.5, max_iter=1, random_state=0, alpha=10.0)
    fit(net, X, y)
    log_loss = -net.predict_log_proba(X)[np.arange(60), y]
    # 30 of the 60 rows, without the penalty: which ones is not told, but the value lies among the means of 30
    ordered = np.sort(log_loss)
    assert ordered[:30].mean() <= net.validation_loss_curve_[0] <= ordered[30:].mean()
    assert net.data_loss_ < net.loss_


@pytest.mark.parametrize("batch_size", [1, 10, 40])
def test_6780_10477_penalty_does_not_depend_on_the_batch_size(batch_size):
    # with plain SGD and no gradient of the data, an epoch removes 1 - (1 - η·α)^updates, whatever the batch size:
    # zero inputs and targets leave the first layer without a gradient
    rate, alpha = 0.1, 0.02
    net = L2NetRegressor((3,), solver="sgd", momentum=0.0, learning_rate_init=rate, batch_size=batch_size)
    start = net.set_params(alpha=0.0, random_state=0).partial_fit(np.zeros((40, 2)), np.zeros(40)).coefs_[0].copy()
    for mode, removed in (("penalty", rate * alpha), ("penalty_per_sample", rate * alpha / batch_size)):
        net = L2NetRegressor(**{**net.get_params(), "l2_mode": mode, "alpha": alpha})
        net.partial_fit(np.zeros((40, 2)), np.zeros(40))
        kept = (1 - removed) ** (40 // batch_size)
        np.testing.assert_allclose(net.coefs_[0], kept * start, rtol=200 * np.finfo(float).eps)


@pytest.mark.parametrize("estimator", [L2NetClassifier, L2NetRegressor])
@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_every_solver_has_a_loss_curve(solver, estimator):
    X, y = classes(30)
    own = {"normalize_y": False} if estimator is L2NetRegressor else {}  # weights in the units of their sum of squares
    net = fit(estimator((5,), solver=solver, max_iter=7, random_state=0, **own), X, y)
    assert len(net.loss_curve_) == len(net.weight_norm_curve_) == net.n_iter_ == 7
    assert net.loss_curve_[-1] == net.loss_ < net.loss_curve_[0]
    weight_norm = sum(np.sum(coef**2) for coef in net.coefs_)
    assert net.weight_norm_curve_[-1] == pytest.approx(weight_norm, rel=1e-12)


def test_loss_curve_of_lbfgs_is_the_objective_after_each_iteration():
    X, y = classes(30)
    net = L2NetClassifier((5,), solver="lbfgs", l2_mode="penalty", alpha=0.1, max_iter=5, random_state=0)
    fit(net, X, y)
    log_loss = -net.predict_log_proba(X)[np.arange(30), y].mean()
    assert net.data_loss_ == pytest.approx(log_loss, rel=1e-12)
    assert net.loss_ == pytest.approx(log_loss + 0.1 / 2 * net.weight_norm_curve_[-1], rel=1e-12)
    assert np.all(np.diff(net.loss_curve_) < 0)  # its line search goes down in each step


@pytest.mark.parametrize("solver", ["lbfgs", "pso"])
def test_the_data_loss_curve_is_the_loss_curve_without_the_penalty(solver):
    X, y = classes(30)
    net = L2NetClassifier((5,), solver=solver, alpha=3, max_iter=5, warm_start=True, random_state=0)
    fit(fit(net, X, y), X, y)
    assert net.data_loss_curve_[-1] == net.data_loss_
    penalty = 3 / (2 * 30) * np.array(net.weight_norm_curve_)
    np.testing.assert_allclose(net.data_loss_curve_ + penalty, net.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_decay_has_no_penalty_to_leave_out_of_its_loss_curve(solver):
    X, y = classes(30)
    params = {"solver": solver, "max_iter": 5, "random_state": 0}
    decay = fit(L2NetClassifier((5,), l2_mode="decay_after", **params), X, y)
    assert decay.data_loss_curve_ == decay.loss_curve_
    penalty = fit(L2NetClassifier((5,), **params), X, y)
    assert np.all(np.array(penalty.data_loss_curve_) < penalty.loss_curve_)
    assert penalty.data_loss_curve_[-1] == penalty.data_loss_


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_multilabel_probabilities_stay_inside_the_open_interval(dtype):
    X, y = classes(40, n_classes=3)
    X = X.astype(dtype)
    for target in (np.eye(3, dtype=int)[y], y, (y == 1).astype(int)):
        net = fit(L2NetClassifier((5,), solver="lbfgs", max_iter=20, random_state=0), X, target)
        net.coefs_[-1][...] *= 1e4  # logits of some thousands: the nearest numbers to the probabilities are 0 and 1
        assert np.abs(net.decision_function(X)).max() > 1000
        P = net.predict_proba(X)
        assert np.all(P > 0)
        assert np.all(P < 1)
        assert np.isfinite(net.predict_log_proba(X)).all()


def test_single_class_is_accepted():
    X = np.random.default_rng(0).normal(size=(10, 2))
    net = fit(L2NetClassifier((3,), max_iter=5), X, np.full(10, "only"))
    assert net.classes_.tolist() == ["only"]
    np.testing.assert_array_equal(net.predict(X), "only")


@pytest.mark.parametrize(("output", "loss"), OUTPUT_LOSSES[:2])
def test_gradient_of_saturated_probabilities_does_not_vanish(output, loss):
    # scikit-learn clips probabilities in the loss, so that its L-BFGS sees a loss that no longer changes
    case = make_case((3, 3), "identity", output, loss)
    case.parameters *= 1000
    value, gradient = default_engine().open(case.task).loss_and_gradient(case.parameters)
    assert value > -np.log(np.finfo(float).eps)
    assert np.abs(gradient).max() > 0.1


# --- the first release of skl2net -------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_warm_started_series_over_alpha_trains_as_well_as_cold_starts(solver):
    # it ended after one epoch, silently, since the best loss of a smaller penalty was out of reach
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    net = L2NetClassifier((10,), solver=solver, l2_mode="penalty", warm_start=True, random_state=0)
    net.set_params(max_iter=2000, learning_rate_init=0.02)
    for alpha in (1e-4, 0.01, 0.1, 1.0):
        cold = clone(net).set_params(alpha=alpha).fit(X, y)
        net.set_params(alpha=alpha).fit(X, y)
        assert net.n_iter_ > 12  # the patience, and the first one
        assert net.loss_ <= 1.05 * cold.loss_


@pytest.mark.parametrize("estimator", [L2NetClassifier, L2NetRegressor])
def test_early_stopping_and_a_warm_start_on_new_targets_return_new_weights(estimator):
    X, y = classes(90)
    other = (y + 1) % 3
    net = estimator((10,), early_stopping=True, validation_fraction=0.3, warm_start=True, random_state=0)
    net.set_params(learning_rate_init=0.05, max_iter=100)
    fit(net, X, y)
    weights, n_first = flat(net).copy(), len(net.validation_scores_)
    assert net.score(X, y) > 0.3
    fit(net, X, other)
    assert not np.array_equal(flat(net), weights)
    assert net.best_validation_score_ == max(net.validation_scores_[n_first:])
    assert net.score(X, other) > net.score(X, y)


def test_early_stopping_and_a_warm_start_return_weights_in_the_dtype_of_the_new_data():
    X, y = classes(90)
    net = L2NetClassifier((10,), early_stopping=True, validation_fraction=0.3, warm_start=True, random_state=0)
    fit(net, X, y)
    for dtype in (np.float32, np.float64):
        fit(net.set_params(max_iter=3), X.astype(dtype), y)
        assert {array.dtype for array in (*net.coefs_, *net.intercepts_)} == {np.dtype(dtype)}


def test_losses_are_fresh_where_a_warm_started_lbfgs_finds_nothing_to_do():
    X, y = classes()
    net = L2NetClassifier((5,), solver="lbfgs", l2_mode="penalty", alpha=0.1, warm_start=True, random_state=0)
    fit(net.set_params(max_iter=1000), X, y)
    weights, n_first = flat(net).copy(), len(net.loss_curve_)
    fit(net.set_params(alpha=0.4, tol=1e6), X[::2], y[::2])  # any gradient is small enough
    assert net.n_iter_ == 0
    np.testing.assert_array_equal(flat(net), weights)
    assert net.data_loss_ == pytest.approx(-net.predict_log_proba(X[::2])[np.arange(30), y[::2]].mean(), rel=1e-12)
    assert net.loss_ == pytest.approx(net.data_loss_ + 0.4 / 2 * net.weight_norm_curve_[-1], rel=1e-12)
    assert net.loss_ == net.best_loss_ == net.loss_curve_[-1]
    assert len(net.loss_curve_) == len(net.weight_norm_curve_) == n_first + 1


def test_curves_are_copies():
    X, y = classes()
    net = fit(L2NetClassifier((5,), early_stopping=True, warm_start=True, max_iter=3, random_state=0), X, y)
    for name in ("loss_curve_", "weight_norm_curve_", "validation_scores_", "validation_loss_curve_"):
        getattr(net, name).append(99)
        getattr(net, name)[0] = 99
        assert 99 not in getattr(net, name)
        assert 99 not in getattr(fit(net, X, y), name)
        with pytest.raises(AttributeError):
            setattr(net, name, [])


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs", "pso"])
def test_one_class_has_one_column_of_ones(solver):
    X, _ = classes(20)
    net = L2NetClassifier((3,), solver=solver, max_iter=5, random_state=0)
    nets = [fit(net, X, np.full(20, "only"))]
    if solver in ("sgd", "adam"):
        nets.append(clone(net).partial_fit(X, np.full(20, "only"), classes=["only"]))
    for each in nets:
        assert each.classes_.tolist() == ["only"]
        np.testing.assert_array_equal(each.predict_proba(X), np.ones((20, 1)))
        np.testing.assert_array_equal(each.predict_log_proba(X), np.zeros((20, 1)))
        np.testing.assert_array_equal(each.predict(X), np.full(20, "only"))
        assert each.score(X, np.full(20, "only")) == 1


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_matrix])
def test_sparse_targets_of_the_regressor_are_refused_with_the_way_out(container):
    X, Y = regression(n_outputs=2)
    for method in ("fit", "partial_fit"):
        net = L2NetRegressor((3,))
        with pytest.raises(TypeError, match=rf"Sparse targets are not supported.*{container.__name__}.*toarray"):
            getattr(net, method)(X, container(Y))
        assert not hasattr(net, "coefs_")


@pytest.mark.parametrize("estimator", [L2NetClassifier, L2NetRegressor])
def test_a_warm_start_with_another_number_of_targets_says_what_changed(estimator):
    X, y = classes()
    Y = np.eye(3, dtype=int)[y]
    net = fit(estimator((5,), warm_start=True, max_iter=2), X, Y)
    before = flat(net).copy()
    with pytest.raises(ValueError, match=r"(`y` has 2 output\(s\).*has 3|same classes).*warm_start=False"):
        net.fit(X, Y[:, :2])
    with pytest.raises(ValueError, match=r"has layers of \(4, 5, 3\) units.*Set hidden_layer_sizes=\(5,\)"):
        net.set_params(hidden_layer_sizes=(6,)).fit(X, Y)
    np.testing.assert_array_equal(flat(net), before)


@pytest.mark.parametrize(("common", "rare"), [("frequent", "seldom"), (7, 13)])
def test_early_stopping_names_the_label_that_is_too_rare(common, rare):
    X, _ = classes()
    y = np.full(60, common)
    y[7] = rare
    named = rare if parse_version(sklearn.__version__) >= parse_version("1.9") else "least populated class"
    with pytest.raises(ValueError, match=rf"early_stopping=True could not set .*{named}.*validation_fraction"):
        L2NetClassifier((3,), early_stopping=True).fit(X, y)


@pytest.mark.parametrize("alpha", [np.float64(0.97), np.float32(0.75), [np.float64(0.97), 0.5]])
def test_warnings_show_alpha_as_a_user_writes_it(alpha):
    X, y = classes()
    net = L2NetClassifier((3,), l2_mode="decay_after", alpha=alpha, max_iter=1)
    with pytest.warns(UserWarning, match=r"alpha=(\[0\.97, 0\.5\]|0\.97|0\.75) with") as caught:
        fit(net, X, y)
    assert not any("np." in str(warning.message) for warning in caught)
    with pytest.raises(ValueError, match=r"alpha=1\.5 with"):
        net.set_params(alpha=np.float64(1.5)).fit(X, y)


# --- streams ----------------------------------------------------------------------------------------------------------


def quickest(function, n_calls):
    """Shortest time of a call, in seconds."""
    times = []
    for _ in range(n_calls):
        began = perf_counter()
        function()
        times.append(perf_counter() - began)
    return min(times)


def test_partial_fit_takes_as_long_after_millions_of_calls():
    # it copied the whole history in each call
    X, y = regression(20)
    net = L2NetRegressor((5,), random_state=0)

    def one_pass():
        net.partial_fit(X, y)

    one_pass()
    first = quickest(one_pass, 50)
    many = Curve(np.ones(5_000_000))
    net._training_state = replace(net._training_state, curves=Curves(many, many.extended([])))
    one_pass()
    # to copy ten million numbers takes tens of milliseconds, a call one or two
    assert quickest(one_pass, 50) < 3 * first


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_pickle_of_a_stream_grows_by_three_numbers_a_call(solver):
    X, y = regression(20)
    net, sizes = L2NetRegressor((5,), solver=solver, random_state=0), []
    for _ in range(3):
        for _ in range(150):
            net.partial_fit(X, y)
        sizes.append(len(pickle.dumps(net)))
    # the loss with and without the penalty and the sum of squares, 8 bytes each; and numbers of the random stream
    np.testing.assert_allclose(np.diff(sizes), 150 * 3 * 8, atol=50)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_fitted_network_keeps_nothing_for_each_row(solver, shuffle):
    # it kept the order of the rows
    X = np.random.default_rng(0).normal(size=(1_000_000, 1)).astype(np.float32)
    net = L2NetRegressor((10,), solver=solver, shuffle=shuffle, batch_size=10_000, max_iter=1, random_state=0)
    few = fit(clone(net).set_params(batch_size=10), X[:1000], X[:1000, 0])
    assert abs(len(pickle.dumps(fit(net, X, X[:, 0]))) - len(pickle.dumps(few))) < 1000


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_order_of_the_rows_is_kept_where_a_fit_is_continued(solver, shuffle, pickled):
    X, y = classes(50)
    params = {"solver": solver, "l2_mode": "penalty", "shuffle": shuffle, "batch_size": 16, "random_state": 0}
    params["learning_rate"] = "constant"  # a horizon would be begun anew
    whole = fit(L2NetClassifier((5,), max_iter=12, **params), X, y)
    net = fit(L2NetClassifier((5,), max_iter=3, warm_start=True, **params), X, y)
    for how in ("fit", "partial_fit", "fit"):
        net = pickle.loads(pickle.dumps(net)) if pickled else net
        if how == "fit":
            fit(net, X, y)
        else:
            for _ in range(3):
                net.partial_fit(X, y)
    np.testing.assert_array_equal(flat(net), flat(whole))
    assert net.loss_curve_ == whole.loss_curve_


# --- random states and failures ---------------------------------------------------------------------------------------


def state_of_stream(random_state):
    return joblib.hash(random_state.get_state(legacy=False))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs", "pso"])
def test_only_a_successful_fit_advances_a_random_state_of_the_users(solver, monkeypatch):
    X, y = classes()
    stream = np.random.RandomState(0)
    before = state_of_stream(stream)
    net = L2NetClassifier((5,), solver=solver, max_iter=3, random_state=stream)
    with pytest.raises(ValueError, match="NaN"):
        net.fit(np.where(X > 0, np.nan, X), y)
    with monkeypatch.context() as patch:

        def failing(*args, **kwargs):
            raise MemoryError

        patch.setattr(Monitor, "finish", failing)
        with pytest.raises(MemoryError):
            net.fit(X, y)
    assert state_of_stream(stream) == before
    first = flat(fit(net, X, y)).copy()
    assert state_of_stream(stream) != before
    assert not np.array_equal(flat(fit(net, X, y)), first)
    np.testing.assert_array_equal(flat(fit(net.set_params(random_state=np.random.RandomState(0)), X, y)), first)


def test_without_a_seed_each_fit_has_random_numbers_of_its_own_from_numpys():
    X, y = classes()
    net = L2NetClassifier((5,), learning_rate="constant", max_iter=2)
    before = np.random.get_state()
    try:
        np.random.seed(0)
        fits = [flat(fit(net, X, y)).copy() for _ in range(2)]
        np.random.seed(0)
        again = [flat(fit(net, X, y)).copy() for _ in range(2)]
    finally:
        np.random.set_state(before)
    np.testing.assert_array_equal(fits, again)
    assert not np.array_equal(*fits)


def test_a_failed_fit_leaves_everything_as_it_was_and_a_successful_one_what_is_not_its_own():
    X, y = classes()
    net = fit(L2NetClassifier((5,), solver="sgd", max_iter=3, random_state=0), X, y)
    net._somebody_elses = token = object()  # as scikit-learn's callbacks keep their context on an estimator
    before = {**vars(net)}
    names = np.array(["a", "b"])[y % 2]
    with pytest.raises(ValueError, match="diverged"), pytest.warns(UserWarning, match="explodes"):
        net.set_params(learning_rate_init=1e300).fit(X[:, :2], names)
    net.set_params(learning_rate_init=0.001)
    assert vars(net).keys() == before.keys()
    assert all(vars(net)[name] is before[name] for name in before if name not in net.get_params())
    fit(net, X[:, :2], names)
    assert net._somebody_elses is token
    assert net.classes_.tolist() == ["a", "b"]


def test_the_package_works_without_scikit_learns_private_optimisers():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "name = 'sklearn.neural_network._stochastic_optimizers'\n"
        "import skl2net\n"
        "assert name not in sys.modules and 'torch' not in sys.modules\n"
        "sys.modules[name] = None\n"
        "skl2net.L2NetClassifier((3,), max_iter=2).fit([[0.0], [1.0]], [0, 1]).predict([[0.0]])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_the_report_knows_how_many_samples_early_stopping_leaves_for_an_update():
    X, y = classes(100)
    params = {"solver": "sgd", "early_stopping": True, "max_iter": 3, "random_state": 0}
    net = fit(L2NetClassifier((5,), l2_mode="penalty_per_sample", alpha=0.1, **params), X, y)
    report = net.l2_report()
    assert (report.n, report.n_total, report.updates_per_epoch) == (90, 90, 1)
    assert report.rule == f"w <- w - step(g + {0.1 / 90:.6g} * w)"
    same = fit(L2NetClassifier((5,), l2_mode="penalty", alpha=0.1, **params), X, y)
    assert same.to_sklearn().alpha == pytest.approx(9.0)


def test_curves_stay_aligned_when_early_stopping_is_switched_off_and_on():
    X, y = classes(100)
    net = L2NetClassifier((5,), warm_start=True, max_iter=4, random_state=0, batch_size=50)
    for early_stopping in (False, True, False, True):
        fit(net.set_params(early_stopping=early_stopping), X, y)
    assert len(net.loss_curve_) == len(net.validation_scores_) == len(net.validation_loss_curve_) == 16
    np.testing.assert_array_equal(np.isnan(net.validation_scores_), np.repeat([True, False, True, False], 4))


def test_a_stream_beside_others_that_draw_from_its_random_state_does_not_grow():
    X, y = classes(20)
    shared = np.random.RandomState(0)
    net = L2NetClassifier((5,), random_state=shared)
    sizes = []
    for _ in range(60):
        net.partial_fit(X, y, classes=[0, 1, 2])
        shared.normal()
        sizes.append(len(pickle.dumps(net)))
    assert sizes[-1] - sizes[9] <= 50 * 4 * 8  # the curves' own numbers


@pytest.mark.parametrize("scale", [1e308, 1e-310])
def test_sample_weights_whose_sum_is_out_of_range_are_refused_by_name(scale):
    X, y = classes(40)
    with (
        pytest.raises(ValueError, match=r"sample weights sum to .* out of the range of float64"),
        np.errstate(all="ignore"),
    ):
        L2NetClassifier((5,)).fit(X, y, sample_weight=np.full(40, scale))


def test_a_warning_that_is_an_error_leaves_the_estimator_as_it_was():
    X, y = classes(40)
    net = L2NetClassifier((5,), learning_rate="constant", max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            net.fit(X, y)
    assert not hasattr(net, "coefs_")
