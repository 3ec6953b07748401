"""The estimators: what users import. They validate and encode, call `skl2net.fitting.fit_network`, and keep the result.

`base` is what the `classifier` and the `regressor` share.
"""

from skl2net.estimators.classifier import L2NetClassifier
from skl2net.estimators.regressor import L2NetRegressor

__all__ = ["L2NetClassifier", "L2NetRegressor"]
