"""Calibration: what it maps, and that a planted one is found again."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget.calibration import Calibration
from retarget.fitting import by_proportion, calibrate, finger_lengths
from retarget.objective import Objective
from retarget.reference import fingertips
from retarget.solvers import newton
from tests.hands import hand
from tests.retarget.people import keypoints_of, smooth_motion


def planted(robot):
    """A person turned by 10°, shifted by 1 cm, each finger a little longer than the last."""
    return Calibration(
        robot.name,
        robot.side,
        robot.fingers,
        Rotation.from_rotvec([0.10, -0.12, 0.08]).as_matrix(),
        np.array([0.008, -0.005, 0.004]),
        np.linspace(1.2, 1.4, len(robot.fingers)),
    )


def test_targets_are_the_similarity_by_hand():
    calibration = Calibration(
        "toy", "right", ("thumb", "index"),
        Rotation.from_rotvec([0, 0, np.pi / 2]).as_matrix(), np.array([1.0, 0, 0]),
        np.array([2.0, 3.0]),
    )  # fmt: skip
    keypoints = np.zeros((1, 21, 3))
    keypoints[0, 4], keypoints[0, 8] = [1, 0, 0], [0, 1, 0]
    expected = [[[1, 2, 0], [-2, 0, 0]]]
    np.testing.assert_allclose(calibration.tip_targets(keypoints), expected, atol=1e-15)
    np.testing.assert_allclose(calibration.place(keypoints)[0, 4], [1, 1, 0], atol=1e-15)


def test_the_robots_palm_puts_its_points_on_the_persons():
    robot = hand("allegro")
    calibration = planted(robot)
    wrist = np.array(
        [[0.3, -0.2, 0.5, *Rotation.from_rotvec([1, 2, 3]).as_quat(scalar_first=True)]]
    )
    keypoint = np.array([0.02, 0.03, 0.15])
    in_world = wrist[0, :3] + Rotation.from_quat(wrist[0, 3:], scalar_first=True).apply(keypoint)
    palm = calibration.robot_wrist(wrist)[0]
    on_robot = calibration.place(np.tile(keypoint, (1, 21, 1)))[0, 0]
    again = palm[:3] + Rotation.from_quat(palm[3:], scalar_first=True).apply(on_robot)
    np.testing.assert_allclose(again, in_world, atol=1e-12)


def unreached(robot, keypoints, calibration):
    """Mean distance [m] of the solved fingertips from the calibration's targets."""
    objective = Objective(robot, fingertips(robot, calibration.tip_targets(keypoints)))
    tips = robot.tips(objective.qpos(newton(objective).x))
    return np.linalg.norm(tips - calibration.tip_targets(keypoints), axis=-1).mean()


@pytest.mark.parametrize("name", ["allegro", "shadow"])
def test_a_planted_person_is_brought_within_reach(name):
    """Other numbers than the planted ones may serve as well; that they serve is what counts."""
    robot = hand(name)
    truth = replace(planted(robot), scale=np.full(len(robot.fingers), 1.3))
    keypoints = keypoints_of(robot, smooth_motion(robot), truth)
    before = unreached(robot, keypoints, by_proportion(robot, keypoints))
    after = unreached(robot, keypoints, calibrate(robot, keypoints))
    assert after < 0.5 * before
    assert after < 3e-3


def test_scale_follows_the_size_of_the_person():
    robot = hand("allegro")
    keypoints = keypoints_of(robot, smooth_motion(robot), planted(robot))
    small, large = by_proportion(robot, keypoints), by_proportion(robot, 2 * keypoints)
    np.testing.assert_allclose(small.scale, 2 * large.scale)


def test_finger_lengths_are_sums_of_median_bones():
    keypoints = np.zeros((3, 21, 3))
    keypoints[:, [5, 6, 7, 8], 2] = [0.09, 0.13, 0.15, 0.17]
    keypoints[0, 8, 2] = 5.0
    np.testing.assert_allclose(finger_lengths(keypoints, ("index",)), [0.17])
    with pytest.raises(InputError, match="The ring has length 0"):
        finger_lengths(keypoints, ("index", "ring"))


def test_a_round_trip_is_exact(tmp_path):
    before = replace(planted(hand("allegro")), tips="Manus tip nodes", pinch=0.01)
    before.save(tmp_path / "c.npz")
    after = Calibration.load(tmp_path / "c.npz")
    assert (after.hand, after.side, after.fingers) == (before.hand, before.side, before.fingers)
    assert (after.tips, after.pinch) == (before.tips, before.pinch)
    for name in ("rotation", "offset", "scale"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_it_shows_what_it_is():
    shown = str(replace(planted(hand("allegro")), tips="Manus tip nodes", pinch=0.01))
    assert "calibration of allegro right" in shown
    assert "Manus tip nodes, touching at 10 mm" in shown
    assert "10.1° (5.7, -6.9, 4.6)" in shown
    assert "8.0, -5.0, 4.0 mm" in shown
    assert "thumb     × 1.200" in shown


def test_what_is_no_similarity_is_refused():
    good = planted(hand("allegro"))
    with pytest.raises(InputError, match="not orthonormal"):
        replace(good, rotation=2 * np.eye(3))
    with pytest.raises(InputError, match="expected a positive number for each of thumb, index"):
        replace(good, scale=np.array([1.0, 1.0, 0.0, 1.0]))
