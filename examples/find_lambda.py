"""
Finding λ
=========

"Guessing a good lambda can be annoyingly difficult." :class:`~skl2net.L2NetClassifierCV` tries a grid of strengths by
cross-validation, and :class:`~skl2net.L2PathDisplay` shows what it found: the score of each strength, and what the
strength does to the weights.
"""

# %%
# Breast cancer: 569 samples of 30 features. By default, seven strengths from 0.1 to 100 are compared by the log loss on
# the held-out folds. The default of the rule "prior" is 5.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifierCV, L2PathDisplay

X, y = load_breast_cancer(return_X_y=True)
params = {"hidden_layer_sizes": (16,), "solver": "lbfgs", "max_iter": 1000, "random_state": 0, "n_jobs": 2}
search = L2NetClassifierCV(**params)
model = make_pipeline(StandardScaler(), search).fit(X, y)

for alpha, scores, weight_norms in zip(search.alphas_, search.scores_, search.weight_norms_, strict=True):
    print(f"alpha {alpha:8.3g}   log loss {-scores.mean():.4f}   sum of w^2 {weight_norms.mean():9.3g}")
print(f"chosen: alpha = {search.alpha_:.3g}")

# %%
# A small alpha lets the weights grow until the network is sure of everything, its errors included; a large one presses
# them to zero. The accuracy is flatter than the log loss, and ties are common: with
# ``selection="one_standard_error"`` the strongest alpha is chosen whose score is within one standard error of the best.

simpler = L2NetClassifierCV(**params, scoring="accuracy", selection="one_standard_error")
make_pipeline(StandardScaler(), simpler).fit(X, y)

fig, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
L2PathDisplay.from_estimator(search, ax=axes[0])
L2PathDisplay.from_estimator(simpler, ax=axes[1])
axes[0].set_title("best log loss")
axes[1].set_title("accuracy, one standard error")
print(f"one standard error, accuracy: alpha = {simpler.alpha_:.3g}")

# %%
# The search is the network that it has found: it predicts, reports, and can be saved.

print(search.l2_report())
plt.show()
