"""Arrays out of files nobody vouches for: `.npy`, `.npz` and pickles, their sizes checked first.

Nothing is allocated that the file does not pay for. A `.npy` must hold as many bytes as its header
declares, a `.npz` may not unpack to more than `LIMIT`, and an array of objects inside either is a
pickle, which `restricted_pickle` reads. A pickle's file is mapped into memory, not read, so that
gigabytes of pictures in it cost nothing.
"""

import io
import lzma
import mmap
import os
import struct
import tokenize
import warnings
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from handsim.errors import FormatError, MissingFileError
from handsim.files import require_text, zip_members
from retarget.human.sources import restricted_pickle

LIMIT = 2 << 30
"""Bytes a file may hold or unpack to, but for a pickle, whose large arrays are not read."""

Container = Literal["npy", "npz", "pickle", "hdf5", "json", "folder", "other"]

_LONGEST_HEADER = 1 << 17
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".p")
_ZIP_FAILURES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    RuntimeError,
    OverflowError,
)
_HEADER_FAILURES = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    SyntaxError,
    tokenize.TokenError,
    OverflowError,
    MemoryError,
    RecursionError,
    EOFError,
)


def container(path: Path) -> Container:
    """What holds the data, by its first bytes; only a pickle of protocol 0 or 1 needs its suffix.

    Raises:
        MissingFileError: there is no such file or folder.
        FormatError: the file is empty or cannot be read.
    """
    if os.path.isdir(path):
        return "folder"
    if not os.path.exists(path):
        raise MissingFileError(f"No such file or folder: {path}.")
    if not os.path.isfile(path):
        raise FormatError(f"{path} is a device or a pipe, expected a file or folder.")
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not start:
        raise FormatError(f"{path} is empty.")
    if start.startswith(b"\x93NUMPY"):
        return "npy"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "npz"
    if (start[0] == 0x80 and start[1:2] <= b"\x05") or path.suffix.lower() in _PICKLE_SUFFIXES:
        return "pickle"
    if start == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    return "json" if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[") else "other"


def read_bytes(path: Path) -> bytes:
    """A whole file of at most `LIMIT` bytes.

    Raises:
        FormatError: it is larger, or cannot be read.
    """
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise FormatError(f"{path} has {size} bytes, expected at most {LIMIT}.")
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_pickle(path: Path) -> Any:
    """The data in a pickle of any size; see `restricted_pickle.loads`.

    Large arrays stay in the file, which must not be changed while they are in use.

    Raises:
        FormatError: it holds anything that is not data, is damaged or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read: {_line(error)}.") from error
    return restricted_pickle.loads(data, path.name)


def read_npy(path: Path) -> np.ndarray:
    """The array in a `.npy`.

    Raises:
        FormatError: it is damaged, or holds objects that are not data.
    """
    return parse_npy(read_bytes(path), path.name)


def parse_npy(data: bytes, name: str) -> np.ndarray:
    """The array in the bytes of a `.npy`; `name` is what to call it in a message.

    Raises:
        FormatError: as `read_npy`.
    """
    stream = io.BytesIO(data)
    shape, fortran, dtype = _header(stream, name)
    rest = memoryview(data)[stream.tell() :]
    if dtype.hasobject:
        array = restricted_pickle.loads(bytes(rest), name)
        if not isinstance(array, np.ndarray) or array.shape != shape:
            raise FormatError(f"{name} does not hold the objects its header declares.")
        return array
    expected = prod(shape) * dtype.itemsize
    if dtype.itemsize == 0 or expected != len(rest):
        raise FormatError(
            f"{name} declares an array of shape {shape} and type {dtype} ({expected} bytes), but "
            f"holds {len(rest)} bytes."
        )
    array = np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")
    try:
        require_text(array)
    except ValueError as error:
        raise FormatError(f"{name} holds {error}.") from error
    return array


def _header(stream: io.BytesIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except _HEADER_FAILURES as error:
        raise FormatError(f"{name} has a damaged .npy header: {_line(error)}.") from error
    if any(size < 0 for size in shape):
        raise FormatError(f"{name} declares an array of shape {shape}.")
    return shape, fortran, dtype


def _line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())[:120] or type(error).__name__


class Archive:
    """A `.npz` whose arrays are read one by one, when asked for.

    Attributes:
        path: the file.
        names: the arrays in it.

    Raises:
        FormatError: it is no zip archive, or would unpack to more than `LIMIT` bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            members = zip_members(path, LIMIT)
        except _ZIP_FAILURES as error:
            raise FormatError(f"{path} is no readable .npz archive: {_line(error)}.") from error
        self._sizes = {member.filename: member.file_size for member in members}
        self.names = frozenset(name.removesuffix(".npy") for name in self._sizes)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> np.ndarray:
        """One array.

        Raises:
            FormatError: it is absent or damaged, or holds objects that are not data.
        """
        if name not in self.names:
            raise FormatError(
                f"{self.path} has no array {name!r}. Available: {', '.join(self._listed())}."
            )
        member = name if name in self._sizes else f"{name}.npy"
        return parse_npy(self._read(member), f"{self.path.name}: {name}")

    def describe(self, name: str) -> tuple[tuple[int, ...], str, int]:
        """Shape, type and size [bytes] of an array, by its header alone.

        Raises:
            FormatError: it is absent or damaged.
        """
        member = name if name in self._sizes else f"{name}.npy"
        start = self._read(member, _LONGEST_HEADER)
        shape, _, dtype = _header(io.BytesIO(start), f"{self.path.name}: {name}")
        return shape, str(dtype), self._sizes[member]

    def _listed(self) -> list[str]:
        """A few names for a message; they come from the file, so they could be anything."""
        return [name if name.isprintable() else repr(name) for name in sorted(self.names)[:20]]

    def _read(self, member: str, most: int | None = None) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as stream:
                data = stream.read(self._sizes[member] + 1 if most is None else most)
        except _ZIP_FAILURES as error:
            raise FormatError(f"{self.path} is a damaged .npz archive: {_line(error)}.") from error
        return data

    def get(self, name: str) -> np.ndarray | None:
        """One array, or None when there is none of that name."""
        if name not in self.names:
            return None
        return self[name]

    def item(self, name: str) -> Any:
        """The one value in an array of a single element; None when there is no such array."""
        array = self.get(name)
        if array is None:
            return None
        if array.size != 1:
            raise FormatError(f"{self.path}: {name} has shape {array.shape}, expected one value.")
        return array.reshape(()).item()
