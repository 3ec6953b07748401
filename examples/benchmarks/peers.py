"""How each library does a `workloads.Case`: one small adapter per library.

An adapter has a `name`, the `module` that must be installed, whether it may be faster under a limit of threadpoolctl,
as where threads are in each other's way (`is_limited`), and two methods that return a `Job`: of `fit(case)`, whose run
trains the whole network once and returns its weights and biases by layer and the iterations made; of
`predict(case, trained)`, whose run returns the classes of `case.rows` by skl2net's network. What an adapter does before
it returns the job is not timed: data become tensors, JAX compiles.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.neural_network import MLPClassifier
from workloads import ALPHA, EPSILON

from skl2net import L2NetClassifier


@dataclass(frozen=True)
class Job:
    """What is timed, how long it took to compile, and how many of the case's predictions a run makes."""

    run: Callable
    compile_seconds: float = 0.0
    n_calls: int = 1


def from_threads(job, n_threads, n_calls=500):
    """A job whose run is as many runs of another one, from several Python threads at once."""

    def run():
        results = [None] * n_threads

        def call(i):
            for _ in range(n_calls):
                results[i] = job.run()

        threads = [threading.Thread(target=call, args=(i,)) for i in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results[0]

    return Job(run, job.compile_seconds, n_threads * n_calls)


class Skl2net:
    name, module, is_limited = "skl2net", "skl2net", False  # it chooses itself

    def fit(self, case):
        net = L2NetClassifier(l2_mode="penalty_per_sample", scoring="score", **case.estimator_parameters())
        return Job(partial(_fit_estimator, net, case))

    def predict(self, case, trained):
        return Job(partial(trained.predict, case.rows))


class ScikitLearn:
    name, module, is_limited = "scikit-learn", "sklearn", True

    def fit(self, case):
        return Job(partial(_fit_estimator, MLPClassifier(**case.estimator_parameters()), case))

    def predict(self, case, trained):
        return Job(partial(trained.to_sklearn().predict, case.rows))


def _fit_estimator(estimator, case):
    estimator.fit(case.X, case.y)
    return estimator.coefs_, estimator.intercepts_, estimator.n_iter_


class PyTorch:
    """Eager, with its default optimisers."""

    name, module, is_limited = "PyTorch", "torch", True

    def fit(self, case):
        import torch

        X, y = torch.from_numpy(case.X), torch.from_numpy(case.y)
        objective = torch.nn.CrossEntropyLoss()

        def run():
            coefs, intercepts, random_state = case.start()
            layers = [_linear(coef, intercept) for coef, intercept in zip(coefs, intercepts, strict=True)]
            module = torch.nn.Sequential(*(part for layer in layers for part in (layer, torch.nn.ReLU())))[:-1]
            optimiser = _optimiser(case, layers)
            for order in case.orders(random_state):
                for rows in torch.from_numpy(order).split(case.batch_size):
                    optimiser.param_groups[0]["weight_decay"] = ALPHA / len(rows)
                    optimiser.zero_grad()
                    objective(module(X[rows]), y[rows]).backward()
                    optimiser.step()
            coefs = [layer.weight.detach().numpy().T for layer in layers]
            return coefs, [layer.bias.detach().numpy() for layer in layers], case.n_iter

        return Job(run)

    def predict(self, case, trained):
        import torch

        module, X = trained.to_torch(), torch.from_numpy(case.rows)

        def run():
            with torch.inference_mode():
                return module(X).argmax(dim=1).numpy()

        return Job(run)


def _linear(coef, intercept):
    import torch

    layer = torch.nn.Linear(*coef.shape, dtype=torch.from_numpy(coef).dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(coef.T))
        layer.bias.copy_(torch.from_numpy(intercept))
    return layer


def _optimiser(case, layers):
    """SGD or Adam; its first group, the weights, alone is penalised."""
    import torch

    groups = [{"params": [layer.weight for layer in layers]}, {"params": [layer.bias for layer in layers]}]
    if case.solver == "adam":
        return torch.optim.Adam(groups, case.learning_rate, eps=EPSILON)
    return torch.optim.SGD(groups, case.learning_rate, case.momentum)


class JAX:
    """A whole epoch is one compiled function, a scan over its updates."""

    name, module, is_limited = "JAX", "jax", False

    def fit(self, case):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        X, Y = jnp.asarray(case.X), jax.nn.one_hot(case.y, case.network.layer_sizes[-1], dtype=case.dtype)
        step = _jax_adam(case) if case.solver == "adam" else _jax_sgd(case)

        @jax.jit
        def epoch(training, order, X, Y):
            def update(training, rows):
                parameters, *state = training
                gradient = jax.grad(_jax_objective)(parameters, X[rows], Y[rows])
                return step(parameters, gradient, *state), None

            n_full = len(order) // case.batch_size * case.batch_size
            training, _ = jax.lax.scan(update, training, order[:n_full].reshape(-1, case.batch_size))
            return update(training, order[n_full:])[0] if n_full < len(order) else training

        def start():
            coefs, intercepts, random_state = case.start()
            parameters = [(jnp.array(W), jnp.array(b)) for W, b in zip(coefs, intercepts, strict=True)]
            zeros = jax.tree.map(jnp.zeros_like, parameters)
            state = (zeros, zeros, 0) if case.solver == "adam" else (zeros,) if case.momentum else ()
            return (parameters, *state), random_state

        def run():
            training, random_state = start()
            for order in case.orders(random_state):
                training = compiled(training, order, X, Y)
            coefs, intercepts = zip(*training[0], strict=True)
            return [np.asarray(W) for W in coefs], [np.asarray(b) for b in intercepts], case.n_iter

        begin = time.perf_counter()
        compiled = epoch.lower(start()[0], np.arange(case.n_train), X, Y).compile()
        return Job(run, time.perf_counter() - begin)

    def predict(self, case, trained):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        parameters = [(jnp.array(W), jnp.array(b)) for W, b in zip(trained.coefs_, trained.intercepts_, strict=True)]
        X = jnp.asarray(case.rows)
        begin = time.perf_counter()
        classes = (
            jax.jit(lambda parameters, X: _jax_logits(parameters, X).argmax(axis=1)).lower(parameters, X).compile()
        )
        return Job(lambda: np.asarray(classes(parameters, X)), time.perf_counter() - begin)


def _jax_logits(parameters, X):
    import jax

    for coef, intercept in parameters[:-1]:
        X = jax.nn.relu(X @ coef + intercept)
    coef, intercept = parameters[-1]
    return X @ coef + intercept


def _jax_objective(parameters, X, Y):
    import jax
    import jax.numpy as jnp

    logits = _jax_logits(parameters, X)
    log_loss = jnp.mean(jax.nn.logsumexp(logits, axis=1) - jnp.sum(Y * logits, axis=1))
    return log_loss + 0.5 * ALPHA / len(X) * sum(jnp.vdot(coef, coef) for coef, _ in parameters)


def _jax_sgd(case):
    import jax

    def step(parameters, gradient, velocity=None):
        move = jax.tree.map(lambda g: -case.learning_rate * g, gradient)
        if velocity is None:
            return (jax.tree.map(jax.lax.add, parameters, move),)
        velocity = jax.tree.map(lambda v, m: case.momentum * v + m, velocity, move)
        return jax.tree.map(jax.lax.add, parameters, velocity), velocity

    return step


def _jax_adam(case):
    import jax
    import jax.numpy as jnp

    beta_1, beta_2 = 0.9, 0.999

    def step(parameters, gradient, first, second, t):
        t = t + 1
        first = jax.tree.map(lambda m, g: beta_1 * m + (1 - beta_1) * g, first, gradient)
        second = jax.tree.map(lambda v, g: beta_2 * v + (1 - beta_2) * g * g, second, gradient)
        exponent = jnp.asarray(t, "float64")
        rate = (case.learning_rate * jnp.sqrt(1 - beta_2**exponent) / (1 - beta_1**exponent)).astype(case.dtype)
        move = jax.tree.map(lambda m, v: -rate * m / (jnp.sqrt(v) + EPSILON), first, second)
        return jax.tree.map(jax.lax.add, parameters, move), first, second, t

    return step


PEERS = {peer.name: peer for peer in (ScikitLearn(), PyTorch(), JAX())}
