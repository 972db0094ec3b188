"""Hands shared by the tests: compiled once a run, and random configurations of them."""

from functools import cache

import numpy as np

import handsim

EVERY = [(name, side) for name in handsim.hand_names() for side in ("right", "left")]


@cache
def hand(name: str, side: str = "right") -> handsim.RobotHand:
    """One hand, loaded once."""
    return handsim.load_hand(name, side)


def configurations(robot: handsim.RobotHand, count: int, seed: int = 0) -> np.ndarray:
    """Random qpos (count, nq) within the limits, couplings applied."""
    low, high = robot.limits[robot.independent_ids].T
    rng = np.random.default_rng(seed)
    return robot.expand(rng.uniform(low, high, size=(count, len(low))))
