"""How an objective is minimised: one solver a file, each a function of (objective, progress)."""

from retarget.solvers.newton import newton
from retarget.solvers.slsqp import slsqp
from retarget.solvers.solved import Solved
from retarget.solvers.trajectory import trajectory

SOLVERS = {"newton": newton, "slsqp": slsqp, "trajectory": trajectory}

__all__ = ["SOLVERS", "Solved", "newton", "slsqp", "trajectory"]
