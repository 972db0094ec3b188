"""DexMV: a folder of a right hand and the objects it moves, a file a frame.

``hand_pose/joints_<i>.npy`` (21, 3) are keypoints [m]; ``hand_pose/mano_<i>.npy`` (61,) is 3
axis-angle of the wrist, 45 of the fingers (flat-handed, MANO's order), 10 betas and the wrist's
position [m]; ``object_pose/<i>.npy`` a pickled dict from an object's id to its pose, (3, 4) or
(4, 4), or to less when it was not seen. Frames are numbered from 1, not padded: they are ordered
by number, and a number is a time, so that a missing frame of either kind shifts nothing. The
numbers go at 25 Hz, as in DexMV's own replay, when no `fps` is given.

The hand is in the optical frame of its camera. Each object is a stream "object_<id>", in the frame
of the camera that saw it: DexMV takes the two cameras together by a calibration that is not in the
folder, so do not subtract one from the other. `EXAMPLE_CAMERAS` is that of the published example.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, InputError
from retarget.human.hand_trajectory import HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import Side
from retarget.human.mano import TIPS, rest_wrist, rotation_matrices
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container, read_npy
from retarget.human.sources.assembly import assemble, frame_period
from retarget.human.sources.transforms import poses

NAME = "dexmv"
FPS = 25.0
"""Frames a second [Hz] that DexMV's replay plays its recordings at."""

EXAMPLE_CAMERAS = np.array(
    [
        [-0.0178, 0.7386, 0.6739, -0.4943],
        [-0.7087, 0.4662, -0.5296, 0.3362],
        [-0.7053, -0.4870, 0.5151, 0.3801],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""The frame of the object's camera in that of the hand's, of the one example sequence that DexMV
publishes, ``relocate_mustard_example_seq``: the inverse of ``hand_cam_to_object_cam`` in
``examples/visualize_retargeting.py`` of github.com/yzqin/dexmv-sim, to its four digits. Other
recordings have other cameras."""

_SIDE: Side = "right"
_SPARSEST = 10
_MEANING = "object in the frame of its own camera: x y z [m], qw qx qy qz"


def recognises(path: Path) -> bool:
    """Whether it is a folder with keypoints a file in its ``hand_pose``."""
    return container(path) == "folder" and bool(_numbered(path / "hand_pose", "joints_"))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read the motion and the objects'.

    Raises:
        FormatError: a file is damaged, or there are none.
        InputError: a shape is wrong, or the left hand is asked for.
    """
    if side not in (None, _SIDE):
        raise InputError(f"{path.name} holds a right hand, as all of DexMV, expected {side}.")
    joints = _numbered(path / "hand_pose", "joints_")
    if not joints:
        raise FormatError(f"{path} holds no hand_pose/joints_<i>.npy, expected one a frame.")
    numbers = range(min(joints), max(joints) + 1)
    if len(numbers) > _SPARSEST * len(joints):
        raise FormatError(f"{path} has {len(joints)} of the frames {numbers[0]} to {numbers[-1]}.")
    period = frame_period(fps, FPS)
    mano = _numbered(path / "hand_pose", "mano_")
    return assemble(
        path,
        _rows(joints, numbers, (21, 3)),
        _SIDE,
        Source(path.name, NAME, tracker="DexMV", frame="camera", tips=TIPS, times_assumed=True),
        times=np.arange(len(numbers)) * period,
        mano=_parameters(_rows(mano, numbers, (61,))) if mano else None,
        streams=_objects(_numbered(path / "object_pose", ""), numbers[0], period),
    )


def _numbered(folder: Path, prefix: str) -> dict[int, Path]:
    """Files ``<prefix><number>.npy`` by their numbers, in increasing order."""
    stems = {file.stem.removeprefix(prefix): file for file in folder.glob(f"{prefix}*.npy")}
    found = {int(stem): file for stem, file in stems.items() if stem.isdecimal()}
    return dict(sorted(found.items()))


def _rows(files: Mapping[int, Path], numbers: range, shape: tuple[int, ...]) -> np.ndarray:
    """A row a number, NaN where there is no file."""
    rows = np.full((len(numbers), *shape), np.nan)
    for number, file in files.items():
        if number in numbers:
            rows[number - numbers.start] = as_numbers(read_npy(file), file.name, shape)
    return rows


def _parameters(rows: np.ndarray) -> ManoParameters:
    """The file gives the wrist; `transl` is what puts the wrist of the mean shape there."""
    turns = rotation_matrices(rows[:, :48].reshape(-1, 16, 3))
    transl = rows[:, 58:] - rest_wrist(_SIDE)
    return ManoParameters(rows[:, 48:58], turns[:, 0], turns[:, 1:], transl)


def _objects(files: Mapping[int, Path], first: int, period: float) -> dict[str, Stream]:
    rows: dict[str, dict[float, np.ndarray]] = {}
    for number, file in files.items():
        for name, pose in _object_poses(file).items():
            row = _pose(as_numbers(pose, f"{file.name}: object {name}"))
            rows.setdefault(f"object_{name}", {})[(number - first) * period] = row
    return {
        name: Stream(np.array(list(seen)), np.array(list(seen.values())), _MEANING)
        for name, seen in rows.items()
    }


def _object_poses(file: Path) -> Mapping[str, Any]:
    content = read_npy(file)
    by_name = content.item() if content.shape == () else None
    if not isinstance(by_name, dict):
        raise FormatError(f"{file} holds no dict of object poses.")
    return by_name


def _pose(matrix: np.ndarray) -> np.ndarray:
    """A (3, 4) or (4, 4) pose as x y z qw qx qy qz, NaN when it is neither."""
    if matrix.shape not in ((3, 4), (4, 4)):
        return np.full(7, np.nan)
    return poses(matrix[None])[0]
