"""The displays show what the searches found."""

import subprocess
import sys

import numpy as np
import pytest
from cases import classes, fit, regression
from sklearn.exceptions import NotFittedError

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressorCV, NodeSweepCV
from skl2net.display import L2PathDisplay, NodeSweepDisplay

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def plt():
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def fitted_sweep(sizes=(8,), fails_beyond=np.inf, **params):
    """A sweep whose scores are known: -(n - 12)² of each layer in all of four folds, and noise in one."""

    def score(net, X, y):
        if sum(net.hidden_layer_sizes) > fails_beyond:
            return np.nan
        noise = sum(net.hidden_layer_sizes) % 3 * X[:, 0].mean() / 1000
        return noise - sum((n - 12) ** 2 for n in net.hidden_layer_sizes)

    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    net = L2NetClassifier(sizes, max_iter=1, random_state=0)
    return NodeSweepCV(net, scoring=score, refit=False, cv=4, **params).fit(X, y)


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # one epoch is not enough, and a score is NaN


def test_a_sweep_has_its_scores_its_winner_and_its_comparisons_in_order(plt):
    sweep = fitted_sweep()
    display = NodeSweepDisplay.from_estimator(sweep)
    assert display.figure_ is display.ax_.figure is display.history_ax_.figure
    (line, _, (bars,)) = display.errorbar_
    sizes = [params["hidden_layer_sizes"][0] for params in sweep.cv_results_["params"]]
    order = np.argsort(sizes)
    np.testing.assert_array_equal(line.get_xdata(), np.sort(sizes))
    scores = sweep.cv_results_["mean_test_score"][order]
    np.testing.assert_allclose(display.scores, scores)
    is_shown = np.isfinite(line.get_ydata())
    np.testing.assert_allclose(line.get_ydata()[is_shown], scores[is_shown])
    assert scores[~is_shown].max() < scores[is_shown].min()
    folds = np.column_stack([sweep.cv_results_[f"split{i}_test_score"] for i in range(4)])[order]
    differences = folds[np.argmax(folds.mean(axis=1))] - folds
    standard_errors = differences.std(axis=1, ddof=1) / 2
    np.testing.assert_allclose(display.errors, standard_errors, atol=1e-12)
    heights = [np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments() if len(segment)]
    np.testing.assert_allclose(heights, standard_errors[is_shown], atol=1e-12)
    assert display.winner_.get_xdata() == sweep.best_params_["hidden_layer_sizes"] == (12,)
    assert display.line_.get_ydata()[0] == sweep.cv_results_["mean_test_score"].max()
    winners = [comparison["winner"][0] for comparison in sweep.history_]
    np.testing.assert_array_equal(display.path_.get_xdata(), winners)
    top, bottom = sorted(display.history_ax_.get_ylim())
    assert display.history_ax_.yaxis_inverted()
    assert top < 1 <= len(sweep.history_) < bottom
    assert display.history_ax_.get_xlabel() == "Hidden units"
    assert "winner: 12 units" in [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_bad_networks_do_not_hide_the_differences_between_good_ones(plt):
    sweep = fitted_sweep((13,), step=64)
    display = NodeSweepDisplay.from_estimator(sweep)
    low, high = display.ax_.get_ylim()
    assert high - low < 10 < np.ptp(sweep.cv_results_["mean_test_score"])
    assert "below the axis" in [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_several_layers_stand_above_the_units_of_all(plt):
    display = NodeSweepDisplay.from_estimator(fitted_sweep((8, 10)))
    assert display.winner_.get_xdata() == 24
    assert display.history_ax_.get_xlabel() == "Hidden units of all layers"
    labels = [label.get_text() for label in display.history_ax_.get_yticklabels()]
    assert labels[0] == "1 (layer 0)"
    assert {label[-9:] for label in labels} == {"(layer 0)", "(layer 1)"}
    assert "winner: 12-12 units" in [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_failed_networks_are_left_out(plt):
    display = NodeSweepDisplay.from_estimator(fitted_sweep(fails_beyond=15, alphas=[1, 2]))
    display.figure_.canvas.draw()
    assert display.winner_.get_xdata() == 12
    assert np.isnan(display.scores).any()


def test_a_display_goes_where_it_is_told_and_has_the_name_of_its_score(plt):
    sweep = fitted_sweep()
    figure, axes = plt.subplots(1, 2)
    display = NodeSweepDisplay.from_estimator(sweep, ax=axes[1], score_name="Profit")
    assert display.figure_ is figure
    assert display.ax_.get_ylabel() == "Profit"
    assert display.ax_.get_position().x0 >= axes[1].get_position().x0 - 1e-9
    again = display.plot()
    assert again is display
    assert display.figure_ is not figure
    assert NodeSweepDisplay.from_estimator(sweep).ax_.get_ylabel() == "Score"
    sweep.scoring = "neg_log_loss"
    assert NodeSweepDisplay.from_estimator(sweep).ax_.get_ylabel() == "Negative log loss"
    with pytest.raises(NotFittedError):
        NodeSweepDisplay.from_estimator(NodeSweepCV(L2NetClassifier()))


def test_matplotlib_is_imported_when_it_is_needed():
    code = "import sys, skl2net.display; raise SystemExit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def search(estimator=L2NetClassifierCV, **params):
    X, y = classes() if estimator is L2NetClassifierCV else regression()
    params = {"batch_size": 16, "alphas": 4, "cv": 3, "max_iter": 5, "random_state": 0, **params}
    return fit(estimator((3,), **params), X, y)


def test_the_path_shows_scores_weights_and_the_chosen_alpha(plt):
    found = search()
    display = L2PathDisplay.from_estimator(found)
    score_line, chosen = display.ax_.get_lines()
    np.testing.assert_array_equal(score_line.get_xdata(), found.alphas_)
    np.testing.assert_array_equal(score_line.get_ydata(), found.scores_.mean(axis=1))
    assert chosen.get_xdata()[0] == found.alpha_
    (norm_line,) = display.norm_ax_.get_lines()
    np.testing.assert_allclose(norm_line.get_ydata() ** 3, found.weight_norms_.prod(axis=1))
    assert display.ax_.get_xscale() == display.norm_ax_.get_yscale() == "log"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("alpha", "Accuracy")
    assert display.timescale_ax_ is None
    band = display.ax_.collections[0].get_paths()[0].vertices[:, 1]
    error = found.scores_.std(axis=1, ddof=1) / np.sqrt(3)
    assert band.max() == pytest.approx((found.scores_.mean(axis=1) + error).max())
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[-1] == f"chosen: alpha = {found.alpha_:.3g}"


@pytest.mark.parametrize(
    "params", [{"l2_mode": "decoupled"}, {"l2_mode": "prior"}, {"l2_mode": "prior", "momentum": 0}]
)
def test_timescales_are_those_of_reports_on_each_strength(plt, params):
    params = {"solver": "sgd", "learning_rate_init": 0.1, **params}
    found = search(**params, alphas=[0.01, 0.1, 1.0])
    display = L2PathDisplay.from_estimator(found)
    display.figure_.canvas.draw()
    X, y = classes()
    expected = []
    for alpha in found.alphas_:
        net = fit(L2NetClassifier((3,), alpha=alpha, batch_size=16, max_iter=1, random_state=0, **params), X, y)
        expected.append(net.l2_report().timescale[0])
    np.testing.assert_allclose(display.timescales, expected)
    np.testing.assert_array_equal(display.timescale_ax_.get_xticks(), found.alphas_)
    labels = [label.get_text() for label in display.timescale_ax_.get_xticklabels()]
    assert labels == [f"{timescale:.3g}" for timescale in expected]
    assert display.timescale_ax_.get_xlabel() == "timescale in epochs"


def test_an_alpha_of_zero_has_its_place(plt):
    found = search(alphas=[0, 0.01, 1], solver="sgd", l2_mode="decoupled", learning_rate_init=0.1)
    display = L2PathDisplay.from_estimator(found)
    display.figure_.canvas.draw()
    places = display.ax_.transData.transform([[alpha, found.scores_.mean()] for alpha in found.alphas_])[:, 0]
    assert np.all(np.isfinite(places))
    assert np.all(np.diff(places) > 20)
    assert display.timescale_ax_ is None


@pytest.mark.filterwarnings("error")
def test_one_fold_has_no_standard_error(plt):
    X, _ = classes()
    rows = np.arange(len(X))
    display = L2PathDisplay.from_estimator(search(cv=[(rows[::2], rows[1::2])]))
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert not any("error" in label for label in labels)


def test_without_refit_there_are_no_timescales(plt):
    found = search(solver="sgd", l2_mode="decoupled", learning_rate_init=0.1, refit=False)
    assert L2PathDisplay.from_estimator(found).timescale_ax_ is None


def test_scores_have_their_names_and_axes_can_be_given(plt):
    _, ax = plt.subplots()
    display = L2PathDisplay.from_estimator(search(scoring="neg_log_loss"), ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.get_ylabel() == "neg_log_loss"
    assert L2PathDisplay.from_estimator(search(L2NetRegressorCV)).ax_.get_ylabel() == "$R^2$"
    of_function = search(scoring=lambda net, X, y: -net.data_loss_)
    assert L2PathDisplay.from_estimator(of_function).ax_.get_ylabel() == "Score"


def test_a_search_that_is_not_fitted_is_refused(plt):
    with pytest.raises(NotFittedError):
        L2PathDisplay.from_estimator(L2NetClassifierCV())
