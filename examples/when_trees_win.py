"""
When trees win
==============

A tree cuts a feature at any value. A network bends slowly, and the more so, the stronger its prior. Where the truth
jumps, boosting is therefore ahead of a network, unless the network is given the cuts: piecewise linear functions of
each feature, beside the feature itself.
"""

# %%
# A price that jumps twice, and a price that does not: 300 noisy samples of each.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import SplineTransformer, StandardScaler

from skl2net import L2NetRegressor

rng = np.random.default_rng(0)
x = rng.uniform(0, 10, (300, 1))
grid = np.linspace(0, 10, 1000)[:, np.newaxis]
truths = {
    "jumps": lambda x: np.where(x < 3, 1.0, np.where(x < 6, 4.0, 2.0))[:, 0],
    "smooth": lambda x: (2 + np.sin(x / 2))[:, 0],
}

splines = make_pipeline(SplineTransformer(n_knots=16, degree=1, knots="quantile"), StandardScaler())
models = {
    "network": make_pipeline(StandardScaler(), L2NetRegressor(random_state=0)),
    "network with splines": make_pipeline(make_union(StandardScaler(), splines), L2NetRegressor(random_state=0)),
    "boosting": HistGradientBoostingRegressor(random_state=0),
}

# %%
# Each model learns both. The error is that of the truth, without noise.

fig, axes = plt.subplots(2, 3, figsize=(12, 6), sharex=True, sharey="row", layout="constrained")
for row, (name, truth) in zip(axes, truths.items(), strict=True):
    y = truth(x) + 0.7 * rng.normal(size=len(x))
    for ax, (label, model) in zip(row, models.items(), strict=True):
        predicted = model.fit(x, y).predict(grid)
        error = np.sqrt(np.mean((predicted - truth(grid)) ** 2))
        print(f"{name:<7} {label:<21} error {error:.2f}")
        ax.scatter(x, y, s=4, color="0.7")
        ax.plot(grid, truth(grid), color="black", linewidth=1)
        ax.plot(grid, predicted, color="C1")
        ax.set_title(f"{label}: error {error:.2f}")
    row[0].set_ylabel(name)
plt.show()

# %%
# With the splines, the network follows the jumps as trees do, and is still smooth where the truth is. With many columns
# and noisy targets, splines fit the noise too: :func:`~skl2net.make_tabular_search` chooses by cross-validation.
