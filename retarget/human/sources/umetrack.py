"""UmeTrack: a left hand's joint angles and its profile to keypoints, the right one its mirror.

A profile (``hand_model`` of the user profile's JSON) describes a left hand in its wrist's frame, in
millimetres: 22 joints with a rest position r and an axis a each, of which four a finger from thumb
to pinky are used (the last two are the wrist's), and 21 landmarks, each carried by up to three of
17 bones. Bones 0 and 1 are the wrist; bones 2 + 3 f to 4 + 3 f follow the second, third and fourth
joint of finger f. With T_j(θ) the rotation about the axis through the joint,

    T_j(θ) x = r_j + R(a_j θ_j) (x − r_j),

a bone's motion is the product of its finger's T_j up to its joint, and a landmark is the weighted
mean of where its bones carry it. Landmarks are the five tips, the wrist, the thumb's MCP and IP and
MCP, PIP and DIP of each finger, and the palm's centre. The thumb's CMC is none of them: it is the
rest position of the thumb's first joint, which the wrist carries.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError, InputError
from retarget.human.keypoints import COUNT, FINGERS, NAMES, Side, mirror
from retarget.human.mano import rotation_matrices
from retarget.human.recording import as_numbers
from retarget.human.sources.json_files import first

JOINTS = 22
_DOF, _LANDMARKS, _BONES = 4, 21, 17
_MILLIMETRE = 1e-3
_HUGE = 1e4
_ORDER = (
    *(f"{finger}_tip" for finger in FINGERS),
    *("wrist", "thumb_mcp", "thumb_ip"),
    *(f"{finger}_{joint}" for finger in FINGERS[1:] for joint in ("mcp", "pip", "dip")),
)
_SHAPES: dict[str, tuple[int, ...]] = {
    "joint_rotation_axes": (JOINTS, 3),
    "joint_rest_positions": (JOINTS, 3),
    "landmark_rest_positions": (_LANDMARKS, 3),
    "landmark_rest_bone_indices": (_LANDMARKS, 3),
    "landmark_rest_bone_weights": (_LANDMARKS, 3),
}


@dataclass(frozen=True, eq=False)
class Profile:
    """A person's left hand: positions in metres.

    Attributes:
        axes: of the joints.
        joints: their rest positions [m].
        landmarks: their rest positions [m].
        weights: how much each bone carries each landmark.
    """

    axes: Float[np.ndarray, "22 3"]
    joints: Float[np.ndarray, "22 3"]
    landmarks: Float[np.ndarray, "21 3"]
    weights: Float[np.ndarray, "21 17"]


def read_profile(content: Any, name: str) -> Profile:
    """The profile in the JSON of a user profile.

    Raises:
        FormatError: it lacks an array.
        InputError: a shape or a number is wrong.
    """
    model = first(content, ("hand_model",))
    if not isinstance(model, dict) or not set(_SHAPES) <= set(model):
        raise FormatError(f"{name} has no hand_model with {', '.join(_SHAPES)}.")
    arrays = {
        key: as_numbers(model[key], f"{name}: {key}", shape) for key, shape in _SHAPES.items()
    }
    for key, array in arrays.items():
        if not np.all(np.abs(array) < _HUGE):
            raise InputError(f"{name}: {key} has a number that is not below {_HUGE:g}.")
    bones = arrays["landmark_rest_bone_indices"]
    if not np.isin(bones, np.arange(_BONES)).all():
        raise InputError(f"{name}: landmark_rest_bone_indices, expected bones 0 to {_BONES - 1}.")
    weights = np.zeros((_LANDMARKS, _BONES))
    rows = np.arange(_LANDMARKS)[:, None]
    np.add.at(weights, (rows, bones.astype(int)), arrays["landmark_rest_bone_weights"])
    return Profile(
        arrays["joint_rotation_axes"],
        _MILLIMETRE * arrays["joint_rest_positions"],
        _MILLIMETRE * arrays["landmark_rest_positions"],
        weights,
    )


def keypoints(
    profile: Profile,
    angles: Float[np.ndarray, "T 22"],
    turns: Float[np.ndarray, "T 3 3"],
    wrist: Float[np.ndarray, "T 3"],
    side: Side,
) -> Float[np.ndarray, "T 21 3"]:
    """Keypoints [m] in the canonical order, NaN where an input is.

    Args:
        profile: the person's left hand.
        angles: of the joints [rad]; the last two are not used.
        turns: orientation of the wrist.
        wrist: its position [m].
        side: a right hand is the left one mirrored, x → −x in the wrist's frame.
    """
    local = np.empty((len(angles), COUNT, 3))
    landmarks = _landmarks(profile, angles)
    for index, name in enumerate(_ORDER):
        local[:, NAMES.index(name)] = landmarks[:, index]
    local[:, NAMES.index("thumb_cmc")] = profile.joints[0]
    if side == "right":
        local = mirror(local)
    return local @ np.swapaxes(turns, 1, 2) + wrist[:, None]


def _landmarks(profile: Profile, angles: Float[np.ndarray, "T 22"]) -> Float[np.ndarray, "T 21 3"]:
    """All landmarks [m] in the left wrist's frame."""
    turns, moves = _bones(profile, angles)
    carried = np.einsum("tbij,lj->tbli", turns, profile.landmarks) + moves[:, :, None]
    return np.asarray(np.einsum("lb,tbli->tli", profile.weights, carried))


def _bones(
    profile: Profile, angles: Float[np.ndarray, "T 22"]
) -> tuple[Float[np.ndarray, "T 17 3 3"], Float[np.ndarray, "T 17 3"]]:
    """How each bone has moved from its rest: rotation and translation [m]."""
    sane = np.where(np.abs(angles) < _HUGE, angles, np.nan)
    local = rotation_matrices(sane[..., None] * profile.axes)
    turns = np.tile(np.eye(3), (len(angles), _BONES, 1, 1))
    moves = np.zeros((len(angles), _BONES, 3))
    for finger in range(len(FINGERS)):
        turn, move = turns[:, 0], moves[:, 0]
        for place in range(_DOF):
            joint = _DOF * finger + place
            rest = profile.joints[joint]
            move = move + (turn @ (rest - local[:, joint] @ rest)[..., None])[..., 0]
            turn = turn @ local[:, joint]
            if place > 0:
                bone = 1 + (_DOF - 1) * finger + place
                turns[:, bone], moves[:, bone] = turn, move
    return turns, moves
