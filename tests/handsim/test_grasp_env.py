"""What GraspEnv promises as a Gymnasium environment, and how its episodes go and are recorded."""

import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import handsim
from handsim.demonstration import Demonstration
from handsim.envs import GRASP, GraspEnv
from handsim.envs.grasp import ARRIVED, LOST, WRIST_RANGE
from handsim.errors import InputError, MissingFileError, UnknownNameError
from handsim.grasp_script import carried, scripted
from handsim.replay import arguments, perform, replay
from tests.environments import assert_same, run
from tests.hands import hand

SMALL = "dex3"
each_wrist = pytest.mark.parametrize("wrist", ["floating", "actuated"])
each_start = pytest.mark.parametrize("shown", [False, True], ids=["drawn", "demonstrated"])


@pytest.fixture(scope="module")
def demonstration() -> Demonstration:
    """The scripted grasp of a cylinder, with another path at another rate than the drawn ones."""
    robot, item = hand(SMALL), handsim.load_object("cylinder")
    env = GraspEnv(robot, item)
    times = np.arange(251) / 50
    start = np.array([0.06, -0.03, item.rest_height, 1.0, 0.0, 0.0, 0.0])
    path = carried(start, times, np.random.default_rng(5))
    return Demonstration(scripted(robot, env.grasp, times, path), item, path)


@pytest.fixture(scope="module")
def made(demonstration):
    """Environments of the small hand, made once for each set of arguments."""
    known: dict[tuple, GraspEnv] = {}

    def make(shown: bool = False, copy: int = 0, **kwargs) -> GraspEnv:
        key = (shown, copy, *sorted(kwargs.items()))
        if key not in known:
            wanted = {"demonstration": demonstration} if shown else {}
            known[key] = GraspEnv(hand(SMALL), **wanted, **kwargs)
        return known[key]

    return make


@each_wrist
@each_start
def test_gymnasiums_own_checks_pass_without_a_warning(wrist, shown, demonstration, can_render):
    kwargs = {"demonstration": demonstration} if shown else {}
    env = gymnasium.make(GRASP, hand=SMALL, wrist=wrist, width=64, height=48, **kwargs).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=not can_render)
    env.close()


@each_start
def test_the_same_seed_gives_the_same_bits_and_an_episode_leaves_no_trace(shown, made):
    env, other = made(shown), made(shown, copy=1)
    first = run(env, 15)
    assert_same(first, run(other, 15))
    assert_same(first, run(env, 15))


@each_wrist
@each_start
def test_a_state_resumes_to_the_same_bits_in_an_environment_of_another_seed(wrist, shown, made):
    env, other = made(shown, wrist=wrist), made(shown, copy=1, wrist=wrist)
    env.reset(seed=0)
    other.reset(seed=1)
    actions = env.actions_to(env.commands())
    for action in actions[:50]:
        observation, *_ = env.step(action)
    resumed = other.set_state(env.get_state())
    for name in observation:
        np.testing.assert_array_equal(observation[name], resumed[name])
    for action in actions[50:80]:
        one, another = env.step(action), other.step(action)
        assert one[1:] == another[1:]
        for name in one[0]:
            np.testing.assert_array_equal(one[0][name], another[0][name])
        np.testing.assert_array_equal(env.get_state(), other.get_state())


def test_episodes_begin_differently_but_with_the_object_at_rest(made):
    env = made()
    starts = [env.reset(seed=seed)[0] for seed in range(4)]
    places = np.array([start["object"] for start in starts])
    assert np.ptp(places[:, :2], axis=0).min() > 0.01
    assert np.ptp([env.path[-1] for seed in range(4) if env.reset(seed=seed)], axis=0).max() > 0.01
    for start in starts:
        np.testing.assert_array_equal(start["object_velocity"], 0.0)
        assert start["object"][2] == env.scene.object.rest_height
        assert not start["touch"].any()


@each_start
def test_the_goal_is_the_next_frame_of_the_path(shown, made):
    env = made(shown)
    observation, _ = env.reset(seed=3)
    actions = env.actions_to(env.commands())
    for frame, action in enumerate(actions):
        target = env.path[frame + 1]
        np.testing.assert_array_equal(observation["goal"], target)
        observation, _, terminated, truncated, info = env.step(action)
        error = np.linalg.norm(observation["object"][:3] - target[:3])
        assert info["object_error"] == pytest.approx(error)
        assert not terminated
    assert truncated
    np.testing.assert_array_equal(observation["goal"], env.path[-1])
    assert observation["phase"][0] == 1.0


def test_the_demonstrations_next_frame_is_observed(made):
    env = made(True)
    observation, _ = env.reset()
    np.testing.assert_array_equal(observation["target_qpos"], env.reference.qpos[1])
    np.testing.assert_array_equal(observation["target_palm"], env.reference.wrist[1])
    np.testing.assert_allclose(observation["palm"], env.reference.wrist[0], atol=1e-9)
    np.testing.assert_allclose(observation["qpos"], env.reference.qpos[0], atol=1e-12)


@each_wrist
@each_start
def test_a_replay_takes_the_object_along_the_path(wrist, shown, made):
    env = made(shown, wrist=wrist)
    rollout = replay(env, seed=2)
    assert rollout.info["success"][-1]
    assert not rollout.info["failure"].any()
    assert not rollout.info["success"][:-1].any()
    assert rollout.info["object_error"].max() < ARRIVED
    assert rollout.info["penetration"].max() < 1e-3
    assert rollout.rewards[-1] > 0.8
    lifted = rollout.annotations["object_path"][:, 2] > 0.1
    assert rollout.observations["object"][lifted, 2].min() > 0.08


def test_the_wrist_follows_the_demonstration(made):
    """Its targets run ahead by what it trails: 0.3 m/s would otherwise cost 6 mm."""
    env = made(True)
    rollout = replay(env)
    way = rollout.observations["palm"][:, :3] - env.reference.wrist[:, :3]
    assert np.linalg.norm(way, axis=1)[10:].max() < 4e-3


@each_start
def test_a_rollout_tells_how_to_make_it_again(shown, made, demonstration, tmp_path):
    wanted = {"demonstration": demonstration} if shown else {"object": "sphere", "control": "delta"}
    env = gymnasium.make(GRASP, hand=SMALL, disable_env_checker=True, **wanted)
    rollout = replay(env, seed=5)
    rollout.save(tmp_path / "r.npz")
    loaded = handsim.Rollout.load(tmp_path / "r.npz")
    other = gymnasium.make(GRASP, disable_env_checker=True, **arguments(loaded))
    again = perform(other, loaded.actions, seed=loaded.metadata["seed"])
    np.testing.assert_array_equal(again.states, rollout.states)
    np.testing.assert_array_equal(again.rewards, rollout.rewards)
    for name in rollout.observations:
        np.testing.assert_array_equal(again.observations[name], rollout.observations[name])
    assert again.metadata == rollout.metadata


def test_a_hand_that_stays_leaves_the_object_behind(made):
    env = made()
    env.reset(seed=0)
    stay = env.actions_to(np.tile(env.command(), (env.steps, 1)))
    rollout = perform(env, stay, seed=0)
    assert rollout.terminated[-1]
    assert rollout.info["failure"][-1]
    assert rollout.info["object_error"][-1] > LOST
    assert not rollout.info["success"].any()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("control", ["joints", "delta"])
@each_wrist
def test_random_actions_do_no_harm(control, wrist, made):
    env = made(control=control, wrist=wrist)
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(500):
        observation, reward, terminated, truncated, _ = env.step(
            rng.uniform(-1, 1, env.control.size)
        )
        assert 0.0 <= reward <= 1.0
        assert all(np.isfinite(array).all() for array in observation.values())
        assert not any(warning.number for warning in env.data.warning)
        if terminated or truncated:
            env.reset()


def test_the_wrists_target_does_not_jump(made):
    env = made()
    env.reset(seed=0)
    start, far = env.command(), env.command()
    far[0] += 0.4
    far[3] += 2.0
    env.step(env.actions_to(far[None])[0])
    way = env.command() - start
    np.testing.assert_allclose(way[[0, 3]], np.array([3.0, 20.0]) / env.control_rate)
    np.testing.assert_allclose(way[[1, 2, 4, 5]], 0.0, atol=1e-12)


def test_make_vec(made):
    envs = gymnasium.make_vec(GRASP, num_envs=2, hand=SMALL, object="cube")
    observations, _ = envs.reset(seed=[0, 1])
    assert (observations["object"][0] != observations["object"][1]).any()
    envs.step(envs.action_space.sample())
    envs.close()


def test_environments_of_one_catalogue_hand_plan_alike_and_share_nothing(made):
    one, other, own = GraspEnv(SMALL), GraspEnv(SMALL, "box"), made()
    for name in ("open", "closed", "pressed", "palm", "retreat"):
        planned = getattr(own.grasp, name)
        np.testing.assert_array_equal(getattr(one.grasp, name), planned)
        np.testing.assert_array_equal(getattr(other.grasp, name), planned)
        assert not np.shares_memory(getattr(one.grasp, name), getattr(other.grasp, name))
    assert (GraspEnv(SMALL, "sphere").grasp.palm != one.grasp.palm).any()


def test_what_is_refused(demonstration, tmp_path):
    robot = hand(SMALL)
    with pytest.raises(InputError, match="'fixed' cannot lift"):
        GraspEnv(robot, wrist="fixed")
    with pytest.raises(UnknownNameError, match="Unknown object 'bax'"):
        GraspEnv(robot, "bax")
    with pytest.raises(UnknownNameError, match="Unknown wrist"):
        GraspEnv(robot, demonstration=demonstration, wrist="loose")
    with pytest.raises(UnknownNameError, match="Unknown hand"):
        GraspEnv("dex33")
    with pytest.raises(InputError, match="expected the right hand 'leap'"):
        GraspEnv(hand("leap"), demonstration=demonstration)
    with pytest.raises(InputError, match="side"):
        GraspEnv(robot, side="left")
    with pytest.raises(MissingFileError):
        GraspEnv(robot, demonstration=tmp_path / "none.npz")
    far = replace(
        demonstration.trajectory, wrist=demonstration.trajectory.wrist + 1.0 * np.eye(7)[0]
    )
    with pytest.raises(InputError, match=f"x is .*, expected {WRIST_RANGE[0, 0]:g} to"):
        GraspEnv(robot, demonstration=replace(demonstration, trajectory=far))


def test_a_demonstration_may_be_a_file_and_its_object_another(demonstration, tmp_path):
    demonstration.save(tmp_path / "d.npz")
    env = GraspEnv(SMALL, "box", tmp_path / "d.npz", control_rate=25.0)
    assert env.scene.object.name == "box"
    assert env.control_rate == 25.0
    assert env.steps == 125
