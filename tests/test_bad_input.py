"""What bad input gets: an error that says what was passed and what to do, and an estimator left as it was."""

import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from cases import classes, fit, flat, iterating_function, regression
from sklearn.exceptions import ConvergenceWarning

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.solvers import lbfgs

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
    "text for alpha": ({"alpha": "large"}, X, Y, None, "The 'alpha' parameter"),
    "decay of a whole weight": ({"l2_mode": "decay_after", "alpha": 1.0}, X, Y, None, "needs 0 <= alpha < 1"),
    "decoupled decay of a whole weight": (
        {"l2_mode": "decoupled", "alpha": 1000.0},
        X,
        Y,
        None,
        r"learning rate \* alpha = 1 times.*Lower alpha",
    ),
    "decay under L-BFGS": ({"l2_mode": "decoupled", "solver": "lbfgs"}, X, Y, None, "Use l2_mode='penalty'"),
    "zero hidden units": ({"hidden_layer_sizes": (5, 0)}, X, Y, None, r"must be > 0.*\(5, 0\)"),
    "half a hidden unit": ({"hidden_layer_sizes": (5, 0.5)}, X, Y, None, "whole numbers"),
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
    failing_engine(iterating_function(solver), 2, error)
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
    with pytest.raises(ValueError, match=r"has layers of \(4, 5.*Set hidden_layer_sizes=\(5,\), or .*warm_start=False"):
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


@pytest.mark.parametrize("class_weight", [{0: -1.0}, {0: 0.0, 1: 0.0, 2: 0.0}])
def test_class_weights_below_zero_or_all_zero_are_refused(class_weight):
    with pytest.raises(ValueError, match="class_weight"):
        small(L2NetClassifier, class_weight=class_weight).fit(X, Y)


def test_unknown_class_in_class_weight_is_refused():
    with pytest.raises(ValueError, match=r"class_weight.*heavy"):
        small(L2NetClassifier, class_weight="heavy").fit(X, Y)


def test_continuous_targets_are_no_classes():
    with pytest.raises(ValueError, match="Unknown label type"):
        small(L2NetClassifier).fit(X, X[:, 0])


def test_multiclass_multioutput_targets_are_refused():
    with pytest.raises(ValueError, match=r"[Mm]ultioutput"):
        small(L2NetClassifier).fit(X, np.column_stack([Y, Y]))


# --- regression -------------------------------------------------------------------------------------------------------


def test_poisson_refuses_negative_targets():
    with pytest.raises(ValueError, match=r"loss='poisson' needs targets y >= 0, got -1\. Use loss='squared_error'"):
        small(L2NetRegressor, loss="poisson").fit(X, Y - 1)


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
        net.set_params(max_iter=50).fit(X, Y)


def test_divergence_of_lbfgs_names_what_to_change():
    with pytest.raises(ValueError, match=r"diverged.*solver='lbfgs'.*scale the input"), np.errstate(all="ignore"):
        small(L2NetRegressor, solver="lbfgs").fit(HUGE, Y)


def test_lbfgs_says_which_limit_it_met(monkeypatch):
    with pytest.warns(ConvergenceWarning, match=r"Increase max_iter \(now 3\)"):
        small(L2NetRegressor, solver="lbfgs").fit(X, Y)
    first_state = lbfgs.first_state

    def uphill(*args):
        state = first_state(*args)
        state.gradient *= -1
        return state

    # a line search that finds no smaller loss, as where rounding hides it
    monkeypatch.setattr(lbfgs, "first_state", uphill)
    with pytest.warns(ConvergenceWarning, match=r"line search found no smaller loss.*Increase tol"):
        small(L2NetRegressor, solver="lbfgs").fit(X, Y)


@each_estimator
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
        (np.arange(60) // 59, {"early_stopping": True}, "could not set .* only 1 member.*or set early_stopping=False"),
    ],
    ids=["real targets", "no validation set", "a rare class"],
)
def test_targets_that_cannot_be_classified_or_split_are_explained(y, params, message):
    with pytest.raises(ValueError, match=message):
        L2NetClassifier((3,), **params).fit(np.random.default_rng(0).normal(size=(60, 4)), y)


def test_parameters_of_a_solver_without_any_are_explained():
    for estimator in (L2NetClassifier, L2NetRegressor):
        with pytest.raises(ValueError, match=r"solver__n_particles needs .* solver='pso' has none.*ParticleSwarm\(\)"):
            estimator(solver="pso").set_params(solver__n_particles=20)
        net = estimator().set_params(solver=ParticleSwarm(), solver__n_particles=20)
        assert net.solver.n_particles == 20
        with pytest.raises(ValueError, match="Invalid parameter"):
            net.set_params(particles=20)
