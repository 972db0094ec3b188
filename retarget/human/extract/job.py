"""A job: what a worker is asked to do, written in a folder beside the output."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handsim.errors import InputError, MissingFileError, OutputError
from handsim.files import replacing

SCHEMA = 1
CHUNK = {"mediapipe": 256, "hamer": 64, "wilor": 64}
"""Frames a file of a worker's results: what is lost at most when it is cut off."""
PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Suffixes of pictures; any other file is taken for a video."""

_OURS = ("job.json", ".job-*", "meta.json", "log.txt", "boxes.npz", "chunk-*.npz", "*.part*")


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do.

    Attributes:
        backend: the worker's name.
        files: the pictures, or the one video.
        is_video: which of the two.
        options: the backend's own.
        chunk: frames a file of results.
    """

    backend: str
    files: tuple[Path, ...]
    is_video: bool
    options: Mapping[str, Any]
    chunk: int

    def as_json(self) -> str:
        """The content of `job.json`; it changes when a file does."""
        paths = [str(file) for file in self.files]
        content = {
            "schema": SCHEMA,
            "backend": self.backend,
            "video": paths[0] if self.is_video else None,
            "images": None if self.is_video else paths,
            "chunk": self.chunk,
            "options": dict(self.options),
            "sizes": [file.stat().st_size for file in self.files],
            "modified": [file.stat().st_mtime_ns for file in self.files],
        }
        return json.dumps(content, indent=1, sort_keys=True)


def job_of(
    source: str | Path | Sequence[str | Path], backend: str, options: Mapping[str, Any]
) -> Job:
    """The job of seeing the hands in a video, a folder of pictures, or pictures.

    Pictures of a folder are in the order of their names, numbers in them as numbers.

    Raises:
        MissingFileError: a file is absent.
        InputError: there is no picture, or a video among several files.
    """
    paths = [Path(source)] if isinstance(source, str | Path) else [Path(item) for item in source]
    if len(paths) == 1 and paths[0].is_dir():
        found = [file for file in paths[0].iterdir() if file.suffix.lower() in PICTURES]
        paths, folder = sorted(found, key=_natural), paths[0]
        if not paths:
            raise InputError(f"{folder} holds no picture, expected files in {', '.join(PICTURES)}.")
    for path in paths:
        if not path.is_file():
            raise MissingFileError(f"No such file: {path}.")
    videos = [path for path in paths if path.suffix.lower() not in PICTURES]
    if not paths or (videos and len(paths) > 1):
        raise InputError(
            f"{videos[0].name if videos else 'nothing'}: expected one video or pictures."
        )
    files = tuple(path.resolve() for path in paths)
    return Job(backend, files, bool(videos), options, CHUNK[backend])


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """A sorting key by which frame_10 comes after frame_9."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


@contextmanager
def work_folder(out: Path, job: Job) -> Iterator[Path]:
    """The job's folder `<out>.work`, removed when all went well and kept when not.

    What another job left there is removed first.

    Raises:
        OutputError: the folder cannot be made, or holds what is not ours; or `out` is a folder.
    """
    folder = out.with_name(out.name + ".work")
    if out.is_dir():
        raise OutputError(f"Cannot write {out}: it is a folder, expected a file name.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _ask(folder, job)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot work in {folder}: {error.strerror or error}.") from error
    yield folder
    _empty(folder)
    with suppress(OSError):
        folder.rmdir()


def _ask(folder: Path, job: Job) -> None:
    """Write `job.json`, unless this very job was asked for before."""
    asked = folder / "job.json"
    if asked.is_file() and asked.read_text(encoding="utf-8") == job.as_json():
        return
    if not asked.is_file() and any(not file.match(".job-*") for file in folder.iterdir()):
        raise OutputError(f"Cannot work in {folder}: it holds something else, expected nothing.")
    _empty(folder)
    with replacing(asked) as temporary:
        temporary.write_text(job.as_json(), encoding="utf-8")


def _empty(folder: Path) -> None:
    for pattern in _OURS:
        for file in folder.glob(pattern):
            file.unlink()
