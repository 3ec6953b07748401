"""Beyond one machine: searches on a Dask cluster score as local ones do, and data need not fit into memory."""

import itertools
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from cases import classes, flat
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, NodeSweepCV
from skl2net.model_selection import StagedSearchCV

PAGE = Path(__file__).parents[2] / "docs" / "distributed.md"

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def client():
    """A cluster of two worker processes with one thread each."""
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.amm.stop()  # see the page
        yield client


def on_cluster(search, X, y):
    """Fit a search on the cluster, with a copy of all data on each worker."""
    splits = list(StratifiedKFold(4).split(X, y))
    # our searches send their data themselves
    to_workers = [X, y, *itertools.chain(*splits)] if isinstance(search, GridSearchCV) else []
    with joblib.parallel_config("dask", scatter=to_workers):
        return search.set_params(cv=splits).fit(X, y)


def model(max_iter=20):
    return make_pipeline(StandardScaler(), L2NetClassifier((6,), max_iter=max_iter, random_state=0))


SEARCHES = {
    "sweep": NodeSweepCV(model(), max_units=10, alphas=[0.1, 1.0]),
    "grid": GridSearchCV(model(), {"l2netclassifier__alpha": [0.1, 1.0, 10.0]}),
    "staged": StagedSearchCV(
        model(), [{"l2netclassifier__alpha": [10.0, 1.0]}, {"l2netclassifier__alpha": [0.1, 1.0]}]
    ),
    "alpha": L2NetClassifierCV((6,), max_iter=20, random_state=0, alphas=[0.1, 1.0, 10.0]),
}


def scores_of(search):
    """The parameters of all candidates, and their scores in all folds."""
    if isinstance(search, L2NetClassifierCV):
        return search.alphas_.tolist(), search.scores_
    results = search.cv_results_
    return results["params"], np.array([results[f"split{i}_test_score"] for i in range(4)]).T


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_search_on_a_cluster_has_the_scores_of_the_local_one(client, search, engine_of_workers):
    X, y = classes(200)
    search = clone(search)
    params, scores = scores_of(search.set_params(cv=4).fit(X, y))
    prediction = search.predict_proba(X)
    params_on_cluster, scores_on_cluster = scores_of(on_cluster(search, X, y))
    assert params_on_cluster == params
    np.testing.assert_array_equal(scores_on_cluster, scores)
    np.testing.assert_array_equal(search.predict_proba(X), prediction)


@pytest.mark.parametrize("name", ["alpha", "sweep"])
def test_data_of_a_search_are_sent_to_each_worker_once(client, name):
    n_pickled = 0

    class Counted(list):
        def __reduce__(self):
            nonlocal n_pickled
            n_pickled += 1
            return list, ([*self],)

    X, y = classes(200)
    search = clone(SEARCHES[name]).set_params(cv=4)
    with joblib.parallel_config("dask"):
        search.fit(Counted(X), y)
    assert search.n_splits_ == 4
    assert 1 <= n_pickled <= 2  # one message, which the workers pass on


def test_a_search_in_a_grid_search_on_a_cluster_has_the_scores_of_the_local_one(client, engine_of_workers):
    X, y = classes(200)
    grid = GridSearchCV(clone(SEARCHES["alpha"]).set_params(cv=2), {"activation": ["relu", "tanh"]}, cv=2)
    local = clone(grid).fit(X, y)
    with joblib.parallel_config("dask"):
        grid.fit(X, y)
    np.testing.assert_array_equal(grid.cv_results_["mean_test_score"], local.cv_results_["mean_test_score"])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
@pytest.mark.parametrize(
    ("name", "which"),
    [
        pytest.param(name, which, marks=[] if (name, which) == ("alpha", 0) else pytest.mark.long)
        for name, which in itertools.product(SEARCHES, [0, 1])
    ],
)
def test_a_worker_that_is_killed_costs_its_tasks_only(client, name, which, engine_of_workers, tmp_path):
    X, y = classes(400)
    search = SEARCHES[name]
    prefix = "" if isinstance(search, L2NetClassifierCV) else "estimator__l2netclassifier__"
    longer = {f"{prefix}max_iter": 300, f"{prefix}n_iter_no_change": 300}
    search = clone(search).set_params(cv=4, scoring="accuracy", **longer)
    _, local = scores_of(search.fit(X, y))
    n_fits = local.size

    def scorer(net, X, y):
        (tmp_path / str(time.perf_counter_ns())).touch()
        return net.score(X, y)

    def kill_a_worker():
        while len(list(tmp_path.iterdir())) < 4:
            time.sleep(0.01)
        os.kill(list(client.run(os.getpid).values())[which], signal.SIGKILL)
        n_before.append(len(list(tmp_path.iterdir())))

    n_before = []
    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    _, distributed = scores_of(on_cluster(search.set_params(scoring=scorer), X, y))
    killer.join()
    client.wait_for_workers(2)
    assert n_before[0] < n_fits
    np.testing.assert_array_equal(distributed, local)
    assert n_fits <= len(list(tmp_path.iterdir())) < 1.5 * n_fits


# --- data beyond memory -----------------------------------------------------------------------------------------------

N_BLOCKS, N_ROWS, N_FEATURES = 20, 4096, 4096  # 1.3 GB in float32

# The limit leaves room for some blocks, and not for the data.
LIMITED = f"""
import resource
import numpy as np
import dask.array
from skl2net import L2NetClassifier

size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 500_000_000, resource.RLIM_INFINITY))
try:
    np.memmap("X.dat", np.float32, "r", shape=({N_BLOCKS * N_ROWS}, {N_FEATURES}))
except OSError:
    net = L2NetClassifier((2,), batch_size=1024, random_state=0)
    for i in range({N_BLOCKS}):
        net.partial_fit(BLOCK, np.arange({N_ROWS}) % 2, classes=[0, 1])
    print(net.t_, abs(net.coefs_[0]).max())
"""
BLOCKS = {
    "memmap": f'np.memmap("X.dat", np.float32, "r", i * {4 * N_ROWS * N_FEATURES}, ({N_ROWS}, {N_FEATURES}))',
    "dask": 'dask.array.from_npy_stack("stack").blocks[i].compute(scheduler="synchronous")',
}


@pytest.fixture(scope="module")
def data_on_disk(tmp_path_factory):
    """A folder with the data, one block of numbers and then zeros, as one file and as a stack, and what is learned."""
    directory = tmp_path_factory.mktemp("data")
    block = np.random.default_rng(0).normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    zeros = np.zeros_like(block)
    with open(directory / "X.dat", "wb") as file:  # of zeros that are not written, only the size is known to the disk
        file.write(block.data)
        file.truncate(N_BLOCKS * block.nbytes)
    stack = directory / "stack"
    stack.mkdir()
    np.save(stack / "0.npy", block)
    np.save(stack / "1.npy", zeros)
    for i in range(2, N_BLOCKS):
        (stack / f"{i}.npy").symlink_to("1.npy")
    with open(stack / "info", "wb") as file:
        pickle.dump({"chunks": ((N_ROWS,) * N_BLOCKS, (N_FEATURES,)), "dtype": block.dtype, "axis": 0}, file)

    net = L2NetClassifier((2,), batch_size=1024, random_state=0)
    for i in range(N_BLOCKS):
        net.partial_fit(zeros if i else block, np.arange(N_ROWS) % 2, classes=[0, 1])
    return directory, f"{net.t_} {abs(net.coefs_[0]).max()!s}\n"


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="needs an address space that can be limited")
@pytest.mark.parametrize("source", BLOCKS)
def test_data_larger_than_the_address_space_are_learned_block_by_block(source, data_on_disk):
    pytest.importorskip("dask.array")
    directory, expected = data_on_disk
    result = run_script(LIMITED.replace("BLOCK", BLOCKS[source]), directory)
    assert result.stdout == expected, result.stderr


@pytest.mark.parametrize("estimator", [L2NetClassifier, L2NetRegressor])
def test_incremental_of_dask_ml_trains_the_same_network(estimator):
    incremental = pytest.importorskip("dask_ml.wrappers").Incremental
    dask_array = pytest.importorskip("dask.array")
    X, y = classes(200)
    fit_params = {"classes": [0, 1, 2]} if estimator is L2NetClassifier else {}
    net = estimator((5,), random_state=0)
    other = incremental(clone(net), shuffle_blocks=False).fit(
        dask_array.from_array(X, chunks=(50, 4)), dask_array.from_array(y, chunks=50), **fit_params
    )
    for start in range(0, 200, 50):
        net.partial_fit(X[start : start + 50], y[start : start + 50], **fit_params)
    np.testing.assert_array_equal(flat(other.estimator_), flat(net))


# --- the page ---------------------------------------------------------------------------------------------------------


def blocks_of_page(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def run_script(script, directory):
    """Run code as from a prompt, where processes of a cluster need not import it."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-X", "utf8", "-W", "ignore", "-c", script]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, encoding="utf-8")


def test_the_code_for_data_beyond_memory_runs(tmp_path):
    pytest.importorskip("dask.array")
    result = run_script("".join(blocks_of_page("python")[2:]), tmp_path)
    assert result.stdout.split() == ["True", "True"], result.stderr


@pytest.mark.long
@pytest.mark.parametrize("which", [0, 1])
def test_the_code_for_a_cluster_runs(which, tmp_path):
    pytest.importorskip("dask.distributed")
    result = run_script(blocks_of_page("python")[which], tmp_path)
    assert result.stdout in blocks_of_page("text"), result.stderr
