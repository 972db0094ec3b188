"""The files of a LeRobotDataset v3.0, written episode by episode."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from handsim.datasets import statistics
from handsim.datasets.columns import column_keys, column_spec
from handsim.datasets.lerobot_info import (
    DATA,
    DATA_MB,
    EPISODES,
    INDICES,
    NAMES,
    VIDEO_KEY,
    VIDEO_MB,
    VIDEOS,
    info,
    write_json,
    write_tasks,
)
from handsim.datasets.packs import Card, picture_columns
from handsim.datasets.parquet import (
    CHUNK,
    ParquetFiles,
    Placement,
    file_name,
    nested,
    read_arrow,
)
from handsim.datasets.video import VideoWriter

_BATCH = 50
"""Episodes whose rows of metadata are written at once."""

Statistics = Mapping[str, tuple[Float[np.ndarray, "9 D"], int]]


@dataclass(frozen=True)
class PackFiles:
    """What is in the folder of a pack."""

    folder: Path

    @property
    def rows(self) -> Path:
        """The columns, as an Arrow file."""
        return self.folder / "rows.arrow"

    @property
    def statistics(self) -> Path:
        """Statistics of the columns, side by side in their order."""
        return self.folder / "statistics.npy"

    @property
    def sidecar(self) -> Path:
        """The exact rollout."""
        return self.folder / "episode.npz"

    def video(self, name: str) -> Path:
        """The encoded pictures of a camera."""
        return self.folder / "pictures" / f"{name}.mp4"

    def picture_statistics(self, name: str) -> Path:
        """Statistics of the pictures of a camera."""
        return self.folder / "pictures" / f"{name}.npz"


class VideoFiles:
    """The videos of one camera, a new file whenever one is full."""

    def __init__(self, folder: Path, rate: float) -> None:
        self._folder, self._rate, self._placement = folder, rate, Placement(VIDEO_MB)
        self._writer: VideoWriter | None = None

    def append(self, path: Path, steps: int) -> dict[str, Any]:
        """Append an episode's video; returns where it is now."""
        if self._placement.place(path.stat().st_size):
            self.close()
        index = self._placement.index
        if self._writer is None:
            file = self._folder / file_name(index, ".mp4")
            file.parent.mkdir(parents=True, exist_ok=True)
            self._writer = VideoWriter(file, self._rate)
        start = self._writer.frames
        self._writer.append(path)
        return {
            "chunk_index": index // CHUNK,
            "file_index": index % CHUNK,
            "from_timestamp": start / self._rate,
            "to_timestamp": (start + steps) / self._rate,
        }

    def close(self) -> None:
        """Finish the file at hand."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class DatasetFiles:
    """A dataset that grows by episodes, and is whole after `finish`; a context manager."""

    def __init__(self, root: Path, common: Card) -> None:
        """Begin in an empty folder, with what all episodes have in common."""
        self._root, self._common = root, common
        self._columns = {
            name: column_spec(common, key) for name, key in column_keys(common, NAMES).items()
        }
        self._shapes = {name: column.shape for name, column in self._columns.items()}
        self._shapes |= {name: (1,) for name in INDICES}
        self._cameras = picture_columns(common)
        self._shapes |= {VIDEO_KEY.format(name): (3, 1, 1) for name in self._cameras}
        self._data = ParquetFiles(root / DATA, DATA_MB)
        self._episodes = ParquetFiles(root / EPISODES, DATA_MB)
        self._videos = {
            name: VideoFiles(root / VIDEOS / VIDEO_KEY.format(name), common.rate)
            for name in self._cameras
        }
        self._rows: list[tuple[dict[str, Any], Statistics]] = []
        self._aggregates = {name: statistics.Aggregate() for name in self._shapes}
        self._tasks: dict[str, int] = {}
        self._count, self._frames = 0, 0

    def append(self, files: PackFiles, card: Card) -> None:
        """Write an episode's rows and videos behind those before it."""
        task = card.task or card.env_id or f"{card.side} {card.hand}"
        indices = self._indices(card, self._tasks.setdefault(task, len(self._tasks)))
        table = read_arrow(files.rows).select(list(self._columns))
        for name, column in indices.items():
            table = table.append_column(name, pa.array(column))
        file = self._data.place(table.nbytes)
        self._data.write(table)
        row = {
            "episode_index": self._count,
            "tasks": [task],
            "length": card.steps,
            "data/chunk_index": file // CHUNK,
            "data/file_index": file % CHUNK,
            "dataset_from_index": self._frames,
            "dataset_to_index": self._frames + card.steps,
        }
        for name, videos in self._videos.items():
            place = videos.append(files.video(name), card.steps)
            row |= {f"videos/{VIDEO_KEY.format(name)}/{k}": v for k, v in place.items()}
        found = self._statistics(files, card, indices)
        for name, (values, count) in found.items():
            self._aggregates[name].add(values, count)
        self._rows.append((row, found))
        self._count, self._frames = self._count + 1, self._frames + card.steps
        if len(self._rows) == _BATCH:
            self._flush()

    def __enter__(self) -> "DatasetFiles":
        return self

    def __exit__(self, *exception: object) -> None:
        with ExitStack() as stack:
            stack.callback(self._data.close)
            stack.callback(self._episodes.close)
            for videos in self._videos.values():
                stack.callback(videos.close)

    def finish(self) -> None:
        """Write what describes the dataset as a whole."""
        self._flush()
        write_tasks(self._root / "meta" / "tasks.parquet", list(self._tasks))
        everything = {
            name: statistics.as_json(*aggregate.result(), self._shapes[name])
            for name, aggregate in self._aggregates.items()
        }
        write_json(self._root / "meta" / "stats.json", everything)
        information = info(self._common, self._count, self._frames, len(self._tasks))
        write_json(self._root / "meta" / "info.json", information)

    def _indices(self, card: Card, task: int) -> dict[str, np.ndarray]:
        steps = np.arange(card.steps)
        columns = {
            "timestamp": steps / card.rate,
            "frame_index": steps,
            "episode_index": np.full(card.steps, self._count),
            "index": self._frames + steps,
            "task_index": np.full(card.steps, task),
        }
        return {name: columns[name].astype(dtype) for name, dtype in INDICES.items()}

    def _statistics(
        self, files: PackFiles, card: Card, indices: Mapping[str, np.ndarray]
    ) -> Statistics:
        """Of each feature of an episode."""
        keys, matrix = column_keys(card, NAMES), np.load(files.statistics, allow_pickle=False)
        ends = np.cumsum([int(np.prod(column_spec(card, key).shape)) for key in keys.values()])
        parts = dict(zip(keys, np.split(matrix, ends[:-1], axis=1), strict=True))
        found = {name: (parts[name], card.steps) for name in self._columns}
        of_indices = statistics.of_columns(np.stack(list(indices.values()), axis=1).astype(float))
        found |= {name: (of_indices[:, i : i + 1], card.steps) for i, name in enumerate(indices)}
        for name in self._cameras:
            with np.load(files.picture_statistics(name), allow_pickle=False) as seen:
                found[VIDEO_KEY.format(name)] = (seen["statistics"], int(seen["count"]))
        return found

    def _flush(self) -> None:
        """Write the rows of metadata at hand."""
        if not self._rows:
            return
        rows = [row for row, _ in self._rows]
        columns = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
        for name, shape in self._shapes.items():
            values = np.stack([found[name][0] for _, found in self._rows])
            for i, statistic in enumerate(statistics.NAMES):
                flat = pa.array(np.ascontiguousarray(values[:, i]).ravel())
                columns[f"stats/{name}/{statistic}"] = nested(flat, shape)
            counts = pa.array([found[name][1] for _, found in self._rows])
            columns[f"stats/{name}/count"] = nested(counts, (1,))
        table = pa.table(columns)
        file = self._episodes.place(table.nbytes)
        for name, value in (("chunk_index", file // CHUNK), ("file_index", file % CHUNK)):
            table = table.append_column(f"{EPISODES}/{name}", pa.array([value] * len(rows)))
        self._episodes.write(table)
        self._rows = []
