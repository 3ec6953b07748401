"""How good are the default strengths of the L2 rules? Each rule at several strengths, on the tables of scikit-learn.

Every table is split several times (70 % training), inputs are standardised on the training part, and three networks are
trained with each strength by each solver. A cell is the mean score on the held-out parts of all tables (accuracy, and
R² for diabetes) and its standard error. `default_quality.py` compares the default rule with other models.

    python examples/benchmarks/default_strength.py    # 20 splits
"""

import argparse
import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.l2 import PENALTIES

TABLES = {
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "iris": load_iris,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
SOLVERS = {
    "lbfgs": {"solver": "lbfgs", "max_iter": 1000},
    "adam": {"solver": "adam", "learning_rate": "constant", "max_iter": 500},
    "sgd": {
        "solver": "sgd",
        "learning_rate": "constant",
        "learning_rate_init": 0.01,
        "batch_size": 32,
        "max_iter": 300,
    },
}
NETWORKS = [(16,), (100,), (32, 16)]
RULES = {
    "prior": [1.0, 5.0, 10.0],
    "penalty": [1e-4, 1e-3, 3e-3, 1e-2, 3e-2],
    "penalty_per_sample": [1e-4, 1e-2, 1.0],
    "decay_before": [1e-5, 1e-4, 1e-3, 3e-3, 1e-2],
    "decay_after": [1e-5, 1e-4, 1e-3, 3e-3, 1e-2],
    "decoupled": [1e-3, 1e-2, 1e-1, 1.0],
}


def score(table, solver, rule, split, hidden_layer_sizes):
    """Score on the held-out part of one split."""
    X, y = TABLES[table](return_X_y=True)
    is_regression = table == "diabetes"
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=0.7, random_state=split, stratify=None if is_regression else y
    )
    net = (L2NetRegressor if is_regression else L2NetClassifier)(
        hidden_layer_sizes, random_state=split, **SOLVERS[solver], **rule
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fits that are cut short at max_iter count as they are
        return make_pipeline(StandardScaler(), net).fit(X, y).score(X_test, y_test)


def cell(solver, rule, hidden_layer_sizes, n_splits, n_jobs):
    """Mean score over the tables, and its standard error."""
    tasks = [
        delayed(score)(table, solver, rule, split, hidden_layer_sizes) for table in TABLES for split in range(n_splits)
    ]
    means = np.reshape(Parallel(n_jobs)(tasks), (len(TABLES), n_splits)).mean(axis=0)
    return f"{means.mean():.3f} ± {means.std(ddof=1) / np.sqrt(n_splits):.3f}"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    print(f"| rule | alpha | solver | {' | '.join(map(str, NETWORKS))} |\n|{'---|' * (3 + len(NETWORKS))}")
    for mode, alphas in RULES.items():
        for solver in SOLVERS if mode in PENALTIES else ("adam", "sgd"):
            for alpha in alphas:
                rule = {"l2_mode": mode, "alpha": alpha}
                cells = [cell(solver, rule, network, arguments.splits, arguments.jobs) for network in NETWORKS]
                print(f"| {mode} | {alpha:g} | {solver} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
