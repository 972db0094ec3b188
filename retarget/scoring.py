"""All scores of one retargeted motion, by the names of `metrics.METRICS`."""

import numpy as np

from handsim.contact import tip_gaps
from handsim.errors import InputError
from handsim.hands.catalog import load_hand
from handsim.hands.robot_hand import RobotHand
from handsim.rollout import Rollout
from retarget import metrics
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import CHAINS
from retarget.retargeter import Solution


def score(
    motion: HandTrajectory,
    solution: Solution,
    rollout: Rollout | None = None,
    hand: RobotHand | None = None,
) -> dict[str, float]:
    """Every score the inputs define; those of physics need a rollout.

    Errors are taken against the targets the solution's calibration sets, frame by frame, on the
    frames in which the person was seen.

    Args:
        motion: the person.
        solution: what `Retargeter.retarget` made of that motion.
        rollout: the solution's replay.
        hand: the solution's hand, loaded when not given.

    Raises:
        InputError: the solution is not of this motion, or the rollout not of this solution.
    """
    trajectory = solution.trajectory
    hand = hand or load_hand(trajectory.hand, trajectory.side)
    if len(motion) != len(trajectory) or not np.array_equal(motion.times, trajectory.times):
        raise InputError(
            f"The motion has {len(motion)} frames over {motion.duration:.2f} s, the solution "
            f"{len(trajectory)} over {trajectory.duration:.2f} s; expected the same times."
        )
    scores = _kinematic(motion, solution, hand) | _pinches(motion, solution, hand)
    if rollout is not None:
        if (rollout.hand, rollout.side) != (trajectory.hand, trajectory.side):
            raise InputError(
                f"The rollout is of {rollout.hand} {rollout.side}, the solution of "
                f"{trajectory.hand} {trajectory.side}; expected the same hand."
            )
        scores |= _tracking(rollout, hand)
    return {name: scores[name] for name in metrics.METRICS if name in scores}


def _kinematic(motion: HandTrajectory, solution: Solution, hand: RobotHand) -> dict[str, float]:
    times, qpos, valid = motion.times, solution.trajectory.qpos, motion.valid
    tips, targets = hand.tips(qpos), solution.calibration.tip_targets(motion.palm_keypoints)
    joints = qpos[:, hand.independent_ids]
    limits = hand.limits[hand.independent_ids]
    return {
        "tip_error_mm": metrics.tip_error_mm(tips, targets, valid),
        "tip_error_p95_mm": metrics.tip_error_p95_mm(tips, targets, valid),
        "tip_error_percent": metrics.tip_error_percent(tips, targets, hand.reach, valid),
        "direction_error_deg": metrics.direction_error_deg(tips, targets, valid),
        "limit_hit_percent": metrics.limit_hit_percent(joints, limits, valid),
        "limit_violations": metrics.limit_violations(joints, limits, valid),
        "joint_velocity_rms": metrics.joint_velocity_rms(times, joints, valid),
        "joint_acceleration_rms": metrics.joint_acceleration_rms(times, joints, valid),
        "joint_jerk_rms": metrics.joint_jerk_rms(times, joints, valid),
        "tip_jerk_rms": metrics.tip_jerk_rms(times, tips, valid),
        "valid_percent": metrics.valid_percent(valid),
        "converged_percent": metrics.converged_percent(solution.converged, valid),
    }


def _pinches(motion: HandTrajectory, solution: Solution, hand: RobotHand) -> dict[str, float]:
    """Thumb against each other finger of the hand; human distances at the person's own size."""
    person = motion.palm_keypoints[:, [CHAINS[f][3] for f in hand.fingers]]
    human = np.linalg.norm(person[:, 1:] - person[:, :1], axis=-1)
    robot_tips = hand.tips(solution.trajectory.qpos)
    robot = np.linalg.norm(robot_tips[:, 1:] - robot_tips[:, :1], axis=-1)
    gaps = tip_gaps(hand, solution.trajectory.qpos)
    found = metrics.pinch_scores(human, gaps, motion.valid)
    scale = float(solution.calibration.scale.mean())
    return {
        "pinch_precision": found.precision,
        "pinch_recall": found.recall,
        "pinch_f1": found.f1,
        "pinch_distance_error_mm": metrics.pinch_distance_error_mm(
            human, robot, motion.valid, scale
        ),
    }


def _tracking(rollout: Rollout, hand: RobotHand) -> dict[str, float]:
    """Physics against what was commanded, at the frames that steps end in."""
    commanded = rollout.reference().qpos[1:]
    achieved, all_valid = rollout.qpos[1:], np.ones(len(commanded), dtype=bool)
    return {
        "joint_tracking_rmse": metrics.joint_tracking_rmse(achieved, commanded, all_valid),
        "tip_tracking_rmse_mm": metrics.tip_tracking_rmse_mm(
            hand.tips(achieved), hand.tips(commanded), all_valid
        ),
    }
