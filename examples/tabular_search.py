"""
A table in one line
===================

:func:`~skl2net.make_tabular_search` takes a data frame as it is, and chooses by cross-validation between plain features
and splines, three widths, and three strengths of the L2 rule. :class:`~skl2net.StagedSearchDisplay` shows at a glance
what won, and by how much. This example fits two tables: one where splines help, and one where they do harm.

It needs pandas, and matplotlib for the plots.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetRegressor, StagedSearchDisplay, make_tabular_search

# %%
# Thresholds
# ----------
# In this made-up table, the price of a flat depends on thresholds: the price of a square metre falls beyond 60 m², and
# flats of certain years are cheap. It has numbers, strings, booleans and missing values.

rng = np.random.default_rng(0)
n = 900
flats = pd.DataFrame(
    {
        "area": rng.gamma(9, 9, n).round(1),
        "year": np.where(rng.random(n) < 0.1, np.nan, rng.integers(1890, 2025, n)),
        "floor": rng.integers(0, 6, n),
        "district": rng.choice(["north", "east", "south", "west"], n, p=[0.4, 0.3, 0.2, 0.1]),
        "balcony": rng.random(n) < 0.6,
    }
)
is_cheap = flats["year"].between(1955, 1979)
price = 4 * flats["area"].clip(upper=60) + flats["area"] - 90 * is_cheap + 30 * (flats["district"] == "south")
price += 15 * flats["balcony"] + 20 * rng.normal(size=n)
X, X_test, y, y_test = train_test_split(flats, price, random_state=0)
X.head()

# %%

search = make_tabular_search("regression", n_jobs=2, random_state=0).fit(X, y)
for name, value in search.best_params_.items():
    print(f"{name} = {value}")

# %%
# Each bar is the mean score of a candidate minus that of the winner, with the standard error of the difference over the
# folds. Dark bars are of the first stage, light ones of the strengths that are tried with its winner.

StagedSearchDisplay.from_estimator(search)
plt.show()

# %%
# The search predicts with the chosen pipeline. A network on the columns that are numbers knows less.

numbers = ["area", "year", "floor", "balcony"]
plain = make_pipeline(StandardScaler(), L2NetRegressor(random_state=0))
plain.fit(X[numbers].fillna(X["year"].median()), y)
print(f"R² of the search       {search.best_estimator_.score(X_test, y_test):.3f}")
print(f"R² of a plain network  {plain.score(X_test[numbers].fillna(X['year'].median()), y_test):.3f}")

# %%
# Noise
# -----
# The 442 patients of :func:`sklearn.datasets.load_diabetes` tell little about the progress of their disease. There the
# splines follow the noise, and the strongest rule wins. Candidates within one standard error of the best tie, and the
# simplest of them is chosen.

X, y = load_diabetes(return_X_y=True, as_frame=True)
search = make_tabular_search("regression", n_jobs=2, random_state=0).fit(X, y)
StagedSearchDisplay.from_estimator(search)
plt.show()

# %%
# The network is one attribute away, and so is its report.

print(search.network_.l2_report())
