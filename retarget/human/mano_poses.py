"""The ways to write MANO's rotations: matrices, rotation vectors, principal components, 6D.

`ManoParameters` holds matrices, with the mean pose included. Files hold rotation vectors or
coefficients of MANO's principal components of them, either of which may leave the mean pose to be
added (`flat_hand=False`, smplx's `flat_hand_mean`); networks predict the first two columns of a
matrix (Zhou et al. 2019, "On the Continuity of Rotation Representations in Neural Networks").
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget.human.hand_trajectory import ManoParameters
from retarget.human.keypoints import mirror
from retarget.human.mano import mirror_rotations, rotation_matrices
from retarget.human.mano_model import ManoModel


def rotation_vectors(matrices: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Rotation vectors [rad] of at most π long; NaN stays NaN. Undoes `mano.rotation_matrices`."""
    flat = matrices.reshape(-1, 3, 3)
    vectors = np.full((len(flat), 3), np.nan)
    seen = np.isfinite(flat).all(axis=(1, 2))
    if seen.any():
        vectors[seen] = Rotation.from_matrix(flat[seen]).as_rotvec()
    return vectors.reshape(matrices.shape[:-1])


def columns_6d(matrices: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 6"]:
    """The first column of each matrix, then the second.

    PyTorch3D writes the first two rows instead: `columns_6d` of the transpose.
    """
    return np.concatenate([matrices[..., 0], matrices[..., 1]], axis=-1)


def matrices_from_6d(columns: Float[np.ndarray, "*batch 6"]) -> Float[np.ndarray, "*batch 3 3"]:
    """The rotations whose first columns the given ones become by Gram and Schmidt's method.

    Columns that are zero or parallel have none: NaN, as is NaN.
    """
    first = _unit(columns[..., :3])
    second = columns[..., 3:]
    second = _unit(second - (first * second).sum(-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def pose_from_vectors(
    model: ManoModel, vectors: Float[np.ndarray, "T 45"], flat_hand: bool
) -> Float[np.ndarray, "T 15 3 3"]:
    """The finger joints' rotations from rotation vectors [rad].

    Args:
        model: of the hand's own side.
        vectors: a frame's 15 vectors in MANO's order.
        flat_hand: whether zeros mean the flat hand; else they mean the model's mean pose.
    """
    whole = vectors if flat_hand else vectors + model.mean
    return rotation_matrices(whole.reshape(-1, 15, 3))


def pose_from_pca(
    model: ManoModel, coefficients: Float[np.ndarray, "T n"], flat_hand: bool
) -> Float[np.ndarray, "T 15 3 3"]:
    """The finger joints' rotations from the coefficients of the first n principal components.

    Args:
        model: of the hand's own side.
        coefficients: of `model.components`, at most 45.
        flat_hand: whether zeros mean the flat hand; else they mean the model's mean pose.

    Raises:
        InputError: there are more coefficients than components.
    """
    basis = _components(model, coefficients.shape[1])
    return pose_from_vectors(model, coefficients @ basis, flat_hand)


def pca_from_pose(
    model: ManoModel, hand_pose: Float[np.ndarray, "T 15 3 3"], flat_hand: bool, count: int = 45
) -> Float[np.ndarray, "T n"]:
    """The coefficients of the first `count` components that come nearest to a pose.

    Nearest in its rotation vectors; 45 coefficients give any pose back.

    Raises:
        InputError: there are fewer components.
    """
    vectors = rotation_vectors(hand_pose).reshape(-1, 45)
    if not flat_hand:
        vectors = vectors - model.mean
    return vectors @ np.linalg.pinv(_components(model, count))


def mirror_parameters(parameters: ManoParameters) -> ManoParameters:
    """The parameters of the mirror image, x → −x, for the model of the other side.

    The models of the two sides are mirror images, so the betas are the same.
    """
    return ManoParameters(
        betas=parameters.betas,
        global_orient=mirror_rotations(parameters.global_orient),
        hand_pose=mirror_rotations(parameters.hand_pose),
        transl=mirror(parameters.transl),
    )


def _components(model: ManoModel, count: int) -> Float[np.ndarray, "n 45"]:
    if not 1 <= count <= len(model.components):
        raise InputError(f"{count} principal components, expected 1 to {len(model.components)}.")
    return model.components[:count]


def _unit(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)
