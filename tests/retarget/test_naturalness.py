"""Figures of posture on planted motions: what is bent, swapped or deep is counted, nothing else."""

import numpy as np
import pytest

import handsim
from retarget import naturalness
from retarget.human.keypoints import NAMES

FINGER = ("index_mcp", "index_pip", "index_dip", "index_tip")
JOINTS = [FINGER[:3], FINGER[1:]]


def finger(*angles: float, yaw: float = 0.0) -> np.ndarray:
    """One frame of a finger whose links of 3 cm stand at `angles` [deg] from +z towards +x."""
    radians, turn = np.deg2rad(angles), np.deg2rad(yaw)
    links = 0.03 * np.stack([np.sin(radians), 0 * radians, np.cos(radians)], axis=-1)
    about_z = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    return np.vstack([np.zeros(3), np.cumsum(links @ about_z.T, axis=0)])[None]


@pytest.mark.parametrize("yaw", [0.0, 20.0, -40.0])
@pytest.mark.parametrize("angles", [(0, 30, 80), (60, 40, 40.5), (-20, 100, 170)])
def test_bends_are_the_angles_between_links_positive_towards_the_palm(angles, yaw):
    found = np.rad2deg(naturalness.bends(finger(*angles, yaw=yaw), FINGER, JOINTS))
    np.testing.assert_allclose(found, [np.diff(angles)], atol=1e-9)


def test_a_bend_is_the_same_on_a_left_hand():
    right = finger(5, 40, 70, yaw=15)
    left = right * [1, -1, 1]
    np.testing.assert_allclose(
        naturalness.bends(left, FINGER, JOINTS), naturalness.bends(right, FINGER, JOINTS)
    )


def test_a_link_of_a_short_finger_spans_the_joint_it_lacks():
    short = ("thumb_cmc", "thumb_mcp", "thumb_tip", "index_mcp", "index_pip", "index_tip")
    ends = naturalness.links(short)
    assert ends == [
        ("thumb_cmc", "thumb_mcp"),
        ("thumb_mcp", "thumb_tip"),
        ("index_mcp", "index_pip"),
        ("index_pip", "index_tip"),
    ]
    person = np.zeros((1, 21, 3))
    person[:, 5:9] = finger(0, 30, 90)
    spanned = naturalness.link_vectors(person, NAMES, ends)[0, -1]
    np.testing.assert_allclose(spanned, person[0, 8] - person[0, 6])


def test_of_a_thumb_the_last_two_links_count():
    names = tuple(n for n in NAMES if n.startswith("thumb"))
    assert naturalness.links(names) == [("thumb_mcp", "thumb_ip"), ("thumb_ip", "thumb_tip")]
    assert naturalness.finger_joints(names) == []


@pytest.mark.parametrize("name", handsim.hand_names())
def test_links_and_joints_of_every_hand_are_a_persons(name):
    hand = handsim.load_hand(name)
    ends, joints = naturalness.links(hand.point_names), naturalness.finger_joints(hand.point_names)
    assert len(ends) >= 2 * len(hand.fingers)
    assert len(joints) == len(ends) - 2 - (len(hand.fingers) - 1)
    assert {point for end in ends for point in end} <= set(NAMES)


def test_bend_error_is_the_mean_difference_of_valid_frames():
    robot, human = np.deg2rad([[10.0, 0.0], [99.0, 99.0]]), np.deg2rad([[0.0, 20.0], [0.0, 0.0]])
    valid = np.array([True, False])
    assert naturalness.bend_error_deg(robot, human, valid) == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("robot", "human", "wrong"),
    [
        (-13, 0, True),
        (-11, 0, False),
        (-13, -6, False),
        (61, 10, True),
        (59, 10, False),
        (100, 80, False),
    ],
)
def test_a_joint_is_hyper_bent_when_the_persons_is_not(robot, human, wrong):
    angles = (np.deg2rad([[float(robot), 20.0]]), np.deg2rad([[float(human), 20.0]]))
    found = naturalness.hyper_bent_percent(*angles, np.array([True]))
    assert found == (50.0 if wrong else 0.0)


def tips(*across: float) -> np.ndarray:
    """One frame of tips at these places [mm] along the palm's y."""
    return np.array([[[0.0, 1e-3 * y, 0.1] for y in across]])


@pytest.mark.parametrize("side", ["right", "left"])
def test_tips_are_swapped_when_the_persons_are_in_order(side):
    sign = 1 if side == "right" else -1
    person, valid = tips(*(sign * y for y in (20, 0, -20))), np.array([True])

    def found(*across: float, of: np.ndarray = person) -> float:
        return naturalness.swapped_percent(tips(*(sign * y for y in across)), of, side, valid)

    assert found(20, 0, -20) == 0.0
    assert found(20, -1.0, 0.5) == 0.0
    assert found(20, -1.0, 1.5) == 100.0
    crossed = tips(*(sign * y for y in (20, -5, 5)))
    assert found(20, -5, 5, of=crossed) == 0.0


def test_frames_count_as_penetrating_beyond_two_millimetres():
    depth = np.array([0.0, 0.0019, 0.0021, 0.5])
    assert naturalness.penetration_percent(depth, np.ones(4, dtype=bool)) == 50.0
    assert naturalness.penetration_percent(depth, np.array([1, 1, 1, 0], dtype=bool)) == (
        pytest.approx(100 / 3)
    )
