"""The HDF5 layout of robomimic.

``data`` has the attributes ``total`` and ``env_args`` (the arguments that all demos share);
``data/demo_<i>`` the attributes ``num_samples`` and ``model_file`` and, one row a step:

==============================  ===============================================================
``actions``                     what the environment takes: position targets of the actuators,
                                in [−1, 1] of their ranges, (N, nu)
``states``                      MuJoCo's full state (``mjSTATE_INTEGRATION``), (N, S)
``rewards``, ``dones``          of the step, (N,)
``obs/*``, ``next_obs/*``       observations before and after it; SI units
``obs/<camera>_image``          pictures, uint8 (N, H, W, 3)
==============================  ===============================================================

``mask/train`` lists the demos. What a rollout has besides stands next to these, out of robomimic's
way: ``times``, ``final_state``, ``terminated``, ``truncated``, ``info/*``, ``annotations/*`` (human
keypoints, the reference; one row a frame) and the attribute ``handsim``. ``model_file`` is MJCF
text; a model compiled from it may differ in the last bits from the one that was simulated, hence
the versions in ``handsim``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from handsim.datasets.demos import observed, read_arrays, read_rollout, write_array, write_header
from handsim.datasets.hdf5_writer import new_hdf5
from handsim.datasets.packs import Card, Packs
from handsim.errors import FormatError, OutputError
from handsim.files import replacing, whole
from handsim.hdf5 import Hdf5
from handsim.rollout import Rollout

GYM_TYPE = 2
"""robomimic's number for a Gym environment."""
_PACKED, _DEMO = "episode.hdf5", "demo"
_PLAIN = ("actions", "rewards", "terminated", "truncated", "times")
_GROUPS = ("info", "annotations")


def pack(rollout: Rollout, folder: Path) -> None:
    """Write a demo into an HDF5 file of its own.

    Raises:
        InputError: an observation has the name of a camera's pictures.
    """
    with new_hdf5(folder / _PACKED) as (file, _):
        _write_demo(file.create_group(_DEMO), rollout)


def assemble(path: Path, packs: Packs) -> None:
    """Copy the demos into one HDF5 file, as they are stored.

    Raises:
        OutputError: `path` cannot be written or does not end in .hdf5 or .h5.
    """
    if path.suffix.lower() not in (".hdf5", ".h5"):
        raise OutputError(f"Cannot write {path}: expected a name that ends in .hdf5 or .h5.")
    with replacing(path) as temporary, new_hdf5(temporary) as (file, require_written):
        data = file.create_group("data")
        data.attrs["total"] = packs.common.steps
        data.attrs["env_args"] = json.dumps(_env_args(packs.common), sort_keys=True)
        names = [f"demo_{i}" for i in range(len(packs))]
        for name, (folder, _) in zip(names, packs, strict=True):
            with h5py.File(folder / _PACKED, "r") as packed:
                packed.copy(_DEMO, data, name=name)
            require_written()
        file.create_dataset("mask/train", data=np.array(names, dtype="S"))


def episodes(path: Path) -> Iterator[Rollout]:
    """Read what `assemble` wrote.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is not HDF5, not of this layout, or another program wrote it.
    """
    index, more = 0, True
    while more:
        # Opened for each: what a file may unpack to is meant for one episode.
        with Hdf5(path) as file, whole(path, "robomimic file written by handsim"):
            if index == 0 and "data/demo_0" not in file:
                raise FormatError(f"{path} has no data/demo_0, expected a robomimic file.")
            rollout = _read_demo(file, f"data/demo_{index}")
            index += 1
            more = f"data/demo_{index}" in file
        yield rollout


def verify(path: Path) -> int:
    """Read the whole file; returns the number of demos.

    Raises:
        FormatError: it is damaged, or does not say what it holds.
    """
    lengths = [len(rollout) for rollout in episodes(path)]
    with Hdf5(path) as file, whole(path, "robomimic file written by handsim"):
        total, listed = int(file.attribute("total", "data")), len(file["mask/train"])
    if (total, listed) != (sum(lengths), len(lengths)):
        raise FormatError(
            f"{path} holds {len(lengths)} demos of {sum(lengths)} steps, expected {listed} of "
            f"{total}."
        )
    return len(lengths)


def _env_args(common: Card) -> dict[str, Any]:
    hand = {"hand": common.hand, "side": common.side}
    return {
        "env_name": common.env_id or None,
        "env_type": GYM_TYPE,
        "env_kwargs": {**common.env_kwargs, **hand},
    }


def _write_demo(demo: h5py.Group, rollout: Rollout) -> None:
    write_header(demo, rollout)
    demo.attrs["num_samples"] = len(rollout)
    for name in _PLAIN:
        write_array(demo, name, getattr(rollout, name))
    write_array(demo, "states", rollout.states[:-1])
    write_array(demo, "final_state", rollout.states[-1])
    write_array(demo, "dones", (rollout.terminated | rollout.truncated).astype(np.int64))
    for group in _GROUPS:
        for name, array in getattr(rollout, group).items():
            write_array(demo, f"{group}/{name}", array)
    for name, array in observed(rollout).items():
        write_array(demo, f"obs/{name}", array[:-1])
        write_array(demo, f"next_obs/{name}", array[1:])


def _read_demo(file: Hdf5, demo: str) -> Rollout:
    first, later = read_arrays(file, f"{demo}/obs"), read_arrays(file, f"{demo}/next_obs")
    observations = {name: np.concatenate([first[name][:1], rows]) for name, rows in later.items()}
    for name, rows in first.items():
        if not np.array_equal(rows, observations[name][:-1], equal_nan=rows.dtype.kind == "f"):
            raise ValueError(f"obs/{name} and next_obs/{name} do not continue each other")
    states = np.concatenate([file[f"{demo}/states"], file[f"{demo}/final_state"][None]])
    plain = {**read_arrays(file, demo, _PLAIN), "states": states}
    groups = {group: read_arrays(file, f"{demo}/{group}") for group in _GROUPS}
    return read_rollout(file, demo, observations, plain, groups)
