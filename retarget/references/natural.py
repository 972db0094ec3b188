"""The natural reference: fingertips, finger shapes, pinches that close, links that do not collide.

Ours; the default. With p the robot's points, h the person's keypoints in the robot's palm frame
(`Calibration.tip_targets`), a_f how much finger f pinches (of the thumb: the largest):

    tips        (1 − β a_f) H_30mm(‖p_f − h_f‖)
    directions  w_d (30 mm / ℓ_ab)² H_30mm(‖(p_b − p_a) − ℓ_ab û_ab‖)   over a finger's last
                phalanges: ℓ the robot's own length, û the direction of the person's phalanx; a
                short one counts as much as a long one
    bends       ½ w_b max(0, |q − q_h| − slack)²   over the joints that bend a finger beyond its
                knuckle: by 35° from the person's joint they are free, but not to bend backwards
    pinches     ½ w_p (a + [d < g] (1 − a)) (d − g)²    d: distance of the tips' *surfaces*,
                g(h) the person's tip distance mapped to it: touching below .95 θ, plainly apart
                above 1.08 θ; a = σ((1.6 θ − h) / .15 θ)
    collision   ½ w_c min(0, gap − 1 mm)² over pairs of links, and the jerk of all joints

θ is the distance of a person's fingertips, as the tracker sees them, at which they touch
(`Calibration.pinch`). A pair that this hand cannot close is left out: pulled at that weight it
would bend all other fingers.
"""

from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.angles import ANGLES, hand_angles
from retarget.human.keypoints import CHAINS
from retarget.reach import reachable_pinches
from retarget.reference import PALM, Gaps, Joints, Reference
from retarget.references.joint_angle import JointMap, joint_map
from retarget.references.phalanges import has_knuckles, last_phalanges

DELTA = 0.03
TIP_YIELDS = 0.3
DIRECTION_WEIGHT = 0.7
"""Of a phalanx of `PHALANX`."""
PHALANX = 0.03
BEND_WEIGHT = 100.0
BEND_SLACK, BENT_BACK = np.deg2rad([35.0, -8.0])
"""How far a joint may leave the person's, and back to where though the person's be straight."""
PINCH_WEIGHT = 500.0
COLLISION_WEIGHT = 400.0
JERK_WEIGHT = 3e5
"""Of a frame's third difference, whatever the rate, as the filters of other retargeters are."""
CLOSED, APART = 0.95, 1.08
"""Person's distance over θ at which a pinch is closed, and at which it is plainly open."""
CLOSED_GAP, APART_GAP = 0.0005, 0.0085
"""Distance of the robot's surfaces there [m]."""
ENGAGED, SOFT = 1.6, 0.15
PHALANGES = 3
_BENDS = np.array([name.endswith(("pip_flexion", "dip_flexion")) for name in ANGLES])


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
    shape = DIRECTION_WEIGHT * (PHALANX / bones.length) ** 2
    pinching = np.concatenate([engaged.max(axis=1, keepdims=True), engaged], axis=1)
    return Reference(
        origin=np.concatenate([np.full(len(hand.fingers), PALM), bones.origin]),
        point=np.concatenate([hand.tip_ids, bones.point]),
        target=np.concatenate([tips, bones.target], axis=1),
        weight=np.concatenate(
            [1.0 - TIP_YIELDS * pinching, np.full((len(keypoints), len(shape)), shape)], axis=1
        ),
        delta=DELTA,
        joints=bends(hand, keypoints),
        gaps=gaps,
        collision=COLLISION_WEIGHT,
        jerk=JERK_WEIGHT,
    )


def bends(hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"]) -> Joints | None:
    """How far the joints that bend nothing but middle and last phalanges may leave the person's.

    None where a finger has no point but its tip.
    """
    bending = _bending(hand)
    if bending is None:
        return None
    angles = hand_angles(keypoints, hand.side)
    low = np.minimum(np.maximum(angles - BEND_SLACK, BENT_BACK), angles)
    high = angles + BEND_SLACK
    target = bending.offset + 0.5 * (low + high) @ bending.coefficient.T
    slack = 0.5 * (high - low) @ np.abs(bending.coefficient).T
    weight = np.where(bending.coefficient.any(axis=1), BEND_WEIGHT, 0.0)
    return Joints(target, weight + np.zeros_like(target), slack)


_found: WeakKeyDictionary[RobotHand, JointMap | None] = WeakKeyDictionary()


def _bending(hand: RobotHand) -> JointMap | None:
    """The hand's joint map without the joints that move anything else; found once a hand."""
    if hand not in _found:
        _found[hand] = None
        if has_knuckles(hand):
            whole = joint_map(hand)
            others = whole.coefficient[:, ~_BENDS].any(axis=1, keepdims=True)
            _found[hand] = whole._replace(coefficient=np.where(others, 0.0, whole.coefficient))
    return _found[hand]


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
