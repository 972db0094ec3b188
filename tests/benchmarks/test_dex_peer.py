"""The peer's frames and joint names: planted turns, and its URDFs' joints against ours."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import handsim
from benchmarks import dex_peer
from tests.hands import hand

URDF = {
    "allegro": "allegro_hand/allegro_hand_{}.urdf",
    "leap": "leap_hand/leap_hand_{}.urdf",
    "shadow": "shadow_hand/shadow_hand_{}.urdf",
    "ability": "ability_hand/ability_hand_{}.urdf",
    "inspire": "inspire_hand/inspire_hand_{}.urdf",
    "svh": "schunk_hand/schunk_svh_hand_{}.urdf",
}


def test_a_rotation_and_what_remains_are_found():
    ours = np.random.default_rng(2).normal(size=(50, 4, 3))
    turn = Rotation.from_rotvec([0.2, -0.1, 0.4]).as_matrix()
    found, rest = dex_peer.onto(ours @ turn.T + 0.1, ours)
    np.testing.assert_allclose(found, turn, atol=1e-12)
    assert rest == pytest.approx(0.0, abs=1e-12)
    noise = 0.01 * np.random.default_rng(3).normal(size=ours.shape)
    assert dex_peer.onto(ours + noise, ours)[1] == pytest.approx(0.01 * np.sqrt(3), rel=0.1)


@pytest.mark.parametrize("name", dex_peer.HANDS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_every_joint_of_ours_is_one_of_its(name, side, shared):
    folder = shared / "peers" / "dex-urdf" / "robots" / "hands"
    if not folder.is_dir():
        pytest.skip("no dex-urdf")
    root = ElementTree.parse(folder / URDF[name].format(side)).getroot()
    joints = [j for j in root.iter("joint") if j.get("type") == "revolute"]
    robot = hand(name, side)
    uppers = np.array([[float(j.find("limit").get("upper")) for j in joints]])
    ours = dex_peer.our_joints(robot, [j.get("name") for j in joints], uppers)
    assert ours.shape == (1, robot.nq)
    if name in ("allegro", "leap"):
        lowers = np.array([[float(j.find("limit").get("lower")) for j in joints]])
        lower = dex_peer.our_joints(robot, [j.get("name") for j in joints], lowers)
        agree = np.isclose(lower[0], robot.limits[:, 0], atol=2e-3)
        agree &= np.isclose(ours[0], robot.limits[:, 1], atol=2e-3)
        assert agree.mean() >= 0.9


def test_the_peers_base_is_left_out():
    robot = handsim.load_hand("inspire")
    names = ["dummy_x_translation_joint", *reversed(robot.joint_names)]
    values = np.arange(13.0)[None]
    np.testing.assert_array_equal(
        dex_peer.our_joints(robot, names, values)[0], np.arange(12, 0, -1)
    )


def test_a_palm_that_a_wrist_turns_is_measured_where_it_is():
    robot = hand("shadow")
    qpos = np.tile(robot.neutral, (3, 1))
    qpos[1, robot.joint_names.index("rh_WRJ1")] = 0.3
    turns = dex_peer.wrist_turns(robot, qpos)
    np.testing.assert_allclose(turns[[0, 2]], np.tile(np.eye(3), (2, 1, 1)), atol=1e-12)
    assert Rotation.from_matrix(turns[1]).magnitude() == pytest.approx(0.3)
    without = dex_peer.wrist_turns(hand("leap"), np.tile(hand("leap").neutral, (2, 1)))
    np.testing.assert_array_equal(without, np.tile(np.eye(3), (2, 1, 1)))
