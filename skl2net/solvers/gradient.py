"""Mini-batch gradient descent: SGD with momentum, and Adam.

The loop below is that of one training: epochs in the engine, as many as the stopping rule cannot end before, then the
record, the stopping rule and the learning rate's schedule. The updates are `skl2net.engines.reference.run_updates`.
"""

import copy
from dataclasses import dataclass, replace

import numpy as np

from skl2net.engines.interface import AdamStep, Batches, EpochTotals, GradientState, SGDStep
from skl2net.l2 import warn_if_explosive
from skl2net.solvers.training import rewind, snapshot


@dataclass
class GradientRun:
    """What a warm start continues: the optimiser's state, the order of the rows, the schedule's position."""

    state: GradientState
    order: np.ndarray
    learning_rate: float
    n_reductions: int = 0

    @classmethod
    def start(cls, parameters, n_rows, learning_rate, *, adam):
        """The beginning of a training."""
        second = np.zeros(len(parameters) if adam else 0, dtype=parameters.dtype)
        return cls(GradientState(parameters, np.zeros_like(parameters), second), np.arange(n_rows), learning_rate)


@dataclass(frozen=True)
class GradientDescent:
    """SGD or Adam with the parameters of scikit-learn's MLP, see `skl2net.L2NetClassifier`."""

    solver: str
    batch_size: int
    shuffle: bool
    learning_rate: str
    learning_rate_init: float
    power_t: float
    momentum: float
    nesterovs_momentum: bool
    beta_1: float
    beta_2: float
    epsilon: float

    def minimise(self, problem, parameters, training, run=None):
        """Train.

        Parameters
        ----------
        problem : Problem
        parameters : ndarray of shape (n_parameters,)
            Where to start; not changed.
        training : Training
        run : GradientRun or None
            The run to continue; it is not changed.

        Returns
        -------
        parameters : ndarray of shape (n_parameters,)
        run : GradientRun
        """
        run = self._continue(run, parameters, problem.n_rows)
        state, history = run.state, training.history
        bounds = np.append(np.arange(0, problem.n_rows, self.batch_size), problem.n_rows)
        n_left = training.begin()
        numbers_for = None
        saved, mark = copy.deepcopy(state), snapshot(history)
        try:
            while n_left:
                _copy_state(saved, state)
                mark = snapshot(history)
                run.learning_rate = rate = self._learning_rate(history.t, run.n_reductions)
                n_epochs = min(n_left, self._in_one_go(problem, training))
                order = self._shuffle(run, n_epochs, training.random_state) if self.shuffle else None
                if numbers_for != (n_epochs, rate) or problem.sample_weight is not None:
                    items = problem.batch_items(order, bounds, n_epochs)
                    numbers = problem.rule.numbers(n=items, learning_rate=rate)
                    if numbers_for is None and self.solver == "sgd":
                        warn_if_explosive(numbers, rate, momentum=self.momentum, nesterov=self.nesterovs_momentum)
                    numbers_for = n_epochs, rate

                curves = problem.run_updates(state, Batches(order, bounds, items), numbers, self._step(rate))

                for totals in map(EpochTotals._make, curves.tolist()):
                    n_rows = max(totals.n_rows, 1)
                    training.record(
                        state.parameters,
                        loss=(totals.data_loss + totals.penalty) / n_rows,
                        data_loss=totals.data_loss / n_rows,
                        weight_norm=totals.weight_norm,
                    )
                    history.t += problem.n_rows
                if len(curves) < n_epochs:
                    training.diverged(self._advice(rate))
                    # a warm start goes on from the best weights, and the moments that led away from them are no help
                    run = replace(
                        self._continue(None, training.best(state.parameters), problem.n_rows), order=run.order
                    )
                    break
                if training.at_rest and self._stop_at_rest(training, run, rate):
                    break
                n_left -= n_epochs
            else:
                training.warn_not_converged()
        except KeyboardInterrupt:
            _copy_state(state, saved)
            rewind(history, mark)
            training.warn_interrupted()
        return training.best(state.parameters), run

    def _continue(self, run, parameters, n_rows):
        """A run of our own that starts at `parameters`, with the moments of the given run where they fit."""
        adam = self.solver == "adam"
        fresh = GradientRun.start(parameters.copy(), n_rows, self.learning_rate_init, adam=adam)
        if not isinstance(run, GradientRun) or (run.state.second.size > 0) != adam:
            return fresh
        state, dtype = run.state, parameters.dtype
        order = run.order if len(run.order) == n_rows else fresh.order
        return replace(
            run,
            state=GradientState(
                parameters.copy(), state.first.astype(dtype), state.second.astype(dtype), state.n_updates
            ),
            order=order,
        )

    def _in_one_go(self, problem, training):
        """Number of epochs at one learning rate, after which, at the earliest, something has to be decided."""
        if self.solver == "sgd" and self.learning_rate == "invscaling":
            return 1
        return max(1, min(problem.rows_at_once // problem.n_rows, training.n_until_rest))

    def _shuffle(self, run, n_epochs, random_state):
        """Orders of the rows in the next epochs, each the one before shuffled, as in scikit-learn."""
        orders = np.empty((n_epochs, len(run.order)), dtype=run.order.dtype)
        previous = run.order
        for order in orders:
            order[:] = previous
            random_state.shuffle(order)
            previous = order
        run.order = previous.copy()
        return orders

    def _learning_rate(self, t, n_reductions):
        """Current learning rate of the schedule, after `t` rows and `n_reductions` divisions by 5."""
        if self.solver == "sgd" and self.learning_rate == "invscaling":
            return self.learning_rate_init / (t + 1) ** self.power_t
        return self.learning_rate_init / 5.0**n_reductions

    def _step(self, learning_rate):
        if self.solver == "adam":
            return AdamStep(learning_rate, self.beta_1, self.beta_2, self.epsilon)
        return SGDStep(learning_rate, self.momentum, self.nesterovs_momentum)

    def _stop_at_rest(self, training, run, rate_now):
        """Whether to stop; the adaptive schedule lowers the learning rate first."""
        adaptive = self.solver == "sgd" and self.learning_rate == "adaptive"
        if adaptive and rate_now > 1e-6:
            run.n_reductions += 1
            training.history.no_improvement = 0
            rate = self._learning_rate(training.history.t, run.n_reductions)
            verdict = f"Setting learning rate to {rate:f}"
        else:
            verdict = "Learning rate too small. Stopping." if adaptive else "Stopping."
        if training.verbose:
            print(f"{training.describe_rest()} {verdict}")
        return not verdict.startswith("Setting")

    def _advice(self, learning_rate):
        return (
            f"The learning rate was {learning_rate:g} (learning_rate_init={self.learning_rate_init:g}, "
            f"solver={self.solver!r}). Scale the input, and the targets of a regression, to unit variance, or lower "
            "learning_rate_init."
        )


def _copy_state(target, source):
    target.parameters[...] = source.parameters
    target.first[...] = source.first
    target.second[...] = source.second
    target.n_updates = source.n_updates
