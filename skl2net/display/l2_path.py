"""`L2PathDisplay`: scores and weights against the strength of the L2 rule."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skl2net.l2 import DECAYS

_SCORE, _NORM = "#0072B2", "#D55E00"  # blue and vermilion of Okabe and Ito, told apart by colour-blind readers


class L2PathDisplay:
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
    timescale_of_one : float, default=None
        Timescale of a decay in epochs, times its strength: the timescale of `alpha` is this number divided by it. None
        for a penalty.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the scores.
    norm_ax_ : matplotlib Axes
        Axes with the weights.
    timescale_ax_ : matplotlib Axes or None
        Secondary axis with the timescales.
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

    def __init__(self, *, alphas, scores, weight_norms, alpha, score_name="Score", timescale_of_one=None):
        self.alphas = alphas
        self.scores = scores
        self.weight_norms = weight_norms
        self.alpha = alpha
        self.score_name = score_name
        self.timescale_of_one = timescale_of_one

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Create the display from a fitted search, and plot it.

        Parameters
        ----------
        estimator : L2NetClassifierCV or L2NetRegressorCV
            Fitted.
        ax : matplotlib Axes, default=None
            Axes to plot on. None for a new figure.

        Returns
        -------
        L2PathDisplay
        """
        check_is_fitted(estimator, ["alphas_", "scores_", "weight_norms_"])
        timescale = None
        if estimator.l2_mode in DECAYS and estimator.refit:
            timescale = float(estimator.l2_report().timescale[0]) * estimator.alpha_
        name = estimator.scoring if isinstance(estimator.scoring, str) else None
        display = cls(
            alphas=estimator.alphas_,
            scores=estimator.scores_,
            weight_norms=estimator.weight_norms_,
            alpha=estimator.alpha_,
            score_name=name or ("Accuracy" if hasattr(estimator, "classes_") else "$R^2$"),
            timescale_of_one=timescale,
        )
        return display.plot(ax=ax)

    def plot(self, ax=None):
        """Plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on. None for a new figure.

        Returns
        -------
        L2PathDisplay
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        mean = self.scores.mean(axis=1)
        error = self.scores.std(axis=1, ddof=1) / np.sqrt(self.scores.shape[1])
        (score_line,) = ax.plot(self.alphas, mean, "o-", color=_SCORE, label="score, mean over folds")
        band = ax.fill_between(
            self.alphas, mean - error, mean + error, color=_SCORE, alpha=0.2, linewidth=0, label="± standard error"
        )
        chosen = ax.axvline(self.alpha, color="0.4", linestyle=":", label=f"chosen: alpha = {self.alpha:.3g}")
        ax.set(xscale="log", xlabel="alpha", ylabel=self.score_name)

        self.norm_ax_ = ax.twinx()
        with np.errstate(divide="ignore"):  # weights that are all zero are off the logarithmic axis
            norm = np.exp(np.log(self.weight_norms).mean(axis=1))
        (norm_line,) = self.norm_ax_.plot(self.alphas, norm, "s--", color=_NORM, label=r"$\Sigma w^2$")
        self.norm_ax_.set(yscale="log", ylabel=r"$\Sigma w^2$, geometric mean over folds")
        for axis, color in ((ax, _SCORE), (self.norm_ax_, _NORM)):
            axis.yaxis.label.set_color(color)
            axis.tick_params(axis="y", colors=color)

        self.timescale_ax_ = None
        if self.timescale_of_one is not None:

            def inverse(values):  # in both directions; matplotlib also asks for 0
                return self.timescale_of_one / np.maximum(values, 1e-300)

            self.timescale_ax_ = ax.secondary_xaxis("top", functions=(inverse, inverse))
            self.timescale_ax_.set_xlabel("timescale in epochs")
        ax.legend(handles=[score_line, band, norm_line, chosen], loc="best", fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self
