"""Human hand motion in, robot hand motion out."""

from retarget.calibration import Calibration
from retarget.dex_retargeter import DexRetargeter, load_dex_config
from retarget.fitting import calibrate, calibrate_open
from retarget.generation import Recipe, generate
from retarget.human import filters
from retarget.human.extract import extract
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.mano_fit import fit_mano
from retarget.human.one_euro import OneEuro, Smoothing
from retarget.human.sources import load, load_hands
from retarget.lifting import demonstrate
from retarget.pace import CALM, Pace
from retarget.playback import tip_targets
from retarget.references import DEFAULT, METHODS
from retarget.retargeter import Retargeter, Solution
from retarget.scoring import score
from retarget.solvers import SOLVERS
from retarget.workspace import Workspace

__all__ = [
    "CALM",
    "DEFAULT",
    "METHODS",
    "SOLVERS",
    "Calibration",
    "DexRetargeter",
    "HandTrajectory",
    "OneEuro",
    "Pace",
    "Recipe",
    "Retargeter",
    "Smoothing",
    "Solution",
    "Workspace",
    "calibrate",
    "calibrate_open",
    "demonstrate",
    "extract",
    "filters",
    "fit_mano",
    "generate",
    "load",
    "load_dex_config",
    "load_hands",
    "score",
    "tip_targets",
]
