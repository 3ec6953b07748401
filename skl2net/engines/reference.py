"""The reference engine: what is computed, written to be read.

Every other engine is tested against this one, and it is what runs where no extension was built. It uses only
functions of the Python array API standard, from the namespace `xp`; CSR input enters through the operator ``@`` alone.
`skl2net.engines.interface` says what is handed to them.
"""

import numpy as np

from skl2net.engines.interface import EpochTotals

name = "reference"

UPDATES_PER_SWEEP = 64  # how often subnormal numbers are made zero


def outputs(task, parameters, *, raw=False, xp=np):
    """Outputs of the network.

    Parameters
    ----------
    task : Task
    parameters : array of shape (n_parameters,)
    raw : bool, default=False
        Leave the output function out.

    Returns
    -------
    array of shape (n_rows, n_outputs)
    """
    X = _rows_of(task, xp)[0]
    Z = _forward(task.network, parameters, X, xp)[-1]
    return Z if raw else _OUTPUTS[task.network.output](Z, xp)


def loss_and_gradient(task, parameters, *, xp=np):
    """Data loss (the weighted mean over rows of the sum over outputs) and its gradient.

    Parameters
    ----------
    task : Task
    parameters : array of shape (n_parameters,)

    Returns
    -------
    loss : float
    gradient : array of shape (n_parameters,)
    """
    return _loss_and_gradient(task.network, task.loss, parameters, *_rows_of(task, xp), xp)


def losses(task, vectors, *, xp=np):
    """Data loss of many parameter vectors.

    Parameters
    ----------
    task : Task
    vectors : array of shape (n_vectors, n_parameters)

    Returns
    -------
    array of shape (n_vectors,), float64
    """
    X, Y, sample_weight = _rows_of(task, xp)
    values = []
    for i in range(vectors.shape[0]):
        task.raise_if_cancelled()
        Z = _forward(task.network, vectors[i, :], X, xp)[-1]
        row_losses, _ = _loss_and_delta(task.network, task.loss, Z, Y, xp)
        if sample_weight is None:
            values.append(_total(row_losses, xp) / X.shape[0])
        else:
            values.append(_weighted_total(row_losses, sample_weight, xp) / _total(sample_weight, xp))
    return xp.asarray(values, dtype=xp.float64)


def epochs_per_call(task):
    """How many epochs `run_updates` should be asked for at most."""
    return 1


def run_updates(task, state, batches, coefficients, optimiser, learning_rates, each=None, *, xp=np):
    """Run epochs of mini-batch updates, one update after the other, changing `state` in place.

    Parameters
    ----------
    task : Task
    state : OptimiserState
        Parameters, the optimiser's moments, and the number of updates so far.
    batches : Batches
        Which rows each update takes, and how many samples they amount to; a batch of 0 samples is skipped.
    coefficients : L2Coefficients
        Fields of shape (n_epochs, n_updates, n_layers).
    optimiser : SGD or Adam
        See `skl2net.solvers.optimisers`.
    learning_rates : ndarray of float64, shape (n_epochs, n_updates)
        A learning rate for each update, often broadcast.
    each : array of shape (n_epochs, n_parameters), default=None
        Receives the parameters after each epoch.

    Returns
    -------
    ndarray of shape (n_done, 4)
        `EpochTotals` of each epoch. The first epoch whose parameters are not finite ends the run and is left out.
    """
    _check_csr(task.X)
    curves = []
    for epoch in range(batches.n_samples.shape[0]):
        totals = _run_epoch(task, state, batches, coefficients, optimiser, learning_rates, epoch, xp)
        if not xp.all(xp.isfinite(state.parameters)):
            break
        curves.append(totals)
        if each is not None:
            each[epoch, :] = state.parameters
    return np.reshape(curves, (len(curves), len(EpochTotals._fields)))


def _run_epoch(task, state, batches, coefficients, optimiser, learning_rates, epoch, xp):
    network, parameters = task.network, state.parameters
    order = task.rows if batches.order is None else batches.order[epoch, :]
    data_loss = penalty = 0.0
    n_rows = 0
    for i in range(batches.n_samples.shape[1]):
        task.raise_if_cancelled()
        if batches.n_samples[epoch, i] == 0:
            continue
        rows = slice(int(batches.bounds[i]), int(batches.bounds[i + 1]))
        size = rows.stop - rows.start
        if order is not None:
            rows = order[rows]
        weight = None if task.sample_weight is None else _take(task.sample_weight, rows, xp)
        value, gradient = _loss_and_gradient(
            network, task.loss, parameters, _take(task.X, rows, xp), _take(task.Y, rows, xp), weight, xp
        )
        data_loss += value * size
        n_rows += size
        for layer, s in enumerate(network.weight_slices):
            w = parameters[s]
            coefficient = float(coefficients.penalty[epoch, i, layer])
            penalty += 0.5 * coefficient * _total(w * w, xp) * size
            gradient[s] += coefficient * w
        state.n_updates += 1
        change = optimiser.change(state, gradient, float(learning_rates[epoch, i]), xp)
        for layer, s in enumerate(network.weight_slices):
            before = float(coefficients.decay_before[epoch, i, layer])
            after = float(coefficients.decay_after[epoch, i, layer])
            parameters[s] = (1 - after) * ((1 - before) * parameters[s] + change[s])
        parameters[network.n_weights :] += change[network.n_weights :]
        if state.n_updates % UPDATES_PER_SWEEP == 0:
            _sweep(state, optimiser, xp)
    weights = parameters[: network.n_weights]
    return EpochTotals(data_loss, penalty, n_rows, _total(weights * weights, xp))


def _sweep(state, optimiser, xp):
    """Make subnormal numbers zero. What only decays would get stuck there, and slow processors down."""
    info = xp.finfo(state.parameters.dtype)

    def drop_subnormals(array):
        array[...] = xp.where(xp.abs(array) < info.smallest_normal, xp.zeros_like(array), array)

    drop_subnormals(state.parameters)
    if not optimiser.feels_subnormals(info):
        drop_subnormals(state.moments)


def _loss_and_gradient(network, loss, parameters, X, Y, sample_weight, xp):
    activations = _forward(network, parameters, X, xp)
    row_losses, delta = _loss_and_delta(network, loss, activations[-1], Y, xp)
    if sample_weight is None:
        value = _total(row_losses, xp) / X.shape[0]
        delta = delta / X.shape[0]
    else:
        n_samples = _total(sample_weight, xp)
        value = _weighted_total(row_losses, sample_weight, xp) / n_samples
        delta = delta * (sample_weight / n_samples)[:, None]
    return value, _backward(network, parameters, activations, delta, xp)


def _check_csr(X):
    """Refuse CSR whose indices are out of range: the operator ``@`` would read beyond its arrays."""
    if hasattr(X, "check_format"):
        X.check_format(full_check=True)


def _rows_of(task, xp):
    """X, Y and the sample weights of the rows that count."""
    _check_csr(task.X)
    arrays = task.X, task.Y, task.sample_weight
    if task.rows is None:
        return arrays
    return tuple(None if array is None else _take(array, task.rows, xp) for array in arrays)


def _take(array, rows, xp):
    """The given rows, a slice or an array of indices, of an array or CSR."""
    if isinstance(rows, slice) or not hasattr(array, "__array_namespace__"):
        return array[rows, ...]
    return xp.take(array, rows, axis=0)


def _forward(network, parameters, X, xp):
    """The input, the activations of each hidden layer, and the raw outputs."""
    activations = [X]
    layers = list(zip(*network.unpack(parameters), strict=True))
    for coef, intercept in layers[:-1]:
        activations.append(_ACTIVATIONS[network.activation](activations[-1] @ coef + intercept, xp))
    coef, intercept = layers[-1]
    activations.append(activations[-1] @ coef + intercept)
    return activations


def _backward(network, parameters, activations, delta, xp):
    """Gradient of the loss, from its derivative `delta` with respect to the raw outputs."""
    coefs, _ = network.unpack(parameters)
    gradient = xp.empty_like(parameters)
    coef_gradients, intercept_gradients = network.unpack(gradient)
    for layer in reversed(range(network.n_layers)):
        coef_gradients[layer][...] = activations[layer].T @ delta
        intercept_gradients[layer][...] = xp.sum(delta, axis=0)
        if layer:
            derivative = _DERIVATIVES[network.activation](activations[layer], xp)
            delta = (delta @ coefs[layer].T) * derivative
    return gradient


def _loss_and_delta(network, loss, Z, Y, xp):
    """Loss of each row, and its derivative with respect to the raw outputs `Z`."""
    if Y.ndim == 1:  # numbers of classes
        Y = xp.astype(Y[:, None] == xp.arange(Z.shape[1]), Z.dtype)
    P = _OUTPUTS[network.output](Z, xp)
    if loss == "log_loss":
        if network.output == "softmax":
            top = xp.max(Z, axis=1, keepdims=True)
            log_sum = top + xp.log(xp.sum(xp.exp(Z - top), axis=1, keepdims=True))
            return xp.sum(Y * (log_sum - Z), axis=1), P - Y
        return xp.sum(_softplus(Z, xp) - Y * Z, axis=1), P - Y
    if loss == "poisson":
        y_log_y = Y * xp.log(xp.where(Y > 0, Y, 1.0))
        return xp.sum(y_log_y - Y * Z - Y + P, axis=1), P - Y
    error = P - Y
    delta = error
    if network.output == "softmax":
        delta = P * (error - xp.sum(P * error, axis=1, keepdims=True))
    elif network.output == "logistic":
        delta = error * P * (1 - P)
    return 0.5 * xp.sum(error * error, axis=1), delta


def _total(values, xp):
    return float(xp.sum(values, dtype=xp.float64))


def _weighted_total(row_losses, sample_weight, xp):
    """Sum of weight times loss; a row of weight zero counts for nothing, even if its loss overflows."""
    return _total(xp.where(sample_weight > 0, row_losses, xp.zeros_like(row_losses)) * sample_weight, xp)


def _logistic(Z, xp):
    small = xp.exp(-xp.abs(Z))
    return xp.where(Z >= 0, 1.0, small) / (1 + small)


def _softplus(Z, xp):
    return xp.where(Z > 0, Z, 0.0) + xp.log1p(xp.exp(-xp.abs(Z)))


def _softmax(Z, xp):
    E = xp.exp(Z - xp.max(Z, axis=1, keepdims=True))
    return E / xp.sum(E, axis=1, keepdims=True)


_ACTIVATIONS = {
    "identity": lambda Z, xp: Z,
    "logistic": _logistic,
    "tanh": lambda Z, xp: xp.tanh(Z),
    "relu": lambda Z, xp: xp.where(Z < 0, 0.0, Z),
    "softplus": _softplus,
}

_DERIVATIVES = {
    "identity": lambda A, xp: 1.0,
    "logistic": lambda A, xp: A * (1 - A),
    "tanh": lambda A, xp: 1 - A * A,
    "relu": lambda A, xp: xp.where(A > 0, 1.0, xp.zeros_like(A)),
    "softplus": lambda A, xp: -xp.expm1(-A),
}

_OUTPUTS = {
    "identity": lambda Z, xp: Z,
    "logistic": _logistic,
    "softmax": _softmax,
    "exp": lambda Z, xp: xp.exp(Z),
}
