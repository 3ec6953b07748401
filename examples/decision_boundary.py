"""
Over-fitting, seen in a plane
=============================

A hundred noisy samples of two half moons, and a network with 100 hidden units: it has room to learn every sample by
heart. What it has learned can be seen where its decision changes.
"""

# %%
# Without L2, the network bends its boundary around single samples, is sure of everything, and has large weights. With
# the default rule, a Gaussian prior of precision 5 on every weight, it does not. scikit-learn's ``MLPClassifier`` has a
# penalty by default too, with an `alpha` of 0.0001, which is too weak for so few samples.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, WeightsDisplay


def make_data(seed):
    """Samples to train on, and new ones."""
    X, y = make_moons(100, noise=0.35, random_state=seed)
    X_new, y_new = make_moons(4000, noise=0.35, random_state=seed + 1000)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), y, scaler.transform(X_new), y_new


lbfgs = {"solver": "lbfgs", "max_iter": 2000, "random_state": 0}
nets = {
    "no L2": L2NetClassifier(alpha=0, **lbfgs),
    "scikit-learn's default": MLPClassifier(**lbfgs),
    "skl2net's default": L2NetClassifier(**lbfgs),
}
X, y, X_new, y_new = make_data(0)

fig, axes = plt.subplots(1, 3, figsize=(10, 4.1), layout="constrained")
for ax, (name, net) in zip(axes, nets.items(), strict=True):
    net.fit(X, y)
    DecisionBoundaryDisplay.from_estimator(
        net, X, response_method="predict_proba", grid_resolution=150, eps=0.4, cmap="PuOr", vmin=-0.4, vmax=1.4, ax=ax
    )
    ax.scatter(*X.T, c=y, cmap="PuOr", vmin=-0.2, vmax=1.2, edgecolor="black", s=22, linewidth=0.8)
    largest = max(np.abs(coef).max() for coef in net.coefs_)
    ax.set_title(f"{name}\nlargest weight: {largest:.1f}\nnew samples right: {100 * net.score(X_new, y_new):.0f}%")
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# One sample proves little. The means over five:

print(f"{'':<24}{'training accuracy':>19}{'accuracy':>10}{'log loss':>10}   (on new samples)")
scores = {name: [] for name in nets}
for seed in range(5):
    X, y, X_new, y_new = make_data(seed)
    for name, net in nets.items():
        net.set_params(random_state=seed).fit(X, y)
        log = log_loss(y_new, net.predict_proba(X_new))
        scores[name].append((net.score(X, y), net.score(X_new, y_new), log))
for name, rows in scores.items():
    training, new, log = np.mean(rows, axis=0)
    print(f"{name:<24}{training:>19.3f}{new:>10.3f}{log:>10.2f}")

# %%
# The weights of the first and the last network. Beyond ±5, they are typical of over-fitting.

WeightsDisplay.from_estimator({name: nets[name] for name in ("no L2", "skl2net's default")})
plt.show()
