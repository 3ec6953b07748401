"""The derivatives of the outputs of each row, in NumPy and double precision, for the Gauss-Newton matrix of a loss.

The derivative with respect to a weight is the product of the value of the unit that it comes from and the derivative
with respect to the unit that it leads to. Rows are taken in blocks: all derivatives at once would need n_rows ×
n_parameters numbers, and most time is spent in the products of BLAS.
"""

import numpy as np
from scipy.linalg.blas import dsyrk

_BLOCK = 2**21  # numbers in a block of derivatives: 16 MB


def jacobians(task, parameters, *, curved):
    """See `Session.jacobians`."""
    network, parameters = task.network, parameters.astype(np.float64)
    coefs, _ = network.unpack(parameters)
    rows = np.arange(task.X.shape[0]) if task.rows is None else task.rows
    if curved and task.sample_weight is not None:
        rows = rows[task.sample_weight[rows] > 0]
    size = max(1, _BLOCK // (network.n_parameters * network.layer_sizes[-1]))
    for start in range(0, len(rows), size):
        task.raise_if_cancelled()
        block = rows[start : start + size]
        activations = _forward(network, parameters, task.X[block])
        Z = activations.pop()
        delta = np.broadcast_to(np.eye(Z.shape[1]), (*Z.shape, Z.shape[1]))
        if curved:
            delta = task.loss.curvature_root(Z, np).swapaxes(1, 2)
            if task.sample_weight is not None:
                delta = delta * np.sqrt(task.sample_weight[block], dtype=np.float64)[:, None, None]
        J = np.empty((*delta.shape[:2], network.n_parameters))
        for layer in reversed(range(network.n_layers)):
            of_weights = J[:, :, network.weight_slices[layer]].reshape(*delta.shape[:2], *network.shapes[layer])
            np.multiply(activations[layer][:, None, :, None], delta[:, :, None, :], out=of_weights)
            J[:, :, network.bias_slices[layer]] = delta
            if layer:
                slope = network.activation.derivative(activations[layer], np)
                delta = (delta @ coefs[layer].T) * np.broadcast_to(slope, activations[layer].shape)[:, None, :]
        yield J


def _forward(network, parameters, X):
    """The input, the values of each hidden layer, and the raw outputs."""
    activations = [np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)]
    for layer, (coef, intercept) in enumerate(zip(*network.unpack(parameters), strict=True), start=1):
        Z = activations[-1] @ coef + intercept
        activations.append(network.activation.value(Z, np) if layer < network.n_layers else Z)
    return activations


def gauss_newton(blocks, n_parameters):
    """See `Session.gauss_newton`."""
    lower = np.zeros((n_parameters, n_parameters), order="F")
    for J in blocks:
        lower = dsyrk(1.0, J.reshape(-1, n_parameters).T, beta=1.0, c=lower, lower=1, overwrite_c=1)
    return lower.T
