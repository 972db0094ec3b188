"""HO-3D: a folder of a right hand and the object it holds, a pickle a frame in its ``meta``.

``meta/<i>.pkl`` is a dict of ``handJoints3D`` (21, 3) [m] in MANO's order, ``handPose`` (48,) axis-
angle of wrist and fingers from a flat hand, ``handTrans`` (3,), ``handBeta`` (10,), ``objName``,
``objRot`` (3,) or (3, 1) and ``objTrans`` (3,), ``camMat`` (3, 3); None where a frame was not
annotated. The evaluation set has the wrist alone, (3,): its hands are not seen. Frames are
numbered; the numbers go at 30 Hz, or at `fps`.

The file's camera is OpenGL's (x right, y up, z backwards): all is turned into the optical frame.
The object is the stream "object_<name of its YCB mesh>".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, InputError
from retarget.human.hand_trajectory import Camera, HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import FROM_MANO, Side
from retarget.human.mano import rest_wrist, rotation_matrices
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container, read_pickle
from retarget.human.sources.assembly import assemble, frame_period
from retarget.human.sources.hamer import frame_numbers
from retarget.human.sources.poses import MEANING, from_matrices

NAME = "ho3d"

TIPS = "MANO vertices 728 353 442 576 694"
"""HO-3D's own choice of tips: thumb, index, middle, ring, pinky."""

_SIDE: Side = "right"
_OPTICAL = np.diag([1.0, -1.0, -1.0])
_SHAPES: dict[str, tuple[int, ...]] = {
    "handJoints3D": (21, 3),
    "handPose": (48,),
    "handBeta": (10,),
    "objRot": (3,),
    "objTrans": (3,),
}


def recognises(path: Path) -> bool:
    """Whether it is a folder with an annotation of a hand in its ``meta``."""
    if container(path) != "folder":
        return False
    files = _files(path)
    return bool(files) and "handJoints3D" in _annotation(files[0])


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read the hand and the object.

    Raises:
        FormatError: a file is damaged, or there are none.
        InputError: a shape is wrong, no frame has a hand, or the left one is asked for.
    """
    if side not in (None, _SIDE):
        raise InputError(f"{path.name} holds a right hand, as all of HO-3D, expected {side}.")
    files = _files(path)
    if not files:
        raise FormatError(f"{path} holds no meta/<i>.pkl, expected one a frame.")
    frames = [_annotation(file) for file in files]
    rows = {
        key: np.stack([_row(frame.get(key), shape, key, path) for frame in frames])
        for key, shape in _SHAPES.items()
    }
    times = frame_numbers(files) * frame_period(fps)
    keypoints = rows["handJoints3D"][:, FROM_MANO] @ _OPTICAL
    return assemble(
        path,
        keypoints,
        _SIDE,
        Source(
            path.name,
            NAME,
            tracker="HO-3D",
            frame="camera",
            tips=TIPS,
            times_assumed=True,
            camera=_camera(frames, path),
        ),
        times=times,
        mano=_parameters(rows, keypoints[:, 0]),
        streams=_objects(frames, rows, times),
    )


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "meta").glob("*.pkl"))


def _annotation(file: Path) -> Mapping[str, Any]:
    content = read_pickle(file)
    if not isinstance(content, dict):
        raise FormatError(f"{file} holds no dict of annotations.")
    return content


def _row(value: Any, shape: tuple[int, ...], key: str, path: Path) -> np.ndarray:
    """A row of `shape`, NaN where there is none, or the wrist alone."""
    if value is None:
        return np.full(shape, np.nan)
    numbers = as_numbers(value, f"{path.name}: {key}")
    if key == "handJoints3D" and numbers.shape == (3,):
        return np.full(shape, np.nan)
    column = numbers.shape == (*shape, 1)
    return as_numbers(numbers[..., 0] if column else numbers, f"{path.name}: {key}", shape)


def _parameters(rows: Mapping[str, np.ndarray], wrist: np.ndarray) -> ManoParameters | None:
    """The wrist is among the joints; `transl` is what puts the wrist of the mean shape there."""
    turns = rotation_matrices(rows["handPose"].reshape(-1, 16, 3))
    if not np.isfinite(turns).any():
        return None
    transl = wrist - rest_wrist(_SIDE)
    return ManoParameters(rows["handBeta"], _OPTICAL @ turns[:, 0], turns[:, 1:], transl)


def _camera(frames: Sequence[Mapping[str, Any]], path: Path) -> Camera | None:
    """The camera of the first frame that has one."""
    given = next((frame["camMat"] for frame in frames if frame.get("camMat") is not None), None)
    if given is None:
        return None
    return Camera.from_matrix(given, f"{path.name}: camMat")


def _objects(
    frames: Sequence[Mapping[str, Any]], rows: Mapping[str, np.ndarray], times: np.ndarray
) -> dict[str, Stream]:
    turns = _OPTICAL @ rotation_matrices(rows["objRot"])
    poses = from_matrices(turns, rows["objTrans"] @ _OPTICAL)
    said = [frame.get("objName") for frame in frames]
    names = np.array([name if isinstance(name, str) else "" for name in said])
    streams = {}
    for name in dict.fromkeys(names[names != ""].tolist()):
        at = names == name
        meaning = f"{name} in the camera: {MEANING}"
        streams[f"object_{name}"] = Stream(times[at], poses[at], meaning)
    return streams
