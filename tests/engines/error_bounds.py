"""How far rounding can take an engine's results from the exact ones: a running error analysis, to first order.

Each quantity of the forward and the backward pass comes with a bound of its error, entry by entry. A sum of k products
is off by at most k·u·Σ|terms|, u the unit roundoff, whatever its order (Higham, "Accuracy and Stability of Numerical
Algorithms", §3.1); elementary functions are taken to be right to 4 ulp, that is 8u, before a few operations more; and
what is below the smallest normal number may be zero.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

_FUNCTION = 12  # roundings, in units of u, of an elementary function and the operations around it

# value, and change of the slope with the value
_ACTIVATIONS = {
    "identity": (lambda Z: Z, np.zeros_like),
    "logistic": (expit, lambda A: np.abs(1 - 2 * A)),
    "tanh": (np.tanh, lambda A: 2 * np.abs(A)),
    "relu": (lambda Z: np.maximum(Z, 0), np.zeros_like),
    "softplus": (lambda Z: np.logaddexp(0, Z), lambda A: np.exp(-A)),
}


@dataclass
class Bounds:
    """Bounds of the errors of an engine's results for a case."""

    raw: np.ndarray
    outputs: np.ndarray
    loss: float
    gradient: np.ndarray


def error_bounds(case, dtype):
    """Bound the rounding errors of computing a case in the given precision.

    Parameters
    ----------
    case : cases.Case
        In float64; sparse input is taken as dense, since products with zero round nothing.
    dtype : dtype
        Precision of the engine.

    Returns
    -------
    Bounds
    """
    u, tiny = np.finfo(dtype).eps / 2, np.finfo(dtype).tiny
    network, Y = case.network, case.Y
    X = case.X.toarray() if hasattr(case.X, "toarray") else case.X
    n_rows = len(X)
    weight = np.ones(n_rows) if case.sample_weight is None else case.sample_weight
    weight = weight / weight.sum()
    coefs, intercepts = network.unpack(case.parameters)
    value, slope_change = _ACTIVATIONS[network.activation.name]

    A, E = [X], [np.zeros_like(X)]
    Zs, E_Zs = [], []
    for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        size = np.abs(A[-1]) @ np.abs(coef) + np.abs(intercept)
        Zs.append(A[-1] @ coef + intercept)
        E_Zs.append(E[-1] @ np.abs(coef) + (len(coef) + 1) * u * size)
        if layer < network.n_layers - 1:
            A.append(value(Zs[-1]))
            E.append(network.activation.lipschitz * E_Zs[-1] + _FUNCTION * u * np.abs(A[-1]) + tiny)
    Z, E_Z = Zs[-1], E_Zs[-1]

    P, E_P = _outputs(case.loss.output.name, Z, E_Z, u)
    E_P = E_P + tiny
    row_loss, E_row_loss = _row_loss(case.loss, Z, E_Z, P, E_P, Y, u)
    D, E_D = _delta(case.loss, P, E_P, Y, u)
    # a derivative close to the subnormal numbers may be zero
    D, E_D = D * weight[:, None], (E_D + 4 * u * np.abs(D)) * weight[:, None] + tiny / u

    gradient = np.empty_like(case.parameters)
    coef_bounds, intercept_bounds = network.unpack(gradient)
    for layer in reversed(range(network.n_layers)):
        coef_bounds[layer][...] = (E[layer] + n_rows * u * np.abs(A[layer])).T @ np.abs(D) + np.abs(A[layer]).T @ E_D
        intercept_bounds[layer][...] = (E_D + n_rows * u * np.abs(D)).sum(axis=0)
        if layer:
            coef, hidden = np.abs(coefs[layer]), A[layer]
            S, E_S = D @ coefs[layer].T, E_D @ coef.T + coef.shape[1] * u * (np.abs(D) @ coef.T)
            slope = _slope(network.activation.name, hidden)
            E_slope = slope_change(hidden) * E[layer] + (_FUNCTION if network.activation.name == "softplus" else 3) * u
            if network.activation.name == "relu":  # the slope jumps where the sign of the input is in doubt
                E_slope = 1.0 * (np.abs(Zs[layer - 1]) <= 2 * E_Zs[layer - 1])
            D, E_D = S * slope, E_S * slope + np.abs(S) * E_slope + u * np.abs(S * slope)
    loss = weight @ (E_row_loss + (n_rows + 2) * u * np.abs(row_loss) + tiny)
    return Bounds(E_Z, E_P, float(loss), gradient + n_rows * tiny)


def _slope(activation, A):
    """Derivative of the activation, from its value."""
    return {
        "identity": np.ones_like,
        "logistic": lambda A: A * (1 - A),
        "tanh": lambda A: 1 - A * A,
        "relu": lambda A: 1.0 * (A > 0),
        "softplus": lambda A: -np.expm1(-A),
    }[activation](A)


def _outputs(output, Z, E_Z, u):
    if output == "identity":
        return Z, E_Z
    if output == "exp":
        P = np.exp(Z)
        return P, P * (E_Z + _FUNCTION * u)
    if output == "logistic":
        P = expit(Z)
        return P, P * (1 - P) * E_Z + _FUNCTION * u * P
    below = Z.max(axis=1, keepdims=True) - Z
    P = np.exp(-below)
    P /= P.sum(axis=1, keepdims=True)
    exponent = E_Z + u * below
    return P, P * (exponent + (P * exponent).sum(axis=1, keepdims=True) + (Z.shape[1] + 2 * _FUNCTION) * u)


def _slope_of_loss(loss, error, kink):
    """Derivative of a loss that is linear where the error is beyond its kinks."""
    low, high = loss.slopes
    return np.where(error < -kink, low, np.where(error > kink, high, error))


def _row_loss(loss, Z, E_Z, P, E_P, Y, u):
    name, output = loss.name, loss.output.name
    if name == "squared_error":
        terms, errors = 0.5 * (P - Y) ** 2, np.abs(P - Y) * E_P
        sizes = terms
    elif name == "huber":
        slope = _slope_of_loss(loss, P - Y, 1.35)
        terms, errors = slope * (P - Y - slope / 2), np.abs(slope) * (E_P + u * np.abs(P - Y))
        sizes = np.abs(slope * (P - Y))
    elif name in ("absolute_error", "quantile"):
        terms, errors = _slope_of_loss(loss, P - Y, 0) * (P - Y), np.max(np.abs(loss.slopes)) * E_P
        sizes = terms
    elif name == "poisson":
        y_log_y = Y * np.log(np.where(Y > 0, Y, 1))
        terms, errors = y_log_y - Y * Z - Y + P, np.abs(Y) * E_Z + E_P
        sizes = y_log_y + np.abs(Y * Z) + Y + P
    elif output == "softmax":
        top = Z.max(axis=1, keepdims=True)
        log_sum = top + np.log(np.exp(Z - top).sum(axis=1, keepdims=True))
        terms, errors = Y * (log_sum - Z), Y * (E_Z + (P * E_Z).sum(axis=1, keepdims=True))
        sizes = Y * (np.abs(log_sum) + np.abs(top) + np.abs(Z) + Z.shape[1])
    else:
        softplus = np.logaddexp(0, Z)
        terms, errors = softplus - Y * Z, np.abs(P - Y) * E_Z
        sizes = softplus + np.abs(Y * Z)
    return terms.sum(axis=1), (errors + (_FUNCTION + Z.shape[1]) * u * np.abs(sizes)).sum(axis=1)


def _delta(loss, P, E_P, Y, u):
    name, output = loss.name, loss.output.name
    error, E_error = P - Y, E_P + u * np.abs(P - Y)
    if name == "huber":
        D = _slope_of_loss(loss, error, 1.35)
        return D, E_error * (np.abs(error) <= 1.35 + E_error) + u * np.abs(D)
    if name in ("absolute_error", "quantile"):
        D = _slope_of_loss(loss, error, 0)  # which jumps where the sign of the error is in doubt
        return D, u * np.abs(D) + np.ptp(loss.slopes) * (np.abs(error) <= 2 * E_error)
    if name != "squared_error" or output == "identity":
        return error, E_error
    if output == "logistic":
        D = error * P * (1 - P)
        return D, E_error * P * (1 - P) + np.abs(error) * (E_P + u * P) + 3 * u * np.abs(D)
    mean = (P * error).sum(axis=1, keepdims=True)
    E_mean = (E_P * np.abs(error) + P * E_error + (P.shape[1] + 1) * u * P * np.abs(error)).sum(axis=1, keepdims=True)
    D = P * (error - mean)
    return D, E_P * np.abs(error - mean) + P * (E_error + E_mean + u * np.abs(error - mean)) + u * np.abs(D)
