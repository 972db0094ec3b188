"""Arrays of Zarr version 2: a folder of chunks, each plain or compressed by Blosc.

Reading allocates nothing that the chunks do not pay for: each says how much it unpacks to, and that
must be what the array declares. Blosc needs the package numcodecs, the extra "zarr".
"""

import json
from collections.abc import Mapping
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, MissingExtraError

LIMIT = 2 << 30
"""Bytes that are read of an array at once, at most."""
_HEADER = 16
_MEMBER = ".zarray"
_GROUP = ".zgroup"


def is_array(folder: Path) -> bool:
    """Whether a folder is an array of Zarr version 2."""
    return (folder / _MEMBER).is_file()


def read_zarr(folder: Path, start: int = 0, stop: int | None = None) -> np.ndarray:
    """The array in a folder, or its rows from `start` to `stop`.

    Raises:
        FormatError: it is damaged, too large, has not so many rows, or is compressed by something
            else.
        MissingExtraError: it is compressed and numcodecs is absent.
    """
    shape, chunks, dtype, compressed = _described(folder)
    stop = shape[0] if stop is None else stop
    if not 0 <= start <= stop <= shape[0]:
        raise FormatError(f"{folder} has {shape[0]} rows, expected those from {start} to {stop}.")
    counts = [ceil(size / chunk) for size, chunk in zip(shape, chunks, strict=True)]
    first, last = start // chunks[0], ceil(stop / chunks[0])
    wanted = (last - first) * prod(counts[1:])
    size, there = wanted * prod(chunks) * dtype.itemsize, sum(1 for _ in folder.iterdir())
    if size > LIMIT or prod(counts) > there:
        raise FormatError(
            f"{folder} declares {prod(counts)} chunks, {size} bytes, but holds {there} files; "
            f"expected at most {LIMIT} bytes."
        )
    places = product(range(first, last), *map(range, counts[1:]))
    blocks = {place: _chunk(folder, place, chunks, dtype, compressed) for place in places}
    array = np.empty((min(last * chunks[0], shape[0]) - first * chunks[0], *shape[1:]), dtype)
    for (row, *place), block in blocks.items():
        corner = (row - first, *place)
        where = tuple(slice(i * n, (i + 1) * n) for i, n in zip(corner, chunks, strict=True))
        inside = array[where].shape
        array[where] = block[tuple(slice(n) for n in inside)]
    return array[start - first * chunks[0] : stop - first * chunks[0]]


def write_group(folder: Path, attributes: Mapping[str, Any] | None = None) -> None:
    """Make a folder a group of Zarr version 2."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _GROUP).write_text(json.dumps({"zarr_format": 2}))
    if attributes:
        (folder / ".zattrs").write_text(json.dumps(dict(attributes), indent=4, sort_keys=True))


class ZarrWriter:
    """An array that grows by rows, written chunk by chunk, compressed by Blosc; to be closed."""

    def __init__(
        self, folder: Path, dtype: str, row: tuple[int, ...], chunk_bytes: int = 1 << 20
    ) -> None:
        """Begin an array in a new folder.

        Args:
            folder: of the array.
            dtype: of the numbers.
            row: shape of a row.
            chunk_bytes: of the rows that are compressed and read together, about.
        """
        self._folder, self._dtype, self._blosc = folder, np.dtype(dtype), _blosc(folder)
        self._codec = self._blosc.Blosc("zstd", clevel=1, shuffle=self._blosc.SHUFFLE)
        rows = max(1, chunk_bytes // max(1, prod(row) * self._dtype.itemsize))
        self._chunk = np.zeros((rows, *row), self._dtype)
        self._rows = 0
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, rows: np.ndarray) -> None:
        """Append rows."""
        while len(rows):
            begin = self._rows % len(self._chunk)
            part = rows[: len(self._chunk) - begin]
            self._chunk[begin : begin + len(part)] = part
            self._rows, rows = self._rows + len(part), rows[len(part) :]
            if self._rows % len(self._chunk) == 0:
                self._write_chunk()

    def close(self) -> None:
        """Write the rows at hand and the header, without which there is no array."""
        begin = self._rows % len(self._chunk)
        if begin:
            self._chunk[begin:] = 0
            self._write_chunk()
        header = {
            "zarr_format": 2,
            "shape": [self._rows, *self._chunk.shape[1:]],
            "chunks": list(self._chunk.shape),
            "dtype": self._dtype.str,
            "compressor": self._codec.get_config(),
            "fill_value": 0,
            "order": "C",
            "filters": None,
        }
        (self._folder / _MEMBER).write_text(json.dumps(header, indent=4, sort_keys=True))

    def _write_chunk(self) -> None:
        index = (self._rows - 1) // len(self._chunk)
        name = ".".join(["0"] * (self._chunk.ndim - 1))
        path = self._folder / (f"{index}.{name}" if name else str(index))
        # Several threads leave their blocks in the order in which they happen to finish.
        threads, self._blosc.use_threads = self._blosc.use_threads, False
        try:
            path.write_bytes(self._codec.encode(self._chunk))
        finally:
            self._blosc.use_threads = threads


def _described(folder: Path) -> tuple[tuple[int, ...], tuple[int, ...], np.dtype, bool]:
    """Shape, shape of the chunks, type and whether Blosc compresses it."""
    try:
        header = json.loads(_read_bytes(folder / _MEMBER))
        shape, chunks = _sizes(header["shape"]), _sizes(header["chunks"])
        dtype, compressor = np.dtype(header["dtype"]), header.get("compressor")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{folder} has a damaged {_MEMBER}: {type(error).__name__}.") from error
    plain = header.get("order") == "C" and not header.get("filters")
    if not plain or dtype.kind not in "fiub" or len(shape) != len(chunks) or 0 in (*shape, *chunks):
        raise FormatError(f"{folder} is no plain array of numbers in the order C.")
    if not shape:
        raise FormatError(f"{folder} is a single number, expected an array of rows.")
    if compressor is not None and _name(compressor) != "blosc":
        raise FormatError(
            f"{folder} is compressed by {_name(compressor)!r:.40}. Available: blosc, none."
        )
    return shape, chunks, dtype, compressor is not None


def _name(compressor: Any) -> Any:
    return compressor.get("id") if isinstance(compressor, Mapping) else compressor


def _sizes(values: Any) -> tuple[int, ...]:
    if not all(isinstance(value, int) and value >= 0 for value in values):
        raise ValueError(values)
    return tuple(values)


def _chunk(
    folder: Path,
    place: tuple[int, ...],
    shape: tuple[int, ...],
    dtype: np.dtype,
    compressed: bool,
) -> np.ndarray:
    file = folder / ".".join(map(str, place))
    if not file.is_file():
        raise FormatError(f"{folder} has no chunk {file.name}.")
    data, size = _read_bytes(file), prod(shape) * dtype.itemsize
    if compressed:
        data = _unpacked(data, size, file)
    if len(data) != size:
        raise FormatError(f"{file} holds {len(data)} bytes, expected {size}.")
    return np.frombuffer(data, dtype).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise FormatError(f"{path} has {size} bytes, expected at most {LIMIT}.")
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error


def _unpacked(data: bytes, size: int, file: Path) -> bytes:
    blosc = _blosc(file.parent)
    declared = int.from_bytes(data[4:8], "little"), int.from_bytes(data[12:16], "little")
    if len(data) < _HEADER or declared != (size, len(data)):
        raise FormatError(f"{file} is a damaged chunk, expected one that unpacks to {size} bytes.")
    try:
        return bytes(blosc.Blosc().decode(data))
    except (RuntimeError, ValueError) as error:
        raise FormatError(f"{file} is a damaged chunk: {error}.") from error


def _blosc(folder: Path) -> Any:
    try:
        import numcodecs.blosc
    except ImportError as error:
        raise MissingExtraError(
            f"{folder} is compressed, which needs numcodecs: pip install 'handsim[zarr]'."
        ) from error
    return numcodecs.blosc
