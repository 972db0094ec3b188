"""What a file holds, by its container; no more than `BOUND` bytes of it are unpacked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handsim.errors import FormatError, HandsimError
from handsim.files import HEADER
from handsim.hdf5 import Hdf5
from handsim.zarr_arrays import is_array, read_zarr
from retarget.human.sources.arrays import Archive, read_npy, read_pickle
from retarget.human.sources.json_files import read_json
from retarget.inspection.content import array_part, clocks_of, parts_of, shown
from retarget.inspection.report import Clock, Part

BOUND = 1 << 30
"""Bytes that are unpacked of one file or folder."""
MOST_PARTS = 500
_TEXT = 1 << 16


@dataclass
class Found:
    """What was found so far, and how many bytes may still be unpacked."""

    parts: list[Part] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    header: dict[str, Any] | None = None
    left: int = BOUND

    def add(self, name: str, value: Any) -> None:
        """Describe a value and all that it holds."""
        self.clocks += clocks_of(name, value)
        for part in parts_of(name, value):
            if len(self.parts) == MOST_PARTS:
                self.notes.append(f"more than {MOST_PARTS} parts, the rest is not shown")
                return
            self.parts.append(part)

    def add_array(
        self, name: str, shape: tuple[int, ...], dtype: str, size: int, read: Callable[[], Any]
    ) -> None:
        """Describe an array, by its header alone when it cannot be read or is too large."""
        if len(self.parts) >= MOST_PARTS:
            return
        if size > self.left:
            note = f"{size} bytes, too many to look at"
        else:
            self.left -= size
            try:
                self.add(name, read())
                return
            except HandsimError as error:
                note = str(error)
        self.parts.append(Part(name, "array", shape, dtype, notes=(note,)))


def look_into(path: Path, container: str, found: Found) -> None:
    """Describe what a file holds.

    Raises:
        FormatError: it is damaged.
    """
    readers = {
        "npz": _npz,
        "hdf5": _hdf5,
        "zarr": _zarr,
        "npy": lambda path, found: _whole(path, found, read_npy),
        "pickle": lambda path, found: _whole(path, found, read_pickle),
        "json": lambda path, found: _whole(path, found, read_json),
        "text": _text,
    }
    if container in readers:
        readers[container](path, found)


def _whole(path: Path, found: Found, read: Callable[[Path], Any]) -> None:
    if path.stat().st_size > found.left and read is not read_pickle:
        raise FormatError(f"{path} has {path.stat().st_size} bytes, too many to look at.")
    found.add("", read(path))


def _npz(path: Path, found: Found) -> None:
    archive = Archive(path)
    names = sorted(archive.names)
    if HEADER in names:
        found.header = _header(archive)
        names.remove(HEADER)
    for name in names:
        try:
            shape, dtype, size = archive.describe(name)
        except FormatError as error:
            found.parts.append(Part(shown(name), "damaged", notes=(str(error),)))
            continue
        found.add_array(shown(name), shape, dtype, size, lambda name=name: archive[name])  # type: ignore[misc]


def _header(archive: Archive) -> dict[str, Any]:
    """What a file of this project says of itself; {} when it says nothing that is JSON."""
    try:
        header = json.loads(archive[HEADER].tobytes())
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _hdf5(path: Path, found: Found) -> None:
    with Hdf5(path, found.left) as file:
        for name in file.attributes():
            try:
                value = file.attribute(name)
            except HandsimError as error:
                found.notes.append(str(error))
            else:
                found.add(f"@{shown(name)}", value)
        for name, shape, dtype, size, refusal in file.members():
            if refusal:
                found.notes.append(f"{shown(name)} {refusal}: not read")
                found.parts.append(Part(shown(name), "array", shape, dtype, notes=(refusal,)))
                continue
            found.add_array(shown(name), shape, dtype, size, lambda name=name: file[name])  # type: ignore[misc]


def _zarr(path: Path, found: Found) -> None:
    for folder in zarr_arrays(path):
        name = str(folder.relative_to(path))
        try:
            found.parts.append(array_part(shown(name), read_zarr(folder)))
        except HandsimError as error:
            note = str(error).replace(str(folder), folder.name)
            found.parts.append(Part(shown(name), "array", _zarr_shape(folder), notes=(note,)))


def _zarr_shape(folder: Path) -> tuple[int, ...] | None:
    """What an array that cannot be read here says of its shape."""
    try:
        return tuple(map(int, read_json(folder / ".zarray")["shape"]))
    except (HandsimError, KeyError, TypeError, ValueError, OverflowError):
        return None


def zarr_arrays(path: Path) -> Sequence[Path]:
    """The folders of a Zarr group, itself included, that are arrays."""
    folders = [path, *(file.parent for file in sorted(path.rglob(".zarray")))]
    return [folder for folder in dict.fromkeys(folders) if is_array(folder)]


def _text(path: Path, found: Found) -> None:
    with path.open("rb") as stream:
        start = stream.read(_TEXT)
    lines = start.decode("utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines[:3]):
        found.parts.append(Part(f"line {number + 1}", "text", value=shown(line)))


def sniff(path: Path, container: str) -> str:
    """A finer name for a folder or file that `container` does not know."""
    if container == "folder":
        zarr = (path / ".zgroup").is_file() or is_array(path)
        return "zarr" if zarr or (path / "zarr.json").is_file() else "folder"
    if container != "other":
        return container
    with path.open("rb") as stream:
        start = stream.read(512)
    for name, is_one in _SIGNS.items():
        if is_one(start):
            return name
    return "text" if b"\0" not in start else "other"


_SIGNS: dict[str, Callable[[bytes], bool]] = {
    "video": lambda start: (
        start[4:8] == b"ftyp" or start.startswith((b"\x1a\x45\xdf\xa3", b"\0\0\1\xba"))
    ),
    "image": lambda start: start.startswith(
        (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
    ),
    "database": lambda start: start.startswith(b"SQLite format 3\0"),
    "mcap": lambda start: start.startswith(b"\x89MCAP0\r\n"),
    "avi": lambda start: start[:4] == b"RIFF" and start[8:12] == b"AVI ",
}
