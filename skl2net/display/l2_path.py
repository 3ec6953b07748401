"""`L2PathDisplay`: scores and weights against the strength of the L2 rule."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from skl2net.display.drawing import BLUE, VERMILION, Display
from skl2net.hints import Estimator, Floats
from skl2net.l2 import timescale
from skl2net.model_selection import L2NetClassifierCV, L2NetRegressorCV

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_TIMESCALES = 6


@dataclass(kw_only=True, eq=False, repr=False)
class L2PathDisplay(Display):
    """Cross-validated score and size of the weights against `alpha`.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are stored as attributes.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths of the L2 rule.
    scores : ndarray of shape (n_alphas, n_folds)
        Score of each strength on each fold.
    weight_norms : ndarray of shape (n_alphas, n_folds)
        Sum of the squared weights.
    alpha : float
        The chosen strength.
    score_name : str, default="Score"
        Label of the scores.
    timescales : ndarray of shape (n_alphas,), default=None
        Timescale of each strength in epochs. None if there is none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the scores.
    norm_ax_ : matplotlib Axes
        Axes with the weights.
    timescale_ax_ : matplotlib Axes or None
        Secondary axis with the timescales of some of the strengths. None without `timescales`, or if a strength is 0.
    figure_ : matplotlib Figure
        Figure containing the axes.

    See Also
    --------
    skl2net.L2NetClassifierCV : Finds `alpha` for a classifier.
    skl2net.L2NetRegressorCV : Finds `alpha` for a regressor.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skl2net import L2NetClassifierCV, L2PathDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> search = L2NetClassifierCV((5,), solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)
    >>> display = L2PathDisplay.from_estimator(search)  # doctest: +SKIP
    """

    alphas: Floats
    scores: Floats
    weight_norms: Floats
    alpha: float
    score_name: str = "Score"
    timescales: Floats | None = None

    norm_ax_: "Axes" = field(init=False)
    timescale_ax_: "Axes | None" = field(init=False)

    _estimators = (L2NetClassifierCV, L2NetRegressorCV)
    _fitted_attribute = "scores_"

    @classmethod
    def from_estimator(cls, estimator: Estimator, *, ax: "Axes | None" = None) -> Self:
        """Create the display from a fitted search, and plot it.

        Timescales are those of :meth:`~skl2net.L2NetClassifierCV.l2_report`: decays have them, and penalties under SGD.

        Parameters
        ----------
        estimator : estimator object
            A fitted :class:`~skl2net.L2NetClassifierCV` or :class:`~skl2net.L2NetRegressorCV`, or a fitted pipeline
            that ends in one.
        ax : matplotlib Axes, default=None
            Axes to plot on. None for a new figure.

        Returns
        -------
        L2PathDisplay
        """
        estimator = cls._find(estimator)
        name = estimator.scoring
        if name is None:
            name = "Negative log loss" if hasattr(estimator, "classes_") else "Negative mean squared error"
        display = cls(
            alphas=estimator.alphas_,
            scores=estimator.scores_,
            weight_norms=estimator.weight_norms_,
            alpha=estimator.alpha_,
            score_name=name if isinstance(name, str) else "Score",
            timescales=_timescales(estimator),
        )
        return display.plot(ax=ax)

    def _draw(self, ax):
        mean = self.scores.mean(axis=1)
        (score_line,) = ax.plot(self.alphas, mean, "o-", color=BLUE, label="score, mean over folds")
        handles = [score_line]
        if self.scores.shape[1] > 1:
            error = self.scores.std(axis=1, ddof=1) / np.sqrt(self.scores.shape[1])
            band = ax.fill_between(
                self.alphas, mean - error, mean + error, color=BLUE, alpha=0.2, linewidth=0, label="± standard error"
            )
            handles.append(band)
        chosen = ax.axvline(self.alpha, color="0.4", linestyle=":", label=f"chosen: alpha = {self.alpha:.3g}")
        ax.set(xlabel="alpha", ylabel=self.score_name)
        positive = self.alphas[self.alphas > 0]
        if len(positive) == len(self.alphas):
            ax.set_xscale("log")
        elif len(positive):  # from 0 to the smallest one, the axis is linear
            ax.set_xscale("symlog", linthresh=positive.min())
            ax.set_xlim(left=-0.2 * positive.min())

        self.norm_ax_ = ax.twinx()
        with np.errstate(divide="ignore"):  # weights that are all zero are off the logarithmic axis
            norm = np.exp(np.log(self.weight_norms).mean(axis=1))
        (norm_line,) = self.norm_ax_.plot(self.alphas, norm, "s--", color=VERMILION, label=r"$\Sigma w^2$")
        self.norm_ax_.set(yscale="log", ylabel=r"$\Sigma w^2$, geometric mean over folds")
        for axis, color in ((ax, BLUE), (self.norm_ax_, VERMILION)):
            axis.yaxis.label.set_color(color)
            axis.tick_params(axis="y", colors=color)

        self.timescale_ax_ = None
        if self.timescales is not None and ax.get_xscale() == "log":  # a secondary axis knows no other scale
            shown = slice(None, None, -(-len(self.alphas) // _MAX_TIMESCALES))
            labels = [f"{timescale:.3g}" for timescale in self.timescales[shown]]
            self.timescale_ax_ = ax.secondary_xaxis("top")
            self.timescale_ax_.set_xticks(self.alphas[shown], labels)
            self.timescale_ax_.set_xticks([], minor=True)
            self.timescale_ax_.set_xlabel("timescale in epochs")
        ax.legend(handles=[*handles, norm_line, chosen], loc="best", fontsize="small")


def _timescales(estimator):
    """Timescale of each strength, as a report on a network trained with it has it; None if it has none."""
    applied = estimator._training_state.applied_rule
    n_layers = len(applied.rule.alpha)
    rules = [replace(applied.rule, alpha=(alpha,) * n_layers) for alpha in estimator.alphas_]
    shares = [replace(applied, rule=rule).share for rule in rules]
    if shares[-1] is None:
        return None
    return np.array([timescale(share, applied.updates_per_epoch)[0] for share in shares])
