"""The displays: what is drawn is what the searches found."""

import numpy as np
import pytest
from cases import classes, fit, regression
from sklearn.exceptions import NotFittedError

from skl2net import L2NetClassifierCV, L2NetRegressorCV, L2PathDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def search(estimator=L2NetClassifierCV, **params):
    X, y = classes() if estimator is L2NetClassifierCV else regression()
    return fit(estimator((3,), batch_size=16, alphas=4, cv=3, max_iter=5, random_state=0, **params), X, y)


def test_the_path_shows_scores_weights_and_the_chosen_alpha():
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


def test_a_decay_has_an_axis_of_timescales():
    found = search(solver="sgd", l2_mode="decoupled", learning_rate_init=0.1)
    display = L2PathDisplay.from_estimator(found)
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    right, left = sorted(display.timescale_ax_.get_xlim())
    timescale = found.l2_report().timescale[0] * found.alpha_
    assert right == pytest.approx(timescale / high)
    assert left == pytest.approx(timescale / low)
    assert display.timescale_ax_.get_xlabel() == "timescale in epochs"


def test_scores_have_their_names_and_axes_can_be_given():
    _, ax = plt.subplots()
    display = L2PathDisplay.from_estimator(search(scoring="neg_log_loss"), ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.get_ylabel() == "neg_log_loss"
    assert L2PathDisplay.from_estimator(search(L2NetRegressorCV)).ax_.get_ylabel() == "$R^2$"


def test_a_search_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        L2PathDisplay.from_estimator(L2NetClassifierCV())
