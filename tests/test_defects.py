"""Where scikit-learn's MLP is wrong or leaves a question open, a test named after the defect shows what is right.

The second half does the same for the defects of skl2net's first release.
"""

import numpy as np
import pytest
from cases import OUTPUT_LOSSES, classes, distance, fit, flat, make_case, regression
from sklearn.base import clone
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.engines import default_engine
from skl2net.l2 import MODES, L2Rule
from skl2net.problem import Problem


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
    _, gradient = problem.objective_and_gradient(case.parameters)
    direction = gradient / np.linalg.norm(gradient)
    h = 1e-6
    ahead, behind = (problem.objective_and_gradient(case.parameters + s * h * direction)[0] for s in (1, -1))
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
    params = {"solver": solver, "l2_mode": "penalty", "batch_size": 16, "random_state": 1000}
    params |= {"n_iter_no_change": np.inf}
    whole = fit(L2NetClassifier((5,), max_iter=12, **params), X, y)
    parts = L2NetClassifier((5,), **params)
    for _ in range(12):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(flat(parts), flat(whole))
    mixed = fit(L2NetClassifier((5,), max_iter=6, **params), X, y)
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
    net = fit(estimator((5,), solver=solver, max_iter=7, random_state=0), X, y)
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
    value, gradient = default_engine().loss_and_gradient(case.task, case.parameters)
    assert value > -np.log(np.finfo(float).eps)
    assert np.abs(gradient).max() > 0.1
