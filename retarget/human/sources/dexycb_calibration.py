"""DexYCB's calibration folder: betas of the subjects, and where the cameras are.

A sequence's ``meta.yml`` names its folders in it: ``mano_<mano_calib>/mano.yml`` has ``betas``,
``extrinsics_<extrinsics>/extrinsics.yml`` each camera's 12 numbers (3, 4), camera to world, and
``intrinsics/<camera>_640x480.yml`` its ``color``: ``fx``, ``fy``, ``ppx``, ``ppy``.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError, MissingFileError
from retarget.human.hand_trajectory import Camera, Stream
from retarget.human.recording import as_numbers
from retarget.human.sources.poses import MEANING, from_matrices
from retarget.human.sources.text import read_yaml


def read_betas(sequence: Path, meta: Mapping[str, Any]) -> Float[np.ndarray, "10"]:
    """The shape of the subject of a sequence.

    Raises:
        MissingFileError: the dataset's calibration is not beside the subject's folder.
        FormatError, InputError: it is damaged, or not ten numbers.
    """
    file = _folder(sequence, "mano", meta, "mano_calib") / "mano.yml"
    if not file.is_file():
        raise MissingFileError(f"No betas of the subject: {file} does not exist.")
    return as_numbers(read_yaml(file).get("betas"), f"{file.name}: betas", (10,))


def read_camera(path: Path, meta: Mapping[str, Any]) -> tuple[Camera | None, dict[str, Stream]]:
    """The camera of a folder: its intrinsics, and where it is in the world, as far as known.

    Raises:
        FormatError, InputError: a file is damaged or lacks an entry.
    """
    streams = {}
    extrinsics = _folder(path.parent, "extrinsics", meta, "extrinsics") / "extrinsics.yml"
    if extrinsics.is_file():
        known = read_yaml(extrinsics).get("extrinsics")
        given = known.get(path.name) if isinstance(known, dict) else None
        matrix = as_numbers(given, f"extrinsics of {path.name}", (12,)).reshape(1, 3, 4)
        pose = from_matrices(matrix[..., :3], matrix[..., 3])
        streams["camera"] = Stream(np.zeros(1), pose, f"camera in the world: {MEANING}")
    file = extrinsics.parents[1] / "intrinsics" / f"{path.name}_640x480.yml"
    color = read_yaml(file).get("color") if file.is_file() else None
    if not isinstance(color, dict):
        return None, streams
    fx, fy, cx, cy = (color.get(key) for key in ("fx", "fy", "ppx", "ppy"))
    camera = Camera.from_matrix([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], file.name)
    return replace(camera, size=(640.0, 480.0)), streams


def _folder(sequence: Path, kind: str, meta: Mapping[str, Any], key: str) -> Path:
    """A folder of the dataset's calibration, by its name in the sequence's meta."""
    value = meta.get(key)
    name = value[0] if isinstance(value, list) and value else value
    if not isinstance(name, str) or not re.fullmatch(r"[\w-]{1,80}", name):
        raise FormatError(
            f"{sequence / 'meta.yml'} names no {key}, expected the end of a folder's name."
        )
    return sequence.absolute().parents[1] / "calibration" / f"{kind}_{name}"
