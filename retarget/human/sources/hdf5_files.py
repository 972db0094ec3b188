"""Arrays out of HDF5 files nobody vouches for: of this file alone, their sizes checked first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from handsim.errors import FormatError, HandsimError
from retarget.human.sources.arrays import LIMIT

_RATIO = 1100
"""Deflate compresses to no less than a thousandth."""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading.

    Raises:
        FormatError: it is no HDF5 file, or what is read of it is damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except HandsimError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{path} is a damaged HDF5 file: {_line(error)}.") from error


def read(file: h5py.File, name: str) -> np.ndarray:
    """The numbers in one dataset.

    Raises:
        FormatError: it is absent, holds no numbers, lies in another file or is larger than what
            the file pays for.
    """
    if not present(file, name):
        raise FormatError(f"{_title(file)} has no {name!r} of its own.")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
        raise FormatError(f"{_title(file)}: {name!r} holds no numbers.")
    if dataset.external or dataset.is_virtual:
        raise FormatError(f"{_title(file)}: {name!r} lies in another file.")
    paid = dataset.id.get_storage_size() * (_RATIO if dataset.compression else 1)
    if dataset.nbytes > min(LIMIT, paid):
        raise FormatError(
            f"{_title(file)}: {name!r} of shape {dataset.shape} has {dataset.nbytes} bytes, "
            f"expected at most {min(LIMIT, paid)}."
        )
    return np.asarray(dataset[()])


def present(file: h5py.File, name: str) -> bool:
    """Whether there is something of that name, in this file and not in one it links to."""
    group = file
    for part in name.split("/"):
        if not isinstance(group, h5py.Group):
            return False
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            return False
        group = group[part]
    return True


def _title(file: h5py.File) -> str:
    return Path(str(file.filename)).name


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
