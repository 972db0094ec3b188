"""Demonstration: a robot hand's motion and the object it is to move."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from handsim.files import load_npz, save_npz, whole
from handsim.joint_trajectory import JointTrajectory, require_numbers, unit_poses
from handsim.poses import interpolate_poses
from handsim.rollout import OBJECT_PATH, Rollout
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
        if not np.isfinite(self.object_path).all():
            raise InputError("object_path: some numbers are not finite.")
        object.__setattr__(self, "object_path", unit_poses("object_path", self.object_path))

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
    def of(cls, rollout: Rollout) -> "Demonstration":
        """The demonstration that a `GraspEnv` recorded `rollout` with.

        Raises:
            InputError: it had none.
        """
        if OBJECT_PATH not in rollout.annotations:
            raise InputError(f"The rollout moved no object: no annotation {OBJECT_PATH!r}.")
        item = SceneObject.from_dict(rollout.metadata["env_kwargs"]["object"])
        return cls(rollout.reference(), item, rollout.annotations[OBJECT_PATH])

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
