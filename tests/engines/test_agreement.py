"""Every engine computes what the reference engine computes, up to rounding."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from cases import OUTPUT_LOSSES, STEPS, coefficients_of, make_batches, make_case, new_state, rates_of, run
from engines.error_bounds import error_bounds
from hypothesis import given, settings
from hypothesis import strategies as st

from skl2net.activations import ACTIVATIONS
from skl2net.engines import available_engines
from skl2net.engines.base import Batches
from skl2net.engines.reference import engine as reference
from skl2net.l2 import MODES
from skl2net.solvers.optimisers import Adam

OTHERS = [engine for engine in available_engines() if engine is not reference]

# the reference engine in single precision against itself in double shows that the bounds hold where nothing else runs
each_engine = pytest.mark.parametrize("engine", [reference, *OTHERS], ids=lambda engine: engine.name)
each_other_engine = pytest.mark.parametrize("engine", OTHERS, ids=lambda engine: engine.name)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
each_storage = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])

# sizes on both sides of the widths of vectors and of blocks
SIZES = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 64, 65])


def assert_within(computed, expected, bound):
    """Agreement to within twice the bound: both sides round."""
    expected = np.asarray(expected, dtype=np.float64)
    excess = np.abs(np.asarray(computed, dtype=np.float64) - expected) - 2 * bound
    assert np.max(excess) <= 0


def assert_evaluations_agree(engine, case, dtype):
    """Outputs, losses and gradient are those of the reference engine in double precision."""
    narrow = case.astype(dtype)
    exact = narrow.astype(np.float64)
    bounds = error_bounds(exact, dtype)
    for raw, bound in ((True, bounds.raw), (False, bounds.outputs)):
        outputs = engine.open(narrow.task).outputs(narrow.parameters, raw=raw)
        assert_within(outputs, reference.open(exact.task).outputs(exact.parameters, raw=raw), bound)
    value, gradient = engine.open(narrow.task).loss_and_gradient(narrow.parameters)
    expected, expected_gradient = reference.open(exact.task).loss_and_gradient(exact.parameters)
    assert_within(value, expected, bounds.loss)
    assert_within(gradient, expected_gradient, bounds.gradient)
    values = engine.open(narrow.task).losses(np.stack([narrow.parameters] * 3))
    assert_within(values, expected, bounds.loss)


@each_engine
@each_dtype
@each_storage
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("hidden_sizes", [(), (5,), (33, 6, 17)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("output", "loss"), OUTPUT_LOSSES)
def test_outputs_losses_and_gradients(engine, output, loss, activation, hidden_sizes, weighted, sparse, dtype):
    sizes = (7, *hidden_sizes, 3)
    case = make_case(sizes, activation, output, loss, n_rows=23, sparse=sparse, weighted=weighted)
    assert_evaluations_agree(engine, case, dtype)


@each_engine
@each_dtype
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    n_rows=SIZES,
    sizes=st.lists(SIZES, min_size=2, max_size=4),
    activation=st.sampled_from([*ACTIVATIONS]),
    output_loss=st.sampled_from(OUTPUT_LOSSES),
    sparse=st.booleans(),
    weighted=st.booleans(),
    seed=st.integers(0, 100),
)
def test_random_shapes(engine, dtype, n_rows, sizes, activation, output_loss, sparse, weighted, seed):
    case = make_case(sizes, activation, *output_loss, n_rows=n_rows, sparse=sparse, weighted=weighted, seed=seed)
    assert_evaluations_agree(engine, case, dtype)


@each_engine
@each_dtype
@pytest.mark.parametrize("n_rows", [255, 256, 257, 1000, 4097])
@pytest.mark.parametrize("sizes", [(4, 6, 3), (20, 70, 3)], ids=str)
def test_many_rows(engine, sizes, n_rows, dtype):
    assert_evaluations_agree(engine, make_case(sizes, "tanh", "softmax", "log_loss", n_rows=n_rows), dtype)


@each_engine
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output", ["softmax", "logistic"])
@each_dtype
@pytest.mark.parametrize("scale", [40.0, 1e15])
def test_saturated_units(engine, scale, dtype, output, activation):
    # logits of some hundreds: within the range of exp in double precision, beyond it in single; then of up to 1e30
    case = make_case((5, 9, 4), activation, output, "log_loss", n_rows=40)
    case.parameters *= scale
    assert_evaluations_agree(engine, case, dtype)


def amplification(case, step, mode, batches, end, dtype):
    """How many times larger a small change of the initial parameters is after the updates."""
    signs = np.random.default_rng(0).choice([-1, 1], case.parameters.size)
    moved = replace(case, parameters=case.parameters * (1 + 1000 * np.finfo(dtype).eps * signs).astype(dtype))
    moved_end = run(reference, moved, step, mode, 0.05, batches)[0].parameters
    return max(1.0, np.abs(moved_end - end).max() / np.abs(moved.parameters - case.parameters).max())


def assert_updates_agree(engine, case, step, mode, batches, dtype):
    """Parameters, moments and totals after a run of updates are those of the reference engine.

    Each update rounds like a change of the parameters by the number of terms in its longest sums, in units of eps; what
    becomes of such a change by the end is measured with the reference engine.
    """
    expected, expected_totals = run(reference, case, step, mode, 0.05, batches)
    state, totals = run(engine, case, step, mode, 0.05, batches)
    largest_batch = int(np.diff(batches.bounds).max())
    n_terms = sum(case.network.layer_sizes) + largest_batch
    n_updates = batches.n_samples.size
    growth = amplification(case, step, mode, batches, expected.parameters, dtype)
    tolerance = n_updates * n_terms * np.finfo(dtype).eps * growth
    for ours, theirs in ((state.parameters, expected.parameters), (state.moments, expected.moments)):
        assert ours.dtype == theirs.dtype
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(expected.parameters).max()
    assert state.n_updates == expected.n_updates
    assert totals.n_rows == expected_totals.n_rows
    np.testing.assert_allclose(totals, expected_totals, rtol=10 * tolerance, atol=tolerance)


@each_other_engine
@each_dtype
@each_storage
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("output", "loss"), OUTPUT_LOSSES)
def test_fifty_updates(engine, output, loss, step, mode, sparse, dtype):
    """Each activation comes with each pair of the others; all of them at random in `test_updates_of_random_shapes`."""
    place = OUTPUT_LOSSES.index((output, loss)) + list(STEPS).index(step) + MODES.index(mode) + sparse
    activation = list(ACTIVATIONS)[place % len(ACTIVATIONS)]
    weighted = MODES.index(mode) % 2 == sparse
    sizes = (4, 6, 3)
    case = make_case(sizes, activation, output, loss, n_rows=12, sparse=sparse, weighted=weighted, dtype=dtype)
    batches = make_batches(12, 50, 4, sample_weight=case.sample_weight)
    assert_updates_agree(engine, case, STEPS[step], mode, batches, dtype)


@each_other_engine
@each_dtype
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    sizes=st.lists(SIZES, min_size=2, max_size=4),
    batch_size=st.sampled_from([1, 2, 3, 7, 8, 9, 33]),
    activation=st.sampled_from([*ACTIVATIONS]),
    output_loss=st.sampled_from(OUTPUT_LOSSES),
    step=st.sampled_from(list(STEPS)),
    mode=st.sampled_from(MODES),
    sparse=st.booleans(),
    weighted=st.booleans(),
)
def test_updates_of_random_shapes(
    engine, dtype, sizes, batch_size, activation, output_loss, step, mode, sparse, weighted
):
    case = make_case(sizes, activation, *output_loss, n_rows=40, sparse=sparse, weighted=weighted, dtype=dtype)
    batches = make_batches(40, 10, batch_size, sample_weight=case.sample_weight)
    assert_updates_agree(engine, case, STEPS[step], mode, batches, dtype)


@each_other_engine
@each_dtype
@each_storage
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_epochs(engine, mode, batch_size, sparse, dtype):
    case = make_case((4, 6, 3), "tanh", "softmax", "log_loss", n_rows=12, sparse=sparse, weighted=True, dtype=dtype)
    batches = make_batches(12, 5, batch_size, n_epochs=4, sample_weight=case.sample_weight)
    assert_updates_agree(engine, case, STEPS["momentum"], mode, batches, dtype)


@each_engine
@each_dtype
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("sizes", [(4, 6, 3), (4, 16, 16), (16, 1), (5, 300, 2)], ids=str)
def test_parameters_after_each_epoch(engine, sizes, batch_size, dtype):
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=12, weighted=True, dtype=dtype)
    optimiser, learning_rate = STEPS["adam"]
    batches = make_batches(12, 3, batch_size, n_epochs=4, sample_weight=case.sample_weight)
    coefficients = coefficients_of(case, "penalty", 0.1, batches, learning_rate)
    each = np.full((4, case.parameters.size), np.nan, dtype=dtype)
    rates = rates_of(batches, learning_rate)
    engine.open(case.task).run_updates(
        new_state(case.parameters, optimiser), batches, coefficients, optimiser, rates, each
    )
    for n_epochs in range(1, 5):
        state = new_state(case.parameters, optimiser)
        first = Batches(batches.order[:n_epochs], batches.bounds, batches.n_samples[:n_epochs])
        engine.open(case.task).run_updates(state, first, coefficients[:n_epochs], optimiser, rates[:n_epochs])
        np.testing.assert_array_equal(each[n_epochs - 1], state.parameters)


@each_other_engine
@each_dtype
@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_epsilon_that_is_zero_in_single_precision_spoils_no_padding(engine, batch_size, dtype):
    case = make_case((4, 6, 3), "tanh", "softmax", "log_loss", n_rows=12, dtype=dtype)
    step = Adam(0.9, 0.999, 1e-50), 0.01
    state, totals = run(engine, case, step, "penalty", 0.1, make_batches(12, 5, batch_size))
    expected, _ = run(reference, case, step, "penalty", 0.1, make_batches(12, 5, batch_size))
    tolerance = 1e5 * np.finfo(dtype).eps  # Adam's first steps are as long for tiny gradients as for others
    np.testing.assert_allclose(state.parameters, expected.parameters, rtol=0, atol=tolerance)
    assert np.isfinite(totals.weight_norm)


@each_other_engine
@each_storage
@pytest.mark.parametrize("in_order", [False, True], ids=["shuffled", "in order"])
def test_an_empty_batch_is_skipped(engine, in_order, sparse):
    case = make_case((4, 6, 3), "tanh", "softmax", "log_loss", n_rows=12, sparse=sparse)
    bounds, n_samples = np.array([0, 5, 12, 12]), np.array([[5.0, 7.0, 0.0]])
    order = None if in_order else np.random.default_rng(0).permutation(12)[np.newaxis]
    assert_updates_agree(engine, case, STEPS["adam"], "decay_after", Batches(order, bounds, n_samples), np.float64)


@each_other_engine
@pytest.mark.parametrize("alpha", [(0.0, 0.3), (0.3, 0.0)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", STEPS)
def test_each_layer_has_its_own_strength(engine, step, mode, alpha):
    case = make_case((4, 6, 3), "tanh", "softmax", "log_loss", n_rows=12)
    batches = make_batches(12, 5, 4)
    expected, _ = run(reference, case, STEPS[step], mode, alpha, batches)
    state, _ = run(engine, case, STEPS[step], mode, alpha, batches)
    np.testing.assert_allclose(state.parameters, expected.parameters, rtol=0, atol=5 * 30 * np.finfo(np.float64).eps)


def strided(array):
    """The same values, every other entry of a larger array."""
    larger = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), dtype=array.dtype)
    larger[..., ::2] = array
    return larger[..., ::2]


def read_only(array):
    """The same values, not to be written."""
    copy = array.copy()
    copy.setflags(write=False)
    return copy


@each_other_engine
@each_storage
@each_dtype
@pytest.mark.parametrize("form", [strided, read_only])
def test_inputs_may_be_strided_or_read_only(engine, form, dtype, sparse):
    case = make_case((4, 6, 3), "relu", "softmax", "log_loss", n_rows=12, weighted=True, sparse=sparse, dtype=dtype)
    if sparse:
        X = sp.csr_matrix(case.X)
        X.data, X.indices, X.indptr = read_only(X.data), read_only(X.indices), read_only(X.indptr)
    else:
        X = form(case.X)
    weight = form(case.sample_weight)
    other = replace(case, parameters=form(case.parameters), X=X, Y=form(case.Y), sample_weight=weight)
    vectors = np.stack([case.parameters, 2 * case.parameters])
    batches = make_batches(12, 5, 4, sample_weight=case.sample_weight)
    formed = Batches(form(batches.order), form(batches.bounds), form(batches.n_samples))
    results = []
    optimiser, learning_rate = STEPS["adam"]
    for c, v, b in ((other, form(vectors), formed), (case, vectors, batches)):
        state = new_state(np.ascontiguousarray(case.parameters), optimiser)
        coefficients = coefficients_of(c, "penalty", (0.1, 0.2), batches, None)
        engine.open(c.task).run_updates(state, b, coefficients, optimiser, rates_of(b, learning_rate))
        loss, gradient = engine.open(c.task).loss_and_gradient(c.parameters)
        outputs = engine.open(c.task).outputs(c.parameters)
        results.append(
            [loss, *(a.tobytes() for a in (gradient, outputs, engine.open(c.task).losses(v), state.parameters))]
        )
    assert results[0] == results[1]


@each_other_engine
@each_storage
@each_dtype
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("sizes", [(4, 6, 3), (4, 40, 3), (300, 7, 3)], ids=str)
@pytest.mark.parametrize("step", ["momentum", "adam"])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_rows_of_a_task_have_the_bits_of_their_copies(engine, batch_size, step, sizes, weighted, dtype, sparse):
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=400, weighted=weighted, sparse=sparse, dtype=dtype)
    case.rows = np.random.default_rng(0).permutation(400)[:301]
    copied = case.taken()
    vectors = np.stack([case.parameters, -case.parameters])
    bounds = np.append(np.arange(0, 301, batch_size), 301) if batch_size > 1 else np.arange(302)
    n_samples = np.ones((2, len(bounds) - 1))
    order = np.stack([np.random.default_rng(i).permutation(301) for i in range(2)])
    results = []
    for c, row_numbers in ((case, case.rows), (copied, np.arange(301))):
        loss, gradient = engine.open(c.task).loss_and_gradient(c.parameters)
        states = [
            run(engine, c, STEPS[step], "penalty", 0.1, Batches(rows, bounds, n_samples))
            for rows in (None, row_numbers[order])
        ]
        arrays = [gradient, engine.open(c.task).outputs(c.parameters), engine.open(c.task).losses(vectors)]
        arrays += [array for state, _ in states for array in (state.parameters, state.moments)]
        results.append([loss, *(array.tobytes() for array in arrays), *(totals for _, totals in states)])
    assert results[0] == results[1]


@each_engine
@each_storage
@each_dtype
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("sizes", [(4, 6, 3), (4, 40, 3), (4, 6, 37)], ids=str)
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_numbers_of_classes_have_the_bits_of_one_hot_targets(engine, batch_size, loss, sizes, weighted, dtype, sparse):
    case = make_case(sizes, "tanh", "softmax", loss, n_rows=200, weighted=weighted, sparse=sparse, dtype=dtype)
    batches = make_batches(200, 3, batch_size, sample_weight=case.sample_weight)
    vectors = np.stack([case.parameters, -case.parameters])
    for rows in (None, np.random.default_rng(0).permutation(200)[:150]):
        results = []
        for c in (replace(case, rows=rows), replace(case.with_classes(), rows=rows)):
            value, gradient = engine.open(c.task).loss_and_gradient(c.parameters)
            state, totals = run(engine, c, STEPS["adam"], "penalty", 0.1, batches)
            arrays = gradient, engine.open(c.task).losses(vectors), state.parameters, state.moments
            results.append([value, *(array.tobytes() for array in arrays), totals])
        assert results[0] == results[1]


@each_other_engine
@pytest.mark.parametrize("call", ["outputs", "loss_and_gradient", "run_updates"])
def test_floating_point_environment_stays_as_it_was(engine, call):
    case = make_case((4, 6, 3), "relu", "softmax", "log_loss", n_rows=12)
    if call == "outputs":
        engine.open(case.task).outputs(case.parameters)
    elif call == "loss_and_gradient":
        engine.open(case.task).loss_and_gradient(case.parameters)
    else:
        run(engine, case, STEPS["adam"], "penalty", 0.1, make_batches(12, 5, 4))
    # a process that flushes subnormal numbers to zero would make this zero
    assert np.float64(5e-324) / 1.0 * 2.0 == 1e-323
    assert np.float32(1e-45) * np.float32(2) > 0
