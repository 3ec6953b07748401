"""The reference engine: what is computed, written to be read.

Every other engine is tested against this one, and it is what runs where no extension was built. It uses only
functions of the Python array API standard, from the namespace `xp`; CSR input enters through the operator ``@`` alone.
`skl2net.engines.interface` says what is handed to them.
"""

import numpy as np

from skl2net.engines.interface import EpochTotals, SGDStep

name = "reference"


def outputs(network, parameters, X, *, raw=False, xp=np):
    """Outputs of the network.

    Parameters
    ----------
    network : Network
    parameters : array of shape (n_parameters,)
    X : array or CSR of shape (n_rows, n_features)
    raw : bool, default=False
        Leave the output function out.

    Returns
    -------
    array of shape (n_rows, n_outputs)
    """
    Z = _forward(network, parameters, X, xp)[-1]
    return Z if raw else _OUTPUTS[network.output](Z, xp)


def loss_and_gradient(network, loss, parameters, X, Y, sample_weight=None, *, xp=np):
    """Data loss (the weighted mean over rows of the sum over outputs) and its gradient.

    Parameters
    ----------
    network : Network
    loss : {"squared_error", "log_loss", "poisson"}
    parameters : array of shape (n_parameters,)
    X : array or CSR of shape (n_rows, n_features)
    Y : array of shape (n_rows, n_outputs)
    sample_weight : array of shape (n_rows,), default=None
        Not negative, and not all zero.

    Returns
    -------
    loss : float
    gradient : array of shape (n_parameters,)
    """
    activations = _forward(network, parameters, X, xp)
    row_losses, delta = _loss_and_delta(network, loss, activations[-1], Y, xp)
    if sample_weight is None:
        value = _total(row_losses, xp) / X.shape[0]
        delta = delta / X.shape[0]
    else:
        items = _total(sample_weight, xp)
        value = _total(row_losses * sample_weight, xp) / items
        delta = delta * (sample_weight / items)[:, None]
    return value, _backward(network, parameters, activations, delta, xp)


def losses(network, loss, swarm, X, Y, sample_weight=None, *, xp=np):
    """Data loss of many parameter vectors.

    Parameters
    ----------
    network, loss, X, Y, sample_weight
        As for `loss_and_gradient`.
    swarm : array of shape (n_vectors, n_parameters)

    Returns
    -------
    array of shape (n_vectors,), float64
    """
    values = []
    for i in range(swarm.shape[0]):
        Z = _forward(network, swarm[i, :], X, xp)[-1]
        row_losses, _ = _loss_and_delta(network, loss, Z, Y, xp)
        if sample_weight is None:
            values.append(_total(row_losses, xp) / X.shape[0])
        else:
            values.append(_total(row_losses * sample_weight, xp) / _total(sample_weight, xp))
    return xp.asarray(values, dtype=xp.float64)


def run_updates(network, loss, state, X, Y, sample_weight, batches, numbers, step, *, xp=np):
    """Run epochs of mini-batch updates, one update after the other, changing `state` in place.

    Parameters
    ----------
    network, loss, X, Y, sample_weight
        As for `loss_and_gradient`.
    state : GradientState
        Parameters, the optimiser's moments, and the number of updates so far.
    batches : Batches
        Which rows each update takes, and how many items they amount to; a batch of 0 items is skipped.
    numbers : L2Numbers
        Fields of shape (n_epochs, n_updates, n_layers).
    step : SGDStep or AdamStep

    Returns
    -------
    ndarray of shape (n_done, 4)
        `EpochTotals` of each epoch. The run ends with an epoch whose parameters are not finite, which is left out.
    """
    curves = []
    for epoch in range(batches.items.shape[0]):
        totals = _run_epoch(network, loss, state, X, Y, sample_weight, batches, numbers, step, epoch, xp)
        if not xp.all(xp.isfinite(state.parameters)):
            break
        curves.append(totals)
    return np.reshape(curves, (len(curves), len(EpochTotals._fields)))


def _run_epoch(network, loss, state, X, Y, sample_weight, batches, numbers, step, epoch, xp):
    data_loss = penalty = 0.0
    n_rows = 0
    parameters = state.parameters
    for i in range(batches.items.shape[1]):
        if batches.items[epoch, i] == 0:
            continue
        rows = slice(int(batches.bounds[i]), int(batches.bounds[i + 1]))
        size = rows.stop - rows.start
        if batches.order is not None:
            rows = batches.order[epoch, rows]
        weight = None if sample_weight is None else _take(sample_weight, rows, xp)
        value, gradient = loss_and_gradient(
            network, loss, parameters, _take(X, rows, xp), _take(Y, rows, xp), weight, xp=xp
        )
        data_loss += value * size
        n_rows += size
        for layer, s in enumerate(network.weight_slices):
            w = parameters[s]
            coefficient = float(numbers.gradient[epoch, i, layer])
            penalty += 0.5 * coefficient * _total(w * w, xp) * size
            gradient[s] += coefficient * w
        state.n_updates += 1
        change = (_sgd_change if isinstance(step, SGDStep) else _adam_change)(step, state, gradient, xp)
        for layer, s in enumerate(network.weight_slices):
            before, after = float(numbers.before[epoch, i, layer]), float(numbers.after[epoch, i, layer])
            parameters[s] = (1 - after) * ((1 - before) * parameters[s] + change[s])
        parameters[network.n_weights :] += change[network.n_weights :]
    weights = parameters[: network.n_weights]
    return EpochTotals(data_loss, penalty, n_rows, _total(weights * weights, xp))


def _sgd_change(step, state, gradient, xp):
    velocity = step.momentum * state.first - step.learning_rate * gradient
    state.first[...] = velocity
    return step.momentum * velocity - step.learning_rate * gradient if step.nesterov else velocity


def _adam_change(step, state, gradient, xp):
    t = state.n_updates
    state.first[...] = step.beta_1 * state.first + (1 - step.beta_1) * gradient
    state.second[...] = step.beta_2 * state.second + (1 - step.beta_2) * (gradient * gradient)
    learning_rate = step.learning_rate * (1 - step.beta_2**t) ** 0.5 / (1 - step.beta_1**t)
    return -learning_rate * state.first / (xp.sqrt(state.second) + step.epsilon)


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
    P = _OUTPUTS[network.output](Z, xp)
    if loss == "log_loss":
        if network.output == "softmax":
            top = xp.max(Z, axis=1, keepdims=True)
            log_sum = top + xp.log(xp.sum(xp.exp(Z - top), axis=1, keepdims=True))
            return xp.sum(Y * (log_sum - Z), axis=1), P - Y
        softplus = xp.where(Z > 0, Z, 0.0) + xp.log1p(xp.exp(-xp.abs(Z)))
        return xp.sum(softplus - Y * Z, axis=1), P - Y
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


def _logistic(Z, xp):
    small = xp.exp(-xp.abs(Z))
    return xp.where(Z >= 0, 1.0, small) / (1 + small)


def _softmax(Z, xp):
    E = xp.exp(Z - xp.max(Z, axis=1, keepdims=True))
    return E / xp.sum(E, axis=1, keepdims=True)


_ACTIVATIONS = {
    "identity": lambda Z, xp: Z,
    "logistic": _logistic,
    "tanh": lambda Z, xp: xp.tanh(Z),
    "relu": lambda Z, xp: xp.where(Z < 0, 0.0, Z),
}

_DERIVATIVES = {
    "identity": lambda A, xp: 1.0,
    "logistic": lambda A, xp: A * (1 - A),
    "tanh": lambda A, xp: 1 - A * A,
    "relu": lambda A, xp: xp.where(A > 0, 1.0, xp.zeros_like(A)),
}

_OUTPUTS = {
    "identity": lambda Z, xp: Z,
    "logistic": _logistic,
    "softmax": _softmax,
    "exp": lambda Z, xp: xp.exp(Z),
}
