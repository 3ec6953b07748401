"""Dask arrays and data frames: a fit on a cluster is the fit in memory, predictions are lazy, and workers may die."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import scipy.sparse as sp
from cases import After, classes, distance, flat, regression
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, NodeSweepCV, ParticleSwarm

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("dask.distributed")

N_ROWS, CHUNKS = 200, (30, 0, 20, 50, 1, 49, 25, 25)
# labels and weights of which whole partitions have none
X, LABELS = classes(N_ROWS, seed=1)
LABELS[:30] = np.where(LABELS[:30] == 2, 0, LABELS[:30])
WEIGHT = np.random.default_rng(0).uniform(0, 2, N_ROWS)
WEIGHT[50:100] = 0
TARGETS = regression(N_ROWS, n_outputs=2)[1] * 1e3 + 1e6
INDICATORS = (X[:, :3] > 0.5).astype(int)
INDICATORS[100:150, 0] = 0
SPARSE = X * (X > 0.5)

CLASSIFIER = L2NetClassifier((4,), "tanh", solver="lbfgs", max_iter=3, random_state=0)
REGRESSOR = L2NetRegressor((4,), "tanh", solver="lbfgs", max_iter=3, random_state=0)
SWARM = L2NetClassifier((4,), "tanh", solver="pso", max_iter=3, random_state=0)


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes with one thread each."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def threads_here():
    """A cluster of one worker with three threads in this process, which starts at once."""
    options = {"n_workers": 1, "threads_per_worker": 3, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster, timeout=1) as client:
        yield client


def on_workers(array, chunks=CHUNKS):
    return da.from_array(array, chunks=(chunks, *array.shape[1:]))


def fit_both(net, *arrays, chunks=CHUNKS):
    """A fit to Dask arrays, and one to the same arrays in memory."""
    return clone(net).fit(*(on_workers(array, chunks) for array in arrays)), clone(net).fit(*arrays)


def assert_same_fit(distributed, local, atol=1e-9):
    assert distributed.n_iter_ == local.n_iter_
    np.testing.assert_allclose(distributed.loss_curve_, local.loss_curve_, rtol=atol, atol=atol)
    assert distance(flat(distributed), flat(local)) < atol
    assert vars(distributed).keys() == vars(local).keys()
    assert str(distributed.l2_report()) == str(local.l2_report())
    assert flat(distributed).dtype == flat(local).dtype


@pytest.mark.parametrize(
    ("net", "y", "weight"),
    [
        (CLASSIFIER, LABELS, None),
        (CLASSIFIER, LABELS.astype(str), WEIGHT),
        (clone(CLASSIFIER).set_params(class_weight="balanced"), LABELS, WEIGHT),
        (clone(CLASSIFIER).set_params(class_weight={0: 0.0, 1: 2.0}), LABELS, None),
        (CLASSIFIER, LABELS == 1, None),
        (CLASSIFIER, INDICATORS, WEIGHT),
        (clone(CLASSIFIER).set_params(class_weight=[{1: 3.0}, {0: 2.0}, {}]), INDICATORS, None),
        (SWARM, LABELS, WEIGHT),
        (REGRESSOR, TARGETS, None),
        (REGRESSOR, TARGETS, WEIGHT),
        (REGRESSOR, TARGETS[:, 0], None),
        (clone(REGRESSOR).set_params(normalize_y=False), TARGETS / 1e6, WEIGHT),
        (clone(REGRESSOR).set_params(loss="poisson"), LABELS, None),
        (clone(REGRESSOR).set_params(loss="huber"), TARGETS, WEIGHT),
    ],
)
@pytest.mark.usefixtures("client")
def test_a_fit_of_partitions_is_the_fit_in_memory(net, y, weight):
    assert_same_fit(*fit_both(net, X, y, *([] if weight is None else [weight])))


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("net", [CLASSIFIER, SWARM])
def test_float32_is_kept_and_csr_blocks_are_too(net):
    net, dense = clone(net), on_workers(SPARSE)
    in_memory = net.fit(SPARSE.astype(np.float32), LABELS)
    assert_same_fit(clone(net).fit(dense.astype(np.float32), on_workers(LABELS)), in_memory, atol=1e-4)
    in_memory = clone(net).fit(sp.csr_array(SPARSE), LABELS)
    assert_same_fit(clone(net).fit(dense.map_blocks(sp.csr_array), on_workers(LABELS)), in_memory)


def test_bits_do_not_depend_on_workers_and_threads(client, threads_here):
    fits = []
    for workers in (client, threads_here):
        with workers.as_current():
            fits.append(clone(CLASSIFIER).fit(on_workers(X), on_workers(LABELS), on_workers(WEIGHT)))
    np.testing.assert_array_equal(flat(fits[0]), flat(fits[1]))
    assert fits[0].loss_curve_ == fits[1].loss_curve_


@pytest.mark.usefixtures("threads_here")
def test_a_warm_start_continues():
    def twice(*arrays):
        return clone(REGRESSOR).set_params(warm_start=True, max_iter=3).fit(*arrays).set_params(max_iter=2).fit(*arrays)

    assert_same_fit(twice(on_workers(X), on_workers(TARGETS)), twice(X, TARGETS))


@pytest.mark.usefixtures("threads_here")
def test_each_block_is_computed_once(tmp_path):
    def read(block, block_info):
        (tmp_path / f"{block_info[0]['chunk-location'][0]}-{time.perf_counter_ns()}").touch()
        return block

    clone(CLASSIFIER).fit(on_workers(X).map_blocks(read, dtype=X.dtype), on_workers(LABELS))
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == [*"01234567"]


@pytest.mark.usefixtures("threads_here")
@pytest.mark.parametrize("hidden", [(), (20,)])  # fewer and more parameters than samples
def test_the_posterior_is_that_in_memory(hidden):
    net = clone(REGRESSOR).set_params(hidden_layer_sizes=hidden, posterior=True)
    distributed, local = fit_both(net, X[:60], TARGETS[:60], chunks=(30, 0, 20, 10))
    assert_same_fit(distributed, local)
    for there, here in zip(distributed.predict(on_workers(X), return_std=True), local.predict(X, True), strict=True):
        assert isinstance(there, da.Array)
        np.testing.assert_allclose(there, here, rtol=1e-7)


# --- predictions and scores -------------------------------------------------------------------------------------------


def never(block):
    raise AssertionError("computed")


@pytest.mark.parametrize("y", [LABELS.astype(str), LABELS == 1, INDICATORS], ids=["three", "two", "labels"])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
def test_predictions_are_lazy_and_those_in_memory(method, y):
    net = clone(CLASSIFIER).fit(X, y)
    lazy, expected = getattr(net, method)(on_workers(X)), getattr(net, method)(X)
    assert (lazy.dtype, lazy.shape, lazy.chunks[0]) == (expected.dtype, expected.shape, CHUNKS)
    assert type(lazy._meta) is type(expected)
    computed = lazy.compute(scheduler="synchronous")
    assert computed.dtype == expected.dtype
    if method == "predict":
        np.testing.assert_array_equal(computed, expected)
    else:
        np.testing.assert_allclose(computed, expected, rtol=1e-12)
    getattr(net, method)(on_workers(X).map_blocks(never, dtype=X.dtype))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(
    ("net", "y"),
    [(CLASSIFIER, LABELS), (CLASSIFIER, INDICATORS), (REGRESSOR, TARGETS), (REGRESSOR, np.ones(N_ROWS))],
    ids=["classes", "labels", "regression", "constant"],
)
def test_the_score_is_that_in_memory(net, y, weight):
    net = clone(net).fit(X, y)
    score = net.score(on_workers(X), on_workers(y), None if weight is None else on_workers(weight))
    assert type(score) is float
    assert score == pytest.approx(net.score(X, y, weight), rel=1e-9)


def test_blocks_of_unknown_lengths_are_fitted_and_predicted(threads_here):
    known = [on_workers(array) for array in (X, LABELS)]
    unknown = [array[on_workers(LABELS) < 2] for array in known]
    assert np.isnan(unknown[0].shape[0])
    kept = LABELS < 2
    local = clone(CLASSIFIER).fit(X[kept], LABELS[kept])
    assert_same_fit(clone(CLASSIFIER).fit(*unknown), local)
    np.testing.assert_array_equal(local.predict(unknown[0]), local.predict(X[kept]))
    assert local.score(*unknown) == pytest.approx(local.score(X[kept], LABELS[kept]))
    with pytest.raises(ValueError, match="Call compute_chunk_sizes"):
        clone(CLASSIFIER).fit(unknown[0], known[1].rechunk(50))


@pytest.mark.usefixtures("threads_here")
def test_other_blocks_are_rechunked():
    local = clone(REGRESSOR).fit(X, TARGETS)
    by_columns = da.from_array(X, chunks=(CHUNKS, 2))
    with pytest.warns(UserWarning, match="The blocks of `y` have other rows"):
        assert_same_fit(clone(REGRESSOR).fit(by_columns, da.from_array(TARGETS, chunks=(40, 1))), local)
    assert_same_fit(clone(REGRESSOR).fit(by_columns, TARGETS), local)
    np.testing.assert_allclose(local.predict(by_columns), local.predict(X), rtol=1e-12)


def test_data_frames_keep_the_names_of_their_columns(threads_here):
    pandas, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = pandas.DataFrame(X, columns=[*"abcd"])
    dask_frame = dd.from_pandas(frame, npartitions=4)
    labels = pandas.Series(LABELS, name="y").map({0: "no", 1: "perhaps", 2: "yes"})
    net, local = clone(CLASSIFIER).fit(dask_frame, dd.from_pandas(labels, npartitions=4)), clone(CLASSIFIER)
    assert_same_fit(net, local.fit(frame, labels))
    assert net.feature_names_in_.tolist() == [*"abcd"]
    np.testing.assert_array_equal(net.predict(dask_frame), local.predict(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(dask_frame.rename(columns={"a": "e"}))


# --- validation -------------------------------------------------------------------------------------------------------


def with_entry(array, at, value):
    array = array.astype(np.float64)
    array[at] = value
    return array


@pytest.mark.usefixtures("threads_here")
@pytest.mark.parametrize(
    ("options", "arrays", "message"),
    [
        ({"solver": "adam"}, (X, LABELS), "Set solver='lbfgs'.*or call partial_fit with one block"),
        ({"solver": "sgd"}, (X, LABELS), "mini-batches are drawn from all rows"),
        ({"solver": ParticleSwarm(objective="accuracy")}, (X, LABELS), "stay on the workers.*objective=None"),
        ({"solver": "pso", "early_stopping": True}, (X, LABELS), "Pass X_val and y_val"),
        ({}, (with_entry(X, (110, 2), np.nan), LABELS), "Input X contains NaN"),
        ({}, (with_entry(X, 199, np.inf), LABELS), "Input X contains infinity"),
        ({}, (X, with_entry(LABELS, 110, np.nan)), "Input y contains NaN"),
        ({}, (X, LABELS + 0.5), "Unknown label type"),
        ({}, (X, LABELS, WEIGHT - 1.5), "Negative values in data passed to `sample_weight`"),
        ({}, (X, LABELS, np.zeros(N_ROWS)), "at least one non-zero"),
        ({"class_weight": dict.fromkeys(range(3), 0.0)}, (X, LABELS), "gives all samples a weight of zero"),
        ({"class_weight": {0: -1.0}}, (X, LABELS), "class_weight gives the class 0 the weight -1"),
        ({}, (np.full((N_ROWS, 4), "a"), LABELS), "could not convert string to float"),
        ({"alpha": 1e300, "l2_mode": "penalty"}, (X, LABELS), "Training diverged"),
    ],
)
def test_what_cannot_be_fitted_is_refused_and_nothing_changes(options, arrays, message):
    net = clone(CLASSIFIER).fit(X, LABELS == 1).set_params(**options)
    before = vars(net).copy()
    with pytest.raises(ValueError, match=message):
        net.fit(*map(on_workers, arrays))
    assert vars(net).keys() == before.keys()
    assert all(vars(net)[name] is before[name] for name in before)


@pytest.mark.usefixtures("threads_here")
def test_shapes_and_types_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[200, 199\]"):
        clone(CLASSIFIER).fit(on_workers(X), on_workers(LABELS)[:-1])
    with pytest.raises(ValueError, match="0 sample"):
        clone(CLASSIFIER).fit(on_workers(X)[:0], on_workers(LABELS)[:0])
    with pytest.raises(TypeError, match="must be a Dask array or data frame, got Delayed"):
        clone(CLASSIFIER).fit(dask.delayed(X), on_workers(LABELS))


@pytest.mark.usefixtures("threads_here")
def test_a_grid_search_takes_dask_arrays_and_our_searches_do_not():
    net = clone(CLASSIFIER).set_params(max_iter=2)
    grid, local = (GridSearchCV(net, {"alpha": [1.0, 10.0]}, cv=2, refit=False) for _ in range(2))
    scores = grid.fit(on_workers(X), on_workers(LABELS)).cv_results_["mean_test_score"]
    np.testing.assert_allclose(scores, local.fit(X, LABELS).cv_results_["mean_test_score"])
    for search in (L2NetClassifierCV(), NodeSweepCV(net)):
        with pytest.raises(ValueError, match="searches of skl2net take data in memory"):
            search.fit(on_workers(X), on_workers(LABELS))


def test_without_a_client_it_is_said_how_to_start_one():
    with pytest.raises(ValueError, match=r"client = dask.distributed.Client\(\), or pass X.compute\(\)"):
        clone(CLASSIFIER).fit(on_workers(X), on_workers(LABELS))


@pytest.mark.usefixtures("threads_here")
def test_a_validation_set_may_be_in_memory_or_on_the_workers():
    net = clone(SWARM).set_params(early_stopping=True, class_weight="balanced")
    validation = {"X_val": X[:80] + 0.1, "y_val": LABELS[:80], "sample_weight_val": WEIGHT[:80]}
    arrays = [on_workers(array) for array in (X, LABELS)]
    local = clone(net).fit(X, LABELS, **validation)
    assert_same_fit(clone(net).fit(*arrays, **validation), local)
    there = {name: da.from_array(array, chunks=30) for name, array in validation.items()}
    distributed = clone(net).fit(*arrays, **there)
    assert_same_fit(distributed, local)
    np.testing.assert_allclose(distributed.validation_loss_curve_, local.validation_loss_curve_, rtol=1e-9)
    with pytest.raises(ValueError, match=r"scoring=None for the loss, or pass X_val.compute\(\)"):
        clone(net).set_params(scoring="score").fit(*arrays, **there)
    with pytest.raises(ValueError, match="X_val is a Dask collection, and X is not"):
        clone(net).fit(X, LABELS, **there)


def test_dask_is_not_imported_for_other_data():
    script = "import sys, numpy, skl2net\nskl2net.L2NetRegressor(solver='lbfgs', max_iter=2).fit([[0], [1]], [0, 1])"
    script += ".score([[0], [1]], [0, 1])\nassert 'dask' not in sys.modules and 'distributed' not in sys.modules"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def undisturbed(net, data):
    """What a fit ends with that nothing happens to."""
    return flat(clone(net).fit(*data)).tobytes()


def wait_for_two_workers(cluster, client):
    """Wait, and start one in the place of a worker that was killed in its first moments, which Dask may not restart."""
    try:
        client.wait_for_workers(2, timeout=30)
    except TimeoutError:
        cluster.scale(len(cluster.worker_spec) + 1)
        client.wait_for_workers(2, timeout=120)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
@pytest.mark.parametrize("n_kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_a_killed_worker_costs_its_partitions_and_the_bits_are_the_same(cluster, client, n_kills):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    random, n_before = np.random.default_rng(n_kills), 0
    data = on_workers(X), on_workers(LABELS), on_workers(WEIGHT)
    net = clone(CLASSIFIER).set_params(max_iter=6, tol=0)
    expected = undisturbed(net, data)

    def kill(n):
        nonlocal n_before
        if n in (2, 4) and n_before < n_kills:
            wait_for_two_workers(cluster, client)
            pid = random.choice([*client.run(os.getpid).values()])
            threading.Timer(random.uniform(0, 0.2), os.kill, (pid, signal.SIGKILL)).start()
            n_before += 1

    while n_before < n_kills:
        assert flat(clone(net).set_callbacks(After(kill)).fit(*data)).tobytes() == expected
    wait_for_two_workers(cluster, client)


def test_a_worker_that_comes_late_takes_over(threads_here):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    data, cluster = (on_workers(X), on_workers(TARGETS)), threads_here.cluster
    net, first = clone(REGRESSOR).set_params(max_iter=5), next(iter(cluster.workers.values()))
    expected = undisturbed(net, data)

    def change_workers(n):
        if n == 2:
            cluster.scale(2)
            threads_here.wait_for_workers(2)
        elif n == 3:
            cluster.sync(first.close, nanny=False)

    assert flat(net.set_callbacks(After(change_workers)).fit(*data)).tobytes() == expected
    assert first.address not in threads_here.nthreads()


def test_without_workers_a_fit_ends_after_the_time_out_of_the_client(threads_here):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    worker = next(iter(threads_here.cluster.workers.values()))
    net = clone(CLASSIFIER).set_params(max_iter=9).fit(X, LABELS)
    before = vars(net).copy()
    net.set_callbacks(After(lambda n: n == 3 and threads_here.cluster.sync(worker.close, nanny=False) is True))
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="has had no workers for 1 s"):
        net.fit(on_workers(X), on_workers(LABELS))
    assert time.monotonic() - start < 20
    assert all(vars(net)[name] is before[name] for name in before)


def test_ctrl_c_keeps_the_last_finished_iteration(threads_here):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    data, net = (on_workers(X), on_workers(LABELS)), clone(CLASSIFIER).set_params(max_iter=500, tol=0)

    def interrupt(n):
        if n == 3:
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()

    interrupted = clone(net).set_callbacks(After(interrupt))
    with pytest.warns(UserWarning, match="interrupted by user"):
        interrupted.fit(*data)
    assert 3 <= interrupted.n_iter_ < 500
    finished = clone(net).set_params(max_iter=interrupted.n_iter_).fit(*data)
    np.testing.assert_array_equal(flat(interrupted), flat(finished))


@pytest.mark.long
@pytest.mark.parametrize(("limits", "n_rows"), [(("800MB", "400MB"), 50_000), (("400MB",), 1_500_000)])
def test_the_memory_of_workers_may_differ_and_may_not_suffice(limits, n_rows):
    def block(block_info):
        (first, last), _ = block_info[None]["array-location"]
        return np.ones((last - first, 50)) * np.arange(last - first)[:, np.newaxis] % 7

    workers = {
        name: {"cls": distributed.Nanny, "options": {"nthreads": 1, "memory_limit": limit, "dashboard": False}}
        for name, limit in enumerate(limits)
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard": False, "dashboard_address": ":0"}}
    array, net = da.map_blocks(block, chunks=((n_rows,) * 4, 50), dtype=np.float64), clone(CLASSIFIER)
    with distributed.SpecCluster(workers=workers, scheduler=scheduler) as cluster, distributed.Client(cluster):
        if len(limits) == 2:
            X = array.compute(scheduler="threads")
            assert_same_fit(net.fit(array, array[:, 0] > 3), clone(net).fit(X, X[:, 0] > 3))
        else:
            with pytest.raises(distributed.scheduler.KilledWorker):
                net.fit(array, array[:, 0] > 3)
            assert not hasattr(net, "coefs_")


CLIENT = """
import resource, sys
import dask.array as da, numpy as np
from dask.distributed import Client
from skl2net import L2NetClassifier

def block(block_info):
    (first, last), _ = block_info[None]["array-location"]
    return np.random.default_rng(first).random((1, 50), np.float32) + np.arange(last - first)[:, None] % np.float32(7)

def fit(n_rows):
    X = da.map_blocks(block, chunks=((n_rows,) * 6, 50), dtype=np.float32)
    return L2NetClassifier((), solver="lbfgs", max_iter=3).fit(X, X[:, 0] > 3), X

if __name__ == "__main__":
    client = Client(sys.argv[1])
    fit(10)
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 80_000_000, resource.RLIM_INFINITY))
    net, X = fit(120_000)
    try:
        np.empty(X.shape, X.dtype)  # 144 MB
    except MemoryError:
        print(net.loss_ < net.loss_curve_[0], net.score(X, X[:, 0] > 3) > 0)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="needs an address space that can be limited")
def test_the_client_has_no_room_for_the_data(cluster):
    command = [sys.executable, "-W", "ignore", "-c", CLIENT, cluster.scheduler_address]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout == "True True\n", result.stderr
