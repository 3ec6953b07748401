"""What each library means by its λ: one record per convention, the aliases, and what is left out.

A record says how its number λ becomes the strength of a rule: a constant, times powers of the quantities of the run.
`skl2net.conventions.convention` describes the fields.
"""

import math
from dataclasses import replace

from skl2net.conventions.convention import Convention, Optimiser
from skl2net.l2 import PENALTIES
from skl2net.losses import REGRESSION_LOSSES


def _sgd(arguments="", *, learning_rate=None, momentum=0.0, nesterov=False, batch_size=None, **options):
    """SGD: its arguments and its defaults, None for a setting without a default."""
    defaults = {"learning_rate": learning_rate, "momentum": momentum, "nesterov": nesterov, "batch_size": batch_size}
    return Optimiser({name: value for name, value in defaults.items() if value is not None}, arguments, **options)


def _adam(arguments="", *, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8, **options):
    """Adam: its arguments and its defaults, None for a setting without a default."""
    defaults = {"learning_rate": learning_rate, "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    return Optimiser({name: value for name, value in defaults.items() if value is not None}, arguments, **options)


_PLAIN = {"plain": ""}

# How each family of libraries spells its optimisers.
_ESTIMATOR = {
    "sgd": _sgd(
        "learning_rate_init={learning_rate}; momentum={momentum}; nesterovs_momentum={nesterov}; "
        "batch_size={batch_size}",
        learning_rate=0.001,
        momentum=0.9,
        nesterov=True,
    ),
    "adam": _adam(
        "learning_rate_init={learning_rate}; beta_1={beta_1}; beta_2={beta_2}; epsilon={epsilon}; "
        "batch_size={batch_size}"
    ),
    "lbfgs": Optimiser(),
    "pso": Optimiser(),
}
_TORCH_SGD = _sgd(
    "lr={learning_rate}; momentum={momentum}; nesterov={nesterov}", learning_rate=0.001, rate_inside=False
)
_TORCH_ADAM = _adam("lr={learning_rate}; betas=({beta_1}, {beta_2}); eps={epsilon}", epsilon_at="v_hat")
_KERAS_SETTINGS = "learning_rate={learning_rate}; momentum={momentum}; nesterov={nesterov}"
_KERAS_SGD = _sgd(_KERAS_SETTINGS, name="SGD", learning_rate=0.01)
_KERAS_ADAM = _adam(
    "learning_rate={learning_rate}; beta_1={beta_1}; beta_2={beta_2}; epsilon={epsilon}", name="Adam", epsilon=1e-7
)
_OPTAX_SGD = _sgd(_KERAS_SETTINGS, name="sgd", rate_inside=False)
_OPTAX_ADAM = _adam(
    "learning_rate={learning_rate}; b1={beta_1}; b2={beta_2}; eps={epsilon}",
    name="adam",
    learning_rate=None,
    epsilon_at="v_hat",
)
_JULIA_ADAM = _adam(
    "{learning_rate}; ({beta_1}, {beta_2}); {epsilon}", name="Adam", learning_rate=None, epsilon_at="v_hat"
)

_TORCH_GROUPS = (
    '[{{"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": {number}}}, '
    '{{"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0}}]'
)
_OPTAX_MASK = "mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params)"
_TF_PENALTY = "penalty = {number} * tf.add_n([tf.nn.l2_loss(v) for v in model.trainable_variables if v.shape.rank > 1])"
_KERAS_PENALTY = "kernel_regularizer = keras.regularizers.L2({number})  # of every layer"
_MXNET_BIASES = 'net.collect_params(".*bias").setattr("wd_mult", 0.0)'
_CAFFE_BIASES = "param {{ decay_mult: 1 }} param {{ decay_mult: 0 }}  # in each layer"
_JULIA_BIASES = "# and Optimisers.adjust!(state.layers[i].bias, lambda = 0) for each layer i"

# What the records of one library have in common.
_OURS = {
    "library": "skl2net",
    "read": "tested",
    "loss_arguments": {name: f', loss="{name}"' for name in REGRESSION_LOSSES if name != "squared_error"}
    | {"quantile": ', loss="quantile", quantile=q'},
}
_SKLEARN = {"library": "scikit-learn", "version": "1.9", "read": "tested"}
_SKLEARN_LINEAR = {
    "source": "https://scikit-learn.org/1.9/modules/linear_model.html",
    "losses": "linear",
    "n_layers": 1,
    **_SKLEARN,
}
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
    "optimisers": {"sgd": _KERAS_SGD, "adam": _KERAS_ADAM},
}
_OPTAX = {"library": "optax", "version": "0.2.8", "read": "tested", "biases": "by default"}
_ADDONS = {
    "library": "TensorFlow Addons",
    "version": "0.23",
    "read": "tested",
    "formula": "w ← (1 − λ)·w − step(g)",
    "rule": "decay_before",
    "losses": "mean over outputs",
    "squared_error": "MeanSquaredError",
    "biases": "by default",
    "remark": "Neither the learning rate nor its schedule multiplies λ; that is left to the user.",
}
_JULIA = {"losses": "flux", "squared_error": "Flux.mse", "biases": "by default", "language": "Julia"}
_OPTIMISERS_JL = {
    "library": "Optimisers.jl",
    "version": "0.4",
    "source": "https://github.com/FluxML/Optimisers.jl, src/rules.jl",
    **_JULIA,
}
_DL4J = {
    "library": "Deeplearning4j",
    "version": "1.0.0-M2",
    "losses": "dl4j",
    "squared_error": "LossMSE",
    "language": "Java",
    "optimisers": {
        "sgd": _sgd("{learning_rate}; {momentum}", momenta={"none": "Sgd", "nesterov": "Nesterovs"}),
        "adam": _adam("{learning_rate}, {beta_1}, {beta_2}, {epsilon}", name="Adam", learning_rate=None),
    },
}
_PAPER = {
    "library": "the AdamW paper",
    "source": "Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019, https://arxiv.org/abs/1711.05101",
    "rule": "scheduled",
    "language": "text",
    "optimisers": {"sgd": _sgd(momentum=None, momenta=_PLAIN), "adam": _adam(epsilon_at="v_hat")},
}
_NIELSEN = {
    "library": "Nielsen's textbook",
    "losses": "plain",
    "optimisers": {"sgd": _sgd(momenta={})},
    "fixed": {"momentum": 0.0},
    "language": "text",
}
_MEASURE = {"library": "measure", "read": "definition", "rule": "share", "language": "text"}


def _ours(mode, formula, source):
    """One of skl2net's own rules."""
    solvers = ("sgd", "adam", "lbfgs", "pso") if mode in PENALTIES else ("sgd", "adam")
    return Convention(
        mode,
        parameter=f'alpha, with l2_mode="{mode}"',
        formula=formula,
        source=source,
        rule=mode,
        optimisers={solver: _ESTIMATOR[solver] for solver in solvers},
        code=(
            f'L2Net{{kind}}({{sizes}}{{solver}}{{constant_rate}}l2_mode="{mode}", alpha={{number}}{{own_units}}'
            "{loss}{more}{batch})"
        ),
        **_OURS,
    )


def _torch(name, optimisers, remark="", **changes):
    """One of PyTorch's optimisers."""
    return Convention(
        f"torch.{name}",
        **{
            "parameter": f"torch.optim.{name}(weight_decay=λ)",
            "formula": "w ← w − step(g + λ·w)",
            "optimisers": optimisers,
            "remark": remark,
            "source": f"https://docs.pytorch.org/docs/stable/generated/torch.optim.{name}.html",
            "code": f"torch.optim.{name}({_TORCH_GROUPS}{{more}})",
            **_TORCH,
            **changes,
        },
    )


def _torch_adaptive(name, learning_rate, remark=""):
    """One of PyTorch's adaptive optimisers beside Adam, which change the gradient of the penalty too."""
    return _torch(name, {name.lower(): Optimiser({"learning_rate": learning_rate}, "lr={learning_rate}")}, remark)


_DECOUPLED_FLAG = "With decoupled_weight_decay=True it is w ← (1 − η·λ)·w − step(g) instead."


_RECORDS = (
    _ours(
        "prior",
        "w ← w − step(g + λ/N·w); objective: mean loss + λ/(2N)·Σw²",
        "the maximum a posteriori estimate, λ the precision of a Gaussian prior on each weight",
    ),
    _ours(
        "penalty",
        "w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw²",
        "the mathematical definition; Krogh & Hertz, A simple weight decay can improve generalization, 1991",
    ),
    _ours(
        "penalty_per_sample",
        "w ← w − step(g + λ/n·w); objective: mean loss + λ/(2n)·Σw²",
        "the rule of scikit-learn's multi-layer perceptron",
    ),
    _ours(
        "decay_before",
        "w ← (1 − λ)·w − step(g)",
        "Hanson & Pratt, Comparing biases for minimal network construction with back-propagation, 1988",
    ),
    _ours(
        "decay_after",
        "w ← (1 − λ)·(w − step(g))",
        "engineers' practice: update the weight as usual, then multiply it by 1 − λ",
    ),
    _ours("decoupled", "w ← (1 − η·λ)·w − step(g)", "AdamW and SGDW as PyTorch, Keras and optax implement them"),
    Convention(
        "sklearn.MLP",
        parameter="MLPClassifier(alpha=λ), MLPRegressor(alpha=λ)",
        formula="w ← w − step(g + λ/n·w)",
        rule="penalty_per_sample",
        losses="sklearn.MLP",
        optimisers={solver: _ESTIMATOR[solver] for solver in ("sgd", "adam", "lbfgs")},
        remark=(
            "n is the size of the batch, so that a smaller last batch is penalised more. For several real targets its "
            "L-BFGS follows a wrong gradient (scikit-learn issue 8349); SGD and Adam are right."
        ),
        source="https://scikit-learn.org/1.9/modules/neural_networks_supervised.html",
        code="MLP{kind}({sizes}{solver}alpha={number}{loss}{more}{batch})",
        loss_arguments={"poisson": ', loss="poisson"'},
        **_SKLEARN,
    ),
    Convention(
        "sklearn.SGD",
        parameter='SGDClassifier(alpha=λ), SGDRegressor(alpha=λ), with learning_rate="constant"',
        formula="w ← (1 − η·λ)·w − η·g, one sample at a time",
        losses="linear",
        optimisers={"sgd": _sgd("eta0={learning_rate}", momenta={})},
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
        loss_arguments={
            "log_loss": 'loss="log_loss", ',
            "absolute_error": 'loss="epsilon_insensitive", epsilon=0.0, ',
            "huber": 'loss="huber", epsilon=1.35, ',
        },
        **_SKLEARN,
    ),
    Convention(
        "sklearn.Ridge",
        parameter="Ridge(alpha=λ)",
        formula="minimise Σ‖y − x·w − b‖² + λ·Σw², sums over the N samples",
        per={"n_samples": -1},
        loss="squared_error",
        remark="A linear model.",
        code="Ridge(alpha={number})",
        **_SKLEARN_LINEAR,
    ),
    Convention(
        "sklearn.LogisticRegression",
        parameter="LogisticRegression(C=λ)",
        formula="minimise λ·Σ log loss + ½·Σw², sums over the N samples: the larger, the weaker",
        power=-1,
        per={"n_samples": -1},
        loss="log_loss",
        remark='A linear model. With solver="liblinear" it penalises the intercept too.',
        code="LogisticRegression(C={number})",
        **_SKLEARN_LINEAR,
    ),
    Convention(
        "sklearn.PoissonRegressor",
        parameter="PoissonRegressor(alpha=λ)",
        formula="minimise mean half deviance + λ/2·Σw²",
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
        loss="squared_error",
        remark="A linear model. Its coordinate descent is slow without an L1 part; Ridge(alpha=N·λ) is the same.",
        code="ElasticNet(alpha={number}, l1_ratio=0)",
        **_SKLEARN_LINEAR,
    ),
    _torch("SGD", {"sgd": _TORCH_SGD}, "With dampening=τ the share of the long run is about η·λ·(1 − τ)/(1 − μ)."),
    _torch("Adam", {"adam": _TORCH_ADAM}, "With decoupled_weight_decay=True it is torch.AdamW."),
    _torch(
        "AdamW",
        {"adam": _TORCH_ADAM},
        "Its default is 0.01, not 0.",
        parameter="torch.optim.AdamW(weight_decay=λ), and Adam's with decoupled_weight_decay=True",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
    ),
    _torch_adaptive("NAdam", 0.002, _DECOUPLED_FLAG),
    _torch_adaptive("RAdam", 0.001, _DECOUPLED_FLAG),
    _torch_adaptive("RMSprop", 0.01),
    _torch_adaptive("Adagrad", 0.01),
    _torch_adaptive("Adamax", 0.002),
    Convention(
        "keras.L2",
        parameter="kernel_regularizer=keras.regularizers.L2(λ)",
        formula="w ← w − step(g + 2·λ·w); objective: mean loss + λ·Σw², without the ½",
        factor=2.0,
        remark='The string "l2" stands for λ = 0.01.',
        source="https://keras.io/api/layers/regularizers/",
        code=f"{_KERAS_PENALTY}\noptimizer = keras.optimizers.{{optimiser}}({{arguments}})",
        code_if_unknown=_KERAS_PENALTY,
        **_KERAS,
    ),
    Convention(
        "keras.weight_decay",
        parameter="keras.optimizers.SGD(weight_decay=λ), and every other optimiser's weight_decay",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        biases="by default",
        source="https://keras.io/api/optimizers/",
        code=(
            "optimizer = keras.optimizers.{optimiser}(weight_decay={number}{more})\n"
            'optimizer.exclude_from_weight_decay(var_names=["bias"])'
        ),
        code_if_unknown=(
            'weight_decay = {number}  # of the optimizer\n# and optimizer.exclude_from_weight_decay(var_names=["bias"])'
        ),
        **_KERAS,
    ),
    Convention(
        "tf.l2_loss",
        library="TensorFlow",
        version="2.15, tf-slim 1.1",
        read="tested",
        parameter="λ * tf.nn.l2_loss(w), and tf_slim.l2_regularizer(λ)",
        formula="w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw², with the ½, unlike Keras",
        losses="mean over outputs",
        squared_error="MeanSquaredError",
        optimisers={"sgd": _KERAS_SGD, "adam": _KERAS_ADAM},
        source="https://github.com/google-research/tf-slim, tf_slim/layers/regularizers.py",
        code=f"{_TF_PENALTY}\noptimizer = tf.keras.optimizers.{{optimiser}}({{arguments}})",
        code_if_unknown=_TF_PENALTY,
    ),
    Convention(
        "optax.add_decayed_weights",
        parameter="optax.chain(optax.add_decayed_weights(λ), optimiser)",
        formula="w ← w − step(g + λ·w)",
        optimisers={"sgd": _OPTAX_SGD, "adam": _OPTAX_ADAM},
        remark=(
            "Where it stands decides: first in the chain it is a penalty; after scale_by_adam and before the learning "
            "rate it is optax.adamw; after the learning rate it needs −λ, and is decay_before. The loss is the one "
            "that is written: here the mean over samples of the sum over outputs, optax.l2_loss for the squared error."
        ),
        source="https://optax.readthedocs.io/en/latest/api/transformations.html",
        code=f"optax.chain(optax.add_decayed_weights({{number}}, {_OPTAX_MASK}), optax.{{optimiser}}({{arguments}}))",
        code_if_unknown=f"optax.add_decayed_weights({{number}}, {_OPTAX_MASK})  # first in the chain",
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
        parameter="tfa.optimizers.SGDW(weight_decay=λ)",
        optimisers={"sgd": _sgd(_KERAS_SETTINGS, learning_rate=0.001)},
        source="https://www.tensorflow.org/addons/api_docs/python/tfa/optimizers/SGDW",
        code='tfa.optimizers.SGDW(weight_decay={number}{more}, exclude_from_weight_decay=["bias"])',
        **_ADDONS,
    ),
    Convention(
        "tfa.AdamW",
        parameter="tfa.optimizers.AdamW(weight_decay=λ)",
        optimisers={"adam": _KERAS_ADAM},
        source="https://www.tensorflow.org/addons/api_docs/python/tfa/optimizers/AdamW",
        code='tfa.optimizers.AdamW(weight_decay={number}{more}, exclude_from_weight_decay=["bias"])',
        **_ADDONS,
    ),
    Convention(
        "mxnet.wd",
        library="MXNet",
        version="1.9",
        read="tested",
        parameter='gluon.Trainer(params, "sgd", {"wd": λ}), and "adam"',
        formula="w ← w − step(g + λ·w)",
        losses="gluon",
        squared_error="L2Loss",
        biases="by default",
        optimisers={
            "sgd": _sgd(
                '"learning_rate": {learning_rate}; "momentum": {momentum}',
                name="sgd",
                learning_rate=0.01,
                momenta=_PLAIN,
            ),
            "adam": _adam(
                '"learning_rate": {learning_rate}; "beta1": {beta_1}; "beta2": {beta_2}; "epsilon": {epsilon}',
                name="adam",
            ),
        },
        remark=(
            "Gluon decays biases too; the older Module interface leaves out whatever is not called *_weight. Its "
            '"sgd" has plain momentum; its "nag" treats the decay in another way. The gradient is the mean over '
            "samples if trainer.step is given the batch size."
        ),
        source="https://github.com/apache/mxnet, python/mxnet/optimizer/optimizer.py and python/mxnet/gluon/trainer.py",
        code=(
            f"{_MXNET_BIASES}\n"
            'mx.gluon.Trainer(net.collect_params(), "{optimiser}", {{"wd": {number}{more}}})'
        ),
        code_if_unknown=f'{_MXNET_BIASES}\noptimizer_params = {{{{"wd": {{number}}}}}}  # of mx.gluon.Trainer',
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
            "sgd": _sgd("mom={momentum}", name="SGD", learning_rate=0.001, momenta=_PLAIN, rate_inside=False),
            "adam": _adam(
                "mom={beta_1}; sqr_mom={beta_2}; eps={epsilon}",
                name="Adam",
                beta_2=0.99,
                epsilon=1e-5,
                epsilon_at="v_hat",
            ),
        },
        remark=(
            "Its Adam has other constants than most, beta_2 0.99 and epsilon 1e-5, and fit_one_cycle changes the "
            "momentum. With decouple_wd=False it is torch.SGD or torch.Adam; with wd_bn_bias=True biases decay too."
        ),
        source="https://docs.fast.ai/optimizer.html",
        code=(
            "Learner(dls, net, {loss}opt_func=partial({optimiser}{more}), lr={learning_rate}, wd={number}, "
            "wd_bn_bias=False)"
        ),
        code_if_unknown="Learner(dls, net, {loss}wd={number}, wd_bn_bias=False)",
        loss_arguments={
            "log_loss": "loss_func=CrossEntropyLossFlat(), ",
            "multilabel_log_loss": "loss_func=BCEWithLogitsLossFlat(), ",
            "squared_error": "loss_func=MSELossFlat(), ",
            "absolute_error": "loss_func=L1LossFlat(), ",
            "huber": "loss_func=torch.nn.HuberLoss(delta=1.35), ",
            "quantile": "loss_func=lambda p, y: torch.maximum(q * (y - p), (q - 1) * (y - p)).mean(), ",
            "poisson": "loss_func=torch.nn.PoissonNLLLoss(), ",
        },
    ),
    Convention(
        "caffe.weight_decay",
        library="Caffe",
        version="1.0",
        parameter="weight_decay: λ, in the solver's prototxt",
        formula="w ← w − step(g + λ·w)",
        losses="plain",
        biases="by default",
        optimisers={
            "sgd": _sgd(
                "base_lr: {learning_rate}; momentum: {momentum}",
                momenta={"none": "SGD", "plain": "SGD", "nesterov": "Nesterov"},
                separator=" ",
            ),
            "adam": _adam(
                "base_lr: {learning_rate}; momentum: {beta_1}; momentum2: {beta_2}; delta: {epsilon}",
                name="Adam",
                learning_rate=None,
                beta_1=0.0,
                separator=" ",
            ),
        },
        remark='Its Adam needs "momentum: 0.9", which is beta_1 there and 0 by default.',
        source="https://github.com/BVLC/caffe, src/caffe/solvers",
        language="prototxt",
        code=f'type: "{{optimiser}}" weight_decay: {{number}}{{more}}  # in the solver\n{_CAFFE_BIASES}',
        code_if_unknown=f"weight_decay: {{number}}  # in the solver\n{_CAFFE_BIASES}",
    ),
    Convention(
        "flux.AdamW",
        library="Flux",
        version="0.13",
        parameter="Flux.Optimise.AdamW(η, β, λ), the optimiser of Flux before Optimisers.jl",
        formula="w ← (1 − λ)·w − step(g)",
        rule="decay_before",
        optimisers={"adam": _JULIA_ADAM},
        remark="The learning rate does not multiply λ here, and it does in Optimisers.jl since version 0.4.",
        source="https://github.com/FluxML/Flux.jl, src/optimise/optimisers.jl",
        code=(
            "Flux.Optimise.Optimiser(Flux.Optimise.Adam({learning_rate}, ({beta_1}, {beta_2}), {epsilon}), "
            "Flux.Optimise.WeightDecay({number}))  # for weights, Adam for biases"
        ),
        **_JULIA,
    ),
    Convention(
        "optimisers.AdamW",
        parameter="AdamW(η, β, λ)",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        optimisers={"adam": _JULIA_ADAM},
        remark="With couple=false, and before version 0.4, the learning rate does not multiply λ: that is flux.AdamW.",
        code=f"AdamW({{learning_rate}}, ({{beta_1}}, {{beta_2}}), {{number}}, {{epsilon}})\n{_JULIA_BIASES}",
        **_OPTIMISERS_JL,
    ),
    Convention(
        "optimisers.WeightDecay",
        parameter="OptimiserChain(WeightDecay(λ), optimiser)",
        formula="w ← w − step(g + λ·w)",
        optimisers={
            "sgd": _sgd(
                "{learning_rate}; {momentum}",
                momenta={"none": "Descent", "plain": "Momentum", "nesterov": "Nesterov"},
            ),
            "adam": _JULIA_ADAM,
        },
        remark="Its default is 5e-4, not 0.",
        code=f"OptimiserChain(WeightDecay({{number}}), {{optimiser}}({{arguments}}))\n{_JULIA_BIASES}",
        code_if_unknown="OptimiserChain(WeightDecay({number}), optimiser)",
        **_OPTIMISERS_JL,
    ),
    Convention(
        "dl4j.WeightDecay",
        parameter="new WeightDecay(λ, true), and .weightDecay(λ)",
        formula="w ← (1 − η·λ)·w − step(g)",
        rule="decoupled",
        remark="With applyLR=false it is w ← (1 − λ)·w − step(g). .l2(λ) is another rule, dl4j.l2.",
        source="https://github.com/deeplearning4j/deeplearning4j, nd4j's linalg.learning.regularization.WeightDecay",
        code=".updater(new {optimiser}({arguments})).weightDecay({number}, true)",
        code_if_unknown=".weightDecay({number}, true)",
        **_DL4J,
    ),
    Convention(
        "dl4j.l2",
        parameter="new L2Regularization(λ), and .l2(λ)",
        formula="w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw²",
        source="https://github.com/deeplearning4j/deeplearning4j, nd4j's learning.regularization.L2Regularization",
        code=".updater(new {optimiser}({arguments})).l2({number})",
        code_if_unknown=".l2({number})",
        **_DL4J,
    ),
    Convention(
        "weka.MLPClassifier",
        library="WEKA",
        version="multiLayerPerceptrons 1.0",
        parameter="MLPClassifier -R λ, and MLPRegressor's",
        formula="minimise (½·Σ squared error + λ·Σw²)/N",
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
        factor=2.0,
        per={"n_samples": -1},
        losses="nnet",
        n_layers=2,
        biases="by default",
        remark="Sums, not means, and no ½: as a prior it is λ for the squared error, 2λ for the log loss.",
        source="Venables & Ripley, Modern applied statistics with S, https://cran.r-project.org/package=nnet",
        language="R",
        code=(
            "h <- 10  # hidden units; y a matrix, class.ind(classes) for classes\n"
            "nnet(x, y, size = h, decay = {number} * "
            "c(rep(c(0, rep(1, ncol(x))), h), rep(c(0, rep(1, h)), ncol(y))){loss})"
        ),
        code_if_linear=(
            "# y a matrix, class.ind(classes) for classes\n"
            "nnet(x, y, size = 0, skip = TRUE, decay = {number} * rep(c(0, rep(1, ncol(x))), ncol(y)){loss})"
        ),
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
        factor=2.0,
        losses="tidymodels keras",
        loss="squared_error",
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
        losses="tidymodels brulee",
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
        optimisers={"sgd": _sgd(learning_rate=0.2, momenta={})},
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
        factor=2.0,
        losses="cuml",
        optimisers={
            "sgd": _sgd("eta0={learning_rate}; batch_size={batch_size}", learning_rate=0.001, batch_size=32, momenta={})
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
        losses="plain",
        biases="always",
        optimisers={
            "sgd": _sgd(
                "rate={learning_rate}; momentum_start={momentum}; momentum_stable={momentum}",
                learning_rate=0.005,
                momenta=_PLAIN,
                rate_inside=False,
                is_dampened=True,
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
        losses="plain",
        optimisers={
            "sgd": _sgd(
                "InitialLearnRate={learning_rate}; Momentum={momentum}",
                learning_rate=0.01,
                momentum=0.9,
                momenta=_PLAIN,
            )
        },
        remark="Its default is 1e-4, not 0. Its adam and rmsprop add the same term to the gradient.",
        source="https://www.mathworks.com/help/deeplearning/ref/trainingoptions.html",
        language="MATLAB",
        code='trainingOptions("sgdm", L2Regularization={number}{more})',
    ),
    Convention(
        "loshchilov",
        parameter="λ of SGDW and AdamW, Algorithms 1 and 2",
        formula="w ← (1 − m·λ)·w − step(g), m the multiplier of the schedule, 1 to begin with",
        remark="The schedule multiplies λ, but the initial learning rate does not: it is decoupled with α = λ/η.",
        code="w = (1 - schedule(t) * {number}) * w - step",
        **_PAPER,
    ),
    Convention(
        "loshchilov_normalized",
        parameter="λ_norm, Appendix B.1",
        formula="λ of the paper's AdamW = λ_norm·√(n/(N·E))",
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
        optimisers={"sgd": Optimiser(), "adam": _adam()},
        remark="Multiplied before the step, it is decay_before. 0.97 where 0.03 was meant is the factor trap.",
        source="The difference between neural network L2 regularization and weight decay, an article for engineers",
        language="text",
        code="w = {number} * (w - step)",
    ),
    Convention(
        "nielsen",
        parameter="λ of chapter 3, lmbda in network2.py",
        formula="w ← (1 − η·λ/N)·w − η·g; objective: mean loss + λ/(2N)·Σw², N the training samples",
        rule="prior",
        source="Nielsen, Neural networks and deep learning, 2015, http://neuralnetworksanddeeplearning.com/chap3.html",
        code="w = (1 - {learning_rate} * {number} / N) * w - {learning_rate} * g",
        **_NIELSEN,
    ),
    Convention(
        "nielsen.network3",
        parameter="lmbda in network3.py",
        formula="w ← (1 − η·λ/B)·w − η·g, B = N/n the number of batches",
        per={"batch_size": 1, "n_samples": -1},
        condition="the batch size divides N; network3.py leaves the rest out",
        remark="The same λ as in network2.py is stronger here by the batch size.",
        source="https://github.com/mnielsen/neural-networks-and-deep-learning, src/network3.py",
        code="net.SGD(training_data, epochs, n, {learning_rate}, validation_data, test_data, lmbda={number})",
        **_NIELSEN,
    ),
    Convention(
        "timescale",
        parameter="epochs",
        formula="1/(s·U), s the share of a weight that one update removes, U the updates in an epoch",
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
        curve=(
            lambda half_life, updates: -math.expm1(math.log(0.5) / (half_life * updates)),
            lambda share, updates: math.log(0.5) / math.log1p(-share) / updates if share else math.inf,
        ),
        reads_updates=True,
        source="the definition",
        **_MEASURE,
    ),
)

CONVENTIONS = {convention.name: convention for convention in _RECORDS}

# Names of other libraries and settings for a convention, with what differs. The remark of the convention follows.
_ALIASES = {
    "skorch.SGD": {
        "alias_of": "torch.SGD",
        "library": "skorch",
        "parameter": "NeuralNet(optimizer__weight_decay=λ), with optimizer=torch.optim.SGD, its default",
        "source": "https://skorch.readthedocs.io/en/stable/user/neuralnet.html",
        "remark": 'Biases are exempt if optimizer__param_groups=[("*.bias", {"weight_decay": 0})].',
    },
    "autogluon.NN_TORCH": {
        "alias_of": "torch.Adam",
        "library": "AutoGluon",
        "parameter": 'hyperparameters={"NN_TORCH": {"weight_decay": λ}}',
        "source": "https://auto.gluon.ai/stable/api/autogluon.tabular.models.html",
        "remark": "Its default is 1e-6, and biases are decayed.",
        "biases": "always",
    },
    "huggingface.Trainer": {
        "alias_of": "torch.AdamW",
        "library": "Hugging Face Transformers",
        "parameter": "TrainingArguments(weight_decay=λ)",
        "source": "https://huggingface.co/docs/transformers/main_classes/trainer",
        "remark": (
            "Biases and normalisation layers are exempt by name. The learning rate follows a schedule by default."
        ),
        "biases": "exempt",
    },
    "timm.AdamW": {
        "alias_of": "torch.AdamW",
        "library": "timm",
        "parameter": 'create_optimizer_v2(opt="adamw", weight_decay=λ)',
        "source": "https://huggingface.co/docs/timm/reference/optimizers",
        "remark": "Parameters of one dimension are exempt (filter_bias_and_bn=True).",
        "biases": "exempt",
    },
    "tabm.AdamW": {
        "alias_of": "torch.AdamW",
        "library": "TabM",
        "parameter": "AdamW(weight_decay=λ) in its example",
        "source": "https://github.com/yandex-research/tabm",
    },
    "paddle.L2Decay": {
        "alias_of": "torch.SGD",
        "library": "PaddlePaddle",
        "parameter": "weight_decay=paddle.regularizer.L2Decay(λ)",
        "source": "https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/regularizer/L2Decay_en.html",
        "remark": "The loss gains λ/2·Σw². In the optimiser it acts on every parameter, in ParamAttr on that one.",
    },
    "caret.avNNet": {
        "alias_of": "R.nnet",
        "library": "R's caret",
        "parameter": "avNNet(decay = λ)",
        "source": "https://cran.r-project.org/package=caret",
        "remark": "Every network of the average is an nnet with this decay, on its biases too.",
    },
    "tidymodels.mlp[nnet]": {
        "alias_of": "R.nnet",
        "library": "tidymodels",
        "parameter": 'mlp(penalty = λ), whose default engine is "nnet"',
        "source": "https://github.com/tidymodels/parsnip, R/mlp_data.R",
        "remark": "It passes λ on as nnet's decay, for the biases too.",
        "read": "source",
        "biases": "always",
        "language": "R",
        "code": 'mlp(mode = "{loss}", penalty = {number}) |> set_engine("nnet")',
        "loss_arguments": {
            "log_loss": "classification",
            "multilabel_log_loss": "classification",
            "squared_error": "regression",
        },
    },
    "liblinear": {
        "alias_of": "sklearn.LogisticRegression",
        "library": "LIBLINEAR",
        "parameter": '-c λ, and LogisticRegression(solver="liblinear", C=λ)',
        "source": "https://www.csie.ntu.edu.tw/~cjlin/liblinear/",
        "remark": "It penalises the intercept too.",
        "biases": "always",
        "language": "python",
        "code": 'LogisticRegression(solver="liblinear", C={number})',
    },
    "keras.l2": {
        "alias_of": "keras.L2",
        "library": "Keras",
        "parameter": 'kernel_regularizer=keras.regularizers.l2(λ), or the string "l2" with λ = 0.01',
        "source": "https://keras.io/api/layers/regularizers/",
        "language": "python",
        "code": CONVENTIONS["keras.L2"].code,
        "code_if_unknown": CONVENTIONS["keras.L2"].code_if_unknown,
    },
}


def _alias(name, changes):
    """The convention that an alias stands for, with the changes. Its lines of code are of another library."""
    original = CONVENTIONS[changes["alias_of"]]
    unknown = {"version": "", "read": "documentation", "language": "text"}
    no_code = {"code": "", "code_if_unknown": "", "code_if_linear": ""}
    remark = f"{changes.get('remark', '')} {original.remark}".strip()
    return replace(original, **{**unknown, **no_code, **changes, "name": name, "remark": remark})


ALIASES = {name: _alias(name, changes) for name, changes in _ALIASES.items()}

# Conventions that users look for and that have no number to convert, with the reason.
LEFT_OUT = {
    "PyTorch Lightning, DeepSpeed, flax": "their number is that of the optimiser they are given",
    "Vowpal Wabbit": "its updates are adaptive and scaled by the data: its --l2 is the strength of no fixed rule",
    "MATLAB's patternnet and fitnet": (
        "performParam.regularization mixes the mean of the squared errors and the mean of the squared weights and "
        "biases, (1 − r) to r: the ratio depends on the number of weights"
    ),
    "WEKA's MultilayerPerceptron -D": "it is a decay of the learning rate, not of the weights",
    "XGBoost's and LightGBM's lambda": "it penalises the values of a tree's leaves",
    "scikit-learn's HuberRegressor": "it estimates the scale of the errors together with the weights",
    "scikit-learn's QuantileRegressor": "its alpha is the strength of an L1 penalty",
    "RealMLP's wd": (
        "a schedule of its own (flat_cos) multiplies it, while the learning rate follows another; biases are exempt"
    ),
    "PyTorch's ASGD": (
        "each update multiplies every parameter by 1 − η·lambd, lambd=1e-4 by default, whatever weight_decay is"
    ),
}
