"""The order of the examples: from the first one to read to the special ones, others after them by name."""

from pathlib import Path

ORDER = [
    "quickstart",
    "decision_boundary",
    "overfitting",
    "rules_on_a_weight",
    "find_lambda",
    "uncertainty",
    "node_sweep",
    "tabular_search",
    "when_trees_win",
    "quantiles",
    "callbacks",
    "drifting_stream",
    "particle_swarm",
    "swarm_decay",
]


def sort_key(filename):
    """Sort key of an example."""
    stem = Path(filename).stem
    return (ORDER.index(stem) if stem in ORDER else len(ORDER)), stem
