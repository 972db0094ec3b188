"""What the robot hands do with a motion: for each environment, how it is solved and performed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Generic, NamedTuple, Protocol, TypeVar

import gymnasium
import numpy as np

import handsim.envs as envs
from handsim.demonstration import Demonstration
from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand
from handsim.replay import replay
from handsim.rollout import Rollout
from retarget.generation.recipe import Recipe
from retarget.generation.variation import Variation, placed, warp, warped
from retarget.human.hand_trajectory import HandTrajectory
from retarget.lifting import demonstrate
from retarget.playback import play, with_person
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
        motion, trajectory = warped(solved.motion, variation), solved.solution.trajectory
        solution = replace(solved.solution, trajectory=replace(trajectory, times=motion.times))
        moved = replace(solution.trajectory, wrist=placed(trajectory.wrist, variation))
        rollout = play(
            replace(solution, trajectory=moved),
            motion,
            wrist=recipe.wrist,
            rate=recipe.rate,
            seed=seed,
            randomization=recipe.randomization,
            cameras=recipe.cameras,
            size=recipe.size,
        )
        return rollout, score(motion, solution, rollout, solved.hand)


class Demonstrated(NamedTuple):
    """A person who lifts an object, and what a hand is to do to lift it, in the same frames."""

    motion: HandTrajectory
    demonstration: Demonstration


class Grasp:
    """Lift the object that the person lifted, in `handsim/Grasp-v0`."""

    task = "lift the object as in"

    def solve(self, hand: RobotHand, motion: HandTrajectory, recipe: Recipe) -> Demonstrated:
        """The demonstration that the person's motion and the object's stream come to.

        Raises:
            InputError: the motion has not one object stream, and the recipe names none.
        """
        frame = np.reshape(recipe.object_frame, (4, 4)) if recipe.object_frame else None
        stream = recipe.stream or _only_object(motion)
        engine = Retargeter(hand, recipe.method)
        demonstration = demonstrate(engine, motion, stream, recipe.object, frame)
        first = int(np.abs(motion.times - demonstration.trajectory.times[0]).argmin())
        return Demonstrated(motion.select(slice(first, first + len(demonstration))), demonstration)

    def perform(
        self, solved: Demonstrated, variation: Variation, seed: int, recipe: Recipe
    ) -> tuple[Rollout, Scores]:
        """The demonstration carried out, at the variant's speed and place on the table."""
        x, y, _ = variation.shift
        flat = replace(variation, shift=(x, y, 0.0))
        motion, old = warped(solved.motion, variation), solved.demonstration
        times = warp(old.trajectory.times, variation)
        trajectory = replace(old.trajectory, times=times, wrist=placed(old.trajectory.wrist, flat))
        env = gymnasium.make(
            envs.GRASP,
            disable_env_checker=True,
            hand=trajectory.hand,
            demonstration=replace(
                old, trajectory=trajectory, object_path=placed(old.object_path, flat)
            ),
            wrist=recipe.wrist,
            control_rate=recipe.rate,
            randomization=recipe.randomization,
            width=recipe.size[0],
            height=recipe.size[1],
        )
        try:
            rollout = replay(env, seed=seed, cameras=recipe.cameras)
        finally:
            env.close()
        return with_person(rollout, motion), grasp_scores(rollout)


def grasp_scores(rollout: Rollout) -> Scores:
    """The scores of `measures.GRASP`."""
    info = rollout.info
    return {
        "success": float(info["success"][-1]),
        "touching_percent": 100 * float(np.mean(info["touching"])),
        "object_error_mm": 1e3 * float(np.mean(info["object_error"])),
        "penetration_mm": 1e3 * float(np.max(info["penetration"])),
        "mean_reward": float(np.mean(rollout.rewards)),
    }


def _only_object(motion: HandTrajectory) -> str:
    names = [name for name in motion.streams if name.startswith("object")]
    if len(names) != 1:
        raise InputError(
            f"The motion has the streams {', '.join(motion.streams) or 'none'}; expected one of an "
            "object, or its name as `stream`."
        )
    return names[0]


ENVIRONMENTS: Mapping[str, Environment] = {"track": Track(), "grasp": Grasp()}
"""By the names in `recipe.NAMES`."""
