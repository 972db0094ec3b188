"""Minari's HDF5 datasets: ``pip install 'handsim[minari]'``.

The dataset is the folder ``[namespace/]name-v<K>`` at any path. Below Minari's own folder
(``MINARI_DATASETS_PATH``, or ``~/.minari/datasets``) its id is the path from there, and
``minari.load_dataset(id)`` finds it; elsewhere its id is its name, and ``MINARI_DATASETS_PATH`` set
to the folder around it does the same.

==============================  ===============================================================
``observations``                dict; one row a frame (N + 1); SI units
``observations/<camera>_image`` pictures, uint8 (N + 1, H, W, 3)
``actions``                     what the environment takes: position targets of the actuators,
                                in [−1, 1] of their ranges, (N, nu)
``rewards``, ``terminations``,  of the step, (N,)
``truncations``
``infos``                       numbers that came with the step, (N,)
``infos/handsim``               ``times`` [s], ``states`` (MuJoCo's full state) and
                                ``annotations`` (human keypoints, the reference) of the frames
==============================  ===============================================================

An episode's seed is recorded with it. ``recover_environment`` makes the environment with the
arguments that all episodes share; a `TrackEnv` tracks another trajectory in each::

    rollout = handsim.datasets.read("minari", path)[k]
    env = dataset.recover_environment(trajectory=rollout.reference())
"""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import gymnasium
import h5py
import minari
import numpy as np
from gymnasium import spaces
from minari.dataset.minari_dataset import DATASET_ID_RE
from minari.serialization import serialize_space

from handsim.datasets.demos import (
    IMAGE,
    observed,
    read_arrays,
    read_rollout,
    write_array,
    write_header,
)
from handsim.datasets.hdf5_writer import new_hdf5
from handsim.datasets.packs import Card, Column, Packs, dataset_card, dataset_folder
from handsim.errors import FormatError, InputError, OutputError
from handsim.files import whole
from handsim.hdf5 import Hdf5
from handsim.rollout import Rollout

FORMAT = "minari"
_PACKED, _EPISODE, _DATA = "episode.hdf5", "episode", "data/main_data.hdf5"
_METADATA, _OURS = "data/metadata.json", "handsim"
_STEPS = {
    "actions": "actions",
    "rewards": "rewards",
    "terminated": "terminations",
    "truncated": "truncations",
}


def pack(rollout: Rollout, folder: Path) -> None:
    """Write an episode into an HDF5 file of its own.

    Raises:
        InputError: an observation has the name of a camera's pictures, or an info that of ours.
    """
    if _OURS in rollout.info:
        raise InputError(f"info: the name {_OURS!r} is taken, expected another.")
    with new_hdf5(folder / _PACKED) as (file, _):
        episode = file.create_group(_EPISODE)
        write_header(episode, rollout)
        episode.attrs["total_steps"] = len(rollout)
        seed = rollout.metadata.get("seed")
        if isinstance(seed, int):
            episode.attrs["seed"] = seed
        for name, theirs in _STEPS.items():
            write_array(episode, theirs, getattr(rollout, name))
        for name, array in observed(rollout).items():
            write_array(episode, f"observations/{name}", array)
        for name, array in rollout.info.items():
            write_array(episode, f"infos/{name}", array)
        for name in ("times", "states"):
            write_array(episode, f"infos/{_OURS}/{name}", getattr(rollout, name))
        for name, array in rollout.annotations.items():
            write_array(episode, f"infos/{_OURS}/annotations/{name}", array)


def assemble(path: Path, packs: Packs) -> None:
    """Copy the episodes into one HDF5 file, as they are stored.

    Raises:
        OutputError: `path` cannot be written, holds something else, or has no name of Minari's.
    """
    name = dataset_id(path)
    with dataset_folder(path, packs) as root:
        (root / "data").mkdir()
        with new_hdf5(root / _DATA) as (file, require_written):
            for index, (folder, _) in enumerate(packs):
                with h5py.File(folder / _PACKED, "r") as packed:
                    packed.copy(_EPISODE, file, name=f"episode_{index}")
                file[f"episode_{index}"].attrs["id"] = index
                require_written()
        size = round((root / _DATA).stat().st_size / 1e6, 1)
        metadata = {
            "dataset_id": name,
            "minari_version": minari.__version__,
            "data_format": "hdf5",
            "dataset_size": size,
            "total_episodes": len(packs),
            "total_steps": packs.common.steps,
            # Pictures are gzipped, not JPEGs: they are exact.
            "jpeg_encoding": False,
            **_spaces(packs.common),
            **_environment(packs.common),
        }
        content = json.dumps(metadata, indent=4, sort_keys=True)
        (root / _METADATA).write_text(content)


def episodes(path: Path) -> Iterator[Rollout]:
    """Read what `assemble` wrote.

    Raises:
        MissingFileError: there is no such folder.
        FormatError: it is damaged, or another program wrote it.
    """
    dataset_card(path, FORMAT)
    index, more = 0, True
    while more:
        with Hdf5(path / _DATA) as file, whole(path, "dataset of Minari"):
            rollout = _read_episode(file, f"episode_{index}")
            index += 1
            more = f"episode_{index}" in file
        yield rollout


def verify(path: Path) -> int:
    """Read the whole dataset; returns the number of episodes.

    Raises:
        FormatError: it is damaged, or does not say what it holds.
    """
    lengths = [len(rollout) for rollout in episodes(path)]
    with whole(path, "dataset of Minari"):
        metadata = json.loads((path / _METADATA).read_bytes())
        said = metadata["total_episodes"], metadata["total_steps"]
    if said != (len(lengths), sum(lengths)):
        raise FormatError(
            f"{path} holds {len(lengths)} episodes of {sum(lengths)} steps, expected {said[0]} of "
            f"{said[1]}."
        )
    return len(lengths)


def dataset_id(path: Path) -> str:
    """By which name Minari knows a dataset at `path`.

    Raises:
        OutputError: it would know none.
    """
    home = Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")
    below = path.resolve().is_relative_to(home.resolve())
    name = path.resolve().relative_to(home.resolve()).as_posix() if below else path.name
    found = DATASET_ID_RE.fullmatch(name)
    if found is None or found["version"] is None:
        raise OutputError(
            f"Cannot write {path}: {name!r} is no name of a Minari dataset, expected letters, "
            "digits, '_' and '-', and a version at the end: shadow-track-v0."
        )
    return name


def _read_episode(file: Hdf5, episode: str) -> Rollout:
    ours = f"{episode}/infos/{_OURS}"
    plain = {name: file[f"{episode}/{theirs}"] for name, theirs in _STEPS.items()}
    plain |= read_arrays(file, ours, ("times", "states"))
    names = [name for name in file.names(f"{episode}/infos") if name != _OURS]
    groups = {
        "info": {name: file[f"{episode}/infos/{name}"] for name in names},
        "annotations": read_arrays(file, f"{ours}/annotations"),
    }
    observations = read_arrays(file, f"{episode}/observations")
    return read_rollout(file, episode, observations, plain, groups)


def _spaces(common: Card) -> dict[str, str]:
    """Spaces that what is recorded is in; the environment's may be narrower."""
    columns = dict(common.columns["observations"])
    columns |= {IMAGE.format(name): column for name, column in common.columns["frames"].items()}
    observation = spaces.Dict({name: _box(column) for name, column in columns.items()})
    action = spaces.Box(-1.0, 1.0, common.action.shape, np.dtype(common.action.dtype).type)
    return {
        "observation_space": serialize_space(observation),
        "action_space": serialize_space(action),
    }


def _box(column: Column) -> spaces.Box:
    dtype = np.dtype(column.dtype)
    if dtype.kind == "f":
        return spaces.Box(-np.inf, np.inf, column.shape, dtype.type)
    if dtype.kind == "b":
        return spaces.Box(0, 1, column.shape, dtype.type)
    limits = np.iinfo(dtype)
    return spaces.Box(limits.min, limits.max, column.shape, dtype.type)


def _environment(common: Card) -> dict[str, str]:
    """How to make the environment again, if Gymnasium knows it."""
    if common.env_id not in gymnasium.registry:
        return {}
    spec = deepcopy(gymnasium.spec(common.env_id))
    spec.kwargs = {**spec.kwargs, **common.env_kwargs}
    return {"env_spec": spec.to_json()}
