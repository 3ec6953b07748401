"""Searches for the strength of the rule and the number of hidden units."""

from skl2net.model_selection.nodes import NodeSweepCV

__all__ = ["NodeSweepCV"]
