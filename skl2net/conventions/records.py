"""What each library means by its λ: one record per convention.

Every record says how its number λ becomes the strength α of a rule, as a monomial: a constant, times powers of the
quantities of the run. So a conversion (`skl2net.conventions.conversion`) is a quotient of two monomials, and the
quantities that cancel are not asked for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from skl2net.l2 import DECAYS, MODES, PENALTIES

# The share of a weight that one SGD update removes where no gradient acts (`skl2net.l2.share_removed`), per unit of
# each rule's strength, as powers of the quantities of the run. "scheduled" is Loshchilov & Hutter's own decay, which
# a schedule multiplies but the learning rate does not; "share" is that of measures such as the timescale.
SHARES = {
    "penalty": {"learning_rate": 1, "1 - momentum": -1},
    "penalty_per_sample": {"learning_rate": 1, "batch_size": -1, "1 - momentum": -1},
    "decay_before": {},
    "decay_after": {},
    "decoupled": {"learning_rate": 1},
    "scheduled": {},
    "share": {},
}

# What a library's data loss is, in multiples of skl2net's (the mean over items of the sum over outputs, with the ½ of
# the squared error), and whether it is divided by the number of outputs besides.
LOSS_SCALES = {
    "skl2net": {
        "log_loss": (1, False),
        "multilabel_log_loss": (1, False),
        "squared_error": (1, False),
        "poisson": (1, False),
    },
    "mean over outputs": {
        "log_loss": (1, False),
        "multilabel_log_loss": (1, True),
        "squared_error": (2, True),
        "poisson": (1, True),
    },
    "gluon": {"log_loss": (1, False), "multilabel_log_loss": (1, True), "squared_error": (1, True)},
    "caffe": {"log_loss": (1, False), "multilabel_log_loss": (1, False), "squared_error": (1, False)},
    "nnet": {"log_loss": (1, False), "multilabel_log_loss": (1, False), "squared_error": (2, False)},
}

_PENALTY_SOLVERS = ("sgd", "adam", "lbfgs", "pso")


@dataclass(frozen=True)
class Convention:
    """What a library means by its λ.

    Parameters
    ----------
    name : str
        As users type it.
    library : str
        Library or paper, with the version that was looked at.
    parameter : str
        Where λ is typed.
    formula : str
        One update, or the objective; `w` a weight, `g` the gradient of the library's own data loss, `η` the learning
        rate, `n` the items in the update, `N` the items in the training data, `E` the epochs.
    rule : str
        The rule of `SHARES` that runs.
    factor : float, default=1.0
        Constant by which λ is multiplied to make the strength of the rule.
    power : {1, -1}, default=1
        Power of λ in the strength.
    per : dict of str to float
        Powers of the quantities of the run in the strength.
    curve : pair of callables or None, default=None
        ``strength(λ, updates per epoch)`` and its inverse, where the strength is no power of λ.
    reads_updates : bool, default=False
        Whether `curve` reads the updates per epoch.
    losses : str or None, default="skl2net"
        Key of `LOSS_SCALES`; None where there is no loss.
    loss : str or None, default=None
        The only loss that there is.
    solvers : tuple of str
        The optimisers that the convention runs with; empty for a closed form, which has no updates.
    fixed : dict of str to float
        Quantities that the library leaves no choice in.
    rate_inside : bool or None, default=True
        Whether momentum remembers steps (the learning rate inside) or gradients (outside).
    epsilon : {"v", "v_hat", None}, default="v"
        Whether Adam's ε stands beside √v or beside the bias-corrected √v̂.
    biases : bool, default=False
        Whether biases are penalised or decayed too, unless told otherwise.
    n_layers : int or None, default=None
        Weight layers that the library's networks have at most, 1 for linear models; None where there is no limit.
    remark : str, default=""
        What else decides.
    source : str
        Where it is written.
    code : str or dict of str to str
        The line that uses λ and leaves the biases alone, for `str.format`; a dict has one for each solver.
    """

    name: str
    library: str
    parameter: str
    formula: str
    rule: str
    source: str
    code: str | dict = ""
    factor: float = 1.0
    power: int = 1
    per: dict = field(default_factory=dict)
    curve: tuple[Callable, Callable] | None = None
    reads_updates: bool = False
    losses: str | None = "skl2net"
    loss: str | None = None
    solvers: tuple[str, ...] = ("sgd", "adam")
    fixed: dict = field(default_factory=dict)
    rate_inside: bool | None = True
    epsilon: str | None = "v"
    biases: bool = False
    n_layers: int | None = None
    remark: str = ""

    @property
    def is_penalty(self):
        return self.rule in PENALTIES

    @property
    def is_decay(self):
        return self.rule in DECAYS or self.rule == "scheduled"

    @property
    def is_measure(self):
        return self.rule == "share"

    @property
    def is_closed_form(self):
        """Whether there is an objective, and no update to speak of."""
        return self.is_penalty and not self.solvers

    @property
    def is_ours(self):
        """Whether this is one of skl2net's own five rules."""
        return self.name in MODES

    def strength(self, number, updates_per_epoch=None):
        """The part of the strength that depends on λ itself."""
        if self.curve is not None:
            return self.curve[0](number, updates_per_epoch)
        return _power(number, self.power)

    def number(self, strength, updates_per_epoch=None):
        """Inverse of `strength`."""
        if self.curve is not None:
            return self.curve[1](strength, updates_per_epoch)
        return _power(strength, self.power)

    def exponents(self):
        """Powers of the quantities of the run in the share that one update removes."""
        shares = SHARES[self.rule]
        return {key: shares.get(key, 0) + self.per.get(key, 0) for key in {**shares, **self.per}}


def _power(number, power):
    if number == 0 and power < 0:
        return math.inf
    return float(number) ** power


def _share_of_half_life(half_life, updates_per_epoch):
    return -math.expm1(math.log(0.5) / (half_life * updates_per_epoch))


def _half_life_of_share(share, updates_per_epoch):
    return math.log(0.5) / math.log1p(-share) / updates_per_epoch if share else math.inf


_TORCH_GROUPS = (
    '[{{"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": {number}}}, '
    '{{"params": [p for p in net.parameters() if p.ndim == 1], "weight_decay": 0.0}}]'
)
_OPTAX_MASK = "mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params)"
_TFA_DECAYS = (
    "optimizer.apply_gradients(zip(gradients, variables), decay_var_list=[v for v in variables if v.shape.rank > 1])"
)
_TORCH = {"losses": "mean over outputs", "rate_inside": False, "epsilon": "v_hat", "biases": True}
_KERAS = {"losses": "mean over outputs", "rate_inside": True, "epsilon": "v"}
_PAPER = "Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019, https://arxiv.org/abs/1711.05101"


def _our_code(mode):
    """The lines of one of skl2net's own rules."""
    start, rule = "L2Net{kind}({layers}solver=", f'l2_mode="{mode}", alpha={{number}}'
    code = {
        "sgd": f'{start}"sgd", {rule}, learning_rate_init={{rate}}, momentum={{momentum}}{{batch}})',
        "adam": f'{start}"adam", {rule}, learning_rate_init={{rate}})',
    }
    if mode in PENALTIES:
        code |= {solver: f'{start}"{solver}", {rule})' for solver in ("lbfgs", "pso")}
    return code


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention(
            "penalty",
            library="skl2net",
            parameter='alpha, with l2_mode="penalty"',
            formula="w ← w − step(g + λ·w); objective: mean loss + λ/2·Σw²",
            rule="penalty",
            solvers=_PENALTY_SOLVERS,
            source="the mathematical definition; Krogh & Hertz, A simple weight decay can improve generalization, 1991",
            code=_our_code("penalty"),
        ),
        Convention(
            "penalty_per_sample",
            library="skl2net",
            parameter='alpha, with l2_mode="penalty_per_sample"',
            formula="w ← w − step(g + λ/n·w); objective: mean loss + λ/(2n)·Σw²",
            rule="penalty_per_sample",
            solvers=_PENALTY_SOLVERS,
            source="the rule of scikit-learn's multi-layer perceptron",
            code=_our_code("penalty_per_sample"),
        ),
        Convention(
            "decay_before",
            library="skl2net",
            parameter='alpha, with l2_mode="decay_before"',
            formula="w ← (1 − λ)·w − step(g)",
            rule="decay_before",
            source="Hanson & Pratt, Comparing biases for minimal network construction with back-propagation, 1988",
            code=_our_code("decay_before"),
        ),
        Convention(
            "decay_after",
            library="skl2net",
            parameter='alpha, with l2_mode="decay_after"',
            formula="w ← (1 − λ)·(w − step(g))",
            rule="decay_after",
            source="engineers' practice: update the weight as usual, then multiply it by 1 − λ",
            code=_our_code("decay_after"),
        ),
        Convention(
            "decoupled",
            library="skl2net",
            parameter='alpha, with l2_mode="decoupled"',
            formula="w ← (1 − η·λ)·w − step(g)",
            rule="decoupled",
            source="AdamW and SGDW as PyTorch, Keras and optax implement them",
            code=_our_code("decoupled"),
        ),
        Convention(
            "sklearn.MLP",
            library="scikit-learn 1.9",
            parameter="MLPClassifier(alpha=λ), MLPRegressor(alpha=λ)",
            formula="w ← w − step(g + λ/n·w)",
            rule="penalty_per_sample",
            solvers=("sgd", "adam", "lbfgs"),
            remark=(
                "n is the size of the batch, so that a smaller last batch is penalised more. For several real targets "
                "its L-BFGS follows a wrong gradient (scikit-learn issue 8349); SGD and Adam are right."
            ),
            source="https://scikit-learn.org/1.9/modules/neural_networks_supervised.html",
            code={
                "sgd": 'MLP{kind}(solver="sgd", alpha={number}, learning_rate_init={rate}, momentum={momentum})',
                "adam": 'MLP{kind}(solver="adam", alpha={number}, learning_rate_init={rate})',
                "lbfgs": 'MLP{kind}(solver="lbfgs", alpha={number})',
            },
        ),
        Convention(
            "sklearn.SGD",
            library="scikit-learn 1.9",
            parameter='SGDClassifier(alpha=λ), SGDRegressor(alpha=λ), with learning_rate="constant"',
            formula="w ← (1 − η·λ)·w − η·g, one item at a time",
            rule="penalty",
            solvers=("sgd",),
            fixed={"batch_size": 1, "momentum": 0.0},
            n_layers=1,
            remark=(
                "A linear model. Several classes are one model against the rest each, which is not a softmax; and "
                'under the default learning_rate="optimal" λ sets the learning rate too.'
            ),
            source="https://scikit-learn.org/1.9/modules/sgd.html",
            code='SGD{kind}(loss="{loss}", alpha={number}, learning_rate="constant", eta0={rate})',
        ),
        Convention(
            "sklearn.Ridge",
            library="scikit-learn 1.9",
            parameter="Ridge(alpha=λ)",
            formula="minimise Σ‖y − x·w − b‖² + λ·Σw², sums over the N items",
            rule="penalty",
            per={"n_samples": -1},
            loss="squared_error",
            solvers=(),
            n_layers=1,
            remark="A linear model.",
            source="https://scikit-learn.org/1.9/modules/linear_model.html",
            code="Ridge(alpha={number})",
        ),
        Convention(
            "sklearn.LogisticRegression",
            library="scikit-learn 1.9",
            parameter="LogisticRegression(C=λ)",
            formula="minimise λ·Σ log loss + ½·Σw², sums over the N items: the larger, the weaker",
            rule="penalty",
            power=-1,
            per={"n_samples": -1},
            loss="log_loss",
            solvers=(),
            n_layers=1,
            remark="A linear model.",
            source="https://scikit-learn.org/1.9/modules/linear_model.html",
            code="LogisticRegression(C={number})",
        ),
        Convention(
            "torch.SGD",
            library="PyTorch 2.13",
            parameter="torch.optim.SGD(weight_decay=λ)",
            formula="w ← w − step(g + λ·w)",
            rule="penalty",
            solvers=("sgd",),
            source="https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
            code=f"torch.optim.SGD({_TORCH_GROUPS}, lr={{rate}}, momentum={{momentum}})",
            **_TORCH,
        ),
        Convention(
            "torch.Adam",
            library="PyTorch 2.13",
            parameter="torch.optim.Adam(weight_decay=λ)",
            formula="w ← w − step(g + λ·w)",
            rule="penalty",
            solvers=("adam",),
            remark="With decoupled_weight_decay=True it is torch.AdamW.",
            source="https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html",
            code=f"torch.optim.Adam({_TORCH_GROUPS}, lr={{rate}})",
            **_TORCH,
        ),
        Convention(
            "torch.AdamW",
            library="PyTorch 2.13",
            parameter="torch.optim.AdamW(weight_decay=λ), and Adam's with decoupled_weight_decay=True",
            formula="w ← (1 − η·λ)·w − step(g)",
            rule="decoupled",
            solvers=("adam",),
            remark="The default is 0.01, not 0.",
            source="https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html",
            code=f"torch.optim.AdamW({_TORCH_GROUPS}, lr={{rate}})",
            **_TORCH,
        ),
        Convention(
            "keras.L2",
            library="Keras 3.15",
            parameter="kernel_regularizer=keras.regularizers.L2(λ)",
            formula="w ← w − step(g + 2·λ·w); objective: mean loss + λ·Σw², without the ½",
            rule="penalty",
            factor=2.0,
            source="https://keras.io/api/layers/regularizers/",
            code={
                "sgd": (
                    "keras.layers.Dense(units, kernel_regularizer=keras.regularizers.L2({number})), trained by "
                    "keras.optimizers.SGD({rate}, momentum={momentum})"
                ),
                "adam": (
                    "keras.layers.Dense(units, kernel_regularizer=keras.regularizers.L2({number})), trained by "
                    "keras.optimizers.Adam({rate})"
                ),
            },
            **_KERAS,
        ),
        Convention(
            "keras.weight_decay",
            library="Keras 3.15",
            parameter="keras.optimizers.SGD(weight_decay=λ), and every other optimiser's weight_decay",
            formula="w ← (1 − η·λ)·w − step(g)",
            rule="decoupled",
            biases=True,
            source="https://keras.io/api/optimizers/",
            code={
                "sgd": (
                    "optimizer = keras.optimizers.SGD({rate}, momentum={momentum}, weight_decay={number}); "
                    'optimizer.exclude_from_weight_decay(var_names=["bias"])'
                ),
                "adam": (
                    "optimizer = keras.optimizers.Adam({rate}, weight_decay={number}); "
                    'optimizer.exclude_from_weight_decay(var_names=["bias"])'
                ),
            },
            **_KERAS,
        ),
        Convention(
            "optax.add_decayed_weights",
            library="optax 0.2",
            parameter="optax.chain(optax.add_decayed_weights(λ), optimiser)",
            formula="w ← w − step(g + λ·w)",
            rule="penalty",
            rate_inside=False,
            epsilon="v_hat",
            biases=True,
            remark=(
                "Where it stands decides: first in the chain it is a penalty; after scale_by_adam and before the "
                "learning rate it is optax.adamw; after the learning rate it needs −λ, and is decay_before. The loss "
                "is the one that is written: here the mean over items of the sum over outputs, optax.l2_loss for the "
                "squared error."
            ),
            source="https://optax.readthedocs.io/en/latest/api/transformations.html",
            code={
                "sgd": (
                    f"optax.chain(optax.add_decayed_weights({{number}}, {_OPTAX_MASK}), "
                    "optax.sgd({rate}, momentum={momentum}))"
                ),
                "adam": f"optax.chain(optax.add_decayed_weights({{number}}, {_OPTAX_MASK}), optax.adam({{rate}}))",
            },
        ),
        Convention(
            "optax.adamw",
            library="optax 0.2",
            parameter="optax.adamw(weight_decay=λ)",
            formula="w ← (1 − η·λ)·w − step(g)",
            rule="decoupled",
            solvers=("adam",),
            epsilon="v_hat",
            biases=True,
            remark="The default is 1e-4, not 0.",
            source="https://optax.readthedocs.io/en/latest/api/optimizers.html",
            code=f"optax.adamw({{rate}}, weight_decay={{number}}, {_OPTAX_MASK})",
        ),
        Convention(
            "tfa.SGDW",
            library="TensorFlow Addons 0.23",
            parameter="tfa.optimizers.SGDW(weight_decay=λ)",
            formula="w ← (1 − λ)·w − step(g)",
            rule="decay_before",
            solvers=("sgd",),
            biases=True,
            remark="The learning rate does not multiply λ, nor does its schedule: that is left to the user.",
            source="https://www.tensorflow.org/addons/api_docs/python/tfa/optimizers/SGDW",
            code=(
                "optimizer = tfa.optimizers.SGDW(weight_decay={number}, learning_rate={rate}, momentum={momentum}); "
                + _TFA_DECAYS
            ),
            **_KERAS,
        ),
        Convention(
            "tfa.AdamW",
            library="TensorFlow Addons 0.23",
            parameter="tfa.optimizers.AdamW(weight_decay=λ)",
            formula="w ← (1 − λ)·w − step(g)",
            rule="decay_before",
            solvers=("adam",),
            biases=True,
            remark="The learning rate does not multiply λ, nor does its schedule: that is left to the user.",
            source="https://www.tensorflow.org/addons/api_docs/python/tfa/optimizers/AdamW",
            code=("optimizer = tfa.optimizers.AdamW(weight_decay={number}, learning_rate={rate}); " + _TFA_DECAYS),
            **_KERAS,
        ),
        Convention(
            "mxnet.wd",
            library="MXNet 1.6",
            parameter='gluon.Trainer(params, "sgd", {"wd": λ}), and "adam"',
            formula="w ← w − step(g + λ·w)",
            rule="penalty",
            losses="gluon",
            biases=True,
            remark=(
                "The older Module interface leaves out whatever is not called *_weight; Gluon leaves out nothing. The "
                "gradient is the mean over items if trainer.step is given the batch size."
            ),
            source="https://mxnet.apache.org/versions/1.6/api/python/docs/api/optimizer/index.html",
            code={
                "sgd": (
                    'net.collect_params(".*bias").setattr("wd_mult", 0.0); gluon.Trainer(net.collect_params(), '
                    '"sgd", {{"learning_rate": {rate}, "momentum": {momentum}, "wd": {number}}})'
                ),
                "adam": (
                    'net.collect_params(".*bias").setattr("wd_mult", 0.0); gluon.Trainer(net.collect_params(), '
                    '"adam", {{"learning_rate": {rate}, "wd": {number}}})'
                ),
            },
        ),
        Convention(
            "fastai.wd",
            library="fastai 2",
            parameter="Learner(wd=λ), SGD(wd=λ), Adam(wd=λ)",
            formula="w ← (1 − η·λ)·w − step(g)",
            rule="decoupled",
            losses="mean over outputs",
            rate_inside=False,
            epsilon="v_hat",
            remark="With decouple_wd=False it is torch.SGD or torch.Adam; with wd_bn_bias=True biases decay too.",
            source="https://docs.fast.ai/optimizer.html",
            code={
                "sgd": (
                    "Learner(dls, net, opt_func=partial(SGD, mom={momentum}), lr={rate}, wd={number}, wd_bn_bias=False)"
                ),
                "adam": "Learner(dls, net, opt_func=Adam, lr={rate}, wd={number}, wd_bn_bias=False)",
            },
        ),
        Convention(
            "caffe.weight_decay",
            library="Caffe 1.0",
            parameter="weight_decay: λ, in the solver's prototxt",
            formula="w ← w − step(g + λ·w)",
            rule="penalty",
            losses="caffe",
            biases=True,
            source="https://caffe.berkeleyvision.org/tutorial/solver.html",
            code=(
                "weight_decay: {number} base_lr: {rate} in the solver, and in each layer "
                "param {{ decay_mult: 1 }} param {{ decay_mult: 0 }}"
            ),
        ),
        Convention(
            "R.nnet",
            library="R, nnet 7.3",
            parameter="nnet(decay = λ)",
            formula="minimise Σ‖y − output‖² + λ·Σw², or with entropy or softmax Σ log loss + λ·Σw², over the N items",
            rule="penalty",
            factor=2.0,
            per={"n_samples": -1},
            losses="nnet",
            solvers=(),
            n_layers=2,
            biases=True,
            remark="Sums, not means, and no ½: α = λ/N for the squared error, 2λ/N for the log loss.",
            source="Venables & Ripley, Modern applied statistics with S, https://cran.r-project.org/package=nnet",
            code=(
                "nnet(x, y, size = h, decay = {number} * c(rep(c(0, rep(1, p)), h), rep(c(0, rep(1, h)), k)))"
                "  # p inputs, h hidden units, k outputs; the zeros stand for the biases"
            ),
        ),
        Convention(
            "loshchilov",
            library="the AdamW paper",
            parameter="λ of SGDW and AdamW, Algorithms 1 and 2",
            formula="w ← (1 − m·λ)·w − step(g), m the multiplier of the schedule, 1 to begin with",
            rule="scheduled",
            epsilon="v_hat",
            remark="The schedule multiplies λ, but the initial learning rate does not: it is decoupled with α = λ/η.",
            source=_PAPER,
            code="w = (1 - schedule(t) * {number}) * w - step",
        ),
        Convention(
            "loshchilov_normalized",
            library="the AdamW paper",
            parameter="λ_norm, Appendix B.1",
            formula="λ of the paper's AdamW = λ_norm·√(n/(N·E))",
            rule="scheduled",
            per={"batch_size": 0.5, "n_samples": -0.5, "n_epochs": -0.5},
            epsilon="v_hat",
            remark="It grows weaker with the square root of the number of updates in the whole training.",
            source=_PAPER,
            code="w = (1 - schedule(t) * {number} * sqrt(n / (N * E))) * w - step",
        ),
        Convention(
            "keep",
            library="engineers' practice",
            parameter="the factor in wt = wt * λ",
            formula="w ← λ·(w − step(g))",
            rule="decay_after",
            curve=(lambda keep, _: 1 - keep, lambda share, _: 1 - share),
            remark="Multiplied before the step, it is decay_before. 0.97 where 0.03 was meant is the factor trap.",
            source="The difference between neural network L2 regularization and weight decay, an article for engineers",
            code="w = {number} * (w - step)",
        ),
        Convention(
            "nielsen",
            library="Nielsen's textbook",
            parameter="λ of chapter 3",
            formula="w ← (1 − η·λ/N)·w − η·g; objective: mean loss + λ/(2N)·Σw², N the whole training set",
            rule="penalty",
            per={"n_samples": -1},
            solvers=("sgd",),
            source="Nielsen, Neural networks and deep learning, 2015, http://neuralnetworksanddeeplearning.com/chap3.html",
            code="w = (1 - {rate} * {number} / N) * w - {rate} * g",
        ),
        Convention(
            "timescale",
            library="measure",
            parameter="epochs",
            formula="1/(s·U), s the share of a weight that one update removes, U the updates in an epoch",
            rule="share",
            power=-1,
            per={"updates_per_epoch": -1},
            losses=None,
            rate_inside=None,
            epsilon=None,
            source=(
                "Wang & Aitchison, How to set AdamW's weight decay as you scale model and dataset size, ICML 2025, "
                "https://arxiv.org/abs/2405.13698"
            ),
        ),
        Convention(
            "half_life",
            library="measure",
            parameter="epochs",
            formula="ln ½ / ln(1 − s) / U: after so many epochs half of a weight is left, where no gradient acts",
            rule="share",
            curve=(_share_of_half_life, _half_life_of_share),
            reads_updates=True,
            losses=None,
            rate_inside=None,
            epsilon=None,
            source="the definition",
        ),
    )
}
