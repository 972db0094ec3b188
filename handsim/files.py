"""Files that are whole or absent: atomic replacement, and self-describing `.npz` archives."""

import hashlib
import json
import lzma
import os
import shutil
import struct
import sys
import tempfile
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, HandsimError, MissingFileError, OutputError

HEADER = "header"
_PLAIN = "biufSU"
LARGEST = 4 << 30
"""No archive of ours unpacks to more bytes than this; a file that claims to is a zip bomb."""
_LONGEST_DIRECTORY = 4 << 20
"""Bytes of a zip archive's list of members, which Python reads whole: some forty thousand."""
_END, _ZIP64_END = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _ZIP64_SIZE, _LONGEST_COMMENT = 22, 20, 0xFFFF
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    MemoryError,
    AttributeError,
    RuntimeError,
    SyntaxError,
    OverflowError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What reading a damaged archive, header or array may raise."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; it takes `path`'s place only on success.

    The folder is made when missing. The temporary name keeps the suffix of `path`, since many
    writers choose a format by it.

    Raises:
        OutputError: the folder cannot be made or written to, or `path` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"Cannot write {path}: it is a folder, expected a file name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path, mark: str) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it takes `path`'s place only on success.

    A folder that is there already is replaced if it is empty or holds the file `mark`, by which we
    know our own. A killed process leaves a folder beside it, whose name begins with a dot and that
    of `path`.

    Raises:
        OutputError: the folder cannot be made or written to, or `path` is something else's.
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and _is_free(path, mark)):
        raise OutputError(
            f"Cannot write {path}: it exists and holds something else; expected a new name."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
    old = temporary.with_name(f"{temporary.name}.old")
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            path.replace(old)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _is_free(folder: Path, mark: str) -> bool:
    return (folder / mark).is_file() or not any(folder.iterdir())


def _umask() -> int:
    """The process's umask, which `mkstemp` ignores; reading it means setting it for a moment."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_npz(
    path: str | Path,
    header: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    compress: bool = True,
) -> None:
    """Write `arrays` and a JSON `header` (with its "kind" and "schema") as one `.npz`.

    Compressing floats takes twenty times as long as writing them, and saves a tenth of the bytes.

    Raises:
        OutputError: `path` cannot be written.
    """
    text = np.frombuffer(json.dumps(dict(header), sort_keys=True).encode(), dtype=np.uint8)
    save = np.savez_compressed if compress else np.savez
    with replacing(path) as temporary, temporary.open("wb") as stream:
        save(stream, allow_pickle=False, **{HEADER: text, **arrays})


def load_npz(
    path: str | Path, kind: str, schema: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what `save_npz` wrote: (header, arrays).

    Raises:
        MissingFileError: there is no such file.
        FormatError: not such an archive, another kind, or a schema newer than `schema`.
    """
    path = Path(path)
    header, arrays = _read_archive(path)
    if header.get("kind") != kind:
        raise FormatError(f"{path} holds a {header.get('kind')!r}, expected a {kind!r}.")
    if not isinstance(header.get("schema"), int) or header["schema"] > schema:
        raise FormatError(
            f"{path} has schema {header.get('schema')!r}, this version reads up to {schema}."
        )
    return header, arrays


def _read_archive(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if not path.is_file():
        raise MissingFileError(f"No such file: {path}.")
    try:
        zip_members(path, LARGEST)
        with warnings.catch_warnings(), np.load(path, allow_pickle=False) as archive:
            warnings.simplefilter("ignore")
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop(HEADER).tobytes())
        for array in arrays.values():
            require_text(array)
        odd = [name for name, array in arrays.items() if array.dtype.kind not in _PLAIN]
        if odd:
            raise ValueError(f"{odd[0]!r:.80} is of type {arrays[odd[0]].dtype}")
    except _DAMAGED as error:
        raise FormatError(
            f"{path} is not an archive written by this project: {one_line(error)}."
        ) from error
    if not isinstance(header, dict):
        raise FormatError(f"{path} has a header of type {type(header).__name__}, expected a dict.")
    return header, arrays


@contextmanager
def whole(path: str | Path, kind: str) -> Iterator[None]:
    """Make sure that what a file holds is all of a `kind`, while that is put together.

    Raises:
        FormatError: something is absent, or of another type or shape.
    """
    try:
        yield
    except HandsimError:
        raise
    except KeyError as error:
        raise FormatError(f"{path} lacks {one_line(error)}, expected a whole {kind}.") from error
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(f"{path} is not a whole {kind}: {one_line(error)}.") from error


def zip_members(path: Path, limit: int) -> list[zipfile.ZipInfo]:
    """The members of a zip archive, unread.

    Raises:
        ValueError: they unpack to more than `limit` bytes in all, or there are too many.
        zipfile.BadZipFile, OSError, ...: it is no readable archive.
    """
    with path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        size = min(stream.tell(), _ZIP64_SIZE + _END_SIZE + _LONGEST_COMMENT)
        stream.seek(-size, os.SEEK_END)
        end = stream.read(size)
    # Where the archive says so is found as zipfile finds it: its list may only be as long as that.
    bare = end[-_END_SIZE:].startswith(_END) and end.endswith(b"\0\0")
    place = len(end) - _END_SIZE if bare else end.rfind(_END)
    if 0 <= place <= len(end) - _END_SIZE:
        (length,) = struct.unpack_from("<I", end, place + 12)
        if length > _LONGEST_DIRECTORY or end[:place][-_ZIP64_SIZE:].startswith(_ZIP64_END):
            raise ValueError(f"its list of members is longer than {_LONGEST_DIRECTORY} bytes")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members):
        raise ValueError("it is packed otherwise than by deflate")
    unpacked = sum(member.file_size for member in members)
    if unpacked > limit:
        raise ValueError(f"it unpacks to {unpacked} bytes, expected at most {limit}")
    return members


def require_text(array: np.ndarray) -> None:
    """Make sure that an array of text, if it is one, holds characters: Python fails on others.

    Raises:
        ValueError: it does not.
    """
    if array.dtype.kind == "U" and array.dtype.itemsize:
        codes = np.frombuffer(array.tobytes(), np.dtype("u4").newbyteorder(array.dtype.byteorder))
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError("text of no characters")


def one_line(error: Exception) -> str:
    """What an error says, on one line and not too long."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
