"""The report of a fit: the L2 rule that ran, its equivalents in other libraries, and the size of the weights."""

from dataclasses import dataclass, fields
from html import escape
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skl2net import notebook
from skl2net.conventions import Equivalents, equivalents
from skl2net.l2 import timescale
from skl2net.losses import LOSSES

LARGE, _VERY_LARGE = 5.0, 25.0  # weights beyond which the remarks speak of over-fitting

_NO_SHARE = {
    "adam": (
        "Adam divides the gradient of the penalty by its own size; compare such runs by alpha, or use "
        "l2_mode='decoupled', which has a timescale."
    ),
    "lbfgs": "L-BFGS minimises the whole objective, without updates of a fixed size; compare such runs by alpha.",
    "pso": "The swarm compares the errors of its particles, without updates; compare such runs by alpha.",
}

_MOST_USED = ("sklearn.", "torch.", "keras.")  # libraries whose equivalents the report prints

_COLUMNS = 100  # of the printed report
_NO_BREAK = "\N{NO-BREAK SPACE}"  # between a name and its number


@dataclass(frozen=True)
class L2Report:
    """The report returned by `l2_report`. Prints as text and displays as HTML.

    Attributes
    ----------
    l2_mode : str
        Name of the rule.
    alpha : float or tuple of float
        Strength of the rule that ran (also where the parameter `alpha` is None): one number, or one for each layer if
        they differ.
    solver : str
        Name of the solver.
    learning_rate, momentum : float or None
        Initial learning rate, and momentum; None if the solver has none.
    n : float
        Number of samples per update: of rows, or the sum of their weights.
    n_total : float
        Number of training samples; for `partial_fit`, of all samples seen so far.
    updates_per_epoch : int or None
        None for full-batch solvers.
    schedule : bool
        Whether the learning rate follows a schedule. Share and timescale are then means over the updates of the last
        fit.
    rule : str
        The update, or for full-batch solvers the objective, with its numbers. Brackets contain a number for each layer.
    share : ndarray of shape (n_layers,) or None
        Share of a weight that one update removes when no gradient acts on it; None if there is none, see `reason`.
    timescale : ndarray of shape (n_layers,) or None
        1 / (share * updates_per_epoch), in epochs.
    reason : str or None
        Why there is no share.
    sum_of_squares : ndarray of shape (n_layers,)
        Σw² of each layer.
    largest : ndarray of shape (n_layers,)
        Largest ``|w|`` of each layer.
    n_parameters : int
        Number of weights and biases.
    effective_parameters : ndarray of shape (n_layers,) or None
        How many weights and biases of each layer the data determine, see `skl2net.posterior.Posterior`; None with
        ``posterior=False``.
    remarks : tuple of str
        Further remarks.
    equivalents : Equivalents
        The equivalents of `alpha` in other libraries, exact ones first: a tuple of `AlphaConversion` that prints as a
        table. The report itself prints those in scikit-learn, PyTorch and Keras. Empty if `alpha` is 0 or differs
        between layers, and for a swarm with a user-defined objective.
    """

    l2_mode: str
    alpha: float | tuple[float, ...]
    solver: str
    learning_rate: float | None
    momentum: float | None
    n: float
    n_total: float
    updates_per_epoch: int | None
    schedule: bool
    rule: str
    share: NDArray[np.float64] | None
    timescale: NDArray[np.float64] | None
    reason: str | None
    sum_of_squares: NDArray[np.float64]
    largest: NDArray[np.float64]
    n_parameters: int
    effective_parameters: NDArray[np.float64] | None
    remarks: tuple[str, ...]
    equivalents: Equivalents

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as numbers, strings, lists and dicts, as for JSON or an experiment tracker.

        Returns
        -------
        dict
            The attributes by name. `equivalents` is a dict of numbers by the names that `convert_alpha` takes.
        """
        attributes = {field.name: getattr(self, field.name) for field in fields(self)}
        attributes["equivalents"] = {conversion.target: conversion.alpha for conversion in self.equivalents}
        return {
            name: np.asarray(value).tolist() if isinstance(value, tuple | np.ndarray) else value
            for name, value in attributes.items()
        }

    def _facts(self):
        """Pairs of a caption and a text."""
        yield "Rule", f"l2_mode={self.l2_mode!r}, alpha={_number(np.ravel(self.alpha))}, solver={self.solver!r}"
        yield "Update" if self.updates_per_epoch else "Objective", f"{self.rule}   (biases are left alone)"
        if self.updates_per_epoch:
            at_first = " at first" if self.schedule else ""
            momentum = "" if self.momentum is None else f", momentum {self.momentum:g}"
            yield (
                "Run",
                f"learning rate {self.learning_rate:.6g}{at_first}{momentum}, n = {self.n:g} samples per update, "
                f"{self.updates_per_epoch} update{'' if self.updates_per_epoch == 1 else 's'} per epoch",
            )
        if self.share is None:
            yield "Share removed", f"none: {self.reason}"
        else:
            yield "Share removed", f"{_number(self.share)} of a weight per update, when no gradient acts on it"
            yield "Timescale", f"{_number(self.timescale)} epochs: how long a weight is remembered"
        if self.effective_parameters is not None:
            n_effective = f"{self.effective_parameters.sum():,.3g}"
            yield "Parameters", f"{n_effective} of {self.n_parameters:,} are effective: the data determine them"
        for remark in self.remarks:
            yield "Remark", remark
        if self.equivalents:
            shown = Equivalents(found for found in self.equivalents if found.target.startswith(_MOST_USED))
            n_more = len(self.equivalents) - len(shown)
            texts = []
            for sense, numbers in shown.by_sense().items():
                pairs = [f"{names} {number}".replace(" ", _NO_BREAK) for number, names in numbers.items()]
                texts.append(f"{sense}: {'; '.join(pairs)}.")
            yield "Elsewhere", " ".join([*texts, f"{n_more} more in report.equivalents." if n_more else ""])

    def _layers(self):
        """Captions of the columns, and the numbers of each layer as text."""
        columns = {"sum of w^2": self.sum_of_squares, "largest |w|": self.largest}
        if self.effective_parameters is not None:
            columns["effective"] = self.effective_parameters
        rows = enumerate(zip(*columns.values(), strict=True))
        return ("layer", *columns), [(str(i), *(f"{value:.6g}" for value in row)) for i, row in rows]

    def __str__(self) -> str:
        facts = list(self._facts())
        width = max(len(caption) for caption, _ in facts)
        lines = [
            line.replace(_NO_BREAK, " ")
            for caption, text in facts
            for line in wrap(
                f"{caption:<{width}}  {text}", _COLUMNS, subsequent_indent=" " * (width + 2), break_on_hyphens=False
            )
        ]
        header, rows = self._layers()
        table = (f"{i:>5}" + "".join(f"  {text:>12}" for text in texts) for i, *texts in (header, *rows))
        return "\n".join([*lines, "", *table])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        header, rows = self._layers()
        return notebook.show(
            "L2Report",
            notebook.table((escape(caption), escape(text)) for caption, text in self._facts()),
            notebook.table(rows, header=header, are_numbers=True),
        )


@dataclass(frozen=True)
class HeldOut:
    """Loss on held-out data, or what it is expected to be, beside that on the training data, without the penalty.

    Parameters
    ----------
    training, loss : float
    data : str
        The held-out data, for messages.
    """

    training: float
    loss: float
    data: str


def make_report(applied, coefs, *, held_out=None, posterior=None, has_target_scale=False):
    """The `L2Report` of an `AppliedRule` and the weights of each layer, in the units in which they were penalised.

    `held_out` is None if nothing was held out, and `posterior` if none was computed; `has_target_scale` says whether
    targets were divided by their standard deviation.
    """
    share, alphas = applied.share, applied.rule.alpha
    comparisons = [] if held_out is None else [held_out]
    if posterior is not None:
        comparisons.append(HeldOut(posterior.loss, posterior.expected_loss, "new samples, as the posterior expects,"))
    return L2Report(
        l2_mode=applied.rule.mode,
        alpha=alphas[0] if len(set(alphas)) == 1 else alphas,
        solver=applied.solver,
        learning_rate=applied.learning_rate,
        momentum=applied.constants.get("momentum"),
        n=applied.n,
        n_total=applied.n_total,
        updates_per_epoch=applied.updates_per_epoch,
        schedule=applied.has_schedule,
        rule=_describe(applied.coefficients, applied.updates_per_epoch, applied.objective),
        share=share,
        timescale=None if share is None else timescale(share, applied.updates_per_epoch),
        reason=_NO_SHARE[applied.solver] if share is None else None,
        sum_of_squares=np.array([np.sum(np.square(coef, dtype=np.float64)) for coef in coefs]),
        largest=np.array([np.abs(coef).max() for coef in coefs]),
        n_parameters=sum(coef.size + coef.shape[1] for coef in coefs),
        effective_parameters=None if posterior is None else posterior.effective_parameters,
        remarks=tuple(_remarks(applied, share, coefs, comparisons, has_target_scale)),
        equivalents=_equivalents(applied, coefs),
    )


def _equivalents(applied, coefs):
    """The equivalents of alpha in other libraries."""
    alpha = applied.rule.alpha[0]
    if alpha == 0 or len(set(applied.rule.alpha)) > 1 or applied.objective != "mean loss":
        return Equivalents()
    return equivalents(
        alpha,
        applied.rule.mode,
        solver=applied.solver,
        n_layers=len(coefs),
        learning_rate=applied.learning_rate,
        batch_size=_whole(applied.n),
        n_samples=_whole(applied.n_total),
        loss=applied.loss,
        n_outputs=coefs[-1].shape[1],
        schedule=applied.has_schedule,
        **applied.constants,
    )


def _whole(n):
    """Number of samples; None if it is not whole, which other libraries do not support.

    Sums of weights are whole up to rounding: each weight is rounded a few times, to the precision of float32 at worst,
    and a sum in float32 that normalised them adds some roundings more.
    """
    whole = round(n)
    return whole if whole > 0 and abs(n - whole) <= 16 * np.finfo(np.float32).eps * whole else None


def _describe(coefficients, updates_per_epoch, objective):
    """The update, or the objective, with its numbers."""
    if updates_per_epoch is None:
        if not np.any(coefficients.penalty):
            return objective
        return f"{objective} + {_number(coefficients.penalty)}/2 * sum of w^2"
    if np.any(coefficients.penalty):
        return f"w <- w - step(g + {_number(coefficients.penalty)} * w)"
    if np.any(coefficients.decay_before):
        return f"w <- (1 - {_number(coefficients.decay_before)}) * w - step(g)"
    if np.any(coefficients.decay_after):
        return f"w <- (1 - {_number(coefficients.decay_after)}) * (w - step(g))"
    return "w <- w - step(g)"


def _remarks(applied, share, coefs, comparisons, has_target_scale):
    if share is not None and np.min(share) < 0:
        yield (
            "A share below 0 means that the penalty moves each weight past zero and makes it larger. Decrease alpha "
            "or learning_rate_init."
        )
    if _whole(applied.n) is None:
        yield "Samples are counted by their weights."
    if has_target_scale:
        robust = "a robust estimate of " if LOSSES[applied.loss].is_robust else ""
        yield f"Targets are divided by {robust}their standard deviation: alpha, losses and weights are in these units."
    if not comparisons:
        yield (
            "Weights alone do not tell whether the network over-fits. Compare the loss on held-out data, as "
            "early_stopping=True and the ...CV estimators do."
        )
    for held_out in comparisons:
        yield f"Loss on the training data {held_out.training:.4g}, on {held_out.data} {held_out.loss:.4g}." + (
            " The network over-fits: try a larger alpha." if held_out.loss > 2 * held_out.training else ""
        )
    largest = max(float(np.abs(coef).max()) for coef in coefs)
    n_large = sum(int(np.sum(np.abs(coef) > LARGE)) for coef in coefs)
    if n_large:
        yield (
            f"{n_large} {'weight is' if n_large == 1 else 'weights are'} larger than {LARGE:g}, the largest is "
            f"{largest:.3g}. Weights beyond {LARGE:g} "
            + (f"and up to {_VERY_LARGE:g} and more " if largest >= _VERY_LARGE else "")
            + "may be a sign of over-fitting."
        )


def _number(values):
    """One number if all layers have the same, else a list in brackets."""
    texts = [f"{value:.6g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"
