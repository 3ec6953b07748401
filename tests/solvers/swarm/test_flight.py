"""The motion of a particle swarm, by hand; bounds, and swarms that fly apart."""

import pickle

import numpy as np
import pytest
from cases import classes, fit, regression
from sklearn.base import clone
from solvers.swarm.cases import INFORMANTS, LIVELY, Flight, each_engine, small_problem

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.l2 import PENALTIES
from skl2net.solvers.base import Diverged


def error(problem, x):
    """Weighted mean of half the squared error, and the penalty: by the definitions, in loops."""
    n_in, n_hidden, _ = problem.network.layer_sizes
    w1, w2, b1, b2 = np.split(x, np.cumsum([n_in * n_hidden, n_hidden, n_hidden]))
    total = 0.0
    task = problem.task
    for row, target, weight in zip(task.X, task.Y[:, 0], task.sample_weight, strict=True):
        hidden = [np.tanh(sum(row[i] * w1[i * n_hidden + j] for i in range(n_in)) + b1[j]) for j in range(n_hidden)]
        output = sum(h * w for h, w in zip(hidden, w2, strict=True)) + b2[0]
        total += weight * 0.5 * (output - target) ** 2
    n = sum(task.sample_weight)
    divisor = 1 if problem.rule.mode == "penalty" else n
    penalty = sum(a / (2 * divisor) * sum(w**2) for a, w in zip(problem.rule.alpha, (w1, w2), strict=True))
    return total / n, penalty


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


@each_engine
@pytest.mark.parametrize("mode", PENALTIES)
def test_the_penalty_enters_each_particles_error_and_leaves_biases_alone(mode, engine):
    problem = small_problem(mode, engine=engine)
    flight = Flight(ParticleSwarm(12), problem, 3)
    state, last = flight.state, flight.monitor.state
    expected = np.array([error(problem, x) for x in state.best_positions])
    np.testing.assert_allclose(state.best_losses, expected.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(state.best_data_losses, expected[:, 0], rtol=1e-12)
    assert last.loss == state.best_losses.min()
    assert last.data_loss == state.best_data_losses[state.best]

    shifted = state.best_positions.copy()
    shifted[:, problem.network.n_weights :] += 100
    np.testing.assert_allclose(problem.penalty(shifted), expected[:, 1], rtol=1e-12)


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
    with pytest.raises(Diverged, match=r"inertia=10000\.0") as error:
        Flight(ParticleSwarm(6, inertia=1e4, bounds=1.0), small_problem(engine=engine), 200)
    # velocities grow by 1e4 in each iteration, and overflow before 1e4^100
    assert 0 <= error.value.n_unreported < 100


def test_divergence_is_explained():
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(inertia=3.0, patience=np.inf), max_iter=3000, random_state=0)
    with pytest.raises(ValueError, match=r"weights or biases that are not finite.*inertia=3.0.*velocity_clamp"):
        net.fit(X, y)
    assert not hasattr(net, "coefs_")
    clamped = ParticleSwarm(inertia=3.0, velocity_clamp=1.0, bounds=10.0)
    fit(net.set_params(solver=clamped, max_iter=500), X, y)
    assert np.isfinite(net.loss_)


def test_no_finite_loss_is_explained():
    X, y = regression()
    with pytest.raises(ValueError, match=r"finite loss.*Scale the input"):
        L2NetRegressor((3,), "identity", solver="pso", max_iter=3, random_state=0).fit(X * 1e300, y)
