"""Gymnasium-Robotics' Shadow hand environments, clocked in a Python of their own.

    pip install gymnasium-robotics==1.4.2 mujoco==3.11.0
    python gym_robotics_runner.py ROUNDS STEPS

It needs these only, and prints JSON: of each environment the seconds of a step and of the
``mj_step`` calls in it, by the protocol of `benchmarks.env_speed`, physics steps in a step, and
steps a second of the simulated world.
"""

import json
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import gymnasium
import gymnasium_robotics
import mujoco
import numpy as np

NAMES = ("HandReach-v3", "HandManipulateBlock-v1", "HandManipulatePen-v1")
STATE = mujoco.mjtState.mjSTATE_INTEGRATION


def clocked(action: Callable[..., Any], *args: Any) -> float:
    """Seconds that a call takes."""
    began = perf_counter()
    action(*args)
    return perf_counter() - began


def measure(name: str, rounds: int, steps: int) -> dict[str, float]:
    """One environment."""
    env: Any = gymnasium.make(name).unwrapped
    model, data = env.model, env.data
    env.reset(seed=0)
    size = mujoco.mj_stateSize(model, STATE)
    start = np.empty(size)
    mujoco.mj_getState(model, data, start, STATE)
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, *env.action_space.shape))
    ctrls: list[np.ndarray] = []
    stepped, physics = np.full(steps, np.inf), np.full(steps, np.inf)
    for _ in range(rounds):
        mujoco.mj_setState(model, data, start, STATE)
        mujoco.mj_forward(model, data)
        ctrls.clear()
        for i, action in enumerate(actions):
            stepped[i] = min(stepped[i], clocked(env.step, action))
            ctrls.append(data.ctrl.copy())
        mujoco.mj_setState(model, data, start, STATE)
        for i, ctrl in enumerate(ctrls):
            data.ctrl[:] = ctrl
            physics[i] = min(physics[i], clocked(mujoco.mj_step, model, data, env.n_substeps))
    return {
        "step": float(stepped.mean()),
        "physics": float(physics.mean()),
        "substeps": env.n_substeps,
        "rate": 1 / (model.opt.timestep * env.n_substeps),
    }


if __name__ == "__main__":
    gymnasium.register_envs(gymnasium_robotics)
    print(json.dumps({name: measure(name, *map(int, sys.argv[1:])) for name in NAMES}))
