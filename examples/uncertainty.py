"""
How certain is a prediction?
============================

``posterior=True`` computes the posterior of the weights around the fitted ones, and ``predict(X, return_std=True)``
returns the standard deviation of a new observation. It grows where there are no data. :doc:`/uncertainty` says more.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import BaggingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetRegressor, PredictionIntervalDisplay

# %%
# A gap in the data
# -----------------
# Sixty samples, none of them between -0.5 and 1. A network of tanh units, one of relu units, and a Gaussian process
# say where they know less: in the gap, and beyond the data. Bands of relu units jump where a unit becomes active. Eight
# networks from other initial weights agree where there are data, and in the gap too.

rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-2, -0.5, 30), rng.uniform(1, 2, 30)])
y = np.sin(2.5 * x) + 0.5 * x + 0.15 * rng.normal(size=60)
X, grid = x[:, None], np.linspace(-4, 4, 400)[:, None]

params = {"hidden_layer_sizes": (30,), "solver": "lbfgs", "alpha": 0.1, "max_iter": 2000, "random_state": 0}
models = {
    "posterior, tanh": L2NetRegressor(activation="tanh", posterior=True, **params),
    "posterior, relu": L2NetRegressor(activation="relu", posterior=True, **params),
    "Gaussian process": GaussianProcessRegressor(RBF() + WhiteKernel(), normalize_y=True),
}
fig, axes = plt.subplots(2, 2, figsize=(9, 6.5), sharex=True, sharey=True, layout="constrained")
for ax, (name, model) in zip(axes.flat, models.items(), strict=False):
    mean, std = model.fit(X, y).predict(grid, return_std=True)
    PredictionIntervalDisplay(x=grid[:, 0], mean=mean, std=std).plot(ax=ax)
    ax.set_title(name)

ensemble = BaggingRegressor(L2NetRegressor(activation="tanh", **params), 8, bootstrap=False, random_state=0).fit(X, y)
spread = np.std([net.predict(grid) for net in ensemble.estimators_], axis=0)
PredictionIntervalDisplay(x=grid[:, 0], mean=ensemble.predict(grid), std=spread).plot(ax=axes[1, 1])
axes[1, 1].set_title("ensemble, without noise")
for ax in axes.flat:
    ax.scatter(x, y, s=10, color="0.3", zorder=3)
    ax.set(ylim=(-4, 4))
plt.show()

# %%
# Coverage of the intervals
# -------------------------
# With several features, the display shows the predictions for other samples, and how many are within their intervals.

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
net = L2NetRegressor((16,), "tanh", solver="lbfgs", posterior=True, random_state=0)
model = make_pipeline(StandardScaler(), net).fit(X_train, y_train)
display = PredictionIntervalDisplay.from_estimator(model, X_test, y_test)
print(f"{display.coverage_:.1%} of {len(y_test)} samples are within their 90 % interval")
plt.show()

# %%
# How many of the parameters are determined by the data, and what loss to expect:

print(net.l2_report())
