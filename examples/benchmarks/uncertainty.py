"""How good are the intervals of ``predict(X, return_std=True)``? Beside its peers, on the regressions of a folder.

The folder is that of `default_quality.py`, and so are splits and encoding. Each model predicts a normal distribution,
or for conformal prediction an interval of 90 %. The models:

- `posterior`: a network of 16 tanh units, trained by L-BFGS with the default prior, and its Laplace approximation;
- `default`: ``L2NetRegressor(posterior=True)``, 100 relu units trained by Adam;
- `residuals`: the network of 16 units, and for all samples the standard deviation of its residuals in training;
- `conformal`: the same network, trained on 80 % of the training data, and intervals by MAPIE from the other 20 %;
- `ensemble`: 8 such networks from other initial weights, their mean, and the variance of the residuals plus theirs;
- `GP`: a Gaussian process with an RBF kernel and white noise, for tables of up to `--gp-rows` rows;
- `BayesianRidge`.

Coverage is the share of test samples within the interval of 90 %, width that of the interval in standard deviations of
the target, nll the mean negative log likelihood of the standardised test targets, seconds those of fit and prediction
of the test data.

    python examples/benchmarks/uncertainty.py DIR --csv uncertainty.csv --markdown uncertainty.md
    python examples/benchmarks/uncertainty.py DIR --overfitting     # the expected loss beside that of test data
"""

import argparse
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from default_quality import encoded, load, parts_of_split
from scipy.stats import norm
from sklearn.ensemble import BaggingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from skl2net import L2NetRegressor

LEVEL = 0.9
Z = norm.ppf((1 + LEVEL) / 2)


def network(seed, **params):
    """The network whose uncertainty is compared."""
    return L2NetRegressor((16,), "tanh", random_state=seed, **{"solver": "lbfgs", **params})


def of_estimator(make):
    """Fit an estimator that has `return_std`."""
    return lambda X, y, X_test, seed: make(seed).fit(X, y).predict(X_test, return_std=True)


def residuals(X, y, X_test, seed):
    """One standard deviation for all samples, that of the training data."""
    net = network(seed).fit(X, y)
    return net.predict(X_test), np.full(len(X_test), np.sqrt(np.mean((y - net.predict(X)) ** 2)))


def ensemble(X, y, X_test, seed):
    """Networks from other initial weights, each trained on all samples."""
    bag = BaggingRegressor(network(None), 8, bootstrap=False, random_state=seed).fit(X, y)
    noise = np.mean((y - bag.predict(X)) ** 2)
    return bag.predict(X_test), np.sqrt(noise + np.var([net.predict(X_test) for net in bag.estimators_], axis=0))


def gaussian_process(seed):
    """The kernel of scikit-learn's examples, with a length scale and a noise that are found."""
    kernel = ConstantKernel() * RBF(10.0, (1e-2, 1e4)) + WhiteKernel(0.3, (1e-4, 1e1))
    return GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed)


def conformal(X, y, X_test, seed):
    """Lower and upper ends of split conformal intervals, and no distribution."""
    from mapie.regression import SplitConformalRegressor

    X, X_held_out, y, y_held_out = train_test_split(X, y, test_size=0.2, random_state=seed)
    model = SplitConformalRegressor(network(seed), confidence_level=LEVEL, prefit=False).fit(X, y)
    return model.conformalize(X_held_out, y_held_out).predict_interval(X_test)[1][:, :, 0].T


MODELS = {
    "posterior": of_estimator(lambda seed: network(seed, posterior=True)),
    "default": of_estimator(lambda seed: L2NetRegressor(posterior=True, random_state=seed)),
    "residuals": residuals,
    "conformal": conformal,
    "ensemble": ensemble,
    "GP": of_estimator(gaussian_process),
    "BayesianRidge": of_estimator(lambda seed: BayesianRidge()),
}


def measure(name, X, X_test, y, y_test, seed):
    """Coverage, width, negative log likelihood and seconds of one model."""
    start = time.perf_counter()
    first, second = MODELS[name](X, y, X_test, seed)
    seconds = time.perf_counter() - start
    low, high = (first, second) if name == "conformal" else (first - Z * second, first + Z * second)
    nll = np.nan if name == "conformal" else -norm.logpdf(y_test, first, second).mean()
    return np.mean((low <= y_test) & (y_test <= high)), np.mean(high - low), nll, seconds


def compare(tables, n_splits, gp_rows, csv):
    """One row for each table, split and model."""
    rows = []
    for task, X, y in tables:
        for split in range(n_splits):
            parts = encoded(*parts_of_split(X, y, True, split))
            for name in MODELS:
                if (name == "GP" and len(y) > gp_rows) or (name == "conformal" and find_spec("mapie") is None):
                    continue
                rows.append((task.table, len(y), split, name, *measure(name, *parts, split)))
                print(*rows[-1], flush=True)
    results = pd.DataFrame(rows, columns=["table", "rows", "split", "model", "coverage", "width", "nll", "seconds"])
    if csv:
        results.to_csv(csv, index=False)
    return results


def summary(results, title):
    """Markdown: means over the tables, and on how many tables the posterior has a better likelihood."""
    means = results.groupby(["table", "model"])[["coverage", "width", "nll", "seconds"]].mean().unstack()
    lines = [f"{title} (tables: {len(means)})\n", "| model | coverage | width | nll | behind `posterior` | seconds |"]
    lines.append(f"|{'---|' * 6}")
    for name in MODELS:
        if name not in means["nll"] or means["coverage"][name].isna().any():
            continue
        n_behind = (means["nll"][name] > means["nll"]["posterior"]).sum()
        figures = [f"{means[figure][name].mean():.3f}" for figure in ("coverage", "width", "nll")]
        figures[2] = figures[2].replace("nan", "–")
        behind = "–" if name in ("posterior", "conformal") else f"{n_behind} of {len(means)}"
        lines.append(f"| {name} | {' | '.join(figures)} | {behind} | {means['seconds'][name].mean():.2f} |")
    return "\n".join(lines)


def overfitting(tables, n_splits, **params):
    """Markdown: training, expected and test loss, and the largest weight, for several strengths of the prior."""
    alphas, rows = (0.01, 0.1, 1.0, 5.0, 30.0), []
    for task, X, y in tables:
        for split in range(n_splits):
            X_train, X_test, y_train, y_test = encoded(*parts_of_split(X, y, True, split))
            for alpha in alphas:
                net = network(split, posterior=True, alpha=alpha, **params).fit(X_train, y_train)
                posterior, largest = net.posterior_, max(abs(coef).max() for coef in net._standard_coefs())
                loss = np.mean((y_test - net.predict(X_test)) ** 2) / 2
                share = posterior.effective_parameters.sum() / len(posterior.precision)
                rows.append((task.table, alpha, posterior.loss, posterior.expected_loss, loss, share, largest))
                print(*rows[-1], flush=True)
    columns = ["table", "alpha", "training loss", "expected loss", "test loss", "effective", "largest weight"]
    results = pd.DataFrame(rows, columns=columns)
    means = results.drop(columns="table").groupby("alpha").mean().map("{:.3f}".format).reset_index()
    lines = [f"| {' | '.join(columns[1:])} |", f"|{'---|' * (len(columns) - 1)}"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in means.itertuples(index=False)]
    gap = results["test loss"] / results["training loss"]
    for name in ("expected loss", "largest weight"):
        sign = results[name] / (results["training loss"] if name == "expected loss" else 1)
        lines.append(f"\nRank correlation of test/training loss with {name}: {gap.corr(sign, 'spearman'):.2f}")
    return "\n".join(lines)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--tables", nargs="+", metavar="NAME")
    parser.add_argument("--max-rows", type=int, default=10**9, help="leave out larger tables")
    parser.add_argument("--gp-rows", type=int, default=1000, help="Gaussian processes for tables of up to so many rows")
    parser.add_argument("--overfitting", action="store_true", help="the expected loss for several strengths")
    parser.add_argument("--solver", default="lbfgs", help="solver of --overfitting")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()

    index = pd.read_csv(arguments.folder / "index.csv", keep_default_na=False)
    index = index[index["kind"] == "regression"]
    if arguments.tables:
        index = index[index["table"].isin(arguments.tables)]
    tables = [(task, *load(arguments.folder, task)) for task in index.itertuples()]
    tables = [table for table in tables if len(table[1]) <= arguments.max_rows]
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # trainings that end at max_iter
        if arguments.overfitting:
            params = {"max_iter": 2000} if arguments.solver == "lbfgs" else {}
            text = overfitting(tables, arguments.splits, solver=arguments.solver, **params)
        else:
            results = compare(tables, arguments.splits, arguments.gp_rows, arguments.csv)
            text = summary(results, "All tables")
            small = results[results["rows"] <= arguments.gp_rows]
            if 0 < len(small) < len(results):
                text += "\n\n" + summary(small, f"Up to {arguments.gp_rows} rows")
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
