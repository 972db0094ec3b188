"""The targets that every method and every peer is measured against, whatever it aims at itself.

A human fingertip h of finger f, in the human palm frame, is wanted at ``t + s_f R h`` in the
robot's, with s_f the robot's longest reach over the length of the person's finger (the sum of its
median bones from the wrist), so that a stretched finger is wanted stretched. Of R and t there are
two kinds:

    coinciding   R = I, t = 0: the palm is where the person's is
    aligned      one R and t a (person, hand), fitted to what the fingertips can reach

Neither is fitted to any method's result.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.fitting import by_proportion
from retarget.human.keypoints import CHAINS
from retarget.objective import Objective
from retarget.reference import fingertips
from retarget.solvers.newton import newton

FRAMES, ROUNDS = 256, 8
"""Rounds after these trade ever more offset for ever less error."""
HUBER = 0.03
"""Distance [m] beyond which a fingertip pulls on the fit with constant force."""

coinciding = by_proportion


def aligned(
    hand: RobotHand,
    keypoints: Float[np.ndarray, "T 21 3"],
    start: Calibration | None = None,
) -> Calibration:
    """Fit the palm's rotation and offset, scales kept: solve the fingertips, then fit, repeated.

    Args:
        hand: the robot.
        keypoints: valid human keypoints in the human palm frame [m].
        start: what to begin from, `coinciding` when not given.
    """
    calibration = start or coinciding(hand, keypoints)
    chosen = keypoints[np.unique(np.linspace(0, len(keypoints) - 1, FRAMES).astype(int))]
    for _ in range(ROUNDS):
        calibration = _refit(calibration, chosen, tips_only(hand, calibration, chosen))
    return calibration


def tips_only(
    hand: RobotHand, calibration: Calibration, keypoints: Float[np.ndarray, "T 21 3"]
) -> Float[np.ndarray, "T F 3"]:
    """The fingertips nearest their targets in each frame, with nothing else asked [m]."""
    reference = fingertips(hand, calibration.tip_targets(keypoints), HUBER)
    objective = Objective(hand, replace(reference, smoothness=1e-4, posture=1e-4))
    return hand.tips(objective.qpos(newton(objective).x))


def _refit(
    old: Calibration, keypoints: Float[np.ndarray, "T 21 3"], tips: Float[np.ndarray, "T F 3"]
) -> Calibration:
    """The rotation and offset that minimise Σ w ‖tip − target‖² (Kabsch 1976), w Huber's."""
    distance = np.linalg.norm(tips - old.tip_targets(keypoints), axis=-1)
    weight = (HUBER / np.maximum(distance, HUBER)).ravel()
    human = (old.scale[:, None] * keypoints[:, [CHAINS[f][3] for f in old.fingers]]).reshape(-1, 3)
    robot = tips.reshape(-1, 3)
    centre_h, centre_r = (np.average(points, axis=0, weights=weight) for points in (human, robot))
    u, _, vt = np.linalg.svd((weight[:, None] * (robot - centre_r)).T @ (human - centre_h))
    rotation = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    return replace(old, rotation=rotation, offset=centre_r - rotation @ centre_h)
