"""What a plan will take: bytes from a trial of a few seconds, hours from rates measured before."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from handsim.datasets import pack
from retarget.generation.episodes import perform, prepared, solved
from retarget.generation.plan import Episode, Plan, jobs_of
from retarget.human.hand_trajectory import HandTrajectory

SPEED = 60.0
"""Seconds of state-only motion that one process makes in a second, without solving anew."""
SOLVING = 20.0
"""Seconds of motion that one process retargets in a second."""
PICTURE = 0.013
"""Time to render and encode one picture of 224 × 224 pixels [s]."""
_TRIAL = (30, 60)
"""Frames of the two trials."""


@dataclass(frozen=True)
class Estimate:
    """What a plan comes to if every episode is kept.

    Attributes:
        episodes: how many.
        steps: of all episodes.
        bytes: of the datasets; during the run twice as many.
        hours: with so many workers.
        workers: how many.
        unreadable: motions that cannot be read.
    """

    episodes: int
    steps: int
    bytes: float
    hours: float
    workers: int
    unreadable: int

    def __str__(self) -> str:
        lines = [
            f"{self.episodes} episodes, {self.steps} steps",
            f"{self.bytes / 1e6:.3g} MB, twice that during the run",
            f"{self.hours:.2g} hours with {self.workers} workers",
        ]
        if self.unreadable:
            lines.append(f"{self.unreadable} motions cannot be read: their episodes will fail")
        return "\n".join(lines)


def estimate(plan: Plan, workers: int) -> Estimate:
    """What a plan comes to.

    Args:
        plan: the plan.
        workers: how many processes will work on it.

    Raises:
        MissingExtraError: a format or a camera needs what is not installed.
    """
    recipe = plan.recipe
    good = [episode for episode in plan.episodes if not episode.clip.error]
    first = {episode.hand: episode for episode in reversed(good)}
    sizes = {hand: _bytes(episode, plan) for hand, episode in first.items()}
    steps = {episode.id: round(episode.clip.seconds * recipe.rate) for episode in good}
    seconds = sum(episode.clip.seconds for episode in good) / SPEED
    seconds += sum(job[0].clip.seconds for job in jobs_of(good, 1)) / SOLVING
    pixels = recipe.size[0] * recipe.size[1] * len(recipe.cameras)
    seconds += sum(steps.values()) * PICTURE * pixels / 224**2
    return Estimate(
        episodes=len(plan.episodes),
        steps=sum(steps.values()),
        bytes=sum(sizes[e.hand].fixed + sizes[e.hand].step * steps[e.id] for e in good),
        hours=seconds / workers / 3600,
        workers=workers,
        unreadable=sum(bool(clip.error) for clip in plan.clips),
    )


class _Size(NamedTuple):
    """Bytes of an episode, and of each of its steps."""

    fixed: float
    step: float


def _bytes(episode: Episode, plan: Plan) -> _Size:
    """Found by making two short episodes of the motion's beginning."""
    motion = prepared(episode, plan.recipe)
    made = [_trial(episode, plan, motion.select(slice(0, frames + 1))) for frames in _TRIAL]
    (steps, size), (more, larger) = made
    step = (larger - size) / (more - steps) if more > steps else size / steps
    return _Size(max(0.0, size - step * steps), step)


def _trial(episode: Episode, plan: Plan, motion: HandTrajectory) -> tuple[int, int]:
    """Steps and bytes of a short episode."""
    rollout, _ = perform(episode, plan.recipe, solved(episode, plan.recipe, motion))
    with tempfile.TemporaryDirectory() as folder:
        for format in plan.recipe.format:
            pack(format, rollout, Path(folder) / format)
        files = (file for file in Path(folder).rglob("*") if file.is_file())
        return len(rollout), sum(file.stat().st_size for file in files)
