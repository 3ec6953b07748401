"""skl2net: a scikit-learn compatible multi-layer perceptron with explicit, exact, translatable L2 regularisation."""

from skl2net._version import __version__ as __version__
from skl2net.callbacks import Checkpoint
from skl2net.conventions import convert_alpha, list_conventions
from skl2net.display import (
    L2PathDisplay,
    LossCurveDisplay,
    NodeSweepDisplay,
    PredictionIntervalDisplay,
    StagedSearchDisplay,
    SwarmDisplay,
    WeightsDisplay,
)
from skl2net.estimators import L2NetClassifier, L2NetRegressor
from skl2net.model_selection import L2NetClassifierCV, L2NetRegressorCV, NodeSweepCV, make_tabular_search
from skl2net.solvers.swarm import ParticleSwarm
from skl2net.versions import show_versions

__all__ = [
    "Checkpoint",
    "L2NetClassifier",
    "L2NetClassifierCV",
    "L2NetRegressor",
    "L2NetRegressorCV",
    "L2PathDisplay",
    "LossCurveDisplay",
    "NodeSweepCV",
    "NodeSweepDisplay",
    "ParticleSwarm",
    "PredictionIntervalDisplay",
    "StagedSearchDisplay",
    "SwarmDisplay",
    "WeightsDisplay",
    "convert_alpha",
    "list_conventions",
    "make_tabular_search",
    "show_versions",
]
