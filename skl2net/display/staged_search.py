"""The choice of a `StagedSearchCV` as a plot."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skl2net.display.drawing import BLUE, GREY, SKY, VERMILION, Display
from skl2net.hints import Estimator, Floats
from skl2net.model_selection.search import split_scores, standard_error
from skl2net.model_selection.staged import StagedSearchCV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.lines import Line2D


@dataclass(kw_only=True, eq=False, repr=False)
class StagedSearchDisplay(Display):
    """Plot of a search in stages: how far each candidate is behind the winner.

    It is recommended to use `from_estimator` to create a display. All parameters are stored as attributes.

    Parameters
    ----------
    labels : list of str
        What distinguishes each candidate.
    differences : ndarray of shape (n_candidates,)
        Mean test score of each minus that of the winner; NaN if it failed.
    errors : ndarray of shape (n_candidates,)
        Standard errors of these differences; 0 with a single split.
    stages : ndarray of shape (n_candidates,)
        The stage in which each was evaluated.
    winner : int
        Index of the winner.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure with the axes.
    bars_ : matplotlib BarContainer
        The differences, with their standard errors.
    winner_ : matplotlib Line2D
        Marker of the winner.

    See Also
    --------
    make_tabular_search : A search for a data frame.

    Notes
    -----
    A candidate whose bar is to the right of 0 has the higher mean score, but does not differ from the winner by more
    than one standard error, and is less simple.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skl2net import make_tabular_search
    >>> from skl2net.display import StagedSearchDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> search = make_tabular_search("regression", random_state=0).fit(X, y)
    >>> StagedSearchDisplay.from_estimator(search)  # doctest: +SKIP
    """

    labels: list[str]
    differences: Floats
    errors: Floats
    stages: Floats
    winner: int

    bars_: "BarContainer" = field(init=False)
    winner_: "Line2D" = field(init=False)

    _estimators = (StagedSearchCV,)
    _fitted_attribute = "stage_winners_"
    _figure_size = (7.5, 4)

    @classmethod
    def from_estimator(cls, search: Estimator, *, ax: "Axes | None" = None) -> Self:
        """Plot a search.

        Parameters
        ----------
        search : estimator object
            A fitted search of :func:`~skl2net.make_tabular_search` or another
            :class:`~skl2net.model_selection.StagedSearchCV`, or a fitted pipeline that ends in one.
        ax : matplotlib Axes, default=None
            Axes to plot on. None for a new figure.

        Returns
        -------
        StagedSearchDisplay
        """
        search = cls._find(search)
        results, winner = search.cv_results_, search.stage_winners_[-1]
        scores = split_scores(results, search._deciding_metric(results))
        differences = scores - scores[winner]
        display = cls(
            labels=_labels(results["params"]),
            differences=np.where(np.isfinite(scores).all(axis=1), differences.mean(axis=1), np.nan),
            errors=np.array([standard_error(difference) for difference in differences]),
            stages=results["stage"],
            winner=winner,
        )
        return display.plot(ax)

    def _draw(self, ax):
        rows = np.arange(len(self.labels))
        colours = [BLUE if stage % 2 == 0 else SKY for stage in self.stages]
        has_errors = np.any(self.errors > 0)
        self.bars_ = ax.barh(
            rows, self.differences, xerr=self.errors if has_errors else None, color=colours, ecolor=GREY, capsize=3
        )
        (self.winner_,) = ax.plot(0, self.winner, "*", markersize=14, color=VERMILION, clip_on=False, zorder=3)
        ax.axvline(0, color=GREY, linewidth=1)
        ax.set_yticks(rows, self.labels)
        ax.get_yticklabels()[self.winner].set_color(VERMILION)
        ax.invert_yaxis()
        ax.set_xlabel("Mean score minus that of the winner" + (", and standard error" if has_errors else ""))


def _labels(candidates: list[dict[str, Any]]) -> list[str]:
    """What distinguishes each candidate from the others."""
    varying = [name for name in candidates[0] if len({str(params.get(name)) for params in candidates}) > 1]
    return [
        ", ".join(dict.fromkeys(_label(name.rpartition("__")[2], params[name]) for name in varying if name in params))
        for params in candidates
    ]


def _label(name, value):
    if value in (None, "drop", "passthrough"):
        return f"no {name}"
    if hasattr(value, "get_params"):
        return name
    if name == "hidden_layer_sizes":
        return f"{'-'.join(map(str, np.ravel(value))) or 'no'} units"
    return f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
