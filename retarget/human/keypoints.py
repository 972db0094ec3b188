"""The 21 keypoints of a human hand: their order, the palm frame, chirality, bones, other orders.

Index 0 is the wrist; then thumb, index, middle, ring and pinky, four points each from the palm
outwards. The thumb's are CMC, MCP, IP and tip, a finger's MCP, PIP, DIP and tip. OpenPose,
MediaPipe, HaMeR and WiLoR use the same order. Every function takes any number of leading axes.

The palm frame has its origin at the wrist, +z towards the middle knuckle, +x out of the palm (the
side the fingers close to, orthogonal to z) and +y = z × x. It is right-handed on both hands: the
index finger lies on the +y side of a right hand and on the −y side of a left one, so that
reflecting a person is y → −y.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from retarget.human import rigid

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
NAMES = (
    "wrist",
    *("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *("index_mcp", "index_pip", "index_dip", "index_tip"),
    *("middle_mcp", "middle_pip", "middle_dip", "middle_tip"),
    *("ring_mcp", "ring_pip", "ring_dip", "ring_tip"),
    *("pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip"),
)
COUNT = len(NAMES)
WRIST = 0
CHAINS = {
    "thumb": (1, 2, 3, 4),
    "index": (5, 6, 7, 8),
    "middle": (9, 10, 11, 12),
    "ring": (13, 14, 15, 16),
    "pinky": (17, 18, 19, 20),
}
TIPS = tuple(chain[-1] for chain in CHAINS.values())
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
BONES = tuple((parent, child) for child, parent in enumerate(PARENTS) if parent >= 0)
"""The 20 bones as (parent, child), in the order of the child."""

FROM_MANO = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
"""MANO's 16 joints (wrist, index, middle, pinky, ring, thumb) with the five tips appended."""
FROM_MANUS = (0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24)
"""Manus' 25 nodes, WebXR's 25 joints and ARKit's: each finger but the thumb has a metacarpal."""
FROM_OPENXR = tuple(index + 1 for index in FROM_MANUS)
"""OpenXR's 26 joints: the palm first, then as the 25."""
FROM_THUMB_LAST = (0, 17, 18, 19, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
"""Wrist, index, middle, ring, pinky, thumb (D-Grasp and RaiSim)."""

CHIRALITY_THRESHOLD = 0.2
"""Below it a hand is too flat to tell left from right. On eight trackers' recordings (10 800
frames of either hand, 58 to 100 % of them above it) no frame was then on the wrong side."""
_MAJORITY = 0.8

Keypoints = Float[np.ndarray, "*batch 21 3"]


def palm_frame(
    keypoints: Float[np.ndarray, "*batch 21 3"], side: Side
) -> tuple[Float[np.ndarray, "*batch 3 3"], Float[np.ndarray, "*batch 3"]]:
    """The palm frame of each hand: (rotation, origin).

    The columns of the rotation are the palm's x, y and z in the frame of `keypoints`. The normal
    is (index MCP − wrist) × (pinky MCP − wrist) on a right hand, its opposite on a left one, made
    orthogonal to z. A palm without a frame (coincident or collinear points, or any NaN) yields NaN
    in its rotation, never an arbitrary one: the caller decides what an invisible palm means.
    """
    hands = _plain(keypoints)
    rotation = rigid.palm_rotations(hands, side == "right")
    return rotation.reshape(*keypoints.shape[:-2], 3, 3), keypoints[..., WRIST, :]


def palm_pose(
    keypoints: Float[np.ndarray, "*batch 21 3"], side: Side
) -> Float[np.ndarray, "*batch 7"]:
    """The palm frame of each hand as x y z [m] and qw qx qy qz; NaN where it has none."""
    poses = rigid.palm_poses(_plain(keypoints), side == "right")
    return poses.reshape(*keypoints.shape[:-2], 7)


def seen_from(
    pose: Float[np.ndarray, "*batch 7"], keypoints: Float[np.ndarray, "*batch 21 3"]
) -> Float[np.ndarray, "*batch 21 3"]:
    """Keypoints in the frame of a pose (x y z qw qx qy qz) each [m]."""
    poses = np.array(pose, dtype=np.float64).reshape(-1, 7)
    return rigid.seen_from(poses, _plain(keypoints)).reshape(keypoints.shape)


def in_palm_frame(
    keypoints: Float[np.ndarray, "*batch 21 3"], side: Side
) -> Float[np.ndarray, "*batch 21 3"]:
    """Keypoints in their own palm frame [m]; NaN where the palm has no frame."""
    rotation, origin = palm_frame(keypoints, side)
    return (keypoints - origin[..., None, :]) @ rotation


def continuous(poses: Float[np.ndarray, "T 7"]) -> Float[np.ndarray, "T 7"]:
    """The same poses, each quaternion of the two signs the one nearer to that before it."""
    out = poses.copy()
    seen = np.flatnonzero(np.isfinite(poses).all(axis=1))
    turn = poses[seen, 3:]
    flips = np.where((turn[1:] * turn[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    out[seen[1:], 3:] *= np.cumprod(flips)[:, None]
    return out


def mirror(points: Float[np.ndarray, "*batch 3"], axis: int = 0) -> Float[np.ndarray, "*batch 3"]:
    """Points reflected in the plane through the origin across `axis`: a left hand from a right.

    MANO mirrors x (the default); in the palm frame the axis is y, 1. Which plane is a choice of
    frame: in its own palm frame the reflected hand is the same for all.
    """
    sign = np.ones(3)
    sign[axis] = -1.0
    return points * sign


def bone_lengths(
    keypoints: Float[np.ndarray, "*batch 21 3"],
) -> Float[np.ndarray, "*batch 20"]:
    """Length [m] of each bone of `BONES`."""
    parents, children = np.transpose(BONES)
    return np.linalg.norm(keypoints[..., children, :] - keypoints[..., parents, :], axis=-1)


def hand_length(keypoints: Float[np.ndarray, "*batch 21 3"]) -> Float[np.ndarray, "*batch"]:
    """Length [m] from the wrist along the bones of the middle finger to its tip."""
    middle = [child - 1 for child in CHAINS["middle"]]
    return np.asarray(bone_lengths(keypoints)[..., middle].sum(-1))


def chirality_score(keypoints: Float[np.ndarray, "*batch 21 3"]) -> Float[np.ndarray, "*batch"]:
    """How plainly each hand is a right one (positive) or a left one (negative); NaN if degenerate.

    Fingers bend towards the palm, and the thumb rises out of it. With bones b, the lateral unit
    vector l from the pinky knuckle to the index knuckle and the normal n of a right palm,

        score = mean over fingers of [(b₁ × b₂)·l + (b₂ × b₃)·l]  +  thumb·n,

    all of them unit vectors, the thumb's from the wrist to its tip. Each product is odd under
    reflection, so the mirrored hand scores exactly the opposite. The knuckles themselves are left
    out: they also bend backwards.
    """
    lateral, _ = _normalised(keypoints[..., 5, :] - keypoints[..., 17, :])
    normal, _ = _normalised(_radial_normal(keypoints))
    thumb, _ = _normalised(keypoints[..., 4, :] - keypoints[..., WRIST, :])
    chains = np.array([CHAINS[finger] for finger in FINGERS[1:]])
    bones, _ = _normalised(np.diff(keypoints[..., chains, :], axis=-2))
    bends = np.cross(bones[..., :-1, :], bones[..., 1:, :])
    flexion = (bends * lateral[..., None, None, :]).sum(-1)
    return np.asarray(flexion.sum(-1).mean(-1) + (thumb * normal).sum(-1))


def chirality_votes(keypoints: Float[np.ndarray, "*batch 21 3"]) -> tuple[int, int]:
    """How many of the hands are unambiguously (left, right)."""
    score = chirality_score(keypoints)
    left = int(np.count_nonzero(score < -CHIRALITY_THRESHOLD))
    return left, int(np.count_nonzero(score > CHIRALITY_THRESHOLD))


def chirality(keypoints: Float[np.ndarray, "*batch 21 3"]) -> Side | None:
    """The side four in five of the unambiguous hands agree on; None when there is no such side."""
    left, right = chirality_votes(keypoints)
    if max(left, right) < _MAJORITY * (left + right) or left == right:
        return None
    return "right" if right > left else "left"


def _plain(keypoints: Float[np.ndarray, "*batch 21 3"]) -> Float[np.ndarray, "N 21 3"]:
    """A writable copy in one block: compiled code is compiled anew for any other kind of array."""
    return np.array(keypoints, dtype=np.float64, order="C").reshape(-1, COUNT, 3)


def _radial_normal(points: np.ndarray) -> np.ndarray:
    """(index MCP − wrist) × (pinky MCP − wrist): out of a right palm, out of the back of a left."""
    wrist = points[..., WRIST, :]
    index, pinky = points[..., CHAINS["index"][0], :], points[..., CHAINS["pinky"][0], :]
    return np.cross(index - wrist, pinky - wrist)


def _normalised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(unit vectors, lengths); a zero vector becomes NaN without a warning."""
    length = np.asarray(np.linalg.norm(vectors, axis=-1))
    safe = np.where(length > 0, length, np.nan)
    return vectors / safe[..., None], length
