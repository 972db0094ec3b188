"""Arrays of Zarr version 2: a folder of chunks, each plain or compressed by Blosc.

Nothing is allocated that the chunks do not pay for: each says how much it unpacks to, and that must
be what the array declares. Blosc needs the package numcodecs, the extra "zarr".
"""

import json
from collections.abc import Mapping
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, MissingExtraError
from retarget.human.sources.arrays import LIMIT, read_bytes

_HEADER = 16
_MEMBER = ".zarray"


def is_array(folder: Path) -> bool:
    """Whether a folder is an array of Zarr version 2."""
    return (folder / _MEMBER).is_file()


def read_zarr(folder: Path) -> np.ndarray:
    """The array in a folder.

    Raises:
        FormatError: it is damaged, too large, or compressed by something else.
        MissingExtraError: it is compressed and numcodecs is absent.
    """
    shape, chunks, dtype, compressed = _described(folder)
    counts = [ceil(size / chunk) for size, chunk in zip(shape, chunks, strict=True)]
    size, there = prod(counts) * prod(chunks) * dtype.itemsize, sum(1 for _ in folder.iterdir())
    if size > LIMIT or prod(counts) > there:
        raise FormatError(
            f"{folder} declares {prod(counts)} chunks, {size} bytes, but holds {there} files; "
            f"expected at most {LIMIT} bytes."
        )
    places = product(*map(range, counts))
    blocks = {place: _chunk(folder, place, chunks, dtype, compressed) for place in places}
    array = np.empty(shape, dtype)
    for place, block in blocks.items():
        where = tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, chunks, strict=True))
        inside = array[where].shape
        array[where] = block[tuple(slice(n) for n in inside)]
    return array


def _described(folder: Path) -> tuple[tuple[int, ...], tuple[int, ...], np.dtype, bool]:
    """Shape, shape of the chunks, type and whether Blosc compresses it."""
    try:
        header = json.loads(read_bytes(folder / _MEMBER))
        shape, chunks = _sizes(header["shape"]), _sizes(header["chunks"])
        dtype, compressor = np.dtype(header["dtype"]), header.get("compressor")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{folder} has a damaged {_MEMBER}: {type(error).__name__}.") from error
    plain = header.get("order") == "C" and not header.get("filters")
    if not plain or dtype.kind not in "fiu" or len(shape) != len(chunks) or 0 in (*shape, *chunks):
        raise FormatError(f"{folder} is no plain array of numbers in the order C.")
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
    data, size = read_bytes(file), prod(shape) * dtype.itemsize
    if compressed:
        data = _unpacked(data, size, file)
    if len(data) != size:
        raise FormatError(f"{file} holds {len(data)} bytes, expected {size}.")
    return np.frombuffer(data, dtype).reshape(shape)


def _unpacked(data: bytes, size: int, file: Path) -> bytes:
    try:
        from numcodecs.blosc import Blosc
    except ImportError as error:
        raise MissingExtraError(
            f"{file.parent} is compressed, which needs numcodecs: pip install 'handsim[zarr]'."
        ) from error
    declared = int.from_bytes(data[4:8], "little"), int.from_bytes(data[12:16], "little")
    if len(data) < _HEADER or declared != (size, len(data)):
        raise FormatError(f"{file} is a damaged chunk, expected one that unpacks to {size} bytes.")
    try:
        return bytes(Blosc().decode(data))
    except (RuntimeError, ValueError) as error:
        raise FormatError(f"{file} is a damaged chunk: {error}.") from error
