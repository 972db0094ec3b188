"""Retargeter: calibration, reference and solver put together, for whole motions and online."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
from jaxtyping import Bool, Float

from handsim.errors import InputError, unknown
from handsim.hands.robot_hand import RobotHand
from handsim.joint_trajectory import JointTrajectory
from retarget.calibration import Calibration, require_same_side
from retarget.dropouts import eased, fresh_starts
from retarget.fitting import calibrate
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import COUNT, continuous
from retarget.human.one_euro import Smoothing
from retarget.human.recording import Source, Values, as_numbers
from retarget.objective import Objective
from retarget.online import Online
from retarget.pace import FOLLOWING, Pace
from retarget.references import DEFAULT, METHODS
from retarget.solution import Solution
from retarget.solvers import OFFLINE, ONLINE, SOLVERS
from retarget.status import Status
from retarget.workspace import Workspace

__all__ = ["Retargeter", "Solution"]


class Retargeter:
    """Turns human hand motion into the motion of one robot hand.

    `retarget` takes a whole motion, `step` a frame after another as they come. What they do with:

    - a frame without a hand (NaN, or a palm of no size or area; `retarget.dropouts`): the last pose
      is held for 0.25 s, then eased to the neutral one; `valid` is False. Before the first hand
      `retarget` holds the first pose, `step` the neutral one.
    - a finger without length: its tip counts; a calibration cannot be fitted to it.
    - a hand with fewer fingers than the person: the further fingers are not matched.
    - targets out of reach: the nearest pose; the frame has converged, at a higher cost.
    - the other side's hand, another tracker's calibration, times that do not increase, or
      keypoints that are not in metres: InputError.

    Args:
        hand: the robot.
        method: what to match, one of `retarget.METHODS`.
        calibration: of this person and hand; None fits one to each motion.
        solver: how to minimise whole motions, one of `retarget.SOLVERS`; None for the best. `step`
            always uses "newton".
        smoothing: of the person, for `step`; a whole motion is smoothed before, and without lag,
            by `retarget.filters`.
        workspace: where the person's world lies in the robot's; None: they are the same.
        pace: how closely `step` follows with "natural"; `retarget.CALM` trades tips for less jerk.

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
        solver: str | None = None,
        smoothing: Smoothing | None = None,
        workspace: Workspace | None = None,
        pace: Pace = FOLLOWING,
    ):
        if solver is not None and solver not in SOLVERS:
            raise unknown("solver", solver, SOLVERS)
        if method not in METHODS:
            raise unknown("method", method, METHODS)
        if calibration is not None:
            calibration.require(hand, Source())
        self.hand, self.method, self.solver = hand, method, solver
        self.calibration, self.workspace = calibration, workspace
        self._online = Online(hand, method, calibration, smoothing, pace) if calibration else None

    def retarget(self, motion: HandTrajectory, progress: bool = False) -> Solution:
        """Retarget a whole motion.

        Args:
            motion: the person.
            progress: whether to show a bar.

        Raises:
            InputError: the motion is of the other side, or of another tracker's fingertips.
        """
        require_same_side(self.hand, motion)
        calibration = self.calibration or calibrate(self.hand, motion)
        calibration.require(self.hand, motion.source)
        seen = np.flatnonzero(motion.valid)
        reference = METHODS[self.method](self.hand, motion.palm_keypoints[seen], calibration)
        objective = Objective(self.hand, reference, fresh_starts(motion.times[seen]))
        began = perf_counter()
        x, cost, status = SOLVERS[self.solver or OFFLINE](objective, progress)
        seconds = np.full(len(seen), (perf_counter() - began) / len(seen))
        rows = np.maximum(np.searchsorted(seen, np.arange(len(motion)), side="right") - 1, 0)
        x = eased(x[rows], objective.neutral, motion.times - motion.times[seen[rows]])
        wrist = self._wrist(calibration, continuous(motion.wrist[seen]))[rows]
        return Solution(
            self._trajectory(motion.times, objective.qpos(x), wrist, motion.valid),
            self.method,
            calibration,
            _spread(cost, seen, len(motion), np.nan),
            _spread(status, seen, len(motion), int(Status.NOT_SEEN)),
            _spread(seconds, seen, len(motion), 0.0),
        )

    def retarget_many(
        self, motions: Iterable[HandTrajectory], threads: int | None = None
    ) -> list[Solution]:
        """`retarget` each motion, several at a time; the results are the same to the bit.

        Args:
            motions: the people; a calibration is fitted to each where the retargeter has none.
            threads: how many at a time; None for as many as there are processors.

        Raises:
            InputError: as `retarget`.
        """
        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            return list(pool.map(self.retarget, motions))

    def step(
        self, keypoints: Values, wrist: Values | None = None, time: float | None = None
    ) -> Solution:
        """Retarget the next frame of a motion as it comes: warm started, and near to the last one.

        It takes about the same time for every frame: where the newton solver would go on, it leaves
        the frame as it is, not converged, and goes on in the next (`retarget.solvers.newton`). The
        first call takes longer: it prepares the solver.

        Args:
            keypoints: (21, 3), in any frame [m], of a hand of the robot's side; with NaN where no
                hand is seen. The first frames are checked for side and size.
            wrist: (7,), the palm frame in the world (x y z [m], qw qx qy qz), where it is known
                from elsewhere; as the keypoints have it when not given.
            time: [s], later than that before; 1/30 s later when not given.

        Returns:
            A solution of one frame.

        Raises:
            InputError: there is no calibration, the time does not increase, a shape is wrong, the
                hand is of the other side, or of no hand's size.
        """
        began = perf_counter()
        online, calibration = self._ready()
        points = as_numbers(keypoints, "keypoints", (COUNT, 3))
        palm = None if wrist is None else as_numbers(wrist, "wrist", (7,))
        frame = online.step(points, palm, time)
        trajectory = self._trajectory(
            np.array([frame.time]),
            frame.qpos[None],
            self._wrist(calibration, frame.palm[None]),
            np.array([frame.seen]),
        )
        cost, status = np.array([frame.cost]), np.array([int(frame.status)])
        seconds = np.array([perf_counter() - began])
        return Solution(trajectory, self.method, calibration, cost, status, seconds)

    def reset(self) -> None:
        """Forget all that `step` has seen: the next frame is the first of another motion."""
        if self._online:
            self._online.reset()

    def _ready(self) -> tuple[Online, Calibration]:
        if self.calibration is None or self._online is None:
            raise InputError(
                "step() needs a calibration: Retargeter(hand, calibration=calibrate(hand, motion)) "
                "from a motion of this person, or calibrate_open(hand, motion) from an open hand."
            )
        if self.solver not in (None, ONLINE):
            raise InputError(
                f"solver: {self.solver!r} takes whole motions, step() uses {ONLINE!r}: omit it."
            )
        return self._online, self.calibration

    def _wrist(
        self, calibration: Calibration, wrist: Float[np.ndarray, "T 7"]
    ) -> Float[np.ndarray, "T 7"]:
        """The robot's palm in its world where the person's is at `wrist` in theirs."""
        palm = calibration.robot_wrist(wrist)
        return self.workspace.place(palm) if self.workspace else palm

    def _trajectory(
        self,
        times: Float[np.ndarray, " T"],
        qpos: Float[np.ndarray, "T nq"],
        wrist: Float[np.ndarray, "T 7"],
        valid: Bool[np.ndarray, " T"],
    ) -> JointTrajectory:
        hand = self.hand
        return JointTrajectory(hand.name, hand.side, hand.joint_names, times, qpos, wrist, valid)


def _spread(values: np.ndarray, rows: np.ndarray, count: int, fill: float | int) -> np.ndarray:
    """`values` at `rows` of an array of `count`, `fill` elsewhere."""
    out = np.full(count, fill, dtype=values.dtype)
    out[rows] = values
    return out
