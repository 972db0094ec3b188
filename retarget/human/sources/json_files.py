"""JSON out of files nobody vouches for, and what recordings in JSON have in common.

A file is at most `SIZE` bytes and holds at most `CONTAINERS` lists and dicts, so that what it
becomes fits in memory; it may hold one value or, as JSON Lines do, one after another.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError, InputError
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import read_bytes

SIZE = 128 << 20
CONTAINERS = 4_000_000

_DECODER = json.JSONDecoder(parse_int=float)
_BLANK = re.compile(r"\s*")
_SECONDS = {
    **dict.fromkeys(("time", "timestamp", "t", "start_time", "timestampSec"), 1.0),
    **dict.fromkeys(("timestamp_ms", "timestampMs", "timestamps_ms", "time_ms", "timeMs"), 1e-3),
}
"""What frames call their times, and the unit [s]."""
_LONGEST_STEP = 5.0


def read_json(path: Path) -> Any:
    """The value in a file, or the list of its values where it holds several; numbers are floats.

    Raises:
        FormatError: it is damaged, nested too deeply or too large.
    """
    data = read_bytes(path)
    count = data.count(b"[") + data.count(b"{")
    if len(data) > SIZE or count > CONTAINERS:
        raise FormatError(
            f"{path} has {len(data)} bytes and {count} lists and dicts, expected at most {SIZE} "
            f"and {CONTAINERS}."
        )
    try:
        values = _values(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise FormatError(f"{path} is nested too deeply.") from error
    except ValueError as error:
        raise FormatError(f"{path} is no readable JSON: {' '.join(str(error).split())}.") from error
    return values[0] if len(values) == 1 else values


def _values(text: str) -> list[Any]:
    values, place = [], _skip(text, 0)
    while place < len(text):
        value, end = _DECODER.raw_decode(text, place)
        values.append(value)
        place = _skip(text, end)
    return values


def _skip(text: str, place: int) -> int:
    blank = _BLANK.match(text, place)
    return blank.end() if blank else place


def frames_of(content: Any) -> list[Any]:
    """The frames of a recording: a list, the list a dict calls frames or sequence, or one frame."""
    if isinstance(content, dict):
        named = first(content, ("frames", "sequence"))
        return named if isinstance(named, list) else [content]
    return content if isinstance(content, list) else []


def first(values: Any, names: Sequence[str]) -> Any:
    """What a dict holds under the first of these names it has; None when it has none."""
    if not isinstance(values, Mapping):
        return None
    return next((values[name] for name in names if values.get(name) is not None), None)


def frame_times(frames: Sequence[Any], name: str) -> Float[np.ndarray, " T"] | None:
    """The times [s] of frames that carry them, None when they do not.

    time, timestamp, t, start_time and timestampSec are in seconds, timestamp_ms, timestampMs,
    timestamps_ms, time_ms and timeMs in milliseconds.

    Raises:
        InputError: some frames have a time and some do not, or seconds look like milliseconds.
    """
    key = next((key for key in _SECONDS if first(frames[0], (key,)) is not None), None)
    if key is None:
        return None
    values = [first(frame, (key,)) for frame in frames]
    if any(value is None for value in values):
        raise InputError(f"{name}: frame {values.index(None)} has no {key!r}, as others have.")
    times = as_numbers(values, f"{name}: {key}", (len(frames),)) * _SECONDS[key]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if step > _LONGEST_STEP:
        raise InputError(
            f"{name}: {key!r} goes up by {step:g} s a frame; milliseconds are expected to be "
            "called timestamp_ms."
        )
    return times


def point(value: Any, name: str) -> list[float]:
    """x, y and z of a dict that names them or of a list that starts with them; None is NaN.

    Raises:
        FormatError: it is neither.
    """
    if isinstance(value, Mapping):
        value = [value.get(axis, "absent") for axis in "xyz"]
    xyz = [np.nan if x is None else x for x in value[:3]] if isinstance(value, list) else []
    if len(xyz) != 3 or not all(isinstance(x, float) for x in xyz):
        raise FormatError(f"{name}: {value!r:.60} is no point, expected x, y and z.")
    return xyz
