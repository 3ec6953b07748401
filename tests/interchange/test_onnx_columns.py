"""Transformers of columns exported to ONNX, and the pipelines of `make_tabular_search` as a whole."""

import warnings

import numpy as np
import pytest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_union
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, TargetEncoder

from skl2net import make_tabular_search

pandas = pytest.importorskip("pandas")
skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2net.interchange.onnx").register()

N = 200
RNG = np.random.default_rng(0)
# a column without ties, one of few values, one that begins with ties, and one that ends with them
NUMBERS = np.stack(
    [
        RNG.normal(size=N),
        RNG.integers(0, 4, N),
        np.maximum(RNG.normal(size=N), 0),
        np.minimum(RNG.exponential(size=N), 0.5),
    ],
    axis=1,
)


def run(model, X, **settings):
    """Outputs of the exported model, with an input for each column of a data frame; strings have no missing values."""
    exported = skl2onnx.to_onnx(model, X[:1] if isinstance(X, np.ndarray) else X.dropna()[:1], **settings)
    session = onnxruntime.InferenceSession(exported.SerializeToString(), providers=["CPUExecutionProvider"])
    if isinstance(X, np.ndarray):
        return session.run(None, {session.get_inputs()[0].name: X})
    columns = {}
    for node in session.get_inputs():
        column = X[node.name].map(str).astype(object) if "string" in node.type else X[node.name]
        columns[node.name] = column.to_numpy().reshape(-1, 1)
    return session.run(None, columns)


def assert_same(transformer, X, *, atol=0.0):
    (transformed,) = run(transformer, X)
    np.testing.assert_allclose(transformed, transformer.transform(X), rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("include_bias", [True, False])
def test_splines_of_degree_1(include_bias, dtype):
    splines = SplineTransformer(8, degree=1, knots="quantile", include_bias=include_bias).fit(NUMBERS.astype(dtype))
    between = NUMBERS.astype(dtype)
    at_knots = np.stack([spline.t[1:-1] for spline in splines.bsplines_], axis=1).astype(dtype)
    beyond = np.stack([NUMBERS.min(axis=0) - 1, NUMBERS.max(axis=0) + 1]).astype(dtype)
    narrowest = min(np.diff(np.unique(spline.t.astype(dtype))).min() for spline in splines.bsplines_)
    atol = 8 * np.finfo(dtype).eps * np.abs(NUMBERS).max() / narrowest
    for X in (between, beyond, *([at_knots] if dtype is np.float64 else [])):  # single precision moves knots
        assert_same(splines, X, atol=atol)


def test_other_splines_are_refused():
    for settings in ({"degree": 3}, {"degree": 1, "extrapolation": "linear"}):
        with pytest.raises(NotImplementedError, match="Use degree=1 and extrapolation='constant'"):
            run(SplineTransformer(4, **settings).fit(NUMBERS), NUMBERS)


@pytest.mark.parametrize("missing", [np.nan, -1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_missing_numbers(dtype, missing):
    X = NUMBERS.astype(dtype)
    X[RNG.random(X.shape) < 0.2] = missing
    X[:, 1] = 2
    for has_indicator in (False, True):
        assert_same(SimpleImputer(missing_values=missing, strategy="mean", add_indicator=has_indicator).fit(X), X)
    assert_same(MissingIndicator(missing_values=missing, error_on_new=False).fit(X), X)


def test_a_column_without_values_is_dropped():
    X = NUMBERS.copy()
    X[:, 2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the column
        assert_same(SimpleImputer().fit(X), X)


def test_integers_with_a_median_that_is_not_one():
    X = np.arange(8).reshape(-1, 1)
    (imputed,) = run(SimpleImputer(strategy="median").fit(X), X)
    np.testing.assert_array_equal(imputed, X)


def test_a_union_with_a_step_that_is_dropped():
    union = make_union("passthrough", SplineTransformer(4, degree=1)).set_params(splinetransformer="drop").fit(NUMBERS)
    assert_same(union, NUMBERS)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_infrequent_and_unknown_and_missing_categories(missing):
    names = RNG.choice(["a", "b", "c", "d", "e"], N, p=[0.4, 0.3, 0.2, 0.06, 0.04]).astype(object)
    names[RNG.random(N) < 0.1] = missing
    frame = pandas.DataFrame({"name": names, "flag": RNG.random(N) < 0.5, "number": RNG.integers(0, 3, N)})
    for min_frequency in (None, 5, 15):
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=min_frequency, sparse_output=False)
        encoder.fit(frame)
        assert_same(encoder, frame)
        assert_same(encoder, frame.assign(name=np.where(frame.index % 2, "unknown", frame["name"]), number=7))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "continuous"])
def test_means_of_targets(kind):
    frame = pandas.DataFrame({"name": RNG.choice(list("abcdef"), N), "code": RNG.integers(0, 20, N)})
    y = {"binary": NUMBERS[:, 1] > 1, "multiclass": NUMBERS[:, 1].astype(int), "continuous": NUMBERS[:, 0]}[kind]
    encoder = TargetEncoder(target_type=kind).fit(frame, y)
    assert_same(encoder, frame, atol=1e-6)  # in single precision
    assert_same(encoder, frame.assign(name="unknown", code=99), atol=1e-6)


def table(dtype=np.float64):
    frame = pandas.DataFrame(NUMBERS.astype(dtype), columns=["smooth", "few", "low", "high"])
    frame["count"] = RNG.integers(0, 1000, N)
    frame["same"] = 1.0
    frame["flag"] = RNG.random(N) < 0.3
    frame["name"] = RNG.choice(["a", "b", "c", "d"], N, p=[0.5, 0.3, 0.19, 0.01])
    frame["many"] = [f"v{i}" for i in RNG.integers(0, 90, N)]
    frame.loc[RNG.random(N) < 0.1, "smooth"] = np.nan
    frame.loc[RNG.random(N) < 0.1, "name"] = np.nan
    return frame, np.nan_to_num(frame["smooth"]) ** 2 + (frame["name"] == "b") + RNG.normal(size=N) / 5


def assert_same_predictions(model, frame):
    unseen = frame.assign(name=np.where(frame.index % 3, "unknown", frame["name"]), smooth=3 * frame["smooth"])
    for rows in (frame, unseen):
        if hasattr(model, "classes_"):
            labels, P = run(model, rows, options={"zipmap": False})
            np.testing.assert_array_equal(labels, model.predict(rows))
            np.testing.assert_allclose(P, model.predict_proba(rows), rtol=0, atol=1e-5)  # in single precision
        else:
            expected = model.predict(rows)
            np.testing.assert_allclose(run(model, rows)[0].ravel(), expected, rtol=0, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("splines", ["drop", SplineTransformer(16, degree=1, knots="quantile")])
@pytest.mark.parametrize("task", ["regression", "two classes", "three classes"])
def test_pipelines_of_the_search_of_tables(task, splines, dtype):
    frame, y = table(dtype)
    if task != "regression":
        y = pandas.qcut(y, 2 if task == "two classes" else 3, labels=False)
    model = make_tabular_search(task.split()[-1].replace("classes", "classification"), random_state=0).estimator
    model.set_params(columns__numeric__expand__splines=splines, net__hidden_layer_sizes=(20,), net__max_iter=20)
    assert_same_predictions(model.fit(frame, y), frame)


def test_the_winner_of_a_search_of_tables():
    frame, y = table()
    search = make_tabular_search("regression", cv=2, random_state=0)
    assert_same_predictions(search.fit(frame, y).best_estimator_, frame)
