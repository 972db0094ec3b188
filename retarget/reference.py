"""Reference: what a robot hand should match in each frame, derived from the human alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand

PALM = -1
"""The index that stands for the palm's origin where a point's index is expected."""


@dataclass(frozen=True, eq=False)
class Reference:
    """R vectors between points of a robot hand, with a target and a weight in each of T frames.

    The cost of vector r in frame t is ``weight · H_δ(‖p_point − p_origin − target‖)``, with the
    Huber function H_δ(d) = d²/2 for d ≤ δ and δ (d − δ/2) beyond.

    Attributes:
        origin, point: positions in the hand's `point_names` of each vector's ends, or `PALM`.
        target: wanted vectors in the robot's palm frame [m].
        weight: non-negative; 0 switches a vector off in a frame.
        delta: the Huber function's δ [m].

    Raises:
        InputError: shapes disagree, or a target or weight is not finite.
    """

    origin: Int[np.ndarray, " R"]
    point: Int[np.ndarray, " R"]
    target: Float[np.ndarray, "T R 3"]
    weight: Float[np.ndarray, "T R"]
    delta: float

    def __post_init__(self) -> None:
        frames, count = np.shape(self.weight)
        if np.shape(self.target) != (frames, count, 3) or len(self.point) != count:
            raise InputError(
                f"target: shape {np.shape(self.target)}, expected ({frames}, {count}, 3) for the "
                f"{count} vectors and {frames} frames of weight."
            )
        if not (np.isfinite(self.target).all() and np.isfinite(self.weight).all()):
            raise InputError("target or weight is not finite; expected valid frames only.")

    def __len__(self) -> int:
        return len(self.weight)


def fingertips(
    hand: RobotHand, target: Float[np.ndarray, "T F 3"], delta: float = 0.02
) -> Reference:
    """Palm → fingertip vectors with equal weights; `target` in the robot's palm frame [m]."""
    return Reference(
        origin=np.full(len(hand.fingers), PALM),
        point=hand.tip_ids,
        target=target,
        weight=np.ones(target.shape[:2]),
        delta=delta,
    )
