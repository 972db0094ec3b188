"""Whether a generated folder is what its manifest says, found out from the files alone."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from handsim import datasets
from handsim.errors import FormatError, HandsimError, MissingFileError
from handsim.files import sha256, whole
from handsim.randomization import Randomization
from retarget.generation.clips import Clip
from retarget.generation.episodes import digest
from retarget.generation.plan import list_episodes
from retarget.generation.recipe import Recipe
from retarget.generation.results import Record
from retarget.generation.run_folder import RECIPE, SUMS, RunFolder


def verify(path: str | Path, progress: bool = False) -> list[str]:
    """What is wrong with a finished run's folder; nothing when it is whole.

    Every file is compared with its checksum; if all are as written, the manifest with what the
    recipe makes, and every episode of every dataset with the manifest: none is missing, doubled or
    other than recorded; what learners see of it is compared with it, too.

    Args:
        path: the folder that `generate` wrote.
        progress: whether to show a bar.

    Raises:
        MissingFileError: it is no folder of `generate`, or the run is not finished.
        FormatError: recipe, manifest or checksums cannot be read.
    """
    folder = RunFolder(path)
    if not folder.finished:
        raise MissingFileError(f"No such file: {folder.path / SUMS}: not a finished run.")
    damaged = list(_files(folder))
    if damaged:
        return damaged
    records = folder.records()
    with whole(folder.path, "folder of a finished run"):
        planned = _plan(folder, [record["episode"] for record in records])
        return [*planned, *_datasets(folder, records, progress)]


def _files(folder: RunFolder) -> Iterator[str]:
    listed = {}
    for row in (folder.path / SUMS).read_text(encoding="utf-8").splitlines():
        digits, _, name = row.partition("  ")
        listed[name] = digits
    found = set(folder.files())
    yield from (f"{name} is missing" for name in sorted(listed.keys() - found))
    yield from (f"{name} is not in {SUMS}" for name in sorted(found - listed.keys()))
    for name in sorted(found & listed.keys()):
        if sha256(folder.path / name) != listed[name]:
            yield f"{name} is not what was written: its checksum differs"


def _plan(folder: RunFolder, found: Sequence[str]) -> Iterator[str]:
    """Whether the manifest has each episode of the plan once, in order."""
    recipe, clips = read_recipe(folder.path / RECIPE)
    planned = [episode.id for episode in list_episodes(recipe, clips)]
    counts = Counter(found)
    yield from (f"{id} is not in the manifest" for id in planned if id not in counts)
    yield from (f"{id} is {n} times in the manifest" for id, n in counts.items() if n > 1)
    yield from (f"{id} was never planned" for id in counts if id not in set(planned))
    if sorted(found) == sorted(planned) and list(found) != planned:
        yield "the manifest is not in the order of the plan"


def _datasets(folder: RunFolder, records: Sequence[Record], progress: bool) -> Iterator[str]:
    kept: dict[str, list[Record]] = {}
    for record in records:
        if record["dataset"]:
            kept.setdefault(record["dataset"], []).append(record)
    formats = read_recipe(folder.path / RECIPE)[0].format
    places = [(format, name) for format in formats for name in kept]
    for format, name in track(places, "verifying", transient=True, disable=not progress):
        path = folder.dataset(format, name)
        title = path.relative_to(folder.path).as_posix()
        try:
            read = [(r.metadata.get("episode"), digest(r)) for r in datasets.episodes(format, path)]
            datasets.verify(format, path)
        except HandsimError as error:
            yield f"{title} cannot be read: {error}"
            continue
        yield from (f"{title}: {problem}" for problem in _differences(read, kept[name]))


def _differences(read: Sequence[tuple[Any, str]], kept: Sequence[Record]) -> Iterator[str]:
    if len(read) != len(kept):
        yield f"{len(read)} episodes, the manifest has {len(kept)}"
    for index, ((episode, found), record) in enumerate(zip(read, kept, strict=False)):
        if episode != record["episode"]:
            yield f"episode {index} is {episode}, the manifest has {record['episode']}"
        elif found != record["digest"]:
            yield f"episode {index}, {episode}, is not what was simulated"


def read_recipe(path: Path) -> tuple[Recipe, list[Clip]]:
    """The recipe and the motions of a run.

    Raises:
        FormatError: it cannot be read.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path} is damaged: {error}.") from error
    with whole(path, "recipe"):
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in told["recipe"].items()
        }
        values["randomization"] = Randomization.of(values["randomization"])
        return Recipe(**values), [
            Clip(Path(motion["name"]), **motion) for motion in told["motions"]
        ]
