"""How an objective is minimised: one solver a file, each a function of (objective, progress)."""

from retarget.solvers.newton import Newton, newton
from retarget.solvers.slsqp import slsqp
from retarget.solvers.solved import Solved

SOLVERS = {"newton": newton, "slsqp": slsqp}
OFFLINE, ONLINE = "newton", "newton"
"""The solvers of whole motions and of one frame after another."""

__all__ = ["OFFLINE", "ONLINE", "SOLVERS", "Newton", "Solved", "newton", "slsqp"]
