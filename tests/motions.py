"""Smooth made-up motions of any hand, for the tests of the simulation."""

import numpy as np

import handsim


def motion(
    robot: handsim.RobotHand,
    rate: float = 30.0,
    seconds: float = 1.0,
    amplitude: float = 0.5,
    seed: int = 0,
) -> handsim.JointTrajectory:
    """Each independent joint swings about its middle at 0.5 to 1.5 Hz; the wrist sways and turns.

    `amplitude` is a fraction of half the joint's range. Links may run through each other.
    """
    rng = np.random.default_rng(seed)
    low, high = robot.limits[robot.independent_ids].T
    times = np.arange(round(rate * seconds) + 1) / rate
    frequency, phase = rng.uniform(0.5, 1.5, len(low)), rng.uniform(0, 2 * np.pi, len(low))
    swing = np.sin(2 * np.pi * frequency * times[:, None] + phase)
    x = (low + high) / 2 + amplitude * (high - low) / 2 * swing
    sway = np.sin(np.pi * times)
    wrist = np.zeros((len(times), 7))
    wrist[:, 0], wrist[:, 2] = 0.1 * sway, 0.3
    wrist[:, 3], wrist[:, 6] = np.cos(0.2 * sway), np.sin(0.2 * sway)
    return handsim.JointTrajectory(
        hand=robot.name,
        side=robot.side,
        joint_names=robot.joint_names,
        times=times,
        qpos=robot.expand(x),
        wrist=wrist,
        valid=np.ones(len(times), dtype=bool),
    )
