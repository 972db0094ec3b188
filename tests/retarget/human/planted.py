"""A planted person: MANO's mean hand, closing and opening while it turns and travels."""

import numpy as np
from scipy.spatial.transform import Rotation

from retarget.human.hand_trajectory import HandTrajectory, ManoParameters
from retarget.human.keypoints import mirror
from retarget.human.mano import keypoints_from_mano, mirror_rotations, rotation_matrices


def right_parameters(count=40, seed=0):
    """Smooth parameters of the right model, fingers bent by 20 to 80 degrees, thumb opposed."""
    rng = np.random.default_rng(seed)
    phase = np.linspace(0, 2 * np.pi, count)
    bend = 0.35 + 0.5 * (1 + np.sin(phase)) / 2
    pose = rng.normal(0, 0.05, (1, 15, 3)) * np.sin(phase)[:, None, None]
    pose[:, :12, 2] += bend[:, None]
    pose[:, 12, 0] += 0.5
    orient = np.outer(np.sin(phase / 2), rng.normal(0, 1, 3))
    transl = np.stack([0.1 * np.sin(phase), 0.05 * np.cos(phase), 0.4 + 0.1 * phase], axis=1)
    return ManoParameters(
        np.zeros((count, 10)), rotation_matrices(orient), rotation_matrices(pose), transl
    )


def parameters(side="right", count=40, seed=0):
    """The same person's other hand is the mirror image."""
    right = right_parameters(count, seed)
    if side == "right":
        return right
    turns = (mirror_rotations(right.global_orient), mirror_rotations(right.hand_pose))
    return ManoParameters(right.betas, *turns, mirror(right.transl))


def keypoints(side="right", count=40, seed=0):
    return keypoints_from_mano(parameters(side, count, seed), side)


def motion(side="right", count=40, seed=0, **known):
    times = np.arange(count) / 30.0
    return HandTrajectory.from_keypoints(times, keypoints(side, count, seed), side, **known)


def random_rotation(seed):
    return Rotation.random(random_state=np.random.default_rng(seed)).as_matrix()
