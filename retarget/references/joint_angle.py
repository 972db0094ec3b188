"""The joint angle reference: each joint as the person's joint it stands for; closed form.

θ_robot = C θ_human + offset, clipped into the limits, as gloves drive hands. The map is read out of
the hand's geometry, not written down for it. The robot's points, taken for a person's keypoints,
have anatomical angles too (`retarget.human.angles`); with the hand relaxed, half-way between its
neutral pose and the middle of its joints' ranges,

- a joint stands for the angle it changes most, if no other changes that more; then for the next.
  One that changes none of those left stands for nothing and rests;
- a joint that bends several joints of a finger by its linkage follows their mean, each counted as
  much as the joint changes it;
- neutral answers to a straight person, and the robot bends as far as the person; less where it
  cannot follow over a person's whole range of motion, so that it has closed when the person has;
- the two joints at the root of a thumb sit differently on every hand: there, middle answers to
  middle and the joint's range to a person's.
"""

from collections.abc import Iterator
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.angles import ANGLES, RANGES, hand_angles
from retarget.human.keypoints import CHAINS, COUNT
from retarget.objective import whole_qpos
from retarget.reference import Joints, Reference
from retarget.references.phalanges import finger_points, require_knuckles

LEAST = 0.2
"""Change of an angle by a joint, rad/rad, below which it does not stand for it."""
SHARES = 0.5
"""Share of its largest change above which a joint counts as bending another one too."""
_CMC = [0, 1]
_ABDUCTIONS = [i for i, name in enumerate(ANGLES) if "abduction" in name]
_NEAR, _STEPS = 1e-3, 9
_FINGER = [name.split("_")[0] for name in ANGLES]
_KIND = np.array([*ANGLES[:2], *(name.split("_")[2] for name in ANGLES[2:])])
"""Angles of one kind may be moved together by one joint: flexions, abductions."""


class JointMap(NamedTuple):
    """The joints below the palm as an affine function of the person's angles, before clipping.

    Attributes:
        coefficient: of each of `ANGLES`; all zero for a joint that stands for nothing.
        offset: [rad].
    """

    coefficient: Float[np.ndarray, "m 20"]
    offset: Float[np.ndarray, " m"]


def joint_angle(
    hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], calibration: Calibration
) -> Reference:
    """A target for every joint below the palm, no vectors and no regularisers.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite.
        calibration: of this person and hand; not used, angles have no size.

    Raises:
        InputError: a finger has no point but its tip.
    """
    chosen = joint_map(hand)
    low, high = hand.limits[hand.tree.input_ids].T
    angles = hand_angles(keypoints, hand.side)
    target = np.clip(chosen.offset + angles @ chosen.coefficient.T, low, high)
    frames, none = len(keypoints), np.zeros(0, dtype=np.int64)
    return Reference(
        origin=none,
        point=none,
        target=np.zeros((frames, 0, 3)),
        weight=np.zeros((frames, 0)),
        delta=np.inf,
        joints=Joints(target, np.ones_like(target)),
        smoothness=0.0,
        posture=0.0,
    )


_found: WeakKeyDictionary[RobotHand, JointMap] = WeakKeyDictionary()


def joint_map(hand: RobotHand) -> JointMap:
    """Which of a person's angles each joint of the hand follows, and how far; found once a hand.

    Raises:
        InputError: a finger has no point but its tip.
    """
    if hand not in _found:
        _found[hand] = _joint_map(hand)
    return _found[hand]


def _joint_map(hand: RobotHand) -> JointMap:
    low, high = hand.limits[hand.tree.input_ids].T
    neutral, middle = hand.neutral[hand.tree.input_ids], 0.5 * (low + high)
    change = _changes(hand, 0.5 * (neutral + middle), low, high)
    coefficient, offset = np.zeros_like(change), neutral.copy()
    for joint, angle in _pairs(np.abs(change)):
        moved = _moved_together(change[joint], angle)
        share = moved / np.abs(moved).sum()
        if angle in _CMC:
            stretch = (high[joint] - low[joint]) / np.ptp(RANGES[angle])
            offset[joint] = middle[joint] - stretch * share @ RANGES.mean(axis=1)
        else:
            room = _room(share, low[joint] - neutral[joint], high[joint] - neutral[joint])
            stretch = min(
                room, 1.0 if angle in _ABDUCTIONS else 1.0 / np.abs(moved[moved != 0]).mean()
            )
        coefficient[joint] = stretch * share
    return JointMap(coefficient, offset)


def _pairs(change: Float[np.ndarray, "m 20"]) -> Iterator[tuple[int, int]]:
    """The joints and the angle each stands for: the largest change first, none twice."""
    left = change.copy()
    while left.max() >= LEAST:
        joint, angle = np.unravel_index(left.argmax(), left.shape)
        left[joint], left[:, angle] = 0.0, 0.0
        yield int(joint), int(angle)


def _moved_together(change: Float[np.ndarray, " 20"], angle: int) -> Float[np.ndarray, " 20"]:
    """The changes of the angles that a joint moves with its own: a linkage's, a spread's."""
    counted = (_KIND[angle] == _KIND) & (np.abs(change) >= SHARES * abs(change[angle]))
    return np.where(counted, change, 0.0)


def _room(share: Float[np.ndarray, " 20"], low: float, high: float) -> float:
    """How far the joint can turn an angle of the person, to reach its limit as the person does.

    What counts is the wider side of a person's range; where its sides are alike, the joint's.

    Args:
        share: of the angles.
        low, high: the joint's limits from its neutral value [rad].
    """
    ends = share[:, None] * RANGES
    closing, opening = ends.max(axis=1).sum(), -ends.min(axis=1).sum()
    if np.isclose(closing, opening):
        return max(high, -low) / closing
    return high / closing if closing > opening else -low / opening


def _changes(
    hand: RobotHand,
    relaxed: Float[np.ndarray, " m"],
    low: Float[np.ndarray, " m"],
    high: Float[np.ndarray, " m"],
) -> Float[np.ndarray, "m 20"]:
    """How far each joint changes the anatomical angles of a relaxed robot hand, a radian it turns.

    It is the mean over the joint's range: a tendon may bend one joint of a finger after another.
    At the root of a thumb, which may pass over the palm's normal on its way, it is that of the
    relaxed hand; its course over the palm counts by the turn it makes, less when the thumb points
    out of the palm.
    """
    change = _slopes(hand, relaxed, low, high)
    change[:, _CMC] = _slopes(hand, relaxed, relaxed - _NEAR, relaxed + _NEAR)[:, _CMC]
    height = hand_angles(skeleton(hand, whole_qpos(hand, relaxed[None])), hand.side)[0, 1]
    change[:, 0] *= np.cos(height)
    change[:, [finger not in hand.fingers for finger in _FINGER]] = 0.0
    return change


def _slopes(
    hand: RobotHand,
    relaxed: Float[np.ndarray, " m"],
    low: Float[np.ndarray, " m"],
    high: Float[np.ndarray, " m"],
) -> Float[np.ndarray, "m 20"]:
    """Mean change of the anatomical angles as one joint after another goes from `low` to `high`."""
    paths = np.tile(relaxed, (len(relaxed), _STEPS, 1))
    for joint, path in enumerate(paths):
        path[:, joint] = np.linspace(low[joint], high[joint], _STEPS)
    qpos = whole_qpos(hand, paths.reshape(-1, len(relaxed)))
    angles = hand_angles(skeleton(hand, qpos), hand.side).reshape(len(relaxed), _STEPS, -1)
    angles = np.unwrap(angles, axis=1)
    return (angles[:, -1] - angles[:, 0]) / (high - low)[:, None]


def skeleton(hand: RobotHand, qpos: Float[np.ndarray, "T nq"]) -> Float[np.ndarray, "T 21 3"]:
    """A robot's points in the places of a person's keypoints, in the palm frame [m].

    A joint that a finger lacks lies on the bone that spans it; a finger that the hand lacks is
    where its neighbour is.

    Raises:
        InputError: a finger has no point but its tip.
    """
    require_knuckles(hand)
    points = hand.points(qpos)
    keypoints = np.zeros((len(qpos), COUNT, 3))
    for finger, chain in CHAINS.items():
        own = finger if finger in hand.fingers else hand.fingers[-1]
        ids, slots = np.array(finger_points(hand, own)).T
        slots = np.concatenate([[0], slots[1:] - CHAINS[own][0]])
        for slot in range(4):
            far = int(np.searchsorted(slots, slot))
            near = max(far - 1, 0)
            share = (slot - slots[near]) / max(slots[far] - slots[near], 1)
            bone = points[:, ids[far]] - points[:, ids[near]]
            keypoints[:, chain[slot]] = points[:, ids[near]] + share * bone
    return keypoints
