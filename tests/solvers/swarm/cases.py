"""Swarms, problems and small functions that the tests of the particle swarm share."""

import itertools

import numpy as np
import pytest
from cases import LOSS_OF, classes, make_network, regression
from sklearn.datasets import make_multilabel_classification

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.engines import available_engines
from skl2net.engines.base import Task
from skl2net.engines.reference import engine as reference
from skl2net.l2 import L2Rule
from skl2net.problem import Problem
from skl2net.solvers.monitor import Monitor
from skl2net.solvers.stopping import StoppingRule
from skl2net.solvers.training_state import TrainingState

LIVELY = {"patience": np.inf, "initial_spread": 1.0}


each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)


TASKS = {
    "binary": (L2NetClassifier, {}, classes(n_classes=2)),
    "multiclass": (L2NetClassifier, {}, classes()),
    "squared error": (L2NetClassifier, {"loss": "squared_error"}, classes()),
    "class weights": (L2NetClassifier, {"class_weight": "balanced"}, classes()),
    "multilabel": (
        L2NetClassifier,
        {},
        make_multilabel_classification(60, n_features=4, n_classes=3, random_state=0),
    ),
    "regression": (L2NetRegressor, {}, regression()),
    "two outputs": (L2NetRegressor, {}, regression(n_outputs=2)),
    "poisson": (L2NetRegressor, {"loss": "poisson"}, (regression()[0], np.abs(regression()[1]))),
}


# who informs whom among 12 particles: a ring, and a torus of 3 rows and 4 columns
INFORMANTS = {
    "global": {i: set(range(12)) for i in range(12)},
    "ring": {i: {i, (i + 1) % 12, (i - 1) % 12} for i in range(12)},
    "von_neumann": {
        4 * r + c: {4 * r + c, 4 * r + (c + 1) % 4, 4 * r + (c - 1) % 4, 4 * ((r + 1) % 3) + c, 4 * ((r - 1) % 3) + c}
        for r in range(3)
        for c in range(4)
    },
}


def make_problem(network, loss, X, Y, *, mode="penalty", alpha=0.0, sample_weight=None, engine=reference):
    """An objective with the same alpha in each layer, or an alpha for each."""
    alphas = np.broadcast_to(alpha, network.n_layers).tolist()
    return Problem(Task(network, LOSS_OF[loss], X, Y, sample_weight), L2Rule(mode, tuple(alphas)), engine)


def small_problem(mode="penalty", alpha=(0.1, 0.3), engine=reference):
    """Two weight layers, 13 parameters, five rows of unequal weight."""
    rng = np.random.default_rng(0)
    network = make_network((2, 3, 1), "tanh")
    weight = np.array([1.0, 2.0, 0.5, 1.0, 1.5])
    X, Y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
    return make_problem(
        network, ("identity", "squared_error"), X, Y, mode=mode, alpha=alpha, sample_weight=weight, engine=engine
    )


class Flight:
    """A solver at work on a problem, call after call; `monitor` and `state` are those of the last call."""

    def __init__(self, solver, problem, n_iter):
        self.solver, self.problem = solver, problem
        self.random_state, self.state = np.random.RandomState(0), None
        self.parameters = problem.network.initial_parameters(self.random_state, problem.session.dtype)
        self.go_on(n_iter)

    def go_on(self, n_iter=1):
        """Fly on, without an end of patience."""
        start = TrainingState(self.random_state, parameters=self.parameters, solver_state=self.state)
        self.monitor = Monitor(self.solver.stopping(StoppingRule(n_iter, tol=0.0, n_iter_no_change=np.inf)), start)
        self.solver.minimise(self.problem, start, self.monitor)
        self.parameters, self.state = self.monitor.state.parameters, self.monitor.state.solver_state
        return self.state


def interrupted(objective, call):
    """The objective, but its call of that number, from 1, is interrupted."""
    n_calls = itertools.count(1)

    def failing(*args, **kwargs):
        if next(n_calls) == call:
            raise KeyboardInterrupt
        return objective(*args, **kwargs)

    return failing
