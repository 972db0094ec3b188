"""LeRobotDataset v3.0, with pyarrow and av: ``pip install 'handsim[lerobot]'``.

===================================  ==========================================================
``observation.state``                qpos [rad], float32 (nq,)
``action``                           what the environment takes: position targets of the
                                     actuators, in [−1, 1] of their ranges, float32 (nu,)
``observation.<name>``               the other observations; SI units, the shape they have
``observation.images.<camera>``      video, (H, W, 3)
``next.reward``, ``next.done``       of the step, (1,)
``annotation.<name>``                what belongs to the frame: human keypoints [m], MANO
                                     parameters, tactile, the reference
``info.<name>``                      numbers that came with the step
===================================  ==========================================================

and LeRobot's own ``timestamp`` [s], ``frame_index``, ``episode_index``, ``index``, ``task_index``.
Annotations and info that only some of the episodes have are no features. The task is the rollout's,
or else the environment's name. The exact rollouts are in ``handsim/``, see
`handsim.datasets.sidecar`; LeRobot does not look there.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from handsim.datasets import statistics
from handsim.datasets.columns import column_keys, column_rows, column_spec, require_rows
from handsim.datasets.lerobot_files import DatasetFiles, PackFiles
from handsim.datasets.lerobot_info import DATA, EPISODES, NAMES, VIDEO_KEY, VIDEOS
from handsim.datasets.packs import (
    Packs,
    card_of,
    dataset_card,
    dataset_folder,
    picture_columns,
    pictures_of,
    require_steps,
)
from handsim.datasets.parquet import CHUNK, array_of, file_name, read_tables, write_arrow
from handsim.datasets.sidecar import read_sidecar, sidecar_path, write_sidecar
from handsim.datasets.video import decode, encode
from handsim.errors import FormatError, InputError
from handsim.files import whole
from handsim.rollout import Rollout

FORMAT = "lerobot"
_TOLERANCE = 1e-4
"""By how much LeRobot lets a time differ from that of its frame at the dataset's rate [s]."""


def pack(rollout: Rollout, folder: Path) -> None:
    """Encode the videos of an episode, and have its rows and statistics ready.

    Raises:
        InputError: its times are not regular, it has no qpos, names collide, or its pictures have
            a size that videos cannot have.
    """
    card, files = card_of(rollout), PackFiles(folder)
    _require_regular(rollout.times, card.rate)
    rows = {n: column_rows(rollout, key) for n, key in column_keys(card, NAMES).items()}
    write_arrow(files.rows, rows)
    flat = [array.reshape(len(array), -1).astype(np.float64) for array in rows.values()]
    np.save(files.statistics, statistics.of_columns(np.concatenate(flat, axis=1)))
    for name, pictures in pictures_of(rollout).items():
        files.video(name).parent.mkdir(exist_ok=True)
        encode(files.video(name), pictures[:-1])
        seen, count = statistics.of_pictures(pictures[:-1])
        np.savez(files.picture_statistics(name), statistics=seen, count=count)
    write_sidecar(files.sidecar, rollout)


def assemble(path: Path, packs: Packs) -> None:
    """Join the episodes; what is encoded is copied.

    Raises:
        OutputError: `path` cannot be written, or holds something else.
    """
    with dataset_folder(path, packs) as root, DatasetFiles(root, packs.common) as dataset:
        for index, (folder, card) in enumerate(packs):
            dataset.append(PackFiles(folder), card)
            sidecar = sidecar_path(root, index)
            sidecar.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PackFiles(folder).sidecar, sidecar)
        dataset.finish()


def episodes(path: Path) -> Iterator[Rollout]:
    """Read what `assemble` wrote; pictures as the videos have them, the last of each exactly.

    Raises:
        MissingFileError: there is no such folder.
        FormatError: it is damaged, or another program wrote it.
    """
    card = dataset_card(path, FORMAT)
    cameras = picture_columns(card)
    for row in _episode_rows(path, list(cameras)):
        with whole(path, "dataset of LeRobot"):
            pictures = {
                name: _decoded(path, VIDEO_KEY.format(name), row, card.rate) for name in cameras
            }
            sidecar = sidecar_path(path, int(row["episode_index"]))
        yield read_sidecar(sidecar, pictures)


def verify(path: Path) -> int:
    """Read the whole dataset, and compare its columns with the exact rollouts.

    Returns:
        The number of episodes.

    Raises:
        FormatError: something is damaged, or not what was recorded.
    """
    common = dataset_card(path, FORMAT)
    keys = column_keys(common, NAMES)
    shapes = {name: column_spec(common, key).shape for name, key in keys.items()}
    lengths = []
    tables = read_tables(path / DATA, list(shapes))
    for index, (rollout, table) in enumerate(zip(episodes(path), tables, strict=True)):
        with whole(path, "dataset of LeRobot"):
            rows = {name: array_of(table[name], shape) for name, shape in shapes.items()}
        require_rows(path, index, rollout, NAMES, rows)
        lengths.append(len(rollout))
    return require_steps(path, common, lengths)


def _episode_rows(path: Path, cameras: list[str]) -> Iterator[dict[str, Any]]:
    """Where each episode is."""
    videos = [f"videos/{VIDEO_KEY.format(name)}" for name in cameras]
    places = ("chunk_index", "file_index", "from_timestamp")
    columns = [
        "episode_index",
        "length",
        *(f"{video}/{place}" for video in videos for place in places),
    ]
    for table in read_tables(path / EPISODES, columns):
        yield from table.to_pylist()


def _decoded(
    path: Path, key: str, row: dict[str, Any], rate: float
) -> UInt8[np.ndarray, "N H W 3"]:
    index = CHUNK * int(row[f"videos/{key}/chunk_index"]) + int(row[f"videos/{key}/file_index"])
    start = round(row[f"videos/{key}/from_timestamp"] * rate)
    video = path / VIDEOS / key / file_name(index, ".mp4")
    if not video.is_file():
        raise FormatError(f"{path} lacks {video.relative_to(path)}, expected a whole dataset.")
    return decode(video, start, row["length"], rate)


def _require_regular(times: Float[np.ndarray, " N1"], rate: float) -> None:
    if not rate or np.abs(times - times[0] - np.arange(len(times)) / rate).max() > _TOLERANCE:
        raise InputError(
            f"times: not regular at {rate:g} Hz, expected frames at equal distances for LeRobot."
        )
