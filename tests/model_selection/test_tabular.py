"""A table as it is: which columns are encoded in which way, and that the search is scikit-learn's own parts."""

import copy
import datetime
import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, cross_val_score
from sklearn.utils import estimator_html_repr

from skl2net import L2NetClassifier, make_tabular_search
from skl2net.model_selection.held_out_loss import held_out_loss
from skl2net.model_selection.tabular import FoldsOrHoldOut, as_text

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

N = 160
RNG = np.random.default_rng(0)
TABLE = {
    "number": RNG.normal(size=N),
    "grade": RNG.integers(0, 4, N),
    "gap": np.where(RNG.random(N) < 0.2, np.nan, RNG.gamma(2, size=N)),
    "colour": RNG.choice(["red", "green", "blue"], N),
    "flag": RNG.random(N) < 0.3,
    "place": [f"place {i}" for i in RNG.integers(0, 140, N)],
    "constant": 1.0,
}
FRAME = pd.DataFrame(TABLE)
IS_HIGH = FRAME["number"].abs() + FRAME["flag"] > 1
AMOUNT = FRAME["number"] + FRAME["grade"]


def small(task="classification", cv=2, **options):
    """A search with small networks, which has two widths and two strengths."""
    search = make_tabular_search(task, cv=cv, random_state=0, **options)
    for grid in search.param_grids[0]:
        grid["net__hidden_layer_sizes"] = [(4,), (8,)]
    search.param_grids[1]["net__alpha"] = search.param_grids[1]["net__alpha"][:2]
    return search.set_params(estimator__net__max_iter=5)


def columns_of(search):
    """Which columns are encoded in which way."""
    return {name: columns for name, _, columns in search.best_estimator_["columns"].transformers_ if len(columns)}


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [FRAME, pl.DataFrame(TABLE)], ids=["pandas", "polars"])
@pytest.mark.parametrize(("task", "y"), [("classification", IS_HIGH), ("regression", AMOUNT)])
def test_columns_are_encoded_by_their_types_and_values(frame, task, y):
    search = small(task).fit(frame, y)
    assert columns_of(search) == {
        "numeric": ["number", "gap"],
        "numeric_few_values": ["grade"],
        "missing": ["gap"],
        "categories": ["colour", "flag"],
        "many_categories": ["place"],
        "remainder": [6],
    }
    as_pandas = clone(search).fit(FRAME, y)
    np.testing.assert_array_equal(search.predict(frame), as_pandas.predict(FRAME))


def test_encodings_are_those_of_the_parts_by_hand():
    columns = small().estimator["columns"]
    encoded = columns.fit_transform(FRAME.drop(columns="place"), IS_HIGH)
    column = dict(zip(columns.get_feature_names_out(), encoded.T, strict=True))

    def standardised(values):
        return (values - values.mean()) / values.std()

    gap = FRAME["gap"].fillna(FRAME["gap"].median())
    for name, values in {
        "numeric__linear__number": standardised(FRAME["number"].to_numpy()),
        "numeric__linear__gap": standardised(gap.to_numpy()),
        "numeric_few_values__grade": standardised(FRAME["grade"].to_numpy()),
        "missing__missingindicator_gap": FRAME["gap"].isna(),
        "categories__colour_red": FRAME["colour"] == "red",
        "categories__flag_True": FRAME["flag"],
    }.items():
        np.testing.assert_allclose(column.pop(name), values, atol=1e-12)
    assert sorted(column) == ["categories__colour_blue", "categories__colour_green", "categories__flag_False"]


def n_splines(n_rows, n_values):
    """Number of columns to which a numeric column of a table is expanded, besides itself."""
    search = small()
    columns = search.estimator.set_params(**{name: v[0] for name, v in search.param_grids[0][1].items()})[0]
    values = np.resize(np.arange(float(n_values)), n_rows)
    return columns.fit_transform(np.column_stack([values, np.arange(n_rows) % 2])).shape[1] - 2


def test_splines_have_fewer_knots_for_fewer_rows_and_columns_of_few_values_have_none():
    assert [n_splines(n, n) for n in (59, 60, 159, 160, 1000)] == [0, 6, 6, 16, 16]
    assert [n_splines(1000, n) for n in (2, 4, 5)] == [0, 0, 16]


def test_arrays_are_numeric_and_lists_too():
    array = FRAME[["number", "grade", "gap"]].to_numpy()
    search = small().fit(array, IS_HIGH)
    expected = {"numeric": [0, 2], "numeric_few_values": [1], "missing": [2]}
    assert columns_of(search) == expected
    assert columns_of(small().fit(array.tolist(), IS_HIGH.tolist())) == expected
    with pytest.raises(ValueError, match="could not convert string"):
        small().fit(FRAME[["colour"]].to_numpy(), IS_HIGH)


@pytest.mark.parametrize(
    "columns", [["number"], ["flag"], ["colour", "flag"], ["place"]], ids=["number", "bool", "strings", "many strings"]
)
@pytest.mark.parametrize(("task", "y"), [("classification", IS_HIGH), ("regression", AMOUNT)])
def test_tables_with_columns_of_one_kind(columns, task, y):
    search = small(task).fit(FRAME[columns], y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.predict(FRAME[columns])) == N


@pytest.mark.parametrize(
    "column",
    [
        pd.array([None, 1, 2, 3] * 40, dtype="Int64"),
        pd.array([None, 0.5, 2, 3] * 40, dtype="Float64"),
        pd.array([None, True, False, False] * 40, dtype="boolean"),
        pd.array([None, "a", "b", "a"] * 40, dtype="string"),
        pd.Categorical([None, "a", "b", "a"] * 40),
        pd.Series([None, "a", 1, True] * 40, dtype=object),
        pd.Series([float("nan"), "a", "b", "a"] * 40, dtype=object),
        pl.Series([None, 1, 2, 3] * 40),
        pl.Series([None, "a", "b", "a"] * 40),
        pl.Series([None, "a", "b", "a"] * 40, dtype=pl.Categorical),
        pl.Series([None, True, False, False] * 40),
    ],
    ids=str,
)
def test_missing_values_of_every_kind_are_known(column):
    frame = (pl if isinstance(column, pl.Series) else pd).DataFrame({"x": column})
    columns = small().estimator[0]
    encoded = columns.fit_transform(frame, IS_HIGH)
    is_missing = np.arange(N) % 4 == 0
    assert any(np.array_equal(values, is_missing) for values in encoded.T)
    assert np.isfinite(encoded.astype(float)).all()


def test_columns_that_are_missing_altogether_are_dropped():
    frame = FRAME[["number"]].assign(numbers=np.nan, strings=pd.Series([None] * N, dtype=object))
    assert columns_of(small().fit(frame, IS_HIGH)) == {"numeric": ["number"], "remainder": [1, 2]}


def test_a_column_that_is_constant_in_a_fold_is_dropped_there():
    frame = FRAME[["number"]].assign(rare=[1.0] + [0.0] * (N - 1), rare_word=["a"] + ["b"] * (N - 1))
    search = small().set_params(error_score="raise").fit(frame, IS_HIGH)
    assert columns_of(search)["numeric_few_values"] == ["rare"]


def test_unknown_categories_are_predicted_like_infrequent_ones():
    frame = pd.DataFrame({"x": ["a"] * 90 + ["b"] * 66 + ["c", "d", "e", "f"]})
    search = small(cv=None).fit(frame, IS_HIGH)
    seen, unknown = (search.predict_proba(pd.DataFrame({"x": values})) for values in (["c", "f"], ["g", None]))
    np.testing.assert_array_equal(seen, unknown)
    place = FRAME[["number", "place"]]
    assert np.isfinite(small().fit(place, IS_HIGH).predict_proba(place.assign(place="elsewhere"))).all()


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.assign(when=pd.Timestamp("2026-11-29")),
        FRAME.assign(when=pd.Timedelta(1, "D")),
        pl.DataFrame(TABLE).with_columns(pl.lit(1).cast(pl.Date).alias("when")),
        FRAME.assign(when=pd.Series([None, *[datetime.date(2026, 11, 29)] * (N - 1)], dtype=object)),
        FRAME.assign(when=pd.period_range("2026-01", periods=N, freq="M")),
    ],
    ids=["dates", "durations", "polars", "objects", "periods"],
)
def test_dates_are_refused_with_advice(frame):
    with pytest.raises(ValueError, match=r"Column 'when' holds dates or times .* such as the month"):
        small().fit(frame, IS_HIGH)


def test_text_of_values():
    values = np.array([["a", None], [True, np.nan], [1, pd.NA]], dtype=object)
    assert as_text(values).tolist() == [["a", None], ["True", None], ["1", None]]


def test_whole_numbers_are_the_same_categories_beside_a_missing_value():
    codes = RNG.integers(1, 4, N)
    search = small().fit(FRAME[["number"]].assign(code=pd.Categorical(codes)), IS_HIGH)
    frames = [FRAME[["number"]].assign(code=column) for column in (codes, codes.astype(float), codes.astype("f4"))]
    assert len({search.predict_proba(frame).tobytes() for frame in frames}) == 1


# --- the search -------------------------------------------------------------------------------------------------------


def test_the_chosen_pipeline_refitted_by_hand_gives_the_same_bits():
    search = small(cv=None).fit(FRAME, IS_HIGH)
    by_hand = clone(search.estimator).set_params(**search.best_params_).fit(FRAME, IS_HIGH)
    np.testing.assert_array_equal(search.predict_proba(FRAME), by_hand.predict_proba(FRAME))
    scores = cross_val_score(
        by_hand, FRAME, IS_HIGH, cv=StratifiedKFold(4, shuffle=True, random_state=0), scoring=search.scoring
    )
    assert search.best_score_ == scores.mean()


@pytest.mark.parametrize("frame", [FRAME, pl.DataFrame(TABLE)], ids=["pandas", "polars"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_fold_is_preprocessed_once_for_each_encoding(frame, n_jobs, monkeypatch):
    calls = []

    def count(name, method):
        monkeypatch.setattr(
            ColumnTransformer, name, lambda *args, **params: calls.append(name) or method(*args, **params)
        )

    for name in ("fit_transform", "transform"):
        count(name, getattr(ColumnTransformer, name))
    small(n_jobs=n_jobs).fit(frame, IS_HIGH)
    # two encodings in two folds, and the last fit
    assert (calls.count("fit_transform"), calls.count("transform")) == (2 * 2 + 1, 2 * 2)


def test_candidates_are_splines_or_not_and_widths_and_then_strengths():
    search = make_tabular_search("regression")
    (plain, splines), strengths = search.param_grids
    assert plain["net__hidden_layer_sizes"] == [(100,), (256,), (128, 128)]
    assert strengths == {"net__alpha": [15.0, 5.0, 5 / 3]}
    knots = [splines[f"columns__{name}__expand__splines"][0].n_knots for name in ("numeric", "numeric_few_rows")]
    assert knots == [16, 6]
    results = small("regression").fit(FRAME, AMOUNT).cv_results_
    assert results["stage"].tolist() == [0, 0, 0, 0, 1]
    assert [params["columns__numeric__expand__splines"] == "drop" for params in results["params"][:4]] == [1, 1, 0, 0]


def test_splines_are_chosen_where_they_help():
    x = np.random.default_rng(0).uniform(size=(400, 1))
    noise = np.random.default_rng(1).normal(size=400)
    search = small("regression").set_params(estimator__net__max_iter=60)
    chosen = [
        search.fit(x, y).best_params_["columns__numeric__expand__splines"]
        for y in (np.floor(8 * x[:, 0]) % 2 + 0.1 * noise, x[:, 0] + noise)
    ]
    assert chosen[0] != "drop"
    assert chosen[1] == "drop"


def test_there_are_four_folds_or_a_fifth_is_held_out():
    y = np.arange(1001) % 3
    few, many = FoldsOrHoldOut(True, random_state=0), FoldsOrHoldOut(True, random_state=1)
    folds = list(few.split(y[:1000], y[:1000]))
    expected = StratifiedKFold(4, shuffle=True, random_state=0).split(y[:1000], y[:1000])
    assert len(folds) == few.get_n_splits(y[:1000]) == 4
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(folds, expected, strict=True))
    ((training, held_out),) = many.split(y, y)
    assert many.get_n_splits(y) == 1
    assert abs(len(held_out) - 200) <= 1
    assert np.ptp(np.bincount(y[held_out])) <= 1
    assert np.array_equal(np.union1d(training, held_out), np.arange(1001))
    ((_, held_out),) = FoldsOrHoldOut(False, max_rows=9, random_state=0).split(np.zeros(10), np.arange(10.0))
    assert np.array_equal(held_out, next(KFold(5, shuffle=True, random_state=0).split(np.zeros(10)))[1])


@pytest.mark.parametrize("routing", [False, True])
def test_groups_are_passed_to_the_splitter(routing):
    groups = np.arange(N) // 20
    with config_context(enable_metadata_routing=routing):
        search = small(cv=GroupKFold(2)).fit(FRAME, IS_HIGH, groups=groups)
    assert search.n_splits_ == 2


def test_sample_weights_are_those_of_training_and_scores():
    weight = np.random.default_rng(0).uniform(0.5, 2, N)
    with config_context(enable_metadata_routing=True):
        search = small(cv=[(np.arange(100), np.arange(100, N))]).fit(FRAME, IS_HIGH, sample_weight=weight)
    params = search.cv_results_["params"][0]
    model = clone(small().estimator).set_params(**params)
    model.fit(FRAME[:100], IS_HIGH[:100], net__sample_weight=weight[:100])
    expected = -held_out_loss(model, FRAME[100:], IS_HIGH[100:], weight[100:])
    assert search.cv_results_["mean_test_score"][0] == expected
    unscored = small(cv=2).fit(FRAME, IS_HIGH, net__sample_weight=weight)
    by_hand = clone(unscored.estimator).set_params(**unscored.best_params_)
    by_hand.fit(FRAME, IS_HIGH, net__sample_weight=weight)
    np.testing.assert_array_equal(unscored.predict_proba(FRAME), by_hand.predict_proba(FRAME))


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "skops"])
def test_a_copy_predicts_the_same(way):
    search = small().fit(FRAME, IS_HIGH)
    if way == "skops":
        io = pytest.importorskip("skops.io")
        saved = io.dumps(search)
        other = io.loads(saved, trusted=io.get_untrusted_types(data=saved))
    else:
        other = copy.deepcopy(search) if way == "deepcopy" else pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(other.predict_proba(FRAME), search.predict_proba(FRAME))
    assert repr(other.best_params_) == repr(search.best_params_)


def test_every_step_can_be_replaced():
    search = small().set_params(estimator__net=LogisticRegression(), param_grids=[{"net__C": [0.1, 1.0]}])
    assert search.fit(FRAME, IS_HIGH).score(FRAME, IS_HIGH) < 0
    assert isinstance(search.network_, LogisticRegression)


def test_it_is_drawn_in_notebooks_and_says_what_it_chose():
    search = small().fit(FRAME, IS_HIGH)
    assert "OneHotEncoder" in estimator_html_repr(search)
    assert isinstance(search.network_, L2NetClassifier)
    assert search.network_.l2_report().alpha == search.best_params_["net__alpha"]


def test_a_table_of_one_kind_of_columns_is_drawn_in_notebooks():
    search = small().fit(FRAME[["number"]], IS_HIGH)
    assert "SimpleImputer" in estimator_html_repr(search)
    assert search.best_estimator_[:-1].get_feature_names_out()[0].endswith("number")


def test_another_task_is_refused():
    with pytest.raises(ValueError, match="task must be 'classification' or 'regression', got 'ranking'"):
        make_tabular_search("ranking")
