"""
Quantiles and outliers
======================

A network that minimises the squared error predicts means. Other losses of :class:`~skl2net.L2NetRegressor` answer
other questions: ``loss="quantile"`` predicts quantiles, which tell how far the targets scatter around a prediction, and
``loss="huber"`` and ``loss="absolute_error"`` predict centres on which outliers have little influence. This example
needs matplotlib.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import d2_pinball_score, mean_absolute_error

from skl2net import L2NetRegressor

rng = np.random.default_rng(0)


def make_data(n):
    """A curve whose noise grows from left to right."""
    x = rng.uniform(-3, 3, n)
    return x[:, np.newaxis], np.sin(x) + (0.2 + 0.05 * x) * rng.standard_normal(n)


X, y = make_data(1000)
X_new, y_new = make_data(20_000)
line = np.linspace(-3, 3, 200)[:, np.newaxis]

# %%
# Three quantiles of a noisy curve
# --------------------------------
# One network for each quantile. Of new points, 5 % should lie below the lowest curve, half below the middle one, and
# 5 % above the highest. Nothing is assumed about the distribution of the noise, and the curves show that it grows.
# :math:`D^2` is to the pinball loss what :math:`R^2` is to the squared error: 0 is the quantile of all targets, 1 is
# perfect.
#
# Few points lie beyond an outer quantile, and its loss is small. It needs a weaker rule than the mean of the same
# curve, and more updates: ``alpha=0.1`` instead of 5, and ``batch_size=50`` instead of 200.

fig, ax = plt.subplots(figsize=(7, 4.5))
ax.plot(X, y, ".", color="0.75", markersize=3)
quantiles = {}
for q, color in ((0.05, "#0072B2"), (0.5, "black"), (0.95, "#D55E00")):
    net = L2NetRegressor(loss="quantile", quantile=q, alpha=0.1, batch_size=50, random_state=0).fit(X, y)
    quantiles[q] = net.predict(X_new)
    d2 = d2_pinball_score(y_new, quantiles[q], alpha=q)
    print(f"quantile {q:<4}  new points below {np.mean(y_new < quantiles[q]):6.1%}   D² {d2:.2f}")
    ax.plot(line, net.predict(line), color=color, label=f"quantile={q}")
is_between = (quantiles[0.05] <= y_new) & (y_new <= quantiles[0.95])
print(f"between the two outer ones: {is_between.mean():.1%}")
ax.legend()
ax.set(xlabel="x", ylabel="y", title="Nine tenths of the points lie between the outer curves")
plt.show()

# %%
# Outliers
# --------
# 5 % of the targets are multiplied by 100, as by a wrong unit. The table has the mean absolute error on new points
# without outliers, of networks trained with and without them.

spoilt = y.copy()
spoilt[rng.choice(len(y), len(y) // 20, replace=False)] *= 100

fig, ax = plt.subplots(figsize=(7, 4.5))
ax.plot(X, spoilt, ".", color="0.75", markersize=3)
ax.plot(line, np.sin(line), color="black", label="the curve")
colors = {"squared_error": "#0072B2", "huber": "#D55E00", "absolute_error": "#009E73"}
print(f"\n{'loss':<16}{'clean':>8}{'outliers':>10}")
for loss, color in colors.items():
    net = L2NetRegressor(loss=loss, random_state=0)
    clean, robust = (mean_absolute_error(y_new, net.fit(X, targets).predict(X_new)) for targets in (y, spoilt))
    print(f"{loss:<16}{clean:>8.3f}{robust:>10.3f}")
    ax.plot(line, net.predict(line), "--", color=color, label=loss)
ax.legend()
ax.set(xlabel="x", ylabel="y", ylim=(-5, 5), title="Trained with 5 % of outliers, most of which are off the picture")
plt.show()
