"""Plots of searches, in the manner of scikit-learn's displays."""

from skl2net.display.node_sweep import NodeSweepDisplay

__all__ = ["NodeSweepDisplay"]
