"""Finding the strength of the L2 rule, the size of the network and the preprocessing of a table.

`alpha` holds the estimators that find `alpha` by cross-validation, `nodes` the sweep over the number of hidden units,
`staged` a grid search in stages, and `tabular` makes such a search for a data frame. All stand on `search`,
scikit-learn's search with networks trained side by side.
"""

from skl2net.model_selection.alpha import L2NetClassifierCV, L2NetRegressorCV
from skl2net.model_selection.nodes import NodeSweepCV
from skl2net.model_selection.staged import StagedSearchCV
from skl2net.model_selection.tabular import make_tabular_search

__all__ = ["L2NetClassifierCV", "L2NetRegressorCV", "NodeSweepCV", "StagedSearchCV", "make_tabular_search"]
