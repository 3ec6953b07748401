"""What bad input gets: an error that says what was passed and what to do, and an estimator left as it was."""

import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from cases import classes, fit, flat, iterating_method, regression
from sklearn.exceptions import ConvergenceWarning

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, NodeSweepCV, ParticleSwarm

ESTIMATORS = (L2NetClassifier, L2NetRegressor)
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
each_solver = pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])

X, Y = classes(40)
WITH_NAN, WITH_INFINITY = X.copy(), X.copy()
WITH_NAN[3, 1], WITH_INFINITY[3, 1] = np.nan, np.inf
HUGE = 1e200 * X


def small(estimator, **params):
    """An estimator that fits at once."""
    return estimator(**{"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0, **params})


# parameters, X, y, sample_weight, and what the message must say
REFUSED = {
    "NaN": ({}, WITH_NAN, Y, None, "contains NaN"),
    "infinity": ({}, WITH_INFINITY, Y, None, "contains infinity"),
    "NaN in CSR": ({}, sp.csr_matrix(WITH_NAN), Y, None, "contains NaN"),
    "X of one dimension": ({}, X[0], Y, None, "Expected 2D array, got 1D array"),
    "X of three dimensions": ({}, X[None], Y, None, "Found array with dim 3"),
    "no rows": ({}, X[:0], Y[:0], None, "Found array with 0 sample"),
    "no features": ({}, X[:, :0], Y, None, r"0 feature\(s\)"),
    "too few targets": ({}, X, Y[:-1], None, "inconsistent numbers of samples"),
    "NaN target": ({}, X, np.where(Y == 1, np.nan, Y), None, "NaN"),
    "too few weights": ({}, X, Y, np.ones(39), r"sample_weight.shape == \(39,\)"),
    "weights of two dimensions": ({}, X, Y, np.ones((40, 1)), "must be 1D"),
    "a negative weight": ({}, X, Y, -np.ones(40), "Negative values in data passed to `sample_weight`"),
    "weights of zero": ({}, X, Y, np.zeros(40), "at least one non-zero number"),
    "NaN weight": ({}, X, Y, np.where(Y == 1, np.nan, 1.0), "sample_weight contains NaN"),
    "unknown activation": ({"activation": "elu"}, X, Y, None, "The 'activation' parameter.*'elu'"),
    "unknown solver": ({"solver": "newton"}, X, Y, None, "The 'solver' parameter.*'newton'"),
    "unknown rule": ({"l2_mode": "l2"}, X, Y, None, "The 'l2_mode' parameter.*penalty_per_sample.*'l2'"),
    "unknown loss": ({"loss": "hinge"}, X, Y, None, "The 'loss' parameter.*'hinge'"),
    "negative alpha": ({"alpha": -1e-4}, X, Y, None, "The 'alpha' parameter|finite and not negative"),
    "negative alpha of a layer": ({"alpha": [0.1, -0.1]}, X, Y, None, r"finite and not negative; got \[0.1, -0.1\]"),
    "alpha of NaN": ({"alpha": [0.1, np.nan]}, X, Y, None, "finite and not negative"),
    "too many alphas": ({"alpha": [0.1, 0.1, 0.1]}, X, Y, None, "3 values, but the network has 2 weight layers"),
    "text for alpha": ({"alpha": "0.1"}, X, Y, None, "alpha='0.1' is a string. Pass a number such as alpha=0.1"),
    "texts for alpha": ({"alpha": ["0.1", "0.1"]}, X, Y, None, "alpha must be a number, or one number per"),
    "decay of a whole weight": ({"l2_mode": "decay_after", "alpha": 1.0}, X, Y, None, "needs 0 <= alpha < 1"),
    "decoupled decay of a whole weight": (
        {"l2_mode": "decoupled", "alpha": 100.0},
        X,
        Y,
        None,
        r"learning rate \* alpha = 1 times.*Lower alpha",
    ),
    "decay under L-BFGS": ({"l2_mode": "decoupled", "solver": "lbfgs"}, X, Y, None, "Use l2_mode='prior'"),
    "a float of hidden units": ({"hidden_layer_sizes": (3.0,)}, X, Y, None, r"positive integers.*got \(3.0,\)"),
    "zero hidden units": ({"hidden_layer_sizes": (5, 0)}, X, Y, None, r"must contain positive integers.*\(5, 0\)"),
    "half a hidden unit": ({"hidden_layer_sizes": (5, 0.5)}, X, Y, None, "positive integers"),
    "negative hidden units": ({"hidden_layer_sizes": -1}, X, Y, None, "hidden_layer_sizes"),
    "zero iterations": ({"max_iter": 0}, X, Y, None, "The 'max_iter' parameter"),
    "zero learning rate": ({"learning_rate_init": 0.0}, X, Y, None, "The 'learning_rate_init' parameter"),
    "momentum above one": ({"momentum": 1.5}, X, Y, None, "The 'momentum' parameter"),
    "zero batch size": ({"batch_size": 0}, X, Y, None, "The 'batch_size' parameter"),
    "too few items for early stopping": (
        {"early_stopping": True},
        X[:9],
        Y[:9],
        None,
        "validation set is too small.*Increase 'validation_fraction'",
    ),
    "nothing to validate on": (
        {"early_stopping": True, "validation_fraction": 0.5},
        X,
        Y,
        np.eye(40)[0],
        "sample weight of zero",
    ),
}
# what scikit-learn's validation lets through
BIG = 10**400
NUMBERS = {
    "max_iter": int,
    "batch_size": int,
    "n_iter_no_change": int,
    "max_fun": int,
    "hidden_layer_sizes": int,
    "alpha": float,
    "learning_rate_init": float,
    "power_t": float,
    "tol": float,
    "momentum": float,
    "validation_fraction": float,
    "beta_1": float,
    "beta_2": float,
    "epsilon": float,
}
for _name in NUMBERS:
    REFUSED[f"True for {_name}"] = ({_name: True}, X, Y, None, rf"The '{_name}' parameter .* Got True instead")
    REFUSED[f"10**400 for {_name}"] = ({_name: BIG}, X, Y, None, f"The '{_name}' parameter .* Got 10+ instead")
REFUSED |= {
    "an array for hidden layers": ({"hidden_layer_sizes": np.array(5)}, X, Y, None, "integer or a sequence.*array"),
    "a set of hidden layers": ({"hidden_layer_sizes": {5}}, X, Y, None, r"integer or a sequence of integers.*\{5\}"),
    "a dict of hidden layers": ({"hidden_layer_sizes": {5: 1}}, X, Y, None, "integer or a sequence of integers"),
    "text for hidden layers": ({"hidden_layer_sizes": "55"}, X, Y, None, "The 'hidden_layer_sizes' parameter"),
    "truth for hidden units": ({"hidden_layer_sizes": (True,)}, X, Y, None, "positive integers"),
    "hidden units beyond memory": ({"hidden_layer_sizes": (10**20,)}, X, Y, None, "exceed the address space"),
    "layers beyond memory": ({"hidden_layer_sizes": (BIG, BIG)}, X, Y, None, "exceed the address space"),
    "an infinite weight for all": ({}, X, Y, np.inf, "sample_weight=inf is not finite"),
    "a NaN weight for all": ({}, X, Y, np.nan, "sample_weight=nan is not finite"),
    "weights whose sum overflows": ({}, X, Y, np.full(40, 1e308), "sum to inf, which is out of the range of float64"),
    "weights beyond float32": ({}, X.astype("f"), Y, np.full(40, 1e39), "sum to 4e.40, .* out of the range of float32"),
    "a sum beyond float32": ({}, X.astype("f"), Y, np.full(40, 3e38), "out of the range of float32"),
    "weights that float32 loses": ({}, X.astype("f"), Y, np.full(40, 1e-50), "out of the range of float32"),
}
each_refused = pytest.mark.parametrize("case", REFUSED)


def attempt(net, case, *, warm=False):
    """Fit what is refused, expecting the message."""
    params, X_bad, y_bad, weight, message = REFUSED[case]
    net.set_params(**params, warm_start=warm)
    with pytest.raises(ValueError, match=message):
        net.fit(X_bad, y_bad, sample_weight=weight)
    return params


@each_refused
@each_estimator
def test_bad_input_is_refused_with_a_reason(estimator, case):
    attempt(small(estimator), case)


def test_an_estimator_that_never_was_fitted_stays_unfitted():
    net = small(L2NetClassifier)
    attempt(net, "NaN weight")
    assert not [name for name in vars(net) if name.endswith("_") and not name.startswith("_")]


def fitted_state(net):
    """Checksum of all that is not a parameter."""
    params = net.get_params(deep=False)
    return joblib.hash({name: value for name, value in vars(net).items() if name not in params})


@pytest.mark.parametrize("warm", [False, True], ids=["", "warm start"])
@each_refused
@each_estimator
def test_a_failed_fit_leaves_a_fitted_estimator_as_it_was(estimator, case, warm):
    net = fit(small(estimator), X, Y)
    state, prediction = fitted_state(net), net.predict(X)
    attempt(net, case, warm=warm)
    assert fitted_state(net) == state
    net.set_params(**small(estimator).get_params())
    np.testing.assert_array_equal(net.predict(X), prediction)


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
@pytest.mark.parametrize("warm", [False, True], ids=["", "warm start"])
@each_solver
@each_estimator
def test_a_fit_that_fails_halfway_leaves_a_fitted_estimator_as_it_was(
    estimator, solver, warm, error, failing_engine, iterations_per_call
):
    iterations_per_call(2)
    net = fit(small(estimator, solver=solver, warm_start=warm), X, Y)
    state = fitted_state(net)
    failing_engine(iterating_method(solver), 2, error)
    with pytest.raises(error):
        net.fit(X, Y)
    assert fitted_state(net) == state
    expected = fit(fit(small(estimator, solver=solver, warm_start=warm), X, Y), X, Y)
    np.testing.assert_array_equal(flat(fit(net, X, Y)), flat(expected))


@pytest.mark.parametrize("warm", [False, True], ids=["", "warm start"])
def test_a_fit_that_diverges_leaves_a_fitted_estimator_as_it_was(warm):
    net = fit(small(L2NetRegressor, solver="sgd", warm_start=warm), X, Y)
    state = fitted_state(net)
    with pytest.raises(ValueError, match="diverged"), np.errstate(all="ignore"):
        net.fit(HUGE, Y)
    assert fitted_state(net) == state


@each_estimator
def test_other_features_than_in_fit_are_refused(estimator):
    net = fit(small(estimator), X, Y)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 4 features"):
        net.predict(X[:, :3])
    state = fitted_state(net)
    with pytest.raises(ValueError, match="X has 3 features"):
        net.partial_fit(X[:, :3], Y)
    with pytest.raises(ValueError, match="X has 3 features"):
        net.set_params(warm_start=True).fit(X[:, :3], Y)
    assert fitted_state(net) == state


@each_estimator
def test_warm_start_refuses_another_network(estimator):
    net = fit(small(estimator, warm_start=True), X, Y)
    state = fitted_state(net)
    with pytest.raises(ValueError, match=r"of \(4, 5, .*=\(6,\) asks for \(4, 6.*Set .*=\(5,\), or .*warm_start=False"):
        net.set_params(hidden_layer_sizes=(6,)).fit(X, Y)
    assert fitted_state(net) == state


# --- classes ----------------------------------------------------------------------------------------------------------


def test_partial_fit_needs_all_classes_at_first():
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        small(L2NetClassifier).partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"`y` has classes not in.*Name all classes in the first call"):
        small(L2NetClassifier).partial_fit(X, Y, classes=[0, 1])


def test_partial_fit_refuses_unknown_labels_later_on():
    net = small(L2NetClassifier).partial_fit(X, Y, classes=[0, 1, 2])
    state = fitted_state(net)
    with pytest.raises(ValueError, match="`y` has classes not in"):
        net.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="not the same as on last call"):
        net.partial_fit(X, Y, classes=[0, 1, 2, 3])
    assert fitted_state(net) == state
    net.partial_fit(X[Y > 0], Y[Y > 0])  # some of the classes are fine


def test_partial_fit_refuses_balanced_weights_and_early_stopping():
    with pytest.raises(ValueError, match=r"class_weight='balanced' is not supported.*compute_class_weight"):
        small(L2NetClassifier, class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])
    for estimator, kwargs in ((L2NetClassifier, {"classes": [0, 1, 2]}), (L2NetRegressor, {})):
        with pytest.raises(ValueError, match="does not support early_stopping=True"):
            small(estimator, early_stopping=True).partial_fit(X, Y, **kwargs)


def test_warm_start_refuses_other_classes():
    net = fit(small(L2NetClassifier, warm_start=True), X, Y)
    state = fitted_state(net)
    for other in (Y % 2, Y + 1, np.array(list("abc"))[Y]):
        with pytest.raises(ValueError, match="same classes"):
            net.fit(X, other)
    assert fitted_state(net) == state


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: -1.0}, "gives the class 0 the weight -1.0. Pass finite numbers"),
        ({0: np.inf}, "gives the class 0 the weight inf"),
        ({0: 1.0, 2: np.nan}, "gives the class 2 the weight nan"),
        ({1: None}, "gives the class 1 the weight None"),
        ({1: "2"}, "gives the class 1 the weight '2'"),
        ({1: BIG}, "gives the class 1 the weight 1000"),
        ({0: 0.0, 1: 0.0, 2: 0.0}, "gives all samples a weight of zero"),
        ({0: 1e308, 1: 1e308}, "multiplied with those of their classes, sum to inf"),
        ([1.0, 2.0, 3.0], r"is a list, which multilabel targets take.* Pass one dict .*\{0: 1, 1: 2, 2: 3\}"),
        ([{0: 1.0}], "is a list, which multilabel targets take"),
    ],
)
def test_class_weights_that_cannot_be_are_refused(class_weight, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            small(L2NetClassifier, class_weight=class_weight).fit(X, Y)


@pytest.mark.parametrize("class_weight", [{0: 1e39}, {0: 1e-50, 1: 1e-50, 2: 1e-50}])
def test_class_weights_beyond_float32_are_refused_for_float32_alone(class_weight):
    net = small(L2NetClassifier, class_weight=class_weight)
    with pytest.raises(ValueError, match=r"multiplied with those of their classes, sum to .* range of float32"):
        net.fit(X.astype(np.float32), Y)
    assert np.isfinite(fit(net, X, Y).loss_)


def test_class_weights_of_labels_are_checked_too():
    labels = (X[:, :2] > 0).astype(int)
    with pytest.raises(ValueError, match="gives the class 1 the weight nan"):
        small(L2NetClassifier, class_weight=[{0: 1.0, 1: 2.0}, {0: 1.0, 1: np.nan}]).fit(X, labels)
    with pytest.raises(ValueError, match="is a list, which multilabel targets take, with one dict for each label"):
        small(L2NetClassifier, class_weight=[1.0, 2.0]).fit(X, labels)


def test_unknown_class_in_class_weight_is_refused():
    with pytest.raises(ValueError, match=r"class_weight.*heavy"):
        small(L2NetClassifier, class_weight="heavy").fit(X, Y)


def test_continuous_targets_are_no_classes():
    with pytest.raises(ValueError, match="Unknown label type"):
        small(L2NetClassifier).fit(X, X[:, 0])


def test_multiclass_multioutput_targets_are_refused():
    with pytest.raises(ValueError, match=r"[Mm]ultioutput"):
        small(L2NetClassifier).fit(X, np.column_stack([Y, Y]))


@pytest.mark.parametrize("named", [["a", "b"], [0], [0, 1, 2], [1, 0], None])
def test_the_classes_of_a_stream_of_labels_are_the_numbers_of_the_columns(named):
    labels = (X[:, :2] > 0).astype(int)
    net = small(L2NetClassifier)
    with pytest.raises(ValueError, match=r"Pass classes=\[0, 1\]" if named else "classes must be passed"):
        net.partial_fit(X, labels, classes=named)
    assert not hasattr(net, "classes_")
    np.testing.assert_array_equal(net.partial_fit(X, labels, classes=[0, 1]).classes_, [0, 1])


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_one_class_has_the_same_score_in_validation(loss):
    net = fit(small(L2NetClassifier, early_stopping=True, scoring="score", loss=loss), X, np.zeros(40))
    assert net.validation_scores_ == [1.0] * net.n_iter_
    assert net.score(X, np.zeros(40)) == net.best_validation_score_ == 1.0


# --- regression -------------------------------------------------------------------------------------------------------


def test_poisson_refuses_negative_targets():
    with pytest.raises(ValueError, match=r"loss='poisson' needs targets y >= 0, got -1\. Use loss='squared_error'"):
        small(L2NetRegressor, loss="poisson").fit(X, Y - 1)


DATES = np.arange(40).astype("datetime64[D]")
NO_NUMBERS = {
    "dates": (DATES, r"dtype datetime64\[D\], and a regressor needs numbers"),
    "no dates": (np.full(40, "NaT", "datetime64[D]"), r"dtype datetime64\[D\]"),
    "durations": (DATES - DATES[0], r"dtype timedelta64\[D\]"),
    "texts": (np.full(40, "1.5"), "not compatible with arrays of bytes/strings"),
    "texts in a list": (["1.5"] * 40, "not compatible with arrays of bytes/strings"),
    "texts as objects": (np.full(40, "1.5", dtype=object), "not compatible with arrays of bytes/strings"),
    "bytes": (np.full(40, b"1.5"), "not compatible with arrays of bytes/strings"),
    "None": ([None] * 40, "Input y contains NaN"),
    "None among numbers": ([1.0, None] * 20, "Input y contains NaN"),
    "complex numbers": (Y * 1j, "Complex data not supported"),
}


@pytest.mark.parametrize("case", NO_NUMBERS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_targets_of_a_regression_that_are_no_numbers_are_refused(case, method):
    y, message = NO_NUMBERS[case]
    with pytest.raises(ValueError, match=message):
        getattr(small(L2NetRegressor), method)(X, y)


@pytest.mark.parametrize("y", [Y.astype(object), Y.tolist(), Y > 0, Y.astype(np.float16), Y.astype(np.uint8)])
def test_targets_of_any_numbers_are_taken(y):
    assert np.isfinite(fit(small(L2NetRegressor), X, y).loss_)


def test_targets_beyond_float32_are_refused_for_float32_alone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"targets of 2e\+39, too large for float32.*pass `X` in float64"):
            small(L2NetRegressor).fit(X.astype(np.float32), 1e39 * Y)
    assert np.isfinite(fit(small(L2NetRegressor), X, 1e39 * Y).loss_)


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power_t", [400.0, 400, 10**9])
def test_a_learning_rate_below_all_floats_is_zero(power_t):
    params = {"solver": "sgd", "learning_rate": "invscaling", "power_t": power_t, "momentum": 0.0}
    net = fit(small(L2NetClassifier, **params), X, Y)
    once = fit(small(L2NetClassifier, **params).set_params(max_iter=1), X, Y)
    np.testing.assert_array_equal(flat(net), flat(once))


@pytest.mark.parametrize("name", ["tol", "learning_rate_init", "momentum", "power_t"])
def test_a_float16_counts_as_the_number_that_it_is(name):
    number = np.float16(1e-3)
    params = {"solver": "sgd", "learning_rate": "invscaling", "max_iter": 20, "random_state": 0}
    nets = [fit(L2NetClassifier((3,), **params, **{name: value}), X, Y) for value in (number, float(number))]
    np.testing.assert_array_equal(flat(nets[0]), flat(nets[1]))
    assert nets[0].n_iter_ == nets[1].n_iter_


SWARM_NUMBERS = ("n_particles", "inertia", "inertia_iterations", "cognitive", "social", "initial_spread", "patience")


@pytest.mark.parametrize("name", [*SWARM_NUMBERS, "velocity_clamp", "bounds"])
@pytest.mark.parametrize(("value", "message"), [(True, "True"), (BIG, "10+")])
def test_numbers_of_a_swarm_that_cannot_be_are_refused(name, value, message):
    with pytest.raises(ValueError, match=f"The '{name}' parameter .* Got {message} instead"):
        small(L2NetClassifier, solver=ParticleSwarm(**{name: value})).fit(X, Y)


@pytest.mark.parametrize("params", [{"bounds": (-BIG, BIG)}, {"inertia": (BIG, 0.5)}, {"inertia": (True, 0.5)}])
def test_pairs_of_a_swarm_that_cannot_be_are_refused(params):
    (name,) = params
    with pytest.raises(ValueError, match=rf"{name} must be a "):
        small(L2NetClassifier, solver=ParticleSwarm(**params)).fit(X, Y)


@pytest.mark.parametrize("n_particles", [10**7, 10**15, 2**62])
def test_a_swarm_beyond_memory_is_refused_at_once(n_particles):
    with pytest.raises(MemoryError, match=rf"n_particles={n_particles} .* does not fit into memory.*fewer particles"):
        small(L2NetClassifier, solver=ParticleSwarm(n_particles)).fit(X, Y)


@pytest.mark.parametrize("boundary", ["bounce", "clamp", "reinitialise"])
@pytest.mark.parametrize("bounds", [0.1, (-0.3, 0.1), (0.1, 0.7)])
def test_bounds_hold_for_the_numbers_of_float32(bounds, boundary):
    swarm = ParticleSwarm(10, bounds=bounds, boundary=boundary, polish=True)
    net = fit(small(L2NetClassifier, solver=swarm, alpha=0.0, max_iter=10), X.astype(np.float32), Y)
    low, high = (-bounds, bounds) if isinstance(bounds, float) else bounds
    found = np.concatenate([flat(net), net.swarm_.positions.ravel(), net.swarm_.best_positions.ravel()])
    assert found.dtype == np.float32
    assert low <= float(found.min())
    assert float(found.max()) <= high


def test_bounds_without_a_number_of_float32_are_refused():
    net = small(L2NetClassifier, solver=ParticleSwarm(bounds=(0.1, np.nextafter(0.1, 1.0))))
    with pytest.raises(ValueError, match="have no number of float32 between them"):
        net.fit(X.astype(np.float32), Y)
    fit(net, X, Y)


@pytest.mark.parametrize("alphas", [["0.1", "1"], [True, False], [0.1, None], [10**400, 1], "0.1"])
def test_strengths_of_a_search_that_are_no_numbers_are_refused(alphas):
    with pytest.raises(ValueError, match=r"alphas must be numbers|The 'alphas' parameter"):
        L2NetClassifierCV((3,), alphas=alphas, max_iter=3).fit(X, Y)


@pytest.mark.parametrize("alphas", [[-1, 1], [0.1, np.inf]])
def test_strengths_that_are_negative_or_infinite_are_refused_by_the_name_of_the_parameter(alphas):
    with pytest.raises(ValueError, match=r"^alphas must be numbers in one row, finite and not negative"):
        L2NetClassifierCV((3,), alphas=alphas, max_iter=3).fit(X, Y)


@pytest.mark.parametrize("estimator", [*ESTIMATORS, L2NetClassifierCV])
@pytest.mark.parametrize("attribute", ["loss_", "loss_curve_", "validation_scores_", "n_iter_", "t_", "swarm_"])
def test_attributes_of_a_fit_that_never_was_are_named(estimator, attribute):
    assert not hasattr(estimator(), attribute)
    with pytest.raises(AttributeError, match=f"{estimator.__name__} is not fitted yet, and has no {attribute}"):
        getattr(estimator(), attribute)


@pytest.mark.parametrize("name", ["step", "resolution", "min_units", "max_units"])
def test_truth_values_are_no_sizes_of_a_sweep(name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter .* Got True instead"):
        NodeSweepCV(small(L2NetClassifier), **{name: True}).fit(X, Y)


# --- weights that were replaced ---------------------------------------------------------------------------------------

REPLACED = {
    "another shape": (
        "coefs_",
        1,
        np.zeros((5, 4)),
        r"coefs_\[1\] must be .* \(5, 3\).*got float64, shape \(5, 4\)",
    ),
    "other hidden units": (
        "coefs_",
        1,
        np.zeros((6, 3)),
        r"coefs_\[1\] must be .* \(5, 3\).*got float64, shape \(6, 3\)",
    ),
    "other features": ("coefs_", 0, np.zeros((3, 5)), r"coefs_\[0\] must be .* \(4, 5\).*got float64, shape \(3, 5\)"),
    "other biases": ("intercepts_", 0, np.zeros(4), r"intercepts_\[0\] must be .* \(5,\).*got float64, shape \(4,\)"),
    "one dimension": ("coefs_", 0, np.zeros(20), r"coefs_\[0\] must be .*got float64, shape \(20,\)"),
    "integers": ("coefs_", 0, np.zeros((4, 5), int), r"coefs_\[0\] must be an array of float32 or float64.*got int64"),
    "objects": ("intercepts_", 1, np.zeros(3, object), r"intercepts_\[1\] must be .*got object, shape \(3,\)"),
    "a list": ("coefs_", 0, [[0.0] * 5] * 4, r"coefs_\[0\] must be .*got list"),
    "a scalar": ("intercepts_", 0, 0.0, r"intercepts_\[0\] must be .*got float"),
    "a sparse array": ("coefs_", 0, sp.csr_array((4, 5)), r"coefs_\[0\] must be an array .*got csr_array"),
}


def uses(net):
    """Calls that use the weights of a network with ``warm_start=True``."""
    frames = X, X.tolist(), sp.csr_array(X)
    methods = net.predict, net.predict_proba, net.decision_function
    return [
        *(lambda method=method, frame=frame: method(frame) for method in methods for frame in frames),
        lambda: net.fit(X, Y),
        lambda: net.partial_fit(X, Y),
        net.l2_report,
        net.to_sklearn,
    ]


@pytest.mark.parametrize("case", REPLACED)
def test_replaced_weights_that_do_not_fit_are_refused_by_name(case):
    name, i, array, message = REPLACED[case]
    net = fit(small(L2NetClassifier, warm_start=True), X, Y)
    getattr(net, name)[i] = array
    for use in uses(net):
        with pytest.raises(ValueError, match=message):
            use()


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_a_missing_layer_is_refused_by_name(name):
    net = fit(small(L2NetClassifier, warm_start=True), X, Y)
    setattr(net, name, getattr(net, name)[:1])
    for use in uses(net):
        with pytest.raises(ValueError, match=r"coefs_ has . arrays, and intercepts_ has .\."):
            use()


@pytest.mark.parametrize("value", [None, 5, "ab", {}, np.zeros(3)], ids=["None", "5", "text", "dict", "array"])
@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_weights_that_are_no_list_are_refused_by_name(name, value):
    net = fit(small(L2NetClassifier, warm_start=True), X, Y)
    setattr(net, name, value)
    for use in uses(net):
        with pytest.raises(ValueError, match=f"{name} must be a list of arrays.*got {type(value).__name__}"):
            use()


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_replaced_weights_that_fit_are_used():
    net, unchanged = (fit(small(L2NetClassifier, warm_start=True), X, Y) for _ in range(2))
    for kind in (np.asfortranarray, np.asmatrix):
        net.coefs_ = [kind(coef) for coef in net.coefs_]
        np.testing.assert_array_equal(net.predict_proba(X), unchanged.predict_proba(X))
        np.testing.assert_array_equal(flat(fit(net, X, Y)), flat(fit(unchanged, X, Y)))
    net.coefs_ = [coef.astype(np.float32) for coef in net.coefs_]
    np.testing.assert_allclose(net.predict_proba(X), unchanged.predict_proba(X), atol=1e-5)


# --- what is put right, with a word or without ------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@each_estimator
def test_batch_size_is_clipped_with_a_warning(estimator, solver):
    with pytest.warns(UserWarning, match="batch_size=100 is larger than the sample size 40"):
        net = small(estimator, solver=solver, batch_size=100).fit(X, Y)
    np.testing.assert_array_equal(flat(net), flat(fit(small(estimator, solver=solver, batch_size=40), X, Y)))


def test_alpha_above_a_half_warns_of_the_factor_trap():
    with pytest.warns(UserWarning, match=r"removes 97% of every weight.*pass alpha=0\.03"):
        small(L2NetClassifier, l2_mode="decay_before", alpha=0.97).fit(X, Y)


@each_estimator
def test_a_column_of_targets_is_taken_with_a_warning(estimator):
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        net = small(estimator).fit(X, Y[:, None])
    assert net.predict(X).shape == (40,)


@each_estimator
def test_read_only_input_is_taken(estimator):
    frozen = X.copy()
    frozen.setflags(write=False)
    np.testing.assert_array_equal(flat(fit(small(estimator), frozen, Y)), flat(fit(small(estimator), X, Y)))


# --- divergence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_divergence_names_the_iteration_the_learning_rate_and_what_to_change(solver):
    # a step of 1e200 times weights and gradients overflows at once
    net = small(L2NetRegressor, solver=solver, activation="identity", learning_rate_init=1e200, alpha=0.0)
    with (
        pytest.raises(
            ValueError, match=r"diverged: iteration \d .* learning rate was 1e\+200.*lower learning_rate_init"
        ),
        np.errstate(all="ignore"),
    ):
        net.set_params(learning_rate="constant", max_iter=50).fit(X, Y)


# solvers and learning rates with which each update makes the weights larger, without any becoming infinite
FINITE = {
    "sgd": {"solver": "sgd", "learning_rate_init": 1.0, "max_iter": 10},
    "sgd, one epoch": {"solver": "sgd", "learning_rate_init": 1.0, "max_iter": 1, "batch_size": 5},
    "adam": {"solver": "adam", "learning_rate": "constant", "learning_rate_init": 10.0, "max_iter": 20},
    "adaptive": {"solver": "sgd", "learning_rate_init": 1.0, "learning_rate": "adaptive", "max_iter": 10},
    "early stopping": {"solver": "sgd", "learning_rate_init": 1.0, "max_iter": 10, "early_stopping": True},
    "decay": {"solver": "sgd", "learning_rate_init": 1.0, "max_iter": 10, "l2_mode": "decay_after"},
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", FINITE)
def test_divergence_that_stays_finite_warns_with_the_learning_rate_and_what_to_change(case, weighted):
    X, y = regression(300)
    net = L2NetRegressor((), "identity", loss="squared_error", alpha=None, random_state=0).set_params(**FINITE[case])
    weight = np.linspace(0.0, 1.0, len(y)) if weighted else None
    with pytest.warns(ConvergenceWarning) as record:
        net.fit(3 * X, y, sample_weight=weight)
    (message,) = [str(warning.message) for warning in record if "diverged" in str(warning.message)]
    assert len(record) == 1
    assert np.isfinite(flat(net)).all()
    assert f"final loss, {net.loss_:.6g}, is above the" in message
    assert f"learning_rate_init={FINITE[case]['learning_rate_init']:g}" in message
    assert "lower learning_rate_init" in message
    assert ("weights of the best validation score are kept" in message) == ("early" in case)


def test_divergence_in_the_last_epoch_is_seen_though_its_loss_is_taken_before_the_updates():
    X, y = regression(60)
    net = L2NetRegressor((10,), solver="sgd", learning_rate_init=10, alpha=0, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"diverged: the final loss.*above the initial one.*rate_init=10"):
        net.fit(X, y)
    assert net.score(X, y) < -1000


def test_a_loss_beyond_all_numbers_is_divergence():
    X, y = regression(60)
    net = L2NetRegressor((3,), max_iter=5, normalize_y=False, random_state=0)
    # NumPy would warn of overflows in the reference engine
    with warnings.catch_warnings(record=True) as record, np.errstate(over="ignore", invalid="ignore"):
        warnings.simplefilter("always")
        net.fit(X, y * 1e200)
    assert [warning.category for warning in record] == [ConvergenceWarning]
    assert "diverged: the final loss, inf, is not finite" in str(record[0].message)


@pytest.mark.parametrize(("alpha", "is_named"), [(1e9, True), (0.0, False)])
def test_divergence_under_sgd_names_alpha_where_the_penalty_is_strong(alpha, is_named):
    X, y = regression(60)
    rate = {"learning_rate_init": 0.1 if is_named else 1e9}
    net = L2NetRegressor((5,), solver="sgd", alpha=alpha, max_iter=20, random_state=0, **rate)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=r"Training diverged.*lower learning_rate_init") as error:
            net.fit(X, y)
    assert (r"or alpha (now up to 1e+09)" in str(error.value)) == is_named


@pytest.mark.parametrize("weight", [None, [1.0, 0.0]])
def test_a_stream_that_begins_with_a_constant_target_warns_of_its_scale(weight):
    X, y = regression(60)
    n = 1 if weight is None else 2
    net = L2NetRegressor((3,), solver="sgd", random_state=0)
    with pytest.warns(UserWarning, match="constant in the first call of partial_fit.*larger first batch, or set norm"):
        net.partial_fit(X[:n], y[:n], sample_weight=weight)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.partial_fit(X[:1], y[:1])
        L2NetRegressor((3,), solver="sgd").partial_fit(X[:2], [-1.0, 1.0])  # whose standard deviation is 1
        L2NetRegressor((3,), solver="sgd", normalize_y=False).partial_fit(X[:1], y[:1])
        L2NetRegressor((3,), solver="sgd", max_iter=1).fit(X, np.ones(60))


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.SFC64])
def test_random_states_of_other_generators_are_refused(generator):
    with pytest.raises(ValueError, match=f"RandomState of {generator.__name__}.*Pass an integer"):
        small(L2NetClassifier, random_state=np.random.RandomState(generator(0))).fit(X, Y)


@pytest.mark.parametrize("patience", [None, "long", np.ones(2)])
def test_parameters_of_a_swarm_are_refused_by_name(patience):
    with pytest.raises(ValueError, match="The 'patience' parameter of ParticleSwarm must be"):
        small(L2NetClassifier, solver=ParticleSwarm(5, patience=patience)).fit(X, Y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs", "pso"])
def test_training_that_goes_well_or_has_nothing_to_learn_draws_no_warning_of_divergence(solver):
    rng = np.random.default_rng(0)
    for X, y in (classes(60), (rng.normal(size=(60, 3)), rng.integers(2, size=60))):
        net = L2NetClassifier((5,), solver=solver, batch_size=10, learning_rate_init=0.02, random_state=0, max_iter=100)
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            for _ in range(3):  # the loss rises and falls near the minimum
                net.set_params(warm_start=True).fit(X, y)
        assert not [str(warning.message) for warning in record if "diverged" in str(warning.message)]


def test_divergence_of_lbfgs_names_what_to_change():
    with (
        pytest.raises(ValueError, match=r"initial weights.*solver='lbfgs'.*scale the input"),
        np.errstate(all="ignore"),
    ):
        small(L2NetRegressor, solver="lbfgs").fit(HUGE, Y)


@pytest.mark.parametrize(("dtype", "alpha"), [(np.float64, 1e160), (np.float64, 1e300), (np.float32, 1e60)])
def test_a_penalty_whose_gradient_overflows_in_lbfgs_is_refused(dtype, alpha):
    with pytest.raises(ValueError, match=r"gradient overflows at the initial.*decrease alpha \(now up to 1e"):
        small(L2NetClassifier, solver="lbfgs", alpha=alpha).fit(X.astype(dtype), Y)


def test_lbfgs_says_that_it_met_max_iter():
    with pytest.warns(ConvergenceWarning, match=r"Increase max_iter \(now 3\)"):
        small(L2NetRegressor, solver="lbfgs").fit(X, Y)


@pytest.mark.usefixtures("lbfgs_goes_uphill")
def test_lbfgs_says_that_its_line_search_found_no_smaller_loss():
    with pytest.warns(ConvergenceWarning, match=r"line search found no smaller loss.*Increase tol"):
        small(L2NetRegressor, solver="lbfgs").fit(X, Y)


@each_estimator
@pytest.mark.filterwarnings("ignore:The penalty")
def test_divergence_under_early_stopping_warns_and_keeps_the_best_weights(estimator):
    # the penalty makes each weight 49 times larger in every update, until they overflow
    X_good, y_good = classes(60) if estimator is L2NetClassifier else regression(60)
    params = {"solver": "sgd", "momentum": 0.0, "early_stopping": True, "n_iter_no_change": np.inf, "max_iter": 500}
    explosive = {"l2_mode": "penalty", "alpha": 5e4, "learning_rate_init": 1e-3}
    net = small(estimator, warm_start=True, **params, **explosive)
    with pytest.warns(UserWarning, match="weights of the best validation score are kept"), np.errstate(all="ignore"):
        net.fit(X_good, y_good)
    assert np.isfinite(flat(net)).all()
    assert net.best_validation_score_ == np.nanmax(net.validation_scores_)
    n_before = len(net.validation_scores_)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.set_params(alpha=0.0, max_iter=3).fit(X_good, y_good)  # nothing of it is left in the optimiser
    assert len(net.validation_scores_) == n_before + net.n_iter_ == n_before + 3
    assert np.isfinite(net.validation_scores_[n_before:]).all()


def test_no_numpy_warnings_in_an_ordinary_fit():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for estimator in ESTIMATORS:
            for solver in ("lbfgs", "sgd", "adam"):
                fit(small(estimator, solver=solver, max_iter=20), X, Y)


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        (np.linspace(0, 1, 60), {}, "Unknown label type: continuous.*regression target"),
        (
            np.arange(60) % 3,
            {"early_stopping": True, "validation_fraction": 0.0},
            "could not set validation_fraction=0",
        ),
        (
            np.arange(60) // 59,
            {"early_stopping": True},
            r"could not set .* only 1 member.*[^.]\. Change validation_fraction, or set early_stopping=False",
        ),
    ],
    ids=["real targets", "no validation set", "a rare class"],
)
def test_targets_that_cannot_be_classified_or_split_are_explained(y, params, message):
    with pytest.raises(ValueError, match=message):
        L2NetClassifier((3,), **params).fit(np.random.default_rng(0).normal(size=(60, 4)), y)


def test_parameters_of_a_solver_without_any_are_explained():
    for estimator in (L2NetClassifier, L2NetRegressor):
        with pytest.raises(ValueError, match=r"solver__n_particles needs .* solver='adam' has none.*ParticleSwarm\(\)"):
            estimator().set_params(solver__n_particles=20)
        net = estimator().set_params(solver=ParticleSwarm(), solver__n_particles=20)
        assert net.solver.n_particles == 20
        with pytest.raises(ValueError, match="Invalid parameter"):
            net.set_params(particles=20)


UNORDERED = ([0, 0, 1], [np.nan, 1, 2], [None] * 3, [2, 1, 0], [0, "a", 1])


@pytest.mark.parametrize("names", UNORDERED, ids=repr)
@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_classes_that_are_not_in_ascending_order_are_not_trained_with(names, method):
    net = fit(small(L2NetClassifier, warm_start=True), X, Y)
    net.classes_ = np.array(names, dtype=object if {None, "a"} & set(names) else None)
    before = flat(net)
    with pytest.raises(ValueError, match="`classes_` must be in strictly ascending order"):
        getattr(net, method)(X, Y)
    np.testing.assert_array_equal(flat(net), before)


def test_classes_that_a_user_has_renamed_are_trained_with():
    net, expected = fit(small(L2NetClassifier), X, Y), fit(small(L2NetClassifier), X, Y)
    net.classes_ = np.array(["high", "low", "middle"])
    net.partial_fit(X, net.classes_[Y])
    np.testing.assert_array_equal(flat(net), flat(expected.partial_fit(X, Y)))
    np.testing.assert_array_equal(net.predict(X), net.classes_[expected.predict(X)])
    with pytest.raises(ValueError, match=r"classes not in `self.classes_`"):
        net.partial_fit(X, np.array(["a", "b", "c"])[Y])
