"""What the losses of a regressor are for: medians, quantiles, and means on which outliers have little influence."""

import pickle

import numpy as np
import pytest
from cases import fit, regression
from scipy.optimize import minimize_scalar
from scipy.special import huber
from sklearn.metrics import mean_absolute_error

from skl2net import L2NetRegressor, ParticleSwarm
from skl2net.target_scale import TargetScale

X, Y = regression(60)
LINEAR_FAR_AWAY = ("absolute_error", "huber", "quantile")
each_loss = pytest.mark.parametrize("loss", LINEAR_FAR_AWAY)


def skewed(n, seed=0):
    """Targets whose mean, median and mode differ."""
    return np.random.default_rng(seed).lognormal(size=n)


def constant(loss, y, sample_weight=None, **params):
    """The prediction of a model that consists of a bias."""
    params = {"learning_rate_init": 0.05, "max_iter": 600, "batch_size": len(y), "alpha": 0.0, **params}
    net = L2NetRegressor((), loss=loss, random_state=0, **params)
    return fit(net, np.zeros((len(y), 1)), y, sample_weight=sample_weight).intercepts_[0]


@pytest.mark.parametrize("solver", ["sgd", "adam", "pso"])
@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize(("loss", "q"), [("absolute_error", 0.5), ("quantile", 0.1), ("quantile", 0.75)])
def test_a_constant_model_is_the_quantile(loss, q, normalize_y, solver):
    # the loss is least at one of the 101 targets, whose neighbours are this far away
    y = skewed(101)
    found = constant(loss, y, quantile=q, solver=solver, normalize_y=normalize_y)
    low, expected, high = np.sort(y)[[int(q * 101) - 1, int(q * 101), int(q * 101) + 1]]
    assert low < found[0] < high
    assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("normalize_y", [False, True])
def test_a_constant_model_is_hubers_estimate_of_location(normalize_y, solver):
    y = skewed(101)
    centre = np.median(y) if normalize_y else 0.0
    unit = 1.4826 * np.median(np.abs(y - centre)) if normalize_y else 1.0
    expected = minimize_scalar(lambda z: huber(1.35, (y - z) / unit).sum(), bracket=(0, 3), tol=1e-12).x
    assert constant("huber", y, solver=solver, normalize_y=normalize_y, tol=1e-9) == pytest.approx(expected, abs=1e-5)


@each_loss
def test_a_weight_is_a_number_of_samples(loss):
    y, weight = skewed(51), np.arange(51) % 4
    weighted = constant(loss, y, weight.astype(float), quantile=0.8)
    repeated = constant(loss, np.repeat(y, weight), quantile=0.8)
    np.testing.assert_allclose(weighted, repeated, rtol=0, atol=0.01)


@each_loss
def test_several_outputs_are_as_many_models(loss):
    Y = np.column_stack([skewed(101), -10 * skewed(101, seed=1)])
    both = constant(loss, Y, quantile=0.8)
    each = np.concatenate([constant(loss, y, quantile=0.8) for y in Y.T])
    np.testing.assert_allclose(both, each, rtol=0, atol=0.01)


@pytest.mark.parametrize("n_outputs", [1, 2])
@each_loss
def test_a_fit_to_scaled_and_shifted_targets_scales_and_shifts_the_predictions(loss, n_outputs):
    features, y = regression(60, n_outputs=n_outputs)
    net = L2NetRegressor((5,), loss=loss, quantile=0.8, max_iter=8, batch_size=16, random_state=0)
    of_y, of_other = fit(net, features, y).predict(features), fit(net, features, 2.0**10 * y + 4096).predict(features)
    np.testing.assert_allclose(of_other, 2.0**10 * of_y + 4096, rtol=1e-9)


def test_the_quantile_of_mirrored_targets_is_the_other_one():
    """Minus the 0.8-quantile of y is the 0.2-quantile of -y, if the network is mirrored too."""
    targets = skewed(101)
    np.testing.assert_allclose(
        constant("quantile", -targets, quantile=0.2), -constant("quantile", targets, quantile=0.8), rtol=0, atol=0.01
    )


def heteroscedastic(n, seed):
    """A curve with noise that grows from left to right."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, n)
    return x[:, np.newaxis], np.sin(x) + (0.2 + 0.05 * x) * rng.standard_normal(n)


@pytest.mark.parametrize("seed", range(4))
def test_two_networks_hold_nine_tenths_of_new_points(seed):
    features, targets = heteroscedastic(1000, seed)
    new, of_new = heteroscedastic(20_000, seed + 100)
    low, high = (
        L2NetRegressor(loss="quantile", quantile=q, random_state=seed).fit(features, targets) for q in (0.05, 0.95)
    )
    is_held = (low.predict(new) <= of_new) & (of_new <= high.predict(new))
    assert is_held.mean() == pytest.approx(0.9, abs=0.03)
    for half in (new[:, 0] < 0, new[:, 0] >= 0):  # where there is little noise and where there is much
        assert is_held[half].mean() == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_outliers_are_harmless_unless_errors_are_squared(seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2600, 3))
    targets = np.tanh(features @ [1, -1, 0.5]) + 0.5 * np.sin(2 * features[:, 0]) + 0.3 * rng.normal(size=2600)
    train, new = slice(600), slice(600, None)
    spoilt = targets[train].copy()
    spoilt[rng.choice(600, 30, replace=False)] *= 100

    def error(loss, y):
        net = fit(L2NetRegressor((30,), loss=loss, random_state=0), features[train], y)
        return mean_absolute_error(targets[new], net.predict(features[new]))

    rise = {loss: error(loss, spoilt) / error(loss, targets[train]) for loss in ("huber", "absolute_error")}
    assert max(rise.values()) < 1.1
    assert error("squared_error", spoilt) > 2 * error("squared_error", targets[train])


@pytest.mark.parametrize("factor", [0.1, 1 / 3, 1e-3, 7.0])
def test_robust_units_do_not_depend_on_the_scale_of_the_weights(factor):
    y = np.random.default_rng(0).normal(size=(200, 3))
    scale, weighted = TargetScale.of(y, is_robust=True), TargetScale.of(y, np.full(200, factor), is_robust=True)
    np.testing.assert_array_equal(weighted.mean, scale.mean)
    np.testing.assert_array_equal(weighted.std, scale.std)


def test_robust_units_are_those_of_the_repeated_targets():
    _, y = regression(60, n_outputs=2)
    weight = np.arange(60) % 4.0
    scale, repeated = TargetScale.of(y, weight, is_robust=True), np.repeat(y, weight.astype(int), axis=0)
    for found in (scale, TargetScale.of(repeated, is_robust=True)):
        np.testing.assert_allclose(found.mean, np.median(repeated, axis=0), rtol=1e-13)
        distances = np.abs(repeated - np.median(repeated, axis=0))
        np.testing.assert_allclose(found.std, 1.4826 * np.median(distances, axis=0), rtol=1e-13)


@pytest.mark.parametrize("near", [0.0, 1e-30])
def test_targets_of_which_half_are_equal_keep_their_standard_deviation(near):
    y = np.concatenate([np.full(40, 3.0) + near * np.arange(40), np.arange(20.0)])[:, np.newaxis]
    scale = TargetScale.of(y, is_robust=True)
    np.testing.assert_allclose(scale.std, np.sqrt(np.mean((y - 3.0) ** 2)))


@pytest.mark.parametrize(
    ("loss", "params", "message"),
    [
        ("quantile", {}, r"loss='quantile' needs a quantile in \(0, 1\), got quantile=None\. Pass 0\.5"),
        ("quantile", {"quantile": 1.0}, "quantile"),
        ("quantile", {"quantile": 0.0}, "quantile"),
        ("absolute_error", {"solver": "lbfgs"}, r"solver='lbfgs' needs .* jumps .* Use solver='adam', or loss='huber'"),
        (
            "quantile",
            {"quantile": 0.9, "solver": ParticleSwarm(polish=True)},
            r"polish=True needs .* loss='quantile' jumps .* Use polish=False, or loss='huber'",
        ),
    ],
)
def test_what_cannot_work_is_refused(loss, params, message):
    net = L2NetRegressor((5,), loss=loss, max_iter=3, random_state=0, **params)
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y)


def test_the_swarm_is_polished_under_hubers_loss():
    net = L2NetRegressor((3,), loss="huber", solver=ParticleSwarm(5, polish=True), max_iter=5, random_state=0)
    fit(net, X, Y)
    assert net.loss_curve_[-1] < net.loss_curve_[-2]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@each_loss
def test_other_parameters_after_the_fit_do_not_change_its_loss(loss, method):
    net = L2NetRegressor((3,), loss=loss, quantile=0.9, max_iter=2, random_state=0)
    getattr(net, method)(X, Y)
    copied = pickle.loads(pickle.dumps(net.set_params(loss="squared_error", quantile=0.2)))
    assert copied._loss == net._loss
    assert copied._loss.name == loss
    assert getattr(copied._loss, "quantile", 0.9) == 0.9
