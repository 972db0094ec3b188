"""ROS 2 bags of the OSMO glove's capture: the magnetometers, pictures, and when each was received.

A bag knows no hand. It gives what goes with one: `magnetometers` of ``/bowie/synced``, `pictures`
to extract hands from, and their times, which belong beside a trial as ``frame_times.npy``:

    bag = "capture/rosbag2_00"
    np.save("trial/frame_times.npy", rosbag.receive_times(bag, "/camera/color/image_raw"))

Messages have no stamps of their own there, so that the time at which the bag received one is its
time. Needs the package rosbags; message definitions that a bag brings along are not used.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from handsim.errors import FormatError, HandsimError, MissingExtraError, MissingFileError, unknown
from retarget.human.magnetometers import BODIES, Readings, decode

GLOVE = "/bowie/synced"
ARRAY, PICTURE = "std_msgs/msg/Float32MultiArray", "sensor_msgs/msg/Image"

_ENCODINGS: dict[str, tuple[type, int]] = {
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "mono8": (np.uint8, 1),
    "8UC1": (np.uint8, 1),
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "z16": (np.uint16, 1),
}
"""Of pictures: type and channels. Depth [mm] is 16UC1 or z16, infrared mono8."""

_FAILURES = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    EOFError,
    OSError,
    OverflowError,
    MemoryError,
    struct.error,
)


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: the type of its messages, and how many there are."""

    type: str
    count: int


def topics(path: str | Path) -> dict[str, Topic]:
    """The topics of a bag, by name.

    Raises:
        MissingFileError: there is no such bag.
        FormatError: it is damaged, or is no bag.
        MissingExtraError: the package rosbags is not installed.
    """
    with _opened(path) as reader:
        return {
            name: Topic(str(info.msgtype), info.msgcount) for name, info in reader.topics.items()
        }


def receive_times(path: str | Path, topic: str) -> Int[np.ndarray, " N"]:
    """When the bag received each message of a topic [ns].

    Raises:
        UnknownNameError: there is no such topic.
        FormatError, MissingFileError, MissingExtraError: as `topics`.
    """
    return np.array([stamp for stamp, _ in _messages(path, topic, None)], dtype=np.int64)


def magnetometers(path: str | Path, topic: str = GLOVE) -> Readings:
    """What the glove's sensors measured, at the times of the bag.

    A message from which a sensor is missing is lost: its row is NaN.

    Raises:
        InputError: the messages have none of the lengths that the glove sends.
        UnknownNameError: there is no such topic.
        FormatError, MissingFileError, MissingExtraError: as `topics`.
    """
    rows = [
        (stamp, np.asarray(message.data, dtype=np.float32))
        for stamp, message in _messages(path, topic, ARRAY)
    ]
    lengths = Counter(row.shape for _, row in rows if row.shape in BODIES)
    whole = lengths.most_common(1)[0][0] if lengths else None
    kept = [(stamp, row if whole in (None, row.shape) else None) for stamp, row in rows]
    return decode(kept, f"{Path(path).name}: {topic}")


def pictures(path: str | Path, topic: str) -> Iterator[tuple[int, np.ndarray]]:
    """Each picture of a topic and when the bag received it [ns], one after the other.

    Colour is (H, W, 3) uint8 in the order red, green, blue, infrared (H, W) uint8, depth (H, W)
    uint16.

    Raises:
        UnknownNameError: there is no such topic, or a picture's encoding is not known.
        FormatError, MissingFileError, MissingExtraError: as `topics`.
    """
    for stamp, message in _messages(path, topic, PICTURE):
        yield stamp, _picture(message, f"{Path(path).name}: {topic}")


def _picture(message: Any, name: str) -> np.ndarray:
    if message.encoding not in _ENCODINGS:
        raise unknown("encoding", message.encoding, _ENCODINGS)
    dtype, channels = _ENCODINGS[message.encoding]
    width, height = message.width, message.height
    line = width * channels * np.dtype(dtype).itemsize
    data = np.asarray(message.data, dtype=np.uint8)
    if message.step < line or data.size != message.step * height:
        raise FormatError(f"{name}: a picture of {width} × {height} px in {data.size} bytes.")
    lines = np.ascontiguousarray(data.reshape(height, message.step)[:, :line])
    picture: np.ndarray = lines.view(dtype)
    if message.is_bigendian:
        picture = picture.byteswap()
    if channels == 1:
        return picture
    colours = picture.reshape(height, width, channels)
    return colours[..., ::-1].copy() if message.encoding == "bgr8" else colours


def _messages(path: str | Path, topic: str, type: str | None) -> Iterator[tuple[int, Any]]:
    """Times [ns] and messages of a topic; where `type` is None, the messages are not read."""
    with _opened(path) as reader:
        from rosbags.typesys import Stores, get_typestore

        known = get_typestore(Stores.ROS2_HUMBLE)
        found = [connection for connection in reader.connections if connection.topic == topic]
        if not found:
            raise unknown("topic", topic, reader.topics)
        other = next((item.msgtype for item in found if type not in (None, item.msgtype)), None)
        if other is not None:
            raise FormatError(f"{path}: {topic} has messages {other}, expected {type}.")
        for _, stamp, data in reader.messages(found):
            yield int(stamp), None if type is None else known.deserialize_cdr(data, type)


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """The reader of a bag, whatever is wrong with it told in our words."""
    try:
        from apsw import Error as DatabaseError
        from rosbags.rosbag2 import Reader, ReaderError
        from rosbags.serde import SerdeError
    except ImportError as error:
        raise MissingExtraError(
            "ROS 2 bags need the package rosbags: pip install 'handsim[ros]'."
        ) from error
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"No such bag: {path}.")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        raise FormatError(f"{path} has no metadata.yaml: `ros2 bag reindex {path}` writes it.")
    try:
        with Reader(path) as reader:
            yield reader
    except HandsimError:
        raise
    except (ReaderError, SerdeError, DatabaseError, *_FAILURES) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise FormatError(f"{path} is a damaged bag: {reason}.") from error
