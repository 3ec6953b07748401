"""Long calls of an engine end early: for Ctrl-C, and when their result is no longer needed."""

import copy
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from cases import STEPS, coefficients_of, make_case, new_state, rates_of
from engines.test_compiled import make_motion, make_swarm, penalty_of

from skl2net.engines import available_engines, default_engine
from skl2net.engines.base import Batches, Cancelled
from skl2net.engines.lbfgs import N_PAIRS, LBFGSLimits, LBFGSState

# fits whose first call of the engine takes seconds; Ctrl-C comes 0.3 s after it has begun
SCRIPT = """
import os, signal, threading, time
import numpy as np
from skl2net import L2NetClassifier, ParticleSwarm
from skl2net.engines import default_engine

session = default_engine().session
X, y = np.random.default_rng(0).normal(size=(30_000, 300)).astype(np.float32), np.arange(30_000) % 2
nets = {
    "loss_and_gradient": L2NetClassifier((1500, 1500), solver="lbfgs", max_iter=1),
    "run_updates": L2NetClassifier((1500, 1500), solver="sgd", batch_size=30_000, max_iter=1),
    "iterate_swarm": L2NetClassifier((20,), solver=ParticleSwarm(1000), max_iter=1),
}
for name, net in nets.items():
    original, sent = getattr(session, name), []

    def send():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    def call(*args):
        threading.Timer(0.3, send).start()
        return original(*args)

    setattr(session, name, call)
    try:
        net.fit(X, y)
    except KeyboardInterrupt:
        print(name, time.monotonic() - sent[0], hasattr(net, "coefs_"))
    setattr(session, name, original)
"""


@pytest.mark.skipif(default_engine().name != "compiled", reason="the reference engine is Python")
@pytest.mark.skipif(os.name == "nt", reason="needs a signal sent to the process itself")
def test_ctrl_c_is_heard_within_one_long_call():
    printed = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120)
    heard = [line.split() for line in printed.stdout.splitlines()]
    assert [name for name, *_ in heard] == ["loss_and_gradient", "run_updates", "iterate_swarm"]
    for _, seconds, is_fitted in heard:
        assert float(seconds) < 1.5
        assert is_fitted == "False"


N_ROWS = 2_000_000


def long_case(sizes, *, sparse=False):
    """A case that takes seconds or minutes, in little memory: its rows are the same hundred again and again."""
    case = make_case(sizes, "tanh", "softmax", "log_loss", n_rows=100, sparse=sparse, dtype=np.float32)
    case.rows = np.resize(np.arange(100), N_ROWS)
    return case


def updates(case, batch_size, n_rows=N_ROWS):
    """The arguments of `run_updates` for one epoch."""
    optimiser, learning_rate = STEPS["adam"]
    bounds = np.append(np.arange(0, n_rows, batch_size), n_rows)
    batches = Batches(case.rows[None, :n_rows], bounds, np.diff(bounds)[None].astype(np.float64))
    coefficients = coefficients_of(case, "penalty", 0.1, batches, learning_rate)
    return new_state(case.parameters, optimiser), batches, coefficients, optimiser, rates_of(batches, learning_rate)


def iterate_lbfgs(engine, case, task):
    """Iterate from the parameters; a state that was interrupted before the end of its first iteration is as it was."""
    n = len(case.parameters)
    gradient, pairs = np.ones(n), [np.zeros((N_PAIRS, n)) for _ in range(2)]
    state = LBFGSState(case.parameters.astype(np.float64), gradient, 100.0, *pairs, np.zeros(N_PAIRS))
    before = copy.deepcopy(state)
    try:
        engine.open(task).iterate_lbfgs(state, penalty_of(case), LBFGSLimits(np.inf, 0.0, 0.0), 9)
    finally:
        assert (state.n_iterations, state.n_updates, state.loss, state.status) == (0, 0, 100.0, "running")
        np.testing.assert_array_equal(state.parameters, before.parameters)
        np.testing.assert_array_equal(state.gradient, before.gradient)


LARGE, SMALL = (50, 300, 300, 3), (256, 32, 32, 3)  # by blocks of rows, and with rows in the SIMD lanes

CALLS = {
    "outputs": (LARGE, lambda engine, case, task: engine.open(task).outputs(case.parameters)),
    "gradient": (LARGE, lambda engine, case, task: engine.open(task).loss_and_gradient(case.parameters)),
    "gradient, small": (SMALL, lambda engine, case, task: engine.open(task).loss_and_gradient(case.parameters)),
    "losses": (LARGE, lambda engine, case, task: engine.open(task).losses(case.parameters[None])),
    "losses, small": (SMALL, lambda engine, case, task: engine.open(task).losses(np.tile(case.parameters, (30, 1)))),
    "batches": (LARGE, lambda engine, case, task: engine.open(task).run_updates(*updates(case, 200))),
    "one batch": (LARGE, lambda engine, case, task: engine.open(task).run_updates(*updates(case, N_ROWS))),
    "online": (LARGE, lambda engine, case, task: engine.open(task).run_updates(*updates(case, 1))),
    "swarm": (
        SMALL,
        lambda engine, case, task: engine.open(task).iterate_swarm(make_swarm(case), penalty_of(case), make_motion(9)),
    ),
    "lbfgs": (LARGE, lambda engine, case, task: iterate_lbfgs(engine, case, task)),
    "lbfgs, small": (SMALL, lambda engine, case, task: iterate_lbfgs(engine, case, task)),
}


class Cancellation:
    """Says from the third question on that the result is no longer needed."""

    def __init__(self):
        self.n_questions = 0

    def __call__(self):
        self.n_questions += 1
        if self.n_questions == 3:
            self.time, self.thread = time.monotonic(), threading.current_thread()
        return self.n_questions >= 3


@pytest.mark.parametrize(
    ("name", "sparse"),
    [(name, sparse) for name, (sizes, _) in CALLS.items() for sparse in ([False, True] if sizes == LARGE else [False])],
    ids=lambda value: value if isinstance(value, str) else ("dense", "csr")[value],
)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_long_call_ends_when_its_result_is_no_longer_needed(name, sparse, n_threads):
    engine = pytest.importorskip(
        "skl2net.engines._compiled", reason="the reference engine asks between updates only"
    ).engine
    sizes, call = CALLS[name]
    case, is_cancelled = long_case(sizes, sparse=sparse), Cancellation()
    with pytest.raises(Cancelled):
        call(engine, case, replace(case.task, n_threads=n_threads, is_cancelled=is_cancelled))
    assert time.monotonic() - is_cancelled.time < 1.0  # in place of seconds or minutes
    assert is_cancelled.n_questions == 3
    assert is_cancelled.thread is threading.current_thread()


@pytest.mark.parametrize("batch_size", [1, 200])
@pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
def test_cancelled_updates_leave_the_state_of_the_last_finished_update(engine, batch_size):
    case = long_case(LARGE)
    state, *arguments = updates(case, batch_size)
    with pytest.raises(Cancelled):
        engine.open(replace(case.task, is_cancelled=Cancellation())).run_updates(state, *arguments)
    assert 0 < state.n_updates < N_ROWS // batch_size
    expected, *arguments = updates(case, batch_size, state.n_updates * batch_size)
    engine.open(case.task).run_updates(expected, *arguments)
    np.testing.assert_array_equal(state.parameters, expected.parameters)
    np.testing.assert_array_equal(state.moments, expected.moments)


@pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
def test_what_a_question_raises_ends_the_call(engine):
    def is_cancelled():
        raise ZeroDivisionError("asked")

    case = long_case(LARGE)
    with pytest.raises(ZeroDivisionError, match="asked"):
        engine.open(replace(case.task, is_cancelled=is_cancelled)).run_updates(*updates(case, 200))


def test_a_short_call_asks_nothing():
    engine = pytest.importorskip(
        "skl2net.engines._compiled", reason="the reference engine asks before each update"
    ).engine
    case = make_case((4, 5, 3), "tanh", "softmax", "log_loss")
    case.rows = np.arange(6)
    is_cancelled = Cancellation()
    engine.open(replace(case.task, is_cancelled=is_cancelled)).run_updates(*updates(case, 2, 6))
    assert is_cancelled.n_questions == 0


def test_calls_of_several_threads_end_each_by_itself():
    engine = pytest.importorskip(
        "skl2net.engines._compiled", reason="the reference engine asks between updates only"
    ).engine
    case = long_case(LARGE)
    cancellations = [Cancellation() for _ in range(3)]

    def call(is_cancelled):
        with pytest.raises(Cancelled):
            engine.open(replace(case.task, is_cancelled=is_cancelled)).loss_and_gradient(case.parameters)
        return is_cancelled.thread is threading.current_thread()

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(call, cancellations))
