"""Environments as `dm_env.Environment`: DeepMind's own tests, discounts, and their viewer."""

from collections.abc import Iterator
from unittest.mock import MagicMock

import dm_env
import gymnasium
import mujoco
import numpy as np
import pytest
from absl.testing import absltest
from dm_env.test_utils import EnvironmentTestMixin

import handsim
from handsim.demonstration import Demonstration
from handsim.envs import (
    GRASP,
    REORIENT,
    TRACK,
    DmEnvironment,
    GraspEnv,
    ReorientEnv,
    TrackEnv,
    dm_environment,
)
from handsim.errors import InputError
from tests.hands import hand
from tests.motions import motion

HAND = "ability"
STEPS = 15


def still() -> Demonstration:
    """An object that is to stay where it stands, beside a hand that moves above it."""
    item, shown = handsim.load_object("box"), motion(hand(HAND), seconds=STEPS / 30)
    place = np.array([0.0, 0.0, item.rest_height, 1.0, 0.0, 0.0, 0.0])
    return Demonstration(shown, item, np.tile(place, (len(shown), 1)))


MAKE = {
    TRACK: lambda **kwargs: TrackEnv(hand(HAND), motion(hand(HAND), seconds=STEPS / 30), **kwargs),
    GRASP: lambda **kwargs: GraspEnv(hand(HAND), demonstration=still(), **kwargs),
    REORIENT: lambda **kwargs: ReorientEnv(hand("allegro"), duration=STEPS / 20, **kwargs),
}
"""What makes each environment, with an episode of few steps."""


def contract(name: str) -> type[absltest.TestCase]:
    """dm_env's test suite of one environment."""

    class Contract(EnvironmentTestMixin, absltest.TestCase):
        def make_object_under_test(self) -> DmEnvironment:
            return DmEnvironment(MAKE[name](), seed=0)

        def make_action_sequence(self) -> Iterator[np.ndarray]:
            rng, spec = np.random.default_rng(0), self.environment.action_spec()
            for _ in range(2 * STEPS + 4):
                yield rng.uniform(spec.minimum, spec.maximum)

    return Contract


@pytest.mark.parametrize("name", MAKE)
def test_dm_envs_own_suite_passes(name):
    suite = contract(name)
    names = absltest.TestLoader().getTestCaseNames(suite)
    assert len(names) >= 4
    for test in names:
        result = suite(test).run()
        assert result.wasSuccessful(), result.failures + result.errors


@pytest.mark.parametrize("name", MAKE)
def test_both_views_see_the_same(name):
    dm, gym = DmEnvironment(MAKE[name](), seed=5), MAKE[name]()
    first, (observation, _) = dm.reset(), gym.reset(seed=5)
    spec = dm.observation_spec()
    assert first.reward is None
    assert first.discount is None
    assert list(spec) == list(gym.observation_space)
    rng = np.random.default_rng(0)
    for _ in range(STEPS + 3):
        for key in observation:
            np.testing.assert_array_equal(first.observation[key], observation[key])
        action = rng.uniform(-1, 1, gym.action_space.shape)
        if first.last():
            first, (observation, info) = dm.step(action), gym.reset()
            assert first.first()
        else:
            first, (observation, reward, *_, info) = dm.step(action), gym.step(action)
            assert first.reward == reward
        assert dm.info == info


def test_a_truncated_episode_keeps_its_discount_and_a_terminated_one_has_none(monkeypatch):
    env = DmEnvironment(MAKE[TRACK](), seed=0)
    action = np.zeros(env.action_spec().shape)
    steps = [env.reset()] + [env.step(action) for _ in range(STEPS)]
    assert [step.discount for step in steps] == [None] + [1.0] * STEPS
    assert [step.last() for step in steps] == [False] * STEPS + [True]
    env.reset()
    monkeypatch.setattr(env.env, "_failed", lambda: True)
    step = env.step(action)
    assert (step.step_type, step.discount) == (dm_env.StepType.LAST, 0.0)
    assert env.step(action).first()


def test_pictures_have_bounds():
    env = DmEnvironment(MAKE[TRACK](cameras=["top"], width=32, height=24))
    spec = env.observation_spec()["image_top"]
    assert (spec.shape, spec.dtype, spec.minimum.max(), spec.maximum.min()) == (
        (24, 32, 3),
        np.uint8,
        0,
        255,
    )


def test_an_environment_can_be_made_by_name():
    env = dm_environment(TRACK, seed=1, hand=hand(HAND), trajectory=motion(hand(HAND)))
    assert env.step(np.zeros(env.action_spec().shape)).first()
    env.close()
    env.close()


def test_another_environment_is_refused():
    with pytest.raises(InputError, match="CartPole.*expected a HandEnv"):
        DmEnvironment(gymnasium.make("CartPole-v1"))


def test_physics_is_the_very_same_simulation():
    env, alone = DmEnvironment(MAKE[TRACK](), seed=0), DmEnvironment(MAKE[TRACK](), seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (6, *env.action_spec().shape))
    for e in (env, alone):
        e.reset()
        e.step(actions[0])
    physics = env.physics
    assert physics is env.physics
    assert physics.data.ptr is env.env.data
    assert physics.model.ptr.opt.timestep == env.env.scene.model.opt.timestep
    for action in actions[1:]:
        one, other = env.step(action), alone.step(action)
        np.testing.assert_array_equal(one.observation["qpos"], other.observation["qpos"])
        np.testing.assert_array_equal(env.env.get_state(), alone.env.get_state())
        assert physics.time() == env.env.data.time
    joint = env.env.hand.joint_names[0]
    physics.named.data.qpos[joint] = 0.25
    mujoco.mj_kinematics(env.env.scene.model, env.env.data)
    assert env.observe()["qpos"][0] == 0.25
    env.env.scene.model.geom_friction[:] = 0.125
    assert (physics.model.geom_friction == 0.125).all()


def test_the_viewers_runtime_runs_episodes():
    from dm_control.viewer import runtime

    env = DmEnvironment(MAKE[TRACK](), seed=0)
    errors, begun = [], []
    loop = runtime.Runtime(env, policy=lambda step: np.zeros(env.action_spec().shape))
    loop.on_error += errors.append
    loop.on_episode_begin += lambda: begun.append(True)
    loop.tick(0.0, paused=True)
    for _ in range(4):
        loop.tick(0.05, paused=False)
    assert loop.get_time() == pytest.approx(0.2, abs=0.04)
    loop.tick(0.05, paused=True)
    loop.single_step()
    while loop.state != runtime.State.STOPPED:
        loop.tick(0.05, paused=False)
    loop.restart()
    loop.tick(0.0, paused=True)
    assert not errors
    assert len(begun) == 2
    env.close()


class Windowless:
    """In place of the viewer's window: as many turns of its loop as are asked for."""

    turns = 4
    shape = (160, 120)

    def __init__(self, width: int, height: int, title: str):
        self.mouse, self.keyboard, self.pixels = MagicMock(), MagicMock(), []

    def event_loop(self, tick_func) -> None:
        for _ in range(self.turns):
            self.pixels.append(np.array(tick_func()))

    def close(self) -> None:
        Windowless.last = self


@pytest.mark.usefixtures("opengl")
def test_the_viewer_opens_and_draws(monkeypatch):
    from dm_control.viewer import application

    monkeypatch.setattr(application.gui, "RenderWindow", Windowless)
    env = DmEnvironment(MAKE[TRACK](), seed=0)
    app = application.Application()
    app._pause_subject.value = False
    app.launch(env)
    pictures = Windowless.last.pixels
    assert len(pictures) == Windowless.turns
    assert pictures[-1].std() > 5
    assert env.env.data.time > 0
    app._render_surface.free()
    env.close()


@pytest.mark.usefixtures("opengl")
def test_physics_renders():
    env = DmEnvironment(MAKE[TRACK](), seed=0)
    env.reset()
    picture = env.physics.render(48, 64, camera_id="front")
    assert picture.shape == (48, 64, 3)
    assert picture.std() > 5
    env.close()
