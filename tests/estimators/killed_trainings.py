"""Trainings that are killed at random moments and go on from their checkpoints; prints what came of them as JSON.

    python killed_trainings.py FOLDER N_KILLS

A script of its own, since it forks: nothing has started threads before.
"""

import json
import os
import pickle
import random
import select
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import skops.io

from skl2net import Checkpoint, L2NetClassifier, ParticleSwarm

EVERY = 3
TRUSTED = ["skl2net.estimators.classifier.L2NetClassifier"]
NETS = {
    "sgd.pkl": {"solver": "sgd", "learning_rate": "invscaling"},
    "adam.pkl": {"solver": "adam", "learning_rate": "constant"},
    "pso.skops": {"solver": ParticleSwarm(8, topology="random")},
    "adam.skops": {"solver": "adam", "learning_rate": "constant", "class_weight": "balanced"},
}


def load(path):
    """The network in a checkpoint."""
    return pickle.loads(path.read_bytes()) if path.suffix == ".pkl" else skops.io.load(path, trusted=TRUSTED)


class Progress:
    """Tells the parent process how long the curves are, after the checkpoint has heard of the iteration."""

    def __init__(self, pipe, n_before):
        self.pipe, self.n_done = pipe, n_before

    def setup(self, estimator, context):
        """Nothing."""

    def teardown(self, estimator, context):
        """Nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing."""

    def on_fit_task_end(self, estimator, context):
        """Write the number of iterations as four bytes."""
        if context.task_name == "iteration":
            self.n_done += 1
            os.write(self.pipe, self.n_done.to_bytes(4, "little"))


def killed_training(net, X, y, path, seconds):
    """Train in a process that is killed some time after its first iteration: number of iterations that are known of."""
    n_before = len(net.loss_curve_) if hasattr(net, "coefs_") else 0
    receiving, sending = os.pipe()
    process = os.fork()
    if not process:
        net.set_callbacks(Checkpoint(path, every=EVERY), Progress(sending, n_before)).fit(X, y)
        os._exit(1)
    os.close(sending)
    select.select([receiving], [], [], 60)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), "the training ended before it was killed"
    with open(receiving, "rb") as pipe:
        numbers = pipe.read()
    return int.from_bytes(numbers[len(numbers) // 4 * 4 - 4 :][:4], "little") if len(numbers) >= 4 else n_before


def main(folder, n_kills):
    """Kill and go on, `n_kills` times for each network; then compare with training that nobody has killed."""
    warnings.simplefilter("ignore")
    rng = random.Random(0)
    data = np.random.default_rng(0)
    X, y = data.normal(size=(40, 3)), np.arange(40) % 3
    outcomes = {}
    for name, params in NETS.items():
        path = Path(folder, name)
        settings = {"tol": 0, "n_iter_no_change": np.inf, "warm_start": True, "random_state": 0, **params}
        # what is imported when it is first used should not take the time of each training
        first = Checkpoint(path.with_name(f"first-{name}"))
        L2NetClassifier((4,), max_iter=1, **settings).set_callbacks(first).fit(X, y)
        lost, n_left_behind = [], 0
        longest = 0.03 if path.suffix == ".pkl" else 0.12  # seconds, in which a few files are written
        for _ in range(n_kills):
            net = load(path) if path.exists() else L2NetClassifier((4,), **settings)
            n_done = killed_training(net.set_params(max_iter=10**9), X, y, path, rng.uniform(0, longest))
            lost.append(n_done - (len(load(path).loss_curve_) if path.exists() else 0))
            left_behind = list(Path(folder).glob(f".{name}.*.tmp"))
            n_left_behind += len(left_behind)
            for each in left_behind:
                each.unlink()
        resumed = load(path).set_params(max_iter=5).fit(X, y)
        n = len(resumed.loss_curve_)
        whole = L2NetClassifier((4,), max_iter=n, **settings).fit(X, y)
        is_same = resumed.loss_curve_ == whole.loss_curve_ and all(
            np.array_equal(a, b)
            for a, b in zip((*resumed.coefs_, *resumed.intercepts_), (*whole.coefs_, *whole.intercepts_), strict=True)
        )
        outcomes[name] = {"lost": lost, "n_iterations": n, "n_left_behind": n_left_behind, "is_same": is_same}
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
