"""The tournament of a `NodeSweepCV` as a plot."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skl2net.display.drawing import BLUE, GREY, VERMILION, Display, divide
from skl2net.hints import Estimator, Floats
from skl2net.model_selection.nodes import NodeSweepCV, best_rows
from skl2net.model_selection.search import split_scores, standard_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.lines import Line2D


@dataclass(kw_only=True, eq=False, repr=False)
class NodeSweepDisplay(Display):
    """Plot of a tournament of hidden units: the scores of the networks, and below them the comparisons in order.

    It is recommended to use `from_estimator` to create a display. All parameters are stored as attributes.

    Parameters
    ----------
    sizes : list of tuple of int
        The sizes of all networks, from small to large.
    scores : ndarray of shape (n_sizes,)
        Mean test score of each; NaN if it failed.
    errors : ndarray of shape (n_sizes,)
        Standard error of the difference between each and the one with the best mean score.
    history : list of dict
        The comparisons, see `NodeSweepCV.history_`.
    score_name : str, default="Score"
        Label of the scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the scores.
    history_ax_ : matplotlib Axes
        Axes with the comparisons.
    figure_ : matplotlib Figure
        Figure with both.
    errorbar_ : matplotlib ErrorbarContainer
        Mean scores, with their standard errors. Networks far below those that won a comparison are marked at the bottom
        instead.
    line_ : matplotlib Line2D
        The best mean score.
    winner_ : matplotlib Line2D
        Marker of the winner.
    path_ : matplotlib Line2D
        The winners of all comparisons.

    See Also
    --------
    skl2net.NodeSweepCV : The search.

    Notes
    -----
    A network whose error bar reaches the line of the best score ties with the best network, by the rule of the
    tournament. Of those that tie, the winner is the smallest that the tournament compared in the end.

    Networks with several hidden layers stand above their total number of units.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2net import L2NetClassifier, NodeSweepCV
    >>> from skl2net.display import NodeSweepDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> net = L2NetClassifier((8,), "tanh", learning_rate_init=0.01, max_iter=100, tol=1e-3, random_state=0)
    >>> sweep = NodeSweepCV(make_pipeline(StandardScaler(), net), step=4).fit(X, y)
    >>> NodeSweepDisplay.from_estimator(sweep)  # doctest: +SKIP
    """

    sizes: list[tuple[int, ...]]
    scores: Floats
    errors: Floats
    history: list[dict[str, Any]]
    score_name: str = "Score"

    history_ax_: "Axes" = field(init=False)
    errorbar_: "ErrorbarContainer" = field(init=False)
    line_: "Line2D" = field(init=False)
    winner_: "Line2D" = field(init=False)
    path_: "Line2D" = field(init=False)

    _estimators = (NodeSweepCV,)
    _fitted_attribute = "history_"
    _figure_size = (6.4, 6.4)

    @classmethod
    def from_estimator(cls, sweep: Estimator, *, ax: "Axes | None" = None, score_name: str | None = None) -> Self:
        """Plot a tournament.

        Parameters
        ----------
        sweep : estimator object
            A fitted :class:`~skl2net.NodeSweepCV`, or a fitted pipeline that ends in one.
        ax : matplotlib Axes, default=None
            Place of the plot in a figure with subplots, which it divides into two. None for a new figure.
        score_name : str, default=None
            Label of the scores. None for the name of `sweep.scoring`, if it has one.

        Returns
        -------
        NodeSweepDisplay
        """
        sweep = cls._find(sweep)
        metric = sweep.refit if sweep.multimetric_ else "score"
        rows = best_rows(sweep.cv_results_, sweep.param_name_, metric)
        sizes = sorted(rows, key=lambda size: (sum(size), size))
        folds = split_scores(sweep.cv_results_, metric)[[rows[size] for size in sizes]]
        scores = np.where(np.isfinite(folds).all(axis=1), folds.mean(axis=1), np.nan)
        best = folds[np.nanargmax(scores)]
        if score_name is None:
            scoring = metric if sweep.multimetric_ else sweep.scoring
            score_name = "Score"
            if isinstance(scoring, str):
                score_name = scoring.replace("neg_", "negative_", 1).replace("_", " ").capitalize()
        display = cls(
            sizes=sizes,
            scores=scores,
            errors=np.array([standard_error(best - fold) for fold in folds]),
            history=sweep.history_,
            score_name=score_name,
        )
        return display.plot(ax)

    def _draw(self, ax):
        self.ax_, self.history_ax_ = divide(ax, 2)
        self._plot_scores(self.ax_)
        self._plot_history(self.history_ax_)

    def _plot_scores(self, ax):
        winner = self.history[-1]["winner"]
        units = np.array([sum(size) for size in self.sizes])
        is_below = self.scores < self._lowest_score_shown()
        self.errorbar_ = ax.errorbar(
            units,
            np.where(is_below, np.nan, self.scores),
            self.errors,
            fmt="o",
            markersize=5,
            color=BLUE,
            capsize=3,
            label="mean, standard error of the difference from the best",
        )
        self.line_ = ax.axhline(np.nanmax(self.scores), color=GREY, linestyle="--", linewidth=1, label="best mean")
        (self.winner_,) = ax.plot(
            sum(winner),
            self.scores[self.sizes.index(winner)],
            marker="*",
            markersize=16,
            color=VERMILION,
            linestyle="none",
            zorder=3,
            label=f"winner: {'-'.join(map(str, winner))} units",
        )
        if is_below.any():
            bottom = {"transform": ax.get_xaxis_transform(), "clip_on": False}
            ax.plot(units[is_below], np.zeros(is_below.sum()), "v", color=BLUE, label="below the axis", **bottom)
        ax.set_ylabel(self.score_name)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, fontsize="small")

    def _lowest_score_shown(self):
        """A score that leaves the differences between those that won visible, however bad the others are."""
        won = {comparison[key] for comparison in self.history for key in ("size", "winner")}
        contenders = [size in won and np.isfinite(score) for size, score in zip(self.sizes, self.scores, strict=True)]
        best = np.nanmax(self.scores)
        return best - 3 * max(best - self.scores[contenders].min(), self.errors[contenders].max())

    def _plot_history(self, ax):
        numbers = np.arange(1, len(self.history) + 1)
        for number, comparison in zip(numbers, self.history, strict=True):
            units = [sum(size) for size in comparison["sizes"]]
            ax.plot(units, [number] * len(units), "o-", color=BLUE, markersize=5, linewidth=1, fillstyle="none")
        (self.path_,) = ax.plot(
            [sum(comparison["winner"]) for comparison in self.history],
            numbers,
            marker="o",
            markersize=6,
            color=VERMILION,
            label="winner of the comparison",
        )
        several = len(self.sizes[0]) > 1
        layers = [f" (layer {comparison['layer']})" if several else "" for comparison in self.history]
        ax.set_yticks(numbers, [f"{number}{layer}" for number, layer in zip(numbers, layers, strict=True)])
        ax.tick_params(axis="y", labelsize="small")
        ax.invert_yaxis()
        ax.set_ylabel("Comparison")
        if sum(self.sizes[-1]) > 8 * sum(self.sizes[0]):
            ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("Hidden units of all layers" if several else "Hidden units")
        ax.legend(fontsize="small")
