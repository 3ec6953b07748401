"""What the displays share: their base class, the colours, and axes one above the other."""

from typing import TYPE_CHECKING, Self

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skl2net.estimators import L2NetClassifier, L2NetRegressor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# of Okabe and Ito's palette, which colour-blind readers can tell apart
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#999999",
)


class Display:
    """Base class of the displays, dataclasses of what they plot. Each has a method ``_draw(ax)``."""

    ax_: "Axes"
    figure_: "Figure"

    _estimators = (L2NetClassifier, L2NetRegressor)  # what is plotted
    _fitted_attribute = "coefs_"  # what it has once it is fitted
    _figure_size = None

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on, as in :meth:`from_estimator`. None for a new figure.

        Returns
        -------
        self : object
            The display.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError(
                f"{type(self).__name__}.plot needs matplotlib. Install it with pip install 'skl2net[plot]'."
            ) from error
        if ax is None:
            _, ax = pyplot.subplots(figsize=self._figure_size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self._draw(ax)
        return self

    @classmethod
    def _find(cls, estimator):
        """The fitted estimator to plot: the given one, or that in a fitted pipeline or search."""
        found = estimator
        while not isinstance(found, cls._estimators):
            if isinstance(found, Pipeline):
                found = found[-1]
            elif hasattr(found, "refit"):  # a search
                message = f"{cls.__name__} needs a %(name)s fitted with refit=True."
                check_is_fitted(found, ["best_estimator_"], msg=message)
                found = found.best_estimator_
            else:
                names = " or ".join(kind.__name__ for kind in cls._estimators)
                raise TypeError(
                    f"{cls.__name__} plots a fitted {names}, or a pipeline or search with one; got "
                    f"{type(found).__name__}."
                )
        name = cls._fitted_attribute
        message = f"{cls.__name__} needs a fitted %(name)s, and this one has no {name}. Call fit first."
        check_is_fitted(found, [name], msg=message)
        return found


def divide(ax, n_rows):
    """Divide the place of axes in a figure with subplots: axes one above the other, with a common x axis."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax has to be axes of plt.subplots or figure.add_subplot, whose place can be divided; got axes at a fixed "
            f"position, {ax!r}."
        )
    ax.set_axis_off()
    return place.subgridspec(n_rows, 1).subplots(sharex=True, squeeze=False)[:, 0]
