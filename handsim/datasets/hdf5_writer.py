"""HDF5 files written so that a full disk is an error like any other.

When a write fails, HDF5 can neither write nor close the file, and crashes the process later. So it
writes through a stream that never fails: the first failure is remembered and what comes after it
dropped, until whoever writes the file asks.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


@contextmanager
def new_hdf5(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Yield a new HDF5 file, and what raises when writing to it has failed, to be called at times.

    Raises:
        OSError: it has failed.
    """
    with _Patient(path) as stream:
        try:
            with h5py.File(stream, "w") as file:
                yield file, stream.require_written
        finally:
            stream.require_written()


class _Patient(io.FileIO):
    """A file for reading and writing whose writes never fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`, unless a write has failed."""
        rest = memoryview(data).cast("B")
        try:
            while self._failure is None and len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._failure = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None, /) -> int:
        """Set the file's length, unless a write has failed."""
        try:
            if self._failure is None:
                return super().truncate(size)
        except OSError as error:
            self._failure = error
        return size or 0

    def require_written(self) -> None:
        """Make sure that all is written.

        Raises:
            OSError: it is not.
        """
        if self._failure is not None:
            raise self._failure
