"""With `penalty_per_sample` and a constant learning rate, training follows the trajectory of scikit-learn's MLP.

A trajectory can be compared only where it is not chaotic: each comparison therefore also asks scikit-learn to train on
data moved by one part in 1e15, and expects it to end where it ended before.
"""

from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from cases import classes, distance, fit, flat, regression
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skl2net import L2NetClassifier, L2NetRegressor

EPOCHS = 20
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")  # that scikit-learn has too
MINI_BATCH = {
    "sgd constant": {"solver": "sgd", "learning_rate_init": 0.01},
    "sgd invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.04, "power_t": 0.3},
    # at rest after every third epoch: the learning rate falls several times
    "sgd adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.02, "n_iter_no_change": 2},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}
# what a user of scikit-learn has to name besides the parameters that both have
OWN = {
    L2NetClassifier: {"l2_mode": "penalty_per_sample", "scoring": "score"},
    L2NetRegressor: {"l2_mode": "penalty_per_sample", "scoring": "score", "normalize_y": False},
}
TARGETS = ("binary", "multiclass", "multilabel", "single-output", "multi-output", "counts")


def data(target, n_rows, *, sparse=False):
    """Input and targets of a kind."""
    X, y = classes(n_rows, n_classes=2 if target == "binary" else 3)
    if target == "multilabel":
        y = np.eye(3, dtype=int)[y] | (X[:, :3] > 0.5)
    elif target in ("single-output", "multi-output"):
        X, y = regression(n_rows, n_outputs=2 if target == "multi-output" else 1)
    elif target == "counts":
        y = np.random.default_rng(0).poisson(np.exp(0.3 * X[:, 0])).astype(float)
    return (sp.csr_matrix(np.where(np.abs(X) > 0.5, X, 0)) if sparse else X), y


def moved(X):
    """The data, each entry moved by one part in 1e15, up or down."""
    signs = np.random.default_rng(0).choice([-1, 1], X.shape)
    return sp.csr_matrix(X.multiply(1 + 1e-15 * signs)) if sp.issparse(X) else X * (1 + 1e-15 * signs)


def assert_same_trajectory(target, *, n_rows=33, sparse=False, weighted=False, **params):
    """Train both, and compare where they end and what they recorded on the way."""
    X, y = data(target, n_rows, sparse=sparse)
    settings = {"hidden_layer_sizes": (6,), "alpha": 0.1, "max_iter": EPOCHS, "random_state": 3}
    params = {**settings, "learning_rate": "constant", **params}
    if target == "counts" and params["solver"] == "sgd":  # exponential outputs make steep losses
        params["learning_rate_init"] /= 10
    if target == "multi-output" and not params.get("early_stopping"):
        params["n_iter_no_change"] = EPOCHS  # the mean over outputs and the sum come to rest at different times
    weight = {"sample_weight": np.random.default_rng(1).uniform(0.5, 2, n_rows)} if weighted else {}
    peer_class, our_class = MLPClassifier, L2NetClassifier
    if target in ("single-output", "multi-output", "counts"):
        peer_class, our_class = MLPRegressor, L2NetRegressor
        params["loss"] = "poisson" if target == "counts" else "squared_error"

    theirs = fit(peer_class(**params), X, y, **weight)
    assert distance(flat(fit(peer_class(**params), moved(X), y, **weight)), flat(theirs)) <= 1e-8
    ours = fit(our_class(**params, **OWN[our_class]), X, y, **weight)

    assert distance(flat(ours), flat(theirs)) <= 1e-6
    assert ours.n_iter_ == theirs.n_iter_
    if target != "multi-output":  # theirs is the mean over the outputs, ours the sum
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    if params["solver"] == "lbfgs":
        return ours
    assert ours.t_ == theirs.t_
    if target != "multi-output":
        assert distance(ours.loss_curve_, theirs.loss_curve_) <= 1e-6
    if params.get("early_stopping"):
        # a score is a share of rows, or R²
        np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=0, atol=1e-6)
        assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_, abs=1e-6)
    return ours


# every schedule with every batch size, activation and target; what else may vary takes turns
GRID = [
    (schedule, batch_size, activation, target, number % 2 == 0, number // 2 % 2 == 0, number // 4 % 2 == 0)
    for number, (schedule, batch_size, activation, target) in enumerate(
        product(MINI_BATCH, (1, 32, "full"), ACTIVATIONS, TARGETS)
    )
]


@pytest.mark.parametrize(("schedule", "batch_size", "activation", "target", "weighted", "sparse", "early"), GRID)
def test_mini_batches(schedule, batch_size, activation, target, weighted, sparse, early):
    n_rows = 15 if batch_size == 1 else 33  # a last batch of one row after one of 32
    n_epochs = 8 if batch_size == 1 else EPOCHS  # of more updates each
    assert_same_trajectory(
        target,
        n_rows=n_rows,
        weighted=weighted,
        sparse=sparse,
        activation=activation,
        batch_size=n_rows if batch_size == "full" and not early else "auto" if batch_size == "full" else batch_size,
        early_stopping=early and batch_size != 32,  # 32 of 33 rows are left to train on only without a validation set
        validation_fraction=0.2,
        max_iter=n_epochs,
        tol=0.01,
        **MINI_BATCH[schedule],
    )


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("early", [False, True], ids=["", "early stopping"])
@pytest.mark.parametrize("schedule", MINI_BATCH)
@pytest.mark.parametrize("target", TARGETS)
def test_weights_sparse_input_and_early_stopping(target, schedule, early, sparse, weighted):
    assert_same_trajectory(
        target,
        sparse=sparse,
        weighted=weighted,
        early_stopping=early,
        validation_fraction=0.3,
        batch_size=10,
        tol=0.0,
        **MINI_BATCH[schedule],
    )


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("target", [target for target in TARGETS if target != "multi-output"])
def test_lbfgs(target, activation, sparse, weighted):
    # L-BFGS multiplies a rounding error by the condition of the problem at each step: enough penalty keeps it small
    assert_same_trajectory(target, solver="lbfgs", activation=activation, sparse=sparse, weighted=weighted, alpha=3.0)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov, momentum):
    assert_same_trajectory(
        "multiclass",
        solver="sgd",
        learning_rate_init=0.01,
        momentum=momentum,
        nesterovs_momentum=nesterov,
        batch_size=5,
    )


@pytest.mark.parametrize("hidden_layer_sizes", [7, (5, 4), (4, 3, 5)])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_deeper_networks_and_the_order_of_rows(solver, shuffle, hidden_layer_sizes):
    assert_same_trajectory(
        "multiclass",
        solver=solver,
        shuffle=shuffle,
        hidden_layer_sizes=hidden_layer_sizes,
        activation="tanh",
        learning_rate_init=0.01,
        batch_size=8,
        alpha=3.0,
    )


def test_adams_own_parameters():
    assert_same_trajectory(
        "binary", solver="adam", learning_rate_init=0.01, beta_1=0.5, beta_2=0.9, epsilon=1e-3, batch_size=8
    )


def test_adaptive_schedule_stops_when_the_learning_rate_is_tiny():
    # 0.02 / 5^7 < 1e-6: at rest for the eighth time
    params = {**MINI_BATCH["sgd adaptive"], "n_iter_no_change": 1, "tol": 10.0, "max_iter": 50}
    ours = assert_same_trajectory("multiclass", batch_size=8, **params)
    assert ours.n_iter_ < 50


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("target", ["multiclass", "multi-output"])
def test_partial_fit(target, solver):
    X, y = data(target, 33)
    pair = (MLPClassifier, L2NetClassifier) if target == "multiclass" else (MLPRegressor, L2NetRegressor)
    classes_ = {"classes": [0, 1, 2]} if target == "multiclass" else {}
    params = {"solver": solver, "learning_rate_init": 0.01, "alpha": 0.1, "batch_size": 8, "shuffle": False}
    params |= {"hidden_layer_sizes": (6,), "random_state": 0, "learning_rate": "constant"}
    theirs, ours = pair[0](**params), pair[1](**params, **OWN[pair[1]])
    for _ in range(EPOCHS):
        theirs.partial_fit(X, y, **classes_)
        ours.partial_fit(X, y, **classes_)
    assert distance(flat(ours), flat(theirs)) <= 1e-6
    if target == "multiclass":
        assert distance(ours.loss_curve_, theirs.loss_curve_) <= 1e-6


def test_partial_fit_reduces_the_learning_rate_of_the_adaptive_schedule():
    X, y = data("multiclass", 33)
    params = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.05, "tol": 10.0, "shuffle": False}
    params |= {"hidden_layer_sizes": (6,), "n_iter_no_change": 2, "alpha": 0.1, "batch_size": 8, "random_state": 0}
    theirs, ours = MLPClassifier(**params), L2NetClassifier(**params, l2_mode="penalty_per_sample")
    for _ in range(EPOCHS):
        theirs.partial_fit(X, y, classes=[0, 1, 2])
        ours.partial_fit(X, y, classes=[0, 1, 2])
    assert theirs._optimizer.learning_rate < 0.05 / 5
    assert distance(flat(ours), flat(theirs)) <= 1e-6


@pytest.mark.parametrize("pair", [(L2NetClassifier, MLPClassifier), (L2NetRegressor, MLPRegressor)])
def test_naming_the_rule_the_schedule_and_the_units_is_all_that_a_user_of_scikit_learn_has_to_do(pair):
    X, y = classes()
    theirs = fit(pair[1](random_state=0), X, y)
    # 200 epochs at 0.001: both are the defaults of a constant rate
    ours = fit(pair[0](**OWN[pair[0]], learning_rate="constant", random_state=0), X, y)
    np.testing.assert_array_equal(flat(fit(pair[0](**theirs.get_params(), **OWN[pair[0]]), X, y)), flat(ours))
    assert distance(flat(ours), flat(theirs)) <= 1e-6
    assert ours.l2_report().alpha == theirs.alpha


@pytest.mark.parametrize("pair", [(L2NetClassifier, MLPClassifier), (L2NetRegressor, MLPRegressor)])
def test_parameters_have_scikit_learns_names_and_defaults(pair):
    ours, theirs = (estimator().get_params() for estimator in pair)
    own = {"l2_mode", "alpha", "class_weight", "normalize_y", "learning_rate", "learning_rate_init", "max_iter"}
    assert {name: ours[name] for name in theirs if name not in own} == {
        name: value for name, value in theirs.items() if name not in own
    }
    assert set(ours) - set(theirs) <= own | {"loss", "quantile", "scoring", "posterior"}


@pytest.mark.parametrize("pair", [(L2NetClassifier, MLPClassifier), (L2NetRegressor, MLPRegressor)])
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_attributes_and_methods_of_scikit_learn_are_there(pair, solver):
    X, y = classes()
    ours, theirs = (fit(estimator(solver=solver, max_iter=2), X, y) for estimator in pair)
    public = {name for name in dir(theirs) if not name.startswith("_")}
    if solver == "lbfgs":  # MLPRegressor shows a partial_fit that it does not have
        public.discard("partial_fit")
    assert public <= set(dir(ours))
