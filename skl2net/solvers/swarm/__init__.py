"""Training by particle swarm."""

from skl2net.solvers.swarm.particle_swarm import ParticleSwarm
from skl2net.solvers.swarm.state import SwarmState

__all__ = ["ParticleSwarm", "SwarmState"]
