"""
Training by particle swarm
==========================

A swarm of networks moves through the space of weights. Each network is attracted by the best position that it has
visited and by the best position that the swarm has found. No gradient is needed, and a penalty is part of the error.
This example trains the same networks by a swarm, by a swarm whose best particle is improved by L-BFGS (``polish``), and
by L-BFGS alone. Then it minimises a loss that has no useful gradient.
"""

# %%
# Two data sets
# -------------
#
# All settings minimise the same objective, with the prior that is the default, and with one ten times as strong.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm, SwarmDisplay

warnings.simplefilter("ignore", ConvergenceWarning)  # the swarms get a fixed number of iterations

SOLVERS = {
    "swarm": ParticleSwarm(patience=np.inf),
    "swarm + polish": ParticleSwarm(patience=np.inf, polish=True),
    "L-BFGS": "lbfgs",
}
STYLES = {"swarm": "-", "swarm + polish": "--", "L-BFGS": "-."}


def compare(title, estimator, hidden, X, y, score, ax):
    """Print a row for each strength and solver, and plot the losses with the default strength."""
    print(f"\n{title}")
    print(f"{'alpha':>8}  {'solver':<16}{'loss':>9}{score:>10}{'largest |w|':>13}")
    for alpha in (5, 50):
        for name, solver in SOLVERS.items():
            net = estimator(hidden, "tanh", solver=solver, alpha=alpha, max_iter=1000, tol=1e-6, random_state=0)
            net.fit(X, y)
            largest = net.l2_report().largest.max()
            print(f"{alpha:>8.4g}  {name:<16}{net.loss_:>9.4f}{net.score(X, y):>10.3f}{largest:>13.2f}")
            if alpha == 5:
                ax.plot(range(1, net.n_iter_ + 1), net.loss_curve_, STYLES[name], label=name)
    ax.set(title=title, xscale="log", yscale="log", xlabel="iteration", ylabel="loss with the penalty")
    ax.legend()


fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
X, y = load_iris(return_X_y=True)
compare("Iris, 4-6-3, log loss", L2NetClassifier, (6,), scale(X), y, "accuracy", axes[0])

X, y = load_diabetes(return_X_y=True)
compare("Diabetes, 10-8-1, squared error", L2NetRegressor, (8,), StandardScaler().fit_transform(X), y, "R2", axes[1])
plt.show()

# %%
# Who informs whom
# ----------------
#
# The topology decides how fast good news spreads. :class:`~skl2net.SwarmDisplay` shows the personal bests: if every
# particle follows the best of all, the swarm soon agrees, and then only refines what it has found. On a ring, news
# travel from neighbour to neighbour, and a part of the swarm goes on searching elsewhere.

fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained", sharey=True)
X, y = load_iris(return_X_y=True)
for ax, topology in zip(axes, ("global", "ring", "random"), strict=True):
    swarm = ParticleSwarm(topology=topology, patience=np.inf)
    net = L2NetClassifier((6,), "tanh", solver=swarm, max_iter=1000, random_state=0).fit(scale(X), y)
    SwarmDisplay.from_estimator(net, ax=ax)
    ax.set_title(topology)
    ax.label_outer()
plt.show()

# %%
# A loss without a useful gradient
# --------------------------------
#
# A malignant tumour that is classified as benign costs ten times as much as a false alarm. The mean cost of the
# decisions is a step function of the weights, whose gradient is zero wherever it exists. The swarm minimises this cost
# plus the penalty. The usual surrogate, the log loss, does not know the cost; class weights take it into account.
#
# The swarm has a smaller cost on the training samples than the log loss, but not on test samples: a cost that only
# counts decisions leaves no margin around them, and the log loss does. The weighted log loss is the best of the three.
# Prefer such a surrogate if there is one. The swarm minimises objectives that have none.

COST = np.array([[0.0, 10.0], [1.0, 0.0]])  # rows: malignant, benign; columns: classified as malignant, as benign


def mean_cost(y_true, y_pred, sample_weight=None):
    """Mean cost of the decisions."""
    return np.average(COST[y_true, y_pred], weights=sample_weight)


X, y = load_breast_cancer(return_X_y=True)
NETS = {
    "log loss, L-BFGS": L2NetClassifier((4,), solver="lbfgs"),
    "weighted log loss, L-BFGS": L2NetClassifier((4,), solver="lbfgs", class_weight={0: 10, 1: 1}),
    "cost, swarm": L2NetClassifier((4,), solver=ParticleSwarm(objective=mean_cost)),
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
