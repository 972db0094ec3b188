"""GRAB: a `.npz` of a whole body, of which the hands and the object are read.

``rhand`` and ``lhand`` are pickled dicts whose ``params`` have ``global_orient`` (T, 3), ``transl``
(T, 3) [m], ``fullpose`` (T, 45), rotation vectors counted from a flat hand, and ``hand_pose`` (T,
``n_comps``), the same as coefficients of MANO's basis, read where there is no ``fullpose`` (then
MANO's own files are needed). ``object`` has ``params`` of ``global_orient`` and ``transl``, and the
path of its mesh; its vertices are multiplied by the rotation from the right, so that it is turned
the other way round than the vector says. ``framerate`` is 120 Hz.

The subject's shape is a mesh, no betas; keypoints here are those of MANO's mean shape, in the
world of the motion capture. The object is the stream "object_<name>".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError
from retarget.human.hand_trajectory import HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import Side
from retarget.human.mano import TIPS, keypoints_from_mano, rotation_matrices
from retarget.human.mano_model import find_model
from retarget.human.mano_poses import pose_from_pca
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import Archive, container
from retarget.human.sources.assembly import assemble, choose_side, frame_period
from retarget.human.sources.poses import MEANING, from_vectors

NAME = "grab"

FPS = 120.0
"""Frames a second [Hz] of a file that does not say."""

_HANDS: dict[Side, str] = {"left": "lhand", "right": "rhand"}


def recognises(path: Path) -> bool:
    """Whether it is an archive with hands and a body model's number of components."""
    if container(path) != "npz":
        return False
    archive = Archive(path)
    return "n_comps" in archive and any(name in archive for name in _HANDS.values())


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand; its frame rate is the file's, `fps` stands in where the file has none.

    Raises:
        MissingFileError: MANO's file is needed and not to be found; the message has the remedy.
        FormatError: the file is damaged or lacks an entry.
        InputError: no hand of that side, or both and `side` is None; or a shape is wrong.
    """
    if container(path) != "npz":
        raise FormatError(f"{path} is no .npz archive, expected a sequence of GRAB.")
    archive = Archive(path)
    present = {known for known, name in _HANDS.items() if name in archive}
    side = choose_side(present, side, path.name)
    mano = _parameters(_params(archive, _HANDS[side]), side, path)
    rate = archive.item("framerate")
    said = None if rate is None else float(as_numbers(rate, f"{path.name}: framerate", ()))
    times = np.arange(len(mano)) * frame_period(fps if said is None else said, FPS)
    return assemble(
        path,
        keypoints_from_mano(mano, side),
        side,
        Source(
            path.name,
            NAME,
            tracker="GRAB motion capture",
            tips=TIPS,
            times_assumed=said is None,
        ),
        times=times,
        mano=mano,
        streams=_objects(archive, times),
    )


def _dict(archive: Archive, name: str) -> Mapping[str, Any]:
    content = archive.item(name)
    if not isinstance(content, dict) or not isinstance(content.get("params"), dict):
        raise FormatError(f"{archive.path}: {name} holds no dict with params.")
    return content


def _params(archive: Archive, name: str) -> Mapping[str, Any]:
    params: Mapping[str, Any] = _dict(archive, name)["params"]
    missing = {"global_orient", "transl"} - set(params)
    if missing:
        raise FormatError(f"{archive.path}: {name} has no {', '.join(sorted(missing))}.")
    return params


def _parameters(params: Mapping[str, Any], side: Side, path: Path) -> ManoParameters:
    orient = as_numbers(params["global_orient"], f"{path.name}: global_orient", (None, 3))
    count = len(orient)
    if params.get("fullpose") is not None:
        full = as_numbers(params["fullpose"], f"{path.name}: fullpose", (count, 45))
        pose = rotation_matrices(full.reshape(-1, 15, 3))
    elif params.get("hand_pose") is not None:
        values = as_numbers(params["hand_pose"], f"{path.name}: hand_pose", (count, None))
        pose = pose_from_pca(find_model(side), values, flat_hand=True)
    else:
        raise FormatError(f"{path} has neither fullpose nor hand_pose of the {side} hand.")
    transl = as_numbers(params["transl"], f"{path.name}: transl", (count, 3))
    return ManoParameters(np.zeros((count, 10)), rotation_matrices(orient), pose, transl)


def _objects(archive: Archive, times: np.ndarray) -> dict[str, Stream]:
    if "object" not in archive:
        return {}
    params = _params(archive, "object")
    vectors = as_numbers(params["global_orient"], "object: global_orient", (len(times), 3))
    positions = as_numbers(params["transl"], "object: transl", (len(times), 3))
    mesh = _dict(archive, "object").get("object_mesh")
    name = archive.item("obj_name")
    meaning = f"object in the world: {MEANING}"
    if isinstance(mesh, str):
        meaning = f"{meaning}; its mesh: {mesh}"
    stem = name if isinstance(name, str) else "unnamed"
    return {f"object_{stem}": Stream(times, from_vectors(-vectors, positions), meaning)}
