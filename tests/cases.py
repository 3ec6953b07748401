"""Networks, data and small functions that several test files share."""

import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

import skl2net
from skl2net.activations import ACTIVATIONS
from skl2net.engines.base import Batches, EpochTotals, OptimiserState, Task
from skl2net.l2 import MODES, PENALTIES, L2Rule
from skl2net.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES, Loss, Quantile
from skl2net.network import Network
from skl2net.solvers.optimisers import SGD, Adam

PACKAGE = str(Path(skl2net.__file__).parent)
# a lock's `with` statement is left without releasing it at bytecodes where no real signal arrives
LOCKS = str(Path(PACKAGE, "engines", "threads.py"))

_LOSSES = [loss for kinds in CLASSIFICATION_LOSSES.values() for loss in kinds.values()] + [*REGRESSION_LOSSES.values()]
LOSS_OF = {(loss.output.name, loss.name): loss for loss in [*_LOSSES, Quantile(0.8)]}
# all but the absolute error, which is computed as the quantile's loss is, with other slopes
OUTPUT_LOSSES = [key for key in LOSS_OF if key[1] != "absolute_error"]

# optimisers, each with a learning rate
STEPS = {
    "sgd": (SGD(0.0, nesterov=False), 0.05),
    "momentum": (SGD(0.9, nesterov=False), 0.02),
    "nesterov": (SGD(0.9, nesterov=True), 0.02),
    "adam": (Adam(0.9, 0.999, 1e-8), 0.01),
}

SOLVER_MODES = [
    (solver, mode) for solver, modes in (("sgd", MODES), ("adam", MODES), ("lbfgs", PENALTIES)) for mode in modes
]


@dataclass
class Case:
    """What an engine is called with."""

    network: Network
    loss: Loss
    parameters: np.ndarray
    X: np.ndarray
    Y: np.ndarray
    sample_weight: np.ndarray | None = None
    rows: np.ndarray | None = None

    @property
    def task(self):
        """What an engine is given besides the parameters."""
        return Task(self.network, self.loss, self.X, self.Y, self.sample_weight, self.rows)

    def taken(self):
        """The same case with copies of the rows that count."""
        taken = self.task.taken
        return replace(self, X=taken(self.X), Y=taken(self.Y), sample_weight=taken(self.sample_weight), rows=None)

    def with_classes(self):
        """The same case with the number of the class of each row instead of one-hot targets."""
        return replace(self, Y=self.Y.argmax(axis=1).astype(np.int32))

    def astype(self, dtype):
        """The same case in another precision."""
        weight = None if self.sample_weight is None else self.sample_weight.astype(dtype)
        arrays = {"parameters": self.parameters, "X": self.X, "Y": self.Y}
        return replace(self, sample_weight=weight, **{name: array.astype(dtype) for name, array in arrays.items()})


def make_case(
    layer_sizes, activation, output, loss, *, n_rows=6, sparse=False, weighted=False, dtype=np.float64, seed=0
):
    """Draw a network and data for it; about a third of the entries of sparse data are not zero."""
    rng = np.random.default_rng(seed)
    network = make_network(layer_sizes, activation)
    parameters = rng.normal(size=network.n_parameters) / np.sqrt(max(layer_sizes[:-1]))
    X = rng.normal(size=(n_rows, layer_sizes[0]))
    if sparse:
        X = sp.csr_matrix(X * (rng.uniform(size=X.shape) < 0.35))
    Y = targets(output, loss, n_rows, layer_sizes[-1], rng)
    weight = rng.uniform(0.2, 2.0, n_rows) if weighted else None
    if weighted and n_rows > 2:
        weight[1] = 0.0
    return Case(network, LOSS_OF[output, loss], parameters, X, Y, weight).astype(dtype)


def make_network(layer_sizes, activation):
    """A network, by the name of its activation."""
    return Network(tuple(layer_sizes), ACTIVATIONS[activation])


def targets(output, loss, n_rows, n_outputs, rng):
    """Draw targets such as the loss takes."""
    if output == "softmax":
        return np.eye(n_outputs)[rng.integers(n_outputs, size=n_rows)]
    if output == "logistic":
        return rng.integers(2, size=(n_rows, n_outputs)).astype(float)
    if loss == "poisson":
        return rng.poisson(1.5, size=(n_rows, n_outputs)).astype(float)
    return rng.normal(size=(n_rows, n_outputs))


def hidden_values(case):
    """Inputs to the hidden units, written out anew: list of arrays of shape (n_rows, n_units)."""
    function = {
        "identity": lambda Z: Z,
        "logistic": lambda Z: 1 / (1 + np.exp(-Z)),
        "tanh": np.tanh,
        "relu": lambda Z: np.maximum(Z, 0),
        "softplus": lambda Z: np.logaddexp(0, Z),
    }[case.network.activation.name]
    coefs, intercepts = case.network.unpack(case.parameters)
    A, values = case.X, []
    for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
        values.append(A @ coef + intercept)
        A = function(values[-1])
    return values


def new_state(parameters, optimiser):
    """State of an optimiser before its first update."""
    return OptimiserState(parameters.copy(), np.zeros((optimiser.n_moments, len(parameters)), parameters.dtype))


def make_batches(n_rows, n_updates, batch_size, *, n_epochs=1, sample_weight=None, seed=0):
    """Batches of random rows, the last one of each epoch half as large."""
    rng = np.random.default_rng(seed)
    bounds = np.arange(n_updates + 1) * batch_size
    bounds[-1] -= batch_size // 2
    order = rng.integers(n_rows, size=(n_epochs, bounds[-1]))
    weight = np.ones(n_rows) if sample_weight is None else sample_weight.astype(np.float64)
    return Batches(order, bounds, np.add.reduceat(weight[order], bounds[:-1], axis=1))


def rates_of(batches, learning_rate):
    """The same learning rate for each update."""
    return np.broadcast_to(float(learning_rate), batches.n_samples.shape)


def coefficients_of(case, mode, alpha, batches, learning_rate):
    """L2 coefficients of each update, and of each layer."""
    alpha = np.broadcast_to(alpha, case.network.n_layers)
    n, n_total = batches.n_samples, case.task.n_samples
    return L2Rule(mode, alpha).coefficients(n=n, n_total=n_total, learning_rate=learning_rate)


def run(engine, case, step, mode, alpha, batches):
    """Let an engine run updates from the parameters of a case: state, and what the last epoch amounts to."""
    optimiser, learning_rate = step
    coefficients = coefficients_of(case, mode, alpha, batches, learning_rate)
    state = new_state(case.parameters, optimiser)
    curves = engine.open(case.task).run_updates(
        state, batches, coefficients, optimiser, rates_of(batches, learning_rate)
    )
    assert curves.shape == (len(batches.n_samples), 4)
    return state, EpochTotals(*curves[-1].tolist())


def iterating_method(solver):
    """Name of the method of a session in which a solver spends its iterations."""
    return {"lbfgs": "iterate_lbfgs", "pso": "iterate_swarm"}.get(solver, "run_updates")


@contextmanager
def converging_or_not():
    """Say nothing about trainings that are cut short on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def fit(estimator, X, y, **kwargs):
    """Fit, whether the iterations suffice or not."""
    with converging_or_not():
        return estimator.fit(X, y, **kwargs)


def flat(estimator):
    """All parameters of a fitted network, skl2net's or scikit-learn's, in one vector."""
    return np.concatenate([np.ravel(a) for a in (*estimator.coefs_, *estimator.intercepts_)])


def distance(u, v):
    """Largest difference relative to the size of `v`."""
    u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    return np.abs(u - v).max() / (1 + np.abs(v).max())


def classes(n_rows=60, n_features=4, n_classes=3, seed=0):
    """Overlapping clouds of points, one for each class, and their labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % n_classes
    return rng.normal(size=(n_rows, n_features)) + rng.normal(size=(n_classes, n_features))[y], y


def regression(n_rows=60, n_features=4, n_outputs=1, seed=0):
    """A smooth function of the features, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features))
    Y = np.tanh(X @ rng.normal(size=(n_features, n_outputs))) + 0.1 * rng.normal(size=(n_rows, n_outputs))
    return X, Y.ravel() if n_outputs == 1 else Y


class After:
    """A callback that does something after each iteration, given its number. True stops the fit."""

    def __init__(self, do):
        self.do = do

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "iteration" and self.do(context.task_id + 1) is True


class AtBytecode:
    """Ctrl-C at one of the bytecodes that skl2net runs, counted from 1; `n` is how many have been run."""

    def __init__(self, at=None):
        self.at, self.n = at, 0

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def _trace(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE) or frame.f_code.co_filename == LOCKS:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._count

    def _count(self, frame, event, arg):
        if event == "opcode":
            self.n += 1
            if self.n == self.at:
                raise KeyboardInterrupt
        return self._count


def count_bytecodes(run):
    """How many bytecodes of skl2net `run()` runs, counted the second time.

    Since Python 3.12, those of a function that has not been traced before are traced from its second call on.
    """
    for _ in range(2):
        with AtBytecode() as counter:
            run()
    return counter.n


class Recorder:
    """A callback that notes the names of all tasks."""

    def __init__(self):
        self.begun, self.ended = [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **kwargs):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.ended.append(context.task_name)
