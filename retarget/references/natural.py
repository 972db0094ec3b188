"""The natural reference: fingertips, finger shapes, pinches that close, links that do not collide.

Ours; the default. With p the robot's points, h the person's keypoints in the robot's palm frame
(`Calibration.tip_targets`), a_f how much finger f pinches (of the thumb: the largest):

    tips        (1 − β a_f) H_30mm(‖p_f − h_f‖)
    directions  w_d H_30mm(‖(p_b − p_a) − ℓ_ab û_ab‖)   over a finger's last phalanges: ℓ the
                robot's own length, û the direction of the person's phalanx
    pinches     ½ w_p (a + [d < g] (1 − a)) (d − g)²    d: distance of the tips' *surfaces*,
                g(h) the person's tip distance mapped to it: touching below .85 θ, plainly apart
                above 1.1 θ; a = σ((1.6 θ − h) / .15 θ)
    collision   ½ w_c min(0, gap − 1 mm)² over pairs of links, and the jerk of all joints

θ is the distance of a person's fingertips, as the tracker sees them, at which they touch
(`Calibration.pinch`). A pair that this hand cannot close is left out: pulled at that weight it
would bend all other fingers.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.keypoints import CHAINS
from retarget.reach import reachable_pinches
from retarget.reference import PALM, Gaps, Reference
from retarget.references.phalanges import last_phalanges

DELTA = 0.03
TIP_YIELDS = 0.3
DIRECTION_WEIGHT = 0.4
"""From 0.2 to 1 it trades fingertips for the fingers' shape: on LEAP and a noisy clip, errors of
5.4 % of reach and 19° of bend become 7.8 % and 9°."""
PINCH_WEIGHT = 200.0
COLLISION_WEIGHT = 400.0
JERK_WEIGHT = 3e5
"""Of a frame's third difference, whatever the rate, as the filters of other retargeters are."""
CLOSED, APART = 0.85, 1.1
"""Person's distance over θ at which a pinch is closed, and at which it is plainly open."""
CLOSED_GAP, APART_GAP = 0.0005, 0.0085
"""Distance of the robot's surfaces there [m]."""
ENGAGED, SOFT = 1.6, 0.15
PHALANGES = 3


def natural(
    hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], calibration: Calibration
) -> Reference:
    """Tips, directions, pinches, no collision, smooth in time.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite.
        calibration: of this person and hand.
    """
    engaged, gaps = pinches(hand, keypoints, calibration)
    bones = last_phalanges(hand, keypoints, calibration, PHALANGES)
    tips = calibration.tip_targets(keypoints)
    pinching = np.concatenate([engaged.max(axis=1, keepdims=True), engaged], axis=1)
    return Reference(
        origin=np.concatenate([np.full(len(hand.fingers), PALM), bones.origin]),
        point=np.concatenate([hand.tip_ids, bones.point]),
        target=np.concatenate([tips, bones.target], axis=1),
        weight=np.concatenate(
            [1.0 - TIP_YIELDS * pinching, np.full(bones.target.shape[:2], DIRECTION_WEIGHT)], axis=1
        ),
        delta=DELTA,
        gaps=gaps,
        collision=COLLISION_WEIGHT,
        jerk=JERK_WEIGHT,
    )


def pinches(
    hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], calibration: Calibration
) -> tuple[Float[np.ndarray, "T F1"], Gaps]:
    """How far each finger but the thumb is engaged in a pinch, 0 to 1, and the gaps to hold."""
    tips = keypoints[:, [CHAINS[finger][3] for finger in hand.fingers]]
    apart = np.linalg.norm(tips[:, 1:] - tips[:, :1], axis=-1) / calibration.pinch
    reachable = reachable_pinches(hand)
    engaged = np.where(reachable, expit((ENGAGED - apart) / SOFT), 0.0)
    target = np.interp(apart, [CLOSED, APART], [CLOSED_GAP, APART_GAP])
    push = np.where(reachable, PINCH_WEIGHT * (1 - engaged), 0.0)
    pairs = np.array([[0, other] for other in range(1, len(hand.fingers))])
    return engaged, Gaps(pairs, target, PINCH_WEIGHT * engaged, push)
