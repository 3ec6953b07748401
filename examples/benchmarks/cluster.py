"""One fit on a Dask cluster: the time of an evaluation of all rows on worker processes, and in memory.

An evaluation is the loss and its gradient; L-BFGS takes about one for each iteration. The rows are normal, in float32,
in as many partitions as there are workers times `--partitions`. Each setting runs in processes of its own, one after
the other: the engine in memory with 1 and 2 threads, then clusters of 1 and 2 workers with one thread each. The linear
network is also fitted, beside `dask_ml.linear_model.LogisticRegression` if it is installed. Run it with

    python examples/benchmarks/cluster.py

It takes some minutes and 2 GB. "sent" is what an evaluation sends over the loopback device, which should have nothing
else to do then; "peak" is the largest resident size of the client, the scheduler included.
"""

import argparse
import multiprocessing
import resource
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from skl2net import L2NetClassifier
from skl2net.engines import default_engine
from skl2net.training import make_plan


def make_rows(first, last, n_features):
    """Rows of a range, and their labels."""
    X = np.random.default_rng(first).standard_normal((last - first, n_features), np.float32)
    return X, X[:, 0] * X[:, 1] + X[:, 2] > 0


def network(units, max_iter=10):
    return L2NetClassifier((units,) if units else (), "tanh", solver="lbfgs", max_iter=max_iter, tol=0, random_state=0)


def seconds(evaluate, n=10):
    """Times of evaluations, the first one left out."""
    times = []
    for _ in range(n + 1):
        start = time.perf_counter()
        evaluate()
        times.append(time.perf_counter() - start)
    return times[1:]


def evaluation(net, data, n_threads=None):
    """A function without arguments that computes the loss of all rows and its gradient."""
    plan = make_plan(net, data, n_threads=n_threads)
    parameters = plan.problem.network.initial_parameters(np.random.RandomState(0), data.X.dtype)
    return partial(plan.problem.session.loss_and_gradient, parameters)


def in_memory(options):
    X, y = make_rows(0, options.rows, options.features)
    net = network(options.units)
    data = net._training_data(X, y, None)
    for n_threads in (1, 2):
        report(f"in memory, {n_threads} thread(s)", seconds(evaluation(net, data, n_threads)))


def on_cluster(options, n_workers):
    import dask
    import dask.array as da
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", memory_limit=None) as cluster,
        Client(cluster) as client,
    ):
        bounds = np.linspace(0, options.rows, n_workers * options.partitions + 1).astype(int).tolist()
        X, y = [], []
        for first, last in pairwise(bounds):
            rows = dask.delayed(make_rows, nout=2)(first, last, options.features)
            X.append(da.from_delayed(rows[0], (last - first, options.features), np.float32))
            y.append(da.from_delayed(rows[1], (last - first,), bool))
        X, y = client.persist([da.concatenate(X), da.concatenate(y)])
        net = network(options.units)
        evaluate = evaluation(net, net._data(X, y, None))
        before = bytes_on_loopback()
        times = seconds(evaluate)
        sent = (bytes_on_loopback() - before) / len(times)
        report(f"{n_workers} worker(s)", times, sent)
        if options.units:
            return
        start = time.perf_counter()
        net = network(0, max_iter=100).fit(X, y)
        print(f"fit: {time.perf_counter() - start:.2f} s, {net.n_iter_} iterations, loss {net.data_loss_:.6f}")
        compare_dask_ml(X, y, net)


def compare_dask_ml(X, y, net):
    try:
        from dask_ml.linear_model import LogisticRegression
    except ImportError as error:
        print(f"dask-ml: {error}")
        return
    start = time.perf_counter()
    model = LogisticRegression(solver="lbfgs", penalty="l2", C=1 / 5, max_iter=100).fit(X, y)
    taken = time.perf_counter() - start
    margin = (X @ model.coef_ + model.intercept_) * (2 * y - 1)
    print(f"dask-ml: {taken:.2f} s, loss {np.log1p(np.exp(-margin)).mean().compute():.6f}")


def report(name, times, sent=None):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = f"{name:22} smallest {min(times):6.3f} s, median {np.median(times):6.3f} s"
    print(line if sent is None else f"{line}, sent {sent / 1e6:.2f} MB, peak {peak:.0f} MB", flush=True)


def bytes_on_loopback():
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--partitions", type=int, default=4, help="for each worker")
    options = parser.parse_args()
    print(f"{options.rows:,} x {options.features} in float32, {default_engine().name} engine")
    for options.units in (32, 0):
        print(f"{options.units} tanh units" if options.units else "linear")
        for run in (in_memory, partial(on_cluster, n_workers=1), partial(on_cluster, n_workers=2)):
            process = multiprocessing.get_context("spawn").Process(target=run, args=(options,))
            process.start()
            process.join()
