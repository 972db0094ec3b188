"""From what datasets store of MANO to its parameters and keypoints, by a user's own MANO file."""

import numpy as np
from jaxtyping import Float

from retarget.human.hand_trajectory import ManoParameters
from retarget.human.keypoints import FROM_MANO
from retarget.human.mano import TIP_VERTICES, forward, rotation_matrices
from retarget.human.mano_model import ManoModel


def hand_pose(
    model: ManoModel, values: Float[np.ndarray, "T n"], components: bool, flat: bool
) -> Float[np.ndarray, "T 15 3 3"]:
    """Rotations of the finger joints; NaN stays NaN.

    Args:
        model: the MANO model of the hand's side.
        values: coefficients of the first n principal components, or 45 rotation vectors' numbers.
        components: which of the two they are.
        flat: whether they are counted from the flat hand, rather than from the model's mean pose.
    """
    vectors = values @ model.components[: values.shape[1]] if components else values
    if not flat:
        vectors = vectors + model.mean
    return rotation_matrices(vectors.reshape(-1, 15, 3))


def keypoints(model: ManoModel, parameters: ManoParameters) -> Float[np.ndarray, "T 21 3"]:
    """Keypoints [m] of the shape that `betas` say; NaN where the parameters are.

    A tip is its vertex of the shaped, flat hand, carried by its last joint: what the pose adds to
    it (about a millimetre) is left out.
    """
    rotations = np.concatenate([parameters.global_orient[:, None], parameters.hand_pose], axis=1)
    points = np.full((len(parameters), 21, 3), np.nan)
    seen = np.isfinite(parameters.betas).all(axis=1)
    shapes, which = np.unique(parameters.betas[seen], axis=0, return_inverse=True)
    for index, betas in enumerate(shapes):
        rows = np.flatnonzero(seen)[which == index]
        rest = rest_keypoints(model, betas)
        wrist = parameters.transl[rows] + rest[0]
        points[rows] = forward(rotations[rows], wrist, rest)
    return points


def rest_keypoints(model: ManoModel, betas: Float[np.ndarray, "10"]) -> Float[np.ndarray, "21 3"]:
    """Keypoints [m] of the flat hand of a shape, where the model has them when transl is zero."""
    vertices = model.v_template + model.shapedirs @ betas
    joints = model.joint_regressor @ vertices
    return np.concatenate([joints, vertices[list(TIP_VERTICES)]])[list(FROM_MANO)]
