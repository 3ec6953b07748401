"""How good are the defaults? skl2net beside its peers, each at its defaults, on a folder of tables.

The folder has the layout of Rdatasets: `package/table.csv`, whose first column names the rows, and `index.csv` with the
columns `table`, `target`, `kind` ("classification" or "regression"), `left_out` (names of columns, separated by spaces)
and `log_target` (1 to predict the logarithm of the target). Rows without a target are dropped, and so are classes of
fewer than five rows.

Every table is split several times, with 70 % for training, stratified by class. "tabular", the search of
`make_tabular_search`, is given the data frame as it is. All other models, boosting included, are given the same matrix:
numeric columns imputed with the median and standardised, all others one-hot encoded. Targets of regressions are
standardised. All this is estimated on the training part. A model is given one thread.

The score is the accuracy or R². The loss is the log loss, of probabilities of at least 1e-15, or the mean squared error
of the standardised targets. Ranks, wins and losses compare the mean losses over the splits of a table. The first of
`--models` is the one whose wins and losses are counted; p is that of the two-sided sign test. Seconds are those of a
fit.

    python examples/benchmarks/default_quality.py DIR --csv results.csv --markdown table.md
    python examples/benchmarks/default_quality.py DIR --reuse results.csv --max-rows 3000    # fits only what is missing
    python examples/benchmarks/default_quality.py DIR --models early-loss early-score MLP-early adam    # early stopping
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.base import is_regressor
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from skl2net import (
    L2NetClassifier,
    L2NetClassifierCV,
    L2NetRegressor,
    L2NetRegressorCV,
    NodeSweepCV,
    make_tabular_search,
)


def catboost(is_regression, seed):
    from catboost import CatBoostClassifier, CatBoostRegressor

    model = CatBoostRegressor if is_regression else CatBoostClassifier
    return model(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False)


def lightgbm(is_regression, seed):
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMRegressor if is_regression else LGBMClassifier)(random_state=seed, n_jobs=1, verbose=-1)


def realmlp(is_regression, seed):
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    model = RealMLP_TD_S_Regressor if is_regression else RealMLP_TD_S_Classifier
    return model(random_state=seed, n_threads=1, device="cpu")


def of_kind(classifier, regressor, **params):
    """A function that makes one of two estimators."""
    return lambda is_regression, seed: (regressor if is_regression else classifier)(random_state=seed, **params)


def tabular(is_regression, seed):
    return make_tabular_search("regression" if is_regression else "classification", random_state=seed)


def sweep(is_regression, seed):
    net = (L2NetRegressor if is_regression else L2NetClassifier)(random_state=seed)
    scoring = "neg_mean_squared_error" if is_regression else "neg_log_loss"
    return NodeSweepCV(net, scoring=scoring)


OURS = {
    "adam": of_kind(L2NetClassifier, L2NetRegressor),
    "lbfgs": of_kind(L2NetClassifier, L2NetRegressor, solver="lbfgs"),
    "adam-CV": of_kind(L2NetClassifierCV, L2NetRegressorCV),
    "lbfgs-CV": of_kind(L2NetClassifierCV, L2NetRegressorCV, solver="lbfgs"),
    "tabular": tabular,
}
PEERS = {
    "MLP": of_kind(MLPClassifier, MLPRegressor),
    "HistGradientBoosting": of_kind(HistGradientBoostingClassifier, HistGradientBoostingRegressor),
    "linear": lambda is_regression, seed: RidgeCV() if is_regression else LogisticRegression(max_iter=1000),
    "CatBoost": catboost,
    "LightGBM": lightgbm,
    "RealMLP-TD-S": realmlp,
}
EARLY = {
    "early-loss": of_kind(L2NetClassifier, L2NetRegressor, early_stopping=True),
    "early-score": of_kind(L2NetClassifier, L2NetRegressor, early_stopping=True, scoring="score"),
    "MLP-early": of_kind(MLPClassifier, MLPRegressor, early_stopping=True),
}
SHAPES = {
    "16": of_kind(L2NetClassifier, L2NetRegressor, hidden_layer_sizes=(16,)),
    "32": of_kind(L2NetClassifier, L2NetRegressor, hidden_layer_sizes=(32,)),
    "256": of_kind(L2NetClassifier, L2NetRegressor, hidden_layer_sizes=(256,)),
    "128-128": of_kind(L2NetClassifier, L2NetRegressor, hidden_layer_sizes=(128, 128)),
    "tanh": of_kind(L2NetClassifier, L2NetRegressor, activation="tanh"),
    "softplus": of_kind(L2NetClassifier, L2NetRegressor, activation="softplus"),
    "sweep": sweep,
}
MODELS = {**OURS, **PEERS, **EARLY, **SHAPES}
COLUMNS = ["table", "kind", "n_rows", "split", "model", "score", "loss", "seconds"]


def load(folder, task):
    """Features and targets of one row of the index; classes are numbers."""
    frame = pd.read_csv(folder / f"{task.table}.csv").iloc[:, 1:].dropna(subset=task.target)
    if task.kind == "classification":
        counts = frame[task.target].value_counts()
        if counts.min() < 5:
            print(f"{task.table}: these classes are dropped: {', '.join(map(str, counts.index[counts < 5]))}")
        frame = frame[frame[task.target].map(counts) >= 5]
    X, y = frame.drop(columns=[task.target, *task.left_out.split()]), frame[task.target]
    if task.kind == "classification":
        return X, pd.factorize(y, sort=True)[0]
    return X, np.log(y.to_numpy()) if task.log_target else y.to_numpy(dtype=float)


def parts_of_split(X, y, is_regression, split):
    """Data frames and targets, of the training part first."""
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=0.7, random_state=split, stratify=None if is_regression else y
    )
    if is_regression:
        y, y_test = (y - y.mean()) / y.std(), (y_test - y.mean()) / y.std()
    return X, X_test, y, y_test


def encoded(X, X_test, y, y_test):
    """The same with matrices."""
    encoder = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
    ).fit(X)
    return encoder.transform(X), encoder.transform(X_test), y, y_test


def measure(model, X, X_test, y, y_test):
    """Score, loss and seconds of one fit."""
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    if is_regressor(model):
        loss = np.mean((np.ravel(model.predict(X_test)) - y_test) ** 2)
        return 1 - loss / y_test.var(), loss, seconds
    proba = model.predict_proba(X_test)
    loss = -np.log(np.maximum(proba[np.arange(len(y_test)), y_test], 1e-15)).mean()
    return np.mean(proba.argmax(axis=1) == y_test), loss, seconds


def compute(tables, n_splits, models, known, csv):
    """Known results and those that are missing; a CSV file has them as soon as they are computed."""
    done, unavailable, rows = set(known[["table", "split", "model"]].itertuples(index=False, name=None)), set(), []
    if csv:
        known.to_csv(csv, index=False)
    for task, X, y in tables:
        is_regression = task.kind == "regression"
        for split in range(n_splits):
            parts = matrices = None
            for name in models:
                if (task.table, split, name) in done or name in unavailable:
                    continue
                try:
                    model = MODELS[name](is_regression, split)
                except ImportError as error:
                    print(f"{name} is skipped: {error}", flush=True)
                    unavailable.add(name)
                    continue
                parts = parts or parts_of_split(X, y, is_regression, split)
                if name != "tabular":
                    matrices = matrices or encoded(*parts)
                given = parts if name == "tabular" else matrices
                rows.append((task.table, task.kind, len(y), split, name, *measure(model, *given)))
                if csv:
                    pd.DataFrame(rows[-1:]).to_csv(csv, mode="a", header=False, index=False)
    found = pd.DataFrame(rows, columns=COLUMNS)
    return pd.concat([known, found]) if len(known) else found


def block(results, models, kind):
    """Markdown: the means over the tables of one kind, and the tables where a peer is ahead of the first model."""
    means = results[results["kind"] == kind].pivot_table(["score", "loss", "seconds"], ["table", "n_rows"], "model")
    losses, scores, seconds = (means[name] for name in ("loss", "score", "seconds"))
    compared = [name for name in models if name in losses and losses[name].notna().all()]
    losses, first = losses[compared], compared[0]
    ranks = losses.rank(axis=1).mean()
    score, loss = ("R²", "squared error") if kind == "regression" else ("accuracy", "log loss")
    lines = [
        f"{kind.capitalize()} (tables: {len(losses)})\n",
        f"| model | {score} | {loss} | rank | {first}: wins, losses | p | seconds |\n|{'---|' * 7}",
    ]
    for name in compared:
        n_wins, n_losses = (losses[first] < losses[name]).sum(), (losses[first] > losses[name]).sum()
        against = "– | –"
        if n_wins + n_losses:
            against = f"{n_wins}:{n_losses} | {binomtest(n_wins, n_wins + n_losses).pvalue:.2g}"
        figures = f"{scores[name].mean():.4f} | {losses[name].mean():.4f} | {ranks[name]:.1f}"
        lines.append(f"| {name} | {figures} | {against} | {seconds[name].mean():.2f} |")
    lines += [f"\n{name} has no results for some of these tables." for name in models if name not in compared]

    peers = [name for name in compared if name in PEERS]
    behind = losses[losses[peers].min(axis=1) < losses[first]] if peers else losses[:0]
    if len(behind):
        lines.append(f"\n| table | rows | {first}: {score} | {loss} | best peer | {score} | {loss} |\n|{'---|' * 7}")
    order = (behind[peers].min(axis=1) - behind[first]).sort_values().index
    for key in order:
        best = behind.loc[key, peers].idxmin()
        ours, theirs = (f"{scores.loc[key, name]:.4f} | {losses.loc[key, name]:.4f}" for name in (first, best))
        lines.append(f"| {key[0]} | {key[1]} | {ours} | {best} | {theirs} |")
    return "\n".join(lines)


def main():
    """Compute what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[*OURS, *PEERS], metavar="NAME")
    parser.add_argument("--tables", nargs="+", metavar="NAME")
    parser.add_argument("--max-rows", type=int, default=10**9, help="leave out larger tables")
    parser.add_argument("--csv", type=Path, help="file for the results, those that are reused included")
    parser.add_argument("--reuse", type=Path, help="CSV file whose results are not computed again")
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()

    index = pd.read_csv(arguments.folder / "index.csv", keep_default_na=False)
    if arguments.tables:
        index = index[index["table"].isin(arguments.tables)]
    tables = [(task, *load(arguments.folder, task)) for task in index.itertuples()]
    tables = [table for table in tables if len(table[1]) <= arguments.max_rows]
    known = pd.read_csv(arguments.reuse) if arguments.reuse else pd.DataFrame(columns=COLUMNS)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # fits that are cut short at max_iter count as they are
        results = compute(tables, arguments.splits, arguments.models, known, arguments.csv)
    is_asked = results["table"].isin([task.table for task, _, _ in tables]) & results["model"].isin(arguments.models)
    results = results[is_asked & (results["split"] < arguments.splits)]
    blocks = [block(results, arguments.models, kind) for kind in sorted(results["kind"].unique())]
    print("\n\n".join(blocks))
    if arguments.markdown:
        arguments.markdown.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
