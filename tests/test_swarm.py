"""Training by particle swarm: motion by hand, the penalties, and the estimator contract."""

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from cases import classes, converging_or_not, fit, flat, regression
from skl2net.solvers.training import History, Training
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer, max_error, mean_absolute_error, zero_one_loss
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.engines import available_engines, default_engine, reference
from skl2net.l2 import DECAYS, PENALTIES, L2Rule
from skl2net.network import Network
from skl2net.problem import Problem
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.swarm import _OncePerPosition, links

LIVELY = {"patience": np.inf, "initial_spread": 1.0}


@parametrize_with_checks(
    [estimator(solver="pso", l2_mode=mode) for estimator in (L2NetClassifier, L2NetRegressor) for mode in PENALTIES]
)
def test_scikit_learns_checks(estimator, check):
    with converging_or_not():
        check(estimator)


each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)


def small_problem(mode="penalty", alpha=(0.1, 0.3), engine=reference):
    """Two weight layers, 13 parameters, five rows of unequal weight."""
    rng = np.random.default_rng(0)
    network = Network((2, 3, 1), "tanh", "identity")
    weight = np.array([1.0, 2.0, 0.5, 1.0, 1.5])
    X, Y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
    return Problem(network, "squared_error", L2Rule(mode, alpha), X, Y, weight, engine)


class Flight:
    """A solver at work on a problem, call after call; `state` and `history` are those after the last iteration."""

    def __init__(self, solver, problem, n_iter):
        self.solver, self.problem = solver, problem
        self.random_state, self.history, self.state = np.random.RandomState(0), History(), None
        self.start = problem.network.initial_parameters(self.random_state, problem.dtype)
        self.go_on(n_iter)

    def go_on(self, n_iter=1):
        training = Training(self.history, self.random_state, n_iter, 0.0, np.inf)
        with converging_or_not():
            _, self.state = self.solver.minimise(self.problem, self.start, training, self.state)
        return self.state


def error(problem, x):
    """Weighted mean of half the squared error, and the penalty: by the definitions, in loops."""
    n_in, n_hidden, _ = problem.network.layer_sizes
    w1, w2, b1, b2 = np.split(x, np.cumsum([n_in * n_hidden, n_hidden, n_hidden]))
    total = 0.0
    for row, target, weight in zip(problem.X, problem.Y[:, 0], problem.sample_weight, strict=True):
        hidden = [np.tanh(sum(row[i] * w1[i * n_hidden + j] for i in range(n_in)) + b1[j]) for j in range(n_hidden)]
        output = sum(h * w for h, w in zip(hidden, w2, strict=True)) + b2[0]
        total += weight * 0.5 * (output - target) ** 2
    n = sum(problem.sample_weight)
    divisor = n if problem.rule.mode == "penalty_per_sample" else 1
    penalty = sum(a / (2 * divisor) * sum(w**2) for a, w in zip(problem.rule.alpha, (w1, w2), strict=True))
    return total / n, penalty


# who informs whom among 12 particles: a ring, and a torus of 3 rows and 4 columns
INFORMANTS = {
    "global": {i: set(range(12)) for i in range(12)},
    "ring": {i: {i, (i + 1) % 12, (i - 1) % 12} for i in range(12)},
    "von_neumann": {
        4 * r + c: {4 * r + c, 4 * r + (c + 1) % 4, 4 * r + (c - 1) % 4, 4 * ((r + 1) % 3) + c, 4 * ((r - 1) % 3) + c}
        for r in range(3)
        for c in range(4)
    },
}


def step_by_hand(solver, problem, state, informants, box=None):
    """Positions, velocities, personal bests and their errors after one more iteration: the textbook, in loops."""
    generator = pickle.loads(pickle.dumps(state.generator)).bit_generator

    def draw():
        return int(generator.random_raw() >> 12) / 2**52

    n, d = state.positions.shape
    x, v, p = state.positions.copy(), state.velocities.copy(), state.best_positions.copy()
    errors = [sum(error(problem, p[i])) for i in range(n)]
    new_v = np.empty_like(v)
    for i in range(n):
        g = min(sorted(informants[i]), key=lambda k: errors[k])
        n_draws = 2 if solver.variant == "inertia" else len(informants[i])
        draws = [[draw() for _ in range(d)] for _ in range(n_draws)]
        for j in range(d):
            if solver.variant == "inertia":
                pull = solver.cognitive * draws[0][j] * (p[i, j] - x[i, j])
                pull += solver.social * draws[1][j] * (p[g, j] - x[i, j])
            else:
                share = (solver.cognitive + solver.social) / len(informants[i])
                pull = sum(share * draws[m][j] * (p[k, j] - x[i, j]) for m, k in enumerate(sorted(informants[i])))
            new_v[i, j] = solver.inertia * v[i, j] + pull
            if solver.velocity_clamp is not None:
                new_v[i, j] = min(max(new_v[i, j], -solver.velocity_clamp), solver.velocity_clamp)
    v = new_v
    x = x + v
    gone = np.zeros_like(x, dtype=bool)
    if box is not None:
        low, high = box
        gone = (x < low) | (x > high)
        for i, j in zip(*np.nonzero(gone), strict=True):
            if solver.boundary == "bounce":
                x[i, j] = 2 * low - x[i, j] if x[i, j] < low else 2 * high - x[i, j]
                x[i, j] = min(max(x[i, j], low), high)
                v[i, j] = -v[i, j]
            else:
                x[i, j] = min(max(x[i, j], low), high) if solver.boundary == "clamp" else low + (high - low) * draw()
                v[i, j] = 0
    for i in range(n):
        if sum(error(problem, x[i])) < errors[i]:
            p[i], errors[i] = x[i], sum(error(problem, x[i]))
    return x, v, p, np.array(errors), gone.any()


@each_engine
@pytest.mark.parametrize("mode", PENALTIES)
@pytest.mark.parametrize("variant", ["inertia", "fips"])
@pytest.mark.parametrize("topology", ["global", "ring", "von_neumann", "random"])
def test_each_step_is_the_textbooks(variant, topology, mode, engine):
    solver = ParticleSwarm(12, variant=variant, topology=topology, inertia=0.7, cognitive=1.3, social=1.7, **LIVELY)
    problem = small_problem(mode, engine=engine)
    flight = Flight(solver, problem, 4)
    for _ in range(5):
        linked = flight.state.links
        informants = INFORMANTS.get(topology) or {i: set(np.flatnonzero(row)) for i, row in enumerate(linked)}
        expected = step_by_hand(solver, problem, flight.state, informants)
        state = flight.go_on()
        for array, by_hand in zip(
            (state.positions, state.velocities, state.best_positions, state.best_losses), expected, strict=False
        ):
            np.testing.assert_allclose(array, by_hand, rtol=1e-12, atol=1e-13)


@each_engine
@pytest.mark.parametrize("variant", ["inertia", "fips"])
@pytest.mark.parametrize("boundary", ["bounce", "clamp", "reinitialise"])
def test_boundaries_and_velocity_clamp_by_hand(boundary, variant, engine):
    solver = ParticleSwarm(
        12, variant=variant, topology="ring", bounds=(-0.6, 0.8), boundary=boundary, velocity_clamp=0.5, **LIVELY
    )
    problem = small_problem(engine=engine)
    flight = Flight(solver, problem, 2)
    n_gone = 0
    for _ in range(8):
        *expected, gone = step_by_hand(solver, problem, flight.state, INFORMANTS["ring"], (-0.6, 0.8))
        n_gone += gone
        state = flight.go_on()
        for array, by_hand in zip(
            (state.positions, state.velocities, state.best_positions, state.best_losses), expected, strict=True
        ):
            np.testing.assert_allclose(array, by_hand, rtol=1e-12, atol=1e-13)
        assert np.all((state.positions >= -0.6) & (state.positions <= 0.8))
        assert np.abs(state.velocities).max() <= 0.5
    assert n_gone  # otherwise nothing was tested


@each_engine
def test_inertia_goes_linearly_from_the_first_value_to_the_second(engine):
    problem = small_problem(engine=engine)
    solver = ParticleSwarm(12, inertia=(0.9, 0.5), inertia_iterations=8, **LIVELY)
    flight = Flight(solver, problem, 3)
    for n_done in range(3, 11):
        constant = clone(solver).set_params(inertia=0.9 - 0.4 * min(1, n_done / 8))
        expected = step_by_hand(constant, problem, flight.state, INFORMANTS["global"])
        np.testing.assert_allclose(flight.go_on().velocities, expected[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 12, 30])
@pytest.mark.parametrize("topology", ["global", "ring", "von_neumann", "random"])
def test_links(topology, n):
    linked = links(topology, n, np.random.default_rng(0))
    assert linked.shape == (n, n)
    assert linked.diagonal().all()
    if topology == "random":
        assert linked.sum(axis=0).max() <= 4  # each informs itself and at most three others
    else:
        assert np.array_equal(linked, linked.T)
    if topology in INFORMANTS and n == 12:
        assert {i: set(np.flatnonzero(row)) for i, row in enumerate(linked)} == INFORMANTS[topology]


@each_engine
def test_random_links_are_drawn_anew_after_iterations_without_improvement(engine):
    solver = ParticleSwarm(12, topology="random", **LIVELY)
    flight = Flight(solver, small_problem(engine=engine), 2)
    redrawn = {True: set(), False: set()}
    for _ in range(40):
        before, best = flight.state.links, flight.state.best_losses.min()
        state = flight.go_on()
        redrawn[bool(state.best_losses.min() < best)].add(not np.array_equal(state.links, before))
    assert redrawn == {True: {False}, False: {True}}


@each_engine
@pytest.mark.parametrize("mode", PENALTIES)
def test_the_penalty_enters_each_particles_error_and_leaves_biases_alone(mode, engine):
    problem = small_problem(mode, engine=engine)
    flight = Flight(ParticleSwarm(12), problem, 3)
    state, history = flight.state, flight.history
    expected = np.array([error(problem, x) for x in state.best_positions])
    np.testing.assert_allclose(state.best_losses, expected.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(state.best_data_losses, expected[:, 0], rtol=1e-12)
    assert history.loss_curve[-1] == state.best_losses.min()
    assert history.data_loss == state.best_data_losses[state.best]

    shifted = state.best_positions.copy()
    shifted[:, problem.network.n_weights :] += 100
    difference = problem.numbers.penalty(problem.network.layer_sums_of_squares(shifted))
    np.testing.assert_allclose(difference, expected[:, 1], rtol=1e-12)


@pytest.mark.parametrize("mode", DECAYS)
@pytest.mark.parametrize("solver", ["pso", ParticleSwarm()])
def test_decays_are_refused_with_the_reason_and_the_alternative(solver, mode):
    X, y = classes()
    with pytest.raises(ValueError, match=r"personal bests.*not moved.*l2_mode='penalty'"):
        L2NetClassifier(solver=solver, l2_mode=mode, alpha=0.01).fit(X, y)


TASKS = {
    "binary": (L2NetClassifier, {}, classes(n_classes=2)),
    "multiclass": (L2NetClassifier, {}, classes()),
    "squared error": (L2NetClassifier, {"loss": "squared_error"}, classes()),
    "class weights": (L2NetClassifier, {"class_weight": "balanced"}, classes()),
    "multilabel": (
        L2NetClassifier,
        {},
        make_multilabel_classification(60, n_features=4, n_classes=3, random_state=0),
    ),
    "regression": (L2NetRegressor, {}, regression()),
    "two outputs": (L2NetRegressor, {}, regression(n_outputs=2)),
    "poisson": (L2NetRegressor, {"loss": "poisson"}, (regression()[0], np.abs(regression()[1]))),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mode", PENALTIES)
@pytest.mark.parametrize("task", TASKS)
def test_every_task_trains_and_reports_the_objective_of_its_weights(task, mode, weighted):
    estimator, kwargs, (X, y) = TASKS[task]
    X = StandardScaler().fit_transform(X)
    weight = np.random.default_rng(0).uniform(0.1, 2, len(X)) if weighted else None
    net = estimator((4,), "tanh", solver="pso", l2_mode=mode, alpha=0.02, max_iter=150, random_state=0, **kwargs)
    fit(net, X, y, sample_weight=weight)
    assert len(net.loss_curve_) == len(net.weight_norm_curve_) == net.n_iter_ == 150
    assert np.all(np.diff(net.loss_curve_) <= 0)
    assert net.loss_curve_[-1] < 0.8 * net.loss_curve_[0]
    assert net.loss_ == net.loss_curve_[-1] == net.best_loss_ == net.swarm_.best_losses.min()
    norm = sum(np.sum(coef**2) for coef in net.coefs_)
    np.testing.assert_allclose(net.weight_norm_curve_[-1], norm)
    n = 1
    if mode == "penalty_per_sample":
        n = len(X) if weight is None else weight.sum()
    if "class_weight" not in kwargs or mode == "penalty":
        np.testing.assert_allclose(net.loss_ - net.data_loss_, 0.02 / (2 * n) * norm, rtol=1e-10)
    np.testing.assert_array_equal(flat(net), net.swarm_.best_positions[net.swarm_.best])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "two outputs"])
def test_sparse_input_gives_what_dense_input_gives_in_the_dtype_of_the_data(task, dtype):
    estimator, kwargs, (X, y) = TASKS[task]
    X = StandardScaler().fit_transform(X).astype(dtype)
    X[np.abs(X) < 0.5] = 0
    net = estimator((4,), "tanh", solver="pso", alpha=0.02, max_iter=5, random_state=0, **kwargs)
    dense, sparse = fit(clone(net), X, y), fit(clone(net), sp.csr_array(X), y)
    assert dense.coefs_[0].dtype == sparse.coefs_[0].dtype == dense.swarm_.positions.dtype == dtype
    # few iterations: a rounding error may decide between two particles, and trajectories part
    np.testing.assert_allclose(flat(sparse), flat(dense), rtol=100 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("objective", [None, zero_one_loss])
def test_parameters_may_be_numpys_scalars_and_leave_single_precision_alone(objective):
    X, y = classes()
    values = {
        "inertia": 0.7,
        "cognitive": 1.5,
        "social": 1.4,
        "velocity_clamp": 0.5,
        "bounds": 2.0,
        "initial_spread": 1.0,
    }
    fits = [
        fit(
            L2NetClassifier(
                (3,), solver=ParticleSwarm(8, objective=objective, **kwargs), max_iter=5, alpha=0.1, random_state=0
            ),
            X.astype(np.float32),
            y,
        )
        for kwargs in (values, {name: np.float64(value) for name, value in values.items()})
    ]
    assert fits[1].swarm_.positions.dtype == fits[1].swarm_.velocities.dtype == np.float32
    np.testing.assert_array_equal(flat(fits[0]), flat(fits[1]))


def test_parameters_behave_as_those_of_an_estimator():
    X, y = classes()
    swarm = ParticleSwarm(n_particles=20, topology="ring")
    assert repr(swarm) == "ParticleSwarm(n_particles=20, topology='ring')"
    net = L2NetClassifier((3,), solver=swarm, max_iter=5, random_state=0)
    assert clone(net).solver is not swarm
    assert clone(net).get_params()["solver__n_particles"] == 20
    with converging_or_not():
        search = GridSearchCV(net, {"solver__n_particles": [5, 10], "solver__topology": ["global"]}, cv=2).fit(X, y)
    assert search.best_estimator_.swarm_.positions.shape[0] in (5, 10)
    assert search.best_estimator_.solver.topology == "global"
    assert swarm.n_particles == 20


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_particles": 0}, "'n_particles' parameter of ParticleSwarm"),
        ({"topology": "star"}, "'topology' parameter of ParticleSwarm"),
        ({"inertia": (0.9, 0.4, 0.1)}, "a pair"),
        ({"bounds": (1, -1)}, "low < high"),
        ({"polish": True, "objective": zero_one_loss}, "gradient"),
    ],
)
def test_impossible_parameters_are_explained(kwargs, message):
    X, y = classes()
    with pytest.raises(ValueError, match=message):
        L2NetClassifier((3,), solver=ParticleSwarm(**kwargs)).fit(X, y)


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
    net = L2NetClassifier((3,), solver="pso", alpha=0.01, max_iter=40, warm_start=True, random_state=0)
    fit(net, X, y)
    first, bests = net.swarm_, net.swarm_.best_positions.copy()
    fit(net.set_params(alpha=1.0, max_iter=1), X, y)
    assert net.loss_curve_[-1] > net.loss_curve_[-2]  # nothing is believed of the old, smaller penalty
    np.testing.assert_allclose(net.loss_ - net.data_loss_, 0.5 * net.weight_norm_curve_[-1])
    np.testing.assert_array_equal(first.best_positions, bests)  # the old state is not touched
    fit(net, X[::2], y[::2])
    problem = Problem(
        Network((4, 3, 3), "relu", "softmax"),
        "log_loss",
        L2Rule("penalty", (1.0, 1.0)),
        X[::2],
        np.eye(3)[y[::2]],
        None,
        default_engine(),
    )
    state = net.swarm_
    expected = problem.data_losses(state.best_positions) + problem.numbers.penalty(
        problem.network.layer_sums_of_squares(state.best_positions)
    )
    np.testing.assert_allclose(state.best_losses, expected, rtol=1e-12)


@pytest.mark.parametrize("n_iter", [1, 7])
def test_patience_runs_on_through_warm_starts(n_iter):
    X, y = classes()
    swarm = ParticleSwarm(10, patience=12)
    net = L2NetClassifier((40, 9), solver=swarm, tol=0.01, max_iter=500, warm_start=True, random_state=0)
    whole = clone(net).fit(X, y)
    net.set_params(max_iter=n_iter)
    for _ in range(whole.n_iter_ // n_iter):
        fit(net, X, y)
    assert len(net.loss_curve_) == whole.n_iter_ - whole.n_iter_ % n_iter
    fit(net.set_params(max_iter=500), X, y)
    # the rest of the patience, or if it is at rest already the iteration that finds it so
    assert net.n_iter_ == max(1, whole.n_iter_ % n_iter)
    # with other data or another penalty it starts afresh
    fit(net.set_params(alpha=0.3, max_iter=10), X, y)
    assert net.n_iter_ == 10


@pytest.mark.parametrize("engine", [reference, default_engine()], ids=lambda engine: engine.name)
@pytest.mark.parametrize("topology", ["random", "ring"])
def test_warm_start_may_change_the_topology(topology, engine):
    flight = Flight(ParticleSwarm(8), small_problem(engine=engine), 5)
    assert flight.state.links.all()
    # its first iteration improves on the last, so that no links are drawn for want of progress
    flight.solver.set_params(topology=topology)
    before = flight.state
    state = flight.solver._go_on(
        before,
        flight.problem,
        Training(flight.history, flight.random_state, 1, 0.0, np.inf),
        (-np.inf, np.inf),
        lambda swarm: (before.best_losses, before.best_data_losses),
    )
    assert not state.links.all()
    assert before.links.all()
    assert before.topology == "global"
    assert state.topology == topology
    if topology == "ring":
        np.testing.assert_array_equal(state.links, links("ring", 8))


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
    net = fit(L2NetClassifier((3,), solver=swarm, max_iter=1, warm_start=True, random_state=0), X, y)
    joined = fit(net.set_params(solver__n_particles=30), X, y).swarm_.best_positions[5:]
    assert np.all((joined >= 1.0) & (joined <= 2.0))
    assert np.ptp(joined, axis=0).min() > 0.6


def test_a_fit_interrupted_at_once_goes_on_within_narrower_bounds(failing_engine, monkeypatch):
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(5), max_iter=1, warm_start=True, random_state=0)
    with monkeypatch.context() as patch:
        patch.setattr("skl2net.solvers.swarm._Evaluation.fly", interrupted(lambda *args: None, 1))
        with pytest.warns(UserWarning, match="iteration 0"):
            net.fit(X, y)
    fit(net.set_params(solver__bounds=0.05), X, y)
    assert np.abs(net.swarm_.positions).max() <= 0.05
    assert np.abs(flat(net)).max() <= 0.05


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


def test_patience_counts_iterations_in_which_the_loss_has_not_fallen_by_tol():
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(20, patience=25), tol=0.01, max_iter=2000, random_state=0)
    net.fit(X, y)  # and does not warn
    curve = np.array(net.loss_curve_)
    assert net.n_iter_ < 2000
    assert curve[-27] - curve[-1] <= 0.01
    falls = curve[:-27] - curve[26:-1]
    assert np.all(falls > 0)
    longer = clone(net).set_params(n_iter_no_change=60).fit(X, y)
    assert longer.n_iter_ >= net.n_iter_ + 35
    shorter = clone(net).set_params(n_iter_no_change=5).fit(X, y)
    assert shorter.n_iter_ == net.n_iter_


def test_too_few_iterations_warn():
    X, y = classes()
    with pytest.warns(ConvergenceWarning, match=r"max_iter=3"):
        L2NetClassifier((3,), solver="pso", max_iter=3).fit(X, y)


def test_early_stopping_keeps_the_weights_of_the_best_validation_score():
    X, y = classes(n_rows=120)
    net = L2NetClassifier(
        (3,), solver=ParticleSwarm(patience=30), early_stopping=True, max_iter=500, random_state=0
    ).fit(X, y)
    scores = np.array(net.validation_scores_)
    assert len(scores) == len(net.validation_loss_curve_) == net.n_iter_ < 500
    assert net.best_validation_score_ == scores.max()
    first_best = int(scores.argmax())
    assert net.n_iter_ == first_best + 32
    np.testing.assert_allclose(sum(np.sum(c**2) for c in net.coefs_), net.weight_norm_curve_[first_best])


def test_positions_are_validated_once_as_long_as_they_stay():
    asked = []
    validate = _OncePerPosition(lambda x: asked.append(x.copy()) or float(x.sum()))
    first, second = np.array([1.0, 2.0]), np.array([1.0, 3.0])
    assert [validate(x) for x in (first, first.copy(), second, second, first)] == [3.0, 3.0, 4.0, 4.0, 3.0]
    np.testing.assert_array_equal(asked, [first, second, first])


def test_verbose_prints_each_iteration(capsys):
    X, y = classes()
    fit(L2NetClassifier((3,), solver="pso", max_iter=3, verbose=True, random_state=0), X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in lines] == ["Iteration 1", "Iteration 2", "Iteration 3"]


def interrupted(objective, call):
    """The objective, but its call of that number, from 1, is interrupted."""
    n_calls = itertools.count(1)

    def failing(*args, **kwargs):
        if next(n_calls) == call:
            raise KeyboardInterrupt
        return objective(*args, **kwargs)

    return failing


@pytest.mark.parametrize("call", [1, 2, 6])
@pytest.mark.parametrize("objective", [None, zero_one_loss])
def test_ctrl_c_keeps_the_last_finished_iteration_and_a_warm_start_goes_on(
    call, objective, failing_engine, monkeypatch
):
    X, y = classes()
    swarm = ParticleSwarm(objective=objective)
    net = L2NetClassifier((3,), solver=swarm, max_iter=20, warm_start=True, random_state=0)
    n_kept = call - 1
    if objective is not None:
        net.set_params(solver__objective=interrupted(objective, 30 * call))
    elif hasattr(default_engine(), "fly"):
        monkeypatch.setattr(ParticleSwarm, "_in_one_go", lambda *args: 3)
        failing_engine("fly", call)
        n_kept *= 3
    else:
        failing_engine("losses", call)
    with pytest.warns(UserWarning, match=f"interrupted by user: the weights of iteration {n_kept} are kept"):
        net.fit(X, y)
    assert net.n_iter_ == len(net.loss_curve_) == n_kept
    if n_kept:
        whole = fit(clone(net).set_params(solver=swarm, max_iter=n_kept), X, y)
        np.testing.assert_array_equal(flat(net), flat(whole))
        assert net.loss_ == whole.loss_ == net.swarm_.best_losses.min()
    loss = fit(net.set_params(solver=swarm), X, y).loss_
    assert np.isfinite(loss)
    assert net.n_iter_ == 20
    assert not n_kept or loss <= whole.loss_


def test_the_first_particle_is_the_usual_start_and_the_others_spread_around_zero():
    X, y = classes()
    starts = {}
    for spread in (0.5, 2.0):
        swarm = ParticleSwarm(40, initial_spread=spread)
        starts[spread] = fit(L2NetClassifier((3,), solver=swarm, max_iter=1, random_state=0), X, y).swarm_.positions
    usual = L2NetClassifier((3,), solver="sgd", learning_rate_init=1e-300, alpha=0.0, max_iter=1, random_state=0)
    for positions in starts.values():
        np.testing.assert_array_equal(positions[0], flat(fit(usual, X, y)))
    np.testing.assert_array_equal(4 * starts[0.5][1:], starts[2.0][1:])
    assert np.abs(starts[0.5][1:]).max() <= 0.5 * np.sqrt(6 / (3 + 3))  # Glorot's bound of the narrower layer


@each_engine
def test_an_entry_that_overshoots_the_whole_box_stops_at_the_opposite_bound(engine):
    flight = Flight(ParticleSwarm(6, inertia=50.0, bounds=(-0.1, 0.3)), small_problem(engine=engine), 2)
    seen = set()
    for _ in range(6):
        state = flight.go_on()
        assert state.positions.min() >= -0.1
        assert state.positions.max() <= 0.3
        seen |= {bound for bound in (-0.1, 0.3) if (state.positions == bound).any()}
    assert seen == {-0.1, 0.3}


@each_engine
def test_velocities_that_overflow_within_bounds_are_a_divergence(engine):
    with pytest.raises(ValueError, match=r"non-finite parameter weights.*inertia=10000\.0"), np.errstate(all="ignore"):
        Flight(ParticleSwarm(6, inertia=1e4, bounds=1.0), small_problem(engine=engine), 200)


def test_divergence_is_explained():
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(inertia=3.0, patience=np.inf), max_iter=3000, random_state=0)
    with pytest.raises(ValueError, match=r"non-finite parameter weights.*inertia=3.0.*velocity_clamp"):
        net.fit(X, y)
    assert not hasattr(net, "coefs_")
    clamped = ParticleSwarm(inertia=3.0, velocity_clamp=1.0, bounds=10.0)
    fit(net.set_params(solver=clamped, max_iter=500), X, y)
    assert np.isfinite(net.loss_)


def test_no_finite_loss_is_explained():
    X, y = regression()
    with pytest.raises(ValueError, match=r"finite loss.*Scale the input"):
        L2NetRegressor((3,), "identity", solver="pso", max_iter=3, random_state=0).fit(X * 1e300, y)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "must return a number, got None"),
        ("0.5", TypeError, "must return a number, got '0.5'"),
        (np.zeros(3), TypeError, "must return a number, got array"),
        (-np.inf, ValueError, "returned -inf.*bounded below"),
        (np.nan, ValueError, "No particle .* finite loss. The objective has to be finite"),
    ],
)
def test_values_that_an_objective_must_not_have_are_explained(value, error, message):
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(5, objective=lambda y_true, y_pred, sample_weight: value))
    with pytest.raises(error, match=message):
        net.fit(X, y)


@pytest.mark.parametrize("objective", [max_error, get_scorer("accuracy"), lambda y_true, y_pred: 0.0])
def test_objectives_that_take_no_weights_are_refused_with_the_way_out(objective):
    X, y = regression()
    with pytest.raises(ValueError, match=r"cannot be called as objective\(y_true.*Wrap it, as in lambda"):
        L2NetRegressor((3,), solver=ParticleSwarm(objective=objective)).fit(X, y)


@pytest.mark.parametrize("bounds", [(1.0, 5.0), (-3.0, -2.0), 0.01])
def test_a_swarm_starts_spread_out_within_bounds_that_the_usual_weights_are_not_in(bounds):
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    low, high = (-bounds, bounds) if isinstance(bounds, float) else bounds
    net = L2NetClassifier((4,), "tanh", solver=ParticleSwarm(bounds=bounds), max_iter=1, random_state=0)
    start = fit(clone(net), X, y).swarm_.positions
    assert start.min() >= low
    assert start.max() <= high
    spread = np.ptp(start[1:], axis=0)
    assert spread.min() > 0.7 * (high - low)
    assert fit(net.set_params(max_iter=300), X, y).score(X, y) > 0.34  # it moves


def test_the_state_prints_in_a_line():
    X, y = classes()
    net = fit(L2NetClassifier((3,), solver=ParticleSwarm(10, topology="ring"), max_iter=4, random_state=0), X, y)
    text = repr(net.swarm_)
    assert text.startswith(
        "<SwarmState of 10 particles in 27 dimensions, 'ring' topology, after 4 iterations: best loss "
    )
    assert f"{net.loss_:.6g}>" in text


def test_an_objective_may_return_any_number():
    X, y = classes()
    for number in (1, np.float32(1.0), np.array(1.0)):
        swarm = ParticleSwarm(5, objective=lambda y_true, y_pred, sample_weight, number=number: number)
        assert fit(L2NetClassifier((3,), solver=swarm, alpha=0.0, max_iter=2), X, y).loss_ == 1.0


def test_an_objective_cannot_change_the_data():
    X, y = regression()
    weight = np.ones(len(y))

    def greedy(y_true, y_pred, sample_weight):
        for array in (y_true, sample_weight):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0.0
        return 1.0

    fit(L2NetRegressor((3,), solver=ParticleSwarm(5, objective=greedy), max_iter=2), X, y, sample_weight=weight)


def test_an_objective_sees_labels_and_predictions_and_weights():
    X, y = classes()
    y = np.array(["ash", "elm", "oak"])[y]
    weight = np.random.default_rng(0).uniform(0.5, 1, len(X))
    seen = []

    def misclassified(y_true, y_pred, sample_weight):
        seen.append((y_true, y_pred, sample_weight))
        return np.average(y_true != y_pred, weights=sample_weight)

    net = L2NetClassifier(
        (3,), solver=ParticleSwarm(10, objective=misclassified), alpha=0.01, max_iter=30, random_state=0
    )
    fit(net, X, y, sample_weight=weight)
    y_true, y_pred, sample_weight = seen[0]
    np.testing.assert_array_equal(y_true, y)
    assert set(y_pred) <= set(y)
    np.testing.assert_array_equal(sample_weight, weight)
    assert net.data_loss_ == pytest.approx(1 - net.score(X, y, weight))
    assert net.loss_ == pytest.approx(net.data_loss_ + 0.005 * net.weight_norm_curve_[-1])
    assert net.data_loss_ < 0.5
    assert net.l2_report().rule == "own objective + 0.01/2 * sum of w^2"


@pytest.mark.parametrize("task", ["binary", "multilabel", "regression", "two outputs", "poisson"])
def test_an_objective_gets_targets_as_fit_got_them(task):
    estimator, kwargs, (X, y) = TASKS[task]
    metric = zero_one_loss if estimator is L2NetClassifier else mean_absolute_error
    solver = ParticleSwarm(10, objective=metric)
    net = fit(estimator((3,), "tanh", solver=solver, alpha=0, max_iter=20, random_state=0, **kwargs), X, y)
    assert net.data_loss_ == pytest.approx(metric(y, net.predict(X)))
    assert net.data_loss_ == net.loss_


@pytest.mark.parametrize("mode", PENALTIES)
@pytest.mark.parametrize("task", ["multiclass", "two outputs", "poisson"])
def test_polish_reaches_a_stationary_point(task, mode):
    estimator, kwargs, (X, y) = TASKS[task]
    X = StandardScaler().fit_transform(X)
    solver = ParticleSwarm(polish=True)
    net = estimator((4,), "tanh", solver=solver, l2_mode=mode, alpha=0.1, max_iter=60, random_state=0, **kwargs)
    fit(net, X, y)
    Y = np.eye(3)[y] if task == "multiclass" else y.reshape(len(y), -1)
    network = Network((4, 4, Y.shape[1]), "tanh", net.out_activation_)
    loss = kwargs.get("loss", "log_loss" if task == "multiclass" else "squared_error")
    problem = Problem(network, loss, L2Rule(mode, (0.1, 0.1)), X, Y, None, reference)
    value, gradient = problem.objective_and_gradient(flat(net))
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
    net = L2NetRegressor((8,), "tanh", solver=solver, alpha=alpha, max_iter=100, random_state=0).fit(X, y)
    problem = Problem(
        Network((10, 8, 1), "tanh", "identity"),
        "squared_error",
        L2Rule("penalty", (alpha, alpha)),
        X,
        y[:, np.newaxis],
        None,
        reference,
    )
    assert net.loss_ > 500
    assert np.abs(problem.objective_and_gradient(flat(net))[1]).max() <= 1e-5


def test_polish_stays_within_the_bounds_where_the_gradient_points_out_of_them():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    swarm = ParticleSwarm(10, bounds=(-0.3, 0.5), polish=True)
    net = L2NetClassifier((4,), "tanh", solver=swarm, alpha=0.001, max_iter=50, warm_start=True, random_state=0)
    net.fit(X, y)
    parameters = flat(net)
    assert parameters.min() == -0.3
    assert parameters.max() == 0.5
    network = Network((4, 4, 3), "tanh", "softmax")
    problem = Problem(network, "log_loss", L2Rule("penalty", (0.001, 0.001)), X, np.eye(3)[y], None, reference)
    gradient = problem.objective_and_gradient(parameters)[1]
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

    def recording(self, problem, parameters, training, run=None):
        end = minimise(self, problem, parameters, training, run)
        found.append((parameters.copy(), end[0]))
        return end

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
    monkeypatch.setattr(LBFGS, "minimise", lambda self, problem, parameters, *args: (1.5 * parameters, None))
    net = L2NetClassifier((3,), solver=ParticleSwarm(polish=True), alpha=1.0, max_iter=20, random_state=0)
    fit(net, X, y)
    assert net.n_iter_ == 20
    np.testing.assert_array_equal(flat(net), flat(fit(clone(net).set_params(solver="pso"), X, y)))


def test_a_swarm_that_is_polished_need_not_rest_first(monkeypatch):
    X, y = classes()
    net = L2NetClassifier((3,), "tanh", solver=ParticleSwarm(polish=True), alpha=0.1, max_iter=5, random_state=0)
    net.fit(X, y)  # and does not warn
    monkeypatch.setattr("skl2net.solvers.swarm._POLISH_ITER", 3)
    with pytest.warns(ConvergenceWarning, match="polish failed to converge after 3 iterations"):
        net.fit(X, y)


def test_ctrl_c_in_the_polish_keeps_its_last_iteration(failing_engine):
    X, y = classes()
    net = L2NetClassifier((3,), "tanh", solver=ParticleSwarm(polish=True), alpha=0.1, max_iter=5, random_state=0)
    failing_engine("loss_and_gradient", 6)
    with pytest.warns(UserWarning, match=r"interrupted by user: the weights of iteration \d of the polish are kept"):
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


def test_the_swarm_comes_near_the_best_of_many_gradient_descents_on_iris():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    net = L2NetClassifier((6,), "tanh", alpha=0.005, max_iter=1000)
    descents = [fit(clone(net).set_params(solver="lbfgs", random_state=seed), X, y).loss_ for seed in range(20)]
    swarm = ParticleSwarm(patience=np.inf)
    losses = [fit(clone(net).set_params(solver=swarm, random_state=seed), X, y).loss_ for seed in range(30)]
    assert np.median(losses) <= 1.01 * min(descents)


def test_the_result_does_not_depend_on_the_number_of_threads():
    code = (
        "import numpy as np; from sklearn.datasets import load_digits; from skl2net import L2NetClassifier\n"
        "import warnings; warnings.simplefilter('ignore')\n"
        "X, y = load_digits(return_X_y=True)\n"
        "net = L2NetClassifier((8,), solver='pso', max_iter=5, random_state=0).fit(X / 16, y)\n"
        "print(net.swarm_.positions.tobytes().hex()[:4000], net.loss_curve_)"
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2")
    }
    assert len(results) == 1
