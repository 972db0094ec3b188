"""Environments on threads do what they do alone, and say it as Gymnasium's own vector does."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from handsim.envs import TRACK, ThreadedVectorEnv, TrackEnv
from handsim.errors import InputError
from tests.hands import EVERY, hand
from tests.motions import motion

NAME = EVERY[0][0]
COUNT, STEPS = 5, 12


def make() -> TrackEnv:
    robot = hand(NAME)
    return TrackEnv(robot.__deepcopy__({}), motion(robot, seconds=0.25))


def play(envs: SyncVectorEnv) -> list:
    """What every step returned, past the end of the episodes."""
    actions = np.random.default_rng(0).uniform(-1, 1, (STEPS, *envs.action_space.shape))
    kept = [envs.reset(seed=3), *(envs.step(action) for action in actions)]
    envs.close()
    return kept


def assert_same(one: object, other: object) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif np.asarray(one).dtype == object:
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_threads_change_nothing(threads, mode):
    wanted = play(SyncVectorEnv([make] * COUNT, autoreset_mode=mode))
    found = play(ThreadedVectorEnv([make] * COUNT, threads, mode))
    ends = np.array([step[3] for step in wanted[1:]])
    assert ends.any(axis=0).all()
    for one, other in zip(wanted, found, strict=True):
        for part, other_part in zip(one, other, strict=True):
            assert_same(part, other_part)


def test_a_batch_is_what_its_environments_are_alone():
    envs, alone = ThreadedVectorEnv([make] * 3), make()
    observations, _ = envs.reset(seed=7)
    first, _ = alone.reset(seed=8)
    for name, array in first.items():
        np.testing.assert_array_equal(observations[name][1], array)
    actions = np.random.default_rng(1).uniform(-1, 1, (3, alone.hand.nu))
    observations, rewards, *_ = envs.step(actions)
    observation, reward, *_ = alone.step(actions[1])
    for name, array in observation.items():
        np.testing.assert_array_equal(observations[name][1], array)
    assert rewards[1] == reward
    envs.close()


def test_gymnasium_makes_one():
    robot = hand(NAME)
    kwargs = {"hand": robot, "trajectory": motion(robot)}
    envs = gymnasium.make_vec(TRACK, num_envs=4, threads=2, **kwargs)
    assert isinstance(envs, ThreadedVectorEnv)
    assert envs.threads == 2
    assert len({id(env.hand) for env in envs.envs}) == 4
    observations, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observations)
    envs.close()
    gymnasium.spec(TRACK).to_json()


def test_an_environments_error_is_the_batchs():
    envs = ThreadedVectorEnv([make] * 3, threads=2)
    envs.reset(seed=0)
    actions = np.zeros(envs.action_space.shape)
    actions[2, 1] = np.nan
    with pytest.raises(InputError, match=r"action\[1\] is nan"):
        envs.step(actions)
    envs.close()


def test_what_is_refused():
    with pytest.raises(InputError, match="at least one environment"):
        ThreadedVectorEnv([])
    with pytest.raises(InputError, match="threads: 0"):
        ThreadedVectorEnv([make], threads=0)
