"""Finding the strength of the L2 rule and the size of the network.

`alpha` holds the estimators that find `alpha` by cross-validation.
"""

from skl2net.model_selection.alpha import L2NetClassifierCV, L2NetRegressorCV

__all__ = ["L2NetClassifierCV", "L2NetRegressorCV"]
