"""Human hand motion in, robot hand motion out."""

from retarget.calibration import Calibration, calibrate
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.sources import load
from retarget.references import DEFAULT, METHODS
from retarget.retargeter import Retargeter, Solution
from retarget.scoring import score
from retarget.solvers import SOLVERS

__all__ = [
    "DEFAULT",
    "METHODS",
    "SOLVERS",
    "Calibration",
    "HandTrajectory",
    "Retargeter",
    "Solution",
    "calibrate",
    "load",
    "score",
]
