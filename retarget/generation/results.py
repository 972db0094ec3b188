"""Results of single episodes on disk, each a folder that is whole or absent."""

import errno
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from handsim.errors import OutputError

Record = dict[str, Any]
"""A line of the manifest."""
RECORD = "record.json"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class Results:
    """A folder of results: `<episode>/record.json`, and a pack for each format beside it.

    Many processes may add to one folder: a result is put together under a name of its own and
    renamed. Of two that made the same, which are equal to the byte, the first one stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, episode: str) -> bool:
        return (self.folder / episode / RECORD).is_file()

    def record(self, episode: str) -> Record:
        """What is known of an episode that is done."""
        record: Record = json.loads((self.folder / episode / RECORD).read_bytes())
        return record

    def pack(self, episode: str, format: str) -> Path:
        """The folder of an episode's pack."""
        return self.folder / episode / format

    @contextmanager
    def adding(self, episode: str) -> Iterator[Path]:
        """Yield a folder to put an episode's record and packs into; its result is there afterwards.

        Raises:
            OutputError: it cannot be written.
        """
        with written(self.folder):
            temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=".tmp-"))
            try:
                yield temporary
                # A folder that is not empty is never replaced: another worker was first.
                with suppress(FileExistsError):
                    rename(temporary, self.folder / episode)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def forget_unfinished(self) -> None:
        """Remove what interrupted workers left behind."""
        for folder in self.folder.glob(".tmp-*"):
            shutil.rmtree(folder)


def rename(folder: Path, to: Path) -> None:
    """Rename a folder unless there is another one of that name.

    Raises:
        FileExistsError: there is.
    """
    try:
        folder.rename(to)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(*error.args) from error
        raise


def write_record(folder: Path, record: Record) -> None:
    """Put a record into the folder of its result."""
    (folder / RECORD).write_text(line(record), encoding="utf-8")


def line(record: Record) -> str:
    """A record as a line of JSON."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Say what is to be done where something cannot be written.

    Raises:
        OutputError: it cannot.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in DISK_FULL or "No space left" in str(error)
        remedy = "the disk is full: make room, and" if full else f"{error.strerror or error}:"
        raise OutputError(
            f"Cannot write {path}: {remedy} the same command goes on where this one stopped."
        ) from error
