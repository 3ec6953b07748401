"""The examples run, and show what they say. `.ci/run` runs the quickstart as a whole."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


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


@pytest.mark.long
def test_shrinking_positions_does_not_regularise_a_swarm_and_a_penalty_does():
    """One swarm per row: a small share leaves weights as large as no rule does, a penalty does not."""
    output = run("swarm_decay.py", "--seeds", "1")
    squares = [float(line.split()[-2]) for line in output.splitlines()[2:]]
    without, shrunk, penalised = squares[0], squares[1:3], squares[4:]
    assert min(shrunk) > without / 3
    assert max(penalised) < without / 30


def write_csv(path, *rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tables(tmp_path):
    """Two tables in Rdatasets' layout, with missing values, a class of two rows and a column that reveals the class."""
    random = np.random.default_rng(0)
    index = ["table", "target", "kind", "left_out", "log_target"]
    one, two = ["a/one", "y", "classification", "answer", "0"], ["b/two", "y", "regression", "", "1"]
    write_csv(tmp_path / "index.csv", index, one, two)
    a, noise = random.normal(size=(2, 120))
    classes = np.where(a + noise > 0, "yes", "no")
    classes[:2] = "few"
    letters = random.choice(["u", "v", "NA"], 120)
    rows = zip(range(120), a, letters, classes, classes, strict=True)
    write_csv(tmp_path / "a" / "one.csv", ["rownames", "a", "b", "answer", "y"], *rows)
    features = np.where(random.random(120) < 0.1, "NA", a.astype(str))
    write_csv(tmp_path / "b" / "two.csv", ["rownames", "a", "y"], *zip(range(120), features, np.exp(a), strict=True))
    return tmp_path


def test_the_quality_of_defaults_is_measured_on_a_folder_of_tables(tables):
    """Each model is fitted once to each table, without the columns to leave out; known results are reused."""
    pytest.importorskip("pandas")
    name, results, markdown = "benchmarks/default_quality.py", tables / "results.csv", tables / "table.md"
    options = [tables, "--splits", "1", "--models", "adam", "linear"]
    output = run(name, *options, "--csv", results, "--markdown", markdown)
    assert output.startswith("a/one: these classes are dropped: few\n")
    assert output.endswith(markdown.read_text(encoding="utf-8"))
    rows = read_csv(results)
    assert [(row["table"], row["n_rows"], row["model"]) for row in rows] == [
        ("a/one", "118", "adam"),
        ("a/one", "118", "linear"),
        ("b/two", "120", "adam"),
        ("b/two", "120", "linear"),
    ]
    assert all(float(row["score"]) < 0.95 for row in rows[:2])
    assert float(rows[3]["score"]) > 0.8  # linear in the logarithm

    rows[0]["loss"], rows[1]["loss"] = "7.5", "0.25"
    write_csv(results, rows[0], *(row.values() for row in rows))
    output = run(name, *options, "--tables", "a/one", "--reuse", results, "--csv", results)
    assert re.search(r"\| linear \| [\d.]+ \| 0.2500 \| 1.0 \| 0:1 \| 1 \|", output)
    assert re.search(r"\| a/one \| 118 \| [\d.]+ \| 7.5000 \| linear \| [\d.]+ \| 0.2500 \|", output)
    assert "b/two" not in output
    losses, kept = ([float(row["loss"]) for row in these] for these in (rows, read_csv(results)))
    assert kept == pytest.approx(losses)


def test_intervals_are_measured_on_the_regressions_of_a_folder(tables):
    """Four models at least, with a likelihood each; a Gaussian process for small tables only."""
    pytest.importorskip("pandas")
    output = run("benchmarks/uncertainty.py", tables, "--splits", "1", "--gp-rows", "100")
    rows = {row.split(" | ")[0]: row.split(" | ")[1:] for row in re.findall(r"\| (\w+ \| 0\..*) \|", output)}
    assert rows.keys() >= {"posterior", "default", "residuals", "ensemble", "BayesianRidge"}
    assert "GP" not in rows
    assert all(0.7 < float(row[0]) <= 1 for row in rows.values())
    assert rows["residuals"][3] in ("0 of 1", "1 of 1")


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
def test_quantiles_have_their_shares_of_new_points_and_outliers_harm_the_squared_error_alone():
    pytest.importorskip("matplotlib")
    output = run("quantiles.py")
    shares = re.findall(r"quantile ([\d.]+) +new points below +([\d.]+)%", output)
    assert [float(share) / 100 for _, share in shares] == pytest.approx([float(q) for q, _ in shares], abs=0.03)
    errors = re.findall(r"(squared_error|huber|absolute_error) +([\d.]+) +([\d.]+)", output)
    rise = {loss: float(outliers) / float(clean) for loss, clean, outliers in errors}
    assert rise["squared_error"] > 5
    assert max(rise["huber"], rise["absolute_error"]) < 1.1


@pytest.mark.long
def test_a_decay_with_the_timescale_of_a_concept_recovers_faster_from_its_changes():
    """After a change and in the mean, better than without L2; a much shorter timescale is worse before the next one."""
    pytest.importorskip("matplotlib")
    rows = {line[:20].strip(): line[20:].split() for line in run("drifting_stream.py").splitlines()[2:]}
    mean, recovering, settled = ({name: float(row[i]) for name, row in rows.items()} for i in (0, 4, 5))
    assert mean["decay, 40 blocks"] > mean["no L2"] + 1
    assert min(recovering["decay, 40 blocks"], recovering["decay, 4 blocks"]) > recovering["no L2"] + 1
    assert settled["decay, 40 blocks"] > settled["no L2"] > settled["decay, 4 blocks"] + 1


@pytest.mark.long
def test_splines_are_chosen_for_thresholds_and_the_strongest_rule_for_noise():
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    output = run("tabular_search.py")
    assert "columns__numeric__expand__splines = SplineTransformer" in output
    search, plain = (float(r2) for r2 in re.findall(r"R² of .* (0\.\d+)", output))
    assert search > plain + 0.1
    assert "alpha=15" in output
