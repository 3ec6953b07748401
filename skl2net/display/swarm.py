"""`SwarmDisplay`: the personal bests of a particle swarm over its iterations."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from skl2net.display.drawing import BLUE, VERMILION, Display
from skl2net.hints import ArrayLike, Estimator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D


@dataclass(kw_only=True, eq=False, repr=False)
class SwarmDisplay(Display):
    """Best, median and quartiles of the personal bests of a swarm over its iterations.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are stored as attributes.

    Parameters
    ----------
    best : array-like of shape (n_iterations,)
        Smallest loss of all personal bests after each iteration, including the penalty.
    lower_quartile, median, upper_quartile : array-like of shape (n_iterations,)
        Quartiles of the losses of the personal bests. inf while so many particles have not had a finite loss.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the losses.
    figure_ : matplotlib Figure
        Figure containing the axes.
    best_line_ : matplotlib Line2D
        The best.
    median_line_ : matplotlib Line2D
        The median.
    band_ : matplotlib PolyCollection
        The band between the quartiles, half of the personal bests.

    See Also
    --------
    skl2net.ParticleSwarm : The swarm.
    skl2net.LossCurveDisplay : The best loss with and without the penalty.

    Notes
    -----
    A swarm whose band has closed on the best has converged: all particles are about equally good, and usually in the
    same place. A wide band says that the particles still search, or that some never find the others.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skl2net import L2NetClassifier, SwarmDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = L2NetClassifier((6,), solver="pso", max_iter=300, tol=0, random_state=0).fit(X, y)
    >>> SwarmDisplay.from_estimator(net)  # doctest: +SKIP
    """

    best: ArrayLike
    lower_quartile: ArrayLike
    median: ArrayLike
    upper_quartile: ArrayLike

    best_line_: "Line2D" = field(init=False)
    median_line_: "Line2D" = field(init=False)
    band_: "PolyCollection" = field(init=False)

    @classmethod
    def from_estimator(cls, estimator: Estimator, *, ax: "Axes | None" = None) -> Self:
        """Create the display from a network trained by a swarm, and plot it.

        Parameters
        ----------
        estimator : estimator object
            A network fitted with ``solver="pso"`` or a :class:`~skl2net.ParticleSwarm`, or a fitted pipeline or search
            with one. Iterations of all warm-started calls are shown.
        ax : matplotlib Axes, default=None
            Axes to plot on. None for a new figure.

        Returns
        -------
        SwarmDisplay
        """
        net = cls._find(estimator)
        if net.swarm_ is None:
            raise ValueError(
                f"SwarmDisplay needs a network trained by a particle swarm, and this one was trained by another solver "
                f"(now solver={net.solver!r}). Fit it with solver='pso', or use LossCurveDisplay."
            )
        curves = net.swarm_.spread._asdict()
        return cls(**{name: curve.tolist() for name, curve in curves.items()}).plot(ax=ax)

    def _draw(self, ax):
        from matplotlib.ticker import LogLocator

        iterations = np.arange(1, len(self.best) + 1)
        marker = "o" if len(iterations) == 1 else None  # a line of one point is invisible
        self.band_ = ax.fill_between(
            iterations,
            _finite(self.lower_quartile),
            _finite(self.upper_quartile),
            color=VERMILION,
            alpha=0.2,
            linewidth=0,
        )
        self.band_.set_label("middle half")
        (self.median_line_,) = ax.plot(
            iterations, _finite(self.median), "--", marker=marker, color=VERMILION, label="median"
        )
        (self.best_line_,) = ax.plot(iterations, self.best, marker=marker, color=BLUE, label="best")
        ax.set(xlabel="Iteration", ylabel="Loss of the personal bests")
        if min(self.best) > 0:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(handles=[self.median_line_, self.band_, self.best_line_], fontsize="small")


def _finite(values):
    """The values, NaN if they are infinite, which matplotlib leaves out."""
    return np.where(np.isfinite(values), values, np.nan)
