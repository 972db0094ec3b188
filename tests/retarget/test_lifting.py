"""Demonstrations: the robot's palm holds the object as found, and replay lifts what is planted."""

import gymnasium
import numpy as np
import pytest

import handsim
import retarget
from handsim.demonstration import Demonstration
from handsim.errors import UnknownNameError
from handsim.poses import matrices_from_poses
from handsim.surfaces import distance_to
from retarget.human.sources.dexmv import EXAMPLE_CAMERAS
from retarget.lifting import CLOSED, demonstrate
from tests.hands import hand
from tests.retarget.lifting import OBJECT, lifting, mirrored, relative


def shown(name, side="right"):
    motion = lifting().motion if side == "right" else mirrored(lifting().motion)
    return demonstrate(retarget.Retargeter(hand(name, side)), motion, OBJECT, "box")


@pytest.fixture(scope="module")
def demonstration():
    return shown("ability")


def replayed(demonstration):
    env = gymnasium.make(
        "handsim/Grasp-v0", hand=demonstration.trajectory.hand, demonstration=demonstration
    )
    return handsim.replay(env)


def test_the_palm_is_held_where_the_object_is_from_the_grasp_on(demonstration):
    palms = relative(demonstration.object_path, demonstration.trajectory.wrist)
    rises = demonstration.object_path[:, 2] > demonstration.object_path[0, 2] + 1e-3
    held = palms[rises]
    assert len(held) > 20
    np.testing.assert_allclose(held, np.tile(held[-1], (len(held), 1, 1)), atol=1e-6)
    assert np.linalg.norm(palms[0, :3, 3] - held[-1, :3, 3]) > 0.08


def test_the_tips_are_outside_the_object_until_they_touch_and_inside_when_they_lift(demonstration):
    robot, distance = hand("ability"), distance_to(demonstration.object)
    palms = relative(demonstration.object_path, demonstration.trajectory.wrist)
    tips = robot.tips(demonstration.trajectory.qpos)
    tips = tips @ palms[:, :3, :3].transpose(0, 2, 1) + palms[:, None, :3, 3]
    gaps = distance(tips)
    lift = int(np.argmax(demonstration.object_path[:, 2] > demonstration.object_path[0, 2] + 1e-3))
    times = demonstration.trajectory.times - demonstration.trajectory.times[lift]
    assert (gaps[times < 2 * CLOSED] > -1e-3).all()
    assert (gaps[lift + 1 :, 0] < 0).all()
    assert (gaps[lift + 1 :, 1:].min(axis=1) < 0).all()


def test_joints_stay_in_their_limits_and_move_without_jumps(demonstration):
    robot, qpos = hand("ability"), demonstration.trajectory.qpos
    low, high = robot.limits[robot.independent_ids].T
    x = robot.reduce(qpos)
    assert ((x > low - 1e-6) & (x < high + 1e-6)).all()
    assert np.abs(np.diff(qpos, axis=0)).max() * demonstration.trajectory.rate < 20


def test_replay_lifts_the_planted_object(demonstration):
    rollout = replayed(demonstration)
    assert rollout.info["success"][-1]
    assert rollout.info["object_error"].max() < 0.02


def test_the_object_never_is_in_the_table(demonstration):
    corners = (
        np.array(demonstration.object.size) / 2 * [[x, y, -1] for x in (-1, 1) for y in (-1, 1)]
    )
    path = matrices_from_poses(demonstration.object_path)
    heights = path[:, None, 2, 3] + (path[:, 2, :3] @ corners.T)
    assert heights.min() > -1e-9


def test_a_left_hand_does_the_mirror_image(demonstration):
    left = shown("ability", "left")
    behind = np.array([-1, 1, 1, 1, 1, -1, -1])
    np.testing.assert_allclose(left.object_path, demonstration.object_path * behind, atol=1e-6)
    wrist = np.abs(left.trajectory.wrist - demonstration.trajectory.wrist * behind)
    assert wrist[:, :3].max() < 0.01


def test_it_is_kept_in_a_file(demonstration, tmp_path):
    demonstration.save(tmp_path / "lift.npz")
    again = Demonstration.load(tmp_path / "lift.npz")
    np.testing.assert_array_equal(again.object_path, demonstration.object_path)
    np.testing.assert_array_equal(again.trajectory.qpos, demonstration.trajectory.qpos)


def test_an_unknown_stream_or_object_is_named(demonstration):
    retargeter, motion = retarget.Retargeter(hand("ability")), lifting().motion
    with pytest.raises(UnknownNameError, match="Unknown stream 'bottle'. Available: object_0"):
        demonstrate(retargeter, motion, "bottle", "box")
    with pytest.raises(UnknownNameError, match="Unknown object 'bottle'"):
        demonstrate(retargeter, motion, OBJECT, "bottle")


def test_the_mustard_bottle_is_lifted(shared):
    motion = retarget.load(shared / "motions" / "dexmv_mustard")
    retargeter = retarget.Retargeter(hand("ability"))
    bottle = demonstrate(retargeter, motion, "object_5", "mustard", EXAMPLE_CAMERAS)
    rollout = replayed(bottle)
    height = rollout.observations["object"][:, 2]
    assert rollout.info["success"][-1]
    assert height.max() - height[0] > 0.11
