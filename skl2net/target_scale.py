"""Targets in standard units: a regression is trained on (y - mean) / std, and its last layer is unscaled afterwards."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TargetScale:
    """Mean and standard deviation of each target, arrays of float64 of shape (n_outputs,).

    For losses that are robust against outliers, the standard units are so too: `mean` is the median, and `std` the
    median distance from it times 1.4826, which of normal targets is the standard deviation. If that is 0, or next to
    nothing beside the root mean square distance, because half of the targets are equal, `std` is the latter.

    `last_layer` has the weights and biases of the last layer in standard units, as training left them: a warm start
    continues from these exact values unless `coefs_` was replaced.
    """

    mean: np.ndarray
    std: np.ndarray
    last_layer: np.ndarray | None = None

    @classmethod
    def of(cls, Y, sample_weight=None, *, is_robust=False):
        """The scale of targets, whose standard deviation counts as 1 if they are constant.

        Outliers have little influence on it if `is_robust`.
        """
        if sample_weight is not None:
            Y, sample_weight = Y[sample_weight > 0], sample_weight[sample_weight > 0].astype(np.float64)
        # in units of a power of two and from the first target on: nothing overflows, and constant targets are zero
        exponent = np.frexp(np.maximum(Y.max(axis=0), -Y.min(axis=0).astype(np.float64)))[1]
        Y = np.ldexp(Y, -exponent, dtype=np.float64)
        first = Y[0].copy()
        Y -= first
        offset = _median(Y, sample_weight) if is_robust else np.average(Y, axis=0, weights=sample_weight)
        Y -= offset
        near = 1.4826 * _median(np.abs(Y), sample_weight) if is_robust else 0.0
        Y *= Y
        std = np.sqrt(np.average(Y, axis=0, weights=sample_weight))
        std = np.where(near > 1e-8 * std, near, std)
        std = np.ldexp(std, exponent)
        return cls(np.ldexp(first + offset, exponent), np.where(std > 0, std, 1.0))

    def is_same(self, other):
        """Whether another scale, or None, has the same mean and standard deviation."""
        return other is not None and np.array_equal(self.mean, other.mean) and np.array_equal(self.std, other.std)

    def standardised(self, Y):
        """Targets in standard units."""
        Y = Y - self.mean
        Y /= self.std
        return Y

    def unscaled(self, outputs):
        """Outputs in the units of the targets, in their own dtype."""
        return (outputs * self.std + self.mean).astype(outputs.dtype)

    def unscaled_parameters(self, network, parameters):
        """Parameters whose outputs are in the units of the targets, from those in standard units."""
        result = parameters.copy()
        coef, intercept = (arrays[-1] for arrays in network.unpack(result))
        coef[...], intercept[...] = coef * self.std, intercept * self.std + self.mean
        return result

    def standard_parameters(self, network, parameters):
        """The inverse of `unscaled_parameters`; exact if the last layer is the one that training left."""
        result = parameters.copy()
        coef, intercept = (arrays[-1] for arrays in network.unpack(result))
        if self.last_layer is not None and len(self.last_layer) == coef.size + intercept.size:
            coef[...] = self.last_layer[: coef.size].reshape(coef.shape)
            intercept[...] = self.last_layer[coef.size :]
            if np.array_equal(self.unscaled_parameters(network, result), parameters):
                return result
            coef[...], intercept[...] = (arrays[-1] for arrays in network.unpack(parameters))
        coef[...], intercept[...] = coef / self.std, (intercept - self.mean) / self.std
        return result


def _median(Y, sample_weight):
    """Weighted median of each column; where two rows share the middle, their mean."""
    if sample_weight is None:
        return np.median(Y, axis=0)
    order = np.argsort(Y, axis=0)
    below = np.cumsum(sample_weight[order], axis=0)
    half, rounding = below[-1] / 2, len(Y) * np.finfo(np.float64).eps
    middle = np.stack([np.argmax(below >= half * (1 + sign * rounding), axis=0) for sign in (-1, 1)])
    return np.take_along_axis(Y, np.take_along_axis(order, middle, axis=0), axis=0).mean(axis=0)
