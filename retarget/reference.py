"""Reference: what a robot hand should match in each frame, derived from the human alone."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand

PALM = -1
"""The index that stands for the palm's origin where a point's index is expected."""
SMOOTHNESS = 0.05
POSTURE = 0.003


@dataclass(frozen=True, eq=False)
class Joints:
    """Wanted values of a hand's independent joints below the palm, in each of T frames.

    They cost ½ weight max(0, |q − target| − slack)². The joints are those of
    `hand.tree.input_ids`.

    Attributes:
        target: [rad].
        weight: non-negative [1/rad²].
        slack: distance from the target that costs nothing, non-negative [rad].
    """

    target: Float[np.ndarray, "T m"]
    weight: Float[np.ndarray, "T m"]
    slack: float | Float[np.ndarray, "T m"] = 0.0


@dataclass(frozen=True, eq=False)
class Gaps:
    """Wanted distances between the surfaces of G pairs of fingertips, in each of T frames.

    With d the distance of the capsules at two fingers' tips (`handsim.hands.capsules`), a pair
    costs ½ (pull + [d < target] push) (d − target)² / L²; the other capsules of the two last links
    push alike and do not pull.

    Attributes:
        pairs: positions in the hand's fingers.
        target: [m].
        pull, push: non-negative.
    """

    pairs: Int[np.ndarray, "G 2"]
    target: Float[np.ndarray, "T G"]
    pull: Float[np.ndarray, "T G"]
    push: Float[np.ndarray, "T G"]


@dataclass(frozen=True, eq=False)
class Reference:
    """R vectors between points of a robot hand, with a target and a weight in each of T frames.

    The cost of vector r in frame t is ``weight · H_δ(‖p_point − p_origin − target‖)``, with the
    Huber function H_δ(d) = d²/2 for d ≤ δ and δ (d − δ/2) beyond. Joint targets, gaps between
    fingertips and regularisers come beside them; `retarget.objective` has the whole sum.

    Attributes:
        origin, point: positions in the hand's `point_names` of each vector's ends, or `PALM`.
        target: wanted vectors in the robot's palm frame [m].
        weight: non-negative; 0 switches a vector off in a frame.
        delta: the Huber function's δ [m], of all vectors or of each.
        by_coordinate: H_δ is taken of each coordinate, and summed, instead of the length.
        joints: joint targets.
        gaps: distances between fingertips' surfaces.
        collision: weight of self-collision; 0 does not look for it.
        smoothness: weight of the change from the frame before [1/rad²].
        posture: weight of the distance from the neutral pose [1/rad²].
        jerk: weight of the third difference, which couples four frames; 0 for none.

    Raises:
        InputError: shapes disagree, or a target or weight is not finite.
    """

    origin: Int[np.ndarray, " R"]
    point: Int[np.ndarray, " R"]
    target: Float[np.ndarray, "T R 3"]
    weight: Float[np.ndarray, "T R"]
    delta: float | Float[np.ndarray, " R"]
    joints: Joints | None = None
    gaps: Gaps | None = None
    collision: float = 0.0
    smoothness: float = field(default=SMOOTHNESS, kw_only=True)
    posture: float = field(default=POSTURE, kw_only=True)
    by_coordinate: bool = field(default=False, kw_only=True)
    jerk: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        frames, count = np.shape(self.weight)
        if np.shape(self.target) != (frames, count, 3) or len(self.point) != count:
            raise InputError(
                f"target: shape {np.shape(self.target)}, expected ({frames}, {count}, 3) for the "
                f"{count} vectors and {frames} frames of weight."
            )
        for part in (self.joints, self.gaps):
            if part is not None and len(part.target) != frames:
                raise InputError(
                    f"{type(part).__name__} has {len(part.target)} frames, expected {frames} as "
                    "the vectors."
                )
        arrays = [self.target, self.weight]
        if self.joints:
            arrays += [self.joints.target, self.joints.weight, np.asarray(self.joints.slack)]
        arrays += [self.gaps.target, self.gaps.pull, self.gaps.push] if self.gaps else []
        if not all(np.isfinite(array).all() for array in arrays):
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
