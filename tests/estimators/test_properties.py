"""What holds for every small network and data set: hypothesis looks for one where it does not."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from cases import fit, flat
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.activations import ACTIVATIONS
from skl2net.l2 import DECAYS, MODES, PENALTIES
from skl2net.solvers.schedules import SCHEDULES

lightly = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@st.composite
def problems(draw, *, max_hidden=2):
    """An estimator's class and parameters, and data for it."""
    n_rows, n_features = draw(st.integers(6, 20)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    X = rng.normal(size=(n_rows, n_features))
    if draw(st.booleans()):
        X = sp.csr_matrix(np.where(np.abs(X) > 0.5, X, 0))
    params = {
        "hidden_layer_sizes": tuple(draw(st.lists(st.integers(1, 6), max_size=max_hidden))),
        "activation": draw(st.sampled_from([*ACTIVATIONS])),
        "random_state": draw(st.integers(0, 100)),
        "max_iter": 4,
    }
    if draw(st.booleans()):
        return L2NetRegressor, params, X, rng.normal(size=n_rows)
    params["loss"] = draw(st.sampled_from(["log_loss", "squared_error"]))
    n_classes = draw(st.integers(2, 3))
    return L2NetClassifier, params, X, np.arange(n_rows) % n_classes


def mini_batches():
    """Parameters of SGD and Adam."""
    return st.fixed_dictionaries(
        {
            "solver": st.sampled_from(["sgd", "adam"]),
            "batch_size": st.integers(1, 6),
            "momentum": st.sampled_from([0.0, 0.9]),
            "nesterovs_momentum": st.booleans(),
            "learning_rate": st.sampled_from([*SCHEDULES]),
        }
    )


@lightly
@given(problems(), mini_batches(), st.sampled_from(MODES))
def test_alpha_zero_is_no_regularisation(problem, mini_batch, mode):
    estimator, params, X, y = problem
    # a penalty of 1e-300 changes no digit either, by another path through the code
    nothing = fit(estimator(**params, **mini_batch, alpha=1e-300, l2_mode="penalty"), X, y)
    net = fit(estimator(**params, **mini_batch, alpha=0.0, l2_mode=mode), X, y)
    np.testing.assert_array_equal(flat(net), flat(nothing))
    assert net.loss_ == net.data_loss_ == nothing.data_loss_


@lightly
@given(problems(), st.sampled_from(PENALTIES))
def test_alpha_zero_is_no_regularisation_under_lbfgs(problem, mode):
    estimator, params, X, y = problem
    nothing = fit(estimator(**params, solver="lbfgs", alpha=1e-300), X, y)
    net = fit(estimator(**params, solver="lbfgs", alpha=0.0, l2_mode=mode), X, y)
    np.testing.assert_array_equal(flat(net), flat(nothing))


@lightly
@given(problems(max_hidden=0), st.sampled_from(PENALTIES), st.floats(0.01, 10.0), st.floats(1.5, 10.0))
def test_sum_of_squares_falls_with_alpha_at_the_optimum_of_a_linear_model(problem, mode, alpha, factor):
    estimator, params, X, y = problem
    # only convex losses have one optimum
    params |= {"loss": "log_loss" if estimator is L2NetClassifier else "squared_error", "max_iter": 2000, "tol": 1e-8}
    norms = []
    for a in (alpha, factor * alpha):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            # where the line search finds no smaller loss, the optimum is reached to within rounding
            warnings.filterwarnings("ignore", message=".*ABNORMAL")
            net = estimator(**params, solver="lbfgs", l2_mode=mode, alpha=a).fit(X, y)
        norms.append(net.weight_norm_curve_[-1])
    # Σw² of the optimum falls with alpha (its derivative is that of a convex function of alpha); a gradient of 1e-8
    # leaves the weights within 1e-8 / alpha, a loss of one eps above the smallest within sqrt(2·eps / alpha), which is
    # less; and alpha / n is at least 0.01 / 20
    slack = 2 * np.sqrt(norms[0]) * np.sqrt(flat(net).size) * 1e-8 / (0.01 / 20)
    assert norms[1] <= norms[0] + slack


@lightly
@given(problems(), mini_batches(), st.sampled_from(MODES))
def test_a_pickled_network_predicts_the_same(problem, mini_batch, mode):
    estimator, params, X, y = problem
    net = fit(estimator(**params, **mini_batch, l2_mode=mode), X, y)
    other = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    if estimator is L2NetClassifier:
        np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))


def with_rows_of_zero_weight(X, y, rng, *, at_end):
    """Copies of some rows with other targets and no weight, and the weights."""
    n_extra = rng.integers(1, 8)
    extra = rng.integers(X.shape[0], size=n_extra)
    stack = sp.vstack if sp.issparse(X) else np.vstack
    X_all = stack([X, 3 * X[extra]])
    y_all = np.concatenate([y, y[rng.permutation(len(y))[:n_extra]]])
    weight = np.concatenate([np.ones(len(y)), np.zeros(n_extra)])
    order = np.arange(len(y_all)) if at_end else rng.permutation(len(y_all))
    X_all = X_all.tocsr() if sp.issparse(X_all) else X_all
    return X_all[order], y_all[order], weight[order]


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@lightly
@given(problems(), st.sampled_from(MODES), st.integers(0, 1000))
def test_rows_of_zero_weight_change_nothing_in_full_batches(solver, problem, mode, seed):
    estimator, params, X, y = problem
    mode = "penalty_per_sample" if solver == "lbfgs" and mode in DECAYS else mode
    X_all, y_all, weight = with_rows_of_zero_weight(X, y, np.random.default_rng(seed), at_end=False)
    params |= {"solver": solver, "l2_mode": mode, "alpha": 0.01, "shuffle": False, "tol": 1e-3}
    # tanh instead of relu: the sums are taken in another order, and relu's slope may jump
    params |= {"activation": "tanh" if params["activation"] == "relu" else params["activation"]}
    without = fit(estimator(**params, batch_size=len(y)), X, y, sample_weight=np.ones(len(y)))
    net = fit(estimator(**params, batch_size=len(y_all)), X_all, y_all, sample_weight=weight)
    # four updates: of SGD with a learning rate below one, or of Adam, whose change is at most η·√(1 - β₂)/ε, that is
    # 3000, times that of a gradient; the sums differ by some eps
    np.testing.assert_allclose(flat(net), flat(without), rtol=0, atol=1e-10)
    np.testing.assert_allclose(net.loss_curve_, without.loss_curve_, rtol=0, atol=1e-10)


@lightly
@given(problems(), mini_batches(), st.sampled_from(MODES), st.integers(0, 1000))
def test_batches_of_zero_weight_change_nothing(problem, mini_batch, mode, seed):
    estimator, params, X, y = problem
    X_all, y_all, weight = with_rows_of_zero_weight(X, y, np.random.default_rng(seed), at_end=True)
    params |= {**mini_batch, "l2_mode": mode, "alpha": 0.01, "shuffle": False, "batch_size": 1}
    if params["learning_rate"] in ("invscaling", "cosine"):  # they count rows, or batches
        params["learning_rate"] = "constant"
    without = fit(estimator(**params), X, y)
    net = fit(estimator(**params), X_all, y_all, sample_weight=weight)
    np.testing.assert_array_equal(flat(net), flat(without))
    np.testing.assert_array_equal(net.loss_curve_, without.loss_curve_)
