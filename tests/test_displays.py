"""The displays show what the searches found."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skl2net import L2NetClassifier, NodeSweepCV
from skl2net.display import NodeSweepDisplay

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
