"""How an objective is minimised: one solver a file, each a function of (objective, progress)."""

from retarget.solvers.newton import newton
from retarget.solvers.slsqp import slsqp
from retarget.solvers.solved import Solved

SOLVERS = {"newton": newton, "slsqp": slsqp}

__all__ = ["SOLVERS", "Solved", "newton", "slsqp"]
