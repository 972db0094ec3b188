"""HOT3D: a folder of a sequence of both hands, the objects and the headset, in one world [m].

``umetrack_hand_pose_trajectory.jsonl`` has a record a line, of ``timestamp_ns`` and ``hand_poses``:
from "0" (left) or "1" (right) to ``joint_angles`` (22) and ``wrist_xform``, the pose of the wrist
(``t_xyz`` [m], ``q_wxyz``). The hand itself is in ``umetrack_hand_user_profile.json``, see
`umetrack`.

Each camera has records of its own, those of one instant fractions of a millisecond apart: of
records closer than `SAME` only the first is kept. Both hands have the same times.

``dynamic_objects.csv`` and ``headset_trajectory.csv`` become the streams "object_<name>" and
"headset"; names are those of ``object_library_instance.json``, or the objects' numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError
from retarget.human.hand_trajectory import HandTrajectory, Source, Stream
from retarget.human.keypoints import SIDES, Side
from retarget.human.recording import as_numbers
from retarget.human.sources import umetrack
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import assemble, choose_side
from retarget.human.sources.json_files import first, read_json
from retarget.human.sources.poses import MEANING, from_quaternions
from retarget.human.sources.text import read_table

NAME = "hot3d"

SAME = 1e-3
"""Records closer than this [s] are of one instant."""

_UMETRACK = "umetrack_hand_pose_trajectory.jsonl"
_PROFILE = "umetrack_hand_user_profile.json"
_OBJECTS, _HEADSET = "dynamic_objects.csv", "headset_trajectory.csv"
_LIBRARY = "object_library_instance.json"
_KEYS: dict[Side, str] = {"left": "0", "right": "1"}
_COLUMNS = (
    *("object_uid", "timestamp[ns]", "t_wo_x[m]", "t_wo_y[m]", "t_wo_z[m]"),
    *("q_wo_w", "q_wo_x", "q_wo_y", "q_wo_z"),
)
_NANOSECOND = 1e-9


def recognises(path: Path) -> bool:
    """Whether it is a folder with hands of UmeTrack."""
    return container(path) == "folder" and (path / _UMETRACK).is_file()


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand; the records have times, so that `fps` has no effect.

    Raises:
        FormatError: a file is damaged, absent or lacks an entry.
        InputError: no hand of that side, or both and `side` is None; or a number is wrong.
    """
    if not recognises(path):
        raise FormatError(f"{path} is no folder with a {_UMETRACK}.")
    stamps, records = _records(path / _UMETRACK)
    present = {known for known in SIDES if any(_KEYS[known] in hands for hands in records)}
    side = choose_side(present, side, path.name)
    hands = [hands.get(_KEYS[side]) for hands in records]
    profile = umetrack.read_profile(read_json(path / _PROFILE), _PROFILE)
    angles = _rows(hands, ("joint_angles",), umetrack.JOINTS)
    turns, wrist = _wrists(hands)
    start = float(stamps[0])
    return assemble(
        path,
        umetrack.keypoints(profile, angles, turns, wrist, side),
        side,
        Source(path.name, NAME, tracker="HOT3D (UmeTrack)", tips="UmeTrack tip landmarks"),
        times=stamps * _NANOSECOND,
        streams=_objects(path, start),
    )


def _records(file: Path) -> tuple[Float[np.ndarray, " T"], list[Mapping[str, Any]]]:
    """Times [ns] and hands of the records, one an instant, in order of time."""
    content = read_json(file)
    found: list[tuple[float, Mapping[str, Any]]] = []
    for record in content if isinstance(content, list) else [content]:
        stamp, hands = first(record, ("timestamp_ns",)), first(record, ("hand_poses",))
        if not isinstance(stamp, float) or not np.isfinite(stamp) or not isinstance(hands, dict):
            raise FormatError(f"{file} has a record without timestamp_ns and hand_poses.")
        found.append((stamp, hands))
    if not found:
        raise FormatError(f"{file} has no records.")
    found.sort(key=lambda record: record[0])
    stamps = np.array([stamp for stamp, _ in found])
    kept = _instants(stamps)
    return stamps[kept], [found[index][1] for index in kept]


def _instants(stamps: Float[np.ndarray, " N"]) -> list[int]:
    """The first of all increasing times [ns] that are closer than `SAME` to it."""
    kept: list[int] = []
    for index, stamp in enumerate(stamps):
        if not kept or stamp - stamps[kept[-1]] >= SAME / _NANOSECOND:
            kept.append(index)
    return kept


def _rows(hands: Sequence[Any], keys: Sequence[str], width: int) -> Float[np.ndarray, "T width"]:
    """A row of numbers a hand, NaN where there is none."""
    rows = np.full((len(hands), width), np.nan)
    for index, hand in enumerate(hands):
        value = hand
        for key in keys if hand is not None else ():
            value = value.get(key) if isinstance(value, dict) else None
        if hand is not None:
            rows[index] = as_numbers(value, f"{'.'.join(keys)} of record {index}", (width,))
    return rows


def _wrists(
    hands: Sequence[Any],
) -> tuple[Float[np.ndarray, "T 3 3"], Float[np.ndarray, "T 3"]]:
    """Orientation and position [m] of the wrist, NaN where there is no hand."""
    position = _rows(hands, ("wrist_xform", "t_xyz"), 3)
    quaternions = _rows(hands, ("wrist_xform", "q_wxyz"), 4)
    rows = from_quaternions(quaternions, position, "q_wxyz")
    turns = np.full((len(rows), 3, 3), np.nan)
    seen = np.isfinite(rows).all(axis=1)
    if seen.any():
        turns[seen] = Rotation.from_quat(rows[seen, 3:], scalar_first=True).as_matrix()
    return turns, position


def _objects(path: Path, start: float) -> dict[str, Stream]:
    """The poses of each object, by its name, and of the headset."""
    names = read_json(path / _LIBRARY) if (path / _LIBRARY).is_file() else {}
    streams = {}
    for uid, stream in _table(path / _OBJECTS, start).items():
        name = first(first(names, (uid,)), ("instance_name",))
        streams[f"object_{name if isinstance(name, str) else uid}"] = stream
    for stream in _table(path / _HEADSET, start).values():
        streams["headset"] = stream
    return streams


def _table(file: Path, start: float) -> dict[str, Stream]:
    """The poses in the world of each thing in a table, by its number; none without the file."""
    if not file.is_file():
        return {}
    rows: dict[str, list[list[str]]] = {}
    for uid, *row in read_table(file, _COLUMNS):
        rows.setdefault(uid, []).append(row)
    streams = {}
    for uid, cells in rows.items():
        try:
            stamps = np.array([float(line[0]) for line in cells])
            numbers = np.array([line[1:] for line in cells], dtype=np.float64)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{file.name}: {uid} has a cell that is no number.") from error
        order = np.argsort(stamps, kind="stable")
        kept = order[_instants(stamps[order])]
        poses = from_quaternions(numbers[kept, 3:], numbers[kept, :3], file.name)
        times = (stamps[kept] - start) * _NANOSECOND
        streams[uid] = Stream(times, poses, f"{file.stem} in the world: {MEANING}")
    return streams
