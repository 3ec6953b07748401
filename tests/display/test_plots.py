"""The displays show what networks and searches have found, and say what they need."""

import subprocess
import sys
from inspect import signature
from itertools import pairwise

import numpy as np
import pytest
from cases import classes, fit, regression
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import (
    L2NetClassifier,
    L2NetClassifierCV,
    L2NetRegressor,
    L2NetRegressorCV,
    NodeSweepCV,
    ParticleSwarm,
    display,
)
from skl2net.display import (
    L2PathDisplay,
    LossCurveDisplay,
    NodeSweepDisplay,
    PredictionIntervalDisplay,
    StagedSearchDisplay,
    SwarmDisplay,
    WeightsDisplay,
)
from skl2net.model_selection import StagedSearchCV

DISPLAYS = [getattr(display, name) for name in display.__all__]
OF_NETWORKS = [LossCurveDisplay, PredictionIntervalDisplay, SwarmDisplay, WeightsDisplay]
DATA = {PredictionIntervalDisplay: regression()}  # what is plotted besides the estimator

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


def staged_search(cv):
    """A search whose scores are minus alpha, twice as much in the second of two folds; -3 without hidden units."""

    def score(model, X, y):
        net = model[-1]
        return -(net.alpha if net.hidden_layer_sizes else 3.0) * (1 + (len(X) == 19))

    steps = [("scale", "passthrough"), ("net", L2NetClassifier(max_iter=1))]
    widths = {"scale": ["passthrough", StandardScaler()], "net__hidden_layer_sizes": [(), (4, 3)], "net__alpha": [1.0]}
    grids = [widths, {"net__alpha": [2.0, 1.0, 0.5]}]
    return StagedSearchCV(Pipeline(steps), grids, scoring=score, cv=cv, refit=False).fit(*classes(40))


def test_a_search_in_stages_has_the_differences_from_its_winner(plt):
    rows = np.arange(40)
    display = StagedSearchDisplay.from_estimator(staged_search([(rows, rows[:20]), (rows, rows[:19])]))
    assert display.labels == [
        "alpha 1, no units, no scale",
        "alpha 1, no units, scale",
        "alpha 1, 4-3 units, no scale",
        "alpha 1, 4-3 units, scale",
        "alpha 2, 4-3 units, no scale",
        "alpha 0.5, 4-3 units, no scale",
    ]
    assert display.winner == 5
    np.testing.assert_allclose(display.differences, [-3.75, -3.75, -0.75, -0.75, -2.25, 0])
    np.testing.assert_allclose(display.errors, [1.25, 1.25, 0.25, 0.25, 0.75, 0])  # half the difference of two folds
    np.testing.assert_allclose([bar.get_width() for bar in display.bars_], display.differences)
    assert display.bars_.errorbar is not None
    assert display.winner_.get_xydata().tolist() == [[0, 5]]
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == display.labels


def test_a_single_split_has_no_standard_errors(plt):
    _, axes = plt.subplots(1, 2)
    display = StagedSearchDisplay.from_estimator(staged_search([(np.arange(40), np.arange(20))]), ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.bars_.errorbar is None
    assert "standard error" not in display.ax_.get_xlabel()


def test_matplotlib_is_imported_when_it_is_needed():
    code = "import sys, skl2net.display; raise SystemExit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("kind", DISPLAYS)
def test_without_matplotlib_the_error_says_what_to_install(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    data = {name: None for name in signature(kind.__init__).parameters if name != "self"}
    with pytest.raises(ImportError, match=rf"{kind.__name__}\.plot needs matplotlib.*'skl2net\[plot\]'"):
        kind(**data).plot()


def network(estimator=L2NetClassifier, **params):
    X, y = classes() if estimator is L2NetClassifier else regression()
    return fit(estimator(**{"hidden_layer_sizes": (5, 4), "max_iter": 6, "random_state": 0, **params}), X, y)


@pytest.mark.parametrize("kind", DISPLAYS)
@pytest.mark.parametrize("wrap", [lambda net: net, lambda net: make_pipeline(StandardScaler(), net)])
def test_an_estimator_of_another_kind_is_refused_with_what_to_pass(plt, kind, wrap):
    X, y = classes()
    other = LogisticRegression() if kind in OF_NETWORKS else L2NetClassifier(max_iter=1)
    expected = {
        L2PathDisplay: "L2NetClassifierCV or L2NetRegressorCV",
        NodeSweepDisplay: "NodeSweepCV",
        PredictionIntervalDisplay: "L2NetRegressor",
        StagedSearchDisplay: "StagedSearchCV",
    }.get(kind, "L2NetClassifier or L2NetRegressor")
    with pytest.raises(TypeError, match=rf"{kind.__name__} plots a fitted {expected}, .*; got {type(other).__name__}"):
        kind.from_estimator(fit(wrap(other), X, y), *DATA.get(kind, ()))
    assert not plt.get_fignums()


def test_a_search_for_alpha_is_no_sweep(plt):
    with pytest.raises(TypeError, match=r"NodeSweepDisplay plots a fitted NodeSweepCV, .*; got L2NetClassifierCV"):
        NodeSweepDisplay.from_estimator(search())


@pytest.mark.parametrize("kind", DISPLAYS)
def test_an_estimator_that_is_not_fitted_is_refused(plt, kind):
    unfitted = {
        L2PathDisplay: [L2NetClassifierCV(), L2NetRegressorCV()],
        NodeSweepDisplay: [NodeSweepCV(L2NetClassifier())],
        PredictionIntervalDisplay: [L2NetRegressor(), L2NetRegressorCV(), GridSearchCV(L2NetRegressor(), {})],
        StagedSearchDisplay: [StagedSearchCV(L2NetClassifier(), [{}])],
    }.get(kind, [L2NetClassifier(), L2NetRegressorCV(), GridSearchCV(L2NetClassifier(), {})])
    for estimator in unfitted:
        for wrapped in (estimator, make_pipeline(StandardScaler(), estimator)):
            with pytest.raises(NotFittedError, match=rf"{kind.__name__} needs a.*fit.*"):
                kind.from_estimator(wrapped, *DATA.get(kind, ()))
    assert not plt.get_fignums()


def test_pipelines_and_searches_are_plotted_as_what_is_in_them(plt):
    X, y = classes()
    net = L2NetClassifier((3,), max_iter=3, random_state=0)
    grid = fit(GridSearchCV(make_pipeline(net), {"l2netclassifier__alpha": [1, 2]}, cv=2), X, y)
    found = grid.best_estimator_[-1]
    assert LossCurveDisplay.from_estimator(grid).loss == found.loss_curve_
    assert WeightsDisplay.from_estimator(make_pipeline(found)).weights["L2NetClassifier"] is found.coefs_
    path = search()
    assert L2PathDisplay.from_estimator(make_pipeline(path)).scores is path.scores_
    assert LossCurveDisplay.from_estimator(path).loss == path.loss_curve_
    sweep = fitted_sweep()
    assert NodeSweepDisplay.from_estimator(make_pipeline(sweep)).history == sweep.history_


def labels_of(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_a_loss_curve_has_the_loss_with_and_without_penalty_and_the_weights(plt):
    net = network(early_stopping=True, alpha=5)
    display = LossCurveDisplay.from_estimator(net)
    for line, curve in (
        (display.loss_line_, net.loss_curve_),
        (display.data_loss_line_, net.data_loss_curve_),
        (display.validation_loss_line_, net.validation_loss_curve_),
        (display.norm_line_, net.weight_norm_curve_),
    ):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 7))
        np.testing.assert_array_equal(line.get_ydata(), curve)
    assert display.norm_line_.axes is display.norm_ax_ is not display.ax_ is display.loss_line_.axes
    assert labels_of(display.norm_ax_.get_legend()) == [
        "training loss with penalty",
        "training loss",
        "validation loss",
        r"$\Sigma w^2$",
    ]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Iteration", "Loss")
    assert display.norm_ax_.get_ylabel() == r"$\Sigma w^2$"
    lines = [display.loss_line_, display.data_loss_line_, display.validation_loss_line_, display.norm_line_]
    assert len({line.get_linestyle() for line in lines}) == len({line.get_color() for line in lines}) == 4


@pytest.mark.parametrize("params", [{"solver": "lbfgs", "alpha": 0}, {"l2_mode": "decoupled"}])
def test_without_a_penalty_there_is_one_training_loss(plt, params):
    display = LossCurveDisplay.from_estimator(network(L2NetRegressor, **params))
    assert display.data_loss_line_ is None
    assert display.validation_loss_line_ is None
    assert labels_of(display.norm_ax_.get_legend()) == ["training loss", r"$\Sigma w^2$"]


def test_a_curve_that_is_not_known_is_left_out(plt):
    net = L2NetClassifier.from_sklearn(network().to_sklearn())
    display = LossCurveDisplay.from_estimator(net)
    assert display.data_loss_line_ is None
    np.testing.assert_array_equal(display.loss_line_.get_ydata(), net.loss_curve_)


def test_a_single_iteration_is_visible(plt):
    display = LossCurveDisplay.from_estimator(network(max_iter=1))
    assert display.loss_line_.get_marker() == display.norm_line_.get_marker() == "o"


def test_a_loss_curve_goes_where_it_is_told(plt):
    figure, axes = plt.subplots(1, 2)
    display = LossCurveDisplay.from_estimator(network(), ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure


def test_a_swarm_has_the_best_and_the_quartiles_of_its_personal_bests(plt):
    net = network(solver=ParticleSwarm(9, topology="ring"), warm_start=True)
    spreads = [net.swarm_.best_losses]
    for _ in range(3):
        net.set_params(max_iter=1)
        fit(net, *classes())
        spreads.append(net.swarm_.best_losses)
    expected = np.quantile(spreads, [0, 0.25, 0.5, 0.75], axis=1)  # each is one of 9 losses
    display = SwarmDisplay.from_estimator(make_pipeline(net))
    lines = [display.best_line_, display.median_line_]
    for line, of_line in zip(lines, expected[[0, 2]], strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 10))
        np.testing.assert_array_equal(line.get_ydata()[5:], of_line)
    corners = {tuple(corner) for corner in display.band_.get_paths()[0].vertices}
    for quartile in expected[[1, 3]]:
        assert {(6 + i, loss) for i, loss in enumerate(quartile)} <= corners
    assert display.best == net.loss_curve_
    assert labels_of(display.ax_.get_legend()) == ["median", "middle half", "best"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Iteration", "Loss of the personal bests")
    assert display.ax_.get_yscale() == "log"
    display.figure_.canvas.draw()
    assert all("10^" not in label.get_text() for label in display.ax_.get_yticklabels(which="both"))


def test_losses_of_zero_and_infinity_have_a_place(plt):
    display = SwarmDisplay(best=[1, 0], lower_quartile=[2, 1], median=[np.inf, 1], upper_quartile=[np.inf, 2]).plot()
    assert display.ax_.get_yscale() == "linear"
    np.testing.assert_array_equal(display.median_line_.get_ydata(), [np.nan, 1])
    assert np.isfinite(display.ax_.get_ylim()).all()


def test_a_network_without_a_swarm_is_refused(plt):
    with pytest.raises(ValueError, match=r"SwarmDisplay needs .*solver='adam'.*solver='pso'"):
        SwarmDisplay.from_estimator(network())
    assert not plt.get_fignums()


def test_the_histograms_count_the_weights_of_each_layer(plt):
    nets = {"small": network(), "large": network(alpha=0, random_state=1)}
    for coef in nets["large"].coefs_:
        coef *= 100
    display = WeightsDisplay.from_estimator(nets)
    assert len(display.axes_) == 3
    assert display.axes_[0].get_xscale() == "symlog"
    for name, net in nets.items():
        for coef, axes, outline in zip(net.coefs_, display.axes_, display.histograms_[name], strict=True):
            shares, edges, _ = outline.get_data()
            assert outline.axes is axes
            assert edges[0] < coef.min() <= coef.max() < edges[-1]
            expected = [np.mean((low <= coef) & (coef < high)) for low, high in pairwise(edges)]
            np.testing.assert_array_equal(shares, expected)
            assert shares.sum() == pytest.approx(1)
            assert {line.get_xdata()[0] for line in axes.get_lines()} == {-5, 5}
    places = display.axes_[0].transData.transform([[edge, 0] for edge in edges])[:, 0]
    np.testing.assert_allclose(np.diff(places), np.diff(places).mean(), rtol=1e-6)  # bins look equally wide
    largest = [max(np.abs(coef).max() for coef in net.coefs_) for net in nets.values()]
    assert labels_of(display.axes_[0].get_legend()) == [
        f"{name}, largest |w| {top:.3g}" for name, top in zip(nets, largest, strict=True)
    ]
    assert [axes.get_title("left") for axes in display.axes_] == [
        f"layer {i}: {shape} weights" for i, shape in enumerate(("4 × 5", "5 × 4", "4 × 3"))
    ]
    assert display.axes_[-1].get_xlabel() == "Weight"
    display.figure_.canvas.draw()
    ticks = [label.get_text() for label in display.axes_[-1].get_xticklabels()]
    assert {"−5", "0", "5", "10"} <= set(ticks)


def test_small_weights_fill_the_axis_and_medium_ones_show_where_five_is(plt):
    net = network()
    for largest, reaches_five in ((0.1, False), (2.4, False), (2.6, True), (4.9, True)):
        top = max(np.abs(coef).max() for coef in net.coefs_)
        for coef in net.coefs_:
            coef *= largest / top
        display = WeightsDisplay.from_estimator(net)
        assert display.axes_[0].get_xscale() == "linear"
        assert display.axes_[0].get_xlim()[1] == pytest.approx(1.05 * (5 if reaches_five else largest))
        assert bool(display.axes_[0].get_lines()) == reaches_five


def test_weights_that_are_all_zero_have_a_place(plt):
    net = network(hidden_layer_sizes=())
    net.coefs_[0][...] = 0
    display = WeightsDisplay.from_estimator(net)
    (shares,) = (outline.get_data().values for outline in display.histograms_["L2NetClassifier"])
    assert shares.max() == 1


def test_weights_go_where_they_are_told(plt):
    figure, axes = plt.subplots(1, 2)
    display = WeightsDisplay.from_estimator(network(), ax=axes[1])
    assert display.figure_ is figure
    assert display.ax_ is axes[1]
    assert all(layer.get_position().x0 >= axes[1].get_position().x0 - 1e-9 for layer in display.axes_)


def test_axes_whose_place_cannot_be_divided_are_refused(plt):
    ax = plt.figure().add_axes((0, 0, 1, 1))
    for kind, estimator in ((WeightsDisplay, network()), (NodeSweepDisplay, fitted_sweep())):
        with pytest.raises(ValueError, match=r"ax has to be axes of plt\.subplots"):
            kind.from_estimator(estimator, ax=ax)
    assert ax.axison


def test_networks_that_cannot_be_compared_are_refused(plt):
    with pytest.raises(ValueError, match=r"same number of layers, got \{'a': 3, 'b': 2\}"):
        WeightsDisplay.from_estimator({"a": network(), "b": network(hidden_layer_sizes=(3,))})
    with pytest.raises(ValueError, match="at least one"):
        WeightsDisplay.from_estimator({})
    assert not plt.get_fignums()


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
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("alpha", "Negative log loss")
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


def test_scores_have_their_names_and_axes_can_be_given(plt):
    _, ax = plt.subplots()
    display = L2PathDisplay.from_estimator(search(scoring="neg_log_loss"), ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.get_ylabel() == "neg_log_loss"
    assert L2PathDisplay.from_estimator(search(L2NetRegressorCV)).ax_.get_ylabel() == "Negative mean squared error"
    of_function = search(scoring=lambda net, X, y: -net.data_loss_)
    assert L2PathDisplay.from_estimator(of_function).ax_.get_ylabel() == "Score"


def posterior(X, y, **params):
    net = L2NetRegressor((4,), "tanh", solver="lbfgs", posterior=True, random_state=0, **params)
    return fit(make_pipeline(StandardScaler(), net), X, y)


def test_intervals_of_one_feature_are_a_band(plt):
    X, y = regression(40, n_features=1)
    model = posterior(X, y)
    display = PredictionIntervalDisplay.from_estimator(model, X, y, level=0.5)
    mean, std = model.predict(X, return_std=True)
    x, shown = display.line_.get_data()
    order = np.argsort(X[:, 0])
    np.testing.assert_array_equal((x, shown), (X[order, 0], mean[order]))
    vertices = display.band_.get_paths()[0].vertices
    half = 0.6744897501960817 * std  # the third quartile of the normal distribution
    np.testing.assert_allclose([vertices[:, 1].min(), vertices[:, 1].max()], [(mean - half).min(), (mean + half).max()])
    assert display.coverage_ == np.mean(abs(y - mean) < half)
    assert f"interval of 0.5, which holds {display.coverage_:.3g}" in display.ax_.get_legend().get_texts()[0].get_text()
    assert PredictionIntervalDisplay.from_estimator(model, X).coverage_ is None
    assert (
        PredictionIntervalDisplay.from_estimator(model, X, y[:, np.newaxis], level=0.5).coverage_ == display.coverage_
    )
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        PredictionIntervalDisplay.from_estimator(model, X, y[:3])


def test_intervals_of_several_features_are_bars_of_two_colours(plt):
    X, y = regression(60)
    model = posterior(X, y)
    _, axes = plt.subplots(ncols=2)
    display = PredictionIntervalDisplay.from_estimator(model, X, y, ax=axes[1])
    assert display.ax_ is axes[1]
    mean, std = model.predict(X, return_std=True)
    is_within = abs(y - mean) <= 1.6448536269514722 * std
    assert display.coverage_ == is_within.mean() < 1
    for bars, rows in zip(display.errorbars_, (is_within, ~is_within), strict=True):
        np.testing.assert_array_equal(bars.lines[0].get_data(), (y[rows], mean[rows]))
    assert display.errorbars_[0].lines[0].get_color() != display.errorbars_[1].lines[0].get_color()
    grid = fit(GridSearchCV(model, {"l2netregressor__alpha": [5.0]}, cv=2), X, y)
    np.testing.assert_allclose(PredictionIntervalDisplay.from_estimator(grid, X, y).std, std)


def test_what_intervals_need(plt):
    X, y = regression(30)
    with pytest.raises(ValueError, match="needs the observed targets"):
        PredictionIntervalDisplay.from_estimator(posterior(X, y), X)
    with pytest.raises(ValueError, match="plots one output, and this regressor has 2"):
        PredictionIntervalDisplay.from_estimator(posterior(X, np.column_stack([y, y])), X)
    for level in (0, 1, 90, np.nan, True):
        with pytest.raises(ValueError, match="level must be between 0 and 1"):
            PredictionIntervalDisplay.from_estimator(posterior(X, y), X, y, level=level)
    with pytest.raises(ValueError, match="Set posterior=True"):
        PredictionIntervalDisplay.from_estimator(network(L2NetRegressor), X, y)
