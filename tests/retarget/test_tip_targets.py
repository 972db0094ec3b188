"""Fingertips that a person's motion wants of a robot, as an environment takes them."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

import handsim
import retarget
from handsim.errors import InputError
from retarget.human.recording import Source
from tests.hands import hand
from tests.retarget.people import keypoints_of, person, smooth_motion


@pytest.fixture
def planted():
    """A calibration, a motion whose calibrated tips are a robot's, and those."""
    robot = hand("leap")
    qpos = smooth_motion(robot)
    scale = np.full(len(robot.fingers), 1.2)
    calibration = retarget.Calibration(
        robot.name, robot.side, robot.fingers, np.eye(3), np.array([0.01, 0.0, -0.02]), scale
    )
    valid = np.ones(len(qpos), dtype=bool)
    valid[[5, 20]] = False
    motion = person(keypoints_of(robot, qpos, calibration), robot.side, valid=valid)
    return calibration, motion, robot.tips(qpos)


def test_they_are_the_calibrated_ones(planted):
    calibration, motion, tips = planted
    found = retarget.tip_targets(motion, calibration)
    seen = motion.valid
    # The motion finds its palm frame by itself.
    turned = calibration.tip_targets(motion.palm_keypoints)
    np.testing.assert_array_equal(found[seen], turned[seen])
    np.testing.assert_allclose(found[5], (found[4] + found[6]) / 2, atol=1e-12)
    assert found.shape == tips.shape


def test_an_environment_follows_them(planted):
    calibration, motion, _ = planted
    robot = hand("leap")
    solution = retarget.Retargeter(robot, calibration=calibration).retarget(motion)
    tips = retarget.tip_targets(motion, calibration)
    env = gymnasium.make(
        handsim.envs.TRACK,
        hand=robot,
        trajectory=solution.trajectory,
        tips=tips,
        control="tips",
        self_collision=False,
    )
    env.reset(seed=0)
    control, errors = env.unwrapped.control, []
    for target in tips[1:]:
        action = ((target - control.middle) / control.half).ravel()
        errors.append(env.step(action)[4]["tip_error"])
    assert np.mean(errors) < 0.002


def test_what_does_not_fit_is_refused(planted):
    calibration, motion, _ = planted
    with pytest.raises(InputError, match="expected the same side"):
        retarget.tip_targets(motion, replace(calibration, side="left"))
    with pytest.raises(InputError, match="calibrate on this tracker"):
        named = replace(motion, source=Source(tips="nails"))
        retarget.tip_targets(named, replace(calibration, tips="pads"))
