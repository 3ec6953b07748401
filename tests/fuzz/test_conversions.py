"""Random walks from convention to convention, on random runs, and random arguments."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from skl2net.conventions import ALIASES, CONVENTIONS, convert_alpha, equivalents
from skl2net.l2 import MODES
from skl2net.losses import LOSSES

pytestmark = pytest.mark.fuzz

NAMES = sorted(CONVENTIONS)
SOLVERS = ("sgd", "adam", "lbfgs", "pso")
RATES = [None, 0.1, 1e-320, 1e300, Fraction(9, 10), 0, "x", np.array([0.1, 0.2]), 0.99, math.nan, True]
COUNTS = [None, 1, 7, np.uint8(200), 10**30, 2.5, "auto", "x", 0, [3], np.array([1, 2]), 2**52]
ANYTHING = {
    **dict.fromkeys(("batch_size", "n_samples", "n_epochs", "n_outputs"), COUNTS),
    **dict.fromkeys(("learning_rate", "momentum", "beta_1", "beta_2", "epsilon"), RATES),
    "loss": [*LOSSES, None, 3, "hinge"],
    "solver": [*SOLVERS, None, [1]],
    "nesterov": [True, False, None],
    "schedule": [True, False],
}
NUMBERS = [0, 1, 0.5, 1e-320, 1.7e308, 10**400, Fraction(1, 3), math.nan, math.inf, -1, "a", [0.1], None, True, 1e-3]


class Conversions(RuleBasedStateMachine):
    """The machine."""

    @initialize(
        name=st.sampled_from(NAMES),
        share=st.floats(-8, -3).map(lambda power: 10.0**power),
        n_samples=st.integers(2, 10**6),
        solver=st.sampled_from(SOLVERS[:3]),
        loss=st.sampled_from([*LOSSES]),
        seed=st.integers(0, 10**6),
    )
    def begin(self, name, share, n_samples, solver, loss, seed):
        rng = random.Random(seed)
        self.run = {
            "solver": solver,
            "loss": loss,
            "n_samples": n_samples,
            "batch_size": rng.randint(1, min(n_samples, 1000)),
            "n_epochs": rng.randint(1, 1000),
            "n_outputs": rng.choice((1, 1, 3)),
            "learning_rate": 10.0 ** rng.uniform(-5, -1),
        }
        if solver == "sgd":
            self.run |= {"momentum": rng.choice((0.0, 0.9)), "nesterov": rng.random() < 0.5}
        if solver == "adam":
            self.run |= {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 10.0 ** rng.uniform(-16, -3)}
        self.name, self.number = name, self.number_of(name, share)
        self.start = self.name, self.number, dict(self.run)
        self.all_exact = True

    @staticmethod
    def number_of(name, share):
        if name == "keep":
            return 1 - share
        return 1 / share if name in ("timescale", "half_life", "sklearn.LogisticRegression") else share

    def convert(self, number, source, target, run):
        """The conversion; None if the pair cannot have the run."""
        try:
            return convert_alpha(number, source, target, **run)
        except ValueError:
            self.counts["refused"] += 1
            return None

    @rule(goal=st.sampled_from(NAMES))
    def walk(self, goal):
        there = self.convert(self.number, self.name, goal, self.run)
        if there is None or there.alpha is None or not 0 < there.alpha < math.inf:
            return
        run = self.run | ({} if there.learning_rate is None else {"learning_rate": there.learning_rate})
        back = self.convert(there.alpha, goal, self.name, run)
        assert back is not None
        kept = {self.name: self.number, goal: there.alpha}.get("keep")
        lost = 0.0 if kept is None else 4 * np.finfo(float).eps / (1 - kept) if kept < 1 else math.inf
        if lost < 1e-6:
            assert float(back) == pytest.approx(self.number, rel=1e-9 + lost)
            assert (back.exact, back.sense) == (there.exact, there.sense)
        assert there.exact == (not there.reason)
        assert len(there.sentences()) <= 3
        self.counts[f"walk, {there.sense}"] += 1
        self.all_exact &= there.exact
        self.name, self.number, self.run = goal, there.alpha, run
        start, number, first = self.start
        direct = self.convert(number, start, goal, first) if self.all_exact else None
        if direct is not None and direct.exact and "keep" not in (start, goal) and lost < 1e-9:
            assert float(direct) == pytest.approx(self.number, rel=1e-6)
            self.counts["composed"] += 1

    @rule(goal=st.sampled_from(NAMES), factor=st.floats(1.0, 100.0))
    def a_stronger_rule_is_stronger(self, goal, factor):
        there = self.convert(self.number, self.name, goal, self.run)
        same = self.convert(self.number, self.name, self.name, self.run)
        assert same is None or float(same) == self.number
        is_inverse = CONVENTIONS[self.name].power < 0 or self.name in ("keep", "timescale", "half_life")
        stronger = self.number / factor if is_inverse else self.number * factor
        other = self.convert(stronger, self.name, goal, self.run)
        if there is None or other is None or there.alpha is None or other.alpha is None:
            return
        falls = CONVENTIONS[goal].power < 0 or goal in ("keep", "timescale", "half_life")
        slack = 1 + 1e-9
        if falls:
            assert other.alpha <= there.alpha * slack
        else:
            assert other.alpha * slack >= there.alpha
        self.counts["compared"] += 1

    @rule(seed=st.integers(0, 10**9))
    def anything(self, seed):
        rng = random.Random(seed)
        run = {name: rng.choice(values) for name, values in ANYTHING.items() if rng.random() < 0.3}
        number = rng.choice(NUMBERS) if rng.random() < 0.5 else self.number
        source, target = (rng.choice([*NAMES, *ALIASES, "ridge", 3]) for _ in range(2))
        conversion = self.convert(number, source, target, run)
        if conversion is not None:
            assert repr(conversion)
            assert str(conversion)
            assert conversion._repr_html_()
            self.counts["anything"] += 1

    @rule(mode=st.sampled_from(MODES), n_layers=st.integers(1, 3))
    def what_ours_is_elsewhere(self, mode, n_layers):
        run = {name: value for name, value in self.run.items() if name != "n_epochs"}
        for there in equivalents(1e-4, mode, n_layers=n_layers, **run):
            assert math.isfinite(there.alpha)
            assert there.sense is not None
            self.counts["equivalent"] += 1


def test_random_walks_among_conventions(run_machine):
    run_machine(Conversions)
