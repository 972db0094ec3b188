"""Ten thousand random steps of every environment, on every hand and kind of wrist.

python -m benchmarks.soak --steps 10000

A combination fails where MuJoCo warns, where something observed is not finite or not in its space,
or where a joint turns faster than anything real: the simulation has exploded.
"""

from typing import NamedTuple

import numpy as np
import tyro
from rich.progress import track

import handsim
from benchmarks.environments import KINDS, followed, made, table
from handsim.envs import HandEnv
from handsim.wrist import WRISTS

FASTEST = 1000.0
"""No joint turns as fast [rad/s]."""


class Soaked(NamedTuple):
    """What happened in one environment.

    Attributes:
        episodes: how many ended.
        warnings: of MuJoCo.
        odd: steps that showed something outside its space, or a reward outside [0, 1].
        fastest: the greatest velocity that a joint was seen at [rad/s].
    """

    name: str
    episodes: int
    warnings: int
    odd: int
    fastest: float

    @property
    def failed(self) -> bool:
        """Whether anything was wrong."""
        return bool(self.warnings or self.odd or not self.fastest < FASTEST)


def soak(env: HandEnv, name: str, steps: int) -> Soaked:
    """Random actions, episode after episode."""
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    episodes = warnings = odd = 0
    fastest = 0.0
    for _ in range(steps):
        action = rng.uniform(-1.0, 1.0, env.control.size)
        observation, reward, terminated, truncated, _ = env.step(action)
        warnings += int(env.data.warning.number.sum())
        odd += not (observation in env.observation_space and 0 <= reward <= 1)
        fastest = max(fastest, float(np.abs(observation["qvel"]).max()))
        if terminated or truncated:
            episodes += 1
            env.reset()
    return Soaked(name, episodes, warnings, odd, fastest)


def run(
    steps: int = 10_000,
    hands: tuple[str, ...] = handsim.hand_names(),
    kinds: tuple[str, ...] = KINDS,
    wrists: tuple[str, ...] = WRISTS,
) -> None:
    """Run and print what failed, and how fast joints were at most.

    Args:
        steps: of each combination.
        hands: of the catalogue.
        kinds: of environments.
        wrists: kinds of them; grasping needs one that moves.
    """
    jobs = [(kind, hand, wrist) for hand in hands for kind in kinds for wrist in wrists]
    jobs = [job for job in jobs if job[0] != "Grasp" or job[2] != "fixed"]
    found = []
    for kind, hand, wrist in track(jobs, "soaking", transient=True):
        trajectory = followed(hand) if kind == "Track" else None
        env = made(kind, hand, wrist, trajectory)
        found.append(soak(env, f"{kind} {hand} {wrist}", steps))
    rows = [
        [one.name, str(one.episodes), str(one.warnings), str(one.odd), f"{one.fastest:.0f}"]
        for one in found
    ]
    print(table(["environment", "episodes", "warnings", "odd steps", "fastest [rad/s]"], rows))
    print(
        f"\n{steps} random steps each: {sum(one.failed for one in found)} of {len(found)} failed."
    )


if __name__ == "__main__":
    tyro.cli(run)
