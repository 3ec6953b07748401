"""Plots, following scikit-learn's displays; matplotlib is imported when one is drawn."""

from skl2net.display.l2_path import L2PathDisplay
from skl2net.display.loss_curve import LossCurveDisplay
from skl2net.display.node_sweep import NodeSweepDisplay
from skl2net.display.prediction_interval import PredictionIntervalDisplay
from skl2net.display.staged_search import StagedSearchDisplay
from skl2net.display.swarm import SwarmDisplay
from skl2net.display.weights import WeightsDisplay

__all__ = [
    "L2PathDisplay",
    "LossCurveDisplay",
    "NodeSweepDisplay",
    "PredictionIntervalDisplay",
    "StagedSearchDisplay",
    "SwarmDisplay",
    "WeightsDisplay",
]
