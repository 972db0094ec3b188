"""DexYCB: the folder of a sequence, or of one of its eight cameras, in the dataset's own tree.

A sequence ``<subject>/<sequence>`` has ``meta.yml`` (``mano_sides``, ``mano_calib``, ``ycb_ids``,
``extrinsics``) and a folder a camera. The dataset's ``calibration`` lies beside the subject and has
the subject's betas, the cameras' extrinsics (camera to world) and intrinsics; what is absent of it
is left out.

**A camera's folder** has ``labels_<i>.npz`` a frame: ``joint_3d`` (1, 21, 3) [m], canonical order
(−1 where there is no hand), ``pose_m`` (1, 51), ``pose_y`` (objects, 3, 4). Its motion is in the
"camera" frame, and MANO's parameters come along where MANO's own files are found.

**A sequence's folder** has ``pose.npz`` in the world, which is a camera too: ``pose_m`` (T, 1, 51)
and ``pose_y`` (T, objects, 7), qx qy qz qw x y z. There are no joints in it: they need MANO's own
files (`mano_model.find_model`).

``pose_m`` is the wrist's rotation vector, 45 coefficients of MANO's basis counted from its mean
pose, and transl [m]; all zero where there is no hand. Objects are the streams "object_<name>", the
camera of a folder is the stream "camera" in the world. Frames are at 30 Hz, or at `fps`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, MissingFileError
from retarget.human.hand_trajectory import HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import Side
from retarget.human.mano import rotation_matrices
from retarget.human.mano_mesh import keypoints
from retarget.human.mano_model import ManoModel, find_model
from retarget.human.mano_poses import pose_from_pca
from retarget.human.recording import as_numbers
from retarget.human.sources import ycb
from retarget.human.sources.arrays import Archive, container
from retarget.human.sources.assembly import assemble, choose_side, frame_period, parse_side
from retarget.human.sources.dexycb_calibration import read_betas, read_camera
from retarget.human.sources.hamer import frame_numbers
from retarget.human.sources.poses import MEANING, from_matrices, from_quaternions
from retarget.human.sources.text import read_yaml

NAME = "dexycb"

TIP_VERTICES: dict[Side, tuple[int, ...]] = {
    "left": (745, 317, 445, 556, 673),
    "right": (745, 317, 444, 556, 673),
}
"""Vertices the toolkit (manopth) takes for tips: thumb, index, middle, ring, pinky."""

_META, _POSES = "meta.yml", "pose.npz"
_NO_HAND = -1.0


def recognises(path: Path) -> bool:
    """Whether it is a folder of a sequence or of a camera's labels."""
    if container(path) != "folder":
        return False
    return ((path / _META).is_file() and (path / _POSES).is_file()) or bool(_labels(path))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read the hand and the objects.

    Raises:
        MissingFileError: a sequence's folder needs MANO's file; the message has the remedy.
        FormatError: a file is damaged, absent or lacks an entry.
        InputError: the sequence is of the other hand, or a shape is wrong.
    """
    labels = _labels(path)
    folder = path.parent if labels else path
    meta = read_yaml(folder / _META)
    sides = meta.get("mano_sides")
    said = parse_side(sides[0] if isinstance(sides, list) and sides else None, path.name)
    if said is None:
        raise FormatError(f"{folder / _META} does not say mano_sides.")
    side = choose_side({said}, side, path.name)
    if labels:
        return _load_camera(path, labels, meta, side, frame_period(fps))
    return _load_sequence(path, meta, side, frame_period(fps))


def _load_camera(
    path: Path, labels: Sequence[Path], meta: Mapping[str, Any], side: Side, period: float
) -> HandTrajectory:
    names = _names(meta)
    shapes = {"joint_3d": (1, 21, 3), "pose_m": (1, 51), "pose_y": (len(names), 3, 4)}
    archives = [Archive(file) for file in labels]
    rows = {
        key: np.stack([as_numbers(a[key], f"{a.path.name}: {key}", shape) for a in archives])
        for key, shape in shapes.items()
    }
    joints = rows["joint_3d"][:, 0]
    joints[np.all(joints == _NO_HAND, axis=(1, 2))] = np.nan
    times = frame_numbers(labels) * period
    poses = [from_matrices(pose[..., :3], pose[..., 3]) for pose in rows["pose_y"].swapaxes(0, 1)]
    camera, streams = read_camera(path, meta)
    try:
        mano = _parameters(rows["pose_m"][:, 0], path.parent, meta, find_model(side))
    except MissingFileError:
        mano = None
    return assemble(
        path,
        joints,
        side,
        _source(path, side, frame="camera", camera=camera),
        times=times,
        mano=mano,
        streams={**streams, **_objects(names, poses, times, "camera")},
    )


def _load_sequence(
    path: Path, meta: Mapping[str, Any], side: Side, period: float
) -> HandTrajectory:
    archive = Archive(path / _POSES)
    names = _names(meta)
    hands = as_numbers(archive["pose_m"], f"{_POSES}: pose_m", (None, 1, 51))[:, 0]
    rows = as_numbers(archive["pose_y"], f"{_POSES}: pose_y", (len(hands), len(names), 7))
    absent = np.all(rows == [0, 0, 0, 1, 0, 0, 0], axis=2)
    rows[absent] = np.nan
    times = np.arange(len(hands)) * period
    poses = [
        from_quaternions(row[:, [3, 0, 1, 2]], row[:, 4:], f"{_POSES}: pose_y")
        for row in rows.swapaxes(0, 1)
    ]
    model = find_model(side)
    mano = _parameters(hands, path, meta, model)
    return assemble(
        path,
        keypoints(model, mano, TIP_VERTICES[side]),
        side,
        _source(path, side),
        times=times,
        mano=mano,
        streams=_objects(names, poses, times, "world"),
    )


def _source(path: Path, side: Side, **known: Any) -> Source:
    tips = f"MANO vertices {' '.join(map(str, TIP_VERTICES[side]))}"
    return Source(path.name, NAME, tracker="DexYCB", tips=tips, times_assumed=True, **known)


def _labels(folder: Path) -> list[Path]:
    return sorted(folder.glob("labels_*.npz"))


def _names(meta: Mapping[str, Any]) -> list[str]:
    """The names of the sequence's objects."""
    numbers = meta.get("ycb_ids")
    if not isinstance(numbers, list) or not all(isinstance(n, int) for n in numbers):
        raise FormatError(f"{_META} has no list of ycb_ids.")
    return [ycb.name(number) for number in numbers]


def _parameters(
    hands: np.ndarray, sequence: Path, meta: Mapping[str, Any], model: ManoModel
) -> ManoParameters:
    """MANO's parameters of rows of ``pose_m``.

    Raises:
        MissingFileError: the file of the subject's betas does not exist.
    """
    betas = read_betas(sequence, meta)
    rows = np.where(np.any(hands, axis=1, keepdims=True), hands, np.nan)
    return ManoParameters(
        np.tile(betas, (len(rows), 1)),
        rotation_matrices(rows[:, :3]),
        pose_from_pca(model, rows[:, 3:48], flat_hand=False),
        rows[:, 48:],
    )


def _objects(
    names: Sequence[str], poses: Sequence[np.ndarray], times: np.ndarray, frame: str
) -> dict[str, Stream]:
    return {
        f"object_{name}": Stream(times, rows, f"{name} in the {frame}: {MEANING}")
        for name, rows in zip(names, poses, strict=True)
    }
