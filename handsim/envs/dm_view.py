"""Environments as `dm_env.Environment`, the interface of DeepMind's suites, agents and viewer."""

import importlib
from typing import Any

import dm_env
import gymnasium
import numpy as np
from dm_env import specs
from gymnasium import spaces

from handsim.envs.hand_env import HandEnv, Info, Observation
from handsim.errors import InputError


class DmEnvironment(dm_env.Environment):
    """A `HandEnv` seen as a `dm_env.Environment`; both may be used, on the same state.

    The discount is 0 when an episode is terminated and 1 otherwise, also when it is truncated.

    Attributes:
        env: the Gymnasium environment, wrapped or not.
        info: what came with the last step, beside its `dm_env.TimeStep`.
    """

    def __init__(self, env: gymnasium.Env, seed: int | None = None):
        """See `env` as a `dm_env.Environment`.

        Args:
            env: a `HandEnv`, wrapped or not.
            seed: of the first episode, and of all that follow.

        Raises:
            InputError: `env` is something else.
        """
        if not isinstance(env.unwrapped, HandEnv):
            raise InputError(f"env is a {type(env.unwrapped).__name__}, expected a HandEnv.")
        self.env = env
        self.info: Info = {}
        self._hand_env: HandEnv = env.unwrapped
        self._seed, self._begun = seed, False
        self._physics: Any = None

    def reset(self) -> dm_env.TimeStep:
        """Begin an episode."""
        observation, self.info = self.env.reset(seed=self._seed)
        self._seed, self._begun = None, True
        return dm_env.restart(observation)

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        """Take a step; the one after the last begins an episode, whatever its action.

        Raises:
            InputError: `action` has the wrong shape or is not finite.
        """
        if not self._begun:
            return self.reset()
        observation, reward, terminated, truncated, self.info = self.env.step(action)
        self._begun = not (terminated or truncated)
        if terminated:
            return dm_env.termination(float(reward), observation)
        if truncated:
            return dm_env.truncation(float(reward), observation)
        return dm_env.transition(float(reward), observation)

    def action_spec(self) -> specs.BoundedArray:
        """Of actions: a row of numbers in [−1, 1]."""
        return _spec("action", self.env.action_space)

    def observation_spec(self) -> dict[str, specs.Array]:
        """Of observations, by name."""
        space = self.env.observation_space
        assert isinstance(space, spaces.Dict)
        return {name: _spec(name, part) for name, part in space.items()}

    @property
    def physics(self) -> Any:
        """The simulation as a `dm_control.mujoco.Physics`, on the environment's model and state.

        `dm_control.viewer` and its agents look at it; what is written to it is written to the
        environment's state.
        """
        if self._physics is None:
            # To import these chooses an OpenGL library for the whole process.
            engine = importlib.import_module("dm_control.mujoco.engine")
            wrapper = importlib.import_module("dm_control.mujoco.wrapper")
            # Physics computes forward dynamics without actuation when it is made.
            state = self._hand_env.get_state()
            self._physics = engine.Physics(wrapper.MjData(self._hand_env.data))
            self._hand_env.set_state(state)
        return self._physics

    def observe(self) -> Observation:
        """The observation of the current state, after it was written."""
        return self._hand_env.observe()

    def close(self) -> None:
        """Free the renderers; a second call does nothing."""
        if self._physics is not None:
            self._physics.free()
            self._physics = None
        self.env.close()


def dm_environment(name: str, seed: int | None = None, **kwargs: Any) -> DmEnvironment:
    """A registered environment as a `dm_env.Environment`.

    Args:
        name: as for `gymnasium.make`.
        seed: of the first episode, and of all that follow.
        kwargs: the environment's arguments.
    """
    return DmEnvironment(gymnasium.make(name, disable_env_checker=True, **kwargs), seed)


def _spec(name: str, space: gymnasium.Space) -> Any:
    assert isinstance(space, spaces.Box)
    if space.dtype == np.uint8 or name == "action":
        return specs.BoundedArray(space.shape, space.dtype, space.low, space.high, name)
    return specs.Array(space.shape, space.dtype, name)
