"""Replay tracks the reference, and recorded actions reproduce it to the last bit."""

import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import handsim
from handsim.envs import TRACK, TrackEnv
from handsim.errors import InputError
from handsim.replay import perform, replay
from handsim.scene import WRISTS
from tests.hands import EVERY, hand
from tests.motions import motion

NAMES = sorted({name for name, _ in EVERY})
FIRST = NAMES[0]
every_wrist = pytest.mark.parametrize("wrist", WRISTS)

# Measured over the hands, self-collision off: error at the frame's end, mean over tips and frames.
TIP_ERRORS_MM = {30.0: 0.5, 60.0: 2.0, 120.0: 3.5}


def env_of(name: str = FIRST, rate: float = 30.0, side: str = "right", **kwargs) -> TrackEnv:
    robot = hand(name, side)
    return TrackEnv(robot, motion(robot, rate), self_collision=False, **kwargs)


@pytest.mark.parametrize("rate", TIP_ERRORS_MM)
@pytest.mark.parametrize("name", NAMES)
def test_the_fingertips_track(name, rate):
    rollout = replay(env_of(name, rate))
    assert 1e3 * rollout.info["tip_error"].mean() < TIP_ERRORS_MM[rate]
    assert rollout.info["joint_rmse"].mean() < 0.03
    assert rollout.truncated[-1]
    assert not rollout.terminated.any()


def test_commanding_the_frames_start_would_lag():
    """The guard of the test above: the wrong command is seen to be worse."""
    env = env_of()
    env.reset()
    late = env.actions_to(env.hand.ctrl_from_qpos(env.reference.qpos[:-1]))
    assert perform(env, late).info["tip_error"].mean() > 5 * replay(env).info["tip_error"].mean()


@pytest.mark.parametrize("name", NAMES)
def test_a_floating_wrist_tracks_too(name):
    """The lag of the weld is made up for: 0.3 m/s would otherwise trail by 6 mm."""
    rollout = replay(env_of(name, 60.0, wrist="floating"))
    assert 1e3 * rollout.info["tip_error"].mean() < TIP_ERRORS_MM[60.0]
    assert rollout.info["palm_error"][5:].max() < 2e-3
    assert rollout.info["palm_turn"][5:].max() < 0.02


@every_wrist
def test_recorded_actions_and_seed_reproduce_the_rollout(wrist):
    first = replay(env_of(wrist=wrist), seed=3)
    again = perform(env_of(wrist=wrist), first.actions, seed=3)
    for name in ("states", "actions", "rewards", "times", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    for group in ("observations", "info", "annotations"):
        assert getattr(again, group).keys() == getattr(first, group).keys()
        for name, array in getattr(first, group).items():
            np.testing.assert_array_equal(getattr(again, group)[name], array)


def test_a_rollout_says_how_to_repeat_it():
    robot = hand(FIRST)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(
            TRACK, hand=FIRST, trajectory=motion(robot), wrist="floating", ground=-1.0
        )
    rollout = replay(env, seed=5)
    env.close()
    metadata = rollout.metadata
    other = gymnasium.make(
        metadata["env_id"], trajectory=rollout.reference(), **metadata["env_kwargs"]
    )
    again = perform(other, rollout.actions, seed=metadata["seed"])
    other.close()
    np.testing.assert_array_equal(again.states, rollout.states)
    assert again.metadata == rollout.metadata


def test_a_rollout_holds_states_that_the_environment_resumes_from():
    env = env_of(wrist="floating")
    rollout = replay(env)
    for k in (0, 7, len(rollout) - 1):
        observation = env.set_state(rollout.states[k])
        for name, array in observation.items():
            np.testing.assert_array_equal(array, rollout.observations[name][k])
        observation, reward, *_ = env.step(rollout.actions[k])
        assert reward == rollout.rewards[k]
        np.testing.assert_array_equal(observation["qpos"], rollout.qpos[k + 1])


def test_actions_are_within_the_action_space_even_at_the_joints_limits():
    robot = hand(FIRST)
    env = TrackEnv(robot, motion(robot, amplitude=1.0), self_collision=False)
    rollout = replay(env)
    assert np.abs(rollout.actions).max() <= 1.0


def test_wrappers_are_looked_through():
    rollout = replay(TimeLimit(env_of(), max_episode_steps=10))
    assert len(rollout) == 10
    assert rollout.truncated[-1]
    assert len(rollout.annotations["reference_qpos"]) == 11


def test_another_trajectory_can_be_commanded():
    env = env_of()
    other = motion(env.hand, seed=1)
    rollout = replay(env, other)
    error = np.abs(rollout.qpos[1:] - other.qpos[1:])
    assert error[10:].max() < 0.1
    np.testing.assert_array_equal(rollout.annotations["reference_qpos"], env.reference.qpos)
    assert rollout.info["joint_rmse"][10:].mean() > 0.1


@pytest.mark.usefixtures("opengl")
def test_cameras_and_annotations_come_along():
    env = env_of(width=32, height=24)
    keypoints = np.random.default_rng(0).normal(size=(env.steps + 1, 21, 3))
    rollout = replay(env, cameras=("front", "wrist"), annotations={"keypoints": keypoints})
    env.close()
    assert set(rollout.frames) == {"front", "wrist"}
    assert rollout.frames["wrist"].shape == (len(rollout) + 1, 24, 32, 3)
    assert (rollout.frames["front"][0] != rollout.frames["front"][-1]).any()
    np.testing.assert_array_equal(rollout.annotations["keypoints"], keypoints)


def test_the_metadata():
    rollout = replay(env_of(), seed=11)
    assert rollout.metadata["seed"] == 11
    assert rollout.metadata["env_kwargs"]["hand"] == FIRST
    assert rollout.metadata["control_rate"] == 30.0
    assert set(rollout.metadata["versions"]) == {"handsim", "mujoco"}
    assert rollout.model_xml.startswith("<mujoco")


def test_what_is_refused():
    env = env_of()
    with pytest.raises(InputError, match="expected a HandEnv"):
        replay(gymnasium.make("CartPole-v1"))
    with pytest.raises(InputError, match="expected the right hand"):
        replay(env, replace(motion(env.hand), hand="other"))
    with pytest.raises(InputError, match=f"{env.steps + 5} actions"):
        perform(env, np.zeros((env.steps + 5, env.hand.nu)))
    with pytest.raises(InputError, match="0 actions"):
        perform(env, np.zeros((0, env.hand.nu)))
    with pytest.raises(InputError, match=r"annotations\['keypoints'\]"):
        replay(env, annotations={"keypoints": np.zeros((5, 3))})


def test_handsim_exports_it():
    assert handsim.replay is replay
    assert handsim.perform is perform
