"""Retargeter: calibration, reference and solver put together; Solution: what comes out."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from jaxtyping import Bool, Float

from handsim.errors import InputError, unknown
from handsim.files import load_npz, save_npz
from handsim.hands.robot_hand import RobotHand
from handsim.joint_trajectory import JointTrajectory
from retarget.calibration import Calibration, calibrate
from retarget.human.hand_trajectory import HandTrajectory
from retarget.objective import Objective
from retarget.references import DEFAULT, METHODS
from retarget.solvers import SOLVERS

KIND, SCHEMA = "solution", 1


@dataclass(frozen=True, eq=False)
class Solution:
    """A retargeted motion and how its solving went.

    Attributes:
        trajectory: the robot's motion; frames without an observation hold the one before.
        method: the reference that was matched.
        calibration: how the person was mapped onto the hand.
        cost: the objective at the solution; NaN where the frame has no observation.
        converged: the solver ended at an optimum; False where the frame has no observation.
        seconds: time spent on each frame, the mean of those solved together [s].
    """

    trajectory: JointTrajectory
    method: str
    calibration: Calibration
    cost: Float[np.ndarray, " T"]
    converged: Bool[np.ndarray, " T"]
    seconds: Float[np.ndarray, " T"]

    @property
    def failed(self) -> int:
        """How many observed frames did not converge."""
        return int((self.trajectory.valid & ~self.converged).sum())

    def save(self, path: str | Path) -> None:
        """Write one self-describing `.npz`.

        Raises:
            OutputError: `path` cannot be written.
        """
        trajectory, calibration = self.trajectory, self.calibration
        header = {
            "kind": KIND,
            "schema": SCHEMA,
            "method": self.method,
            "hand": trajectory.hand,
            "side": trajectory.side,
            "joint_names": trajectory.joint_names,
            "fingers": calibration.fingers,
        }
        arrays = {name: getattr(trajectory, name) for name in ("times", "qpos", "wrist", "valid")}
        arrays |= {name: getattr(calibration, name) for name in ("rotation", "offset", "scale")}
        arrays |= {name: getattr(self, name) for name in ("cost", "converged", "seconds")}
        save_npz(path, header, arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Solution":
        """Read what `save` wrote.

        Raises:
            MissingFileError: there is no such file.
            FormatError: it holds something else.
        """
        header, a = load_npz(path, KIND, SCHEMA)
        hand, side = header["hand"], header["side"]
        trajectory = JointTrajectory(
            hand, side, tuple(header["joint_names"]), a["times"], a["qpos"], a["wrist"], a["valid"]
        )
        calibration = Calibration(
            hand, side, tuple(header["fingers"]), a["rotation"], a["offset"], a["scale"]
        )
        return cls(
            trajectory, header["method"], calibration, a["cost"], a["converged"], a["seconds"]
        )


class Retargeter:
    """Turns human hand motion into the motion of one robot hand.

    Args:
        hand: the robot.
        method: what to match, one of `retarget.METHODS`.
        solver: how to minimise, one of `retarget.SOLVERS`.
        calibration: of this person and hand; None fits one to each motion.

    Raises:
        UnknownNameError: there is no such method or solver.
        InputError: the calibration is of another hand.

    >>> Retargeter(hand, method="vector").retarget(motion).trajectory
    """

    def __init__(
        self,
        hand: RobotHand,
        method: str = DEFAULT,
        calibration: Calibration | None = None,
        solver: str = "newton",
    ):
        if solver not in SOLVERS:
            raise unknown("solver", solver, SOLVERS)
        if method not in METHODS:
            raise unknown("method", method, METHODS)
        if calibration is not None and (calibration.hand, calibration.side) != (
            hand.name,
            hand.side,
        ):
            raise InputError(
                f"The calibration is of {calibration.hand} {calibration.side}, the hand is "
                f"{hand.name} {hand.side}; expected the same."
            )
        self.hand, self.method, self.solver = hand, method, solver
        self.calibration = calibration

    def retarget(self, motion: HandTrajectory, progress: bool = False) -> Solution:
        """Retarget a whole motion, frame after frame, each warm started by the one before.

        Args:
            motion: the person.
            progress: whether to show a bar.

        Raises:
            InputError: the motion is of the other side.
        """
        _require_same_side(self.hand, motion)
        seen = np.flatnonzero(motion.valid)
        keypoints = motion.palm_keypoints[seen]
        calibration = self.calibration or calibrate(self.hand, keypoints)
        objective = Objective(self.hand, METHODS[self.method](self.hand, keypoints, calibration))
        began = perf_counter()
        x, cost, converged = SOLVERS[self.solver](objective, progress)
        seconds = np.full(len(seen), (perf_counter() - began) / len(seen))
        rows = np.maximum(np.searchsorted(seen, np.arange(len(motion)), side="right") - 1, 0)
        trajectory = JointTrajectory(
            hand=self.hand.name,
            side=self.hand.side,
            joint_names=self.hand.joint_names,
            times=motion.times,
            qpos=objective.qpos(x)[rows],
            wrist=calibration.robot_wrist(motion.wrist[seen])[rows],
            valid=motion.valid,
        )
        return Solution(
            trajectory,
            self.method,
            calibration,
            _spread(cost, seen, len(motion), np.nan),
            _spread(converged, seen, len(motion), False),
            _spread(seconds, seen, len(motion), 0.0),
        )


def _require_same_side(hand: RobotHand, motion: HandTrajectory) -> None:
    if motion.side != hand.side:
        raise InputError(
            f"The motion is of a {motion.side} hand, {hand.name} is loaded as a {hand.side} one; "
            f"expected the same side: load_hand({hand.name!r}, side={motion.side!r})."
        )


def _spread(values: np.ndarray, rows: np.ndarray, count: int, fill: float | bool) -> np.ndarray:
    """`values` at `rows` of an array of `count`, `fill` elsewhere."""
    out = np.full(count, fill, dtype=values.dtype)
    out[rows] = values
    return out
