"""The joint angle reference: each joint as the person's joint it stands for; closed form.

θ_robot = C θ_human + offset, clipped into the limits, as gloves drive hands. The map is read out of
the hand's geometry, not written down for it. The robot's points, taken for a person's keypoints,
have anatomical angles too (`retarget.human.angles`); with the hand relaxed, half-way between its
neutral pose and the middle of its joints' ranges,

- a joint stands for the angle it changes most, if no other changes that more; then for the next.
  One that changes none of those left stands for nothing and rests;
- a joint that bends several joints of a finger by its linkage follows their mean, each counted as
  much as the joint changes it;
- neutral answers to a straight person, and the joint turns as far as the person's; less where it
  cannot follow over a person's whole range of motion, so that it closes when the person has;
- the two joints at the root of a thumb sit differently on every hand: there, middle answers to
  middle and the joint's range to a person's.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.angles import ANGLES, RANGES, hand_angles
from retarget.human.keypoints import CHAINS, COUNT
from retarget.reference import Joints, Reference
from retarget.references.phalanges import finger_points

LEAST = 0.2
"""Change of an angle by a joint, rad/rad, below which it does not stand for it."""
SHARES = 0.5
"""Share of its largest change above which a joint counts as bending another one too."""
_STEP = 1e-3
_CMC = (0, 1)
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


def joint_map(hand: RobotHand) -> JointMap:
    """Which of a person's angles each joint of the hand follows, and how far.

    Raises:
        InputError: a finger has no point but its tip.
    """
    low, high = hand.limits[hand.tree.input_ids].T
    neutral, middle = hand.neutral[hand.tree.input_ids], 0.5 * (low + high)
    change = _changes(hand, 0.5 * (neutral + middle))
    coefficient, offset = np.zeros_like(change), neutral.copy()
    for joint, angle in _pairs(np.abs(change)):
        share = _shares(change[joint], angle)
        if angle in _CMC:
            stretch = (high[joint] - low[joint]) / np.ptp(RANGES[angle])
            offset[joint] = middle[joint] - stretch * share @ RANGES.mean(axis=1)
        else:
            stretch = _stretch(share, low[joint] - neutral[joint], high[joint] - neutral[joint])
        coefficient[joint] = stretch * share
    return JointMap(coefficient, offset)


def _pairs(change: Float[np.ndarray, "m 20"]) -> Iterator[tuple[int, int]]:
    """The joints and the angle each stands for: the largest change first, none twice."""
    left = change.copy()
    while left.max() >= LEAST:
        joint, angle = np.unravel_index(left.argmax(), left.shape)
        left[joint], left[:, angle] = 0.0, 0.0
        yield int(joint), int(angle)


def _shares(change: Float[np.ndarray, " 20"], angle: int) -> Float[np.ndarray, " 20"]:
    """How much each angle counts for a joint, sign included; the absolute values sum to 1."""
    kind = _KIND[angle] == _KIND
    counted = np.where(kind & (np.abs(change) >= SHARES * abs(change[angle])), change, 0.0)
    return counted / np.abs(counted).sum()


def _stretch(share: Float[np.ndarray, " 20"], low: float, high: float) -> float:
    """How far the joint turns an angle of the person: 1, or what its range allows.

    What counts is the wider side of a person's range; where its sides are alike, the joint's.

    Args:
        share: of the angles.
        low, high: the joint's limits from its neutral value [rad].
    """
    ends = share[:, None] * RANGES
    closing, opening = ends.max(axis=1).sum(), -ends.min(axis=1).sum()
    room = max(high, -low) if np.isclose(closing, opening) else high if closing > opening else -low
    return min(1.0, room / max(closing, opening))


def _changes(hand: RobotHand, x: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m 20"]:
    """∂(anatomical angles)/∂(joints) of a robot hand, by central differences.

    A thumb's course over the palm counts by the turn it makes, less when the thumb points out of
    the palm.
    """
    steps = _STEP * np.eye(len(x))
    qpos = np.tile(hand.neutral, (2 * len(x), 1))
    qpos[:, hand.tree.input_ids] = np.concatenate([x + steps, x - steps])
    angles = hand_angles(skeleton(hand, hand.expand(hand.reduce(qpos))), hand.side)
    turned = np.mod(angles[: len(x)] - angles[len(x) :] + np.pi, 2 * np.pi) - np.pi
    turned[:, 0] *= np.cos(angles[: len(x), 1])
    turned[:, [finger not in hand.fingers for finger in _FINGER]] = 0.0
    return turned / (2 * _STEP)


def skeleton(hand: RobotHand, qpos: Float[np.ndarray, "T nq"]) -> Float[np.ndarray, "T 21 3"]:
    """A robot's points in the places of a person's keypoints, in the palm frame [m].

    A joint that a finger lacks lies on the bone that spans it; a finger that the hand lacks is
    where its neighbour is.

    Raises:
        InputError: a finger has no point but its tip.
    """
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
