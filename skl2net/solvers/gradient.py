"""Mini-batch gradient descent: the loop around an optimiser, see `skl2net.solvers.optimisers`.

In each turn of the loop, the engine runs one or more epochs: as many as it should run in one call, but no more than
until the stopping rule or the learning rate schedule decides. The loop reports them to the monitor. The updates
themselves are `skl2net.engines.base.Session.run_updates`.
"""

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from skl2net.engines.base import EpochTotals, OptimiserState
from skl2net.l2 import AppliedRule, warn_if_explosive
from skl2net.solvers.base import Diverged, Iterate, Solver
from skl2net.solvers.curves import IterationTotals
from skl2net.solvers.optimisers import SGD, Adam


@dataclass(frozen=True)
class LearningRate:
    """The learning rate schedule, as in scikit-learn.

    Parameters
    ----------
    schedule : {"constant", "invscaling", "adaptive"}
    initial : float
    power_t : float
        Exponent of "invscaling".
    """

    schedule: str
    initial: float
    power_t: float = 0.5

    def after(self, t, n_reductions):
        """Learning rate after `t` rows and `n_reductions` divisions by 5."""
        if self.schedule == "invscaling":
            try:
                return self.initial / float(t + 1) ** self.power_t
            except OverflowError:
                return 0.0
        return self.initial / 5.0**n_reductions


@dataclass(frozen=True)
class RowOrder:
    """The order in which the last epoch visited the rows. The next epoch shuffles it again.

    It is stored as an array, or as what is needed to draw it again, so that a fitted network need not store a number
    for each row.

    Parameters
    ----------
    n_rows : int
    order : ndarray of intp, shape (n_rows,), default=None
        None if it has to be drawn again, or if the rows have not been shuffled.
    shuffles : tuple of (dict, int) or None, default=()
        States of the random stream and the number of shuffles drawn from there, one after the other. None if these
        would take more space than the array.
    stream_after : dict, default=None
        State of the random stream after the last shuffle.
    """

    n_rows: int
    order: np.ndarray | None = None
    shuffles: tuple | None = ()
    stream_after: dict | None = None

    def array(self):
        """The order as a new array."""
        if self.order is not None:
            return self.order.copy()
        order = np.arange(self.n_rows)
        stream = np.random.RandomState(0) if self.shuffles else None  # it takes longer than an epoch of a tiny network
        for state, n_shuffles in self.shuffles:
            stream.set_state(state)
            for _ in range(n_shuffles):
                stream.shuffle(order)
        return order

    def shuffled(self, order, n_shuffles, start, stream_after):
        """The `RowOrder` after more shuffles.

        Parameters
        ----------
        order : ndarray of intp, shape (n_rows,)
        n_shuffles : int
        start, stream_after : dict
            States of the random stream before and after them.

        Returns
        -------
        RowOrder
        """
        shuffles = self.shuffles
        if shuffles and _same_stream(start, self.stream_after):
            start, n_before = shuffles[-1]
            shuffles = (*shuffles[:-1], (start, n_before + n_shuffles))
        elif shuffles is not None:
            shuffles = (*shuffles, (start, n_shuffles))
            if len(shuffles) * _WORDS_OF_STREAM > self.n_rows:
                shuffles = None
        return RowOrder(self.n_rows, order, shuffles, stream_after)

    def stored(self, *, with_array=False):
        """The same order with a copy of its array, or without, if to draw it again takes less space and time."""
        can_draw = self.shuffles is not None and sum(n for _, n in self.shuffles) <= self.n_rows
        is_dropped = self.order is None or (can_draw and not with_array)
        return replace(self, order=None if is_dropped else self.order.copy())


_WORDS_OF_STREAM = 312  # 64-bit words in the state of a Mersenne twister


def _same_stream(a, b):
    """Whether two states of `numpy.random.RandomState` are the same."""
    return a["state"]["pos"] == b["state"]["pos"] and np.array_equal(a["state"]["key"], b["state"]["key"])


class Shuffling:
    """The shuffles of one training.

    To read the state of a random stream takes longer than an epoch of a tiny network. It is read once in a while, and
    any other state is found by drawing the same numbers again.

    Two arrays of orders take turns: in the place of an array that is released, others come to lie, so that the next one
    of its size would need new memory.

    Parameters
    ----------
    before : RowOrder
    random_state : numpy.random.RandomState
        The training draws nothing else from it.
    """

    def __init__(self, before, random_state):
        self._before, self._random_state = before, random_state
        self._start = random_state.get_state(legacy=False)
        self._n_shuffles, self._orders, self._orders_before = 0, before.array()[np.newaxis], None
        self._known = 0, self._start

    def next(self, n_epochs):
        """The orders of the next epochs, ndarray of intp of shape (n_epochs, n_rows), and the `Shuffled` after them.

        Both are overwritten by the next call but one.
        """
        if (self._n_shuffles - self._known[0]) * self._before.n_rows > _ROWS_BETWEEN_STATES:
            self._known = self._n_shuffles, self._random_state.get_state(legacy=False)
        if self._orders_before is None or len(self._orders_before) != n_epochs:
            self._orders_before = np.empty((n_epochs, self._before.n_rows), dtype=np.intp)
        orders, previous = self._orders_before, self._orders[-1]
        self._n_shuffles += n_epochs  # first: the stream is beyond a shuffle that Ctrl-C interrupts
        for order in orders:
            order[:] = previous
            self._random_state.shuffle(order)
            previous = order
        self._orders, self._orders_before = orders, self._orders
        return orders, Shuffled(self, previous, self._n_shuffles)

    def after(self, orders, n_done):
        """The `Shuffled` after the first `n_done` of the epochs that `next` has returned."""
        return Shuffled(self, orders[n_done - 1], self._n_shuffles - len(orders) + n_done)

    def order_after(self, order, n_shuffles):
        """The `RowOrder` after the last shuffle, or after the last one before the last call of `next`."""
        return self._before.shuffled(order, n_shuffles, self._start, self._stream_after(n_shuffles))

    def _stream_after(self, n_shuffles):
        if n_shuffles == self._n_shuffles:
            return self._random_state.get_state(legacy=False)
        n_known, state = self._known
        again, order = np.random.RandomState(0), np.arange(self._before.n_rows)
        again.set_state(state)
        for _ in range(n_shuffles - n_known):
            again.shuffle(order)
        return again.get_state(legacy=False)


_ROWS_BETWEEN_STATES = 100_000  # shuffling them takes ten times as long as reading a state


class Shuffled(NamedTuple):
    """The order of the rows after an epoch, as long as training goes on."""

    shuffling: Shuffling
    order: np.ndarray
    n_shuffles: int

    def row_order(self):
        """The same as a `RowOrder`."""
        return self.shuffling.order_after(self.order, self.n_shuffles)


class GradientState(NamedTuple):
    """State from which a later training continues.

    Parameters
    ----------
    name : str
        Name of the optimiser.
    moments : ndarray of shape (n_moments, n_parameters)
    n_updates : int
        Number of updates so far.
    order : RowOrder or Shuffled
    learning_rate : float
        Learning rate of the last update.
    n_reductions : int, default=0
        Number of times that the "adaptive" schedule has divided the learning rate by 5.
    """

    name: str
    moments: np.ndarray
    n_updates: int
    order: RowOrder | Shuffled
    learning_rate: float
    n_reductions: int = 0


@dataclass(frozen=True)
class GradientDescent(Solver):
    """SGD or Adam with the parameters of scikit-learn's MLP, see `skl2net.L2NetClassifier`.

    Parameters
    ----------
    optimiser : SGD or Adam
    learning_rate : LearningRate
    batch_size : int
    shuffle : bool
    is_stream : bool, default=False
        Whether this is a call of `partial_fit`, which keeps the reduced learning rate of the "adaptive" schedule. `fit`
        starts with the initial learning rate.
    keeps_order : bool, default=False
        Whether the order of the rows is stored as an array, for a training that continues this one soon.
    """

    optimiser: SGD | Adam
    learning_rate: LearningRate
    batch_size: int
    shuffle: bool
    is_stream: bool = False
    keeps_order: bool = False

    @property
    def name(self):
        return self.optimiser.name

    def minimise(self, problem, start, monitor):
        """See `Solver.minimise`."""
        state, parameters, t = self._resumed(start, problem), start.parameters, start.t
        bounds = np.append(np.arange(0, problem.n_rows, self.batch_size), problem.n_rows)
        shuffling = Shuffling(state.order, start.random_state) if self.shuffle else None
        n_left = monitor.stopping.max_iter
        coefficients_are_for = None
        while n_left:
            rate = self.learning_rate.after(t, state.n_reductions)
            n_epochs = min(n_left, self._epochs_per_call(problem, monitor))
            orders, order = (None, state.order) if shuffling is None else shuffling.next(n_epochs)
            if coefficients_are_for != (n_epochs, rate) or problem.is_weighted:
                batches = problem.batches(orders, bounds, n_epochs)
                coefficients = problem.coefficients_of(batches, rate)
                if coefficients_are_for is None and self.optimiser.momentum is not None:
                    warn_if_explosive(
                        coefficients, rate, momentum=self.optimiser.momentum, nesterov=self.optimiser.nesterov
                    )
                coefficients_are_for = n_epochs, rate
            else:
                batches = problem.batches(orders, bounds, n_epochs, batches.n_samples)

            monitor.begin()
            work = OptimiserState(parameters.copy(), state.moments.copy(), state.n_updates)
            each = None
            if monitor.is_validated and n_epochs > 1:
                each = np.empty((n_epochs, problem.n_parameters), dtype=problem.dtype)
            rates = np.broadcast_to(rate, batches.n_samples.shape)
            epochs = problem.session.run_updates(work, batches, coefficients, self.optimiser, rates, each)

            n_done, parameters, moments, n_updates = len(epochs), work.parameters, work.moments, work.n_updates
            if n_done < n_epochs:
                if n_done == 0 or each is None:
                    raise Diverged(self._advice(rate), n_unreported=n_done)
                # one of the epochs before may have the best validation score
                each, parameters = each[:n_done], each[n_done - 1]
                moments, n_updates = state.moments, state.n_updates  # those of the last epoch may be infinite
                order = order if shuffling is None else shuffling.after(orders, n_done)
            t += problem.n_rows * n_done
            state = GradientState(self.name, moments, n_updates, order, rate, state.n_reductions)
            monitor.finish(Iterate(parameters, state, t), [*map(_iteration_totals, epochs.tolist())], each)
            if n_done < n_epochs:
                raise Diverged(self._advice(rate))
            if monitor.has_converged:
                if not self._can_reduce(rate):
                    too_small = "Learning rate too small. " if self.learning_rate.schedule == "adaptive" else ""
                    monitor.announce_convergence(f"{too_small}Stopping.")
                    return None
                state = state._replace(n_reductions=state.n_reductions + 1)
                monitor.announce_convergence(
                    f"Setting learning rate to {self.learning_rate.after(t, state.n_reductions):f}"
                )
                monitor.renew_patience(state)
            n_left -= n_epochs
        return monitor.not_converged

    def kept(self, state):
        """See `Solver.kept`."""
        order, random_state = state.order, None
        if isinstance(order, Shuffled):
            order = order.row_order()
            random_state = order.stream_after
        return state._replace(order=order.stored(with_array=self.keeps_order)), random_state

    def advice_if_loss_rises(self, state):
        """See `Solver.advice_if_loss_rises`."""
        return None if self.is_stream else self._advice(state.learning_rate)  # one pass over other data need not

    def applied(self, problem, state):
        """See `Solver.applied`."""
        batch_size = min(self.batch_size, problem.n_rows)  # early stopping may leave fewer rows than a batch
        return AppliedRule(
            problem.rule,
            self.name,
            n=problem.n_samples * batch_size / problem.n_rows,
            n_total=problem.n_total,
            loss=problem.task.loss.convention,
            learning_rate=state.learning_rate,
            constants=asdict(self.optimiser),
            updates_per_epoch=-(-problem.n_rows // batch_size),
            has_schedule=self.learning_rate.schedule != "constant",
        )

    def _resumed(self, start, problem):
        """The initial state: that of the training which this one continues, as far as it applies."""
        before = start.state
        moments = np.zeros((self.optimiser.n_moments, problem.n_parameters), dtype=problem.dtype)
        fresh = GradientState(self.name, moments, 0, RowOrder(problem.n_rows), self.learning_rate.initial)
        if not isinstance(before, GradientState) or before.name != self.name:
            return fresh
        return fresh._replace(
            moments=before.moments.astype(problem.dtype),
            n_updates=before.n_updates,
            order=before.order if before.order.n_rows == problem.n_rows else fresh.order,
            n_reductions=before.n_reductions if self.is_stream else 0,
        )

    def _epochs_per_call(self, problem, monitor):
        """Number of epochs, at one learning rate, to run in one call of the engine."""
        n = monitor.n_until_stop
        if n == 1 or self.learning_rate.schedule == "invscaling":
            return 1
        return max(1, min(problem.session.epochs_per_call, n))

    def _can_reduce(self, rate):
        return self.learning_rate.schedule == "adaptive" and rate > 1e-6

    def _advice(self, rate):
        return (
            f"The learning rate was {rate:g} (learning_rate_init={self.learning_rate.initial:g}, "
            f"solver={self.name!r}). Scale the input, and the targets of a regression, to unit variance, or lower "
            "learning_rate_init."
        )


def _iteration_totals(epoch):
    totals = EpochTotals._make(epoch)
    n_rows = max(totals.n_rows, 1)
    return IterationTotals((totals.data_loss + totals.penalty) / n_rows, totals.data_loss / n_rows, totals.weight_norm)
