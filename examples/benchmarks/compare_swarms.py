"""The speed of a swarm: skl2net, pyswarms and turboswarm train the same network, in one run.

All minimise the mean log loss plus 0.0025 times the sum of squared weights of a tanh network, with equal numbers of
particles and iterations. The peers are given the loss as their users write it, in NumPy: once for the whole
swarm ("vectorised"), and for pyswarms also particle by particle ("loop"). The times are the smallest of several
repetitions. Training a swarm takes whole fits here, validation of the input included. Run it with

    python examples/benchmarks/compare_swarms.py

pyswarms and turboswarm are skipped where they are not installed.
"""

import argparse
import importlib.util
import logging
import time
import warnings

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, ParticleSwarm
from skl2net.engines import default_engine

ALPHA = 0.005


class Loss:
    """Mean log loss plus penalty of a network with one hidden layer of tanh units, in NumPy."""

    def __init__(self, X, y, n_hidden):
        self.X, self.rows, self.y = X, np.arange(len(y)), y
        self.sizes = X.shape[1], n_hidden, y.max() + 1
        n_inputs, _, n_outputs = self.sizes
        self.n_weights = n_inputs * n_hidden + n_hidden * n_outputs
        self.n_parameters = self.n_weights + n_hidden + n_outputs

    def swarm(self, P):
        """Losses of all particles at once."""
        P = np.asarray(P, dtype=self.X.dtype)
        n_inputs, n_hidden, n_outputs = self.sizes
        W1, W2, b1, b2 = np.split(P, np.cumsum([n_inputs * n_hidden, n_hidden * n_outputs, n_hidden]), axis=1)
        H = np.tanh(self.X @ W1.reshape(-1, n_inputs, n_hidden) + b1[:, None, :])
        Z = H @ W2.reshape(-1, n_hidden, n_outputs) + b2[:, None, :]
        Z -= Z.max(axis=2, keepdims=True)
        log_loss = np.log(np.exp(Z).sum(axis=2)) - Z[:, self.rows, self.y]
        weights = P[:, : self.n_weights]
        return log_loss.mean(axis=1) + 0.5 * ALPHA * (weights * weights).sum(axis=1)

    def loop(self, P):
        """Losses of all particles, one after the other."""
        return np.array([self.swarm(p[np.newaxis])[0] for p in P])


def skl2net(loss, n_particles, n_iter, seed):
    """A whole fit, and the smallest loss."""
    swarm = ParticleSwarm(n_particles, patience=np.inf)
    params = {"l2_mode": "penalty", "alpha": ALPHA, "max_iter": n_iter, "tol": 0, "random_state": seed}
    net = L2NetClassifier((loss.sizes[1],), "tanh", solver=swarm, **params)
    return net.fit(loss.X, loss.y).loss_


def pyswarms(objective, n_parameters, n_particles, n_iter, seed):
    """GlobalBestPSO with the constriction values, positions uniform in [-1, 1]."""
    from pyswarms.single import GlobalBestPSO

    np.random.seed(seed)
    optimiser = GlobalBestPSO(
        n_particles,
        n_parameters,
        {"c1": 1.49618, "c2": 1.49618, "w": 0.7298},
        init_pos=np.random.uniform(-1, 1, (n_particles, n_parameters)),
    )
    return float(optimiser.optimize(objective, n_iter, verbose=False)[0])


def turboswarm(objective, n_parameters, n_particles, n_iter, seed):
    """Ring topology, bounds of 10."""
    from turboswarm import minimize

    bounds = [(-10, 10)] * n_parameters
    return minimize(
        objective,
        bounds=bounds,
        n_particles=n_particles,
        max_iter=n_iter,
        topology="ring",
        seed=seed,
        vectorized=True,
        record_history=False,
    ).best_value


def best_time(run, repeat):
    """The smallest time in seconds of `repeat` runs, and the result of the last."""
    times = []
    for seed in range(repeat):
        start = time.perf_counter()
        result = run(seed)
        times.append(time.perf_counter() - start)
    return min(times), result


def main(quick=False):
    """Print one table per workload."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", ConvergenceWarning)
    peers = [name for name in ("pyswarms", "turboswarm") if importlib.util.find_spec(name)]
    print(f"engine: {default_engine().name}; peers found: {', '.join(peers) or 'none'}")
    for load, n_hidden, n_particles, n_iter, repeat in (
        (load_iris, 6, 30, 50 if quick else 1000, 1 if quick else 5),
        (load_digits, 16, 100, 3 if quick else 50, 1 if quick else 2),
    ):
        X, y = load(return_X_y=True)
        loss = Loss(StandardScaler().fit_transform(X).astype(np.float32), y, n_hidden)
        size = (n_particles, n_iter)
        runs = {"skl2net": lambda seed, loss=loss, size=size: skl2net(loss, *size, seed)}
        if "pyswarms" in peers:
            for way, objective in (("vectorised", loss.swarm), ("loop", loss.loop)):
                runs[f"pyswarms, {way}"] = lambda seed, f=objective, d=loss.n_parameters, size=size: pyswarms(
                    f, d, *size, seed
                )
        if "turboswarm" in peers:
            runs["turboswarm, vectorised"] = lambda seed, loss=loss, size=size: turboswarm(
                loss.swarm, loss.n_parameters, *size, seed
            )
        layers = "-".join(map(str, loss.sizes))
        print(f"\n{load.__name__[5:]} {layers}, {n_particles} particles x {n_iter} iterations, float32")
        print(f"{'':<24}{'seconds':>9}{'us/iter':>9}{'ratio':>8}{'loss':>9}")
        own = None
        for name, run in runs.items():
            seconds, value = best_time(run, 1 if "loop" in name else repeat)
            own = own or seconds
            print(f"{name:<24}{seconds:>9.3f}{seconds / n_iter * 1e6:>9.1f}{seconds / own:>8.1f}{value:>9.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few iterations only, to see that it runs")
    main(**vars(parser.parse_args()))
