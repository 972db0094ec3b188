"""4 × 4 matrices as trackers give them: poses of them, and worlds turned so that z is up."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_LEAST_SCALE = 0.5


def poses(matrices: Float[np.ndarray, "T rows 4"]) -> Float[np.ndarray, "T 7"]:
    """Poses x y z [m] and qw qx qy qz of matrices (T, 4, 4) or (T, 3, 4).

    Tracked rotations are orthogonal to 1 % only; they become the nearest rotation. A row is NaN
    where its matrix is not finite or is no rotation at all.
    """
    out = np.full((len(matrices), 7), np.nan)
    seen = np.flatnonzero(np.isfinite(matrices).all(axis=(1, 2)))
    left, scale, right = np.linalg.svd(matrices[seen, :3, :3])
    good = scale.min(axis=1, initial=np.inf) > _LEAST_SCALE
    left, right, seen = left[good], right[good], seen[good]
    signs = np.ones((len(seen), 3))
    signs[:, 2] = np.linalg.det(left @ right)
    if len(seen):
        turns = Rotation.from_matrix((left * signs[:, None]) @ right)
        out[seen, 3:] = turns.as_quat(scalar_first=True)
        out[seen, :3] = matrices[seen, :3, 3]
    return out


def upright(points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Points [m] of a world whose y is up, in one whose z is: (x, y, z) → (x, −z, y)."""
    return points @ _Z_UP.T


def upright_matrices(matrices: Float[np.ndarray, "*batch 4 4"]) -> Float[np.ndarray, "*batch 4 4"]:
    """Poses in a world whose y is up, in one whose z is."""
    turn = np.eye(4)
    turn[:3, :3] = _Z_UP
    return turn @ matrices
