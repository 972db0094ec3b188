"""An anatomical hand of joint angles: the forward kinematics of an average right hand.

Twenty joint angles in, 21 keypoints in the palm frame out. Bone lengths are means over trackers'
recordings (the sd of a finger's bones is 1.5 to 2.8 mm). The layout of the palm and the thumb's
neutral direction follow the same hands.
"""

from functools import cache

import numpy as np
from jaxtyping import Float

from retarget.human.angles import RANGES as PALM_RANGES
from retarget.human.keypoints import CHAINS, COUNT, FINGERS, Side, mirror

_CMC_RANGES = np.deg2rad([(-45, 74), (-35, 35)])
RANGES = np.concatenate([_CMC_RANGES, PALM_RANGES[2:]])
"""Anatomical range of motion (20, 2) [rad], limits of the solved and bounds of every pose."""

BONES_MM = {
    "thumb": (30.5, 51.2, 31.9, 27.3),
    "index": (95.2, 42.3, 24.2, 21.5),
    "middle": (91.2, 47.2, 28.1, 22.4),
    "ring": (89.6, 41.3, 26.3, 21.6),
    "pinky": (85.9, 32.4, 18.3, 19.1),
}
"""Wrist to CMC (thumb) or MCP (fingers), then the bones outwards; the last one to the tip."""

RADII_MM = {"thumb": 8.5, "index": 7.5, "middle": 7.5, "ring": 7.0, "pinky": 6.5}
"""Half the thickness of each finger's flesh, as one capsule a bone."""

# The knuckles' directions from the wrist: y/z in the palm plane, and one x/z for index and pinky,
# which the palm frame demands, for the transverse arch.
_SPREAD = {"index": 0.226, "middle": 0.0, "ring": -0.223, "pinky": -0.477}
_ARCH = {"index": 0.038, "middle": 0.0, "ring": 0.009, "pinky": 0.038}
# Neutral fingers fan out in the palm plane and, being rolled, converge as they flex [deg].
_FAN = {"index": 3.0, "middle": 0.0, "ring": -4.0, "pinky": -9.0}
_ROLL = {"index": -3.0, "middle": 0.0, "ring": 3.0, "pinky": 8.0}
_THUMB_ROOT = (0.30, 0.62, 0.73)
_THUMB_ALONG = (0.42, 0.42, 0.80)
_THUMB_PAD = (-0.22, -0.90, 0.25)
# Opposition turns the metacarpal about its own axis, by this much an angle of flexion.
_PRONATION = 0.60


def hand_keypoints(
    angles: Float[np.ndarray, "*batch 20"], side: Side = "right"
) -> Float[np.ndarray, "*batch 21 3"]:
    """The 21 keypoints of the hand at joint `angles` [rad], in its palm frame [m].

    Each finger is a chain of four hinges and three bones in a frame at its knuckle whose z runs
    along the straight finger and whose x points out of its pad. A finger's MCP flexes about y, then
    abducts about the x it has carried along (the order of the ISB recommendation for the hand); PIP
    and DIP flex about y. The thumb's CMC flexes and abducts likewise and pronates with its flexion.
    Angles in `RANGES` are plausible; others are computed all the same. A left hand is the mirror
    image of the right one at the same angles.
    """
    points = np.zeros((*angles.shape[:-1], COUNT, 3))
    for finger, chain in CHAINS.items():
        points[..., chain[0], :] = _roots()[finger][0]
        lengths = 1e-3 * np.array(BONES_MM[finger][1:])
        for bone, frame in enumerate(bone_frames(finger, angles)):
            step = lengths[bone] * frame[..., :, 2]
            points[..., chain[bone + 1], :] = points[..., chain[bone], :] + step
    return points if side == "right" else mirror(points, axis=1)


@cache
def _roots() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each finger's root [m] and base frame in the palm frame of a right hand."""
    along = np.array(_THUMB_ALONG) / np.linalg.norm(_THUMB_ALONG)
    pad = np.array(_THUMB_PAD) - np.dot(_THUMB_PAD, along) * along
    pad /= np.linalg.norm(pad)
    roots = {"thumb": (np.array(_THUMB_ROOT), np.stack([pad, np.cross(along, pad), along], 1))}
    for finger in FINGERS[1:]:
        fan, roll = np.deg2rad([-_FAN[finger], _ROLL[finger]])
        roots[finger] = (np.array([_ARCH[finger], _SPREAD[finger], 1.0]), _x(fan) @ _z(roll))
    return {
        finger: (1e-3 * BONES_MM[finger][0] * root / np.linalg.norm(root), base)
        for finger, (root, base) in roots.items()
    }


def bone_frames(finger: str, angles: np.ndarray) -> list[np.ndarray]:
    """The frames (..., 3, 3) of the three bones of a finger: x out of the pad, z along."""
    flexion, abduction, middle, distal = np.moveaxis(angles[..., angle_slots(finger)], -1, 0)
    first = _roots()[finger][1] @ _y(flexion) @ _x(-abduction)
    if finger == "thumb":
        first = first @ _z(-_PRONATION * flexion)
    second = first @ _y(middle)
    return [first, second, second @ _y(distal)]


def _x(angle: np.ndarray | float) -> np.ndarray:
    return _about(0, angle)


def _y(angle: np.ndarray | float) -> np.ndarray:
    return _about(1, angle)


def _z(angle: np.ndarray | float) -> np.ndarray:
    return _about(2, angle)


def _about(axis: int, angle: np.ndarray | float) -> np.ndarray:
    """Rotations (..., 3, 3) by `angle` (...) about a coordinate axis."""
    turn = np.zeros((*np.shape(angle), 3, 3))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    turn[..., axis, axis] = 1.0
    turn[..., one, one] = turn[..., two, two] = np.cos(angle)
    turn[..., two, one] = np.sin(angle)
    turn[..., one, two] = -turn[..., two, one]
    return turn


def angle_slots(finger: str) -> slice:
    """Where the angles of a finger are among `ANGLES`."""
    first = 4 * FINGERS.index(finger)
    return slice(first, first + 4)
