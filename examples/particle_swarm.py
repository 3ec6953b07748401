"""
Training by particle swarm
==========================

A swarm of networks flies through the space of weights; each is drawn towards the best place that it has visited itself
and the best that the swarm has found. No gradient is needed, only errors to compare, and a penalty is part of the
error. This example trains the same networks by a swarm, by a swarm whose best particle L-BFGS finishes (``polish``),
and by L-BFGS alone, and then does with a swarm what no gradient can do.
"""

# %%
# Two data sets, both penalties
# -----------------------------
#
# ``penalty_per_sample`` divides alpha by the number of items, so that alpha times that number is the same penalty.

import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm

warnings.simplefilter("ignore", ConvergenceWarning)  # everyone gets a fixed number of iterations

SOLVERS = {
    "swarm": ParticleSwarm(patience=np.inf),
    "swarm + polish": ParticleSwarm(patience=np.inf, polish=True),
    "L-BFGS": "lbfgs",
}


def compare(title, estimator, hidden, X, y, score, alpha=0.005):
    """Print one row per penalty and solver."""
    print(f"\n{title}")
    print(f"{'':<20}{'alpha':>8}  {'solver':<16}{'loss':>9}{score:>10}{'largest |w|':>13}")
    for mode, strength in (("penalty", alpha), ("penalty_per_sample", alpha * len(X))):
        for name, solver in SOLVERS.items():
            net = estimator(
                hidden, "tanh", solver=solver, l2_mode=mode, alpha=strength, max_iter=1000, tol=1e-6, random_state=0
            )
            net.fit(X, y)
            largest = net.l2_report().largest.max()
            print(f"{mode:<20}{strength:>8.4g}  {name:<16}{net.loss_:>9.4f}{net.score(X, y):>10.3f}{largest:>13.2f}")


X, y = load_iris(return_X_y=True)
compare("Iris, 4-6-3, log loss", L2NetClassifier, (6,), StandardScaler().fit_transform(X), y, "accuracy")

X, y = load_diabetes(return_X_y=True)
compare("Diabetes, 10-8-1, squared error", L2NetRegressor, (8,), StandardScaler().fit_transform(X), scale(y), "R2")

# %%
# A loss without a useful gradient
# --------------------------------
#
# A tumour that is taken for benign costs ten times as much as a false alarm. What is to be minimised is the cost of the
# decisions, a step function of the weights: its gradient is zero wherever it exists. The swarm minimises it as it is,
# the penalty added. The log loss, the usual stand-in, knows nothing of the cost; class weights tell it a part.
#
# The swarm ends with by far the smallest cost on the items it was trained on. On new items it is here no better than
# even the plain log loss: a cost that only counts decisions leaves no margin around them, and a stand-in does.

COST = np.array([[0.0, 10.0], [1.0, 0.0]])  # rows: malignant, benign; columns: taken for malignant, for benign


def mean_cost(y_true, y_pred, sample_weight=None):
    """Mean cost of the decisions."""
    return float(np.sum(COST * confusion_matrix(y_true, y_pred, sample_weight=sample_weight, normalize="all")))


X, y = load_breast_cancer(return_X_y=True)
NETS = {
    "log loss, L-BFGS": L2NetClassifier((4,), solver="lbfgs", alpha=0.01),
    "weighted log loss, L-BFGS": L2NetClassifier((4,), solver="lbfgs", alpha=0.01, class_weight={0: 10, 1: 1}),
    "cost, swarm": L2NetClassifier((4,), solver=ParticleSwarm(objective=mean_cost), alpha=0.003),
}
N_SPLITS = 5

print(f"\nBreast cancer, 30-4-1: mean cost of a decision and accuracy, means over {N_SPLITS} splits")
print(f"{'':<28}{'train cost':>12}{'test cost':>12}{'test accuracy':>15}")
for name, net in NETS.items():
    rows = []
    for seed in range(N_SPLITS):
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
        model = make_pipeline(StandardScaler(), net.set_params(activation="tanh", max_iter=300, random_state=seed))
        model.fit(X_train, y_train)
        predicted = model.predict(X_test)
        train_cost = mean_cost(y_train, model.predict(X_train))
        rows.append((train_cost, mean_cost(y_test, predicted), accuracy_score(y_test, predicted)))
    train, test, accuracy = np.mean(rows, axis=0)
    print(f"{name:<28}{train:>12.4f}{test:>12.4f}{accuracy:>15.3f}")
