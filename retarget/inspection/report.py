"""What an inspection finds, as data: the text and the JSON say the same."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Numbers:
    """What the numbers of an array are like; a row is an entry along the first axis.

    Attributes:
        nan, zero: how many of the numbers are so.
        nan_rows: rows with a number that is not finite.
        zero_rows: rows of zeros alone.
        repeated_rows: rows equal to the one before.
        constant: columns that never change, of `columns`.
        least, mean, most: of the finite numbers; None when there is none.
        every: only one row in so many was looked at.
    """

    nan: int
    zero: int
    nan_rows: int
    zero_rows: int
    repeated_rows: int
    constant: int
    columns: int
    least: float | None
    mean: float | None
    most: float | None
    every: int = 1


@dataclass(frozen=True)
class Part:
    """One thing a file holds.

    Attributes:
        name: where, as "group/name" or "key.key".
        type: "array", "list", "dict", "text", ...
        shape: of an array; of a list its length and then the shape its entries share.
        dtype: numpy's name of the type of the numbers, or what the entries are.
        none: entries that are None.
        numbers: of an array, or of a list of numbers.
        value: a single number, or the start of a text.
        notes: whatever else there is to say.
    """

    name: str
    type: str
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    none: int = 0
    numbers: Numbers | None = None
    value: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clock:
    """What a row of times is like.

    Attributes:
        source: where the times come from.
        count: how many there are.
        start, span: the first, and from it to the last [s].
        rate: one over the median step [Hz]; 0 when there is none.
        increasing: each is later than the one before.
        repeated, backwards: steps of zero, and back in time.
        gaps: steps of more than one and a half times the median.
        longest: the longest step [s].
    """

    source: str
    count: int
    start: float
    span: float
    rate: float
    increasing: bool
    repeated: int
    backwards: int
    gaps: int
    longest: float


@dataclass(frozen=True)
class Hand:
    """A hand motion as `retarget.load` reads it.

    Attributes:
        side, tracker, frame, metric, tips: see `Source`.
        frames, valid: how many there are, and how many of them were seen.
        length: median from the wrist along the middle finger to its tip [m].
        bones: median length of each bone [m].
        variation: standard deviation over mean of each bone's length.
        left_votes, right_votes: frames whose anatomy is plainly of that side.
        repeated: valid frames equal to the one before.
        mano: whether MANO parameters come along.
        streams: name → rows and meaning of what else was recorded.
    """

    side: str
    tracker: str
    frame: str
    metric: bool
    tips: str
    frames: int
    valid: int
    length: float
    bones: Mapping[str, float]
    variation: Mapping[str, float]
    left_votes: int
    right_votes: int
    repeated: int
    mano: bool
    streams: Mapping[str, str]


@dataclass(frozen=True)
class Video:
    """A video: size [px], frames a second [Hz], how many, and for how long [s]."""

    width: int
    height: int
    fps: float
    frames: int
    duration: float
    codec: str


@dataclass(frozen=True)
class Report:
    """All that is found in a file or folder.

    Attributes:
        path: the file or folder.
        container: "npz", "pickle", "hdf5", "zarr", "video", "folder", ...
        size: [bytes], of all files of a folder.
        format: the key of `FORMATS` that reads it; "" when none does.
        refusals: format → why it does not read it; given when none does.
        parts: what it holds.
        clocks: times it holds, that of the motion first.
        hands: the motions in it.
        video: when it is one.
        header: what a file of this project says of itself.
        notes: what could not be looked at, and what looks wrong.
    """

    path: str
    container: str
    size: int
    format: str = ""
    refusals: Mapping[str, str] = field(default_factory=dict)
    parts: Sequence[Part] = ()
    clocks: Sequence[Clock] = ()
    hands: Sequence[Hand] = ()
    video: Video | None = None
    header: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """The report as JSON can hold it: what is not finite is None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
