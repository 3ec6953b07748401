"""
What each rule does to a weight
===============================

Six rules, one weight. A network without hidden units and with a single input has one weight, and can be watched while
SGD trains it. On the left of each picture the input is 0, so that the data say nothing about the weight: it starts at
1, and only the rule acts. On the right the data pull the weight from 0 to 1, and the rule holds it back; the legend
says where it ends.

All networks see 40 samples in batches of 10, with a learning rate of 0.1 and momentum 0.9.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skl2net import L2NetRegressor

warnings.simplefilter("ignore", ConvergenceWarning)  # one epoch at a time

N_SAMPLES, BATCH_SIZE, EPOCHS = 40, 10, 40
COLORS = ["0.6", "#56B4E9", "#0072B2", "#D55E00"]
ALPHAS = [0, 0.01, 0.1, 0.5]
SIGNS = np.resize([-1.0, 1.0], (N_SAMPLES, 1))


def trajectory(x, start, solver="sgd", learning_rate=0.1, **rule):
    """The weight after each epoch, if the inputs are `x` and the targets pull it to 1."""
    net = L2NetRegressor((), solver=solver, batch_size=BATCH_SIZE, normalize_y=False)
    net.set_params(learning_rate="constant", learning_rate_init=learning_rate)
    net.set_params(max_iter=1, warm_start=True, shuffle=False)
    net.set_params(l2_mode="penalty", alpha=0).fit(0 * SIGNS, np.zeros(N_SAMPLES))  # the optimiser stays at rest
    net.coefs_[0][:] = start
    net.set_params(**rule)
    weights = [start]
    for _ in range(EPOCHS):
        net.fit(x, x.ravel())
        weights.append(net.coefs_[0].item())
    return weights


def draw(title, rules, **params):
    """Draw the weight under each of the rules, a dict of parameters by label."""
    fig, axes = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True, layout="constrained")
    updates = np.arange(EPOCHS + 1) * (N_SAMPLES // BATCH_SIZE)
    styles = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1))]
    for i, (label, rule) in enumerate(rules.items()):
        style = {"color": COLORS[i] if len(rules) <= len(COLORS) else f"C{i}", "linestyle": styles[i % len(styles)]}
        free = trajectory(0 * SIGNS, 1.0, **rule, **params)
        pulled = trajectory(SIGNS, 0.0, **rule, **params)
        axes[0].plot(updates, free, **style)
        axes[1].plot(updates, pulled, label=f"{label}: {pulled[-1]:.3g}", **style)
    axes[0].set(title="no gradient acts", xlabel="updates", ylabel="weight")
    axes[1].set(title="data pull the weight to 1", xlabel="updates", ylim=(-0.45, 1.5))
    for ax in axes:
        ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    fig.legend(loc="outside right center", title=title)
    plt.show()


def draw_rule(l2_mode):
    """Draw the weight under a rule, for several strengths."""
    draw(l2_mode, {f"alpha = {alpha:g}": {"l2_mode": l2_mode, "alpha": alpha} for alpha in ALPHAS})


# %%
# The same number, six rules
# --------------------------
# With α = 0.1, the weight is forgotten within ten updates under one rule, and hardly changes under another.

MODES = ["prior", "penalty_per_sample", "decoupled", "penalty", "decay_before", "decay_after"]
draw("alpha = 0.1", {mode: {"l2_mode": mode, "alpha": 0.1} for mode in MODES})

# %%
# Prior
# -----
# α is divided by all 40 samples: the more data, the less the prior matters.

draw_rule("prior")

# %%
# Penalty
# -------
# The gradient of the penalty passes through the momentum. It begins slowly, and a strong one overshoots.

draw_rule("penalty")

# %%
# Penalty per sample
# ------------------
# α is divided by the 10 samples of the batch.

draw_rule("penalty_per_sample")

# %%
# Decay before the step
# ---------------------
# The share α of the weight is removed in each update, whatever the learning rate and the momentum are.

draw_rule("decay_before")

# %%
# Decay after the step
# --------------------
# As before, but the step is reduced as well.

draw_rule("decay_after")

# %%
# Decoupled decay
# ---------------
# The share is the product of α and the learning rate.

draw_rule("decoupled")

# %%
# Under Adam
# ----------
# Adam divides each step by the size of the gradients. If the penalty is the only gradient, it is divided by its own
# size: 0.01 and 1 remove the same from the weight on the left. A decay bypasses Adam.

adam = {
    "penalty, alpha = 0.01": {"l2_mode": "penalty", "alpha": 0.01},
    "penalty, alpha = 1": {"l2_mode": "penalty", "alpha": 1},
    "decoupled, alpha = 0.01": {"l2_mode": "decoupled", "alpha": 0.01},
    "decoupled, alpha = 1": {"l2_mode": "decoupled", "alpha": 1},
}
draw("Adam", adam, solver="adam", learning_rate=0.01)
