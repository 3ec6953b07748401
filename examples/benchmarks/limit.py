"""The matrix products of a `workloads.Case` and nothing else: how long NumPy needs for the bare arithmetic."""

import numpy as np
import scipy.sparse


class Products:
    """The products of one pass over the rows, batch by batch, of the shapes that training or prediction has.

    Per layer these are the output, the gradient of the weights, and, above the first layer, the gradient of the
    activations below. All arrays are there beforehand; sparse ones are multiplied by scipy.
    """

    def __init__(self, case):
        self.trains = case.trains
        X = case.X[: case.n_train] if self.trains else case.rows
        size = case.batch_size if self.trains else len(X)
        self.batches = [X[start : start + size] for start in range(0, X.shape[0], size)]
        self.weights = [np.full(shape, 0.01, case.dtype) for shape in case.network.shapes]
        self.gradients = [np.empty_like(weight) for weight in self.weights]
        self.layers = [np.empty((min(size, X.shape[0]), weight.shape[1]), case.dtype) for weight in self.weights]
        self.n_operations = self._operations(X)
        # One pass is an epoch, an evaluation of L-BFGS (at least one per iteration, and one at the start), or predict.
        self.n_passes = (case.n_iter + (case.solver == "lbfgs")) if self.trains else 1

    def run(self):
        """One pass."""
        for X in self.batches:
            inputs = [X, *(layer[: X.shape[0]] for layer in self.layers)]
            for below, weight, above in zip(inputs[:-1], self.weights, inputs[1:], strict=True):
                _product(below, weight, above)
            if self.trains:
                for i in reversed(range(len(self.weights))):
                    _product(inputs[i].T, inputs[i + 1], self.gradients[i])
                    if i > 0:
                        np.matmul(inputs[i + 1], self.weights[i].T, out=inputs[i])

    def _operations(self, X):
        """Floating-point operations of one pass."""
        entries = [X.nnz if scipy.sparse.issparse(X) else X.size]
        entries += [X.shape[0] * weight.shape[0] for weight in self.weights[1:]]
        forward = [2 * n * weight.shape[1] for n, weight in zip(entries, self.weights, strict=True)]
        return 3 * sum(forward) - forward[0] if self.trains else sum(forward)


def _product(left, right, out):
    if scipy.sparse.issparse(left):
        return left @ right
    return np.matmul(left, right, out=out)


def peak_gigaflops(dtype, seconds, size=1536):
    """Operations per nanosecond of one large product, timed by `seconds(run)`."""
    A = np.full((size, size), 0.01, dtype)
    return 2e-9 * size**3 / seconds(lambda: A @ A)
