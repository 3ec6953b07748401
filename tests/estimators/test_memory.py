"""Training copies none of the data where dtype and order allow, so that they may be larger than half of the memory."""

import runpy
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from cases import fit

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.engines import default_engine

BENCHMARK = Path(__file__).parents[2] / "examples" / "benchmarks" / "memory.py"
N_ROWS, N_FEATURES = 200_000, 20
only_compiled = pytest.mark.skipif(default_engine().name != "compiled", reason="the reference engine keeps activations")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")


def data(dtype=np.float32):
    X = np.random.default_rng(0).standard_normal((N_ROWS, N_FEATURES), np.float32).astype(dtype)
    return X, X[:, 0].copy()


def allocated(function):
    """Largest number of bytes that NumPy and Python have allocated during a call."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def mapped(X, folder):
    X.tofile(folder / "X.dat")
    return np.memmap(folder / "X.dat", X.dtype, "r", shape=X.shape)


SOLVERS = {"sgd": {"solver": "sgd"}, "adam": {}, "lbfgs": {"solver": "lbfgs"}, "in order": {"shuffle": False}}


@only_compiled
@pytest.mark.parametrize("is_mapped", [False, True], ids=["array", "memmap"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
def test_training_allocates_a_small_part_of_the_data(solver, dtype, is_mapped, tmp_path):
    X, y = data(dtype)
    if is_mapped:
        X = mapped(X, tmp_path)
    params = {"hidden_layer_sizes": (3,), "batch_size": 1000, "max_iter": 2, "random_state": 0, **SOLVERS[solver]}
    for net, target in ((L2NetRegressor(**params), y), (L2NetClassifier(**params), y > 0)):
        # a target for each row, 8 bytes while they are checked, and the order of the rows in two epochs
        n_bytes = X.itemsize + 8 + (0 if solver in ("lbfgs", "in order") else 2 * 8)
        most = 0.03 * X.nbytes + n_bytes * N_ROWS
        assert allocated(lambda net=net, target=target: fit(net, X, target)) < most
        assert allocated(lambda net=net: net.predict(X)) < 0.3 * X.nbytes
        if solver != "lbfgs":
            assert allocated(lambda net=net, target=target: net.partial_fit(X, target)) < most


@only_compiled
def test_csr_is_not_copied():
    X, y = data()
    X = sp.csr_array(np.where(X > 0.5, X, 0))
    size = X.data.nbytes + X.indices.nbytes
    net = L2NetRegressor((3,), batch_size=1000, max_iter=2, shuffle=False, random_state=0)
    net.set_params(normalize_y=False)  # which copies the targets
    assert allocated(lambda: fit(net, X, y)) < 0.2 * size


@pytest.mark.parametrize(
    "convert",
    [np.asfortranarray, lambda X: X.astype(np.float16), lambda X: X.astype(int), lambda X: X[::2]],
    ids=["Fortran order", "float16", "integers", "every other row"],
)
def test_other_dtypes_and_orders_are_copied_once(convert):
    X, y = data()
    X = convert(X)
    y = y[: len(X)]
    net = L2NetRegressor((3,), batch_size=1000, max_iter=1, shuffle=False, random_state=0)
    size = X.size * (4 if X.dtype == np.float32 else 8)
    assert size <= allocated(lambda: fit(net, X, y)) < 1.2 * size


@pytest.mark.parametrize("n_classes", [2, 10])
def test_encoding_of_classes_allocates_little(n_classes):
    X, _ = data()
    y = np.arange(N_ROWS) % n_classes
    net = L2NetClassifier((3,), batch_size=1000, max_iter=1, random_state=0, shuffle=False)
    # the number of the class or the one target of each row, and their labels sorted while the classes are found
    assert allocated(lambda: fit(net, X, y)) < 4 * N_ROWS + 2 * 8 * N_ROWS + 0.03 * X.nbytes


@pytest.mark.parametrize("kind", ["binary", "strings", "one class", "multilabel"])
def test_classes_are_encoded_as_by_scikit_learn(kind):
    n_rows = 100_001  # more than are encoded at once
    rng = np.random.default_rng(0)
    y = {
        "binary": rng.integers(2, size=n_rows),
        "strings": np.array(list("abcd"), dtype=object)[rng.integers(4, size=n_rows)],
        "one class": np.ones(n_rows),
        "multilabel": rng.integers(2, size=(n_rows, 3)),
    }[kind]
    net = L2NetClassifier((2,), max_iter=1, random_state=0, batch_size=1000)
    fit(net, np.zeros((n_rows, 1)), y)
    encoded, expected = net._encoded(y, np.float32), net._label_binarizer.transform(y)
    if kind == "strings":
        assert encoded.dtype == np.int32
        np.testing.assert_array_equal(np.flatnonzero(expected), 4 * np.arange(n_rows) + encoded)
    else:
        np.testing.assert_array_equal(encoded, expected)


@only_linux
@pytest.mark.parametrize(("target", "is_mapped"), [("10 classes", False), ("regression", True)])
def test_the_peak_of_a_million_rows_is_close_to_the_data(target, is_mapped, tmp_path):
    peak = runpy.run_path(str(BENCHMARK))["peak"]
    assert peak("skl2net", target, "adam", is_mapped=is_mapped, folder=tmp_path) <= 1.3


# 160 MB of data, under a limit that has room for half of them beside themselves
LIMITED = """
import resource
import numpy as np
from skl2net import L2NetClassifier

net = L2NetClassifier((2,), batch_size=10_000, max_iter=1, shuffle=False, random_state=0)
net.fit(np.eye(20, dtype=np.float32), np.arange(20) % 2)  # loads the libraries
X = np.memmap("X.dat", np.float32, "r", shape=(2_000_000, 20))
y = np.arange(len(X)) % 2 == 0
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + X.nbytes // 2, resource.RLIM_INFINITY))
try:
    np.array(X)
except MemoryError:
    net.fit(X, y)
    print(net.t_)
"""


@only_linux
def test_data_larger_than_half_of_the_memory_are_trained_on(tmp_path):
    np.zeros((2_000_000, 20), np.float32).tofile(tmp_path / "X.dat")
    command = [sys.executable, "-W", "ignore", "-c", LIMITED]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["2000000"], result.stderr
