"""One smooth function of a hand's independent joints: value, gradient and Hessian of a reference.

    E(x_1 … x_T) = Σ_t E_t(x_t) + ½ smoothness Σ_t ‖x_t − x_{t−1}‖² + jerk Σ_t Σ_k H_ε(Δ³x_tk)

    E_t(x) = Σ_r w_r H_δ(‖v_r(x) − target_r‖) / L²                      vectors
             + ½ Σ_g (pull_g + [d_g < target_g] push_g) (d_g(x) − target_g)² / L²    gaps
             + ½ collision Σ_k min(0, d_k(x) − 1 mm)² / L²              pairs of capsules
             + ½ Σ_j w_j max(0, |x_j − target_j| − slack_j)² + ½ posture ‖x − x_neutral‖²

with L = 10 mm, which brings lengths and angles to one order of magnitude (in metres, solvers stop
millimetres early). The regularisers are part of the value as well as of the gradient. A solver
that goes frame by frame minimises the terms of one frame with the frames before it held; the jerk
needs the frames after it too, and a `Pace` takes its place and the smoothness's.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from handsim.hands.capsules import Surface, surface
from handsim.hands.link_robot import LinkRobot
from handsim.hands.robot_hand import RobotHand
from retarget.evaluations import evaluations
from retarget.pace import FOLLOWING, MOMENTUM, Pace
from retarget.reference import Reference
from retarget.residuals import Scratch, Terms
from retarget.wiring import gap_terms, link_pairs, vector_terms


class Objective:
    """A reference and the regularisers, as a function of the joints that move the hand's points.

    Args:
        hand: the robot; gaps and collision need a `RobotHand`.
        reference: what to match.
        fresh: frames with no frame before to be near to; the first alone when not given.
        restarts: whether a solver may leave the valley it is in for a better one.
        pace: how a frame follows the one before where little jerk is wanted.

    Attributes:
        low, high: bounds of those joints [rad].
        neutral: their resting values [rad].
        size: how many they are.
        starts: other poses that a frame may be started from [rad].
        tree, work, spare, terms: what compiled code reads and writes.
    """

    def __init__(
        self,
        hand: RobotHand | LinkRobot,
        reference: Reference,
        fresh: Bool[np.ndarray, " T"] | None = None,
        restarts: bool = True,
        pace: Pace = FOLLOWING,
    ):
        self.hand, self.reference, self._pace = hand, reference, pace
        self.inputs = hand.tree.input_ids
        self.low, self.high = np.ascontiguousarray(hand.limits[self.inputs].T)
        self.neutral = hand.neutral[self.inputs]
        self.size = len(self.inputs)
        starts = [self.neutral, 0.5 * (self.low + self.high)] if restarts else []
        self.starts = np.array(starts).reshape(-1, self.size)
        touching = reference.gaps is not None or reference.collision > 0
        shape = surface(hand) if touching and isinstance(hand, RobotHand) else None
        kinematics = hand.tree if shape is None else shape.tree
        self.tree, self.work = kinematics.arrays, kinematics.workspace()
        if shape is not None and reference.gaps is not None:
            self._links = link_pairs(shape, reference.gaps)
        self.terms, self.spare = self._terms(shape)
        self.terms.fresh[:] = np.arange(len(reference)) == 0 if fresh is None else fresh
        self._which = np.zeros(3, dtype=np.int64)
        self._x, self._before, self._gradient = np.zeros((3, self.size))
        self._hessian = np.zeros((self.size, self.size))

    def __len__(self) -> int:
        return len(self.reference)

    def overwrite(self, reference: Reference, fresh: bool) -> None:
        """Replace what the frames ask for by `reference`, of the same vectors, pairs and frames."""
        terms, joints, gaps = self.terms, reference.joints, reference.gaps
        terms.vectors.target[:], terms.vectors.weight[:] = reference.target, reference.weight
        if joints:
            terms.joint_target[:], terms.joint_weight[:] = joints.target, joints.weight
            terms.joint_slack[:] = joints.slack
        if gaps:
            links = self._links
            terms.gaps.target[:], terms.gaps.push[:] = (
                gaps.target[:, links.gap],
                gaps.push[:, links.gap],
            )
            terms.gaps.pull[:] = links.pulled * gaps.pull[:, links.gap]
        terms.fresh[:] = fresh

    def evaluate(
        self,
        frame: int,
        x: Float[np.ndarray, " m"],
        previous: Float[np.ndarray, " m"] | None,
        gradient: Float[np.ndarray, " m"],
    ) -> float:
        """E at `x` in one frame; `gradient` is overwritten with ∂E/∂x.

        `previous` is the frame before, None for a frame that is near to none.
        """
        value = self._value(frame, x, previous, False)
        gradient[:] = self._gradient
        return value

    def derivatives(
        self, frame: int, x: Float[np.ndarray, " m"], previous: Float[np.ndarray, " m"] | None
    ) -> tuple[float, Float[np.ndarray, " m"], Float[np.ndarray, "m m"]]:
        """E, ∂E/∂x and ∂²E/∂x² at `x` in one frame; `previous` as in `evaluate`."""
        value, lower = self._value(frame, x, previous, True), self._hessian
        return value, self._gradient.copy(), np.tril(lower) + np.tril(lower, -1).T

    def qpos(self, x: Float[np.ndarray, "... m"]) -> Float[np.ndarray, "... nq"]:
        """The whole hand's qpos [rad]: `x`, couplings applied, joints before the palm neutral."""
        return whole_qpos(self.hand, x)

    def _value(
        self,
        frame: int,
        x: Float[np.ndarray, " m"],
        previous: Float[np.ndarray, " m"] | None,
        second: bool,
    ) -> float:
        self._which[:] = frame, previous is not None, second
        self._x[:] = x
        if previous is not None:
            self._before[:] = previous
        return next(self._values)

    @cached_property
    def _values(self) -> Iterator[float]:
        """E of what `_which`, `_x` and `_before` hold."""
        kept = (self._which, self._x, self._before, self._gradient, self._hessian)
        return evaluations(self.tree, self.work, self.spare, self.terms, *kept)

    def _terms(self, shape: Surface | None) -> tuple[Terms, Scratch]:
        """What compiled code reads, and the arrays it writes."""
        reference, none = self.reference, np.zeros((len(self.reference), self.size))
        vectors, vector_scratch = vector_terms(self.tree, reference)
        gaps, gap_scratch = gap_terms(shape, self.size, reference)
        joints = reference.joints
        terms = Terms(
            vectors=vectors,
            gaps=gaps,
            joint_target=none + (joints.target if joints else 0.0),
            joint_weight=none + (joints.weight if joints else 0.0),
            joint_slack=none + (joints.slack if joints else 0.0),
            smoothness=float(reference.smoothness if reference.jerk == 0 else self._pace.held),
            momentum=float(0.0 if reference.jerk == 0 else MOMENTUM),
            limit=float(np.inf if reference.jerk == 0 else self._pace.limit),
            posture=float(reference.posture),
            neutral=self.neutral,
            low=self.low,
            high=self.high,
            fresh=np.zeros(len(reference), dtype=bool),
        )
        return terms, Scratch(vector_scratch, gap_scratch)


def whole_qpos(
    hand: RobotHand | LinkRobot, x: Float[np.ndarray, "... m"]
) -> Float[np.ndarray, "... nq"]:
    """A hand's qpos [rad]: `x` of the tree's inputs, couplings applied, other joints neutral."""
    qpos = np.empty((*x.shape[:-1], hand.nq))
    qpos[...] = hand.neutral
    qpos[..., hand.tree.input_ids] = x
    return hand.expand(hand.reduce(qpos))
