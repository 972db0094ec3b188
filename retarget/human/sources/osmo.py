"""OSMO: the trial folders of the tactile glove, a right hand that HaMeR saw and what it felt.

Read out of a trial folder, or out of the folder of the file given, are

    ======================= ======================================================================
    processed.pkl           of M frames: ``pred_keypoints_3d`` (21, 3) [m] in the camera's optical
                            frame, their depth corrected by stereo, ``uncorrected_keypoints`` before
                            that, ``pred_keypoints_2d`` (21, 2) [px], ``wrist`` (4, 4); of N
                            pictures: ``rs_color``, and ``glove``, magnetometers as (10, 3)
    synced_mags_aligned.pkl magnetometers of the N pictures, in a layout of `magnetometers`
    synced_mags.pkl         magnetometers as they came, with their own times
    robot_cmds.npy, .pkl    (M, 13) [rad], of `ROBOT_JOINTS`
    violated_safety.pkl     indices of frames that the robot refused
    frame_times.npy         a name of our own: (N,) integers, when the bag received a picture [ns]
    ======================= ======================================================================

and the camera's files, see `camera_files`; where they say how the camera stood, the motion is in
the "world" frame.

OSMO processes the pictures from `SKIPPED` to 50 before the last, so that M is N − 88: the stream
"picture" says which picture a frame is. Frames in which no hand was found (None, or zeros) are not
valid. Times are those at which the pictures, or else the magnetometers aligned with them, were
received; where nothing says, pictures come 25 a second. The stream "tactile" holds raw counts of
`magnetometers.SENSORS` at its own times, before and after the hand was seen too.

The depth of the wrist is measured where keypoints and uncorrected ones differ; OSMO shifts the
hand along z alone, so that it no longer covers itself in the picture. Pictures are never loaded.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError, InputError
from retarget.human import magnetometers
from retarget.human.hand_trajectory import HandTrajectory, Source, Stream
from retarget.human.keypoints import Side
from retarget.human.magnetometers import SENSORS, Readings
from retarget.human.mano import TIPS
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container, read_npy, read_pickle
from retarget.human.sources.assembly import assemble, frame_period
from retarget.human.sources.camera_files import extrinsics, intrinsics
from retarget.human.sources.picture_times import RATE, PictureTimes

NAME = "osmo"

PROCESSED = ("processed.pkl", "processed_remv_mag.pkl")
"""The file with the motion, under the first name there is; the other is of trials without glove."""
ALIGNED = ("synced_mags_aligned.pkl", "mags_public.pkl")
"""The file with a row of magnetometers a picture; the other name is that of the public sample."""
UNALIGNED = "synced_mags.pkl"
FRAME_TIMES = "frame_times.npy"
ROBOT_JOINTS = (
    *(f"fr3_joint{i}" for i in range(1, 8)),
    *("index_mcp", "middle_mcp", "ring_mcp", "pinky_mcp", "thumb_cmc", "thumb_mcp"),
)
"""Columns of robot_cmds: the Franka FR3's, then the Ability hand's, its thumb's rotator first."""
SKIPPED, LEFT_OUT = 38, 88
"""Pictures before the first that OSMO processes, and all that it does not."""

_SIDE: Side = "right"
_SHAPES: dict[str, tuple[int, ...]] = {
    "pred_keypoints_3d": (21, 3),
    "uncorrected_keypoints": (21, 3),
    "pred_keypoints_2d": (21, 2),
    "wrist": (4, 4),
}
_MEANINGS = {
    "uncorrected_keypoints": "keypoints before their depth was corrected [m]",
    "pred_keypoints_2d": "keypoints in the picture [px]",
    "wrist": "HaMeR's wrist, 4 × 4 matrices [m]",
}

Content = Mapping[str, Any]


def recognises(path: Path) -> bool:
    """Whether it is a trial folder, or the file with its motion."""
    kind = container(path)
    if kind == "folder":
        return any((path / name).is_file() for name in (*PROCESSED, *ALIGNED, UNALIGNED))
    if kind != "pickle":
        return False
    content = read_pickle(path)
    return isinstance(content, dict) and {"pred_keypoints_3d", "wrist"} <= set(content)


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read the motion and what was recorded with it.

    Args:
        path: the trial folder, or its processed.pkl.
        side: the right hand is the only one.
        fps: pictures a second where nothing says when they were taken, 25 when not given.

    Raises:
        FormatError: there is no processed.pkl, or a file is damaged.
        InputError: a shape, a length or a time is wrong, or the left hand is asked for.
    """
    if side not in (None, _SIDE):
        raise InputError(f"{path.name} holds a right hand, as all of OSMO, expected {side}.")
    folder, content = _trial(path)
    arrays = _arrays(content, path.name)
    readings, aligned = _readings(folder, content)
    count = len(arrays["pred_keypoints_3d"])
    clock = _clock(folder, content, readings if aligned else None, count, fps)
    metric = _is_metric(arrays)
    pose = extrinsics(folder)
    if pose is not None:
        arrays = _moved(arrays, pose)
    source = Source(
        path.name,
        NAME,
        tracker="HaMeR",
        frame="camera" if pose is None else "world",
        metric=metric,
        tips=TIPS,
        times_assumed=clock.assumed,
        camera=intrinsics(folder, _picture_size(content)),
    )
    streams = _frame_streams(arrays, clock) | _robot_streams(folder, clock)
    if readings is not None:
        stamps = None if clock.assumed else readings.times_ns
        times = clock.pictures if stamps is None else clock.seconds(stamps)
        streams |= glove_streams(readings, times)
    motion = assemble(
        path, arrays["pred_keypoints_3d"], _SIDE, source, times=clock.times, streams=streams
    )
    return replace(motion, source=replace(motion.source, start=clock.start * 1e-9))


def _trial(path: Path) -> tuple[Path, Content]:
    """The folder, and what its file with the motion holds."""
    folder, file = path.parent, path
    if path.is_dir():
        found = (path / name for name in PROCESSED if (path / name).is_file())
        folder, file = path, next(found, path / PROCESSED[0])
    if not file.is_file():
        raise FormatError(f"{path} holds no {PROCESSED[0]}, expected the hand of its pictures.")
    if container(file) != "pickle":
        raise FormatError(f"{file} is no pickle, expected one of OSMO's.")
    content = read_pickle(file)
    if not isinstance(content, dict) or content.get("pred_keypoints_3d") is None:
        raise FormatError(f"{file} holds no dict with 'pred_keypoints_3d', expected one of OSMO's.")
    return folder, content


def _arrays(content: Content, name: str) -> dict[str, np.ndarray]:
    """What there is of each frame, all NaN where no hand was found."""
    arrays = {
        key: _stacked(content[key], shape, f"{name}: {key}")
        for key, shape in _SHAPES.items()
        if content.get(key) is not None
    }
    points = arrays["pred_keypoints_3d"]
    unseen = ~(np.isfinite(points) & (points != 0)).any(axis=(1, 2))
    for key, rows in arrays.items():
        if len(rows) != len(points):
            raise InputError(f"{name}: {key} has {len(rows)} frames, expected {len(points)}.")
        rows[unseen] = np.nan
    return arrays


def _stacked(rows: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Rows as one array, NaN where one is None."""
    many = isinstance(rows, list | tuple) or (isinstance(rows, np.ndarray) and rows.ndim > 0)
    if not many or len(rows) == 0:
        raise InputError(f"{name}: no rows, expected a list or an array of them.")
    if isinstance(rows, np.ndarray) and rows.dtype != object:
        return as_numbers(rows, name, (None, *shape))
    out = np.full((len(rows), *shape), np.nan)
    for i, row in enumerate(rows):
        if row is not None:
            out[i] = as_numbers(row, f"{name}[{i}]", shape)
    return out


def _is_metric(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the depth is not what HaMeR guessed."""
    if "uncorrected_keypoints" not in arrays:
        return True
    shift = arrays["pred_keypoints_3d"] - arrays["uncorrected_keypoints"]
    return bool(np.any(np.nan_to_num(shift) != 0))


def _moved(
    arrays: Mapping[str, np.ndarray], pose: Float[np.ndarray, "4 4"]
) -> dict[str, np.ndarray]:
    """The same, seen from where the camera's pose is given."""
    R, origin = pose[:3, :3], pose[:3, 3]
    moved = {name: rows @ R.T + origin for name, rows in arrays.items() if rows.shape[2] == 3}
    return {**arrays, **moved} | ({"wrist": pose @ arrays["wrist"]} if "wrist" in arrays else {})


def _picture_size(content: Content) -> tuple[float, float] | None:
    pictures = content.get("rs_color")
    if not isinstance(pictures, list | tuple | np.ndarray) or len(pictures) == 0:
        return None
    first = pictures[0]
    known = isinstance(first, np.ndarray) and first.ndim == 3
    return (float(first.shape[1]), float(first.shape[0])) if known else None


def _readings(folder: Path, content: Content) -> tuple[Readings | None, bool]:
    """The magnetometers, and whether each row is a picture's."""
    names = (*ALIGNED, UNALIGNED) if (folder / FRAME_TIMES).is_file() else ALIGNED
    for name in names:
        if (folder / name).is_file():
            readings = magnetometers.decode(read_pickle(folder / name), name)
            return readings, name != UNALIGNED
    if content.get("glove") is not None:
        return magnetometers.decode(content["glove"], f"{folder.name}: glove"), True
    if (folder / UNALIGNED).is_file():
        raise InputError(
            f"{folder.name}: nothing says how the times of {UNALIGNED} and of the pictures go "
            f"together, expected {ALIGNED[0]} or {FRAME_TIMES} beside it."
        )
    return None, False


def _clock(
    folder: Path, content: Content, aligned: Readings | None, count: int, fps: float | None
) -> PictureTimes:
    """When each picture was taken, and which of them are the `count` frames."""
    file = folder / FRAME_TIMES
    stamps = None if aligned is None else aligned.times_ns
    if file.is_file():
        stamps = read_npy(file)
        if stamps.ndim != 1 or stamps.dtype.kind not in "iu":
            raise InputError(f"{file.name}: {stamps.dtype} {stamps.shape}, expected integers (N,).")
        stamps = stamps.astype(np.int64)
    known: dict[str, Any] = {
        "rs_color": content.get("rs_color"),
        "magnetometers": aligned,
        "times": stamps,
    }
    lengths = {name: len(rows) for name, rows in known.items() if hasattr(rows, "__len__")}
    pictures = next(iter(lengths.values()), count + LEFT_OUT)
    if set(lengths.values()) - {pictures} or count not in (pictures, pictures - LEFT_OUT):
        raise InputError(
            f"{folder.name}: {count} frames, and rows {lengths}; expected a row for each of N "
            f"pictures, and N − {LEFT_OUT} frames or N."
        )
    frames = np.arange(count) + (SKIPPED if count < pictures else 0)
    if stamps is None:
        return PictureTimes.at_rate(pictures, frames, frame_period(fps, RATE))
    return PictureTimes.of(stamps, frames, folder.name)


def _frame_streams(arrays: Mapping[str, np.ndarray], clock: PictureTimes) -> dict[str, Stream]:
    streams = {
        name: Stream(clock.times, arrays[name], meaning)
        for name, meaning in _MEANINGS.items()
        if name in arrays
    }
    return {**streams, "picture": Stream(clock.times, clock.frames, "which picture it is, from 0")}


def glove_streams(readings: Readings, times: Float[np.ndarray, " N"]) -> dict[str, Stream]:
    """What the glove recorded as streams "tactile" and, where it is known, others.

    Args:
        readings: of its sensors.
        times: of the rows, on the clock of a motion [s].
    """
    counts = f"raw counts, x y z of {', '.join(SENSORS)}"
    streams = {"tactile": Stream(times, readings.counts, counts)}
    if readings.sensor_times is not None:
        meaning = f"the sensors' own clock [ns], of little trust, of {', '.join(SENSORS)}"
        streams["tactile_sensor_times"] = Stream(times, readings.sensor_times, meaning)
    if readings.imu is not None:
        meaning = f"t [ns], qx qy qz qw of {', '.join(magnetometers.FINGERS)}"
        streams["glove_imu"] = Stream(times, readings.imu, meaning)
    return streams


def _robot_streams(folder: Path, clock: PictureTimes) -> dict[str, Stream]:
    """What OSMO's own retargeting made of the motion."""
    streams, count = {}, len(clock.frames)
    npy, pickled = folder / "robot_cmds.npy", folder / "robot_cmds.pkl"
    if npy.is_file() or pickled.is_file():
        rows = read_npy(npy) if npy.is_file() else read_pickle(pickled)
        commands = _stacked(rows, (len(ROBOT_JOINTS),), "robot_cmds")
        if len(commands) != count:
            raise InputError(f"robot_cmds: {len(commands)} rows, expected {count}, one a frame.")
        streams["robot_cmds"] = Stream(clock.times, commands, f"{', '.join(ROBOT_JOINTS)} [rad]")
    violated = folder / "violated_safety.pkl"
    if violated.is_file():
        rows = np.ravel(as_numbers(read_pickle(violated), violated.name))
        if not np.isin(rows, np.arange(count)).all():
            raise InputError(f"{violated.name}: {rows.tolist()!r:.60}, expected frames of {count}.")
        refused = np.isin(np.arange(count), rows)
        streams["violated_safety"] = Stream(clock.times, refused, "frames the robot refused")
    return streams
