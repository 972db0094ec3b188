"""What a worker has written: its results, chunk by chunk, and what it says about them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError
from retarget.human.sources.arrays import Archive, read_bytes
from retarget.human.sources.extraction import ROW_SHAPES

_COMMON = ("frame", "right", "score", "box", "keypoints_2d")


@dataclass(frozen=True)
class Meta:
    """What a worker says about the whole run.

    Attributes:
        frames: how many there are.
        times: of each [s]; None where there are none (pictures).
        told: all of `meta.json`.
    """

    frames: int
    times: np.ndarray | None
    told: Mapping[str, Any]


def read_meta(folder: Path) -> Meta:
    """What the worker wrote to `meta.json`.

    Raises:
        FormatError: it is absent, or does not say how many frames there are and when.
    """
    path = folder / "meta.json"
    try:
        told = json.loads(read_bytes(path))
        frames = int(told["frames"])
        times = None if told["times"] is None else np.asarray(told["times"], dtype=np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is not what a worker writes: {error!r}.") from error
    if frames < 1 or (times is not None and times.shape != (frames,)):
        raise FormatError(f"{path} tells {frames} frames, expected some and as many times.")
    return Meta(frames, times, told)


def read_chunks(folder: Path, frames: int, chunk: int) -> dict[str, np.ndarray]:
    """All rows of all chunks, by column; a row is a hand in a frame.

    Raises:
        FormatError: a chunk is absent or damaged, or not of the shape of the others.
    """
    parts = []
    for start in range(0, frames, chunk):
        part = _read(folder / f"chunk-{start // chunk:06d}.npz")
        if not np.all((part["frame"] >= start) & (part["frame"] < min(start + chunk, frames))):
            raise FormatError(f"{folder}: a chunk of frames from {start} on holds others.")
        parts.append(part)
    return {name: _joined(name, parts, folder) for name in parts[0]}


def _joined(name: str, parts: list[dict[str, np.ndarray]], folder: Path) -> np.ndarray:
    columns = [part.get(name) for part in parts]
    kinds = {None if c is None else (c.shape[1:], c.dtype) for c in columns}
    if len(kinds) > 1:
        raise FormatError(f"{folder}: {name} differs from chunk to chunk: {kinds}.")
    return np.concatenate([c for c in columns if c is not None])


def _read(path: Path) -> dict[str, np.ndarray]:
    archive = Archive(path)
    missing = sorted(set(_COMMON) - archive.names)
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}.")
    part = {name: archive[name] for name in sorted(archive.names)}
    count = len(part["frame"]) if part["frame"].ndim else -1
    for name, array in part.items():
        expected = ROW_SHAPES.get(name, array.shape[1:])
        if array.shape != (count, *expected):
            raise FormatError(
                f"{path}: {name} has shape {array.shape}, expected {(count, *expected)}."
            )
    return part
