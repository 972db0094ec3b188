"""Poses of objects, cameras and heads as rows x y z [m], qw qx qy qz: what streams of them hold.

A pose that is not known is a row of NaN.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget.human.sources.transforms import poses

MEANING = "x y z [m], qw qx qy qz"
"""The columns, for `Stream.meaning`."""

_UNIT_TOLERANCE = 1e-2


def from_matrices(
    turns: Float[np.ndarray, "N 3 3"], positions: Float[np.ndarray, "N 3"]
) -> Float[np.ndarray, "N 7"]:
    """Poses of matrices, see `transforms.poses`."""
    return poses(np.concatenate([turns, positions[..., None]], axis=2))


def from_vectors(
    vectors: Float[np.ndarray, "N 3"], positions: Float[np.ndarray, "N 3"]
) -> Float[np.ndarray, "N 7"]:
    """Poses of rotation vectors [rad]."""
    rows = np.full((len(vectors), 7), np.nan)
    seen = np.isfinite(vectors).all(axis=1) & np.isfinite(positions).all(axis=1)
    rows[seen, :3] = positions[seen]
    if seen.any():
        rows[seen, 3:] = Rotation.from_rotvec(vectors[seen]).as_quat(scalar_first=True)
    return rows


def from_quaternions(
    quaternions: Float[np.ndarray, "N 4"], positions: Float[np.ndarray, "N 3"], name: str
) -> Float[np.ndarray, "N 7"]:
    """Poses of quaternions w x y z, made exactly of unit length.

    Raises:
        InputError: one is off unit length by more than 1 %; `name` is what to call them.
    """
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(quaternions, axis=1, keepdims=True)
    if np.any(np.abs(norms - 1) > _UNIT_TOLERANCE):
        worst = norms[np.nanargmax(np.abs(norms - 1)), 0]
        raise InputError(f"{name}: a quaternion of length {worst:.3g}, expected 1.")
    return np.concatenate([positions, quaternions / norms], axis=1)


def inverted(rows: Float[np.ndarray, "N 7"]) -> Float[np.ndarray, "N 7"]:
    """The pose of A in B from that of B in A."""
    out = np.full(rows.shape, np.nan)
    seen = np.isfinite(rows).all(axis=1)
    if seen.any():
        turn = Rotation.from_quat(rows[seen, 3:], scalar_first=True).inv()
        out[seen, :3] = -turn.apply(rows[seen, :3])
        out[seen, 3:] = turn.as_quat(scalar_first=True)
    return out
