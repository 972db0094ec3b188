"""The frames of a job, and the files of its results."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

Picture = np.ndarray


class RefusalError(Exception):
    """What the caller is told in one line."""


class Video:
    """The frames of a video, in order: how to decode each and its time [s]."""

    def __init__(self, path: str) -> None:
        self.capture = cv2.VideoCapture(path)
        if not self.capture.isOpened():
            raise RefusalError(
                f"{path} is no video that OpenCV can open, expected one, or pictures."
            )
        self.fps = self.capture.get(cv2.CAP_PROP_FPS) or 30.0
        self.announced = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.width = int(self.capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height = int(self.capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.times: list[float] = []

    def __iter__(self) -> Iterator[Callable[[], Picture | None]]:
        while self.capture.grab():
            self.times.append(self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
            yield lambda: self.capture.retrieve()[1]

    def meta(self) -> dict[str, Any]:
        """What is known of the video once all its frames were taken."""
        times = np.array(self.times)
        if np.any(np.diff(times) <= 0):
            times = np.arange(len(times)) / self.fps
        return {
            "times": times.tolist(),
            "fps": self.fps,
            "announced": self.announced,
            "width": self.width,
            "height": self.height,
        }


class Pictures:
    """Pictures, in order; they have no times."""

    def __init__(self, paths: list[str]) -> None:
        self.paths, self.announced = paths, len(paths)
        self.width = self.height = 0

    def __iter__(self) -> Iterator[Callable[[], Picture | None]]:
        for path in self.paths:
            yield partial(self._read, path)

    def _read(self, path: str) -> Picture:
        picture = cv2.imread(path)
        if picture is None:
            raise RefusalError(f"{path} is no picture that OpenCV can read.")
        self.height, self.width = picture.shape[:2]
        return picture

    def meta(self) -> dict[str, Any]:
        """Their size, of the last one read."""
        return {"times": None, "fps": None, "width": self.width, "height": self.height}


class Job:
    """What is asked: a video or pictures, in a folder that the results go to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        self.chunk = int(self.asked["chunk"])

    def frames(self) -> Video | Pictures:
        """The frames, from the first one on."""
        return Video(self.asked["video"]) if self.asked["video"] else Pictures(self.asked["images"])

    def options(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """The options that are asked for, over their defaults."""
        unknown = sorted(set(self.asked["options"]) - set(defaults))
        if unknown:
            raise RefusalError(
                f"Unknown option {unknown[0]!r}. Available: {', '.join(sorted(defaults))}."
            )
        return {**defaults, **self.asked["options"]}

    def chunk_of(self, frame: int) -> Path:
        """The file of the chunk that a frame is in."""
        return self.folder / f"chunk-{frame // self.chunk:06d}.npz"


def existing(name: str, path: str | Path, remedy: str) -> Path:
    """A path of an option.

    Raises:
        RefusalError: there is nothing.
    """
    found = Path(path).expanduser()
    if not found.exists():
        raise RefusalError(f"{name}: no {found}. {remedy}")
    return found.resolve()


def put(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """A file that is whole or absent."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as stream:
        write(stream)
    os.replace(part, path)
