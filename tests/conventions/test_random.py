"""Conversions between all pairs of conventions, on runs drawn at random: exact ones agree, inexact ones part.

Each library is its own published update (`libraries`); that those are the libraries' is `test_peers`.
"""

import random
from dataclasses import replace
from itertools import product

import pytest
from conventions.libraries import LIBRARIES, N_SAMPLES, Training, distance

from skl2net.conventions import CONVENTIONS, convert_alpha

SAME = 1e-9
APART = 1e-7
SOLVERS = ("sgd", "adam")
LOSSES = ("log_loss", "squared_error", "absolute_error", "huber", "quantile")


def runs_with(name, solver):
    return name in LIBRARIES and solver in CONVENTIONS[name].solvers


TRIPLES = [
    (source, target, solver)
    for source, target in product(LIBRARIES, repeat=2)
    for solver in SOLVERS
    if source != target and runs_with(source, solver) and runs_with(target, solver)
]


def random_training(pair, solver, rng):
    """A run that the source can have, and the target as far as the network, the loss and the batches go."""
    records = [CONVENTIONS[name] for name in pair]
    losses = {record.loss for record in records} - {None}
    shared = [loss for loss in LOSSES if all(loss in record.loss_scales for record in records)]
    linear = any(record.n_layers == 1 for record in records)
    fixed = {name: value for record in records for name, value in record.fixed.items()}
    run = Training(
        loss=losses.pop() if losses else rng.choice(shared),
        solver=solver,
        batch_size=fixed.get("batch_size", rng.choice((4, 8, 12))),
        learning_rate=rng.uniform(0.02, 0.1) if solver == "sgd" else rng.uniform(0.005, 0.02),
        n_outputs=1 if any(record.n_outputs == 1 for record in records) else rng.choice((1, 3)),
        hidden=() if linear else (4,),
        seed=rng.randrange(1000),
    )
    run = replace(run, n_epochs=max(2, 36 * run.batch_size // N_SAMPLES))
    if solver == "sgd":
        momentum = fixed.get("momentum", rng.choice((0.0, rng.uniform(0.3, 0.8))))
        kind = rng.choice(LIBRARIES[pair[0]].momenta or ("plain",))
        return replace(run, momentum=momentum, nesterov=kind == "nesterov")
    betas = {"beta_1": rng.uniform(0.7, 0.95), "beta_2": rng.uniform(0.9, 0.9999)}
    return replace(run, **betas, epsilon=rng.choice((1e-16, rng.uniform(1e-3, 1e-2))))


def random_number(name, run, rng):
    """A number that removes about a hundredth of a weight in each update."""
    record = CONVENTIONS[name]
    known = {**run.quantities, "learning_rate": run.learning_rate}
    rate = run.learning_rate if record.is_penalty else 1.0
    strength = rng.uniform(0.005, 0.02) / rate
    for key, power in record.powers().items():
        strength /= known[key] ** power
    return record.number(strength)


def check(source, target, run, number):
    """Compare the two trajectories with what the conversion says of them; return what it says."""
    conversion = convert_alpha(number, source, target, **run.quantities)
    if conversion.alpha is None:
        assert "adaptive" in conversion.reason or "Adam divides" in conversion.reason
        return conversion
    before, after = LIBRARIES[source], LIBRARIES[target]
    there = replace(run, learning_rate=conversion.learning_rate)
    there = replace(there, epsilon=run.epsilon * after.scale(run) / before.scale(run))
    gap = distance(before.train(run, number), after.train(there, conversion.alpha))
    if conversion.exact:
        assert gap < SAME, gap
    elif conversion.sense == "limit" and run.epsilon < 1e-10:
        assert gap < 1e-5, gap
    else:
        assert gap > APART, gap
    return conversion


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("source", LIBRARIES)
def test_exact_conversions_agree_and_others_part(source, solver):
    """One run for every target."""
    rng = random.Random(f"{source} {solver}")
    for start, target, common in TRIPLES:
        if (start, common) == (source, solver):
            run = random_training((source, target), solver, rng)
            check(source, target, run, random_number(source, run, rng))


@pytest.mark.long
@pytest.mark.parametrize(("source", "target", "solver"), TRIPLES)
def test_many_runs_of_every_pair(source, target, solver):
    rng = random.Random(f"{source} {target} {solver}")
    for _ in range(20):
        run = random_training((source, target), solver, rng)
        check(source, target, run, random_number(source, run, rng))


def test_every_convention_with_updates_is_simulated():
    trained = {name for name, record in CONVENTIONS.items() if set(record.solvers) & set(SOLVERS)}
    assert trained - set(LIBRARIES) == {"tidymodels.mlp[keras]"}  # only its hidden layer is penalised
