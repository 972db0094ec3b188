"""What the robot hands do with a motion: a function each, from a solution to a rollout."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from handsim.randomization import Randomization
from handsim.rollout import Rollout
from handsim.wrist import Kind
from retarget.human.hand_trajectory import HandTrajectory
from retarget.playback import play
from retarget.solution import Solution


class Staging(NamedTuple):
    """What a rollout needs to know besides the motion.

    Attributes:
        wrist: hold the wrist still, or let it follow the person's.
        rate: steps a second [Hz].
        seed: for the environment's reset.
        randomization: what differs from seed to seed.
        cameras: whose pictures are recorded.
        size: of the pictures, width and height [px].
    """

    wrist: Kind
    rate: float
    seed: int
    randomization: Randomization
    cameras: tuple[str, ...]
    size: tuple[int, int]


class Environment(Protocol):
    """One way to make a rollout of a retargeted motion."""

    def __call__(self, solution: Solution, motion: HandTrajectory, staging: Staging) -> Rollout:
        """The rollout, with the person's keypoints and streams as annotations."""
        ...


def track(solution: Solution, motion: HandTrajectory, staging: Staging) -> Rollout:
    """Follow the motion, in `handsim/Track-v0`."""
    return play(solution, motion, *staging)


ENVIRONMENTS: Mapping[str, Environment] = {"track": track}
"""By name."""
TASKS: Mapping[str, str] = {"track": "follow the hand motion"}
"""What is done in each, in words."""
