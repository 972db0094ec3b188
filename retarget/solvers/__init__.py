"""How an objective is minimised: one solver a file, each a function of (objective, progress)."""

from retarget.solvers.newton import Newton, newton
from retarget.solvers.slsqp import slsqp
from retarget.solvers.solved import Solved
from retarget.solvers.trajectory import trajectory

SOLVERS = {"newton": newton, "slsqp": slsqp, "trajectory": trajectory}
OFFLINE, ONLINE = "trajectory", "newton"
"""The solvers of whole motions and of one frame after another."""

__all__ = ["OFFLINE", "ONLINE", "SOLVERS", "Newton", "Solved", "newton", "slsqp", "trajectory"]
