"""ThreadedVectorEnv: many environments stepped at once, on several threads of one process.

MuJoCo lets go of Python's interpreter lock while it simulates, so threads do in parallel what
takes the time; nothing is copied between processes. Every environment does, to the last bit, what
it would do alone, whatever the number of threads.
"""

import os
from collections.abc import Callable, Sequence
from copy import deepcopy
from queue import SimpleQueue
from threading import Thread
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from handsim.errors import InputError


class ThreadedVectorEnv(SyncVectorEnv):
    """Gymnasium's `SyncVectorEnv`, its environments shared out among threads.

    `gymnasium.make_vec` makes one for handsim's environments.

    Attributes:
        threads: how many environments are stepped at a time.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], gymnasium.Env]],
        threads: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
    ):
        """Make the environments.

        Args:
            env_fns: what makes each of them.
            threads: how many are stepped at a time; by default one for each core.
            autoreset_mode: when an environment begins anew, see Gymnasium.

        Raises:
            InputError: there is no environment, or no thread.
        """
        if not env_fns:
            raise InputError("num_envs: 0, expected at least one environment.")
        if threads is not None and threads < 1:
            raise InputError(f"threads: {threads}, expected at least one.")
        super().__init__(env_fns, autoreset_mode=autoreset_mode)
        self.threads = min(threads or os.cpu_count() or 1, self.num_envs)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: SimpleQueue[Exception | None] = SimpleQueue()
        for _ in range(self.threads - 1):
            Thread(target=_serve, args=(self._jobs, self._done), daemon=True).start()
        shown: Any = self.single_observation_space
        self._layout = {
            name: ((self.num_envs, *space.shape), space.dtype) for name, space in shown.items()
        }

    def step(
        self, actions: np.ndarray
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every environment; see `gymnasium.vector.VectorEnv.step`."""
        observations = {name: np.empty(*layout) for name, layout in self._layout.items()}
        rewards = np.zeros(self.num_envs)
        ends = np.zeros((2, self.num_envs), dtype=bool)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]

        # Threads take the next environment from one iterator, so none waits for a slow one's.
        indices = iter(range(self.num_envs))

        def work() -> None:
            for i in indices:
                found, rewards[i], ends[0, i], ends[1, i], infos[i] = self._advance(i, actions[i])
                for name, array in found.items():
                    observations[name][i] = array

        self._share(work)
        self._terminations, self._truncations = ends[0], ends[1]
        self._autoreset_envs = ends[0] | ends[1]
        return observations, rewards, ends[0], ends[1], self._joined(infos)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments and end the threads."""
        super().close_extras(**kwargs)
        for _ in range(getattr(self, "threads", 1) - 1):
            self._jobs.put(None)

    def _share(self, work: Callable[[], None]) -> None:
        """Have `work` done by all threads, this one among them; raises what one of them did."""
        others = range(self.threads - 1)
        for _ in others:
            self._jobs.put(work)
        error = _tried(work)
        for other_error in [self._done.get() for _ in others]:
            error = error or other_error
        if error is not None:
            raise error

    def _advance(
        self, i: int, action: np.ndarray
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One environment's step, or the reset that is due."""
        env = self.envs[i]
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and self._autoreset_envs[i]:
            observation, info = env.reset()
            return observation, 0.0, False, False, info
        observation, reward, terminated, truncated, info = env.step(action)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and (terminated or truncated):
            last = {"final_obs": observation, "final_info": info}
            observation, info = env.reset()
            info = {**last, **info}
        return observation, float(reward), terminated, truncated, info

    def _joined(self, infos: list[dict[str, Any]]) -> dict[str, Any]:
        """Infos in Gymnasium's layout: an array a key, and a mask of who gave it."""
        first = infos[0]
        nested = any(isinstance(value, (dict, np.ndarray)) for value in first.values())
        if nested or any(info.keys() != first.keys() for info in infos):
            joined: dict[str, Any] = {}
            for i, info in enumerate(infos):
                joined = self._add_info(joined, info, i)
            return joined
        columns = {key: np.array([info[key] for info in infos]) for key in first}
        return columns | {f"_{key}": np.ones(self.num_envs, dtype=bool) for key in first}


def _serve(jobs: SimpleQueue, done: SimpleQueue) -> None:
    """Do jobs until one is None."""
    while (job := jobs.get()) is not None:
        done.put(_tried(job))


def _tried(job: Callable[[], None]) -> Exception | None:
    """Do a job; what it raised."""
    try:
        job()
    except Exception as error:  # noqa: BLE001
        return error
    return None


def threaded(
    env: Callable[..., gymnasium.Env],
    num_envs: int = 1,
    threads: int | None = None,
    **kwargs: Any,
) -> ThreadedVectorEnv:
    """Environments on threads, each with hands of its own.

    Args:
        env: what makes one.
        num_envs: how many.
        threads: how many are stepped at a time; by default one for each core.
        kwargs: arguments of each environment.
    """
    return ThreadedVectorEnv([lambda: env(**deepcopy(kwargs))] * num_envs, threads)
