"""The posterior of a fitted network: the Laplace approximation, with the Gauss-Newton matrix of all weights and biases.

A penalty is a Gaussian prior, and the fitted parameters maximise the posterior probability. Around them, the network is
replaced by its linearisation, whose posterior is Gaussian. N times the objective is ``Σ loss + ½·Σ Λ·w²``, and so the
precision matrix is ``A = Σ JᵀHJ + Λ``: J is the Jacobian of the raw outputs of a sample, H the second derivative of its
loss with respect to them. With squared errors, the objective is that of noise of variance s² and of a prior of
precision Λ/s², whatever s² is: then A/s² is the precision. See MacKay, "A practical Bayesian framework for
backpropagation networks", Neural Computation 4 (1992), and Immer, Korzepa & Bauer, "Improving predictions of Bayesian
neural nets via local linearization", AISTATS 2021.

Training leaves biases alone. The prior of those of the outputs is flat, made proper by the precision `FLAT`. Those of
hidden units have the prior of the weights of their layer: with a flat one, the linearisation has no limit of
uncertainty where a relu unit is not zero that is zero for all samples, or where only the difference of two units shows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtri, dtrtrs

from skl2net.engines.threads import one_blas_thread
from skl2net.l2 import DECAYS

FLAT = 1e-6  # smallest precision
_LARGEST = 2**30  # bytes


@dataclass(frozen=True, eq=False)
class Posterior:
    """Laplace approximation of the posterior of a network's parameters.

    The precision matrix of the parameters is A = Σ JᵀHJ + Λ, or A/s² with squared errors. For a regressor with
    ``normalize_y=True``, all numbers are in standard units.

    Parameters
    ----------
    precision : ndarray of shape (n_parameters,)
        Λ, the precision of the prior: of the weights, layer by layer, then of the biases.
    factor : ndarray of shape (n, n)
        Upper triangular U with UᵀU = A; if there are `rows`, with UᵀU = 1 + rows·rowsᵀ.
    rows : ndarray of shape (n, n_parameters) or None
        The products of √H, J and Λ^(-½) for all samples and outputs, if these are fewer than the parameters: then A is
        Λ^½·(1 + rowsᵀ·rows)·Λ^½.
    log_determinant : float
        Logarithm of the determinant of A.
    effective_parameters : ndarray of shape (n_layers,)
        How many parameters of each layer the data determine, γ: the sum of 1 - Λ·A⁻¹ over the diagonal.
    loss : float
        Data loss at the fitted parameters, a mean over the training samples.
    expected_loss : float
        Estimate of the loss on new samples: `loss` + γ/N, or with squared errors `loss` + s²·γ/N.
    noise_variance : ndarray of shape (n_outputs,) or None
        Variance s² of the noise of each output, RSS/(N - γ/n_outputs); None if the loss has no Gaussian noise.
    """

    precision: np.ndarray
    factor: np.ndarray
    rows: np.ndarray | None
    log_determinant: float
    effective_parameters: np.ndarray
    loss: float
    expected_loss: float
    noise_variance: np.ndarray | None

    def __post_init__(self):
        n = len(self.precision) if self.rows is None else len(self.rows)
        if self.factor.shape != (n, n):  # of a file; LAPACK would return something
            raise ValueError(f"`factor` must be of shape {(n, n)}, got {self.factor.shape}")

    def variances(self, J):
        """jᵀA⁻¹j for each vector j in the last axis of an array, ndarray of shape ``J.shape[:-1]``."""
        j = J.reshape(-1, len(self.precision)).T
        if self.rows is None:
            return _sums_of_squares(_divided(j, self.factor)).reshape(J.shape[:-1])
        j = j / np.sqrt(self.precision)[:, None]
        known = _sums_of_squares(_divided(self.rows @ j, self.factor))
        return np.maximum(_sums_of_squares(j) - known, 0).reshape(J.shape[:-1])


def check_posterior(problem, solver):
    """Refuse a problem whose posterior cannot be computed, before it is solved."""
    loss, n_parameters = problem.task.loss, problem.network.n_parameters
    if problem.rule.mode in DECAYS:
        raise ValueError(
            f"posterior=True needs an objective, and l2_mode={problem.rule.mode!r} has none. Use l2_mode='prior'."
        )
    if solver.objective is not None:
        raise ValueError(
            "posterior=True needs the loss as the objective of the swarm. Pass ParticleSwarm() without one."
        )
    if not loss.has_curvature:
        raise ValueError(
            f"posterior=True needs a loss with a second derivative, and loss={loss.name!r} has none. Use "
            "'squared_error' or 'poisson', or conformal intervals, which every network can have."
        )
    n = min(problem.n_rows * problem.network.layer_sizes[-1], n_parameters)
    n_bytes = 8 * (n * n if n == n_parameters else n * (n + n_parameters))
    if n_bytes > _LARGEST:
        raise ValueError(
            f"posterior=True for a network of {n_parameters:,} weights and biases takes matrices of "
            f"{n_bytes / 2**30:.1f} GiB each, and {_LARGEST / 2**30:g} GiB is the most that is supported. Use fewer "
            "hidden units, or an ensemble, BaggingRegressor(net, bootstrap=False)."
        )


def laplace(problem, parameters, penalty):
    """The posterior at the end of a training.

    Parameters
    ----------
    problem : Problem
        Of the rows that were trained on.
    parameters : ndarray of shape (n_parameters,)
        The fitted parameters.
    penalty : ndarray of shape (n_layers,)
        Coefficient of the penalty in the objective, for each layer.

    Returns
    -------
    Posterior
    """
    network, session, n_samples = problem.network, problem.session, problem.n_samples
    n_outputs, n_parameters = network.layer_sizes[-1], network.n_parameters
    precision, of_layers = np.full(n_parameters, FLAT), np.maximum(n_samples * penalty, FLAT)
    parts = network.weight_slices + network.bias_slices[:-1]
    for part, value in zip(parts, [*of_layers, *of_layers[:-1]], strict=True):
        precision[part] = value
    if problem.n_rows * n_outputs < n_parameters:
        blocks = session.jacobians(parameters, curved=True)
        rows = np.concatenate([block.reshape(-1, n_parameters) for block in blocks])
        rows /= np.sqrt(precision)
        factor = _factor(np.eye(len(rows)) + rows @ rows.T)
        log_determinant = np.log(precision).sum()
        gamma = _sums_of_squares(_divided(rows, factor))
    else:
        matrix, rows, log_determinant = session.gauss_newton(parameters), None, 0.0
        matrix[np.diag_indices(n_parameters)] += precision
        factor = _factor(matrix)
        with one_blas_thread():
            gamma = 1 - precision * _sums_of_squares(dtrtri(factor.T, lower=1)[0])
    slices = zip(network.weight_slices, network.bias_slices, strict=True)
    effective_parameters = np.array([gamma[weights].sum() + gamma[biases].sum() for weights, biases in slices])
    n_effective, loss = effective_parameters.sum(), problem.data_loss(parameters)
    noise_variance, optimism = None, n_effective / n_samples
    if problem.task.loss.has_noise:
        n_free = n_samples - n_effective / n_outputs
        noise_variance = session.squared_errors(parameters) / n_free if n_free > 0 else np.full(n_outputs, np.inf)
        optimism *= noise_variance.mean()
    return Posterior(
        precision,
        factor,
        rows,
        float(log_determinant + 2 * np.log(np.diagonal(factor)).sum()),
        effective_parameters,
        loss,
        float(loss + optimism),
        noise_variance,
    )


def _factor(matrix):
    """Upper triangular U with UᵀU = matrix, whose upper triangle is used, and overwritten."""
    with one_blas_thread():  # on a busy machine, two would take a hundred times as long
        lower, info = dpotrf(matrix.T, lower=1, overwrite_a=1)
    if info:
        raise ValueError(
            "posterior=True failed: the precision matrix of the posterior is not positive definite in double "
            "precision. Standardise the features, or increase alpha."
        )
    return lower.T


def _divided(columns, factor):
    """U⁻ᵀ times each column."""
    return dtrtrs(factor.T, columns, lower=1)[0]


def _sums_of_squares(columns):
    return np.einsum("ij,ij->j", columns, columns)
