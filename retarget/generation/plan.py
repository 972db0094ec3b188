"""The plan: every episode of a dataset, named and seeded before the first is begun."""

import hashlib
import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from rich.progress import track

from handsim.errors import InputError
from retarget.generation.clips import Clip, find_motions, survey
from retarget.generation.recipe import Recipe
from retarget.generation.variation import Variation, draw

SCHEMA = 1
SHOWN = 8
"""Episodes in the contact sheet: those with the smallest seeds, which are anyhow."""
_PACKAGES = ("handsim", "mujoco", "numpy", "scipy", "numba")
_OTHER = {"right": "left", "left": "right", "": ""}


@dataclass(frozen=True)
class Episode:
    """One episode to be made.

    Attributes:
        id: its name, made of the motion's, hand's and variant's; also a folder's.
        clip: the motion.
        hand: which hand is to follow it.
        variant: number of the variant.
        seed: of everything random in it; depends on the recipe's seed and what the id says, and
            not on what other episodes there are.
        variation: how it differs from the motion as it is.
        shown: whether it is to be in the contact sheet.
    """

    id: str
    clip: Clip
    hand: str
    variant: int
    seed: int
    variation: Variation
    shown: bool = False

    @property
    def side(self) -> str:
        """Of the robot hand; "" where the motion cannot be read."""
        return _OTHER[self.clip.side] if self.variation.mirrored else self.clip.side

    @property
    def solving(self) -> Hashable:
        """What episodes that share a solution have in common."""
        return self.clip.sha256, self.clip.side, self.hand, self.variation.mirrored


@dataclass(frozen=True)
class Plan:
    """What a run will make.

    Attributes:
        recipe: how.
        clips: of what.
        episodes: in the order they will have in the manifest and the datasets.
    """

    recipe: Recipe
    clips: tuple[Clip, ...]
    episodes: tuple[Episode, ...]

    def text(self) -> str:
        """All that the result depends on, as JSON; two runs make the same when this is the same."""
        motions = [
            {"name": clip.name, "sha256": clip.sha256, "side": clip.side} for clip in self.clips
        ]
        told = {
            "schema": SCHEMA,
            "recipe": asdict(self.recipe),
            "motions": motions,
            "versions": versions(),
        }
        return json.dumps(told, indent=1) + "\n"


def jobs_of(episodes: Sequence[Episode], least: int) -> list[list[Episode]]:
    """Episodes that share a solution, together: each job is one process's, and solved once.

    Args:
        episodes: to be done.
        least: how many jobs there should be, so that all processes have some until the end.
    """
    alike: dict[Hashable, list[Episode]] = {}
    for episode in episodes:
        alike.setdefault(episode.solving, []).append(episode)
    parts = -(-least // max(1, len(alike)))
    jobs = []
    for same in alike.values():
        length = -(-len(same) // parts)
        jobs += [same[i : i + length] for i in range(0, len(same), length)]
    return jobs


def make_plan(recipe: Recipe, motions: Sequence[str | Path], progress: bool = False) -> Plan:
    """Look into all motions and list the episodes.

    Raises:
        MissingFileError: there is no such motion.
        InputError: a motion is given twice, or none of them can be read.
    """
    paths = find_motions(motions)
    looked = track(paths, "reading motions", transient=True, disable=not progress)
    clips = tuple(clip for path in looked for clip in survey(path, recipe))
    if all(clip.error for clip in clips):
        raise InputError(f"None of the motions can be read; the first: {clips[0].error}")
    episodes = list_episodes(recipe, clips)
    _require_different(episodes)
    shown = {e.id for e in sorted(episodes, key=lambda episode: episode.seed)[:SHOWN]}
    return Plan(recipe, clips, tuple(replace(e, shown=e.id in shown) for e in episodes))


def list_episodes(recipe: Recipe, clips: Sequence[Clip]) -> list[Episode]:
    """All episodes of a recipe and its motions, in the order they have everywhere."""
    return [
        _episode(recipe, clip, hand, variant)
        for clip in clips
        for hand in recipe.hands
        for variant in range(recipe.variants)
    ]


def _episode(recipe: Recipe, clip: Clip, hand: str, variant: int) -> Episode:
    identity = f"{recipe.seed} {clip.sha256} {clip.side} {hand} {variant}"
    seed = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:4], "big")
    name = re.sub(r"[^\w.-]+", "_", clip.name)[:80]
    side = clip.side or "unread"
    id = f"{name}-{clip.sha256[:8]}-{side}-{Path(hand).stem}-{variant:04d}"
    variation = Variation() if clip.error else draw(recipe, variant, seed)
    return Episode(id, clip, hand, variant, seed, variation)


def _require_different(episodes: Sequence[Episode]) -> None:
    seen: set[str] = set()
    for episode in episodes:
        if episode.id in seen:
            raise InputError(
                f"{episode.clip.path} is the same motion, by name and content, as another one; "
                "expected each once."
            )
        seen.add(episode.id)


def versions() -> dict[str, str]:
    """Of the packages that the numbers depend on."""
    return {name: version(name) for name in _PACKAGES}
