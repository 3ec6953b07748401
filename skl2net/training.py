"""From the parameters of an estimator and its data to what `skl2net.fitting.fit_network` needs.

`make_plan` and `make_start` are what `fit`, the searches and the conversions have in common. Where they take an
estimator, they read its parameters and nothing else.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

from skl2net.activations import ACTIVATIONS
from skl2net.engines import default_engine
from skl2net.engines.base import Engine, Task
from skl2net.fitting import EarlyStopping, Plan
from skl2net.l2 import check_rule
from skl2net.losses import Loss
from skl2net.network import Network
from skl2net.posterior import check_posterior
from skl2net.problem import Decoder, Problem
from skl2net.solvers.gradient import GradientDescent
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.optimisers import SGD, Adam
from skl2net.solvers.schedules import SCHEDULES, Constant
from skl2net.solvers.stopping import Progress, StoppingRule
from skl2net.solvers.swarm import ParticleSwarm
from skl2net.solvers.training_state import TrainingState
from skl2net.target_scale import TargetScale


@dataclass(frozen=True)
class TrainingData:
    """Validated and encoded data, of which `Y` is as `Task` takes it."""

    X: np.ndarray
    Y: np.ndarray
    n_outputs: int
    sample_weight: np.ndarray | None  # without class weights
    loss: Loss
    decoder: Decoder  # what targets and outputs mean
    stratify: np.ndarray | None = None  # labels whose proportions a validation set shares
    target_scale: TargetScale | None = None  # the units of `Y`; None for those of the targets
    class_weights: Callable | None = None  # (Y, sample_weight, dtype) -> weights, multiplied by those of the classes
    engine: Engine | None = None  # that these data need; None for the default one

    @property
    def weights(self):
        """Weights of all samples, class weights included; None if all are one."""
        if self.class_weights is None:
            return self.sample_weight
        return self.class_weights(self.Y, self.sample_weight, self.X.dtype)


def make_plan(net, data, validation=None, *, n_threads=None, n_seen=0.0, is_stream=False):
    """The plan of a fit. Of the estimator `net`, only the parameters are read, including `alpha`.

    `data` and `validation` are `TrainingData`; without the latter, early stopping sets rows of `data` aside.
    `is_stream` says that this is a call of `partial_fit`. For `n_threads` see `Task`, for `n_seen` see `Problem`.
    """
    solver = make_solver(net, data.X.shape[0], is_stream=is_stream)
    sizes = (data.X.shape[1], *layer_sizes(net.hidden_layer_sizes), data.n_outputs)
    network = Network(sizes, ACTIVATIONS[net.activation])
    if network.n_parameters * data.X.dtype.itemsize > sys.maxsize:
        raise ValueError("hidden_layer_sizes is too large: the weights exceed the address space. Pass fewer units.")
    rule = check_rule(
        net.l2_mode, net.alpha, n_layers=network.n_layers, solver=solver, learning_rate=solver.learning_rate_init
    )
    task = Task(network, data.loss, data.X, data.Y, data.weights, n_threads=n_threads)
    early_stopping = None
    if net.early_stopping:
        if validation is not None:
            validation = replace(task, X=validation.X, Y=validation.Y, sample_weight=validation.weights)
        elif data.engine is not None and solver.uses_validation:
            raise ValueError(
                "early_stopping=True cannot set samples of a Dask collection aside, which stay on its workers. Pass "
                "X_val and y_val to fit, or set early_stopping=False."
            )
        scoring = net.scoring if net.scoring in (None, "score") else check_scoring(net, net.scoring)
        early_stopping = EarlyStopping(float(net.validation_fraction), data.stratify, validation, scoring)
    max_iter = 1 if is_stream else solver.default_max_iter if net.max_iter is None else net.max_iter
    problem = Problem(task, rule, data.engine or default_engine(), data.decoder, n_seen)
    if net.posterior:
        check_posterior(problem, solver)
    return Plan(
        problem,
        solver,
        StoppingRule(int(max_iter), float(net.tol), net.n_iter_no_change),
        early_stopping,
        has_posterior=net.posterior,
    )


def make_solver(net, n_rows, *, is_stream=False):
    """The solver of an estimator for `n_rows` rows, in `partial_fit` if `is_stream`."""
    if isinstance(net.solver, ParticleSwarm):
        return net.solver
    if net.solver == "pso":
        return ParticleSwarm()
    if net.solver == "lbfgs":
        return LBFGS(max_fun=net.max_fun)
    if net.solver == "adam":
        optimiser = Adam(float(net.beta_1), float(net.beta_2), float(net.epsilon))
    else:
        optimiser = SGD(float(net.momentum), net.nesterovs_momentum)
    schedule = SCHEDULES[net.learning_rate]
    if net.solver not in schedule.solvers or (is_stream and schedule.has_horizon):
        schedule = Constant
    rate = schedule.default_rates[net.solver] if net.learning_rate_init is None else net.learning_rate_init
    return GradientDescent(
        optimiser,
        schedule(float(rate), float(net.power_t)),
        batch_size=min(200 if net.batch_size == "auto" else int(net.batch_size), n_rows),
        shuffle=net.shuffle,
        is_stream=is_stream,
        keeps_order=is_stream or net.warm_start,
    )


def layer_sizes(sizes, name="hidden_layer_sizes"):
    """The parameter `hidden_layer_sizes` of an estimator, or one of that name, as a tuple of int."""
    is_scalar = isinstance(sizes, np.ndarray) and sizes.ndim == 0
    if is_scalar or isinstance(sizes, set | frozenset | dict):
        raise ValueError(f"{name} must be an integer or a sequence of integers, such as (100,), got {sizes!r}.")
    found = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    if not all(isinstance(size, Integral) and not isinstance(size, bool) and size > 0 for size in found):
        raise ValueError(f"{name} must contain positive integers, or be () for a linear model; got {sizes!r}.")
    return tuple(map(int, found))


def make_start(random_state, before=None, parameters=None, *, is_stream=False):
    """The `TrainingState` in which a fit starts, in `partial_fit` if `is_stream`.

    `random_state` is the parameter of the estimator; `before` and `parameters` are the state of the fit that this one
    continues, and its weights and biases.
    """
    seed = seed_kept(random_state)
    if before is None:
        return TrainingState(seed_of(random_state), seed)
    # with another seed, from now on the numbers of that seed; a RandomState is a stream that others may have used
    continues_stream = seed == before.seed and seed != "stream"
    # each fit has a patience of its own, and a stream one for all its calls
    continues_progress = is_stream and before.progress.best_score is None
    return replace(
        before,
        random_state=before.random_state if continues_stream else seed_of(random_state),
        seed=seed,
        parameters=parameters,
        posterior=None,
        progress=before.progress if continues_progress else Progress(),
    )


def seed_of(random_state):
    """A seed or stream from the parameter `random_state`.

    NumPy's global stream gives a new seed to each fit, so that fits that run at once differ.
    """
    if random_state is None or random_state is np.random:
        return check_random_state(None).randint(0, 2**32, size=8, dtype=np.uint32)
    return random_state


def seed_kept(random_state):
    """What a `TrainingState` records of the parameter `random_state`."""
    if random_state is None:
        return None
    return int(random_state) if isinstance(random_state, Integral) else "stream"
