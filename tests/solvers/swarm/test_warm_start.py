"""A swarm that goes on: what a warm start keeps, and what may change before it."""

import pickle

import joblib
import numpy as np
import pytest
from cases import classes, fit, flat, make_network
from sklearn.base import clone
from solvers.swarm.cases import interrupted, make_problem

from skl2net import L2NetClassifier, ParticleSwarm
from skl2net.engines import default_engine


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"topology": "random"},
        {"variant": "fips", "topology": "ring"},
        {"inertia": (0.9, 0.4), "inertia_iterations": 20, "bounds": 1.0, "boundary": "reinitialise"},
    ],
)
@pytest.mark.parametrize("hidden_layer_sizes", [(3,), (40, 9)])
def test_thirty_fits_of_one_iteration_are_one_fit_of_thirty(hidden_layer_sizes, kwargs):
    X, y = classes()
    net = L2NetClassifier(hidden_layer_sizes, solver=ParticleSwarm(10, **kwargs), max_iter=30, random_state=3)
    once = fit(clone(net), X, y)
    often = clone(net).set_params(max_iter=1, warm_start=True)
    for _ in range(30):
        often = pickle.loads(pickle.dumps(fit(often, X, y)))
    np.testing.assert_array_equal(flat(often), flat(once))
    assert often.loss_curve_ == once.loss_curve_
    assert often.weight_norm_curve_ == once.weight_norm_curve_
    assert (often.n_iter_, once.n_iter_) == (1, 30)
    assert often.t_ == once.t_
    for name in ("positions", "velocities", "best_positions", "best_losses", "neighbourhood_best", "links"):
        np.testing.assert_array_equal(getattr(often.swarm_, name), getattr(once.swarm_, name))


def test_warm_start_evaluates_the_personal_bests_anew():
    X, y = classes()
    net = L2NetClassifier(
        (3,), solver="pso", l2_mode="penalty", alpha=0.01, max_iter=40, warm_start=True, random_state=0
    )
    fit(net, X, y)
    first, bests = net.swarm_, net.swarm_.best_positions.copy()
    fit(net.set_params(alpha=1.0, max_iter=1), X, y)
    assert net.loss_curve_[-1] > net.loss_curve_[-2]  # nothing is believed of the old, smaller penalty
    np.testing.assert_allclose(net.loss_ - net.data_loss_, 0.5 * net.weight_norm_curve_[-1])
    np.testing.assert_array_equal(first.best_positions, bests)  # the old state is not touched
    fit(net, X[::2], y[::2])
    network, X, Y = make_network((4, 3, 3), "relu"), X[::2], np.eye(3)[y[::2]]
    problem = make_problem(network, ("softmax", "log_loss"), X, Y, alpha=1.0, engine=default_engine())
    state = net.swarm_
    expected = problem.session.losses(state.best_positions) + problem.penalty(state.best_positions)
    np.testing.assert_allclose(state.best_losses, expected, rtol=1e-12)


def test_each_fit_has_a_patience_of_its_own():
    X, y = classes()
    swarm = ParticleSwarm(10, patience=12)
    net = L2NetClassifier((40, 9), solver=swarm, tol=0.01, max_iter=500, warm_start=True, random_state=0)
    n_first = fit(net, X, y).n_iter_
    assert 14 <= n_first < 500
    # the first iteration improves on nothing, and 13 without an improvement end the fit
    assert fit(net, X, y).n_iter_ >= 14
    assert len(net.loss_curve_) == n_first + net.n_iter_
    # many short fits do not wait at all
    short = clone(net).set_params(max_iter=5)
    for _ in range(20):
        assert fit(short, X, y).n_iter_ == 5
    # other data or another penalty are no reason to stop
    for alpha in (0.3, 3.0):
        assert fit(net.set_params(alpha=alpha), X, y).n_iter_ >= 14
        assert net.best_loss_ == net.loss_ == min(net.loss_curve_[-net.n_iter_ :])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_warm_start_may_change_bounds_and_precision(dtype):
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(10), max_iter=30, warm_start=True, random_state=0)
    fit(net, X, y)
    assert np.abs(net.swarm_.positions).max() > 0.2
    assert np.abs(net.swarm_.best_positions).max() > 0.2
    fit(net.set_params(solver__bounds=0.2, max_iter=1), X.astype(dtype), y)
    for name in ("positions", "velocities", "best_positions"):
        assert getattr(net.swarm_, name).dtype == dtype
    assert np.abs(net.swarm_.positions).max() <= dtype(0.2)
    assert np.abs(net.swarm_.best_positions).max() <= dtype(0.2)
    assert np.abs(flat(net)).max() <= dtype(0.2)


@pytest.mark.parametrize("n", [4, 25])
def test_warm_start_with_another_number_of_particles_keeps_the_best(n):
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(10), max_iter=30, warm_start=True, random_state=0)
    loss = fit(net, X, y).loss_
    fit(net.set_params(solver__n_particles=n, max_iter=1), X, y)
    assert net.swarm_.positions.shape[0] == n
    assert net.loss_ <= loss


def test_particles_that_join_in_a_warm_start_are_spread_out_within_the_bounds():
    X, y = classes()
    swarm = ParticleSwarm(5, bounds=(1.0, 2.0))
    net = L2NetClassifier((3,), solver=swarm, alpha=1.0, max_iter=1, warm_start=True, random_state=0)
    fit(net, X, y)
    joined = fit(net.set_params(solver__n_particles=30), X, y).swarm_.best_positions[5:]
    assert np.all((joined >= 1.0) & (joined <= 2.0))
    assert np.ptp(joined, axis=0).min() > 0.6


@pytest.mark.parametrize("bounds", [None, 0.05])
def test_a_warm_start_interrupted_at_once_changes_nothing(bounds):
    X, y = classes()

    def misclassified(y_true, y_pred, sample_weight):
        return np.mean(y_true != y_pred)

    swarm = ParticleSwarm(5, objective=misclassified)
    net = L2NetClassifier((3,), solver=swarm, max_iter=4, warm_start=True, random_state=0)
    fit(net, X, y)
    other = fit(clone(net), X, y)
    # 5 calls for the personal bests, and the third particle of the first iteration
    net.set_params(solver__objective=interrupted(misclassified, 5 + 3), solver__bounds=bounds)
    attributes = {name for name in vars(net) if name not in net.get_params()}
    before = joblib.hash([vars(net)[name] for name in sorted(attributes)])
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y)
    assert {name for name in vars(net) if name not in net.get_params()} == attributes
    assert joblib.hash([vars(net)[name] for name in sorted(attributes)]) == before
    for each in (net, other):
        fit(each.set_params(solver__objective=misclassified, solver__bounds=bounds), X, y)
    np.testing.assert_array_equal(net.swarm_.positions, other.swarm_.positions)
    assert bounds is None or np.abs(net.swarm_.positions).max() <= bounds
    assert bounds is None or np.abs(flat(net)).max() <= bounds


@pytest.mark.parametrize("bounds", [None, 5.0])
def test_warm_start_follows_edited_weights(bounds):
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(10, bounds=bounds), max_iter=20, warm_start=True, random_state=0)
    fit(net, X, y)
    better = fit(L2NetClassifier((3,), solver="lbfgs", random_state=0), X, y)
    assert np.abs(flat(better)).max() < 5.0
    net.coefs_, net.intercepts_ = better.coefs_, better.intercepts_  # exchanged
    fit(net.set_params(max_iter=1), X, y)
    assert net.loss_ <= better.loss_ * (1 + 1e-12)
    for array in (*net.coefs_, *net.intercepts_):
        array[...] = 0  # in place: the loss of that is log(3)
    state = fit(net, X, y).swarm_
    assert net.loss_ <= np.log(3) * (1 + 1e-12)
    assert not any(np.array_equal(best, flat(better)) for best in state.best_positions)


@pytest.mark.parametrize("other", ["sgd", "adam", "lbfgs"])
def test_warm_start_across_solvers_goes_on_from_the_weights(other):
    X, y = classes()
    net = L2NetClassifier((3,), solver=other, max_iter=5, warm_start=True, random_state=0)
    before = flat(fit(net, X, y)).copy()
    fit(net.set_params(solver="pso", max_iter=1), X, y)
    np.testing.assert_array_equal(net.swarm_.positions[0], before)
    fit(net.set_params(solver=other), X, y)
    assert net.swarm_ is None


def test_a_new_seed_gives_a_warm_start_new_random_numbers():
    X, y = classes()
    net = L2NetClassifier((3,), solver="pso", max_iter=5, warm_start=True, random_state=0)
    fit(net, X, y)
    kept = fit(pickle.loads(pickle.dumps(net)), X, y).swarm_
    fresh = fit(pickle.loads(pickle.dumps(net)).set_params(random_state=1), X, y).swarm_
    assert not np.array_equal(kept.positions, fresh.positions)
