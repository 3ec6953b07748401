"""Who informs whom in a particle swarm."""

import copy

import numpy as np
import pytest
from solvers.swarm.cases import INFORMANTS, LIVELY, Flight, each_engine, small_problem

from skl2net import ParticleSwarm
from skl2net.engines.topology import links


@pytest.mark.parametrize("n", [1, 2, 3, 7, 12, 30])
@pytest.mark.parametrize("topology", ["global", "ring", "von_neumann", "random"])
def test_links(topology, n):
    linked = links(topology, n, np.random.default_rng(0))
    assert linked.shape == (n, n)
    assert linked.diagonal().all()
    if topology == "random":
        assert linked.sum(axis=0).max() <= 4  # each informs itself and at most three others
    else:
        assert np.array_equal(linked, linked.T)
    if topology in INFORMANTS and n == 12:
        assert {i: set(np.flatnonzero(row)) for i, row in enumerate(linked)} == INFORMANTS[topology]


@each_engine
def test_random_links_are_drawn_anew_after_iterations_without_improvement(engine):
    solver = ParticleSwarm(12, topology="random", **LIVELY)
    flight = Flight(solver, small_problem(engine=engine), 2)
    redrawn = {True: set(), False: set()}
    for _ in range(40):
        before, best = flight.state.links, flight.state.best_losses.min()
        state = flight.go_on()
        redrawn[bool(state.best_losses.min() < best)].add(not np.array_equal(state.links, before))
    assert redrawn == {True: {False}, False: {True}}


@each_engine
@pytest.mark.parametrize("topology", ["random", "ring"])
def test_warm_start_may_change_the_topology(topology, engine):
    flight = Flight(ParticleSwarm(8), small_problem(engine=engine), 3)
    improved = set()
    for _ in range(15):
        before = flight.go_on()
        other = copy.copy(flight)
        other.solver = ParticleSwarm(8, topology=topology)
        state = other.go_on()
        # links are drawn for the change, not only for want of progress
        improved.add(bool(state.best_losses.min() < before.best_losses.min()))
        assert not state.links.all()
        assert before.links.all()
        assert (before.topology, state.topology) == ("global", topology)
        if topology == "ring":
            np.testing.assert_array_equal(state.links, links("ring", 8))
    assert improved == {True, False}
