"""`LossCurveDisplay`: losses and weights over the iterations of a training."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from skl2net.display.drawing import BLUE, GREEN, SKY, VERMILION, Display
from skl2net.hints import ArrayLike, Estimator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@dataclass(kw_only=True, eq=False, repr=False)
class LossCurveDisplay(Display):
    r"""Losses and the size of the weights over the iterations of a training.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are stored as attributes.

    Parameters
    ----------
    loss : array-like of shape (n_iterations,)
        Training loss of each iteration, including the penalty.
    data_loss : array-like of shape (n_iterations,)
        Training loss of each iteration, without the penalty.
    weight_norm : array-like of shape (n_iterations,)
        :math:`\sum w^2` after each iteration.
    validation_loss : array-like of shape (n_iterations,), default=None
        Loss on the validation set, without the penalty. None without early stopping.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the losses.
    norm_ax_ : matplotlib Axes
        Axes with the weights.
    figure_ : matplotlib Figure
        Figure containing the axes.
    loss_line_ : matplotlib Line2D
        Training loss, including the penalty.
    data_loss_line_ : matplotlib Line2D or None
        Training loss without the penalty. None if the two are the same, as for decays, or if it is not known.
    validation_loss_line_ : matplotlib Line2D or None
        Loss on the validation set. None without early stopping.
    norm_line_ : matplotlib Line2D
        :math:`\sum w^2`.

    See Also
    --------
    skl2net.WeightsDisplay : The distribution of the weights in the end.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2net import L2NetClassifier, LossCurveDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> net = L2NetClassifier((16,), early_stopping=True, random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> LossCurveDisplay.from_estimator(model)  # doctest: +SKIP
    """

    loss: ArrayLike
    data_loss: ArrayLike
    weight_norm: ArrayLike
    validation_loss: ArrayLike | None = None

    norm_ax_: "Axes" = field(init=False)
    loss_line_: "Line2D" = field(init=False)
    data_loss_line_: "Line2D | None" = field(init=False)
    validation_loss_line_: "Line2D | None" = field(init=False)
    norm_line_: "Line2D" = field(init=False)

    @classmethod
    def from_estimator(cls, estimator: Estimator, *, ax: "Axes | None" = None) -> Self:
        """Create the display from a fitted network, and plot it.

        Parameters
        ----------
        estimator : estimator object
            A fitted network, or a fitted pipeline or search with one.
        ax : matplotlib Axes, default=None
            Axes to plot on. None for a new figure.

        Returns
        -------
        LossCurveDisplay
        """
        net = cls._find(estimator)
        display = cls(
            loss=net.loss_curve_,
            data_loss=net.data_loss_curve_,
            weight_norm=net.weight_norm_curve_,
            validation_loss=net.validation_loss_curve_,
        )
        return display.plot(ax=ax)

    def _draw(self, ax):
        self.norm_ax_ = ax.twinx()
        iterations = np.arange(1, len(self.loss) + 1)
        marker = "o" if len(iterations) == 1 else None  # a line of one point is invisible

        def draw(axes, values, **style):
            return axes.plot(iterations, values, marker=marker, **style)[0]

        is_plain = np.array_equal(self.loss, self.data_loss) or np.isnan(self.data_loss).all()
        label = "training loss" if is_plain else "training loss with penalty"
        self.loss_line_ = draw(ax, self.loss, color=BLUE, label=label)
        self.data_loss_line_ = self.validation_loss_line_ = None
        if not is_plain:
            self.data_loss_line_ = draw(ax, self.data_loss, color=SKY, linestyle="-.", label="training loss")
        if self.validation_loss is not None:
            self.validation_loss_line_ = draw(
                ax, self.validation_loss, color=GREEN, linestyle=":", linewidth=2, label="validation loss"
            )
        self.norm_line_ = draw(self.norm_ax_, self.weight_norm, color=VERMILION, linestyle="--", label=r"$\Sigma w^2$")
        ax.set(xlabel="Iteration", ylabel="Loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        self.norm_ax_.set_ylabel(r"$\Sigma w^2$", color=VERMILION)
        self.norm_ax_.tick_params(axis="y", colors=VERMILION)
        self.norm_ax_.set_ylim(bottom=0)
        for axes in (ax, self.norm_ax_):  # room for the legend, away from the lines of both
            low, high = axes.get_ylim()
            axes.set_ylim(top=high + 0.2 * (high - low))
        handles = [self.loss_line_, self.data_loss_line_, self.validation_loss_line_, self.norm_line_]
        handles = [handle for handle in handles if handle is not None]
        self.norm_ax_.legend(handles=handles, loc="upper center", ncols=2, fontsize="small")
