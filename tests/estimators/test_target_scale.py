"""`normalize_y`: a regression is trained in standard units of its targets, and everything else is in their own."""

import copy
import pickle

import numpy as np
import pytest
from cases import fit, flat, regression
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from skl2net import L2NetRegressor, ParticleSwarm
from skl2net.target_scale import TargetScale

X, Y = regression(60)
SOLVERS = ("sgd", "adam", "lbfgs", "pso")
each_solver = pytest.mark.parametrize("solver", SOLVERS)
with_updates = pytest.mark.parametrize("solver", ["sgd", "adam"])
# powers of two: neither they nor their products are rounded, so that the standardised targets have the same bits
FACTOR, SHIFT = 2.0**10, 2.0**12


def small(solver, **params):
    """A regressor that fits at once, in several updates an epoch."""
    return L2NetRegressor(
        **{"hidden_layer_sizes": (5,), "solver": solver, "max_iter": 8, "batch_size": 16, "random_state": 0, **params}
    )


def grid(y, dtype=np.float64):
    """Targets with few digits: sums of them, shifted and scaled ones too, are exact."""
    return (np.round(y * 32) / 32).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
@each_solver
def test_a_fit_to_scaled_and_shifted_targets_scales_and_shifts_the_predictions(solver, n_outputs, weighted, dtype):
    features, y = regression(60, n_outputs=n_outputs)
    features, y = features.astype(dtype), grid(y)
    weight = {"sample_weight": np.arange(60) % 4 / 2} if weighted else {}
    of_y, of_other = (fit(small(solver), features, targets, **weight) for targets in (y, FACTOR * y + SHIFT))
    # the mean and the standard deviation are rounded in float64, the targets and the last layer in the dtype
    eps = np.finfo(dtype).eps
    tolerance = {"rtol": 1e3 * eps, "atol": 1e3 * eps * (FACTOR + SHIFT)}
    np.testing.assert_allclose(of_other.predict(features), FACTOR * of_y.predict(features) + SHIFT, **tolerance)
    np.testing.assert_allclose(of_other.coefs_[1], FACTOR * of_y.coefs_[1], **tolerance)
    np.testing.assert_allclose(of_other.loss_curve_, of_y.loss_curve_, rtol=1e3 * eps)
    np.testing.assert_allclose(of_other.weight_norm_curve_, of_y.weight_norm_curve_, rtol=1e3 * eps)
    assert of_other.predict(features).dtype == dtype


@each_solver
def test_training_is_that_on_targets_in_standard_units(solver):
    standard = (Y - Y.mean()) / Y.std()
    net, by_hand = fit(small(solver), X, Y), fit(small(solver, normalize_y=False), X, standard)
    np.testing.assert_allclose(net.loss_curve_, by_hand.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(net.predict(X), by_hand.predict(X) * Y.std() + Y.mean(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(net.coefs_[1], by_hand.coefs_[1] * Y.std(), rtol=0, atol=1e-9)


def test_the_scale_is_that_of_the_weighted_targets():
    _, y = regression(60, n_outputs=2)
    weight = np.arange(60) % 4.0
    scale, repeated = TargetScale.of(y, weight), np.repeat(y, weight.astype(int), axis=0)
    np.testing.assert_allclose(scale.mean, repeated.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(scale.std, repeated.std(axis=0), rtol=1e-13)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -3e20, 1e-300])
@pytest.mark.parametrize("weighted", [False, True])
@each_solver
def test_constant_targets_are_predicted(solver, weighted, value):
    weight = {"sample_weight": np.linspace(0.1, 1, 60)} if weighted else {}
    net = fit(small(solver), X, np.full(60, value), **weight)
    assert net._training_state.target_scale.std[0] == 1
    # what training leaves of the initial outputs is of size one
    assert np.abs(net.predict(X) - value).max() <= 10 + 1e-12 * abs(value)


def test_targets_of_any_finite_size_are_standardised():
    for unit in (1e-200, 1e-320, 1e150, 1e307):
        scale = TargetScale.of(unit * Y[:, np.newaxis] / np.abs(Y).max())
        assert np.isfinite(scale.std).all()
        assert scale.std[0] > 0
        assert np.abs(scale.standardised(unit * Y[:, np.newaxis] / np.abs(Y).max())).max() < 10


@pytest.mark.parametrize("alpha", [0.1, 5.0])
@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_ridge_is_reached_in_any_unit(factor, alpha):
    # dividing the squared errors and the squares of the weights by the same variance does not move the minimum
    net = L2NetRegressor((), solver="lbfgs", alpha=alpha, tol=1e-9, max_iter=5000, random_state=0).fit(X, factor * Y)
    ridge = Ridge(alpha=alpha, tol=1e-12).fit(X, factor * Y)
    np.testing.assert_allclose(net.coefs_[0][:, 0], ridge.coef_, rtol=0, atol=1e-4 * factor)
    np.testing.assert_allclose(net.intercepts_[0], ridge.intercept_, rtol=0, atol=1e-4 * factor)
    variance = (factor * Y).var()
    residuals = factor * Y - net.predict(X)
    assert net.data_loss_ == pytest.approx(0.5 * np.mean(residuals**2) / variance, rel=1e-9)
    penalty = alpha / (2 * 60) * np.sum(net.coefs_[0] ** 2) / variance
    assert net.loss_ == pytest.approx(net.data_loss_ + penalty, rel=1e-9)


@with_updates
@pytest.mark.parametrize("pickled", [False, True])
def test_thirty_warm_started_fits_of_one_iteration_are_one_fit_of_thirty(solver, pickled):
    params = {"learning_rate": "constant", "n_iter_no_change": np.inf}
    whole = fit(small(solver, max_iter=30, **params), X, Y)
    parts = small(solver, max_iter=1, warm_start=True, **params)
    for _ in range(30):
        parts = fit(pickle.loads(pickle.dumps(parts)) if pickled else parts, X, Y)
    np.testing.assert_array_equal(flat(parts), flat(whole))
    assert parts.loss_curve_ == whole.loss_curve_


@each_solver
def test_a_warm_start_on_other_targets_goes_on_from_the_same_predictions(solver):
    net = fit(small(solver, warm_start=True), X, Y)
    before, other = net.predict(X), 50 * Y + 7
    network = net._network()
    scale = TargetScale.of(other[:, np.newaxis])
    again = network.unpack(scale.unscaled_parameters(network, net._parameters_in(scale, network)))
    net.coefs_, net.intercepts_ = again
    np.testing.assert_allclose(net.predict(X), before, rtol=1e-9, atol=1e-12)
    fit(net, X, other)
    assert net._training_state.target_scale.std[0] == pytest.approx(50 * Y.std(), rel=1e-12)
    assert np.isfinite(net.predict(X)).all()


@with_updates
def test_a_warm_start_goes_on_from_weights_that_users_have_replaced(solver):
    net = fit(small(solver, warm_start=True), X, Y)
    net.coefs_[1][...], net.intercepts_[1][...] = 0.25, 0.5
    expected = net.predict(X)
    fit(net.set_params(learning_rate="constant", learning_rate_init=1e-300, alpha=0.0, momentum=0.0, max_iter=1), X, Y)
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.coefs_[1], 0.25, rtol=1e-14)


@with_updates
def test_partial_fit_keeps_the_scale_of_its_first_call(solver):
    net = small(solver)
    net.partial_fit(X[:30], Y[:30])
    first = copy.deepcopy(net._training_state.target_scale)
    net.partial_fit(X[30:], 100 * Y[30:])
    assert net._training_state.target_scale.is_same(first)
    assert first.std[0] == pytest.approx(Y[:30].std(), rel=1e-12)
    # the same passes over targets in these units
    by_hand = small(solver, normalize_y=False)
    by_hand.partial_fit(X[:30], (Y[:30] - first.mean) / first.std)
    by_hand.partial_fit(X[30:], (100 * Y[30:] - first.mean) / first.std)
    np.testing.assert_allclose(net.predict(X), by_hand.predict(X) * first.std + first.mean, rtol=1e-9, atol=1e-9)
    fitted = fit(small(solver), X, Y)
    of_fit = fitted._training_state.target_scale
    fitted.partial_fit(X, 100 * Y)
    assert fitted._training_state.target_scale.is_same(of_fit)


@with_updates
def test_a_stream_that_began_in_its_own_units_stays_in_them(solver):
    net = small(solver, normalize_y=False).partial_fit(X, Y)
    net.set_params(normalize_y=True).partial_fit(X, Y)
    assert net._training_state.target_scale is None


@pytest.mark.parametrize("n_outputs", [1, 2])
@with_updates
def test_early_stopping_scores_are_those_of_the_predictions(solver, n_outputs):
    features, y = regression(60, n_outputs=n_outputs)
    params = {"early_stopping": True, "scoring": "score", "validation_fraction": 0.5, "shuffle": False, "max_iter": 1}
    net = fit(small(solver, **params), features, y)
    # R² is the same in any unit if the outputs are averaged with their own variances
    scaled = fit(small(solver, **params), features, 1000 * y + 3)
    assert scaled.validation_scores_ == pytest.approx(net.validation_scores_, rel=1e-6, abs=1e-9)
    assert scaled.validation_loss_curve_ == pytest.approx(net.validation_loss_curve_, rel=1e-6)
    assert -10 < net.validation_scores_[0] <= 1
    assert net.score(features, y) == pytest.approx(r2_score(y, net.predict(features)))


def test_an_objective_of_the_swarm_sees_targets_and_predictions_in_their_own_units():
    y, seen = 100 * Y + 5000, []

    def objective(y_true, y_pred, sample_weight):
        seen.append((y_true.copy(), y_pred.copy()))
        return np.mean(np.abs(y_true - y_pred))

    net = fit(small(ParticleSwarm(6, objective=objective)), X, y)
    for targets, predictions in seen:
        np.testing.assert_allclose(targets, y, rtol=1e-12)
        assert predictions.shape == y.shape
        assert np.abs(predictions - y.mean()).max() < 100 * y.std()
    best = min(np.mean(np.abs(targets - predictions)) for targets, predictions in seen)
    assert np.mean(np.abs(y - net.predict(X))) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("way", ["pickle", "skops"])
@with_updates
def test_a_saved_network_predicts_and_goes_on_as_the_original(solver, way):
    net = fit(small(solver, warm_start=True), X, 30 * Y - 4)
    if way == "pickle":
        other = pickle.loads(pickle.dumps(net))
    else:
        io = pytest.importorskip("skops.io")
        saved = io.dumps(net)
        other = io.loads(saved, trusted=io.get_untrusted_types(data=saved))
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    assert str(other.l2_report()) == str(net.l2_report())
    for each in (net, other):
        fit(each, X, 30 * Y - 4).partial_fit(X, Y)
    np.testing.assert_array_equal(flat(other), flat(net))


def test_to_torch_predicts_in_the_units_of_the_targets():
    torch = pytest.importorskip("torch")
    net = fit(small("adam"), X, 30 * Y - 4)
    with torch.no_grad():
        np.testing.assert_allclose(net.to_torch()(torch.from_numpy(X)).numpy()[:, 0], net.predict(X), rtol=1e-9)


def test_counts_keep_their_units():
    counts = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0]))
    nets = [fit(small("lbfgs", loss="poisson", normalize_y=normalize_y), X, counts) for normalize_y in (False, True)]
    np.testing.assert_array_equal(flat(nets[0]), flat(nets[1]))
    assert nets[1]._training_state.target_scale is None


@with_updates
def test_an_interrupted_fit_keeps_the_last_epoch_in_the_units_of_the_targets(
    solver, failing_engine, iterations_per_call
):
    iterations_per_call(1)
    y = 30 * Y - 4
    shorter = fit(small(solver, learning_rate="constant", max_iter=2), X, y)
    failing_engine("run_updates", 3)
    with pytest.warns(UserWarning, match="interrupted by user: the weights of iteration 2 are kept"):
        net = small(solver, learning_rate="constant").fit(X, y)
    np.testing.assert_array_equal(flat(net), flat(shorter))
    np.testing.assert_array_equal(net.predict(X), shorter.predict(X))
