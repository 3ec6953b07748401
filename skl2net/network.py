"""The network: its layer sizes, its activation function, and its parameters as one flat vector.

All weights come first, layer by layer, then all biases, in one contiguous array. So the penalised part is one slice,
a swarm is a two-dimensional array, and `coefs_`/`intercepts_` are views. The output function belongs to the loss
(`skl2net.losses`).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from skl2net.activations import Activation


@dataclass(frozen=True)
class Network:
    """A fully connected network."""

    layer_sizes: tuple[int, ...]  # units of the input, of each hidden layer, and of the output
    activation: Activation  # of the hidden units

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

    def unpack(self, parameters, xp=np):
        """Split a flat vector of array namespace `xp` into the lists of weight matrices and bias vectors, as views."""
        coefs = [xp.reshape(parameters[s], shape) for s, shape in zip(self.weight_slices, self.shapes, strict=True)]
        return coefs, [parameters[s] for s in self.bias_slices]

    def pack(self, coefs, intercepts):
        """Join weight matrices and bias vectors to a flat vector.

        If they are views of one large vector, that vector is returned without a copy. Small vectors are always copied,
        which takes less time than checking. Raises ValueError if they do not fit, see `check`.
        """
        arrays = [*coefs, *intercepts]
        self.check(coefs, intercepts)
        if self.n_parameters > 2**14 and self._are_views(arrays):
            return arrays[0].base
        return np.concatenate([*map(np.ravel, arrays)])

    def check(self, coefs, intercepts):
        """Refuse weights and biases that are not those of this network: users may have replaced them."""
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

        The bound of a layer is √(c / (fan_in + fan_out)), where c is the activation's `initial_scale` (Glorot & Bengio,
        AISTATS 2010).
        """
        parameters = np.empty(self.n_parameters, dtype=dtype)
        for coef, intercept in zip(*self.unpack(parameters), strict=True):
            bound = np.sqrt(self.activation.initial_scale / sum(coef.shape))
            coef[...] = random_state.uniform(-bound, bound, coef.shape)
            intercept[...] = random_state.uniform(-bound, bound, intercept.shape)
        return parameters

    def layer_sums_of_squares(self, parameters):
        """Σw² of each layer in double precision, shape (..., n_layers), for parameters of (..., n_parameters)."""
        sums = np.empty((*parameters.shape[:-1], self.n_layers))
        for layer, s in enumerate(self.weight_slices):
            sums[..., layer] = _sum_of_squares(parameters[..., s])
        return sums

    def weight_norm(self, parameters):
        """Σw² over all weights, in double precision."""
        return float(_sum_of_squares(parameters[: self.n_weights]))

    def penalty(self, parameters, coefficients):
        """Penalty ½·Σ coefficient·Σw² over the layers, in double precision, of each vector in the last axis."""
        if np.any(coefficients != coefficients[0]):
            return 0.5 * np.vecdot(coefficients, self.layer_sums_of_squares(parameters))
        return 0.5 * coefficients[0] * _sum_of_squares(parameters[..., : self.n_weights])


def _sum_of_squares(weights):
    # not np.dot: it wakes BLAS threads, which keep spinning and slow down the threads of the engine
    return np.einsum("...i,...i->...", weights, weights, dtype=np.float64)


def _slices(lengths, start):
    stops = start + np.cumsum(lengths)
    return tuple(slice(int(stop) - length, int(stop)) for length, stop in zip(lengths, stops, strict=True))
