"""Online: one robot hand following a person frame by frame, with a memory of the frames before."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.dropouts import HOLD, eased
from retarget.human.keypoints import (
    CHIRALITY_THRESHOLD,
    chirality_score,
    hand_length,
    palm_pose,
    seen_from,
)
from retarget.human.one_euro import HandFilter, Smoothing
from retarget.human.sources.assembly import HAND_LENGTHS, require_scale
from retarget.objective import Objective, whole_qpos
from retarget.pace import FOLLOWING, Pace
from retarget.reference import Reference
from retarget.references import MEMORIES, METHODS
from retarget.solvers import Newton
from retarget.status import Status

PERIOD = 1 / 30
"""Time [s] from one frame to the next where none is given."""
LOOKS, VOTES = 10, 3
"""In how many of the first frames the hand's side and size are looked at, and how many frames that
plainly show the other side, or no hand's size, are an error. It costs half as much as a step."""
_ORIGIN = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])


class Frame(NamedTuple):
    """One frame's outcome.

    Attributes:
        time: [s].
        qpos: joints [rad].
        palm: of the person, x y z [m] and qw qx qy qz; where it was last while not seen.
        seen: whether there was a hand.
        cost, status: of the solver; NaN and NOT_SEEN without a hand.
    """

    time: float
    qpos: Float[np.ndarray, " nq"]
    palm: Float[np.ndarray, " 7"]
    seen: bool
    cost: float
    status: Status


class Online:
    """Follows one person's hand.

    Args:
        hand: the robot.
        method: what to match.
        calibration: of this person and hand.
        smoothing: of the person's hand; None for none.
        pace: how closely frames follow, for methods that want little jerk.
    """

    def __init__(
        self,
        hand: RobotHand,
        method: str,
        calibration: Calibration,
        smoothing: Smoothing | None = None,
        pace: Pace = FOLLOWING,
    ):
        self._pace = pace
        self._hand, self._method, self._calibration = hand, method, calibration
        self._filter = HandFilter(smoothing) if smoothing else None
        self._reference: Callable[..., Reference] = METHODS[method]
        self._solver: Newton | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._memory = (MEMORIES[self._method](),) if self._method in MEMORIES else ()
        self._time, self._seen_at = -np.inf, -np.inf
        self._x = self._hand.neutral[self._hand.tree.input_ids]
        self._turn: Float[np.ndarray, " 4"] | None = None
        self._palm = _ORIGIN
        self._looks, self._votes, self._strange = 0, 0, 0
        if self._solver:
            self._solver.reset()

    def step(
        self,
        keypoints: Float[np.ndarray, "21 3"],
        palm: Float[np.ndarray, " 7"] | None,
        time: float | None,
    ) -> Frame:
        """Follow the hand to the next frame; see `Retargeter.step`."""
        self._time = self._later(time)
        own = palm_pose(keypoints, self._hand.side)
        points = seen_from(own, keypoints)
        palm = own if palm is None else palm
        if not (np.isfinite(points).all() and np.isfinite(palm).all()):
            return self._unseen()
        self._look_at_hand(keypoints)
        fresh = self._time - self._seen_at > HOLD
        points = self._follow(points, palm, fresh)
        reference = self._reference(self._hand, points[None], self._calibration, *self._memory)
        solved = self._solver_of(reference, fresh).solve()
        self._x, self._seen_at = solved.x[0], self._time
        cost, status = float(solved.cost[0]), Status(int(solved.status[0]))
        qpos = whole_qpos(self._hand, self._x)
        return Frame(self._time, qpos, self._palm, True, cost, status)

    def _later(self, time: float | None) -> float:
        if time is None:
            return self._time + PERIOD if np.isfinite(self._time) else 0.0
        if not self._time < time < np.inf:
            raise InputError(f"time: {time} s after {self._time} s, expected a later one.")
        return float(time)

    def _unseen(self) -> Frame:
        unseen = np.array([self._time - self._seen_at])
        x = eased(self._x[None], self._hand.neutral[self._hand.tree.input_ids], unseen)[0]
        qpos = whole_qpos(self._hand, x)
        return Frame(self._time, qpos, self._palm, False, np.nan, Status.NOT_SEEN)

    def _follow(
        self, points: Float[np.ndarray, "21 3"], palm: Float[np.ndarray, " 7"], fresh: bool
    ) -> Float[np.ndarray, "21 3"]:
        """The keypoints to match; the palm to show is kept, its quaternion near to the last."""
        turn = palm[3:] if self._turn is None or palm[3:] @ self._turn >= 0 else -palm[3:]
        self._turn, self._palm = turn, np.concatenate([palm[:3], turn])
        if self._filter:
            if fresh:
                self._filter.reset()
            points, self._palm = self._filter(self._time, points, self._palm)
        return points

    def _solver_of(self, reference: Reference, fresh: bool) -> Newton:
        """The solver, made at the first frame, with the next frame to solve."""
        if self._solver is None:
            self._objective = Objective(self._hand, reference, pace=self._pace)
            self._solver = Newton(self._objective, hurried=True)
        self._objective.overwrite(reference, fresh)
        return self._solver

    def _look_at_hand(self, keypoints: Float[np.ndarray, "21 3"]) -> None:
        if self._looks >= LOOKS or self._votes >= VOTES:
            return
        self._looks += 1
        self._strange += not HAND_LENGTHS[0] <= hand_length(keypoints) <= HAND_LENGTHS[1]
        if self._strange >= VOTES:
            require_scale(keypoints[None], "keypoints")
        score = float(chirality_score(keypoints)) * (1 if self._hand.side == "right" else -1)
        self._votes += int(score > CHIRALITY_THRESHOLD) - int(score < -CHIRALITY_THRESHOLD)
        if self._votes <= -VOTES:
            other = "left" if self._hand.side == "right" else "right"
            raise InputError(
                f"The keypoints are of a {other} hand, {self._hand.name} is loaded as a "
                f"{self._hand.side} one; expected the same side: "
                f"load_hand({self._hand.name!r}, side={other!r})."
            )
