"""Fitted networks from and to scikit-learn and PyTorch."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from cases import fit
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.l2 import PENALTIES

# Rounding of two dozen updates in float64.
SAME = 1e-9

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
TARGETS = {
    "multiclass": np.array(["a", "b", "c"])[RNG.permutation(np.arange(N) % 3)],
    "binary": (X[:, 0] > 0).astype(int) + 3,
    "multilabel": (X[:, :3] + RNG.normal(size=(N, 3)) > 0).astype(int),
    "one output": X[:, 0] + RNG.normal(size=N),
    "two outputs": X[:, :2] + RNG.normal(size=(N, 2)),
    "poisson": RNG.poisson(2.0, size=N).astype(float),
}
CLASSES = ("multiclass", "binary", "multilabel")
SOLVERS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.6},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.05, "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate_init": 0.05, "learning_rate": "adaptive", "tol": 10.0},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "lbfgs": {"solver": "lbfgs"},
}
names_of_classes = pytest.param(
    "multiclass",
    marks=pytest.mark.skipif(
        parse_version(sklearn.__version__) < parse_version("1.9"),
        reason="scikit-learn's own MLPClassifier cannot stop early on names of classes: its issue 33760",
    ),
)


def pair(task):
    """Our class and scikit-learn's, and what both take for this target."""
    ours, theirs = (L2NetClassifier, MLPClassifier) if task in CLASSES else (L2NetRegressor, MLPRegressor)
    return ours, theirs, {"loss": "poisson"} if task == "poisson" else {}


def fitted(kind, task, run, **parameters):
    settings = {"hidden_layer_sizes": (5,), "activation": "tanh", "batch_size": 20, "shuffle": False, "max_iter": 25}
    settings |= {"n_iter_no_change": 2, "random_state": 0, "learning_rate": "constant"}
    if kind is L2NetRegressor:
        settings["normalize_y"] = False
    settings |= {**SOLVERS[run], **parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind(**settings).fit(X, TARGETS[task])


def outputs(net):
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


def assert_same_outputs(a, b):
    np.testing.assert_allclose(outputs(a), outputs(b), rtol=1e-9, atol=1e-12)
    if hasattr(a, "classes_"):
        np.testing.assert_array_equal(a.predict(X), b.predict(X))


def assert_go_on_alike(a, b, task, n_passes=8):
    for _ in range(n_passes):
        a.partial_fit(X, TARGETS[task])
        b.partial_fit(X, TARGETS[task])
    for coef, other in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_allclose(coef, other, rtol=SAME, atol=SAME)


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_from_sklearn_predicts_the_same_and_goes_on_along_the_same_trajectory(task, solver):
    ours, theirs, extra = pair(task)
    mlp = fitted(theirs, task, solver, alpha=0.5, **extra)
    net = ours.from_sklearn(mlp)
    assert net.l2_mode == "penalty_per_sample"
    assert net.alpha == 0.5
    assert_same_outputs(net, mlp)
    assert (net.n_iter_, net.out_activation_, net.n_layers_) == (mlp.n_iter_, mlp.out_activation_, mlp.n_layers_)
    if solver != "lbfgs":
        assert net.loss_curve_ == mlp.loss_curve_
        assert_go_on_alike(net, mlp, task)


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("l2_mode", PENALTIES)
def test_to_sklearn_predicts_the_same_and_goes_on_along_the_same_trajectory(task, solver, l2_mode):
    ours, _, extra = pair(task)
    net = fitted(ours, task, solver, l2_mode=l2_mode, alpha=0.03, **extra)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mlp = net.to_sklearn()
    # their alpha is divided by the samples of an update
    n = N if solver == "lbfgs" else 20
    assert mlp.alpha == pytest.approx(0.03 * {"penalty_per_sample": 1, "penalty": n, "prior": n / N}[l2_mode])
    assert_same_outputs(net, mlp)
    if l2_mode == "prior":  # it would count the samples of a stream
        net.set_params(l2_mode="penalty", alpha=0.03 / N)
    if solver != "lbfgs":
        assert_go_on_alike(net, mlp, task)


def new_moments(mlp):
    """Whether a multi-layer perceptron has no optimiser yet, or one that has not moved."""
    optimiser = getattr(mlp, "_optimizer", None)
    if optimiser is None:
        return True
    moments = optimiser.ms if mlp.solver == "adam" else optimiser.velocities
    return not any(np.any(moment) for moment in moments)


@pytest.mark.parametrize("task", ["multiclass", "two outputs"])
@pytest.mark.parametrize("after", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("before", ["sgd", "adam", "lbfgs"])
def test_to_sklearn_after_another_solver_was_set(before, after, task):
    # "not enough values to unpack", or Adam's first moment became the velocity
    ours, _, _ = pair(task)
    net = fitted(ours, task, before, l2_mode="penalty_per_sample", alpha=0.1).set_params(**SOLVERS[after])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mlp = net.to_sklearn()
    assert mlp.solver == after
    assert_same_outputs(net, mlp)
    if after == "lbfgs":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mlp.fit(X, TARGETS[task])
        return
    assert new_moments(mlp) == (before != after)
    assert_go_on_alike(net, mlp, task)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_to_sklearn_has_the_constants_of_the_fit(solver):
    net = fitted(L2NetClassifier, "multiclass", solver, l2_mode="penalty_per_sample", alpha=0.1)
    before = net.get_params()
    net.set_params(learning_rate_init=0.3, momentum=0.1, nesterovs_momentum=False, beta_1=0.2, beta_2=0.3, epsilon=0.4)
    mlp = net.to_sklearn()
    of_solver = {"sgd": ("momentum", "nesterovs_momentum"), "adam": ("beta_1", "beta_2", "epsilon")}[solver]
    for name in ("learning_rate_init", *of_solver):
        assert getattr(mlp, name) == getattr(mlp._optimizer, name.replace("s_m", "_m"), before[name]) == before[name]
    assert_go_on_alike(mlp, net.set_params(**before), "multiclass")


@pytest.mark.parametrize("task", ["multiclass", "two outputs"])
@pytest.mark.parametrize("after", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("before", ["sgd", "adam", "lbfgs"])
def test_from_sklearn_after_another_solver_was_set(before, after, task):
    ours, theirs, _ = pair(task)
    mlp = fitted(theirs, task, before, alpha=0.1).set_params(**SOLVERS[after])
    net = ours.from_sklearn(mlp)
    assert net.solver == after
    assert_same_outputs(net, mlp)
    assert net.n_iter_ == mlp.n_iter_
    if after != "lbfgs":
        if before == "lbfgs":  # theirs cannot go on
            mlp.loss_curve_, mlp.best_loss_, mlp._no_improvement_count = [mlp.loss_], mlp.loss_, 0
        elif before != after:
            del mlp._optimizer  # theirs would go on with that of the other solver
        assert_go_on_alike(net, mlp, task)
    assert_same_outputs(net, pickle.loads(pickle.dumps(net)))


@pytest.mark.parametrize("task", [names_of_classes, "binary", "one output", "two outputs"])
@pytest.mark.parametrize("solver", ["sgd", "adaptive", "adam", "lbfgs"])
@pytest.mark.parametrize("at_first", [False, True])
def test_early_stopping_may_be_switched_after_a_fit(at_first, solver, task):
    ours, theirs, _ = pair(task)
    switch = {"early_stopping": not at_first, "warm_start": True, "max_iter": 5}
    net = fitted(ours, task, solver, early_stopping=at_first, l2_mode="penalty_per_sample").set_params(**switch)
    mlp = fitted(theirs, task, solver, early_stopping=at_first).set_params(**switch)
    exported, imported = net.to_sklearn(), ours.from_sklearn(mlp)
    assert_same_outputs(net, exported)
    assert_same_outputs(imported, mlp)
    for each in (net, exported, imported):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            each.fit(X, TARGETS[task])
        assert np.isfinite(outputs(each)).all()
        if each is not exported and solver != "lbfgs":
            assert (each.validation_scores_ is None) == at_first
            assert (each.best_loss_ is None) != at_first
        if at_first and solver != "lbfgs":
            each.partial_fit(X, TARGETS[task])


@pytest.mark.parametrize("solver", ["sgd", "invscaling", "adam"])
def test_to_sklearn_after_an_interrupted_fit(solver, failing_engine, iterations_per_call):
    iterations_per_call(1)
    failing_engine("run_updates", 4)
    with pytest.warns(UserWarning, match="interrupted by user: the weights of iteration 3 are kept"):
        net = fitted(L2NetClassifier, "multiclass", solver, l2_mode="penalty_per_sample")
    mlp = net.to_sklearn()
    assert mlp.n_iter_ == 3
    assert_same_outputs(net, mlp)
    assert_go_on_alike(net, mlp, "multiclass")
    assert_same_outputs(L2NetClassifier.from_sklearn(mlp), mlp)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_there_and_back_again(solver):
    net = fitted(L2NetClassifier, "multiclass", solver, l2_mode="penalty_per_sample", scoring="score", alpha=0.3)
    back = L2NetClassifier.from_sklearn(net.to_sklearn())
    assert back.get_params() == net.get_params()
    assert_same_outputs(net, back)
    assert str(back.l2_report()) == str(net.l2_report())
    assert_go_on_alike(net, back, "multiclass")


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_optimiser_state_matters_to_the_trajectory(solver):
    """A network that takes over the weights alone goes elsewhere."""
    mlp = fitted(MLPClassifier, "multiclass", solver)
    net = L2NetClassifier.from_sklearn(mlp)
    del mlp._optimizer
    for _ in range(3):
        net.partial_fit(X, TARGETS["multiclass"])
        mlp.partial_fit(X, TARGETS["multiclass"])
    assert np.abs(net.coefs_[0] - mlp.coefs_[0]).max() > 1e-3


@pytest.mark.parametrize("task", [names_of_classes, "binary"])
def test_early_stopping_is_taken_over(task):
    mlp = fitted(MLPClassifier, task, "adam", early_stopping=True, validation_fraction=0.2)
    net = L2NetClassifier.from_sklearn(mlp)
    assert net.validation_scores_ == mlp.validation_scores_
    assert net.best_validation_score_ == mlp.best_validation_score_
    assert net.best_loss_ is None
    assert np.isnan(net.validation_loss_curve_).all()
    back = net.to_sklearn()
    assert back.validation_scores_ == mlp.validation_scores_
    assert back.best_validation_score_ == mlp.best_validation_score_
    assert_same_outputs(back, mlp)


@pytest.mark.parametrize("task", [names_of_classes])
def test_a_loss_that_was_watched_is_no_score_of_scikit_learn(task):
    net = fitted(L2NetClassifier, task, "adam", early_stopping=True, l2_mode="penalty_per_sample")
    with pytest.warns(UserWarning, match=r"ignore: scoring=None \(scoring='score' there\)"):
        mlp = net.to_sklearn()
    mlp.set_params(warm_start=True, max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, TARGETS[task])
    assert mlp.best_validation_score_ == max(mlp.validation_scores_) >= 0


def test_what_scikit_learn_does_not_record_is_nan():
    net = L2NetClassifier.from_sklearn(fitted(MLPClassifier, "multiclass", "adam"))
    assert np.isnan(net.data_loss_)
    assert len(net.weight_norm_curve_) == len(net.loss_curve_)
    assert np.isnan(net.weight_norm_curve_[:-1]).all()
    assert net.weight_norm_curve_[-1] == pytest.approx(sum(np.sum(coef**2) for coef in net.coefs_))


def test_reports_of_what_was_taken_over():
    report = L2NetClassifier.from_sklearn(fitted(MLPClassifier, "multiclass", "sgd", alpha=0.5)).l2_report()
    assert (report.n, report.updates_per_epoch, report.momentum) == (20, 3, 0.6)
    with pytest.raises(ValueError, match="does not remember the number of samples"):
        L2NetClassifier.from_sklearn(fitted(MLPClassifier, "multiclass", "lbfgs")).l2_report()


def test_a_network_taken_over_can_be_fitted_anew_and_pickled():
    net = pickle.loads(pickle.dumps(L2NetClassifier.from_sklearn(fitted(MLPClassifier, "multiclass", "adam"))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X, TARGETS["multiclass"]).l2_report()
    assert np.isfinite(net.data_loss_)


def test_feature_names_are_carried():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    net = L2NetClassifier((3,), solver="lbfgs", max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(frame, TARGETS["binary"])
    mlp = net.to_sklearn()
    assert list(mlp.feature_names_in_) == list("abcd")
    assert list(L2NetClassifier.from_sklearn(mlp).feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        mlp.predict(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize("kind", [L2NetClassifier, L2NetRegressor])
def test_from_sklearn_refuses_what_it_is_not_for(kind):
    other, task = (MLPRegressor, "one output") if kind is L2NetClassifier else (MLPClassifier, "binary")
    with pytest.raises(TypeError, match=f"{kind.__name__}.from_sklearn takes a fitted MLP.*; got {other.__name__}.$"):
        kind.from_sklearn(fitted(other, task, "lbfgs"))


def test_from_sklearn_says_how_to_convert_the_network_of_a_pipeline():
    mlp = fitted(MLPClassifier, "binary", "lbfgs")
    model = make_pipeline(StandardScaler(), mlp)
    fit(model, X, TARGETS["binary"])
    with pytest.raises(TypeError, match=r"got Pipeline\. Pass its last step, pipeline\[-1\].*\(mlpclassifier=net\)"):
        L2NetClassifier.from_sklearn(model)
    expected = model.predict_proba(X)
    model.set_params(mlpclassifier=L2NetClassifier.from_sklearn(model[-1]))
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"l2_mode": "decoupled", "alpha": 0.1}, "l2_mode='decoupled' with alpha=0.1"),
        ({"l2_mode": "penalty_per_sample", "alpha": [0.1, 0.2]}, "one alpha per layer"),
        ({"class_weight": {"a": 2.0, "b": 1.0, "c": 1.0}}, "class_weight"),
        ({"l2_mode": "penalty", "batch_size": 25}, "the same penalty in every batch"),
        ({"solver": "pso", "l2_mode": "penalty_per_sample"}, "the particle swarm"),
        ({"learning_rate": "cosine"}, r"learning_rate='cosine' \(learning_rate='constant' there\)"),
    ],
)
def test_what_cannot_be_carried_is_named(parameters, named):
    net = fitted(L2NetClassifier, "multiclass", "sgd", **parameters)
    with pytest.warns(UserWarning, match=f"makes the same predictions.*{named}"):
        mlp = net.to_sklearn()
    assert_same_outputs(net, mlp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.partial_fit(X, TARGETS["multiclass"])  # it can be trained further all the same


@pytest.mark.parametrize("task", [task for task in TARGETS if task != "poisson"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_to_sklearn_with_our_defaults_predicts_the_same_and_can_be_trained_further(solver, task):
    ours, theirs, _ = pair(task)
    net = fit(ours(solver=solver, random_state=0), X, TARGETS[task])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mlp = net.to_sklearn()
    told = " ".join(str(warning.message) for warning in caught)
    assert ("learning_rate='cosine'" in told) == (solver != "lbfgs")
    assert ("targets in standard units" in told) == (task not in CLASSES)
    assert_same_outputs(net, mlp)
    defaults = theirs().get_params()
    for name in ("learning_rate", "learning_rate_init", "max_iter"):
        assert mlp.get_params()[name] == defaults[name]
    back = ours.from_sklearn(mlp)
    assert_same_outputs(net, back)
    if task not in CLASSES:
        assert not back.normalize_y
    fit(mlp.set_params(max_iter=2), X, TARGETS[task])
    if solver != "lbfgs":
        mlp.partial_fit(X, TARGETS[task])


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_after_a_cosine_schedule_a_stream_goes_on_along_the_same_trajectory(solver, task):
    # whose rate is constant, 0.001, here as there
    net = L2NetClassifier((5,), solver=solver, l2_mode="penalty_per_sample", batch_size=20, shuffle=False)
    fit(net.set_params(alpha=0.5, random_state=0), X, TARGETS[task])
    with pytest.warns(UserWarning, match="learning_rate='cosine'"):
        mlp = net.to_sklearn()
    assert_go_on_alike(net, mlp, task)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_optimiser_of_targets_in_standard_units_is_not_that_of_others(solver):
    net = fitted(L2NetRegressor, "one output", solver, normalize_y=True)
    with pytest.warns(UserWarning, match="targets in standard units"):
        mlp = net.to_sklearn()
    assert new_moments(mlp)
    mlp.partial_fit(X, TARGETS["one output"])


@pytest.mark.parametrize("task", ["one output", "two outputs"])
@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
def test_to_sklearn_keeps_the_predictions_of_losses_that_it_lacks(loss, task):
    net = fit(L2NetRegressor((5,), loss=loss, quantile=0.9, max_iter=5, random_state=0), X, TARGETS[task])
    with pytest.warns(UserWarning, match=rf"loss='{loss}' \(loss='squared_error' there\)"):
        mlp = net.set_params(loss="poisson").to_sklearn()
    assert_same_outputs(net, mlp)
    mlp.partial_fit(X, TARGETS[task])


def test_another_loss_is_refused():
    net = fitted(L2NetClassifier, "multiclass", "sgd", loss="squared_error")
    with pytest.raises(ValueError, match="log loss only"):
        net.to_sklearn()


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_to_torch_has_the_same_outputs(task, activation):
    torch = pytest.importorskip("torch")
    ours, _, extra = pair(task)
    net = fitted(ours, task, "adam", activation=activation, **extra)
    module = net.to_torch()
    with torch.no_grad():
        theirs, raw = module(torch.from_numpy(X)).numpy(), module[:-1](torch.from_numpy(X)).numpy()
    expected = outputs(net)
    if task == "binary":
        expected = expected[:, 1:]
    np.testing.assert_allclose(theirs.squeeze(), expected.squeeze(), rtol=1e-9)
    if task in CLASSES:
        np.testing.assert_allclose(raw.squeeze(), net.decision_function(X), rtol=1e-9)


def test_to_torch_of_two_classes_has_the_loss_that_its_documentation_names():
    torch = pytest.importorskip("torch")
    net = fitted(L2NetClassifier, "binary", "adam", l2_mode="penalty", alpha=0.0)
    module, y = net.to_torch(), torch.from_numpy(TARGETS["binary"] == net.classes_[1])
    inputs = torch.from_numpy(X)
    np.testing.assert_allclose(module(inputs)[:, 0].detach().numpy(), net.predict_proba(X)[:, 1], rtol=1e-9)
    loss = torch.nn.BCEWithLogitsLoss()(module[:-1](inputs)[:, 0], y.to(inputs.dtype))
    expected = log_loss(TARGETS["binary"], net.predict_proba(X))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-9)


def test_to_torch_keeps_the_dtype_and_copies():
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net = L2NetRegressor((3,), max_iter=3).fit(X.astype(np.float32), TARGETS["one output"])
    module = net.to_torch()
    assert all(p.dtype == torch.float32 for p in module.parameters())
    before = net.coefs_[0].copy()
    with torch.no_grad():
        module[0].weight.zero_()
    np.testing.assert_array_equal(net.coefs_[0], before)


@pytest.mark.parametrize(
    ("solver", "l2_mode"),
    [
        ("sgd", "penalty"),
        ("sgd", "penalty_per_sample"),
        ("sgd", "decay_before"),
        ("sgd", "decay_after"),
        ("sgd", "decoupled"),
        ("adam", "penalty"),
        ("adam", "decay_before"),
        ("adam", "decoupled"),
    ],
)
def test_the_optimiser_of_the_docstring_trains_under_the_same_rule(solver, l2_mode):
    """From the first epoch, since a module has no optimiser state to take over."""
    torch = pytest.importorskip("torch")
    alpha, rate, n_passes = 0.02, 0.01, 10
    settings = {"solver": solver, "l2_mode": l2_mode, "momentum": 0.0, "learning_rate_init": rate, "epsilon": 1e-16}
    start = L2NetClassifier.from_sklearn(fitted(MLPClassifier, "multiclass", "lbfgs")).set_params(**settings)
    start.set_params(alpha=alpha, batch_size=20)
    module = start.to_torch()
    weights = [p for p in module.parameters() if p.ndim > 1]
    biases = [p for p in module.parameters() if p.ndim == 1]
    wd = {"penalty": alpha, "penalty_per_sample": alpha / 20}.get(l2_mode, 0.0)
    if solver == "adam":
        wd = {"decoupled": alpha, "decay_before": alpha / rate}.get(l2_mode, wd)
    groups = [{"params": weights, "weight_decay": wd}, {"params": biases, "weight_decay": 0.0}]
    if solver == "sgd":
        optimiser = torch.optim.SGD(groups, rate)
    else:
        kind = torch.optim.Adam if l2_mode == "penalty" else torch.optim.AdamW
        optimiser = kind(groups, rate, eps=1e-16)
    by_hand = {"decay_before": alpha, "decoupled": rate * alpha}.get(l2_mode, 0.0) if solver == "sgd" else 0.0
    codes = torch.from_numpy(np.searchsorted(start.classes_, TARGETS["multiclass"]))
    for _ in range(n_passes):
        start.partial_fit(X, TARGETS["multiclass"])
        for first in range(0, N, 20):
            rows = slice(first, first + 20)
            optimiser.zero_grad()
            torch.nn.CrossEntropyLoss()(module[:-1](torch.from_numpy(X[rows])), codes[rows]).backward()
            with torch.no_grad():
                for p in weights:
                    p.mul_(1 - by_hand)
            optimiser.step()
            if l2_mode == "decay_after":
                with torch.no_grad():
                    for p in weights:
                        p.mul_(1 - alpha)
    for coef, p in zip(start.coefs_, weights, strict=True):
        np.testing.assert_allclose(coef, p.detach().numpy().T, rtol=1e-6, atol=1e-9)


def test_other_sizes_set_after_the_fit_are_not_those_of_the_network():
    net = fit(L2NetClassifier((5,), random_state=0, max_iter=3), X, TARGETS["multiclass"])
    for sizes in ((), (5, 5), (7,)):
        mlp = net.set_params(hidden_layer_sizes=sizes).to_sklearn()
        assert mlp.hidden_layer_sizes == (5,)
        mlp.partial_fit(X, TARGETS["multiclass"])


def test_an_optimiser_left_from_an_earlier_fit_is_not_taken_over():
    y = TARGETS["multiclass"]
    mlp = fit(MLPClassifier((5,), max_iter=3, random_state=0), X, y)
    fit(mlp.set_params(solver="lbfgs", hidden_layer_sizes=(7,)), X, y)
    net = L2NetClassifier.from_sklearn(mlp)
    assert net.loss_ == mlp.loss_
    np.testing.assert_array_equal(net.predict(X), mlp.predict(X))
    net.set_params(solver="adam").partial_fit(X, y)
