"""Early stopping: a validation set that is passed to `fit`, and the score that is watched."""

import copy

import numpy as np
import pytest
import scipy.sparse as sp
from cases import classes, converging_or_not, fit, flat, regression
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import accuracy_score, d2_absolute_error_score, log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skl2net.estimators.base
from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, NodeSweepCV, ParticleSwarm

SMALL = {"hidden_layer_sizes": (5,), "early_stopping": True, "max_iter": 15, "random_state": 0}
BOTH = (L2NetClassifier, L2NetRegressor)
both = pytest.mark.parametrize("kind", BOTH)


def small(kind, **params):
    return kind(**SMALL | params)


def data(kind, n_rows=60, n_val=25, **options):
    """X, y, and a validation set for `fit`."""
    X, y = (classes if kind is L2NetClassifier else regression)(n_rows + n_val, **options)
    return X[:n_rows], y[:n_rows], {"X_val": X[n_rows:], "y_val": y[n_rows:]}


def own_loss(net, X, y, weight=None):
    """Loss of predictions, as scikit-learn computes it."""
    if isinstance(net, L2NetClassifier):
        return log_loss(y, net.predict_proba(X), sample_weight=weight, labels=net.classes_)
    return 0.5 * mean_squared_error(y, net.predict(X), sample_weight=weight)


# --- the validation set -----------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", ParticleSwarm(8)])
def test_the_weights_of_the_smallest_loss_on_the_given_data_are_kept(kind, solver, weighted):
    pytest.importorskip("sklearn.callback")
    X, y, validation = data(kind)
    weight = np.random.default_rng(0).uniform(0.1, 2, 25) if weighted else None
    losses = []

    class Validation:
        """The loss of what `fit` would keep after each iteration."""

        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            if context.task_name == "iteration":
                losses.append(own_loss(fitted_estimator, *validation.values(), weight))

    params = {"normalize_y": False} if kind is L2NetRegressor else {}
    params |= {"learning_rate": "constant", "learning_rate_init": 0.1, "batch_size": 5, "n_iter_no_change": np.inf}
    net = small(kind, solver=solver, max_iter=40, alpha=0.0, **params)
    fit(net.set_callbacks(Validation()), X, y, **validation, sample_weight_val=weight)
    np.testing.assert_allclose(losses, np.minimum.accumulate(net.validation_loss_curve_), rtol=1e-9)
    assert own_loss(net, *validation.values(), weight) == pytest.approx(-net.best_validation_score_, rel=1e-9)
    assert net.validation_scores_ == [-loss for loss in net.validation_loss_curve_]
    assert net.best_validation_score_ == max(net.validation_scores_)
    if not isinstance(solver, ParticleSwarm):
        assert net.validation_loss_curve_[-1] > min(net.validation_loss_curve_)


@both
@pytest.mark.parametrize("solver", ["sgd", "adam", "pso"])
def test_a_validation_set_changes_which_epoch_is_kept_and_nothing_else(kind, solver):
    X, y, validation = data(kind)
    poisoned = {"X_val": 100 * validation["X_val"], "y_val": np.roll(validation["y_val"], 1)}
    nets = [small(kind, solver=solver), small(kind, solver=solver), small(kind, solver=solver, early_stopping=False)]
    for net, passed in zip(nets, (validation, poisoned, {}), strict=True):
        fit(net.set_params(n_iter_no_change=np.inf), X, y, **passed)
        assert net.loss_curve_ == nets[0].loss_curve_
        assert net.t_ == nets[0].t_
        assert net.l2_report().n_total == 60
    assert nets[0].validation_loss_curve_ != nets[1].validation_loss_curve_


@pytest.mark.parametrize("scoring", [None, "score"])
@pytest.mark.parametrize("variant", ["dense", "csr", "float32", "weighted", "class weights", "two classes"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_same_rows_set_aside_or_passed_give_the_same_network(solver, variant, scoring):
    X, y = classes(60, n_classes=2 if variant == "two classes" else 3)
    X = {"csr": sp.csr_array(X), "float32": X.astype(np.float32)}.get(variant, X)
    weight = np.random.default_rng(0).uniform(0.1, 2, 60) if variant == "weighted" else None
    params = {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}} if variant == "class weights" else {}
    net = small(L2NetClassifier, solver=solver, shuffle=False, batch_size=10, scoring=scoring, **params)
    aside = fit(clone(net), X, y, sample_weight=weight)
    stream = np.random.RandomState(0)
    aside._network().initial_parameters(stream, np.float64)
    stratify = y if variant == "two classes" else None
    training, held_out = train_test_split(np.arange(60), test_size=0.1, random_state=stream, stratify=stratify)
    weights = {} if weight is None else {"sample_weight": weight[training], "sample_weight_val": weight[held_out]}
    passed = fit(net, X[training], y[training], X_val=X[held_out], y_val=y[held_out], **weights)
    for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_", "best_validation_score_", "n_iter_"):
        assert getattr(aside, name) == getattr(passed, name), name
    np.testing.assert_array_equal(flat(aside), flat(passed))


@both
def test_a_validation_set_is_taken_as_it_is_or_converted_to_the_dtype_of_the_training_data(kind, monkeypatch):
    plans = []
    run = skl2net.estimators.base.fit_network
    monkeypatch.setattr(
        skl2net.estimators.base, "fit_network", lambda plan, *rest: plans.append(plan) or run(plan, *rest)
    )
    X, y, validation = data(kind)
    X_val = validation.pop("X_val")
    as_it_is = fit(small(kind), X, y, X_val=X_val, **validation)
    assert plans[-1].early_stopping.validation.X is X_val
    assert plans[-1].problem.task.X is X
    of_csr = fit(small(kind), X, y, X_val=sp.csc_array(X_val), **validation)
    np.testing.assert_allclose(of_csr.validation_loss_curve_, as_it_is.validation_loss_curve_, rtol=1e-12)
    assert of_csr.loss_curve_ == as_it_is.loss_curve_
    converted = fit(small(kind), X.astype(np.float32), y, X_val=X_val, **validation)
    assert plans[-1].early_stopping.validation.X.dtype == np.float32
    assert converted.coefs_[0].dtype == np.float32
    np.testing.assert_allclose(converted.validation_loss_curve_, as_it_is.validation_loss_curve_, rtol=1e-3)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_validation_targets_have_the_scale_of_the_training_targets(n_outputs):
    X, y, validation = data(L2NetRegressor, n_outputs=n_outputs)
    net = fit(small(L2NetRegressor), X, y, **validation)
    scaled = fit(small(L2NetRegressor), X, 8 * y + 16, **validation | {"y_val": 8 * validation["y_val"] + 16})
    np.testing.assert_allclose(scaled.validation_loss_curve_, net.validation_loss_curve_, rtol=1e-9)
    residuals = (net.predict(validation["X_val"]) - validation["y_val"]) / y.std(axis=0)
    assert 0.5 * np.mean(residuals**2) * n_outputs == pytest.approx(min(net.validation_loss_curve_), rel=1e-9)


def test_balanced_classes_count_the_same_in_the_validation_loss():
    X, y, validation = data(L2NetClassifier)
    keep = np.flatnonzero((validation["y_val"] > 0) | (np.arange(25) < 6))
    validation = {name: values[keep] for name, values in validation.items()}
    net = fit(small(L2NetClassifier, class_weight="balanced"), X, y, **validation)
    counts = np.bincount(validation["y_val"])[validation["y_val"]]
    loss = own_loss(net, *validation.values(), 1 / counts)
    assert -net.best_validation_score_ == pytest.approx(loss, rel=1e-9)


@both
def test_a_warm_start_takes_a_validation_set_of_its_own(kind):
    X, y, validation = data(kind)
    net = small(kind, warm_start=True)
    for n in (15, 30):
        fit(net, X, y, **validation)
        assert len(net.validation_loss_curve_) == n
        assert net.best_validation_score_ == max(net.validation_scores_[-15:])


# --- what is refused --------------------------------------------------------------------------------------------------

X, Y, GOOD = data(L2NetClassifier)
X_VAL, Y_VAL = GOOD.values()
REFUSED = {
    "no targets": ({}, {"X_val": X_VAL}, "needs both X_val and y_val, got only X_val"),
    "no features": ({}, {"y_val": Y_VAL}, "needs both X_val and y_val, got only y_val"),
    "weights alone": ({}, {"sample_weight_val": np.ones(25)}, "got only sample_weight_val"),
    "not stopping": ({"early_stopping": False}, GOOD, "early_stopping=False. Set early_stopping=True"),
    "lbfgs": ({"solver": "lbfgs"}, GOOD, "solver='lbfgs' does not support. Set solver='adam'"),
    "unseen class": ({}, GOOD | {"y_val": Y_VAL + 1}, r"`y_val` has \[1 2 3\]"),
    "labels and indicators": ({}, GOOD | {"y_val": np.eye(3)[Y_VAL]}, "`y_val` has a label indicator matrix"),
    "other features": ({}, GOOD | {"X_val": X_VAL[:, :3]}, "X_val and y_val, .* 3 features"),
    "other rows": ({}, GOOD | {"y_val": Y_VAL[:5]}, "X_val and y_val, .* inconsistent numbers of samples"),
    "nan": ({}, GOOD | {"X_val": X_VAL * np.nan}, "X_val and y_val, .* NaN"),
    "negative weights": ({}, GOOD | {"sample_weight_val": -np.ones(25)}, "X_val and y_val, .* Negative values"),
    "scorer without weights": (
        {"scoring": make_scorer(lambda y, p: accuracy_score(y, p))},
        GOOD | {"sample_weight_val": np.ones(25)},
        "does not support sample_weight",
    ),
    "unknown score": ({"scoring": "loss"}, {}, "'scoring' parameter"),
    "metric, no scorer": ({"scoring": accuracy_score}, {}, "scoring"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_and_leaves_the_estimator_as_it_was(name):
    params, passed, message = REFUSED[name]
    net = fit(small(L2NetClassifier), X, Y).set_params(**params)
    before = copy.copy(vars(net))
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y, **passed)
    assert vars(net) == before


def test_targets_of_another_shape_are_refused():
    X, y, validation = data(L2NetRegressor)
    with pytest.raises(ValueError, match="`y_val` has 1 outputs, and `y` has 3"):
        small(L2NetRegressor).fit(X, np.c_[y, y, y], **validation)
    with pytest.raises(TypeError, match=r"X_val and y_val, .* Sparse targets"):
        small(L2NetRegressor).fit(X, y, X_val=X, y_val=sp.csr_array(y[:, np.newaxis]))
    indicators = np.eye(3, dtype=int)[Y]
    with pytest.raises(ValueError, match=r"classes not in .* \[0 1 2 3\]"):
        small(L2NetClassifier).fit(X, indicators, X_val=X, y_val=np.eye(4, dtype=int)[Y])
    net = L2NetClassifier((3,)).partial_fit(X, indicators, classes=range(3))
    with pytest.raises(ValueError, match="`y` has class labels, and the network has a label indicator matrix"):
        net.partial_fit(X, Y)


@both
def test_partial_fit_refers_to_a_callback(kind):
    with pytest.raises(ValueError, match="Set early_stopping=False and validate with a callback"):
        small(kind).partial_fit(X, Y)


# --- the score that is watched ----------------------------------------------------------------------------------------


def d2_with_weights(net, X, y, sample_weight=None):
    return d2_absolute_error_score(y, net.predict(X), sample_weight=sample_weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("passed", [False, True], ids=["set aside", "passed"])
@pytest.mark.parametrize(
    ("kind", "scoring", "same"),
    [
        (L2NetClassifier, "accuracy", "score"),
        (L2NetClassifier, "neg_log_loss", None),
        (L2NetRegressor, "r2", "score"),
        (L2NetRegressor, d2_with_weights, make_scorer(d2_absolute_error_score)),
    ],
)
def test_names_and_scorers_are_the_same_score(kind, scoring, same, passed, weighted):
    X, y, validation = data(kind, 80)
    weights = {"sample_weight": np.random.default_rng(0).uniform(0.1, 2, 80)} if weighted else {}
    if weighted and passed:
        validation["sample_weight_val"] = weights["sample_weight"][:25]
    nets = [
        fit(small(kind, scoring=each, validation_fraction=0.3), X, y, **weights, **(validation if passed else {}))
        for each in (scoring, same)
    ]
    np.testing.assert_allclose(nets[0].validation_scores_, nets[1].validation_scores_, rtol=1e-9, atol=1e-12)
    assert nets[0].best_validation_score_ == max(nets[0].validation_scores_)
    np.testing.assert_array_equal(flat(nets[0]), flat(nets[1]))


@both
def test_the_score_decides_what_is_kept(kind):
    X, y, validation = data(kind)
    scores = iter([0.0, 2.0, 1.0, 2.0, 0.0])
    net = fit(small(kind, scoring=lambda net, X, y: next(scores), max_iter=5), X, y, **validation)
    assert net.validation_scores_ == [0.0, 2.0, 1.0, 2.0, 0.0]
    assert net.best_validation_score_ == 2.0
    assert own_loss(net, *validation.values()) == pytest.approx(
        net.validation_loss_curve_[1] * (1 if kind is L2NetClassifier else y.var()), rel=1e-9
    )


# --- pipelines and searches -------------------------------------------------------------------------------------------


def test_a_pipeline_transforms_the_validation_set():
    X, y, validation = data(L2NetClassifier)
    X, X_val = 10 + 5 * X, 10 + 5 * validation["X_val"]
    with config_context(enable_metadata_routing=True):
        net = small(L2NetClassifier).set_fit_request(X_val=True, y_val=True)
        model = make_pipeline(StandardScaler(), net, transform_input=["X_val"])
        fit(model, X, y, X_val=X_val, y_val=validation["y_val"])
    scaler = StandardScaler().fit(X)
    expected = fit(
        small(L2NetClassifier), scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=validation["y_val"]
    )
    np.testing.assert_array_equal(flat(model[-1]), flat(expected))


@pytest.mark.parametrize("routing", [False, True])
def test_searches_pass_the_same_validation_set_to_each_fit(routing):
    X, y, validation = data(L2NetClassifier)
    validation["sample_weight_val"] = np.arange(1.0, 26.0)
    alphas = [0.1, 10.0]
    with config_context(enable_metadata_routing=routing), converging_or_not():
        net = small(L2NetClassifier)
        if routing:
            net.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        grid = GridSearchCV(net, {"alpha": alphas}, cv=3, scoring="accuracy").fit(X, y, **validation)
        sweep = NodeSweepCV(net, step=2, cv=3, max_units=8).fit(X, y, **validation)
        found = small(L2NetClassifierCV, alphas=alphas, cv=3, scoring="accuracy").fit(X, y, **validation)
    expected = np.array([grid.cv_results_[f"split{i}_test_score"] for i in range(3)]).T
    np.testing.assert_array_equal(found.scores_, expected)
    for net in (grid.best_estimator_, sweep.best_estimator_, found):
        loss = own_loss(net, *validation.values())
        assert loss == pytest.approx(min(net.validation_loss_curve_), rel=1e-9)
    assert (found.scoring, found.best_estimator_.scoring) == ("accuracy", None)


def test_a_search_takes_a_validation_set_of_as_many_rows_for_a_property_of_the_samples():
    X, y, validation = data(L2NetClassifier, 60, 60)
    with converging_or_not():
        found = small(L2NetClassifierCV, alphas=[1.0], cv=KFold(2)).fit(X, y, **validation)
    parts = {name: values[30:] for name, values in validation.items()}
    first = fit(small(L2NetClassifier, alpha=1.0), X[30:], y[30:], **parts)
    assert found.scores_[0, 0] == pytest.approx(-own_loss(first, X[:30], y[:30]), rel=1e-12)


def test_callbacks_of_scikit_learn_score_the_training_data():
    callback = pytest.importorskip("sklearn.callback")
    X, y, validation = data(L2NetClassifier)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    net = fit(small(L2NetClassifier).set_callbacks(monitor), X, y, **validation)
    assert monitor.get_logs().data[0]["accuracy"] == net.score(X, y)
