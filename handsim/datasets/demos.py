"""Rollouts in HDF5, as robomimic and Minari have them in common: pictures are gzipped singly."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np

from handsim.datasets.packs import column_of
from handsim.errors import InputError
from handsim.hdf5 import Hdf5
from handsim.rollout import Rollout

HEADER, MODEL = "handsim", "model_file"
SCHEMA = 2
IMAGE = "{}_image"
"""The observation that a camera's pictures are."""


def observed(rollout: Rollout) -> dict[str, np.ndarray]:
    """Observations, those by cameras among them.

    Raises:
        InputError: an observation has the name that a camera's pictures take.
    """
    pictures = {IMAGE.format(camera): frames for camera, frames in rollout.frames.items()}
    both = sorted(pictures.keys() & rollout.observations.keys())
    if both:
        raise InputError(
            f"observations: the name {both[0]!r} is taken, a camera's pictures have it."
        )
    return {**rollout.observations, **pictures}


def write_header(group: h5py.Group, rollout: Rollout) -> None:
    """Write what is no array, as attributes."""
    group.attrs[MODEL] = rollout.model_xml
    group.attrs[HEADER] = json.dumps(
        {
            "schema": SCHEMA,
            "hand": rollout.hand,
            "side": rollout.side,
            "joint_names": rollout.joint_names,
            "cameras": sorted(rollout.frames),
            "metadata": dict(rollout.metadata),
        }
    )


def write_array(group: h5py.Group, name: str, array: np.ndarray) -> None:
    """Write an array, pictures one by one so that each can be read by itself."""
    if column_of(array).is_picture and len(array):
        chunks = (1, *array.shape[1:])
        group.create_dataset(
            name, data=array, chunks=chunks, compression="gzip", compression_opts=4
        )
    else:
        group.create_dataset(name, data=array)


def read_rollout(
    file: Hdf5,
    group: str,
    observations: Mapping[str, np.ndarray],
    plain: Mapping[str, np.ndarray],
    groups: Mapping[str, Mapping[str, np.ndarray]],
) -> Rollout:
    """A rollout from its arrays and the header beside them.

    Args:
        file, group: where the header is.
        observations: what `observed` returned.
        plain: times, actions, rewards, states, terminated, truncated.
        groups: info and annotations.

    Raises:
        ValueError, KeyError, ...: something is absent, or not as it should be.
    """
    header = json.loads(text_of(file, group, HEADER))
    if header["schema"] > SCHEMA:
        raise ValueError(f"schema {header['schema']}, this version reads up to {SCHEMA}")
    # The first schema told pictures by their names alone.
    cameras = header.get(
        "cameras", [n[: -len("_image")] for n in observations if n.endswith("_image")]
    )
    rest = dict(observations)
    arrays: dict[str, Any] = {**plain, **groups}
    return Rollout(
        hand=header["hand"],
        side=header["side"],
        joint_names=tuple(header["joint_names"]),
        frames={camera: rest.pop(IMAGE.format(camera)) for camera in cameras},
        observations=rest,
        metadata=header["metadata"],
        model_xml=text_of(file, group, MODEL),
        **arrays,
    )


def read_arrays(
    file: Hdf5, group: str, names: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a group by name, all of them by default."""
    return {name: file[f"{group}/{name}"] for name in names or file.names(group)}


def text_of(file: Hdf5, group: str, name: str) -> str:
    """An attribute that is a text.

    Raises:
        ValueError: there is none.
    """
    text = file.attribute(name, group)
    if not isinstance(text, str):
        raise ValueError(f"{group} has no attribute {name!r}")
    return text
