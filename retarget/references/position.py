"""The position reference: fingertips and middle joints where the person's are, in true size.

The position objective of AnyTeleop and dex-retargeting (Qin et al., RSS 2023): no scale, so that
a replayed hand closes around the object the person held. The palm is placed by the calibration.
"""

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.keypoints import CHAINS
from retarget.reference import PALM, Reference

DELTA = 0.02
MIDDLE_WEIGHT = 0.1
"""Of a middle joint against a tip: the tips touch things, the middle joints shape the finger."""


def position(
    hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], calibration: Calibration
) -> Reference:
    """Fingertips, and middle joints where the hand has them, at the human's own distances.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite.
        calibration: of this person and hand; only its rotation and offset are used.
    """
    chosen = [(hand.point_names.index(f"{f}_tip"), CHAINS[f][3], 1.0) for f in hand.fingers]
    for finger in hand.fingers:
        middle = f"{finger}_mcp" if finger == "thumb" else f"{finger}_pip"
        if middle in hand.point_names:
            chosen.append((hand.point_names.index(middle), CHAINS[finger][1], MIDDLE_WEIGHT))
    point, keypoint, weight = zip(*chosen, strict=True)
    return Reference(
        origin=np.full(len(point), PALM),
        point=np.array(point),
        target=calibration.place(keypoints)[:, list(keypoint)],
        weight=np.tile(weight, (len(keypoints), 1)),
        delta=DELTA,
    )
