"""Threads that fit and predict at once give the bits of one after the other, with and without the GIL.

On a free-threaded Python the GIL stays off. With a Python built by ``configure --disable-gil --with-thread-sanitizer``
and the engine compiled with ``-fsanitize=thread``, these tests are a search for data races.
"""

import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from cases import converging_or_not
from threadpoolctl import threadpool_limits

from skl2net import L2NetClassifier, ParticleSwarm

without_gil = pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")

_RNG = np.random.RandomState(0)
X = _RNG.standard_normal((600, 60))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
SPARSE = sp.random(600, 200, 0.05, format="csr", random_state=0)


def _fitted(solver, X=X, hidden_layer_sizes=(8,), **params):
    with converging_or_not():
        net = L2NetClassifier(hidden_layer_sizes, solver=solver, max_iter=3, random_state=0, **params).fit(X, Y)
    return net.predict_proba(X)


def _streamed():
    net = L2NetClassifier((32,), solver="sgd", random_state=0)
    for rows in np.split(np.arange(len(X)), 3):
        net.partial_fit(X[rows], Y[rows], classes=[0, 1])
    return net.predict_proba(X)


@pytest.fixture(scope="module")
def jobs():
    """What threads do at once: a network of theirs, or the one that they share."""
    with converging_or_not():
        shared = L2NetClassifier((64, 64), max_iter=1, batch_size=200, random_state=0).fit(X, Y)
    return [
        lambda: _fitted("sgd", batch_size=10),
        lambda: _fitted("adam", hidden_layer_sizes=(64, 64)),
        lambda: _fitted("lbfgs", hidden_layer_sizes=(64, 64)),
        lambda: _fitted(ParticleSwarm(5)),
        lambda: _fitted("adam", X=SPARSE),
        _streamed,
        lambda: shared.predict_proba(X),
        lambda: shared.predict_proba(X[:1]),
    ]


def test_threads_give_the_bits_of_one_after_the_other(jobs):
    expected = [job() for job in jobs]
    with ThreadPoolExecutor(len(jobs)) as pool:
        found = list(pool.map(lambda job: job(), jobs * 2))
    for i, values in enumerate(found):
        np.testing.assert_array_equal(values, expected[i % len(jobs)])


def test_threads_that_set_limits_give_the_same_bits(jobs):
    def limited(limit):
        with threadpool_limits(limit):
            return jobs[-2]()

    with ThreadPoolExecutor(4) as pool:
        for values in pool.map(limited, [1, 2] * 4):
            np.testing.assert_array_equal(values, jobs[-2]())


@without_gil
def test_importing_the_engine_leaves_the_gil_off():
    code = "import sys, skl2net.engines._compiled; print(sys._is_gil_enabled())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "False\n"
