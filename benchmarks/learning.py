"""Whether it can be learned: PPO on Track-v0 and Reorient-v0.

    pip install 'handsim[rl]'
    python -m benchmarks.learning [--tasks track cube ball] [--seeds 0 1] [--steps N] [--out DIR]

PPO is that of stable-baselines3, on flattened observations, with observations and rewards
normalised by their running means. Every so many steps the policy without its noise plays episodes
of fixed seeds, beside a random policy, the zero action and, where there is a demonstration, the
replay of it without looking. Cut off, the same command goes on from the last evaluation; several
processes may train different seeds into one folder. `learning.png` and `learning.md` are of all
that the folder holds.
"""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
import tyro
from gymnasium.spaces import flatten
from gymnasium.wrappers import FlattenObservation
from jaxtyping import Float
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from benchmarks.learning_plot import draw
from benchmarks.learning_report import LEARNED, Curve, Point, read, table
from benchmarks.learning_tasks import HANDS, TASKS, another, baselines, evaluate, make, mean
from handsim.envs import HandEnv
from handsim.files import replacing

ENVS = {"track": 8, "cube": 16, "ball": 16}
_MANY = tuple(range(1000, 1016))
EVALUATION_SEEDS = {"track": (1000,), "cube": _MANY, "ball": _MANY}
"""Track-v0 knows no chance: one episode tells all."""
CLIP = 5.0
_TURNING = {
    "gae_lambda": 0.9,
    "n_steps": 128,
    "batch_size": 512,
    "n_epochs": 6,
    "learning_rate": 1e-3,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "track": {
        "gamma": 0.5,
        "gae_lambda": 0.8,
        "n_steps": 64,
        "batch_size": 128,
        "n_epochs": 10,
        "learning_rate": 5e-4,
        "ent_coef": 0.01,
    },
    "cube": {"gamma": 0.9, **_TURNING},
    "ball": {"gamma": 0.94, **_TURNING},
}
LOG_STD = {"track": -1.0, "cube": -0.5, "ball": -0.5}
"""Logarithm of the standard deviation that exploration starts with, in units of actions."""


def run(
    out: Path = Path("out/learning"),
    tasks: tuple[str, ...] = TASKS,
    seeds: tuple[int, ...] = (0, 1),
    steps: int = 400_000,
    every: int = 20_480,
) -> None:
    """Train and report.

    Args:
        out: where results are kept.
        tasks: what to learn.
        seeds: of the training runs.
        steps: of the environment, in all, a run.
        every: steps between evaluations.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        env = make(task)
        compare(out, task, env)
        for seed in seeds:
            train(out, task, env, seed, steps, every)
    report = table(read(out))
    with replacing(out / "learning.md") as temporary:
        temporary.write_text(report + "\n")
    draw(read(out), out / "learning.png")
    print(report)


def compare(out: Path, task: str, env: HandEnv) -> None:
    """Evaluate the policies that learn nothing."""
    for name, policy in baselines(env).items():
        score = mean(evaluate(env, policy, EVALUATION_SEEDS[task]))
        curve = Curve(task, HANDS[task], name, 0, (Point(0, 0.0, score),))
        curve.save(out / f"{task}_{name.replace(' ', '_')}.json")


def train(out: Path, task: str, env: HandEnv, seed: int, steps: int, every: int) -> None:
    """Train one policy from where the last run of this stopped; evaluate it on `env`."""
    path = out / f"{task}_ppo_{seed}.json"
    model, points = _resumed(path, task, env, seed)
    scaling = model.get_vec_normalize_env()
    assert scaling is not None

    def policy(env: HandEnv, observation: Mapping[str, Any]) -> Float[np.ndarray, " a"]:
        flat = flatten(env.observation_space, dict(observation))
        return model.predict(scaling.normalize_obs(flat), deterministic=True)[0]

    while not points or points[-1].steps < steps:
        began = perf_counter()
        if points:
            model.learn(every, reset_num_timesteps=False)
        seconds = perf_counter() - began + (points[-1].seconds if points else 0.0)
        score = mean(evaluate(env, policy, EVALUATION_SEEDS[task]))
        points = (*points, Point(model.num_timesteps, seconds, score))
        print(f"{task} {seed}: {points[-1]}", flush=True)
        with replacing(path.with_suffix(".zip")) as temporary:
            model.save(temporary)
        with replacing(path.with_suffix(".pkl")) as temporary:
            scaling.save(str(temporary))
        Curve(task, HANDS[task], LEARNED, seed, points).save(path)


def _resumed(path: Path, task: str, env: HandEnv, seed: int) -> tuple[PPO, tuple[Point, ...]]:
    """The model and what is known of it; a new one where nothing is."""
    made = DummyVecEnv([lambda: FlattenObservation(another(env))] * ENVS[task])
    if not path.is_file():
        scaled = VecNormalize(made, gamma=SETTINGS[task]["gamma"], clip_obs=CLIP)
        scaled.seed(seed)
        network = {"net_arch": [128, 128], "log_std_init": LOG_STD[task]}
        return PPO("MlpPolicy", scaled, policy_kwargs=network, seed=seed, **SETTINGS[task]), ()
    scaled = VecNormalize.load(str(path.with_suffix(".pkl")), made)
    model = PPO.load(path.with_suffix(".zip"), env=scaled)
    model.set_random_seed(seed + model.num_timesteps)
    points = Curve.load(path).points
    return model, tuple(point for point in points if point.steps <= model.num_timesteps)


if __name__ == "__main__":
    tyro.cli(run)
