"""Subnormal numbers: what only decays does not get stuck there, where processors need many times as long."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
from cases import LOSS_OF, STEPS, coefficients_of, make_case, make_network, new_state, rates_of
from engines.test_agreement import each_dtype

from skl2net.engines import available_engines, default_engine
from skl2net.engines.base import Batches, Task
from skl2net.solvers.optimisers import SGD, Adam

each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
each_batch_size = pytest.mark.parametrize("batch_size", [1, 5], ids=["online", "batches"])


def n_subnormal(array):
    return np.count_nonzero((array != 0) & (np.abs(array) < np.finfo(array.dtype).tiny))


def train(engine, case, optimiser, *, batch_size=5, n_updates=70, mode="penalty", alpha=0.0, state=None, n_epochs=1):
    """Updates with the learning rate 0.01: the state after them."""
    n_rows = case.X.shape[0]
    bounds = np.arange(n_updates + 1) * batch_size
    order = np.resize(np.arange(n_rows), (n_epochs, bounds[-1]))
    batches = Batches(order, bounds, np.full((n_epochs, n_updates), float(batch_size)))
    state = new_state(case.parameters, optimiser) if state is None else state
    coefficients = coefficients_of(case, mode, alpha, batches, 0.01)
    engine.open(case.task).run_updates(state, batches, coefficients, optimiser, rates_of(batches, 0.01))
    return state


def case_without_input(dtype):
    """A case whose first feature is zero, so that its weights have no gradient; and which of the weights these are."""
    case = make_case((4, 33, 3), "tanh", "softmax", "log_loss", n_rows=20, dtype=dtype)
    case.X[:, 0] = 0
    return case, slice(0, 33)


@each_engine
@each_dtype
@each_batch_size
@pytest.mark.parametrize("name", ["momentum", "nesterov", "adam"])
def test_subnormal_moments_without_a_gradient_become_zero(engine, dtype, batch_size, name):
    case, idle = case_without_input(dtype)
    optimiser = STEPS[name][0]
    state = new_state(case.parameters, optimiser)
    state.moments[:, idle] = 3 * np.finfo(dtype).smallest_subnormal  # 0.9 of which, rounded, are 3
    train(engine, case, optimiser, batch_size=batch_size, n_updates=63, state=state)
    assert n_subnormal(state.moments[:, idle]) == state.moments[:, idle].size
    train(engine, case, optimiser, batch_size=batch_size, n_updates=1, state=state)
    assert not state.moments[:, idle].any()
    assert state.moments[:, 33:].all()


@each_engine
@each_dtype
@each_batch_size
@pytest.mark.parametrize("name", ["sgd", "adam"])
@pytest.mark.parametrize("mode", ["decay_before", "decay_after"])
def test_weights_that_decay_become_zero(engine, dtype, batch_size, name, mode):
    case, idle = case_without_input(dtype)
    case.parameters[idle] = 2 * np.finfo(dtype).tiny
    state = train(engine, case, STEPS[name][0], batch_size=batch_size, n_updates=64, mode=mode, alpha=0.02)
    assert not state.parameters[idle].any()
    assert state.parameters[33:].all()


@each_engine
@each_dtype
def test_the_smallest_normal_numbers_stay(engine, dtype):
    case, idle = case_without_input(dtype)
    tiny = np.finfo(dtype).tiny
    case.parameters[idle] = np.where(np.arange(33) % 2, tiny, -tiny)
    state = train(engine, case, SGD(1.0, nesterov=False), n_updates=64)
    np.testing.assert_array_equal(state.parameters[idle], case.parameters[idle])


@each_engine
@each_dtype
@each_batch_size
def test_adam_feels_subnormal_moments_beside_a_tiny_epsilon(engine, dtype, batch_size):
    case, idle = case_without_input(dtype)
    optimiser = Adam(0.9, 0.999, float(np.finfo(dtype).tiny))
    state = new_state(case.parameters, optimiser)
    state.moments[:, idle] = 3 * np.finfo(dtype).smallest_subnormal
    train(engine, case, optimiser, batch_size=batch_size, n_updates=64, state=state)
    assert n_subnormal(state.moments[:, idle]) == state.moments[:, idle].size


@each_dtype
def test_the_second_moment_that_is_dropped_changes_no_step(dtype):
    # √v + ε is ε for all subnormal v, up to a rounding error, and for all ε beside which v is dropped
    info = np.finfo(dtype)
    root = np.sqrt(info.tiny)
    for epsilon in (1e-8, float(root) / float(info.eps)):
        assert not Adam(0.9, 0.999, epsilon).feels_subnormals(info)
        assert (root + dtype(epsilon)) / dtype(epsilon) - 1 <= info.eps
    assert Adam(0.9, 0.999, 0.99 * float(root) / float(info.eps)).feels_subnormals(info)


@each_batch_size
@each_dtype
def test_the_steps_between_calls_do_not_matter(batch_size, dtype):
    case, idle = case_without_input(dtype)
    case.parameters[idle] = 2 * np.finfo(dtype).tiny
    optimiser, engine = STEPS["adam"][0], default_engine()
    at_once = train(engine, case, optimiser, batch_size=batch_size, n_updates=100, mode="decay_after", alpha=0.02)
    # a call ends where the rows begin again
    state = new_state(case.parameters, optimiser)
    for n_updates in (20, 20, 60):
        train(
            engine,
            case,
            optimiser,
            batch_size=batch_size,
            n_updates=n_updates,
            mode="decay_after",
            alpha=0.02,
            state=state,
        )
    np.testing.assert_array_equal(state.parameters, at_once.parameters)
    np.testing.assert_array_equal(state.moments, at_once.moments)


@pytest.mark.skipif(default_engine().name != "compiled", reason="a matter of speed")
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_training_with_dead_units_takes_no_longer(name):
    case = make_case((64, 128, 3), "relu", "softmax", "log_loss", n_rows=320, dtype=np.float32)
    (weights, _), (biases, _) = case.network.unpack(case.parameters)
    biases[::2] = -1e4
    seconds = {}
    for size in (0.0, 1e-37):  # of the weights into the dead units; 150 updates make these subnormal
        weights[:, ::2] = size
        state = train(default_engine(), case, STEPS[name][0], n_updates=150, mode="decay_after", alpha=0.02)
        times = []
        for _ in range(10):
            began = time.thread_time()
            train(default_engine(), case, STEPS[name][0], batch_size=32, mode="decay_after", alpha=0.02, state=state)
            times.append(time.thread_time() - began)
        seconds[size] = min(times)
    assert seconds[1e-37] < 4 * seconds[0.0]  # some 50 times as long with subnormal weights


@each_dtype
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("output", ["logistic", "softmax"])
def test_saturated_outputs_have_no_gradient_close_to_subnormal(output, sparse, dtype):
    # its products with the weights would be subnormal; next to the gradient of any other row it is nothing
    engine = pytest.importorskip(
        "skl2net.engines._compiled", reason="the reference engine computes as NumPy does"
    ).engine
    n_outputs = 1 if output == "logistic" else 2
    network = make_network((1, n_outputs), "identity")
    kept, dropped = (-66.0, -78.0) if dtype == np.float32 else (-665.0, -690.0)  # exp of them, beside 2^-102 or 2^-969
    for logit, is_kept in ((kept, True), (dropped, False)):
        X = np.full((1, 1), logit, dtype)
        parameters = np.array([1.0, 0.0] if n_outputs == 1 else [1.0, 0.0, 0.0, 0.0], dtype)
        Y = np.zeros((1, n_outputs), dtype)
        Y[0, 1:] = 1
        task = Task(network, LOSS_OF[output, "log_loss"], sp.csr_array(X) if sparse else X, Y)
        gradient = engine.open(task).loss_and_gradient(parameters)[1][network.n_weights]
        assert gradient == (pytest.approx(np.exp(dtype(logit)), rel=1e-4) if is_kept else 0)
