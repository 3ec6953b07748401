"""How long does the default take to become as good as its peers? On a folder of tables, as in `default_quality.py`.

A peer is trained at its defaults, and its loss on held-out rows is the goal. skl2net's default is trained with these
rows as validation data, which gives the epoch after which it first is as good. The time to get there is that share of
a fit without validation. The ratio is the peer's time over it. The peers are scikit-learn's `MLPClassifier` and
`MLPRegressor`, and our default written in PyTorch, eager: Adam, cosine schedule, weight decay, 60 epochs.
It reaches the same losses after the same epochs, so that this ratio is nearly that of the fits. Each library uses one
thread.

    python examples/benchmarks/time_to_quality.py DIR --splits 3
"""

import argparse
import importlib.util
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from default_quality import encoded, load, measure, parts_of_split
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from skl2net import L2NetClassifier, L2NetRegressor

EPOCHS, RATE, ALPHA, UNITS = 60, 0.01, 5.0, 100  # of our default


class _TorchNet(BaseEstimator):
    """Our default, as users of PyTorch write it."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, X, y):
        """Train for 60 epochs."""
        import torch
        from torch import nn

        torch.manual_seed(self.random_state)
        n, batch_size = len(X), min(200, len(X))
        X = torch.tensor(X, dtype=torch.float64)
        is_regression = isinstance(self, RegressorMixin)
        y = torch.tensor(y, dtype=torch.float64 if is_regression else torch.int64)
        n_outputs = 1 if is_regression else int(y.max()) + 1
        self.module = nn.Sequential(nn.Linear(X.shape[1], UNITS), nn.ReLU(), nn.Linear(UNITS, n_outputs)).double()
        parameters = list(self.module.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": ALPHA / n},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.Adam(groups, lr=RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS * -(-n // batch_size))
        loss = nn.CrossEntropyLoss() if not is_regression else lambda out, y: 0.5 * ((out[:, 0] - y) ** 2).mean()
        for _ in range(EPOCHS):
            order = torch.randperm(n)
            for start in range(0, n, batch_size):
                rows = order[start : start + batch_size]
                optimiser.zero_grad()
                loss(self.module(X[rows]), y[rows]).backward()
                optimiser.step()
                schedule.step()
        return self

    def _outputs(self, X):
        import torch

        with torch.no_grad():
            return self.module(torch.tensor(X, dtype=torch.float64))


class TorchClassifier(ClassifierMixin, _TorchNet):
    """Classifier."""

    def predict_proba(self, X):
        """Probabilities of the classes."""
        return self._outputs(X).softmax(dim=1).numpy()


class TorchRegressor(RegressorMixin, _TorchNet):
    """Regressor."""

    def predict(self, X):
        """Targets."""
        return self._outputs(X)[:, 0].numpy()


PEERS = {"scikit-learn": (MLPClassifier, MLPRegressor), "PyTorch": (TorchClassifier, TorchRegressor)}


def compare(X, y, is_regression, split, peers):
    """For each peer, seconds and loss of its fit, and of ours the seconds until it is as good; nan if it never is."""
    X, X_test, y, y_test = encoded(*parts_of_split(X, y, is_regression, split))
    estimator = L2NetRegressor if is_regression else L2NetClassifier
    watched = estimator(early_stopping=True, random_state=split).fit(X, y, X_val=X_test, y_val=y_test)
    losses = np.array(watched.validation_loss_curve_) * (2 if is_regression else 1)  # ours has a factor ½
    seconds = median(measure(estimator(random_state=split), X, X_test, y, y_test)[2] for _ in range(3))
    for name in peers:
        model = PEERS[name][is_regression](random_state=split)
        _, goal, peer_seconds = measure(model, X, X_test, y, y_test)
        reached = np.flatnonzero(losses <= goal)
        share = (reached[0] + 1) / len(losses) if len(reached) else np.nan
        yield name, goal, losses[-1], peer_seconds, seconds * share


def main(folder, n_splits, names):
    """Measure and print."""
    index = pd.read_csv(folder / "index.csv", keep_default_na=False)
    index = index[index["table"].isin(names)] if names else index
    peers = [name for name in PEERS if name == "scikit-learn" or importlib.util.find_spec("torch")]
    rows = []
    for task in index.itertuples():
        X, y = load(folder, task)
        for split in range(n_splits):
            for result in compare(X, y, task.kind == "regression", split, peers):
                rows.append((task.table, *result))
    results = pd.DataFrame(rows, columns=["table", "peer", "goal", "loss", "peer_seconds", "seconds"])
    means = results.assign(ratio=results["peer_seconds"] / results["seconds"]).groupby(["peer", "table"])["ratio"]
    ratios = means.median()  # of the splits that reach the goal
    print("| peer | median ratio | quartiles | tables that reach it | all splits that do |\n|---|---|---|---|---|")
    for name in peers:
        low, middle, high = np.nanquantile(ratios[name], [0.25, 0.5, 0.75])
        reached = results[results["peer"] == name]["seconds"].notna()
        tables = f"{ratios[name].notna().sum()} of {len(ratios[name])}"
        print(f"| {name} | {middle:.3g}× | {low:.3g}×, {high:.3g}× | {tables} | {reached.mean():.0%} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--tables", nargs="+", metavar="NAME")
    arguments = parser.parse_args()
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        main(arguments.folder, arguments.splits, arguments.tables)
