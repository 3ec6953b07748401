"""Random work for one engine against the other, on one network and its data, and calls that must be refused.

Under sanitizers: ``tests/run_sanitizers address -m fuzz --fuzz-minutes 10 tests/fuzz/test_engines.py``.
"""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from cases import LOSS_OF, STEPS, coefficients_of, make_batches, make_case, new_state, rates_of, run
from engines.test_agreement import SIZES, assert_evaluations_agree, assert_updates_agree
from engines.test_compiled import SWARMS, make_motion, make_swarm, penalty_of
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from skl2net.activations import ACTIVATIONS
from skl2net.engines.base import Batches
from skl2net.engines.lbfgs import LBFGSLimits, first_state
from skl2net.engines.reference import engine as reference
from skl2net.l2 import MODES, L2Rule
from skl2net.problem import Problem

_compiled = pytest.importorskip("skl2net.engines._compiled", reason="there is one engine")
compiled = _compiled.engine
pytestmark = pytest.mark.fuzz

SMOOTH = [activation for activation in ACTIVATIONS if activation != "relu"]


class Engines(RuleBasedStateMachine):
    """The machine."""

    @initialize(
        sizes=st.lists(SIZES, min_size=2, max_size=5),
        n_rows=st.one_of(SIZES, st.integers(1, 700)),
        activation=st.sampled_from([*ACTIVATIONS]),
        output_loss=st.sampled_from([*LOSS_OF]),
        sparse=st.booleans(),
        weighted=st.booleans(),
        is_double=st.booleans(),
        instruction_set=st.sampled_from(_compiled.instruction_sets()),
        seed=st.integers(0, 10**6),
    )
    def begin(self, sizes, n_rows, activation, output_loss, sparse, weighted, is_double, instruction_set, seed):
        # in single precision, a unit may be on either side of the kink of relu
        if not is_double and activation == "relu":
            activation = "tanh"
        _compiled._use_instruction_set(instruction_set)
        self.dtype = np.float64 if is_double else np.float32
        self.case = make_case(
            sizes,
            activation,
            *output_loss,
            n_rows=n_rows,
            sparse=sparse,
            weighted=weighted,
            dtype=self.dtype,
            seed=seed,
        )
        self.rng = np.random.default_rng(seed)

    @rule(n_updates=st.integers(1, 4), batch_size=st.sampled_from([1, 5, 64]))
    def take_numbers_of_classes(self, n_updates, batch_size):
        if self.case.loss.output.name != "softmax":
            return
        batches = make_batches(self.case.X.shape[0], n_updates, batch_size, sample_weight=self.case.sample_weight)
        results = []
        for case in (self.case, self.case.with_classes()):
            state, totals = run(compiled, case, STEPS["momentum"], "penalty", 0.1, batches)
            _, gradient = compiled.open(case.task).loss_and_gradient(case.parameters)
            results.append([array.tobytes() for array in (state.parameters, state.moments, gradient)] + [totals])
        assert results[0] == results[1]
        self.counts["classes"] += 1

    def teardown(self):
        _compiled._use_instruction_set(_compiled.instruction_sets()[-1])

    @rule()
    def evaluate(self):
        assert_evaluations_agree(compiled, self.case, self.dtype)
        self.counts["evaluate"] += 1

    @rule(scale=st.sampled_from([0.1, 3.0, 40.0]))
    def evaluate_far_away(self, scale):
        if self.case.loss.output.name == "exp":
            return  # beyond the range of numbers
        assert_evaluations_agree(
            compiled, replace(self.case, parameters=self.case.parameters * self.dtype(scale)), self.dtype
        )
        self.counts["evaluate"] += 1

    @rule(n=st.integers(1, 700))
    def choose_rows(self, n):
        rows = self.rng.integers(self.case.X.shape[0], size=n)
        case = replace(self.case, rows=rows)
        if self.case.sample_weight is None or self.case.sample_weight[rows].any():
            for function in (
                lambda c: compiled.open(c.task).outputs(c.parameters),
                lambda c: compiled.open(c.task).loss_and_gradient(c.parameters)[1],
                lambda c: compiled.open(c.task).losses(np.stack([c.parameters, -c.parameters])),
            ):
                np.testing.assert_array_equal(function(case), function(case.taken()))
        self.counts["rows"] += 1

    @rule(
        step=st.sampled_from(list(STEPS)),
        mode=st.sampled_from(MODES),
        batch_size=st.sampled_from([1, 2, 3, 7, 8, 33, 64]),
        n_updates=st.integers(1, 8),
    )
    def update(self, step, mode, batch_size, n_updates):
        n_rows = self.case.X.shape[0]
        batches = make_batches(
            n_rows, n_updates, batch_size, sample_weight=self.case.sample_weight, seed=int(self.rng.integers(1000))
        )
        optimiser, learning_rate = STEPS[step]
        coefficients = coefficients_of(self.case, mode, 0.05, batches, learning_rate)
        rates = rates_of(batches, learning_rate)
        state = new_state(self.case.parameters, optimiser)
        with np.errstate(all="ignore"):
            reference.open(self.case.task).run_updates(state, batches, coefficients, optimiser, rates)
        if not np.abs(state.parameters).max() < 10:
            return  # it diverges
        assert_updates_agree(compiled, self.case, STEPS[step], mode, batches, self.dtype)
        self.counts["updates"] += 1

    @rule(step=st.sampled_from(list(STEPS)), batch_size=st.sampled_from([1, 5, 64]), n_threads=st.integers(2, 5))
    def use_other_threads_and_calls(self, step, batch_size, n_threads):
        n_rows, weight = self.case.X.shape[0], self.case.sample_weight
        batches = make_batches(n_rows, 4, batch_size, n_epochs=3, sample_weight=weight)
        optimiser, learning_rate = STEPS[step]
        coefficients = coefficients_of(self.case, "penalty", 0.1, batches, learning_rate)
        rates = rates_of(batches, learning_rate)
        whole, parts = (new_state(self.case.parameters, optimiser) for _ in range(2))
        curves = compiled.open(replace(self.case.task, n_threads=1)).run_updates(
            whole, batches, coefficients, optimiser, rates
        )
        if len(curves) < 3:
            return  # it diverges, which ends the call
        for epoch in (slice(i, i + 1) for i in range(3)):
            part = Batches(batches.order[epoch], batches.bounds, batches.n_samples[epoch])
            task = replace(self.case.task, n_threads=n_threads)
            compiled.open(task).run_updates(parts, part, coefficients[epoch], optimiser, rates[epoch])
        np.testing.assert_array_equal(parts.parameters, whole.parameters)
        np.testing.assert_array_equal(parts.moments, whole.moments)
        self.counts["threads"] += 1

    @rule(name=st.sampled_from(list(SWARMS)), n_particles=st.integers(2, 9), n_threads=st.integers(1, 3))
    def fly(self, name, n_particles, n_threads):
        if self.case.sample_weight is not None and not self.case.sample_weight.any():
            return
        options = dict(SWARMS[name])
        options.pop("n_particles", None)
        states = []
        for threads in (1, n_threads):
            swarm = make_swarm(self.case, n_particles, options.get("topology", "global"))
            task = replace(self.case.task, n_threads=threads)
            state, curves = compiled.open(task).iterate_swarm(swarm, penalty_of(self.case), make_motion(4, **options))
            states.append((state.positions.tobytes(), state.best_losses.tobytes(), curves.tobytes()))
        assert states[0] == states[1]
        losses = compiled.open(self.case.task).losses(state.best_positions)
        found = np.isfinite(state.best_data_losses)  # a loss may be beyond the range of numbers
        tolerance = 20 * np.finfo(self.dtype).eps
        np.testing.assert_allclose(losses[found], state.best_data_losses[found], rtol=tolerance)
        self.counts["swarm"] += 1

    @rule(n_threads=st.integers(1, 3), n_iterations=st.integers(1, 12))
    def descend_by_lbfgs(self, n_threads, n_iterations):
        problem = Problem(self.case.task, L2Rule("penalty", (0.1,) * self.case.network.n_layers), compiled)
        limits, penalty = LBFGSLimits(np.inf, 1e-4, 1e-9), problem.coefficients.penalty
        with np.errstate(all="ignore"):
            whole, parts = (first_state(problem.session, self.case.parameters, penalty, limits) for _ in range(2))
        if not np.isfinite(whole.loss) or whole.status != "running":
            return
        curve = compiled.open(self.case.task).iterate_lbfgs(whole, penalty, limits, n_iterations)
        task, n_left = replace(self.case.task, n_threads=n_threads), n_iterations
        while n_left and parts.status == "running":
            n_left -= len(compiled.open(task).iterate_lbfgs(parts, penalty, limits, 1))
        assert whole.status == parts.status
        np.testing.assert_array_equal(parts.parameters, whole.parameters)
        assert (np.diff(curve[:, 0]) <= 0).all()
        self.counts["lbfgs"] += 1

    @rule(kind=st.integers(0, 9), seed=st.integers(0, 10**6))
    def refuse(self, kind, seed):
        rng, case, n = np.random.default_rng(seed), self.case, self.case.X.shape[0]
        X = case.X
        if sp.issparse(X) and kind < 5:
            X = X.copy()
            if not X.nnz:
                return
            if kind < 3:
                X.indices = X.indices.copy()
                X.indices[rng.integers(X.nnz)] = rng.choice([-1, X.shape[1], 2**30, -(2**31)])
            elif kind == 3:
                X.indptr = X.indptr.copy()
                X.indptr[-1] = X.nnz + rng.integers(1, 2**20)
            else:
                X.indptr = X.indptr[::-1].copy()
            case = replace(case, X=X)
        elif kind < 5:
            case = replace(case, rows=np.array([rng.choice([-1, n, 2**40, -(2**63)])]))
        elif kind == 5:
            classes = np.zeros(n, np.int32)
            classes[rng.integers(n)] = rng.choice([-1, case.network.layer_sizes[-1], 2**31 - 1, -(2**31)])
            case = replace(case, Y=case.Y[:, :0] if rng.integers(2) else classes)
        elif kind == 6:
            case = replace(case, parameters=case.parameters[1:])
        elif kind == 7:
            case = replace(case, sample_weight=np.ones(n + 1, self.dtype))
        elif kind == 8:
            bounds = np.array([0, rng.choice([-1, n + 1, 2**62])])
            with pytest.raises(ValueError, match="bounds must rise"):
                run(compiled, case, STEPS["adam"], "penalty", 0.1, Batches(None, bounds, np.ones((1, 1))))
            return
        else:
            order = np.array([[rng.choice([-1, n, 2**40, -(2**63)])]])
            with pytest.raises(ValueError, match="order must hold"):
                run(compiled, case, STEPS["adam"], "penalty", 0.1, Batches(order, np.array([0, 1]), np.ones((1, 1))))
            return
        with pytest.raises(ValueError):  # noqa: PT011 - each kind has words of its own
            compiled.open(case.task).loss_and_gradient(case.parameters)
        self.counts["refused"] += 1


def test_random_work_for_both_engines(run_machine):
    run_machine(Engines)
