"""
Five L2 rules, one λ
====================

Neural-network libraries write λ, or ``alpha``, or "weight decay" for at least five different update rules. This example
runs all five on one table of data: first with the same number, which gives five different networks, then with the same
*timescale*, which gives the same network five times. It ends where one ends in practice, with a pipeline, a grid search
over rule and strength, and a pickle.

The data are the 442 patients of :func:`sklearn.datasets.load_diabetes`: does the disease progress faster than in the
median patient? A network of 30 hidden units learns 200 of them by heart, and is the worse for it on the others.
"""

import pickle
import warnings

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier

warnings.filterwarnings("ignore", category=ConvergenceWarning)  # every network gets the same number of epochs

X, progression = load_diabetes(return_X_y=True)
y = progression > np.median(progression)

N_TRAIN, BATCH_SIZE, EPOCHS, N_SPLITS = 200, 25, 200, 5
LEARNING_RATE, MOMENTUM = 0.05, 0.9
MODES = ("penalty", "penalty_per_sample", "decay_before", "decay_after", "decoupled")


def make_net(**params):
    """A network that is trained by SGD for exactly `EPOCHS` epochs."""
    return L2NetClassifier(
        (30,),
        "tanh",
        solver="sgd",
        batch_size=BATCH_SIZE,
        learning_rate_init=LEARNING_RATE,
        momentum=MOMENTUM,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        **params,
    )


def print_table(title, alphas):
    """Print one row per rule: what it did, as means over `N_SPLITS` random splits of the data."""
    print(f"{title}\n{'rule':<20}{'alpha':>9}{'timescale':>12}{'train':>8}{'test':>8}{'largest |w|':>13}")
    for label, (mode, alpha) in alphas.items():
        scores = []
        for seed in range(N_SPLITS):
            parts = train_test_split(X, y, train_size=N_TRAIN, stratify=y, random_state=seed)
            X_train, X_test, y_train, y_test = parts
            model = make_pipeline(StandardScaler(), make_net(l2_mode=mode, alpha=alpha, random_state=seed))
            model.fit(X_train, y_train)
            report = model[-1].l2_report()
            scores.append((model.score(X_train, y_train), model.score(X_test, y_test), report.largest.max()))
        train, test, largest = np.mean(scores, axis=0)
        print(f"{label:<20}{alpha:>9.4g}{report.timescale[0]:>12.1f}{train:>8.3f}{test:>8.3f}{largest:>13.2f}")
    print()


# %%
# The same number
# ---------------
# With α = 0.03 under each rule the networks have little in common: the timescale (in epochs, how long a weight is
# remembered when nothing refreshes it) spans a factor of 50. Take 0.03 from a paper or from another library without
# knowing which rule it was meant for, and you do not know how much regularisation you get.

print_table("The same alpha", {"no L2": ("penalty", 0.0), **{mode: (mode, 0.03) for mode in MODES}})

# %%
# The same timescale
# ------------------
# The rules have a common currency: the share of a weight that one update removes when no gradient acts on it, and from
# it the timescale, ``1 / (share * updates per epoch)``. To forget over 10 epochs, each rule needs another α. A penalty
# goes through the optimiser, so that its share is multiplied by the learning rate, and in the long run divided by
# 1 − momentum; a decay does not.

updates_per_epoch = N_TRAIN // BATCH_SIZE
share = 1 / (10 * updates_per_epoch)
same_timescale = {
    "penalty": share * (1 - MOMENTUM) / LEARNING_RATE,
    "penalty_per_sample": BATCH_SIZE * share * (1 - MOMENTUM) / LEARNING_RATE,
    "decay_before": share,
    "decay_after": share,
    "decoupled": share / LEARNING_RATE,
}
alphas = {"no L2": ("penalty", 0.0), **{mode: (mode, alpha) for mode, alpha in same_timescale.items()}}
print_table("The same timescale", alphas)

# %%
# The numbers differ by a factor of 50, the networks hardly. The timescale in the table is the estimator's account of
# the updates that ran; :meth:`~skl2net.L2NetClassifier.l2_report` gives the rest of it.

X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=N_TRAIN, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), make_net(l2_mode="decoupled", alpha=0.25, random_state=0))
print(model.fit(X_train, y_train)[-1].l2_report(), end="\n\n")

# %%
# In a pipeline and a grid search
# -------------------------------
# Rule and strength are ordinary parameters.

pipeline = Pipeline([("scale", StandardScaler()), ("net", make_net(random_state=0))])
grid = {"net__l2_mode": MODES, "net__alpha": [0.001, 0.01, 0.1]}
search = GridSearchCV(pipeline, grid, cv=5).fit(X_train, y_train)

print(f"best parameters: {search.best_params_}")
print(f"accuracy: cross-validated {search.best_score_:.3f}, on held-out data {search.score(X_test, y_test):.3f}")

# %%
# The winner is pickled and unpickled like any estimator, and predicts the same.

unpickled = pickle.loads(pickle.dumps(search.best_estimator_))
assert np.array_equal(unpickled.predict_proba(X_test), search.predict_proba(X_test))
print("unpickled: predicts the same")
