"""Text out of files nobody vouches for: YAML and tables, their sizes bounded."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from handsim.errors import FormatError
from retarget.human.sources.arrays import read_bytes

LARGEST, LARGEST_YAML = 128 << 20, 1 << 20
"""Bytes of a text, and of a YAML text, whose reader is slow."""

_MALFORMED = (ValueError, RecursionError, OverflowError)


def read_text(path: Path, largest: int = LARGEST) -> str:
    """A UTF-8 text.

    Raises:
        FormatError: it has more than `largest` bytes, cannot be read, or is no such text.
    """
    if path.exists() and not path.is_file():
        raise FormatError(f"{path} is no file.")
    size = path.stat().st_size if path.exists() else 0
    if size > largest:
        raise FormatError(f"{path} has {size} bytes, expected at most {largest} of such a text.")
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is no UTF-8 text: byte {error.start}.") from error


class _Loader(yaml.SafeLoader):
    """Plain data without aliases, of which a few could stand for millions."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file of plain data.

    Raises:
        FormatError: it is damaged, holds something else, or more than plain data.
    """
    text = read_text(path, LARGEST_YAML)
    try:
        value = yaml.load(text, _Loader)
    except (yaml.YAMLError, *_MALFORMED) as error:
        raise FormatError(f"{path} is damaged YAML: {_line(error)}.") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path} holds a {type(value).__name__}, expected a YAML mapping.")
    return value


def read_table(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """The cells of `columns` in each row of a CSV file with a header.

    Raises:
        FormatError: it is damaged or lacks a column.
    """
    try:
        rows = list(csv.reader(read_text(path).splitlines()))
    except csv.Error as error:
        raise FormatError(f"{path} is a damaged table: {_line(error)}.") from error
    header = rows[0] if rows else []
    missing = [column for column in columns if column not in header]
    if missing:
        raise FormatError(f"{path} has no column {', '.join(missing)}.")
    places = [header.index(column) for column in columns]
    for number, row in enumerate(rows[1:], start=2):
        if row and len(row) != len(header):
            raise FormatError(f"{path}, line {number}: {len(row)} cells, expected {len(header)}.")
        if row:
            yield [row[place] for place in places]


def _line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())[:120] or type(error).__name__
