"""Typical uses with type hints, which `test_types.py` runs, and checks with ``mypy --strict``.

An ignored error is one that mypy has to find: it reports those that are not needed.
"""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import (
    Checkpoint,
    L2NetClassifier,
    L2NetClassifierCV,
    L2NetRegressor,
    L2NetRegressorCV,
    L2PathDisplay,
    LossCurveDisplay,
    NodeSweepCV,
    NodeSweepDisplay,
    ParticleSwarm,
    PredictionIntervalDisplay,
    SwarmDisplay,
    WeightsDisplay,
    convert_alpha,
    list_conventions,
    make_tabular_search,
)
from skl2net.conventions import AlphaConversion
from skl2net.model_selection import StagedSearchCV
from skl2net.posterior import Posterior
from skl2net.report import L2Report
from skl2net.solvers.swarm import SwarmState


def flowers() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    X, y = load_iris(return_X_y=True)
    return X, y


def classify() -> float:
    X, y = flowers()
    net = L2NetClassifier((5,), "tanh", solver="lbfgs", alpha=[1.0, 2.0], max_iter=20, random_state=0)
    assert_type(net.fit(X, y), L2NetClassifier)
    assert_type(net.predict(X), NDArray[Any])
    assert_type(net.predict_proba(X), NDArray[np.floating[Any]])
    assert_type(net.coefs_, list[NDArray[np.floating[Any]]])
    assert_type(net.loss_curve_, list[float])
    assert_type(net.validation_loss_curve_, list[float] | None)
    assert_type(net.swarm_, SwarmState | None)
    assert_type(net.get_params(), dict[str, Any])
    assert_type(net.set_params(alpha=2.0), L2NetClassifier)
    return net.score(X, y)


def stream() -> int:
    X, y = flowers()
    net = L2NetClassifier(l2_mode="decay_after", alpha=0.001, random_state=np.random.RandomState(0))
    for rows in np.array_split(np.arange(len(X)), 3):
        assert_type(net.partial_fit(X[rows], y[rows], classes=[0, 1, 2]), L2NetClassifier)
    return net.t_


def regress() -> NDArray[np.floating[Any]]:
    X, _ = flowers()
    net = L2NetRegressor(np.array([4, 3]), loss="poisson", batch_size="auto", early_stopping=True, max_iter=5)
    L2NetRegressor(loss="quantile", quantile=0.9, max_iter=5).fit(X[:, :3], X[:, 3])
    net.set_params(scoring="r2").fit(X[:75, :3], X[:75, 3], X_val=X[75:, :3], y_val=X[75:, 3])
    return net.predict(X[:, :3])


def predict_with_uncertainty() -> NDArray[np.floating[Any]]:
    X, _ = flowers()
    net = L2NetRegressor((3,), posterior=True, max_iter=5).fit(X[:, :3], X[:, 3])
    assert_type(net.posterior_, Posterior | None)
    mean, std = net.predict(X[:, :3], return_std=True)
    return mean - 2 * std


def read_a_report() -> str:
    X, y = flowers()
    net = L2NetClassifier((5,), solver="sgd", l2_mode="decoupled", max_iter=5).fit(X.tolist(), y.tolist())
    report = net.l2_report()
    assert_type(report, L2Report)
    assert_type(report.alpha, float | tuple[float, ...])
    assert_type(report.to_dict(), dict[str, Any])
    assert_type(report.timescale, NDArray[np.float64] | None)
    return str(report) + report.rule


def train_by_swarm() -> float:
    X, y = flowers()
    swarm = ParticleSwarm(8, topology="ring", bounds=(-5, 5), inertia=(0.9, 0.4))
    net = L2NetClassifier((3,), solver=swarm, max_iter=5).fit(X, y)
    assert net.swarm_ is not None
    assert_type(net.swarm_.spread.median.tolist(), list[float])
    return net.data_loss_


def search() -> tuple[float, dict[str, Any]]:
    X, y = flowers()
    found = L2NetClassifierCV((3,), solver="lbfgs", alphas=[0.1, 1.0], cv=2, scoring="neg_log_loss", max_iter=5)
    assert_type(found.fit(X, y), L2NetClassifierCV)
    assert_type(found.scores_, NDArray[np.float64])
    assert_type(L2NetRegressorCV(solver="lbfgs", alphas=2, cv=2, max_iter=5).fit(X[:, :3], X[:, 3]).alpha_, float)
    model = make_pipeline(StandardScaler(), L2NetClassifier((2,), max_iter=1))
    sweep = NodeSweepCV(model, step=1, max_units=3, alphas=[1.0], cv=2).fit(X, y)
    table = assert_type(make_tabular_search("regression", cv=2, random_state=0), StagedSearchCV)
    assert_type(table.fit(X[:, :3], X[:, 3]).best_score_, float)
    return found.alpha_ + found.best_score_, sweep.best_params_


def plot() -> list[str]:
    X, y = flowers()
    net = L2NetClassifier((3,), solver="pso", max_iter=5).fit(X, y)
    path = L2NetClassifierCV((3,), solver="lbfgs", alphas=2, cv=2, max_iter=5).fit(X, y)
    sweep = NodeSweepCV(L2NetClassifier((2,), max_iter=1), step=1, max_units=3, cv=2).fit(X, y)
    regressor = L2NetRegressor((3,), posterior=True, max_iter=5).fit(X[:, :3], X[:, 3])
    curve = LossCurveDisplay.from_estimator(net)
    assert_type(curve, LossCurveDisplay)
    axes = [
        curve.norm_ax_,
        L2PathDisplay.from_estimator(path).ax_,
        NodeSweepDisplay.from_estimator(sweep, score_name="Accuracy").history_ax_,
        PredictionIntervalDisplay.from_estimator(regressor, X[:, :3], X[:, 3], level=0.5).ax_,
        SwarmDisplay.from_estimator(make_pipeline(net), ax=curve.figure_.add_subplot()).ax_,
        WeightsDisplay.from_estimator({"a": net, "b": net}).ax_,
    ]
    return [ax.get_xlabel() for ax in axes]


def save(path: Path) -> int:
    X, y = flowers()
    net = L2NetClassifier((3,), max_iter=3)
    net.set_callbacks(Checkpoint(path / "net.pickle", every=2))
    return net.fit(X, y).n_iter_


def convert() -> float:
    conversion = convert_alpha(1e-4, "penalty", "torch.SGD", learning_rate=0.1, momentum=0.9)
    assert_type(conversion, AlphaConversion)
    assert_type(conversion.alpha, float | None)
    assert_type([convention.name for convention in list_conventions()], list[str])
    return float(conversion)


def mistakes() -> None:
    L2NetClassifier(l2_mode="weight_decay")  # type: ignore[arg-type]
    L2NetClassifier(solver="rmsprop")  # type: ignore[arg-type]
    L2NetClassifier(loss="poisson")  # type: ignore[arg-type]
    L2NetClassifier(hidden_layer_sizes="100")  # type: ignore[arg-type]
    L2NetClassifier(alpah=1.0)  # type: ignore[call-arg]
    L2NetRegressor(loss="log_loss")  # type: ignore[arg-type]
    L2NetClassifierCV(selection="largest")  # type: ignore[arg-type]
    ParticleSwarm(topology="star")  # type: ignore[arg-type]
    Checkpoint(every=5)  # type: ignore[call-arg]
    convert_alpha("1e-4", "penalty", "torch.SGD")  # type: ignore[arg-type]
    LossCurveDisplay.from_estimator(L2NetClassifier(), axes=None)  # type: ignore[call-arg]
