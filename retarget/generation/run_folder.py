"""The folder of a run: begun, gone on with, or finished, and one run's at a time.

recipe.json     what the result depends on; written first
.work/          results of single episodes, until the run is finished
<format>/       datasets, one a hand and side
manifest.jsonl, README.md, contact_sheet.png
SHA256SUMS      of all these files; written last: with it, a run is finished
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handsim.datasets import FORMATS
from handsim.errors import FormatError, InputError, MissingFileError, OutputError
from handsim.files import replacing, sha256
from retarget.generation.results import Record, Results, written

RECIPE, MANIFEST, SUMS = "recipe.json", "manifest.jsonl", "SHA256SUMS"
CARD, SHEET = "README.md", "contact_sheet.png"
_WORK, _RESULTS = ".work", "episodes"
_ENDING = {"robomimic": ".hdf5", "minari": "-v0", "zarr": ".zarr"}


class RunFolder:
    """Where everything of a run is."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.results = Results(self.path / _WORK / _RESULTS)

    @property
    def finished(self) -> bool:
        """Whether the run is finished."""
        return (self.path / SUMS).is_file()

    def dataset(self, format: str, group: str) -> Path:
        """The dataset of a hand and side."""
        return self.path / format / f"{group}{_ENDING.get(format, '')}"

    def records(self) -> list[Record]:
        """The manifest of a finished run.

        Raises:
            MissingFileError: there is none.
            FormatError: it is damaged.
        """
        path = self.path / MANIFEST
        if not path.is_file():
            raise MissingFileError(f"No such file: {path}: not a finished run of `generate`.")
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except ValueError as error:
            raise FormatError(f"{path} is damaged: {error}.") from error

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file that is whole or absent.

        Raises:
            OutputError: it cannot be written.
        """
        data = content.encode() if isinstance(content, str) else content
        with written(self.path), replacing(self.path / name) as temporary:
            temporary.write_bytes(data)

    def files(self) -> list[str]:
        """All files of the result but the checksums, by their names in the folder."""
        found = (file for file in self.path.rglob("*") if file.is_file())
        names = sorted(file.relative_to(self.path).as_posix() for file in found)
        return [name for name in names if name != SUMS and not name.startswith(f"{_WORK}/")]

    def finish(self) -> None:
        """Write the checksums, then remove what was only needed until now."""
        if not self.finished:
            lines = (f"{sha256(self.path / name)}  {name}\n" for name in self.files())
            self.write(SUMS, "".join(lines))
        shutil.rmtree(self.path / _WORK, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what an interrupted run left half-written: names as `replacing` makes them."""
        own = (f".{Path(name).stem}-*" for name in (RECIPE, MANIFEST, SUMS, CARD, SHEET))
        inside = (f"{format}/.*" for format in FORMATS)
        for hidden in [path for pattern in (*own, *inside) for path in self.path.glob(pattern)]:
            if hidden.is_dir():
                shutil.rmtree(hidden)
            else:
                hidden.unlink()
        self.results.forget_unfinished()


@contextmanager
def opened(path: str | Path, plan: str) -> Iterator[RunFolder]:
    """The folder of the run with this plan, for this process alone.

    Raises:
        InputError: it is of another plan, or holds something else.
        OutputError: it cannot be written, or another run works in it.
    """
    folder = RunFolder(path)
    with written(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder.path, os.O_RDONLY)
    try:
        _lock(descriptor, folder.path)
        _require_same(folder, plan)
        if not folder.finished:
            with written(folder.path):
                folder.results.folder.mkdir(parents=True, exist_ok=True)
            folder.sweep()
            folder.write(RECIPE, plan)
        yield folder
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    """Take the folder; the lock goes with the process, however it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"Another run is working in {path}; wait for it, or end it.") from None


def _require_same(folder: RunFolder, plan: str) -> None:
    path = folder.path / RECIPE
    if path.is_file():
        differing = _differences(json.loads(path.read_text(encoding="utf-8")), json.loads(plan))
        if differing:
            raise InputError(
                f"{folder.path} is of another command: {'; '.join(differing)}. Run that one, or "
                "choose another folder."
            )
    elif any(item.name[0] != "." for item in folder.path.iterdir()):
        raise InputError(f"{folder.path} is not empty, expected a new folder, or one to go on in.")


def _differences(then: Any, now: Any, name: str = "") -> list[str]:
    """Where two JSON values differ, in words."""
    if isinstance(then, dict) and isinstance(now, dict):
        keys = sorted(set(then) | set(now))
        parts = (_differences(then.get(k), now.get(k), f"{name}.{k}".strip(".")) for k in keys)
        return [difference for part in parts for difference in part]
    if name == "motions" and then != now:
        return ["its motions are others"]
    return [] if then == now else [f"{name} was {then!r}, is {now!r}"]
