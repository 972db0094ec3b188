"""The vector reference: each fingertip as seen from the wrist.

AnyTeleop (Qin et al., RSS 2023) and dex-retargeting: Σ H_δ(‖v_robot − s v_human‖) with δ = 2 cm
over the vectors from wrist to fingertips; here `s` is a scale a finger, and the human palm is
aligned to the robot's, by the calibration.
"""

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.reference import Reference, fingertips

DELTA = 0.02


def vector(
    hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], calibration: Calibration
) -> Reference:
    """Palm → fingertip vectors for each finger of the hand.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite.
        calibration: of this person and hand.
    """
    return fingertips(hand, calibration.tip_targets(keypoints), DELTA)
