"""
Why shrinking positions does not regularise a swarm
===================================================

In gradient descent, "multiply every weight by 0.99 after each update" keeps the weights small. This experiment does the
same to a swarm. Thirty networks, written out in a few lines below, are trained on Iris without any rule, with weights
that shrink by a share in each iteration before they move, and with a penalty as part of the error.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

parser = argparse.ArgumentParser(description="A swarm with shrinking positions, and with a penalty.")
parser.add_argument("--seeds", type=int, default=3, help="number of swarms per row (default: 3)")
parser.add_argument("--iterations", type=int, default=1000, help="iterations of each swarm (default: 1000)")
options = parser.parse_args()

N_PARTICLES, N_INPUTS, N_HIDDEN, N_OUTPUTS = 30, 4, 6, 3
N_WEIGHTS = N_INPUTS * N_HIDDEN + N_HIDDEN * N_OUTPUTS
X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)


def log_losses(swarm):
    """Mean log loss of each particle: weights of both layers, then biases of both."""
    ends = np.cumsum([N_INPUTS * N_HIDDEN, N_HIDDEN * N_OUTPUTS, N_HIDDEN])
    W1, W2, b1, b2 = np.split(swarm, ends, axis=1)
    H = np.tanh(X @ W1.reshape(-1, N_INPUTS, N_HIDDEN) + b1[:, np.newaxis])
    Z = H @ W2.reshape(-1, N_HIDDEN, N_OUTPUTS) + b2[:, np.newaxis]
    Z -= Z.max(axis=2, keepdims=True)
    return (np.log(np.exp(Z).sum(axis=2)) - Z[:, np.arange(len(y)), y]).mean(axis=1)


def sums_of_squares(swarm):
    """Sum of the squared weights of each particle, without biases."""
    return (swarm[:, :N_WEIGHTS] ** 2).sum(axis=1)


def train(seed, *, share=0.0, alpha=0.0):
    """Final log loss and sum of squares of the best particle, median sum of squares of all, and that over time."""
    rng = np.random.default_rng(seed)
    shape = N_PARTICLES, N_WEIGHTS + N_HIDDEN + N_OUTPUTS
    position, velocity = rng.uniform(-1, 1, shape), np.zeros(shape)
    best, best_loss = position.copy(), np.full(N_PARTICLES, np.inf)
    medians = []
    for _ in range(options.iterations):
        loss = log_losses(position) + alpha / 2 * sums_of_squares(position)
        better = loss < best_loss
        best[better], best_loss[better] = position[better], loss[better]
        to_best, to_leader = best - position, best[best_loss.argmin()] - position
        velocity = 0.7298 * velocity + 1.49618 * (rng.random(shape) * to_best + rng.random(shape) * to_leader)
        position[:, :N_WEIGHTS] *= 1 - share
        position += velocity
        medians.append(np.median(sums_of_squares(position)))
    leader = best[best_loss.argmin()][np.newaxis]
    return log_losses(leader)[0], sums_of_squares(leader)[0], medians[-1], medians


print(f"Iris 4-6-3, {N_PARTICLES} particles, {options.iterations} iterations: medians of {options.seeds} swarms")
print(f"{'':<20}{'log loss of the best':>22}{'its sum of w^2':>18}{'median of the swarm':>22}")
rules = {
    "no rule": {},
    "shrink by 0.001": {"share": 0.001},
    "shrink by 0.01": {"share": 0.01},
    "shrink by 0.1": {"share": 0.1},
    "penalty, 0.001": {"alpha": 0.001},
    "penalty, 0.01": {"alpha": 0.01},
}
curves = {}
for title, rule in rules.items():
    *numbers, medians = zip(*(train(seed, **rule) for seed in range(options.seeds)), strict=True)
    log_loss, squares, swarm = np.median(numbers, axis=1)
    print(f"{title:<20}{log_loss:>22.6f}{squares:>18.1f}{swarm:>22.1f}")
    curves[title] = np.median(medians, axis=0)

# %%
# A decay has no objective, and a swarm follows nothing else. A particle is attracted by the best positions that it and
# the swarm have found, and these do not shrink. Large weights with a small error remain the best position, and pull the
# shrunken particles back. With a small share, the weights are as large as without any rule, or larger. With a large
# share, the search stalls before it has found a good network. A penalty, in contrast, makes positions with large
# weights *worse* in every comparison.

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
colors = ["0.5", "#56B4E9", "#0072B2", "#CC79A7", "#E69F00", "#D55E00"]
for (title, curve), color in zip(curves.items(), colors, strict=True):
    ax.plot(curve, "--" if "penalty" in title else "-", color=color, label=title)
ax.set(xlabel="iteration", ylabel="sum of w², median of the swarm", yscale="log")
fig.legend(loc="outside right center")
plt.show()
