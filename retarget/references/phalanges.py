"""Which of a person's keypoints each point of a robot's finger stands for, and the bones between.

A finger's points are MCP, PIP, DIP and tip, a thumb's CMC, MCP, IP and tip, as far as the hand has
them.
"""

from itertools import pairwise
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Int

from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.keypoints import CHAINS

_JOINTS = {"thumb": ("cmc", "mcp", "ip", "tip")}
_FINGER_JOINTS = ("mcp", "pip", "dip", "tip")


class Phalanges(NamedTuple):
    """D bones of a robot hand, and the person's in their place.

    Attributes:
        origin, point: positions in the hand's `point_names` of each bone's ends, palm first.
        length: of the robot's bones at its neutral pose [m].
        target: the person's directions at the robot's lengths, in the robot's palm frame [m].
    """

    origin: Int[np.ndarray, " D"]
    point: Int[np.ndarray, " D"]
    length: Float[np.ndarray, " D"]
    target: Float[np.ndarray, "T D 3"]


def finger_points(hand: RobotHand, finger: str) -> list[tuple[int, int]]:
    """(position in the hand's `point_names`, keypoint) of a finger's points, palm first."""
    names = [f"{finger}_{joint}" for joint in _JOINTS.get(finger, _FINGER_JOINTS)]
    return [
        (hand.point_names.index(name), keypoint)
        for name, keypoint in zip(names, CHAINS[finger], strict=True)
        if name in hand.point_names
    ]


def has_knuckles(hand: RobotHand) -> bool:
    """Whether every finger has another point than its tip."""
    return all(len(finger_points(hand, finger)) > 1 for finger in hand.fingers)


def require_knuckles(hand: RobotHand) -> None:
    """Check that every finger has another point than its tip.

    Raises:
        InputError: one has not.
    """
    for finger in hand.fingers:
        if len(finger_points(hand, finger)) < 2:
            joints = _JOINTS.get(finger, _FINGER_JOINTS)[:-1]
            raise InputError(
                f"The {finger} of {hand.name!r} has the point {finger}_tip alone; expected one of "
                f"{', '.join(f'{finger}_{joint}' for joint in joints)} too, for a finger's shape."
            )


def last_phalanges(
    hand: RobotHand,
    keypoints: Float[np.ndarray, "T 21 3"],
    calibration: Calibration,
    count: int = 1,
) -> Phalanges:
    """The last `count` bones of each finger, fewer where it has fewer; bone by bone as the person.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite.
        calibration: of this person and hand; only its rotation is used.
        count: bones a finger.
    """
    origin, point, near, far, length = _ends(hand, count)
    bones = (keypoints[:, far] - keypoints[:, near]) @ calibration.rotation.T
    person = np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-6)
    return Phalanges(origin, point, length, length[:, None] * bones / person)


_found: WeakKeyDictionary[RobotHand, dict[int, tuple[np.ndarray, ...]]] = WeakKeyDictionary()


def _ends(hand: RobotHand, count: int) -> tuple[np.ndarray, ...]:
    """Ends of the bones among a hand's points and a person's keypoints, and the robot's lengths.

    They are looked for once a hand: a frame that comes online has no time for it.
    """
    known = _found.setdefault(hand, {})
    if count not in known:
        pairs = [p for f in hand.fingers for p in list(pairwise(finger_points(hand, f)))[-count:]]
        (origin, near), (point, far) = (
            np.array(pairs, dtype=np.int64).reshape(-1, 2, 2).transpose(1, 2, 0)
        )
        at_rest = hand.points(hand.neutral[None])[0]
        length = np.linalg.norm(at_rest[point] - at_rest[origin], axis=-1)
        known[count] = origin, point, near, far, length
    return known[count]
