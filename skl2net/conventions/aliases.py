"""Names that stand for a convention of another name, and libraries that are left out, with the reason."""

from dataclasses import replace

from skl2net.conventions.records import CONVENTIONS


def _alias(name, of, *, library, parameter, source, remark="", **changes):
    """A convention under the name of another library or setting."""
    original = CONVENTIONS[of]
    remark = " ".join(filter(None, (remark, original.remark)))
    changes = {"version": "", "read": "documentation", "code": "", "language": "text", **changes}
    return replace(
        original, name=name, alias_of=of, library=library, parameter=parameter, source=source, remark=remark, **changes
    )


_ALIASES = (
    _alias(
        "skorch.SGD",
        "torch.SGD",
        library="skorch",
        parameter="NeuralNet(optimizer__weight_decay=λ), with optimizer=torch.optim.SGD, its default",
        source="https://skorch.readthedocs.io/en/stable/user/neuralnet.html",
        remark='Biases are exempt if optimizer__param_groups=[("*.bias", {"weight_decay": 0})].',
    ),
    _alias(
        "autogluon.NN_TORCH",
        "torch.Adam",
        library="AutoGluon",
        parameter='hyperparameters={"NN_TORCH": {"weight_decay": λ}}',
        source="https://auto.gluon.ai/stable/api/autogluon.tabular.models.html",
        remark="Its default is 1e-6, and biases are decayed.",
        biases="always",
    ),
    _alias(
        "huggingface.Trainer",
        "torch.AdamW",
        library="Hugging Face Transformers",
        parameter="TrainingArguments(weight_decay=λ)",
        source="https://huggingface.co/docs/transformers/main_classes/trainer",
        remark="Biases and normalisation layers are exempt by name. The learning rate follows a schedule by default.",
        biases="exempt",
    ),
    _alias(
        "timm.AdamW",
        "torch.AdamW",
        library="timm",
        parameter='create_optimizer_v2(opt="adamw", weight_decay=λ)',
        source="https://huggingface.co/docs/timm/reference/optimizers",
        remark="Parameters of one dimension are exempt (filter_bias_and_bn=True).",
        biases="exempt",
    ),
    _alias(
        "tabm.AdamW",
        "torch.AdamW",
        library="TabM",
        parameter="AdamW(weight_decay=λ) in its example",
        source="https://github.com/yandex-research/tabm",
    ),
    _alias(
        "paddle.L2Decay",
        "torch.SGD",
        library="PaddlePaddle",
        parameter="weight_decay=paddle.regularizer.L2Decay(λ)",
        source="https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/regularizer/L2Decay_en.html",
        remark="The loss gains λ/2·Σw². In the optimiser it acts on every parameter, in ParamAttr on that one.",
    ),
    _alias(
        "caret.avNNet",
        "R.nnet",
        library="R's caret",
        parameter="avNNet(decay = λ)",
        source="https://cran.r-project.org/package=caret",
        remark="Every network of the average is an nnet with this decay, on its biases too.",
    ),
    _alias(
        "tidymodels.mlp[nnet]",
        "R.nnet",
        library="tidymodels",
        parameter='mlp(penalty = λ), whose default engine is "nnet"',
        source="https://github.com/tidymodels/parsnip, R/mlp_data.R",
        remark="It passes λ on as nnet's decay, for the biases too.",
        read="source",
        biases="always",
        language="R",
        code='mlp(mode = "{loss}", penalty = {number}) |> set_engine("nnet")',
        loss_arguments={
            "log_loss": "classification",
            "multilabel_log_loss": "classification",
            "squared_error": "regression",
        },
    ),
    _alias(
        "liblinear",
        "sklearn.LogisticRegression",
        library="LIBLINEAR",
        parameter='-c λ, and LogisticRegression(solver="liblinear", C=λ)',
        source="https://www.csie.ntu.edu.tw/~cjlin/liblinear/",
        remark="It penalises the intercept too.",
        biases="always",
        language="python",
        code='LogisticRegression(solver="liblinear", C={number})',
    ),
    _alias(
        "keras.l2",
        "keras.L2",
        library="Keras",
        parameter='kernel_regularizer=keras.regularizers.l2(λ), or the string "l2" with λ = 0.01',
        source="https://keras.io/api/layers/regularizers/",
        language="python",
        code=CONVENTIONS["keras.L2"].code,
    ),
)

ALIASES = {alias.name: alias for alias in _ALIASES}

# What is asked for often and has no number to convert, with the reason.
LEFT_OUT = {
    "PyTorch Lightning, DeepSpeed, flax": "their number is that of the optimiser they are given",
    "Vowpal Wabbit": "its updates are adaptive and scaled by the data: its --l2 is the strength of no fixed rule",
    "MATLAB's patternnet and fitnet": (
        "performParam.regularization mixes the mean of the squared errors and the mean of the squared weights and "
        "biases, (1 − r) to r: the ratio depends on the number of weights"
    ),
    "WEKA's MultilayerPerceptron -D": "it is a decay of the learning rate, not of the weights",
    "XGBoost's and LightGBM's lambda": "it penalises the values of a tree's leaves",
    "RealMLP's wd": (
        "a schedule of its own (flat_cos) multiplies it, while the learning rate follows another; biases are exempt"
    ),
    "PyTorch's ASGD": (
        "each update multiplies every parameter by 1 − η·lambd, lambd=1e-4 by default, whatever weight_decay is"
    ),
}
