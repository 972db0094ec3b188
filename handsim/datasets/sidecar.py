"""What a format does not hold of an episode, beside it: a rollout to the last bit.

Formats of learners know float32, one row a step and lossy pictures. So each episode has a file of
its own here, ``handsim/chunk-000/episode-000000.npz``, with the rollout as it was but for the
pictures; of these it holds the last of each camera, which has no row.
"""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from handsim.datasets.packs import pictures_of
from handsim.files import load_npz, save_npz, whole
from handsim.rollout import Rollout

KIND, SCHEMA = "episode of a dataset", 1
_CHUNK = 1000
_LAST = "last/"


def sidecar_path(root: Path, index: int) -> Path:
    """Where the sidecar of an episode is in a dataset."""
    return root / "handsim" / f"chunk-{index // _CHUNK:03d}" / f"episode-{index:06d}.npz"


def write_sidecar(path: Path, rollout: Rollout) -> None:
    """Write a rollout without its pictures."""
    pictures = pictures_of(rollout)
    plain = {k: v for k, v in rollout.observations.items() if k not in pictures}
    header, arrays = replace(rollout, frames={}, observations=plain).to_arrays()
    header["kind"], header["schema"] = KIND, SCHEMA
    header["pictures"] = {name: array.shape[1:] for name, array in pictures.items()}
    header["observed"] = sorted(pictures.keys() - rollout.frames.keys())
    for name, array in pictures.items():
        packed = zlib.compress(np.ascontiguousarray(array[-1]).tobytes(), 6)
        arrays[_LAST + name] = np.frombuffer(packed, np.uint8)
    save_npz(path, header, arrays, compress=False)


def read_sidecar(path: Path, pictures: Mapping[str, UInt8[np.ndarray, "N H W 3"]]) -> Rollout:
    """The rollout of a sidecar and the pictures of its steps.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is damaged, or the pictures are not its.
    """
    header, arrays = load_npz(path, KIND, SCHEMA)
    with whole(path, KIND):
        last = {key: arrays.pop(key) for key in list(arrays) if key.startswith(_LAST)}
        rollout = Rollout.from_arrays(header, arrays)
        if header["pictures"].keys() != pictures.keys():
            raise ValueError(f"pictures of {sorted(header['pictures'])}, found {sorted(pictures)}")
        complete = {
            name: np.concatenate(
                [pictures[name], _unpacked(last[_LAST + name], tuple(shape))[None]]
            )
            for name, shape in header["pictures"].items()
        }
        observed = {name: complete.pop(name) for name in header["observed"]}
        observations = {**rollout.observations, **observed}
        return replace(rollout, observations=observations, frames=complete)


def _unpacked(packed: np.ndarray, shape: tuple[int, ...]) -> UInt8[np.ndarray, "H W 3"]:
    size = int(np.prod(shape))
    try:
        data = zlib.decompressobj().decompress(packed.tobytes(), size + 1)
    except zlib.error as error:
        raise ValueError(f"a damaged picture: {error}") from error
    return np.frombuffer(data, np.uint8).reshape(shape).copy()
