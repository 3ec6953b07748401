"""The reference engine: what is computed, written to be read.

Every other engine is tested against this one, and it is what runs where no extension was built. It uses only functions
of the Python array API standard, of the namespace of the data: solvers pass and receive NumPy vectors, which are
converted once a call. CSR input enters through the operator ``@`` alone.
"""

from functools import cached_property
from itertools import pairwise

import numpy as np

from skl2net.engines.base import Engine, EpochTotals, OptimiserState, Session

UPDATES_PER_SWEEP = 64  # how often subnormal numbers are made zero


class ReferenceSession(Session):
    """See `Session`. The arrays of the task may be those of any array library that has in-place assignment."""

    def __init__(self, task):
        super().__init__(task)
        if hasattr(task.X, "check_format"):  # the operator @ would read beyond the arrays of a broken CSR
            task.X.check_format(full_check=True)
        is_numpy = isinstance(task.X, np.ndarray) or hasattr(task.X, "indptr")
        self._xp = np if is_numpy else _namespace_of(task.X)
        self._Y, self._sample_weight = (_optional(self._native, array) for array in (task.Y, task.sample_weight))

    @cached_property
    def dtype(self):
        return np.dtype(np.float32 if self.task.X.dtype == self._xp.float32 else np.float64)

    def outputs(self, parameters, *, raw=False):
        Z = self._forward(self._native(parameters), self._rows[0])[-1]
        return _to_numpy(Z if raw else self.task.loss.output.value(Z, self._xp))

    def loss_and_gradient(self, parameters):
        """See `Session.loss_and_gradient`."""
        loss, gradient = self._loss_and_gradient(self._native(parameters), *self._rows)
        return float(loss), _to_numpy(gradient)

    def losses(self, vectors):
        X, Y, sample_weight = self._rows
        values = []
        for vector in vectors:
            self.task.raise_if_cancelled()
            Z = self._forward(self._native(vector), X)[-1]
            row_losses, _ = self.task.loss.value_and_derivative(Z, self._targets(Y, Z), self._xp)
            values.append(float(self._mean(row_losses, sample_weight)))
        return np.asarray(values, dtype=np.float64)

    def run_updates(self, state, batches, coefficients, optimiser, learning_rates, each=None):
        """See `Session.run_updates`."""
        native = OptimiserState(self._native(state.parameters), self._native(state.moments), state.n_updates)
        order = _optional(self._native, self.task.rows if batches.order is None else batches.order)
        curves = []
        try:
            for epoch in range(len(batches.n_samples)):
                rows = order if batches.order is None else order[epoch, :]
                updates = zip(pairwise(batches.bounds.tolist()), batches.n_samples[epoch], strict=True)
                totals = self._run_epoch(native, rows, updates, coefficients[epoch], optimiser, learning_rates[epoch])
                if not self._xp.all(self._xp.isfinite(native.parameters)):
                    break
                curves.append([*map(float, totals)])
                if each is not None:
                    each[epoch] = _to_numpy(native.parameters)
        finally:
            state.parameters[...], state.moments[...] = _to_numpy(native.parameters), _to_numpy(native.moments)
            state.n_updates = native.n_updates
        return np.reshape(curves, (len(curves), len(EpochTotals._fields)))

    def _run_epoch(self, state, order, updates, coefficients, optimiser, learning_rates):
        xp, network, parameters = self._xp, self.task.network, state.parameters
        data_loss = penalty = 0.0
        n_rows = 0
        for i, ((start, stop), n_samples) in enumerate(updates):
            self.task.raise_if_cancelled()
            if n_samples == 0:
                continue
            size, rows = stop - start, slice(start, stop)
            if order is not None:
                rows = order[rows]
            arrays = (self.task.X, self._Y, self._sample_weight)
            value, gradient = self._loss_and_gradient(parameters, *(self._taken(array, rows) for array in arrays))
            data_loss = data_loss + value * size
            n_rows += size
            for layer, s in enumerate(network.weight_slices):
                w, coefficient = parameters[s], float(coefficients.penalty[i, layer])
                penalty = penalty + 0.5 * coefficient * self._total(w * w) * size
                gradient[s] += coefficient * w
            state.n_updates += 1
            change = optimiser.change(state, gradient, float(learning_rates[i]), xp)
            for layer, s in enumerate(network.weight_slices):
                before, after = float(coefficients.decay_before[i, layer]), float(coefficients.decay_after[i, layer])
                parameters[s] = (1 - after) * ((1 - before) * parameters[s] + change[s])
            parameters[network.n_weights :] += change[network.n_weights :]
            if state.n_updates % UPDATES_PER_SWEEP == 0:
                _sweep(state, optimiser, xp)
        weights = parameters[: network.n_weights]
        return EpochTotals(data_loss, penalty, n_rows, self._total(weights * weights))

    def _loss_and_gradient(self, parameters, X, Y, sample_weight):
        xp, activations = self._xp, self._forward(parameters, X)
        Z = activations[-1]
        row_losses, delta = self.task.loss.value_and_derivative(Z, self._targets(Y, Z), xp)
        if sample_weight is None:
            delta = delta / X.shape[0]
        else:
            n_samples = xp.asarray(self._total(sample_weight), dtype=sample_weight.dtype)
            delta = delta * (sample_weight / n_samples)[:, None]
        return self._mean(row_losses, sample_weight), self._backward(parameters, activations, delta)

    def _forward(self, parameters, X):
        """The input, the activations of each hidden layer, and the raw outputs."""
        activations = [X]
        layers = [*zip(*self.task.network.unpack(parameters, self._xp), strict=True)]
        for coef, intercept in layers[:-1]:
            Z = activations[-1] @ coef + intercept
            activations.append(self.task.network.activation.value(Z, self._xp))
        coef, intercept = layers[-1]
        return [*activations, activations[-1] @ coef + intercept]

    def _backward(self, parameters, activations, delta):
        """Gradient of the loss, from its derivative `delta` with respect to the raw outputs."""
        xp, network = self._xp, self.task.network
        coefs, _ = network.unpack(parameters, xp)
        of_coefs, of_intercepts = [], []
        for layer in reversed(range(network.n_layers)):
            of_coefs.insert(0, xp.reshape(activations[layer].T @ delta, (-1,)))
            of_intercepts.insert(0, xp.sum(delta, axis=0))
            if layer:
                delta = (delta @ coefs[layer].T) * network.activation.derivative(activations[layer], xp)
        return xp.concat([*of_coefs, *of_intercepts])

    def _targets(self, Y, Z):
        """Targets of each output, also from numbers of classes."""
        if Y.ndim > 1:
            return Y
        xp = self._xp
        return xp.astype(Y[:, None] == xp.arange(Z.shape[1], dtype=Y.dtype), Z.dtype)

    def _mean(self, row_losses, sample_weight):
        """Weighted mean in double precision; a row of weight zero counts for nothing, even if its loss overflows."""
        if sample_weight is None:
            return self._total(row_losses) / row_losses.shape[0]
        xp = self._xp
        counted = xp.where(sample_weight > 0, row_losses, xp.zeros_like(row_losses))
        return self._total(counted * sample_weight) / self._total(sample_weight)

    def _total(self, values):
        return self._xp.sum(values, dtype=self._xp.float64)

    @cached_property
    def _rows(self):
        """X, Y and the sample weights of the rows that count."""
        arrays = self.task.X, self._Y, self._sample_weight
        if self.task.rows is None:
            return arrays
        rows = self._native(self.task.rows)
        return tuple(self._taken(array, rows) for array in arrays)

    def _taken(self, array, rows):
        """The given rows, a slice or an array of indices, of an array or CSR; None for None."""
        if array is None:
            return None
        if isinstance(rows, slice) or hasattr(array, "indptr"):
            return array[rows, ...]
        return self._xp.take(array, rows, axis=0)

    def _native(self, array):
        """A NumPy array as one of the array library of the data, or such an array as it is."""
        if self._xp is np:
            return np.asarray(array)
        return self._xp.asarray(array, device=self.task.X.device)


def _namespace_of(X):
    from sklearn.externals.array_api_compat import array_namespace  # knows PyTorch, whose names differ

    return array_namespace(X)


def _to_numpy(array):
    if isinstance(array, np.ndarray):
        return array
    return np.asarray(array.to("cpu") if hasattr(array, "to") else array)  # of PyTorch, from a device


def _optional(function, value):
    return None if value is None else function(value)


def _sweep(state, optimiser, xp):
    """Make subnormal numbers zero. What only decays would get stuck there, and slow processors down."""
    info = xp.finfo(state.parameters.dtype)

    def drop_subnormals(array):
        array[...] = xp.where(xp.abs(array) < info.smallest_normal, xp.zeros_like(array), array)

    drop_subnormals(state.parameters)
    if not optimiser.feels_subnormals(info):
        drop_subnormals(state.moments)


engine = Engine("reference", ReferenceSession)
