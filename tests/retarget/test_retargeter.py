"""Retargeter: planted motions found again, and what holds for every motion."""

import numpy as np
import pytest

import handsim
from handsim.errors import InputError, UnknownNameError
from retarget import METHODS, Retargeter, Solution, load
from retarget.calibration import Calibration
from retarget.status import Status
from tests.hands import hand
from tests.retarget.people import keypoints_of, person, smooth_motion


def itself(robot):
    """The calibration of a person whose hand is the robot's."""
    return Calibration(
        robot.name, robot.side, robot.fingers, np.eye(3), np.zeros(3), np.ones(len(robot.fingers))
    )


def planted(robot, valid=None):
    return person(
        keypoints_of(robot, smooth_motion(robot), itself(robot)), side=robot.side, valid=valid
    )


@pytest.mark.parametrize("name", ["allegro", "shadow", "ability"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_fingertips_that_can_be_reached_are_reached(name, side):
    robot = hand(name, side)
    solution = Retargeter(robot, "vector", itself(robot)).retarget(planted(robot))
    wanted = robot.tips(smooth_motion(robot))
    error = np.linalg.norm(robot.tips(solution.trajectory.qpos) - wanted, axis=-1)
    assert solution.failed == 0
    # A frame in a hundred starts in another valley of the thumb's (24 joints, 15 numbers).
    assert np.percentile(error, 95) < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_limits_hold_and_the_result_repeats_to_the_bit(method):
    robot = hand("shadow")
    motion = person(0.7 * keypoints_of(robot, smooth_motion(robot), itself(robot)))
    first, second = (Retargeter(robot, method).retarget(motion) for _ in range(2))
    qpos = first.trajectory.qpos
    assert (qpos >= robot.limits[:, 0]).all()
    assert (qpos <= robot.limits[:, 1]).all()
    np.testing.assert_array_equal(qpos, second.trajectory.qpos)
    np.testing.assert_array_equal(first.cost, second.cost)


def test_a_frame_that_was_not_seen_holds_the_one_before():
    robot = hand("allegro")
    valid = np.ones(40, dtype=bool)
    valid[[0, 1, 20, 21]] = False
    solution = Retargeter(robot, "vector", itself(robot)).retarget(planted(robot, valid))
    qpos = solution.trajectory.qpos
    np.testing.assert_array_equal(qpos[[0, 1]], qpos[[2, 2]])
    np.testing.assert_array_equal(qpos[[20, 21]], qpos[[19, 19]])
    np.testing.assert_array_equal(solution.trajectory.valid, valid)
    assert np.isnan(solution.cost[~valid]).all()
    assert (solution.status[~valid] == Status.NOT_SEEN).all()
    assert (solution.status[valid] == Status.CONVERGED).all()
    assert solution.failed == 0


def test_the_wrist_follows_the_person():
    robot = hand("allegro")
    motion = planted(robot)
    solution = Retargeter(robot, "vector", itself(robot)).retarget(motion)
    np.testing.assert_allclose(solution.trajectory.wrist, motion.wrist, atol=1e-12)


def test_a_solution_round_trip_is_exact(tmp_path):
    robot = hand("allegro")
    before = Retargeter(robot).retarget(planted(robot).select(slice(0, 5)))
    before.save(tmp_path / "s.npz")
    after = Solution.load(tmp_path / "s.npz")
    for name in ("times", "qpos", "wrist", "valid"):
        np.testing.assert_array_equal(
            getattr(after.trajectory, name), getattr(before.trajectory, name)
        )
    for name in ("cost", "status", "converged", "seconds"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (after.method, after.failed) == (before.method, before.failed)
    np.testing.assert_array_equal(after.calibration.scale, before.calibration.scale)


def test_a_left_motion_on_a_right_hand_is_refused():
    left = hand("allegro", "left")
    with pytest.raises(InputError, match=r"motion is of a left hand, .* load_hand\('allegro', sid"):
        Retargeter(hand("allegro")).retarget(planted(left))


def test_an_unknown_method_lists_the_choices():
    with pytest.raises(UnknownNameError, match="Unknown method 'magic'. Available: .*vector"):
        Retargeter(hand("allegro"), method="magic")


def test_the_calibration_of_another_hand_is_refused():
    with pytest.raises(InputError, match="The calibration is of shadow right, the hand is allegro"):
        Retargeter(hand("allegro"), calibration=itself(hand("shadow")))


@pytest.mark.parametrize(("name", "bar_mm"), [("allegro", 6.0), ("shadow", 10.0)])
def test_a_real_clip_is_matched_within_its_bar(shared, name, bar_mm):
    """The usual fixed scale of 1.6 leaves 38.8 mm on Allegro; a fixed 1.0 leaves 4.7 mm."""
    motion = load(shared / "motions" / "dexretarget" / "human_joint_right.pkl")
    robot = hand(name)
    solution = Retargeter(robot, "vector").retarget(motion)
    targets = solution.calibration.tip_targets(motion.palm_keypoints)
    error = np.linalg.norm(robot.tips(solution.trajectory.qpos) - targets, axis=-1)
    assert 1e3 * error.mean() < bar_mm
    assert solution.failed == 0
    qpos = solution.trajectory.qpos
    assert ((qpos >= robot.limits[:, 0]) & (qpos <= robot.limits[:, 1])).all()


def test_the_doors_are_where_a_user_looks():
    assert handsim.load_hand("allegro").name == "allegro"
