"""`fit_network` as a pure function, and what a fit leaves behind, however it ends."""

import copy
import pickle
import random
import signal
import threading
import warnings
from dataclasses import replace
from time import perf_counter

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from cases import LOSS_OF, AtBytecode, classes, converging_or_not, count_bytecodes, fit, flat, make_network, regression
from sklearn.base import clone

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.engines import default_engine
from skl2net.engines.base import Task
from skl2net.fitting import EarlyStopping, Plan, Watch, fit_network
from skl2net.l2 import L2Rule
from skl2net.problem import Decoder, Problem
from skl2net.solvers.curves import Curve, IterationTotals
from skl2net.solvers.gradient import GradientDescent
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.monitor import Monitor
from skl2net.solvers.optimisers import SGD, Adam
from skl2net.solvers.schedules import Constant, Cosine
from skl2net.solvers.stopping import Progress, StoppingRule
from skl2net.solvers.training_state import TrainingState

RATE = Constant(0.01)
SOLVERS = {
    "sgd": GradientDescent(SGD(0.9, nesterov=True), RATE, batch_size=16, shuffle=True),
    "adam": GradientDescent(Adam(0.9, 0.999, 1e-8), RATE, batch_size=16, shuffle=True),
    "lbfgs": LBFGS(max_fun=15000),
    "pso": ParticleSwarm(10),
    "pso, polished": ParticleSwarm(10, polish=True),
}
each_solver = pytest.mark.parametrize("solver", SOLVERS)
STOPPING = StoppingRule(max_iter=6, tol=1e-4, n_iter_no_change=10)


def problem(rows=None, *, weighted=False, sparse=False):
    """A softmax network on three classes."""
    X, y = classes()
    if sparse:
        X = sp.csr_array(np.where(np.abs(X) > 0.5, X, 0))
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    decoder = Decoder(
        lambda Y: Y.argmax(axis=1),
        lambda outputs: outputs.argmax(axis=1),
        lambda Y, outputs, weight: np.average(Y.argmax(axis=1) == outputs.argmax(axis=1), weights=weight),
        raw=True,
    )
    task = Task(make_network((4, 5, 3), "tanh"), LOSS_OF["softmax", "log_loss"], X, np.eye(3)[y], weight, rows)
    return Problem(task, L2Rule("prior", (5.0, 5.0)), default_engine(), decoder)


def contents(*objects):
    """A number that shows whether any of the objects has changed."""
    return joblib.hash(objects)


def assert_same_result(a, b):
    np.testing.assert_array_equal(a.parameters, b.parameters)
    for ours, theirs in zip(a.curves, b.curves, strict=True):
        assert ours.tolist() == theirs.tolist()
    for name in ("n_iter", "t", "loss", "data_loss", "progress", "n_total"):
        assert getattr(a, name) == getattr(b, name), name


# --- a pure function --------------------------------------------------------------------------------------------------


@each_solver
@pytest.mark.parametrize("early_stopping", [False, True])
def test_fit_network_changes_nothing_that_it_is_given_and_always_returns_the_same(solver, early_stopping):
    task = problem(weighted=True)
    for array in (task.task.X, task.task.Y, task.task.sample_weight):
        array.flags.writeable = False
    early_stopping = EarlyStopping(0.3, task.task.Y.argmax(axis=1)) if early_stopping else None
    plan, watch = Plan(task, SOLVERS[solver], STOPPING, early_stopping), Watch()
    start = TrainingState(np.random.RandomState(0))
    numpys_state = contents(np.random.get_state())
    for _ in range(3):
        given = task.task.X, task.task.Y, task.task.sample_weight, start, watch, STOPPING
        before = contents(*given)
        results = [fit_network(plan, start, watch) for _ in range(2)]
        assert_same_result(*(state for state, _ in results))
        assert results[0][1] == results[1][1]  # warnings
        assert contents(*given) == before
        # where the first fit ended, the next one starts
        start = replace(results[0][0], progress=Progress())
    assert contents(np.random.get_state()) == numpys_state


@each_solver
def test_fit_network_keeps_no_view_of_what_it_was_given(solver):
    start = TrainingState(np.random.RandomState(0), parameters=np.full(4 * 5 + 5 * 3 + 5 + 3, 0.1))
    result, _ = fit_network(Plan(problem(), SOLVERS[solver], STOPPING), start, Watch())
    before = contents(result)
    start.parameters[...] = 7
    start.random_state.seed(5)
    assert contents(result) == before


@each_solver
def test_an_estimator_is_what_fit_network_does(solver):
    X, y = classes()
    plan = Plan(problem(), SOLVERS[solver], STOPPING)
    result, _ = fit_network(plan, TrainingState(np.random.RandomState(0)), Watch())
    name = SOLVERS[solver] if solver.startswith("pso") else solver
    net = L2NetClassifier((5,), "tanh", solver=name, batch_size=16, learning_rate_init=0.01, max_iter=6, random_state=0)
    fit(net.set_params(learning_rate="constant"), X, y)
    np.testing.assert_array_equal(flat(net), result.parameters)
    assert net.loss_curve_ == result.curves.loss.tolist()
    assert (net.n_iter_, net.loss_, net.data_loss_) == (result.n_iter, result.loss, result.data_loss)


@each_solver
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_rows_that_count_are_as_if_the_others_were_not_there(solver, sparse, weighted):
    rows = np.random.default_rng(1).permutation(60)[:40]
    some = problem(rows, weighted=weighted, sparse=sparse)
    taken = some.task.taken
    copied = Task(some.network, some.task.loss, *map(taken, (some.task.X, some.task.Y, some.task.sample_weight)))
    start, problems = TrainingState(np.random.RandomState(0)), (some, replace(some, task=copied))
    assert_same_result(*(fit_network(Plan(p, SOLVERS[solver], STOPPING), start, Watch())[0] for p in problems))


@each_solver
def test_early_stopping_on_some_of_the_rows_sees_no_others(solver):
    rows = np.arange(60)[::2]
    some = problem(rows, weighted=True)
    nan = some.task.X.copy()
    nan[1::2] = np.nan
    spoilt = replace(some, task=replace(some.task, X=nan))
    early_stopping = EarlyStopping(0.3, some.task.Y.argmax(axis=1)[rows])
    plans = [Plan(p, SOLVERS[solver], STOPPING, early_stopping) for p in (some, spoilt)]
    assert_same_result(*(fit_network(plan, TrainingState(np.random.RandomState(0)), Watch())[0] for plan in plans))


@each_solver
def test_no_fit_touches_the_warning_filters_of_the_process(solver, monkeypatch):
    class Forbidden(warnings.catch_warnings):
        def __enter__(self):
            raise AssertionError("another thread would lose its filters")

    task, filters = problem(), [*warnings.filters]
    with monkeypatch.context() as patch:
        patch.setattr(warnings, "catch_warnings", Forbidden)
        fit_network(Plan(task, SOLVERS[solver], STOPPING), TrainingState(np.random.RandomState(0)), Watch())
    assert warnings.filters == filters


def test_estimators_trained_at_once_in_threads_have_the_bits_of_one_after_the_other():
    X, y = classes(120)
    nets = [
        L2NetClassifier((9,), solver=solver, max_iter=30, random_state=seed, early_stopping=seed == 1)
        for solver in ("sgd", "adam", "lbfgs", "pso", ParticleSwarm(10, polish=True, topology="random"))
        for seed in (0, 1)
    ]
    with converging_or_not():
        alone = [flat(clone(net).fit(X, y)).tobytes() for net in nets]
        barrier, errors = threading.Barrier(len(nets)), []

        def train(net):
            try:
                barrier.wait()
                net.fit(X, y)
            except Exception as error:
                errors.append(error)

        for _ in range(3):
            threads = [threading.Thread(target=train, args=(net,)) for net in nets]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not errors
            assert [flat(net).tobytes() for net in nets] == alone


# --- patience, curves -------------------------------------------------------------------------------------------------


def test_positions_are_validated_once_as_long_as_they_stay():
    asked = []

    def validate(vectors):
        asked.extend(vectors.copy())
        return [(float(x.sum()), 0.0) for x in vectors]

    monitor = Monitor(STOPPING, TrainingState(None), validate=validate)
    first, second = np.array([1.0, 2.0]), np.array([1.0, 3.0])
    for x in (first, first.copy(), second, second, first):
        monitor.finish(x, [IterationTotals(1.0, 1.0, 0.0)])
    np.testing.assert_array_equal(asked, [first, second, first])
    assert monitor.curves.validation_score.tolist() == [3.0, 3.0, 4.0, 4.0, 3.0]


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_each_fit_has_a_patience_and_a_best_loss_of_its_own(solver):
    X, y = classes()
    net = L2NetClassifier((5,), solver=solver, l2_mode="penalty", alpha=1e-4, warm_start=True, random_state=0)
    net.set_params(learning_rate_init=0.05, max_iter=500, n_iter_no_change=5)
    n_first = fit(net, X, y).n_iter_
    fit(net.set_params(alpha=1.0), X, y)  # a larger loss throughout
    # the first iteration improves on nothing, and six without an improvement end the fit
    assert net.n_iter_ >= 7
    assert len(net.loss_curve_) == n_first + net.n_iter_
    assert net.best_loss_ == min(net.loss_curve_[n_first:]) > min(net.loss_curve_)


def test_the_adaptive_schedule_begins_anew_with_each_fit_and_goes_on_in_a_stream():
    X, y = classes()
    net = L2NetClassifier((5,), solver="sgd", learning_rate="adaptive", learning_rate_init=0.05, random_state=0)
    # two iterations without an improvement by 10 divide the rate by 5: before the fourth and the sixth
    net.set_params(tol=10.0, n_iter_no_change=1, warm_start=True, max_iter=6)
    fit(net, X, y)
    assert net._training_state.solver_state.learning_rate == pytest.approx(0.05 / 25)
    net.partial_fit(X, y)
    assert net._training_state.solver_state.learning_rate == pytest.approx(0.05 / 25)
    fit(net.set_params(max_iter=1), X, y)
    assert net._training_state.solver_state.learning_rate == pytest.approx(0.05)


def test_extending_a_curve_leaves_all_earlier_ones_as_they_were():
    rng = random.Random(0)
    curves, expected = [Curve()], [[]]
    for _ in range(300):
        k = rng.choice([len(curves) - 1, rng.randrange(len(curves))])
        values = [rng.random() for _ in range(rng.randrange(4))]
        curves.append(curves[k].extended(values))
        expected.append(expected[k] + values)
        if rng.random() < 0.1:
            curves[-1] = pickle.loads(pickle.dumps(curves[-1]))
    assert [curve.tolist() for curve in curves] == expected
    assert [len(curve) for curve in curves] == [*map(len, expected)]


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------

NETS = {
    "sgd": L2NetClassifier((4,), solver="sgd", learning_rate="constant", learning_rate_init=0.05),
    "cosine": L2NetClassifier((4,)),
    "invscaling": L2NetClassifier((4,), solver="sgd", learning_rate="invscaling", learning_rate_init=0.1),
    "adaptive": L2NetClassifier((4,), solver="sgd", learning_rate="adaptive", tol=1.0, n_iter_no_change=1),
    "adam": L2NetClassifier((4,), solver="adam", learning_rate="constant", learning_rate_init=0.05),
    "lbfgs": L2NetRegressor((4,), solver="lbfgs"),
    "pso": L2NetClassifier((4,), solver=ParticleSwarm(6)),
    "polish": L2NetRegressor((4,), "tanh", solver=ParticleSwarm(6, polish=True), alpha=5.0),
    "early stopping": L2NetClassifier((4,), learning_rate_init=0.05, early_stopping=True, validation_fraction=0.3),
}


def net_and_data(name):
    """An estimator whose fits are short, and a first and a second data set."""
    net = clone(NETS[name]).set_params(max_iter=8, random_state=0, batch_size=20, warm_start=True)
    X, y = classes(40) if isinstance(net, L2NetClassifier) else regression(40)
    return net, (X, y), (X[::-1] + 0.1, y)


def state_of(net):
    """A number that shows whether the fitted attributes have changed."""
    return joblib.hash({name: value for name, value in vars(net).items() if name not in net.get_params()})


def assert_belongs_together(net, n_before, X, y):
    """The weights are those of the last entry of the curves, and all that is kept is of the same iteration."""
    assert n_before + net.n_iter_ == len(net.loss_curve_) == len(net.weight_norm_curve_)
    assert net.n_iter_ > 0
    last = net.loss_curve_[n_before:]
    norms = net.weight_norm_curve_[n_before:]
    assert net.loss_ == last[-1]
    norm = sum(np.sum(coef**2) for coef in net._standard_coefs())
    if net.early_stopping:
        assert len(net.validation_scores_) == len(net.validation_loss_curve_) == n_before + net.n_iter_
        scores = net.validation_scores_[n_before:]
        assert net.best_validation_score_ == max(scores)
        assert norm == pytest.approx(norms[int(np.argmax(scores))], rel=1e-12)
        return
    assert net.best_loss_ == min(last)
    assert norm == pytest.approx(norms[-1], rel=1e-12)
    if isinstance(net, L2NetRegressor):  # L-BFGS and the polish: the loss of the weights themselves
        assert net.data_loss_ == pytest.approx(0.5 * np.mean((net.predict(X) - y) ** 2) / y.var(), rel=1e-9)
        assert net.loss_ == pytest.approx(net.data_loss_ + net.l2_report().alpha / (2 * len(X)) * norm, rel=1e-9)
    else:
        assert net.t_ == (n_before + net.n_iter_) * len(X)


def interrupted_fit(net, X, y, interrupt):
    """Fit, and let `interrupt` raise in the middle of it; whether Ctrl-C came through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with interrupt:
                net.fit(X, y)
        except KeyboardInterrupt:
            return True
    return False


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_ctrl_c_while_a_divergence_is_reported_keeps_no_infinite_moments(monkeypatch):
    finish, n_finished = Monitor.finish, []

    def finish_and_interrupt(self, parameters, totals, each=None, **kwargs):
        finish(self, parameters, totals, each, **kwargs)
        n_finished.append(len(totals))
        raise KeyboardInterrupt

    params = {"solver": "sgd", "learning_rate_init": 3.0, "early_stopping": True, "n_iter_no_change": 10**6}
    net = L2NetRegressor((), max_iter=10**4, warm_start=True, batch_size=60, random_state=0, **params)
    X, y = (np.float32(array) for array in regression())
    monkeypatch.setattr(Monitor, "finish", finish_and_interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        net.fit(X, y)
    assert [net.n_iter_] == n_finished
    assert 0 < net.n_iter_ < 10**4
    assert np.isfinite(net._training_state.solver_state.moments).all()


class AfterTime:
    """A real signal after the given time."""

    def __init__(self, seconds):
        self.seconds, self.is_over = seconds, False

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        return self

    def __exit__(self, *_):
        self.is_over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)

    def _interrupt(self, number, frame):
        if self.is_over:
            return
        if frame.f_code.co_filename != warnings.__file__:  # which, since Python 3.14, would keep its lock for ever
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, 1e-5)


_rates = Cosine.rates


def rates_of_eight_epochs(schedule, n_epochs, n_updates, position):
    """The rates of a cosine schedule whose horizon is that of the training that was interrupted."""
    return _rates(schedule, n_epochs, n_updates, position._replace(max_iter=8))


def check_interrupts(name, interrupts, monkeypatch):
    """Interrupt first fits and warm starts in turn: how many raised, and how many kept an iteration."""
    net, first, second = net_and_data(name)
    fitted = fit(clone(net), *first)
    whole = fit(copy.deepcopy(fitted), *second)
    n_raised = n_kept = 0
    for i, interrupt in enumerate(interrupts):
        start, data = (net, first) if i % 2 else (fitted, second)
        each = copy.deepcopy(start)
        n_before = 0 if i % 2 else len(start.loss_curve_)
        before = state_of(each)
        raised = interrupted_fit(each, *data, interrupt)
        if raised and state_of(each) == before:
            n_raised += 1
            continue
        assert_belongs_together(each, n_before, *data)
        if each.n_iter_ < 8:
            n_kept += 1
            if name != "early stopping":
                shorter = copy.deepcopy(start).set_params(max_iter=each.n_iter_)
                if name == "polish":
                    shorter.set_params(solver__polish=False)
                with monkeypatch.context() as patch:
                    patch.setattr(Cosine, "rates", rates_of_eight_epochs)
                    fit(shorter, *data)
                np.testing.assert_array_equal(flat(each), flat(shorter))
        assert np.isfinite(flat(fit(each, *second))).all()  # it can go on
    np.testing.assert_array_equal(flat(fit(fitted, *second)), flat(whole))
    return n_raised, n_kept


@pytest.mark.parametrize("name", NETS)
def test_ctrl_c_at_any_bytecode_leaves_what_belongs_together(name, iterations_per_call, monkeypatch):
    iterations_per_call(2)
    net, first, _ = net_and_data(name)
    n_bytecodes = count_bytecodes(lambda: fit(clone(net), *first))
    rng = random.Random(1)
    n_raised, n_kept = check_interrupts(name, [AtBytecode(rng.randint(1, n_bytecodes)) for _ in range(40)], monkeypatch)
    assert n_raised
    assert n_kept


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers")
@pytest.mark.parametrize("name", NETS)
def test_ctrl_c_at_any_time_leaves_what_belongs_together(name, iterations_per_call, monkeypatch):
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread")
    iterations_per_call(2)
    net, first, _ = net_and_data(name)
    began = perf_counter()
    fit(net, *first)
    took, rng, handler = perf_counter() - began, random.Random(2), signal.getsignal(signal.SIGALRM)
    try:
        n_raised, n_kept = check_interrupts(
            name, [AfterTime(rng.uniform(0.05, 1.0) * took) for _ in range(40)], monkeypatch
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert n_raised + n_kept
