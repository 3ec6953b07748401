"""The losses: one class each, with the output function that belongs to it.

A loss is a function of the raw outputs `Z` of a row and of its targets `Y`, summed over the outputs. Its derivative
with respect to `Z` is exact where outputs saturate. They are written for any array namespace `xp` of the Python array
API standard; `kernel` is the number of the loss in the compiled engine, see ``engines/kernels``.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from skl2net.activations import OUTPUTS, Function

ClassificationLoss: TypeAlias = Literal["log_loss", "squared_error"]
RegressionLoss: TypeAlias = Literal["squared_error", "poisson"]


@dataclass(frozen=True)
class Loss:
    """A loss and its output function.

    Attributes
    ----------
    name : str
        Value of the parameter `loss` of the estimators.
    output : Function
        Output function.
    kernel : int
        Number of the loss in the compiled engine, which takes that of the output function with it.
    scales : dict of str to (float, bool)
        The loss of other libraries: what it is in multiples of this one, and whether it is also divided by the number
        of outputs. The keys are the families of losses of `skl2net.conventions`.
    has_scale : bool
        Whether targets may be centred and divided by their standard deviation.
    """

    name: ClassVar[str]
    output: ClassVar[Function]
    kernel: ClassVar[int]
    scales: ClassVar[dict]
    has_scale: ClassVar[bool] = False

    @property
    def convention(self):
        """Name of the loss in `skl2net.convert_alpha`."""
        return self.name

    @property
    def takes_classes(self):
        """Whether targets may be the number of the class of each row, whose target is 1."""
        return self.output.name == "softmax"

    def check_targets(self, y):
        """Raise ValueError if the loss is not defined for some of the targets."""

    def value_and_derivative(self, Z, Y, xp):
        """Loss of each row, and its derivative with respect to the raw outputs.

        Parameters
        ----------
        Z, Y : array of shape (n_rows, n_outputs)
            Raw outputs and targets.
        xp : module
            Array namespace of both.

        Returns
        -------
        loss : array of shape (n_rows,)
        derivative : array of shape (n_rows, n_outputs)
        """
        raise NotImplementedError


class SquaredError(Loss):
    """½·Σ(output - target)², of outputs that are the raw ones."""

    name, output, kernel = "squared_error", OUTPUTS["identity"], 0
    has_scale = True
    scales = {
        "mean over outputs": (2, True),
        "flux": (2, True),
        "dl4j": (2, True),
        "gluon": (1, True),
        "plain": (1, False),
        "linear": (1, False),
        "generalised linear": (1, False),
        "nnet": (2, False),
        "cuml": (2, False),
        "tidymodels keras": (2, True),
    }

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        P = self.output.value(Z, xp)
        error = P - Y
        return 0.5 * xp.sum(error * error, axis=1), self._times_slope(error, P, xp)

    def _times_slope(self, error, P, xp):
        """The derivative with respect to the outputs, times that of the output function."""
        return error


class LogisticSquaredError(SquaredError):
    """Squared error of logistic outputs."""

    output = OUTPUTS["logistic"]
    has_scale = False

    def _times_slope(self, error, P, xp):
        return error * P * (1 - P)


class SoftmaxSquaredError(SquaredError):
    """Squared error of softmax outputs."""

    output = OUTPUTS["softmax"]
    has_scale = False

    def _times_slope(self, error, P, xp):
        return P * (error - xp.sum(P * error, axis=1, keepdims=True))


class LogLoss(Loss):
    """Log loss of two classes, with one logistic output: log(1 + exp(z)) - y·z."""

    name, output, kernel = "log_loss", OUTPUTS["logistic"], 1
    scales = {
        "mean over outputs": (1, False),
        "flux": (1, False),
        "dl4j": (1, False),
        "gluon": (1, False),
        "plain": (1, False),
        "linear": (1, False),
        "generalised linear": (1, False),
        "nnet": (1, False),
        "cuml": (1, False),
    }

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        softplus = xp.where(Z > 0, Z, 0.0) + xp.log1p(xp.exp(-xp.abs(Z)))
        return xp.sum(softplus - Y * Z, axis=1), self.output.value(Z, xp) - Y


class MultilabelLogLoss(LogLoss):
    """Sum over the labels of the log loss of each, with logistic outputs."""

    convention = "multilabel_log_loss"
    scales = {
        "mean over outputs": (1, True),
        "flux": (1, True),
        "gluon": (1, True),
        "plain": (1, False),
        "nnet": (1, False),
    }


class SoftmaxLogLoss(LogLoss):
    """Log loss of three or more classes, with softmax outputs: the cross-entropy -Σ y·log(output)."""

    output = OUTPUTS["softmax"]

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        top = xp.max(Z, axis=1, keepdims=True)
        log_sum = top + xp.log(xp.sum(xp.exp(Z - top), axis=1, keepdims=True))
        return xp.sum(Y * (log_sum - Z), axis=1), self.output.value(Z, xp) - Y


class Poisson(Loss):
    """Half the Poisson deviance, Σ y·log(y / output) - y + output, of exponential outputs."""

    name, output, kernel = "poisson", OUTPUTS["exp"], 2
    scales = {"mean over outputs": (1, True), "generalised linear": (1, False)}

    def check_targets(self, y):
        """See `Loss.check_targets`."""
        if (y < 0).any():
            raise ValueError(
                f"loss='poisson' needs targets y >= 0, got {y.min():g}. Use loss='squared_error' for targets that can "
                "be negative."
            )

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        error = self.output.value(Z, xp) - Y
        y_log_y = Y * xp.log(xp.where(Y > 0, Y, 1.0))
        return xp.sum(y_log_y - Y * Z + error, axis=1), error


REGRESSION_LOSSES = {loss.name: loss for loss in (SquaredError(), Poisson())}

# by the kind of targets that scikit-learn's LabelBinarizer finds
CLASSIFICATION_LOSSES = {
    "log_loss": {"binary": LogLoss(), "multiclass": SoftmaxLogLoss(), "multilabel-indicator": MultilabelLogLoss()},
    "squared_error": {
        "binary": LogisticSquaredError(),
        "multiclass": SoftmaxSquaredError(),
        "multilabel-indicator": LogisticSquaredError(),
    },
}

# by their name in `skl2net.convert_alpha`
LOSSES = {loss.convention: loss for loss in (LogLoss(), MultilabelLogLoss(), SquaredError(), Poisson())}
