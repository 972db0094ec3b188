"""What is learned in `benchmarks.learning`, and what learning is compared with.

track      follow a person's motion as retargeted to the hand, by absolute joint targets: what
           is to be learned is which target brings each joint where the observation wants it
cube       turn a cube in the hand to one goal after another, about the vertical
ball       the same with a ball
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

import handsim
import retarget
from handsim.assets import ASSETS
from handsim.envs import HandEnv, ReorientEnv, TrackEnv

SAMPLE = ASSETS / "motions" / "sample_right.npz"
TASKS = ("track", "cube", "ball")
HANDS = {"track": "ability", "cube": "inspire", "ball": "leap"}
"""Two small hands, of six motors each, and one of sixteen, whose fingers move sideways too."""
TURNED: dict[str, dict[str, Any]] = {
    "cube": {"object": "cube", "duration": 4.0},
    "ball": {"object": "sphere", "duration": 4.0},
}
"""In a longer episode most steps would be those of an object that has been turned as far as it goes
without another grip, or dropped: little to learn from at first."""
RANDOM, ZERO, REPLAY = "random", "zero", "open-loop replay"

Policy = Callable[[HandEnv, Mapping[str, Any]], Float[np.ndarray, " a"]]


@dataclass(frozen=True)
class Score:
    """How a policy does in one episode.

    Attributes:
        reward: the mean over the steps of a whole episode; those after a failure earn nothing.
        figure: what the task is about, see `FIGURES`.
    """

    reward: float
    figure: float


REACHED = "goals reached in an episode"
FIGURES = {"track": "joint error [rad, rms]", "cube": REACHED, "ball": REACHED}


def make(task: str, hand: str | None = None) -> HandEnv:
    """A task's environment."""
    robot = handsim.load_hand(hand or HANDS[task])
    if task in TURNED:
        return ReorientEnv(robot, **TURNED[task])
    solution = retarget.Retargeter(robot).retarget(retarget.load(SAMPLE))
    return TrackEnv(robot, solution.trajectory)


def another(env: HandEnv) -> HandEnv:
    """One more environment like `env`; its motion is not retargeted anew."""
    if isinstance(env, TrackEnv):
        return TrackEnv(env.hand, env.reference)
    return ReorientEnv(env.hand, **{name: env.settings[name] for name in ("object", "duration")})


def baselines(env: HandEnv) -> dict[str, Policy]:
    """Policies that learn nothing, by name.

    The retargeted demonstration can be replayed where there is one: nobody has shown how an
    object is turned in the hand.
    """
    size = env.control.size
    policies: dict[str, Policy] = {
        RANDOM: lambda env, observation: env.action_space.sample(),
        ZERO: lambda env, observation: np.zeros(size),
    }
    if isinstance(env, TrackEnv):
        env.reset()
        actions = env.actions_to(env.hand.ctrl_from_qpos(env.reference.qpos[1:]))
        policies[REPLAY] = lambda env, observation: actions[env.frame]
    return policies


def evaluate(env: HandEnv, policy: Policy, seeds: Sequence[int]) -> list[Score]:
    """An episode for each seed."""
    return [_episode(env, policy, seed) for seed in seeds]


def _episode(env: HandEnv, policy: Policy, seed: int) -> Score:
    observation, _ = env.reset(seed=seed)
    env.action_space.seed(seed)
    earned, infos, over = 0.0, [], False
    while not over:
        observation, reward, terminated, truncated, info = env.step(policy(env, observation))
        earned, over = earned + reward, terminated or truncated
        infos.append(info)
    if isinstance(env, TrackEnv):
        squares = [info["joint_rmse"] ** 2 for info in infos]
        return Score(earned / env.steps, float(np.sqrt(np.mean(squares))))
    assert isinstance(env, ReorientEnv)
    return Score(earned / env.steps, float(infos[-1]["successes"]))


def mean(scores: Sequence[Score]) -> Score:
    """The mean over episodes."""
    return Score(
        float(np.mean([score.reward for score in scores])),
        float(np.mean([score.figure for score in scores])),
    )
