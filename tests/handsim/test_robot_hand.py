"""What every RobotHand promises."""

import copy

import mujoco
import numpy as np
import pytest

import handsim
from handsim.errors import InputError, UnknownNameError
from tests.hands import EVERY, configurations, hand

every_hand = pytest.mark.parametrize(
    ("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY]
)


@every_hand
def test_expand_and_reduce_are_inverse_on_coupled_configurations(name, side):
    robot = hand(name, side)
    qpos = configurations(robot, 20)
    np.testing.assert_array_equal(robot.expand(robot.reduce(qpos)), qpos)


@every_hand
def test_coupled_configurations_stay_inside_the_models_ranges(name, side):
    robot = hand(name, side)
    corners = robot.expand(robot.limits[robot.independent_ids].T)
    for qpos in [*configurations(robot, 500), *corners, robot.neutral]:
        assert (qpos >= robot.model.jnt_range[:, 0] - 1e-9).all()
        assert (qpos <= robot.model.jnt_range[:, 1] + 1e-9).all()


@every_hand
def test_ctrl_from_qpos_holds_with_zero_force(name, side):
    robot = hand(name, side)
    data = mujoco.MjData(robot.model)
    qpos = configurations(robot, 20)
    for q, ctrl in zip(qpos, robot.ctrl_from_qpos(qpos), strict=True):
        data.qpos[:], data.ctrl[:] = q, ctrl
        mujoco.mj_forward(robot.model, data)
        np.testing.assert_allclose(data.actuator_force, 0.0, atol=1e-12)


@every_hand
def test_reach_is_not_exceeded_and_nearly_met(name, side):
    robot = hand(name, side)
    distances = np.linalg.norm(robot.tips(configurations(robot, 3000, seed=3)), axis=-1)
    assert (distances.max(axis=0) <= robot.reach + 1e-6).all()
    assert (distances.max(axis=0) > 0.9 * robot.reach).all()


@every_hand
def test_tips_are_seen_alike_by_pose_tips_and_points(name, side):
    robot = hand(name, side)
    qpos = configurations(robot, 1)[0]
    pose = robot.pose(qpos)
    np.testing.assert_array_equal(pose.tips, robot.tips(qpos[None])[0])
    np.testing.assert_array_equal(pose.points, robot.points(qpos[None])[0])
    np.testing.assert_allclose(np.linalg.norm(pose.tip_normals, axis=1), 1.0, atol=1e-12)


@every_hand
def test_a_spec_is_a_copy(name, side):
    robot = hand(name, side)
    robot.spec().worldbody.first_body().name = "changed"
    assert robot.spec().worldbody.first_body().name == robot.root_body


def test_a_deep_copy_is_another_hand_alike():
    robot = hand("ability")
    other = copy.deepcopy(robot)
    assert other.model is not robot.model
    qpos = configurations(robot, 3)
    np.testing.assert_array_equal(other.points(qpos), robot.points(qpos))


@pytest.mark.parametrize("name", ["shadow", "ability", "svh"])
def test_without_couplings_every_joint_is_independent(name):
    free, own = handsim.load_hand(name, couplings="free"), hand(name)
    assert free.independent == free.joint_names == own.joint_names
    assert len(own.independent) < own.nq
    qpos = configurations(own, 5)
    np.testing.assert_array_equal(free.points(qpos), own.points(qpos))


def test_spools_go_with_the_couplings():
    free, own = handsim.load_hand("aero", couplings="free"), hand("aero")
    assert free.independent == free.joint_names
    assert own.joint_names[: free.nq] == free.joint_names
    assert all(name.endswith("_spool") for name in own.joint_names[free.nq :])
    qpos = configurations(own, 5)
    np.testing.assert_array_equal(free.points(qpos[:, : free.nq]), own.points(qpos))


def test_unknown_couplings_list_the_choices():
    with pytest.raises(UnknownNameError, match="Unknown couplings 'none'. Available: free, own"):
        handsim.load_hand("shadow", couplings="none")


def test_an_unknown_hand_lists_the_choices():
    with pytest.raises(UnknownNameError, match=r"Unknown hand 'shadw'. Available: .*shadow"):
        handsim.load_hand("shadw")


def test_an_unknown_side_lists_the_choices():
    with pytest.raises(UnknownNameError, match="Unknown side 'both'. Available: left, right"):
        handsim.load_hand("allegro", "both")


def test_a_qpos_of_the_wrong_shape_names_the_joints():
    with pytest.raises(InputError, match=r"shape \(3,\), expected \(16,\) for allegro: ffj0"):
        hand("allegro").pose(np.zeros(3))


def test_a_model_without_the_canonical_sites_is_refused():
    spec = mujoco.MjSpec.from_string("<mujoco><worldbody><body/></worldbody></mujoco>")
    with pytest.raises(InputError, match="expected 'palm', 'thumb_tip'"):
        handsim.RobotHand("bare", "right", spec)
