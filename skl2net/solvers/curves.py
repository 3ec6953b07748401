"""The learning curves: numbers recorded in each iteration."""

from array import array
from typing import NamedTuple

import numpy as np


class Curve:
    """An immutable sequence of numbers. `extended` returns a longer one.

    The two share their memory. Extending the latest version takes a time that does not depend on its length, so that
    the 100,000th call of `partial_fit` takes as long as the first. An earlier version is copied.

    Parameters
    ----------
    values : iterable of float, default=()

    Examples
    --------
    >>> first = Curve([3.0, 2.0])
    >>> first.extended([1.0]).tolist(), first.extended([0.5]).tolist(), first.tolist()
    ([3.0, 2.0, 1.0], [3.0, 2.0, 0.5], [3.0, 2.0])
    """

    def __init__(self, values=()):
        self._values = array("d", values)
        self._length = len(self._values)
        self._end = [self._values]  # held by the latest version alone; `pop` lets one thread have it

    def __len__(self) -> int:
        return self._length

    def extended(self, values):
        """Return this curve followed by `values`."""
        try:
            shared = self._end.pop() if self._length else array("d")  # nobody owns the empty curve
        except IndexError:
            shared = self._values[: self._length]
        shared.extend(values)
        longer = object.__new__(Curve)
        longer._values, longer._length, longer._end = shared, self._length + len(values), [shared]
        return longer

    def __getitem__(self, index):
        """The number at an index, not negative."""
        return self._values[index]

    def tolist(self) -> list[float]:
        """Return a copy as a list."""
        return self._values[: self._length].tolist()

    def __reduce__(self):
        return Curve, (self._values[: self._length],)  # without what longer versions have added


class Curves(NamedTuple):
    """The learning curves of a training. Warm starts and `partial_fit` extend them.

    Parameters
    ----------
    loss : Curve
        Loss of each iteration, including the penalty.
    weight_norm : Curve
        Σw² after each iteration.
    validation_score, validation_loss : Curve
        Score and data loss on the validation set after each iteration with early stopping.
    data_loss : Curve
        Loss of each iteration, without the penalty.
    """

    loss: Curve = Curve()
    weight_norm: Curve = Curve()
    validation_score: Curve = Curve()
    validation_loss: Curve = Curve()
    data_loss: Curve = Curve()

    def extended(self, iterations, validations):
        """Return these curves followed by the `IterationTotals` and the (score, loss) pairs of another training."""
        curves = Curves(
            self.loss.extended([iteration.loss for iteration in iterations]),
            self.weight_norm.extended([iteration.weight_norm for iteration in iterations]),
            self.validation_score,
            self.validation_loss,
            self.data_loss.extended([iteration.data_loss for iteration in iterations]),
        )
        if not (validations or len(self.validation_score)):
            return curves
        # NaN for iterations without a validation set, so that entry i of each curve is that of iteration i
        before = [np.nan] * (len(self.loss) - len(self.validation_score))
        now = validations or [(np.nan, np.nan)] * len(iterations)
        return curves._replace(
            validation_score=self.validation_score.extended(before + [score for score, _ in now]),
            validation_loss=self.validation_loss.extended(before + [loss for _, loss in now]),
        )


class IterationTotals(NamedTuple):
    """Totals of an iteration: the loss with and without the penalty, and Σw² at its end."""

    loss: float
    data_loss: float
    weight_norm: float
