"""The losses: one class each, with the output function that belongs to it.

A loss is a function of the raw outputs `Z` of a row and of its targets `Y`, summed over the outputs. Its derivative
with respect to `Z` is exact where outputs saturate. They are written for any array namespace `xp` of the Python array
API standard; `kernel` is the number of the loss in the compiled engine, see ``engines/kernels``.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from skl2net.activations import ACTIVATIONS, OUTPUTS, Function

ClassificationLoss: TypeAlias = Literal["log_loss", "squared_error"]
RegressionLoss: TypeAlias = Literal["squared_error", "absolute_error", "huber", "quantile", "poisson"]


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
    degree : int
        Power of the units of the targets in the loss; 0 if targets cannot be standardised.
    slopes : (float, float)
        Smallest and largest derivative with respect to an output.
    is_smooth : bool
        Whether the derivative is continuous.
    has_curvature : bool
        Whether the loss has a `curvature_root`, from which the posterior of a network is computed.
    has_noise : bool
        Whether the loss is minus the log likelihood of Gaussian noise, but for its variance.
    """

    name: ClassVar[str]
    output: ClassVar[Function]
    kernel: ClassVar[int]
    scales: ClassVar[dict]
    degree: ClassVar[int] = 0
    slopes: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    is_smooth: ClassVar[bool] = True
    has_curvature: ClassVar[bool] = True
    has_noise: ClassVar[bool] = False

    @property
    def convention(self):
        """Name of the loss in `skl2net.convert_alpha`."""
        return self.name

    @property
    def has_scale(self):
        """Whether targets may be standardised."""
        return self.degree > 0

    @property
    def is_robust(self):
        """Whether the influence of a target is bounded."""
        return math.isfinite(self.slopes[1])

    @property
    def takes_classes(self):
        """Whether targets may be the number of the class of each row, whose target is 1."""
        return self.output.name == "softmax"

    def check_targets(self, y):
        """Raise ValueError if the loss is not defined for some of the targets."""

    def check_smooth(self, option, alternative):
        """Raise ValueError if the derivative jumps, which an option of an estimator cannot do with.

        Parameters
        ----------
        option, alternative : str
            The option as it is typed, and what to use instead of it.
        """
        if not self.is_smooth:
            raise ValueError(
                f"{option} needs a loss whose gradient is continuous, and that of loss={self.name!r} jumps where an "
                f"output equals its target. Use {alternative}, or loss='huber'."
            )

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

    def curvature_root(self, Z, xp):
        """A root B of the second derivative H of the loss with respect to the raw outputs of a row: H = B·Bᵀ.

        Where the second derivative of an output function counts too, it is left out, as in Gauss-Newton's method.

        Parameters
        ----------
        Z : array of shape (n_rows, n_outputs)
            Raw outputs.
        xp : module
            Its array namespace.

        Returns
        -------
        array of shape (n_rows, n_outputs, n_outputs)
        """
        raise NotImplementedError


class SquaredError(Loss):
    """½·Σ(output - target)², of outputs that are the raw ones."""

    name, output, kernel = "squared_error", OUTPUTS["identity"], 0
    degree, has_noise = 2, True
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
        "sklearn.MLP": (1, False),
        "tidymodels keras": (2, True),
        "tidymodels brulee": (2, True),
    }

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        P = self.output.value(Z, xp)
        error = P - Y
        return 0.5 * xp.sum(error * error, axis=1), self._times_slope(error, P, xp)

    def curvature_root(self, Z, xp):
        """See `Loss.curvature_root`. It is the derivative of the outputs."""
        P = self.output.value(Z, xp)
        eye = xp.eye(Z.shape[1], dtype=Z.dtype)
        columns = [self._times_slope(xp.broadcast_to(eye[i, :], Z.shape), P, xp) for i in range(Z.shape[1])]
        return xp.stack(columns, axis=2)

    def _times_slope(self, error, P, xp):
        """The derivative with respect to the outputs, times that of the output function."""
        return error


class LogisticSquaredError(SquaredError):
    """Squared error of logistic outputs."""

    output = OUTPUTS["logistic"]
    degree = 0

    def _times_slope(self, error, P, xp):
        return error * P * (1 - P)


class SoftmaxSquaredError(SquaredError):
    """Squared error of softmax outputs."""

    output = OUTPUTS["softmax"]
    degree = 0

    def _times_slope(self, error, P, xp):
        return P * (error - xp.sum(P * error, axis=1, keepdims=True))


class Huber(Loss):
    """½·Σe² of errors e = output - target up to 1.35, and Σ 1.35·(|e| - 1.35/2) of larger ones."""

    name, output, kernel = "huber", OUTPUTS["identity"], 3
    degree, has_curvature = 2, False
    slopes = (-1.35, 1.35)
    scales = {
        "mean over outputs": (1, True),
        "flux": (1, True),
        "gluon": (1 / 1.35, True),
        "linear": (1, False),
    }

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        low, high = self.slopes
        error = Z - Y
        slope = xp.where(error < low, low, xp.where(error > high, high, error))
        return xp.sum(slope * (error - 0.5 * slope), axis=1), slope


class AbsoluteError(Loss):
    """Σ|output - target|, whose derivative is 0 where the two are equal."""

    name, output, kernel = "absolute_error", OUTPUTS["identity"], 4
    degree, is_smooth, has_curvature = 1, False, False
    slopes = (-1.0, 1.0)
    scales = dict.fromkeys(("mean over outputs", "flux", "dl4j", "gluon"), (1, True)) | {"linear": (1, False)}

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        low, high = self.slopes
        error = Z - Y
        slope = xp.where(error < 0, low, xp.where(error > 0, high, error))
        return xp.sum(slope * error, axis=1), slope


@dataclass(frozen=True)
class Quantile(AbsoluteError):
    """The pinball loss: Σ q·(target - output) of outputs below, Σ (1 - q)·(output - target) of outputs above.

    Parameters
    ----------
    quantile : float, default=0.5
        q, the share of targets below the outputs that minimise the loss.
    """

    quantile: float = 0.5

    name = "quantile"
    scales = {"mean over outputs": (1, True), "flux": (1, True)}

    @property
    def slopes(self):
        """See `Loss`."""
        return -self.quantile, 1 - self.quantile


class LogLoss(Loss):
    """Log loss of two classes, with one logistic output: log(1 + exp(z)) - y·z."""

    name, output, kernel = "log_loss", OUTPUTS["logistic"], 1
    scales = {library: (1, False) for library in SquaredError.scales if library != "tidymodels keras"}

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        return xp.sum(ACTIVATIONS["softplus"].value(Z, xp) - Y * Z, axis=1), self.output.value(Z, xp) - Y

    def curvature_root(self, Z, xp):
        """See `Loss.curvature_root`."""
        P = self.output.value(Z, xp)
        return _diagonal(xp.sqrt(P * (1 - P)), xp)


class MultilabelLogLoss(LogLoss):
    """Sum over the labels of the log loss of each, with logistic outputs."""

    convention = "multilabel_log_loss"
    scales = dict.fromkeys(("mean over outputs", "flux", "gluon"), (1, True)) | dict.fromkeys(
        ("plain", "nnet", "sklearn.MLP"), (1, False)
    )


class SoftmaxLogLoss(LogLoss):
    """Log loss of three or more classes, with softmax outputs: the cross-entropy -Σ y·log(output)."""

    output = OUTPUTS["softmax"]

    def value_and_derivative(self, Z, Y, xp):
        """See `Loss.value_and_derivative`."""
        top = xp.max(Z, axis=1, keepdims=True)
        log_sum = top + xp.log(xp.sum(xp.exp(Z - top), axis=1, keepdims=True))
        return xp.sum(Y * (log_sum - Z), axis=1), self.output.value(Z, xp) - Y

    def curvature_root(self, Z, xp):
        """See `Loss.curvature_root`. With r = √output, H = diag(r)·(1 - r·rᵀ)·diag(r), and 1 - r·rᵀ is a projection."""
        P = self.output.value(Z, xp)
        root = xp.sqrt(P)
        return _diagonal(root, xp) - P[:, :, None] * root[:, None, :]


class Poisson(Loss):
    """Half the Poisson deviance, Σ y·log(y / output) - y + output, of exponential outputs."""

    name, output, kernel = "poisson", OUTPUTS["exp"], 2
    scales = {"mean over outputs": (1, True), "generalised linear": (1, False), "sklearn.MLP": (1, False)}

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

    def curvature_root(self, Z, xp):
        """See `Loss.curvature_root`."""
        return _diagonal(xp.sqrt(self.output.value(Z, xp)), xp)


def _diagonal(values, xp):
    """Diagonal matrices with the values of each row."""
    return values[:, :, None] * xp.eye(values.shape[1], dtype=values.dtype)


REGRESSION_LOSSES = {loss.name: loss for loss in (SquaredError(), AbsoluteError(), Huber(), Quantile(), Poisson())}

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
LOSSES = {loss.convention: loss for loss in (LogLoss(), MultilabelLogLoss(), *REGRESSION_LOSSES.values())}


def regression_loss(name, quantile=None):
    """The loss of a regressor with these parameters `loss` and `quantile`."""
    if name != Quantile.name:
        return REGRESSION_LOSSES[name]
    if quantile is None:
        raise ValueError("loss='quantile' needs a quantile in (0, 1), got quantile=None. Pass 0.5 for the median.")
    return Quantile(float(quantile))
