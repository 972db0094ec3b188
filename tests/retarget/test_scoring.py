"""Scores of a planted motion, and the table they follow."""

import math
from dataclasses import replace

import numpy as np
import pytest

from handsim.errors import InputError
from retarget import METHODS, Retargeter, playback, score
from retarget.calibration import Calibration
from retarget.metrics import METRICS
from tests.hands import hand
from tests.retarget.people import keypoints_of, person, smooth_motion


@pytest.fixture(scope="module")
def solved():
    """The Ability hand's own motion as a person's, solved: (motion, solution)."""
    robot = hand("ability")
    itself = Calibration("ability", "right", robot.fingers, np.eye(3), np.zeros(3), np.ones(5))
    motion = person(keypoints_of(robot, smooth_motion(robot, 20), itself))
    return motion, Retargeter(robot, "vector", itself).retarget(motion)


def test_the_truth_scores_perfectly(solved):
    motion, solution = solved
    robot = hand("ability")
    truth = replace(solution.trajectory, qpos=smooth_motion(robot, 20))
    scores = score(motion, replace(solution, trajectory=truth), hand=robot)
    assert scores["tip_error_mm"] == pytest.approx(0.0, abs=1e-9)
    assert scores["direction_error_deg"] == pytest.approx(0.0, abs=1e-6)
    assert scores["limit_violations"] == 0
    assert scores["pinch_distance_error_mm"] == pytest.approx(0.0, abs=1e-9) or math.isnan(
        scores["pinch_distance_error_mm"]
    )


def test_a_shifted_calibration_costs_the_shift(solved):
    motion, solution = solved
    robot = hand("ability")
    truth = replace(solution.trajectory, qpos=smooth_motion(robot, 20))
    moved = replace(solution.calibration, offset=np.array([0.003, 0.0, 0.004]))
    scores = score(motion, replace(solution, trajectory=truth, calibration=moved), hand=robot)
    assert scores["tip_error_mm"] == pytest.approx(5.0, abs=1e-9)
    assert scores["tip_error_p95_mm"] == pytest.approx(5.0, abs=1e-9)


def test_every_metric_is_there_with_a_rollout_and_in_the_tables_order(solved):
    motion, solution = solved
    rollout = playback.play(solution, motion)
    scores = score(motion, solution, rollout, hand("ability"))
    assert list(scores) == list(METRICS)
    assert 0 < scores["joint_tracking_rmse"] < 0.3
    without = score(motion, solution, hand=hand("ability"))
    assert list(without) == [n for n in METRICS if "tracking" not in n]


def test_another_motion_is_refused(solved):
    motion, solution = solved
    with pytest.raises(InputError, match=r"motion has 10 frames .* the solution 20 over"):
        score(motion.select(slice(0, 10)), solution, hand=hand("ability"))


def test_another_hands_rollout_is_refused(solved):
    motion, solution = solved
    rollout = replace(playback.play(solution), hand="allegro")
    with pytest.raises(InputError, match="rollout is of allegro right, the solution of ability"):
        score(motion, solution, rollout, hand("ability"))


def test_a_film_needs_the_person(solved, tmp_path):
    _, solution = solved
    with pytest.raises(InputError, match="no human keypoints"):
        playback.film(tmp_path / "x.mp4", playback.play(solution))


def test_every_method_can_be_scored(solved):
    motion, _ = solved
    robot = hand("ability")
    for method in METHODS:
        scores = score(motion, Retargeter(robot, method).retarget(motion), hand=robot)
        assert np.isfinite(scores["tip_error_mm"])
