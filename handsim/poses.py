"""Rigid poses x y z qw qx qy qz, and the homogeneous transforms they stand for."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

IDENTITY_POSE = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])


def matrices_from_poses(poses: Float[np.ndarray, "*T 7"]) -> Float[np.ndarray, "*T 4 4"]:
    """Homogeneous transforms of poses x y z qw qx qy qz."""
    transforms = np.zeros((*poses.shape[:-1], 4, 4))
    transforms[..., :3, :3] = (
        Rotation.from_quat(poses[..., 3:].reshape(-1, 4), scalar_first=True)
        .as_matrix()
        .reshape(*poses.shape[:-1], 3, 3)
    )
    transforms[..., :3, 3] = poses[..., :3]
    transforms[..., 3, 3] = 1.0
    return transforms


def poses_from_matrices(transforms: Float[np.ndarray, "*T 4 4"]) -> Float[np.ndarray, "*T 7"]:
    """Poses x y z qw qx qy qz, with qw ≥ 0, of homogeneous transforms."""
    rotations = Rotation.from_matrix(transforms[..., :3, :3].reshape(-1, 3, 3))
    quats = rotations.as_quat(canonical=True, scalar_first=True)
    shape = transforms.shape[:-2]
    return np.concatenate([transforms[..., :3, 3], quats.reshape(*shape, 4)], axis=-1)


def interpolate_poses(
    at: Float[np.ndarray, " S"], times: Float[np.ndarray, " T"], poses: Float[np.ndarray, "T 7"]
) -> Float[np.ndarray, "S 7"]:
    """Poses at other times within the span: linear, and along great arcs."""
    if len(times) == 1:
        return np.repeat(poses, len(at), axis=0)
    position = np.stack([np.interp(at, times, column) for column in poses[:, :3].T], axis=1)
    turn = Slerp(times, Rotation.from_quat(poses[:, 3:], scalar_first=True))(at)
    return np.concatenate([position, turn.as_quat(scalar_first=True)], axis=1)
