"""Worker: hands in a video or in pictures by MediaPipe (`mediapipe.solutions.hands`), offline.

    PYTHON -I mediapipe.py JOBFOLDER
    PYTHON -I mediapipe.py --stream '{"source": 0, "options": {"hands": 1}}'

Options of a job: `hands` (2), how many to look for at most. In a video each hand is followed from
frame to frame; every chunk follows anew, from `WARM_UP` frames before its first, so that a chunk is
the same whether or not the run was cut off before it. In pictures hands are found in each alone.

World landmarks are in metres about the middle of the hand, in the camera's axes (x right, y down,
z forward): how large and how far a hand is, is the network's guess. MediaPipe names the sides of
mirrored selfies: what it calls "Left" in a picture as cameras take it is a right hand.

`--stream` follows a camera (its index) or a video at its own pace, always with the newest frame,
and writes a line for each: `{"captured": …, "hands": [{"right": …, "score": …, "keypoints": …}]}`,
with `time.monotonic()`, which is one clock for all processes, when the frame was there.
"""

import json
import os
import sys
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import mediapipe
import numpy as np

sys.path.append(str(Path(__file__).resolve().parent / "parts"))

from worker_frames import Job, Picture, RefusalError, put

SCHEMA = 1
WARM_UP = 16
TIPS = "MediaPipe fingertip landmark"
COLUMNS: dict[str, tuple[type, tuple[int, ...]]] = {
    "frame": (np.int64, ()),
    "right": (np.bool_, ()),
    "score": (np.float32, ()),
    "box": (np.float32, (4,)),
    "keypoints_2d": (np.float32, (21, 2)),
    "keypoints_3d": (np.float32, (21, 3)),
}
Row = dict[str, Any]


def new_detector(hands: int, static: bool) -> Any:
    """MediaPipe's larger model; one that remembers the frame before unless `static`."""
    return mediapipe.solutions.hands.Hands(
        static_image_mode=static, max_num_hands=hands, model_complexity=1
    )


def see(detector: Any, picture: Picture | None) -> list[Row]:
    """The hands in one picture (BGR)."""
    if picture is None:
        return []
    found = detector.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    if not found.multi_hand_landmarks:
        return []
    size = np.array([picture.shape[1], picture.shape[0]])
    hands = zip(
        found.multi_hand_landmarks,
        found.multi_hand_world_landmarks,
        found.multi_handedness,
        strict=True,
    )
    return [_row(size, *hand) for hand in hands]


def _row(size: np.ndarray, image: Any, world: Any, handedness: Any) -> Row:
    pixels = np.array([(point.x, point.y) for point in image.landmark]) * size
    label = handedness.classification[0]
    return {
        "right": label.label == "Left",
        "score": label.score,
        "box": np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]),
        "keypoints_2d": pixels,
        "keypoints_3d": np.array([(point.x, point.y, point.z) for point in world.landmark]),
    }


def checked(hands: Any) -> int:
    """How many hands to look for."""
    if not isinstance(hands, int) or hands < 1:
        raise RefusalError(f"hands: {hands!r}, expected 1 or more.")
    return hands


def work(folder: Path, report: Callable[..., None]) -> None:
    """Do the job in `folder`."""
    job = Job(folder)
    hands, static = checked(job.options({"hands": 2})["hands"]), not job.asked["video"]
    frames, follower, count = job.frames(), Follower(job, hands, static), 0
    for count, picture in enumerate(frames, start=1):
        if follower.take(picture):
            report(done=count, total=max(frames.announced, count))
    if not count:
        raise RefusalError(f"{job.asked['video']} has no frame that OpenCV can decode.")
    follower.end()
    meta = {
        "schema": SCHEMA,
        "backend": "mediapipe",
        "versions": {"mediapipe": mediapipe.__version__, "opencv": cv2.__version__},
        "frames": count,
        "tips": TIPS,
        "model": {"complexity": 1, "hands": hands, "static": static},
        **frames.meta(),
    }
    put(folder / "meta.json", lambda stream: stream.write(json.dumps(meta).encode()))
    report(done=count, total=count)


class Follower:
    """Sees frame after frame and writes a file of every chunk that is not there yet."""

    def __init__(self, job: Job, hands: int, static: bool) -> None:
        self.job, self.chunk, self.hands, self.static = job, job.chunk, hands, static
        self.next, self.wanted = 0, False
        self.rows: list[Row] = []
        self.before: deque[Picture | None] = deque(maxlen=0 if static else WARM_UP)
        self.detector: Any = None

    def take(self, picture: Callable[[], Picture | None]) -> bool:
        """See the next frame, if need be; whether it ended a chunk."""
        place = self.next % self.chunk
        if place == 0:
            self.begin()
        decoded = None
        if self.wanted or place >= self.chunk - WARM_UP:
            decoded = picture()
            self.before.append(decoded)
        if self.wanted:
            self.rows += [{"frame": self.next, **row} for row in see(self.detector, decoded)]
        self.next += 1
        if place < self.chunk - 1:
            return False
        self.end()
        return True

    def begin(self) -> None:
        """Begin a chunk; one that is wanted with a detector that remembers a few frames only."""
        self.path = self.job.chunk_of(self.next)
        self.wanted = not whole(self.path)
        if not self.wanted:
            return
        if self.detector:
            self.detector.close()
        self.detector = new_detector(self.hands, self.static)
        for picture in self.before:
            see(self.detector, picture)

    def end(self) -> None:
        """Write the chunk that was begun, if it is wanted."""
        if not self.wanted:
            return
        columns: dict[str, np.ndarray] = {
            name: np.array([row[name] for row in self.rows], kind).reshape(-1, *shape)
            for name, (kind, shape) in COLUMNS.items()
        }
        put(self.path, lambda stream: np.savez(stream, **columns))  # type: ignore[arg-type]
        self.rows, self.wanted = [], False


def whole(path: Path) -> bool:
    """Whether a chunk was written, and can be read."""
    try:
        with np.load(path) as chunk:
            return bool(chunk["frame"].ndim == 1)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False


class Newest:
    """The newest frame of a camera, or of a video played at its own pace, by a thread."""

    def __init__(self, source: int | str) -> None:
        self.capture = cv2.VideoCapture(source)
        if not self.capture.isOpened():
            raise RefusalError(f"{source!r} is no camera or video that OpenCV can open.")
        self.period = (
            0.0 if isinstance(source, int) else 1 / (self.capture.get(cv2.CAP_PROP_FPS) or 30)
        )
        self.change = threading.Condition()
        self.frame: tuple[float, Picture] | None = None
        self.ended = False
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        """Take frames as they come."""
        due = time.monotonic()
        while True:
            due += self.period
            time.sleep(max(0.0, due - time.monotonic()) if self.period else 0.0)
            found, picture = self.capture.read()
            with self.change:
                self.ended = not found
                if found:
                    self.frame = (time.monotonic(), picture)
                self.change.notify()
            if not found:
                return

    def __iter__(self) -> Iterator[tuple[float, Picture]]:
        while True:
            with self.change:
                self.change.wait_for(lambda: self.frame is not None or self.ended)
                frame, self.frame = self.frame, None
            if frame is None:
                return
            yield frame


def stream(source: int | str, options: dict[str, Any], report: Callable[..., None]) -> None:
    """Write a line for each frame until the video ends or nobody reads."""
    detector = new_detector(checked(options.get("hands", 1)), static=False)
    frames = Newest(source)
    for captured, picture in frames:
        hands = [
            {
                "right": bool(row["right"]),
                "score": float(row["score"]),
                "keypoints": row["keypoints_3d"].tolist(),
            }
            for row in see(detector, picture)
        ]
        report(captured=captured, hands=hands)


def main(arguments: list[str]) -> int:
    """Work or stream; what libraries print goes to stderr."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def report(**values: Any) -> None:
        lines.write(json.dumps(values) + "\n")
        lines.flush()

    try:
        if arguments[0] == "--stream":
            stream(**json.loads(arguments[1]), report=report)
        else:
            work(Path(arguments[0]), report)
    except RefusalError as refusal:
        report(error=str(refusal))
        return 1
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
