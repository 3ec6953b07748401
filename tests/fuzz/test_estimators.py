"""Random calls of an estimator, with errors and Ctrl-C injected.

A twin gets the calls that succeed, and none that fail; it is pickled in between, and has other numbers of threads. At
the end of each step, both have the same bits.
"""

import copy
import itertools
import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from threadpoolctl import threadpool_limits

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.activations import ACTIVATIONS
from skl2net.engines import available_engines, default_engine
from skl2net.l2 import MODES

pytestmark = pytest.mark.fuzz

ATTRIBUTES = ("coefs_", "intercepts_", "loss_curve_", "data_loss_curve_", "weight_norm_curve_", "validation_scores_",
              "validation_loss_curve_", "n_iter_", "t_", "loss_", "data_loss_", "best_loss_")  # fmt: skip

PARAMETERS = {
    "solver": ["sgd", "adam", "lbfgs", "pso", ParticleSwarm(5, topology="ring", patience=3)],
    "l2_mode": list(MODES),
    "alpha": [None, 0.0, 1e-3, 0.3],
    "batch_size": ["auto", 1, 7, 1000],
    "learning_rate": ["constant", "invscaling", "adaptive", "cosine"],
    "learning_rate_init": [None, 1e-3, 0.1, 1e300],
    "power_t": [0.5, 1.0],
    "max_iter": [1, 2, 7],
    "scoring": [None, "score"],
    "max_fun": [1, 15000],
    "n_iter_no_change": [1, 10],
    "tol": [1e-4, 0.1, 0.0],
    "shuffle": [True, False],
    "warm_start": [True, False],
    "early_stopping": [True, False],
    "validation_fraction": [0.1, 0.5],
    "momentum": [0.0, 0.9],
    "nesterovs_momentum": [True, False],
    "random_state": [0, 1],
    "activation": [*ACTIVATIONS],
    "hidden_layer_sizes": [(5,), (17, 3), ()],
}
WRONG = [
    {"alpha": -1.0}, {"alpha": "strong"}, {"solver": "newton"}, {"max_iter": 0}, {"hidden_layer_sizes": (0,)},
    {"learning_rate_init": 0.0}, {"batch_size": 0}, {"validation_fraction": 1.5}, {"l2_mode": "ridge"},
    {"momentum": 2.0}, {"activation": "elu"}, {"n_iter_no_change": 0}, {"tol": np.nan},
]  # fmt: skip


def data_sets(is_classifier):
    """X, y and perhaps weights: dense and sparse, in both precisions, of one number of features."""
    sets = []
    for n_rows, dtype, is_sparse in itertools.product((12, 45), (np.float32, np.float64), (False, True)):
        rng = np.random.default_rng(n_rows)
        X = rng.normal(size=(n_rows, 4)).astype(dtype)
        y = np.arange(n_rows) % 3 if is_classifier else X @ rng.normal(size=4)
        X = sp.csr_array(X * (X > 0)) if is_sparse else X
        sets += [(X, y, None), (X, y, rng.uniform(0, 2, n_rows))]
    return sets


def broken_data():
    """X, y and weights that cannot be used."""
    X, y = np.random.default_rng(0).normal(size=(12, 4)), np.arange(12) % 3
    csr = sp.csr_array(np.eye(12, 4))
    csr.indices[1] = 2**30
    return [
        (np.where(X > 1, np.nan, X), y, None), (X * 1e308 * 10, y, None), (X[:, :0], y, None), (X[:0], y[:0], None),
        (X[:5], y, None), (csr, y, None), (X, y, -np.ones(12)), (X, y, np.zeros(12)), (X, y, np.full(12, np.nan)),
        (X[0], y, None), (np.full((12, 4), "a"), y, None), (None, y, None), (X, None, None), (X, y * np.nan, None),
    ]  # fmt: skip


class Injection:
    """Context manager: an error at the end of a call of a function of the engine, counted from 1."""

    FUNCTIONS = ("run_updates", "loss_and_gradient", "losses", "iterate_swarm", "iterate_lbfgs", "outputs")

    def __init__(self, call, error):
        self.call, self.error, self.n_calls = call, error, 0

    def __enter__(self):
        session = default_engine().session
        self.before = {name: getattr(session, name) for name in self.FUNCTIONS}
        for name, function in self.before.items():
            setattr(session, name, self._failing(function))
        return self

    def __exit__(self, *exception):
        for name, function in self.before.items():
            setattr(default_engine().session, name, function)

    def _failing(self, function):
        def call(*args, **kwargs):
            result = function(*args, **kwargs)
            self.n_calls += 1
            if self.n_calls == self.call:
                raise self.error("injected")
            return result

        return call


def state_of(net):
    """A hash of all that an estimator has."""
    return joblib.hash(vars(net))


def outcome(call):
    """What a call raises, as text; None if nothing."""
    try:
        with np.errstate(all="ignore"):
            call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


class Estimators(RuleBasedStateMachine):
    """The machine."""

    @initialize(is_classifier=st.booleans(), loss=st.integers(0, 3))
    def begin(self, is_classifier, loss):
        self.is_classifier = is_classifier
        self.data, self.n_threads = data_sets(is_classifier), None
        if is_classifier:
            self.net = L2NetClassifier((5,), loss=("log_loss", "squared_error")[loss % 2], max_iter=3, random_state=0)
        else:
            name = ("squared_error", "absolute_error", "huber", "quantile")[loss]
            self.net = L2NetRegressor((5,), loss=name, quantile=0.8, max_iter=3, random_state=0)
        self.twin = copy.deepcopy(self.net)

    def both(self, call):
        """Do the same with both: they end in the same way; one that raises stays as it was."""
        before = state_of(self.net)
        ours = outcome(lambda: call(self.net))
        with threadpool_limits(self.n_threads):
            theirs = outcome(lambda: call(self.twin))
        assert ours == theirs
        if ours is not None:
            assert state_of(self.net) == before
        self.counts[f"{call.__name__}{' refused' if ours else ''}"] += 1
        return ours

    @rule(name=st.sampled_from(list(PARAMETERS)), choice=st.integers(0, 100))
    def set_parameter(self, name, choice):
        value = PARAMETERS[name][choice % len(PARAMETERS[name])]
        self.net.set_params(**{name: value})
        self.twin.set_params(**{name: copy.deepcopy(value)})
        self.counts["set_params"] += 1

    def call_with_data(self, number, is_stream):
        """`fit` or `partial_fit` on one of the data sets, as a function of the estimator."""
        X, y, sample_weight = self.data[number % len(self.data)]
        validation = {"X_val": X[:9], "y_val": y[:9]} if number % 3 == 0 else {}

        def fit(net):
            net.fit(X, y, sample_weight, **validation)

        def partial_fit(net):
            net.partial_fit(X, y, sample_weight=sample_weight)

        return partial_fit if is_stream else fit

    @rule(number=st.integers(0, 100), is_stream=st.booleans())
    def train(self, number, is_stream):
        self.both(self.call_with_data(number, is_stream))

    @rule(number=st.integers(0, 100), is_stream=st.booleans())
    def train_with_what_is_broken(self, number, is_stream):
        cases = broken_data()
        X, y, sample_weight = cases[number % len(cases)]

        def fit_broken(net):
            net.partial_fit(X, y, sample_weight=sample_weight) if is_stream else net.fit(X, y, sample_weight)

        assert self.both(fit_broken) is not None, number % len(cases)

    @rule(wrong=st.sampled_from(WRONG), number=st.integers(0, 100))
    def train_with_a_wrong_parameter(self, wrong, number):
        X, y, _ = self.data[number % len(self.data)]
        before = {name: getattr(self.net, name) for name in wrong}

        def fit_wrong(net):
            net.set_params(**wrong).fit(X, y)

        nets = self.net, self.twin
        for net in nets:
            net.set_params(**wrong)
        assert self.both(fit_wrong) is not None
        for net in nets:
            net.set_params(**before)

    @rule(
        number=st.integers(0, 100),
        is_stream=st.booleans(),
        call=st.integers(1, 9),
        error=st.sampled_from([MemoryError, RuntimeError]),
    )
    def train_with_an_error(self, number, is_stream, call, error):
        train, before, other = self.call_with_data(number, is_stream), state_of(self.net), copy.deepcopy(self.net)
        with Injection(call, error) as injection:
            raised = outcome(lambda: train(self.net))
        if injection.n_calls < call:
            self.net = other  # the twin has not been trained
            return
        assert raised == f"{error.__name__}: injected"
        assert state_of(self.net) == before
        self.counts[f"{train.__name__} with an error"] += 1

    @rule(number=st.integers(0, 100), is_stream=st.booleans(), call=st.integers(1, 9))
    def train_with_an_interruption(self, number, is_stream, call):
        train, before, other = self.call_with_data(number, is_stream), state_of(self.net), copy.deepcopy(self.net)
        with Injection(call, KeyboardInterrupt), np.errstate(all="ignore"):
            try:
                train(self.net)
            except KeyboardInterrupt:
                assert state_of(self.net) == before
                self.counts[f"{train.__name__} interrupted at once"] += 1
                return
            except (ValueError, AttributeError):
                assert state_of(self.net) == before
                return
        # the twin trains for as many iterations
        max_iter = self.net.max_iter
        shorter = copy.deepcopy(other).set_params(max_iter=max(self.net.n_iter_, 1))
        if outcome(lambda: train(shorter)) is None and shorter.n_iter_ == self.net.n_iter_:
            for ours, theirs in zip(self.net.coefs_, shorter.coefs_, strict=True):
                np.testing.assert_array_equal(ours, theirs)
            self.counts[f"{train.__name__} interrupted"] += 1
        self.net.set_params(max_iter=max_iter)
        self.twin = copy.deepcopy(self.net)

    @rule(n_threads=st.integers(1, 3))
    def give_the_twin_other_threads(self, n_threads):
        self.n_threads = n_threads

    @rule(copies=st.sampled_from([lambda net: pickle.loads(pickle.dumps(net)), copy.deepcopy, copy.copy]))
    def replace_the_twin_by_a_copy(self, copies):
        self.twin = copies(self.twin)
        self.counts["copy"] += 1

    @precondition(lambda self: hasattr(self.net, "coefs_"))
    @rule(number=st.integers(0, 100), rows=st.integers(1, 45))
    def predict(self, number, rows):
        X = self.data[number % len(self.data)][0][:rows]
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(self.net.predict(X), self.twin.predict(X))
            if not self.is_classifier:
                return
            P = self.net.predict_proba(X)
        np.testing.assert_array_equal(P, self.twin.predict_proba(X))
        if np.isfinite(P).all():
            np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-5)
            assert P.min() >= 0
        self.counts["predict"] += 1

    @precondition(lambda self: hasattr(self.net, "coefs_"))
    @rule()
    def report(self):
        assert str(self.net.l2_report()) == str(self.twin.l2_report())
        self.counts["report"] += 1

    @invariant()
    def the_twins_have_the_same_bits(self):
        if not hasattr(self, "net") or not hasattr(self.net, "coefs_"):
            return
        for name in ATTRIBUTES:
            ours, theirs = getattr(self.net, name), getattr(self.twin, name)
            assert joblib.hash(ours) == joblib.hash(theirs), name
        n = len(self.net.loss_curve_)
        assert n == len(self.net.weight_norm_curve_) == len(self.net.data_loss_curve_)
        assert all(np.isfinite(coef).all() for coef in self.net.coefs_)
        assert self.net.n_layers_ == len(self.net.coefs_) + 1


def test_random_calls_of_an_estimator(run_machine):
    assert default_engine() in available_engines()
    run_machine(Estimators)
