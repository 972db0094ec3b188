"""How an objective is minimised: each solver a function of (objective, progress)."""

from collections.abc import Callable

from retarget.solvers import nlopt_solver
from retarget.solvers.newton import Newton, newton
from retarget.solvers.solved import Solved
from retarget.solvers.trajectory import trajectory

SOLVERS: dict[str, Callable[..., Solved]] = {
    "newton": newton,
    "trajectory": trajectory,
    **nlopt_solver.SOLVERS,
}
OFFLINE, ONLINE = "trajectory", "newton"
"""The solvers of whole motions and of one frame after another."""

__all__ = ["OFFLINE", "ONLINE", "SOLVERS", "Newton", "Solved", "newton", "trajectory"]
