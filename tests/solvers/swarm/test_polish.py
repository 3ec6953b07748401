"""L-BFGS finishes the best particle of a swarm."""

from dataclasses import replace

import numpy as np
import pytest
from cases import classes, fit, flat, iterating_method, make_network
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from solvers.swarm.cases import TASKS, make_problem

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.engines.base import Cancelled
from skl2net.fitting import Plan, Watch, fit_network
from skl2net.l2 import PENALTIES
from skl2net.solvers.curves import IterationTotals
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.stopping import StoppingRule
from skl2net.solvers.swarm import particle_swarm
from skl2net.solvers.training_state import TrainingState


@pytest.mark.parametrize("mode", PENALTIES)
@pytest.mark.parametrize("task", ["multiclass", "two outputs", "poisson"])
def test_polish_reaches_a_stationary_point(task, mode):
    estimator, kwargs, (X, y) = TASKS[task]
    X = StandardScaler().fit_transform(X)
    solver = ParticleSwarm(polish=True)
    net = estimator((4,), "tanh", solver=solver, l2_mode=mode, alpha=0.1, max_iter=60, random_state=0, **kwargs)
    if task == "two outputs":
        net.set_params(normalize_y=False)
    fit(net, X, y)
    Y = np.eye(3)[y] if task == "multiclass" else y.reshape(len(y), -1)
    network = make_network((4, 4, Y.shape[1]), "tanh")
    output = {"multiclass": "softmax", "poisson": "exp"}.get(task, "identity")
    loss = kwargs.get("loss", "log_loss" if task == "multiclass" else "squared_error")
    problem = make_problem(network, (output, loss), X, Y, mode=mode, alpha=0.1)
    value, gradient = problem.session.objective_and_gradient(flat(net), problem.coefficients.penalty)
    assert np.abs(gradient).max() <= 1e-5
    assert net.loss_ == pytest.approx(value, rel=1e-12)
    assert net.loss_ < net.loss_curve_[-2]
    assert net.n_iter_ == len(net.loss_curve_) == 61
    np.testing.assert_array_equal(net.swarm_.best_positions[net.swarm_.best], flat(net))


@pytest.mark.parametrize("alpha", [0.005, 0.0001])
def test_polish_reaches_a_stationary_point_of_a_large_loss(alpha):
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    solver = ParticleSwarm(polish=True)
    net = L2NetRegressor((8,), "tanh", solver=solver, l2_mode="penalty", alpha=alpha, max_iter=100, random_state=0)
    net.set_params(normalize_y=False).fit(X, y)
    network = make_network((10, 8, 1), "tanh")
    problem = make_problem(network, ("identity", "squared_error"), X, y[:, np.newaxis], alpha=alpha)
    assert net.loss_ > 500
    assert np.abs(problem.session.objective_and_gradient(flat(net), problem.coefficients.penalty)[1]).max() <= 1e-5


def test_polish_stays_within_the_bounds_where_the_gradient_points_out_of_them():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    swarm = ParticleSwarm(10, bounds=(-0.3, 0.5), polish=True)
    net = L2NetClassifier((4,), "tanh", solver=swarm, alpha=0.15, max_iter=50, warm_start=True, random_state=0)
    net.fit(X, y)
    parameters = flat(net)
    assert parameters.min() == -0.3
    assert parameters.max() == 0.5
    network = make_network((4, 4, 3), "tanh")
    problem = make_problem(network, ("softmax", "log_loss"), X, np.eye(3)[y], alpha=0.001)
    gradient = problem.session.objective_and_gradient(parameters, problem.coefficients.penalty)[1]
    inside = (parameters > -0.3) & (parameters < 0.5)
    assert inside.any()
    assert np.abs(gradient[inside]).max() <= 1e-5
    assert np.all(gradient[parameters == -0.3] > 0)
    assert np.all(gradient[parameters == 0.5] < 0)
    loss = net.loss_
    assert fit(net.set_params(max_iter=1, solver__polish=False), X, y).loss_ == loss


@pytest.fixture
def polishes(monkeypatch):
    """Where each polish started and ended."""
    minimise, found = LBFGS.minimise, []

    def recording(self, problem, start, monitor):
        message = minimise(self, problem, start, monitor)
        found.append((start.parameters.copy(), monitor.state.parameters))
        return message

    monkeypatch.setattr(LBFGS, "minimise", recording)
    return found


def test_polish_under_early_stopping_starts_from_the_best_score_and_keeps_the_better_end(polishes):
    X, y = classes(n_rows=120)
    worse = 0
    for seed in range(6):
        net = L2NetClassifier((3,), "tanh", early_stopping=True, max_iter=40, alpha=0.1, random_state=seed)
        plain = fit(clone(net).set_params(solver=ParticleSwarm(10)), X, y)
        fit(net.set_params(solver=ParticleSwarm(10, polish=True)), X, y)
        start, end = polishes[-1]
        np.testing.assert_array_equal(start, flat(plain))
        assert net.validation_scores_[:-1] == plain.validation_scores_
        np.testing.assert_array_equal(
            flat(net), end if net.validation_scores_[-1] > max(plain.validation_scores_) else start
        )
        worse += plain.validation_scores_[-1] < plain.best_validation_score_
    assert worse  # so that the best weights are not the last in each of them


def test_polish_that_ends_higher_is_dropped(monkeypatch):
    X, y = classes()

    def overshooting(self, problem, start, monitor):
        monitor.finish(1.5 * start.parameters, [IterationTotals(0.0, 0.0, 0.0)])

    monkeypatch.setattr(LBFGS, "minimise", overshooting)
    net = L2NetClassifier((3,), solver=ParticleSwarm(polish=True), alpha=1.0, max_iter=20, random_state=0)
    fit(net, X, y)
    assert net.n_iter_ == 20
    np.testing.assert_array_equal(flat(net), flat(fit(clone(net).set_params(solver="pso"), X, y)))


def test_a_swarm_that_is_polished_need_not_rest_first(monkeypatch):
    X, y = classes()
    net = L2NetClassifier((3,), "tanh", solver=ParticleSwarm(polish=True), alpha=0.1, max_iter=5, random_state=0)
    net.fit(X, y)  # and does not warn
    monkeypatch.setattr(particle_swarm, "_POLISH", replace(particle_swarm._POLISH, max_iter=3))
    with pytest.warns(ConvergenceWarning, match="polish failed to converge after 3 iterations"):
        net.fit(X, y)


@pytest.mark.parametrize("bounds", [None, 5.0])
def test_ctrl_c_in_the_polish_keeps_its_last_iteration(bounds, failing_engine, iterations_per_call):
    X, y = classes()
    swarm = ParticleSwarm(polish=True, bounds=bounds)
    net = L2NetClassifier((3,), "tanh", solver=swarm, alpha=0.1, max_iter=5, random_state=0)
    iterations_per_call(2)
    failing_engine(iterating_method("lbfgs") if bounds is None else "loss_and_gradient", 6)
    with pytest.warns(UserWarning, match="interrupted by user: the weights of iteration 6 are kept"):
        net.fit(X, y)
    assert net.n_iter_ == 6
    assert net.loss_curve_[5] < net.loss_curve_[4]
    np.testing.assert_array_equal(net.swarm_.best_positions[net.swarm_.best], flat(net))


def test_polish_in_single_precision_never_makes_it_worse():
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(polish=True), max_iter=20, random_state=0)
    fit(net, X.astype(np.float32), y)
    assert np.all(np.diff(net.loss_curve_) <= 0)
    assert net.coefs_[0].dtype == np.float32


@pytest.mark.parametrize("early_stopping", [False, True])
def test_verbose_calls_the_polish_by_its_name(early_stopping, capsys):
    X, y = classes(120)
    net = L2NetClassifier((3,), "tanh", solver=ParticleSwarm(10, polish=True), alpha=0.1, max_iter=3, verbose=True)
    net.set_params(early_stopping=early_stopping, random_state=0).fit(X, y)
    lines = [line for line in capsys.readouterr().out.splitlines() if "loss" in line]
    labels = ["Iteration 1", "Iteration 2", "Iteration 3", "Polish, iteration 4"]
    assert lines == [f"{label}, loss = {loss:.8f}" for label, loss in zip(labels, net.loss_curve_, strict=True)]


@pytest.mark.parametrize("bounds", [None, 10.0])
def test_a_polish_that_is_no_longer_needed_ends(bounds):
    X, y = load_iris(return_X_y=True)
    network = make_network((4, 4, 3), "tanh")
    problem = make_problem(network, ("softmax", "log_loss"), X, np.eye(3)[y], mode="penalty", alpha=1e-3)
    solver, stopping = ParticleSwarm(polish=True, bounds=bounds), StoppingRule(max_iter=5, n_iter_no_change=5, tol=1e-4)
    n_questions = []

    def is_cancelled():
        n_questions.append(None)
        return len(n_questions) > 3

    with pytest.raises(Cancelled):
        fit_network(Plan(problem, solver, stopping), TrainingState(0), Watch(is_cancelled=is_cancelled))
    assert len(n_questions) == 4  # one after the call of the engine for the swarm, the others during the polish
