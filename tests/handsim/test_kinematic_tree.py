"""The compiled kinematics against MuJoCo and against finite differences, on every hand."""

import mujoco
import numpy as np
import pytest

from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand
from tests.hands import EVERY, configurations, hand

TOY = """
<mujoco><compiler angle="radian"/>
  <worldbody>
    <body name="base" quat="0.9 0.1 -0.3 0.2">
      <site name="palm" pos="0.01 0.02 -0.03" quat="0.5 0.5 -0.5 0.5"/>
      <site name="index_tip" pos="0.1 0 0"/>
      <body name="a" pos="0 0.01 0.05" quat="0.8 0 0.6 0">
        <inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
        <joint name="slide" type="slide" axis="0 1 1" range="-0.1 0.1"/>
        <joint name="turn" axis="1 0 0" pos="0.01 -0.02 0" range="-1 1" ref="0.25"/>
        <body name="fixed" pos="0 0 0.02" quat="0 0 1 0">
          <body name="b" pos="0.02 0 0">
            <inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
            <joint name="follower" axis="0 1 0" range="-3 3" ref="-0.1"/>
            <site name="thumb_tip" pos="0 0.03 0.01"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <equality><joint joint1="follower" joint2="turn" polycoef="0.1 0.5 0.2 -0.3 0.05"/></equality>
</mujoco>
"""


def robots():
    return [pytest.param(*e, id="-".join(e)) for e in EVERY]


def toy():
    return RobotHand("toy", "right", mujoco.MjSpec.from_string(TOY))


def mujoco_points(robot, qpos):
    """Points and their Jacobians in the palm frame, by MuJoCo."""
    data = mujoco.MjData(robot.model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(robot.model, data)
    mujoco.mj_comPos(robot.model, data)
    palm = data.site("palm")
    rotation, origin = palm.xmat.reshape(3, 3), palm.xpos
    sites = [data.site(name) for name in robot.point_names]
    return np.array([rotation.T @ (site.xpos - origin) for site in sites])


@pytest.mark.parametrize(("name", "side"), robots())
def test_points_equal_mujoco(name, side):
    robot = hand(name, side)
    qpos = configurations(robot, 50)
    expected = np.array([mujoco_points(robot, q) for q in qpos])
    np.testing.assert_allclose(robot.points(qpos), expected, atol=1e-12)


def test_slides_offset_anchors_references_and_fixed_bodies_equal_mujoco():
    robot = toy()
    qpos = configurations(robot, 100)
    expected = np.array([mujoco_points(robot, q) for q in qpos])
    np.testing.assert_allclose(robot.points(qpos), expected, atol=1e-14)


@pytest.mark.parametrize(("name", "side"), robots())
def test_jacobians_equal_finite_differences(name, side):
    robot = hand(name, side)
    qpos, step = configurations(robot, 1, seed=1)[0], 1e-6
    steps = step * np.eye(robot.nq)
    forward, back = robot.points(qpos + steps), robot.points(qpos - steps)
    numeric = np.moveaxis((forward - back) / (2 * step), 0, -1)
    np.testing.assert_allclose(robot.pose(qpos).jacobians, numeric, atol=1e-8)


def coupled_derivatives(robot, seed):
    """Derivatives by the inputs, and central differences of the order below."""
    tree, step = robot.tree, 1e-6
    x = configurations(robot, 1, seed=seed)[0, tree.input_ids]
    _, jacobian, hessian = (array[0] for array in tree.derivatives(x[None]))
    steps = step * np.eye(len(x))
    forward, back = tree.derivatives(x + steps), tree.derivatives(x - steps)
    slopes = [np.moveaxis((f - b) / (2 * step), 0, -1) for f, b in zip(forward, back, strict=True)]
    return jacobian, hessian, slopes


@pytest.mark.parametrize(("name", "side"), robots())
def test_derivatives_through_couplings_equal_finite_differences(name, side):
    robot = hand(name, side)
    jacobian, hessian, slopes = coupled_derivatives(robot, seed=2)
    np.testing.assert_allclose(jacobian, slopes[0], atol=1e-8)
    np.testing.assert_allclose(hessian, slopes[1], atol=1e-8)
    np.testing.assert_array_equal(hessian, np.swapaxes(hessian, -1, -2))


def test_derivatives_of_slides_and_bent_couplings_equal_finite_differences():
    jacobian, hessian, slopes = coupled_derivatives(toy(), seed=3)
    np.testing.assert_allclose(jacobian, slopes[0], atol=1e-9)
    np.testing.assert_allclose(hessian, slopes[1], atol=1e-9)
    assert np.abs(hessian).max() > 1e-3


def test_a_wrong_second_derivative_would_be_seen():
    _, hessian, slopes = coupled_derivatives(hand("ability"), seed=2)
    largest = np.unravel_index(np.abs(hessian).argmax(), hessian.shape)
    hessian[largest] *= 1 + 1e-3
    assert not np.allclose(hessian, slopes[1], rtol=0, atol=1e-8)


def test_couplings_move_the_toy_as_mujoco_settles_it():
    robot = toy()
    qpos = robot.expand(np.array([0.0, 0.75]))
    offset = 0.75 - 0.25
    expected = -0.1 + 0.1 + 0.5 * offset + 0.2 * offset**2 - 0.3 * offset**3 + 0.05 * offset**4
    assert qpos[2] == pytest.approx(expected, abs=1e-15)


def test_a_tip_off_the_palm_is_refused():
    text = TOY.replace('<site name="palm" pos="0.01 0.02 -0.03" quat="0.5 0.5 -0.5 0.5"/>', "")
    text = text.replace('<site name="thumb_tip"', '<site name="palm"/><site name="thumb_tip"')
    with pytest.raises(InputError, match="point hangs on body 'base'"):
        RobotHand("toy", "right", mujoco.MjSpec.from_string(text))
