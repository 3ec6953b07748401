"""Options of the test run."""

import os
import signal
from importlib.util import find_spec

import pytest
import sklearn
from threadpoolctl import threadpool_limits

from skl2net import engines
from skl2net.engines import lbfgs


def pytest_addoption(parser):
    """`--engine NAME` makes an engine the default of the whole run; `--fuzz-minutes N` is for tests/fuzz."""
    parser.addoption("--engine", default=None, help="name of the engine that the estimators use throughout")
    parser.addoption("--fuzz-minutes", type=float, default=1.0, help="how long each machine of tests/fuzz runs")


def pytest_configure(config):
    """Put the engine that was asked for first; let parallel test processes have one thread each, and hear Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # which the jobs that a script starts with & inherit
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" in os.environ:
        threadpool_limits(1)
    name = config.getoption("engine")
    if name is None:
        return
    available = {engine.name: engine for engine in engines.available_engines()}
    if name not in available:
        raise pytest.UsageError(f"--engine={name}: this installation has {', '.join(available)}")
    chosen = available.pop(name)
    engines.available_engines = lambda: [chosen, *available.values()]
    if engines.default_engine() is not chosen:
        raise pytest.UsageError("--engine works by the order of available_engines(), which default_engine() ignores")


def pytest_collection_modifyitems(items):
    """Leave out the example that needs callbacks where scikit-learn has none; other tests of them say so themselves."""
    if find_spec("sklearn.callback") is None:
        for item in items:
            if item.name == "skl2net.callbacks.Checkpoint":
                item.add_marker(pytest.mark.skip(reason="callbacks came with scikit-learn 1.9"))


@pytest.fixture
def engine_of_workers(pytestconfig):
    """Skip a test whose worker processes would use another engine than this process."""
    if pytestconfig.getoption("engine") is not None:
        pytest.skip("worker processes use their own default engine, not that of --engine")


def _method_of_default_engine(name):
    """A method of the sessions of the default engine; skip a test if it has none of that name."""
    method = getattr(engines.default_engine().session, name, None)
    return pytest.skip(f"the engine has no {name}") if method is None else method


@pytest.fixture
def lbfgs_goes_uphill(monkeypatch):
    """Give the engine's L-BFGS a first gradient of the wrong sign, so that its line search finds no smaller loss."""
    _method_of_default_engine("iterate_lbfgs")
    first_state = lbfgs.first_state

    def uphill(*args):
        state = first_state(*args)
        state.gradient *= -1
        return state

    monkeypatch.setattr(lbfgs, "first_state", uphill)


@pytest.fixture
def failing_engine(monkeypatch):
    """Function that lets the default engine raise an error at the end of a call, counted from 1, of a function."""

    def fail(function, call, error=KeyboardInterrupt):
        session, original = engines.default_engine().session, _method_of_default_engine(function)
        n_calls = 0

        def failing(*args, **kwargs):
            nonlocal n_calls
            n_calls += 1
            result = original(*args, **kwargs)
            if n_calls == call:
                raise error
            return result

        monkeypatch.setattr(session, function, failing)

    return fail


@pytest.fixture
def iterations_per_call(monkeypatch):
    """Function that sets how many epochs, or iterations of a swarm or L-BFGS, the default engine does in one call."""

    def limit(n):
        session, iterate = engines.default_engine().session, _method_of_default_engine("iterate_lbfgs")

        def iterate_some(self, state, penalty, limits, n_iterations):
            return iterate(self, state, penalty, limits, min(n, n_iterations))

        monkeypatch.setattr(session, "epochs_per_call", n)
        monkeypatch.setattr(session, "swarm_iterations_per_call", lambda self, state, motion: n)
        monkeypatch.setattr(session, "iterate_lbfgs", iterate_some)

    return limit


@pytest.fixture(autouse=True)
def _same_configuration():
    """Restore scikit-learn's configuration: an interrupt injected into its context managers leaves it changed."""
    before = sklearn.get_config()
    yield
    sklearn.set_config(**before)
