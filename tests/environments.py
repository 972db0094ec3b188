"""Every environment on every hand and kind of wrist, made once a run, and what one did."""

from functools import cache
from typing import NamedTuple

import numpy as np

import handsim
from handsim.envs import GRASP, REORIENT, TRACK, GraspEnv, HandEnv, ReorientEnv, TrackEnv
from handsim.envs.hand_env import CONTROLS
from handsim.wrist import WRISTS
from tests.hands import hand
from tests.motions import motion

WRISTS_OF = {TRACK: WRISTS, GRASP: ("floating", "actuated"), REORIENT: WRISTS}
SEED = 7


class Case(NamedTuple):
    """One environment; its hands are right and left, and its controls differ, by turns."""

    env: str
    hand: str
    side: str
    wrist: str
    control: str


def _cases() -> list[Case]:
    found = []
    for env, wrists in WRISTS_OF.items():
        for i, name in enumerate(handsim.hand_names()):
            for j, wrist in enumerate(wrists):
                side, control = ("right", "left")[(i + j) % 2], CONTROLS[(i + j) % 3]
                found.append(Case(env, name, side, wrist, control))
    return found


CASES = _cases()
FEW = [
    next(case for case in CASES if (case.env, case.wrist) == both)
    for both in sorted({(case.env, case.wrist) for case in CASES})
]
"""One for each environment and kind of wrist."""


@cache
def environment(case: Case, copy: int = 0) -> HandEnv:
    """One environment for all tests that ask for the same copy."""
    robot = hand(case.hand, case.side)
    kwargs = {"wrist": case.wrist, "control": case.control, "width": 64, "height": 48}
    return make(case.env, robot, **kwargs)


def make(env: str, robot: handsim.RobotHand | str, **kwargs) -> HandEnv:
    """An environment, what it tracks made up."""
    if env == TRACK:
        tracked = robot if isinstance(robot, handsim.RobotHand) else hand(handsim.hand_names()[0])
        return TrackEnv(robot, motion(tracked), **kwargs)
    return (GraspEnv if env == GRASP else ReorientEnv)(robot, **kwargs)


class Step(NamedTuple):
    """What a step, or the reset at the start, returned, and the state it led to."""

    observation: dict
    reward: float
    terminated: bool
    truncated: bool
    info: dict
    state: np.ndarray


def play(env: HandEnv, actions: np.ndarray, seed: int | None = SEED) -> list[Step]:
    """An episode and, where it ends, those after it."""
    observation, info = env.reset(seed=seed)
    steps = [Step(observation, 0.0, False, False, info, env.get_state())]
    for action in actions:
        if steps[-1].terminated or steps[-1].truncated:
            observation, info = env.reset()
            steps.append(Step(observation, 0.0, False, False, info, env.get_state()))
        else:
            steps.append(Step(*env.step(action), env.get_state()))
    return steps


def random_actions(env: HandEnv, count: int) -> np.ndarray:
    """As a policy that knows nothing: even in the action space."""
    low, high = env.action_space.low, env.action_space.high
    return np.random.default_rng(SEED).uniform(low, high, (count, *low.shape))


@cache
def played(case: Case, count: int = 200) -> list[Step]:
    """What `environment(case)` did under random actions."""
    env = environment(case)
    return play(env, random_actions(env, count))


def assert_same(one: object, other: object) -> None:
    """To the last bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    else:
        np.testing.assert_array_equal(one, other)
