"""Updates by SGD on wide CSR leave out the weights that a batch has no entries for, until these are needed."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from cases import STEPS, coefficients_of, make_batches, make_case, new_state, run
from test_engine_agreement import assert_updates_agree, each_dtype
from test_interruption import Cancellation

from skl2net.engines import reference
from skl2net.engines.interface import Batches, Cancelled
from skl2net.l2 import DECAYS, MODES
from skl2net.solvers.optimisers import SGD

compiled = pytest.importorskip("skl2net.engines._compiled", reason="the compiled engine was not built")

N_COLUMNS, N_USED = 400, 300  # the other columns have no entries
SIZES = (N_COLUMNS, 33, 3)

each_sgd = pytest.mark.parametrize("step", ["sgd", "momentum", "nesterov"])
each_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(params=compiled.instruction_sets())
def instruction_set(request):
    """Run each instruction set of this processor."""
    compiled._use_instruction_set(request.param)
    yield request.param
    compiled._use_instruction_set(compiled.instruction_sets()[-1])


def text_case(sizes=SIZES, *, n_rows=60, per_row=5, weighted=False, dtype=np.float64):
    """A case of few entries in each row: in any order, some of them twice, some zero, and some rows without any."""
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=n_rows, weighted=weighted, dtype=dtype)
    rng = np.random.default_rng(0)
    n_entries = rng.integers(0, 2 * per_row, n_rows)
    n_entries[:3] = 0
    indptr = np.append(0, np.cumsum(n_entries))
    frequency = 1 / (np.arange(sizes[0] * N_USED // N_COLUMNS) + 3.0)
    columns = rng.choice(len(frequency), indptr[-1], p=frequency / frequency.sum())
    columns[indptr[4:-1:3]] = columns[indptr[4:-1:3] - 1]
    values = 2 * rng.normal(size=indptr[-1])
    values[::7] = 0
    X = sp.csr_array((values.astype(dtype), columns, indptr), shape=(n_rows, sizes[0]))
    assert not X.has_canonical_format
    return replace(case, X=X)


def unused_weights(case, vector):
    """Those of the columns without entries."""
    n = case.network.layer_sizes[1]
    return vector[..., N_USED * n : N_COLUMNS * n]


@each_dtype
@each_mode
@each_sgd
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("sizes", [SIZES, (N_COLUMNS, 3)], ids=str)
def test_they_agree_with_the_reference(sizes, weighted, step, mode, dtype):
    case = text_case(sizes, weighted=weighted, dtype=dtype)
    batches = make_batches(60, 50, 6, n_epochs=3, sample_weight=case.sample_weight)
    assert_updates_agree(compiled, case, STEPS[step], mode, batches, dtype)


@each_mode
@each_sgd
def test_every_instruction_set_agrees_with_the_dense_rows(instruction_set, step, mode):
    case = text_case(weighted=True)
    batches = make_batches(60, 140, 6, sample_weight=case.sample_weight)
    state, totals = run(compiled, case, STEPS[step], mode, 0.05, batches)
    dense, expected = run(compiled, replace(case, X=case.X.toarray()), STEPS[step], mode, 0.05, batches)
    np.testing.assert_allclose(state.parameters, dense.parameters, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state.moments, dense.moments, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(totals, expected, rtol=1e-9)


@pytest.mark.parametrize("batch_size", [1, 2, 60])
def test_batches_of_any_size_agree_with_the_reference(batch_size):
    case = text_case()
    case.X.indices, case.X.indptr = case.X.indices.astype(np.int64), case.X.indptr.astype(np.int64)
    assert_updates_agree(compiled, case, STEPS["nesterov"], "prior", make_batches(60, 70, batch_size), np.float64)


@each_mode
def test_learning_rates_may_change_between_calls(mode):
    case = text_case()
    states = {engine: new_state(case.parameters, SGD(0.9, nesterov=True)) for engine in (compiled, reference)}
    for seed, rate in enumerate([0.05, 0.02, 0.1, 0.001]):
        batches = make_batches(60, 30, 6, seed=seed)
        for engine, state in states.items():
            coefficients = coefficients_of(case, mode, 0.05, batches, rate)
            engine.run_updates(case.task, state, batches, coefficients, SGD(0.9, nesterov=True), rate)
    np.testing.assert_allclose(states[compiled].parameters, states[reference].parameters, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(states[compiled].moments, states[reference].moments, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", DECAYS)
def test_missed_decays_are_rounded_once(mode):
    # twice, in single precision: their product, and the weight; an update of all weights rounds in each of the 60
    case = text_case(dtype=np.float32)
    optimiser, rate = STEPS["sgd"]
    batches = make_batches(60, 60, 6)
    state = new_state(case.parameters, optimiser)
    coefficients = coefficients_of(case, mode, 0.01, batches, rate)
    compiled.run_updates(case.task, state, batches, coefficients, optimiser, rate)
    kept = np.float32(1 - (coefficients.decay_before + coefficients.decay_after)[0, 0, 0])
    expected = unused_weights(case, case.parameters).astype(np.float64) * np.float64(kept) ** 60
    error = unused_weights(case, state.parameters) / expected - 1
    assert np.abs(error).max() < 1.01 * np.finfo(np.float32).eps


@each_dtype
def test_weights_that_nothing_changes_keep_their_bits(dtype):
    case = text_case(dtype=dtype)
    state, _ = run(compiled, case, STEPS["nesterov"], "prior", 0.0, make_batches(60, 100, 6))
    np.testing.assert_array_equal(unused_weights(case, state.parameters), unused_weights(case, case.parameters))
    assert not unused_weights(case, state.moments).any()


@each_sgd
@pytest.mark.parametrize("rate", [1e2, 1e4, 1e9])
def test_explosive_penalties_grow_as_in_the_reference(step, rate):
    case, optimiser = text_case(), STEPS[step][0]
    batches = make_batches(60, 12, 6)
    states = []
    for engine in (compiled, reference):
        state = new_state(case.parameters, optimiser)
        curves = engine.run_updates(
            case.task, state, batches, coefficients_of(case, "penalty", 1.0, batches, rate), optimiser, rate
        )
        states.append((unused_weights(case, state.parameters), unused_weights(case, state.moments), curves[0, 3]))
    for ours, theirs in zip(*states, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@each_sgd
def test_an_epoch_with_infinite_weights_is_left_out(step):
    case, optimiser = text_case(dtype=np.float32), STEPS[step][0]
    batches = make_batches(60, 12, 6, n_epochs=2)
    state = new_state(case.parameters, optimiser)
    coefficients = coefficients_of(case, "penalty", 1.0, batches, 1e9)
    assert len(compiled.run_updates(case.task, state, batches, coefficients, optimiser, 1e9)) == 0


@each_dtype
@pytest.mark.parametrize("step", ["sgd", "nesterov"])
def test_subnormal_numbers_become_zero(step, dtype):
    case, optimiser = text_case(dtype=dtype), STEPS[step][0]
    unused_weights(case, case.parameters)[:] = 2 * np.finfo(dtype).tiny
    state = new_state(case.parameters, optimiser)
    unused_weights(case, state.moments)[:] = 2 * np.finfo(dtype).tiny
    batches = make_batches(60, 64, 6)
    coefficients = coefficients_of(case, "decay_after", 0.5, batches, 0.01)
    compiled.run_updates(case.task, state, batches, coefficients, optimiser, 0.01)
    assert not unused_weights(case, state.parameters).any()
    assert not unused_weights(case, state.moments).any()
    assert state.parameters[:33].all()


@pytest.mark.parametrize("mode", ["prior", "decay_after"])
def test_epochs_have_the_same_bits_in_one_call_or_several(mode):
    case, (optimiser, rate) = text_case(dtype=np.float32), STEPS["momentum"]
    batches = make_batches(60, 50, 6, n_epochs=3)
    coefficients = coefficients_of(case, mode, 0.05, batches, rate)
    at_once, curves = new_state(case.parameters, optimiser), []
    expected = compiled.run_updates(case.task, at_once, batches, coefficients, optimiser, rate)
    state = new_state(case.parameters, optimiser)
    for epoch in range(3):
        part = Batches(batches.order[[epoch]], batches.bounds, batches.n_samples[[epoch]])
        coefficients = coefficients_of(case, mode, 0.05, part, rate)
        curves.append(compiled.run_updates(case.task, state, part, coefficients, optimiser, rate)[0])
    np.testing.assert_array_equal(state.parameters, at_once.parameters)
    np.testing.assert_array_equal(state.moments, at_once.moments)
    np.testing.assert_array_equal(curves, expected)


def outcome(case, mode, batches, **task):
    """Bytes of all that updates compute."""
    optimiser, rate = STEPS["nesterov"]
    state, coefficients = new_state(case.parameters, optimiser), coefficients_of(case, mode, 0.05, batches, rate)
    curves = compiled.run_updates(replace(case.task, **task), state, batches, coefficients, optimiser, rate)
    return [array.tobytes() for array in (state.parameters, state.moments, curves)]


@each_dtype
@pytest.mark.parametrize("mode", ["penalty_per_sample", "decoupled"])
def test_same_bits_for_any_number_of_threads(instruction_set, mode, dtype):
    case = text_case((8000, 60, 3), n_rows=1000, per_row=8, weighted=True, dtype=dtype)
    batches = make_batches(1000, 70, 500, sample_weight=case.sample_weight)
    expected = outcome(case, mode, batches, n_threads=1)
    for n_threads in (2, 3):
        assert outcome(case, mode, batches, n_threads=n_threads) == expected


def test_rows_of_a_task_have_the_bits_of_their_copies():
    # the other rows have many more entries
    case = text_case(n_rows=120)
    dense_rows = sp.csr_array(np.ones((120, N_COLUMNS)))
    both = replace(case, X=sp.csr_array(sp.vstack([case.X, dense_rows])), Y=np.concatenate([case.Y, case.Y]))
    batches = make_batches(120, 70, 20)
    assert outcome(replace(both, rows=np.arange(120)), "prior", batches) == outcome(case, "prior", batches)


def test_a_cancelled_call_leaves_the_state_of_the_last_finished_update():
    n_rows, batch_size = 2_000_000, 20
    case, (optimiser, rate) = text_case(dtype=np.float32), STEPS["nesterov"]
    case.rows = np.resize(np.arange(60), n_rows)

    def updates(n):
        bounds = np.arange(n + 1) * batch_size
        batches = Batches(case.rows[None, : bounds[-1]], bounds, np.full((1, n), float(batch_size)))
        return batches, coefficients_of(case, "penalty", 0.1, batches, rate), optimiser, rate

    state = new_state(case.parameters, optimiser)
    with pytest.raises(Cancelled):
        compiled.run_updates(replace(case.task, is_cancelled=Cancellation()), state, *updates(n_rows // batch_size))
    assert 0 < state.n_updates < n_rows // batch_size
    expected = new_state(case.parameters, optimiser)
    compiled.run_updates(case.task, expected, *updates(state.n_updates))
    np.testing.assert_array_equal(state.parameters, expected.parameters)
    np.testing.assert_array_equal(state.moments, expected.moments)
