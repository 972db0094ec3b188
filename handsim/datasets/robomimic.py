"""The HDF5 layout of robomimic.

``data`` has the attributes ``total`` and ``env_args``; ``data/demo_<i>`` the attributes
``num_samples`` and ``model_file`` and the datasets ``states``, ``actions`` in [−1, 1],
``rewards``, ``dones``, ``obs/*`` and ``next_obs/*``, one row a step, pictures as
``obs/<camera>_image``; ``mask/train`` lists the demos.

What a rollout has besides stands next to these, out of robomimic's way: ``times``,
``final_state``, ``terminated``, ``truncated``, ``info/*``, ``annotations/*`` (human keypoints, the
reference) and the attribute ``handsim``. ``model_file`` is MJCF text; a model compiled from it may
differ in the last bits from the one that was simulated, hence the versions in ``handsim``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from handsim.datasets.packs import Card, Packs
from handsim.errors import FormatError, InputError, OutputError
from handsim.files import replacing, whole
from handsim.hdf5 import Hdf5
from handsim.rollout import Rollout

SCHEMA = 1
GYM_TYPE = 2
"""robomimic's number for a Gym environment."""
_IMAGE = "_image"
_PACKED, _DEMO = "episode.hdf5", "demo"


def pack(rollout: Rollout, folder: Path) -> None:
    """Write a demo into an HDF5 file of its own.

    Raises:
        InputError: an observation has a name that would be read as a picture's.
    """
    with h5py.File(folder / _PACKED, "w") as file:
        _write_demo(file.create_group(_DEMO), rollout)


def assemble(path: Path, packs: Packs) -> None:
    """Copy the demos into one HDF5 file, as they are stored.

    Raises:
        OutputError: `path` cannot be written or does not end in .hdf5 or .h5.
    """
    if path.suffix.lower() not in (".hdf5", ".h5"):
        raise OutputError(f"Cannot write {path}: expected a name that ends in .hdf5 or .h5.")
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = packs.common.steps
        data.attrs["env_args"] = json.dumps(_env_args(packs.common), sort_keys=True)
        names = [f"demo_{i}" for i in range(len(packs))]
        for name, (folder, _) in zip(names, packs, strict=True):
            with h5py.File(folder / _PACKED, "r") as packed:
                packed.copy(_DEMO, data, name=name)
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


def _env_args(common: Card) -> dict[str, Any]:
    hand = {"hand": common.hand, "side": common.side}
    return {
        "env_name": common.env_id or None,
        "env_type": GYM_TYPE,
        "env_kwargs": {**common.env_kwargs, **hand},
    }


def _write_demo(demo: h5py.Group, rollout: Rollout) -> None:
    demo.attrs["num_samples"] = len(rollout)
    demo.attrs["model_file"] = rollout.model_xml
    demo.attrs["handsim"] = json.dumps(
        {
            "schema": SCHEMA,
            "hand": rollout.hand,
            "side": rollout.side,
            "joint_names": rollout.joint_names,
            "metadata": dict(rollout.metadata),
        }
    )
    for name in ("actions", "rewards", "terminated", "truncated", "times"):
        demo.create_dataset(name, data=getattr(rollout, name))
    demo.create_dataset("states", data=rollout.states[:-1])
    demo.create_dataset("final_state", data=rollout.states[-1])
    demo.create_dataset("dones", data=(rollout.terminated | rollout.truncated).astype(np.int64))
    for group in ("info", "annotations"):
        for name, array in getattr(rollout, group).items():
            demo.create_dataset(f"{group}/{name}", data=array)
    for name, array in rollout.observations.items():
        if name.endswith(_IMAGE):
            raise InputError(f"observations: name {name!r}, expected one not ending in {_IMAGE!r}.")
        demo.create_dataset(f"obs/{name}", data=array[:-1])
        demo.create_dataset(f"next_obs/{name}", data=array[1:])
    for camera, frames in rollout.frames.items():
        for group, pictures in (("obs", frames[:-1]), ("next_obs", frames[1:])):
            demo.create_dataset(
                f"{group}/{camera}{_IMAGE}",
                data=pictures,
                chunks=(1, *frames.shape[1:]),
                compression="gzip",
                compression_opts=4,
            )


def _read_demo(file: Hdf5, demo: str) -> Rollout:
    header = json.loads(_text(file, demo, "handsim"))
    if header["schema"] > SCHEMA:
        raise ValueError(f"schema {header['schema']}, this version reads up to {SCHEMA}")
    frames, observations = {}, {}
    for name in file.names(f"{demo}/obs"):
        first, later = file[f"{demo}/obs/{name}"], file[f"{demo}/next_obs/{name}"]
        both = np.concatenate([first[:1], later])
        if name.endswith(_IMAGE):
            frames[name.removesuffix(_IMAGE)] = both
        else:
            observations[name] = both
    groups: dict[str, Any] = {
        group: {name: file[f"{demo}/{group}/{name}"] for name in file.names(f"{demo}/{group}")}
        for group in ("info", "annotations")
    }
    plain: dict[str, Any] = {
        name: file[f"{demo}/{name}"]
        for name in ("actions", "rewards", "terminated", "truncated", "times")
    }
    return Rollout(
        hand=header["hand"],
        side=header["side"],
        joint_names=tuple(header["joint_names"]),
        observations=observations,
        states=np.concatenate([file[f"{demo}/states"], file[f"{demo}/final_state"][None]]),
        frames=frames,
        metadata=header["metadata"],
        model_xml=_text(file, demo, "model_file"),
        **groups,
        **plain,
    )


def _text(file: Hdf5, demo: str, name: str) -> str:
    text = file.attribute(name, demo)
    if not isinstance(text, str):
        raise ValueError(f"{demo} has no attribute {name!r}")
    return text
