"""How much a robot hand's posture looks like the person's: links, bends and the fingers' order.

Fingertips that are where they should be leave a finger free to bend backwards or to cross its
neighbour. Points are in the palm frame [m]; a figure that a hand does not define (the bends of a
hand without middle joints) is nan. `valid` (T,) marks the frames that count.

Robots and people share the names of points, `retarget.human.keypoints.NAMES`. A link is the vector
between two named points of a finger that follow each other on the robot; on the person it is the
vector between the same two, over a joint that the robot lacks.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from retarget.human.keypoints import FINGERS, NAMES, Side

BENT_BACK, STRAIGHT = np.deg2rad([-12.0, -5.0])
"""A joint is bent back below the first [rad] while the person's is above the second."""
BENT_OVER = np.deg2rad(50.0)
"""A joint is bent over when it bends this much more than the person's [rad]."""
SWAPPED = 0.002
"""Neighbouring tips are swapped when this far on each other's wrong side [m]."""


def links(point_names: tuple[str, ...]) -> list[tuple[str, str]]:
    """The links of a robot's fingers that point somewhere, by the names of their ends.

    Of a finger those between its knuckle and its tip, of the thumb the last two: where a thumb
    begins, each robot has its own arrangement.
    """
    found = []
    for finger in FINGERS:
        chain = _chain(point_names, finger)
        ends = list(pairwise(chain))
        found += ends[-2:] if finger == "thumb" else ends
    return found


def link_vectors(
    points: Float[np.ndarray, "T P 3"], names: tuple[str, ...], ends: list[tuple[str, str]]
) -> Float[np.ndarray, "T L 3"]:
    """The links between named points [m]."""
    index = np.array([[names.index(a), names.index(b)] for a, b in ends], dtype=np.int64)
    start, end = index.reshape(-1, 2).T
    return points[:, end] - points[:, start]


def bends(
    points: Float[np.ndarray, "T P 3"], names: tuple[str, ...], joints: list[tuple[str, str, str]]
) -> Float[np.ndarray, "T B"]:
    """The angle between the links before and after each joint [rad], positive towards the palm.

    In the palm frame fingers close about +y on both hands (`retarget.human.keypoints`).
    """
    before = link_vectors(points, names, [(a, b) for a, b, _ in joints])
    after = link_vectors(points, names, [(b, c) for _, b, c in joints])
    across = np.cross(before, after)
    angle = np.arctan2(np.linalg.norm(across, axis=-1), (before * after).sum(axis=-1))
    return np.where(across[..., 1] < 0, -angle, angle)


def finger_joints(point_names: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """The joints inside a robot's fingers, the thumb left out, each between two links."""
    chains = [_chain(point_names, finger) for finger in FINGERS[1:]]
    return [joint for c in chains for joint in zip(c[:-2], c[1:-1], c[2:], strict=True)]


def bend_error_deg(
    robot: Float[np.ndarray, "T B"], human: Float[np.ndarray, "T B"], valid: Bool[np.ndarray, " T"]
) -> float:
    """Mean difference of the joints' bends, `bends` of both [deg]."""
    return float(np.rad2deg(_mean(np.abs(robot - human)[valid])))


def hyper_bent_percent(
    robot: Float[np.ndarray, "T B"], human: Float[np.ndarray, "T B"], valid: Bool[np.ndarray, " T"]
) -> float:
    """Share of (frame, joint) bent as the person's is not, `bends` of both [%].

    Bent back by more than 12 degrees while the person's joint is not, or bent by 50 degrees more.
    """
    back = (robot < BENT_BACK) & (human > STRAIGHT)
    return 100 * _mean((back | (robot > human + BENT_OVER))[valid])


def swapped_percent(
    robot: Float[np.ndarray, "T F 3"],
    human: Float[np.ndarray, "T F 3"],
    side: Side,
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Share of frames with two neighbouring tips in the wrong order across the palm [%].

    Args:
        robot: tips of the fingers without the thumb, in their order from the index on.
        human: those of the person, same fingers.
        side: of both hands.
        valid: the frames that count.
    """
    outwards = -1.0 if side == "right" else 1.0
    ahead, person = (outwards * np.diff(tips[..., 1], axis=1) for tips in (robot, human))
    wrong = (ahead < -SWAPPED) & (person > 0)
    return 100 * _mean(wrong[valid].any(axis=1))


def penetration_percent(
    depth: Float[np.ndarray, " T"], valid: Bool[np.ndarray, " T"], deep: float = 0.002
) -> float:
    """Share of frames in which two links overlap by more than `deep` [m] [%].

    `depth` is that of `handsim.contact.self_penetration`.
    """
    return 100 * _mean(depth[valid] > deep)


def _chain(point_names: tuple[str, ...], finger: str) -> list[str]:
    """The robot's points of a finger that a person has too, from the palm outwards."""
    return [name for name in NAMES if name.startswith(f"{finger}_") and name in point_names]


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
