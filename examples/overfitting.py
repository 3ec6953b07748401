"""
Over-fitting, seen in the weights
=================================

A network that is trained too well has learned its training items and little else, and its weights are large; L2
regularisation keeps them small, and the network does better on items it has not seen. That is how the textbooks put it,
and this example measures it.

The data come from a network themselves: 10 inputs, uniform in [-4, 4], are labelled by the largest of the 4 outputs of
a 10-15-4 tanh network whose weights and biases are uniform in [-9.9, 9.9]. A second network of the same size is trained
on 200 such items and tested on 40. It has the right shape, and still cannot find the first one from 200 items. Every
row below is a mean over several such pairs of networks, with its standard error; ``--seeds`` says how many.
"""

import argparse
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skl2net import L2NetClassifier

parser = argparse.ArgumentParser(description="Over-fitting with and without L2 regularisation.")
parser.add_argument("--seeds", type=int, default=20, help="number of data sets (default: 20)")
SEEDS = range(parser.parse_args().seeds)

N_TRAIN, N_TEST = 200, 40
warnings.filterwarnings("ignore", category=ConvergenceWarning)  # SGD gets a fixed number of epochs


def make_data(seed):
    """Items that are labelled by a random network with large weights."""
    rng = np.random.default_rng(seed)
    W1, b1 = rng.uniform(-9.9, 9.9, (10, 15)), rng.uniform(-9.9, 9.9, 15)
    W2, b2 = rng.uniform(-9.9, 9.9, (15, 4)), rng.uniform(-9.9, 9.9, 4)
    X = rng.uniform(-4, 4, (N_TRAIN + N_TEST, 10))
    y = np.argmax(np.tanh(X @ W1 + b1) @ W2 + b2, axis=1)
    return X[:N_TRAIN], X[N_TRAIN:], y[:N_TRAIN], y[N_TRAIN:]


def measure(**params):
    """Accuracy in % on the training and test items, and the largest |w|, for each seed."""
    rows = []
    for seed in SEEDS:
        X_train, X_test, y_train, y_test = make_data(seed)
        net = L2NetClassifier((15,), "tanh", random_state=seed, **params).fit(X_train, y_train)
        largest = net.l2_report().largest.max()
        rows.append((100 * net.score(X_train, y_train), 100 * net.score(X_test, y_test), largest))
    return np.array(rows)


def print_table(title, rules, **params):
    """Print one row per rule; the gain is over the first row, seed by seed."""
    print(f"{title}, {len(SEEDS)} seed(s)")
    print(f"{'rule':<20}{'alpha':>8}{'train %':>14}{'test %':>14}{'gain':>13}{'largest |w|':>16}")
    for i, (mode, alpha) in enumerate(rules):
        results = measure(l2_mode=mode, alpha=alpha, **params)
        if i == 0:
            without = results
        columns = np.column_stack([results[:, :2], results[:, 1] - without[:, 1], results[:, 2]])
        means = columns.mean(axis=0)
        errors = columns.std(axis=0, ddof=1) / np.sqrt(len(SEEDS)) if len(SEEDS) > 1 else np.full(4, np.nan)
        texts = [f"{mean:.1f} ± {error:.1f}" for mean, error in zip(means[:3], errors[:3], strict=True)]
        texts.append(f"{means[3]:.2f} ± {errors[3]:.2f}")
        label = mode if alpha else "no L2"
        print(f"{label:<20}{alpha:>8.4g}" + "".join(f"{t:>{w}}" for t, w in zip(texts, (14, 14, 13, 16), strict=True)))
    print()


# %%
# L-BFGS
# ------
# L-BFGS minimises its objective to the end. Without L2 that means saturated units and weights without bound; to keep
# them small, the objective itself must say so, and L-BFGS accepts the two rules that have one. ``penalty_per_sample``
# divides α by the 200 items: the same 0.02 hardly regularises, and 200 times as much is ``penalty`` again.
#
# With ``--seeds 400`` the standard errors are small: 58.0 ± 0.5 % on test items without L2, 66.9 ± 0.4 % with α = 0.03.

lbfgs = [("penalty", alpha) for alpha in (0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.1)]
lbfgs += [("penalty_per_sample", 0.02), ("penalty_per_sample", 0.02 * N_TRAIN)]
print_table("L-BFGS", lbfgs, solver="lbfgs", max_iter=1000)

# %%
# SGD
# ---
# SGD accepts all five. Each gets the α with which it forgets over the same number of epochs as ``penalty`` with α =
# 0.02, which here is 10: see :ref:`sphx_glr_auto_examples_quickstart.py`.

BATCH_SIZE, LEARNING_RATE, MOMENTUM, EPOCHS = 20, 0.05, 0.9, 500
share = LEARNING_RATE * 0.02 / (1 - MOMENTUM)
sgd = [
    ("penalty", 0.0),
    ("penalty", 0.02),
    ("penalty_per_sample", 0.02 * BATCH_SIZE),
    ("decay_before", share),
    ("decay_after", share),
    ("decoupled", share / LEARNING_RATE),
]
print_table(
    "SGD",
    sgd,
    solver="sgd",
    batch_size=BATCH_SIZE,
    learning_rate_init=LEARNING_RATE,
    momentum=MOMENTUM,
    max_iter=EPOCHS,
    n_iter_no_change=EPOCHS,
)
