"""References: what each method asks for, checked against its formula."""

import numpy as np
import pytest

from retarget import METHODS
from retarget.calibration import Calibration
from retarget.reference import PALM
from retarget.references import dexpilot, keyvector, position, vector
from retarget.references.dexpilot import Latch, closed_pairs
from tests.hands import hand

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


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"dexpilot"}))
def test_a_reference_is_of_each_frame_alone(method):
    """Vectorised over frames: the same whether the frames come together or one by one."""
    robot = hand("ability")
    together = METHODS[method](robot, MANY, calibration(robot))
    alone = METHODS[method](robot, MANY[2:3], calibration(robot))
    np.testing.assert_array_equal(together.target[2:3], alone.target)
    np.testing.assert_array_equal(together.weight[2:3], alone.weight)
