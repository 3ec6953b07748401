"""What the compiled engine promises besides agreeing with the reference engine (test_agreement.py)."""

import copy
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from cases import OUTPUT_LOSSES, STEPS, coefficients_of, make_batches, make_case, new_state, rates_of, run
from engines.test_agreement import assert_evaluations_agree, assert_updates_agree, each_dtype, each_storage
from threadpoolctl import threadpool_info, threadpool_limits

from skl2net.activations import ACTIVATIONS
from skl2net.engines import effective_n_threads
from skl2net.engines.base import Batches
from skl2net.engines.reference import engine as reference
from skl2net.engines.swarm import SwarmMotion
from skl2net.engines.swarm import step as swarm_step
from skl2net.engines.topology import links
from skl2net.l2 import L2Rule
from skl2net.solvers.swarm.state import SwarmState

_compiled = pytest.importorskip("skl2net.engines._compiled", reason="the compiled engine was not built")
compiled = _compiled.engine

LARGE = ((200, 256, 128, 10), "tanh", "softmax", "log_loss")  # large enough to be shared among threads


@pytest.fixture(params=_compiled.instruction_sets())
def instruction_set(request):
    """Run each instruction set of this processor."""
    _compiled._use_instruction_set(request.param)
    yield request.param
    _compiled._use_instruction_set(_compiled.instruction_sets()[-1])


def test_instruction_sets_are_those_of_the_processor():
    """NumPy looks for itself."""
    features = np._core._multiarray_umath.__cpu_features__
    expected = ["baseline"]
    if features.get("AVX2") and features["FMA3"]:
        expected.append("avx2")
        if features["AVX512_SKX"]:  # F, CD, DQ, BW and VL
            expected.append("avx512")
    assert _compiled.instruction_sets() == expected


def logistic(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


FUNCTIONS = {
    "exp": (np.exp, [(-87, 88)], (-708, 709)),
    "tanh": (np.tanh, [(-1e-30, 1e-30), (-1e-3, 1e-3), (-1, 1), (-25, 25)], (-25, 25)),
    "logistic": (logistic, [(-1e-3, 1e-3), (-1, 1), (-86, 86)], (-700, 700)),
    "expm1": (np.expm1, [(-1e-30, 1e-30), (-1e-3, 1e-3), (-1, 1), (-80, 80)], (-700, 700)),
    "softplus": (softplus, [(-1e-3, 1e-3), (-1, 1), (-86, 86)], (-700, 700)),
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
        assert np.max(np.abs(_compiled._function(name, x) - exact) / ulp) <= 4


@each_dtype
def test_elementary_functions_at_the_edges(instruction_set, dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4], dtype=dtype)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(_compiled._function("exp", x), np.exp(x))
        np.testing.assert_array_equal(_compiled._function("logistic", x), logistic(x))
        np.testing.assert_array_equal(_compiled._function("softplus", x), softplus(x).astype(dtype))
    tanh = _compiled._function("tanh", x)
    np.testing.assert_array_equal(tanh, np.tanh(x))
    np.testing.assert_array_equal(np.signbit(tanh[1:]), np.signbit(x[1:]))
    assert np.isnan(_compiled._function("log", x[:2])).all()


@each_dtype
@each_storage
@pytest.mark.parametrize(("output", "loss"), OUTPUT_LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_instruction_set_agrees_with_the_reference(instruction_set, activation, output, loss, sparse, dtype):
    case = make_case((9, 33, 6, 3), activation, output, loss, n_rows=67, sparse=sparse, weighted=True)
    assert_evaluations_agree(compiled, case, dtype)


@each_dtype
@pytest.mark.parametrize(
    "sizes", [(3, 500, 4), (700, 20, 3), (260, 700, 300, 17)], ids=["wide layer", "many features", "large"]
)
def test_large_layers_agree_with_the_reference(instruction_set, sizes, dtype):
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=400, weighted=True)
    assert_evaluations_agree(compiled, case, dtype)


@pytest.mark.parametrize("mode", ["penalty", "decay_after"])
def test_updates_of_large_layers_agree_with_the_reference(instruction_set, mode):
    case = make_case((260, 700, 300, 17), "tanh", "softmax", "log_loss", n_rows=400)
    assert_updates_agree(compiled, case, STEPS["nesterov"], mode, make_batches(400, 3, 400), np.float64)


@pytest.mark.parametrize("step", ["nesterov", "adam"])
@pytest.mark.parametrize("mode", ["penalty", "decay_after"])
@pytest.mark.parametrize(
    ("sizes", "batch_size"), [((3000, 20, 3), 60), ((9, 33, 3), 3000)], ids=["many columns", "several blocks"]
)
def test_updates_of_csr_in_any_order_are_those_of_the_dense_rows(instruction_set, sizes, batch_size, mode, step):
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=batch_size + 20, sparse=True)
    rng = np.random.default_rng(0)
    rows, columns, values = (
        np.concatenate([part, part]) for part in (sp.coo_array(case.X).row, sp.coo_array(case.X).col, case.X.data)
    )
    values = values * np.repeat([0.3, 0.7], len(values) // 2)  # each entry in two parts
    shuffled = rng.permutation(len(values))
    shuffled = shuffled[np.argsort(rows[shuffled], kind="stable")]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=case.X.shape[0]))])
    mixed = sp.csr_array((values[shuffled], columns[shuffled], indptr), shape=case.X.shape)
    assert not mixed.has_canonical_format
    batches = make_batches(case.X.shape[0], 3, batch_size)
    dense, expected = run(compiled, replace(case, X=case.X.toarray()), STEPS[step], mode, 0.05, batches)
    state, totals = run(compiled, replace(case, X=mixed), STEPS[step], mode, 0.05, batches)
    np.testing.assert_allclose(state.parameters, dense.parameters, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(totals, expected, rtol=1e-9)


def evaluate_everything(case, step, n_threads=None):
    """Bytes of all that the engine computes for a case."""
    task = replace(case.task, n_threads=n_threads)
    optimiser, learning_rate = STEPS[step]
    batches = make_batches(case.X.shape[0], 2, 500)
    state, coefficients = new_state(case.parameters, optimiser), coefficients_of(case, "penalty", 0.1, batches, None)
    curves = compiled.open(task).run_updates(state, batches, coefficients, optimiser, rates_of(batches, learning_rate))
    _, gradient = compiled.open(task).loss_and_gradient(case.parameters)
    losses = compiled.open(task).losses(np.stack([case.parameters, 2 * case.parameters, -case.parameters]))
    outputs = compiled.open(task).outputs(case.parameters)
    return [array.tobytes() for array in (state.parameters, state.moments, curves, gradient, outputs, losses)]


@pytest.mark.parametrize("step", ["nesterov", "adam"])
@each_storage
@each_dtype
def test_same_bits_for_any_number_of_threads(instruction_set, dtype, sparse, step):
    case = make_case(*LARGE, n_rows=1000, sparse=sparse, dtype=dtype)
    expected = evaluate_everything(case, step, 1)
    for n_threads in (2, 3):
        for _ in range(3):
            assert evaluate_everything(case, step, n_threads) == expected
        with threadpool_limits(n_threads):
            assert evaluate_everything(case, step) == expected


@each_dtype
@pytest.mark.parametrize(
    ("sizes", "sparse"),
    [((600, 500, 10), False), ((400, 192, 200, 10), False), ((6000, 40, 10), True)],
    ids=["products", "three bands of columns", "sparse layer"],
)
def test_very_large_layers_have_the_same_bits_for_any_number_of_threads(instruction_set, sizes, sparse, dtype):
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=1000, sparse=sparse, dtype=dtype)
    expected = evaluate_everything(case, "adam", 1)
    for n_threads in (2, 3, 4):
        assert evaluate_everything(case, "adam", n_threads) == expected


def test_lowered_limits_while_loops_run_in_other_threads_give_the_same_bits():
    # helpers of a loop with many threads must not join a later loop with fewer: it has no scratch buffer for them
    case = make_case(*LARGE, n_rows=300)
    expected = evaluate_everything(case, "adam", 1)
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda i: evaluate_everything(case, "adam", (16, 2, 7, 3)[i % 4]), range(40))
        assert all(result == expected for result in results)


@each_storage
def test_many_callers_with_changing_limits(sparse):
    # for ThreadSanitizer, so with loops that are just large enough to be shared
    case = make_case((128, 128, 3), "tanh", "softmax", "log_loss", n_rows=300, sparse=sparse, dtype=np.float32)
    swarm = swarm_case((16, 16, 3), 700, dtype=np.float32)

    def iterate(n_threads):
        task = replace(swarm.task, n_threads=n_threads)
        state, _ = compiled.open(task).iterate_swarm(make_swarm(swarm, 40), penalty_of(swarm), make_motion(1))
        return state.positions.tobytes()

    expected = evaluate_everything(case, "adam", 1), iterate(1)
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda i: (evaluate_everything(case, "adam", i % 4 + 1), iterate(i % 3 + 1)), range(12))
        assert all(result == expected for result in results)


def test_helpers_beyond_a_lowered_limit_sleep():
    case = make_case(*LARGE, n_rows=1000)
    evaluate_everything(case, "adam", 16)
    time.sleep(0.2)  # until all have fallen asleep
    one_thread = time.process_time()
    evaluate_everything(case, "adam", 1)
    one_thread = time.process_time() - one_thread
    two_threads = time.process_time()
    evaluate_everything(case, "adam", 2)
    two_threads = time.process_time() - two_threads
    # two threads work and spin; fourteen more that spin would take many times as long
    assert two_threads <= 4 * one_thread + 0.05


FITS = """
import hashlib, warnings
import numpy as np
from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.engines import _compiled

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(250, 120))
y = np.argmax(X @ rng.normal(size=(120, 10)), axis=1)
for instruction_set in _compiled.instruction_sets()[:1] + _compiled.instruction_sets()[1:][-1:]:
    _compiled._use_instruction_set(instruction_set)
    for dtype in (np.float32, np.float64):
        for solver in ("sgd", "adam", "lbfgs", "pso"):
            net = L2NetClassifier((150, 60), solver=solver, max_iter=2, random_state=0).fit(X.astype(dtype), y)
            arrays = [*net.coefs_, *net.intercepts_, net.predict_proba(X.astype(dtype)), np.array(net.loss_curve_)]
            print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


@pytest.mark.long
def test_same_bits_for_any_number_of_blas_threads():
    # each library that NumPy or SciPy may have been built with has a variable of its own
    names = "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
    printed = set()
    for n_threads in (1, 2, 4):
        environment = os.environ | dict.fromkeys(names, str(n_threads))
        result = subprocess.run(
            [sys.executable, "-c", FITS], env=environment, capture_output=True, text=True, check=True
        )
        printed.add(result.stdout)
    assert len(printed) == 1
    assert len(set(printed.pop().split())) >= 8


def in_new_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_a_limit_of_the_main_thread_holds_in_threads_that_python_starts():
    unlimited = effective_n_threads()
    with threadpool_limits(1):
        assert effective_n_threads() == 1
        assert in_new_thread(effective_n_threads) == 1
    assert effective_n_threads() == in_new_thread(effective_n_threads) == unlimited


def test_a_limit_of_another_thread_is_its_own():
    unlimited = effective_n_threads()

    def limited():
        with threadpool_limits(1):
            return effective_n_threads(), in_main.set(), done.wait(10)

    in_main, done = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(limited)
        assert in_main.wait(10)
        assert effective_n_threads() == unlimited
        done.set()
        assert future.result()[0] == 1
    assert effective_n_threads() == unlimited


def test_threadpoolctl_lists_the_engine():
    (info,) = [info for info in threadpool_info() if info["internal_api"] == "skl2net"]
    assert info["user_api"] == "openmp"
    assert info["num_threads"] >= 1


@pytest.mark.parametrize(("variable", "expected"), [({}, None), ({"OMP_NUM_THREADS": "1"}, 1)])
def test_omp_num_threads_is_respected(variable, expected):
    code = "from skl2net.engines import effective_n_threads; print(effective_n_threads())"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"} | variable
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(printed.stdout) == expected or (expected is None and int(printed.stdout) >= 1)


SWARMS = {
    "global": {},
    "two": {"n_particles": 2, "topology": "random"},
    "clamped": {"topology": "ring", "velocity_clamp": 0.1},
    "random": {"topology": "random", "box": (-0.5, 0.7), "boundary": "reinitialise"},
    "fips": {"variant": "fips", "topology": "von_neumann", "box": (-0.5, 0.5)},
    "flung": {"inertia": 100.0, "box": (-1.0, 0.8)},  # not symmetric: opposite corners may have equal losses
    "fips, all": {"variant": "fips", "box": (-0.5, 0.5), "boundary": "clamp"},
}


def swarm_case(sizes=(9, 6, 3), n_rows=67, **kwargs):
    return make_case(sizes, "tanh", "softmax", "log_loss", n_rows=n_rows, weighted=True, **kwargs)


def make_swarm(case, n_particles=11, topology="global", seed=0):
    """A swarm that has not been evaluated yet."""
    generator = np.random.Generator(np.random.SFC64(seed))
    dtype, n, d = case.X.dtype, n_particles, case.network.n_parameters
    return SwarmState(
        positions=generator.normal(size=(n, d)).astype(dtype),
        velocities=(0.1 * generator.normal(size=(n, d))).astype(dtype),
        best_positions=np.zeros((n, d), dtype),
        best_losses=np.full(n, np.inf),
        best_data_losses=np.full(n, np.inf),
        neighbourhood_best=np.arange(n),
        topology=topology,
        links=links(topology, n, generator),
        generator=generator,
    )


def make_motion(n_iterations=1, *, topology="global", inertia=0.7298, n_particles=None, **kwargs):
    defaults = {"variant": "inertia", "velocity_clamp": np.inf, "box": (-np.inf, np.inf), "boundary": "bounce"}
    return SwarmMotion(
        inertia=np.full(n_iterations, inertia),
        cognitive=1.49618,
        social=1.49618,
        n_informed=3 if topology == "random" else 0,
        **{**defaults, **kwargs},
    )


def penalty_of(case):
    return np.linspace(0.01, 0.02, case.network.n_layers)


def penalties(case, positions):
    return 0.5 * case.network.layer_sums_of_squares(positions) @ penalty_of(case)


def evaluation(case):
    """What `swarm_step` asks for: losses with and without penalty, by the reference engine."""

    def evaluate(positions):
        data_losses = reference.open(case.task).losses(positions)
        return data_losses + penalties(case, positions), data_losses

    return evaluate


@each_dtype
@each_storage
@pytest.mark.parametrize("sizes", [(9, 6, 3), (3, 40, 2)], ids=str)
@pytest.mark.parametrize("swarm", SWARMS)
def test_iterations_of_a_swarm_are_those_in_numpy(instruction_set, swarm, sizes, sparse, dtype):
    case, options = swarm_case(sizes, sparse=sparse, dtype=dtype), SWARMS[swarm]
    state = make_swarm(case, options.get("n_particles", 11), options.get("topology", "global"))
    motion, evaluate = make_motion(**options), evaluation(case)
    for _ in range(8):
        # both from the same swarm, and each with losses of its own, since a rounding error may decide between particles
        before = copy.deepcopy(state)
        if state.n_iterations:
            losses = compiled.open(case.task).losses(before.best_positions)
            before.best_losses, before.best_data_losses = losses + penalties(case, before.best_positions), losses
        state = swarm_step(state, motion, float(motion.inertia[0]), evaluate)
        fast, curves = compiled.open(case.task).iterate_swarm(before, penalty_of(case), motion)
        tolerance = 20 * np.finfo(dtype).eps
        for name in ("positions", "velocities", "best_positions", "best_losses", "best_data_losses"):
            computed, expected = getattr(fast, name), getattr(state, name)
            assert computed.dtype == expected.dtype
            np.testing.assert_allclose(computed, expected, rtol=tolerance, atol=tolerance, err_msg=name)
        for name in ("links", "neighbourhood_best", "n_iterations"):
            np.testing.assert_array_equal(getattr(fast, name), getattr(state, name))
        assert fast.generator.bit_generator.random_raw() == state.generator.bit_generator.random_raw()
        weights = state.best_positions[state.best, : case.network.n_weights].astype(np.float64)
        expected = [state.best_losses.min(), state.best_data_losses[state.best], weights @ weights]
        np.testing.assert_allclose(curves[:, :3], [expected], rtol=tolerance)
        np.testing.assert_array_equal(curves[:, 3:], [fast.best_losses])


@each_dtype
@pytest.mark.parametrize(
    ("sizes", "n_rows"), [((64, 16, 10), 1797), ((64, 100, 10), 1797), ((300, 400, 3), 700)], ids=str
)
def test_a_swarm_has_the_same_bits_for_any_number_of_threads(instruction_set, sizes, n_rows, dtype):
    case = swarm_case(sizes, n_rows, dtype=dtype)

    def iterate(n_threads):
        task = replace(case.task, n_threads=n_threads)
        state, curves = compiled.open(task).iterate_swarm(make_swarm(case), penalty_of(case), make_motion(3))
        return state.positions.tobytes(), state.best_losses.tobytes(), curves.tobytes()

    expected = iterate(1)
    for n_threads in (2, 3):
        assert iterate(n_threads) == expected


@each_dtype
@each_storage
@pytest.mark.parametrize("sizes", [(9, 6, 3), (3, 40, 2)], ids=str)
def test_a_swarm_on_rows_of_a_task_is_the_swarm_on_their_copies(sizes, sparse, dtype):
    case = swarm_case(sizes, 400, sparse=sparse, dtype=dtype)
    case.rows = np.random.default_rng(0).permutation(400)[:301]
    ends = []
    for c in (case, case.taken()):
        state, curves = compiled.open(c.task).iterate_swarm(make_swarm(case), penalty_of(case), make_motion(5))
        ends.append([state.positions.tobytes(), curves.tobytes()])
    assert ends[0] == ends[1]


@pytest.mark.parametrize("variant", ["inertia", "fips"])
@pytest.mark.parametrize("form", [lambda links: links * 40, lambda links: (links * np.uint8(40)).view(np.bool_)])
def test_links_are_true_or_false_whatever_their_numbers(form, variant):
    case = swarm_case()
    swarm, motion = make_swarm(case, topology="ring"), make_motion(5, variant=variant)
    other = replace(copy.deepcopy(swarm), links=form(swarm.links))
    expected, _ = compiled.open(case.task).iterate_swarm(swarm, penalty_of(case), motion)
    state, _ = compiled.open(case.task).iterate_swarm(other, penalty_of(case), motion)
    np.testing.assert_array_equal(state.positions, expected.positions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": np.zeros((11, 5))}, "positions must have shape"),
        ({"best_losses": np.zeros(5)}, "best_losses must have shape"),
        ({"links": np.ones((3, 3), dtype=bool)}, "links must have shape"),
        ({"neighbourhood_best": np.full(11, 11)}, "numbers of the 11 particles"),
        ({"neighbourhood_best": np.full(11, -1)}, "numbers of the 11 particles"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_swarms_that_do_not_fit_are_refused(change, message):
    case = swarm_case()
    with pytest.raises(ValueError, match=message):
        compiled.open(case.task).iterate_swarm(replace(make_swarm(case), **change), penalty_of(case), make_motion())


def test_a_call_iterates_a_swarm_for_a_tenth_of_a_second():
    case = swarm_case(n_rows=1000)
    few = compiled.open(case.task).swarm_iterations_per_call(make_swarm(case, 100), make_motion())
    many = compiled.open(case.task.with_rows(np.arange(10))).swarm_iterations_per_call(
        make_swarm(case, 100), make_motion()
    )
    assert 1 <= few < many


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


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs Linux's list of threads")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_while_another_thread_trains_has_all_threads():
    # calls in progress divide the threads among themselves: those of the parent are none of the child's
    case = make_case(*LARGE, n_rows=1000)
    is_over, has_begun = threading.Event(), threading.Event()

    def train():
        while not is_over.is_set():
            evaluate_everything(case, "adam", 2)
            has_begun.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(train)
        has_begun.wait()
        child = os.fork()
        if child == 0:
            evaluate_everything(case, "adam", 2)
            os._exit(len(os.listdir("/proc/self/task")))
        is_over.set()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


def test_trainings_side_by_side_with_one_thread_each_wait_for_no_one():
    # while one thread holds the team of helpers, others go on by themselves
    case = make_case((300, 400, 10), "tanh", "softmax", "log_loss", n_rows=1000)
    expected = evaluate_everything(case, "adam", 1)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda n: evaluate_everything(case, "adam", n), [1, 2, 1, 2, 1, 1]))
    assert all(result == expected for result in results)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda case: {"X": case.X[:, :2]}, r"expects input of 4 features, got X of shape \(6, 2\)"),
        (lambda case: {"X": case.X[0]}, r"expects input of 4 features, got X of shape \(4,\)"),
        (lambda case: {"Y": case.Y[:-1]}, "Y must have shape"),
        (lambda case: {"Y": np.zeros(5, dtype=np.int32)}, "numbers of classes of type int32"),
        (lambda case: {"Y": np.zeros(6, dtype=np.int64)}, "numbers of classes of type int32"),
        (lambda case: {"Y": np.zeros(6)}, "numbers of classes of type int32"),
        (lambda case: {"Y": np.array([0, 1, 2, 3, 0, 0], dtype=np.int32)}, "numbers of the 3 classes"),
        (lambda case: {"Y": np.array([0, 1, 2, -1, 0, 0], dtype=np.int32)}, "numbers of the 3 classes"),
        (lambda case: {"sample_weight": case.sample_weight[:-1]}, "sample_weight must have shape"),
        (lambda case: {"parameters": case.parameters[:-1]}, "parameter vector must have shape"),
        (lambda case: {"rows": np.array([0, 6])}, "numbers of the 6 rows"),
        (lambda case: {"rows": np.array([-1, 3])}, "numbers of the 6 rows"),
        (lambda case: {"rows": np.zeros((2, 2), dtype=np.intp)}, "must be a vector"),
        (lambda case: {"rows": np.zeros(0, dtype=np.intp)}, "no rows"),
    ],
    ids=[
        "X",
        "flat X",
        "Y",
        "too few classes",
        "int64",
        "floats",
        "class too large",
        "negative class",
        "sample_weight",
        "parameters",
        "row too large",
        "negative row",
        "matrix of rows",
        "no rows",
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss", weighted=True)
    for name, value in change(case).items():
        setattr(case, name, value)
    with pytest.raises(ValueError, match=message):
        compiled.open(case.task).loss_and_gradient(case.parameters)


def test_an_optimiser_of_more_constants_than_there_is_room_for_is_refused():
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    optimiser = SimpleNamespace(name="sgd", constants=(0.9,) * 5, n_moments=1)
    with pytest.raises(ValueError, match="4 constants at most"):
        run(compiled, case, (optimiser, 0.1), "penalty", 0.1, make_batches(6, 2, 3))


def test_classes_of_other_outputs_than_softmax_are_refused():
    case = make_case((4, 5, 3), "tanh", "logistic", "log_loss").with_classes()
    with pytest.raises(ValueError, match="for softmax outputs"):
        compiled.open(case.task).loss_and_gradient(case.parameters)


def broken_csr(**arrays):
    """CSR of 3 rows and 4 columns with other arrays than scipy would let it have."""
    X = sp.csr_matrix(np.array([[1.0, 0, 2, 0], [0, 3, 0, 0], [0, 0, 4, 5]]))
    for name, array in arrays.items():
        setattr(X, name, array)
    return X


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize(
    "arrays",
    [
        {"indices": [0, 2, 1, 2, 4]},
        {"indices": [0, -1, 1, 2, 3]},
        {"indptr": [0, 2, 3, 6]},
        {"indptr": [0, 3, 2, 5]},
        {"indptr": [-1, 2, 3, 5]},
        {"indptr": [0, 2, 3]},
    ],
    ids=["column too large", "negative column", "beyond the data", "falling", "negative", "too few"],
)
@pytest.mark.parametrize("rows", [None, np.array([2, 1, 0])], ids=["all rows", "some rows"])
def test_csr_out_of_range_is_refused(arrays, dtype, rows):
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss", n_rows=3)
    case.X, case.rows = broken_csr(**{name: np.array(array, dtype=dtype) for name, array in arrays.items()}), rows
    with pytest.raises(ValueError, match="X is not a valid CSR array"):
        compiled.open(case.task).outputs(case.parameters)


def test_sparse_input_other_than_csr_is_refused():
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    with pytest.raises(TypeError, match="CSR, got csc"):
        compiled.open(replace(case.task, X=sp.csc_array(case.X))).outputs(case.parameters)


BATCHES = Batches(np.array([[0, 1, 2, 3]]), np.array([0, 2, 4]), np.array([[2.0, 2.0]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": np.array([[0, 1, 2, 6]])}, "numbers of the 6 rows"),
        ({"order": np.array([[0, -1, 2, 3]])}, "numbers of the 6 rows"),
        ({"order": np.arange(4)}, "order must have shape"),
        ({"bounds": np.array([0, 2, 5])}, "bounds must rise"),
        ({"bounds": np.array([0, 5, 4])}, "bounds must rise"),
        ({"bounds": np.array([-1, 2, 4])}, "bounds must rise"),
        ({"bounds": np.array([0, 4])}, "2 updates need 3 bounds"),
        ({"order": None, "bounds": np.array([0, 2, 7])}, "bounds must rise"),
    ],
    ids=["large", "negative", "flat", "too far", "falling", "negative bound", "few bounds", "too far without an order"],
)
def test_batches_that_do_not_fit_are_refused(change, message):
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    with pytest.raises(ValueError, match=message):
        run(compiled, case, STEPS["adam"], "penalty", 0.1, replace(BATCHES, **change))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {"moments": state.moments[:1]},
        lambda state: {"moments": state.moments[:, :-1]},
        lambda state: {"moments": state.moments.astype(np.float32)},
        lambda state: {"parameters": state.parameters[:-1]},
        lambda state: {"parameters": np.repeat(state.parameters, 2)[::2]},
    ],
    ids=["one moment", "short moments", "another dtype", "short parameters", "strided parameters"],
)
def test_states_that_do_not_fit_are_refused(change):
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    optimiser, learning_rate = STEPS["adam"]
    state = replace(new_state(case.parameters, optimiser), **change(new_state(case.parameters, optimiser)))
    coefficients = coefficients_of(case, "penalty", 0.1, BATCHES, learning_rate)
    with pytest.raises(ValueError, match="solver's state needs a writeable array"):
        compiled.open(case.task).run_updates(state, BATCHES, coefficients, optimiser, rates_of(BATCHES, learning_rate))


def test_coefficients_that_do_not_fit_are_refused():
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    optimiser, learning_rate = STEPS["adam"]
    coefficients = L2Rule("penalty", (0.1, 0.1)).coefficients(n=np.ones((1, 3)))
    state, rates = new_state(case.parameters, optimiser), rates_of(BATCHES, learning_rate)
    with pytest.raises(ValueError, match=r"penalty must have shape \(1, 2, 2\)"):
        compiled.open(case.task).run_updates(state, BATCHES, coefficients, optimiser, rates)


def test_learning_rates_that_do_not_fit_are_refused():
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    optimiser, learning_rate = STEPS["adam"]
    coefficients = coefficients_of(case, "penalty", 0.1, BATCHES, learning_rate)
    with pytest.raises(ValueError, match=r"learning_rates must have shape \(1, 2\)"):
        compiled.open(case.task).run_updates(
            new_state(case.parameters, optimiser), BATCHES, coefficients, optimiser, np.ones((1, 3))
        )


def test_an_update_of_no_rows_is_skipped_whatever_its_number_of_samples():
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    for bounds in ([0, 0, 1], [0, 1, 1], [6, 6, 6]):
        batches = Batches(None, np.array(bounds), np.ones((1, 2)))
        state, _ = run(compiled, case, STEPS["sgd"], "penalty", 0.1, batches)
        assert state.n_updates == bounds[-1] - bounds[0]


def test_no_rows_are_no_outputs():
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    assert compiled.open(case.task.with_rows(np.array([], dtype=np.intp))).outputs(case.parameters).shape == (0, 3)
