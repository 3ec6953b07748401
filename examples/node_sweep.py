"""
How many hidden units?
======================

A network with too few hidden units cannot learn the task; one with too many costs time, and may over-fit. The usual
search tries a grid of sizes. :class:`~skl2net.NodeSweepCV` plays a tournament instead: the network meets a smaller and
a larger one under cross-validation, and the winner goes on. This example plays it on the handwritten digits of
:func:`sklearn.datasets.load_digits`, and compares it with every size from 1 to 40.

It needs matplotlib for the plot.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, L2NetRegressor, NodeSweepCV
from skl2net.display import NodeSweepDisplay

warnings.filterwarnings("ignore", category=ConvergenceWarning)  # of L-BFGS with a weak prior

MAX_UNITS = 40


def n_fits(search):
    """Number of networks that a search has trained to score them."""
    return len(search.cv_results_["params"]) * search.n_splits_


def make_pipeline(net):
    """A network on standardised features."""
    return Pipeline([("scale", StandardScaler()), ("net", net)])


def fit(search, X, y):
    """Fit a search: the search, and the seconds it took."""
    start = time.perf_counter()
    search.fit(X, y)
    return search, time.perf_counter() - start


# %%
# The tournament
# --------------
# The first size is that of the estimator. Each line is one comparison, with mean accuracies. The step is doubled while
# a neighbour wins, and halved when the middle wins.

X, y = load_digits(return_X_y=True)
digits = make_pipeline(L2NetClassifier((8,), batch_size=50, max_iter=30, random_state=0))
sweep, seconds = fit(NodeSweepCV(digits, max_units=MAX_UNITS, scoring="accuracy"), X, y)
print(sweep.history_)
print(f"\nbest parameters: {sweep.best_params_}")
print(f"accuracy {sweep.best_score_:.3f}, {n_fits(sweep)} fits in {seconds:.1f} s")

# %%
# A tie goes to the smaller network. Two networks tie if the difference of their mean scores is at most one standard
# error of the differences in each fold, and each network is held against the best one so far. In the plot, the bars are
# these standard errors: a bar that reaches the dashed line is a tie with the best network.

NodeSweepDisplay.from_estimator(sweep)
plt.show()

# %%
# The exhaustive grid
# -------------------
# The grid trains every size. Its highest mean is the best of 40 draws with noise; the smallest size that ties with it,
# by the same standard error, is the answer to compare with.


def smallest_tie(results):
    """The smallest size of a grid search that ties with its best one."""
    folds = np.column_stack([results[f"split{i}_test_score"] for i in range(5)])
    differences = folds[folds.mean(axis=1).argmax()] - folds
    ties = differences.mean(axis=1) <= differences.std(axis=1, ddof=1) / np.sqrt(5)
    return results["params"][np.argmax(ties)]


sizes = {"net__hidden_layer_sizes": [(n,) for n in range(1, MAX_UNITS + 1)]}
grid, seconds = fit(GridSearchCV(digits, sizes, scoring="accuracy", refit=False), X, y)
print(f"highest mean:         {grid.best_params_}, accuracy {grid.best_score_:.3f}")
print(f"smallest that ties:   {smallest_tie(grid.cv_results_)}")
print(f"{n_fits(grid)} fits in {seconds:.1f} s")

# %%
# Another first size
# ------------------
# On a curve with one peak and no noise, the first size does not matter. Here the curve is flat between 20 and 40 units,
# and the tournament may end at one or another of the networks that tie.

print(f"{'first size':<12}{'winner':>8}{'accuracy':>10}{'fits':>6}")
for first in (2, 4, 16, 32):
    digits.set_params(net__hidden_layer_sizes=(first,))
    sweep, _ = fit(NodeSweepCV(digits, max_units=MAX_UNITS, scoring="accuracy"), X, y)
    winner = sweep.best_params_["net__hidden_layer_sizes"][0]
    print(f"{first:<12}{winner:>8}{sweep.best_score_:>10.3f}{n_fits(sweep):>6}")

# %%
# The strength of the rule at each size
# -------------------------------------
# A larger network may lose only because its λ is wrong for it. With `alphas`, each size competes with the α that suits
# it best, in brackets in the table. On the 442 patients of :func:`sklearn.datasets.load_diabetes`, every additional
# unit does harm under a weak prior, and a single one wins. With the right α the size hardly matters.

X, y = load_diabetes(return_X_y=True)
diabetes = make_pipeline(L2NetRegressor((16,), "tanh", solver="lbfgs", alpha=0.1, random_state=0))
for alphas in (None, [0.1, 1, 10, 100]):
    sweep, seconds = fit(NodeSweepCV(diabetes, alphas=alphas), X, y)
    print(f"{sweep.history_}\nbest parameters: {sweep.best_params_}")
    print(f"R² {sweep.best_score_:.3f}, {n_fits(sweep)} fits in {seconds:.1f} s\n")
