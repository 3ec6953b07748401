"""The printed lines are executed, and follow the trajectory that the conversion promises.

Each runner takes the text of a line and a run, executes the line with the library's usual names, a network called
`net` (or data called `X` and `y`) in scope, and trains. What the line leaves out is the library's default.
"""

import ast
import functools
import os
import random
import warnings
from dataclasses import replace

import pytest
from conventions.libraries import LIBRARIES, QUANTILE, Training, distance, flat
from conventions.test_random import random_number, random_training
from sklearn import linear_model, neural_network
from sklearn.exceptions import ConvergenceWarning

import skl2net
from skl2net.conventions import CONVENTIONS, convert_alpha
from skl2net.l2 import MODES

SAME = 1e-9
SAME_IN_FLOAT32 = 3e-7  # Keras holds the learning rate in float32, and fastai the targets


def execute(code, scope):
    """Execute a line; the value of its last expression, or None if it ends with a statement."""
    *statements, last = ast.parse(code).body
    is_value = isinstance(last, ast.Expr)
    exec(compile(ast.Module(statements + ([] if is_value else [last]), []), "<line>", "exec"), scope)
    return eval(compile(ast.Expression(last.value), "<line>", "eval"), scope) if is_value else None


def estimator(code, run):
    scope = {**vars(neural_network), **vars(skl2net), "q": QUANTILE}
    net = execute(code, scope)
    settings = {"activation": "tanh", "random_state": run.seed, "tol": 0.0, "n_iter_no_change": 10**6}
    net.set_params(hidden_layer_sizes=run.hidden, shuffle=False, max_iter=run.n_epochs, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(run.X, run.y)
    return flat(net.coefs_, net.intercepts_)


def sklearn_sgd(code, run):
    model = execute(code, dict(vars(linear_model)))
    coefs, intercepts = run.start()
    model.set_params(shuffle=False, max_iter=run.n_epochs, tol=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(run.X, run.y, coef_init=coefs[0].copy(), intercept_init=intercepts[0].copy())
    return flat([model.coef_], [model.intercept_])


def torch_net(torch, run):
    layers = []
    for coef, intercept in zip(*run.start(), strict=True):
        layer = torch.nn.Linear(*coef.shape, dtype=torch.float64)
        layer.weight.data = torch.tensor(coef.T.copy())
        layer.bias.data = torch.tensor(intercept.copy())
        layers += [layer, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def torch_parameters(net):
    parameters = [p.detach().numpy() for p in net.parameters()]
    return flat([w.T for w in parameters[::2]], parameters[1::2])


def torch_optimiser(code, run):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    net = torch_net(torch, run)
    optimiser = execute(code, {"torch": torch, "net": net})
    loss = {
        "log_loss": torch.nn.CrossEntropyLoss() if run.n_outputs > 1 else torch.nn.BCEWithLogitsLoss(),
        "squared_error": torch.nn.MSELoss(),
        "absolute_error": torch.nn.L1Loss(),
        "huber": torch.nn.HuberLoss(delta=1.35),
        "quantile": lambda P, Y: torch.maximum(QUANTILE * (Y - P), (QUANTILE - 1) * (Y - P)).mean(),
    }[run.loss]
    for X, Y in run.batches():
        optimiser.zero_grad()
        loss(net(torch.tensor(X)), torch.tensor(Y)).backward()
        optimiser.step()
    return torch_parameters(net)


def fastai_names():
    pytest.importorskip("fastai")
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.losses import BCEWithLogitsLossFlat, CrossEntropyLossFlat, L1LossFlat, MSELossFlat
    from fastai.optimizer import SGD, Adam

    classes = (Learner, SGD, Adam, CrossEntropyLossFlat, BCEWithLogitsLossFlat, L1LossFlat, MSELossFlat)
    others = {"dls": DataLoaders([], []), "partial": functools.partial, "q": QUANTILE}
    return others | {c.__name__: c for c in classes}


def fastai_learner(code, run):
    torch = pytest.importorskip("torch")
    scope = {"net": torch_net(torch, run), "torch": torch, **fastai_names()}
    learner = execute(code, scope)
    learner.create_opt()
    learner.opt.set_hypers(lr=learner.lr, wd=learner.wd)  # as Learner.fit begins
    is_softmax = run.loss == "log_loss" and run.n_outputs > 1
    loss = torch.nn.BCEWithLogitsLoss() if run.loss == "log_loss" and not is_softmax else learner.loss_func
    for X, Y in run.batches():
        target = torch.tensor(Y.argmax(axis=1) if is_softmax else Y)
        loss(scope["net"](torch.tensor(X)), target).backward()
        learner.opt.step()
        learner.opt.zero_grad()
    return torch_parameters(scope["net"])


def keras_model(code, run):
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    keras.backend.set_floatx("float64")
    scope = {"keras": keras}
    execute(code, scope)
    regulariser = scope.get("kernel_regularizer")
    layers = [
        keras.layers.Dense(
            n, activation=None if i == len(run.hidden) else "tanh", kernel_regularizer=regulariser, dtype="float64"
        )
        for i, n in enumerate(run.sizes[1:])
    ]
    model = keras.Sequential([keras.Input((3,), dtype="float64"), *layers])
    entropy = keras.losses.CategoricalCrossentropy if run.n_outputs > 1 else keras.losses.BinaryCrossentropy
    ops = keras.ops
    loss = {
        "log_loss": entropy(from_logits=True),
        "squared_error": keras.losses.MeanSquaredError(),
        "absolute_error": keras.losses.MeanAbsoluteError(),
        "huber": keras.losses.Huber(delta=1.35),
        "quantile": lambda Y, P: ops.mean(ops.maximum(QUANTILE * (Y - P), (QUANTILE - 1) * (Y - P)), axis=-1),
    }[run.loss]
    model.compile(scope["optimizer"], loss)
    model.set_weights([a for pair in zip(*run.start(), strict=True) for a in pair])
    for X, Y in run.batches():
        model.train_on_batch(X, Y)
    parameters = model.get_weights()
    return flat(parameters[::2], parameters[1::2])


def optax_chain(code, run):
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    optimiser = execute(code, {"jax": jax, "optax": optax})

    def loss(parameters, X, Y):
        for coef, intercept in parameters[:-1]:
            X = jnp.tanh(X @ coef + intercept)
        raw = X @ parameters[-1][0] + parameters[-1][1]
        of_targets = {
            "squared_error": optax.l2_loss,
            "absolute_error": lambda P, Y: jnp.abs(P - Y),
            "huber": lambda P, Y: optax.huber_loss(P, Y, delta=1.35),
            "quantile": lambda P, Y: jnp.maximum(QUANTILE * (Y - P), (QUANTILE - 1) * (Y - P)),
        }
        if run.loss in of_targets:
            return of_targets[run.loss](raw, Y).sum(axis=1).mean()
        if run.n_outputs > 1:
            return optax.softmax_cross_entropy(raw, Y).mean()
        return optax.sigmoid_binary_cross_entropy(raw, Y).mean()

    @jax.jit
    def train(parameters, X, Y):
        def update(carried, batch):
            parameters, state = carried
            steps, state = optimiser.update(jax.grad(loss)(parameters, *batch), state, parameters)
            return (optax.apply_updates(parameters, steps), state), None

        return jax.lax.scan(update, (parameters, optimiser.init(parameters)), (X, Y))[0][0]

    X, Y = (jnp.stack(part) for part in zip(*run.batches(), strict=True))
    return flat(*zip(*train([tuple(map(jnp.asarray, p)) for p in zip(*run.start(), strict=True)], X, Y), strict=True))


RUNNERS = {
    **dict.fromkeys((*MODES, "sklearn.MLP"), estimator),
    "sklearn.SGD": sklearn_sgd,
    **dict.fromkeys([name for name in CONVENTIONS if name.startswith("torch.")], torch_optimiser),
    "fastai.wd": fastai_learner,
    "keras.L2": keras_model,
    "keras.weight_decay": keras_model,
    "optax.add_decayed_weights": optax_chain,
    "optax.adamw": optax_chain,
}


def scope_of(target):
    """What a target's lines have in scope."""
    scope = {**vars(neural_network), **vars(linear_model), **vars(skl2net), "q": QUANTILE}
    for module in {"torch": ["torch"], "fastai": ["torch"], "keras": ["keras"], "optax": ["jax", "optax"]}.get(
        target.partition(".")[0], []
    ):
        scope[module] = pytest.importorskip(module)
    if "torch" in scope:
        scope["net"] = torch_net(scope["torch"], Training())
    if target == "fastai.wd":
        scope |= fastai_names()
    return scope


SLOW = (keras_model, optax_chain)  # they compile or trace for each line

SOLVERS = ("sgd", "adam")
SETTINGS = {"learning_rate", "momentum", "nesterov", "beta_1", "beta_2", "epsilon"}


def common_solvers(source, target):
    """The optimisers under which both follow a trajectory."""
    if source not in LIBRARIES:
        return []
    return [s for s in SOLVERS if s in CONVENTIONS[source].solvers and s in CONVENTIONS[target].solvers]


def sources_of(target):
    return [name for name in CONVENTIONS if name != target and common_solvers(name, target)]


def with_defaults(run, source, target, solver):
    """The run of a user who leaves everything to the source's defaults."""
    defaults = {}
    for name in ("penalty", target, source):
        defaults |= CONVENTIONS[name].optimisers[solver].defaults
    for name in (target, source):
        defaults |= CONVENTIONS[name].fixed
    return replace(run, **{name: value for name, value in defaults.items() if name in SETTINGS})


def convert(number, source, target, quantities, *, by_default):
    """A conversion that is told everything; or, by default, none of the settings that it does not ask for."""
    if not by_default:
        return convert_alpha(number, source, target, **quantities)
    told = {name: value for name, value in quantities.items() if name not in SETTINGS}
    try:
        return convert_alpha(number, source, target, **told)
    except ValueError as error:
        asked = [name for name in SETTINGS if f" {name}=..." in str(error)]
        return convert_alpha(number, source, target, **told, **{name: quantities[name] for name in asked})


def follow(source, target, solver, rng, *, by_default):
    """Execute the line of a conversion, and compare its trajectory with the source's."""
    run = random_training((source, target), solver, rng)
    if by_default:
        run = with_defaults(run, source, target, solver)
    number = random_number(source, run, rng)
    conversion = convert(number, source, target, run.quantities, by_default=by_default)
    if conversion.alpha is None:
        return
    reached = RUNNERS[target](conversion.code, run)
    meant = LIBRARIES[source].train(run, number)
    if conversion.exact:
        in_float32 = RUNNERS[target] in (keras_model, fastai_learner)
        assert distance(reached, meant) < (SAME_IN_FLOAT32 if in_float32 else SAME), conversion.code
    elif conversion.sense == "limit" and run.epsilon < 1e-10:
        assert distance(reached, meant) < 1e-4, conversion.code


@pytest.mark.parametrize("by_default", [False, True])
@pytest.mark.parametrize("target", RUNNERS)
def test_lines_follow_the_promised_trajectory(target, by_default):
    """From every source, or from a few if the target's library is slow."""
    rng = random.Random(f"{target} {by_default}")
    sources = sources_of(target)
    for source in rng.sample(sources, min(6, len(sources))) if RUNNERS[target] in SLOW else sources:
        for solver in common_solvers(source, target):
            follow(source, target, solver, rng, by_default=by_default)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
@pytest.mark.parametrize("target", [target for target in RUNNERS if target not in MODES])
def test_lines_follow_the_trajectory_of_each_regression_loss(target, loss):
    record = CONVENTIONS[target]
    source, solver = "decoupled" if record.is_decay else "penalty", record.solvers[0]
    if loss not in record.loss_scales or solver not in SOLVERS:
        return
    rng = random.Random(f"{target} {loss}")
    run = replace(random_training((source, target), solver, rng), loss=loss, momentum=0.0, epsilon=1e-16)
    number = random_number(source, run, rng)
    conversion = convert_alpha(number, source, target, **run.quantities)
    assert conversion.sense in ("trajectory", "limit")
    assert distance(RUNNERS[target](conversion.code, run), LIBRARIES[source].train(run, number)) < SAME_IN_FLOAT32


def test_the_smooth_l1_loss_of_pytorch_is_hubers_divided_by_its_delta():
    torch = pytest.importorskip("torch")
    errors, zero = torch.linspace(-5, 5, 101, dtype=torch.float64), torch.zeros(101, dtype=torch.float64)
    smooth = torch.nn.SmoothL1Loss(beta=1.35, reduction="none")(errors, zero)
    torch.testing.assert_close(smooth, torch.nn.HuberLoss(delta=1.35, reduction="none")(errors, zero) / 1.35)


@pytest.mark.long
@pytest.mark.parametrize("by_default", [False, True])
@pytest.mark.parametrize(
    ("source", "target"), [(source, target) for target in RUNNERS for source in sources_of(target)]
)
def test_every_line_follows_the_promised_trajectory(source, target, by_default):
    rng = random.Random(f"{source} {target} {by_default}")
    for solver in common_solvers(source, target):
        for _ in range(1 if RUNNERS[target] in SLOW else 3):
            follow(source, target, solver, rng, by_default=by_default)


@pytest.mark.parametrize("target", RUNNERS)
def test_lines_without_a_trajectory_are_executed(target):
    """From measures, from linear models and between different optimisers there is a line too."""
    quantities = Training().quantities
    del quantities["loss"], quantities["solver"]
    numbers = {"timescale": 20.0, "half_life": 20.0, "keep": 0.99}
    for source in set(CONVENTIONS) - set(sources_of(target)) - {target}:
        record = CONVENTIONS[source]
        if record.loss not in (None, *CONVENTIONS[target].loss_scales):
            continue
        loss = {"loss": record.loss or CONVENTIONS[target].loss or "log_loss"}
        for told in (loss, {**loss, "solver": "sgd"}):
            solver = told.get("solver")
            if solver and solver not in record.solvers + CONVENTIONS[target].solvers:
                continue
            conversion = convert_alpha(numbers.get(source, 1e-3), source, target, **told, **quantities)
            if conversion.alpha is not None:
                execute(conversion.code, scope_of(target))
