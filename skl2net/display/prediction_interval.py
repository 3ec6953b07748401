"""`PredictionIntervalDisplay`: predictions with their intervals, and how many observations are within."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.stats import norm
from sklearn.utils import check_consistent_length, column_or_1d

from skl2net._sklearn_private import is_finite_number
from skl2net.display.drawing import BLUE, GREY, SKY, VERMILION, Display
from skl2net.estimators import L2NetRegressor
from skl2net.hints import ArrayLike, Estimator, MatrixLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import FillBetweenPolyCollection
    from matplotlib.container import ErrorbarContainer
    from matplotlib.lines import Line2D


@dataclass(kw_only=True, eq=False, repr=False)
class PredictionIntervalDisplay(Display):
    r"""Predictions of a regressor with their intervals.

    With one feature, the mean and the band around it are plotted against the feature; otherwise the predictions against
    the observed targets, with a bar for each interval. A bar crosses the diagonal if the target is within it.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are stored as attributes.

    Parameters
    ----------
    mean, std : array-like of shape (n_samples,)
        Mean and standard deviation of the predictions.
    y : array-like of shape (n_samples,), default=None
        Observed targets. Required without `x`.
    x : array-like of shape (n_samples,), default=None
        The feature, if there is one only.
    level : float, default=0.9
        Probability of an interval, between 0 and 1: it extends from the 5 % to the 95 % quantile of the normal
        distribution for 0.9.

    Attributes
    ----------
    coverage_ : float or None
        Share of the observed targets that are within their interval. None without `y`.
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure containing the axes.
    line_ : matplotlib Line2D
        The mean, or the diagonal.
    band_ : matplotlib FillBetweenPolyCollection or None
        The band. None without `x`.
    errorbars_ : list of ErrorbarContainer
        Predictions within and outside of their interval. Empty with `x`.

    See Also
    --------
    sklearn.metrics.PredictionErrorDisplay : Residuals.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2net import L2NetRegressor, PredictionIntervalDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = L2NetRegressor((10,), "tanh", solver="lbfgs", posterior=True, random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X[:300], y[:300])
    >>> PredictionIntervalDisplay.from_estimator(model, X[300:], y[300:])  # doctest: +SKIP
    """

    mean: ArrayLike
    std: ArrayLike
    y: ArrayLike | None = None
    x: ArrayLike | None = None
    level: float = 0.9

    coverage_: float | None = field(init=False)
    line_: "Line2D" = field(init=False)
    band_: "FillBetweenPolyCollection | None" = field(init=False)
    errorbars_: "list[ErrorbarContainer]" = field(init=False)

    _estimators = (L2NetRegressor,)

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: MatrixLike,
        y: ArrayLike | None = None,
        *,
        level: float = 0.9,
        ax: "Axes | None" = None,
    ) -> Self:
        """Create the display from a fitted regressor with a posterior, and plot it.

        Parameters
        ----------
        estimator : estimator object
            A regressor fitted with ``posterior=True``, or a fitted pipeline or search with one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input, other samples than those of the fit.
        y : array-like of shape (n_samples,), default=None
            The observed targets. Required if there are several features.
        level : float, default=0.9
            Probability of an interval.
        ax : matplotlib Axes, default=None
            Axes to plot on. None for a new figure.

        Returns
        -------
        PredictionIntervalDisplay
        """
        cls._find(estimator)
        model = estimator if isinstance(estimator, L2NetRegressor) else getattr(estimator, "best_estimator_", estimator)
        mean, std = model.predict(X, return_std=True)
        if mean.ndim > 1:
            raise ValueError(f"{cls.__name__} plots one output, and this regressor has {mean.shape[1]}.")
        x = np.asarray(X)[:, 0] if np.shape(X)[1] == 1 else None
        if y is not None:
            check_consistent_length(X, y)
            y = column_or_1d(y)
        return cls(mean=mean, std=std, y=y, x=x, level=level).plot(ax=ax)

    def _draw(self, ax):
        if not is_finite_number(self.level) or not 0 < self.level < 1:
            raise ValueError(f"level must be between 0 and 1, such as 0.9; got {self.level!r}.")
        mean, half = np.asarray(self.mean), norm.ppf((1 + self.level) / 2) * np.asarray(self.std)
        self.coverage_, self.band_, self.errorbars_, label = None, None, [], f"interval of {self.level:.3g}"
        if self.y is not None:
            y = np.asarray(self.y)
            is_within = abs(y - mean) <= half
            self.coverage_ = float(np.mean(is_within))
            label += f", which holds {self.coverage_:.3g} of the samples"
        if self.x is not None:
            x = np.asarray(self.x)
            order = np.argsort(x)
            band = (values[order] for values in (x, mean - half, mean + half))
            self.band_ = ax.fill_between(*band, color=SKY, alpha=0.4, linewidth=0, label=label)
            (self.line_,) = ax.plot(x[order], mean[order], color=BLUE, label="mean")
            if self.y is not None:
                ax.scatter(x, y, s=12, color=GREY, zorder=1.5)
            ax.set(xlabel="Feature", ylabel="Target")
        elif self.y is None:
            raise ValueError(f"{type(self).__name__} needs the observed targets `y` if there are several features.")
        else:
            for rows, color, text in ((is_within, BLUE, label), (~is_within, VERMILION, "outside")):
                style = {"fmt": "o", "markersize": 3, "linewidth": 0.8, "color": color, "alpha": 0.7, "label": text}
                self.errorbars_.append(ax.errorbar(y[rows], mean[rows], half[rows], **style))
            ends = [y.min(), y.max()]
            (self.line_,) = ax.plot(ends, ends, color=GREY, linestyle="--", label="observed = predicted")
            ax.set(xlabel="Observed", ylabel="Predicted")
        ax.legend(fontsize="small")
