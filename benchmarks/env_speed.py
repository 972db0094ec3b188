"""How long an environment's steps take, beside the physics in them and the rendering of pictures.

All times are sums over steps of the fastest of several rounds. A round repeats the same episode, so
each of its steps does the same work every time, and a busy machine disturbs few of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple
from unittest.mock import patch

import mujoco
import numpy as np
from jaxtyping import Float
from mujoco.rollout import Rollout

from handsim.envs import HandEnv, ThreadedVectorEnv
from handsim.errors import HandsimError
from handsim.render import Renderer

_USER = int(mujoco.mjtState.mjSTATE_USER)
_SEED = 0
_ALONE = 4
"""How many more rounds a single environment gets than a batch, which leaves it cold caches."""


class Call(NamedTuple):
    """One call of ``mj_step``: the inputs it starts from (``mjSTATE_USER``) and its steps."""

    inputs: Float[np.ndarray, " u"]
    steps: int


class Speed(NamedTuple):
    """Of one environment, a step on average [s].

    Attributes:
        step: `HandEnv.step`.
        physics: the calls of ``mj_step`` it comes down to, by themselves.
        in_turn: a step of one environment of a batch on one thread.
        batch: a step of one environment of a batch on several threads.
    """

    step: float
    physics: float
    in_turn: float
    batch: float

    @property
    def overhead(self) -> float:
        """What a step costs beside physics, as a share of physics."""
        return self.step / self.physics - 1

    @property
    def speedup(self) -> float:
        """How many times as many steps a second the batch takes on several threads."""
        return self.in_turn / self.batch


def measure(
    make: Callable[[], HandEnv],
    actions: Float[np.ndarray, "K a"],
    rounds: int,
    batch: int,
    threads: int,
) -> Speed:
    """Clock one environment alone, its physics, and a batch on one and several threads, in turns.

    Raises:
        HandsimError: the physics by itself does not lead to the same state.
    """
    env = make()
    alike = [make() for _ in range(batch)]
    batches = [ThreadedVectorEnv([partial(_same, env) for env in alike], n) for n in (1, threads)]
    start, calls, end = _recorded(env, actions)
    alone = [partial(_steps, env, actions), partial(_physics, env, start, calls, end)]
    step, physics = _fastest(alone, _ALONE * rounds) / len(actions)
    together = [partial(_batch_steps, envs, actions) for envs in batches]
    in_turn, whole = _fastest(together, rounds) / len(actions) / batch
    for envs in batches:
        envs.close()
    return Speed(float(step), float(physics), float(in_turn), float(whole))


def _fastest(clocks: Sequence[Callable[[], np.ndarray]], rounds: int) -> Float[np.ndarray, " n"]:
    """How long each takes, from the fastest of its parts in several rounds, clocked in turns."""
    best: list[Any] = [np.inf] * len(clocks)
    for _ in range(rounds):
        best = [np.minimum(one, clock()) for one, clock in zip(best, clocks, strict=True)]
    return np.array([times.sum() for times in best])


def frames_a_second(env: HandEnv, size: tuple[int, int], rounds: int = 5) -> float:
    """How fast pictures of one camera are, at a size (width, height)."""
    env.reset(seed=_SEED)
    with Renderer(env.scene.model, *size) as renderer:
        times = [_clocked(renderer.render, env.data, "front") for _ in range(rounds + 1)]
    return 1 / min(times)


def _same(env: HandEnv) -> HandEnv:
    return env


def _clocked(action: Callable[..., Any], *args: Any) -> float:
    began = perf_counter()
    action(*args)
    return perf_counter() - began


def _steps(env: HandEnv, actions: Float[np.ndarray, "K a"]) -> Float[np.ndarray, " K"]:
    env.reset(seed=_SEED)
    return np.array([_clocked(env.step, action) for action in actions])


def _batch_steps(envs: ThreadedVectorEnv, actions: Float[np.ndarray, "K a"]) -> np.ndarray:
    envs.reset(seed=[_SEED] * envs.num_envs)
    rows = np.repeat(actions[:, None], envs.num_envs, axis=1)
    return np.array([_clocked(envs.step, row) for row in rows])


def _recorded(
    env: HandEnv, actions: Float[np.ndarray, "K a"]
) -> tuple[np.ndarray, list[Call], np.ndarray]:
    """The state an episode starts from, the physics of its steps, and the state it ends in."""
    env.reset(seed=_SEED)
    start = env.get_state()
    with _recording() as calls:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                raise HandsimError("The episode that is clocked ends too early.")
    return start, calls, env.data.qpos.copy()


@contextmanager
def _recording() -> Iterator[list[Call]]:
    """Note what all calls of ``mj_step`` and of rollouts come down to."""
    calls: list[Call] = []
    step, rollout = mujoco.mj_step, Rollout.rollout

    def noted_step(model: mujoco.MjModel, data: mujoco.MjData, nstep: int = 1) -> None:
        inputs = np.empty(mujoco.mj_stateSize(model, _USER))
        mujoco.mj_getState(model, data, inputs, _USER)
        calls.append(Call(inputs, nstep))
        step(model, data, nstep)

    def noted_rollout(
        self: Rollout, model: Any, data: Any, state: Any, inputs: np.ndarray, **kwargs: Any
    ) -> Any:
        calls.extend(Call(row.copy(), 1) for row in inputs[0])
        return rollout(self, model, data, state, inputs, **kwargs)

    with (
        patch.object(mujoco, "mj_step", noted_step),
        patch.object(Rollout, "rollout", noted_rollout),
    ):
        yield calls


def _physics(
    env: HandEnv, start: np.ndarray, calls: list[Call], end: np.ndarray
) -> Float[np.ndarray, " C"]:
    """Times of the calls; of a wrist that moves there is one for every physics step."""
    env.set_state(start)
    model, data, times = env.scene.model, env.data, []
    for inputs, steps in calls:
        mujoco.mj_setState(model, data, inputs, _USER)
        times.append(_clocked(mujoco.mj_step, model, data, steps))
    if not np.array_equal(data.qpos, end):
        raise HandsimError("Physics by itself does not lead to the same state.")
    return np.array(times)
