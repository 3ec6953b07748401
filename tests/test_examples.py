"""The examples run, and show what they say. `.ci/run` runs the quickstart as a whole."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_overfitting_runs():
    """With one seed, in seconds: a row for every rule under SGD, and L-BFGS without L2 learns everything by heart."""
    command = [sys.executable, "-X", "utf8", EXAMPLES / "overfitting.py", "--seeds", "1"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    lbfgs, sgd = output.split("\n\n")[:2]
    assert lbfgs.splitlines()[2].split()[:4] == ["no", "L2", "0", "100.0"]
    assert {line.split()[0] for line in sgd.splitlines()[3:]} == {
        "penalty",
        "penalty_per_sample",
        "decay_before",
        "decay_after",
        "decoupled",
    }
