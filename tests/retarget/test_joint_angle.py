"""The joint angle reference: what a robot's joints stand for is read out of its geometry."""

import numpy as np
import pytest

from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.angles import ANGLES, RANGES, hand_angles
from retarget.human.authored_hand import hand_keypoints
from retarget.human.keypoints import mirror
from retarget.objective import Objective, whole_qpos
from retarget.references.joint_angle import joint_angle, joint_map, skeleton
from retarget.solvers import SOLVERS
from tests.hands import EVERY, configurations, hand

every_hand = pytest.mark.parametrize(
    ("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY]
)


def itself(robot):
    """The calibration of a person whose hand is the robot's: not looked at here."""
    one = np.ones(len(robot.fingers))
    return Calibration(robot.name, robot.side, robot.fingers, np.eye(3), np.zeros(3), one)


def fist(count=20):
    """A person closing all fingers, thumb open (T, 20)."""
    angles = np.zeros((count, 20))
    flexions = [i for i, name in enumerate(ANGLES) if "flexion" in name and "thumb" not in name]
    angles[:, flexions] = np.linspace(0, 1, count)[:, None] * RANGES[flexions, 1]
    return angles


def followed(robot, angles):
    """The robot's qpos for an authored person's angles."""
    keypoints = hand_keypoints(angles, robot.side)
    reference = joint_angle(robot, keypoints, itself(robot))
    assert len(reference.point) == 0
    return Objective(robot, reference).qpos(reference.joints.target)


def closure(robot, qpos):
    """Sum of each finger's flexions [rad] (T, F): of those the hand has, without the thumb."""
    angles = hand_angles(skeleton(robot, qpos), robot.side).reshape(len(qpos), 5, 4)
    fingers = [
        i
        for i, f in enumerate(("thumb", "index", "middle", "ring", "pinky"))
        if i and f in robot.fingers
    ]
    return angles[:, fingers][:, :, [0, 2, 3]].sum(axis=2)


@every_hand
def test_fingers_close_as_the_persons_do(name, side):
    """Monotonically, from near neutral to as far as the fingers go."""
    robot = hand(name, side)
    bent = closure(robot, followed(robot, fist()))
    at_rest = closure(robot, robot.neutral[None])[0]
    assert (np.diff(bent, axis=0) > -1e-9).all()
    np.testing.assert_allclose(bent[0], at_rest, atol=np.deg2rad(10))
    low, high = robot.limits[robot.independent_ids].T
    corners = robot.expand(np.stack([low, high]))
    reach = np.abs(closure(robot, corners) - at_rest).max(axis=0)
    assert (bent[-1] - at_rest > 0.8 * np.minimum(reach, RANGES[[4, 6, 7], 1].sum())).all()


@every_hand
def test_a_straight_hand_leaves_the_fingers_near_neutral(name, side):
    robot = hand(name, side)
    off = followed(robot, np.zeros((1, 20))) - robot.neutral
    of_fingers = np.abs(joint_map(robot).coefficient[:, 4:]).sum(axis=1) > 0
    assert of_fingers.any()
    assert np.abs(off[0, robot.tree.input_ids[of_fingers]]).max() < np.deg2rad(10)


@every_hand
def test_no_two_joints_stand_for_one_angle_alone(name, side):
    coefficient = joint_map(hand(name, side)).coefficient
    alone = coefficient[np.count_nonzero(coefficient, axis=1) == 1]
    assert (np.count_nonzero(alone, axis=0) <= 1).all()


@every_hand
def test_the_robots_own_angles_follow_the_persons(name, side):
    """Each angle that the map names, alone, about a half-closed hand: the robot's goes its way."""
    robot = hand(name, side)
    chosen, low_high = joint_map(robot), robot.limits[robot.tree.input_ids].T
    named = np.flatnonzero(chosen.coefficient.any(axis=0))
    person = RANGES.mean(axis=1) + np.concatenate([np.eye(20)[named], -np.eye(20)[named]]) * 0.1
    joints = np.clip(chosen.offset + person @ chosen.coefficient.T, *low_high)
    angles = hand_angles(skeleton(robot, whole_qpos(robot, joints)), side)
    more, less = np.split(angles[:, named], 2)
    assert (np.diagonal(more - less) > 0.005).all()


@pytest.mark.parametrize("name", sorted({name for name, _ in EVERY}))
def test_a_left_hand_mirrors_a_right_one(name):
    """As far as its maker's left hand mirrors the right one at rest."""
    angles = np.random.default_rng(0).uniform(*RANGES.T, size=(20, 20))
    right, left = (hand(name, side) for side in ("right", "left"))
    at_rest = right.neutral[None], left.neutral[None]
    moving = followed(right, angles), followed(left, angles)
    rest_off, moving_off = (
        np.abs(mirror(right.tips(here), axis=1) - left.tips(there)).max()
        for here, there in (at_rest, moving)
    )
    assert moving_off < rest_off + 1e-4


def test_joints_of_a_hand_like_a_persons_follow_their_own():
    """A planted map: the Shadow hand's joints by their names."""
    robot = hand("shadow")
    chosen = joint_map(robot)
    follows = {
        robot.joint_names[j]: [ANGLES[k] for k in np.flatnonzero(row)]
        for j, row in zip(robot.tree.input_ids, chosen.coefficient, strict=True)
    }
    assert follows["rh_FFJ4"] == ["index_mcp_abduction"]
    assert follows["rh_RFJ3"] == ["ring_mcp_flexion"]
    assert follows["rh_LFJ2"] == ["pinky_pip_flexion", "pinky_dip_flexion"]
    assert follows["rh_THJ1"] == ["thumb_ip_flexion"]
    assert follows["rh_LFJ5"] == []


@pytest.mark.parametrize("solver", ["newton", "slsqp"])
def test_a_solver_returns_the_clipped_target(solver):
    robot = hand("allegro")
    keypoints = hand_keypoints(np.random.default_rng(2).uniform(*RANGES.T, size=(10, 20)))
    reference = joint_angle(robot, keypoints, itself(robot))
    solved = SOLVERS[solver](Objective(robot, reference))
    assert solved.converged.all()
    np.testing.assert_allclose(solved.x, reference.joints.target, atol=2e-4)


@pytest.mark.parametrize("name", ["ability", "shadow", "dex3"])
def test_a_robots_skeleton_has_its_own_points(name):
    """What it lacks lies on the bone between, or on the neighbouring finger."""
    robot = hand(name)
    qpos = configurations(robot, 5)
    keypoints, points = skeleton(robot, qpos), robot.points(qpos)
    named = dict(zip(robot.point_names, np.moveaxis(points, 1, 0), strict=True))
    np.testing.assert_array_equal(keypoints[:, 5], named["index_mcp"])
    np.testing.assert_allclose(keypoints[:, 6], named["index_pip"], atol=1e-15)
    np.testing.assert_allclose(keypoints[:, [4, 8]], robot.tips(qpos)[:, :2], atol=1e-15)
    if "index_dip" not in named:
        middle = 0.5 * (named["index_pip"] + named["index_tip"])
        np.testing.assert_allclose(keypoints[:, 7], middle, atol=1e-15)
    if "pinky" not in robot.fingers:
        np.testing.assert_array_equal(keypoints[:, 17:], keypoints[:, 9:13])


def test_a_hand_without_knuckles_is_refused():
    spec = hand("ability").spec()
    for site in ("index_mcp", "index_pip"):
        spec.delete(spec.site(site))
    with pytest.raises(InputError, match="expected one of index_mcp, index_pip, index_dip too"):
        joint_map(RobotHand("bare", "right", spec))
