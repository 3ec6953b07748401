"""
Six L2 rules, and the default
=============================

This example trains networks with the default rule, then with all six rules on one data set: first with the same number,
which gives six different networks, then with the same *timescale*, which gives nearly the same network six times. It
ends with a pipeline, a grid search and a pickle.

The data are the 442 patients of :func:`sklearn.datasets.load_diabetes`: does the disease progress faster than in the
median patient? A network of 30 hidden units learns a few hundred of them by heart, and predicts the others badly.
"""

import pickle
import warnings

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, convert_alpha

warnings.filterwarnings("ignore", category=ConvergenceWarning)  # SGD gets a fixed number of epochs

X, progression = load_diabetes(return_X_y=True)
y = progression > np.median(progression)

N_SPLITS = 5


def evaluate(net, n_train):
    """Accuracies on training and test samples, and the largest weight: means over random splits of the data."""
    rows = []
    for seed in range(N_SPLITS):
        parts = train_test_split(X, y, train_size=n_train, stratify=y, random_state=seed)
        X_train, X_test, y_train, y_test = parts
        model = make_pipeline(StandardScaler(), net.set_params(random_state=seed)).fit(X_train, y_train)
        largest = model[-1].l2_report().largest.max()
        rows.append((model.score(X_train, y_train), model.score(X_test, y_test), largest))
    return np.mean(rows, axis=0)


# %%
# The default
# -----------
# The default is ``l2_mode="prior"`` with ``alpha=5``: a Gaussian prior with precision 5 on every weight, which adds
# α/(2N)·Σw² to the mean loss of N training samples. The number means the same for every N, every batch size and every
# solver, as in :class:`~sklearn.linear_model.Ridge` and :class:`~sklearn.linear_model.LogisticRegression`.
# Without L2, or with a small fixed penalty, the network over-fits: its weights are larger, and it predicts worse.

settings = {
    "no L2": {"alpha": 0.0},
    "penalty, 1e-4": {"l2_mode": "penalty", "alpha": 1e-4},
    "the default": {},
}
print("L-BFGS, accuracy on test samples (largest weight)")
print(f"{'':<16}" + "".join(f"{f'{n_train} samples':>16}" for n_train in (50, 100, 200)))
for label, params in settings.items():
    net = L2NetClassifier((30,), "tanh", solver="lbfgs", max_iter=1000, **params)
    cells = [evaluate(net, n_train) for n_train in (50, 100, 200)]
    print(f"{label:<16}" + "".join(f"{f'{test:.3f} ({largest:.1f})':>16}" for _, test, largest in cells))
print()

# %%
# The same number under six rules
# -------------------------------
# Other rules are needed to reproduce other programs, and to compare with them. With α = 0.03 under each rule the
# networks have little in common: the timescale (how many epochs a weight is remembered when no gradient refreshes it)
# spans a factor of 400. Take 0.03 from a paper or from another library without knowing its rule, and you do not know
# how much regularisation you get.

N_TRAIN, BATCH_SIZE, EPOCHS = 200, 25, 200
LEARNING_RATE, MOMENTUM = 0.05, 0.9
MODES = ("prior", "penalty", "penalty_per_sample", "decay_before", "decay_after", "decoupled")


def make_net(**params):
    """A network that SGD trains for exactly `EPOCHS` epochs at a constant learning rate."""
    return L2NetClassifier(
        (30,),
        "tanh",
        solver="sgd",
        batch_size=BATCH_SIZE,
        learning_rate="constant",
        learning_rate_init=LEARNING_RATE,
        momentum=MOMENTUM,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        **params,
    )


def print_table(title, alphas):
    """Print a row for each rule, and return the largest weights."""
    print(f"{title}\n{'rule':<20}{'alpha':>9}{'timescale':>12}{'train':>8}{'test':>8}{'largest |w|':>13}")
    weights = {}
    for label, (mode, alpha) in alphas.items():
        net = make_net(l2_mode=mode, alpha=alpha)
        train, test, weights[label] = evaluate(net, N_TRAIN)
        timescale = net.l2_report().timescale[0]
        print(f"{label:<20}{alpha:>9.4g}{timescale:>12.1f}{train:>8.3f}{test:>8.3f}{weights[label]:>13.2f}")
    print()
    return weights


same_alpha = {"no L2": ("penalty", 0.0), **{mode: (mode, 0.03) for mode in MODES}}
weights_same_alpha = print_table("SGD, the same alpha", same_alpha)

# %%
# The same timescale
# ------------------
# The rules have a common currency: the share of a weight that one update removes when no gradient acts on it, and the
# timescale, ``1 / (share * updates per epoch)``. To forget over 10 epochs, each rule needs another α:
# :func:`~skl2net.convert_alpha` computes it.

run = {"learning_rate": LEARNING_RATE, "momentum": MOMENTUM, "nesterov": True}
run |= {"batch_size": BATCH_SIZE, "n_samples": N_TRAIN}
same_timescale = {"no L2": ("penalty", 0.0)}
for mode in MODES:
    same_timescale[mode] = mode, float(convert_alpha(10, "timescale", mode, **run))
weights_same_timescale = print_table("SGD, the same timescale", same_timescale)

# %%
# The values of α differ by a factor of 360, and the networks hardly differ.

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    print("(without matplotlib, there is no picture)\n")
else:
    fig, axes = plt.subplots(1, 2, figsize=(9, 3), sharex=True, sharey=True, layout="constrained")
    panels = {"the same α": weights_same_alpha, "the same timescale": weights_same_timescale}
    for ax, (title, weights) in zip(axes, panels.items(), strict=True):
        bars = ax.barh(list(weights), list(weights.values()), color=["0.7"] + ["#0072B2"] * len(MODES))
        ax.bar_label(bars, fmt="%.2f", padding=3)
        ax.set(title=title, xlabel="largest weight", xlim=(0, 4.6))
    axes[0].invert_yaxis()
    plt.show()

# %%
# :meth:`~skl2net.L2NetClassifier.l2_report` gives the timescale of a fit, and the equivalents of its α in other
# libraries.

X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=N_TRAIN, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), make_net(l2_mode="decoupled", alpha=0.25, random_state=0))
print(model.fit(X_train, y_train)[-1].l2_report(), end="\n\n")

# %%
# In a pipeline and a grid search
# -------------------------------
# Rule and strength are ordinary parameters. Steps of a factor of 3 are fine enough for the prior.

net = L2NetClassifier((30,), "tanh", solver="lbfgs", max_iter=1000, random_state=0)
pipeline = Pipeline([("scale", StandardScaler()), ("net", net)])
search = GridSearchCV(pipeline, {"net__alpha": [1, 3, 10, 30, 100]}, cv=5).fit(X_train, y_train)

print(f"best parameters: {search.best_params_}")
print(f"accuracy: cross-validated {search.best_score_:.3f}, on test samples {search.score(X_test, y_test):.3f}")

# %%
# The result is pickled and unpickled like any estimator, and predicts the same.

unpickled = pickle.loads(pickle.dumps(search.best_estimator_))
assert np.array_equal(unpickled.predict_proba(X_test), search.predict_proba(X_test))
print("unpickled: predicts the same")
