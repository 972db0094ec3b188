"""Numbers as Arrow tables, and tables as the numbered Parquet files of a LeRobot dataset."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from handsim.errors import FormatError
from handsim.files import one_line

CHUNK, MEGABYTE = 1000, 1 << 20
"""Files in a folder, and the bytes that files are measured in."""


def file_name(index: int, suffix: str) -> str:
    """The name of a dataset's file, below the folder of its kind."""
    return f"chunk-{index // CHUNK:03d}/file-{index % CHUNK:03d}{suffix}"


class Placement:
    """Which file the next piece belongs to, when files have a limit.

    Attributes:
        index: of the file.
        size: of what is in it [bytes].
    """

    def __init__(self, limit_mb: int) -> None:
        self._limit = limit_mb * MEGABYTE
        self.index, self.size = 0, 0

    def place(self, size: int) -> bool:
        """Make room for a piece; returns whether it begins another file than the piece before."""
        full = self.size > 0 and self.size + size > self._limit
        if full:
            self.index, self.size = self.index + 1, 0
        self.size += size
        return full


class ParquetFiles:
    """Tables written one after the other, a new file whenever one is full; to be closed."""

    def __init__(self, folder: Path, limit_mb: int) -> None:
        self._folder, self._placement = folder, Placement(limit_mb)
        self._writer: pq.ParquetWriter | None = None

    def place(self, size: int) -> int:
        """Make room for a table of so many bytes; returns the index of its file."""
        if self._placement.place(size):
            self.close()
        return self._placement.index

    def write(self, table: pa.Table) -> None:
        """Write a table where it was placed."""
        if self._writer is None:
            path = self._folder / file_name(self._placement.index, ".parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            # Floats neither compress nor repeat; trying takes half of the time.
            self._writer = pq.ParquetWriter(
                path, table.schema, compression="snappy", use_dictionary=False
            )
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the footer, without which the file cannot be read."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def read_tables(folder: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The tables that `ParquetFiles` wrote, one by one.

    Raises:
        FormatError: there are none, or one is damaged.
    """
    files = sorted(folder.glob("*/*.parquet"))
    if not files:
        raise FormatError(f"{folder} has no Parquet files, expected those of a dataset.")
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, columns=list(columns))
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise FormatError(f"{path} cannot be read: {one_line(error)}.") from error


def array_of(column: pa.ChunkedArray, shape: tuple[int, ...]) -> np.ndarray:
    """The rows that `arrow_array` made a column of.

    Raises:
        ValueError: they do not have this shape.
    """
    flat = column.combine_chunks()
    while pa.types.is_list(flat.type) or pa.types.is_fixed_size_list(flat.type):
        flat = flat.flatten()
    return flat.to_numpy(zero_copy_only=False).reshape(-1, *shape)


def arrow_array(rows: np.ndarray) -> pa.Array:
    """Rows as LeRobot stores them: numbers, vectors of fixed length, or nested lists."""
    shape = rows.shape[1:]
    flat = pa.array(np.ascontiguousarray(rows).ravel())
    if shape == (1,):
        return flat
    if len(shape) == 1:
        return pa.FixedSizeListArray.from_arrays(flat, shape[0])
    return nested(flat, shape)


def nested(flat: pa.Array, shape: tuple[int, ...]) -> pa.Array:
    """Numbers in rows of a shape, as lists of lists."""
    for size in reversed(shape):
        offsets = np.arange(0, len(flat) + 1, size, dtype=np.int32)
        flat = pa.ListArray.from_arrays(offsets, flat)
    return flat


def write_arrow(path: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Write columns as one uncompressed Arrow file."""
    table = pa.table({name: arrow_array(column) for name, column in rows.items()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_arrow(path: Path) -> pa.Table:
    """Read what `write_arrow` wrote, without copying it."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()
