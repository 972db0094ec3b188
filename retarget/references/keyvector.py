"""The keyvector reference: fingertips from the palm, and from the thumb while they pinch it.

Key vectors (palm → tip and thumb → tip) as in AnyTeleop (Qin et al., RSS 2023) and Telekinesis
(Sivakumar et al., RSS 2022): Σ c H_δ(‖v_robot − v_human‖). Here the weight `c` of a thumb → tip
vector rises as the person's tips come together,

    c = PINCH_WEIGHT · σ((PINCH_NEAR − h) / PINCH_WIDTH),     h: distance of the human tips,

since from the palm alone a thumb that cannot quite reach leaves the pinch open: on the sample
motion gaps of 8 to 13 mm on Allegro become 3 to 6 mm, for 0.3 mm of tip error.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.keypoints import CHAINS
from retarget.reference import PALM, Reference

DELTA = 0.02
PINCH_WEIGHT = 10.0
PINCH_NEAR, PINCH_WIDTH = 0.03, 0.004


def keyvector(
    hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], calibration: Calibration
) -> Reference:
    """Palm → tip vectors for each finger, thumb → tip vectors for each but the thumb.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite.
        calibration: of this person and hand.
    """
    tips = calibration.tip_targets(keypoints)
    person = keypoints[:, [CHAINS[finger][3] for finger in hand.fingers]]
    apart = np.linalg.norm(person[:, 1:] - person[:, :1], axis=-1)
    pinch = PINCH_WEIGHT * expit((PINCH_NEAR - apart) / PINCH_WIDTH)
    thumb, others = hand.tip_ids[:1], hand.tip_ids[1:]
    return Reference(
        origin=np.concatenate([np.full(len(hand.fingers), PALM), np.repeat(thumb, len(others))]),
        point=np.concatenate([hand.tip_ids, others]),
        target=np.concatenate([tips, tips[:, 1:] - tips[:, :1]], axis=1),
        weight=np.concatenate([np.ones(tips.shape[:2]), pinch], axis=1),
        delta=DELTA,
    )
