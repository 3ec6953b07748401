"""Conversions against the libraries themselves: exact ones take the same trajectory, the others part.

Libraries that cannot be installed beside ours are represented by the update that they publish, written out below with
its source. Each library is a function that trains a given network on given batches and returns its parameters.
"""

import math
import os
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skl2net import L2NetClassifier, L2NetRegressor, convert_alpha
from skl2net.conventions import CONVENTIONS
from skl2net.engines import reference
from skl2net.l2 import DECAYS, MODES
from skl2net.network import Network

N_SAMPLES, N_UPDATES = 24, 52
HIDDEN = 4

TINY = 1e-16  # Adam's epsilon where two libraries put it in different places
SAME = 1e-6  # of the largest parameter; float64 rounding over so few updates stays below 1e-10
APART = 100 * SAME


@dataclass
class Task:
    """A small network, its data, and how it is trained."""

    loss: str
    solver: str
    batch_size: int
    learning_rate: float
    momentum: float = 0.0
    epsilon: float = TINY
    hidden: tuple = (HIDDEN,)
    seed: int = 0

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.X = rng.normal(size=(N_SAMPLES, 3))
        if self.loss == "log_loss":
            self.y = rng.permutation(np.arange(N_SAMPLES) % 3)
            self.Y = np.eye(3)[self.y]
        else:
            self.Y = rng.normal(size=(N_SAMPLES, 3)) + self.X
            self.y = self.Y
        output = "softmax" if self.loss == "log_loss" else "identity"
        self.network = Network((3, *self.hidden, self.Y.shape[1]), "tanh", output)

    @property
    def n_outputs(self):
        return self.Y.shape[1]

    @property
    def n_epochs(self):
        return math.ceil(N_UPDATES / math.ceil(N_SAMPLES / self.batch_size))

    def start(self):
        """Initial weights and biases, those that the estimators draw from the same seed."""
        return self.network.initial_parameters(np.random.RandomState(self.seed), np.float64)

    def batches(self):
        for _ in range(self.n_epochs):
            for first in range(0, N_SAMPLES, self.batch_size):
                rows = slice(first, first + self.batch_size)
                yield self.X[rows], self.Y[rows]

    def estimator(self, kind, rule):
        """An estimator of ours or of scikit-learn's that takes these batches."""
        return kind[self.loss](
            hidden_layer_sizes=self.hidden,
            activation="tanh",
            solver=self.solver,
            batch_size=self.batch_size,
            learning_rate_init=self.learning_rate,
            momentum=self.momentum,
            nesterovs_momentum=False,
            epsilon=self.epsilon,
            shuffle=False,
            max_iter=self.n_epochs,
            tol=0.0,
            n_iter_no_change=1000,
            random_state=self.seed,
            **rule,
        )

    def train(self, kind, **rule):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            net = self.estimator(kind, rule).fit(self.X, self.y)
        return flat(net.coefs_, net.intercepts_)

    def train_ours(self, mode, alpha):
        return self.train(OURS, l2_mode=mode, alpha=alpha)

    def convert(self, alpha, source, target, **changes):
        quantities = {
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "n_samples": N_SAMPLES,
            "n_epochs": self.n_epochs,
            "momentum": self.momentum,
            "loss": self.loss,
            "n_outputs": self.n_outputs,
            "solver": self.solver,
        }
        return convert_alpha(alpha, source, target, **{**quantities, **changes})


OURS = {"log_loss": L2NetClassifier, "squared_error": L2NetRegressor}
SKLEARN = {"log_loss": MLPClassifier, "squared_error": MLPRegressor}


def flat(coefs, intercepts):
    return np.concatenate([np.ravel(np.asarray(a)) for a in (*coefs, *intercepts)])


def distance(a, b):
    return np.abs(a - b).max() / np.abs(a).max()


# Libraries: each takes a task, its own number and its own learning rate.


def sklearn_mlp(task, number, learning_rate):
    assert learning_rate == task.learning_rate
    return task.train(SKLEARN, alpha=number)


def torch_optimiser(make):
    def train(task, number, learning_rate):
        torch = pytest.importorskip("torch")
        torch.set_num_threads(1)
        start = task.network.unpack(task.start())
        layers = []
        for coef, intercept in zip(*start, strict=True):
            layer = torch.nn.Linear(*coef.shape, dtype=torch.float64)
            layer.weight.data = torch.tensor(coef.T.copy())
            layer.bias.data = torch.tensor(intercept.copy())
            layers += [layer, torch.nn.Tanh()]
        net = torch.nn.Sequential(*layers[:-1])
        weights = [p for p in net.parameters() if p.ndim > 1]
        biases = [p for p in net.parameters() if p.ndim == 1]
        groups = [{"params": weights, "weight_decay": number}, {"params": biases, "weight_decay": 0.0}]
        optimiser = make(torch.optim, groups, learning_rate, task)
        loss = torch.nn.CrossEntropyLoss() if task.loss == "log_loss" else torch.nn.MSELoss()
        for X, Y in task.batches():
            optimiser.zero_grad()
            loss(net(torch.tensor(X)), torch.tensor(Y)).backward()
            optimiser.step()
        return flat([w.detach().numpy().T for w in weights], [b.detach().numpy() for b in biases])

    return train


def keras_model(regularised):
    def train(task, number, learning_rate):
        pytest.importorskip("torch")
        os.environ.setdefault("KERAS_BACKEND", "torch")
        keras = pytest.importorskip("keras")
        keras.backend.set_floatx("float64")
        regulariser = keras.regularizers.L2(number) if regularised else None
        sizes = task.network.layer_sizes[1:]
        model = keras.Sequential(
            [keras.Input((3,))]
            + [keras.layers.Dense(n, activation="tanh", kernel_regularizer=regulariser) for n in sizes[:-1]]
            + [keras.layers.Dense(sizes[-1], kernel_regularizer=regulariser)]
        )
        decay = {} if regularised else {"weight_decay": number}
        if task.solver == "sgd":
            optimiser = keras.optimizers.SGD(learning_rate, momentum=task.momentum, **decay)
        else:
            optimiser = keras.optimizers.Adam(learning_rate, epsilon=task.epsilon, **decay)
        if not regularised:
            optimiser.exclude_from_weight_decay(var_names=["bias"])
        loss = keras.losses.CategoricalCrossentropy(from_logits=True) if task.loss == "log_loss" else "mse"
        model.compile(optimiser, loss)
        coefs, intercepts = task.network.unpack(task.start())
        model.set_weights([a for pair in zip(coefs, intercepts, strict=True) for a in pair])
        for X, Y in task.batches():
            model.train_on_batch(X, Y)
        parameters = model.get_weights()
        return flat(parameters[::2], parameters[1::2])

    return train


def optax_chain(make):
    def train(task, number, learning_rate):
        jax = pytest.importorskip("jax")
        optax = pytest.importorskip("optax")
        jax.config.update("jax_enable_x64", True)
        jnp = jax.numpy

        def loss(parameters, X, Y):
            for coef, intercept in parameters[:-1]:
                X = jnp.tanh(X @ coef + intercept)
            raw = X @ parameters[-1][0] + parameters[-1][1]
            if task.loss == "log_loss":
                return optax.softmax_cross_entropy(raw, Y).mean()
            return optax.l2_loss(raw, Y).sum(axis=1).mean()

        def mask(parameters):
            return jax.tree.map(lambda p: p.ndim > 1, parameters)

        optimiser = make(optax, number, mask, learning_rate, task)

        @jax.jit
        def update(parameters, state, X, Y):
            steps, state = optimiser.update(jax.grad(loss)(parameters, X, Y), state, parameters)
            return optax.apply_updates(parameters, steps), state

        parameters = [tuple(map(jnp.asarray, layer)) for layer in zip(*task.network.unpack(task.start()), strict=True)]
        state = optimiser.init(parameters)
        for X, Y in task.batches():
            parameters, state = update(parameters, state, X, Y)
        return flat(*zip(*parameters, strict=True))

    return train


def published(update, *, scale=lambda task: 1.0):
    """A library that trains by ``update(w, g, step, number, learning_rate, task)``, for the weights.

    `step` takes a gradient and returns what the optimiser subtracts; biases take the same step without the number.
    `scale` is the library's data loss in multiples of ours.
    """

    def train(task, number, learning_rate):
        parameters = task.start()
        weights, biases = slice(task.network.n_weights), slice(task.network.n_weights, None)
        steps = {part: make_step(task, learning_rate) for part in ("weights", "biases")}
        for X, Y in task.batches():
            _, g = reference.loss_and_gradient(task.network, task.loss, parameters, X, Y)
            g = scale(task) * g
            parameters[biases] -= steps["biases"](g[biases])
            w = parameters[weights].copy()
            parameters[weights] = update(w, g[weights], steps["weights"], number, learning_rate, task)
        return parameters

    return train


def make_step(task, learning_rate):
    """What SGD with momentum (the learning rate inside) or Adam subtracts for a gradient."""
    first, second, t = 0.0, 0.0, 0

    def sgd(g):
        nonlocal first
        first = task.momentum * first + learning_rate * g
        return first

    def adam(g):
        nonlocal first, second, t
        t += 1
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g * g
        return learning_rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + task.epsilon)

    return sgd if task.solver == "sgd" else adam


def mean_over_outputs(task):
    """Scale of the squared error without the ½, averaged over outputs."""
    return 1.0 if task.loss == "log_loss" else 2 / task.n_outputs


def mean_over_outputs_with_half(task):
    return 1.0 if task.loss == "log_loss" else 1 / task.n_outputs


def penalty(w, g, step, number, learning_rate, task):
    # MXNet 1.6, sgd_update: weight = weight - learning_rate * (gradient + wd * weight); adam adds wd * weight too.
    # Caffe, SGDSolver::Regularize: diff += weight_decay * data, before any solver computes its update.
    return w - step(g + number * w)


def decay_by_rate(w, g, step, number, learning_rate, task):
    # fastai 2, optimizer.py weight_decay: p *= 1 - lr * wd, before the step.
    return (1 - learning_rate * number) * w - step(g)


def decay(w, g, step, number, learning_rate, task):
    # TensorFlow Addons, DecoupledWeightDecayExtension: var -= weight_decay * var, before the gradient is applied.
    # Loshchilov & Hutter, Algorithms 1 and 2, at the constant schedule multiplier 1.
    return w - number * w - step(g)


def normalised_decay(w, g, step, number, learning_rate, task):
    # Loshchilov & Hutter, Appendix B.1: λ = λ_norm √(b / (B T)), b the batch size, B the training points, T the epochs.
    return w - number * np.sqrt(task.batch_size / (N_SAMPLES * task.n_epochs)) * w - step(g)


def keep(w, g, step, number, learning_rate, task):
    # Background 002: wt = wt + delta; wt = wt * 0.98.
    return number * (w - step(g))


def nielsen(w, g, step, number, learning_rate, task):
    # Nielsen, chapter 3: the cost gains λ/(2n) Σw², n the training set, and so its gradient (λ/n) w.
    return w - step(g + number / N_SAMPLES * w)


LIBRARIES = {
    "sklearn.MLP": sklearn_mlp,
    "torch.SGD": torch_optimiser(lambda optim, p, lr, task: optim.SGD(p, lr=lr, momentum=task.momentum)),
    "torch.Adam": torch_optimiser(lambda optim, p, lr, task: optim.Adam(p, lr=lr, eps=task.epsilon)),
    "torch.AdamW": torch_optimiser(lambda optim, p, lr, task: optim.AdamW(p, lr=lr, eps=task.epsilon)),
    "keras.L2": keras_model(regularised=True),
    "keras.weight_decay": keras_model(regularised=False),
    "optax.add_decayed_weights": optax_chain(
        lambda optax, number, mask, lr, task: optax.chain(
            optax.add_decayed_weights(number, mask=mask),
            optax.sgd(lr, task.momentum) if task.solver == "sgd" else optax.adam(lr, eps=task.epsilon),
        )
    ),
    "optax.adamw": optax_chain(
        lambda optax, number, mask, lr, task: optax.adamw(lr, weight_decay=number, mask=mask, eps=task.epsilon)
    ),
    "tfa.SGDW": published(decay, scale=mean_over_outputs),
    "tfa.AdamW": published(decay, scale=mean_over_outputs),
    "mxnet.wd": published(penalty, scale=mean_over_outputs_with_half),
    "fastai.wd": published(decay_by_rate, scale=mean_over_outputs),
    "caffe.weight_decay": published(penalty),
    "loshchilov": published(decay),
    "loshchilov_normalized": published(normalised_decay),
    "keep": published(keep),
    "nielsen": published(nielsen),
}

# A strength of each rule that leaves its mark in 52 updates.
STRENGTHS = {"penalty": 0.2, "penalty_per_sample": 1.5, "decay_before": 0.02, "decay_after": 0.02, "decoupled": 0.3}


def random_task(solver, seed):
    rng = np.random.default_rng(100 + seed)
    batch_size = int(rng.choice([4, 8, 12]))
    loss = ("log_loss", "squared_error")[seed % 2]
    if solver == "adam":
        return Task(loss, solver, batch_size, rng.uniform(0.005, 0.02), seed=seed)
    momentum = (0.0, 0.0, rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.8))[seed]
    return Task(loss, solver, batch_size, rng.uniform(0.02, 0.1), momentum, seed=seed)


def pairs():
    for name in LIBRARIES:
        solvers = CONVENTIONS[name].solvers
        for solver in ("sgd", "adam"):
            if solver in solvers:
                for mode in MODES:
                    yield pytest.param(name, mode, solver, id=f"{name}-{mode}-{solver}")


@pytest.mark.parametrize(("name", "mode", "solver"), list(pairs()))
def test_exact_pairs_take_the_same_trajectory_and_others_part(name, mode, solver):
    for seed in range(4):
        task = random_task(solver, seed)
        strength = STRENGTHS[mode] * (0.5 + np.random.default_rng(seed).uniform())
        conversion = task.convert(strength, mode, name)
        if conversion.alpha is None:
            assert solver == "adam"
            continue
        ours = task.train_ours(mode, strength)
        theirs = LIBRARIES[name](task, conversion.alpha, conversion.learning_rate)
        if conversion.exact or conversion.sense == "limit":
            assert distance(ours, theirs) < SAME
        else:
            assert conversion.sense == "share"
            assert distance(ours, theirs) > APART


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_same_number_is_wrong_by_the_naive_factor(name):
    """Typed unchanged, a penalty or decay acts like one of ours that is `naive_factor` times as strong."""
    convention = CONVENTIONS[name]
    mode = "decoupled" if convention.is_decay else "penalty"
    task = random_task(convention.solvers[0], 0)
    number = 0.3 if name != "keep" else 0.98
    conversion = task.convert(number, mode, name)
    as_meant = task.train_ours(mode, number)
    typed = LIBRARIES[name](task, number, task.learning_rate)
    if conversion.naive_factor == pytest.approx(1):
        assert distance(as_meant, typed) < SAME
        return
    assert distance(as_meant, typed) > APART
    if conversion.exact or conversion.sense == "limit":
        assert distance(task.train_ours(mode, number * conversion.naive_factor), typed) < SAME


def test_libraries_that_scale_the_loss_need_the_other_learning_rate():
    task = Task("squared_error", "sgd", 8, 0.05)
    conversion = task.convert(0.2, "penalty", "torch.SGD")
    assert conversion.learning_rate == pytest.approx(task.learning_rate * 3 / 2)  # no ½, and a mean over 3 outputs
    assert conversion.alpha == pytest.approx(0.2 * 2 / 3)
    single = task.convert(0.2, "penalty", "torch.SGD", n_outputs=1)
    assert single.learning_rate == pytest.approx(task.learning_rate / 2)
    assert single.alpha == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["torch.Adam", "optax.add_decayed_weights", "fastai.wd"])
def test_epsilon_in_another_place_parts_the_trajectories(name):
    mode = "decoupled" if CONVENTIONS[name].is_decay else "penalty"
    task = Task("log_loss", "adam", 8, 0.01, epsilon=0.01)
    conversion = task.convert(0.2, mode, name)
    assert not conversion.exact
    assert conversion.sense == "limit"
    theirs = LIBRARIES[name](task, conversion.alpha, conversion.learning_rate)
    assert distance(task.train_ours(mode, 0.2), theirs) > APART


def test_scaled_loss_scales_adams_epsilon():
    class OneOutput(Task):
        def __post_init__(self):
            super().__post_init__()
            self.Y = self.y = self.Y[:, :1]
            self.network = Network((3, *self.hidden, 1), "tanh", "identity")
            self.y = self.y.ravel()

    for epsilon, same in ((TINY, True), (0.05, False)):
        task = OneOutput("squared_error", "adam", 8, 0.01, epsilon=epsilon)
        conversion = task.convert(0.2, "penalty", "keras.L2")
        assert conversion.sense == "limit"
        assert conversion.alpha == pytest.approx(0.2)  # the missing ½ of the loss undoes that of the penalty
        gap = distance(task.train_ours("penalty", 0.2), LIBRARIES["keras.L2"](task, conversion.alpha, 0.01))
        assert gap < SAME if same else gap > APART


@pytest.mark.parametrize("target", ["sklearn.MLP", "penalty_per_sample"])
def test_uneven_batches_part_the_penalty_per_sample(target):
    task = Task("log_loss", "sgd", 10, 0.1)
    conversion = task.convert(0.2, "penalty", target)
    assert conversion.sense == "batches"
    assert "does not divide" in conversion.reason
    kind, rule = (SKLEARN, {}) if target == "sklearn.MLP" else (OURS, {"l2_mode": target})
    assert distance(task.train_ours("penalty", 0.2), task.train(kind, alpha=conversion.alpha, **rule)) > APART


def test_decoupled_weight_decay_of_torch_adam_is_adamw():
    pytest.importorskip("torch")
    task = Task("log_loss", "adam", 8, 0.01)
    same = torch_optimiser(
        lambda optim, p, lr, task: optim.Adam(p, lr=lr, eps=task.epsilon, decoupled_weight_decay=True)
    )
    np.testing.assert_array_equal(same(task, 0.3, 0.01), LIBRARIES["torch.AdamW"](task, 0.3, 0.01))


def test_optax_where_the_transformation_stands_decides():
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    w, g = jax.numpy.asarray([2.0, -1.0]), jax.numpy.asarray([0.5, 0.25])
    wd, rate = 0.1, 0.01
    last = optax.chain(optax.sgd(rate), optax.add_decayed_weights(-wd))
    step, _ = last.update(g, last.init(w), w)
    np.testing.assert_allclose(w + step, (1 - wd) * w - rate * g, rtol=1e-12)
    middle = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(wd), optax.scale_by_learning_rate(rate))
    adamw = optax.adamw(rate, weight_decay=wd)
    np.testing.assert_array_equal(middle.update(g, middle.init(w), w)[0], adamw.update(g, adamw.init(w), w)[0])


def test_a_schedule_parts_momentum_that_holds_the_rate_from_momentum_that_does_not():
    """Two updates whose learning rates differ, at a constant gradient."""
    torch = pytest.importorskip("torch")
    rates, momentum, g = (0.1, 0.02), 0.9, 1.0
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=rates[0], momentum=momentum)
    inside, velocity = 0.0, 0.0
    for rate in rates:
        optimiser.param_groups[0]["lr"] = rate
        w.grad = torch.full_like(w, g)
        optimiser.step()
        velocity = momentum * velocity - rate * g
        inside += velocity
    assert abs(float(w.detach()) - inside) > APART
    settings = {"loss": "log_loss", "solver": "sgd", "schedule": True}
    assert not convert_alpha(1e-3, "penalty", "torch.SGD", momentum=momentum, **settings).exact
    assert convert_alpha(1e-3, "penalty", "torch.SGD", momentum=0.0, **settings).exact


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_sklearn_sgd_is_a_linear_network_trained_item_by_item(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_SAMPLES, 3))
    rate, alpha, n_epochs = 0.05, 0.3, 3
    if loss == "log_loss":
        y, peer = (X[:, 0] + rng.normal(size=N_SAMPLES) > 0).astype(int), SGDClassifier
    else:
        y, peer = X[:, 0] + rng.normal(size=N_SAMPLES), SGDRegressor
    start = Network((3, 1), "identity", "identity").initial_parameters(np.random.RandomState(0), np.float64)
    theirs = peer(
        loss=loss, alpha=alpha, learning_rate="constant", eta0=rate, shuffle=False, max_iter=n_epochs, tol=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(X, y, coef_init=start[:3].copy(), intercept_init=start[3:].copy())
        for mode in MODES:
            conversion = convert_alpha(alpha, "sklearn.SGD", mode, learning_rate=rate)
            ours = OURS[loss](
                (),
                solver="sgd",
                l2_mode=mode,
                alpha=conversion.alpha,
                learning_rate_init=conversion.learning_rate,
                batch_size=1,
                momentum=0.0,
                shuffle=False,
                max_iter=n_epochs,
                tol=0.0,
                n_iter_no_change=1000,
                random_state=0,
            ).fit(X, y)
            gap = distance(flat([theirs.coef_], [theirs.intercept_]), flat(ours.coefs_, ours.intercepts_))
            assert conversion.exact == (mode != "decay_after")
            assert gap < SAME if conversion.exact else gap > APART


def linear_fit(kind, alpha, X, y):
    """Our linear model, minimised to the last digits."""
    net = kind((), solver="lbfgs", l2_mode="penalty", alpha=alpha, tol=1e-10, max_iter=5000, random_state=0).fit(X, y)
    return np.append(net.coefs_[0].ravel(), net.intercepts_[0])


def test_ridge_has_the_same_optimum():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 4)), rng.normal(size=50)
    ridge = Ridge(alpha=20.0, tol=1e-12).fit(X, y)
    meant = np.append(ridge.coef_, ridge.intercept_)
    conversion = convert_alpha(20.0, "sklearn.Ridge", "penalty", n_samples=50)
    assert conversion.exact
    assert distance(meant, linear_fit(L2NetRegressor, conversion.alpha, X, y)) < SAME
    assert distance(meant, linear_fit(L2NetRegressor, 20.0, X, y)) > APART


def test_logistic_regression_has_the_same_optimum():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = (X[:, 0] + rng.normal(size=60) > 0).astype(int)
    logistic = LogisticRegression(C=0.2, tol=1e-10, max_iter=5000).fit(X, y)
    meant = np.append(logistic.coef_, logistic.intercept_)
    conversion = convert_alpha(0.2, "sklearn.LogisticRegression", "penalty", n_samples=60)
    assert conversion.exact
    assert distance(meant, linear_fit(L2NetClassifier, conversion.alpha, X, y)) < SAME
    assert distance(meant, linear_fit(L2NetClassifier, 0.2, X, y)) > APART


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_nnets_objective_has_the_same_optimum(loss):
    """R's nnet minimises Σ error² + decay·Σw² or Σ log loss + decay·Σw² (its help page, on `decay`)."""
    task = Task(loss, "sgd", 8, 0.1, hidden=())
    decay, n_weights = 3.0, task.network.n_weights

    def objective(parameters):
        coefs, intercepts = task.network.unpack(parameters)
        raw = task.X @ coefs[0] + intercepts[0]
        if loss == "log_loss":
            error = np.sum(np.log(np.exp(raw).sum(axis=1)) - raw[np.arange(N_SAMPLES), task.y])
        else:
            error = np.sum((raw - task.Y) ** 2)
        return error + decay * np.sum(parameters[:n_weights] ** 2)

    minimum = scipy.optimize.minimize(objective, task.start(), tol=1e-14, options={"gtol": 1e-7}).x

    def ours(alpha):
        net = OURS[loss]((), solver="lbfgs", alpha=alpha, tol=1e-10, max_iter=5000, random_state=0)
        net.fit(task.X, task.y)
        return net.coefs_[0].ravel()  # a softmax leaves a constant of the biases open

    conversion = convert_alpha(decay, "R.nnet", "penalty", n_samples=N_SAMPLES, loss=loss)
    assert conversion.exact
    assert distance(minimum[:n_weights], ours(conversion.alpha)) < 1e-5  # scipy's numerical gradient
    assert distance(minimum[:n_weights], ours(decay)) > APART


@pytest.mark.parametrize("source", DECAYS)
@pytest.mark.parametrize("target", DECAYS)
def test_our_decays_under_adam(source, target):
    task = Task("log_loss", "adam", 8, 0.01)
    conversion = task.convert(STRENGTHS[source], source, target)
    gap = distance(task.train_ours(source, STRENGTHS[source]), task.train_ours(target, conversion.alpha))
    assert gap < SAME if conversion.exact else gap > APART


def test_adam_takes_no_fixed_share_for_a_penalty():
    """With no gradient from the data, Adam moves a weight by the learning rate whatever the penalty."""
    moves = []
    for alpha in (1e-4, 1e-2):
        net = L2NetRegressor((), solver="adam", alpha=alpha, max_iter=1, batch_size=8, random_state=0, epsilon=TINY)
        X, y = np.zeros((8, 3)), np.zeros(8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            net.fit(X, y)
        start = Network((3, 1), "relu", "identity").initial_parameters(np.random.RandomState(0), np.float64)
        moves.append(np.abs(net.coefs_[0].ravel() - start[:3]))
    np.testing.assert_allclose(moves[0], moves[1], rtol=1e-6)
