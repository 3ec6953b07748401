"""The estimators in scikit-learn's world: its checks, its tools, and what interruptions and failures leave behind."""

import copy
import pickle
import signal
from io import BytesIO

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from cases import SOLVER_MODES, classes, converging_or_not, fit, flat, iterating_method, regression
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.estimators.regressor import _r2
from skl2net.solvers.stopping import Progress

ESTIMATORS = (L2NetClassifier, L2NetRegressor)
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
each_solver = pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
with_updates = pytest.mark.parametrize("solver", ["sgd", "adam"])


# the checks compare L-BFGS runs whose data differ by rounding, which each step multiplies: 20 steps are few enough;
# they give decays an alpha of 0.01, which is more than a learning rate of 0.001 can train against, and outputs that are
# not scaled, on which relu units diverge at a larger one
QUICK = {
    "lbfgs": {"max_iter": 20},
    "sgd": {"max_iter": 60, "learning_rate_init": 0.01, "activation": "tanh"},
    "adam": {"max_iter": 60},
}


@parametrize_with_checks(
    [
        *(estimator(solver=s, l2_mode=m, **QUICK[s]) for estimator in ESTIMATORS for s, m in SOLVER_MODES),
        *(estimator() for estimator in ESTIMATORS),
        # saturates the probabilities of multilabel targets
        L2NetClassifier(solver="lbfgs", l2_mode="penalty", alpha=1e-4, max_iter=200),
        L2NetClassifier(solver="lbfgs", loss="squared_error", class_weight="balanced", max_iter=40),
    ]
)
def test_estimator_checks_of_scikit_learn(estimator, check):
    check(estimator)


def small(estimator, **params):
    """An estimator that fits at once."""
    return estimator(**{"hidden_layer_sizes": (5, 3), "max_iter": 5, "random_state": 0, "batch_size": 16, **params})


def outputs(net, X):
    """Whatever a network predicts, as finely as it can."""
    return net.predict_proba(X) if isinstance(net, L2NetClassifier) else net.predict(X)


# --- copies -----------------------------------------------------------------------------------------------------------


def through_pickle(net):
    return pickle.loads(pickle.dumps(net))


def through_joblib(net):
    buffer = BytesIO()
    joblib.dump(net, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


COPIES = [through_pickle, through_joblib, copy.copy, copy.deepcopy]
each_copy = pytest.mark.parametrize("copied", COPIES, ids=lambda function: function.__name__)


@each_copy
@each_solver
@each_estimator
@pytest.mark.parametrize("sizes", [(), (5, 3)], ids=str)
def test_copies_predict_the_same_and_their_arrays_are_views_of_one(estimator, solver, copied, sizes):
    X, y = classes()
    net = fit(small(estimator, solver=solver, hidden_layer_sizes=sizes), X, y)
    other = copied(net)
    np.testing.assert_array_equal(outputs(other, X), outputs(net, X))
    np.testing.assert_array_equal(flat(other), flat(net))
    for each in (net, other):
        bases = {id(array.base) for array in (*each.coefs_, *each.intercepts_)}
        assert len(bases) == 1
        assert each.coefs_[0].base is not None
    assert str(other.l2_report()) == str(net.l2_report())


@each_copy
@with_updates
@pytest.mark.parametrize("random_state", [0, 1000, np.random.RandomState(0)], ids=["0", "1000", "RandomState"])
def test_a_copy_goes_on_where_the_original_was(solver, copied, random_state):
    X, y = classes()
    net = small(L2NetClassifier, solver=solver, learning_rate="constant", warm_start=True)
    other = copied(fit(net.set_params(random_state=copy.deepcopy(random_state)), X, y))
    whole = small(L2NetClassifier, solver=solver, learning_rate="constant", max_iter=10)
    whole.set_params(random_state=copy.deepcopy(random_state))
    np.testing.assert_array_equal(flat(fit(other, X, y)), flat(fit(whole, X, y)))


@each_copy
@with_updates
@pytest.mark.parametrize("between", ["validation set", "another seed", "a shared stream"])
def test_a_copy_goes_on_although_others_drew_from_the_stream_between_fits(solver, copied, between):
    X, y = classes(1000)  # more rows than numbers in the state of a stream: the order is drawn again
    stream = np.random.RandomState(0) if between == "a shared stream" else 0
    params = {"solver": solver, "max_iter": 2, "early_stopping": between == "validation set", "random_state": stream}
    net = fit(small(L2NetClassifier, warm_start=True, **params), X, y)
    if between == "another seed":
        net.set_params(random_state=5)
    elif between == "a shared stream":
        stream.normal(size=3)
    fit(net, X, y)
    other, before = copied(net), copy.deepcopy(stream)
    expected = flat(fit(other, X, y))
    if between == "a shared stream":  # a shallow copy draws from the same one
        stream.set_state(before.get_state())
    np.testing.assert_array_equal(flat(fit(net, X, y)), expected)


def test_a_stream_after_early_stopping_is_watched_by_its_loss():
    X, y = classes(80)
    net = fit(small(L2NetClassifier, early_stopping=True), X, y)
    net.set_params(early_stopping=False).partial_fit(X, y)
    assert net.best_validation_score_ is None
    assert net.validation_scores_ is None
    assert net.best_loss_ == net.loss_


def test_a_deep_copy_is_independent():
    X, y = classes()
    net = fit(small(L2NetClassifier, warm_start=True), X, y)
    before = flat(net).copy()
    other = copy.deepcopy(net)
    other.coefs_[0][...] = 0
    fit(other, X, y)
    np.testing.assert_array_equal(flat(net), before)


def test_edited_weights_are_those_that_predict():
    X, y = classes()
    net = fit(small(L2NetClassifier), X, y)
    expected = net.predict_proba(X)
    for coef, intercept in zip(net.coefs_, net.intercepts_, strict=True):
        coef[...] = 0  # in place
        intercept[...] = 0
    np.testing.assert_allclose(net.predict_proba(X), 1 / 3, rtol=1e-15)
    other = fit(small(L2NetClassifier), X, y)
    net.coefs_, net.intercepts_ = [c.copy() for c in other.coefs_], [b.copy() for b in other.intercepts_]  # exchanged
    np.testing.assert_array_equal(net.predict_proba(X), expected)


def test_a_clone_has_the_parameters_and_nothing_else():
    X, y = classes()
    net = fit(small(L2NetClassifier, alpha=[0.1, 0.2, 0.3], l2_mode="decoupled", class_weight={0: 2.0}), X, y)
    other = clone(net)
    assert other.get_params() == net.get_params()
    with pytest.raises(NotFittedError):
        other.predict(X)
    with pytest.raises(NotFittedError):
        other.l2_report()
    np.testing.assert_array_equal(flat(fit(other, X, y)), flat(net))


# --- scikit-learn's tools ---------------------------------------------------------------------------------------------


def test_grid_search_in_two_processes(engine_of_workers):
    X, y = classes()
    grid = {"l2net__l2_mode": ["penalty", "decoupled"], "l2net__alpha": [1e-4, 1e-2]}
    pipeline = make_pipeline(StandardScaler(), small(L2NetClassifier, max_iter=30, learning_rate_init=0.05))
    pipeline.steps[-1] = ("l2net", pipeline.steps[-1][1])
    with converging_or_not():
        searches = [GridSearchCV(pipeline, grid, cv=2, n_jobs=n).fit(X, y) for n in (1, 2)]
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(*(search.cv_results_[name] for search in searches))
    assert searches[0].best_score_ > 0.5
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(searches[1])).predict_proba(X), searches[0].predict_proba(X)
    )


@each_solver
@each_estimator
def test_same_bits_whatever_n_jobs(estimator, solver, engine_of_workers):
    X, y = classes(200, n_features=30)
    net = small(estimator, solver=solver, hidden_layer_sizes=(40,))
    runs = []
    for n_jobs in (1, 2):
        with joblib.parallel_config("loky", inner_max_num_threads=1), converging_or_not():
            runs.append(cross_validate(net, X, y, cv=2, n_jobs=n_jobs, return_estimator=True)["estimator"])
    for u, v in zip(*runs, strict=True):
        assert flat(u).tobytes() == flat(v).tobytes()
        assert u.loss_curve_ == v.loss_curve_


@each_solver
@each_estimator
def test_same_bits_in_threads(estimator, solver):
    X, y = classes(200, n_features=30)
    alone = flat(fit(small(estimator, solver=solver, hidden_layer_sizes=(40,)), X, y)).tobytes()
    nets = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(fit)(small(estimator, solver=solver, hidden_layer_sizes=(40,)), X, y) for _ in range(4)
    )
    assert {flat(net).tobytes() for net in nets} == {alone}


def test_cross_val_score_of_both_estimators():
    params = {"solver": "lbfgs", "alpha": 0.1, "max_iter": 200}
    X, y = classes(90)
    assert cross_val_score(small(L2NetClassifier, **params), X, y).mean() > 0.5
    X, y = regression(90)
    assert cross_val_score(small(L2NetRegressor, **params), X, y).mean() > 0.5


def test_calibrated_classifier():
    X, y = classes(90)
    calibrated = CalibratedClassifierCV(small(L2NetClassifier, solver="lbfgs", max_iter=50, alpha=0.1), cv=3)
    with converging_or_not():
        calibrated.fit(X, y, sample_weight=np.linspace(0.5, 1.5, 90))
    assert calibrated.score(X, y) > 0.6
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_ada_boost_passes_sample_weights(solver):
    X, y = classes(90)
    # its weights sum to 1, which "prior" takes for a single sample
    params = {"l2_mode": "penalty", "alpha": 1e-4, "max_iter": 100, "learning_rate_init": 0.05}
    base = small(L2NetClassifier, solver=solver, hidden_layer_sizes=(2,), **params)
    with converging_or_not():
        boosted = AdaBoostClassifier(base, n_estimators=5, random_state=0).fit(X, y)
    assert len(boosted.estimators_) > 1
    assert not np.array_equal(flat(boosted.estimators_[0]), flat(boosted.estimators_[1]))
    assert boosted.score(X, y) > 0.6


@with_updates
def test_penalty_does_not_depend_on_the_scale_of_the_weights_and_per_sample_does(solver):
    X, y = classes()
    nets = {}
    for mode in ("penalty", "penalty_per_sample"):
        for scale in (1.0, 1 / 64):  # a power of two rounds nothing
            net = small(L2NetClassifier, solver=solver, l2_mode=mode, alpha=0.1)
            nets[mode, scale] = fit(net, X, y, sample_weight=np.full(len(X), scale))
    np.testing.assert_array_equal(flat(nets["penalty", 1.0]), flat(nets["penalty", 1 / 64]))
    norms = [nets["penalty_per_sample", scale].weight_norm_curve_[-1] for scale in (1.0, 1 / 64)]
    assert norms[1] < norms[0]


@each_estimator
def test_metadata_routing(estimator):
    X, y = classes()
    weight = np.random.default_rng(0).uniform(0, 2, len(X))
    expected = flat(fit(small(estimator), X, y, sample_weight=weight))
    with sklearn.config_context(enable_metadata_routing=True), converging_or_not():
        net = small(estimator).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(net, {"alpha": [5.0]}, cv=2).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(flat(search.best_estimator_), expected)
        pipeline = make_pipeline(
            StandardScaler(with_mean=False, with_std=False).set_fit_request(sample_weight=False), net
        )
        np.testing.assert_array_equal(flat(pipeline.fit(X, y, sample_weight=weight)[-1]), expected)
        assert small(estimator).set_partial_fit_request(sample_weight=True).get_metadata_routing() is not None


@pytest.mark.parametrize("library", ["pandas", "polars"])
@each_estimator
def test_frames_and_the_names_of_their_columns(estimator, library):
    frame = pytest.importorskip(library).DataFrame
    X, y = classes(n_features=3)
    names = ["height", "width", "weight"]
    named = frame(dict(zip(names, X.T, strict=True)))
    net = fit(small(estimator), named, y)
    assert net.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(flat(net), flat(fit(small(estimator), X, y)))
    np.testing.assert_array_equal(outputs(net, named), outputs(fit(small(estimator), X, y), X))
    with pytest.raises(ValueError, match="feature names"):
        net.predict(frame(dict(zip(["height", "weight", "width"], X.T, strict=True))))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        net.predict(X)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_targets_may_be_series_of_strings(library):
    X, y = classes()
    names = np.array(["ash", "beech", "cedar"])[y]
    net = fit(small(L2NetClassifier), X, pytest.importorskip(library).Series(names))
    assert net.classes_.tolist() == ["ash", "beech", "cedar"]
    np.testing.assert_array_equal(flat(net), flat(fit(small(L2NetClassifier), X, y)))
    assert set(net.predict(X)) <= set(names)


@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array, sp.coo_matrix])
@each_solver
@each_estimator
def test_sparse_input_is_dense_input(estimator, solver, container):
    X, y = classes()
    X = np.where(np.abs(X) > 0.5, X, 0)
    dense, sparse = (fit(small(estimator, solver=solver), data, y) for data in (X, container(X)))
    # products with zero are left out: the same numbers, added in another order
    np.testing.assert_allclose(flat(sparse), flat(dense), rtol=0, atol=1e-10)
    np.testing.assert_allclose(outputs(dense, container(X)), outputs(dense, X), rtol=0, atol=1e-13)


@each_estimator
def test_input_of_other_layouts_and_types_is_the_same_input(estimator):
    X, y = classes()
    X = np.round(X)
    expected = flat(fit(small(estimator), X, y))
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X.astype(np.int64), X.tolist()):
        np.testing.assert_array_equal(flat(fit(small(estimator), other, y)), expected)


# --- what is predicted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_probabilities_logits_and_classes_agree(loss, n_classes):
    X, y = classes(n_classes=n_classes)
    params = {"learning_rate": "constant", "learning_rate_init": 0.05, "max_iter": 50, "alpha": 1.0}
    net = fit(small(L2NetClassifier, loss=loss, **params), X, y)
    P, logits = net.predict_proba(X), net.decision_function(X)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(net.predict(X), net.classes_[P.argmax(axis=1)])
    np.testing.assert_allclose(np.exp(net.predict_log_proba(X)), P, rtol=1e-14)
    # the smaller of two probabilities that add up to one is known to about eps; where both are, their logit is
    known = P.min(axis=1) > 10 * np.finfo(float).eps
    assert known.any()
    expected = logits if n_classes == 2 else logits[:, 1] - logits[:, 0]
    difference = np.log(P[:, 1] / P[:, 0]) - expected
    assert np.all(np.abs(difference) <= 10 * np.finfo(float).eps / P.min(axis=1), where=known)
    assert net.score(X, y) == accuracy_score(y, net.predict(X)) > 1 / n_classes


def test_multilabel_targets_are_predicted_label_by_label():
    X, y = classes(90)
    Y = np.eye(3, dtype=int)[y] | (X[:, :3] > 0.5)
    net = fit(small(L2NetClassifier, solver="lbfgs", alpha=1.0, max_iter=200), X, Y)
    np.testing.assert_array_equal(net.predict(X), net.predict_proba(X) > 0.5)
    assert net.out_activation_ == "logistic"
    assert net.score(X, Y) > 0.6


def test_poisson_predictions_are_positive_and_their_mean_is_that_of_the_target():
    # the derivative of the loss by the last bias is mean(prediction - target), zero at the optimum
    X, _ = regression()
    y = np.random.default_rng(0).poisson(np.exp(X[:, 0])).astype(float)
    net = small(L2NetRegressor, loss="poisson", activation="tanh", solver="lbfgs", alpha=0.1, tol=1e-8, max_iter=2000)
    net.fit(X, y)
    assert np.all(net.predict(X) > 0)
    assert net.predict(X).mean() == pytest.approx(y.mean(), rel=1e-5)


@pytest.mark.filterwarnings("ignore:MLPClassifier makes the same predictions")
def test_what_is_set_after_a_fit_does_not_change_its_predictions():
    X, y = classes()
    net = fit(small(L2NetClassifier, activation="tanh"), X, y)
    P = net.predict_proba(X)
    net.set_params(activation="relu", loss="squared_error", hidden_layer_sizes=(9,))
    np.testing.assert_array_equal(net.predict_proba(X), P)
    np.testing.assert_array_equal(through_pickle(net).predict_proba(X), P)
    net.set_params(loss="log_loss", hidden_layer_sizes=(5, 3))
    np.testing.assert_allclose(net.to_sklearn().predict_proba(X), P, rtol=1e-9)
    again = fit(net.set_params(hidden_layer_sizes=(5, 3), loss="log_loss"), X, y)
    assert not np.array_equal(again.predict_proba(X), P)


# --- early stopping, schedules, warm starts ---------------------------------------------------------------------------


@with_updates
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("schedule", ["constant", "adaptive", "invscaling"])
@pytest.mark.parametrize(("n_iter_no_change", "max_iter"), [(1, 300), (7, 300), (np.inf, 25)])
@pytest.mark.parametrize("early_stopping", [False, True], ids=["on all rows", "early stopping"])
def test_epochs_in_one_go_are_epochs_one_by_one(
    solver, schedule, weighted, n_iter_no_change, max_iter, early_stopping, iterations_per_call
):
    X, y = classes()
    weight = np.arange(1.0, 61.0) if weighted else None
    params = {"n_iter_no_change": n_iter_no_change, "max_iter": max_iter, "tol": 1e-3, "learning_rate": schedule}
    params["early_stopping"] = early_stopping
    net = small(L2NetClassifier, solver=solver, learning_rate_init=0.05, l2_mode="penalty_per_sample", **params)
    nets = []
    for n in (1, 2, 50):
        iterations_per_call(n)
        nets.append(fit(clone(net), X, y, sample_weight=weight))
    for other in nets[1:]:
        np.testing.assert_array_equal(flat(nets[0]), flat(other))
        of_validation = ("validation_scores_", "validation_loss_curve_", "best_validation_score_")
        of_training = ("loss_curve_", "data_loss_curve_", "weight_norm_curve_", "n_iter_", "t_", "best_loss_")
        for name in of_training + of_validation:
            assert getattr(nets[0], name) == getattr(other, name), name
    # the random stream goes on from the same place too
    for net in nets:
        fit(net.set_params(warm_start=True, max_iter=3), X, y, sample_weight=weight)
    for other in nets[1:]:
        np.testing.assert_array_equal(flat(nets[0]), flat(other))


@with_updates
@each_estimator
def test_early_stopping_keeps_the_weights_of_the_best_score(estimator, solver):
    X, y = classes(80) if estimator is L2NetClassifier else regression(80)
    params = {"early_stopping": True, "max_iter": 40, "solver": solver, "learning_rate_init": 0.05, "tol": 0.0}
    params["learning_rate"] = "constant"
    net = fit(small(estimator, **params, n_iter_no_change=40), X, y)
    best = int(np.argmax(net.validation_scores_))
    assert net.best_validation_score_ == max(net.validation_scores_)
    shorter = fit(small(estimator, **{**params, "max_iter": best + 1}, n_iter_no_change=40), X, y)
    np.testing.assert_array_equal(flat(net), flat(shorter))
    stopped = fit(small(estimator, **{**params, "max_iter": 500, "tol": 1e-9}, n_iter_no_change=3), X, y)
    # it stops at the fourth iteration in a row without a better score
    assert len(stopped.validation_scores_) - 1 - int(np.argmax(stopped.validation_scores_)) == 4
    assert stopped.n_iter_ < 500
    assert stopped.best_loss_ is None


@pytest.mark.filterwarnings("ignore:The penalty")
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_divergence_in_one_go_is_that_of_its_epoch(shuffle, iterations_per_call):
    # the penalty makes each weight 49 times larger in every update, until they overflow
    X, y = classes(60)
    params = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1e-3, "l2_mode": "penalty", "alpha": 5e4}
    params |= {"early_stopping": True, "n_iter_no_change": np.inf, "max_iter": 500, "shuffle": shuffle}
    params["learning_rate"] = "constant"
    nets, messages = [], []
    for n in (1, 50):
        iterations_per_call(n)
        net = small(L2NetClassifier, **params)
        with pytest.warns(UserWarning, match="validation score are kept") as warned, np.errstate(all="ignore"):
            nets.append(net.fit(X, y))
        messages.append([str(warning.message) for warning in warned if "diverged" in str(warning.message)])
    assert nets[0].n_iter_ % 50 not in (0, 49)
    assert messages[0] == messages[1]
    np.testing.assert_array_equal(flat(nets[0]), flat(nets[1]))
    for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_", "n_iter_", "t_"):
        np.testing.assert_array_equal(getattr(nets[0], name), getattr(nets[1], name))
    streams = [net._training_state.random_state.get_state()[1:3] for net in nets]
    np.testing.assert_array_equal(streams[0][0], streams[1][0])
    assert streams[0][1] == streams[1][1]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["one output", "three outputs", "constant", "constant and met", "met"])
def test_validation_scores_of_regressors_have_the_bits_of_scikit_learn(kind, dtype, weighted):
    rng = np.random.default_rng(0)
    for _ in range(20):
        n_rows = int(rng.integers(2, 300))
        Y = rng.normal(size=(n_rows, 1 if kind == "one output" else 3)).astype(dtype)
        outputs = (Y + rng.normal(size=Y.shape)).astype(dtype)
        if kind.startswith("constant"):
            Y[:, 0] = 2
        if kind.endswith("met"):
            outputs[:, 0] = Y[:, 0]
        weight = rng.uniform(0.1, 2, n_rows).astype(dtype) if weighted else None
        assert _r2(Y, outputs, weight) == r2_score(Y, outputs, sample_weight=weight)


def test_training_stops_when_the_loss_rests():
    X, y = classes()
    params = {"learning_rate": "constant", "learning_rate_init": 1e-12, "max_iter": 100}
    net = small(L2NetClassifier, n_iter_no_change=4, **params).fit(X, y)
    # the first iteration improves on nothing, the five after it do not improve: one more than is borne
    assert net.n_iter_ == 1 + 4 + 1
    with pytest.warns(ConvergenceWarning, match=r"max_iter=100\) reached"):
        small(L2NetClassifier, n_iter_no_change=np.inf, **params).fit(X, y)


def test_lbfgs_knows_no_early_stopping():
    X, y = classes()
    net = fit(small(L2NetClassifier, solver="lbfgs", early_stopping=True), X, y)
    np.testing.assert_array_equal(flat(net), flat(fit(small(L2NetClassifier, solver="lbfgs"), X, y)))
    assert net.validation_scores_ is None
    assert net.best_validation_score_ is None


def test_max_fun_limits_the_evaluations_of_lbfgs():
    X, y = classes()
    with pytest.warns(ConvergenceWarning, match=r"max_fun \(now 4\)"):
        net = small(L2NetClassifier, solver="lbfgs", max_iter=100, max_fun=4).fit(X, y)
    assert net.n_iter_ <= 4


@each_solver
def test_verbose_prints_each_iteration(solver, capsys):
    X, y = classes()
    net = fit(small(L2NetClassifier, solver=solver, verbose=True), X, y)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Iteration ")]
    assert lines == [f"Iteration {i}, loss = {loss:.8f}" for i, loss in enumerate(net.loss_curve_, start=1)]


@each_solver
def test_warm_start_goes_on_from_the_weights(solver):
    X, y = classes()
    net = fit(small(L2NetClassifier, solver=solver, warm_start=True), X, y)
    loss, n_iterations = net.loss_, len(net.loss_curve_)
    fit(net, X, y)
    assert net.loss_ < loss
    assert len(net.loss_curve_) == n_iterations + net.n_iter_
    other = fit(small(L2NetClassifier, solver=solver), X, y)
    np.testing.assert_array_equal(flat(fit(other, X, y)), flat(fit(small(L2NetClassifier, solver=solver), X, y)))


def test_warm_start_may_change_the_solver():
    X, y = classes()
    net = fit(small(L2NetClassifier, warm_start=True, solver="sgd"), X, y)
    for solver in ("adam", "lbfgs", "sgd"):
        loss = net.data_loss_
        fit(net.set_params(solver=solver), X, y)
        assert net.data_loss_ < loss


def test_warm_start_may_change_the_precision_and_the_rows():
    X, y = classes()
    net = fit(small(L2NetClassifier, warm_start=True), X, y)
    fit(net, X[:40].astype(np.float32), y[:40])
    assert all(array.dtype == np.float32 for array in net.coefs_)
    assert np.isfinite(flat(net)).all()


def test_partial_fit_takes_rows_piece_by_piece():
    X, y = classes(90)
    net = small(L2NetClassifier, solver="sgd", learning_rate_init=0.02)
    for _ in range(20):
        for rows in np.split(np.arange(90), 3):
            net.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert net.score(X, y) > 0.6
    assert net.t_ == 20 * 90
    assert net.n_iter_ == 1


def test_partial_fit_is_there_only_where_there_are_updates():
    for estimator in ESTIMATORS:
        assert hasattr(estimator(solver="sgd"), "partial_fit")
        assert not hasattr(estimator(solver="lbfgs"), "partial_fit")
        with pytest.raises(AttributeError, match="partial_fit"):
            estimator(solver="lbfgs").partial_fit([[0.0]], [0])


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs", "pso"])
@each_estimator
@pytest.mark.parametrize("n_finished", [2, 6])
def test_an_interrupted_fit_keeps_the_last_finished_iteration_and_a_warm_start_goes_on(
    estimator, solver, n_finished, failing_engine, iterations_per_call
):
    iterations_per_call(2)
    X, y = classes()
    params = {"solver": solver, "learning_rate": "constant"}
    whole = fit(small(estimator, max_iter=10, **params), X, y)
    expected = fit(small(estimator, max_iter=n_finished, **params), X, y)
    failing_engine(iterating_method(solver), n_finished // 2 + 1)
    net = small(estimator, max_iter=10, warm_start=True, **params)
    with pytest.warns(UserWarning, match=f"interrupted by user: the weights of iteration {n_finished} are kept"):
        net.fit(X, y)
    np.testing.assert_array_equal(flat(net), flat(expected))
    assert net.n_iter_ == n_finished
    for name in ("loss_curve_", "data_loss_curve_", "weight_norm_curve_", "loss_", "data_loss_", "best_loss_", "t_"):
        assert getattr(net, name) == getattr(expected, name), name
    if solver != "lbfgs":  # which rebuilds its approximation of the curvature
        fit(net.set_params(max_iter=10 - n_finished), X, y)
        np.testing.assert_array_equal(flat(net), flat(whole))
        assert net.loss_curve_ == whole.loss_curve_


@pytest.mark.parametrize("solver", ["sgd", "adam", "pso"])
def test_an_interruption_while_iterations_are_recorded_takes_all_of_one_call_back(
    solver, monkeypatch, iterations_per_call
):
    X, y = classes()
    iterations_per_call(3)
    expected = fit(small(L2NetClassifier, solver=solver, learning_rate="constant", max_iter=3), X, y)
    after_loss, n_calls = Progress.after_loss, 0

    def interrupted(*args):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 3 + 2:
            raise KeyboardInterrupt
        return after_loss(*args)

    monkeypatch.setattr(Progress, "after_loss", interrupted)
    with pytest.warns(UserWarning, match="interrupted by user: the weights of iteration 3 are kept"):
        net = small(L2NetClassifier, solver=solver, learning_rate="constant", max_iter=9).fit(X, y)
    np.testing.assert_array_equal(flat(net), flat(expected))
    for name in (
        "n_iter_",
        "loss_curve_",
        "data_loss_curve_",
        "weight_norm_curve_",
        "loss_",
        "data_loss_",
        "best_loss_",
        "t_",
    ):
        assert getattr(net, name) == getattr(expected, name), name


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs", "pso"])
def test_an_interruption_before_the_first_iteration_is_finished_changes_nothing(solver, failing_engine):
    X, y = classes()
    net = fit(small(L2NetClassifier, solver=solver), X, y)
    before = joblib.hash(vars(net))
    failing_engine(iterating_method(solver), 1)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y)
    assert joblib.hash(vars(net)) == before


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
def test_an_interruption_is_heard_within_a_long_epoch():
    # one epoch is one call of the engine, of about a second; Ctrl-C comes early in it
    X, y = np.random.default_rng(0).normal(size=(12000, 800)).astype(np.float32), np.arange(12000) % 2
    net = L2NetClassifier((1500,), max_iter=1, batch_size=200, random_state=0)
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert not hasattr(net, "coefs_")


def test_an_interruption_under_early_stopping_keeps_the_best_weights(failing_engine, iterations_per_call):
    iterations_per_call(2)
    X, y = classes(80)
    params = {"early_stopping": True, "learning_rate": "constant", "learning_rate_init": 0.05}
    expected = fit(small(L2NetClassifier, max_iter=6, **params), X, y)
    failing_engine("run_updates", 4)
    with pytest.warns(UserWarning, match="interrupted"):
        net = small(L2NetClassifier, max_iter=20, **params).fit(X, y)
    np.testing.assert_array_equal(flat(net), flat(expected))
    assert net.validation_scores_ == expected.validation_scores_
