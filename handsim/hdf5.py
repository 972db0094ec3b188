"""HDF5 files nobody vouches for: what a file holds itself, its sizes checked before it is read.

HDF5 can point out of a file (external links, external storage, virtual datasets), into itself
(soft links, groups that contain themselves) and declare any size. Here only hard links are
followed, only plain numbers and strings are read, stored in the file or packed by gzip, and no more
is unpacked than the file pays for at gzip's best.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from handsim.errors import FormatError, MissingFileError

LIMIT = 2 << 30
"""Bytes a file may unpack to."""

_GZIP_BEST, _SLACK = 1032, 1 << 20
_LARGEST_CHUNK, _CHECKSUM = 64 << 20, 4
_FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
}
_DEEPEST, _MOST_MEMBERS = 32, 20_000
_FAILURES = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    OverflowError,
    MemoryError,
    zlib.error,
)


class Member(NamedTuple):
    """A dataset, by its path in the file; `refusal` says why it would not be read, or is ""."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    refusal: str


class Hdf5:
    """An HDF5 file opened for reading; a context manager.

    Attributes:
        path: the file.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is no HDF5 file.
    """

    def __init__(self, path: str | Path, limit: int = LIMIT) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MissingFileError(f"No such file: {path}.")
        with self._reading():
            self._size = self.path.stat().st_size
            self._file = h5py.File(self.path, "r")
        self._limit = self._left = limit

    def __enter__(self) -> "Hdf5":
        return self

    def __exit__(self, *exception: object) -> None:
        with self._reading():
            self._file.close()

    def __contains__(self, name: str) -> bool:
        """Whether there is such a group or dataset, reached by hard links."""
        with self._reading():
            return self._find(name) is not None

    def names(self, group: str = "/") -> list[str]:
        """What a group holds, in the order of the names; [] when there is no such group.

        Raises:
            FormatError: it is damaged.
        """
        with self._reading():
            found = self._find(group)
            return self._listed(found) if isinstance(found, h5py.Group) else []

    def __getitem__(self, name: str) -> np.ndarray:
        """A dataset; strings of any length come as objects of `str`.

        Raises:
            FormatError: it is absent or damaged, points out of the file, or is too large.
        """
        with self._reading():
            found = self._find(name)
            if not isinstance(found, h5py.Dataset):
                raise ValueError(f"it has no dataset {name!r}")
            refusal = self._refusal(found)
            if refusal:
                raise ValueError(f"{name} {refusal}")
            self._spend(name, found.nbytes)
            _require_honest_chunks(found, name)
            text = _is_text(found.dtype)
            return np.asarray(found.asstr()[()] if text else found[()])

    def attribute(self, name: str, group: str = "/") -> Any:
        """An attribute of a group or dataset, None when there is none of that name.

        Raises:
            FormatError: it is damaged or is no plain number or text.
        """
        with self._reading():
            found = self._find(group)
            if found is None or name not in found.attrs:
                return None
            header = found.attrs.get_id(name)
            refusal = self._unplain(header.dtype, header.shape)
            if refusal:
                raise ValueError(f"attribute {name} {refusal}")
            self._spend(name, prod(header.shape or ()) * header.dtype.itemsize)
            return found.attrs[name]

    def attributes(self, group: str = "/") -> list[str]:
        """Names of the attributes of a group or dataset."""
        with self._reading():
            found = self._find(group)
            return [] if found is None else list(found.attrs)

    def members(self) -> Iterator[Member]:
        """Every dataset, and every link that would not be followed.

        Raises:
            FormatError: the file is damaged, or holds more than 20 000 of them.
        """
        with self._reading():
            yield from self._walk(self._file, "", set(), iter(range(_MOST_MEMBERS)))

    def _walk(
        self, group: h5py.Group, prefix: str, seen: set[int], numbers: Iterator[int]
    ) -> Iterator[Member]:
        address = h5py.h5o.get_info(group.id).addr
        if address in seen or prefix.count("/") > _DEEPEST:
            yield Member(prefix, (), "group", 0, "contains itself, or is nested too deeply")
            return
        seen.add(address)
        for part in self._listed(group):
            if next(numbers, None) is None:
                raise ValueError(f"it holds more than {_MOST_MEMBERS} members")
            name = f"{prefix}{part}"
            if not isinstance(group.get(part, getlink=True), h5py.HardLink):
                yield Member(name, (), "link", 0, "is a link to elsewhere")
                continue
            found = group[part]
            if isinstance(found, h5py.Group):
                yield from self._walk(found, f"{name}/", seen, numbers)
            elif isinstance(found, h5py.Dataset):
                size, refusal = found.nbytes or 0, self._refusal(found)
                yield Member(name, found.shape or (), str(found.dtype), size, refusal)

    def _listed(self, group: h5py.Group) -> list[str]:
        if len(group) > _MOST_MEMBERS:
            raise ValueError(f"it has a group of {len(group)} members")
        return sorted(str(name) for name in group)

    def _find(self, name: str) -> h5py.Group | h5py.Dataset | None:
        """What hard links alone lead to, or None.

        Raises:
            ValueError: a soft or external link is on the way.
        """
        found: Any = self._file
        for part in filter(None, name.split("/")):
            link = _link(found, part)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{name} is a link to elsewhere")
            found = found[part]
        return found if isinstance(found, h5py.Group | h5py.Dataset) else None

    def _refusal(self, dataset: h5py.Dataset) -> str:
        """Why a dataset is not read, or ""."""
        if dataset.is_virtual or dataset.external:
            return "lies in another file"
        if dataset.shape is None:
            return "holds nothing"
        odd = self._unplain(dataset.dtype, dataset.shape)
        if odd:
            return odd
        properties = dataset.id.get_create_plist()
        filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
        if not set(filters) <= set(_FILTERS) or len(set(filters)) < len(filters):
            return f"is packed otherwise than by {', '.join(_FILTERS.values())}, each once"
        chunk = prod(dataset.chunks or ()) * dataset.dtype.itemsize
        if chunk > max(_LARGEST_CHUNK, dataset.nbytes):
            return f"is stored in chunks of {chunk} bytes"
        stored = dataset.id.get_storage_size()
        if dataset.nbytes > _SLACK + _GZIP_BEST * min(stored, self._size):
            return f"declares {dataset.nbytes} bytes but stores {stored}"
        if dataset.nbytes > self._limit:
            return f"holds {dataset.nbytes} bytes, expected at most {self._limit}"
        return ""

    def _unplain(self, dtype: np.dtype, shape: tuple[int, ...] | None) -> str:
        if _is_text(dtype):
            # Each of them may be the same long text, which the file holds once.
            worst = prod(shape or ()) * self._size
            return "" if worst <= self._limit else "holds too many strings of any length"
        return "" if dtype.kind in "biufSU" else f"is of type {dtype}, not of plain numbers"

    def _spend(self, name: str, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ValueError(f"with {name} more than {self._limit} bytes of it are read")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (FormatError, MissingFileError):
            raise
        except _FAILURES as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise FormatError(f"{self.path} cannot be read: {reason}.") from error


def _is_text(dtype: np.dtype) -> bool:
    """Whether it is of strings of any length."""
    text = h5py.check_string_dtype(dtype)
    return text is not None and text.length is None


def _link(group: Any, part: str) -> Any:
    """How a group holds a member, followed nowhere; None when it does not."""
    if not isinstance(group, h5py.Group) or part == ".":
        return None
    try:
        return group.get(part, getlink=True)
    except KeyError:
        return None


def _require_honest_chunks(dataset: h5py.Dataset, name: str) -> None:
    """Refuse gzipped chunks that unpack to more than a chunk: HDF5 would unpack them whole.

    Raises:
        ValueError: there is one.
    """
    if dataset.chunks is None or not dataset.compression:
        return
    size = prod(dataset.chunks) * dataset.dtype.itemsize
    large = []

    def note(chunk: Any) -> None:
        if chunk.size * _GZIP_BEST > _LARGEST_CHUNK:
            large.append(chunk.chunk_offset)

    dataset.id.chunk_iter(note)
    for offset in large:
        _, packed = dataset.id.read_direct_chunk(offset)
        if _unpacks_beyond(packed, size + _CHECKSUM):
            raise ValueError(f"a chunk of {name} unpacks to more than its {size} bytes")


def _unpacks_beyond(packed: bytes, size: int) -> bool:
    """Whether it is a zlib stream of more than `size` bytes; others HDF5 itself refuses."""
    try:
        return len(zlib.decompressobj().decompress(packed, size + 1)) > size
    except zlib.error:
        return False
