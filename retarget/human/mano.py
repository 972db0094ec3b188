"""MANO at the level of its joints: parameters to keypoints, without the MANO file.

A hand's joints follow from its rotations and a rest skeleton,

    G_0 = global_orient,   G_j = G_parent(j) hand_pose_j,
    p_0 = transl + J_0,    p_j = p_parent(j) + G_parent(j) (r_j − r_parent(j)),

with r the rest joints and J_0 the rest wrist, about which the model turns. A finger tip is a
vertex, carried by its last joint. The rest skeleton here is that of the mean shape, measured on
published keypoints: it is exact to 0.0–0.7 mm where betas are near zero and 6 mm off at betas of
about 2. `fit_rest_skeleton` recovers the skeleton of any shape from keypoints of that shape.

MANO's bones are no anatomy: its proximal phalanx of the index is 33 mm, trackers measure 42 mm.
Template axes of the right hand: fingers −x, out of the palm −y, thumb +z. The left is its mirror
image, x → −x.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget.human.hand_trajectory import ManoParameters
from retarget.human.keypoints import COUNT, FROM_MANO, PARENTS, Side, mirror

TIP_VERTICES = (744, 320, 443, 554, 671)
"""Vertices smplx, HaMeR and WiLoR take for tips: thumb, index, middle, ring, pinky."""
TIPS = "MANO vertices 744 320 443 554 671"
"""How a `Source` names those tips."""

JOINTS = 16
_REST_WRIST_RIGHT = np.array([0.0957, 0.0064, 0.0062])
_REST_RIGHT = 1e-3 * np.array(
    [
        [0.0, 0.0, 0.0],
        [-24.09, -15.52, 25.81],
        [-43.72, -14.63, 49.51],
        [-65.94, -20.06, 64.04],
        [-91.99, -22.71, 87.2],
        [-88.1, -5.2, 20.69],
        [-120.78, -1.19, 22.9],
        [-142.93, -2.49, 22.79],
        [-168.16, -1.47, 22.27],
        [-94.66, -1.48, -3.36],
        [-125.84, 0.38, -8.95],
        [-148.75, -0.87, -12.9],
        [-174.33, 2.84, -16.98],
        [-81.74, -3.96, -26.67],
        [-110.05, -1.89, -31.77],
        [-133.57, -3.58, -39.41],
        [-157.73, 0.2, -46.83],
        [-68.79, -9.94, -43.21],
        [-85.8, -9.88, -55.71],
        [-101.67, -10.57, -66.04],
        [-120.9, -9.01, -76.7],
    ]
)


def rest_skeleton(side: Side) -> Float[np.ndarray, "21 3"]:
    """Keypoints [m] of the flat hand of mean shape, wrist at the origin, in the template's axes."""
    return _REST_RIGHT.copy() if side == "right" else mirror(_REST_RIGHT)


def rest_wrist(side: Side) -> Float[np.ndarray, "3"]:
    """The wrist joint [m] of the template of mean shape: where it is when transl is zero."""
    return _REST_WRIST_RIGHT.copy() if side == "right" else mirror(_REST_WRIST_RIGHT)


def keypoints_from_mano(
    parameters: ManoParameters, side: Side, rest: Float[np.ndarray, "21 3"] | None = None
) -> Float[np.ndarray, "T 21 3"]:
    """Keypoints [m] of the parameters of a model of `side`; NaN where the parameters are.

    Args:
        parameters: betas are not used: `rest` stands for them.
        side: whose model the parameters belong to.
        rest: the rest skeleton with its wrist at the origin; that of the mean shape by default.
    """
    rotations = np.concatenate([parameters.global_orient[:, None], parameters.hand_pose], axis=1)
    skeleton = rest_skeleton(side) if rest is None else rest
    return forward(rotations, parameters.transl + rest_wrist(side), skeleton)


def forward(
    rotations: Float[np.ndarray, "T 16 3 3"],
    wrist: Float[np.ndarray, "T 3"],
    rest: Float[np.ndarray, "21 3"],
) -> Float[np.ndarray, "T 21 3"]:
    """Keypoints [m] in the canonical order.

    Args:
        rotations: of MANO's joints in MANO's order against their parents, the wrist's first; see
            `rotation_matrices` for axis-angle.
        wrist: position of the wrist [m].
        rest: keypoints of the rest pose [m]; only their differences matter.
    """
    totals = _total_rotations(rotations)
    points = np.empty((len(rotations), COUNT, 3))
    points[:, 0] = wrist
    for child, parent in enumerate(PARENTS[1:], start=1):
        points[:, child] = points[:, parent] + totals[parent] @ (rest[child] - rest[parent])
    return points


def _total_rotations(
    rotations: Float[np.ndarray, "T 16 3 3"],
) -> dict[int, Float[np.ndarray, "T 3 3"]]:
    """The orientation of each joint's frame, by canonical index; tips have none."""
    totals = {0: rotations[:, 0]}
    for child, parent in enumerate(PARENTS[1:], start=1):
        if FROM_MANO[child] < JOINTS:
            totals[child] = totals[parent] @ rotations[:, FROM_MANO[child]]
    return totals


def fit_rest_skeleton(
    parameters: ManoParameters, keypoints: Float[np.ndarray, "T 21 3"]
) -> Float[np.ndarray, "21 3"]:
    """The rest skeleton [m], wrist at the origin, whose motion is nearest to `keypoints`.

    Each bone is the mean of G_parentᵀ (p_child − p_parent) over the frames where both are known:
    the least-squares solution, since rotations keep lengths.

    Raises:
        InputError: the counts differ, or no frame has both.
    """
    if keypoints.shape != (len(parameters), COUNT, 3):
        raise InputError(
            f"keypoints: shape {keypoints.shape}, expected ({len(parameters)}, {COUNT}, 3)."
        )
    rotations = np.concatenate([parameters.global_orient[:, None], parameters.hand_pose], axis=1)
    known = np.isfinite(rotations).all(axis=(1, 2, 3)) & np.isfinite(keypoints).all(axis=(1, 2))
    if not known.any():
        raise InputError("No frame has both keypoints and parameters, expected at least one.")
    totals, points = _total_rotations(rotations[known]), keypoints[known]
    rest = np.zeros((COUNT, 3))
    for child, parent in enumerate(PARENTS[1:], start=1):
        bone = (points[:, child] - points[:, parent])[:, None] @ totals[parent]
        rest[child] = rest[parent] + bone[:, 0].mean(axis=0)
    return rest


def rotation_matrices(axis_angle: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices of rotation vectors [rad]; NaN stays NaN."""
    flat = np.asarray(axis_angle, dtype=np.float64).reshape(-1, 3)
    matrices = np.full((len(flat), 3, 3), np.nan)
    seen = np.isfinite(flat).all(axis=1)
    if seen.any():
        matrices[seen] = Rotation.from_rotvec(flat[seen]).as_matrix()
    return matrices.reshape(*axis_angle.shape[:-1], 3, 3)


def mirror_rotations(
    matrices: Float[np.ndarray, "*batch 3 3"],
) -> Float[np.ndarray, "*batch 3 3"]:
    """The rotations of the mirror image, x → −x: M R M with M = diag(−1, 1, 1).

    As rotation vectors: y and z change sign.
    """
    sign = np.array([-1.0, 1.0, 1.0])
    return matrices * np.outer(sign, sign)
