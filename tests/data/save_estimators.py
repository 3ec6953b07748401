"""Save a fitted estimator of each kind, as pickle and as skops, and what it predicts, in a folder of this release.

Later releases have to read these files and to make the same predictions, so that they stay as they are once the version
has been released. ``python tests/data/save_estimators.py [NAME ...]``
"""

import pickle
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import skops.io

import skl2net
from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, ParticleSwarm
from skl2net.engines import default_engine

FOLDER = Path(__file__).parent / ".".join(skl2net.__version__.split(".")[:2])
COMMON = {"hidden_layer_sizes": (3,), "activation": "tanh", "max_iter": 5, "random_state": 0}


# so many rows that their order is saved as the shuffles that it came from
X = np.random.RandomState(0).normal(size=(320, 4))
CLASSES, LABELS = np.array(list("abc"))[np.arange(320) % 3], (X[:, :3] > 0) * 1
TARGETS = X[:, :2] * X[:, 2:]

ESTIMATORS = {
    "lbfgs": (L2NetClassifier(solver="lbfgs", **COMMON), X, CLASSES),
    "sgd": (L2NetClassifier(solver="sgd", learning_rate="adaptive", warm_start=True, **COMMON), X, CLASSES),
    "adam": (L2NetClassifier(solver="adam", **COMMON), X, CLASSES),
    "adam-float32": (L2NetRegressor(solver="adam", **COMMON), X.astype(np.float32), TARGETS),
    "early-stopping": (L2NetClassifier(early_stopping=True, l2_mode="decoupled", **COMMON), X, CLASSES == "a"),
    "multilabel": (L2NetClassifier(**COMMON), X, LABELS),
    "pso": (L2NetRegressor(solver=ParticleSwarm(4, topology="random"), **COMMON), X, TARGETS),
    "quantile": (L2NetRegressor(loss="quantile", quantile=0.9, **COMMON), X, TARGETS),
    "posterior": (L2NetRegressor(posterior=True, **COMMON), X, TARGETS),
    "cv": (L2NetClassifierCV(solver="lbfgs", alphas=[0.1, 1.0], cv=2, **COMMON), X, CLASSES),
}


def predictions(net, X):
    """Probabilities, or what a regressor predicts."""
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or ESTIMATORS:
        net, X_fit, y = ESTIMATORS[name]
        net.fit(X_fit, y)
        (FOLDER / f"{name}.pickle").write_bytes(pickle.dumps(net, protocol=4))
        skops.io.dump(net, FOLDER / f"{name}.skops", compression=zipfile.ZIP_DEFLATED)
        np.savez_compressed(
            FOLDER / f"{name}.npz",
            predictions=predictions(net, X_fit[:20]),
            instruction_set=default_engine().instruction_set,
        )
