"""EgoDex: an HDF5 file of Apple Vision Pro's skeleton, both hands and the head's camera.

``transforms/<joint>`` (T, 4, 4) are poses of ARKit's joints and of the ``camera`` in a world whose
y is up [m], ``confidences/<joint>`` (T,) 0 to 1, ``camera/intrinsic`` (3, 3) [px]. Joints are
called rightHand, rightThumbKnuckle, rightIndexFingerMetacarpal, … Frames are at 30 Hz.

The world is turned so that z is up. A hand is valid where its wrist's confidence is at least
`SEEN`; finger tips are seen with less, so the keypoints' confidences are kept as the stream
"confidence". The camera's pose is the stream "camera", its pinhole ``Source.camera``; what was
done, in words, the stream "task"; all 25 joints' poses, metacarpals too, the stream "joints".
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from handsim.errors import FormatError, InputError
from handsim.hdf5 import Hdf5
from retarget.human.hand_trajectory import Camera, HandTrajectory, Source, Stream
from retarget.human.keypoints import FROM_MANUS, SIDES, Side
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import assemble, choose_side
from retarget.human.sources.transforms import poses, upright_matrices

NAME = "egodex"

SEEN = 0.5
"""Confidence of the wrist from which on a hand counts as seen."""

_THUMB = ("Knuckle", "IntermediateBase", "IntermediateTip", "Tip")
_FINGER = ("Metacarpal", *_THUMB)
JOINTS = (
    "Hand",
    *(f"Thumb{part}" for part in _THUMB),
    *(f"{name}Finger{part}" for name in ("Index", "Middle", "Ring", "Little") for part in _FINGER),
)
"""ARKit's 25 joints of a hand, after the side's name, in the order of `FROM_MANUS`."""


def recognises(path: Path) -> bool:
    """Whether it is an HDF5 file with the pose of either hand."""
    if container(path) != "hdf5":
        return False
    with Hdf5(path) as file:
        return any(f"transforms/{side}Hand" in file for side in SIDES)


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand.

    Raises:
        FormatError: the file is damaged or lacks a joint.
        InputError: it holds no hand of that side, or both and `side` is None; or a shape is wrong.
    """
    if container(path) != "hdf5":
        raise FormatError(f"{path} is no HDF5 file, expected one of EgoDex.")
    with Hdf5(path) as file:
        return _load(file, path, side, fps)


def _load(file: Hdf5, path: Path, side: Side | None, fps: float | None) -> HandTrajectory:
    seen = {hand: _seen(file, hand) for hand in SIDES if f"transforms/{hand}Hand" in file}
    side = choose_side({hand for hand, frames in seen.items() if frames.any()}, side, path.name)
    count = len(seen[side])
    joints = np.stack([_transforms(file, side + joint, count) for joint in JOINTS], axis=1)
    return assemble(
        path,
        joints[..., :3, 3][:, FROM_MANUS],
        side,
        Source(
            path.name,
            NAME,
            tracker="Apple Vision Pro",
            tips="ARKit",
            camera=_camera(file, path.name),
        ),
        fps=fps,
        valid=seen[side],
        streams=_task(file),
        beside={
            "joints": (
                poses(joints.reshape(-1, 4, 4)).reshape(count, -1, 7),
                "25 joints of ARKit in the world: x y z [m], qw qx qy qz",
            ),
            **_confidence(file, side),
            **_camera_poses(file, count),
        },
    )


def _seen(file: Hdf5, side: Side) -> Bool[np.ndarray, " T"]:
    name = f"confidences/{side}Hand"
    if name not in file:
        return np.ones(len(file[f"transforms/{side}Hand"]), dtype=bool)
    return as_numbers(file[name], name, (None,)) >= SEEN


def _transforms(file: Hdf5, joint: str, count: int) -> Float[np.ndarray, "T 4 4"]:
    """A joint's poses, in the world turned upright."""
    name = f"transforms/{joint}"
    return upright_matrices(as_numbers(file[name], name, (count, 4, 4)))


def _confidence(file: Hdf5, side: Side) -> dict[str, tuple[np.ndarray, str]]:
    names = [f"confidences/{side}{JOINTS[index]}" for index in FROM_MANUS]
    if not all(name in file for name in names):
        return {}
    rows = [as_numbers(file[name], name, (None,)) for name in names]
    return {"confidence": (np.stack(rows, axis=1), "of each keypoint, 0 to 1")}


def _camera_poses(file: Hdf5, count: int) -> dict[str, tuple[np.ndarray, str]]:
    if "transforms/camera" not in file:
        return {}
    meaning = "optical frame (x right, y down, z forward) in the world: x y z [m], qw qx qy qz"
    return {"camera": (poses(_transforms(file, "camera", count)), meaning)}


def _task(file: Hdf5) -> dict[str, Stream]:
    which = file.attribute("which_llm_description")
    second = isinstance(which, str) and which == "2"
    task = file.attribute("llm_description2" if second else "llm_description")
    if not isinstance(task, str):
        return {}
    return {"task": Stream(np.zeros(1), np.array([task]), "what was done, in words")}


def _camera(file: Hdf5, name: str) -> Camera | None:
    if "camera/intrinsic" not in file:
        return None
    matrix = as_numbers(file["camera/intrinsic"], f"{name}: camera/intrinsic", (3, 3))
    if not np.isfinite(matrix).all():
        raise InputError(f"{name}: camera/intrinsic is not finite.")
    focal, center = np.diag(matrix)[:2], matrix[:2, 2]
    return Camera((float(focal[0]), float(focal[1])), (float(center[0]), float(center[1])))
