"""One episode, from a motion's file to a packed rollout and a line of the manifest."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any, TypeVar

import numpy as np

from handsim.datasets import pack
from handsim.errors import HandsimError, InputError, MissingExtraError
from handsim.files import one_line
from handsim.hands.catalog import load_hand
from handsim.rollout import TASK, Rollout
from retarget.generation.environments import ENVIRONMENTS
from retarget.generation.pictures import write_strip
from retarget.generation.plan import Episode, versions
from retarget.generation.recipe import Recipe
from retarget.generation.results import DISK_FULL, Record, Results, write_record
from retarget.human.filters import clean
from retarget.human.hand_trajectory import HandTrajectory, Stream
from retarget.human.mirrored import mirrored
from retarget.human.sources import load

KEPT, REJECTED, FAILED = "kept", "rejected", "failed"

T = TypeVar("T")


def solve(episode: Episode, recipe: Recipe) -> Any:
    """Load, clean and retarget an episode's motion: all before what its variant changes."""
    return solved(episode, recipe, prepared(episode, recipe))


def prepared(episode: Episode, recipe: Recipe) -> HandTrajectory:
    """An episode's motion, of the hand's side and cleaned, with all that came along as streams."""
    clip = episode.clip
    motion = load(clip.path, clip.side or recipe.side, recipe.motion_format, recipe.fps)
    if episode.variation.mirrored:
        motion = mirrored(motion)
    streams = {**motion.streams, **_mano_streams(motion)}
    if recipe.clean:
        motion = clean(motion, recipe.rate)
    return replace(motion, streams=streams)


def solved(episode: Episode, recipe: Recipe, motion: HandTrajectory) -> Any:
    """What an episode's hand makes of a motion, as its environment has it."""
    hand = _hand(episode.hand, motion.side)
    return ENVIRONMENTS[recipe.env].solve(hand, motion, recipe)


_hand = cache(load_hand)
"""What retargeting finds out about a hand takes seconds, and stays with it."""


def _mano_streams(motion: HandTrajectory) -> dict[str, Stream]:
    """MANO's parameters where the hand was seen: cleaning keeps streams, and no parameters."""
    if motion.mano is None:
        return {}
    seen = motion.valid & np.isfinite(motion.mano.betas).all(axis=1)
    return {
        f"mano_{name}": Stream(motion.times[seen], values[seen], f"MANO's {name}")
        for name, values in vars(motion.mano).items()
    }


def perform(episode: Episode, recipe: Recipe, solution: Any) -> tuple[Rollout, dict[str, float]]:
    """The episode's rollout, and its scores.

    Raises:
        InputError: the simulation became unstable.
    """
    environment = ENVIRONMENTS[recipe.env]
    rollout, scores = environment.perform(solution, episode.variation, episode.seed, recipe)
    _require_stable(rollout)
    told = {TASK: task_of(episode, recipe), "episode": episode.id, "motion": episode.clip.name}
    return replace(rollout, metadata={**rollout.metadata, **told}), scores


def _require_stable(rollout: Rollout) -> None:
    failed = rollout.info.get("failure", np.zeros(len(rollout), dtype=bool)).astype(bool)
    bad = (rollout.terminated & ~failed) | ~np.isfinite(rollout.states[1:]).all(axis=1)
    if bad.any():
        raise InputError(f"The simulation became unstable in step {int(np.argmax(bad))}.")


def task_of(episode: Episode, recipe: Recipe) -> str:
    """What is done in an episode, in words."""
    return recipe.task or f"{ENVIRONMENTS[recipe.env].task} {episode.clip.name.replace('_', ' ')}"


def work(job: Sequence[Episode], recipe: Recipe, results: Results) -> Iterator[str]:
    """Work on episodes that share a solution, one after the other; yields each one's id when done.

    An episode that fails is done, too: its record says why.

    Raises:
        OutputError: the results cannot be written.
        MissingExtraError: a package or library is missing, for this episode as for all others.
    """
    solving = cache(lambda: _guarded(lambda: solve(job[0], recipe), fatal=()))
    for episode in job:
        if episode.id not in results:
            record, rollout = _attempt(episode, recipe, solving())
            with results.adding(episode.id) as folder:
                if rollout is not None and record["status"] == KEPT:
                    for format in recipe.format:
                        pack(format, rollout, folder / format)
                    if episode.shown:
                        write_strip(folder, rollout)
                write_record(folder, record)
        yield episode.id


def _attempt(episode: Episode, recipe: Recipe, solution: Any) -> tuple[Record, Rollout | None]:
    """The record of an episode, and its rollout unless it failed."""
    if isinstance(solution, str):
        return record_of(episode, FAILED, solution), None
    made = _guarded(lambda: perform(episode, recipe, solution))
    if isinstance(made, str):
        return record_of(episode, FAILED, made), None
    rollout, scores = made
    missed = [t for t in recipe.thresholds() if not t.admits(scores.get(t.metric, np.nan))]
    reason = "; ".join(f"{t.metric} is {scores[t.metric]:.6g}, expected {t}" for t in missed)
    record = record_of(episode, REJECTED if missed else KEPT, reason)
    rows = {"steps": len(rollout), "seconds": float(rollout.times[-1]), "digest": digest(rollout)}
    numbers = {name: _number(value) for name, value in scores.items()}
    return record | rows | {"task": rollout.task, "scores": numbers}, rollout


def _guarded(
    make: Callable[[], T], fatal: tuple[type[Exception], ...] = (MissingExtraError,)
) -> T | str:
    """What is made, or why it could not be; only what would stop every other episode is raised."""
    try:
        return make()
    except fatal:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        known = isinstance(error, HandsimError)
        return one_line(error) if known else f"{type(error).__name__}: {one_line(error)}"


def record_of(episode: Episode, status: str, reason: str) -> Record:
    """The manifest's line of an episode, without what only a rollout knows."""
    clip = episode.clip
    return {
        "episode": episode.id,
        "status": status,
        "reason": reason,
        "motion": {"name": clip.name, "sha256": clip.sha256, "side": clip.side},
        "hand": episode.hand,
        "side": episode.side,
        "variant": episode.variant,
        "seed": episode.seed,
        "variation": asdict(episode.variation),
        "versions": versions(),
    }


def digest(rollout: Rollout) -> str:
    """The SHA-256 of what the simulator was told and did: actions, states and rewards."""
    sha = hashlib.sha256()
    for array in (rollout.actions, rollout.states, rollout.rewards):
        sha.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return sha.hexdigest()


def _number(value: float | int) -> float | None:
    """JSON has no NaN."""
    return float(value) if np.isfinite(value) else None
