"""The motions a dataset is made of: found, checksummed and looked into, whatever state they are in.

A motion that cannot be read is a clip like the others, with the reason: its episodes fail, and the
manifest says why.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from handsim.errors import HandsimError, InputError, MissingFileError
from handsim.files import sha256
from retarget.generation.recipe import Recipe
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import Side
from retarget.human.sources import load, load_hands, recognised

_LICENCE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
_LONGEST_LINE = 100


@dataclass(frozen=True)
class Clip:
    """One hand's motion in one file or folder.

    Attributes:
        path: the file or folder.
        name: its name without the ending.
        sha256: of the file; of a folder, of the names and checksums of all that is in it.
        side: which hand; "" where the motion cannot be read.
        seconds: its duration [s].
        source: who or what saw the hand, and the file's format.
        licence: what a licence beside the file says, "" where there is none.
        error: why it cannot be read, or "".
    """

    path: Path
    name: str
    sha256: str
    side: Side | Literal[""] = ""
    seconds: float = 0.0
    source: str = ""
    licence: str = ""
    error: str = ""


def find_motions(paths: Iterable[str | Path]) -> list[Path]:
    """The motions at `paths`: each a motion's file or folder, or a folder of such.

    Raises:
        MissingFileError: there is no such file or folder, or nothing in it.
        InputError: a path is given twice.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise MissingFileError(f"No such file or folder: {path}.")
        inside = [path] if path.is_file() or recognised(path) else _children(path)
        found += inside
    twice = [path for i, path in enumerate(found) if path in found[:i]]
    if twice:
        raise InputError(f"{twice[0]} is given twice, expected each motion once.")
    return found


def _children(folder: Path) -> list[Path]:
    inside = sorted(p for p in folder.iterdir() if p.name[0] != "." and not _is_note(p))
    if not inside:
        raise MissingFileError(f"{folder} is empty, expected motions.")
    return inside


def _is_note(path: Path) -> bool:
    """Whether a file in a folder of motions speaks about them."""
    return path.name in _LICENCE_NAMES or path.suffix in (".license", ".md", ".txt")


def survey(path: Path, recipe: Recipe) -> list[Clip]:
    """A clip for each hand in a file that the recipe asks for; one with an `error` for none."""
    clip = Clip(path, path.stem, checksum(path), licence=licence_of(path))
    try:
        motions = _motions(path, recipe)
    except HandsimError as error:
        return [replace(clip, error=str(error), side=recipe.side or "")]
    return [
        replace(
            clip,
            side=motion.side,
            seconds=motion.duration,
            source=" by ".join(filter(None, (motion.source.format, motion.source.tracker))),
        )
        for motion in motions
    ]


def _motions(path: Path, recipe: Recipe) -> list[HandTrajectory]:
    if recipe.side:
        return [load(path, recipe.side, recipe.motion_format, recipe.fps)]
    return list(load_hands(path, recipe.motion_format, recipe.fps).values())


def checksum(path: Path) -> str:
    """The SHA-256 of a file; of a folder, of the lines "checksum  name" of all files in it."""
    if path.is_file():
        return sha256(path)
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{sha256(file)}  {file.relative_to(path).as_posix()}\n".encode())
    return digest.hexdigest()


def licence_of(path: Path) -> str:
    """What `<file>.license`, or a licence in the file's folder, says in its first line."""
    names = (f"{path.name}.license", *_LICENCE_NAMES)
    for place in (path.parent / name for name in names):
        if place.is_file():
            lines = place.read_text(encoding="utf-8", errors="replace").splitlines()
            said = (line.strip(" #") for line in lines)
            first = next((line for line in said if line), "")
            return f"{first[:_LONGEST_LINE]} ({place.name})"
    return ""
