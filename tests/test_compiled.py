"""What the compiled engine promises besides agreeing with the reference engine (test_engine_agreement.py)."""

import copy
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from cases import OUTPUT_LOSSES, STEPS, make_batches, make_case, run
from test_engine_agreement import assert_evaluations_agree, assert_updates_agree, each_dtype, each_storage
from test_swarm import Flight
from threadpoolctl import threadpool_limits

from skl2net import ParticleSwarm
from skl2net.engines import reference
from skl2net.engines.interface import Motion
from skl2net.l2 import L2Rule
from skl2net.network import ACTIVATIONS
from skl2net.problem import Problem

compiled = pytest.importorskip("skl2net.engines._compiled", reason="the compiled engine was not built")

LARGE = ((200, 256, 128, 10), "tanh", "softmax", "log_loss")  # large enough to be shared among threads


@pytest.fixture(params=compiled.instruction_sets())
def instruction_set(request):
    """Run each instruction set of this processor."""
    compiled._use_instruction_set(request.param)
    yield request.param
    compiled._use_instruction_set(compiled.instruction_sets()[-1])


def logistic(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    "exp": (np.exp, [(-87, 88)], (-708, 709)),
    "tanh": (np.tanh, [(-1e-30, 1e-30), (-1e-3, 1e-3), (-1, 1), (-25, 25)], (-25, 25)),
    "logistic": (logistic, [(-1e-3, 1e-3), (-1, 1), (-86, 86)], (-700, 700)),
    "log": (np.log, [(1e-30, 1), (0.6, 1.5), (1, 1e30)], (1e-300, 1e300)),
    "log1p": (np.log1p, [(0, 1e-30), (0, 1e-8), (0, 1)], (0, 1)),
}


@each_dtype
@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions_are_accurate_to_4_ulp(instruction_set, name, dtype):
    function, ranges, wide = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    for low, high in [*ranges, wide] if dtype == np.float64 else ranges:
        x = rng.uniform(low, high, 20_000).astype(dtype)
        exact = function(x.astype(np.longdouble))
        ulp = np.spacing(np.abs(exact).astype(dtype)).astype(np.longdouble)
        assert np.max(np.abs(compiled._function(name, x) - exact) / ulp) <= 4


@each_dtype
def test_elementary_functions_at_the_edges(instruction_set, dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4], dtype=dtype)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(compiled._function("exp", x), np.exp(x))
        np.testing.assert_array_equal(compiled._function("logistic", x), logistic(x))
    tanh = compiled._function("tanh", x)
    np.testing.assert_array_equal(tanh, np.tanh(x))
    np.testing.assert_array_equal(np.signbit(tanh[1:]), np.signbit(x[1:]))
    assert np.isnan(compiled._function("log", x[:2])).all()


@each_dtype
@each_storage
@pytest.mark.parametrize(("output", "loss"), OUTPUT_LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_instruction_set_agrees_with_the_reference(instruction_set, activation, output, loss, sparse, dtype):
    case = make_case((9, 33, 6, 3), activation, output, loss, n_rows=67, sparse=sparse, weighted=True)
    assert_evaluations_agree(compiled, case, dtype)


@each_dtype
@pytest.mark.parametrize(
    "sizes", [(3, 500, 4), (700, 20, 3), (260, 700, 300, 17)], ids=["wide layer", "many features", "BLAS"]
)
def test_large_layers_agree_with_the_reference(instruction_set, sizes, dtype):
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=400, weighted=True)
    assert_evaluations_agree(compiled, case, dtype)


@pytest.mark.parametrize("mode", ["penalty", "decay_after"])
def test_updates_of_large_layers_agree_with_the_reference(instruction_set, mode):
    case = make_case((260, 700, 300, 17), "tanh", "softmax", "log_loss", n_rows=400)
    assert_updates_agree(compiled, case, STEPS["nesterov"], mode, make_batches(400, 3, 400), np.float64)


def evaluate_everything(case, step):
    """Bytes of all that the engine computes for a case."""
    batches = make_batches(case.X.shape[0], 2, 500)
    state, totals = run(compiled, case, STEPS[step], "penalty", 0.1, batches)
    _, gradient = compiled.loss_and_gradient(*case.arguments)
    outputs = compiled.outputs(case.network, case.parameters, case.X)
    swarm = np.stack([case.parameters, 2 * case.parameters, -case.parameters])
    losses = compiled.losses(case.network, case.loss, swarm, case.X, case.Y, case.sample_weight)
    return [array.tobytes() for array in (state.parameters, gradient, outputs, losses)], totals


@pytest.mark.skipif(compiled.instruction_sets()[-1] == "baseline", reason="BLAS, whose sums depend on its threads")
@pytest.mark.parametrize("step", ["nesterov", "adam"])
@each_storage
@each_dtype
def test_same_bits_for_any_number_of_threads(dtype, sparse, step):
    case = make_case(*LARGE, n_rows=1000, sparse=sparse, dtype=dtype)
    with threadpool_limits(1):
        expected = evaluate_everything(case, step)
    for n_threads in (2, 3):
        with threadpool_limits(n_threads, user_api="openmp"):
            for _ in range(5):
                assert evaluate_everything(case, step) == expected


def swarm_problem(engine, sizes=(9, 6, 3), n_rows=67, **kwargs):
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=n_rows, weighted=True, **kwargs)
    rule = L2Rule("penalty", (0.01,) + (0.02,) * (len(sizes) - 2))
    return Problem(case.network, case.loss, rule, case.X, case.Y, case.sample_weight, engine)


SWARMS = {
    "global": {},
    "two": {"n_particles": 2, "topology": "random"},
    "clamped": {"topology": "ring", "velocity_clamp": 0.1},
    "random": {"topology": "random", "bounds": (-0.5, 0.7), "boundary": "reinitialise"},
    "fips": {"variant": "fips", "topology": "von_neumann", "bounds": 0.5},
    "flung": {"inertia": 100.0, "bounds": 1.0},
    "fips, all": {"variant": "fips", "bounds": 0.5, "boundary": "clamp"},
}


@each_dtype
@each_storage
@pytest.mark.parametrize("sizes", [(9, 6, 3), (3, 40, 2)], ids=str)
@pytest.mark.parametrize("swarm", SWARMS)
def test_iterations_of_a_swarm_are_those_in_numpy(instruction_set, swarm, sizes, sparse, dtype):
    solver = ParticleSwarm(**{"n_particles": 11, **SWARMS[swarm]})
    slow = Flight(solver, swarm_problem(reference, sizes, sparse=sparse, dtype=dtype), 3)
    fast = Flight(solver, swarm_problem(compiled, sizes, sparse=sparse, dtype=dtype), 1)
    for _ in range(8):
        # both from the same swarm, since a rounding error may decide between two particles
        fast.state, fast.history = copy.deepcopy((slow.state, slow.history))
        fast.state.best_losses[:] = np.nan  # to be evaluated by the engine itself
        slow.go_on(1)
        fast.go_on(1)
        tolerance = 20 * np.finfo(dtype).eps
        for name in ("positions", "velocities", "best_positions", "best_losses", "best_data_losses"):
            computed, expected = getattr(fast.state, name), getattr(slow.state, name)
            assert computed.dtype == expected.dtype
            np.testing.assert_allclose(computed, expected, rtol=tolerance, atol=tolerance, err_msg=name)
        for name in ("links", "neighbourhood_best", "n_iterations"):
            np.testing.assert_array_equal(getattr(fast.state, name), getattr(slow.state, name))
        assert fast.state.generator.bit_generator.random_raw() == slow.state.generator.bit_generator.random_raw()
        for name in ("loss_curve", "weight_norm_curve"):
            last = [getattr(flight.history, name)[-1] for flight in (fast, slow)]
            np.testing.assert_allclose(*last, rtol=tolerance)


@each_dtype
@pytest.mark.parametrize(
    ("sizes", "n_rows"), [((64, 16, 10), 1797), ((64, 100, 10), 1797), ((300, 400, 3), 700)], ids=str
)
def test_a_swarm_has_the_same_bits_for_any_number_of_threads(instruction_set, sizes, n_rows, dtype):
    problem = swarm_problem(compiled, sizes, n_rows=n_rows, dtype=dtype)

    def fly():
        state = Flight(ParticleSwarm(11), problem, 3).state
        return state.positions.tobytes(), state.best_losses.tobytes()

    with threadpool_limits(1):
        expected = fly()
    for n_threads in (2, 3):
        with threadpool_limits(n_threads):
            assert fly() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": np.zeros((11, 5))}, "arrays of shape"),
        ({"best_losses": np.zeros(5)}, "arrays of shape"),
        ({"links": np.ones((3, 3), dtype=bool)}, "arrays of shape"),
        ({"neighbourhood_best": np.full(11, 11)}, "numbers of the 11 particles"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_swarms_that_do_not_fit_are_refused_before_any_address_is_used(change, message):
    problem = swarm_problem(compiled)
    flight = Flight(ParticleSwarm(11), problem, 2)
    with pytest.raises(ValueError, match=message):
        problem.fly(replace(flight.state, **change), Motion("inertia", np.ones(1), 1, 1, 1, (-1, 1), "clamp", 0))


def test_calls_from_several_threads_are_independent():
    case = make_case(*LARGE, n_rows=1000)
    expected = evaluate_everything(case, "adam")
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda _: evaluate_everything(case, "adam"), range(12))
        assert all(result == expected for result in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own():
    case = make_case(*LARGE, n_rows=1000)
    expected = evaluate_everything(case, "adam")
    child = os.fork()
    if child == 0:
        os._exit(0 if evaluate_everything(case, "adam") == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda case: {"X": case.X[:, :2]}, "X has 2 features, but the network expects 4"),
        (lambda case: {"Y": case.Y[:-1]}, "Y must have shape"),
        (lambda case: {"sample_weight": case.sample_weight[:-1]}, "sample_weight must have shape"),
        (lambda case: {"parameters": case.parameters[:-1]}, "parameter vector must have shape"),
    ],
    ids=["X", "Y", "sample_weight", "parameters"],
)
def test_arrays_that_do_not_fit_are_refused_before_any_address_is_used(change, message):
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss", weighted=True)
    for name, value in change(case).items():
        setattr(case, name, value)
    with pytest.raises(ValueError, match=message):
        compiled.loss_and_gradient(*case.arguments)
