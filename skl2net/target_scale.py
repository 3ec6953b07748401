"""Targets in standard units: a regression is trained on (y - mean) / std, and its last layer is unscaled afterwards."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TargetScale:
    """Mean and standard deviation of each target.

    Parameters
    ----------
    mean, std : ndarray of float64, shape (n_outputs,)
    last_layer : ndarray of shape ((fan_in + 1) * n_outputs,), default=None
        Weights and biases of the last layer in standard units, as training left them: a warm start goes on from these
        very numbers, as long as users have not replaced the unscaled ones.
    """

    mean: np.ndarray
    std: np.ndarray
    last_layer: np.ndarray | None = None

    @classmethod
    def of(cls, Y, sample_weight=None):
        """The scale of targets, whose standard deviation counts as 1 if they are constant.

        Parameters
        ----------
        Y : ndarray of shape (n_samples, n_outputs)
        sample_weight : ndarray of shape (n_samples,), default=None
        """
        Y, weight = Y.astype(np.float64, copy=False), None
        if sample_weight is not None:
            counted = sample_weight > 0
            Y, weight = Y[counted], sample_weight[counted].astype(np.float64)
        mean = Y[0] + np.average(Y - Y[0], axis=0, weights=weight)  # exact for constant targets
        deviations = Y - mean
        largest = np.abs(deviations).max(axis=0)
        largest[largest <= 8 * np.finfo(np.float64).eps * np.abs(mean)] = 0  # constant, up to rounding
        unit = np.where(largest > 0, largest, 1.0)  # squares must not overflow
        std = unit * np.sqrt(np.average((deviations / unit) ** 2, axis=0, weights=weight))
        return cls(mean, np.where((largest > 0) & (std > 0), std, 1.0))

    def is_same(self, other):
        """Whether another scale, or None, has the same mean and standard deviation."""
        return other is not None and np.array_equal(self.mean, other.mean) and np.array_equal(self.std, other.std)

    def standardised(self, Y):
        """Targets in standard units."""
        return (Y - self.mean) / self.std

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
