"""Finding the strength of the L2 rule and the size of the network.

`alpha` holds the estimators that find `alpha` by cross-validation, `nodes` the sweep over the number of hidden units.
Both stand on `search`, scikit-learn's search with networks trained side by side.
"""

from skl2net.model_selection.alpha import L2NetClassifierCV, L2NetRegressorCV
from skl2net.model_selection.nodes import NodeSweepCV

__all__ = ["L2NetClassifierCV", "L2NetRegressorCV", "NodeSweepCV"]
