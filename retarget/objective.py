"""One smooth function of a hand's independent joints: value and gradient of a reference.

    E(x) = Σ_r w_r H_δ(‖v_r(x) − target_r‖) / L²
           + ½ smoothness ‖x − x_previous‖² + ½ posture ‖x − x_neutral‖²

with L = 10 mm, which brings lengths and angles to one order of magnitude (in metres, solvers stop
millimetres early). The regularisers are part of the value as well as of the gradient.
"""

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import RobotHand
from retarget.reference import Reference
from retarget.residuals import residuals

SMOOTHNESS = 0.05
POSTURE = 0.003


class Objective:
    """A reference and the regularisers, as a function of the joints that move the hand's points.

    Attributes:
        low, high: bounds of those joints [rad].
        neutral: their resting values [rad].
        size: how many they are.
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
        self._tree, self._work = hand.tree.arrays, hand.tree.workspace()
        self._origin = reference.origin.astype(np.int64)
        self._point = reference.point.astype(np.int64)

    def evaluate(
        self,
        frame: int,
        x: Float[np.ndarray, " m"],
        previous: Float[np.ndarray, " m"],
        gradient: Float[np.ndarray, " m"],
    ) -> float:
        """E at `x` in one frame; `gradient` is overwritten with ∂E/∂x."""
        gradient[:] = self.smoothness * (x - previous) + self.posture * (x - self.neutral)
        away, bent = x - previous, x - self.neutral
        value = 0.5 * self.smoothness * (away @ away) + 0.5 * self.posture * (bent @ bent)
        reference = self.reference
        return value + residuals(
            self._tree,
            self._work,
            x,
            self._origin,
            self._point,
            reference.target[frame],
            reference.weight[frame],
            reference.delta,
            gradient,
        )

    def qpos(self, x: Float[np.ndarray, "... m"]) -> Float[np.ndarray, "... nq"]:
        """The whole hand's qpos [rad]: `x`, couplings applied, joints before the palm neutral."""
        qpos = np.broadcast_to(self.hand.neutral, (*x.shape[:-1], self.hand.nq)).copy()
        qpos[..., self.inputs] = x
        return self.hand.expand(self.hand.reduce(qpos))
