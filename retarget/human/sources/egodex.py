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

import h5py
import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError, InputError
from retarget.human.hand_trajectory import Camera, HandTrajectory, Source, Stream
from retarget.human.keypoints import FROM_MANUS, SIDES, Side
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import assemble, choose_side, frame_period
from retarget.human.sources.hdf5_files import opened, present, read
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
    with opened(path) as file:
        return any(present(file, f"transforms/{side}Hand") for side in SIDES)


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand.

    Raises:
        FormatError: the file is damaged or lacks a joint.
        InputError: it holds no hand of that side, or both and `side` is None; or a shape is wrong.
    """
    if container(path) != "hdf5":
        raise FormatError(f"{path} is no HDF5 file, expected one of EgoDex.")
    with opened(path) as file:
        return _load(file, path, side, frame_period(fps))


def _load(file: h5py.File, path: Path, side: Side | None, period: float) -> HandTrajectory:
    seen = {hand: _seen(file, hand) for hand in SIDES if present(file, f"transforms/{hand}Hand")}
    side = choose_side({hand for hand, frames in seen.items() if frames.any()}, side, path.name)
    joints = np.stack([_transforms(file, side + joint) for joint in JOINTS], axis=1)
    times = np.arange(len(joints)) * period
    poses_of_all = poses(joints.reshape(-1, 4, 4)).reshape(len(joints), -1, 7)
    meaning = "25 joints of ARKit: x y z [m], qw qx qy qz in the world"
    streams = {"joints": Stream(times, poses_of_all, meaning), **_streams(file, times)}
    names = [side + JOINTS[index] for index in FROM_MANUS]
    if all(present(file, f"confidences/{name}") for name in names):
        shown = np.stack([read(file, f"confidences/{name}") for name in names], axis=1)
        streams["confidence"] = Stream(times, shown, "of each keypoint, 0 to 1")
    return assemble(
        path,
        joints[..., :3, 3][:, FROM_MANUS],
        side,
        Source(
            path.name,
            NAME,
            tracker="Apple Vision Pro",
            tips="ARKit",
            times_assumed=True,
            camera=_camera(file, path.name),
        ),
        times=times,
        valid=seen[side],
        streams=streams,
    )


def _seen(file: h5py.File, side: Side) -> np.ndarray:
    name = f"confidences/{side}Hand"
    if not present(file, name):
        return np.ones(len(_transforms(file, f"{side}Hand")), dtype=bool)
    return as_numbers(read(file, name), name, (None,)) >= SEEN


def _transforms(file: h5py.File, joint: str) -> Float[np.ndarray, "T 4 4"]:
    """A joint's poses in the world turned upright; all have as many frames."""
    count = len(read(file, f"transforms/{joint}"))
    name = f"transforms/{joint}"
    return upright_matrices(as_numbers(read(file, name), name, (count, 4, 4)))


def _streams(file: h5py.File, times: np.ndarray) -> dict[str, Stream]:
    streams = {}
    if present(file, "transforms/camera"):
        meaning = "optical frame (x right, y down, z forward) in the world: x y z [m], qw qx qy qz"
        streams["camera"] = Stream(times, poses(_transforms(file, "camera")), meaning)
    which = "llm_description2" if file.attrs.get("which_llm_description") == "2" else None
    task = file.attrs.get(which or "llm_description")
    if isinstance(task, str):
        streams["task"] = Stream(times[:1], np.array([task]), "what was done, in words")
    return streams


def _camera(file: h5py.File, name: str) -> Camera | None:
    if not present(file, "camera/intrinsic"):
        return None
    matrix = as_numbers(read(file, "camera/intrinsic"), f"{name}: camera/intrinsic", (3, 3))
    if not np.isfinite(matrix).all():
        raise InputError(f"{name}: camera/intrinsic is not finite.")
    focal, center = np.diag(matrix)[:2], matrix[:2, 2]
    return Camera((float(focal[0]), float(focal[1])), (float(center[0]), float(center[1])))
