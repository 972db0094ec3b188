"""Every environment on every hand and kind of wrist, made once a run, and what one did."""

from functools import cache
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

import handsim
from handsim.envs import GRASP, REORIENT, TRACK, GraspEnv, HandEnv, ReorientEnv, TrackEnv
from handsim.envs.hand_env import CONTROLS
from handsim.errors import InputError
from handsim.grasps import plan_grasp
from handsim.objects import load_object
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


_planned = cache(plan_grasp)
_object = cache(load_object)
_QUICK_SEARCH = {"_CURLS": (0.2, 0.4), "_SHARES": (0.5,), "_found": {}}
"""Where an object rests is sought less thoroughly, and kept apart from what was sought well; one
hand wants the whole search."""


@cache
def environment(case: Case, copy: int = 0) -> HandEnv:
    """One environment for all tests that ask for the same copy."""
    robot = hand(case.hand, case.side)
    kwargs = {"wrist": case.wrist, "control": case.control, "width": 64, "height": 48}
    if case.env == GRASP:
        kwargs["object"] = _object("box")
    return make(case.env, robot, **kwargs)


def make(env: str, robot: handsim.RobotHand | str, **kwargs) -> HandEnv:
    """An environment, what it tracks made up."""
    if env == TRACK:
        tracked = robot if isinstance(robot, handsim.RobotHand) else hand(handsim.hand_names()[0])
        return TrackEnv(robot, motion(tracked), **kwargs)
    if env == GRASP:
        with patch("handsim.envs.grasp.plan_grasp", _planned):
            return GraspEnv(robot, **kwargs)
    try:
        with patch.multiple("handsim.envs.cup", **_QUICK_SEARCH):
            return ReorientEnv(robot, **kwargs)
    except InputError:
        return ReorientEnv(robot, **kwargs)


class Step(NamedTuple):
    """What a step, or the reset at the start, returned, and the state it led to."""

    observation: dict
    reward: float
    terminated: bool
    truncated: bool
    info: dict
    state: np.ndarray
    warnings: int


def step_of(env: HandEnv, *returned) -> Step:
    """A step that has just been taken, or an episode that has just begun."""
    return Step(*returned, env.get_state(), int(env.data.warning.number.sum()))


def play(env: HandEnv, actions: np.ndarray, seed: int | None = SEED) -> list[Step]:
    """An episode and, where it ends, those after it."""
    observation, info = env.reset(seed=seed)
    steps = [step_of(env, observation, 0.0, False, False, info)]
    for action in actions:
        if steps[-1].terminated or steps[-1].truncated:
            observation, info = env.reset()
            steps.append(step_of(env, observation, 0.0, False, False, info))
        else:
            steps.append(step_of(env, *env.step(action)))
    return steps


def random_actions(env: HandEnv, count: int = 60) -> np.ndarray:
    """As a policy that knows nothing: even in the action space."""
    low, high = env.action_space.low, env.action_space.high
    return np.random.default_rng(SEED).uniform(low, high, (count, *low.shape))


@cache
def played(case: Case) -> list[Step]:
    """What `environment(case)` did under random actions."""
    env = environment(case)
    return play(env, random_actions(env))


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


def run(env: HandEnv, steps: int, seed: int = 7) -> list:
    """Observations, rewards and states under random actions, from the start of an episode."""
    env.action_space.seed(seed)
    kept = [(env.reset(seed=seed)[0], 0.0, env.get_state())]
    for _ in range(steps):
        observation, reward, *_ = env.step(env.action_space.sample())
        kept.append((observation, reward, env.get_state()))
    return kept
