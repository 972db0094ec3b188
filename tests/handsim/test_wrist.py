"""A wrist's coordinates are a chart of its poses, and an actuated one goes where it is told."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.poses import IDENTITY_POSE
from handsim.scene import build_scene
from handsim.wrist import FixedWrist, joint_names
from tests.hands import EVERY, hand

NAMES = sorted({name for name, _ in EVERY})
MOVING = ("floating", "actuated")


def random_poses(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    quats = Rotation.random(count, rng=rng).as_quat(scalar_first=True)
    return np.hstack([rng.uniform(-1, 1, (count, 3)), quats])


def test_coordinates_and_poses_are_inverse():
    base, *poses = random_poses(40)
    wrist = FixedWrist(base)
    for pose in poses:
        found = wrist.pose(wrist.coordinates(pose[None])[0])
        np.testing.assert_allclose(found[:3], pose[:3], atol=1e-12)
        assert abs(found[3:] @ pose[3:]) == pytest.approx(1.0)
    np.testing.assert_allclose(wrist.coordinates(base[None]), 0.0, atol=1e-12)


@pytest.mark.parametrize("deviation", [np.pi / 2, -np.pi / 2])
def test_where_roll_and_flexion_are_one_a_pose_is_kept(deviation):
    wrist = FixedWrist(IDENTITY_POSE)
    pose = wrist.pose(np.array([0.1, 0.2, 0.3, 0.7, deviation, 0.4]))
    again = wrist.pose(wrist.coordinates(pose[None])[0])
    assert abs(again[3:] @ pose[3:]) == pytest.approx(1.0, abs=1e-9)


def test_angles_do_not_jump_where_a_turn_goes_on():
    angles = np.linspace(0, 3 * np.pi, 100)
    turns = Rotation.from_euler("z", angles[:, None]).as_quat(scalar_first=True)
    found = FixedWrist(IDENTITY_POSE).coordinates(np.hstack([np.zeros((100, 3)), turns]))
    np.testing.assert_allclose(found[:, 3], angles, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", MOVING)
def test_coordinates_are_reached(name, kind):
    """Half a second after a command the palm is where its coordinates say, whatever the base."""
    robot, base = hand(name), random_poses(1, seed=3)[0]
    scene = build_scene(robot, kind, palm=base)
    data = mujoco.MjData(scene.model)
    scene.place(data, robot.neutral, base)
    wanted = np.array([0.03, -0.02, 0.01, 0.5, -0.4, 0.3])
    for _ in range(240):
        scene.command_wrist(data, wanted)
        mujoco.mj_step(scene.model, data)
    scene.update(data)
    goal, found = scene.wrist.pose(wanted), scene.palm(data)
    np.testing.assert_allclose(found[:3], goal[:3], atol=1e-3)
    assert abs(found[3:] @ goal[3:]) > 1 - 1e-4
    np.testing.assert_array_equal(scene.wrist_command(data), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_an_actuated_wrist_pushes_no_harder_than_its_limits(name):
    robot = hand(name)
    scene = build_scene(robot, "actuated", ground=-0.6)
    data = mujoco.MjData(scene.model)
    scene.place(data, robot.neutral)
    ids = [scene.model.actuator(joint).id for joint in joint_names()]
    for step in range(480):
        scene.command_wrist(data, np.array([0, 0, -min(step / 240, 1.5), 0, 0, 0]))
        mujoco.mj_step(scene.model, data)
        forces = np.abs(data.actuator_force[ids])
        assert forces[:3].max() <= 200 + 1e-9
        assert forces[3:].max() <= 20 + 1e-9
    assert np.isfinite(data.qpos).all()
    assert not data.warning.number.any()


@pytest.mark.parametrize("name", NAMES)
def test_an_actuated_wrist_is_stable_where_two_of_its_axes_align(name):
    """Roll and flexion turn about one axis there, while the hand pushes against the ground."""
    robot = hand(name)
    scene = build_scene(robot, "actuated", ground=-0.3)
    data = mujoco.MjData(scene.model)
    aligned = np.array([0.0, 0.0, 0.0, 0.5, np.pi / 2 - 1e-4, 0.2])
    scene.place(data, robot.neutral, scene.wrist.pose(aligned))
    rng = np.random.default_rng(0)
    for step in range(480):
        if step % 16 == 0:
            wanted = aligned + rng.uniform(-0.3, 0.3, 6)
        scene.command_wrist(data, wanted)
        mujoco.mj_step(scene.model, data)
    assert not data.warning.number.any()
    assert np.abs(data.qvel[scene.dof_ids]).max() < 100.0
