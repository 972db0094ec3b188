"""Keypoints to MANO's pose: 21 points a frame in, rotations and one rest skeleton out.

A chain of bones reaches whatever points bones of those lengths can reach, so the fit is closed:

1. The wrist and the first joints of the fingers are a rigid palm. Its shape is the median of the
   frames laid upon each other, and what lays it on a frame is the wrist's rotation (Kabsch 1976).
2. A bone's length is its median over the frames, its direction at rest that of MANO's template, so
   that the identity is the flat hand of this person, as nearly as points can tell.
3. From the knuckle outwards each bone is aimed at the point seen at its far end: from the point
   seen at its near end, or from where the fit has that end, or, as here, from half-way between.
   On a tracker whose bones keep their lengths all three are the same; elsewhere the first lets
   what is wrong with the lengths add up along a finger and the second trades it for wild angles.

Points do not show how a bone turns about itself. Hinges settle that: PIP and DIP (of the thumb MCP
and IP) flex about an axis that the template has across the finger, and a knuckle flexes about the
same axis, then abducts about one carried along. The knuckle's turn τ about its own bone is the one
that lays the bones after it into the plane their hinges leave them, and none where the finger is
too straight to show a plane: with f the sines of their bends towards the palm and g those of their
angles to the plane, before any turn,

    tan τ = Σ f₊ g / (Σ f₊² + λ).

Bends backwards do not count, so τ never passes a right angle and nothing flips over.

No angle is limited, no frame depends on its neighbours: filter a motion that jitters first.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError, unknown
from retarget.human.hand_trajectory import HandTrajectory, ManoParameters
from retarget.human.keypoints import CHAINS, COUNT, FINGERS, FROM_MANO, SIDES, Side, mirror
from retarget.human.mano import mirror_rotations, rest_skeleton, rest_wrist

TWIST_PRIOR = 0.3
"""λ: how much bend it takes to believe that a knuckle is turned. Beside MANO's own rotations of
four recordings 0.2 to 0.5 are alike; smaller, and the thumb of a noisy tracker swings."""

_FINGER_AXIS, _THUMB_AXIS = (0.0, 0.0, 1.0), (0.67, -0.14, 0.73)
"""What fingers flex about in the template of the right hand; the thumb's is measured on poses of
HaMeR, WiLoR, DexMV and VITRA."""

_AIM = 0.5
_CHAINS = np.array([CHAINS[finger] for finger in FINGERS])
_PALM = np.array([0, *_CHAINS[:, 0]])
_PALM_WEIGHTS = np.array([1.0, 0.3, 1.0, 1.0, 1.0, 1.0]) / 5.3
_POSE_SLOTS = np.array(FROM_MANO)[_CHAINS[:, :3]].ravel() - 1
_PALM_ROUNDS = 2


class _Hinges(NamedTuple):
    """A right hand's fingers at rest.

    Attributes:
        axes: columns along the finger, towards the palm and along the flexion axis.
        bones: unit directions of the three bones in those axes.
    """

    axes: Float[np.ndarray, "5 3 3"]
    bones: Float[np.ndarray, "5 3 3"]


def fit_mano(motion: HandTrajectory) -> HandTrajectory:
    """The motion with MANO parameters fitted to its keypoints, in place of any it had.

    The betas are zero: `mano.fit_rest_skeleton(motion.mano, motion.keypoints)` is the person's
    skeleton, with which `mano.keypoints_from_mano` gives the keypoints back.
    """
    seen = np.where(motion.valid[:, None, None], motion.keypoints, np.nan)
    parameters, _ = fit_pose(seen, motion.side)
    return replace(motion, mano=parameters)


def fit_pose(
    keypoints: Float[np.ndarray, "T 21 3"], side: Side
) -> tuple[ManoParameters, Float[np.ndarray, "21 3"]]:
    """MANO's pose and the person's rest skeleton, wrist at the origin [m], from keypoints.

    Args:
        keypoints: in any frame [m]; a frame with a NaN has NaN parameters.
        side: which hand they are of.

    Raises:
        InputError: no frame is whole.
    """
    if side not in SIDES:
        raise unknown("side", side, SIDES)
    seen = np.isfinite(keypoints).all(axis=(1, 2))
    if not seen.any():
        raise InputError(f"None of the {len(keypoints)} frames has all keypoints, expected one.")
    points = keypoints[seen] if side == "right" else mirror(keypoints[seen])
    rest = _rest_skeleton(points)
    turn, wrist = _laid(rest[_PALM], points[:, _PALM])
    orient, pose = _empty(len(seen), 3, 3), _empty(len(seen), 15, 3, 3)
    transl = _empty(len(seen), 3)
    orient[seen], transl[seen] = turn, wrist - rest_wrist("right")
    pose[np.ix_(seen, _POSE_SLOTS)] = _finger_rotations(points, turn, wrist, rest)
    if side == "left":
        orient, pose = mirror_rotations(orient), mirror_rotations(pose)
        transl, rest = mirror(transl), mirror(rest)
    betas = np.where(seen[:, None], np.zeros(10), np.nan)
    return ManoParameters(betas, orient, pose, transl), rest


def _empty(*shape: int) -> Float[np.ndarray, "..."]:
    return np.full(shape, np.nan)


def _rest_skeleton(points: Float[np.ndarray, "N 21 3"]) -> Float[np.ndarray, "21 3"]:
    """A right hand's palm as it is seen and bones as long as they are seen, in the template's axes.

    What turns the palm into the template's axes is a matter of definition.
    """
    template = rest_skeleton("right")
    palm = template[_PALM]
    for _ in range(_PALM_ROUNDS):
        turn, wrist = _laid(palm, points[:, _PALM])
        palm = np.median((points[:, _PALM] - wrist[:, None]) @ turn, axis=0)
        turn, _ = _laid(template[_PALM], palm[None])
        palm = (palm - palm[0]) @ turn[0]
    lengths = np.median(np.linalg.norm(np.diff(points[:, _CHAINS], axis=2), axis=-1), axis=0)
    bones = lengths[..., None] * _unit(np.diff(template[_CHAINS], axis=1))
    rest = np.zeros((COUNT, 3))
    rest[_PALM] = palm
    rest[_CHAINS[:, 1:]] = palm[1:, None] + np.cumsum(bones, axis=1)
    return rest


def _laid(
    shape: Float[np.ndarray, "6 3"], points: Float[np.ndarray, "N 6 3"]
) -> tuple[Float[np.ndarray, "N 3 3"], Float[np.ndarray, "N 3"]]:
    """Rotations and translations that lay a palm on points with the least weighted squares.

    The thumb's first joint counts less: trackers disagree where it is, and it does move.
    """
    center, mean = _PALM_WEIGHTS @ shape, _PALM_WEIGHTS @ points
    spread = _PALM_WEIGHTS[:, None] * (shape - center)
    left, _, right = np.linalg.svd(np.swapaxes(points - mean[:, None], 1, 2) @ spread)
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
    turn = left @ right
    return turn, mean - turn @ center


def _hinges() -> _Hinges:
    bones = _unit(np.diff(rest_skeleton("right")[_CHAINS], axis=1))
    along = _unit(bones.sum(axis=1))
    flexion = np.array([_THUMB_AXIS, *[_FINGER_AXIS] * 4])
    flexion = _unit(flexion - (flexion * along).sum(-1, keepdims=True) * along)
    axes = np.stack([along, np.cross(flexion, along), flexion], axis=-1)
    return _Hinges(axes, bones @ axes)


def _finger_rotations(
    points: Float[np.ndarray, "N 21 3"],
    turn: Float[np.ndarray, "N 3 3"],
    wrist: Float[np.ndarray, "N 3"],
    rest: Float[np.ndarray, "21 3"],
) -> Float[np.ndarray, "N 15 3 3"]:
    """Rotations of the finger joints against their parents, finger by finger."""
    axes, bones = _hinges()
    seen = points[:, _CHAINS]
    near = wrist[:, None] + rest[_PALM[1:]] @ np.swapaxes(turn, 1, 2)
    lengths = np.linalg.norm(np.diff(rest[_CHAINS], axis=1), axis=-1)
    frame, local = turn[:, None] @ axes, []
    for bone in range(3):
        start = _AIM * near + (1 - _AIM) * seen[:, :, bone]
        aim = _unit(seen[:, :, bone + 1] - start)
        joint = _hinged((aim[:, :, None] @ frame)[:, :, 0], bones[:, bone])
        if bone == 0:
            later = _unit(np.diff(seen[:, :, 1:], axis=2)) @ (frame @ joint)
            joint = joint @ _about(bones[:, 0], _twist(later, bones))
        frame = frame @ joint
        near = near + lengths[:, bone, None] * (frame @ bones[:, bone, :, None])[..., 0]
        local.append(axes @ joint @ np.swapaxes(axes, 1, 2))
    return np.stack(local, axis=2).reshape(len(points), 15, 3, 3)


def _hinged(
    aim: Float[np.ndarray, "N 5 3"], bone: Float[np.ndarray, "5 3"]
) -> Float[np.ndarray, "N 5 3 3"]:
    """Rotations of a bone to its aim: about the flexion axis, then about an axis carried along."""
    flexion = np.arctan2(aim[..., 1], aim[..., 0])
    lift = np.arcsin(np.clip(aim[..., 2], -1, 1)) - np.arcsin(bone[:, 2])
    back = _about_z(-np.arctan2(bone[:, 1], bone[:, 0]))
    c, s, zero = np.cos(lift), np.sin(lift), np.zeros_like(lift)
    rows = (c, zero, -s, zero, zero + 1, zero, s, zero, c)
    return _about_z(flexion) @ np.stack(rows, axis=-1).reshape(*lift.shape, 3, 3) @ back


def _about_z(angle: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch 3 3"]:
    c, s, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    rows = (c, -s, zero, s, c, zero, zero, zero, zero + 1)
    return np.stack(rows, axis=-1).reshape(*angle.shape, 3, 3)


def _twist(
    later: Float[np.ndarray, "N 5 2 3"], bones: Float[np.ndarray, "5 3 3"]
) -> Float[np.ndarray, "N 5"]:
    """The turns [rad] of the first bones about themselves.

    Args:
        later: directions of the bones after the first, in the frame of the unturned first.
        bones: directions at rest.
    """
    bend = np.maximum(later[..., 1], 0.0)
    off = later[..., 2] - bones[:, 1:, 2]
    return np.arctan((bend * off).sum(-1) / ((bend**2).sum(-1) + TWIST_PRIOR))


def _about(
    axis: Float[np.ndarray, "5 3"], angle: Float[np.ndarray, "N 5"]
) -> Float[np.ndarray, "N 5 3 3"]:
    """Rotations about a unit axis a finger (Rodrigues)."""
    cross = np.cross(axis[:, None], -np.eye(3))
    c, s = np.cos(angle)[..., None, None], np.sin(angle)[..., None, None]
    return np.eye(3) + s * cross + (1 - c) * (cross @ cross)


def _unit(vectors: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Unit vectors; a vector of no length stays one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
