"""Dask arrays and data frames: a fit on a cluster is the fit in memory, predictions are lazy, and workers may die."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
from cases import classes, distance, flat, regression
from sklearn.base import clone

from skl2net import L2NetClassifier, L2NetRegressor

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

CLASSIFIER = L2NetClassifier((4,), "tanh", solver="lbfgs", max_iter=8, random_state=0)
REGRESSOR = L2NetRegressor((4,), "tanh", solver="lbfgs", max_iter=8, random_state=0)
SWARM = L2NetClassifier((4,), "tanh", solver="pso", max_iter=8, random_state=0)


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
    options = {"n_workers": 1, "threads_per_worker": 3, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster, timeout=2) as client:
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
