"""Training by particle swarm."""

from skl2net.solvers.swarm.flight import SwarmState
from skl2net.solvers.swarm.particle_swarm import ParticleSwarm

__all__ = ["ParticleSwarm", "SwarmState"]
