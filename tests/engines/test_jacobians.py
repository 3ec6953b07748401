"""Derivatives of the outputs of each row, and the Gauss-Newton matrix, against differences of outputs."""

from itertools import pairwise

import numpy as np
import pytest
from cases import LOSS_OF, hidden_values, make_case

from skl2net.activations import ACTIVATIONS
from skl2net.engines import available_engines, jacobians

each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
each_loss = pytest.mark.parametrize(("output", "loss"), [key for key, loss in LOSS_OF.items() if loss.has_curvature])

STEP = 1e-5  # of differences: their error is 1e-16 / STEP + STEP² times third derivatives of about 1
TOLERANCE = 1e-9


def differences(function, z):
    """Derivative of a function of a vector by central differences, the vector in the last axis."""
    steps = STEP * np.eye(len(z))
    return np.stack([(function(z + h) - function(z - h)) / (2 * STEP) for h in steps], axis=-1)


def numeric_jacobian(engine, case):
    """Derivatives of the raw outputs, ndarray of shape (n_rows, n_outputs, n_parameters)."""
    session = engine.open(case.task)
    return differences(lambda parameters: session.outputs(parameters, raw=True), case.parameters)


def numeric_curvature(loss, z, y):
    """Second derivative of the loss of one row by its raw outputs, without that of the output function."""
    if loss.has_noise:
        slope = differences(lambda z: loss.output.value(z[None], np)[0], z)
        return slope.T @ slope
    return differences(lambda z: loss.value_and_derivative(z[None], y[None], np)[1][0], z)


@each_engine
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_jacobians_are_differences_of_the_outputs(engine, activation, hidden, sparse, monkeypatch):
    case = make_case((3, *hidden, 2), activation, "identity", "squared_error", n_rows=11, sparse=sparse)
    assert activation != "relu" or all(abs(values).min() > 1e-3 for values in hidden_values(case))  # no kink in a step
    monkeypatch.setattr(jacobians, "_BLOCK", 4 * 2 * len(case.parameters))  # four rows
    blocks = [*engine.open(case.task).jacobians(case.parameters)]
    assert [len(block) for block in blocks] == [4, 4, 3]
    np.testing.assert_allclose(np.concatenate(blocks), numeric_jacobian(engine, case), rtol=0, atol=TOLERANCE)


@each_loss
def test_curvature_root_is_one_of_the_second_derivative(output, loss):
    case = make_case((2, 3), "identity", output, loss, n_rows=5)
    Z = np.random.default_rng(0).normal(size=case.Y.shape)
    B = case.loss.curvature_root(Z, np)
    for z, y, root in zip(Z, case.Y, B, strict=True):
        np.testing.assert_allclose(root @ root.T, numeric_curvature(case.loss, z, y), rtol=0, atol=TOLERANCE)


@each_loss
def test_curvature_root_is_finite_where_outputs_saturate(output, loss):
    case = make_case((2, 3), "identity", output, loss)
    Z = np.array([[700.0, -700.0, 0.0], [-700.0, -700.0, -700.0]])
    assert np.isfinite(case.loss.curvature_root(Z, np)).all()


@each_engine
@each_loss
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_gauss_newton_matrix(engine, n_outputs, output, loss):
    case = make_case((3, 4, n_outputs), "tanh", output, loss, n_rows=8, weighted=True)
    J, Z = numeric_jacobian(engine, case), engine.open(case.task).outputs(case.parameters, raw=True)
    expected = sum(
        weight * j.T @ numeric_curvature(case.loss, z, y) @ j
        for weight, j, z, y in zip(case.sample_weight, J, Z, case.Y, strict=True)
    )
    matrix = engine.open(case.task).gauss_newton(case.parameters)
    np.testing.assert_allclose(matrix, np.triu(expected), rtol=0, atol=1e-8)


@each_engine
def test_the_matrix_is_a_sum_over_rows(engine):
    case = make_case((3, 4, 2), "softplus", "softmax", "log_loss", n_rows=20, weighted=True)
    parts = (engine.open(case.task.with_rows(np.arange(*ends))) for ends in pairwise([0, 7, 8, 20]))
    sums = sum(part.gauss_newton(case.parameters) for part in parts)
    np.testing.assert_allclose(sums, engine.open(case.task).gauss_newton(case.parameters), rtol=0, atol=1e-14)


@each_engine
def test_float32_is_computed_in_double_precision(engine):
    case = make_case((3, 4, 2), "tanh", "softmax", "log_loss").astype(np.float32)
    matrix = engine.open(case.task).gauss_newton(case.parameters)
    expected = engine.open(case.astype(np.float64).task).gauss_newton(case.parameters.astype(np.float64))
    np.testing.assert_array_equal(matrix, expected)


@each_engine
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_squared_errors_of_each_output(engine, loss):
    output = "identity" if loss == "squared_error" else "exp"
    case = make_case((3, 4, 2), "tanh", output, loss, n_rows=9, weighted=True)
    session = engine.open(case.task)
    errors = session.outputs(case.parameters) - case.Y
    np.testing.assert_allclose(session.squared_errors(case.parameters), case.sample_weight @ errors**2, rtol=1e-14)


@each_engine
def test_squared_errors_of_numbers_of_classes(engine):
    case = make_case((3, 3), "tanh", "softmax", "squared_error")
    one_hot, numbers = (engine.open(one.task).squared_errors(case.parameters) for one in (case, case.with_classes()))
    np.testing.assert_array_equal(one_hot, numbers)
