"""`WeightsDisplay`: the distribution of the weights of each layer, "with and without L2"."""

from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skl2net.display.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Display,
    divide,
)
from skl2net.hints import Estimator, Floats, NDArray
from skl2net.report import LARGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import StepPatch

_STYLES = [
    (BLUE, "-"),
    (VERMILION, "--"),
    (GREEN, "-."),
    (ORANGE, ":"),
    (PURPLE, "-"),
    (SKY, "--"),
]
_N_BINS = 60


@dataclass(kw_only=True, eq=False, repr=False)
class WeightsDisplay(Display):
    """Distribution of the weights of each layer, for one network or several.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are stored as attributes.

    Parameters
    ----------
    weights : dict of str to list of ndarray
        Weights of each layer, for each network by its name. All networks have the same number of layers.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_layers,)
        Axes of each layer, that of the input first.
    ax_ : matplotlib Axes
        The axes that were divided into `axes_`.
    figure_ : matplotlib Figure
        Figure containing the axes.
    histograms_ : dict of str to list of StepPatch
        Outline of the histogram of each layer, for each network by its name: the share of its weights in each bin.

    See Also
    --------
    skl2net.LossCurveDisplay : The sum of the squared weights over the iterations.

    Notes
    -----
    The axis is linear between -5 and 5, the range of the weights of a good network, and logarithmic beyond. The two
    bounds are marked, unless all weights are much smaller.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skl2net import L2NetClassifier, WeightsDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = L2NetClassifier((10,), solver="lbfgs", max_iter=1000, random_state=0)
    >>> nets = {"no L2": net.set_params(alpha=0).fit(X, y), "prior": L2NetClassifier((10,), solver="lbfgs").fit(X, y)}
    >>> WeightsDisplay.from_estimator(nets)  # doctest: +SKIP
    """

    weights: dict[str, list[Floats]]

    axes_: NDArray[Any] = field(init=False)
    histograms_: "dict[str, list[StepPatch]]" = field(init=False)

    @classmethod
    def from_estimator(cls, estimator: Estimator | dict[str, Estimator], *, ax: "Axes | None" = None) -> Self:
        """Create the display from one or several fitted networks, and plot it.

        Parameters
        ----------
        estimator : estimator object or dict of str to estimator object
            A fitted network, or a fitted pipeline or search with one. A dict of several of them, by their names,
            overlays their distributions.
        ax : matplotlib Axes, default=None
            Place of the plot in a figure with subplots, which it divides into one for each layer. None for a new
            figure.

        Returns
        -------
        WeightsDisplay
        """
        estimators = estimator if isinstance(estimator, dict) else {None: estimator}
        if not estimators:
            raise ValueError("WeightsDisplay needs at least one fitted network, got an empty dict.")
        found = {name: cls._find(value) for name, value in estimators.items()}
        display = cls(weights={type(net).__name__ if name is None else name: net.coefs_ for name, net in found.items()})
        return display.plot(ax=ax)

    @property
    def _figure_size(self):
        return 6.4, 1.6 + 1.6 * self._n_layers()

    def _draw(self, ax):
        self.axes_ = divide(ax, self._n_layers())
        first, last = self.axes_[[0, -1]]
        largest = {name: max(float(np.abs(coef).max()) for coef in coefs) for name, coefs in self.weights.items()}
        edges = _set_scale(first, max(largest.values()))
        self.histograms_ = {name: [] for name in self.weights}
        for layer, axes in enumerate(self.axes_):
            shapes = {coefs[layer].shape for coefs in self.weights.values()}
            shape = f": {' × '.join(map(str, shapes.pop()))} weights" if len(shapes) == 1 else ""
            axes.set_title(f"layer {layer}{shape}", loc="left", fontsize="medium")
            for bound in (-LARGE, LARGE):
                if abs(bound) < edges[-1]:
                    axes.axvline(bound, color=GREY, linestyle=":")
            for (name, coefs), (color, style) in zip(self.weights.items(), cycle(_STYLES), strict=False):
                shares = np.histogram(coefs[layer], edges)[0] / coefs[layer].size
                axes.stairs(shares, edges, fill=True, color=color, alpha=0.15)
                label = f"{name}, largest |w| {largest[name]:.3g}"
                outline = axes.stairs(shares, edges, color=color, linestyle=style, linewidth=1.5, label=label)
                self.histograms_[name].append(outline)
            axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
            axes.set_ylabel("Share of weights")
        last.set_xlabel("Weight")
        first.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")

    def _n_layers(self):
        """Number of layers, the same for all networks."""
        numbers = {name: len(coefs) for name, coefs in self.weights.items()}
        if len(set(numbers.values())) > 1:
            raise ValueError(f"WeightsDisplay compares networks with the same number of layers, got {numbers}.")
        return next(iter(numbers.values()))


def _set_scale(ax, largest):
    """Let the axis of the weights reach as far as the largest one; the edges of the bins."""
    reach = 1.05 * (max(largest, LARGE) if largest > LARGE / 2 else largest or 1)
    if reach > 2 * LARGE:
        ax.set_xscale("symlog", linthresh=LARGE, linscale=1)
        decades = 10.0 ** np.arange(1, np.log10(reach))
        marks = [-LARGE, 0, LARGE, *decades, *-decades]
        ax.set_xticks(marks, [f"{mark:g}".replace("-", "\N{MINUS SIGN}") for mark in marks])
        ax.set_xticks([], minor=True)
    ax.set_xlim(-reach, reach)
    transform = ax.xaxis.get_transform()
    ends = transform.transform(np.array([-reach, reach]))
    return transform.inverted().transform(np.linspace(*ends, _N_BINS + 1))
