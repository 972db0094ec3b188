"""References: what each method asks for, checked against its formula."""

import numpy as np
import pytest

from handsim.assets import ASSETS
from handsim.contact import self_penetration, tip_gaps
from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand
from retarget import METHODS, Retargeter, load
from retarget.calibration import Calibration
from retarget.human.authored import poses
from retarget.human.authored_hand import hand_keypoints
from retarget.reference import PALM
from retarget.references import adaptive, ako, dexpilot, keyvector, natural, position, vector
from retarget.references.adaptive import pinching
from retarget.references.ako import pinch_length
from retarget.references.dexpilot import Latch, closed_pairs
from retarget.references.joint_angle import joint_map
from retarget.references.natural import bends
from retarget.references.phalanges import finger_points, last_phalanges
from tests.hands import configurations, hand

MANY = np.random.default_rng(4).normal([0.0, 0.0, 0.1], 0.05, size=(7, 21, 3))


def calibration(robot):
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    scale = np.linspace(1.1, 1.4, len(robot.fingers))
    return Calibration(
        robot.name, robot.side, robot.fingers, turn, np.array([0.01, 0.02, 0.0]), scale
    )


@pytest.mark.parametrize("name", ["allegro", "shadow", "ability"])
def test_vector_asks_for_scaled_tips_from_the_palm(name):
    robot = hand(name)
    asked = vector(robot, MANY, calibration(robot))
    assert [robot.point_names[p] for p in asked.point] == [f"{f}_tip" for f in robot.fingers]
    assert (asked.origin == PALM).all()
    x, y, z = MANY[3, 8]
    expected = np.array([0.01, 0.02, 0.0]) + calibration(robot).scale[1] * np.array([-y, x, z])
    np.testing.assert_allclose(asked.target[3, 1], expected, atol=1e-15)


def test_position_asks_for_true_size_tips_and_middle_joints():
    robot = hand("shadow")
    asked = position(robot, MANY, calibration(robot))
    names = [robot.point_names[p] for p in asked.point]
    assert names[:5] == [f"{f}_tip" for f in robot.fingers]
    assert names[5:] == ["thumb_mcp", "index_pip", "middle_pip", "ring_pip", "pinky_pip"]
    x, y, z = MANY[0, 6]
    np.testing.assert_allclose(asked.target[0, 6], [0.01 - y, 0.02 + x, z], atol=1e-15)


def test_keyvector_adds_the_thumbs_vectors_while_the_person_pinches():
    robot = hand("allegro")
    keypoints = np.zeros((2, 21, 3))
    keypoints[:, 4] = [0.05, 0.03, 0.09]
    keypoints[:, 8] = keypoints[:, 4] + [[0.0, 0.0, 0.005], [0.0, 0.0, 0.08]]
    asked = keyvector(robot, keypoints, calibration(robot))
    index = len(robot.fingers)
    assert robot.point_names[asked.origin[index]] == "thumb_tip"
    assert robot.point_names[asked.point[index]] == "index_tip"
    assert asked.weight[0, index] > 9.9
    assert asked.weight[1, index] < 1e-4
    tips = calibration(robot).tip_targets(keypoints)
    np.testing.assert_allclose(asked.target[:, index], tips[:, 1] - tips[:, 0], atol=1e-15)


def test_dexpilot_latches_as_published():
    """Three fingers: thumb–index, thumb–middle, index–middle; figures in centimetres."""
    distance = 0.01 * np.array(
        [
            [4.0, 9.0, 2.0],  # between the thresholds, never closed before: open
            [2.9, 9.0, 2.0],  # thumb and index close
            [4.9, 2.0, 2.0],  # they stay; thumb and middle close, so index and middle do
            [4.9, 4.0, 3.1],  # the two fingers part, the thumb's pairs stay
            [5.1, 4.0, 2.0],  # thumb and index open: index and middle with them
            [4.0, 4.0, 2.0],  # not closed again before 3 cm
        ]
    )
    expected = [
        [False, False, False],
        [True, False, False],
        [True, True, True],
        [True, True, False],
        [False, True, False],
        [False, True, False],
    ]
    np.testing.assert_array_equal(closed_pairs(distance, 3, Latch()), expected)


def test_dexpilot_asks_closed_pairs_to_touch():
    robot = hand("allegro")
    keypoints = np.zeros((2, 21, 3))
    for i, tip in enumerate([4, 8, 12, 16]):
        keypoints[:, tip] = [0.05, 0.06 - 0.06 * i, 0.1]
    keypoints[1, 8] = keypoints[1, 4] + [0.0, 0.0, 0.02]
    asked = dexpilot(robot, keypoints, calibration(robot))
    ends = [(robot.point_names[p], o) for p, o in zip(asked.point, asked.origin, strict=True)]
    assert ends[0] == ("thumb_tip", robot.tip_ids[1])
    assert [end for end in ends if end[1] == PALM] == [(f"{f}_tip", PALM) for f in robot.fingers]
    np.testing.assert_allclose(asked.weight[0], [0.1] * 6 + [1.0] * 4)
    np.testing.assert_allclose(asked.weight[1, 0], 200 / 10)
    np.testing.assert_allclose(asked.target[1, 0], [0.0, 0.0, -1e-4], atol=1e-12)
    tips = calibration(robot).tip_targets(keypoints)
    np.testing.assert_allclose(asked.target[0, 0], tips[0, 0] - tips[0, 1])
    np.testing.assert_allclose(asked.target[:, 6:], tips)


def person(*names):
    """The authored hand in poses of the sample motion (T, 21, 3)."""
    return hand_keypoints(np.stack([poses()[name] for name in names]))


def test_a_fingers_points_are_those_it_has():
    names = ["ability", "shadow"]
    found = [[hand(n).point_names[p] for p, _ in finger_points(hand(n), "index")] for n in names]
    assert found[0] == ["index_mcp", "index_pip", "index_tip"]
    assert found[1] == ["index_mcp", "index_pip", "index_dip", "index_tip"]
    assert [k for _, k in finger_points(hand("ability"), "thumb")] == [1, 2, 4]


def test_last_phalanges_point_as_the_persons_at_the_robots_length():
    robot, keypoints = hand("ability"), person("open", "fist")
    found = last_phalanges(robot, keypoints, calibration(robot))
    assert [robot.point_names[p] for p in found.origin[:2]] == ["thumb_mcp", "index_pip"]
    at_rest = robot.points(robot.neutral[None])[0]
    np.testing.assert_allclose(
        found.length, np.linalg.norm(at_rest[found.point] - at_rest[found.origin], axis=1)
    )
    bone = (keypoints[:, 8] - keypoints[:, 6]) @ calibration(robot).rotation.T
    cosine = np.sum(bone * found.target[:, 1], axis=1) / np.linalg.norm(bone, axis=1)
    np.testing.assert_allclose(cosine, found.length[1], rtol=1e-12)


def test_last_phalanges_do_not_turn_their_length():
    """The vectors between them can match a direction exactly, on every hand."""
    for name in ("leap", "svh", "xhand"):
        robot = hand(name)
        found = last_phalanges(robot, person("open"), calibration(robot), count=1)
        points = robot.points(configurations(robot, 20))
        bones = points[:, found.point] - points[:, found.origin]
        np.testing.assert_allclose(np.linalg.norm(bones, axis=-1), found.length + 0 * bones[..., 0])


def test_a_finger_that_is_only_a_tip_has_no_shape():
    spec = hand("ability").spec()
    for name in ("index_mcp", "index_pip"):
        spec.delete(spec.site(name))
    bare = RobotHand("bare", "right", spec)
    with pytest.raises(InputError, match="index of 'bare' has the point index_tip alone"):
        adaptive(bare, MANY, calibration(bare))
    assert len(last_phalanges(bare, MANY, calibration(bare)).point) == 4
    assert len(ako(bare, MANY, calibration(bare)).point) == 5 + 4 + 4


def test_akos_law_of_distance_has_no_jump():
    apart = np.array([[0.0, 0.01, 0.055, 0.1, 0.1 + 1e-9, 0.2]])
    np.testing.assert_allclose(pinch_length(apart), [[0.0, 0.0, 0.05, 0.1, 0.1, 0.2]], atol=1e-8)


def test_ako_weighs_tips_and_pinches_against_each_other():
    robot = hand("allegro")
    keypoints = person("pinch index", "open")
    keypoints[1, 4] -= [0.0, 0.0, 0.05]
    asked = ako(robot, keypoints, calibration(robot))
    fingers = len(robot.fingers)
    distance = np.linalg.norm(keypoints[:, 8] - keypoints[:, 4], axis=-1)
    s = 1 / (1 + np.exp(10 * (distance - 0.1)))
    np.testing.assert_allclose(asked.weight[:, 1], 1 - s)
    np.testing.assert_allclose(asked.weight[:, fingers], 10 * s)
    assert (asked.weight[:, 0] > 10).all()
    assert distance[0] < 0.01
    np.testing.assert_array_equal(asked.target[0, fingers], 0.0)
    tips = calibration(robot).tip_targets(keypoints)
    assert distance[1] > 0.1
    np.testing.assert_allclose(asked.target[1, fingers], tips[1, 1] - tips[1, 0])
    assert (asked.weight[:, 2 * fingers - 1 :] == 10).all()


def test_adaptives_blend_follows_the_pinch():
    keypoints = np.zeros((4, 21, 3))
    keypoints[:, 8, 2] = [0.01, 0.03, 0.05, 0.04]
    keypoints[:, [12, 16, 20], 2] = 1.0
    alpha = pinching(hand("shadow"), keypoints)
    np.testing.assert_allclose(alpha[:, 1], [0.7, 0.5, 0.0, 0.0], atol=1e-12)
    np.testing.assert_array_equal(alpha[:, 0], alpha[:, 1])
    np.testing.assert_array_equal(alpha[:, 2:], 0.0)


@pytest.mark.parametrize("name", ["shadow", "ability"])
def test_adaptive_is_its_formula(name):
    """The sum over vectors against the sum as it is published, at a random pose."""
    robot, keypoints = hand(name), person("pinch middle", "fist")
    own = calibration(robot)
    asked = adaptive(robot, keypoints, own)
    points = robot.points(configurations(robot, 2, seed=3))
    ends = np.concatenate([points, np.zeros((2, 1, 3))], axis=1)
    off = 100 * np.linalg.norm(ends[:, asked.point] - ends[:, asked.origin] - asked.target, axis=-1)
    cost = np.sum(asked.weight * huber(off, 100 * asked.delta), axis=1)
    alpha, expected = pinching(robot, keypoints), np.zeros(2)
    for f, finger in enumerate(robot.fingers):
        chain = finger_points(robot, finger)
        far = [own.offset + own.scale[f] * keypoints[:, k] @ own.rotation.T for _, k in chain]
        off = [
            100 * np.linalg.norm(points[:, p] - y, axis=-1)
            for (p, _), y in zip(chain, far, strict=True)
        ]
        whole = np.mean([huber(d, 2.0) for d in off[1:]], axis=0)
        (a, m), (b, n) = chain[-2:]
        turned = unit((keypoints[:, n] - keypoints[:, m]) @ own.rotation.T)
        turned = np.linalg.norm(unit(points[:, b] - points[:, a]) - turned, axis=-1)
        expected += alpha[:, f] * (huber(off[-1], 2.0) + 10 * huber(turned, 0.5))
        expected += (1 - alpha[:, f]) * whole
    np.testing.assert_allclose(cost, expected, rtol=1e-9)


def huber(distance, delta):
    return np.where(distance <= delta, 0.5 * distance**2, delta * (distance - 0.5 * delta))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"dexpilot"}))
def test_a_reference_is_of_each_frame_alone(method):
    """Vectorised over frames: the same whether the frames come together or one by one."""
    robot = hand("ability")
    together = METHODS[method](robot, MANY, calibration(robot))
    alone = METHODS[method](robot, MANY[2:3], calibration(robot))
    np.testing.assert_array_equal(together.target[2:3], alone.target)
    np.testing.assert_array_equal(together.weight[2:3], alone.weight)
    if together.joints is not None:
        np.testing.assert_allclose(together.joints.target[2:3], alone.joints.target, atol=1e-12)


def test_natural_holds_a_gap_that_follows_the_persons_pinch():
    """Touching below .95 θ, plainly apart above 1.08 θ; pulled to it while the person pinches."""
    robot = hand("allegro")
    theta = calibration(robot).pinch
    keypoints = np.tile(MANY[:1], (4, 1, 1))
    thumb, index = keypoints[:, 4], keypoints[:, 8]
    away = np.array([0.5, 0.95, 1.08, 3.0])[:, None] * theta
    index[:] = thumb + away * [0.0, 0.0, 1.0]
    asked = natural(robot, keypoints, calibration(robot))
    np.testing.assert_allclose(asked.gaps.target[:, 0], [0.0005, 0.0005, 0.0085, 0.0085])
    assert asked.gaps.pull[0, 0] > 490
    assert asked.gaps.pull[3, 0] < 0.1
    np.testing.assert_allclose(asked.gaps.pull[:, 0] + asked.gaps.push[:, 0], 500.0)
    assert asked.weight[0, 0] == pytest.approx(0.7, abs=1e-3)
    assert asked.weight[3, 1] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", ["allegro", "leap", "svh"])
def test_natural_lets_joints_bend_like_the_persons_and_not_backwards(name):
    """Joints at the person's angles are free; bent 20° back, or 50° too far, they are pulled."""
    robot = hand(name)
    asked = bends(robot, hand_keypoints(np.zeros((1, 20))))
    pulled = asked.weight[0] > 0
    assert pulled.any()
    straight = joint_map(robot).offset[pulled]
    low, high = (asked.target + sign * asked.slack for sign in (-1, 1))
    assert (low[0, pulled] < straight).all()
    assert (straight < high[0, pulled]).all()
    stretch = np.abs(joint_map(robot).coefficient[pulled]).sum(axis=1)
    assert (low[0, pulled] > straight - np.deg2rad(20) * stretch).all()
    assert (high[0, pulled] < straight + np.deg2rad(50) * stretch).all()


def test_natural_leaves_out_the_pinches_a_hand_cannot_make():
    robot = hand("inspire")
    keypoints = np.zeros((1, 21, 3)) + np.linspace(0.01, 0.2, 21)[:, None] * [0.0, 0.3, 1.0]
    keypoints[:, [8, 12, 16, 20]] = keypoints[:, [4]] + [0.0, 0.0, 0.001]
    asked = natural(robot, keypoints, calibration(robot))
    assert (asked.gaps.pull[0] > 100).tolist() == [True, True, False, False]
    assert (asked.gaps.push[0, 2:] == 0).all()


@pytest.mark.parametrize("name", ["allegro", "shadow", "leap"])
def test_natural_pinches_when_the_person_does_and_keeps_links_apart(name):
    robot, sample = hand(name), load(ASSETS / "motions" / "sample_right.npz")
    motion = sample.select(slice(120, 300))
    solved = Retargeter(robot, "natural").retarget(motion)
    tips = motion.palm_keypoints[:, [4, *(4 * i + 4 for i in range(1, len(robot.fingers)))]]
    human = np.linalg.norm(tips[:, 1:] - tips[:, :1], axis=-1)
    theta = solved.calibration.pinch
    gaps = tip_gaps(robot, solved.trajectory.qpos)
    assert (human < 0.8 * theta).sum() > 10
    assert np.percentile(gaps[human < 0.8 * theta], 90) < 0.005
    assert np.percentile(gaps[human > 1.5 * theta], 1) > 0.005
    assert np.mean(self_penetration(robot, solved.trajectory.qpos) > 0.002) <= 0.01
