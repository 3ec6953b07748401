"""scikit-learn's callbacks: which tasks they hear of, what they are handed, and how they stop a fit."""

import contextlib
import copy
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from cases import After, AtBytecode, classes, converging_or_not, count_bytecodes, fit, flat, regression
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, L2NetRegressorCV, NodeSweepCV, ParticleSwarm
from skl2net.engines import default_engine
from skl2net.solvers.schedules import Cosine

callback = pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

NETS = {
    "sgd": L2NetClassifier((4,), solver="sgd", learning_rate="constant", learning_rate_init=0.05),
    "unshuffled": L2NetClassifier((4,), solver="sgd", learning_rate="adaptive", shuffle=False, tol=1.0, verbose=True),
    "adam": L2NetClassifier((4,), solver="adam", learning_rate="constant", learning_rate_init=0.05),
    "stream of random numbers": L2NetClassifier((4,), learning_rate="constant", random_state=np.random.RandomState(0)),
    "cosine": L2NetRegressor((4,)),
    "class weights": L2NetClassifier((4,), class_weight={0: 2.0, 1: 1.0, 2: 0.5}),
    "lbfgs": L2NetRegressor((4,), solver="lbfgs"),
    "pso": L2NetClassifier((4,), solver=ParticleSwarm(6, topology="random")),
    "own objective": L2NetRegressor(
        (4,), solver=ParticleSwarm(6, objective=lambda y, p, sample_weight: np.mean(np.abs(y - p)))
    ),
    "early stopping": L2NetClassifier((4,), learning_rate_init=0.05, early_stopping=True, validation_fraction=0.3),
}
each_net = pytest.mark.parametrize("name", NETS)


def net_and_data(name):
    net = clone(NETS[name]).set_params(max_iter=8, batch_size=20)
    if net.random_state is None:
        net.set_params(random_state=0)
    return net, *(classes(60) if isinstance(net, L2NetClassifier) else regression(60))


class Recorder:
    """A callback that remembers what it hears, and does what it is told to at a hook.

    It keeps no contexts, which a copy of the estimator would have to copy.
    """

    def __init__(self, at=None, do=None):
        self.heard, self.fitted, self.data = [], [], []
        self.at, self.do = at, do

    def _hear(self, hook, estimator, context):
        path, one = [], context
        while one is not None:
            path.insert(0, one.task_id)
            one = one.parent
        self.heard.append((hook, type(estimator).__name__, context.task_name, tuple(path)))
        return self.do() if self.at in (hook, (hook, context.task_name, context.task_id)) else None

    def setup(self, estimator, context):
        self._hear("setup", estimator, context)

    def teardown(self, estimator, context):
        self._hear("teardown", estimator, context)

    def on_fit_task_begin(self, estimator, context):
        self._hear("begin", estimator, context)

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.fitted.append((context.task_name, fitted_estimator))
        self.data.append((X, y, metadata))
        return self._hear("end", estimator, context)

    def count(self, hook):
        """How often a hook was called."""
        return len(self.names(hook))

    def names(self, hook):
        """Names of the tasks that a hook has heard of."""
        return [name for which, _, name, _ in self.heard if which == hook]

    def of_iterations(self):
        """The fitted estimator of each iteration."""
        return [fitted for name, fitted in self.fitted if name == "iteration"]


class Propagated(Recorder):
    """One that a search and a pipeline pass on to what they fit."""

    max_propagation_depth = None


def raises(error):
    def do():
        raise error

    return do


_rates = Cosine.rates


def rates_of_eight_epochs(schedule, n_epochs, n_updates, position):
    """The rates of the cosine schedule of a training of eight epochs, of which some are run."""
    return _rates(schedule, n_epochs, n_updates, position._replace(max_iter=8))


def fitted_attributes(net):
    parameters = net.get_params()
    left_out = {"_training_state", *parameters, *(name for name in vars(net) if "callback" in name)}
    return {name: value for name, value in vars(net).items() if name not in left_out}


def assert_same_fit(ours, theirs, X):
    """Two networks are the same, and go on in the same way."""
    ours, theirs = copy.copy(ours), copy.deepcopy(theirs)
    assert fitted_attributes(ours).keys() == fitted_attributes(theirs).keys()
    np.testing.assert_array_equal(flat(ours), flat(theirs))
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    for curve in ("loss_curve_", "weight_norm_curve_", "validation_scores_", "validation_loss_curve_"):
        assert getattr(ours, curve) == getattr(theirs, curve)
    for number in ("n_iter_", "t_", "loss_", "data_loss_", "best_loss_", "best_validation_score_"):
        assert getattr(ours, number) == getattr(theirs, number), number
    a, b = ours._training_state.random_state, theirs._training_state.random_state
    np.testing.assert_equal(a.get_state(legacy=False), b.get_state(legacy=False))


# --- one task per iteration -------------------------------------------------------------------------------------------


@each_net
def test_one_task_for_the_fit_and_one_for_each_iteration(name):
    net, X, y = net_and_data(name)
    recorder = Recorder()
    fit(net.set_callbacks(recorder), X, y)
    who = type(net).__name__
    expected = [("setup", who, "fit", (0,)), ("begin", who, "fit", (0,))]
    for i in range(net.n_iter_):
        expected += [("begin", who, "iteration", (0, i)), ("end", who, "iteration", (0, i))]
    expected += [("end", who, "fit", (0,)), ("teardown", who, "fit", (0,))]
    assert recorder.heard == expected
    assert net.n_iter_ > 1


@each_net
def test_a_fit_with_callbacks_is_the_fit_without_them(name):
    net, X, y = net_and_data(name)
    alone, watched = fit(clone(net), X, y), fit(clone(net).set_callbacks(Recorder()), X, y)
    assert_same_fit(watched, alone, X)
    alone.set_params(warm_start=True)
    assert_same_fit(fit(watched.set_params(warm_start=True), X, y), fit(alone, X, y), X)


@each_net
def test_the_fitted_estimator_of_an_iteration_is_that_of_a_fit_that_ends_there(name, monkeypatch):
    net, X, y = net_and_data(name)
    recorder = Recorder()
    with converging_or_not():
        whole = fit(clone(net).set_callbacks(recorder), X, y)
    assert len(recorder.of_iterations()) == whole.n_iter_
    monkeypatch.setattr(Cosine, "rates", rates_of_eight_epochs)
    for i, fitted in enumerate(recorder.of_iterations(), start=1):
        assert_same_fit(fitted, fit(clone(net).set_params(max_iter=i), X, y), X)
    assert_same_fit(recorder.fitted[-1][1], whole, X)


@pytest.mark.parametrize("name", ["sgd", "adam", "stream of random numbers", "pso"])
def test_the_fitted_estimator_of_an_iteration_can_go_on_to_where_the_fit_ends(name):
    net, X, y = net_and_data(name)
    recorder = Recorder()
    whole = fit(clone(net).set_callbacks(recorder), X, y)
    for i, fitted in enumerate(recorder.of_iterations()[:-1], start=1):
        rest = fit(fitted.set_callbacks().set_params(max_iter=8 - i, warm_start=True), X, y)
        np.testing.assert_array_equal(flat(rest), flat(whole))
        assert rest.loss_curve_ == whole.loss_curve_


def test_the_polish_is_one_more_iteration():
    X, y = regression()
    recorder = Recorder()
    swarm = ParticleSwarm(6, polish=True)
    net = fit(L2NetRegressor((4,), "tanh", solver=swarm, max_iter=5, random_state=0).set_callbacks(recorder), X, y)
    assert net.n_iter_ == 6
    assert recorder.names("begin") == recorder.names("end")[-1:] + ["iteration"] * 6
    np.testing.assert_array_equal(flat(recorder.of_iterations()[-1]), flat(net))


def test_l_bfgs_that_has_converged_at_its_start_has_no_iterations():
    X, y = regression()
    net = fit(L2NetRegressor((3,), solver="lbfgs", max_iter=2000, warm_start=True, random_state=0), X, y)
    recorder = Recorder()
    net.set_params(tol=10.0).set_callbacks(recorder).fit(X, y)
    assert net.n_iter_ == 0
    assert recorder.names("begin") == recorder.names("end") == ["fit"]


def test_callbacks_get_the_data_that_the_user_passed_and_names_of_features_give_no_warnings():
    pandas = pytest.importorskip("pandas")
    X, y = classes()
    frame, names, weight = pandas.DataFrame(X, columns=list("abcd")), np.array(["x", "y", "z"])[y], np.full(60, 2.0)
    recorder, monitor = Recorder(), callback.ScoringMonitor(scoring="accuracy")
    net = L2NetClassifier((4,), max_iter=3, random_state=0).set_callbacks(recorder, monitor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(frame, names, sample_weight=weight)
    assert all(one == (frame, names, {"sample_weight": weight}) for one in map(_Same, recorder.data))
    # what an earlier fit had does not stay
    fit(net, X, names)
    assert recorder.of_iterations()[-1].feature_names_in_ is None
    assert recorder.data[-1][2] is None


class _Same(tuple):
    """Compares what it holds by identity."""

    def __eq__(self, other):
        return all(a == b if isinstance(a, dict) else a is b for a, b in zip(self, other, strict=True))


def test_partial_fit_is_a_fit_of_one_iteration():
    X, y = classes()
    recorder = Recorder()
    net, alone = (L2NetClassifier((4,), random_state=0) for _ in range(2))
    net.set_callbacks(recorder)
    for _ in range(3):
        net.partial_fit(X, y, classes=[0, 1, 2])
        alone.partial_fit(X, y, classes=[0, 1, 2])
        np.testing.assert_array_equal(flat(recorder.of_iterations()[-1]), flat(alone))
    assert recorder.names("begin") == ["partial_fit", "iteration"] * 3
    assert recorder.names("teardown") == ["partial_fit"] * 3


def test_the_engine_runs_one_iteration_per_call_only_if_somebody_listens(monkeypatch, iterations_per_call):
    X, y = classes()
    iterations_per_call(5)
    calls, session = [], default_engine().session
    for function in ("run_updates", "iterate_swarm"):
        original = getattr(session, function)
        monkeypatch.setattr(session, function, lambda *args, run=original: calls.append(1) or run(*args))
    for solver in ("adam", "pso"):
        for listeners, n_calls in (((), 2), ((After(lambda n: None),), 10), ((), 2)):
            fit(L2NetClassifier((4,), solver=solver, max_iter=10, random_state=0).set_callbacks(*listeners), X, y)
            assert len(calls) == n_calls
            calls.clear()


# --- stopping ---------------------------------------------------------------------------------------------------------


@each_net
def test_a_callback_stops_the_fit_and_the_weights_of_that_iteration_stay(name, monkeypatch):
    net, X, y = net_and_data(name)
    recorder = Recorder(("end", "iteration", 2), lambda: True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # whoever stops a training knows that it has not converged
        stopped = clone(net).set_callbacks(recorder).fit(X, y)
    monkeypatch.setattr(Cosine, "rates", rates_of_eight_epochs)
    assert_same_fit(stopped, fit(clone(net).set_params(max_iter=3), X, y), X)
    assert recorder.heard[-1][0] == "teardown"


def test_a_stopped_swarm_is_not_polished():
    X, y = regression()
    stopping = Recorder(("end", "iteration", 2), lambda: True)
    net = L2NetRegressor((4,), solver=ParticleSwarm(6, polish=True), max_iter=5, random_state=0)
    plain = fit(clone(net).set_params(max_iter=3, solver__polish=False), X, y)
    np.testing.assert_array_equal(flat(net.set_callbacks(stopping).fit(X, y)), flat(plain))


@pytest.mark.parametrize("name", ["sgd", "adam", "pso"])
def test_a_stopped_fit_goes_on_by_a_warm_start(name):
    net, X, y = net_and_data(name)
    stopping = Recorder(("end", "iteration", 2), lambda: True)
    parts = clone(net).set_params(warm_start=True).set_callbacks(stopping).fit(X, y)
    fit(parts.set_params(max_iter=5).set_callbacks(), X, y)
    np.testing.assert_array_equal(flat(parts), flat(fit(net, X, y)))


# --- every setup is followed by a teardown ----------------------------------------------------------------------------


def assert_torn_down(estimator, *recorders):
    for recorder in recorders:
        deadline = time.monotonic() + 30  # for threads that were cancelled
        while recorder.count("setup") != recorder.count("teardown") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert recorder.count("setup") == recorder.count("teardown") > 0
    assert not [name for name in vars(estimator) if "callback" in name and name != "_skl_callbacks"]


@pytest.mark.parametrize("hook", ["setup", "begin", "end", ("end", "iteration", 2)])
@each_net
def test_a_callback_that_fails_ends_the_fit_and_leaves_the_estimator_as_it_was(name, hook):
    net, X, y = net_and_data(name)
    fit(net, X, y)
    before = fitted_attributes(net)
    other, failing = Recorder(), Recorder(hook, raises(OSError("disk full")))
    net.set_callbacks(other, failing)
    with pytest.raises(OSError, match="disk full"):
        net.fit(X, y)
    assert_torn_down(net, other, failing)
    assert all(fitted_attributes(net)[key] is value for key, value in before.items())


def test_a_fit_that_fails_is_torn_down():
    X, y = classes()
    recorder = Recorder()
    net = L2NetClassifier((4,), solver="sgd", learning_rate_init=1e300, random_state=0).set_callbacks(recorder)
    with pytest.raises(ValueError, match="diverged"), pytest.warns(UserWarning, match="explodes"):
        net.fit(X, y)
    assert_torn_down(net, recorder)
    assert "fit" not in recorder.names("end")
    # a mistake in the data is found before callbacks hear of a fit
    n_heard = len(recorder.heard)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.fit(X, y[:-1])
    assert len(recorder.heard) == n_heard


@pytest.mark.parametrize(("at", "n_kept"), [(("end", "iteration", 2), 3), (("begin", "iteration", 2), 2)])
@pytest.mark.parametrize("name", ["sgd", "adam", "pso"])
def test_ctrl_c_in_a_callback_keeps_what_was_finished(name, at, n_kept):
    net, X, y = net_and_data(name)
    recorder = Recorder(at, raises(KeyboardInterrupt))
    with pytest.warns(UserWarning, match=f"interrupted by user: the weights of iteration {n_kept}"):
        interrupted = clone(net).set_callbacks(recorder).fit(X, y)
    assert_same_fit(interrupted, fit(clone(net).set_params(max_iter=n_kept), X, y), X)
    assert_torn_down(interrupted, recorder)
    assert recorder.heard[-2][:3] == ("end", type(net).__name__, "fit")


@pytest.mark.parametrize("hook", ["setup", "begin"])
def test_ctrl_c_before_the_first_iteration_is_torn_down(hook):
    net, X, y = net_and_data("adam")
    recorder = Recorder(hook, raises(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        net.set_callbacks(recorder).fit(X, y)
    assert_torn_down(net, recorder)


@pytest.mark.parametrize("name", ["sgd", "lbfgs", "pso", "early stopping"])
def test_ctrl_c_at_any_bytecode_is_torn_down(name):
    net, X, y = net_and_data(name)
    with converging_or_not():
        n_bytecodes = count_bytecodes(lambda: clone(net).set_callbacks(Recorder()).fit(X, y))
    rng = random.Random(0)
    n_set_up = n_kept = 0
    for _ in range(30):
        recorder = Recorder()
        interrupted = clone(net).set_callbacks(recorder)
        with warnings.catch_warnings(), contextlib.suppress(KeyboardInterrupt):
            warnings.simplefilter("ignore")
            with AtBytecode(rng.randint(1, n_bytecodes)):
                interrupted.fit(X, y)
        assert recorder.count("setup") == recorder.count("teardown") <= 1
        assert not [
            attribute for attribute in vars(interrupted) if "callback" in attribute and attribute != "_skl_callbacks"
        ]
        n_set_up += recorder.count("setup")
        if hasattr(interrupted, "n_iter_"):
            n_kept += 1
            assert 0 <= interrupted.n_iter_ - recorder.names("end").count("iteration") <= 1
    assert n_set_up > 10
    assert n_kept > 5


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_search_that_is_interrupted_in_one_of_its_networks_is_torn_down(n_jobs, error):
    X, y = classes()
    recorder = Propagated(("end", "iteration", 3), raises(error))
    other = Recorder()
    search = L2NetClassifierCV((4,), alphas=[0.1, 1.0], cv=3, max_iter=20, n_jobs=n_jobs, random_state=0)
    search.set_params(error_score="raise")
    with pytest.raises(error):
        search.set_callbacks(recorder, other).fit(X, y)
    assert_torn_down(search, recorder, other)
    assert not hasattr(search, "alpha_")


def test_a_sweep_that_is_interrupted_is_torn_down():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread")
    X, y = classes()
    ctrl_c = Propagated(("end", "iteration", 3), lambda: signal.raise_signal(signal.SIGINT))
    of_network = Recorder()
    net = L2NetClassifier((4,), max_iter=20, random_state=0).set_callbacks(of_network)
    sweep = NodeSweepCV(net, step=2, cv=3).set_callbacks(ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        sweep.fit(X, y)
    assert_torn_down(sweep, ctrl_c, of_network)


# --- pipelines and searches -------------------------------------------------------------------------------------------


def test_a_pipeline_passes_callbacks_on():
    X, y = classes()
    recorder, of_network = Propagated(), Recorder()
    net = L2NetClassifier((4,), max_iter=3, random_state=0).set_callbacks(of_network)
    model = fit(make_pipeline(StandardScaler(), net).set_callbacks(recorder), X, y)
    scaled = model[:-1].transform(X)
    iterations = [who for hook, who, name, _ in recorder.heard if (hook, name) == ("end", "iteration")]
    assert iterations == ["L2NetClassifier"] * 3
    np.testing.assert_array_equal(of_network.of_iterations()[-1].predict(scaled), model.predict(X))
    assert {path for _, _, name, path in recorder.heard if name == "iteration"} == {(0, 1, i) for i in range(3)}


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_grid_search_in_threads_passes_callbacks_on(n_jobs):
    X, y = classes()
    recorder = Propagated()
    net = L2NetClassifier((4,), max_iter=3, random_state=0)
    search = GridSearchCV(net, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=n_jobs).set_callbacks(recorder)
    with joblib.parallel_config("threading"):
        fit(search, X, y)
    assert recorder.names("end").count("iteration") == 5 * 3
    assert recorder.names("begin").count("iteration") == 5 * 3


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_search_for_alpha_has_the_tasks_of_a_grid_search(n_jobs):
    X, y = classes()
    heard = []
    for search in (
        L2NetClassifierCV((4,), alphas=[0.1, 1.0], cv=3, max_iter=4, n_jobs=n_jobs, random_state=0),
        GridSearchCV(L2NetClassifier((4,), max_iter=4, random_state=0), {"alpha": [0.1, 1.0]}, cv=3),
    ):
        recorder = Propagated()
        fit(search.set_callbacks(recorder), X, y)
        name = type(search).__name__
        heard.append(sorted((hook, who.replace(name, "search"), *rest) for hook, who, *rest in recorder.heard))
    assert heard[0] == heard[1]


@pytest.mark.parametrize("Search", [L2NetClassifierCV, L2NetRegressorCV])
def test_a_search_for_alpha_with_callbacks_is_the_search_without_them(Search):
    X, y = classes() if Search is L2NetClassifierCV else regression()
    search = Search((4,), alphas=[0.1, 1.0], cv=3, max_iter=4, random_state=0)
    weight = np.linspace(1, 2, len(y))
    recorder, propagated = Recorder(), Propagated()
    alone, watched = (
        fit(clone(search).set_callbacks(*callbacks), X, y, sample_weight=weight)
        for callbacks in ((), (recorder, propagated))
    )
    np.testing.assert_array_equal(watched.scores_, alone.scores_)
    assert watched._skl_callbacks == [recorder, propagated]
    assert_torn_down(watched, recorder, propagated)
    assert_same_fit(watched, alone, X)
    assert_same_fit(recorder.fitted[-1][1], alone, X)
    # a network of the search is what a fit to its part of the data is
    of_first = next(i for i, (name, fitted) in enumerate(recorder.fitted) if name == "fit")
    X_part, y_part, metadata = recorder.data[of_first]
    net = search._net(alpha=0.1)
    assert len(X_part) == 40
    assert_same_fit(recorder.fitted[of_first][1], fit(net, X_part, y_part, **metadata), X)


def test_a_callback_stops_each_network_of_a_search():
    X, y = classes()
    stopping = Recorder(("end", "iteration", 1), lambda: True)
    search = fit(L2NetClassifierCV((4,), alphas=[0.1, 1.0], cv=2, max_iter=9).set_callbacks(stopping), X, y)
    assert (search.n_iters_ == 2).all()
    assert search.n_iter_ == 2


SEARCHES = {
    "grid search": lambda net, n_jobs: GridSearchCV(net, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=n_jobs),
    "sweep": lambda net, n_jobs: NodeSweepCV(net, step=2, cv=2, max_units=6, n_jobs=n_jobs),
    "pipeline in a grid search": lambda net, n_jobs: GridSearchCV(
        make_pipeline(StandardScaler(), net), {"l2netclassifier__alpha": [0.1, 1.0]}, cv=2, n_jobs=n_jobs
    ),
    "alpha": lambda net, n_jobs: L2NetClassifierCV((4,), alphas=[0.1, 1.0], cv=2, n_jobs=n_jobs, max_iter=3),
    "alpha by L-BFGS": lambda net, n_jobs: L2NetClassifierCV(
        (4,), solver="lbfgs", alphas=[0.1, 1.0], cv=2, n_jobs=n_jobs, max_iter=3
    ),
    "alpha in processes": lambda net, n_jobs: L2NetClassifierCV(
        (4,), alphas=[0.1, 1.0], cv=2, n_jobs=n_jobs, max_iter=3
    ),
}


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("name", SEARCHES)
def test_progress_bar_and_scoring_monitor_work_in_searches(name, n_jobs, capsys, monkeypatch, engine_of_workers):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "200")
    X, y = classes()
    monitor, bar = callback.ScoringMonitor(scoring="accuracy"), callback.ProgressBar(max_propagation_depth=None)
    net = L2NetClassifier((4,), max_iter=3, random_state=0)
    search = SEARCHES[name](net, n_jobs)
    if name.startswith("alpha"):
        search.set_callbacks(bar, monitor)
    else:
        net.set_callbacks(monitor)
        search.set_callbacks(bar)
    backend = joblib.parallel_config("loky") if name == "alpha in processes" else contextlib.nullcontext()
    with warnings.catch_warnings(), backend:
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    logs = monitor.get_logs().data
    iterations = [row for row in logs if row["task_name"] == "iteration"]
    fits = {row["task_id_path"] for row in logs if row["task_name"] == "fit"}
    n_fits = 2 * len(search.cv_results_["params"]) if hasattr(search, "cv_results_") else search.scores_.size
    assert len({row["parent_task_id_path"] for row in iterations}) == n_fits + 1
    assert len(iterations) == 3 * (n_fits + 1)
    assert {row["parent_task_id_path"] for row in iterations} <= fits
    assert max(iterations, key=lambda row: row["task_id_path"])["accuracy"] == search.score(X, y)
    shown = capsys.readouterr().out
    assert f"{type(search).__name__} - fit" in shown
    assert "100%" in shown


@each_net
def test_progress_bar_and_scoring_monitor_work_with_every_solver(name, capsys):
    pytest.importorskip("rich")
    net, X, y = net_and_data(name)
    scoring = "accuracy" if isinstance(net, L2NetClassifier) else "r2"
    monitor = callback.ScoringMonitor(scoring=scoring)
    fit(net.set_callbacks(callback.ProgressBar(), monitor), X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "iteration"]
    assert len(rows) == net.n_iter_
    assert rows[-1][scoring] == net.score(X, y)
    shown = capsys.readouterr().out
    assert f"{type(net).__name__} - fit" in shown
    assert "100%" in shown


# --- versions of scikit-learn without callbacks -----------------------------------------------------------------------


def test_without_scikit_learns_callbacks_all_else_works_and_asking_for_them_says_what_they_need():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import sklearn.callback, sklearn.compose, sklearn.model_selection\n"
        "there, sys.modules['sklearn.callback'] = sys.modules['sklearn.callback'], None\n"
        "import skl2net\n"
        "sys.modules['sklearn.callback'] = there\n"
        "net = skl2net.L2NetClassifier((3,), max_iter=2).fit([[0.0], [1.0]], [0, 1])\n"
        "net.partial_fit([[0.0]], [1]).predict([[0.0]])\n"
        "X, y = [[0.0], [1.0]] * 4, [0.0, 1.0] * 4\n"
        "search = skl2net.L2NetRegressorCV((), alphas=[1.0], cv=2, max_iter=2).fit(X, y)\n"
        "for estimator in (net, search):\n"
        "    try:\n"
        "        estimator.set_callbacks()\n"
        "    except ImportError as error:\n"
        "        assert 'scikit-learn 1.9 or newer' in str(error)\n"
        "    else:\n"
        "        raise AssertionError\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


# --- verbose ----------------------------------------------------------------------------------------------------------


def test_verbose_comes_live_where_the_output_is_no_terminal():
    code = (
        "import warnings, numpy as np; warnings.simplefilter('ignore')\n"
        "from skl2net import L2NetClassifier\n"
        "rng = np.random.default_rng(0)\n"
        "X, y = rng.normal(size=(3000, 50)), np.arange(3000) % 3\n"
        "net = L2NetClassifier((100,), max_iter=100_000, tol=0, n_iter_no_change=np.inf, verbose=True)\n"
        "net.fit(X, y)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().startswith("Iteration 1, loss = ")
        arrivals, began = [], time.monotonic()
        for line in process.stdout:
            arrivals.append(time.monotonic())
            assert line.startswith(f"Iteration {len(arrivals) + 1}, loss = ")
            if arrivals[-1] - began > 2:
                break
    finally:
        process.kill()
        process.wait()
    # a buffer of 8 KB holds 300 lines
    assert np.diff(arrivals).max() < 1
    assert len(np.unique(np.round(np.array(arrivals) - began, 1))) >= 5
