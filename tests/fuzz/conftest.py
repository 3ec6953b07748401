"""How long the machines run: `--fuzz-minutes`, an option of tests/conftest.py."""

import time
import warnings
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

_counts = {}


@pytest.fixture
def run_machine(pytestconfig):
    """Function that runs a state machine, on cases that are new each time, until its time is over."""

    def run(machine):
        counts = _counts[machine.__name__] = Counter()
        machine.counts = counts
        deadline = time.monotonic() + 60 * pytestconfig.getoption("fuzz_minutes")
        lightly = settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        while time.monotonic() < deadline:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run_state_machine_as_test(machine, settings=lightly)

    return run


def pytest_terminal_summary(terminalreporter):
    """What was tried, and how often."""
    for name, counts in _counts.items():
        terminalreporter.write_line(f"{name}: {counts.total()} steps: {dict(sorted(counts.items()))}")
