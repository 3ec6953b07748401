"""Nothing that crosses into C is trusted: indices, links, orders of rows, addresses, numbers at the ends of a range.

Arrays that do not fit a call of the engine are in test_compiled.py, and broken files in estimators/test_persistence.py.
"""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from cases import STEPS, classes, coefficients_of, fit, flat, make_batches, make_case, new_state, rates_of
from engines.test_agreement import each_dtype
from engines.test_compiled import instruction_set, make_motion, make_swarm, penalty_of, swarm_case  # noqa: F401

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, NodeSweepCV, ParticleSwarm
from skl2net.engines import available_engines, default_engine
from skl2net.engines.base import Batches
from skl2net.l2 import L2Coefficients

each_engine = pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)


def csr(indices, indptr, dtype=np.int32):
    """CSR of 2 rows and 20 columns, with any indices."""
    X = sp.csr_array(np.eye(2, 20))
    X.data, X.indices, X.indptr = np.ones(len(indices)), np.array(indices, dtype), np.array(indptr, dtype)
    return X


BROKEN_CSR = {
    "columns too large": csr([1, 5, 700, 900], [0, 2, 4]),
    "columns far too large": csr([1, 5, 2**30, 2**30], [0, 2, 4]),
    "columns beyond 32 bits": csr([1, 5, 2**40, 2**62], [0, 2, 4], np.int64),
    "negative columns": csr([1, 5, -1, 3], [0, 2, 4]),
    "falling pointers": csr([1, 5, 2, 3], [0, 3, 1]),
    "pointers beyond the data": csr([1, 5, 2, 3], [0, 2, 4000]),
    "negative pointers": csr([1, 5, 2, 3], [-3, 2, 4]),
}


@pytest.mark.parametrize("name", BROKEN_CSR)
def test_broken_csr_is_refused_wherever_an_estimator_takes_data(name):
    X, y = BROKEN_CSR[name], [0, 1]
    rng = np.random.default_rng(0)
    good = sp.random(10, 20, density=0.3, random_state=rng)
    net = fit(L2NetClassifier((5,), max_iter=2), good, np.arange(10) % 2)
    before = pickle.dumps(net)
    for call in (
        lambda: net.predict(X),
        lambda: net.predict_proba(X),
        lambda: net.score(X, y),
        lambda: net.partial_fit(X, y),
        *(
            lambda solver=solver: L2NetClassifier((5,), solver=solver, max_iter=2).fit(X, y)
            for solver in ("sgd", "adam", "lbfgs", "pso")
        ),
        lambda: L2NetClassifierCV((5,), max_iter=2, cv=[([0, 1], [0, 1])], error_score="raise").fit(X, y),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - the words are the engine's or scipy's
            call()
    assert pickle.dumps(net) == before


def broken(kind, **arrays):
    """A sparse array of a kind, 10 rows and 20 columns, with other arrays or with changed entries of its own."""
    X = sp.random(10, 20, density=0.3, format="csr", random_state=0)
    X = kind(X, blocksize=(2, 2)) if kind is sp.bsr_array else kind(X)
    for name, value in arrays.items():
        array = getattr(X, name).copy()
        if isinstance(value, dict):
            for i, entry in value.items():
                array[i] = entry
        else:
            array = value(array)
        setattr(X, name, array)
    return X


FAR = 10**9
BROKEN_SPARSE = {
    "csr, pointers beyond the data": (broken(sp.csr_array, indptr={3: FAR}), "indptr must be a non-decreasing"),
    "csr, negative pointers": (broken(sp.csr_array, indptr={3: -FAR}), "indptr must be a non-decreasing"),
    "csr, pointers beyond the data of none": (broken(sp.csr_array, indptr={3: FAR, -1: 0}), "indptr must be"),
    "csr, few pointers": (broken(sp.csr_array, indptr=lambda a: a[:3]), r"index pointer size 3 should be 11"),
    "csr, few columns": (broken(sp.csr_array, indices=lambda a: a[:3]), "indices and data should have the same size"),
    "csr, few entries": (broken(sp.csr_array, data=lambda a: a[:3]), "indices and data should have the same size"),
    "csc, rows too large": (broken(sp.csc_array, indices={3: FAR}), "indices must be < 10"),
    "csc, negative rows": (broken(sp.csc_array, indices={3: -FAR}), "indices must be >= 0"),
    "csc, pointers beyond the data": (broken(sp.csc_array, indptr={3: FAR}), "indptr must be a non-decreasing"),
    "csc, last pointer beyond the data": (broken(sp.csc_array, indptr={-1: FAR}), "Last value of index pointer"),
    "csc, falling pointers": (broken(sp.csc_array, indptr=lambda a: a[::-1].copy()), "indptr must be a non-decreasing"),
    "csc, few entries": (broken(sp.csc_array, data=lambda a: a[:3]), "indices and data should have the same size"),
    "bsr, columns too large": (broken(sp.bsr_array, indices={1: FAR}), "column index values must be < 10"),
    "bsr, pointers beyond the data": (broken(sp.bsr_array, indptr={1: FAR}), "indptr must be a non-decreasing"),
    "coo, rows too large": (broken(sp.coo_matrix, row={2: FAR}), "axis 0 index .* exceeds matrix dimension 10"),
    "coo, negative rows": (broken(sp.coo_matrix, row={2: -FAR}), "negative axis 0 index"),
    "coo, columns too large": (broken(sp.coo_matrix, col={2: FAR}), "axis 1 index .* exceeds matrix dimension 20"),
    "coo, few entries": (broken(sp.coo_matrix, data=lambda a: a[:3]), "all index and data arrays must have the same"),
}


@pytest.mark.parametrize("name", BROKEN_SPARSE)
def test_broken_sparse_input_is_refused_before_scipy_uses_its_indices(name):
    X, message = BROKEN_SPARSE[name]
    y = np.arange(10) % 2
    net = fit(L2NetClassifier((5,), max_iter=2, warm_start=True), sp.random(10, 20, density=0.3, random_state=0), y)
    before = pickle.dumps(net)
    regressor = L2NetRegressor((5,), max_iter=2)
    if X.format != "csr":  # which the engine checks, in words of its own
        for call in (net.predict, net.decision_function, lambda X: net.fit(X, y), lambda X: regressor.fit(X, y)):
            with pytest.raises(ValueError, match=f"X is not a valid {X.format.upper()} array of shape .*: {message}"):
                call(X)
    for search in (L2NetClassifierCV((5,), max_iter=2, cv=2), NodeSweepCV(L2NetClassifier(max_iter=2), cv=2)):
        with pytest.raises(ValueError, match=message):
            search.fit(X, y)
    assert pickle.dumps(net) == before


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.bsr_array, sp.coo_matrix, sp.dia_array, sp.lil_array])
def test_whole_sparse_input_of_every_format_is_taken(kind):
    X, y = sp.random(10, 20, density=0.3, format="csr", random_state=0), np.arange(10) % 2
    expected = fit(L2NetClassifier((5,), max_iter=2, random_state=0), X, y)
    net = fit(L2NetClassifier((5,), max_iter=2, random_state=0), broken(kind), y)
    np.testing.assert_array_equal(net.predict_proba(broken(kind)), expected.predict_proba(X))
    empty = kind((3, 20))
    np.testing.assert_array_equal(net.predict_proba(empty), net.predict_proba(np.zeros((3, 20))))


def test_broken_sparse_labels_are_refused():
    labels = sp.csc_array(np.eye(10, 3))
    labels.indices = np.array([0, 1, FAR], labels.indices.dtype)
    with pytest.raises(ValueError, match=r"y is not a valid CSC array of shape \(10, 3\): indices must be < 10"):
        L2NetClassifier((5,), max_iter=2).fit(np.ones((10, 2)), labels)


@each_engine
@pytest.mark.parametrize("name", BROKEN_CSR)
def test_broken_csr_is_refused_by_every_function_of_an_engine(engine, name):
    case = make_case((20, 5, 3), "tanh", "softmax", "log_loss", n_rows=2)
    case.X = BROKEN_CSR[name]
    optimiser, learning_rate = STEPS["adam"]
    batches = make_batches(2, 1, 2)
    coefficients = coefficients_of(case, "penalty", 0.1, batches, learning_rate)
    rates = rates_of(batches, learning_rate)
    state = new_state(case.parameters, optimiser)
    for call in (
        lambda: engine.open(case.task).outputs(case.parameters),
        lambda: engine.open(case.task).loss_and_gradient(case.parameters),
        lambda: engine.open(case.task).losses(case.parameters[None]),
        lambda: engine.open(case.task).run_updates(state, batches, coefficients, optimiser, rates),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - the words are the engine's or scipy's
            call()
    np.testing.assert_array_equal(state.parameters, case.parameters)


@each_engine
def test_broken_csr_is_refused_where_only_the_order_of_an_epoch_names_its_rows(engine):
    case = make_case((5, 2), "tanh", "identity", "squared_error", n_rows=2)
    case.X, case.rows = sp.csr_array(np.eye(2, 5)), np.array([0])
    case.X.indices[1] = FAR
    optimiser, learning_rate = STEPS["sgd"]
    batches = Batches(np.array([[1]]), np.array([0, 1]), np.ones((1, 1)))
    coefficients = coefficients_of(case, "penalty", 0.1, batches, learning_rate)
    rates = rates_of(batches, learning_rate)
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the engine's or scipy's
        engine.open(case.task).run_updates(
            new_state(case.parameters, optimiser), batches, coefficients, optimiser, rates
        )


@pytest.mark.parametrize("variant", ["inertia", "fips"])
@pytest.mark.parametrize("topology", ["ring", "random"])
def test_links_scaled_by_a_user_are_links(variant, topology):
    X, y = classes(40)
    solver = ParticleSwarm(6, variant=variant, topology=topology)
    net = L2NetClassifier((4,), solver=solver, max_iter=5, warm_start=True, random_state=0)
    expected, scaled = fit(net, X, y), pickle.loads(pickle.dumps(net))
    state = scaled._training_state
    swarm = replace(state.solver_state, links=state.solver_state.links * 40)
    scaled._training_state = replace(state, solver_state=swarm)
    np.testing.assert_array_equal(flat(fit(scaled, X, y)), flat(fit(expected, X, y)))


@pytest.mark.parametrize(
    "order", [np.arange(40) + 1, np.arange(40) - 1, np.full(40, 2**62)], ids=["large", "negative", "huge"]
)
@pytest.mark.parametrize("batch_size", [1, 8])
def test_an_edited_row_order_out_of_range_is_refused(order, batch_size):
    if order[0] == -1 and default_engine().name == "reference":
        pytest.skip("NumPy counts such rows from the end")
    X, y = classes(40)
    net = L2NetClassifier((4,), max_iter=2, batch_size=batch_size, warm_start=True, random_state=0)
    fit(net, X, y)
    state = net._training_state
    net._training_state = replace(state, solver_state=state.solver_state._replace(order=order))
    before = flat(net)
    with pytest.raises((ValueError, IndexError)):
        net.fit(X, y)
    np.testing.assert_array_equal(flat(net), before)


def unaligned(array):
    """A copy of an array that begins at an odd address."""
    moved = np.zeros(array.nbytes + 1, dtype=np.uint8)[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


@each_dtype
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("with_classes", [False, True], ids=["one-hot", "classes"])
def test_unaligned_arrays_give_the_same_bits(with_classes, dtype, sparse):
    engine = pytest.importorskip("skl2net.engines._compiled").engine
    case = make_case((9, 33, 3), "tanh", "softmax", "log_loss", n_rows=20, sparse=sparse, weighted=True, dtype=dtype)
    case.rows = np.arange(20)[::-1].copy()
    X = case.X
    if sparse:
        X = case.X.copy()
        X.data, X.indices, X.indptr = map(unaligned, (X.data, X.indices, X.indptr))
    else:
        X = unaligned(X)
    if with_classes:
        case = case.with_classes()
    task = replace(
        case.task, X=X, Y=unaligned(case.Y), sample_weight=unaligned(case.sample_weight), rows=unaligned(case.rows)
    )
    optimiser, learning_rate = STEPS["adam"]
    batches = make_batches(20, 3, 5)
    coefficients = coefficients_of(case, "penalty", 0.1, batches, learning_rate)
    rates = rates_of(batches, learning_rate)
    moved_batches = replace(batches, **{name: unaligned(array) for name, array in vars(batches).items()})
    moved_coefficients = L2Coefficients(*(unaligned(array) for array in vars(coefficients).values()))
    states = [new_state(case.parameters, optimiser) for _ in range(2)]
    engine.open(case.task).run_updates(states[0], batches, coefficients, optimiser, rates)
    moved_rates = unaligned(rates)
    engine.open(task).run_updates(states[1], moved_batches, moved_coefficients, optimiser, moved_rates)
    np.testing.assert_array_equal(states[1].parameters, states[0].parameters)
    parameters = unaligned(case.parameters)
    np.testing.assert_array_equal(
        engine.open(task).outputs(parameters), engine.open(case.task).outputs(case.parameters)
    )
    np.testing.assert_array_equal(
        engine.open(task).loss_and_gradient(parameters)[1], engine.open(case.task).loss_and_gradient(case.parameters)[1]
    )
    np.testing.assert_array_equal(
        engine.open(task).losses(parameters[None]), engine.open(case.task).losses(case.parameters[None])
    )
    with pytest.raises(ValueError, match="writeable array"):
        engine.open(task).run_updates(
            replace(states[1], parameters=parameters), moved_batches, moved_coefficients, optimiser, moved_rates
        )


def test_an_unaligned_swarm_flies_the_same_way():
    engine = pytest.importorskip("skl2net.engines._compiled").engine
    case = swarm_case()
    names = ("positions", "velocities", "best_positions", "best_losses", "best_data_losses", "neighbourhood_best")
    swarm, other = make_swarm(case), make_swarm(case)
    other = replace(other, **{name: unaligned(getattr(other, name)) for name in names})
    expected, _ = engine.open(case.task).iterate_swarm(swarm, penalty_of(case), make_motion(5))
    state, _ = engine.open(case.task).iterate_swarm(other, penalty_of(case), make_motion(5))
    np.testing.assert_array_equal(state.positions, expected.positions)


def test_unaligned_data_and_coefficients_predict_the_same():
    X, y = classes(40)
    net = fit(L2NetClassifier((4,), max_iter=3, random_state=0), X, y)
    expected = net.predict_proba(X)
    np.testing.assert_array_equal(net.predict_proba(unaligned(X)), expected)
    net.coefs_, net.intercepts_ = [*map(unaligned, net.coefs_)], [*map(unaligned, net.intercepts_)]
    np.testing.assert_array_equal(net.predict_proba(X), expected)


@each_engine
@each_dtype
@pytest.mark.parametrize("n_rows", [1, 2, 40])
@pytest.mark.parametrize("n_outputs", [3, 20, 40])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_softmax_of_raw_outputs_far_below_zero(engine, instruction_set, n_rows, n_outputs, loss, dtype):  # noqa: F811
    # the first class is the most likely one, by far, though its raw output is far below zero as well
    lowest = dtype(-1e36 if dtype == np.float32 else -1e305)
    case = make_case((2, n_outputs), "identity", "softmax", loss, n_rows=n_rows, dtype=dtype)
    case.parameters[:] = 0
    biases = case.network.unpack(case.parameters)[1][0]
    biases[:], biases[0] = lowest, lowest / 10
    expected = np.zeros((n_rows, n_outputs))
    expected[:, 0] = 1
    np.testing.assert_array_equal(engine.open(case.task).outputs(case.parameters), expected)
    case.Y[:] = np.eye(n_outputs)[1]
    value, gradient = engine.open(case.task).loss_and_gradient(case.parameters)
    of_biases = case.network.unpack(gradient)[1][0]
    if loss == "log_loss":
        assert value == pytest.approx(-0.9 * float(lowest), rel=1e-6)
        np.testing.assert_allclose(of_biases, np.eye(n_outputs)[0] - np.eye(n_outputs)[1], rtol=1e-6)
    else:
        assert value == pytest.approx(1.0, rel=1e-6)
        np.testing.assert_array_equal(of_biases, 0)
