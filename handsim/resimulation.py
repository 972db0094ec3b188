"""Proof that a recorded episode is what its environment does: the recorded actions, taken again."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import gymnasium
import mujoco
import numpy as np

from handsim.datasets import episodes, recognised
from handsim.errors import InputError
from handsim.replay import arguments, perform
from handsim.rollout import Rollout


@dataclass(frozen=True)
class Resimulation:
    """How far an episode simulated anew is from the recorded one.

    Attributes:
        steps: how many there are.
        first: the first frame whose state differs in any bit, or None.
        largest: the largest difference of a number of the states.
        recorded, present: MuJoCo's version then and now.
    """

    steps: int
    first: int | None
    largest: float
    recorded: str
    present: str

    @property
    def same(self) -> bool:
        """Whether every state is the same to the bit."""
        return self.first is None

    def __str__(self) -> str:
        if self.same:
            return f"{self.steps} steps, every state the same to the bit"
        why = ""
        if self.recorded != self.present:
            why = f" (recorded with MuJoCo {self.recorded}, this is {self.present})"
        return (
            f"{self.steps} steps, the states differ from frame {self.first} on, "
            f"by up to {self.largest:.3g}{why}"
        )


def read_episode(path: str | Path, index: int, format: str | None = None) -> Rollout:
    """One episode of a dataset, counted from 0.

    Args:
        path: the dataset.
        index: which.
        format: one of `handsim.datasets.FORMATS`; None finds it out.

    Raises:
        MissingFileError, FormatError: as `handsim.datasets.read`; or no format is recognised.
        InputError: there is no such episode.
    """
    found = episodes(format or recognised(path), path)
    rollout = next(islice(found, index, None), None) if index >= 0 else None
    if rollout is None:
        raise InputError(f"{path} has no episode {index}, expected one of its own, from 0.")
    return rollout


def remake(rollout: Rollout, **options: object) -> gymnasium.Env:
    """The environment an episode was recorded in, made anew from what the episode says.

    Args:
        rollout: the episode.
        options: of the environment, besides those recorded: its view, for instance.

    Raises:
        InputError: the episode does not name its environment.
    """
    name = rollout.metadata.get("env_id")
    if not name:
        raise InputError("The episode does not name its environment (metadata 'env_id').")
    known = {**arguments(rollout), **options}
    return gymnasium.make(name, disable_env_checker=True, **known)


def resimulate(rollout: Rollout) -> Resimulation:
    """Take an episode's actions in its environment, from its seed on, and compare the states.

    Raises:
        InputError: the episode does not name its environment.
    """
    env = remake(rollout)
    try:
        again = perform(env, rollout.actions, seed=rollout.metadata.get("seed"))
    finally:
        env.close()
    recorded = rollout.metadata.get("versions", {}).get("mujoco", "unknown")
    common = min(len(again.states), len(rollout.states))
    then, now = rollout.states[:common], again.states[:common]
    differing = np.flatnonzero((then.view(np.int64) != now.view(np.int64)).any(axis=1))
    short = len(again.states) != len(rollout.states)
    first = int(differing[0]) if len(differing) else common if short else None
    return Resimulation(
        len(rollout), first, float(np.abs(then - now).max()), recorded, mujoco.__version__
    )
