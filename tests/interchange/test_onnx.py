"""Networks and pipelines exported to ONNX predict what they predict here, up to rounding."""

import doctest

import numpy as np
import pytest
from cases import fit
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, L2NetRegressorCV
from skl2net.activations import ACTIVATIONS

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("skl2net.interchange.onnx")
onnx.register()

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
NUMBERS = RNG.permutation(np.arange(N) % 3)
CLASSES = {
    "multiclass": NUMBERS,
    "two classes": NUMBERS > 0,
    "strings": np.array(["a", "b", "c"])[NUMBERS],
    "two strings": np.array(["a", "b"])[NUMBERS % 2],
    "whole floats": NUMBERS - 1.0,
    "one class": np.full(N, 7),
    "multilabel": np.eye(3, dtype=int)[NUMBERS] | np.eye(3, dtype=int)[NUMBERS[::-1]],
}
REGRESSIONS = {"one output": X[:, 0], "two outputs": X[:, :2] * 100}


def run(model, X, **settings):
    """Outputs of the exported model, with an input for each column of a data frame."""
    exported = skl2onnx.to_onnx(model, X[:1], **settings)
    session = onnxruntime.InferenceSession(exported.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    if isinstance(X, np.ndarray):
        return session.run(None, {names[0]: X})
    return session.run(None, {name: X[name].to_numpy().reshape(-1, 1) for name in names})


def assert_same_classes(model, X, dtype, **settings):
    labels, P = run(model, X, options={"zipmap": False}, **settings)
    assert P.dtype == dtype
    np.testing.assert_array_equal(labels, model.predict(X))
    np.testing.assert_allclose(P, model.predict_proba(X), rtol=0, atol=64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("task", CLASSES)
def test_a_classifier_gives_its_labels_and_probabilities(task, activation, dtype):
    net = fit(L2NetClassifier((6, 5), activation, max_iter=20, random_state=0), X.astype(dtype), CLASSES[task])
    assert_same_classes(net, X.astype(dtype), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("task", REGRESSIONS)
def test_a_regressor_gives_its_predictions(task, activation, dtype):
    net = fit(L2NetRegressor((6, 5), activation, max_iter=20, random_state=0), X.astype(dtype), REGRESSIONS[task])
    (predictions,) = run(net, X.astype(dtype))
    assert (predictions.dtype, predictions.shape) == (dtype, (N, net.n_outputs_))
    expected = net.predict(X.astype(dtype)).reshape(N, -1)
    np.testing.assert_allclose(predictions, expected, rtol=0, atol=64 * np.finfo(dtype).eps * np.abs(expected).max())


def test_counts_and_linear_models_and_searches():
    y = RNG.poisson(np.exp(X[:, 0]))
    for net in (
        L2NetRegressor((), loss="poisson", max_iter=20, random_state=0),
        L2NetRegressorCV((3,), alphas=[1, 10], cv=2, max_iter=20, random_state=0),
    ):
        (predictions,) = run(fit(net, X, y), X)
        np.testing.assert_allclose(predictions.ravel(), net.predict(X), rtol=1e-13)
    search = L2NetClassifierCV((3,), alphas=[1, 10], cv=2, max_iter=20, random_state=0)
    assert_same_classes(fit(search, X, NUMBERS), X, np.float64)


def test_saturated_probabilities_are_those_of_the_estimator():
    for y in (NUMBERS > 0, NUMBERS):
        net = fit(L2NetClassifier((), max_iter=20, random_state=0), X, y)
        net.coefs_[0][:] *= 1e4
        _, P = run(net, X, options={"zipmap": False})
        np.testing.assert_array_equal([P.min(), P.max()], [net.predict_proba(X).min(), net.predict_proba(X).max()])
        np.testing.assert_array_equal(P > 0.5, net.predict_proba(X) > 0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", ["multiclass", "strings", "multilabel"])
def test_options_of_classifiers(task, dtype):
    data = X.astype(dtype)
    net = fit(L2NetClassifier((6,), max_iter=20, random_state=0), data, CLASSES[task])
    P = net.predict_proba(data)
    labels, maps = run(net, data)
    np.testing.assert_array_equal(labels, net.predict(data))
    assert list(maps[0]) == net.classes_.tolist()
    np.testing.assert_allclose([list(row.values()) for row in maps], P, rtol=0, atol=1e-6)  # in single precision
    labels, *columns = run(net, data, options={"zipmap": "columns"})
    np.testing.assert_allclose(np.stack(columns, axis=1), P, rtol=0, atol=64 * np.finfo(dtype).eps)
    *_, classes = run(net, data, options={"zipmap": False, "output_class_labels": True})
    np.testing.assert_array_equal(classes, net.classes_)
    if task != "multilabel":
        labels, _ = run(net, data, options={"zipmap": False, "nocl": True})
        np.testing.assert_array_equal(net.classes_[labels], net.predict(data))


def test_labels_that_are_neither_integers_nor_strings_are_refused():
    net = fit(L2NetClassifier((6,), max_iter=20, random_state=0), X, CLASSES["strings"])
    net.classes_ = np.array([0.5, 1.5, 2.5])
    with pytest.raises(ValueError, match=r"got classes_=\[0.5, 1.5, 2.5\]. Fit with such labels"):
        run(net, X, options={"zipmap": False})
    labels, _ = run(net, X, options={"zipmap": False, "nocl": True})
    np.testing.assert_array_equal(net.classes_[labels], net.predict(X))


def test_input_of_integers():
    data = RNG.integers(0, 5, size=(N, 4))
    assert_same_classes(fit(L2NetClassifier((6,), max_iter=20, random_state=0), data, NUMBERS), data, np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pipelines_of_columns(dtype):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X.astype(dtype), columns=list("abcd")).assign(
        where=np.array(["x", "y", "z"])[NUMBERS[::-1]]
    )
    columns = make_column_transformer(
        (make_pipeline(StandardScaler(), make_union("passthrough", StandardScaler())), list("abcd")),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["where"]),
    )
    net = L2NetClassifier((6,), max_iter=20, random_state=0)
    assert_same_classes(fit(make_pipeline(columns, net), frame, NUMBERS), frame, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_inside_another_model(dtype):
    data = X.astype(dtype)
    nets = [(str(size), L2NetClassifier((size,), max_iter=20, random_state=0)) for size in (3, 4)]
    stack = StackingClassifier(nets, L2NetClassifier((), max_iter=20, random_state=0), cv=2)
    labels, _ = run(fit(stack, data, NUMBERS), data, options={id(stack): {"zipmap": False}})
    np.testing.assert_array_equal(labels, stack.predict(data))


def test_the_example_of_register():
    assert doctest.testmod(onnx).failed == 0
