"""The examples run, and show what they say. `.ci/run` runs the quickstart as a whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *options):
    """Run an example; what it prints."""
    command = [sys.executable, "-X", "utf8", EXAMPLES / name, *options]
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    return subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8", env=environment).stdout


def test_overfitting_runs():
    """With one seed, in seconds: a row for every rule under SGD, and L-BFGS without L2 learns everything by heart."""
    pytest.importorskip("matplotlib")
    output = run("overfitting.py", "--seeds", "1")
    lbfgs, sgd = output.split("\n\n")[:2]
    assert lbfgs.splitlines()[2].split()[:4] == ["no", "L2", "0", "100.0"]
    assert {line.split()[0] for line in sgd.splitlines()[3:]} == {
        "prior",
        "penalty",
        "penalty_per_sample",
        "decay_before",
        "decay_after",
        "decoupled",
    }


def test_shrinking_positions_does_not_regularise_a_swarm_and_a_penalty_does():
    """One swarm per row: a small share leaves weights as large as no rule does, a penalty does not."""
    output = run("swarm_decay.py", "--seeds", "1")
    squares = [float(line.split()[-2]) for line in output.splitlines()[2:]]
    without, shrunk, penalised = squares[0], squares[1:3], squares[4:]
    assert min(shrunk) > without / 3
    assert max(penalised) < without / 30


@pytest.mark.long
def test_the_node_sweep_finds_what_the_grid_finds_with_fewer_fits():
    """The sweep is as good as the smallest network that ties with the best one of the grid, within a few digits."""
    pytest.importorskip("matplotlib")
    output = run("node_sweep.py")
    accuracies = [float(number) for number in re.findall(r"accuracy (0\.\d+)", output)]
    n_fits = [int(number) for number in re.findall(r"(\d+) fits", output)]
    assert accuracies[0] > accuracies[1] - 0.015
    assert n_fits[0] < n_fits[1] / 2


@pytest.mark.long
def test_a_decay_with_the_timescale_of_a_concept_recovers_faster_from_its_changes():
    """After a change and in the mean, better than without L2; a much shorter timescale is worse before the next one."""
    pytest.importorskip("matplotlib")
    rows = {line[:20].strip(): line[20:].split() for line in run("drifting_stream.py").splitlines()[2:]}
    mean, recovering, settled = ({name: float(row[i]) for name, row in rows.items()} for i in (0, 4, 5))
    assert mean["decay, 40 blocks"] > mean["no L2"] + 1
    assert min(recovering["decay, 40 blocks"], recovering["decay, 4 blocks"]) > recovering["no L2"] + 1
    assert settled["decay, 40 blocks"] > settled["no L2"] > settled["decay, 4 blocks"] + 1
