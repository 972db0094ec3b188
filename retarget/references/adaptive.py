"""The adaptive analytical reference: fingertips while pinching, the whole finger otherwise.

Wuji Technology's retargeting (docs.wuji.tech, "Adaptive blending"). With d the distance of the
thumb's tip from a finger's,

    Σ_f α_f (H_2cm(‖tip − tip'‖) + 10 H_½(‖u − u'‖))
        + (1 − α_f) mean over the finger's PIP, DIP and tip of H_2cm(‖p − p'‖)  +  0.04 ‖Δq‖²
    α_f = (4 cm − d) / 2 cm clipped to 0 … 0.7,    of the thumb: the largest

in which lengths are in centimetres, as in this package's objective, and u is the unit vector along
the last phalanx: with ℓ its length, ‖u − u'‖ = ‖ℓu − ℓu'‖/ℓ makes it a vector of weight 10 (cm/ℓ)²
and δ = ℓ/2. A thumb has MCP and IP in place of PIP and DIP; the mean is over the points that a hand
has. Positions are scaled finger by finger, by the calibration, in place of the original's scales.
"""

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.keypoints import CHAINS
from retarget.reference import PALM, Reference
from retarget.references.phalanges import finger_points, last_phalanges, require_knuckles
from retarget.vector_residuals import LENGTH

DELTA, DELTA_DIRECTION = 0.02, 0.5
DIRECTION_WEIGHT = 10.0
PINCHED, OPEN, MOST = 0.02, 0.04, 0.7
SMOOTHNESS = 0.08
"""Of ½ ‖Δq‖²."""


def adaptive(
    hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], calibration: Calibration
) -> Reference:
    """Points of each finger from the palm, and last phalanges.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite.
        calibration: of this person and hand.

    Raises:
        InputError: a finger has no point but its tip.
    """
    require_knuckles(hand)
    alpha = pinching(hand, keypoints)
    rows = [finger_points(hand, finger)[1:] for finger in hand.fingers]
    finger = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    point, keypoint = np.array([pair for row in rows for pair in row]).T
    share = 1.0 / np.array([len(row) for row in rows])
    of_tip = np.isin(point, hand.tip_ids)
    scaled = calibration.scale[finger, None] * (keypoints[:, keypoint] @ calibration.rotation.T)
    last = last_phalanges(hand, keypoints, calibration)
    whole = ((1.0 - alpha) * share)[:, finger]
    stiff = alpha * DIRECTION_WEIGHT * (LENGTH / last.length) ** 2
    return Reference(
        origin=np.concatenate([np.full(len(point), PALM), last.origin]),
        point=np.concatenate([point, last.point]),
        target=np.concatenate([calibration.offset + scaled, last.target], axis=1),
        weight=np.concatenate([whole + np.where(of_tip, alpha[:, finger], 0.0), stiff], axis=1),
        delta=np.concatenate([np.full(len(point), DELTA), DELTA_DIRECTION * last.length]),
        smoothness=SMOOTHNESS,
    )


def pinching(hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"]) -> Float[np.ndarray, "T F"]:
    """α of each finger of the hand, 0 to 0.7."""
    person = keypoints[:, [CHAINS[finger][3] for finger in hand.fingers]]
    apart = np.linalg.norm(person[:, 1:] - person[:, :1], axis=-1)
    alpha = np.clip((OPEN - apart) / (OPEN - PINCHED), 0.0, MOST)
    return np.concatenate([alpha.max(axis=1, keepdims=True), alpha], axis=1)
