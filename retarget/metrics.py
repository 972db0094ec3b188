"""How good a retargeting is: pure functions on arrays, and the table that names their figures.

Shapes: T frames, F fingers, P thumb-finger pairs (F - 1 on a whole hand), n joints. Lengths are in
metres in the palm frame, angles in radians, times in seconds; a figure in another unit says so in
its name. `valid` (T,) marks the frames that count: rows where it is False may hold NaN and are
skipped.

Two kinds of emptiness are kept apart. A score of nothing at all (no valid frame) is a mistake of
the caller and raises `InputError`, as do NaN in a valid row and arrays of unequal length. A
quantity that the motion does not define (the recall of pinches in a motion without any, the jerk
of three frames) is `nan`, so that a table of scores has a hole there and not a flattering figure.
"""

from dataclasses import dataclass
from math import factorial
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from handsim.errors import InputError

HUMAN_PINCH = 0.02
"""Human tip distance [m] under which thumb and finger count as pinching."""

ROBOT_PINCH = 0.005
"""Gap between the robot's tip surfaces [m] under which thumb and finger count as pinching."""

MM = 1e3
PERCENT = 1e2
SHORTEST_DIRECTION = 1e-9
"""Vectors shorter than this [m] have no direction."""


@dataclass(frozen=True)
class Metric:
    """What a figure in a table of scores means: its unit, and which way is better."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    description: str


def tip_error_mm(
    tips: Float[np.ndarray, "T F 3"],
    targets: Float[np.ndarray, "T F 3"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Mean distance of the robot's tips from their targets over frames and fingers [mm]."""
    return MM * float(np.mean(_tip_distances(tips, targets, valid)))


def tip_error_p95_mm(
    tips: Float[np.ndarray, "T F 3"],
    targets: Float[np.ndarray, "T F 3"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """95th percentile (linear interpolation) of the tip distances over frames and fingers [mm]."""
    return MM * float(np.percentile(_tip_distances(tips, targets, valid), 95))


def tip_error_percent(
    tips: Float[np.ndarray, "T F 3"],
    targets: Float[np.ndarray, "T F 3"],
    reach: Float[np.ndarray, " F"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Mean tip distance as a share of each finger's reach [%], comparable between hands.

    Args:
        tips: The robot's tips [m].
        targets: Where they should be [m].
        reach: The longest palm-to-tip distance of each finger [m], positive.
        valid: The frames that count.

    Raises:
        InputError: a reach is not positive; see the module for the rest.
    """
    distances = _tip_distances(tips, targets, valid)
    if reach.shape != distances.shape[1:] or not np.all(reach > 0):
        raise InputError(f"reach is {reach.tolist()}, expected a positive length [m] a finger.")
    return PERCENT * float(np.mean(distances / reach))


def direction_error_deg(
    tips: Float[np.ndarray, "T F 3"],
    targets: Float[np.ndarray, "T F 3"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Mean angle between palm-to-tip and palm-to-target over frames and fingers [deg].

    The angle is atan2(‖a × b‖, a · b), exact near 0 and 180 degrees where arccos is not. It does
    not see lengths. A pair with a vector shorter than 1 nm has no angle and is left out; with no
    pair left the figure is nan.
    """
    a, b = _pair(valid, tips=tips, targets=targets)
    angles = np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))
    lengths = np.minimum(np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1))
    return float(np.rad2deg(_mean_or_nan(angles[lengths > SHORTEST_DIRECTION])))


@dataclass(frozen=True)
class PinchScores:
    """Precision, recall and F1 of the robot's pinches against the person's, each 0 to 1 or nan."""

    precision: float
    recall: float
    f1: float


def pinch_scores(
    human_distances: Float[np.ndarray, "T P"],
    robot_gaps: Float[np.ndarray, "T P"],
    valid: Bool[np.ndarray, " T"],
    human_theta: float = HUMAN_PINCH,
    robot_theta: float = ROBOT_PINCH,
) -> PinchScores:
    """Whether the robot pinches when, and only when, the person does.

    Each (frame, pair) is one case. The person pinches when the distance is below `human_theta`, the
    robot when the gap is below `robot_theta`. With tp, fp and fn counted over all cases: precision
    tp/(tp+fp), recall tp/(tp+fn), F1 2tp/(2tp+fp+fn). Each is nan when its denominator is 0: no
    pinch of the robot, none of the person, none of either. Pairs a hand cannot close are for the
    caller to leave out, as columns.

    Args:
        human_distances: Thumb tip to finger tip of the person [m].
        robot_gaps: Between the surfaces of the robot's tips [m]; negative when they penetrate.
        valid: The frames that count.
        human_theta: The person's threshold [m]: 0.01 for gloves, 0.02 for trackers of video.
        robot_theta: The robot's threshold [m].
    """
    distances, gaps = _pair(valid, human_distances=human_distances, robot_gaps=robot_gaps)
    human, robot = distances < human_theta, gaps < robot_theta
    hits = int(np.sum(human & robot))
    by_human, by_robot = int(np.sum(human)), int(np.sum(robot))
    return PinchScores(
        precision=_ratio(hits, by_robot),
        recall=_ratio(hits, by_human),
        f1=_ratio(2 * hits, by_human + by_robot),
    )


def pinch_distance_error_mm(
    human_distances: Float[np.ndarray, "T P"],
    robot_distances: Float[np.ndarray, "T P"],
    valid: Bool[np.ndarray, " T"],
    scale: float = 1.0,
    human_theta: float = HUMAN_PINCH,
) -> float:
    """Mean |robot distance - scale · human distance| over the cases where the person pinches [mm].

    nan when the person never pinches. The robot's distance is of whichever kind the caller compares
    with the person's: between tip points, or between surfaces.

    Args:
        human_distances: Thumb tip to finger tip of the person [m].
        robot_distances: The same of the robot [m].
        valid: The frames that count.
        scale: Robot lengths a human length.
        human_theta: Distance below which the person pinches [m], before scaling.
    """
    human, robot = _pair(valid, human_distances=human_distances, robot_distances=robot_distances)
    return MM * _mean_or_nan(np.abs(robot - scale * human)[human < human_theta])


def limit_hit_percent(
    qpos: Float[np.ndarray, "T n"],
    limits: Float[np.ndarray, "n 2"],
    valid: Bool[np.ndarray, " T"],
    tolerance: float = 1e-6,
) -> float:
    """Share of (frame, joint) at or beyond a limit, within `tolerance` of the joint's range [%].

    An infinite limit is never hit; a joint of zero range always is.
    """
    (q,), (lower, upper) = _kept(valid, qpos=qpos), _bounds(limits, joints=qpos.shape[1])
    spans = upper - lower
    margin = np.where(np.isfinite(spans), tolerance * spans, 0.0)
    return PERCENT * float(np.mean((q <= lower + margin) | (q >= upper - margin)))


def limit_violations(
    qpos: Float[np.ndarray, "T n"],
    limits: Float[np.ndarray, "n 2"],
    valid: Bool[np.ndarray, " T"],
    tolerance: float = 0.0,
) -> int:
    """How many (frame, joint) lie beyond a limit by more than `tolerance` [rad], a count."""
    (q,), (lower, upper) = _kept(valid, qpos=qpos), _bounds(limits, joints=qpos.shape[1])
    return int(np.count_nonzero((q < lower - tolerance) | (q > upper + tolerance)))


def derivative(
    times: Float[np.ndarray, " T"],
    values: Float[np.ndarray, "T ..."],
    valid: Bool[np.ndarray, " T"],
    order: int,
) -> Float[np.ndarray, "windows ..."]:
    """The `order`-th time derivative, by finite differences that need no uniform rate.

    k! times Newton's divided difference over each window of k + 1 consecutive frames, with
    f[i] = values[i] and f[i..j] = (f[i+1..j] - f[i..j-1]) / (t_j - t_i). It is exact for
    polynomials of degree k and, at a uniform step h, the ordinary forward difference Δᵏ/hᵏ. Only
    windows of valid frames are returned: T - order of them when all are valid, none when no run of
    valid frames is long enough.

    Raises:
        InputError: times do not increase, order is below 1; see the module for the rest.
    """
    if order < 1:
        raise InputError(f"order is {order}, expected 1 (velocity) or more.")
    if len(times) != len(valid):
        raise InputError(f"times has {len(times)} frames, expected {len(valid)} as valid has.")
    if not np.all(np.diff(times) > 0):
        raise InputError("times must be strictly increasing.")
    _kept(valid, values=values)
    trailing = (1,) * (values.ndim - 1)
    differences, whole = np.where(valid.reshape(-1, *trailing), values, 0.0), valid
    for k in range(1, order + 1):
        spans = (times[k:] - times[:-k]).reshape(-1, *trailing)
        differences = np.diff(differences, axis=0)[: len(spans)] / spans
        whole = whole[1:] & whole[:-1]
    return factorial(order) * differences[whole]


def joint_velocity_rms(
    times: Float[np.ndarray, " T"],
    qpos: Float[np.ndarray, "T n"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Root mean square of the joints' velocity over windows and joints [rad/s]; see `derivative`.

    nan below two consecutive valid frames.
    """
    return _rms(derivative(times, qpos, valid, order=1))


def joint_acceleration_rms(
    times: Float[np.ndarray, " T"],
    qpos: Float[np.ndarray, "T n"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Root mean square of the joints' acceleration [rad/s²]; nan below three frames in a row."""
    return _rms(derivative(times, qpos, valid, order=2))


def joint_jerk_rms(
    times: Float[np.ndarray, " T"],
    qpos: Float[np.ndarray, "T n"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Root mean square of the joints' jerk [rad/s³]; nan below four frames in a row."""
    return _rms(derivative(times, qpos, valid, order=3))


def tip_jerk_rms(
    times: Float[np.ndarray, " T"],
    tips: Float[np.ndarray, "T F 3"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Root mean square of the length of the tips' jerk [m/s³]; nan below four frames in a row."""
    return _rms(np.linalg.norm(derivative(times, tips, valid, order=3), axis=-1))


def joint_tracking_rmse(
    achieved: Float[np.ndarray, "T n"],
    commanded: Float[np.ndarray, "T n"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Root mean square over frames and joints of what physics did less what was asked [rad].

    The difference is not wrapped to a turn: hand joints have limits.
    """
    did, asked = _pair(valid, achieved=achieved, commanded=commanded)
    return _rms(did - asked)


def tip_tracking_rmse_mm(
    achieved: Float[np.ndarray, "T F 3"],
    commanded: Float[np.ndarray, "T F 3"],
    valid: Bool[np.ndarray, " T"],
) -> float:
    """Root mean square distance of the tips in physics from those of the commanded pose [mm]."""
    return MM * _rms(_tip_distances(achieved, commanded, valid))


def valid_percent(valid: Bool[np.ndarray, " T"]) -> float:
    """Share of the frames in which the person was seen [%].

    Raises:
        InputError: there is no frame.
    """
    if len(valid) == 0:
        raise InputError("valid has 0 frames, expected at least one.")
    return PERCENT * float(np.mean(valid))


def converged_percent(converged: Bool[np.ndarray, " T"], valid: Bool[np.ndarray, " T"]) -> float:
    """Share of the valid frames whose solve converged [%]."""
    (kept,) = _kept(valid, converged=converged)
    return PERCENT * float(np.mean(kept))


def _tip_distances(tips: np.ndarray, targets: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """‖tips - targets‖ of the valid frames, (T', F) [m]."""
    a, b = _pair(valid, tips=tips, targets=targets)
    return np.linalg.norm(a - b, axis=-1)


def _pair(valid: np.ndarray, **arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """`_kept` of arrays that are compared entry by entry, so must not broadcast."""
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        named = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"Shapes differ: {named}, expected the same.")
    return _kept(valid, **arrays)


def _kept(valid: np.ndarray, **arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The valid rows of each array, once they have been found finite and of one length."""
    frames = len(valid)
    for name, array in arrays.items():
        if len(array) != frames:
            raise InputError(f"{name} has {len(array)} frames, expected {frames} as valid has.")
    if not valid.any():
        raise InputError(f"None of the {frames} frames is valid, expected at least one.")
    for name, array in arrays.items():
        if not np.isfinite(array[valid]).all():
            raise InputError(f"{name} has NaN or infinite values in valid frames, expected none.")
    return tuple(array[valid] for array in arrays.values())


def _bounds(limits: np.ndarray, joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits, each (n,)."""
    if limits.shape != (joints, 2):
        raise InputError(f"limits have shape {limits.shape}, expected ({joints}, 2).")
    lower, upper = limits.T
    if not np.all(lower <= upper):
        wrong = np.flatnonzero(~(lower <= upper)).tolist()
        raise InputError(f"limits of joints {wrong} are not ordered, expected lower <= upper.")
    return lower, upper


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(_mean_or_nan(np.square(values))))


def _mean_or_nan(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("tip_error_mm", "mm", "lower", "mean distance of the tips from their targets"),
        Metric("tip_error_p95_mm", "mm", "lower", "95th percentile of the tips' distance"),
        Metric("tip_error_percent", "%", "lower", "mean tip distance as a share of finger reach"),
        Metric("direction_error_deg", "deg", "lower", "mean angle of palm-to-tip to its target's"),
        Metric("pinch_precision", "1", "higher", "share of the robot's pinches the person makes"),
        Metric("pinch_recall", "1", "higher", "share of the person's pinches the robot makes"),
        Metric("pinch_f1", "1", "higher", "harmonic mean of pinch precision and recall"),
        Metric("pinch_distance_error_mm", "mm", "lower", "error of tip distance while pinching"),
        Metric("limit_hit_percent", "%", "lower", "share of joint values at a limit"),
        Metric("limit_violations", "1", "lower", "number of joint values beyond a limit"),
        Metric("joint_velocity_rms", "rad/s", "lower", "root mean square joint velocity"),
        Metric("joint_acceleration_rms", "rad/s²", "lower", "root mean square joint acceleration"),
        Metric("joint_jerk_rms", "rad/s³", "lower", "root mean square joint jerk"),
        Metric("tip_jerk_rms", "m/s³", "lower", "root mean square jerk of the tips"),
        Metric("joint_tracking_rmse", "rad", "lower", "joints in physics against commanded"),
        Metric("tip_tracking_rmse_mm", "mm", "lower", "tips in physics against commanded"),
        Metric("valid_percent", "%", "higher", "share of frames in which the person was seen"),
        Metric("converged_percent", "%", "higher", "share of valid frames whose solve converged"),
    )
}
"""Every figure of a score, in the order of a report; all but the pinch ratios are named after
the function that computes them (those three are fields of `pinch_scores`)."""
