"""What an engine computes: derivatives, known values, other precisions, other array libraries."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import array_api_strict
import numpy as np
import pytest
import scipy.sparse as sp
from cases import (
    LOSS_OF,
    OUTPUT_LOSSES,
    STEPS,
    Case,
    coefficients_of,
    hidden_values,
    make_batches,
    make_case,
    make_network,
    new_state,
    rates_of,
    run,
)
from scipy.special import expit, huber, log_expit, log_softmax, softmax

from skl2net import L2NetClassifier, engines
from skl2net.activations import ACTIVATIONS
from skl2net.engines import available_engines, default_engine
from skl2net.engines.base import Batches, Task
from skl2net.engines.reference import engine as reference
from skl2net.fitting import Plan, Watch, fit_network
from skl2net.l2 import MODES, L2Rule
from skl2net.problem import Problem
from skl2net.solvers.optimisers import SGD
from skl2net.solvers.stopping import StoppingRule
from skl2net.solvers.training_state import TrainingState
from skl2net.training import make_solver

each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
each_output_loss = pytest.mark.parametrize(("output", "loss"), OUTPUT_LOSSES)

# 0, 1 and 3 hidden layers; without hidden units their activation does not matter
NETWORKS = [("identity", ())] + [(activation, sizes) for sizes in ((4,), (4, 3, 5)) for activation in ACTIVATIONS]


def case_off_the_kinks(hidden_sizes, activation, output, loss, **kwargs):
    """A case in which no hidden unit and no error is near where relu or the loss has no second derivative."""
    kinks = {"absolute_error": [0.0], "quantile": [0.0], "huber": [-1.35, 1.35]}.get(loss, [])
    for seed in range(1000):
        case = make_case((3, *hidden_sizes, 2 + (output == "softmax")), activation, output, loss, seed=seed, **kwargs)
        errors = expected_outputs(case)[1] - case.Y
        distances = [*hidden_values(case), *(errors - kink for kink in kinks)]
        if all(np.abs(distance).min() > 1e-3 for distance in distances):
            return case
    raise AssertionError("no case off the kinks found")


def assert_derivative(engine, case):
    """The gradient is the derivative of the loss, by central differences.

    Their step balances truncation, h², against rounding, eps/h.
    """
    h, parameters = np.finfo(np.float64).eps ** (1 / 3), case.parameters
    shifted = np.concatenate([parameters + h * np.eye(len(parameters)), parameters - h * np.eye(len(parameters))])
    numeric = np.subtract(*np.split(engine.open(case.task).losses(shifted), 2)) / (2 * h)
    _, gradient = engine.open(case.task).loss_and_gradient(parameters)
    assert np.linalg.norm(gradient - numeric) <= 1e-6 * np.linalg.norm(numeric)


@each_engine
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@each_output_loss
@pytest.mark.parametrize(("activation", "hidden_sizes"), NETWORKS)
def test_gradient_is_the_derivative_of_the_loss(engine, activation, hidden_sizes, output, loss, weighted, sparse):
    assert_derivative(
        engine, case_off_the_kinks(hidden_sizes, activation, output, loss, weighted=weighted, sparse=sparse)
    )


@each_engine
@pytest.mark.parametrize("output", ["softmax", "logistic"])
def test_gradient_of_the_log_loss_is_exact_where_probabilities_saturate(engine, output):
    # logits of ±60: exp(-60) is far below eps, so that a loss of rounded probabilities would be constant or infinite
    X, Y = np.array([[1.0], [-1.0]]), np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    parameters = np.array([60.0, -60.0, 20.0, 0.5, -0.3, 0.1])
    assert_derivative(engine, Case(make_network((1, 3), "identity"), LOSS_OF[output, "log_loss"], parameters, X, Y))


@each_engine
def test_loss_of_saturated_probabilities_is_their_logit(engine):
    # log(1 + exp(800)) = 800 + exp(-800), whose last term is below any rounding
    X, Y = np.array([[1.0]]), np.array([[0.0]])
    task = Task(make_network((1, 1), "identity"), LOSS_OF["logistic", "log_loss"], X, Y)
    loss, gradient = engine.open(task).loss_and_gradient(np.array([800.0, 0.0]))
    assert loss == 800.0
    np.testing.assert_array_equal(gradient, [1.0, 1.0])
    task = Task(make_network((1, 2), "identity"), LOSS_OF["softmax", "log_loss"], X, np.array([[0.0, 1.0]]))
    loss, gradient = engine.open(task).loss_and_gradient(np.array([800.0, 0.0, 0.0, 0.0]))
    assert loss == 800.0
    np.testing.assert_array_equal(gradient, [1.0, -1.0, 1.0, -1.0])


@each_engine
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("n_rows", [1, 40])
@pytest.mark.parametrize("n_classes", [3, 9, 40])
def test_softmax_is_right_however_far_all_raw_outputs_are_below_zero(engine, n_classes, n_rows, loss, dtype):
    # logits -c, -2c, -3c, ...: the first class has all of the probability, however large c is
    scale = np.finfo(dtype).max / 100
    network = make_network((1, n_classes), "identity")
    Y = np.eye(n_classes, dtype=dtype)[np.full(n_rows, 1)]
    parameters = np.append(-scale * np.arange(1, n_classes + 1), np.zeros(n_classes)).astype(dtype)
    task = Task(network, LOSS_OF["softmax", loss], np.ones((n_rows, 1), dtype=dtype), Y)
    expected = np.tile(np.eye(n_classes)[0], (n_rows, 1))
    np.testing.assert_array_equal(engine.open(task).outputs(parameters), expected)
    value, gradient = engine.open(task).loss_and_gradient(parameters)
    if loss == "log_loss":
        np.testing.assert_allclose(value, scale, rtol=1e-6)
        np.testing.assert_allclose(gradient[:n_classes], expected[0] - Y[0], rtol=1e-6)
    else:
        assert value == 1
    np.testing.assert_array_equal(engine.open(task).losses(parameters[np.newaxis]), [value])


def expected_outputs(case):
    """Outputs by scipy's functions, and the raw ones."""
    values = hidden_values(case)
    coefs, intercepts = case.network.unpack(case.parameters)
    A = case.X
    if values:
        functions = {
            "identity": np.asarray,
            "logistic": expit,
            "tanh": np.tanh,
            "relu": lambda Z: np.maximum(Z, 0),
            "softplus": lambda Z: np.logaddexp(0, Z),
        }
        A = functions[case.network.activation.name](values[-1])
    Z = A @ coefs[-1] + intercepts[-1]
    output = {"identity": np.asarray, "logistic": expit, "softmax": lambda Z: softmax(Z, axis=1), "exp": np.exp}
    return output[case.loss.output.name](Z), Z


def expected_loss(case):
    """The loss by its definition: the weighted mean over rows of the sum over outputs."""
    P, Z = expected_outputs(case)
    Y = case.Y
    if case.loss.name == "squared_error":
        terms = 0.5 * (P - Y) ** 2
    elif case.loss.name == "absolute_error":
        terms = np.abs(P - Y)
    elif case.loss.name == "huber":
        terms = huber(1.35, P - Y)
    elif case.loss.name == "quantile":
        terms = np.where(P < Y, case.loss.quantile * (Y - P), (1 - case.loss.quantile) * (P - Y))
    elif case.loss.name == "poisson":
        terms = np.where(Y > 0, Y * np.log(np.where(Y > 0, Y, 1) / P), 0) - Y + P
    elif case.loss.output.name == "softmax":
        terms = -Y * log_softmax(Z, axis=1)
    else:
        terms = -Y * log_expit(Z) - (1 - Y) * log_expit(-Z)
    return np.average(terms.sum(axis=1), weights=case.sample_weight)


@each_engine
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@each_output_loss
@pytest.mark.parametrize(("activation", "hidden_sizes"), NETWORKS)
def test_outputs_and_losses_are_those_of_the_definition(engine, activation, hidden_sizes, output, loss, sparse):
    case = make_case((3, *hidden_sizes, 3), activation, output, loss, sparse=sparse, weighted=True, seed=1)
    P, Z = expected_outputs(case)
    # three to five products of a few terms of size one, and functions with a condition of about the logit's size
    close = {"rtol": 0, "atol": 100 * np.finfo(np.float64).eps * (1 + np.abs(Z).max()) * (1 + np.abs(P).max())}
    np.testing.assert_allclose(engine.open(case.task).outputs(case.parameters, raw=True), Z, **close)
    np.testing.assert_allclose(engine.open(case.task).outputs(case.parameters), P, **close)
    value, _ = engine.open(case.task).loss_and_gradient(case.parameters)
    np.testing.assert_allclose(value, expected_loss(case), **close)


@each_engine
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@each_output_loss
def test_losses_of_many_vectors_are_the_losses_of_each(engine, output, loss, sparse):
    case = make_case((3, 4, 3), "tanh", output, loss, sparse=sparse, weighted=True, n_rows=11)
    swarm = case.parameters * np.linspace(-1, 1, 7)[:, None]
    many = engine.open(case.task).losses(swarm)
    each = [engine.open(case.task).loss_and_gradient(parameters)[0] for parameters in swarm]
    assert many.shape == (7,)
    assert many.dtype == np.float64
    # sums of 11 rows of 3 terms, in another order perhaps
    np.testing.assert_allclose(many, each, rtol=100 * np.finfo(np.float64).eps)


@each_engine
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_output_loss
def test_engines_keep_the_dtype(engine, output, loss, dtype):
    case = make_case((3, 4, 3), "tanh", output, loss, dtype=dtype, weighted=True)
    assert engine.open(case.task).outputs(case.parameters).dtype == dtype
    value, gradient = engine.open(case.task).loss_and_gradient(case.parameters)
    assert isinstance(value, float)
    assert gradient.dtype == dtype
    state, totals = run(engine, case, STEPS["adam"], "decoupled", 0.1, make_batches(6, 4, 3))
    assert state.parameters.dtype == state.moments.dtype == dtype
    assert isinstance(totals.data_loss, float)


@each_engine
@each_output_loss
def test_a_row_of_weight_two_is_two_rows(engine, output, loss):
    case = make_case((3, 4, 3), "tanh", output, loss)
    weight = np.array([2.0, 1.0, 1.0, 0.0, 3.0, 1.0])
    rows = np.repeat(np.arange(6), weight.astype(int))
    weighted = engine.open(replace(case.task, sample_weight=weight)).loss_and_gradient(case.parameters)
    repeated = engine.open(case.task.with_rows(rows)).loss_and_gradient(case.parameters)
    for u, v in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(u, v, rtol=0, atol=100 * np.finfo(np.float64).eps * (1 + np.abs(v).max()))


@each_engine
@pytest.mark.parametrize(("dtype", "exponent"), [(np.float32, -140), (np.float64, -1060)])
@pytest.mark.parametrize("n_outputs", [3, 40])
@pytest.mark.parametrize("batch_size", [1, 2, 8])
@each_output_loss
def test_weights_may_be_as_small_as_their_dtype_allows(engine, output, loss, batch_size, n_outputs, dtype, exponent):
    case = make_case((3, 4, n_outputs), "tanh", output, loss, n_rows=20, dtype=dtype)
    tiny = replace(case, sample_weight=np.full(20, 2.0**exponent, dtype))
    (value, gradient), (tiny_value, tiny_gradient) = (
        engine.open(each.task).loss_and_gradient(case.parameters) for each in (case, tiny)
    )
    # sums of 20 rows, or five updates of batches
    eps = 100 * np.finfo(dtype).eps * (1 + abs(gradient).max() + abs(case.parameters).max())
    np.testing.assert_allclose(tiny_gradient, gradient, rtol=0, atol=eps)
    # weight times loss is a subnormal number of nine bits or more
    np.testing.assert_allclose(tiny_value, value, rtol=0, atol=2.0**-8 * max(1, value))
    batches = make_batches(20, 5, batch_size)
    tiny_batches = replace(batches, n_samples=batches.n_samples * 2.0**exponent)
    state, _ = run(engine, case, STEPS["sgd"], "penalty", 0.1, batches)
    tiny_state, _ = run(engine, tiny, STEPS["sgd"], "penalty", 0.1, tiny_batches)
    np.testing.assert_allclose(tiny_state.parameters, state.parameters, rtol=0, atol=eps)


@each_engine
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_outputs", [1, 40])
@pytest.mark.parametrize("row", [0, 19, 65])
def test_a_row_of_weight_zero_counts_for_nothing_even_if_its_loss_overflows(engine, row, n_outputs, dtype):
    case = make_case((3, 4, n_outputs), "tanh", "identity", "squared_error", n_rows=66, dtype=dtype)
    case.sample_weight = np.ones(66, dtype)
    case.sample_weight[row], case.Y[row] = 0, 0
    other = replace(case, Y=case.Y.copy())
    other.Y[row] = np.finfo(dtype).max ** 0.75
    (value, gradient), (other_value, other_gradient) = (
        engine.open(each.task).loss_and_gradient(case.parameters) for each in (case, other)
    )
    assert value == other_value
    np.testing.assert_array_equal(gradient, other_gradient)
    losses, other_losses = (engine.open(each.task).losses(case.parameters[np.newaxis]) for each in (case, other))
    np.testing.assert_array_equal(losses, other_losses)


@each_engine
def test_a_loss_of_zero_is_reached_where_outputs_are_the_targets(engine):
    case = make_case((3, 4, 2), "relu", "identity", "squared_error")
    Y = engine.open(case.task).outputs(case.parameters)
    value, gradient = engine.open(replace(case.task, Y=Y)).loss_and_gradient(case.parameters)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@each_engine
@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber"])
def test_derivative_is_zero_at_the_target_and_the_slope_on_either_side(engine, loss):
    # one output, its bias, without hidden layers: the derivative with respect to the bias is that of the loss
    low, high = {"absolute_error": (-1, 1), "quantile": (-0.8, 1 - 0.8), "huber": (-1.35, 1.35)}[loss]
    tiny = 1e-200
    near = [-tiny, 0, tiny] if loss == "huber" else [low, 0, high]
    for error, slope in zip([-5, -tiny, 0, tiny, 5], [low, *near, high], strict=True):
        task = Task(
            make_network((1, 1), "identity"), LOSS_OF["identity", loss], np.zeros((1, 1)), np.array([[-float(error)]])
        )
        _, gradient = engine.open(task).loss_and_gradient(np.zeros(2))
        assert gradient[1] == slope


@each_engine
def test_poisson_loss_takes_targets_of_zero(engine):
    # y·log(y) → 0, so that the half deviance of a prediction p is p
    network = make_network((1, 1), "identity")
    task = Task(network, LOSS_OF["exp", "poisson"], np.array([[1.0]]), np.array([[0.0]]))
    value, gradient = engine.open(task).loss_and_gradient(np.array([0.0, np.log(2.0)]))
    np.testing.assert_allclose([value, *gradient], 2.0, rtol=4 * np.finfo(np.float64).eps)


@each_engine
@pytest.mark.parametrize("mode", MODES)
def test_a_batch_without_weight_is_skipped(engine, mode):
    case = make_case((3, 4, 2), "tanh", "identity", "squared_error", weighted=True)
    case.sample_weight[2:4] = 0.0
    bounds = np.array([0, 2, 4, 6])
    n_samples = np.add.reduceat(case.sample_weight, bounds[:-1])[np.newaxis]
    all_state, all_totals = run(engine, case, STEPS["adam"], mode, 0.1, Batches(None, bounds, n_samples))
    rest = Batches(np.array([[0, 1, 4, 5]]), np.array([0, 2, 4]), n_samples[:, [0, 2]])
    rest_state, rest_totals = run(engine, case, STEPS["adam"], mode, 0.1, rest)
    assert all_state.n_updates == rest_state.n_updates == 2
    np.testing.assert_array_equal(all_state.parameters, rest_state.parameters)
    np.testing.assert_array_equal(all_state.moments, rest_state.moments)
    assert all_totals == rest_totals


@each_engine
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@each_output_loss
def test_nan_and_infinity_in_a_weight_reach_the_loss(engine, activation, output, loss, bad):
    # an infinite weight saturates some units and makes others infinite: where the reference engine's loss is not an
    # ordinary number, no other engine's may be
    case = make_case((3, 4, 3), activation, output, loss)
    case.parameters[0] = bad
    with np.errstate(all="ignore"):
        value, gradient = engine.open(case.task).loss_and_gradient(case.parameters)
        expected, expected_gradient = reference.open(case.task).loss_and_gradient(case.parameters)
    if np.isnan(bad):
        assert np.isnan(value)
        assert not np.isfinite(gradient).all()
    assert np.isfinite(expected) or not np.isfinite(value)
    assert np.isfinite(expected_gradient).all() or not np.isfinite(gradient).all()


@each_engine
@pytest.mark.parametrize("step", STEPS)
def test_updates_from_a_nan_end_in_parameters_that_are_not_finite(engine, step):
    case = make_case((3, 4, 3), "relu", "softmax", "log_loss")
    case.parameters[-1] = np.nan
    batches = make_batches(6, 3, 2)
    optimiser, learning_rate = STEPS[step]
    state = new_state(case.parameters, optimiser)
    coefficients = coefficients_of(case, "penalty", 0.1, batches, learning_rate)
    curves = engine.open(case.task).run_updates(
        state, batches, coefficients, optimiser, rates_of(batches, learning_rate)
    )
    assert not np.isfinite(state.parameters).all()
    assert curves.shape == (0, 4)


@each_engine
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("where", ["weight", "bias"])
def test_a_run_ends_with_the_epoch_that_diverges(engine, where, batch_size):
    # a linear unit with a constant input of 1 or 0: with a learning rate of 1e20 it takes some epochs to overflow
    case = Case(
        make_network((1, 1), "identity"),
        LOSS_OF["identity", "squared_error"],
        np.array([0.5, 0.7]),
        np.full((4, 1), float(where == "weight")),
        np.ones((4, 1)),
    )
    bounds = np.arange(0, 5, batch_size)
    batches = Batches(None, bounds, np.full((20, len(bounds) - 1), float(batch_size)))
    coefficients = coefficients_of(case, "penalty", 0.0, batches, 1e20)
    optimiser, ends = SGD(0.0, nesterov=False), []
    for n_epochs in range(1, 21):
        state = new_state(case.parameters, optimiser)
        part = Batches(None, bounds, batches.n_samples[:n_epochs])
        rates = rates_of(part, 1e20)
        with np.errstate(all="ignore"):
            curves = engine.open(case.task).run_updates(state, part, coefficients[:n_epochs], optimiser, rates)
        ends.append((len(curves), bool(np.isfinite(state.parameters).all())))
    n_done = ends[-1][0]
    assert 0 < n_done < 20
    assert ends == [(min(n, n_done), n <= n_done) for n in range(1, 21)]


@each_engine
@pytest.mark.parametrize("in_order", [False, True], ids=["shuffled", "in order"])
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mode", MODES)
def test_epochs_in_one_call_are_epochs_in_calls_of_their_own(engine, mode, step, batch_size, in_order):
    case = make_case((4, 6, 3), "tanh", "softmax", "log_loss", n_rows=12, weighted=True)
    batches = make_batches(12, 12 // batch_size, batch_size, n_epochs=3, sample_weight=case.sample_weight)
    if in_order:
        n_samples = np.add.reduceat(case.sample_weight, batches.bounds[:-1])
        batches = Batches(None, batches.bounds, np.broadcast_to(n_samples, batches.n_samples.shape))
    optimiser, learning_rate = STEPS[step]
    coefficients = coefficients_of(case, mode, (0.1, 0.2), batches, learning_rate)
    whole, pieces = new_state(case.parameters, optimiser), new_state(case.parameters, optimiser)

    def train(state, epochs):
        order = batches.order if in_order else batches.order[epochs]
        part = Batches(order, batches.bounds, batches.n_samples[epochs])
        rates = rates_of(part, learning_rate)
        return engine.open(case.task).run_updates(state, part, coefficients[epochs], optimiser, rates)

    expected = np.concatenate([train(pieces, slice(i, i + 1)) for i in range(3)])
    np.testing.assert_array_equal(train(whole, slice(3)), expected)
    np.testing.assert_array_equal(whole.parameters, pieces.parameters)
    np.testing.assert_array_equal(whole.moments, pieces.moments)
    assert whole.n_updates == pieces.n_updates


@each_engine
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_same_input_same_bits(engine, sparse):
    case = make_case((9, 17, 3), "tanh", "softmax", "log_loss", n_rows=50, sparse=sparse)
    results = []
    for _ in range(2):
        state, totals = run(engine, case, STEPS["adam"], "penalty", 0.01, make_batches(50, 20, 7))
        results.append(
            (state.parameters.tobytes(), totals, engine.open(case.task).loss_and_gradient(case.parameters)[1].tobytes())
        )
    assert results[0] == results[1]


@each_engine
def test_engines_leave_what_they_are_given_as_it_was(engine):
    case = make_case((3, 4, 3), "relu", "softmax", "log_loss", weighted=True, sparse=True)
    before = [array.copy() for array in (case.parameters, case.X.data, case.Y, case.sample_weight)]
    engine.open(case.task).outputs(case.parameters)
    engine.open(case.task).loss_and_gradient(case.parameters)
    engine.open(case.task).losses(case.parameters[None])
    run(engine, case, STEPS["adam"], "decay_after", 0.1, make_batches(6, 4, 3))
    for array, copy in zip((case.parameters, case.X.data, case.Y, case.sample_weight), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@each_engine
def test_csr_is_taken_unsorted_with_duplicates_and_with_either_index(engine):
    dense = make_case((4, 5, 3), "tanh", "softmax", "log_loss", n_rows=3)
    # row 0 has its entries in the wrong order, and twice half of its last one; row 1 is empty
    indices, data = np.array([3, 0, 3, 1, 2]), np.array([1.5, 2.0, 1.5, -1.0, 4.0])
    indptr = np.array([0, 3, 3, 5])
    dense.X = np.array([[2.0, 0.0, 0.0, 3.0], [0.0] * 4, [0.0, -1.0, 4.0, 0.0]])
    for index in (np.int32, np.int64):
        X = sp.csr_matrix((3, 4))
        X.indices, X.indptr, X.data = indices.astype(index), indptr.astype(index), data
        X.has_sorted_indices = X.has_canonical_format = False
        sparse = replace(dense, X=X)
        close = {"rtol": 0, "atol": 100 * np.finfo(np.float64).eps}
        value, gradient = engine.open(sparse.task).loss_and_gradient(sparse.parameters)
        expected, expected_gradient = engine.open(dense.task).loss_and_gradient(dense.parameters)
        np.testing.assert_allclose(value, expected, **close)
        np.testing.assert_allclose(gradient, expected_gradient, **close)
        batches = make_batches(3, 5, 2)
        state, _ = run(engine, sparse, STEPS["nesterov"], "decoupled", 0.1, batches)
        expected_state, _ = run(engine, dense, STEPS["nesterov"], "decoupled", 0.1, batches)
        np.testing.assert_allclose(state.parameters, expected_state.parameters, **close)


def arrays_of(library):
    """What makes arrays of an array library, the strict one or PyTorch."""
    return array_api_strict.asarray if library == "strict" else pytest.importorskip("torch").asarray


def task_in(library, case):
    """The task of a case with arrays of a library."""
    arrays = {"X": case.X, "Y": case.Y, "sample_weight": case.sample_weight, "rows": case.rows}
    converted = {name: None if array is None else arrays_of(library)(array) for name, array in arrays.items()}
    return replace(case.task, **converted)


each_library = pytest.mark.parametrize("library", ["strict", "torch"])


def close(library, dtype=np.float64):
    """The strict library computes with NumPy; PyTorch adds in another order."""
    return {"rtol": 0, "atol": 0 if library == "strict" else 100 * np.finfo(dtype).eps}


@each_library
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@each_output_loss
@pytest.mark.parametrize(("activation", "hidden_sizes"), NETWORKS)
def test_reference_engine_runs_on_other_array_libraries(activation, hidden_sizes, output, loss, weighted, library):
    case = make_case((3, *hidden_sizes, 3), activation, output, loss, weighted=weighted)
    session, expected = (reference.open(task) for task in (task_in(library, case), case.task))
    for raw in (False, True):
        outputs = session.outputs(case.parameters, raw=raw)
        np.testing.assert_allclose(outputs, expected.outputs(case.parameters, raw=raw), **close(library))
    for found, other in zip(
        session.loss_and_gradient(case.parameters), expected.loss_and_gradient(case.parameters), strict=True
    ):
        assert isinstance(found, float | np.ndarray)
        np.testing.assert_allclose(found, other, **close(library))
    vectors = case.parameters[None, :]
    np.testing.assert_allclose(session.losses(vectors), expected.losses(vectors), **close(library))


@each_library
@pytest.mark.parametrize("rows", [None, [4, 0, 0, 2]], ids=["all rows", "some rows"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", STEPS)
def test_updates_of_the_reference_engine_run_on_other_array_libraries(step, mode, rows, library):
    case = make_case((3, 4, 3), "relu", "softmax", "log_loss", weighted=True)
    batches = make_batches(6, 10, 3, sample_weight=case.sample_weight)
    if rows is not None:
        case.rows = np.array(rows)
        batches = Batches(None, np.array([0, 2, 4]), np.ones((1, 2)))
    expected, expected_totals = run(reference, case, STEPS[step], mode, 0.1, batches)
    optimiser, learning_rate = STEPS[step]
    state = new_state(case.parameters, optimiser)
    coefficients = coefficients_of(case, mode, 0.1, batches, learning_rate)
    session = reference.open(task_in(library, case))
    curves = session.run_updates(state, batches, coefficients, optimiser, rates_of(batches, learning_rate))
    np.testing.assert_allclose(state.parameters, expected.parameters, **close(library))
    np.testing.assert_allclose(curves[0], expected_totals, **close(library))


@each_library
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_fits_on_other_array_libraries_reach_the_same_parameters(solver, dtype, library):
    case = make_case((4, 8, 3), "tanh", "softmax", "log_loss", n_rows=60, dtype=dtype)
    found, expected = (
        fitted_by(solver, Problem(task, L2Rule("prior", (1.0, 1.0)), reference), case.parameters)
        for task in (task_in(library, case), case.task)
    )
    assert found.dtype == dtype
    assert not np.array_equal(expected, case.parameters)
    # twenty iterations of rounding errors
    np.testing.assert_allclose(found, expected, rtol=0, atol=10 * close(library, dtype)["atol"])


def fitted_by(solver, problem, parameters):
    """Parameters after 20 iterations of a solver."""
    net = L2NetClassifier((8,), "tanh", solver=solver, learning_rate_init=0.01, max_iter=20, batch_size=25)
    plan = Plan(problem, make_solver(net, 60), StoppingRule(20, tol=1e-4, n_iter_no_change=10))
    state, _ = fit_network(plan, TrainingState(0, parameters=parameters), Watch())
    return state.parameters


@each_engine
def test_an_epoch_in_parts_is_the_epoch_in_one(engine):
    # an engine trains so large a network in parts, or update by update, that Ctrl-C be heard
    case = make_case((800, 600, 2), "relu", "identity", "squared_error", n_rows=1200, weighted=True)
    order = np.random.default_rng(0).permutation(1200)[np.newaxis]
    batches = Batches(order, np.array([0, 400, 800, 1200]), np.full((1, 3), 400.0))
    optimiser, learning_rate = STEPS["adam"]
    coefficients = coefficients_of(case, "penalty", (0.1, 0.2), batches, learning_rate)
    rates = rates_of(batches, learning_rate)
    whole, parts = new_state(case.parameters, optimiser), new_state(case.parameters, optimiser)
    curves = engine.open(case.task).run_updates(whole, batches, coefficients, optimiser, rates)
    expected = []
    for i in range(3):
        part = Batches(order, batches.bounds[i : i + 2], batches.n_samples[:, i : i + 1])
        updates = coefficients[:, i : i + 1]
        expected.append(engine.open(case.task).run_updates(parts, part, updates, optimiser, rates[:, i : i + 1])[0])
    np.testing.assert_array_equal(whole.parameters, parts.parameters)
    assert whole.n_updates == parts.n_updates == 3
    np.testing.assert_allclose(curves[0, :3], np.sum(expected, axis=0)[:3], rtol=10 * np.finfo(float).eps)
    assert curves[0, 3] == expected[-1][3]
    assert engine.open(case.task).epochs_per_call == 1


@each_engine
def test_a_session_cannot_be_pickled(engine):
    task = make_case((3, 4, 2), "tanh", "identity", "squared_error").task
    with engine.open(task) as session, pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(session)


def test_a_session_of_the_compiled_engine_belongs_to_its_thread():
    engine = pytest.importorskip("skl2net.engines._compiled").engine
    case = make_case((3, 4, 2), "tanh", "identity", "squared_error")
    session = engine.open(case.task)
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="belongs to the thread that opened it"):
        pool.submit(session.outputs, case.parameters).result()
    assert session.outputs(case.parameters).shape == (6, 2)


def test_default_engine_is_the_first_of_the_available_ones():
    assert default_engine() is available_engines()[0]
    assert reference in available_engines()


def test_the_slow_engine_says_why_it_runs(monkeypatch):
    monkeypatch.setattr(engines, "_compiled", None)
    error = ImportError("_compiled.so: undefined symbol: _gfortran", name="skl2net.engines._compiled")
    monkeypatch.setattr(engines, "_import_error", error, raising=False)
    engines._warn_slow.cache_clear()
    with pytest.warns(RuntimeWarning, match=r"fails to load \(ImportError: .*undefined symbol: _gfortran\)"):
        assert engines.default_engine() is reference
    engines._warn_slow.cache_clear()
