"""A search over ten strengths and five folds: `L2NetClassifierCV` beside grid searches, in one run.

The same grid, folds, network (32 units), seed and score (accuracy) everywhere; `n_jobs=2`. scikit-learn's network has
the rule `penalty_per_sample` and a constant learning rate, so all have these; for L-BFGS the rule is the same as
`prior`. A figure is the median of several
rounds, in which the programs take turns; a ratio is the time of the other program divided by that of
`L2NetClassifierCV`, so that above 1 the latter is faster. The best scores are printed beside each other: the searches
do the same work.

    python examples/benchmarks/compare_searches.py                   # a quiet machine, some minutes
    python examples/benchmarks/compare_searches.py --contended 2     # beside two busy processes
"""

import argparse
import multiprocessing
import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, L2NetClassifierCV

ALPHAS = np.geomspace(1e-2, 1e2, 10)
SEARCHES = {
    "L2NetClassifierCV": lambda params, cv: L2NetClassifierCV(
        **params, l2_mode="penalty_per_sample", alphas=ALPHAS, cv=cv, scoring="accuracy", n_jobs=2
    ),
    "GridSearchCV(L2NetClassifier)": lambda params, cv: GridSearchCV(
        L2NetClassifier(**params, l2_mode="penalty_per_sample"), {"alpha": ALPHAS}, cv=cv, n_jobs=2
    ),
    "GridSearchCV(MLPClassifier)": lambda params, cv: GridSearchCV(
        MLPClassifier(**params), {"alpha": ALPHAS}, cv=cv, n_jobs=2
    ),
}


def keep_busy():
    """Compute until killed."""
    while True:
        sum(range(10**6))


def measure(X, y, solver, n_rounds):
    """Medians of the times and best scores of each search."""
    params = {"hidden_layer_sizes": (32,), "solver": solver, "learning_rate": "constant", "random_state": 0}
    params |= {"learning_rate_init": 0.001, "max_iter": 200}
    cv = StratifiedKFold(5)
    seconds, scores = {name: [] for name in SEARCHES}, {}
    for _ in range(n_rounds):
        for name, make in SEARCHES.items():
            start = time.perf_counter()
            scores[name] = make(params, cv).fit(X, y).best_score_
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}, scores


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contended", type=int, default=0, metavar="N", help="run N busy processes meanwhile")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    busy = [multiprocessing.Process(target=keep_busy, daemon=True) for _ in range(arguments.contended)]
    for process in busy:
        process.start()
    print(f"{arguments.contended} busy processes, medians of {arguments.rounds} rounds")
    print(f"| data | solver | {' | '.join(SEARCHES)} | ratios | best scores |\n|{'---|' * (4 + len(SEARCHES))}")
    for name, load in (("breast cancer", load_breast_cancer), ("digits", load_digits)):
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X)
        for solver in ("adam", "lbfgs"):
            seconds, scores = measure(X, y, solver, arguments.rounds)
            ours = seconds["L2NetClassifierCV"]
            times = " | ".join(f"{value:.2f} s" for value in seconds.values())
            ratios = ", ".join(f"{value / ours:.1f}x" for value in [*seconds.values()][1:])
            best = ", ".join(f"{score:.4f}" for score in scores.values())
            print(f"| {name} | {solver} | {times} | {ratios} | {best} |", flush=True)
    for process in busy:
        process.terminate()


if __name__ == "__main__":
    main()
