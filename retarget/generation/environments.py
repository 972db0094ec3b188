"""What the robot hands do with a motion: for each environment, how it is solved and performed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Generic, NamedTuple, Protocol, TypeVar

from handsim.hands.robot_hand import RobotHand
from handsim.rollout import Rollout
from retarget.generation.recipe import Recipe
from retarget.generation.variation import Variation, placed, warped
from retarget.human.hand_trajectory import HandTrajectory
from retarget.playback import play
from retarget.retargeter import Retargeter
from retarget.scoring import score
from retarget.solution import Solution

S = TypeVar("S")
Scores = dict[str, float]


class Environment(Protocol, Generic[S]):
    """One way to make rollouts of a motion.

    Attributes:
        task: what is done, in words.
    """

    task: str

    def solve(self, hand: RobotHand, motion: HandTrajectory, recipe: Recipe) -> S:
        """What the hand is to do; shared by all variants of the motion."""
        ...

    def perform(
        self, solved: S, variation: Variation, seed: int, recipe: Recipe
    ) -> tuple[Rollout, Scores]:
        """What happens when it does a variant of that, and how good it is.

        The rollout has the person's keypoints and streams as annotations.
        """
        ...


class Tracked(NamedTuple):
    """A motion and what a hand makes of it."""

    hand: RobotHand
    motion: HandTrajectory
    solution: Solution


class Track:
    """Follow the motion, in `handsim/Track-v0`."""

    task = "follow the hand motion"

    def solve(self, hand: RobotHand, motion: HandTrajectory, recipe: Recipe) -> Tracked:
        """The retargeted motion."""
        return Tracked(hand, motion, Retargeter(hand, recipe.method).retarget(motion))

    def perform(
        self, solved: Tracked, variation: Variation, seed: int, recipe: Recipe
    ) -> tuple[Rollout, Scores]:
        """The motion tracked in physics, at the variant's speed and place."""
        motion, solution = warped(solved.motion, solved.solution, variation)
        rollout = play(
            replace(solution, trajectory=placed(solution.trajectory, variation)),
            motion,
            wrist=recipe.wrist,
            rate=recipe.rate,
            seed=seed,
            randomization=recipe.randomization,
            cameras=recipe.cameras,
            size=recipe.size,
        )
        return rollout, score(motion, solution, rollout, solved.hand)


ENVIRONMENTS: Mapping[str, Environment] = {"track": Track()}
"""By the names in `recipe.NAMES`."""
