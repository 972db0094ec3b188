"""One smooth function of a hand's independent joints: value, gradient and Hessian of a reference.

    E(x) = Σ_r w_r H_δ(‖v_r(x) − target_r‖) / L²
           + ½ smoothness ‖x − x_previous‖² + ½ posture ‖x − x_neutral‖²

with L = 10 mm, which brings lengths and angles to one order of magnitude (in metres, solvers stop
millimetres early). The regularisers are part of the value as well as of the gradient.
"""

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import RobotHand
from retarget.reference import Reference
from retarget.residuals import (
    Vectors,
    scratch,
    value_and_derivatives,
    value_and_gradient,
)

SMOOTHNESS = 0.05
POSTURE = 0.003


class Objective:
    """A reference and the regularisers, as a function of the joints that move the hand's points.

    Attributes:
        low, high: bounds of those joints [rad].
        neutral: their resting values [rad].
        size: how many they are.
        tree, work, spare, ends, delta: what compiled code reads and writes.
    """

    def __init__(
        self,
        hand: RobotHand,
        reference: Reference,
        smoothness: float = SMOOTHNESS,
        posture: float = POSTURE,
    ):
        self.hand, self.reference = hand, reference
        self.smoothness, self.posture = smoothness, posture
        self.inputs = hand.tree.input_ids
        self.low, self.high = np.ascontiguousarray(hand.limits[self.inputs].T)
        self.neutral = hand.neutral[self.inputs]
        self.size = len(self.inputs)
        self.tree, self.work = hand.tree.arrays, hand.tree.workspace()
        self.spare = scratch(self.size)
        self.ends = reference.origin.astype(np.int64), reference.point.astype(np.int64)
        self.delta = np.full(len(reference.point), reference.delta)

    def evaluate(
        self,
        frame: int,
        x: Float[np.ndarray, " m"],
        previous: Float[np.ndarray, " m"],
        gradient: Float[np.ndarray, " m"],
    ) -> float:
        """E at `x` in one frame; `gradient` is overwritten with ∂E/∂x."""
        value = self._regularise(x, previous, gradient)
        return value + value_and_gradient(
            self.tree, self.work, self.spare, self.vectors(frame), x, gradient
        )

    def derivatives(
        self, frame: int, x: Float[np.ndarray, " m"], previous: Float[np.ndarray, " m"]
    ) -> tuple[float, Float[np.ndarray, " m"], Float[np.ndarray, "m m"]]:
        """E, ∂E/∂x and ∂²E/∂x² at `x` in one frame."""
        gradient = np.zeros(self.size)
        hessian = (self.smoothness + self.posture) * np.eye(self.size)
        value = self._regularise(x, previous, gradient)
        value += value_and_derivatives(
            self.tree, self.work, self.spare, self.vectors(frame), x, gradient, hessian
        )
        return value, gradient, np.tril(hessian) + np.tril(hessian, -1).T

    def vectors(self, frame: int) -> Vectors:
        """One frame's residuals as compiled code reads them."""
        target, weight = self.reference.target[frame], self.reference.weight[frame]
        return Vectors(*self.ends, target, weight, self.delta)

    def _regularise(
        self,
        x: Float[np.ndarray, " m"],
        previous: Float[np.ndarray, " m"],
        gradient: Float[np.ndarray, " m"],
    ) -> float:
        """The regularisers' value; their gradient overwrites `gradient`."""
        away, bent = x - previous, x - self.neutral
        gradient[:] = self.smoothness * away + self.posture * bent
        return 0.5 * self.smoothness * float(away @ away) + 0.5 * self.posture * float(bent @ bent)

    def qpos(self, x: Float[np.ndarray, "... m"]) -> Float[np.ndarray, "... nq"]:
        """The whole hand's qpos [rad]: `x`, couplings applied, joints before the palm neutral."""
        qpos = np.broadcast_to(self.hand.neutral, (*x.shape[:-1], self.hand.nq)).copy()
        qpos[..., self.inputs] = x
        return self.hand.expand(self.hand.reduce(qpos))
