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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from handsim.errors import InputError, OutputError
from handsim.files import replacing, whole
from handsim.hdf5 import Hdf5
from handsim.rollout import Rollout

SCHEMA = 1
GYM_TYPE = 2
"""robomimic's number for a Gym environment."""
_IMAGE = "_image"


def write(path: str | Path, rollouts: Sequence[Rollout]) -> None:
    """Write `rollouts` as one HDF5 file.

    Raises:
        InputError: there are none, they are not all of one environment, or an observation has a
            name that would be read as a picture's.
        OutputError: `path` cannot be written or does not end in .hdf5 or .h5.
    """
    if Path(path).suffix.lower() not in (".hdf5", ".h5"):
        raise OutputError(f"Cannot write {path}: expected a name that ends in .hdf5 or .h5.")
    env_args = _common_env_args(rollouts)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(len(rollout) for rollout in rollouts)
        data.attrs["env_args"] = json.dumps(env_args, sort_keys=True)
        names = [f"demo_{i}" for i in range(len(rollouts))]
        for name, rollout in zip(names, rollouts, strict=True):
            _write_demo(data.create_group(name), rollout)
        file.create_dataset("mask/train", data=np.array(names, dtype="S"))


def read(path: str | Path) -> list[Rollout]:
    """Read what `write` wrote.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is not HDF5, not of this layout, or another program wrote it.
    """
    with Hdf5(path) as file, whole(path, "robomimic file written by handsim"):
        demos = sorted(file.names("data"), key=lambda name: int(name.removeprefix("demo_")))
        return [_read_demo(file, f"data/{name}") for name in demos]


def _common_env_args(rollouts: Sequence[Rollout]) -> dict[str, Any]:
    if not rollouts:
        raise InputError("rollouts: none, expected at least one.")
    args = [_env_args(rollout) for rollout in rollouts]
    for i, other in enumerate(args):
        if other != args[0]:
            raise InputError(
                f"rollouts[{i}] is of the environment {other}, expected that of rollouts[0], "
                f"{args[0]}: a robomimic file holds one environment."
            )
    return args[0]


def _env_args(rollout: Rollout) -> dict[str, Any]:
    hand = {"hand": rollout.hand, "side": rollout.side}
    return {
        "env_name": rollout.metadata.get("env_id"),
        "env_type": GYM_TYPE,
        "env_kwargs": {**rollout.metadata.get("env_kwargs", {}), **hand},
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
