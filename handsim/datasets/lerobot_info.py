"""What describes a LeRobotDataset v3.0 as a whole: its features, its tasks, where its files are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from handsim.datasets.columns import column_keys, column_spec
from handsim.datasets.packs import Card, Column, picture_columns
from handsim.datasets.parquet import CHUNK
from handsim.datasets.video import PIXELS

VERSION = "v3.0"
DATA, EPISODES, VIDEOS = "data", "meta/episodes", "videos"
DATA_MB, VIDEO_MB = 100, 200
VIDEO_KEY = "observation.images.{}"
NAMES = {
    "state": "observation.state",
    "action": "action",
    "reward": "next.reward",
    "done": "next.done",
    "observations": "observation.{}",
    "annotations": "annotation.{}",
    "info": "info.{}",
}
INDICES = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}


def info(common: Card, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
    """The content of info.json."""
    path = "chunk-{chunk_index:03d}/file-{file_index:03d}"
    return {
        "codebase_version": VERSION,
        "robot_type": f"{common.hand}_{common.side}",
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": CHUNK,
        "data_files_size_in_mb": DATA_MB,
        "video_files_size_in_mb": VIDEO_MB,
        "fps": _integer(common.rate),
        "splits": {"train": f"0:{episodes}"},
        "data_path": f"{DATA}/{path}.parquet",
        "video_path": f"{VIDEOS}/{{video_key}}/{path}.mp4" if picture_columns(common) else None,
        "features": _features(common),
    }


def _features(common: Card) -> dict[str, Any]:
    names = {
        NAMES["state"]: common.joint_names,
        NAMES["action"]: common.actuator_names,
    }
    features: dict[str, Any] = {
        name: _feature(column_spec(common, key), names.get(name, ()))
        for name, key in column_keys(common, NAMES).items()
    }
    for name, dtype in INDICES.items():
        features[name] = _feature(Column(dtype, (1,)), ())
    for name, column in picture_columns(common).items():
        features[VIDEO_KEY.format(name)] = _video_feature(column, common.rate)
    return features


def _feature(column: Column, names: Sequence[str]) -> dict[str, Any]:
    fitting = list(names) if column.shape == (len(names),) else None
    return {"dtype": column.dtype, "shape": list(column.shape), "names": fitting}


def _video_feature(column: Column, rate: float) -> dict[str, Any]:
    height, width, channels = column.shape
    return {
        "dtype": "video",
        "shape": [height, width, channels],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": height,
            "video.width": width,
            "video.codec": "av1",
            "video.pix_fmt": PIXELS,
            "video.is_depth_map": False,
            "video.fps": _integer(rate),
            "video.channels": channels,
            "has_audio": False,
        },
    }


def _integer(rate: float) -> int | float:
    """A whole rate as LeRobot wants it."""
    return int(rate) if rate == int(rate) else rate


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write tasks.parquet: the tasks' numbers, and their names as the index that pandas reads."""
    types = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    described = [
        {"name": n, "field_name": n, "pandas_type": p, "numpy_type": t, "metadata": None}
        for n, (p, t) in types.items()
    ]
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": described,
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks))), "task": pa.array(tasks)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file of the folder `meta`."""
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False, allow_nan=False))
