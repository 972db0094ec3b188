"""Workspace: where the person's world lies in the robot's."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget.human.rigid import compose


@dataclass(frozen=True, eq=False)
class Workspace:
    """A person's world, scaled and moved into a robot's: p_robot = T_robot_human (scale p_human).

    The scale stretches the way the wrist goes, not the hand; rotations are not scaled.

    Attributes:
        T_robot_human: rigid transform, e.g. of a camera in the robot's base.
        scale: robot's way over the human's way.

    Raises:
        InputError: the transform is not rigid, or the scale is not positive.
    """

    T_robot_human: Float[np.ndarray, "4 4"]
    scale: float = 1.0

    def __post_init__(self) -> None:
        transform = self.T_robot_human
        rotation = transform[:3, :3]
        rigid = np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-6
        affine = np.array_equal(transform[3], [0.0, 0.0, 0.0, 1.0])
        if not (rigid and affine and np.isfinite(transform).all() and np.linalg.det(rotation) > 0):
            raise InputError(f"T_robot_human {transform.tolist()} is not a rigid transform.")
        if not self.scale > 0:
            raise InputError(f"scale: {self.scale}, expected a positive number.")

    def place(self, wrist: Float[np.ndarray, "T 7"]) -> Float[np.ndarray, "T 7"]:
        """Poses (x y z qw qx qy qz) of the person's world in the robot's."""
        scaled = np.array(wrist, dtype=np.float64)
        scaled[:, :3] *= self.scale
        return compose(self._pose, scaled)

    @cached_property
    def _pose(self) -> Float[np.ndarray, "1 7"]:
        turn = Rotation.from_matrix(self.T_robot_human[:3, :3]).as_quat(scalar_first=True)
        return np.concatenate([self.T_robot_human[:3, 3], turn])[None]
