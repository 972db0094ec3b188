"""Demonstration: a robot hand's motion and the object it is to move."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from handsim.files import load_npz, save_npz, whole
from handsim.joint_trajectory import JointTrajectory, require_numbers
from handsim.poses import interpolate_poses
from handsim.scene_object import SceneObject

KIND, SCHEMA = "demonstration", 1


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What a hand does with an object on a table, whose top is the plane z = 0 of the world.

    Attributes:
        trajectory: of the hand; its wrist is in the world, z up.
        object: what is moved.
        object_path: the object's frame in the world at the trajectory's times, x y z [m] and
            qw qx qy qz; in the first it rests on the table.

    Raises:
        InputError: the lengths disagree, or a pose is none.
    """

    trajectory: JointTrajectory
    object: SceneObject
    object_path: Float[np.ndarray, "T 7"]

    def __post_init__(self) -> None:
        require_numbers("object_path", self.object_path, "iuf")
        shape, expected = np.shape(self.object_path), (len(self.trajectory), 7)
        if shape != expected:
            raise InputError(f"object_path: shape {shape}, expected {expected}.")
        norms = np.linalg.norm(self.object_path[:, 3:], axis=1)
        if not np.isfinite(self.object_path).all() or np.any(np.abs(norms - 1) > 1e-3):
            raise InputError("object_path: expected finite x y z and unit quaternions qw qx qy qz.")
        path = np.concatenate(
            [self.object_path[:, :3], self.object_path[:, 3:] / norms[:, None]], 1
        )
        object.__setattr__(self, "object_path", path)

    def __len__(self) -> int:
        return len(self.trajectory)

    def at(self, times: Float[np.ndarray, " S"]) -> "Demonstration":
        """The demonstration at the given `times` [s], held outside its span."""
        known = self.trajectory.times
        path = interpolate_poses(np.clip(times, known[0], known[-1]), known, self.object_path)
        return replace(self, trajectory=self.trajectory.at(times), object_path=path)

    def save(self, path: str | Path) -> None:
        """Write one self-describing `.npz`.

        Raises:
            OutputError: `path` cannot be written.
        """
        hand = self.trajectory
        header = {
            "kind": KIND,
            "schema": SCHEMA,
            "hand": hand.hand,
            "side": hand.side,
            "joint_names": hand.joint_names,
            "object": self.object.as_dict(),
        }
        arrays = {name: getattr(hand, name) for name in ("times", "qpos", "wrist", "valid")}
        save_npz(path, header, {**arrays, "object_path": self.object_path})

    @classmethod
    def load(cls, path: str | Path) -> "Demonstration":
        """Read what `save` wrote.

        Raises:
            MissingFileError: there is no such file.
            FormatError: it holds something else.
        """
        header, arrays = load_npz(path, KIND, SCHEMA)
        with whole(path, KIND):
            trajectory = JointTrajectory.from_saved(header, arrays)
            return cls(trajectory, SceneObject.from_dict(header["object"]), arrays["object_path"])
