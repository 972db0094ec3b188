"""ARCTIC: ``<sequence>.mano.npy`` of both hands, with the object and the head's camera beside it.

The pickled dict has ``right`` and ``left``, each of ``rot`` (T, 3) and ``pose`` (T, 45) as rotation
vectors, the pose counted from MANO's mean pose, ``trans`` (T, 3) [m] and ``shape`` (10,) or (T,
10). The mean pose is in MANO's own files: without them (`mano_model.find_model`) there is no hand.

``<sequence>.object.npy`` (T, 7) is the angle [rad] of the object's top part about its hinge, then a
rotation vector and a position [mm] of the whole: the streams "object_<name>" and
"object_<name>_articulation", the name being what the sequence's begins with. The top turns about
its own −z. ``<sequence>.egocam.dist.npy`` gives the camera on the head: the stream "camera".

All in the world of the motion capture, at 30 Hz or at `fps`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError
from retarget.human.hand_trajectory import Camera, HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import SIDES, Side
from retarget.human.mano import TIPS, rotation_matrices
from retarget.human.mano_mesh import keypoints
from retarget.human.mano_model import find_model
from retarget.human.mano_poses import pose_from_vectors
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container, read_npy
from retarget.human.sources.assembly import assemble, choose_side, frame_period
from retarget.human.sources.poses import MEANING, from_matrices, from_vectors, inverted

NAME = "arctic"

_HANDS, _OBJECT, _CAMERA = ".mano.npy", ".object.npy", ".egocam.dist.npy"
_KEYS = ("rot", "pose", "trans", "shape")
_MILLIMETRE = 1e-3


def recognises(path: Path) -> bool:
    """Whether it is a file of hands by its name and content."""
    return container(path) == "npy" and path.name.endswith(_HANDS) and _hands(path) is not None


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand.

    Raises:
        MissingFileError: MANO's file of that side is not to be found; the message has the remedy.
        FormatError: a file is damaged or lacks an entry.
        InputError: no hand of that side, or both and `side` is None; or a shape is wrong.
    """
    hands = _hands(path) if container(path) == "npy" else None
    if hands is None:
        raise FormatError(f"{path} holds no dict of hands with {', '.join(_KEYS)}.")
    side = choose_side(set(hands), side, path.name)
    model = find_model(side)
    rows = _rows(hands[side], f"{path.name}: {side}")
    mano = ManoParameters(
        rows["shape"],
        rotation_matrices(rows["rot"]),
        pose_from_vectors(model, rows["pose"], flat_hand=False),
        rows["trans"],
    )
    times = np.arange(len(mano)) * frame_period(fps)
    camera, streams = _egocentric(path, times)
    return assemble(
        path,
        keypoints(model, mano),
        side,
        Source(
            path.name,
            NAME,
            tracker="ARCTIC motion capture",
            tips=TIPS,
            times_assumed=True,
            camera=camera,
        ),
        times=times,
        mano=mano,
        streams={**streams, **_objects(path, times)},
    )


def _hands(path: Path) -> Mapping[Side, Any] | None:
    content = _dict(path)
    if content is None or not {*SIDES} & set(content):
        return None
    hands: dict[Side, Any] = {known: content[known] for known in SIDES if known in content}
    whole = all(isinstance(hand, dict) and set(_KEYS) <= set(hand) for hand in hands.values())
    return hands if whole else None


def _dict(path: Path) -> Mapping[str, Any] | None:
    array = read_npy(path)
    content = array.item() if array.shape == () and array.dtype == object else None
    return content if isinstance(content, dict) else None


def _rows(hand: Mapping[str, Any], name: str) -> dict[str, np.ndarray]:
    count = len(as_numbers(hand["rot"], f"{name}: rot", (None, 3)))
    shape = as_numbers(hand["shape"], f"{name}: shape")
    rows = {"rot": hand["rot"], "pose": hand["pose"], "trans": hand["trans"]}
    rows["shape"] = np.tile(shape, (count, 1)) if shape.ndim == 1 else shape
    widths = {"rot": 3, "pose": 45, "trans": 3, "shape": 10}
    return {key: as_numbers(rows[key], f"{name}: {key}", (count, widths[key])) for key in _KEYS}


def _beside(path: Path, suffix: str) -> Path:
    """The file of the same sequence with another suffix."""
    return path.with_name(path.name.removesuffix(_HANDS) + suffix)


def _objects(path: Path, times: np.ndarray) -> dict[str, Stream]:
    file = _beside(path, _OBJECT)
    if not file.is_file():
        return {}
    rows = as_numbers(read_npy(file), file.name, (len(times), 7))
    name = f"object_{path.name.partition('_')[0]}"
    poses = from_vectors(rows[:, 1:4], _MILLIMETRE * rows[:, 4:])
    return {
        name: Stream(times, poses, f"object in the world: {MEANING}"),
        f"{name}_articulation": Stream(times, rows[:, 0], "angle of its top part about −z [rad]"),
    }


def _egocentric(path: Path, times: np.ndarray) -> tuple[Camera | None, dict[str, Stream]]:
    """The camera on the head and where it is; neither without its file."""
    file = _beside(path, _CAMERA)
    content = _dict(file) if file.is_file() else None
    if content is None:
        return None, {}
    missing = {"R_k_cam_np", "T_k_cam_np", "intrinsics"} - set(content)
    if missing:
        raise FormatError(f"{file} has no {', '.join(sorted(missing))}.")
    turns = as_numbers(content["R_k_cam_np"], f"{file.name}: R_k_cam_np", (len(times), 3, 3))
    moves = as_numbers(content["T_k_cam_np"], f"{file.name}: T_k_cam_np", (len(times), 3, 1))
    camera = Camera.from_matrix(content["intrinsics"], f"{file.name}: intrinsics")
    poses = inverted(from_matrices(turns, moves[..., 0]))
    return camera, {"camera": Stream(times, poses, f"camera in the world: {MEANING}")}
