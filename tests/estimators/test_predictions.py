"""Predictions from arrays as they are: the same results, errors and warnings as by way of scikit-learn's validation."""

import re
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from cases import make_case
from sklearn.exceptions import NotFittedError

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.activations import ACTIVATIONS, OUTPUTS
from skl2net.engines.base import Engine
from skl2net.engines.reference import engine as reference

_compiled = pytest.importorskip("skl2net.engines._compiled", reason="the compiled engine was not built")
compiled = _compiled.engine

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


Roundabout = Engine("compiled", compiled.session)  # without its direct predictions


class DirectOnly(type(compiled)):
    """The compiled engine without predictions by way of a task."""

    def open(self, task):
        raise AssertionError("the input has taken the way through a task")


def use(monkeypatch, engine):
    monkeypatch.setattr("skl2net.estimators.base.default_engine", lambda: engine)


@pytest.fixture(params=_compiled.instruction_sets())
def instruction_set(request):
    """Run each instruction set of this processor."""
    _compiled._use_instruction_set(request.param)
    yield request.param
    _compiled._use_instruction_set(_compiled.instruction_sets()[-1])


@each_dtype
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "finished"])
@pytest.mark.parametrize("output", ["identity", "logistic", "softmax", "exp"])
@pytest.mark.parametrize("n_outputs", [1, 3, 17])
@pytest.mark.parametrize(
    "hidden", [(), (1,), (7, 8), (15,), (16,), (33, 31), (100,), (128,), (130,), (300, 2)], ids=str
)
def test_rows_one_by_one_have_the_bits_of_all_rows_at_once(instruction_set, hidden, n_outputs, output, raw, dtype):
    loss = "poisson" if output == "exp" else "squared_error"
    case = make_case((9, *hidden, n_outputs), "tanh", output, loss, n_rows=7, dtype=dtype)
    layers = case.task.network.unpack(case.parameters)
    expected = compiled.open(case.task).outputs(case.parameters, raw=raw)
    X = case.X
    for n_rows in (1, 2, 3, 7):
        parts = [
            compiled.predict(*layers, ACTIVATIONS["tanh"], OUTPUTS[output], X[i : i + n_rows], raw=raw)
            for i in range(0, len(X), n_rows)
        ]
        assert np.concatenate(parts).tobytes() == expected.tobytes()


@each_dtype
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_the_bits_of_all_rows_at_once(instruction_set, activation, dtype):
    case = make_case((9, 40, 20, 3), activation, "softmax", "log_loss", n_rows=5, dtype=dtype)
    layers = case.task.network.unpack(case.parameters)
    rows = [compiled.predict(*layers, ACTIVATIONS[activation], OUTPUTS["softmax"], case.X[i : i + 1]) for i in range(5)]
    np.testing.assert_array_equal(np.concatenate(rows), compiled.open(case.task).outputs(case.parameters))


def fitted(kind, dtype=np.float64, **parameters):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 4)).astype(dtype)
    y = {
        "binary": rng.integers(0, 2, 40),
        "multiclass": rng.integers(0, 3, 40),
        "multilabel": rng.integers(0, 2, (40, 3)),
        "one class": np.zeros(40),
        "strings": rng.choice(["a", "b", "c"], 40),
        "regression": rng.standard_normal(40),
        "several targets": rng.standard_normal((40, 2)),
    }[kind]
    estimator = L2NetRegressor if kind in ("regression", "several targets") else L2NetClassifier
    return estimator((5, 3), max_iter=3, solver="lbfgs", random_state=0, **parameters).fit(X, y), X


KINDS = ("binary", "multiclass", "multilabel", "one class", "strings", "regression", "several targets")
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def methods_of(net):
    return [name for name in METHODS if hasattr(net, name)]


@each_dtype
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_arrays_need_no_task_and_are_those_with_a_task(monkeypatch, kind, dtype):
    net, X = fitted(kind, dtype)
    for method in methods_of(net):
        for rows in (X[:1], X[:2], X):
            use(monkeypatch, DirectOnly("compiled", compiled.session))
            direct = getattr(net, method)(rows)
            use(monkeypatch, Roundabout)
            expected = getattr(net, method)(rows)
            assert direct.dtype == expected.dtype
            np.testing.assert_array_equal(direct, expected)


def with_value(value):
    def change(X):
        X = X.copy()
        X[-1, -1] = value
        return X

    return change


class Subclass(np.ndarray):
    pass


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def unaligned(X):
    memory = np.empty(X.nbytes + 1, dtype=np.uint8)
    shifted = memory[1:].view(X.dtype) if X.nbytes % X.itemsize else memory[1:].view(X.dtype).reshape(X.shape)
    shifted[...] = X
    return shifted


INPUTS = {
    "plain": lambda X: X,
    "read-only": read_only,
    "Fortran order": np.asfortranarray,
    "every other row": lambda X: X[::2],
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": lambda X: X[::-1],
    "unaligned": unaligned,
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "float16": lambda X: X.astype(np.float16),
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.astype(np.float64),
    "long double": lambda X: X.astype(np.longdouble),
    "integers": lambda X: X.astype(int),
    "booleans": lambda X: X > 0,
    "complex": lambda X: X + 0j,
    "objects": lambda X: X.astype(object),
    "numbers as strings": lambda X: X.astype(str),
    "words": lambda X: np.full(X.shape, "word"),
    "list": lambda X: X.tolist(),
    "tuple": lambda X: tuple(map(tuple, X)),
    "subclass": lambda X: X.view(Subclass),
    "masked": lambda X: np.ma.masked_array(X, X > 0),
    "matrix": lambda X: np.asmatrix(X),
    "data frame": lambda X: pd.DataFrame(X),
    "named data frame": lambda X: pd.DataFrame(X, columns=list("abcd")),
    "CSR": sp.csr_array,
    "CSC matrix": sp.csc_matrix,
    "COO": sp.coo_array,
    "NaN": with_value(np.nan),
    "inf": with_value(np.inf),
    "-inf": with_value(-np.inf),
    "largest number": lambda X: with_value(np.finfo(X.dtype).max)(X),
    "subnormal number": lambda X: with_value(np.finfo(X.dtype).smallest_subnormal)(X),
    "too few columns": lambda X: np.ascontiguousarray(X[:, :3]),
    "too many columns": lambda X: np.hstack([X, X]),
    "no columns": lambda X: X[:, :0],
    "no rows": lambda X: X[:0],
    "a vector": lambda X: X[0],
    "a number": lambda X: X[0, 0],
    "three dimensions": lambda X: X[None],
    "None": lambda X: None,
    "a word": lambda X: "word",
}


def outcome(method, X):
    """What a call returns or raises, and what it warns of, in a form to compare."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = method(X)
        except Exception as error:
            result = type(error), str(error)
        else:
            result = type(result), result.dtype, result.shape, result.tobytes()
    return result, [(warning.category, str(warning.message)) for warning in caught]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of np.matrix
@pytest.mark.parametrize("n_rows", [1, 5])
@pytest.mark.parametrize("assume_finite", [False, True], ids=["finite or not", "assume_finite"])
@pytest.mark.parametrize("names", [False, True], ids=["without names", "names"])
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
@pytest.mark.parametrize("form", INPUTS)
def test_odd_input_has_the_outcome_of_validation(monkeypatch, form, kind, names, assume_finite, n_rows):
    net, X = fitted(kind, np.float32)
    if names:
        net.feature_names_in_ = np.array(list("abcd"), dtype=object)
    odd = INPUTS[form](X[:n_rows])
    with sklearn.config_context(assume_finite=assume_finite):
        for name in methods_of(net):
            use(monkeypatch, compiled)
            direct = outcome(getattr(net, name), odd)
            use(monkeypatch, Roundabout)
            assert direct == outcome(getattr(net, name), odd)


@pytest.mark.parametrize("attribute", [None, "coefs_", "n_features_in_"])
def test_networks_without_a_fit_have_the_outcome_of_validation(monkeypatch, attribute):
    net, X = fitted("multiclass")
    if attribute is None:
        net = L2NetClassifier()
        with pytest.raises(NotFittedError):
            net.predict(X[:1])
    else:
        delattr(net, attribute)
    direct = outcome(net.predict, X[:1])
    use(monkeypatch, Roundabout)
    assert direct == outcome(net.predict, X[:1])


def edit_in_place(net):
    net.coefs_[0][1, 2] += 10
    net.intercepts_[-1][0] -= 3


def replace_array(net):
    net.coefs_[1] = 5 * net.coefs_[1]


def replace_lists(net):
    net.coefs_ = [-coef for coef in net.coefs_]
    net.intercepts_ = [intercept + 1 for intercept in net.intercepts_]


def replace_by_tuple(net):
    net.coefs_ = tuple(-coef for coef in net.coefs_)


def transpose(net):
    net.coefs_[0] = np.asfortranarray(3 * net.coefs_[0])


def change_type(net):
    net.coefs_[0] = net.coefs_[0].astype(np.float32)


def change_every_type(net):
    net.coefs_ = [coef.astype(np.float32) for coef in net.coefs_]
    net.intercepts_ = [intercept.astype(np.float32) for intercept in net.intercepts_]


def not_finite(net):
    net.coefs_[0][0, 0] = np.nan


def prune(net):
    net.coefs_[:2] = [np.ascontiguousarray(net.coefs_[0][:, 3:]), np.ascontiguousarray(net.coefs_[1][3:])]
    net.intercepts_[0] = net.intercepts_[0][3:]


def spoil(net):
    net.coefs_[1] = net.coefs_[1][:2]


def shorten(net):
    net.intercepts_ = net.intercepts_[:-1]


def misshape(net):
    net.intercepts_[0] = net.intercepts_[0][:, None] + 1


def drop_output_layer(net):
    net.coefs_.pop()
    net.intercepts_.pop()


def widen_output_layer(net):
    net.coefs_[-1] = np.hstack([net.coefs_[-1]] * 2)
    net.intercepts_[-1] = np.hstack([net.intercepts_[-1]] * 2)


EDITS = (
    edit_in_place, replace_array, replace_lists, replace_by_tuple, transpose, change_type, change_every_type,
    not_finite, prune, spoil, shorten, misshape, drop_output_layer, widen_output_layer,
)  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("n_rows", [1, 5])
def test_edited_weights_have_the_outcome_of_validation(monkeypatch, edit, n_rows):
    net, X = fitted("multiclass")
    before = outcome(net.decision_function, X[:n_rows])
    edit(net)
    direct = outcome(net.decision_function, X[:n_rows])
    assert direct != before
    use(monkeypatch, Roundabout)
    assert direct == outcome(net.decision_function, X[:n_rows])


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("several targets", drop_output_layer),
        ("several targets", widen_output_layer),
        ("multiclass", widen_output_layer),
    ],
)
def test_networks_of_another_number_of_outputs_are_refused(kind, edit):
    net, X = fitted(kind)
    edit(net)
    found, n_outputs = net.coefs_[-1].shape, net.n_outputs_
    expected = re.escape(f"must be an array of float32 or float64 of shape {(found[0], n_outputs)}, for layers of ")
    for n_rows in (1, 5):
        with pytest.raises(ValueError, match=rf"coefs_\[\d\] {expected}.* got float64, shape {re.escape(str(found))}"):
            net.predict(X[:n_rows])


@pytest.mark.parametrize("n_layers", [16, 17])
def test_deep_networks_predict(n_layers):
    rng = np.random.default_rng(0)
    coefs = [rng.standard_normal((3, 3)) for _ in range(n_layers)]
    intercepts = [rng.standard_normal(3) for _ in range(n_layers)]
    X = rng.standard_normal((1, 3))
    direct = compiled.predict(coefs, intercepts, ACTIVATIONS["tanh"], OUTPUTS["identity"], X)
    assert (direct is None) == (n_layers > 16)
    net, _ = fitted("several targets")
    vars(net).update(coefs_=coefs, intercepts_=intercepts, n_features_in_=3, n_outputs_=3, _activation="tanh")
    task = make_case((3,) * (n_layers + 1), "tanh", "identity", "squared_error").task
    parameters = task.network.pack(coefs, intercepts)
    np.testing.assert_allclose(net.predict(X), reference.open(replace(task, X=X)).outputs(parameters))


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_predictions_in_several_python_threads_are_those_in_one(n_threads):
    rng = np.random.default_rng(0)
    net = L2NetClassifier((256, 128), max_iter=1, random_state=0)
    X = rng.standard_normal((200, 100)).astype(np.float32)
    net.fit(X, rng.integers(0, 10, 200))
    expected = net.decision_function(X)
    begin = threading.Barrier(n_threads)

    def predict_all(_):
        begin.wait()
        return np.concatenate([net.decision_function(X[i : i + 1]) for i in range(len(X))])

    with ThreadPoolExecutor(n_threads) as pool:
        for result in pool.map(predict_all, range(n_threads)):
            assert result.tobytes() == expected.tobytes()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
def test_ctrl_c_ends_a_long_prediction():
    rng = np.random.default_rng(0)
    X = np.ones((50_000, 100))  # for 400 billion operations: some seconds
    net = L2NetRegressor((2000, 2000), max_iter=1, normalize_y=False).fit(X[:10], rng.standard_normal(10))
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    begin = time.process_time()
    try:
        with pytest.raises(KeyboardInterrupt):
            net.predict(X)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert time.process_time() - begin < 2
