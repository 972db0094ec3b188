"""Gaps, penetration and forces, on a hand of two spheres and on every hand."""

import mujoco
import numpy as np
import pytest

from handsim.contact import self_penetration, tip_gaps
from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand
from handsim.scene import build_scene
from tests.hands import EVERY, configurations, hand

every_hand = pytest.mark.parametrize(
    ("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY]
)
SPHERES = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <body name="base">
      <geom size="0.002" contype="0" conaffinity="0"/>
      <site name="palm"/>
      <body name="thumb" pos="0 0 0">
        <joint name="thumb" type="slide" axis="0 0 1" range="-1 1"/>
        <geom size="0.01" mass="0.2"/>
        <site name="thumb_tip"/>
      </body>
      <body name="index" pos="0.1 0 0">
        <joint name="index" type="slide" axis="1 0 0" range="-1 1"/>
        <geom size="0.02" mass="0.2"/>
        <site name="index_tip"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position name="thumb" joint="thumb" kp="100" kv="9" ctrlrange="-1 1"/>
    <position name="index" joint="index" kp="100" kv="9" ctrlrange="-1 1"/>
  </actuator>
  {extra}
</mujoco>
"""


def spheres(extra: str = "") -> RobotHand:
    return RobotHand("spheres", "right", mujoco.MjSpec.from_string(SPHERES.format(extra=extra)))


def test_the_gap_of_two_spheres_is_their_distance_less_their_radii():
    slides = np.array([0.0, -0.05, -0.07, -0.085])
    qpos = np.stack([np.zeros(4), slides], axis=1)
    np.testing.assert_allclose(tip_gaps(spheres(), qpos)[:, 0], 0.1 + slides - 0.03, atol=1e-9)
    up = np.array([[0.1, 0.0]])
    np.testing.assert_allclose(tip_gaps(spheres(), up)[0, 0], np.sqrt(0.02) - 0.03, atol=1e-9)


def test_the_penetration_of_two_spheres():
    qpos = np.array([[0.0, 0.0], [0.0, -0.07], [0.0, -0.085]])
    np.testing.assert_allclose(self_penetration(spheres(), qpos), [0.0, 0.0, 0.015], atol=1e-9)


def test_excluded_pairs_do_not_count_as_penetration():
    robot = spheres('<contact><exclude body1="thumb" body2="index"/></contact>')
    overlapping = np.array([[0.0, -0.085]])
    assert self_penetration(robot, overlapping)[0] == 0.0
    assert tip_gaps(robot, overlapping)[0, 0] == pytest.approx(-0.015)


@every_hand
def test_a_resting_hand_touches_nothing(name, side):
    robot = hand(name, side)
    assert self_penetration(robot, robot.neutral[None])[0] == 0.0
    assert (tip_gaps(robot, robot.neutral[None]) > 0.005).all()


@every_hand
def test_tips_that_overlap_penetrate_at_least_as_deep(name, side):
    """A fingertip's negative gap is a penetration, where the model lets the two collide."""
    robot = hand(name, side)
    qpos = configurations(robot, 150, seed=2)
    gaps, depth = tip_gaps(robot, qpos), self_penetration(robot, qpos)
    deepest = np.maximum(0.0, -gaps.min(axis=1))
    assert (deepest > 1e-3).any()
    assert (depth >= deepest - 2e-4).all()


def test_pressing_on_the_ground_is_felt_as_the_actuators_force():
    robot = spheres()
    scene = build_scene(robot, ground=-0.025)
    data = mujoco.MjData(scene.model)
    scene.place(data, robot.neutral)
    np.testing.assert_array_equal(scene.touch(data), 0.0)
    data.ctrl[:] = -0.05, 0.0
    mujoco.mj_step(scene.model, data, 1000)
    scene.update(data)
    pushed = data.actuator_force[scene.ctrl_ids[0]]
    assert pushed < -1.0
    expected = np.zeros((2, 3))
    expected[0, 2] = -pushed
    np.testing.assert_allclose(scene.touch(data), expected, atol=1e-3)


def test_two_tips_that_press_feel_opposite_forces():
    robot = spheres()
    scene = build_scene(robot)
    data = mujoco.MjData(scene.model)
    scene.place(data, np.array([0.0, -0.069]))
    data.ctrl[:] = 0.0, -0.1
    mujoco.mj_step(scene.model, data, 50)
    scene.update(data)
    thumb, index = scene.touch(data)
    assert thumb[0] < -0.5
    np.testing.assert_allclose(thumb, -index)


def test_what_is_refused():
    with pytest.raises(InputError, match=r"expected \(T, 2\)"):
        tip_gaps(spheres(), np.zeros((3, 5)))
    with pytest.raises(InputError, match=r"expected \(T, 2\)"):
        self_penetration(spheres(), np.zeros((1, 3)))
    bare = SPHERES.replace(
        '<geom size="0.02" mass="0.2"/>', '<geom size="0.02" contype="0" conaffinity="0"/>'
    )
    robot = RobotHand("bare", "right", mujoco.MjSpec.from_string(bare.format(extra="")))
    with pytest.raises(InputError, match="'index' has no colliding geom"):
        tip_gaps(robot, np.zeros((1, 2)))
