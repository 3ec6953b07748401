"""What each library means by its λ: one record per convention.

Every record says how its number λ becomes the strength of a rule, as a monomial: a constant, times powers of the
quantities of the run. The conversions are in `skl2net.conventions.conversion`.
"""

import math

from skl2net.conventions.convention import Convention, Optimiser
from skl2net.l2 import PENALTIES


def _share_of_half_life(half_life, updates_per_epoch):
    return -math.expm1(math.log(0.5) / (half_life * updates_per_epoch))


def _half_life_of_share(share, updates_per_epoch):
    return math.log(0.5) / math.log1p(-share) / updates_per_epoch if share else math.inf


_PLAIN = {"plain": ""}
_ADAM = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}

# How each family of libraries spells its optimisers.
_ESTIMATOR = {
    "sgd": Optimiser(
        {"learning_rate": 0.001, "momentum": 0.9, "nesterov": True, "batch_size": None},
        (
            "learning_rate_init={learning_rate}",
            "momentum={momentum}",
            "nesterovs_momentum={nesterov}",
            "batch_size={batch_size}",
        ),
    ),
    "adam": Optimiser(
        {**_ADAM, "batch_size": None},
        (
            "learning_rate_init={learning_rate}",
            "beta_1={beta_1}",
            "beta_2={beta_2}",
            "epsilon={epsilon}",
            "batch_size={batch_size}",
        ),
    ),
    "lbfgs": Optimiser(),
    "pso": Optimiser(),
}
_TORCH_SGD = Optimiser(
    {"learning_rate": 0.001, "momentum": 0.0, "nesterov": False},
    ("lr={learning_rate}", "momentum={momentum}", "nesterov={nesterov}"),
    rate_inside=False,
)
_TORCH_ADAM = Optimiser(
    _ADAM, ("lr={learning_rate}", "betas=({beta_1}, {beta_2})", "eps={epsilon}"), epsilon_at="v_hat"
)
_KERAS_SGD = Optimiser(
    {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
    ("learning_rate={learning_rate}", "momentum={momentum}", "nesterov={nesterov}"),
)
_KERAS_ADAM = Optimiser(
    {**_ADAM, "epsilon": 1e-7},
    ("learning_rate={learning_rate}", "beta_1={beta_1}", "beta_2={beta_2}", "epsilon={epsilon}"),
)
_OPTAX_SGD = Optimiser(
    {"momentum": 0.0, "nesterov": False},
    ("learning_rate={learning_rate}", "momentum={momentum}", "nesterov={nesterov}"),
    rate_inside=False,
)
_OPTAX_ADAM = Optimiser(
    {key: value for key, value in _ADAM.items() if key != "learning_rate"},
    ("learning_rate={learning_rate}", "b1={beta_1}", "b2={beta_2}", "eps={epsilon}"),
    epsilon_at="v_hat",
)
_JULIA_SGD = Optimiser(
    {"momentum": 0.0, "nesterov": False},
    ("{learning_rate}", "{momentum}"),
    momenta={"none": "Descent", "plain": "Momentum", "nesterov": "Nesterov"},
)
_JULIA_ADAM = Optimiser(
    {key: value for key, value in _ADAM.items() if key != "learning_rate"},
    ("{learning_rate}", "({beta_1}, {beta_2})", "{epsilon}"),
    epsilon_at="v_hat",
)
_DL4J = {
    "sgd": Optimiser(
        {"momentum": 0.0, "nesterov": False},
        ("{learning_rate}", "{momentum}"),
        momenta={"none": "Sgd", "nesterov": "Nesterovs"},
    ),
    "adam": Optimiser(
        {key: value for key, value in _ADAM.items() if key != "learning_rate"},
        ("{learning_rate}, {beta_1}, {beta_2}, {epsilon}",),
    ),
}
_PAPER_SGD = Optimiser({"nesterov": False}, momenta=_PLAIN)
_PAPER_ADAM = Optimiser(_ADAM, epsilon_at="v_hat")

_TORCH_GROUPS = (
    '[{{"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": {number}}}, '
    '{{"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0}}]'
)
_OPTAX_MASK = "mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params)"
_TF_PENALTY = "penalty = {number} * tf.add_n([tf.nn.l2_loss(v) for v in model.trainable_variables if v.shape.rank > 1])"
_TORCH = {
    "library": "PyTorch",
    "version": "2.15",
    "read": "tested",
    "losses": "mean over outputs",
    "squared_error": "MSELoss",
    "biases": "by default",
}
_KERAS = {
    "library": "Keras",
    "version": "3.15",
    "read": "tested",
    "losses": "mean over outputs",
    "squared_error": "MeanSquaredError",
}
_OPTAX = {"library": "optax", "version": "0.2.8", "read": "tested", "biases": "by default"}
_SKLEARN = {"library": "scikit-learn", "version": "1.9", "read": "tested"}
_OURS = {"library": "skl2net", "read": "tested"}
_PAPER = {
    "library": "the AdamW paper",
    "source": "Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019, https://arxiv.org/abs/1711.05101",
    "language": "text",
    "optimisers": {"sgd": _PAPER_SGD, "adam": _PAPER_ADAM},
}
_MEASURE = {"library": "measure", "read": "definition", "losses": None, "language": "text"}


def _our_code(mode):
    """The lines of one of skl2net's own rules."""
    start = "L2Net{kind}({sizes}"
    rule = f'l2_mode="{mode}", alpha={{number}}{{loss}}'
    code = {solver: f'{start}solver="{solver}", {rule}{{more}})' for solver in ("sgd", "adam")}
    if mode in PENALTIES:
        code |= {solver: f'{start}solver="{solver}", {rule})' for solver in ("lbfgs", "pso")}
    return {**code, None: f"{start}{rule}{{batch}})"}


def _ours(mode):
    """What all of skl2net's own rules have in common."""
    solvers = ("sgd", "adam", "lbfgs", "pso") if mode in PENALTIES else ("sgd", "adam")
    return {
        **_OURS,
        "parameter": f'alpha, with l2_mode="{mode}"',
        "rule": mode,
        "optimisers": {solver: _ESTIMATOR[solver] for solver in solvers},
        "code": _our_code(mode),
        "loss_arguments": {"poisson": ', loss="poisson"'},
    }


def _torch_adaptive(name, *, flag=False, remark=""):
    """One of PyTorch's other adaptive optimisers: the penalty goes through what it does to gradients."""
    solver = name.lower()
    default = {"NAdam": 0.002, "RAdam": 0.001, "RMSprop": 0.01, "Adagrad": 0.01, "Adamax": 0.002}[name]
    decoupled = "With decoupled_weight_decay=True it is w ← (1 − η·λ)·w − step(g) instead." if flag else ""
    return Convention(
        f"torch.{name}",
        parameter=f"torch.optim.{name}(weight_decay=λ)",
        formula="w ← w − step(g + λ·w)",
        rule="penalty",
        optimisers={solver: Optimiser({"learning_rate": default}, ("lr={learning_rate}",))},
        remark=" ".join(filter(None, (decoupled, remark))),
        source=f"https://docs.pytorch.org/docs/stable/generated/torch.optim.{name}.html",
        code=f"torch.optim.{name}({_TORCH_GROUPS}{{more}})",
        **_TORCH,
    )


_RECORDS = (
    Convention(
        "prior",
        formula="w ← w − step(g + λ/N·w); objective: mean loss + λ/(2N)·Σw²",
        source="the maximum a posteriori estimate, λ the precision of a Gaussian prior on each weight",
        **_ours("prior"),
    ),
    Convention(
        "penalty",
        formula="w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw²",
        source="the mathematical definition; Krogh & Hertz, A simple weight decay can improve generalization, 1991",
        **_ours("penalty"),
    ),
    Convention(
        "penalty_per_sample",
        formula="w ← w − step(g + λ/n·w); objective: mean loss + λ/(2n)·Σw²",
        source="the rule of scikit-learn's multi-layer perceptron",
        **_ours("penalty_per_sample"),
    ),
    Convention(
        "decay_before",
        formula="w ← (1 − λ)·w − step(g)",
        source="Hanson & Pratt, Comparing biases for minimal network construction with back-propagation, 1988",
        **_ours("decay_before"),
    ),
    Convention(
        "decay_after",
        formula="w ← (1 − λ)·(w − step(g))",
        source="engineers' practice: update the weight as usual, then multiply it by 1 − λ",
        **_ours("decay_after"),
    ),
    Convention(
        "decoupled",
        formula="w ← (1 − η·λ)·w − step(g)",
        source="AdamW and SGDW as PyTorch, Keras and optax implement them",
        **_ours("decoupled"),
    ),
    Convention(
        "sklearn.MLP",
        parameter="MLPClassifier(alpha=λ), MLPRegressor(alpha=λ)",
        formula="w ← w − step(g + λ/n·w)",
        rule="penalty_per_sample",
        optimisers={solver: _ESTIMATOR[solver] for solver in ("sgd", "adam", "lbfgs")},
        remark=(
            "n is the size of the batch, so that a smaller last batch is penalised more. For several real targets its "
            "L-BFGS follows a wrong gradient (scikit-learn issue 8349); SGD and Adam are right."
        ),
        source="https://scikit-learn.org/1.9/modules/neural_networks_supervised.html",
        code={
            "sgd": 'MLP{kind}({sizes}solver="sgd", alpha={number}{loss}{more})',
            "adam": 'MLP{kind}({sizes}solver="adam", alpha={number}{loss}{more})',
            "lbfgs": 'MLP{kind}({sizes}solver="lbfgs", alpha={number}{loss})',
            None: "MLP{kind}({sizes}alpha={number}{loss}{batch})",
        },
        loss_arguments={"poisson": ', loss="poisson"'},
        **_SKLEARN,
    ),
    Convention(
        "sklearn.SGD",
        parameter='SGDClassifier(alpha=λ), SGDRegressor(alpha=λ), with learning_rate="constant"',
        formula="w ← (1 − η·λ)·w − η·g, one sample at a time",
        rule="penalty",
        losses="linear",
        optimisers={"sgd": Optimiser({"momentum": 0.0, "nesterov": False}, ("eta0={learning_rate}",), momenta={})},
        fixed={"batch_size": 1, "momentum": 0.0},
        n_outputs=1,
        n_layers=1,
        remark=(
            "A linear model. Several classes are one model against the rest each, which is not a softmax. Under the "
            'default learning_rate="optimal" λ sets the learning rate too, and on sparse X the intercept learns at '
            "0.01 times the rate."
        ),
        source="https://scikit-learn.org/1.9/modules/sgd.html",
        code='SGD{kind}({loss}alpha={number}, learning_rate="constant"{more})',
        loss_arguments={"log_loss": 'loss="log_loss", ', "squared_error": ""},
        **_SKLEARN,
    ),
    Convention(
        "sklearn.Ridge",
        parameter="Ridge(alpha=λ)",
        formula="minimise Σ‖y − x·w − b‖² + λ·Σw², sums over the N samples",
        rule="penalty",
        per={"n_samples": -1},
        losses="linear",
        loss="squared_error",
        n_layers=1,
        remark="A linear model.",
        source="https://scikit-learn.org/1.9/modules/linear_model.html",
        code="Ridge(alpha={number})",
        **_SKLEARN,
    ),
    Convention(
        "sklearn.LogisticRegression",
        parameter="LogisticRegression(C=λ)",
        formula="minimise λ·Σ log loss + ½·Σw², sums over the N samples: the larger, the weaker",
        rule="penalty",
        power=-1,
        per={"n_samples": -1},
        losses="linear",
        loss="log_loss",
        n_layers=1,
        remark='A linear model. With solver="liblinear" it penalises the intercept too.',
        source="https://scikit-learn.org/1.9/modules/linear_model.html",
        code="LogisticRegression(C={number})",
        **_SKLEARN,
    ),
    Convention(
        "sklearn.PoissonRegressor",
        parameter="PoissonRegressor(alpha=λ)",
        formula="minimise mean half deviance + λ/2·Σw²",
        rule="penalty",
        loss="poisson",
        losses="generalised linear",
        n_outputs=1,
        n_layers=1,
        remark="A generalised linear model with the logarithm as link.",
        source="https://scikit-learn.org/1.9/modules/linear_model.html",
        code="PoissonRegressor(alpha={number})",
        **_SKLEARN,
    ),
    Convention(
        "sklearn.ElasticNet",
        parameter="ElasticNet(alpha=λ, l1_ratio=0)",
        formula="minimise 1/(2N)·Σ‖y − x·w − b‖² + λ/2·Σw²",
        rule="penalty",
        losses="linear",
        loss="squared_error",
        n_layers=1,
        remark="A linear model. Its coordinate descent is slow without an L1 part; Ridge(alpha=N·λ) is the same.",
        source="https://scikit-learn.org/1.9/modules/linear_model.html",
        code="ElasticNet(alpha={number}, l1_ratio=0)",
        **_SKLEARN,
    ),
    Convention(
        "torch.SGD",
        parameter="torch.optim.SGD(weight_decay=λ)",
        formula="w ← w − step(g + λ·w)",
        rule="penalty",
        optimisers={"sgd": _TORCH_SGD},
        remark="With dampening=τ the share of the long run is about η·λ·(1 − τ)/(1 − μ).",
        source="https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
        code=f"torch.optim.SGD({_TORCH_GROUPS}{{more}})",
        **_TORCH,
    ),
    Convention(
        "torch.Adam",
        parameter="torch.optim.Adam(weight_decay=λ)",
        formula="w ← w − step(g + λ·w)",
        rule="penalty",
        optimisers={"adam": _TORCH_ADAM},
        remark="With decoupled_weight_decay=True it is torch.AdamW.",
        source="https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html",
        code=f"torch.optim.Adam({_TORCH_GROUPS}{{more}})",
        **_TORCH,
    ),
    Convention(
        "torch.AdamW",
        parameter="torch.optim.AdamW(weight_decay=λ), and Adam's with decoupled_weight_decay=True",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        optimisers={"adam": _TORCH_ADAM},
        remark="Its default is 0.01, not 0.",
        source="https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html",
        code=f"torch.optim.AdamW({_TORCH_GROUPS}{{more}})",
        **_TORCH,
    ),
    _torch_adaptive("NAdam", flag=True),
    _torch_adaptive("RAdam", flag=True),
    _torch_adaptive("RMSprop"),
    _torch_adaptive("Adagrad"),
    _torch_adaptive("Adamax"),
    Convention(
        "keras.L2",
        parameter="kernel_regularizer=keras.regularizers.L2(λ)",
        formula="w ← w − step(g + 2·λ·w); objective: mean loss + λ·Σw², without the ½",
        rule="penalty",
        factor=2.0,
        optimisers={"sgd": _KERAS_SGD, "adam": _KERAS_ADAM},
        remark='The string "l2" stands for λ = 0.01.',
        source="https://keras.io/api/layers/regularizers/",
        code={
            None: "kernel_regularizer = keras.regularizers.L2({number})  # of every layer",
            "sgd": (
                "kernel_regularizer = keras.regularizers.L2({number})  # of every layer\n"
                "optimizer = keras.optimizers.SGD({arguments})"
            ),
            "adam": (
                "kernel_regularizer = keras.regularizers.L2({number})  # of every layer\n"
                "optimizer = keras.optimizers.Adam({arguments})"
            ),
        },
        **_KERAS,
    ),
    Convention(
        "keras.weight_decay",
        parameter="keras.optimizers.SGD(weight_decay=λ), and every other optimiser's weight_decay",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        biases="by default",
        optimisers={"sgd": _KERAS_SGD, "adam": _KERAS_ADAM},
        source="https://keras.io/api/optimizers/",
        code={
            solver: (
                f"optimizer = keras.optimizers.{name}(weight_decay={{number}}{{more}})\n"
                'optimizer.exclude_from_weight_decay(var_names=["bias"])'
            )
            for solver, name in (("sgd", "SGD"), ("adam", "Adam"))
        }
        | {
            None: (
                "weight_decay = {number}  # of the optimizer\n"
                '# and optimizer.exclude_from_weight_decay(var_names=["bias"])'
            )
        },
        **_KERAS,
    ),
    Convention(
        "tf.l2_loss",
        library="TensorFlow",
        version="2.15, tf-slim 1.1",
        read="tested",
        parameter="λ * tf.nn.l2_loss(w), and tf_slim.l2_regularizer(λ)",
        formula="w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw², with the ½, unlike Keras",
        rule="penalty",
        losses="mean over outputs",
        squared_error="MeanSquaredError",
        optimisers={"sgd": _KERAS_SGD, "adam": _KERAS_ADAM},
        source="https://github.com/google-research/tf-slim, tf_slim/layers/regularizers.py",
        code={
            None: _TF_PENALTY,
            "sgd": f"{_TF_PENALTY}\noptimizer = tf.keras.optimizers.SGD({{arguments}})",
            "adam": f"{_TF_PENALTY}\noptimizer = tf.keras.optimizers.Adam({{arguments}})",
        },
    ),
    Convention(
        "optax.add_decayed_weights",
        parameter="optax.chain(optax.add_decayed_weights(λ), optimiser)",
        formula="w ← w − step(g + λ·w)",
        rule="penalty",
        optimisers={"sgd": _OPTAX_SGD, "adam": _OPTAX_ADAM},
        remark=(
            "Where it stands decides: first in the chain it is a penalty; after scale_by_adam and before the learning "
            "rate it is optax.adamw; after the learning rate it needs −λ, and is decay_before. The loss is the one "
            "that is written: here the mean over samples of the sum over outputs, optax.l2_loss for the squared error."
        ),
        source="https://optax.readthedocs.io/en/latest/api/transformations.html",
        code={
            "sgd": f"optax.chain(optax.add_decayed_weights({{number}}, {_OPTAX_MASK}), optax.sgd({{arguments}}))",
            "adam": f"optax.chain(optax.add_decayed_weights({{number}}, {_OPTAX_MASK}), optax.adam({{arguments}}))",
            None: f"optax.add_decayed_weights({{number}}, {_OPTAX_MASK})  # first in the chain",
        },
        **_OPTAX,
    ),
    Convention(
        "optax.adamw",
        parameter="optax.adamw(weight_decay=λ)",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        optimisers={"adam": _OPTAX_ADAM},
        remark="Its default is 1e-4, not 0.",
        source="https://optax.readthedocs.io/en/latest/api/optimizers.html",
        code=f"optax.adamw({{arguments}}, weight_decay={{number}}, {_OPTAX_MASK})",
        **_OPTAX,
    ),
    Convention(
        "tfa.SGDW",
        library="TensorFlow Addons",
        version="0.23",
        read="tested",
        parameter="tfa.optimizers.SGDW(weight_decay=λ)",
        formula="w ← (1 − λ)·w − step(g)",
        rule="decay_before",
        losses="mean over outputs",
        squared_error="MeanSquaredError",
        biases="by default",
        optimisers={
            "sgd": Optimiser(
                {"learning_rate": 0.001, "momentum": 0.0, "nesterov": False},
                ("learning_rate={learning_rate}", "momentum={momentum}", "nesterov={nesterov}"),
            )
        },
        remark="Neither the learning rate nor its schedule multiplies λ; that is left to the user.",
        source="https://www.tensorflow.org/addons/api_docs/python/tfa/optimizers/SGDW",
        code='tfa.optimizers.SGDW(weight_decay={number}{more}, exclude_from_weight_decay=["bias"])',
    ),
    Convention(
        "tfa.AdamW",
        library="TensorFlow Addons",
        version="0.23",
        read="tested",
        parameter="tfa.optimizers.AdamW(weight_decay=λ)",
        formula="w ← (1 − λ)·w − step(g)",
        rule="decay_before",
        losses="mean over outputs",
        squared_error="MeanSquaredError",
        biases="by default",
        optimisers={"adam": _KERAS_ADAM},
        remark="Neither the learning rate nor its schedule multiplies λ; that is left to the user.",
        source="https://www.tensorflow.org/addons/api_docs/python/tfa/optimizers/AdamW",
        code='tfa.optimizers.AdamW(weight_decay={number}{more}, exclude_from_weight_decay=["bias"])',
    ),
    Convention(
        "mxnet.wd",
        library="MXNet",
        version="1.9",
        read="tested",
        parameter='gluon.Trainer(params, "sgd", {"wd": λ}), and "adam"',
        formula="w ← w − step(g + λ·w)",
        rule="penalty",
        losses="gluon",
        squared_error="L2Loss",
        biases="by default",
        optimisers={
            "sgd": Optimiser(
                {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
                (', "learning_rate": {learning_rate}', ', "momentum": {momentum}'),
                momenta=_PLAIN,
            ),
            "adam": Optimiser(
                _ADAM,
                (
                    ', "learning_rate": {learning_rate}',
                    ', "beta1": {beta_1}',
                    ', "beta2": {beta_2}',
                    ', "epsilon": {epsilon}',
                ),
            ),
        },
        remark=(
            "Gluon decays biases too; the older Module interface leaves out whatever is not called *_weight. Its "
            '"sgd" has plain momentum; its "nag" treats the decay in another way. The gradient is the mean over '
            "samples if trainer.step is given the batch size."
        ),
        source="https://github.com/apache/mxnet, python/mxnet/optimizer/optimizer.py and python/mxnet/gluon/trainer.py",
        code={
            solver: (
                'net.collect_params(".*bias").setattr("wd_mult", 0.0)\n'
                f'mx.gluon.Trainer(net.collect_params(), "{name}", {{{{"wd": {{number}}{{words}}}}}})'
            )
            for solver, name in (("sgd", "sgd"), ("adam", "adam"))
        }
        | {
            None: (
                'net.collect_params(".*bias").setattr("wd_mult", 0.0)\n'
                'optimizer_params = {{"wd": {number}}}  # of mx.gluon.Trainer'
            )
        },
    ),
    Convention(
        "fastai.wd",
        library="fastai",
        version="2.8",
        read="tested",
        parameter="Learner(wd=λ), SGD(wd=λ), Adam(wd=λ)",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        losses="mean over outputs",
        squared_error="MSELossFlat",
        optimisers={
            "sgd": Optimiser(
                {"learning_rate": 0.001, "momentum": 0.0, "nesterov": False},
                (", mom={momentum}",),
                momenta=_PLAIN,
                rate_inside=False,
            ),
            "adam": Optimiser(
                {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-5},
                (", mom={beta_1}", ", sqr_mom={beta_2}", ", eps={epsilon}"),
                epsilon_at="v_hat",
            ),
        },
        remark=(
            "Its Adam has other constants than most, beta_2 0.99 and epsilon 1e-5, and fit_one_cycle changes the "
            "momentum. With decouple_wd=False it is torch.SGD or torch.Adam; with wd_bn_bias=True biases decay too."
        ),
        source="https://docs.fast.ai/optimizer.html",
        code={
            solver: (
                f"Learner(dls, net, {{loss}}opt_func=partial({name}{{words}}), lr={{learning_rate}}, wd={{number}}, "
                "wd_bn_bias=False)"
            )
            for solver, name in (("sgd", "SGD"), ("adam", "Adam"))
        }
        | {None: "Learner(dls, net, {loss}wd={number}, wd_bn_bias=False)"},
        loss_arguments={
            "log_loss": "loss_func=CrossEntropyLossFlat(), ",
            "multilabel_log_loss": "loss_func=BCEWithLogitsLossFlat(), ",
            "squared_error": "loss_func=MSELossFlat(), ",
            "poisson": "loss_func=torch.nn.PoissonNLLLoss(), ",
        },
    ),
    Convention(
        "caffe.weight_decay",
        library="Caffe",
        version="1.0",
        parameter="weight_decay: λ, in the solver's prototxt",
        formula="w ← w − step(g + λ·w)",
        rule="penalty",
        losses="plain",
        biases="by default",
        optimisers={
            "sgd": Optimiser(
                {"momentum": 0.0, "nesterov": False},
                (" base_lr: {learning_rate}", " momentum: {momentum}"),
                momenta={"none": "SGD", "plain": "SGD", "nesterov": "Nesterov"},
            ),
            "adam": Optimiser(
                {"beta_1": 0.0, "beta_2": 0.999, "epsilon": 1e-8},
                (
                    " base_lr: {learning_rate}",
                    " momentum: {beta_1}",
                    " momentum2: {beta_2}",
                    " delta: {epsilon}",
                ),
            ),
        },
        remark='Its Adam needs "momentum: 0.9", which is beta_1 there and 0 by default.',
        source="https://github.com/BVLC/caffe, src/caffe/solvers",
        language="prototxt",
        code={
            solver: (
                f'type: "{name}" weight_decay: {{number}}{{words}}  # in the solver\n'
                "param {{ decay_mult: 1 }} param {{ decay_mult: 0 }}  # in each layer"
            )
            for solver, name in (("sgd", "{optimiser}"), ("adam", "Adam"))
        }
        | {
            None: (
                "weight_decay: {number}  # in the solver\n"
                "param {{ decay_mult: 1 }} param {{ decay_mult: 0 }}  # in each layer"
            )
        },
    ),
    Convention(
        "flux.AdamW",
        library="Flux",
        version="0.13",
        parameter="Flux.Optimise.AdamW(η, β, λ), the optimiser of Flux before Optimisers.jl",
        formula="w ← (1 − λ)·w − step(g)",
        rule="decay_before",
        losses="flux",
        squared_error="Flux.mse",
        biases="by default",
        optimisers={"adam": _JULIA_ADAM},
        remark="The learning rate does not multiply λ here, and it does in Optimisers.jl since version 0.4.",
        source="https://github.com/FluxML/Flux.jl, src/optimise/optimisers.jl",
        language="Julia",
        code=(
            "Flux.Optimise.Optimiser(Flux.Optimise.Adam({learning_rate}, ({beta_1}, {beta_2}), {epsilon}), "
            "Flux.Optimise.WeightDecay({number}))  # for weights, Adam for biases"
        ),
    ),
    Convention(
        "optimisers.AdamW",
        library="Optimisers.jl",
        version="0.4",
        parameter="AdamW(η, β, λ)",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        losses="flux",
        squared_error="Flux.mse",
        biases="by default",
        optimisers={"adam": _JULIA_ADAM},
        remark="With couple=false, and before version 0.4, the learning rate does not multiply λ: that is flux.AdamW.",
        source="https://github.com/FluxML/Optimisers.jl, src/rules.jl",
        language="Julia",
        code=(
            "AdamW({learning_rate}, ({beta_1}, {beta_2}), {number}, {epsilon})\n"
            "# and Optimisers.adjust!(state.layers[i].bias, lambda = 0) for each layer i"
        ),
    ),
    Convention(
        "optimisers.WeightDecay",
        library="Optimisers.jl",
        version="0.4",
        parameter="OptimiserChain(WeightDecay(λ), optimiser)",
        formula="w ← w − step(g + λ·w)",
        rule="penalty",
        losses="flux",
        squared_error="Flux.mse",
        biases="by default",
        optimisers={"sgd": _JULIA_SGD, "adam": _JULIA_ADAM},
        remark="Its default is 5e-4, not 0.",
        source="https://github.com/FluxML/Optimisers.jl, src/rules.jl",
        language="Julia",
        code={
            solver: (
                f"OptimiserChain(WeightDecay({{number}}), {name}({{arguments}}))\n"
                "# and Optimisers.adjust!(state.layers[i].bias, lambda = 0) for each layer i"
            )
            for solver, name in (("sgd", "{optimiser}"), ("adam", "Adam"))
        }
        | {None: "OptimiserChain(WeightDecay({number}), optimiser)"},
    ),
    Convention(
        "dl4j.WeightDecay",
        library="Deeplearning4j",
        version="1.0.0-M2",
        parameter="new WeightDecay(λ, true), and .weightDecay(λ)",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        losses="dl4j",
        squared_error="LossMSE",
        optimisers=_DL4J,
        remark="With applyLR=false it is w ← (1 − λ)·w − step(g). .l2(λ) is another rule, dl4j.l2.",
        source="https://github.com/deeplearning4j/deeplearning4j, nd4j's linalg.learning.regularization.WeightDecay",
        language="Java",
        code={
            "sgd": ".updater(new {optimiser}({arguments})).weightDecay({number}, true)",
            "adam": ".updater(new Adam({arguments})).weightDecay({number}, true)",
            None: ".weightDecay({number}, true)",
        },
    ),
    Convention(
        "dl4j.l2",
        library="Deeplearning4j",
        version="1.0.0-M2",
        parameter="new L2Regularization(λ), and .l2(λ)",
        formula="w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw²",
        rule="penalty",
        losses="dl4j",
        squared_error="LossMSE",
        optimisers=_DL4J,
        source="https://github.com/deeplearning4j/deeplearning4j, nd4j's learning.regularization.L2Regularization",
        language="Java",
        code={
            "sgd": ".updater(new {optimiser}({arguments})).l2({number})",
            "adam": ".updater(new Adam({arguments})).l2({number})",
            None: ".l2({number})",
        },
    ),
    Convention(
        "weka.MLPClassifier",
        library="WEKA",
        version="multiLayerPerceptrons 1.0",
        parameter="MLPClassifier -R λ, and MLPRegressor's",
        formula="minimise (½·Σ squared error + λ·Σw²)/N",
        rule="penalty",
        factor=2.0,
        per={"n_samples": -1},
        losses="plain",
        loss="squared_error",
        n_layers=2,
        condition="the inputs are standardised, and a classifier's targets are 0.01 and 0.99, as there",
        remark="Its default is 0.01. WEKA's MultilayerPerceptron is another class; its -D decays the learning rate.",
        source="https://github.com/bnjmn/weka, weka.classifiers.functions.MLPModel and MLPClassifier",
        language="text",
        code="weka.classifiers.functions.MLPClassifier -R {number}",
    ),
    Convention(
        "R.nnet",
        library="R's nnet",
        version="7.3",
        read="tested",
        parameter="nnet(decay = λ)",
        formula="minimise Σ‖y − output‖² + λ·Σw², or with entropy or softmax Σ log loss + λ·Σw², over the N samples",
        rule="penalty",
        factor=2.0,
        per={"n_samples": -1},
        losses="nnet",
        n_layers=2,
        biases="by default",
        remark="Sums, not means, and no ½: as a prior it is λ for the squared error, 2λ for the log loss.",
        source="Venables & Ripley, Modern applied statistics with S, https://cran.r-project.org/package=nnet",
        language="R",
        code={
            None: (
                "h <- 10  # hidden units; y a matrix, class.ind(classes) for classes\n"
                "nnet(x, y, size = h, decay = {number} * "
                "c(rep(c(0, rep(1, ncol(x))), h), rep(c(0, rep(1, h)), ncol(y))){loss})"
            ),
            "linear": (
                "# y a matrix, class.ind(classes) for classes\n"
                "nnet(x, y, size = 0, skip = TRUE, decay = {number} * rep(c(0, rep(1, ncol(x))), ncol(y)){loss})"
            ),
        },
        loss_arguments={
            "log_loss": ", entropy = ncol(y) == 1, softmax = ncol(y) > 1",
            "multilabel_log_loss": ", entropy = TRUE",
            "squared_error": ", linout = TRUE",
        },
    ),
    Convention(
        "tidymodels.mlp[keras]",
        library="tidymodels",
        version="parsnip 1.6",
        parameter='mlp(penalty = λ) with set_engine("keras")',
        formula="keras.L2 on the hidden layer only",
        rule="penalty",
        factor=2.0,
        losses="tidymodels keras",
        loss="squared_error",
        squared_error="mse",
        optimisers={"adam": _KERAS_ADAM},
        n_layers=2,
        differences=(("parts", "tidymodels.mlp[keras] penalises the hidden layer only, not the output layer"),),
        remark="For classes its loss is the binary cross-entropy of a softmax, which no other library here has.",
        source="https://github.com/tidymodels/parsnip, R/mlp.R",
        language="R",
        code='mlp(mode = "regression", penalty = {number}) |> set_engine("keras")',
    ),
    Convention(
        "tidymodels.mlp[brulee]",
        library="tidymodels",
        version="brulee 1.1",
        parameter='mlp(penalty = λ) with set_engine("brulee")',
        formula="minimise mean loss + λ/2·Σw²",
        rule="penalty",
        losses="mean over outputs",
        squared_error="nnf_mse_loss",
        optimisers={"lbfgs": Optimiser()},
        condition="validation = 0 there, and no gradient is clipped",
        remark=(
            'Its default is 0.001. With optimizer = "SGD" it is torch.SGD, and with "ADAMw" torch.AdamW, with the '
            "biases decayed too."
        ),
        source="https://github.com/tidymodels/brulee, R/mlp-fit.R and R/0_utils.R",
        language="R",
        code='mlp(mode = "{loss}", penalty = {number}) |> set_engine("brulee", validation = 0)',
        loss_arguments={"log_loss": "classification", "squared_error": "regression"},
    ),
    Convention(
        "rsnns.BackpropWeightDecay",
        library="RSNNS",
        version="0.4",
        read="tested",
        parameter='mlp(learnFunc = "BackpropWeightDecay", learnFuncParams = c(η, λ, 0, 0))',
        formula="w ← (1 − λ)·w − η·g, one sample at a time",
        rule="decay_before",
        losses="linear",
        loss="squared_error",
        optimisers={"sgd": Optimiser({"learning_rate": 0.2, "momentum": 0.0, "nesterov": False}, momenta={})},
        fixed={"batch_size": 1, "momentum": 0.0},
        biases="always",
        remark="With linOut = TRUE its output units have no bias.",
        source="https://github.com/cbergmeir/RSNNS, src/learn_f.cpp",
        language="R",
        code=(
            'mlp(x, y, learnFunc = "BackpropWeightDecay", learnFuncParams = c({learning_rate}, {number}, 0, 0), '
            "linOut = TRUE)"
        ),
    ),
    Convention(
        "cuml.MBSGD",
        library="cuML",
        version="25",
        parameter='MBSGDClassifier(alpha=λ), MBSGDRegressor(alpha=λ), with learning_rate="constant"',
        formula="w ← w − η·(g + 2·λ·w), g of the squared error without the ½",
        rule="penalty",
        factor=2.0,
        losses="cuml",
        optimisers={
            "sgd": Optimiser(
                {"learning_rate": 0.001, "momentum": 0.0, "nesterov": False, "batch_size": 32},
                ("eta0={learning_rate}", "batch_size={batch_size}"),
                momenta={},
            )
        },
        fixed={"momentum": 0.0},
        n_outputs=1,
        n_layers=1,
        differences=(("objective", "cuml.MBSGD takes the intercept from the means of the data and does not train it"),),
        remark="A linear model.",
        source="https://github.com/rapidsai/cuml, cpp/src_prims/functions and cpp/src/solver/sgd.cuh",
        code='cuml.MBSGD{kind}({loss}penalty="l2", alpha={number}, learning_rate="constant"{more})',
        loss_arguments={"log_loss": 'loss="log", ', "squared_error": ""},
    ),
    Convention(
        "glmnet",
        library="R's glmnet",
        version="4.1",
        read="tested",
        parameter="glmnet(alpha = 0, lambda = λ)",
        formula="minimise mean loss + λ/2·Σw²",
        rule="penalty",
        losses="generalised linear",
        n_layers=1,
        condition="glmnet has standardize = FALSE, and for real targets λ is multiplied by their standard deviation",
        remark=(
            "A linear model. It standardises X by default. For real targets it divides y by its standard deviation "
            "(with 1/N), so that there α is λ/sd(y)."
        ),
        source="https://glmnet.stanford.edu/articles/glmnet.html",
        language="R",
        code="glmnet(x, y, alpha = 0, standardize = FALSE, lambda = {number}{loss})",
        loss_arguments={
            "log_loss": ', family = if (length(unique(y)) > 2) "multinomial" else "binomial"',
            "squared_error": ' * sqrt(mean((y - mean(y))^2)), family = "gaussian"',
            "poisson": ', family = "poisson"',
        },
    ),
    Convention(
        "statsmodels",
        library="statsmodels",
        version="0.15",
        read="tested",
        parameter="fit_regularized(alpha=λ, L1_wt=0)",
        formula="minimise −log likelihood/N + λ/2·Σw²",
        rule="penalty",
        losses="generalised linear",
        biases="by default",
        n_outputs=1,
        n_layers=1,
        remark=(
            "A linear model. A single λ penalises the constant too; a list of one λ per column can leave it out. A GLM "
            "of the Gaussian family divides by an estimated variance, so that λ is another there; OLS does not."
        ),
        source="https://www.statsmodels.org/stable/, GLM.fit_regularized and statsmodels/base/elastic_net.py",
        code="sm.{loss}.fit_regularized(alpha=[0.0] + [{number}] * X.shape[1], L1_wt=0.0)",
        loss_arguments={
            "log_loss": "GLM(y, sm.add_constant(X), family=sm.families.Binomial())",
            "squared_error": "OLS(y, sm.add_constant(X))",
            "poisson": "GLM(y, sm.add_constant(X), family=sm.families.Poisson())",
        },
    ),
    Convention(
        "spark.LogisticRegression",
        library="Spark ML",
        version="3.5",
        read="tested",
        parameter="LogisticRegression(regParam=λ, standardization=False)",
        formula="minimise mean log loss + λ/2·Σw²",
        rule="penalty",
        losses="linear",
        loss="log_loss",
        n_layers=1,
        remark="A linear model. By default it standardises the features, and λ then acts on the standardised ones.",
        source="https://spark.apache.org/docs/latest/ml-classification-regression.html",
        code="pyspark.ml.classification.LogisticRegression(regParam={number}, standardization=False)",
    ),
    Convention(
        "h2o.l2",
        library="H2O",
        version="3",
        parameter="H2ODeepLearningEstimator(l2=λ), with adaptive_rate=False",
        formula="w ← w − step(g + λ·w), with the learning rate η·(1 − μ)",
        rule="penalty",
        losses="plain",
        biases="always",
        optimisers={
            "sgd": Optimiser(
                {"learning_rate": 0.005, "momentum": 0.0, "nesterov": False},
                ("rate={learning_rate}", "momentum_start={momentum}", "momentum_stable={momentum}"),
                momenta=_PLAIN,
                rate_inside=False,
                rate_times={"1 - momentum": 1},
            )
        },
        fixed={"batch_size": 1},
        condition="H2O runs with reproducible=True and standardize=False",
        remark=(
            "By default it runs ADADELTA (adaptive_rate=True), standardises the inputs, and updates on several threads "
            "at once. What it calls Nesterov's momentum is the plain one."
        ),
        source="https://github.com/h2oai/h2o-3, h2o-algos: hex/deeplearning/Neurons.java",
        code=(
            "H2ODeepLearningEstimator(l2={number}, adaptive_rate=False, rate_annealing=0, reproducible=True, "
            "standardize=False{more})"
        ),
    ),
    Convention(
        "matlab.trainingOptions",
        library="MATLAB",
        version="R2024b",
        read="documentation",
        parameter='trainingOptions("sgdm", L2Regularization=λ)',
        formula="w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw²",
        rule="penalty",
        losses="plain",
        optimisers={
            "sgd": Optimiser(
                {"learning_rate": 0.01, "momentum": 0.9, "nesterov": False},
                (", InitialLearnRate={learning_rate}", ", Momentum={momentum}"),
                momenta=_PLAIN,
            )
        },
        remark="Its default is 1e-4, not 0. Its adam and rmsprop add the same term to the gradient.",
        source="https://www.mathworks.com/help/deeplearning/ref/trainingoptions.html",
        language="MATLAB",
        code='trainingOptions("sgdm", L2Regularization={number}{words})',
    ),
    Convention(
        "loshchilov",
        parameter="λ of SGDW and AdamW, Algorithms 1 and 2",
        formula="w ← (1 − m·λ)·w − step(g), m the multiplier of the schedule, 1 to begin with",
        rule="scheduled",
        remark="The schedule multiplies λ, but the initial learning rate does not: it is decoupled with α = λ/η.",
        code="w = (1 - schedule(t) * {number}) * w - step",
        **_PAPER,
    ),
    Convention(
        "loshchilov_normalized",
        parameter="λ_norm, Appendix B.1",
        formula="λ of the paper's AdamW = λ_norm·√(n/(N·E))",
        rule="scheduled",
        per={"batch_size": 0.5, "n_samples": -0.5, "n_epochs": -0.5},
        remark="It grows weaker with the square root of the number of updates in the whole training.",
        code="w = (1 - schedule(t) * {number} * sqrt(n / (N * E))) * w - step",
        **_PAPER,
    ),
    Convention(
        "keep",
        library="engineers' practice",
        parameter="the factor in wt = wt * λ",
        formula="w ← λ·(w − step(g))",
        rule="decay_after",
        read="definition",
        curve=(lambda keep, _: 1 - keep, lambda share, _: 1 - share),
        optimisers={"sgd": Optimiser(), "adam": Optimiser(_ADAM)},
        remark="Multiplied before the step, it is decay_before. 0.97 where 0.03 was meant is the factor trap.",
        source="The difference between neural network L2 regularization and weight decay, an article for engineers",
        language="text",
        code="w = {number} * (w - step)",
    ),
    Convention(
        "nielsen",
        library="Nielsen's textbook",
        parameter="λ of chapter 3, lmbda in network2.py",
        formula="w ← (1 − η·λ/N)·w − η·g; objective: mean loss + λ/(2N)·Σw², N the training samples",
        rule="prior",
        losses="plain",
        optimisers={"sgd": Optimiser({"momentum": 0.0, "nesterov": False}, momenta={})},
        fixed={"momentum": 0.0},
        source="Nielsen, Neural networks and deep learning, 2015, http://neuralnetworksanddeeplearning.com/chap3.html",
        language="text",
        code="w = (1 - {learning_rate} * {number} / N) * w - {learning_rate} * g",
    ),
    Convention(
        "nielsen.network3",
        library="Nielsen's textbook",
        parameter="lmbda in network3.py",
        formula="w ← (1 − η·λ/B)·w − η·g, B = N/n the number of batches",
        rule="penalty",
        per={"batch_size": 1, "n_samples": -1},
        losses="plain",
        optimisers={"sgd": Optimiser({"momentum": 0.0, "nesterov": False}, momenta={})},
        fixed={"momentum": 0.0},
        condition="the batch size divides N; network3.py leaves the rest out",
        remark="The same λ as in network2.py is stronger here by the batch size.",
        source="https://github.com/mnielsen/neural-networks-and-deep-learning, src/network3.py",
        language="text",
        code="net.SGD(training_data, epochs, n, {learning_rate}, validation_data, test_data, lmbda={number})",
    ),
    Convention(
        "timescale",
        parameter="epochs",
        formula="1/(s·U), s the share of a weight that one update removes, U the updates in an epoch",
        rule="share",
        power=-1,
        per={"updates_per_epoch": -1},
        source=(
            "Wang & Aitchison, How to set AdamW's weight decay as you scale model and dataset size, ICML 2025, "
            "https://arxiv.org/abs/2405.13698"
        ),
        **_MEASURE,
    ),
    Convention(
        "half_life",
        parameter="epochs",
        formula="ln ½ / ln(1 − s) / U: after so many epochs half of a weight is left, where no gradient acts",
        rule="share",
        curve=(_share_of_half_life, _half_life_of_share),
        reads_updates=True,
        source="the definition",
        **_MEASURE,
    ),
)

CONVENTIONS = {convention.name: convention for convention in _RECORDS}
