"""What HOT3D's hands were recorded with: poses of the objects and of the headset, in the world.

``dynamic_objects.csv`` and ``headset_trajectory.csv`` become the streams "object_<name>" and
"headset"; names are those of ``object_library_instance.json``, or the objects' numbers.

Each camera has records of its own, those of one instant fractions of a millisecond apart: of
records closer than `SAME` only the first is kept.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from retarget.human.hand_trajectory import Stream
from retarget.human.sources.json_files import first, read_json
from retarget.human.sources.poses import MEANING, from_quaternions
from retarget.human.sources.text import read_table

NANOSECOND = 1e-9

SAME = 1e-3
"""Records closer than this [s] are of one instant."""

_OBJECTS, _HEADSET = "dynamic_objects.csv", "headset_trajectory.csv"
_LIBRARY = "object_library_instance.json"
_COLUMNS = (
    *("object_uid", "timestamp[ns]", "t_wo_x[m]", "t_wo_y[m]", "t_wo_z[m]"),
    *("q_wo_w", "q_wo_x", "q_wo_y", "q_wo_z"),
)


def instants(stamps: Float[np.ndarray, " N"]) -> list[int]:
    """The first of all increasing times [ns] that are closer than `SAME` to it."""
    kept: list[int] = []
    for index, stamp in enumerate(stamps):
        if not kept or stamp - stamps[kept[-1]] >= SAME / NANOSECOND:
            kept.append(index)
    return kept


def read_objects(path: Path, start: float) -> dict[str, Stream]:
    """The streams of each object and of the headset, on a clock that starts at `start` [ns].

    Raises:
        FormatError: a file is damaged or lacks a column.
        InputError: a number is wrong.
    """
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
        kept = order[instants(stamps[order])]
        poses = from_quaternions(numbers[kept, 3:], numbers[kept, :3], file.name)
        times = (stamps[kept] - start) * NANOSECOND
        streams[uid] = Stream(times, poses, f"{file.stem} in the world: {MEANING}")
    return streams
