"""What an engine computes: derivatives, known values, other precisions, other array libraries."""

import array_api_strict
import numpy as np
import pytest
import scipy.sparse as sp
from cases import OUTPUT_LOSSES, STEPS, Case, hidden_values, make_batches, make_case, new_state, run
from scipy.special import expit, log_expit, log_softmax, softmax

from skl2net.engines import available_engines, default_engine, reference
from skl2net.engines.interface import AdamStep, Batches, GradientState, SGDStep
from skl2net.l2 import MODES, PENALTIES, L2Numbers, L2Rule, l2_numbers
from skl2net.network import ACTIVATIONS, Network
from skl2net.problem import Problem

each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
each_output_loss = pytest.mark.parametrize(("output", "loss"), OUTPUT_LOSSES)

# 0, 1 and 3 hidden layers; without hidden units their activation does not matter
NETWORKS = [("identity", ())] + [(activation, sizes) for sizes in ((4,), (4, 3, 5)) for activation in ACTIVATIONS]


def case_off_the_kinks(hidden_sizes, activation, output, loss, **kwargs):
    """A case in which no hidden unit is near zero, where relu has no derivative."""
    for seed in range(1000):
        case = make_case((3, *hidden_sizes, 2 + (output == "softmax")), activation, output, loss, seed=seed, **kwargs)
        if all(np.abs(values).min() > 1e-3 for values in hidden_values(case)):
            return case
    raise AssertionError("no case off the kinks found")


def numeric_gradient(problem, parameters):
    """Central differences: their step balances truncation, h², against rounding, eps/h."""
    h = np.finfo(np.float64).eps ** (1 / 3)
    swarm = np.concatenate([parameters + h * np.eye(len(parameters)), parameters - h * np.eye(len(parameters))])
    values = problem.data_losses(swarm) + [problem.penalty(p) for p in swarm]
    return np.subtract(*np.split(values, 2)) / (2 * h)


def assert_derivative(problem, parameters):
    """The gradient is the derivative of the objective."""
    _, gradient = problem.objective_and_gradient(parameters)
    numeric = numeric_gradient(problem, parameters)
    assert np.linalg.norm(gradient - numeric) <= 1e-6 * np.linalg.norm(numeric)


@each_engine
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("mode", PENALTIES)
@each_output_loss
@pytest.mark.parametrize(("activation", "hidden_sizes"), NETWORKS)
def test_gradient_is_the_derivative_of_the_objective(
    engine, activation, hidden_sizes, output, loss, mode, weighted, sparse
):
    case = case_off_the_kinks(hidden_sizes, activation, output, loss, weighted=weighted, sparse=sparse)
    rule = L2Rule(mode, tuple(0.1 + 0.2 * np.arange(case.network.n_layers)))
    problem = Problem(case.network, loss, rule, case.X, case.Y, case.sample_weight, engine)
    assert_derivative(problem, case.parameters)


@each_engine
@pytest.mark.parametrize("output", ["softmax", "logistic"])
def test_gradient_of_the_log_loss_is_exact_where_probabilities_saturate(engine, output):
    # logits of ±60: exp(-60) is far below eps, so that a loss of rounded probabilities would be constant or infinite
    network = Network((1, 3), "identity", output)
    X, Y = np.array([[1.0], [-1.0]]), np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    problem = Problem(network, "log_loss", L2Rule("penalty", (0.0,)), X, Y, None, engine)
    assert_derivative(problem, np.array([60.0, -60.0, 20.0, 0.5, -0.3, 0.1]))


@each_engine
def test_loss_of_saturated_probabilities_is_their_logit(engine):
    # log(1 + exp(800)) = 800 + exp(-800), whose last term is below any rounding
    X, Y = np.array([[1.0]]), np.array([[0.0]])
    loss, gradient = engine.loss_and_gradient(
        Network((1, 1), "identity", "logistic"), "log_loss", np.array([800.0, 0.0]), X, Y
    )
    assert loss == 800.0
    np.testing.assert_array_equal(gradient, [1.0, 1.0])
    loss, gradient = engine.loss_and_gradient(
        Network((1, 2), "identity", "softmax"), "log_loss", np.array([800.0, 0.0, 0.0, 0.0]), X, np.array([[0.0, 1.0]])
    )
    assert loss == 800.0
    np.testing.assert_array_equal(gradient, [1.0, -1.0, 1.0, -1.0])


def expected_outputs(case):
    """Outputs by scipy's functions, and the raw ones."""
    values = hidden_values(case)
    coefs, intercepts = case.network.unpack(case.parameters)
    A = case.X
    if values:
        functions = {"identity": np.asarray, "logistic": expit, "tanh": np.tanh, "relu": lambda Z: np.maximum(Z, 0)}
        A = functions[case.network.activation](values[-1])
    Z = A @ coefs[-1] + intercepts[-1]
    output = {"identity": np.asarray, "logistic": expit, "softmax": lambda Z: softmax(Z, axis=1), "exp": np.exp}
    return output[case.network.output](Z), Z


def expected_loss(case):
    """The loss by its definition: the weighted mean over rows of the sum over outputs."""
    P, Z = expected_outputs(case)
    Y = case.Y
    if case.loss == "squared_error":
        terms = 0.5 * (P - Y) ** 2
    elif case.loss == "poisson":
        terms = np.where(Y > 0, Y * np.log(np.where(Y > 0, Y, 1) / P), 0) - Y + P
    elif case.network.output == "softmax":
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
    np.testing.assert_allclose(engine.outputs(case.network, case.parameters, case.X, raw=True), Z, **close)
    np.testing.assert_allclose(engine.outputs(case.network, case.parameters, case.X), P, **close)
    value, _ = engine.loss_and_gradient(*case.arguments)
    np.testing.assert_allclose(value, expected_loss(case), **close)


@each_engine
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@each_output_loss
def test_losses_of_many_vectors_are_the_losses_of_each(engine, output, loss, sparse):
    case = make_case((3, 4, 3), "tanh", output, loss, sparse=sparse, weighted=True, n_rows=11)
    swarm = case.parameters * np.linspace(-1, 1, 7)[:, None]
    many = engine.losses(case.network, loss, swarm, case.X, case.Y, case.sample_weight)
    each = [engine.loss_and_gradient(case.network, loss, p, case.X, case.Y, case.sample_weight)[0] for p in swarm]
    assert many.shape == (7,)
    assert many.dtype == np.float64
    # sums of 11 rows of 3 terms, in another order perhaps
    np.testing.assert_allclose(many, each, rtol=100 * np.finfo(np.float64).eps)


@each_engine
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_output_loss
def test_engines_keep_the_dtype(engine, output, loss, dtype):
    case = make_case((3, 4, 3), "tanh", output, loss, dtype=dtype, weighted=True)
    assert engine.outputs(case.network, case.parameters, case.X).dtype == dtype
    value, gradient = engine.loss_and_gradient(*case.arguments)
    assert isinstance(value, float)
    assert gradient.dtype == dtype
    state, totals = run(engine, case, STEPS["adam"], "decoupled", 0.1, make_batches(6, 4, 3))
    assert state.parameters.dtype == state.first.dtype == state.second.dtype == dtype
    assert isinstance(totals.data_loss, float)


@each_engine
@each_output_loss
def test_a_row_of_weight_two_is_two_rows(engine, output, loss):
    case = make_case((3, 4, 3), "tanh", output, loss)
    weight = np.array([2.0, 1.0, 1.0, 0.0, 3.0, 1.0])
    rows = np.repeat(np.arange(6), weight.astype(int))
    weighted = engine.loss_and_gradient(case.network, loss, case.parameters, case.X, case.Y, weight)
    repeated = engine.loss_and_gradient(case.network, loss, case.parameters, case.X[rows], case.Y[rows])
    for u, v in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(u, v, rtol=0, atol=100 * np.finfo(np.float64).eps * (1 + np.abs(v).max()))


@each_engine
def test_a_loss_of_zero_is_reached_where_outputs_are_the_targets(engine):
    case = make_case((3, 4, 2), "relu", "identity", "squared_error")
    Y = engine.outputs(case.network, case.parameters, case.X)
    value, gradient = engine.loss_and_gradient(case.network, case.loss, case.parameters, case.X, Y)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@each_engine
def test_poisson_loss_takes_targets_of_zero(engine):
    # y·log(y) → 0, so that the half deviance of a prediction p is p
    network = Network((1, 1), "identity", "exp")
    value, gradient = engine.loss_and_gradient(
        network, "poisson", np.array([0.0, np.log(2.0)]), np.array([[1.0]]), np.array([[0.0]])
    )
    np.testing.assert_allclose([value, *gradient], 2.0, rtol=4 * np.finfo(np.float64).eps)


@each_engine
@pytest.mark.parametrize("mode", MODES)
def test_a_batch_without_weight_is_skipped(engine, mode):
    case = make_case((3, 4, 2), "tanh", "identity", "squared_error", weighted=True)
    case.sample_weight[2:4] = 0.0
    bounds = np.array([0, 2, 4, 6])
    items = np.add.reduceat(case.sample_weight, bounds[:-1])[np.newaxis]
    all_state, all_totals = run(engine, case, STEPS["adam"], mode, 0.1, Batches(None, bounds, items))
    rest = Batches(np.array([[0, 1, 4, 5]]), np.array([0, 2, 4]), items[:, [0, 2]])
    rest_state, rest_totals = run(engine, case, STEPS["adam"], mode, 0.1, rest)
    assert all_state.n_updates == rest_state.n_updates == 2
    np.testing.assert_array_equal(all_state.parameters, rest_state.parameters)
    np.testing.assert_array_equal(all_state.first, rest_state.first)
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
        value, gradient = engine.loss_and_gradient(*case.arguments)
        expected, expected_gradient = reference.loss_and_gradient(*case.arguments)
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
    state, numbers = new_state(case.parameters, STEPS[step]), l2_numbers("penalty", (0.1, 0.1), 0.1, batches.items)
    data = case.X, case.Y, case.sample_weight
    curves = engine.run_updates(case.network, case.loss, state, *data, batches, numbers, STEPS[step])
    assert not np.isfinite(state.parameters).all()
    assert curves.shape == (0, 4)


@each_engine
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("where", ["weight", "bias"])
def test_a_run_ends_with_the_epoch_that_diverges(engine, where, batch_size):
    # a linear unit with a constant input of 1 or 0: with a learning rate of 1e20 it takes some epochs to overflow
    network, X = Network((1, 1), "identity", "identity"), np.full((4, 1), float(where == "weight"))
    bounds = np.arange(0, 5, batch_size)
    items = np.full((20, len(bounds) - 1), float(batch_size))
    step, numbers = SGDStep(1e20, 0.0, nesterov=False), l2_numbers("penalty", (0.0,), 1e20, items)
    ends = []
    for n_epochs in range(1, 21):
        state = new_state(np.array([0.5, 0.7]), step)
        part = L2Numbers(numbers.gradient[:n_epochs], numbers.before[:n_epochs], numbers.after[:n_epochs])
        with np.errstate(all="ignore"):
            curves = engine.run_updates(
                network,
                "squared_error",
                state,
                X,
                np.ones((4, 1)),
                None,
                Batches(None, bounds, items[:n_epochs]),
                part,
                step,
            )
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
        items = np.add.reduceat(case.sample_weight, batches.bounds[:-1])
        batches = Batches(None, batches.bounds, np.broadcast_to(items, batches.items.shape))
    numbers = l2_numbers(mode, (0.1, 0.2), STEPS[step].learning_rate, batches.items)
    whole, pieces = new_state(case.parameters, STEPS[step]), new_state(case.parameters, STEPS[step])

    def train(state, epochs):
        return engine.run_updates(
            case.network,
            case.loss,
            state,
            *case.arguments[3:],
            Batches(batches.order if in_order else batches.order[epochs], batches.bounds, batches.items[epochs]),
            L2Numbers(numbers.gradient[epochs], numbers.before[epochs], numbers.after[epochs]),
            STEPS[step],
        )

    expected = np.concatenate([train(pieces, slice(i, i + 1)) for i in range(3)])
    np.testing.assert_array_equal(train(whole, slice(3)), expected)
    np.testing.assert_array_equal(whole.parameters, pieces.parameters)
    np.testing.assert_array_equal(whole.first, pieces.first)
    assert whole.n_updates == pieces.n_updates


@each_engine
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_same_input_same_bits(engine, sparse):
    case = make_case((9, 17, 3), "tanh", "softmax", "log_loss", n_rows=50, sparse=sparse)
    results = []
    for _ in range(2):
        state, totals = run(engine, case, STEPS["adam"], "penalty", 0.01, make_batches(50, 20, 7))
        results.append((state.parameters.tobytes(), totals, engine.loss_and_gradient(*case.arguments)[1].tobytes()))
    assert results[0] == results[1]


@each_engine
def test_engines_leave_what_they_are_given_as_it_was(engine):
    case = make_case((3, 4, 3), "relu", "softmax", "log_loss", weighted=True, sparse=True)
    before = [array.copy() for array in (case.parameters, case.X.data, case.Y, case.sample_weight)]
    engine.outputs(case.network, case.parameters, case.X)
    engine.loss_and_gradient(*case.arguments)
    engine.losses(case.network, case.loss, case.parameters[None], case.X, case.Y, case.sample_weight)
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
        sparse = Case(dense.network, dense.loss, dense.parameters, X, dense.Y, None)
        close = {"rtol": 0, "atol": 100 * np.finfo(np.float64).eps}
        value, gradient = engine.loss_and_gradient(*sparse.arguments)
        expected, expected_gradient = engine.loss_and_gradient(*dense.arguments)
        np.testing.assert_allclose(value, expected, **close)
        np.testing.assert_allclose(gradient, expected_gradient, **close)
        batches = make_batches(3, 5, 2)
        state, _ = run(engine, sparse, STEPS["nesterov"], "decoupled", 0.1, batches)
        expected_state, _ = run(engine, dense, STEPS["nesterov"], "decoupled", 0.1, batches)
        np.testing.assert_allclose(state.parameters, expected_state.parameters, **close)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@each_output_loss
@pytest.mark.parametrize(("activation", "hidden_sizes"), NETWORKS)
def test_reference_engine_runs_on_the_array_api_standard(activation, hidden_sizes, output, loss, weighted):
    xp = array_api_strict
    case = make_case((3, *hidden_sizes, 3), activation, output, loss, weighted=weighted)
    parameters, X, Y = xp.asarray(case.parameters), xp.asarray(case.X), xp.asarray(case.Y)
    weight = None if case.sample_weight is None else xp.asarray(case.sample_weight)
    # the same operations by the same NumPy underneath
    for raw in (False, True):
        strict = reference.outputs(case.network, parameters, X, raw=raw, xp=xp)
        np.testing.assert_array_equal(
            np.asarray(strict), reference.outputs(case.network, case.parameters, case.X, raw=raw)
        )
    value, gradient = reference.loss_and_gradient(case.network, loss, parameters, X, Y, weight, xp=xp)
    expected, expected_gradient = reference.loss_and_gradient(*case.arguments)
    assert value == expected
    np.testing.assert_array_equal(np.asarray(gradient), expected_gradient)
    strict_losses = reference.losses(case.network, loss, parameters[None, :], X, Y, weight, xp=xp)
    assert float(strict_losses[0]) == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", STEPS)
def test_updates_of_the_reference_engine_run_on_the_array_api_standard(step, mode):
    xp, step = array_api_strict, STEPS[step]
    case = make_case((3, 4, 3), "relu", "softmax", "log_loss", weighted=True)
    batches = make_batches(6, 10, 3, sample_weight=case.sample_weight)
    expected, expected_totals = run(reference, case, step, mode, 0.1, batches)
    n_second = case.parameters.size if isinstance(step, AdamStep) else 0
    state = GradientState(xp.asarray(case.parameters), xp.zeros(case.parameters.size), xp.zeros(n_second))
    curves = reference.run_updates(
        case.network,
        case.loss,
        state,
        xp.asarray(case.X),
        xp.asarray(case.Y),
        xp.asarray(case.sample_weight),
        Batches(xp.asarray(batches.order), batches.bounds, batches.items),
        l2_numbers(mode, [0.1, 0.1], step.learning_rate, batches.items),
        step,
        xp=xp,
    )
    np.testing.assert_array_equal(np.asarray(state.parameters), expected.parameters)
    assert tuple(curves[0]) == expected_totals


@each_engine
def test_an_epoch_in_pieces_is_the_epoch_in_one(engine):
    # so large a network is handed to the engine update by update, that Ctrl-C be heard
    case = make_case((800, 600, 2), "relu", "identity", "squared_error", n_rows=1200, weighted=True)
    problem = Problem(case.network, case.loss, L2Rule("penalty", (0.1, 0.2)), *case.arguments[3:], engine)
    assert problem.rows_at_once < 800
    order = np.random.default_rng(0).permutation(1200)[np.newaxis]
    batches = Batches(order, np.array([0, 400, 800, 1200]), np.full((1, 3), 400.0))
    numbers = problem.rule.numbers(n=batches.items)
    whole, pieces = new_state(case.parameters, STEPS["adam"]), new_state(case.parameters, STEPS["adam"])
    curves = problem.run_updates(pieces, batches, numbers, STEPS["adam"])
    data = (problem.X, problem.Y, problem.sample_weight)
    expected = engine.run_updates(case.network, case.loss, whole, *data, batches, numbers, STEPS["adam"])
    np.testing.assert_array_equal(pieces.parameters, whole.parameters)
    assert pieces.n_updates == whole.n_updates == 3
    np.testing.assert_allclose(curves, expected, rtol=10 * np.finfo(float).eps)


def test_default_engine_is_the_first_of_the_available_ones():
    assert default_engine() is available_engines()[0]
    assert reference in available_engines()
