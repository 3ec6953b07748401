"""The tournament of hidden units finds the winner of the exhaustive grid, and keeps scikit-learn's conventions."""

import copy
import itertools
import math
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from cases import Recorder, classes, converging_or_not, fit
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skl2net import L2NetClassifier, L2NetRegressor, NodeSweepCV
from skl2net.model_selection.nodes import play

FOLDS = np.array([0.3, -0.1, 0.0, 0.2, -0.4])  # what is common to all networks in a fold


@parametrize_with_checks(
    [
        NodeSweepCV(
            network((2,), solver="lbfgs", max_iter=40, random_state=0),
            step=1,
            max_units=4,
            cv=2,
            error_score="raise",  # as in scikit-learn's checks of GridSearchCV
        )
        for network in (L2NetClassifier, L2NetRegressor)
    ]
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_estimator_checks_of_scikit_learn(estimator, check):
    check(estimator)


# --- the tournament ---------------------------------------------------------------------------------------------------


def played(curve, first, *, step=8, resolution=1, min_units=1, max_units=1000):
    """Winner and comparisons of a tournament on scores from a function of the size, and the sizes it was asked for."""
    asked = []

    def scores(sizes):
        asked.extend(sizes)
        return [np.atleast_1d(curve(*size)) for size in sizes]

    bounds = {"min_units": min_units, "max_units": max_units}
    comparisons = list(play(scores, first, step=step, resolution=resolution, **bounds))
    return comparisons[-1]["winner"], comparisons, set(asked)


@st.composite
def curves_with_one_peak(draw, n=300):
    """Scores of 1 to `n` units that rise to a peak and fall from there, by arbitrary amounts."""
    peak = draw(st.integers(0, n - 1))
    seed = draw(st.integers(0, 2**32 - 1))
    drops = np.random.default_rng(seed).pareto(0.5, n) + 1e-3
    below, above = np.cumsum(drops[:peak])[::-1], np.cumsum(drops[peak + 1 :])
    return -np.concatenate([below, [0.0], above])


@settings(max_examples=300, deadline=None)
@given(curve=curves_with_one_peak(), first=st.integers(1, 300), step=st.sampled_from([1, 2, 8, 64, 3, 10]))
def test_on_one_peak_the_winner_is_that_of_the_exhaustive_grid_at_logarithmic_cost(curve, first, step):
    (winner,), _, asked = played(lambda n: curve[n - 1] + FOLDS, (first,), step=step, max_units=len(curve))
    best = int(np.argmax(curve)) + 1
    assert winner == best
    # three at the start, one each time the step is doubled, two each time it is halved, of which an odd step needs one
    # more: it is halved to less than a half
    longest = 2 * (abs(best - first) + step)
    n_doubled, n_halved = math.log2(longest / step), math.log2(longest)
    assert len(asked) <= 3 + n_doubled + (2 if math.log2(step).is_integer() else 3) * n_halved


def test_the_cost_grows_with_the_logarithm_of_the_distance():
    def n_asked(peak):
        return len(played(lambda n: -abs(n - peak), (8,), max_units=10**6)[2])

    assert max(np.diff([n_asked(peak) for peak in 10 ** np.arange(1, 6)])) <= 3 * math.log2(10) + 3


@settings(max_examples=100, deadline=None)
@given(curve=curves_with_one_peak(), first=st.integers(1, 300), resolution=st.sampled_from([2, 4, 8]))
def test_a_resolution_ends_closer_to_the_peak_than_that(curve, first, resolution):
    (winner,), _, _ = played(lambda n: curve[n - 1], (first,), resolution=resolution, max_units=len(curve))
    assert abs(winner - 1 - np.argmax(curve)) < resolution


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_layers=st.integers(1, 3))
def test_it_ends_on_any_scores_at_a_winner_that_ties_with_the_best(seed, n_layers):
    rng = np.random.default_rng(seed)
    drawn = {}

    def noise(*size):
        return drawn.setdefault(size, np.where(rng.uniform(size=5) < 0.05, np.nan, rng.normal(size=5)))

    first = (10,) * n_layers
    drawn[first] = np.zeros(5)
    winner, comparisons, asked = played(noise, first, max_units=40)
    best = max((drawn[size] for size in asked), key=lambda scores: np.nan_to_num(scores.mean(), nan=-np.inf))
    behind = best - drawn[winner]
    assert behind.mean() <= behind.std(ddof=1) / np.sqrt(5)
    for before, after in itertools.pairwise(comparisons):
        assert before["winner"] == after["size"]


def test_the_largest_step_is_reached_by_doubling_and_the_winner_by_halving():
    _, comparisons, _ = played(lambda n: -abs(n - 61), (10,))
    assert [comparison["step"] for comparison in comparisons] == [8, 16, 32, 64, 32, 16, 8, 8, 4, 4, 2, 2, 1, 1]


def test_ties_go_to_the_smaller_network():
    noise = np.array([1.0, -1.0, 0.5, -0.5])  # mean 0, standard error 0.46
    standard_error = noise.std(ddof=1) / 2
    for gain, expected in ((0.99 * standard_error, 10), (1.01 * standard_error, 18)):
        scores = {10: np.zeros(4), 18: gain + noise}
        (winner,), _, _ = played(lambda n: scores.get(n, np.full(4, -9.0)), (10,), step=8, resolution=8)  # noqa: B023
        assert winner == expected


def test_ties_do_not_add_up():
    """Each network ties with the next one; from the best, one may go down as far as it ties with the best itself."""
    noise = np.random.default_rng(0).normal(size=(5, 100))
    noise -= noise.mean(axis=0)
    noise *= 0.5 / (noise.std(axis=0, ddof=1) / np.sqrt(5))

    def curve(n):
        return 0.1 * min(n, 50) + noise[:, n]

    (winner,), _, asked = played(curve, (50,), step=1, max_units=60)
    best = max((curve(n) for (n,) in asked), key=np.mean)
    behind = best - curve(winner)
    assert behind.mean() <= behind.std(ddof=1) / np.sqrt(5)
    assert winner > 30


def test_a_flat_curve_has_the_smallest_network_as_winner():
    (winner,), _, _ = played(lambda n: FOLDS, (100,), min_units=3)
    assert winner == 3


@pytest.mark.parametrize("first", [(4, 4), (60, 3), (1, 70)])
def test_layers_take_turns_until_none_changes(first):
    (n, m), comparisons, _ = played(lambda n, m: -10 * (n - 40) ** 2 - (m - n // 4) ** 2, first, max_units=100)
    assert (n, m) == (40, 10)
    assert {comparison["layer"] for comparison in comparisons} == {0, 1}
    assert comparisons[-1]["size"] == comparisons[-1]["winner"]


def test_bounds_are_kept_and_can_win():
    for slope, expected in ((1, 33), (-1, 5)):
        (winner,), _, asked = played(lambda n: slope * n, (20,), min_units=5, max_units=33)  # noqa: B023
        assert winner == expected
        assert {n for (n,) in asked} <= set(range(5, 34))


# --- the search -------------------------------------------------------------------------------------------------------


class Curve(RegressorMixin, BaseEstimator):
    """Scores ``-|size - peak|``, and less if alpha is not 1 up to 15 units and 10 beyond; diverges beyond a size."""

    n_fits = 0

    def __init__(self, hidden_layer_sizes=(10,), peak=23, alpha=None, fails_beyond=math.inf):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.peak = peak
        self.alpha = alpha
        self.fails_beyond = fails_beyond

    def fit(self, X, y):
        if np.sum(self.hidden_layer_sizes) > self.fails_beyond:
            raise ValueError("Training diverged.")
        Curve.n_fits += 1
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        size = np.sum(self.hidden_layer_sizes)
        wrong_alpha = 0 if self.alpha is None else 10 * abs(np.log10(self.alpha) - (size > 15))
        return X.mean() - abs(size - self.peak) - wrong_alpha


X, Y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60.0)


def test_the_winner_is_that_of_grid_search_and_each_network_is_fitted_once_per_fold():
    Curve.n_fits = 0
    sweep = NodeSweepCV(Curve(), step=4).fit(X, Y)
    sizes = [params["hidden_layer_sizes"] for params in sweep.cv_results_["params"]]
    assert Curve.n_fits == 5 * len(sizes) + 1
    assert len(set(sizes)) == len(sizes) < 15
    grid = GridSearchCV(Curve(), {"hidden_layer_sizes": [(n,) for n in range(1, 60)]}).fit(X, Y)
    assert sweep.best_params_ == grid.best_params_ == {"hidden_layer_sizes": (23,)}
    assert sweep.best_score_ == grid.best_score_
    assert sweep.best_estimator_.hidden_layer_sizes == (23,)
    for row, size in enumerate(sizes):
        for i in range(5):
            assert (
                sweep.cv_results_[f"split{i}_test_score"][row] == grid.cv_results_[f"split{i}_test_score"][size[0] - 1]
            )
    assert sweep.cv_results_["params"][sweep.best_index_] == sweep.best_params_


def test_each_size_competes_with_its_own_alpha():
    sweep = NodeSweepCV(Curve(), alphas=[0.1, 1.0, 10.0]).fit(X, Y)
    assert sweep.best_params_ == {"hidden_layer_sizes": (23,), "alpha": 10.0}
    first = sweep.history_[0]
    assert first["sizes"] == [(2,), (10,), (18,)]
    assert first["alphas"] == [1.0, 1.0, 10.0]
    assert len(sweep.cv_results_["params"]) == 3 * len({p["hidden_layer_sizes"] for p in sweep.cv_results_["params"]})


def test_the_history_prints_as_a_table():
    sweep = NodeSweepCV(Curve(), step=8, cv=[(np.arange(50), np.arange(50, 60))]).fit(X - X[50:].mean(), Y)
    lines = str(sweep.history_).splitlines()
    assert lines[0].split() == ["comparison", "step", "smaller", "middle", "larger", "winner"]
    assert lines[1].split() == ["1", "8", "2:", "-21.0000", "10:", "-13.0000", "18:", "-5.0000", "18"]
    assert len(lines) == len(sweep.history_) + 1
    several = NodeSweepCV(Curve((10, 4)), alphas=[1.0]).fit(X, Y)
    assert "layer" in str(several.history_)
    assert "10-4: " in str(several.history_)
    assert " (1)" in str(several.history_)


def test_verbose_prints_the_comparisons(capsys):
    sweep = NodeSweepCV(Curve(), verbose=1).fit(X, Y)
    printed = capsys.readouterr().out
    for i in range(len(sweep.history_)):
        assert f"comparison {i + 1}: " in printed


@pytest.mark.parametrize("sizes", [10, (10,), [10], np.array([10])], ids=str)
def test_the_sizes_are_found_in_pipelines_and_keep_the_form_of_the_parameter(sizes):
    pipeline = Pipeline([("scale", StandardScaler()), ("net", Curve(sizes))])
    sweep = NodeSweepCV(pipeline).fit(X, Y)
    assert sweep.param_name_ == "net__hidden_layer_sizes"
    assert sweep.best_params_ == {"net__hidden_layer_sizes": 23 if isinstance(sizes, int) else (23,)}
    named = NodeSweepCV(pipeline, param_name="net__hidden_layer_sizes", alphas=[1, 10]).fit(X, Y)
    assert named.best_params_["net__alpha"] == 10.0
    assert NodeSweepCV(BaggingClassifier(L2NetClassifier()))._find_parameter() == "estimator__hidden_layer_sizes"


def test_any_number_can_be_swept_by_its_name():
    sweep = NodeSweepCV(Curve(hidden_layer_sizes=30), param_name="peak", max_units=100).fit(X, Y)
    assert sweep.best_params_ == {"peak": 30}


@pytest.mark.parametrize(
    ("estimator", "params", "message"),
    [
        (LogisticRegression(), {}, "LogisticRegression has none. Set param_name"),
        (
            VotingClassifier([("a", L2NetClassifier()), ("b", MLPClassifier())]),
            {},
            "has several: a__hidden_layer_sizes, b__hidden_layer_sizes. Set param_name",
        ),
        (Curve(), {"param_name": "n_units"}, "param_name='n_units' is not a parameter of Curve"),
        (Curve(()), {}, "no hidden layer to sweep"),
        (Curve((20, 2000)), {}, "between min_units=1 and max_units=1000"),
        (Curve((2,)), {"min_units": 3}, "between min_units=3"),
        (Curve((2.5,)), {}, "hidden_layer_sizes must contain positive integers"),
        (Curve(), {"min_units": 50, "max_units": 5}, "min_units=50 is larger than max_units=5"),
        (Curve(), {"step": 2, "resolution": 4}, "step=2 is smaller than resolution=4"),
        (Curve(), {"alphas": []}, "alphas must be numbers"),
        (Curve(), {"alphas": ["a"]}, r"alphas must be numbers.*\['a'\]"),
        (Curve(), {"alphas": [True]}, r"alphas must be numbers.*\[True\]"),
        (Curve(), {"alphas": [-1.0, 1.0]}, r"alphas must be numbers in one row, finite and not negative.*-1.0"),
        (
            Curve(),
            {"param_name": "peak", "alphas": [1], "estimator": Pipeline([("m", Curve())])},
            "not a parameter of Pip",
        ),
        (make_pipeline(StandardScaler(), BaggingClassifier()), {}, "Pipeline has none"),
        (
            Curve(),
            {"scoring": ["r2", "neg_mean_squared_error"], "refit": False},
            "refit must name the one that decides",
        ),
        (
            Curve(),
            {"scoring": ["r2", "neg_mean_squared_error"], "refit": lambda results: 0},
            "refit must name the one that decides",
        ),
    ],
)
def test_what_cannot_be_swept_is_refused_with_the_reason(estimator, params, message):
    sweep = NodeSweepCV(**{"estimator": estimator, **params})
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        sweep.fit(X, Y)
    assert not [name for name in vars(sweep) if name.endswith("_")]


def test_alphas_need_a_parameter_alpha():
    class Nameless(Curve):
        def __init__(self, hidden_layer_sizes=(10,)):
            super().__init__(hidden_layer_sizes)

    with pytest.raises(ValueError, match="alphas needs a parameter 'alpha'"):
        NodeSweepCV(Nameless(), alphas=[1.0]).fit(X, Y)


def test_the_largest_size_as_winner_is_announced():
    with pytest.warns(UserWarning, match=r"the largest size that it may try, \(16,\). Increase max_units=16"):
        NodeSweepCV(Curve(), max_units=16).fit(X, Y)


def test_several_metrics_and_the_one_that_decides():
    scoring = {"closest": lambda net, X, y: net.score(X, y), "smallest": lambda net, X, y: -net.hidden_layer_sizes[0]}
    sweep = NodeSweepCV(Curve(), scoring=scoring, refit="smallest").fit(X, Y)
    assert sweep.best_params_ == {"hidden_layer_sizes": (1,)}
    sweep = NodeSweepCV(Curve(), scoring=scoring, refit="closest").fit(X, Y)
    assert sweep.best_params_ == {"hidden_layer_sizes": (23,)}
    assert sweep.best_score_ == sweep.cv_results_["mean_test_closest"].max()
    sweep.set_params(scoring=lambda net, X, y: {name: score(net, X, y) for name, score in scoring.items()})
    assert sweep.fit(X, Y).best_params_ == {"hidden_layer_sizes": (23,)}


def test_refit_false_and_refit_by_a_function():
    sweep = NodeSweepCV(Curve(), refit=False).fit(X, Y)
    assert sweep.best_params_ == {"hidden_layer_sizes": (23,)}
    assert not hasattr(sweep, "best_estimator_")
    sweep = NodeSweepCV(Curve(), refit=lambda results: 0).fit(X, Y)
    assert sweep.best_params_ == sweep.cv_results_["params"][0] == {"hidden_layer_sizes": (2,)}


def test_a_winner_that_was_not_fitted_is_missing():
    sweep = NodeSweepCV(Curve(), refit=False).fit(X, Y).set_params(refit=True)
    with pytest.raises(NotFittedError):
        sweep.predict(X)


def test_the_folds_are_the_same_throughout():
    """A generator that draws new splits at each call is asked once, so that equal networks have equal scores."""

    class Flat(Curve):
        def score(self, X, y):
            return X.sum()

    sweep = NodeSweepCV(Flat(), cv=ShuffleSplit(4, test_size=10)).fit(X, Y)
    for i in range(4):
        assert len(set(sweep.cv_results_[f"split{i}_test_score"])) == 1
    assert sweep.best_params_ == {"hidden_layer_sizes": (1,)}


def test_groups_sample_weights_and_other_metadata_are_routed():
    X, y = classes(60)
    groups = np.arange(60) // 6
    net = L2NetClassifier((3,), solver="lbfgs", max_iter=20, random_state=0)
    weight = np.random.default_rng(0).uniform(0.5, 2, 60)
    with converging_or_not():
        plain = NodeSweepCV(net, step=1, max_units=4, cv=GroupKFold(3)).fit(X, y, groups=groups, sample_weight=weight)
        with config_context(enable_metadata_routing=True):
            routed = NodeSweepCV(
                clone(net).set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
                step=1,
                max_units=4,
                cv=GroupKFold(3),
            ).fit(X, y, groups=groups, sample_weight=weight)
        params = plain.cv_results_["params"][0]
        splits = list(GroupKFold(3).split(X, y, groups))
        expected = [
            clone(net).set_params(**params).fit(X[a], y[a], weight[a]).score(X[b], y[b], weight[b]) for a, b in splits
        ]
    for i in range(3):
        assert (
            plain.cv_results_[f"split{i}_test_score"][0] == routed.cv_results_[f"split{i}_test_score"][0] == expected[i]
        )


def test_scores_are_those_of_cross_val_score_and_pickles_predict_the_same():
    X, y = classes(90)
    model = make_pipeline(StandardScaler(), L2NetClassifier((6,), solver="lbfgs", random_state=0, max_iter=50))
    sweep = fit(NodeSweepCV(model, step=2, n_jobs=2, max_units=12), X, y)
    with converging_or_not():
        scores = cross_val_score(clone(model).set_params(**sweep.best_params_), X, y)
    assert sweep.best_score_ == scores.mean()
    other = pickle.loads(pickle.dumps(sweep))
    np.testing.assert_array_equal(other.predict_proba(X), sweep.predict_proba(X))
    assert str(other.history_) == str(sweep.history_)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_callbacks_hear_of_each_comparison_and_each_fit():
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    recorder = Recorder()
    sweep = NodeSweepCV(Curve(fails_beyond=20), step=4, cv=3).set_callbacks(recorder).fit(X, Y)
    n_candidates = len({size for comparison in sweep.history_ for size in comparison["sizes"]})
    assert recorder.begun[:3] == ["fit", "search", "comparison"]
    assert recorder.ended[-3:] == ["search", "refit-with-best-params", "fit"]
    assert recorder.begun.count("candidate-split-evaluation") == 3 * n_candidates
    assert 1 < recorder.begun.count("comparison") <= len(sweep.history_)
    assert sorted(recorder.begun) == sorted(recorder.ended)


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error_score", [np.nan, -1000.0])
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_a_network_that_diverges_loses_and_the_sweep_goes_on(error_score):
    with pytest.warns(FitFailedWarning, match="Training diverged"):
        sweep = NodeSweepCV(Curve(fails_beyond=20), alphas=[1.0, 10.0], error_score=error_score).fit(X, Y)
    assert sweep.best_params_ == {"hidden_layer_sizes": (20,), "alpha": 10.0}
    results = sweep.cv_results_
    sizes = [params["hidden_layer_sizes"][0] for params in results["params"]]
    failed = np.array(sizes) > 20
    assert len({len(values) for values in results.values()}) == 1
    assert failed.any()
    np.testing.assert_array_equal(results["mean_test_score"][failed], error_score)
    assert np.isfinite(results["mean_test_score"][~failed]).all()
    assert [size[0] for size in results["param_hidden_layer_sizes"]] == sizes
    assert min(results["rank_test_score"][failed]) == 1 + sum(~failed)
    assert results["rank_test_score"][sweep.best_index_] == 1


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
@pytest.mark.parametrize("multimetric", [False, True])
def test_ranks_where_a_metric_has_no_score_are_those_of_a_grid_search(multimetric):
    scoring = {"closest": lambda net, X, y: net.score(X, y), "unknown": lambda net, X, y: np.nan}
    one = (lambda net, X, y: {name: score(net, X, y) for name, score in scoring.items()}) if multimetric else scoring
    sweep = NodeSweepCV(Curve(fails_beyond=20), scoring=one, refit="closest")
    with pytest.warns(FitFailedWarning):
        sweep.fit(X, Y)
    sizes = [params["hidden_layer_sizes"] for params in sweep.cv_results_["params"]]
    grid = GridSearchCV(Curve(fails_beyond=20), {"hidden_layer_sizes": sizes}, scoring=one, refit="closest")
    with pytest.warns(FitFailedWarning):
        grid.fit(X, Y)
    for metric in scoring:
        np.testing.assert_array_equal(sweep.cv_results_[f"rank_test_{metric}"], grid.cv_results_[f"rank_test_{metric}"])
        np.testing.assert_array_equal(sweep.cv_results_[f"mean_test_{metric}"], grid.cv_results_[f"mean_test_{metric}"])


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("n_splits", [1, 5])
def test_a_network_with_an_infinite_score_loses(n_splits):
    class Infinite(Curve):
        def score(self, X, y):
            return np.inf if self.hidden_layer_sizes[0] == 18 else super().score(X, y)

    sweep = NodeSweepCV(Infinite(), cv=ShuffleSplit(n_splits, random_state=0)).fit(X, Y)
    assert sweep.best_params_["hidden_layer_sizes"] == (17,)
    with pytest.raises(ValueError, match="Each has a fold without a finite score"):
        NodeSweepCV(Curve(), scoring=lambda net, X, y: np.inf).fit(X, Y)


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_the_first_size_may_diverge_if_a_neighbour_does_not():
    with pytest.warns(FitFailedWarning):
        sweep = NodeSweepCV(Curve((18,), fails_beyond=16), step=8).fit(X, Y)
    assert sweep.best_params_ == {"hidden_layer_sizes": (16,)}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_diverging_raises_and_says_what_to_change():
    X, y = classes()
    net = L2NetClassifier((5,), "relu", solver="sgd", learning_rate_init=1e30, random_state=0)
    sweep = NodeSweepCV(net)
    with pytest.raises(ValueError, match=r"lower learning_rate_init(.|\n)*Training diverged"):
        sweep.fit(X, y)
    with pytest.raises(ValueError, match=r"^Training diverged"):
        sweep.set_params(error_score="raise").fit(X, y)
    with pytest.raises(ValueError, match="Each has a fold without a finite score"):
        NodeSweepCV(Curve(), scoring=lambda net, X, y: np.nan).fit(X, Y)


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("network", [L2NetClassifier, MLPClassifier])
def test_an_interruption_ends_the_search_at_once_and_leaves_it_as_it_was(network, n_jobs):
    X, y = classes(2000, 20)
    sweep = NodeSweepCV(network((50,), max_iter=20, random_state=0), max_units=60, n_jobs=n_jobs)
    fitted = fit(copy.deepcopy(sweep).set_params(resolution=8), X[:60], y[:60])
    for search in (sweep, fitted):
        before = vars(search).copy()
        search.estimator.set_params(max_iter=10**6, tol=0, n_iter_no_change=10**6)
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            search.fit(X, y)
        assert time.perf_counter() - start < 1.0 + (0.5 if n_jobs == 1 else 10)  # joblib ends its processes
        assert vars(search) == before
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
