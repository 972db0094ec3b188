"""All figures of one solution on one hand and motion, whoever made it."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from benchmarks import protocol
from handsim.contact import self_penetration, tip_gaps
from handsim.hands.robot_hand import RobotHand
from retarget import metrics, naturalness
from retarget.calibration import Calibration
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import CHAINS, NAMES
from retarget.metrics import Metric
from retarget.reach import reachable_pinches

FIGURES: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("tip_aligned", "%", "lower", "tip error of reach, palm aligned to the person's"),
        Metric("tip_coinciding", "%", "lower", "tip error of reach, palm where the person's is"),
        Metric("pinch_f1", "1", "higher", "F1 of the pinches that the hand can make"),
        Metric("penetration", "%", "lower", "frames in which links overlap by more than 2 mm"),
        Metric("jerk_frame", "1e-3 rad/frame³", "lower", "rms third difference of the joints"),
        Metric("jerk_mean", "1e-3 rad/frame³", "lower", "mean size of that difference"),
        Metric("jerk_median", "1e-3 rad/frame³", "lower", "the rms of the median frame"),
        Metric("jerk", "rad/s³", "lower", "rms jerk of the joints"),
        Metric("link_error", "deg", "lower", "mean angle of links to phalanges, palm aligned"),
        Metric("link_error_coinciding", "deg", "lower", "the same, palm where the person's is"),
        Metric("bend_error", "deg", "lower", "mean difference of the finger joints' bends"),
        Metric("hyper_bent", "%", "lower", "finger joints bent as the person's are not"),
        Metric("swapped", "%", "lower", "frames with neighbouring fingertips swapped"),
        Metric("violations", "1", "lower", "joint values beyond a limit"),
        Metric("lost", "1", "lower", "frames that were not solved"),
    )
}
"""What `figures` returns, in the order of a report."""

ROUNDING = 1e-6
"""Joint values this far beyond a limit [rad] are no violation."""


@dataclass(frozen=True, eq=False)
class Case:
    """One hand and motion, with what every solution is measured against.

    Attributes:
        hand: the robot.
        person: the motion.
        theta: human tip distance below which thumb and finger pinch [m].
        coinciding, aligned: the targets of `protocol`.
        pinches: whether the hand can make each pinch, in the order of `hand.fingers[1:]`.
        still: the frames are no motion, so nothing is asked of their differences.
    """

    hand: RobotHand
    person: HandTrajectory
    theta: float
    coinciding: Calibration
    aligned: Calibration
    pinches: Bool[np.ndarray, " F1"]
    still: bool = False

    @property
    def human_pinches(self) -> int:
        """How many (frame, finger) pinches the person makes that the hand can make."""
        distances = _tip_distances(self)[self.person.valid]
        return int((distances[:, self.pinches] < self.theta).sum())


def case(hand: RobotHand, person: HandTrajectory, theta: float, still: bool = False) -> Case:
    """Fit the targets of one hand and motion; the same for every method and peer."""
    keypoints = person.palm_keypoints[person.valid]
    coinciding, aligned = (
        replace(calibration, tips=person.source.tips, pinch=theta)
        for calibration in (
            protocol.coinciding(hand, keypoints),
            protocol.aligned(hand, keypoints),
        )
    )
    return Case(hand, person, theta, coinciding, aligned, reachable_pinches(hand), still)


def figures(
    case: Case, qpos: Float[np.ndarray, "T nq"], solved: Bool[np.ndarray, " T"]
) -> dict[str, float]:
    """Every one of `FIGURES`; nan where the motion or the hand does not define it.

    Args:
        case: the hand, the motion and its targets.
        qpos: the robot's joints in each of the motion's frames [rad].
        solved: whether the solver succeeded, frame by frame.
    """
    hand, valid = case.hand, case.person.valid
    moving = hand.tree.input_ids
    joints, limits = qpos[:, moving], hand.limits[moving]
    found = _tips(case, qpos) | _posture(case, qpos) | _jerk(case, joints)
    gaps = tip_gaps(hand, qpos)[:, case.pinches]
    human = _tip_distances(case)[:, case.pinches]
    found |= {
        "pinch_f1": metrics.pinch_scores(human, gaps, valid, case.theta).f1,
        "penetration": naturalness.penetration_percent(self_penetration(hand, qpos), valid),
        "violations": metrics.limit_violations(joints, limits, valid, ROUNDING),
        "lost": int((valid & ~solved).sum()),
    }
    return {name: found[name] for name in FIGURES}


def _tips(case: Case, qpos: Float[np.ndarray, "T nq"]) -> dict[str, float]:
    hand, person, tips = case.hand, case.person, case.hand.tips(qpos)
    return {
        f"tip_{name}": metrics.tip_error_percent(
            tips, targets.tip_targets(person.palm_keypoints), hand.reach, person.valid
        )
        for name, targets in (("aligned", case.aligned), ("coinciding", case.coinciding))
    }


def _posture(case: Case, qpos: Float[np.ndarray, "T nq"]) -> dict[str, float]:
    hand, person, names = case.hand, case.person, case.hand.point_names
    points, keypoints, valid = hand.points(qpos), person.palm_keypoints, person.valid
    ends, joints = naturalness.links(names), naturalness.finger_joints(names)
    robot, human = (
        naturalness.link_vectors(p, n, ends) for p, n in ((points, names), (keypoints, NAMES))
    )
    robot_bends, human_bends = (
        naturalness.bends(p, n, joints) for p, n in ((points, names), (keypoints, NAMES))
    )
    turned = human @ case.aligned.rotation.T
    fingers = [CHAINS[f][3] for f in hand.fingers[1:]]
    return {
        "link_error": metrics.direction_error_deg(robot, turned, valid),
        "link_error_coinciding": metrics.direction_error_deg(robot, human, valid),
        "bend_error": naturalness.bend_error_deg(robot_bends, human_bends, valid),
        "hyper_bent": naturalness.hyper_bent_percent(robot_bends, human_bends, valid),
        "swapped": naturalness.swapped_percent(
            points[:, hand.tip_ids[1:]], keypoints[:, fingers], person.side, valid
        ),
    }


def _jerk(case: Case, joints: Float[np.ndarray, "T m"]) -> dict[str, float]:
    """Of the independent joints below the palm."""
    if case.still:
        return dict.fromkeys(("jerk_frame", "jerk_mean", "jerk_median", "jerk"), float("nan"))
    times, valid = case.person.times, case.person.valid
    differences = metrics.derivative(np.arange(len(times), dtype=float), joints, valid, order=3)
    square = (differences**2).mean(axis=1)
    return {
        "jerk_frame": 1e3 * float(np.sqrt(square.mean())),
        "jerk_mean": 1e3 * float(np.abs(differences).mean()),
        "jerk_median": 1e3 * float(np.sqrt(np.median(square))),
        "jerk": metrics.joint_jerk_rms(times, joints, valid),
    }


def _tip_distances(case: Case) -> Float[np.ndarray, "T F1"]:
    tips = case.person.palm_keypoints[:, [CHAINS[f][3] for f in case.hand.fingers]]
    return np.linalg.norm(tips[:, 1:] - tips[:, :1], axis=-1)
