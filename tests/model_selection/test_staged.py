"""Stages find the winner of the grids in turn, preprocess each fold once, and keep scikit-learn's conventions."""

import copy
import os
import pickle
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from cases import Recorder, classes
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.model_selection import StagedSearchCV

X, Y = classes(120)


@parametrize_with_checks(
    [
        StagedSearchCV(
            network((2,), solver="lbfgs", max_iter=20, random_state=0), [{"alpha": [10, 1]}], cv=2, error_score="raise"
        )
        for network in (L2NetClassifier, L2NetRegressor)
    ]
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_estimator_checks_of_scikit_learn(estimator, check):
    check(estimator)


class Scored(RegressorMixin, BaseEstimator):
    """An estimator whose score in each fold is given by its parameters."""

    def __init__(self, a=0, b=0, fails=False):
        self.a, self.b, self.fails = a, b, fails

    def fit(self, X, y):
        if self.fails:
            raise ValueError("fails")
        self.n_features_in_ = 1
        return self

    def predict(self, X):
        return np.zeros(len(X))


def scored(scores, grids, **options):
    """A fitted search whose scores in four folds are those of a function of a and b."""

    def score(estimator, X, y):
        return np.broadcast_to(scores(estimator.a, estimator.b), 4)[int(X[0, 0])]

    rows = np.arange(4.0)[:, None]
    return StagedSearchCV(Scored(), grids, scoring=score, cv=KFold(4), **options).fit(rows, rows.ravel())


def test_each_stage_is_searched_around_the_winner_of_the_one_before():
    search = scored(lambda a, b: -2 * abs(a - 3) - abs(b - a), [{"a": [0, 2, 3, 9], "b": [0]}, {"b": [9, 3, 0]}])
    tried = [(params["a"], params["b"]) for params in search.cv_results_["params"]]
    assert tried == [(0, 0), (2, 0), (3, 0), (9, 0), (3, 9), (3, 3)]  # (3, 0) is known
    assert search.cv_results_["stage"].tolist() == [0, 0, 0, 0, 1, 1]
    assert search.stage_winners_ == [2, 5]
    assert (search.best_params_, search.best_index_) == ({"a": 3, "b": 3}, 5)


def test_ties_go_to_the_first():
    noise = np.array([1.0, -1.0, 0.5, -0.5])
    standard_error = noise.std(ddof=1) / 2
    for gain, winner in ((0.99 * standard_error, 0), (1.01 * standard_error, 1)):
        assert scored(lambda a, b: a * (gain + noise), [{"a": [0, 1]}]).best_params_ == {"a": winner}  # noqa: B023


def test_with_a_single_split_only_equal_scores_tie():
    search = StagedSearchCV(Scored(), [{"a": [0, 1, 2]}], scoring=lambda e, X, y: min(e.a, 1), cv=[([0], [1])])
    assert search.fit([[0], [1]], [0, 1]).best_params_ == {"a": 1}


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_missing_targets_are_refused_before_any_fit():
    search = StagedSearchCV(L2NetRegressor((2,)), [{"alpha": [10, 1]}])
    with pytest.raises(ValueError, match="Input y contains NaN"):
        search.fit(X, np.where(Y == 0, np.nan, Y))


def test_a_candidate_that_fails_does_not_win():
    with pytest.warns(FitFailedWarning, match="8 fits failed"):
        search = scored(lambda a, b: a, [{"fails": [True, False], "a": [0, 1]}, {"fails": [False], "b": [0, 1]}])
    assert search.best_params_ == {"a": 1, "b": 0, "fails": False}
    with pytest.raises(ValueError, match=r"^fails"):
        scored(lambda a, b: a, [{"fails": [False, True]}], error_score="raise")
    with pytest.raises(ValueError, match="No candidate has a finite score"):
        scored(lambda a, b: np.nan, [{"a": [0, 1]}])


class Counted(TransformerMixin, BaseEstimator):
    """A step that leaves the data alone and counts its calls."""

    counts = {"fit": 0, "transform": 0}

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        time.sleep(0.01)  # other threads begin meanwhile
        self.counts["fit"] += 1
        return self

    def transform(self, X):
        self.counts["transform"] += 1
        return X * self.factor


PIPELINE = Pipeline([("step", Counted()), ("scale", StandardScaler()), ("net", L2NetClassifier((4,), max_iter=5))])
GRIDS = [{"step__factor": [1.0, 2.0], "net__hidden_layer_sizes": [(4,), (8,), (4, 4)]}, {"net__alpha": [50, 5, 0.5]}]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_fold_is_preprocessed_once_for_all_candidates_with_the_same_preprocessing(n_jobs):
    Counted.counts = {"fit": 0, "transform": 0}
    StagedSearchCV(PIPELINE, GRIDS, cv=3, n_jobs=n_jobs).fit(X, Y)
    # two factors in three folds, of which training and held-out rows are transformed, and the last fit
    assert Counted.counts == {"fit": 2 * 3 + 1, "transform": 2 * 3 * 2 + 1}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scores_and_model_are_those_of_grid_searches_bit_for_bit(n_jobs):
    model = clone(PIPELINE).set_params(net__random_state=0)
    search = StagedSearchCV(model, GRIDS, cv=3, n_jobs=n_jobs).fit(X, Y)
    first = GridSearchCV(model, GRIDS[0], cv=3, refit=lambda results: search.stage_winners_[0]).fit(X, Y)
    second = GridSearchCV(first.best_estimator_, GRIDS[1], cv=3).fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(scores[:6], first.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(np.sort(scores[6:]), np.sort(second.cv_results_["mean_test_score"]))
    by_hand = clone(model).set_params(**search.best_params_).fit(X, Y)
    for a, b in zip(search.network_.coefs_, by_hand[-1].coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_scorers_see_fitted_steps():
    def score(model, X, y):
        return model.named_steps["standardscaler"].mean_.sum() + model[:-1].transform(X).sum()

    model = make_pipeline(StandardScaler(), L2NetClassifier((3,), max_iter=2, random_state=0))
    grid = {"l2netclassifier__alpha": [1.0, 5.0]}
    staged = StagedSearchCV(model, [grid], scoring=score).fit(X, Y)
    whole = GridSearchCV(model, grid, scoring=score).fit(X, Y)
    np.testing.assert_array_equal(staged.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"])


def test_the_model_is_an_ordinary_pipeline():
    search = StagedSearchCV(PIPELINE, GRIDS, cv=2)
    assert search.fit(X, Y).estimator is PIPELINE
    assert [type(step) for _, step in search.best_estimator_.steps] == [Counted, StandardScaler, L2NetClassifier]
    assert search.best_estimator_.get_params()["step__factor"] == search.best_params_["step__factor"]
    other = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(other.predict_proba(X), search.predict_proba(X))
    assert search.network_ is search.best_estimator_["net"]
    assert str(search.network_.l2_report()).startswith("Rule")


@pytest.mark.parametrize(
    "model",
    [
        Pipeline(PIPELINE.steps, memory=joblib.Memory(None)),
        make_pipeline("passthrough", L2NetClassifier((4,), max_iter=5)),
        make_pipeline(PolynomialFeatures(), StandardScaler(), L2NetClassifier((4,), max_iter=5)),
        make_pipeline(FunctionTransformer(), StandardScaler(), L2NetClassifier((4,), max_iter=5)),
        make_pipeline(PolynomialFeatures(), StandardScaler(copy=False), L2NetClassifier((4,), max_iter=5)),
        make_pipeline(FunctionTransformer(lambda X: X**2), L2NetClassifier((4,), max_iter=5)),
    ],
    ids=["memory", "passthrough", "several steps", "a step that does nothing", "in place", "what cannot be pickled"],
)
def test_other_pipelines_are_searched_as_they_are(model):
    model = clone(model).set_params(**{f"{model.steps[-1][0]}__random_state": 0})
    grid = {f"{model.steps[-1][0]}__alpha": [5, 0.5]}
    search = StagedSearchCV(model, [grid], cv=2).fit(X, Y)
    expected = GridSearchCV(model, grid, cv=2).fit(X, Y).cv_results_["mean_test_score"]
    assert search.cv_results_["params"] == list(ParameterGrid(grid))
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], expected)


def test_several_metrics_and_the_one_that_decides():
    model = clone(PIPELINE).set_params(net__random_state=0)
    options = {"scoring": ["accuracy", "neg_log_loss"], "cv": 2}
    search = StagedSearchCV(model, GRIDS[1:], refit="neg_log_loss", **options).fit(X, Y)
    assert search.best_score_ == search.cv_results_["mean_test_neg_log_loss"][search.best_index_]
    with pytest.raises(ValueError, match="refit must name the one"):
        StagedSearchCV(model, GRIDS[1:], refit=False, **options).fit(X, Y)


def test_callbacks_hear_of_each_stage_and_each_fit():
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    recorder = Recorder()
    StagedSearchCV(PIPELINE, GRIDS, cv=2).set_callbacks(recorder).fit(X, Y)
    assert recorder.begun[:3] == ["fit", "search", "stage"]
    assert recorder.begun.count("stage") == 2
    assert recorder.begun.count("candidate-split-evaluation") == 2 * (6 + 3)
    assert sorted(recorder.begun) == sorted(recorder.ended)


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interruption_ends_the_search_at_once_and_leaves_it_as_it_was(n_jobs):
    search = StagedSearchCV(copy.deepcopy(PIPELINE), GRIDS, cv=2, n_jobs=n_jobs).fit(X, Y)
    before = vars(search).copy()
    search.estimator.set_params(net__max_iter=10**6)
    done = threading.Event()

    def interrupt():  # again, since Python ignores what a handler raises within a callback of a weak reference
        while not done.wait(1.0):
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    done.set()
    assert time.perf_counter() - start < 3.0
    assert vars(search) == before


def test_steps_that_cannot_be_pickled_are_not_confused():
    def scaled_by(factor):
        return lambda X: factor * X

    grid = {"functiontransformer__func": [scaled_by(factor) for factor in (0.0, 1.0, 2.0, 3.0)]}
    model = make_pipeline(FunctionTransformer(), L2NetClassifier((4,), max_iter=5, random_state=0))
    scores = [
        search.fit(X, Y).cv_results_["mean_test_score"]
        for search in (StagedSearchCV(model, [grid], cv=2), GridSearchCV(model, grid, cv=2))
    ]
    np.testing.assert_array_equal(*scores)
