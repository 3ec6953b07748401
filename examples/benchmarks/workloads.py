"""What `compare_peers.py` has every library do: the data, the networks, their hyper-parameters, the targets.

A `Workload` is a line of the plan, a `Case` is a workload with its solver, precision and data: all that an adapter in
`peers.py` gets to see.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import scipy.sparse
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.preprocessing import StandardScaler, normalize

from skl2net import L2NetClassifier
from skl2net.activations import ACTIVATIONS
from skl2net.network import Network

ALPHA = 0.01
EPSILON = 1e-12  # so small that its place, which differs between libraries, does not matter
SEED = 0
PREDICT = "predict"  # in place of a solver
VALIDATION_FRACTION = 0.1
ALL_PEERS = ("scikit-learn", "PyTorch", "JAX")
# Largest relative difference of two final losses that still counts as the same result. Rounding errors grow along the
# path of training, the more so where a rectified unit turns on or off a little earlier or later: at Adam's usual
# rate of 0.001, libraries that agree to 6 digits after 5 epochs on the digits agree to less than 3 after 50.
TOLERANCE = {"float32": 1e-3, "float64": 1e-5}


def iris():
    """150 flowers, standardised."""
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def breast_cancer():
    """569 patients of 30 features, standardised."""
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def digits():
    """1797 images of 8×8 pixels, in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def made(n_rows, n_features):
    """Normal features, and one of ten classes by a random linear map of them, with noise."""
    random_state = np.random.RandomState(SEED)
    X = random_state.standard_normal((n_rows, n_features))
    return X, _noisy_classes(X / np.sqrt(n_features), random_state)


def many_classes(n_rows, n_features, n_classes):
    """Normal features around a centre for each class."""
    random_state = np.random.RandomState(SEED)
    y = random_state.permutation(np.arange(n_rows) % n_classes)
    return random_state.standard_normal((n_classes, n_features))[y] + random_state.standard_normal(
        (len(y), n_features)
    ), y


def text(n_rows, n_words, words_per_row):
    """CSR, like counts of words: few of many columns in each row, and some columns far more often than others."""
    random_state = np.random.RandomState(SEED)
    frequency = 1 / (np.arange(n_words) + 100.0)
    columns = random_state.choice(n_words, n_rows * words_per_row, p=frequency / frequency.sum())
    rows = np.repeat(np.arange(n_rows), words_per_row)
    X = normalize(scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(n_rows, n_words)))
    return X, _noisy_classes(X, random_state)


def _noisy_classes(X, random_state):
    scores = X @ random_state.standard_normal((X.shape[1], 10))
    return (scores + 0.5 * random_state.standard_normal(scores.shape)).argmax(axis=1)


@dataclass(frozen=True)
class Workload:
    """A line of the plan.

    Parameters
    ----------
    name : str
    load : callable
        ``load() -> (X, y)``.
    hidden : tuple of int
        Units of the hidden layers.
    n_iter : int
        Epochs, or iterations of L-BFGS.
    batch_size : int or None
        None is the full batch.
    learning_rates : dict of str to float
        That of each solver to run, small enough for rounding errors not to grow; `PREDICT` in place of a solver.
    momentum : float
        Of SGD.
    early_stopping : bool
    predict_rows : int or None
        Rows to predict where it is not `fit` that is timed.
    callers : int
        Python threads that predict at once.
    peers : tuple of str
    targets : dict of str to float
        How many times faster than each peer this project set out to be.
    target_solvers, target_dtypes : tuple of str
        What the targets are for.
    """

    name: str
    load: Callable
    hidden: tuple[int, ...]
    n_iter: int
    batch_size: int | None
    learning_rates: dict[str, float]
    momentum: float = 0.9
    early_stopping: bool = False
    predict_rows: int | None = None
    callers: int = 1
    peers: tuple[str, ...] = ALL_PEERS
    targets: dict[str, float] = field(default_factory=dict)
    target_solvers: tuple[str, ...] = ("sgd",)
    target_dtypes: tuple[str, ...] = ("float32",)

    def quick(self):
        """The same with a tenth of the iterations, to see that it runs."""
        return replace(self, n_iter=max(1, self.n_iter // 10))

    def cases(self):
        """Each solver in each precision."""
        X, y = self.load()
        for dtype in ("float32", "float64"):
            for solver in self.learning_rates:
                yield Case(self, solver, dtype, X.astype(dtype), y)


@dataclass(frozen=True)
class Case:
    """One thing that all peers do alike.

    Parameters
    ----------
    workload : Workload
    solver : {"sgd", "adam", "lbfgs", "predict"}
    dtype : {"float32", "float64"}
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        Classes 0, 1, ….
    """

    workload: Workload
    solver: str
    dtype: str
    X: np.ndarray
    y: np.ndarray

    @cached_property
    def network(self):
        """Rectified linear units below softmax."""
        return Network((self.X.shape[1], *self.workload.hidden, int(self.y.max()) + 1), ACTIVATIONS["relu"])

    @cached_property
    def n_train(self):
        """Rows to train on: all, but for the validation set of early stopping."""
        n_rows = len(self.y)
        return n_rows - int(np.ceil(VALIDATION_FRACTION * n_rows)) if self.workload.early_stopping else n_rows

    @cached_property
    def batch_size(self):
        """Rows of an update."""
        return self.workload.batch_size or self.n_train

    @property
    def learning_rate(self):
        """That of the solver."""
        return self.workload.learning_rates[self.solver]

    @property
    def momentum(self):
        """That of SGD."""
        return self.workload.momentum

    @property
    def n_iter(self):
        """Epochs or iterations."""
        return self.workload.n_iter

    @property
    def n_updates(self):
        """Updates in a whole fit."""
        return self.n_iter * -(-self.n_train // self.batch_size)

    @property
    def targets(self):
        """The ratios to be reached, where there are any for this solver and precision."""
        workload = self.workload
        wanted = self.dtype in workload.target_dtypes and self.solver in workload.target_solvers
        return workload.targets if wanted else {}

    @property
    def trains(self):
        """Whether it is `fit` that is timed, or else `predict`."""
        return self.solver != PREDICT

    def estimator_parameters(self):
        """Parameters with the same names in scikit-learn and skl2net; nothing ends training before `n_iter`."""
        return {
            "hidden_layer_sizes": self.workload.hidden,
            "solver": self.solver,
            "alpha": ALPHA,
            "batch_size": self.workload.batch_size or "auto",
            "learning_rate": "constant",
            "learning_rate_init": self.learning_rate,
            "momentum": self.momentum,
            "epsilon": EPSILON,
            "nesterovs_momentum": False,
            "early_stopping": self.workload.early_stopping,
            "validation_fraction": VALIDATION_FRACTION,
            "max_iter": self.n_iter,
            "n_iter_no_change": self.n_iter,
            "tol": 0.0,
            "random_state": SEED,
        }

    def start(self):
        """What the estimators draw at the beginning of a fit: initial weights and biases, by layer; and the source."""
        random_state = np.random.RandomState(SEED)
        coefs, intercepts = self.network.unpack(self.network.initial_parameters(random_state, self.dtype))
        return coefs, intercepts, random_state

    def orders(self, random_state):
        """The order of the rows in each epoch, as the estimators shuffle them."""
        order = np.arange(self.n_train)
        for _ in range(self.n_iter):
            permutation = np.arange(self.n_train)
            random_state.shuffle(permutation)
            order = order[permutation]
            yield order

    @cached_property
    def rows(self):
        """The rows to predict: the training data, as often as it takes."""
        repeats = -(-self.workload.predict_rows // len(self.X))
        return np.tile(self.X, (repeats, 1))[: self.workload.predict_rows]

    def trained(self):
        """skl2net's network after an epoch, whose predictions are timed."""
        net = L2NetClassifier(self.workload.hidden, learning_rate="constant", alpha=1.0, max_iter=1, random_state=SEED)
        return net.fit(self.X, self.y)

    def summary(self, outcome):
        """What a library's job returned, as numbers to compare; of predictions, the share that is wrong."""
        if self.trains:
            coefs, intercepts, n_iter = outcome
            return {"loss": self.loss(coefs, intercepts), "n_iter": int(n_iter)}
        return {"loss": float(np.mean(outcome != np.resize(self.y, len(outcome)))), "n_iter": 1}

    def loss(self, coefs, intercepts):
        """Mean log loss on all rows, without penalty, in double precision."""
        hidden = self.X.astype(np.float64)
        for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
            hidden = np.maximum(hidden @ coef.astype(np.float64) + intercept, 0)
        logits = hidden @ coefs[-1].astype(np.float64) + intercepts[-1]
        if logits.shape[1] == 1:  # two classes by one logistic output
            logits = np.hstack([np.zeros_like(logits), logits])
        return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(self.y)), self.y]))


def _plan():
    rates = {"sgd": 0.01, "adam": 0.0005}
    digits_rates = {"sgd": 0.01, "adam": 0.0002}
    yield Workload(
        name="iris",
        load=iris,
        hidden=(10,),
        n_iter=100,
        batch_size=1,
        learning_rates=rates,
        momentum=0.0,
        targets={"scikit-learn": 150, "PyTorch": 200, "JAX": 4},
    )
    yield Workload(
        name="digits",
        load=digits,
        hidden=(64,),
        n_iter=50,
        batch_size=32,
        learning_rates=digits_rates,
        targets={"scikit-learn": 15, "PyTorch": 30, "JAX": 2},
    )
    yield Workload(
        name="20000x100",
        load=lambda: made(20000, 100),
        hidden=(256, 128),
        n_iter=5,
        batch_size=200,
        learning_rates=rates,
        targets={"scikit-learn": 2, "PyTorch": 1.9, "JAX": 1.15},
        target_solvers=("sgd", "adam"),
    )
    yield Workload(
        name="20000x784",
        load=lambda: made(20000, 784),
        hidden=(256,),
        n_iter=3,
        batch_size=128,
        learning_rates=rates,
        targets={"scikit-learn": 1.6, "PyTorch": 1.5, "JAX": 1.1},
        target_solvers=("sgd", "adam"),
        target_dtypes=("float32", "float64"),
    )
    yield Workload(
        name="5-hidden-layers",
        load=lambda: made(20000, 100),
        hidden=(64,) * 5,
        n_iter=3,
        batch_size=200,
        learning_rates=rates,
    )
    yield Workload(
        name="1000000x20",
        load=lambda: made(1_000_000, 20),
        hidden=(32,),
        n_iter=1,
        batch_size=1000,
        learning_rates={"adam": rates["adam"]},
    )
    yield Workload(
        name="5000-classes",
        load=lambda: many_classes(10000, 50, 5000),
        hidden=(100,),
        n_iter=1,
        batch_size=200,
        learning_rates={"adam": rates["adam"]},
    )
    estimators = {"peers": ("scikit-learn",)}
    full_batch = {"batch_size": None, "learning_rates": {"lbfgs": 0.001}, **estimators}
    small = {
        "hidden": (32,),
        "targets": {"scikit-learn": 2.5},
        "target_solvers": ("lbfgs",),
        "target_dtypes": ("float32", "float64"),
    }
    yield Workload(name="lbfgs-breast-cancer", load=breast_cancer, n_iter=50, **small, **full_batch)
    yield Workload(name="lbfgs-digits", load=digits, n_iter=50, **small, **full_batch)
    yield Workload(name="lbfgs-20000x100", load=lambda: made(20000, 100), hidden=(256, 128), n_iter=10, **full_batch)
    yield Workload(
        name="early-stopping",
        load=digits,
        hidden=(64,),
        n_iter=30,
        batch_size=32,
        learning_rates={"adam": digits_rates["adam"]},
        early_stopping=True,
        **estimators,
    )
    yield Workload(
        name="csr-text",
        load=lambda: text(20000, 100_000, 100),
        hidden=(50,),
        n_iter=2,
        batch_size=200,
        learning_rates=rates,
        **estimators,
    )
    yield Workload(
        name="tf-idf",
        load=lambda: text(8000, 28623, 100),
        hidden=(50,),
        n_iter=3,
        batch_size=200,
        learning_rates=rates,
        targets={"scikit-learn": 4},
        target_solvers=("sgd", "adam"),
        target_dtypes=("float32", "float64"),
        **estimators,
    )
    predictions = {
        "load": lambda: made(20000, 100),
        "hidden": (256, 128),
        "n_iter": 1,
        "batch_size": 200,
        "learning_rates": {PREDICT: 0.0},
        "target_solvers": (PREDICT,),
    }
    of_one = {"scikit-learn": 10, "PyTorch": 2, "JAX": 3}
    yield Workload(name="predict-1", predict_rows=1, targets=of_one, **predictions)
    for n in (2, 4):
        yield Workload(name=f"predict-1 in {n} threads", predict_rows=1, callers=n, **predictions)
    for n_rows in (100, 100_000):
        yield Workload(name=f"predict-{n_rows}", predict_rows=n_rows, **predictions)


WORKLOADS = {workload.name: workload for workload in _plan()}
