"""Small training runs, and every library's update written out from its own source: what conversions are tested against.

A `Training` is a network, its data, its batches and the optimiser's settings. A `Library` trains it by the update that
it publishes, for a number of its own; `test_peers` compares these with the libraries themselves.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from skl2net.activations import ACTIVATIONS
from skl2net.network import Network

N_SAMPLES = 24
QUANTILE = 0.7


@dataclass(frozen=True)
class Training:
    """A network with tanh hidden units, its data, and how it is trained."""

    loss: str = "log_loss"
    solver: str = "sgd"
    batch_size: int = 8
    learning_rate: float = 0.05
    momentum: float = 0.0
    nesterov: bool = False
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_outputs: int = 3
    hidden: tuple = (4,)
    n_epochs: int = 12
    seed: int = 0

    @property
    def X(self):
        return np.random.default_rng(self.seed).normal(size=(N_SAMPLES, 3))

    @property
    def labels(self):
        """Classes; two if there is one output."""
        n_classes = max(self.n_outputs, 2)
        return np.random.default_rng(self.seed + 1).permutation(np.arange(N_SAMPLES) % n_classes)

    @property
    def Y(self):
        """Targets, of shape (n_samples, n_outputs)."""
        rng = np.random.default_rng(self.seed + 2)
        if self.loss == "log_loss":
            return np.eye(self.n_outputs)[self.labels] if self.n_outputs > 1 else self.labels[:, None].astype(float)
        return rng.normal(size=(N_SAMPLES, self.n_outputs)) + self.X[:, :1]

    @property
    def y(self):
        """Targets as scikit-learn takes them."""
        return self.labels if self.loss == "log_loss" else self.Y if self.n_outputs > 1 else self.Y.ravel()

    @property
    def sizes(self):
        return (3, *self.hidden, self.n_outputs)

    @property
    def quantities(self):
        """What `convert_alpha` may be told of it."""
        own = ("momentum", "nesterov") if self.solver == "sgd" else ("beta_1", "beta_2", "epsilon")
        names = ("loss", "solver", "batch_size", "learning_rate", "n_outputs", "n_epochs", *own)
        return {"n_samples": N_SAMPLES, **{name: getattr(self, name) for name in names}}

    def start(self):
        """Initial weights and biases of each layer, those that the estimators draw from the same seed."""
        network = Network(self.sizes, ACTIVATIONS["tanh"])
        parameters = network.initial_parameters(np.random.RandomState(self.seed), np.float64)
        return [[np.array(a) for a in arrays] for arrays in network.unpack(parameters)]

    def batches(self):
        X, Y = self.X, self.Y
        for _ in range(self.n_epochs):
            for first in range(0, N_SAMPLES, self.batch_size):
                yield X[first : first + self.batch_size], Y[first : first + self.batch_size]

    def gradient(self, coefs, intercepts, X, Y):
        """Gradient of skl2net's data loss: the mean over samples of the sum over outputs."""
        activations = [X]
        for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            Z = activations[-1] @ coef + intercept
            activations.append(np.tanh(Z) if i < len(coefs) - 1 else Z)
        Z = activations.pop()
        if self.loss == "log_loss" and self.n_outputs > 1:
            exp = np.exp(Z - Z.max(axis=1, keepdims=True))
            Z = exp / exp.sum(axis=1, keepdims=True)
        elif self.loss == "log_loss":
            Z = 1 / (1 + np.exp(-Z))
        delta = (Z - Y) / len(X)
        if self.loss == "absolute_error":
            delta = np.sign(Z - Y) / len(X)
        elif self.loss == "quantile":
            delta = ((Z > Y) - QUANTILE) / len(X)
        elif self.loss == "huber":
            delta = np.clip(Z - Y, -1.35, 1.35) / len(X)
        of_coefs, of_intercepts = [], []
        for i in reversed(range(len(coefs))):
            of_coefs.insert(0, activations[i].T @ delta)
            of_intercepts.insert(0, delta.sum(axis=0))
            if i:
                delta = (delta @ coefs[i].T) * (1 - activations[i] ** 2)
        return of_coefs, of_intercepts


def flat(coefs, intercepts):
    """All parameters as one vector, weights first."""
    return np.concatenate([np.ravel(np.asarray(a, dtype=np.float64)) for a in (*coefs, *intercepts)])


def distance(a, b):
    """The largest difference, in multiples of the largest parameter."""
    return np.abs(a - b).max() / np.abs(b).max()


# What a library's data loss is, in multiples of skl2net's.


def as_here(run):
    return 1.0


def mean_over_outputs(run):
    """A mean over outputs, of the squared error without the ½."""
    return {"log_loss": 1.0, "squared_error": 2 / run.n_outputs}.get(run.loss, 1 / run.n_outputs)


def gluon(run):
    """The squared error has the ½, and the smooth L1 loss of ρ = 1.35 is Huber's divided by it."""
    return {"log_loss": 1.0, "huber": 1 / 1.35 / run.n_outputs}.get(run.loss, 1 / run.n_outputs)


def without_half(run):
    return 1.0 if run.loss == "log_loss" else 2.0


@dataclass(frozen=True)
class Library:
    """A library as its source has it.

    Parameters
    ----------
    update : callable
        ``update(w, g, step, number, run)`` returns the new weights; `g` is the gradient of the library's own loss, and
        `step` takes a gradient and returns what the optimiser subtracts.
    scale : callable
        Its data loss in multiples of skl2net's.
    momenta : tuple of str
        Kinds of momentum that its SGD has.
    rate_outside : bool
        Whether its momentum remembers gradients, not steps.
    epsilon_at : {"v", "v_hat"}
    rate : callable
        Learning rate that it uses for the one that it is given.
    biases : callable or None
        The update of the biases; None for the optimiser's step alone.
    """

    update: Callable
    scale: Callable = as_here
    momenta: tuple = ("plain", "nesterov")
    rate_outside: bool = False
    epsilon_at: str = "v"
    rate: Callable = field(default=lambda run: run.learning_rate)
    biases: Callable | None = None

    def train(self, run, number):
        """All parameters after a run."""
        if not self.momenta:
            run = replace(run, momentum=0.0)
        elif ("nesterov" if run.nesterov else "plain") not in self.momenta:
            run = replace(run, nesterov=not run.nesterov)
        coefs, intercepts = run.start()
        steps = [self._step(run) for _ in (*coefs, *intercepts)]
        scale = self.scale(run)
        for X, Y in run.batches():
            gradients = run.gradient(coefs, intercepts, X, Y)
            gradients = [[scale * g for g in part] for part in gradients]
            coefs = [
                self.update(w, g, step, number, run) for w, g, step in zip(coefs, gradients[0], steps, strict=False)
            ]
            biases = self.biases or (lambda b, g, step, number, run: b - step(g))
            intercepts = [
                biases(b, g, step, number, run)
                for b, g, step in zip(intercepts, gradients[1], steps[len(coefs) :], strict=True)
            ]
        return flat(coefs, intercepts)

    def _step(self, run):
        """What SGD or Adam subtracts for a gradient, with a memory of its own."""
        rate, velocity, second, t = self.rate(run), 0.0, 0.0, 0

        def sgd(g):
            nonlocal velocity
            velocity = run.momentum * velocity + (g if self.rate_outside else rate * g)
            step = run.momentum * velocity + (g if self.rate_outside else rate * g) if run.nesterov else velocity
            return rate * step if self.rate_outside else step

        def adam(g):
            nonlocal velocity, second, t
            t += 1
            velocity = run.beta_1 * velocity + (1 - run.beta_1) * g
            second = run.beta_2 * second + (1 - run.beta_2) * g * g
            corrections = 1 - run.beta_1**t, 1 - run.beta_2**t
            if self.epsilon_at == "v_hat":
                return rate * velocity / corrections[0] / (np.sqrt(second / corrections[1]) + run.epsilon)
            return rate * math.sqrt(corrections[1]) / corrections[0] * velocity / (np.sqrt(second) + run.epsilon)

        return sgd if run.solver == "sgd" else adam


# The updates of the weights.


def penalty(w, g, step, number, run):
    # PyTorch, optax, MXNet, Caffe, Optimisers.jl, Deeplearning4j's l2, TensorFlow's l2_loss, H2O, MATLAB.
    return w - step(g + number * w)


def doubled_penalty(w, g, step, number, run):
    # Keras, cuML: the penalty is λ·Σw², without the ½.
    return w - step(g + 2 * number * w)


def penalty_per_batch(w, g, step, number, run):
    # scikit-learn's MLP; `run.batch_size` divides the samples in the tests that use it, unless they say so.
    return w - step(g + number / run.batch_size * w)


def prior(w, g, step, number, run):
    # Nielsen, chapter 3 and network2.py: the cost gains λ/(2N)·Σw².
    return w - step(g + number / N_SAMPLES * w)


def penalty_over_batches(w, g, step, number, run):
    # Nielsen's network3.py divides λ by the number of batches.
    return w - step(g + number / (N_SAMPLES // run.batch_size) * w)


def decay_by_rate(w, g, step, number, run):
    # torch.optim.AdamW, Keras, optax, fastai, Optimisers.jl with couple=true, Deeplearning4j's WeightDecay.
    return (1 - run.learning_rate * number) * w - step(g)


def decay(w, g, step, number, run):
    # TensorFlow Addons, old Flux, SNNS; Loshchilov & Hutter, Algorithms 1 and 2, at the constant multiplier 1.
    return w - number * w - step(g)


def normalised_decay(w, g, step, number, run):
    # Loshchilov & Hutter, Appendix B.1: λ = λ_norm √(b / (B T)), b the batch size, B the training points, T the epochs.
    return w - number * math.sqrt(run.batch_size / (N_SAMPLES * run.n_epochs)) * w - step(g)


def decay_after(w, g, step, number, run):
    return (1 - number) * (w - step(g))


def keep(w, g, step, number, run):
    # Background 002: wt = wt + delta; wt = wt * 0.98.
    return number * (w - step(g))


def untrained(b, g, step, number, run):
    # cuML takes the intercept from the means of the data when the weights are done.
    return b


def plain_sgd(update, **changes):
    return Library(update, momenta=(), **changes)


_TORCH = {"scale": mean_over_outputs, "rate_outside": True, "epsilon_at": "v_hat"}
_FLUX = {"scale": mean_over_outputs, "epsilon_at": "v_hat"}

LIBRARIES = {
    "prior": Library(prior),
    "penalty": Library(penalty),
    "penalty_per_sample": Library(penalty_per_batch),
    "decay_before": Library(decay),
    "decay_after": Library(decay_after),
    "decoupled": Library(decay_by_rate),
    "sklearn.MLP": Library(penalty_per_batch),
    "sklearn.SGD": plain_sgd(penalty),
    "torch.SGD": Library(penalty, **_TORCH),
    "torch.Adam": Library(penalty, **_TORCH),
    "torch.AdamW": Library(decay_by_rate, **_TORCH),
    "keras.L2": Library(doubled_penalty, mean_over_outputs),
    "keras.weight_decay": Library(decay_by_rate, mean_over_outputs),
    "tf.l2_loss": Library(penalty, mean_over_outputs),
    "optax.add_decayed_weights": Library(penalty, rate_outside=True, epsilon_at="v_hat"),
    "optax.adamw": Library(decay_by_rate, epsilon_at="v_hat"),
    "tfa.SGDW": Library(decay, mean_over_outputs),
    "tfa.AdamW": Library(decay, mean_over_outputs),
    "mxnet.wd": Library(penalty, gluon, momenta=("plain",)),
    "fastai.wd": Library(decay_by_rate, momenta=("plain",), **_TORCH),
    "caffe.weight_decay": Library(penalty),
    "flux.AdamW": Library(decay, **_FLUX),
    "optimisers.AdamW": Library(decay_by_rate, **_FLUX),
    "optimisers.WeightDecay": Library(penalty, **_FLUX),
    "dl4j.WeightDecay": Library(decay_by_rate, mean_over_outputs, momenta=("nesterov",)),
    "dl4j.l2": Library(penalty, mean_over_outputs, momenta=("nesterov",)),
    "rsnns.BackpropWeightDecay": plain_sgd(decay, biases=decay),
    "cuml.MBSGD": plain_sgd(doubled_penalty, scale=without_half, biases=untrained),
    "h2o.l2": Library(
        penalty,
        momenta=("plain",),
        rate_outside=True,
        rate=lambda run: run.learning_rate * (1 - run.momentum),
        biases=penalty,
    ),
    "matlab.trainingOptions": Library(penalty, momenta=("plain",)),
    "loshchilov": Library(decay, momenta=("plain",), epsilon_at="v_hat"),
    "loshchilov_normalized": Library(normalised_decay, momenta=("plain",), epsilon_at="v_hat"),
    "keep": Library(keep),
    "nielsen": plain_sgd(prior),
    "nielsen.network3": plain_sgd(penalty_over_batches),
}
