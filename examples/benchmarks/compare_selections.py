"""Which alpha should a search choose? Held-out scores of the default and of the searches, and the time they take.

Every table is split 20 times (70 % training); inputs and regression targets are standardised on the training part; a
network of 16 tanh units is trained by L-BFGS with the default strength, and with those that `L2NetClassifierCV` or
`L2NetRegressorCV` choose from their default grid: by the best score, by one standard error, and for classes by the log
loss. A cell is the mean on the held-out part and its standard error: accuracy (R² for diabetes), and for classes the
log loss. Times are medians of a single search or fit with `n_jobs=1`.

    python examples/benchmarks/compare_selections.py    # some minutes on 2 cores
"""

import argparse
import time
import warnings

import numpy as np
from default_strength import TABLES, cell
from joblib import Parallel, delayed
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, L2NetRegressorCV

NETWORK = {"hidden_layer_sizes": (16,), "activation": "tanh", "solver": "lbfgs", "max_iter": 300}
CHOICES = ("default", "best", "one_standard_error", "neg_log_loss")


def split_table(table, split):
    """Standardised training and test parts."""
    X, y = TABLES[table](return_X_y=True)
    is_regression = table == "diabetes"
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=0.7, random_state=split, stratify=None if is_regression else y
    )
    scaler = StandardScaler().fit(X)
    if is_regression:
        of_targets = StandardScaler().fit(y[:, np.newaxis])
        y, y_test = (of_targets.transform(values[:, np.newaxis]).ravel() for values in (y, y_test))
    return scaler.transform(X), scaler.transform(X_test), y, y_test


def measure(table, choice, split):
    """Score, log loss and seconds of one choice on one split; NaN if it does not apply."""
    is_regression = table == "diabetes"
    if is_regression and choice == "neg_log_loss":
        return np.nan, np.nan, np.nan
    X, X_test, y, y_test = split_table(table, split)
    params = {**NETWORK, "random_state": split}
    if choice == "default":
        net = (L2NetRegressor if is_regression else L2NetClassifier)(**params)
    else:
        search = L2NetRegressorCV if is_regression else L2NetClassifierCV
        how = {"scoring": choice} if choice == "neg_log_loss" else {"selection": choice}
        net = search(**params, **how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fits that are cut short at max_iter count as they are
        start = time.perf_counter()
        net.fit(X, y)
        seconds = time.perf_counter() - start
    if is_regression:
        return net.score(X_test, y_test), np.nan, seconds
    predicted = net.classes_[net.predict_proba(X_test).argmax(axis=1)]
    return np.mean(predicted == y_test), log_loss(y_test, net.predict_proba(X_test)), seconds


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    print(f"| table | | {' | '.join(CHOICES)} |\n|{'---|' * (2 + len(CHOICES))}")
    for table in TABLES:
        tasks = [delayed(measure)(table, choice, split) for choice in CHOICES for split in range(arguments.splits)]
        found = np.reshape(Parallel(arguments.jobs)(tasks), (len(CHOICES), arguments.splits, 3))
        rows = ["R²" if table == "diabetes" else "accuracy", "log loss"]
        for k, row in enumerate(rows[: 1 if table == "diabetes" else 2]):
            print(f"| {table} | {row} | {' | '.join(cell(values) for values in found[..., k])} |")
        seconds = " | ".join("–" if np.isnan(t).any() else f"{np.median(t):.2f} s" for t in found[..., 2])
        print(f"| {table} | time | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
