"""The common targets: a planted alignment is found, scales are kept, and it helps."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks import protocol
from retarget import metrics
from tests.hands import hand
from tests.retarget.people import keypoints_of, smooth_motion


def turned_person(robot):
    """Keypoints of a person whose palm is turned by 12° and shifted by 12 mm, all in reach."""
    still = protocol.Calibration(
        robot.name,
        robot.side,
        robot.fingers,
        Rotation.from_rotvec([0.1, -0.15, 0.1]).as_matrix(),
        np.array([0.01, -0.005, 0.004]),
        np.ones(len(robot.fingers)),
    )
    return still, keypoints_of(robot, smooth_motion(robot), still)


def test_one_fit_recovers_a_planted_rotation_and_offset():
    robot = hand("allegro")
    planted, keypoints = turned_person(robot)
    start = replace(planted, rotation=np.eye(3), offset=np.zeros(3))
    # Huber's weights are those of the start, so they must not matter: all residuals agree.
    found = protocol._refit(start, keypoints, planted.tip_targets(keypoints))
    np.testing.assert_allclose(found.rotation, planted.rotation, atol=1e-9)
    np.testing.assert_allclose(found.offset, planted.offset, atol=1e-9)


@pytest.mark.parametrize("name", ["allegro", "ability"])
def test_aligning_keeps_the_scales_and_brings_the_targets_into_reach(name):
    robot = hand(name)
    _, keypoints = turned_person(robot)
    before, after = protocol.coinciding(robot, keypoints), protocol.aligned(robot, keypoints)
    np.testing.assert_array_equal(after.scale, before.scale)
    floor = [
        metrics.tip_error_percent(
            protocol.tips_only(robot, c, keypoints),
            c.tip_targets(keypoints),
            robot.reach,
            np.ones(len(keypoints), dtype=bool),
        )
        for c in (before, after)
    ]
    assert floor[1] < 0.9 * floor[0]
