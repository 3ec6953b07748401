"""The network: its layer sizes, its functions, and its parameters as one flat vector.

All weights come first, layer by layer, then all biases, in one contiguous array. So the penalised part is one slice,
a swarm is a two-dimensional array, and `coefs_`/`intercepts_` are views. The functions themselves are computed by
the engines (`skl2net.engines`).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "softplus")


@dataclass(frozen=True)
class Network:
    """A fully connected network.

    Parameters
    ----------
    layer_sizes : tuple of int
        Number of units of the input, of each hidden layer, and of the output.
    activation : {"identity", "logistic", "tanh", "relu", "softplus"}
        Activation function of the hidden units.
    output : {"identity", "logistic", "softmax", "exp"}
        Activation function of the output units.
    """

    layer_sizes: tuple[int, ...]
    activation: str
    output: str

    @cached_property
    def shapes(self):
        """Shape (fan_in, fan_out) of each layer's weights."""
        return tuple(pairwise(self.layer_sizes))

    @cached_property
    def n_layers(self):
        """Number of weight layers."""
        return len(self.shapes)

    @cached_property
    def n_weights(self):
        """Number of weights, without biases: the L2 rules act on ``parameters[:n_weights]``."""
        return sum(fan_in * fan_out for fan_in, fan_out in self.shapes)

    @cached_property
    def n_parameters(self):
        """Length of the flat parameter vector."""
        return self.n_weights + sum(self.layer_sizes[1:])

    @cached_property
    def weight_slices(self):
        """Slice of each layer's weights in the flat vector."""
        return _slices([fan_in * fan_out for fan_in, fan_out in self.shapes], start=0)

    @cached_property
    def bias_slices(self):
        """Slice of each layer's biases in the flat vector."""
        return _slices(self.layer_sizes[1:], start=self.n_weights)

    def unpack(self, parameters):
        """Split a flat vector into the lists of weight matrices and bias vectors, as views.

        Parameters
        ----------
        parameters : array of shape (n_parameters,)

        Returns
        -------
        coefs : list of arrays of shape (fan_in, fan_out)
        intercepts : list of arrays of shape (fan_out,)
        """
        reshape = parameters.__array_namespace__().reshape
        coefs = [reshape(parameters[s], shape) for s, shape in zip(self.weight_slices, self.shapes, strict=True)]
        return coefs, [parameters[s] for s in self.bias_slices]

    def pack(self, coefs, intercepts):
        """Join weight matrices and bias vectors to a flat vector.

        If they are views of one large vector, that vector is returned without a copy. Small vectors are always copied,
        which takes less time than checking.

        Raises
        ------
        ValueError
            See `check`.
        """
        arrays = [*coefs, *intercepts]
        self.check(coefs, intercepts)
        if self.n_parameters > 2**14 and self._are_views(arrays):
            return arrays[0].base
        return np.concatenate([*map(np.ravel, arrays)])

    def check(self, coefs, intercepts):
        """Refuse weights and biases that are not those of this network.

        Users may have replaced `coefs_` or `intercepts_`.

        Parameters
        ----------
        coefs, intercepts : list or tuple

        Raises
        ------
        ValueError
            With the name of the array, what it must be and what it is.
        """
        shapes = {"coefs_": self.shapes, "intercepts_": tuple((size,) for size in self.layer_sizes[1:])}
        for (name, expected), arrays in zip(shapes.items(), (coefs, intercepts), strict=True):
            if len(arrays) != len(expected):
                raise ValueError(f"{name} has {len(arrays)} arrays, and the network has {len(expected)} weight layers.")
            for i, (array, shape) in enumerate(zip(arrays, expected, strict=True)):
                is_array = isinstance(array, np.ndarray)
                if not is_array or array.shape != shape or array.dtype not in (np.float32, np.float64):
                    found = f"{array.dtype}, shape {array.shape}" if is_array else type(array).__name__
                    raise ValueError(
                        f"{name}[{i}] must be an array of float32 or float64 of shape {shape}, for layers of "
                        f"{self.layer_sizes} units; got {found}."
                    )

    def _are_views(self, arrays):
        base = arrays[0].base
        if not isinstance(base, np.ndarray) or base.shape != (self.n_parameters,):
            return False
        itemsize, address = base.itemsize, base.ctypes.data
        slices = self.weight_slices + self.bias_slices
        return all(
            array.base is base and array.flags.c_contiguous and array.ctypes.data == address + s.start * itemsize
            for array, s in zip(arrays, slices, strict=True)
        )

    def initial_parameters(self, random_state, dtype):
        """Draw the initial weights and biases, uniform within Glorot's bounds, in scikit-learn's order.

        The bound of a layer is √(6 / (fan_in + fan_out)), and √(2 / (fan_in + fan_out)) with logistic units
        (Glorot & Bengio, AISTATS 2010).

        Parameters
        ----------
        random_state : numpy.random.RandomState
        dtype : dtype

        Returns
        -------
        ndarray of shape (n_parameters,)
        """
        parameters = np.empty(self.n_parameters, dtype=dtype)
        factor = 2.0 if self.activation == "logistic" else 6.0
        for coef, intercept in zip(*self.unpack(parameters), strict=True):
            bound = np.sqrt(factor / sum(coef.shape))
            coef[...] = random_state.uniform(-bound, bound, coef.shape)
            intercept[...] = random_state.uniform(-bound, bound, intercept.shape)
        return parameters

    def layer_sums_of_squares(self, parameters):
        """Σw² of each layer in double precision, shape (..., n_layers), for parameters of (..., n_parameters)."""
        sums = np.empty((*parameters.shape[:-1], self.n_layers))
        for layer, s in enumerate(self.weight_slices):
            weights = parameters[..., s]
            sums[..., layer] = np.einsum("...i,...i->...", weights, weights, dtype=np.float64)
        return sums


def _slices(lengths, start):
    stops = start + np.cumsum(lengths)
    return tuple(slice(int(stop) - length, int(stop)) for length, stop in zip(lengths, stops, strict=True))
