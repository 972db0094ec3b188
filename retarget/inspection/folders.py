"""Folders of recordings: files whose names differ by numbers only are one kind, looked at once."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handsim.errors import HandsimError
from retarget.human.sources.arrays import container
from retarget.inspection.containers import Found, look_into, sniff
from retarget.inspection.content import length_notes, shown
from retarget.inspection.media import picture_part, probe_video
from retarget.inspection.report import Part

MOST_FILES = 100_000
_MOST_KINDS, _DEEPEST = 40, 4


@dataclass(frozen=True)
class Kind:
    """Files of one kind: their common name, with # for numbers, how many, and the first of them."""

    name: str
    count: int
    size: int
    first: Path


def size_of(path: Path) -> int:
    """Bytes of a file, or of all the files in a folder."""
    files = (
        [path] if path.is_file() else [Path(f, name) for f, _, ns in os.walk(path) for name in ns]
    )
    return sum(file.lstat().st_size for file in files)


def look_into_folder(path: Path, found: Found) -> None:
    """Describe what is in a folder."""
    kinds = kinds_of(path)
    if len(kinds) > _MOST_KINDS:
        found.notes.append(f"{len(kinds)} kinds of files, {_MOST_KINDS} are shown")
    for kind in kinds[:_MOST_KINDS]:
        found.parts.append(_heading(kind))
        inner = Found(left=found.left)
        try:
            _look_at(kind.first, inner)
        except HandsimError as error:
            found.notes.append(str(error))
        found.left = inner.left
        if kind.count == 1:
            found.clocks += [replace(c, source=f"{kind.name}: {c.source}") for c in inner.clocks]
            found.notes += [f"{kind.name}: {note}" for note in length_notes(inner.parts)]
        found.notes += inner.notes
        found.parts += [replace(part, name=f"  {part.name}") for part in inner.parts]


def _heading(kind: Kind) -> Part:
    count = "file" if kind.count == 1 else f"{kind.count} files"
    return Part(shown(kind.name), count, value=f"{kind.size} bytes")


def kinds_of(path: Path) -> Sequence[Kind]:
    """The kinds of files in a folder, four levels down."""
    kinds: dict[str, Kind] = {}
    for file in _files(path):
        name = re.sub(r"\d+", "#", str(file.relative_to(path)))
        size = size_of(file)
        known = kinds.get(name, Kind(name, 0, 0, file))
        kinds[name] = replace(known, count=known.count + 1, size=known.size + size)
    for name, kind in kinds.items():
        if kind.count == 1:
            kinds[name] = replace(kind, name=str(kind.first.relative_to(path)))
    return list(kinds.values())


def _files(path: Path) -> Iterator[Path]:
    """Files that lie in the folder itself, and Zarr groups; links are not followed."""
    count = 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        if folder != str(path) and {".zgroup", ".zarray", "zarr.json"} & set(names):
            folders.clear()
            yield Path(folder)
            continue
        if len(Path(folder).relative_to(path).parts) >= _DEEPEST:
            folders.clear()
        for name in sorted(names):
            file = Path(folder) / name
            if file.is_symlink() or not file.is_file():
                continue
            count += 1
            if count > MOST_FILES:
                return
            yield file


def _look_at(path: Path, found: Found) -> None:
    kind = sniff(path, container(path))
    if kind in ("video", "avi"):
        video = probe_video(path)
        shape = (video.frames, video.height, video.width)
        found.parts.append(Part("", "video", shape, video.codec, value=f"{video.fps:g} fps"))
    elif kind == "image":
        found.parts.append(picture_part(path))
    else:
        look_into(path, kind, found)
