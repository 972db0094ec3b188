"""What TrackEnv promises as a Gymnasium environment and as a simulation."""

import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import handsim
from handsim.envs import TRACK, TrackEnv
from handsim.errors import InputError, UnknownNameError
from handsim.wrist import WRISTS
from tests.hands import EVERY, hand
from tests.motions import motion

NAMES = sorted({name for name, _ in EVERY})
FIRST = NAMES[0]
every_wrist = pytest.mark.parametrize("wrist", WRISTS)


def env_of(name: str = FIRST, side: str = "right", **kwargs) -> TrackEnv:
    robot = hand(name, side)
    return TrackEnv(robot, kwargs.pop("trajectory", None) or motion(robot), **kwargs)


def run(env: TrackEnv, steps: int, seed: int = 7) -> list:
    """Observations, rewards and states under random actions."""
    env.action_space.seed(seed)
    kept = [(env.reset(seed=seed)[0], 0.0, env.get_state())]
    for _ in range(steps):
        observation, reward, *_ = env.step(env.action_space.sample())
        kept.append((observation, reward, env.get_state()))
    return kept


def assert_same(one: list, other: list) -> None:
    for (o1, r1, s1), (o2, r2, s2) in zip(one, other, strict=True):
        assert r1 == r2
        np.testing.assert_array_equal(s1, s2)
        for name in o1:
            np.testing.assert_array_equal(o1[name], o2[name])


@pytest.mark.parametrize("name", NAMES)
@every_wrist
def test_gymnasiums_own_checks_pass_without_a_warning(name, wrist, can_render, monkeypatch):
    monkeypatch.setattr("handsim.envs.track.load_hand", hand)
    kwargs = {"hand": name, "trajectory": motion(hand(name)), "wrist": wrist}
    env = gymnasium.make(TRACK, width=64, height=48, **kwargs).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=not can_render)
    env.close()


@every_wrist
def test_the_same_seed_gives_the_same_bits(wrist):
    assert_same(run(env_of(wrist=wrist), 10), run(env_of(wrist=wrist), 10))


@every_wrist
def test_an_episode_leaves_no_trace_in_the_next(wrist):
    env = env_of(wrist=wrist)
    first = run(env, 20)
    assert_same(first, run(env, 20))


@every_wrist
def test_a_state_resumes_to_the_same_bits(wrist):
    env, other = env_of(wrist=wrist), env_of(wrist=wrist)
    env.reset(seed=0)
    other.reset(seed=1)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, env.hand.nu))
    for action in actions[:10]:
        observation, *_ = env.step(action)
    resumed = other.set_state(env.get_state())
    for name in observation:
        np.testing.assert_array_equal(observation[name], resumed[name])
    for action in actions[10:]:
        one, other_one = env.step(action), other.step(action)
        assert one[1:] == other_one[1:]
        for name in one[0]:
            np.testing.assert_array_equal(one[0][name], other_one[0][name])
        np.testing.assert_array_equal(env.get_state(), other.get_state())


def test_observations_are_arrays_of_their_own():
    env = env_of()
    observation, _ = env.reset(seed=0)
    before = {name: array.copy() for name, array in observation.items()}
    state = env.get_state()
    for array in observation.values():
        assert not np.shares_memory(array, env.data.qpos)
        assert not np.shares_memory(array, env.reference.qpos)
        array[...] = np.nan
    np.testing.assert_array_equal(env.get_state(), state)
    for name, array in env.observe().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_an_affine_image_of_the_targets(name):
    env = env_of(name)
    env.reset()
    control, start = env.control, env.command()
    ends = control.command(np.stack([-np.ones(env.hand.nu), np.ones(env.hand.nu)]), start)
    ranges = env.scene.model.actuator_ctrlrange[env.scene.ctrl_ids]
    np.testing.assert_allclose(ends.T, ranges, atol=1e-12)
    actions = np.random.default_rng(0).uniform(-1, 1, (50, env.hand.nu))
    np.testing.assert_allclose(
        control.action(control.command(actions, start), start), actions, atol=1e-14
    )
    observation, *_ = env.step(actions[0])
    np.testing.assert_array_equal(observation["ctrl"], control.command(actions[0], start))


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_can_be_commanded(name):
    """The targets that hold positions within the limits are within the actuators' ranges."""
    env = env_of(name, trajectory=motion(hand(name), amplitude=1.0))
    commands = env.hand.ctrl_from_qpos(env.reference.qpos)
    actions = env.control.action(commands, commands)
    assert np.abs(actions).max() <= 1 + 1e-9


def test_targets_beyond_the_range_are_clipped():
    env = env_of()
    env.reset()
    observation, *_ = env.step(np.full(env.hand.nu, 5.0))
    np.testing.assert_array_equal(observation["ctrl"], env.control.high)


@every_wrist
def test_an_episode_begins_on_the_reference_and_ends_with_it(wrist):
    env = env_of(wrist=wrist)
    observation, info = env.reset()
    np.testing.assert_array_equal(observation["qpos"], env.reference.qpos[0])
    np.testing.assert_array_equal(observation["target_qpos"], env.reference.qpos[1])
    np.testing.assert_allclose(
        observation["target_tips"], env.hand.tips(env.reference.qpos[1:2])[0], atol=1e-15
    )
    assert info["joint_rmse"] == 0.0
    assert info["tip_error"] < 1e-12
    assert observation["phase"] == 0.0
    truncations = []
    for k in range(1, env.steps + 1):
        observation, _, terminated, truncated, info = env.step(np.zeros(env.hand.nu))
        assert not terminated
        assert info["frame"] == k
        assert env.data.time == pytest.approx(k / 30)
        truncations.append(truncated)
    assert truncations == [False] * (env.steps - 1) + [True]
    assert observation["phase"] == 1.0


def test_a_palm_that_moves_follows_the_wrist_and_a_fixed_one_stays():
    for wrist in WRISTS:
        env = env_of(wrist=wrist)
        env.reset()
        palms = []
        for _ in range(env.steps):
            observation, *_, info = env.step(np.zeros(env.hand.nu))
            palms.append(observation["palm"])
            assert ("palm_error" in info) == (wrist != "fixed")
        wanted = env.reference.wrist[1:] if wrist != "fixed" else [[0, 0, 0, 1, 0, 0, 0]]
        assert np.abs(np.array(palms) - wanted).max() < 0.02
        assert (np.ptp(palms, axis=0)[0] > 0.09) == (wrist != "fixed")


def test_the_reward_is_the_mean_of_its_terms_and_falls_with_the_error():
    env = env_of(wrist="floating")
    env.reset()
    tracking = env.actions_to(env.hand.ctrl_from_qpos(env.reference.qpos[1:2]))[0]
    _, reward, *_, info = env.step(tracking)
    terms = [value for name, value in info.items() if name.startswith("reward_")]
    assert len(terms) == 3
    assert reward == pytest.approx(np.mean(terms))
    env.reset()
    _, worse, *_ = env.step(-np.ones(env.hand.nu))
    assert 0 <= worse < reward <= 1


def test_an_unstable_state_terminates_and_is_observed_as_finite(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    env = env_of()
    env.reset()
    _, _, terminated, *_ = env.step(np.zeros(env.hand.nu))
    assert not terminated
    env.data.qvel[:] = 1e12
    observation, reward, terminated, _, _ = env.step(np.zeros(env.hand.nu))
    assert terminated
    assert np.isfinite(reward)
    assert observation in env.observation_space
    env.reset()
    assert not env.step(np.zeros(env.hand.nu))[2]


def test_columns_are_matched_by_name():
    robot = hand(FIRST)
    straight = motion(robot)
    order = np.random.default_rng(0).permutation(robot.nq)
    shuffled = replace(
        straight,
        joint_names=tuple(robot.joint_names[i] for i in order),
        qpos=straight.qpos[:, order],
    )
    reference = env_of(trajectory=shuffled).reference
    np.testing.assert_array_equal(reference.qpos, straight.qpos)
    assert reference.joint_names == robot.joint_names


def test_a_regular_trajectory_is_kept_and_an_irregular_one_resampled():
    robot = hand(FIRST)
    regular = motion(robot, rate=30.0)
    late = replace(regular, times=regular.times + 12.5)
    np.testing.assert_array_equal(env_of(trajectory=late).reference.qpos, regular.qpos)
    keep = np.delete(np.arange(len(regular)), [3, 4, 11])
    fields = ("times", "qpos", "wrist", "valid")
    gappy = replace(regular, **{name: getattr(regular, name)[keep] for name in fields})
    env = env_of(trajectory=gappy)
    assert env.control_rate == 30.0
    np.testing.assert_allclose(env.reference.times, regular.times, atol=1e-12)
    np.testing.assert_allclose(env.reference.qpos[keep], regular.qpos[keep], atol=1e-9)


def test_the_control_rate_can_be_chosen():
    env = env_of(control_rate=50.0)
    assert (env.control_rate, env.substeps) == (50.0, 10)
    assert env.scene.model.opt.timestep == pytest.approx(1 / 500)
    assert env.steps == 50
    assert env.metadata["render_fps"] == 50.0


def test_a_trajectory_can_be_a_file(tmp_path):
    trajectory = motion(hand(FIRST))
    trajectory.save(tmp_path / "motion.npz")
    env = gymnasium.make(TRACK, hand=FIRST, trajectory=str(tmp_path / "motion.npz"))
    np.testing.assert_array_equal(env.unwrapped.reference.qpos, trajectory.qpos)
    env.close()


def test_the_side_is_the_trajectorys_unless_said():
    trajectory = motion(hand(FIRST, "left"))
    assert TrackEnv(FIRST, trajectory).hand.side == "left"
    with pytest.raises(InputError, match=f"left hand {FIRST!r}, expected the right hand"):
        TrackEnv(FIRST, trajectory, side="right")
    with pytest.raises(InputError, match="expected 'left'"):
        TrackEnv(hand(FIRST, "left"), trajectory, side="right")


def test_a_trajectory_that_does_not_fit_is_refused():
    robot = hand(FIRST)
    good = motion(robot)
    fields = ("times", "qpos", "wrist", "valid")
    with pytest.raises(InputError, match=f"'other', expected the right hand {FIRST!r}"):
        env_of(trajectory=replace(good, hand="other"))
    renamed = ("nonsense", *robot.joint_names[1:])
    with pytest.raises(InputError, match="nonsense.*expected those of"):
        env_of(trajectory=replace(good, joint_names=renamed))
    single = replace(good, **{name: getattr(good, name)[:1] for name in fields})
    with pytest.raises(InputError, match="1 frame, expected at least two"):
        env_of(trajectory=single, control_rate=30.0)
    with pytest.raises(InputError, match="at least one step"):
        env_of(trajectory=good, control_rate=0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_action_that_is_no_number_is_refused(value):
    env = env_of()
    env.reset()
    action = np.zeros(env.hand.nu)
    action[1] = value
    state = env.get_state()
    with pytest.raises(InputError, match=r"action\[1\]"):
        env.step(action)
    np.testing.assert_array_equal(env.get_state(), state)


def test_what_else_is_refused():
    env = env_of()
    env.reset()
    with pytest.raises(InputError, match="action has shape"):
        env.step(np.zeros(env.hand.nu + 1))
    with pytest.raises(InputError, match="state has shape"):
        env.set_state(np.zeros(3))
    with pytest.raises(UnknownNameError, match="front, top, wrist"):
        env_of(camera="back")
    with pytest.raises(UnknownNameError, match="rgb_array"):
        env_of(render_mode="human")
    with pytest.raises(UnknownNameError, match="fixed, floating"):
        env_of(wrist="flying")
    with pytest.raises(UnknownNameError, match=FIRST):
        TrackEnv("nobody", motion(hand(FIRST)))


def test_importing_handsim_registers_the_environment():
    assert TRACK in gymnasium.registry
    assert handsim.envs.TRACK == "handsim/Track-v0"


def tips_of(trajectory: handsim.JointTrajectory) -> np.ndarray:
    """Fingertips that are not the trajectory's own, but near."""
    return hand(FIRST).tips(trajectory.qpos) + np.array([0.004, -0.002, 0.003])


@every_wrist
def test_fingertips_may_be_wanted_elsewhere_than_the_trajectory_has_them(wrist):
    robot = hand(FIRST)
    trajectory = motion(robot)
    tips = tips_of(trajectory)
    env = env_of(trajectory=trajectory, tips=tips, wrist=wrist)
    check_env(env, skip_render_check=True)
    observation, info = env.reset(seed=0)
    assert "target_qpos" not in observation
    np.testing.assert_array_equal(observation["target_tips"], tips[1])
    assert info["tip_error"] == pytest.approx(np.linalg.norm([0.004, -0.002, 0.003]), abs=1e-6)
    assert not {"joint_rmse", "reward_joints"} & info.keys()
    observation, reward, *_, info = env.step(np.zeros(env.hand.nu))
    distance = np.linalg.norm(observation["tips"] - tips[1], axis=1)
    assert info["tip_error"] == pytest.approx(distance.mean())
    terms = [value for name, value in info.items() if name.startswith("reward_")]
    assert len(terms) == (1 if wrist == "fixed" else 2)
    assert reward == pytest.approx(np.mean(terms))


def test_joints_are_free_where_fingertips_are_wanted():
    """What is commanded by the tips' own control earns more than the trajectory's joints."""
    robot = hand(FIRST)
    trajectory = motion(robot, amplitude=0.3)
    other = motion(robot, amplitude=0.3, seed=5)
    env = env_of(trajectory=trajectory, tips=robot.tips(other.qpos), control="tips")
    returns = []
    for commanded in (other, trajectory):
        env.reset(seed=0)
        actions = env.actions_to(robot.ctrl_from_qpos(commanded.qpos[1:]))
        returns.append(np.mean([env.step(action)[1] for action in actions]))
    assert returns[0] > 0.8 > returns[1]


def test_wanted_fingertips_are_resampled_with_the_trajectory():
    trajectory = motion(hand(FIRST))
    tips = tips_of(trajectory)
    env = env_of(trajectory=trajectory, tips=tips, control_rate=60.0)
    assert len(env.target_tips) == env.steps + 1
    np.testing.assert_allclose(env.target_tips[::2], tips, atol=1e-9)
    np.testing.assert_allclose(env.target_tips[1::2], (tips[1:] + tips[:-1]) / 2, atol=1e-9)


def test_a_rollout_keeps_the_fingertips_that_were_wanted():
    trajectory = motion(hand(FIRST))
    tips = tips_of(trajectory)
    rollout = handsim.replay(env_of(trajectory=trajectory, tips=tips))
    np.testing.assert_array_equal(rollout.annotations["reference_tips"], tips)
    assert "reference_tips" not in handsim.replay(env_of()).annotations


def test_fingertips_that_do_not_fit_are_refused():
    trajectory = motion(hand(FIRST))
    tips = tips_of(trajectory)
    with pytest.raises(InputError, match="tips: shape .* expected"):
        env_of(trajectory=trajectory, tips=tips[:-1])
    with pytest.raises(InputError, match="tips: shape .* expected"):
        env_of(trajectory=trajectory, tips=tips[:, :-1])
    tips[3, 1] = np.nan
    with pytest.raises(InputError, match="frame 3 are not finite"):
        env_of(trajectory=trajectory, tips=tips)


@pytest.mark.usefixtures("opengl")
def test_pictures_come_from_the_camera_asked_for():
    env = env_of(render_mode="rgb_array", camera="top", width=64, height=48)
    env.reset()
    picture = env.render()
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, env.picture("top"))
    assert (picture != env.picture("front")).any()
    env.close()
    env.close()
    assert env_of().render() is None


@pytest.mark.parametrize(("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY])
@every_wrist
def test_what_is_observed_is_what_the_scene_says(name, side, wrist):
    """The compiled observation, against the scene's own words, at turns of every kind."""
    robot = hand(name, side)
    base = motion(robot)
    for turn in ([1, 0, 0, 0], [0, 0.6, 0.8, 0], [0.1, 0, 0.7, 0.7], [-0.1, -0.99, 0, 0.1]):
        quat = np.array(turn, dtype=float) / np.linalg.norm(turn)
        poses = np.tile(np.concatenate([[0.1, 0.2, 0.3], quat]), (len(base), 1))
        env = env_of(name, side, trajectory=replace(base, wrist=poses), wrist=wrist)
        env.reset()
        observation, *_ = env.step(np.zeros(env.hand.nu))
        scene, data = env.scene, env.data
        np.testing.assert_array_equal(observation["qpos"], data.qpos[scene.qpos_ids])
        np.testing.assert_array_equal(observation["qvel"], data.qvel[scene.dof_ids])
        for part in ("tips", "palm", "touch"):
            wanted = getattr(scene, part)(data)
            np.testing.assert_allclose(observation[part], wanted, atol=1e-12)
        assert (np.diff(scene.qpos_ids) == 1).all()
