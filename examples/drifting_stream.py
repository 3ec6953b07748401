"""
A stream whose concept changes
==============================

A reader of one of the texts that this project began with had a question. Rating systems for chess players respond
quickly when a player's skill changes, and settle otherwise: could a neural network be as flexible? A decay is such a
device. It lets a network forget what the data do not confirm, and its *timescale* says how fast.

This example trains networks on a stream by `partial_fit`. Whenever the concept changes, the labels come from another
random function of the same 10 features. The networks know nothing of the changes. Each block is first predicted, then
learned, and the accuracy is that of the predictions. It needs matplotlib for the plot.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np

from skl2net import L2NetClassifier

parser = argparse.ArgumentParser(description="Recovery from changes of a stream, with and without a decay.")
parser.add_argument("--seeds", type=int, default=4, help="number of streams (default: 4)")
parser.add_argument("--learning-rate", type=float, default=0.1, help="learning rate of SGD (default: 0.1)")
options = parser.parse_args()
SEEDS = range(options.seeds)

N_CONCEPTS, N_BLOCKS = 5, 40  # blocks for each concept
N_ROWS, BATCH_SIZE = 500, 20  # rows of a block, and of an update
CLASSES = np.arange(4)


def stream(seed):
    """Blocks ``(X, y)``, labelled by a random tanh network that is replaced by another one every `N_BLOCKS` blocks."""
    rng = np.random.default_rng(seed)
    for _ in range(N_CONCEPTS):
        W1, b1, W2 = 0.5 * rng.normal(size=(10, 15)), 0.5 * rng.normal(size=15), rng.normal(size=(15, len(CLASSES)))
        for _ in range(N_BLOCKS):
            X = rng.normal(size=(N_ROWS, 10))
            yield X, np.argmax(np.tanh(X @ W1 + b1) @ W2, axis=1)


def follow(seed, **rule):
    """Accuracy on each block before it is learned, shape (n_concepts, n_blocks), and the trained network."""
    params = {"learning_rate_init": options.learning_rate, "batch_size": BATCH_SIZE, "random_state": seed, **rule}
    net = L2NetClassifier((30,), "tanh", solver="sgd", **params)
    accuracies = []
    for i, (X, y) in enumerate(stream(seed)):
        accuracies.append(net.score(X, y) if i else 1 / len(CLASSES))
        net.partial_fit(X, y, classes=CLASSES)
    return np.reshape(accuracies, (N_CONCEPTS, N_BLOCKS)), net


# %%
# The rules
# ---------
# The rule is ``decay_after``: after each update, every weight is multiplied by 1 − α. A weight that no gradient
# refreshes is forgotten over 1/α updates, or 1/(25·α) blocks of 25 updates. A concept lasts 40 blocks. The timescales
# are ten times as long, as long, and a tenth of that. For comparison, the default rule: a prior, which matters less and
# less the more data there are. That is right for data that do not change.


def decay(timescale):
    """The rule that forgets over a number of blocks."""
    return {"l2_mode": "decay_after", "alpha": 1 / (timescale * (N_ROWS // BATCH_SIZE))}


def is_saturated(net):
    """Whether each hidden unit is beyond ±0.99, for 1000 samples."""
    X = np.random.default_rng(0).normal(size=(1000, 10))
    return np.abs(np.tanh(X @ net.coefs_[0] + net.intercepts_[0])) > 0.99


rules = {
    "no L2": {"alpha": 0},
    "prior": {"alpha": 5},
    "decay, 400 blocks": decay(400),
    "decay, 40 blocks": decay(40),
    "decay, 4 blocks": decay(4),
}
accuracy = {}
print(f"Accuracy in %, means over {len(SEEDS)} stream(s), and the difference from no L2 with its standard error")
print(f"{'':<20}{'mean':>6}{'':>14}{'2 to 8 blocks after a change':>30}{'before the next':>17}{'saturated':>11}")
for name, rule in rules.items():
    runs, nets = zip(*[follow(seed, **rule) for seed in SEEDS], strict=True)
    accuracy[name] = runs = 100 * np.array(runs)
    changed = runs[:, 1:]  # the first concept has not replaced another one
    gain = (changed - accuracy["no L2"][:, 1:]).mean(axis=(1, 2))
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
    saturated = 100 * np.mean([is_saturated(net) for net in nets])
    print(
        f"{name:<20}{changed.mean():>6.1f}{f'{gain.mean():+.1f} ± {error:.1f}':>14}{changed[:, :, 1:8].mean():>30.1f}"
        f"{changed[:, :, -10:].mean():>17.1f}{saturated:>11.0f}"
    )

# %%
# Without L2, the weights grow from concept to concept, and most hidden units end up saturated, where their gradient is
# small: each change is harder to learn than the one before. With the timescale of a concept, the network recovers
# faster, and is better before the next change, too. With a tenth of it, the network recovers fastest in the first
# blocks, and then falls behind, since it forgets what still holds. That is the bargain of rating systems: quick or
# exact.

LINES = {"no L2": ("#0072B2", "-"), "decay, 40 blocks": ("#D55E00", "--"), "decay, 4 blocks": ("#009E73", "-.")}


def draw(ax, x, runs, name):
    """Mean over the streams, with a band of one standard error."""
    color, style = LINES[name]
    mean = runs.mean(axis=0)
    ax.plot(x, mean, style, color=color, label=name)
    if len(runs) > 1:
        error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
        ax.fill_between(x, mean - error, mean + error, color=color, alpha=0.2, linewidth=0)


fig, (whole, after) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained", width_ratios=[3, 2])
for name in LINES:
    runs = accuracy[name]
    draw(whole, np.arange(N_CONCEPTS * N_BLOCKS), runs.reshape(len(SEEDS), -1), name)
    draw(after, np.arange(N_BLOCKS), (runs - accuracy["no L2"])[:, 1:].mean(axis=1), name)
for change in range(1, N_CONCEPTS):
    whole.axvline(change * N_BLOCKS, color="0.6", linestyle=":", linewidth=1)
whole.set(title="the stream", xlabel="block", ylabel="accuracy on the next block, %", ylim=(65, 95))
whole.legend(loc="lower right")
after.set(title="mean over the changes", xlabel="blocks since the change", ylabel="difference from no L2, points")
plt.show()
