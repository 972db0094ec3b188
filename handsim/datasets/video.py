"""Videos that learners read single frames of: AV1, every second frame complete.

An episode is encoded once, on one thread, so the same pictures give the same bytes. Joining
episodes copies what is encoded; only the times are set anew, exactly ``k / rate`` for frame ``k``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from handsim.errors import FormatError, InputError
from handsim.files import one_line

CODEC, PIXELS = "libsvtav1", "yuv420p"
_OPTIONS = {"g": "2", "crf": "30", "preset": "12", "svtav1-params": "lp=1"}
"""LeRobot's own, on one thread."""
_SMALLEST = 16
_NOMINAL_RATE = 30
_CONTAINER = {"movflags": "+faststart", "fflags": "+bitexact"}


def encode(path: Path, pictures: UInt8[np.ndarray, "N H W 3"]) -> None:
    """Write a video of `pictures`; their times are set when it is joined to others.

    Raises:
        InputError: their size is odd, or smaller than the codec takes.
    """
    height, width = pictures.shape[1:3]
    if height % 2 or width % 2 or min(height, width) < _SMALLEST:
        raise InputError(
            f"frames: pictures of {width} x {height} pixels, expected even numbers of at least "
            f"{_SMALLEST} for a video."
        )
    # The encoder writes its settings to standard error unless told to report errors only.
    os.environ.setdefault("SVT_LOG", "1")
    with av.open(str(path), "w", options=_CONTAINER) as container:
        stream = container.add_stream(CODEC, rate=_NOMINAL_RATE, options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, PIXELS
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


class VideoWriter:
    """One video of many, made without encoding anything again.

    Attributes:
        frames: written so far.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._tick = path, 1 / fraction(rate)
        self._container = av.open(str(path), "w", options=_CONTAINER)
        self._stream: av.VideoStream | None = None
        self.frames = 0

    def append(self, path: Path) -> None:
        """Append all frames of a video that `encode` wrote."""
        for packet in _packets(path):
            if self._stream is None:
                self._stream = self._container.add_stream_from_template(packet.stream, opaque=True)
                self._stream.time_base = self._tick
            packet.time_base, packet.stream = self._tick, self._stream
            packet.pts = packet.dts = self.frames
            packet.duration = 1
            self._container.mux(packet)
            self.frames += 1

    def close(self) -> None:
        """Write what players need to find frames; without it there is no video."""
        self._container.close()


def decode(path: Path, start: int, count: int, rate: float) -> UInt8[np.ndarray, "N H W 3"]:
    """Frames `start` to `start + count` of a video.

    Raises:
        FormatError: it is damaged, or has not so many frames.
    """
    pictures = []
    exact = fraction(rate)
    with _reading(path), av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(int(start / exact / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            index = round(frame.pts * stream.time_base * exact)
            if start <= index < start + count:
                pictures.append(frame.to_ndarray(format="rgb24"))
            if index >= start + count - 1:
                break
    if len(pictures) != count:
        raise FormatError(
            f"{path} has {len(pictures)} of the frames {start} to {start + count}, expected all."
        )
    return np.stack(pictures)


def fraction(rate: float) -> Fraction:
    """Frames a second as a fraction, to the millionth."""
    return Fraction(rate).limit_denominator(1_000_000)


def _packets(path: Path) -> Iterator[av.Packet]:
    """The encoded frames of a video."""
    with _reading(path), av.open(str(path)) as source:
        for packet in source.demux(video=0):
            if packet.size:
                yield packet


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise FormatError(f"{path} is no video that can be read: {one_line(error)}.") from error
