"""Planted human motions: people whose hands are robot hands, so that the answer is known."""

import numpy as np

from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import CHAINS


def smooth_motion(robot, count=40, seed=0):
    """Slow sines of every independent joint inside its limits: qpos (count, nq) [rad]."""
    rng = np.random.default_rng(seed)
    low, high = robot.limits[robot.independent_ids].T
    phase = rng.uniform(0, 2 * np.pi, len(low))
    swing = 0.5 + 0.35 * np.sin(np.linspace(0, 2 * np.pi, count)[:, None] + phase)
    return robot.expand(low + swing * (high - low))


def keypoints_of(robot, qpos, calibration):
    """21 keypoints (T, 21, 3) in a palm frame whose calibrated tips are the robot's tips.

    Wrist and knuckles lie where a palm has them; fingers the robot lacks copy the last one.
    """
    tips = (robot.tips(qpos) - calibration.offset) / calibration.scale[:, None]
    tips = tips @ calibration.rotation
    keypoints = np.zeros((len(qpos), 21, 3))
    across = np.linspace(0.03, -0.03, 5) * (1 if robot.side == "right" else -1)
    for i, finger in enumerate(CHAINS):
        tip = tips[:, min(i, len(robot.fingers) - 1)]
        base = np.array([0.0, across[i] if finger != "middle" else 0.0, 0.09])
        for k, joint in enumerate(CHAINS[finger]):
            keypoints[:, joint] = base + (tip - base) * k / 3
    return keypoints


def person(keypoints, side="right", rate=30.0, valid=None):
    """The motion with these keypoints in a fixed world palm frame."""
    times = np.arange(len(keypoints)) / rate
    return HandTrajectory.from_keypoints(times, keypoints, side, valid=valid)
