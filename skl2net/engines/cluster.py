"""The engine of a Dask cluster: losses and gradients of all rows, as sums over partitions that stay on the workers.

Each partition is evaluated by the worker that holds it, with the default engine there, and the parts are added in the
order of the partitions. So the bits of a result depend on the partitions alone: neither on the numbers of workers and
threads, nor on which worker answers first. All of it is one graph of pure functions for each evaluation: what a lost
worker held is computed again by the others.

This module imports Dask, and is itself imported when an estimator is fitted to a Dask collection.
"""

import threading
import time
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from operator import add

import dask
import numpy as np
from dask import delayed
from distributed import Client, Future

from skl2net.engines import default_engine
from skl2net.engines.base import Engine, Session

ADDED_AT_ONCE = 16  # parts of a sum, so that no worker receives those of all partitions


@dataclass(frozen=True)
class Partitions:
    """Rows on the workers of a cluster: the `X` of a `Task`, whose `Y` is None.

    Parameters
    ----------
    client : Client
    rows : list of Future
        ``(X, Y, sample_weight)`` of each partition, as the `Task` of another engine has them.
    n_samples : ndarray of float64, shape (n_partitions,)
        Number of samples in each, which is positive: of rows, or the sum of their weights. If there are weights, this
        is the `sample_weight` of the task.
    shape : (int, int)
        Number of rows in all partitions, and of features.
    dtype : dtype
    """

    client: Client
    rows: list[Future]
    n_samples: np.ndarray
    shape: tuple[int, int]
    dtype: np.dtype


class ClusterSession(Session):
    """See `Session`. It has neither outputs nor updates: mini-batches over a network would be another algorithm."""

    def losses(self, vectors):
        """See `Session.losses`."""
        return self._sum("losses", vectors, is_mean=True)

    def loss_and_gradient(self, parameters):
        """See `Session.loss_and_gradient`."""
        loss_and_gradient = self._sum("loss_and_gradient", parameters, is_mean=True)
        return float(loss_and_gradient[0]), loss_and_gradient[1:].astype(self.dtype)

    def jacobians(self, parameters, *, curved=False):
        """See `Session.jacobians`. Those of all rows come here, which are few if they are asked for."""
        return self._sum("jacobians", parameters, curved=curved)

    def gauss_newton(self, parameters):
        """See `Session.gauss_newton`."""
        return self._sum("gauss_newton", parameters)

    def squared_errors(self, parameters):
        """See `Session.squared_errors`."""
        return self._sum("squared_errors", parameters)

    def _sum(self, method, parameters, *, is_mean=False, **options):
        """The sum of what a method of the sessions of all partitions returns, or its mean over their samples."""
        self.task.raise_if_cancelled()
        X = self.task.X
        shares = (X.n_samples / X.n_samples.sum()).tolist() if is_mean else [1] * len(X.rows)
        part = delayed(partial(_part, task=self._task_of_workers, method=method, options=options), pure=False)
        parameters = delayed(parameters, pure=False)
        parts = [part(rows, share, parameters) for rows, share in zip(X.rows, shares, strict=True)]
        while len(parts) > 1:
            groups = [parts[i : i + ADDED_AT_ONCE] for i in range(0, len(parts), ADDED_AT_ONCE)]
            parts = [delayed(_added, pure=False)(group) for group in groups]
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):  # of the parameters
            total = X.client.compute(parts[0])
        return result(X.client, total, self.task.raise_if_cancelled)

    @cached_property
    def _task_of_workers(self):
        """The task without data. The partitions share the threads of the cluster."""
        n_threads = sum(self.task.X.client.nthreads().values()) // len(self.task.X.rows)
        return replace(self.task, X=None, sample_weight=None, is_cancelled=None, n_threads=max(1, n_threads))


class ClusterEngine(Engine):
    """See `Engine`. Tasks whose data are in memory here are opened by the default engine."""

    def open(self, task):
        """See `Engine.open`."""
        return super().open(task) if isinstance(task.X, Partitions) else default_engine().open(task)


engine = ClusterEngine("cluster", ClusterSession)


def result(client, future, raise_if_cancelled=lambda: None):
    """Wait for the result of a future.

    Parameters
    ----------
    client : Client
    future : Future
    raise_if_cancelled : callable, default=None
        Asked about twice a second.

    Raises
    ------
    TimeoutError
        If the cluster has had no workers for as long as the time-out of the client.
    """
    timeout, seen, is_done = client._timeout, time.monotonic(), threading.Event()
    future.add_done_callback(lambda _: is_done.set())
    while True:
        if is_done.wait(0.5):
            try:
                return future.result(timeout=timeout)
            except TimeoutError:  # its worker has been lost since
                if future.status == "error":
                    raise
        raise_if_cancelled()
        if client.nthreads():
            seen = time.monotonic()
        elif time.monotonic() - seen > timeout:
            raise TimeoutError(
                f"{client.scheduler.address} has had no workers for {timeout:g} s, the time-out of the client. Start "
                "workers, and fit again."
            )


def _part(rows, share, parameters, task, method, options):
    """The part of a partition in a sum: an array, or a list."""
    X, Y, sample_weight = rows
    with default_engine().open(replace(task, X=X, Y=Y, sample_weight=sample_weight)) as session:
        found = getattr(session, method)(parameters, **options)
        if isinstance(found, np.ndarray):
            return share * found
        if isinstance(found, tuple):  # loss and gradient
            return share * np.append(np.float64(found[0]), found[1])
        return list(found)


def _added(parts):
    return reduce(add, parts)
