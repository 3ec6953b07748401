"""How good is the default strength of the L2 rule? Held-out scores on the tables that scikit-learn bundles.

Every table is split 20 times (70 % training), inputs and regression targets are standardised on the training part, and
the same network is trained with the default of skl2net (`l2_mode="prior"`, `alpha=1`), with the default of its first
release (`"penalty"`, 1e-4), and by scikit-learn's multi-layer perceptron at its own default. A cell is the mean score
on the held-out part (accuracy, or R² for diabetes) and its standard error; the last column is the mean of the paired
differences between the first two settings, marked where it is larger than two of its standard errors.

    python examples/benchmarks/default_strength.py            # 20 splits, some minutes on 2 cores
    python examples/benchmarks/default_strength.py --rules    # each rule at several strengths, for its own default
"""

import argparse
import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, L2NetRegressor

TABLES = {
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "iris": load_iris,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
SOLVERS = {
    "lbfgs": {"solver": "lbfgs", "max_iter": 1000},
    "adam": {"solver": "adam", "max_iter": 500},
    "pso": {"solver": "pso", "max_iter": 300},
}
SETTINGS = {
    "prior, 1": {"l2_mode": "prior", "alpha": 1.0},
    "penalty, 1e-4": {"l2_mode": "penalty", "alpha": 1e-4},
    "scikit-learn": None,
}
RULES = {
    "prior": [0.3, 1.0, 3.0],
    "penalty": [1e-4, 1e-3, 3e-3, 1e-2, 3e-2],
    "penalty_per_sample": [1e-4, 1e-2, 1.0],
    "decay_before": [1e-5, 1e-4, 1e-3, 3e-3, 1e-2],
    "decay_after": [1e-5, 1e-4, 1e-3, 3e-3, 1e-2],
    "decoupled": [1e-3, 1e-2, 1e-1, 1.0],
}


def score(table, solver, setting, split, hidden_layer_sizes):
    """Score on the held-out part of one split; None if scikit-learn has no such solver."""
    X, y = TABLES[table](return_X_y=True)
    is_regression = table == "diabetes"
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=0.7, random_state=split, stratify=None if is_regression else y
    )
    params = {"hidden_layer_sizes": hidden_layer_sizes, "random_state": split, **SOLVERS[solver]}
    if setting is None:
        if solver == "pso":
            return None
        net = (MLPRegressor if is_regression else MLPClassifier)(**params)
    else:
        net = (L2NetRegressor if is_regression else L2NetClassifier)(**params, **setting)
    model = make_pipeline(StandardScaler(), net)
    if is_regression:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fits that are cut short at max_iter count as they are
        return model.fit(X, y).score(X_test, y_test)


def scores(cases, n_splits, n_jobs):
    """Scores of every case, array of shape (n_cases, n_splits); NaN where there are none."""
    tasks = [delayed(score)(*case[:3], split, case[3]) for case in cases for split in range(n_splits)]
    found = Parallel(n_jobs)(tasks)
    return np.reshape(np.array(found, dtype=float), (len(cases), n_splits))


def cell(values):
    """Mean and standard error."""
    if np.isnan(values).any():
        return "–"
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def compare_defaults(n_splits, n_jobs):
    """Print the table of docs/choosing_lambda.md."""
    print(f"| table | solver | {' | '.join(SETTINGS)} | prior − penalty |\n|{'---|' * (3 + len(SETTINGS))}")
    for solver in SOLVERS:
        of_settings = []
        for setting in SETTINGS.values():
            cases = [(table, solver, setting, (100,)) for table in TABLES]
            of_settings.append(scores(cases, n_splits, n_jobs))
        of_settings = np.array(of_settings)
        for name, values in [*zip(TABLES, of_settings.swapaxes(0, 1), strict=True), ("mean", of_settings.mean(axis=1))]:
            difference = values[0] - values[1]
            error = difference.std(ddof=1) / np.sqrt(n_splits)
            mark = " *" if abs(difference.mean()) > 2 * error else ""
            cells = " | ".join(map(cell, values))
            print(f"| {name} | {solver} | {cells} | {difference.mean():+.3f} ± {error:.3f}{mark} |", flush=True)


def compare_strengths(n_splits, n_jobs):
    """Print the mean score over the tables of each rule at several strengths, for three networks."""
    networks = [(16,), (100,), (32, 16)]
    print(f"| rule | alpha | solver | {' | '.join(map(str, networks))} |\n|{'---|' * (3 + len(networks))}")
    for mode, alphas in RULES.items():
        for solver in ("lbfgs", "adam", "sgd") if mode.startswith("p") else ("adam", "sgd"):
            for alpha in alphas:
                means = []
                for network in networks:
                    cases = [(table, solver, {"l2_mode": mode, "alpha": alpha}, network) for table in TABLES]
                    means.append(cell(scores(cases, n_splits, n_jobs).mean(axis=0)))
                print(f"| {mode} | {alpha:g} | {solver} | {' | '.join(means)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rules", action="store_true", help="compare the strengths of each rule")
    arguments = parser.parse_args()
    if arguments.rules:
        SOLVERS["sgd"] = {"solver": "sgd", "learning_rate_init": 0.01, "batch_size": 32, "max_iter": 300}
        compare_strengths(arguments.splits, arguments.jobs)
    else:
        compare_defaults(arguments.splits, arguments.jobs)
