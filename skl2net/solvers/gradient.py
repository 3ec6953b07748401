"""Mini-batch gradient descent: the loop around an optimiser, see `skl2net.solvers.optimisers`.

In each turn of the loop, the engine runs one or more epochs: as many as it should run in one call, but no more than
until the stopping rule decides. Their learning rates come from `skl2net.solvers.schedules`. The loop reports them to
the monitor. The updates themselves are `skl2net.engines.base.Session.run_updates`.
"""

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from skl2net.engines.base import EpochTotals, OptimiserState
from skl2net.l2 import AppliedRule, warn_if_explosive
from skl2net.solvers.base import Diverged, Solver
from skl2net.solvers.curves import IterationTotals
from skl2net.solvers.optimisers import SGD, Adam
from skl2net.solvers.schedules import Constant, Position, Schedule


class RowOrders:
    """The order of the rows in each epoch of one training: that of the epoch before, shuffled.

    Reading the state of a random stream takes longer than an epoch of a tiny network. It is read once in a while, and
    `rewind` finds the states in between by drawing the same numbers again.

    Two buffers are reused alternately, which avoids allocating one per call.

    Parameters
    ----------
    n_rows : int
    order : ndarray of int, shape (n_rows,), or None
        The order before the first shuffle. None for that of the rows.
    random_state : numpy.random.RandomState
        The training draws nothing else from it.
    """

    def __init__(self, n_rows, order, random_state):
        self._n_rows, self._random_state = n_rows, random_state
        first = np.arange(n_rows) if order is None else order.astype(np.intp)
        self._n_drawn, self._orders, self._orders_before = 0, first[np.newaxis], None
        self._known = 0, random_state.get_state(legacy=False)

    def next(self, n_epochs):
        """The orders of the next epochs, ndarray of intp of shape (n_epochs, n_rows).

        The next call but one overwrites it.
        """
        if (self._n_drawn - self._known[0]) * self._n_rows > _ROWS_BETWEEN_STATES:
            self._known = self._n_drawn, self._random_state.get_state(legacy=False)
        if self._orders_before is None or len(self._orders_before) != n_epochs:
            self._orders_before = np.empty((n_epochs, self._n_rows), dtype=np.intp)
        orders, previous = self._orders_before, self._orders[-1]
        self._n_drawn += n_epochs  # first: the stream is beyond a shuffle that Ctrl-C interrupts
        for order in orders:
            order[:] = previous
            self._random_state.shuffle(order)
            previous = order
        self._orders, self._orders_before = orders, self._orders
        return orders

    def rewind(self, n_epochs):
        """Set the random stream to its state after the first epochs; at most those of the last call are taken back."""
        if n_epochs == self._n_drawn:
            return
        n_known, state = self._known
        self._random_state.set_state(state)
        order = np.arange(self._n_rows)
        for _ in range(n_epochs - n_known):
            self._random_state.shuffle(order)


_ROWS_BETWEEN_STATES = 100_000  # shuffling them takes ten times as long as reading a state


class GradientState(NamedTuple):
    """State from which a later training continues.

    Parameters
    ----------
    name : str
        Name of the optimiser.
    moments : ndarray of shape (n_moments, n_parameters)
    n_updates : int
        Number of updates so far.
    learning_rate : float
        Learning rate of the last update.
    mean_learning_rate : float, default=None
        Mean learning rate of the updates of the last training.
    order : ndarray of int32 or int64, shape (n_rows,), default=None
        Order of the rows in the last epoch. None if they have not been shuffled, or if it is not kept.
    n_reductions : int, default=0
        Number of times that patience has run out under a schedule that `depends_on_loss`.
    """

    name: str
    moments: np.ndarray
    n_updates: int
    learning_rate: float
    mean_learning_rate: float | None = None
    order: np.ndarray | None = None
    n_reductions: int = 0


@dataclass(frozen=True)
class GradientDescent(Solver):
    """SGD or Adam with the parameters of scikit-learn's MLP, see `skl2net.L2NetClassifier`.

    Parameters
    ----------
    optimiser : SGD or Adam
    schedule : Schedule
    batch_size : int
    shuffle : bool
    is_stream : bool, default=False
        Whether this is a call of `partial_fit`, which keeps the learning rate of a schedule that `depends_on_loss`.
        `fit` starts with the initial learning rate.
    keeps_order : bool, default=False
        Whether a later training may continue with the order of the rows, which takes 4 bytes for each.
    """

    optimiser: SGD | Adam
    schedule: Schedule
    batch_size: int
    shuffle: bool
    is_stream: bool = False
    keeps_order: bool = False

    @property
    def name(self):
        return self.optimiser.name

    @property
    def learning_rate_init(self):
        return self.schedule.initial

    @property
    def default_max_iter(self):
        return self.schedule.default_max_iter

    def stopping(self, rule):
        """See `Solver.stopping`. A schedule with a horizon runs to it."""
        return replace(rule, n_iter_no_change=np.inf) if self.schedule.has_horizon else rule

    def minimise(self, problem, start, monitor):
        state = self._resumed(start, problem)
        if not self.shuffle:
            return self._descend(problem, start, state, None, monitor)
        rows = RowOrders(problem.n_rows, state.order, start.random_state)
        try:
            return self._descend(problem, start, state, rows, monitor)
        finally:
            rows.rewind(monitor.n_iter)  # Ctrl-C or divergence may have come after more epochs were drawn
            if monitor.has_result:
                monitor.replace_solver_state(self._kept(monitor.state.solver_state))

    def _descend(self, problem, start, state, rows, monitor):
        parameters, t = start.parameters, start.t
        bounds = np.append(np.arange(0, problem.n_rows, self.batch_size), problem.n_rows)
        n_updates, max_iter = len(bounds) - 1, monitor.stopping.max_iter
        rates, total_rate = None, 0.0
        while monitor.n_iter < max_iter:
            n_epochs = min(monitor.n_until_stop, max_iter - monitor.n_iter)
            n_epochs = min(n_epochs, problem.session.epochs_per_call) if n_epochs > 1 else 1
            position = Position(t, problem.n_rows, monitor.n_iter, max_iter, state.n_reductions)
            is_first, rates_before = rates is None, rates
            rates = self.schedule.rates(n_epochs, n_updates, position)
            orders = None if rows is None else rows.next(n_epochs)
            if problem.is_weighted or rates is not rates_before:
                batches = problem.batches(orders, bounds, n_epochs)
                coefficients = problem.coefficients_of(batches, rates)
            else:
                batches = problem.batches(orders, bounds, n_epochs, batches.n_samples)
            if is_first and self.optimiser.momentum is not None:
                optimiser = self.optimiser
                warn_if_explosive(coefficients, rates.max(), momentum=optimiser.momentum, nesterov=optimiser.nesterov)

            monitor.begin()
            work = OptimiserState(parameters.copy(), state.moments.copy(), state.n_updates)
            each = None
            if monitor.is_validated and n_epochs > 1:
                each = np.empty((n_epochs, problem.network.n_parameters), dtype=problem.session.dtype)
            epochs = problem.session.run_updates(work, batches, coefficients, self.optimiser, rates, each)

            n_done, parameters, moments, n_steps = len(epochs), work.parameters, work.moments, work.n_updates
            rate = float(rates[max(n_done, 1) - 1, -1])
            if n_done < n_epochs:
                if n_done == 0 or each is None:
                    raise Diverged(self._advice(problem, rate), n_unreported=n_done)
                # one of the epochs before may have the best validation score
                each, parameters = each[:n_done], each[n_done - 1]
                moments, n_steps = state.moments, state.n_updates  # those of the last epoch may be infinite
            t += problem.n_rows * n_done
            total_rate += float(rates[:n_done].sum())
            state = GradientState(
                self.name,
                moments,
                n_steps,
                rate,
                total_rate / ((monitor.n_iter + n_done) * n_updates),
                state.order if rows is None else orders[n_done - 1],
                state.n_reductions,
            )
            totals = [*map(_iteration_totals, epochs.tolist())]
            monitor.finish(parameters, totals, each, solver_state=state, t=t)
            if n_done < n_epochs:
                raise Diverged(self._advice(problem, rate))
            if monitor.has_converged:
                if not (self.schedule.depends_on_loss and rate > _SMALLEST_RATE):
                    too_small = "Learning rate too small. " if self.schedule.depends_on_loss else ""
                    monitor.announce_convergence(f"{too_small}Stopping.")
                    return None
                state = state._replace(n_reductions=state.n_reductions + 1)
                next_rate = self.schedule.rates(1, 1, position._replace(n_reductions=state.n_reductions))
                monitor.announce_convergence(f"Setting learning rate to {next_rate[0, 0]:f}")
                monitor.replace_solver_state(state)
                monitor.renew_patience()
        return None if self.schedule.has_horizon else monitor.not_converged

    def _kept(self, state):
        """The state with a small copy of the order of the rows, or without it."""
        if not self.keeps_order:
            return state._replace(order=None)
        return state._replace(order=state.order.astype(np.int32 if len(state.order) < 2**31 else np.int64))

    def rows_per_update(self, n_rows):
        """See `Solver.rows_per_update`. Early stopping may leave fewer rows than a batch."""
        return min(self.batch_size, n_rows)

    def advice_if_loss_rises(self, problem, solver_state):
        """See `Solver.advice_if_loss_rises`. A stream has none, since a pass over other data need not decrease it."""
        return None if self.is_stream else self._advice(problem, solver_state.learning_rate)

    def applied(self, problem, solver_state):
        batch_size = self.rows_per_update(problem.n_rows)
        return AppliedRule(
            problem.rule,
            self.name,
            n=problem.n_samples * batch_size / problem.n_rows,
            n_total=problem.n_total,
            loss=problem.task.loss.convention,
            learning_rate=self.learning_rate_init,
            mean_learning_rate=solver_state.mean_learning_rate,
            constants=asdict(self.optimiser),
            updates_per_epoch=-(-problem.n_rows // batch_size),
            has_schedule=not isinstance(self.schedule, Constant),
        )

    def _resumed(self, start, problem):
        """The initial state: that of the training which this one continues, as far as it applies."""
        before, shape = start.solver_state, (self.optimiser.n_moments, problem.network.n_parameters)
        if getattr(before, "name", None) != self.name or before.moments.shape != shape:
            return GradientState(self.name, np.zeros(shape, problem.session.dtype), 0, self.schedule.initial)
        return before._replace(
            moments=before.moments.astype(problem.session.dtype),
            order=before.order if before.order is not None and len(before.order) == problem.n_rows else None,
            n_reductions=before.n_reductions if self.is_stream else 0,
        )

    def _advice(self, problem, rate):
        """What to change if training has diverged; a penalty may be the cause if it shrinks weights by a tenth."""
        coefficients = problem.rule.coefficients(n=self.batch_size, n_total=problem.n_total, learning_rate=rate)
        is_strong = np.any(self.schedule.initial * coefficients.penalty > 0.1)
        alpha = f" or alpha (now up to {max(problem.rule.alpha):g})" if is_strong else ""
        return (
            f"The learning rate was {rate:g} (learning_rate_init={self.schedule.initial:g}, solver={self.name!r}). "
            f"Scale the input, and the targets of a regression, to unit variance, or lower learning_rate_init{alpha}."
        )


_SMALLEST_RATE = 1e-6  # no schedule reduces it further, as in scikit-learn


def _iteration_totals(epoch):
    totals = EpochTotals._make(epoch)
    n_rows = max(totals.n_rows, 1)
    return IterationTotals((totals.data_loss + totals.penalty) / n_rows, totals.data_loss / n_rows, totals.weight_norm)
