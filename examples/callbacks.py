"""
Watching a training
===================

scikit-learn's callbacks hear of each iteration: they show progress, record scores, save the network, or stop the
training. A callback of one's own is a class with four methods.
"""

# %%
# :class:`sklearn.callback.ProgressBar` and :class:`sklearn.callback.ScoringMonitor` are ready to use. The second
# scores the network on the training data after each epoch. The one below calls a function with the network as it is
# after each epoch; it keeps three of them here, and scores all on new samples.

import pickle
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import DecisionBoundaryDisplay

from skl2net import Checkpoint, L2NetClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs


class AfterEachIteration:
    """Calls a function with the number of the iteration and the network; the training stops if it returns True."""

    def __init__(self, function):
        self.function = function

    def setup(self, estimator, context):
        """Called when the fit begins."""

    def on_fit_task_begin(self, estimator, context):
        """Called when the fit and each of its iterations begins."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Called when an iteration or the fit ends."""
        return context.task_name == "iteration" and self.function(context.task_id + 1, fitted_estimator)

    def teardown(self, estimator, context):
        """Called when the fit is over, or has failed."""


X, y = make_moons(60, noise=0.35, random_state=0)
X_new, y_new = make_moons(4000, noise=0.35, random_state=1)
kept, accuracy_new = {}, []


def look(n, net):
    """Keep some networks, and score all of them."""
    accuracy_new.append(net.score(X_new, y_new))
    if n in (10, 50, 500):
        kept[n] = net


params = {"learning_rate": "constant", "learning_rate_init": 0.05, "alpha": 0}
params |= {"max_iter": 500, "tol": 0, "n_iter_no_change": 500}
net = L2NetClassifier((50,), **params, warm_start=True, random_state=0)
monitor = ScoringMonitor(scoring="accuracy")
net = net.set_callbacks(ProgressBar(), monitor, AfterEachIteration(look)).fit(X, y)

# %%
# Without L2, the boundary begins to bend around single samples, and what the network gains on the training data it
# loses on new samples.

accuracy = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "iteration"]
best = int(np.argmax(accuracy_new)) + 1
print(f"new samples right: {accuracy_new[best - 1]:.3f} after {best} epochs, {accuracy_new[-1]:.3f} after 500")

fig, axes = plt.subplot_mosaic([["10", "50", "500"], ["curves"] * 3], figsize=(9, 6), layout="constrained")
for n, fitted in kept.items():
    ax = axes[str(n)]
    DecisionBoundaryDisplay.from_estimator(
        fitted, X, response_method="predict_proba", eps=0.4, cmap="PuOr", vmin=-0.4, vmax=1.4, ax=ax
    )
    ax.scatter(*X.T, c=y, cmap="PuOr", vmin=-0.2, vmax=1.2, edgecolor="black", s=18, linewidth=0.7)
    ax.set(title=f"after {n} epochs", xticks=[], yticks=[])
ax, epochs = axes["curves"], np.arange(1, 501)
ax.plot(epochs, accuracy, label="training data", color="#b35806")
ax.plot(epochs, accuracy_new, label="new samples", color="#542788")
ax.set(xscale="log", xlabel="epoch", ylabel="accuracy")
ax.legend()
plt.show()

# %%
# Going on after a crash
# ----------------------
#
# :class:`~skl2net.Checkpoint` saves the network after every so many iterations. Here the power fails in epoch 365.


def fail(n, net):
    """Raise an error in an epoch that no checkpoint is for."""
    if n == 365:
        raise RuntimeError("power failure")


path = Path(tempfile.mkdtemp(), "net.pkl")
lost = L2NetClassifier((50,), **params, warm_start=True, random_state=0)
try:
    lost.set_callbacks(Checkpoint(path, every=50), AfterEachIteration(fail)).fit(X, y)
except RuntimeError as error:
    print(error)

saved = pickle.loads(path.read_bytes())
print(f"saved after {len(saved.loss_curve_)} epochs")

# %%
# A warm start does the remaining epochs, and ends with the weights of the training that nothing has interrupted, bit
# for bit. This needs a constant learning rate: the default, ``learning_rate="cosine"``, begins anew in each call.

saved.set_params(max_iter=500 - len(saved.loss_curve_)).fit(X, y)
print(all(np.array_equal(a, b) for a, b in zip(saved.coefs_, net.coefs_, strict=True)))
