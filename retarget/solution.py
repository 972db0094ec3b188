"""Solution: a retargeted motion and how its solving went."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from handsim.errors import InputError
from handsim.files import load_npz, save_npz, whole
from handsim.joint_trajectory import JointTrajectory, require_numbers, require_texts
from retarget.calibration import Calibration
from retarget.status import Status

KIND, SCHEMA = "solution", 3


@dataclass(frozen=True, eq=False)
class Solution:
    """A retargeted motion and how its solving went.

    Attributes:
        trajectory: the robot's motion; what it does in frames without a hand, `retarget.dropouts`
            says.
        method: the reference that was matched.
        calibration: how the person was mapped onto the hand.
        cost: the objective at the solution; NaN where the frame has no observation.
        status: how each frame's solving ended, a `Status`.
        seconds: time spent on each frame, the mean of those solved together [s].

    Raises:
        InputError: a row a frame is missing, or a status is none.
    """

    trajectory: JointTrajectory
    method: str
    calibration: Calibration
    cost: Float[np.ndarray, " T"]
    status: Int[np.ndarray, " T"]
    seconds: Float[np.ndarray, " T"]

    def __post_init__(self) -> None:
        require_texts(method=(self.method,))
        for name in ("cost", "status", "seconds"):
            values = getattr(self, name)
            require_numbers(name, values)
            if values.shape != self.trajectory.times.shape:
                raise InputError(
                    f"{name}: shape {values.shape}, expected {self.trajectory.times.shape}."
                )
        strange = set(np.unique(self.status).tolist()) - set(Status)
        if strange:
            raise InputError(f"status: {min(strange)}, expected 0 to {len(Status) - 1}.")

    @property
    def converged(self) -> Bool[np.ndarray, " T"]:
        """The solver ended at an optimum; False where the frame has no observation."""
        return self.status == Status.CONVERGED

    @property
    def failed(self) -> int:
        """How many observed frames did not converge."""
        return int((self.trajectory.valid & ~self.converged).sum())

    def save(self, path: str | Path) -> None:
        """Write one self-describing `.npz`.

        Raises:
            OutputError: `path` cannot be written.
        """
        trajectory = self.trajectory
        header, arrays = self.calibration.as_saved()
        header |= {
            "kind": KIND,
            "schema": SCHEMA,
            "method": self.method,
            "hand": trajectory.hand,
            "side": trajectory.side,
            "joint_names": trajectory.joint_names,
        }
        arrays |= {name: getattr(trajectory, name) for name in ("times", "qpos", "wrist", "valid")}
        arrays |= {name: getattr(self, name) for name in ("cost", "status", "seconds")}
        save_npz(path, header, arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Solution":
        """Read what `save` wrote.

        Raises:
            MissingFileError: there is no such file.
            FormatError: it holds something else.
        """
        header, a = load_npz(path, KIND, SCHEMA)
        with whole(path, KIND):
            trajectory = JointTrajectory.from_saved(header, a)
            calibration = Calibration.from_saved(header, a)
            rows = (a["cost"], a["status"], a["seconds"])
            return cls(trajectory, header["method"], calibration, *rows)
