"""Zarr as diffusion policy reads it: ``pip install 'handsim[zarr]'``.

=========================  ====================================================================
``meta/episode_ends``      rows until the end of each episode, int64
``data/state``             qpos [rad], float32 (nq,)
``data/action``            what the environment takes: position targets of the actuators, in
                           [−1, 1] of their ranges, float32 (nu,)
``data/<camera>``          pictures, uint8 (H, W, 3)
``data/<observation>``     the other observations; SI units, the shape they have
``data/reward``, ``done``  of the step, (1,)
``data/annotation_<name>`` what belongs to the frame: human keypoints [m], MANO parameters,
                           tactile, the reference
``data/info_<name>``       numbers that came with the step
=========================  ====================================================================

All arrays of ``data`` have a row a step, episode after episode. Annotations and info that only some
of the episodes have are left out. The format is Zarr version 2, compressed by Blosc. The exact
rollouts are in ``handsim/``, see `handsim.datasets.sidecar`; pictures are exact as they are.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handsim.datasets.columns import column_keys, column_rows, column_spec, require_rows
from handsim.datasets.packs import (
    Card,
    Column,
    Packs,
    card_of,
    dataset_card,
    dataset_folder,
    picture_columns,
    pictures_of,
    require_steps,
)
from handsim.datasets.sidecar import read_sidecar, sidecar_path, write_sidecar
from handsim.errors import InputError
from handsim.files import whole
from handsim.rollout import Rollout
from handsim.zarr_arrays import ZarrWriter, read_zarr, write_group

FORMAT = "zarr"
NAMES = {
    "state": "state",
    "action": "action",
    "reward": "reward",
    "done": "done",
    "observations": "{}",
    "annotations": "annotation_{}",
    "info": "info_{}",
}
_ENDS = "episode_ends"
_ROWS, _PICTURES, _EPISODE = "rows.npz", "pictures", "episode.npz"
_PICTURE_BYTES = 4 << 20


def pack(rollout: Rollout, folder: Path) -> None:
    """Compress the pictures of an episode, and have its rows ready.

    Raises:
        InputError: it has no qpos, or names collide.
    """
    card = card_of(rollout)
    _columns(card)
    rows = {n: column_rows(rollout, key) for n, key in column_keys(card, NAMES).items()}
    np.savez(folder / _ROWS, allow_pickle=False, **rows)
    for name, pictures in pictures_of(rollout).items():
        writer = _writer(folder / _PICTURES / name, picture_columns(card)[name])
        writer.append(pictures[:-1])
        writer.close()
    write_sidecar(folder / _EPISODE, rollout)


def assemble(path: Path, packs: Packs) -> None:
    """String the episodes together.

    Raises:
        OutputError: `path` cannot be written, or holds something else.
    """
    common = packs.common
    with dataset_folder(path, packs) as root:
        about = {name: getattr(common, name) for name in ("hand", "side", "env_id", "rate")}
        write_group(root, {**about, "env_kwargs": dict(common.env_kwargs)})
        write_group(root / "data")
        write_group(root / "meta")
        writers = {
            name: _writer(root / "data" / name, column) for name, column in _columns(common).items()
        }
        ends, cameras = [], picture_columns(common)
        for index, (folder, card) in enumerate(packs):
            with np.load(folder / _ROWS, allow_pickle=False) as rows:
                for name in writers.keys() - cameras.keys():
                    writers[name].append(rows[name])
            for name in cameras:
                writers[name].append(read_zarr(folder / _PICTURES / name))
            ends.append(card.steps)
            sidecar = sidecar_path(root, index)
            sidecar.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / _EPISODE, sidecar)
        writers[_ENDS] = ZarrWriter(root / "meta" / _ENDS, "int64", ())
        writers[_ENDS].append(np.cumsum(ends))
        for writer in writers.values():
            writer.close()


def episodes(path: Path) -> Iterator[Rollout]:
    """Read what `assemble` wrote.

    Raises:
        MissingFileError: there is no such folder.
        FormatError: it is damaged, or another program wrote it.
    """
    cameras = picture_columns(dataset_card(path, FORMAT))
    for index, (start, end) in enumerate(_bounds(path)):
        pictures = {name: read_zarr(path / "data" / name, start, end) for name in cameras}
        yield read_sidecar(sidecar_path(path, index), pictures)


def verify(path: Path) -> int:
    """Read the whole dataset, and compare its columns with the exact rollouts.

    Returns:
        The number of episodes.

    Raises:
        FormatError: something is damaged, or not what was recorded.
    """
    common, bounds = dataset_card(path, FORMAT), _bounds(path)
    names = list(column_keys(common, NAMES))
    for index, (rollout, (start, end)) in enumerate(zip(episodes(path), bounds, strict=True)):
        rows = {name: read_zarr(path / "data" / name, start, end) for name in names}
        require_rows(path, index, rollout, NAMES, rows)
    return require_steps(path, common, [end - start for start, end in bounds])


def _bounds(path: Path) -> list[tuple[int, int]]:
    """The first row of each episode, and the first row after it."""
    with whole(path, "dataset in Zarr"):
        ends = [int(end) for end in read_zarr(path / "meta" / _ENDS)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _columns(card: Card) -> dict[str, Column]:
    """Every array of ``data``."""
    columns = {name: column_spec(card, key) for name, key in column_keys(card, NAMES).items()}
    cameras = picture_columns(card)
    both = sorted(columns.keys() & cameras.keys())
    if both:
        raise InputError(f"frames: the name {both[0]!r} is taken, another column has it.")
    return {**columns, **cameras}


def _writer(folder: Path, column: Column) -> ZarrWriter:
    if column.is_picture:
        return ZarrWriter(folder, column.dtype, column.shape, _PICTURE_BYTES)
    return ZarrWriter(folder, column.dtype, column.shape)
