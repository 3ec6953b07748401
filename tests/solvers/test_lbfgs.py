"""L-BFGS beside scipy's, step by step; when it ends; what an engine that iterates it promises."""

import copy
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp
from cases import Case, converging_or_not, make_case
from engines.error_bounds import error_bounds
from sklearn.datasets import load_diabetes

from skl2net import L2NetRegressor
from skl2net.engines import available_engines, default_engine
from skl2net.engines import lbfgs as steps
from skl2net.engines.base import Cancelled
from skl2net.engines.lbfgs import N_PAIRS, LBFGSLimits
from skl2net.fitting import Plan, Watch, fit_network
from skl2net.l2 import L2Rule
from skl2net.problem import Problem
from skl2net.solvers.base import Diverged
from skl2net.solvers.curves import IterationTotals
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.monitor import Monitor
from skl2net.solvers.stopping import StoppingRule
from skl2net.solvers.training_state import TrainingState

each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
engines_that_iterate = [engine for engine in available_engines() if engine.name == "compiled"]
each_engine_that_iterates = pytest.mark.parametrize("engine", engines_that_iterate, ids=lambda engine: engine.name)

NEVER = LBFGSLimits(np.inf, 0.0, -np.inf)

# layer sizes, activation, output, loss, scale of the input
CASES = {
    "quadratic": ((7, 1), "identity", "identity", "squared_error", 1.0),
    "logistic": ((9, 1), "identity", "logistic", "log_loss", 1.0),
    "network": ((9, 8, 3), "tanh", "softmax", "log_loss", 1.0),
    "relu": ((9, 8, 1), "relu", "identity", "squared_error", 1.0),
    "wide": ((20, 40, 2), "tanh", "identity", "squared_error", 3.0),
    "steep": ((5, 6, 1), "softplus", "exp", "poisson", 10.0),  # searches of many trials
}


def make_problem(name, engine, *, dtype=np.float64, alpha=(0.02, 0.3), n_rows=67, sparse=False, seed=0, **kwargs):
    """An objective of each kind, with a penalty that differs between layers, and where to start."""
    sizes, activation, output, loss, scale = CASES[name]
    case = make_case(sizes, activation, output, loss, n_rows=n_rows, weighted=True, sparse=sparse, seed=seed, **kwargs)
    case.X = case.X * scale
    case = case.astype(dtype)
    return Problem(case.task, L2Rule("penalty", alpha[: case.network.n_layers]), engine), case.parameters


def first_state(problem, parameters, limits):
    """The state before the first iteration."""
    return steps.first_state(problem.session, parameters, problem.coefficients.penalty, limits)


def iterate(problem, state, limits, n):
    """Some iterations of the engine: the totals of each."""
    curves = problem.session.iterate_lbfgs(state, problem.coefficients.penalty, limits, n)
    return [*map(IterationTotals._make, curves.tolist())]


def by_scipy(problem, start, n_iterations, *, gtol=0.0, ftol=-1.0, maxfun=10**9):
    """Parameters and losses of each iteration, number of evaluations until then, and the result."""
    n_evaluations, iterations = 0, []

    def objective(x):
        nonlocal n_evaluations
        n_evaluations += 1
        value, gradient = problem.session.objective_and_gradient(
            x.astype(problem.session.dtype), problem.coefficients.penalty
        )
        return value, gradient.astype(np.float64)

    def record(intermediate_result):
        iterations.append((intermediate_result.x.copy(), float(intermediate_result.fun), n_evaluations))

    result = scipy.optimize.minimize(
        objective,
        start,
        method="L-BFGS-B",
        jac=True,
        callback=record,
        options={"maxiter": n_iterations, "maxfun": maxfun, "gtol": gtol, "ftol": max(ftol, 0.0)},
    )
    return iterations, result


def by_steps(problem, start, n_iterations, limits=NEVER):
    """The same by our own, one iteration a call, and the state at the end."""
    state, iterations = first_state(problem, start, limits), []
    while len(iterations) < n_iterations and state.status == "running":
        for totals in iterate(problem, state, limits, 1):
            iterations.append((state.parameters.copy(), totals.loss, state.n_evaluations))
    return iterations, state


# --- the iterates are scipy's -----------------------------------------------------------------------------------------


def spread_of_scipy(problem, start, expected):
    """How far rounding errors may carry each iteration, since each step multiplies them: its parameters, and its loss.

    Measured by scipy itself from starts that differ by some rounding errors; of the loss relatively.
    """
    rng, eps = np.random.default_rng(0), float(np.finfo(problem.session.dtype).eps)
    spread = np.full((len(expected), 2), 50 * eps)
    for _ in range(3):
        nearby = start * (1 + 20 * eps * rng.choice([-1, 1], len(start))).astype(problem.session.dtype)
        others, _ = by_scipy(problem, nearby, len(expected))
        for i, (x, value, _) in enumerate(others):
            of_both = np.abs(x - expected[i][0]).max(), abs(value / expected[i][1] - 1)
            spread[i] = np.maximum(spread[i], of_both)
        spread[len(others) :] = np.inf
    return np.maximum.accumulate(spread)


def assert_is_scipys(problem, start, n_iterations=40):
    """Compare each iteration until rounding decides; their number, and that of the evaluations until then."""
    expected, _ = by_scipy(problem, start, n_iterations)
    ours, _ = by_steps(problem, start, n_iterations)
    spread, eps = spread_of_scipy(problem, start, expected), np.finfo(problem.session.dtype).eps
    n_compared, n_evaluations, loss = (
        0,
        1,
        problem.session.objective_and_gradient(start, problem.coefficients.penalty)[0],
    )
    for (x, value, n), scipys, (of_parameters, of_loss) in zip(ours, expected, spread, strict=False):
        if of_parameters > 1e-2 or loss - scipys[1] <= 100 * eps * abs(loss):
            break
        loss = scipys[1]
        np.testing.assert_allclose(x, scipys[0], rtol=0, atol=10 * of_parameters)
        assert value == pytest.approx(loss, rel=10 * of_loss)
        assert n == scipys[2]
        n_compared, n_evaluations = n_compared + 1, n
    return n_compared, n_evaluations


@each_engine_that_iterates
@each_dtype
@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_each_iteration_is_scipys(name, seed, dtype, engine):
    problem, start = make_problem(name, engine, dtype=dtype, seed=seed)
    n_compared, n_evaluations = assert_is_scipys(problem, start)
    assert n_compared >= (5 if name in ("quadratic", "logistic") else 20)
    assert n_evaluations > n_compared + (4 if name == "steep" else 0)


@each_engine_that_iterates
def test_the_memory_holds_the_last_ten_pairs(engine):
    problem, start = make_problem("network", engine)
    state = first_state(problem, start, NEVER)
    points = [(state.parameters.copy(), state.gradient.copy())]
    for _ in range(25):
        iterate(problem, state, NEVER, 1)
        points.append((state.parameters.copy(), state.gradient.copy()))
    assert state.n_updates == 25
    for i in range(15, 25):
        (x, g), (next_x, next_g) = points[i], points[i + 1]
        np.testing.assert_allclose(state.steps[i % N_PAIRS], next_x - x, rtol=0, atol=1e-15)
        np.testing.assert_array_equal(state.changes[i % N_PAIRS], next_g - g)
        curvature = (next_x - x) @ (next_g - g)
        assert state.curvatures[i % N_PAIRS] == pytest.approx(curvature, rel=1e-9)


@each_engine_that_iterates
def test_a_direction_uphill_empties_the_memory(engine):
    problem, start = make_problem("network", engine)
    state = first_state(problem, start, NEVER)
    for _ in range(5):
        iterate(problem, state, NEVER, 1)
    uphill, empty = copy.deepcopy(state), copy.deepcopy(state)
    uphill.scale *= -1
    uphill.curvatures *= -1
    empty.n_updates, empty.scale = 0, 1.0
    assert iterate(problem, uphill, NEVER, 1) == iterate(problem, empty, NEVER, 1)
    assert uphill.n_updates == empty.n_updates == 1
    np.testing.assert_array_equal(uphill.parameters, empty.parameters)


@each_engine
def test_a_trial_that_overflows_is_followed_by_a_shorter_one(engine):
    # scipy returns to the start of the line search and calls that convergence
    problem, start = make_problem("steep", engine, dtype=np.float32, seed=8)
    with np.errstate(all="ignore"):
        scipys, result = by_scipy(problem, start, 100)
    _, monitor = minimise(problem, start, n_iterations=100)
    assert result.status == 0
    assert scipys[-1][1] > 5
    assert monitor.state.loss < 0.5
    assert np.all(np.diff(monitor.curves.loss.tolist()) < 0)


def short_sighted(problem, start, factor):
    """A state after one iteration, and the same with a memory by which the direction is the gradient by this factor."""
    state = first_state(problem, start, NEVER)
    iterate(problem, state, NEVER, 1)
    short = copy.deepcopy(state)
    short.steps[:], short.changes[:], short.curvatures[:], short.scale = 0, 0, 1, 1 / factor
    return state, short


@each_engine_that_iterates
@each_dtype
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_direction_too_short_to_change_the_loss_empties_the_memory(dtype, engine):
    # as after a first gradient that is huge; scipy calls it convergence
    problem, start = make_problem("network", engine, dtype=dtype)
    empty, short = short_sighted(problem, start, 1e-60)
    empty.n_updates, empty.scale = 0, 1.0
    limits = LBFGSLimits(np.inf, 1e-4, 1e-9)
    assert iterate(problem, short, limits, 1) == iterate(problem, empty, limits, 1)
    assert short.n_updates == empty.n_updates == 1
    assert short.status == "running"
    np.testing.assert_array_equal(short.parameters, empty.parameters)


@each_engine_that_iterates
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_direction_too_short_ends_nothing_where_the_gradient_is_small_enough(engine):
    problem, start = make_problem("network", engine)
    _, short = short_sighted(problem, start, 1e-60)
    loss = short.loss
    assert len(iterate(problem, short, LBFGSLimits(np.inf, 1e3, 1e-9), 1)) == 1
    assert (short.loss, short.status) == (loss, "gradient")


@each_engine_that_iterates
def test_a_step_of_the_largest_length_is_not_convergence(engine):
    # it decreases the loss by less than ftol, but the slope is as steep as before
    problem, start = make_problem("network", engine)
    state, short = short_sighted(problem, start, 1e-13)
    limits = LBFGSLimits(np.inf, 1e-4, 1e-3)
    iterate(problem, short, limits, 1)
    assert 0 < state.loss - short.loss < 1e-3 * short.loss
    assert short.status == "running"
    iterate(problem, short, limits, 1)
    assert state.loss - short.loss > 1e-2 * short.loss


@each_engine_that_iterates
def test_a_small_decrease_is_convergence_as_for_scipy(engine):
    problem, start = make_problem("network", engine)
    state, short = short_sighted(problem, start, 1e-4)
    limits = LBFGSLimits(np.inf, 1e-4, 0.5)
    iterate(problem, short, limits, 1)
    assert 0 < state.loss - short.loss < 0.5 * short.loss
    assert short.status == "reduction"


@pytest.mark.parametrize("seed", [5, 14, 21])
def test_a_huge_first_gradient_does_not_end_training(seed):
    # the loss begins between 1e22 and 1e87; where it goes from there depends on rounding
    X, y = load_diabetes(return_X_y=True, scaled=False)
    net = L2NetRegressor((10,), solver="lbfgs", loss="poisson", random_state=seed)
    with converging_or_not():
        net.fit(X, y)
    assert net.n_iter_ > 50
    assert net.score(X, y) > 0  # better than the mean of the targets


# --- when it ends -----------------------------------------------------------------------------------------------------

ENDS = {  # options of scipy, and the status
    "gradient": ({"gtol": 1e-3, "ftol": 0.0}, 0),
    "reduction": ({"gtol": 0.0, "ftol": 1e-3}, 0),
    "max_iter": ({"n_iterations": 3}, 1),
    "max_fun": ({"maxfun": 7}, 1),
    "both limits": ({"n_iterations": 10, "maxfun": 11}, 1),
    "at the start": ({"gtol": 1e3}, 0),
}


def minimise(problem, start, *, n_iterations=200, gtol=0.0, ftol=-np.inf, maxfun=10**9):
    """What the solver returns, and its monitor."""
    solver = LBFGS(max_fun=maxfun, ftol=ftol)
    start = TrainingState(None, parameters=start)
    monitor = Monitor(solver.stopping(StoppingRule(n_iterations, gtol, n_iter_no_change=2)), start)
    return solver.minimise(problem, start, monitor), monitor


@each_engine
@pytest.mark.parametrize("end", ENDS)
def test_it_ends_when_scipy_does(end, engine):
    problem, start = make_problem("network", engine)
    options, status = ENDS[end]
    expected, result = by_scipy(problem, start, **{"n_iterations": 200, **options})
    message, monitor = minimise(problem, start, **options)
    assert result.status == status
    assert monitor.n_iter == len(expected) == result.nit
    np.testing.assert_allclose(monitor.state.parameters, result.x, rtol=0, atol=1e-9)
    assert monitor.state.loss == pytest.approx(result.fun, rel=1e-9)
    if status == 0:
        assert message is None
    else:
        reason = result.message.upper().replace("F AND G", "F,G")  # as newer versions of scipy word it
        assert f"failed to converge after {result.nit} iteration(s): {reason}. Increase max_iter" in message


@each_engine_that_iterates
@pytest.mark.usefixtures("lbfgs_goes_uphill")
def test_it_ends_where_no_step_decreases_the_loss(engine):
    # each of the trials increases the loss, by more than its rounding error
    problem, start = make_problem("quadratic", engine)
    state = first_state(problem, start, NEVER)
    message, monitor = minimise(problem, start, n_iterations=1000)
    assert (monitor.n_iter, monitor.state.loss) == (0, state.loss)
    np.testing.assert_array_equal(monitor.state.parameters, start)
    assert "ABNORMAL. The line search found no smaller loss: " in message
    assert "tol=0 is below the rounding error of float64" in message


@each_engine
@pytest.mark.parametrize("seed", range(5))
def test_it_goes_down_to_the_last_bits_of_the_loss(engine, seed):
    # from there on rounding errors decide: no search finds a smaller loss, or further steps leave it as it is
    problem, start = make_problem("quadratic", engine, seed=seed)
    message, monitor = minimise(problem, start, n_iterations=200)
    found = monitor.state.parameters
    smallest, largest_error = smallest_quadratic(problem, found)
    assert monitor.state.loss == pytest.approx(smallest, rel=0, abs=2 * largest_error)
    losses = np.array(monitor.curves.loss.tolist())
    assert (np.diff(losses) <= 0).all()
    has_ended = message is None or "ABNORMAL" in message
    assert has_ended or losses[-100] - losses[-1] <= 2 * largest_error


def smallest_quadratic(problem, parameters):
    """The smallest loss of a linear regression, in closed form, and how far rounding can take the computed one."""
    task, network = problem.task, problem.task.network
    X, y = np.column_stack([task.X, np.ones(len(task.X))]), task.Y[:, 0]
    weight = task.sample_weight / task.sample_weight.sum()
    penalty = np.append(np.full(network.n_weights, problem.rule.alpha[0]), 0.0)
    minimum = np.linalg.solve(X.T * weight @ X + np.diag(penalty), X.T * weight @ y)
    case = Case(network, task.loss, parameters, task.X, task.Y, task.sample_weight)
    of_penalty = float(problem.penalty(minimum))
    error = error_bounds(case, np.float64).loss + (network.n_weights + 3) * np.finfo(np.float64).eps * of_penalty
    return 0.5 * weight @ (X @ minimum - y) ** 2 + of_penalty, error


@each_engine
def test_a_loss_that_is_not_finite_at_the_start_is_divergence(engine):
    problem, start = make_problem("steep", engine)
    with np.errstate(all="ignore"), pytest.raises(Diverged, match=r"scale the input.*or increase alpha\.") as error:
        minimise(problem, np.full_like(start, 1e3))
    assert error.value.is_at_start


@each_engine_that_iterates
def test_totals_are_those_of_the_parameters(engine):
    problem, start = make_problem("network", engine)
    state, x = first_state(problem, start, NEVER), None
    for _ in range(10):
        (totals,) = iterate(problem, state, NEVER, 1)
        x = state.parameters
        data_loss, penalty = problem.data_loss(x), float(problem.penalty(x))
        np.testing.assert_allclose(totals, [data_loss + penalty, data_loss, problem.network.weight_norm(x)], rtol=1e-12)
        assert totals.loss == state.loss


# --- many iterations in one call --------------------------------------------------------------------------------------


def contents(state):
    return [value.tobytes() if isinstance(value, np.ndarray) else value for value in vars(state).values()]


@each_engine_that_iterates
@each_dtype
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", ["network", "wide", "steep"])
def test_calls_of_any_length_give_the_same_bits(name, sparse, dtype, engine):
    problem, start = make_problem(name, engine, dtype=dtype, sparse=sparse)

    def iterations(per_call):
        state, totals = first_state(problem, start, NEVER), []
        while len(totals) < 35:
            totals += iterate(problem, state, NEVER, min(per_call, 35 - len(totals)))
        return totals, contents(state)

    assert iterations(1) == iterations(4) == iterations(1000)


@each_engine_that_iterates
@each_dtype
def test_any_number_of_threads_gives_the_same_bits(dtype, engine):
    case = make_case((200, 256, 10), "tanh", "softmax", "log_loss", n_rows=700).astype(dtype)
    ends = []
    for n_threads in (1, 2, 3):
        task = replace(case.task, n_threads=n_threads)
        problem = Problem(task, L2Rule("penalty", (0.01, 0.02)), engine)
        state = first_state(problem, case.parameters, NEVER)
        totals = []
        while len(totals) < 8:
            totals += iterate(problem, state, NEVER, 8 - len(totals))
        ends.append((totals, contents(state)))
    assert ends[0] == ends[1] == ends[2]


@each_engine_that_iterates
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": np.zeros(5)}, "needs a writeable array of float64"),
        ({"gradient": np.zeros(107, np.float32)}, "needs a writeable array of float64"),
        ({"steps": np.zeros((9, 107))}, r"needs a writeable array of float64, shape \(10, 107\)"),
        ({"changes": np.zeros((107, 10)).T}, "needs a writeable array of float64"),
        ({"curvatures": np.zeros(11)}, "needs a writeable array of float64"),
        ({"n_updates": -1}, "remembered -1 pairs"),
        ({"status": "lost"}, "lost"),
    ],
    ids=str,
)
def test_states_that_do_not_fit_are_refused(change, message, engine):
    problem, start = make_problem("network", engine)
    assert len(start) == 107
    state = replace(first_state(problem, start, NEVER), **change)
    before = contents(state)
    with pytest.raises(ValueError, match=message):
        engine.open(problem.task).iterate_lbfgs(state, [0.1, 0.2], NEVER, 5)
    with pytest.raises(ValueError, match="penalty must have shape"):
        engine.open(problem.task).iterate_lbfgs(first_state(problem, start, NEVER), [0.1], NEVER, 5)
    assert contents(state) == before


@each_engine_that_iterates
def test_a_state_that_has_ended_stays_as_it_is(engine):
    problem, start = make_problem("network", engine)
    state = first_state(problem, start, LBFGSLimits(np.inf, 1e3, 0.0))
    assert state.status == "gradient"
    before = contents(state)
    assert iterate(problem, state, NEVER, 5) == []
    assert contents(state) == before


@each_engine_that_iterates
def test_threads_train_at_the_same_time(engine):
    # while one thread is within a call, another one goes on: the call does not hold Python's global lock
    problem, start = make_problem("wide", engine, n_rows=20_000)
    seen, is_over = [], threading.Event()

    def count():
        while not is_over.is_set():
            seen.append(time.perf_counter())
            time.sleep(0.001)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(count)
        state = first_state(problem, start, NEVER)
        calls = []
        while sum(end - begin for begin, end in calls) < 0.3:
            begin = time.perf_counter()
            iterate(problem, state, NEVER, 10**6)
            calls.append((begin, time.perf_counter()))
        is_over.set()
        future.result()
    within = sum(begin < moment < end for begin, end in calls for moment in seen)
    assert within > 5 * len(calls)


def endless(engine, n_rows=2000):
    """A problem whose minimum takes minutes to reach, and a solver that does not stop before."""
    problem, start = make_problem("wide", engine, n_rows=n_rows, alpha=(0.0, 0.0))
    return problem, LBFGS(max_fun=np.inf, ftol=-np.inf), start


@each_engine
def test_cancellation_is_heard_between_calls(engine):
    problem, solver, start = endless(engine)
    cancelled = threading.Event()
    timer = threading.Timer(0.2, cancelled.set)
    timer.start()
    with pytest.raises(Cancelled):
        fit_network(
            Plan(problem, solver, StoppingRule(10**9, 0.0, n_iter_no_change=1)),
            TrainingState(0, parameters=start),
            Watch(is_cancelled=cancelled.is_set),
        )
    timer.join()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
@each_engine
def test_ctrl_c_keeps_the_last_finished_iterations(engine, monkeypatch):
    problem, solver, start = endless(engine)
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    finish = Monitor.finish

    def finish_and_wait_for_ctrl_c(self, *args):
        if self.n_iter == 0:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
        finish(self, *args)

    monkeypatch.setattr(Monitor, "finish", finish_and_wait_for_ctrl_c)
    try:
        plan = Plan(problem, solver, StoppingRule(10**9, 0.0, n_iter_no_change=1))
        result, warned = fit_network(plan, TrainingState(0, parameters=start), Watch())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert "interrupted by user" in warned[0][0]
    assert result.n_iter == len(result.curves.loss) > 0
    assert result.loss == pytest.approx(
        problem.session.objective_and_gradient(result.parameters, problem.coefficients.penalty)[0], rel=1e-9
    )


def test_as_many_iterations_are_reported_at_once_as_the_monitor_asks_for(monkeypatch):
    problem, start = make_problem("network", default_engine())
    asked = []
    finish = Monitor.finish

    def counting(self, parameters, totals, **kwargs):
        asked.append(len(totals))
        finish(self, parameters, totals, **kwargs)

    monkeypatch.setattr(Monitor, "finish", counting)
    monkeypatch.setattr(Monitor, "n_until_decision", property(lambda self: 3))
    minimise(problem, start, n_iterations=20)
    assert sum(asked) == 20
    assert max(asked) <= 3


def test_float32_parameters_and_losses_belong_together():
    X = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    net = L2NetRegressor((5,), solver="lbfgs", alpha=1.0, max_iter=30, normalize_y=False, random_state=0)
    with converging_or_not():
        net.fit(X, X[:, 0] * X[:, 1])
    squares = sum(float(np.sum(np.square(coef, dtype=np.float64))) for coef in net.coefs_)
    assert net.weight_norm_curve_[-1] == pytest.approx(squares, rel=1e-12)
    assert net.loss_ - net.data_loss_ == pytest.approx(squares / (2 * 50), rel=1e-6)


@each_engine_that_iterates
def test_an_empty_first_layer_of_csr_is_trained_too(engine):
    problem, start = make_problem("network", engine)
    empty = replace(problem, task=replace(problem.task, X=sp.csr_array(problem.task.X.shape)))
    dense = replace(problem, task=replace(problem.task, X=np.zeros(problem.task.X.shape)))
    ends = []
    for each in (empty, dense):
        state = first_state(each, start, NEVER)
        totals = iterate(each, state, NEVER, 5)
        ends.append([record.loss for record in totals])
    np.testing.assert_allclose(*ends, rtol=1e-12)
