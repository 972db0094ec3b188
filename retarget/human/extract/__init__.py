"""From video or pictures to hands: what a perception backend saw, in one file.

A backend is a *worker*: one script in `workers/` that imports nothing of ours, runs by a Python of
its own (`venvs`) and speaks by files in a job folder, so that a run that was cut off goes on where
it stopped. `extract` starts it, tells the hands of one person from another's (`tracking`) and
writes a single `.npz`, which `retarget.load` reads (`retarget.human.sources.extraction`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import InputError, unknown
from handsim.files import save_npz
from retarget.human.extract import venvs
from retarget.human.extract.chunks import Meta, read_chunks, read_meta
from retarget.human.extract.job import CHUNK, Job, job_of, work_folder
from retarget.human.extract.tracking import follow_hands
from retarget.human.extract.worker_process import run, script
from retarget.human.sources.assembly import DEFAULT_FPS
from retarget.human.sources.extraction import KIND, SCHEMA

__all__ = ["BACKENDS", "Extraction", "extract", "parse_options"]

BACKENDS = tuple(CHUNK)


@dataclass(frozen=True)
class Extraction:
    """What `extract` made.

    Attributes:
        file: the `.npz`.
        frames: how many there were.
        seen: side → in how many of them such a hand was.
    """

    file: Path
    frames: int
    seen: Mapping[str, int]

    def __str__(self) -> str:
        seen = ", ".join(f"a {side} hand in {count}" for side, count in self.seen.items())
        return f"{self.file}: {self.frames} frames, {seen}"


def extract(
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    backend: str = "mediapipe",
    python: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Extraction:
    """Find the hands in a video or in pictures and write all that the backend says of them.

    The work is kept in `<out>.work` until it is done: the same call goes on after a crash, and ends
    with the same file to the byte.

    Args:
        source: a video, a folder of pictures, a picture or several.
        out: the `.npz` to write.
        backend: one of `BACKENDS`.
        python: the interpreter that runs the backend; None for that of `venvs.find_or_make`.
        options: the backend's own, see the docstring of its worker.
        progress: whether to show a bar.
        say: told, line by line, when mediapipe's environment is made.

    Raises:
        UnknownNameError: there is no such backend.
        MissingFileError: there is no such video or picture.
        MissingExtraError: the backend's environment is absent; the message says what to run.
        WorkerError: the backend failed; the message quotes it.
        OutputError: `out` cannot be written.
    """
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    out = Path(out)
    job = job_of(source, backend, dict(options or {}))
    interpreter = Path(python) if python else venvs.find_or_make(backend, say)
    with work_folder(out, job) as folder:
        run(interpreter, script(backend), folder, progress)
        meta = read_meta(folder)
        seen = _assemble(out, job, meta, read_chunks(folder, meta.frames, job.chunk))
    return Extraction(out, meta.frames, seen)


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """A backend's options as typed: "hands=1" is {"hands": 1}; what is not JSON is a string.

    Raises:
        InputError: one is not of the form name=value.
    """
    parsed: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise InputError(f"option {option!r}, expected name=value.")
        try:
            parsed[name] = json.loads(value)
        except ValueError:
            parsed[name] = value
    return parsed


def _assemble(out: Path, job: Job, meta: Meta, rows: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Write the file; says in how many frames each side was seen."""
    times = np.arange(meta.frames) / DEFAULT_FPS if meta.times is None else meta.times
    hands = follow_hands(times[rows["frame"]], rows["box"], rows["right"], rows["score"])
    header = {
        "kind": KIND,
        "schema": SCHEMA,
        "files": [file.name for file in job.files],
        "backend": job.backend,
        "options": dict(job.options),
        "metric": False,
        "told": {name: value for name, value in meta.told.items() if name != "times"},
    }
    arrays = {**rows, "track": hands.track, "track_right": hands.right}
    if meta.times is not None:
        arrays["times"] = meta.times
    save_npz(out, header, arrays)
    right = hands.right[hands.track] & (hands.track >= 0)
    left = ~hands.right[hands.track] & (hands.track >= 0)
    sides = {"left": left, "right": right}
    return {side: len(np.unique(rows["frame"][own])) for side, own in sides.items()}
