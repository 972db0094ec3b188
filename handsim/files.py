"""Files that are whole or absent: atomic replacement, and self-describing `.npz` archives."""

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, MissingFileError, OutputError

HEADER = "header"
LARGEST = 4 << 30
"""No archive of ours unpacks to more bytes than this; a file that claims to is a zip bomb."""
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    MemoryError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


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


def _umask() -> int:
    """The process's umask, which `mkstemp` ignores; reading it means setting it for a moment."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_npz(path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays` and a JSON `header` (with its "kind" and "schema") as one `.npz`.

    Raises:
        OutputError: `path` cannot be written.
    """
    text = np.frombuffer(json.dumps(dict(header), sort_keys=True).encode(), dtype=np.uint8)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **{HEADER: text, **arrays})


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
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > LARGEST:
            raise ValueError(f"it unpacks to {unpacked} bytes, expected at most {LARGEST}")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop(HEADER).tobytes())
    except _DAMAGED as error:
        raise FormatError(f"{path} is not an archive written by this project: {error}.") from error
    if not isinstance(header, dict):
        raise FormatError(f"{path} has a header of type {type(header).__name__}, expected a dict.")
    return header, arrays


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
