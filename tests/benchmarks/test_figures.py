"""The table of figures on planted solutions: perfect ones score perfectly, spoilt ones do not."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.figures import FIGURES, Case, figures
from retarget.calibration import Calibration
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import NAMES
from tests.hands import hand
from tests.retarget.people import smooth_motion

FRAMES = 30


@pytest.fixture(scope="module")
def planted():
    """A case whose person is the robot itself, and the robot's joints."""
    robot = hand("shadow")
    qpos = smooth_motion(robot, count=FRAMES)
    keypoints = np.zeros((FRAMES, 21, 3))
    keypoints[:, [NAMES.index(name) for name in robot.point_names]] = robot.points(qpos)
    wrist = np.tile([0.0, 0, 0, 1, 0, 0, 0], (FRAMES, 1))
    seen = np.arange(FRAMES) != 7
    person = HandTrajectory(np.arange(FRAMES) / 30, keypoints, wrist, seen, "right")
    same = Calibration(
        "shadow", "right", robot.fingers, np.eye(3), np.zeros(3), np.ones(len(robot.fingers))
    )
    return Case(robot, person, 0.02, same, same, np.ones(4, dtype=bool)), qpos


def test_a_robot_that_is_the_person_has_no_errors(planted):
    case, qpos = planted
    found = figures(case, qpos, np.ones(FRAMES, dtype=bool))
    assert list(found) == list(FIGURES)
    for name in ("tip_aligned", "tip_coinciding", "link_error", "bend_error"):
        assert found[name] == pytest.approx(0.0, abs=1e-5), name
    for name in ("hyper_bent", "swapped", "violations", "lost"):
        assert found[name] == 0.0, name
    assert 0.0 < found["jerk_frame"] < 100.0
    assert found["jerk"] == pytest.approx(1e-3 * 30**3 * found["jerk_frame"])


def test_the_frame_nobody_was_seen_in_does_not_count(planted):
    case, qpos = planted
    spoilt = qpos.copy()
    spoilt[7] = case.hand.limits[:, 1] + 1.0
    solved = np.arange(FRAMES) != 7
    whole = np.ones(FRAMES, dtype=bool)
    assert figures(case, spoilt, solved) == pytest.approx(figures(case, qpos, whole), nan_ok=True)


def test_lost_frames_and_values_beyond_a_limit_are_counted(planted):
    case, qpos = planted
    beyond = qpos.copy()
    driver = case.hand.tree.input_ids[-1]
    beyond[:3, driver] = case.hand.limits[driver, 1] + 0.1
    found = figures(case, beyond, np.arange(FRAMES) > 1)
    assert (found["violations"], found["lost"]) == (3, 2)
    assert found["tip_aligned"] > 0.0


def test_an_alignment_turns_targets_and_links_alike(planted):
    case, qpos = planted
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turned = replace(case, aligned=replace(case.aligned, rotation=quarter))
    found = figures(turned, qpos, np.ones(FRAMES, dtype=bool))
    assert found["link_error_coinciding"] == pytest.approx(0.0, abs=1e-5)
    assert found["link_error"] > 5.0
    assert found["tip_aligned"] > 5.0


def test_stills_have_no_jerk_and_pinches_out_of_reach_do_not_count(planted):
    case, qpos = planted
    still = replace(case, still=True, pinches=np.zeros(4, dtype=bool))
    found = figures(still, qpos, np.ones(FRAMES, dtype=bool))
    assert np.isnan([found[name] for name in ("jerk", "jerk_frame", "pinch_f1")]).all()
    assert still.human_pinches == 0
