"""What ReorientEnv promises as a Gymnasium environment and as a task."""

from functools import cache

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import handsim
from handsim.envs import ReorientEnv
from handsim.envs.reorient import DROPPED, REACHED
from handsim.errors import InputError, UnknownNameError
from handsim.objects import SceneObject
from handsim.wrist import WRISTS
from tests.environments import assert_same, run
from tests.hands import EVERY, hand

NAMES = sorted({name for name, _ in EVERY})
FIRST = NAMES[0]
every_hand = pytest.mark.parametrize("name", NAMES)
every_wrist = pytest.mark.parametrize("wrist", WRISTS)


@cache
def env_of(name: str = FIRST, side: str = "right", wrist: str = "fixed", copy: int = 0, **kwargs):
    """One environment for all tests that ask for the same."""
    return ReorientEnv(hand(name, side), wrist=wrist, **kwargs)


def turn_object(env: ReorientEnv, vector: np.ndarray) -> None:
    """Turn the object where it is, about its centre."""
    quat = env.data.qpos[env.scene.object_qpos][3:]
    turned = Rotation.from_rotvec(vector) * Rotation.from_quat(quat, scalar_first=True)
    quat[:] = turned.as_quat(scalar_first=True)


def test_another_seed_puts_the_object_elsewhere_and_has_another_goal():
    one, other = (env_of().reset(seed=seed)[0] for seed in (7, 8))
    assert not np.array_equal(one["object"], other["object"])
    assert not np.array_equal(one["goal"], other["goal"])


@every_wrist
@pytest.mark.parametrize("turn", ["yaw", "any"])
def test_a_state_resumes_to_the_same_bits_goals_included(wrist, turn):
    env, other = (env_of(wrist=wrist, turn=turn, copy=copy) for copy in range(2))
    other.reset(seed=1)
    observation, _ = env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-0.2, 0.2, (12, *env.action_space.shape))
    turn_object(env, observation["goal_turn"])
    for action in actions[:6]:
        observation, *_ = env.step(action)
    resumed = other.set_state(env.get_state())
    for name in observation:
        np.testing.assert_array_equal(observation[name], resumed[name])
    for both in (env, other):
        turn_object(both, observation["goal_turn"])
    for action in actions[6:]:
        one, same = env.step(action), other.step(action)
        assert one[1:] == same[1:]
        for name in one[0]:
            np.testing.assert_array_equal(one[0][name], same[0][name])
        np.testing.assert_array_equal(env.get_state(), other.get_state())
    assert env.successes == other.successes == 2


@pytest.mark.parametrize(("name", "side"), EVERY)
def test_the_object_stays_in_a_hand_that_holds_still(name, side):
    env = env_of(name, side)
    still = np.zeros(env.action_space.shape)
    for seed in range(2):
        env.reset(seed=seed)
        for _ in range(int(2 * env.control_rate)):
            _, _, terminated, _, info = env.step(still)
            assert not terminated
        assert info["distance"] < 0.03
        assert np.abs(env.scene.object_velocity(env.data)).max() < 0.1


def test_a_goal_reached_counts_and_the_next_step_has_another():
    env = env_of()
    still = np.zeros(env.action_space.shape)
    observation, info = env.reset(seed=3)
    assert (info["successes"], info["success"]) == (0, False)
    goal = observation["goal"]
    turn_object(env, observation["goal_turn"])
    assert env._judge()[1]["angle"] < 1e-6
    observation, _, _, _, info = env.step(still)
    assert (info["successes"], info["success"]) == (1, False)
    assert info["angle"] > REACHED
    assert not np.array_equal(observation["goal"][3:], goal[3:])


def test_goals_are_a_turn_about_the_vertical_or_any_from_the_one_before():
    yaws, tilts = [], {}
    for turn in ("yaw", "any"):
        env = env_of(turn=turn)
        turns = np.array([env.reset(seed=seed)[0]["goal_turn"] for seed in range(40)])
        tilts[turn] = np.abs(turns[:, :2]).max()
        sizes = np.linalg.norm(turns, axis=1)
        assert sizes.min() > 0.5 - 1e-9
        yaws.append(turns[:, 2])
        if turn == "yaw":
            assert sizes.max() < np.pi / 2 + 1e-9
    assert tilts["yaw"] < 1e-9 < 1.0 < tilts["any"]
    assert min(yaws[0]) < -1.0 < 1.0 < max(yaws[0])


def test_the_observed_turn_leads_to_the_goal():
    observation, info = env_of(turn="any").reset(seed=5)
    object_quat, goal = observation["object"][3:], observation["goal"][3:]
    there = Rotation.from_rotvec(observation["goal_turn"]) * Rotation.from_quat(
        object_quat, scalar_first=True
    )
    assert (there.inv() * Rotation.from_quat(goal, scalar_first=True)).magnitude() < 1e-9
    assert info["angle"] == pytest.approx(np.linalg.norm(observation["goal_turn"]))


def test_turning_towards_the_goal_is_rewarded_and_turning_away_is_not():
    env, terms = env_of(), []
    still = np.zeros(env.action_space.shape)
    for speed in (-1.0, 0.0, 1.0):
        observation, info = env.reset(seed=2)
        assert info["reward_progress"] == 0.5
        way = observation["goal_turn"] / np.linalg.norm(observation["goal_turn"])
        env.data.qpos[env.scene.object_qpos][2] += 0.02
        # The velocity of a free joint turns about the object's own axes.
        quat = Rotation.from_quat(observation["object"][3:], scalar_first=True)
        env.data.qvel[env.scene.object_dofs][3:] = quat.inv().apply(speed * way)
        terms.append(env.step(still)[-1]["reward_progress"])
    assert terms[0] < 0.45 < terms[1] < 0.55 < terms[2]


def test_an_object_that_falls_ends_the_episode():
    env = env_of()
    env.reset(seed=0)
    env.data.qpos[env.scene.object_qpos][1] += 1.5 * DROPPED
    _, _, terminated, truncated, info = env.step(np.zeros(env.action_space.shape))
    assert terminated
    assert info["dropped"]
    assert not truncated


def test_an_episode_ends_when_its_time_is_over():
    env = env_of(duration=0.5, control_rate=30.0)
    env.reset(seed=0)
    ends = [env.step(np.zeros(env.action_space.shape))[3] for _ in range(15)]
    assert ends == [False] * 14 + [True]


@pytest.mark.parametrize("wrist", ["floating", "actuated"])
def test_a_wrist_that_moves_carries_the_object(wrist):
    env = env_of(wrist=wrist)
    start, _ = env.reset(seed=0)
    assert len(start["ctrl"]) == len(env.action_space.low) == 6 + env.hand.nu
    for _ in range(20):
        observation, *_, info = env.step(np.eye(6 + env.hand.nu)[2])
    assert observation["palm"][2] - start["palm"][2] == pytest.approx(0.03, abs=2e-3)
    assert observation["object"][2] - start["object"][2] == pytest.approx(0.03, abs=1e-2)
    assert info["distance"] < 0.02


def test_the_goals_image_is_where_it_is_said_to_be():
    env = env_of()
    observation, _ = env.reset(seed=0)
    body = env.scene.model.body("goal").id
    np.testing.assert_allclose(env.data.xpos[body], observation["goal"][:3], atol=1e-12)
    np.testing.assert_allclose(env.data.xquat[body], observation["goal"][3:], atol=1e-12)
    assert np.linalg.norm(observation["goal"][:3] - observation["object"][:3]) > 0.06


def test_bad_arguments_are_named():
    robot = hand(FIRST)
    with pytest.raises(UnknownNameError, match="turn 'pitch'"):
        ReorientEnv(robot, turn="pitch")
    with pytest.raises(UnknownNameError, match="object 'cup'"):
        ReorientEnv(robot, object="cup")
    with pytest.raises(InputError, match="side: 'left', expected 'right'"):
        ReorientEnv(robot, side="left")
    with pytest.raises(InputError, match="duration: 0.01"):
        ReorientEnv(robot, duration=0.01)
    with pytest.raises(InputError, match="'wall' finds no rest in the upturned hand"):
        ReorientEnv(robot, object=SceneObject("wall", "box", (0.02, 0.9, 0.9), 5.0))


EPISODES = {
    "size": [0.9, 1.1],
    "mass": [0.7, 1.5],
    "friction": [0.8, 1.2],
    "latency": [0.03, 0.03],
    "noise": {"object": 0.002, "object_turn": 0.1},
}


def varied(randomization: dict) -> ReorientEnv:
    return ReorientEnv(hand(FIRST), randomization=randomization)


def test_episodes_that_differ_begin_with_the_object_in_the_hand():
    env = varied(EPISODES)
    sizes = []
    for seed in range(6):
        _, info = env.reset(seed=seed)
        assert not info["dropped"]
        sizes.append(env.scene.object.size[0])
        for _ in range(5):
            assert not env.step(np.zeros(env.control.size))[2]
    assert np.ptp(sizes) > 0.002
    assert_same(run(env, 5, seed=1), run(varied(EPISODES), 5, seed=1))


def test_targets_act_late_from_the_first_step_on():
    """Which a buffer with times of the settling before would prevent."""
    late, prompt = varied({"latency": [0.03, 0.03]}), env_of()
    for env, steps in ((late, 14), (prompt, 0)):
        env.reset(seed=0)
        model, data, ids = env.scene.model, env.data, env.scene.ctrl_ids
        before = data.ctrl[ids].copy()
        data.ctrl[ids] += 0.1
        for step in range(20):
            mujoco.mj_step(model, data)
            bias = model.actuator_biasprm[ids]
            rest = bias[:, 1] * data.actuator_length[ids] + bias[:, 2] * data.actuator_velocity[ids]
            target = (data.actuator_force[ids] - rest) / model.actuator_gainprm[ids, 0]
            moved = target - before
            assert np.median(np.abs(moved - (0.1 if step >= steps else 0.0))) < 1e-6


def test_the_observed_turn_belongs_to_the_observed_object():
    """It would tell through the noise how the object is turned."""
    env = varied({"noise": {"object_turn": 0.3}})
    observation, _ = env.reset(seed=0)
    seen = Rotation.from_quat(observation["object"][3:], scalar_first=True)
    goal = Rotation.from_quat(observation["goal"][3:], scalar_first=True)
    found = Rotation.from_rotvec(observation["goal_turn"]) * seen
    assert (found.inv() * goal).magnitude() < 1e-6
    assert np.linalg.norm(observation["goal_turn"] - env._goal_turn()) > 0.05


def test_its_settings_make_the_same_environment_again():
    """A user's own object included."""
    item = handsim.SceneObject("brick", "box", (0.04, 0.05, 0.045), 0.05)
    first = ReorientEnv(hand("dex3"), object=item)
    again = ReorientEnv(**first.settings)
    assert first.settings == again.settings
    for env in (first, again):
        env.reset(seed=4)
    np.testing.assert_array_equal(first.get_state(), again.get_state())
