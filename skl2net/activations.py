"""The functions of units: one class each, for hidden units in `ACTIVATIONS`, for outputs in `OUTPUTS`.

They are written for any array namespace `xp` of the Python array API standard. `kernel` is the number of the function
in the compiled engine, see ``engines/kernels``.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

ActivationName: TypeAlias = Literal["identity", "logistic", "tanh", "relu", "softplus"]


@dataclass(frozen=True)
class Function:
    """A function of the raw values of a layer.

    Attributes
    ----------
    name : str
        Name of the function, a value of the parameter `activation` or of the attribute `out_activation_`.
    kernel : int
        Number of the function in the compiled engine.
    torch : str
        Name of PyTorch's module, if there is one.
    onnx : str
        Name of ONNX's operator, if onnxruntime has it in both precisions.
    """

    name: ClassVar[str]
    kernel: ClassVar[int]
    torch: ClassVar[str]
    onnx: ClassVar[str]

    def value(self, Z, xp):
        """Value of the function, of the shape of `Z`, (n_rows, n_units)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Activation(Function):
    """A function of hidden units, whose derivative is a function of its value.

    Attributes
    ----------
    lipschitz : float
        Largest absolute value of the derivative.
    initial_scale : float, default=6.0
        The initial weights of a layer are uniform between ±√(initial_scale / (fan_in + fan_out)).
    """

    lipschitz: ClassVar[float] = 1.0
    initial_scale: ClassVar[float] = 6.0

    def derivative(self, A, xp):
        """Derivative of the function where its value is `A`."""
        raise NotImplementedError


class Identity(Activation):
    """f(z) = z."""

    name, kernel, torch, onnx = "identity", 0, "Identity", "Identity"

    def value(self, Z, xp):
        return Z

    def derivative(self, A, xp):
        return 1.0


class Logistic(Activation):
    """f(z) = 1 / (1 + exp(-z))."""

    name, kernel, torch, onnx = "logistic", 1, "Sigmoid", "Sigmoid"
    lipschitz, initial_scale = 0.25, 2.0

    def value(self, Z, xp):
        small = xp.exp(-xp.abs(Z))
        return xp.where(Z >= 0, 1.0, small) / (1 + small)

    def derivative(self, A, xp):
        return A * (1 - A)


class Tanh(Activation):
    """f(z) = tanh(z)."""

    name, kernel, torch, onnx = "tanh", 2, "Tanh", "Tanh"

    def value(self, Z, xp):
        return xp.tanh(Z)

    def derivative(self, A, xp):
        return 1 - A * A


class ReLU(Activation):
    """f(z) = max(z, 0), with derivative 0 at 0."""

    name, kernel, torch, onnx = "relu", 3, "ReLU", "Relu"

    def value(self, Z, xp):
        return xp.where(Z < 0, 0.0, Z)

    def derivative(self, A, xp):
        return xp.where(A > 0, 1.0, xp.zeros_like(A))


class Softplus(Activation):
    """f(z) = log(1 + exp(z))."""

    name, kernel, torch, onnx = "softplus", 4, "Softplus", ""

    def value(self, Z, xp):
        return xp.where(Z > 0, Z, 0.0) + xp.log1p(xp.exp(-xp.abs(Z)))

    def derivative(self, A, xp):
        return -xp.expm1(-A)


class Softmax(Function):
    """f(z)_k = exp(z_k) / Σ exp(z), over the units of a row."""

    name, kernel, torch, onnx = "softmax", 5, "Softmax", "Softmax"

    def value(self, Z, xp):
        E = xp.exp(Z - xp.max(Z, axis=1, keepdims=True))
        return E / xp.sum(E, axis=1, keepdims=True)


class Exp(Function):
    """f(z) = exp(z)."""

    name, kernel, torch, onnx = "exp", 6, "", "Exp"

    def value(self, Z, xp):
        return xp.exp(Z)


ACTIVATIONS = {function.name: function for function in (Identity(), Logistic(), Tanh(), ReLU(), Softplus())}
OUTPUTS = {function.name: function for function in (Identity(), Logistic(), Softmax(), Exp())}
