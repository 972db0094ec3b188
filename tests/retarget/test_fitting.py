"""Fitting a calibration: bad frames do not count, and an open hand will do."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.assets import ASSETS
from handsim.errors import InputError
from retarget import HandTrajectory, calibrate, calibrate_open, load
from retarget.human.keypoints import CHAINS
from tests.hands import hand

SAMPLE = HandTrajectory.load(ASSETS / "motions" / "sample_right.npz")


def corrupted(keypoints, seed):
    """One frame in ten bad: keypoints tens of centimetres off, fingers swapped, nothing seen."""
    rng = np.random.default_rng(seed)
    keypoints = keypoints.copy()
    chains = [list(chain) for chain in CHAINS.values()]
    for i, frame in enumerate(rng.permutation(len(keypoints))[: len(keypoints) // 10]):
        if i % 3 == 0:
            keypoints[frame, rng.integers(0, 21, 3)] += rng.normal(0, 0.3, (3, 3))
        elif i % 3 == 1:
            a, b = rng.permutation(5)[:2]
            keypoints[frame, chains[a] + chains[b]] = keypoints[frame, chains[b] + chains[a]]
        else:
            keypoints[frame] = np.nan
    return keypoints


def require_near(clean, other):
    """Within 2 mm, 2° and 2 %."""
    turn = Rotation.from_matrix(clean.rotation.T @ other.rotation)
    assert np.linalg.norm(clean.offset - other.offset) < 2e-3
    assert np.degrees(turn.magnitude()) < 2
    np.testing.assert_allclose(other.scale, clean.scale, rtol=0.02)


@pytest.mark.parametrize("name", ["shadow", "allegro", "ability", "dex3"])
def test_bad_frames_do_not_count(name):
    robot, keypoints = hand(name), SAMPLE.palm_keypoints
    require_near(calibrate(robot, keypoints), calibrate(robot, corrupted(keypoints, 0)))


def test_bad_frames_of_a_recording_do_not_count(shared):
    motion = load(shared / "motions" / "dexretarget" / "human_joint_right.pkl")
    keypoints, robot = motion.palm_keypoints[motion.valid], hand("allegro")
    require_near(calibrate(robot, keypoints), calibrate(robot, corrupted(keypoints, 1)))


def test_an_open_hand_gives_the_bones_scale_and_no_other_alignment():
    robot = hand("shadow")
    one = calibrate_open(robot, SAMPLE.palm_keypoints[:1])
    np.testing.assert_array_equal(one.rotation, np.eye(3))
    np.testing.assert_array_equal(one.offset, 0.0)
    np.testing.assert_allclose(calibrate_open(robot, SAMPLE).scale, one.scale, rtol=0.02)
    twice = calibrate_open(robot, 2 * SAMPLE.palm_keypoints[:1])
    np.testing.assert_allclose(2 * twice.scale, one.scale)


def test_a_calibration_knows_what_it_was_fitted_to():
    glove = replace(SAMPLE, source=replace(SAMPLE.source, tips="Manus tip nodes"))
    fitted = calibrate_open(hand("allegro"), glove)
    assert fitted.tips == "Manus tip nodes"
    assert fitted.pinch == 0.010
    assert calibrate_open(hand("allegro"), SAMPLE.palm_keypoints).tips == ""


def test_what_is_no_person_is_refused():
    robot = hand("allegro")
    with pytest.raises(InputError, match="None of the 5 frames shows a whole hand"):
        calibrate(robot, np.full((5, 21, 3), np.nan))
    flat = np.tile(SAMPLE.palm_keypoints[:1], (5, 1, 1))
    flat[:, 5:9] = 0.0
    with pytest.raises(InputError, match="The index has length 0"):
        calibrate(robot, flat)
    with pytest.raises(InputError, match="motion is of a right hand, allegro is loaded as a left"):
        calibrate(hand("allegro", "left"), SAMPLE)
