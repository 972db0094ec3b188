"""HaMeR: what the model says about each frame, as it says it, or many frames in one file.

HaMeR has one model, of a right hand, and is shown a left hand mirrored. So whatever it says about
a left hand (keypoints, MANO parameters, camera) belongs to the mirrored picture; it is mirrored
back here, x → −x, and nowhere else. Keypoints are in the canonical order, tips are the MANO
vertices of `mano.TIPS`, the pose is flat-handed. Depth is not metric.

**A frame a file** (``.npz`` as HaMeR's scripts write it, or a folder of them sorted by name, a
number in the name counting frames): of N hands ``pred_keypoints_3d`` (N, 21, 3), ``right`` (N,),
``pred_cam_t`` (N, 3), a pickled dict ``pred_mano_params``, and ``bboxes`` (N, 4). Each hand has a
camera of its own there, that of its crop, so the motion of the wrist through the picture is not
known: the motion is in the "wrist" frame, with ``pred_cam_t`` and the box kept as streams.

**Many frames a file** (`save_frames`): plain arrays of T rows, one a hand and frame,

    ================================ =============== ==========================================
    times                            (T,)            [s]; rows of both hands may share a time
    right                            (T,)            1 for a right hand, 0 for a left one
    valid                            (T,)            whether a hand was found
    pred_keypoints_3d                (T, 21, 3)      [m], as the model gives them
    pred_cam_t                       (T, 3)          [m], added to them: the full picture's camera
    pred_mano_params.global_orient   (T, 1, 3, 3)
    pred_mano_params.hand_pose       (T, 15, 3, 3)
    pred_mano_params.betas           (T, 10)
    focal_length                     () or (2,)      [px] of the full picture
    image_size                       (2,)            optional: width and height [px]
    ================================ =============== ==========================================

all of a left hand in the mirrored picture, ``pred_cam_t`` too. The motion is in the "camera"
frame. A time at which only the other hand was found is kept, not valid.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, InputError
from handsim.files import replacing
from retarget.human.hand_trajectory import Camera, HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import Side, mirror
from retarget.human.mano import TIPS, mirror_rotations
from retarget.human.recording import Values, as_numbers
from retarget.human.sources.arrays import Archive, container
from retarget.human.sources.assembly import assemble, frame_period, parse_side
from retarget.human.sources.detections import Detection, follow

NAME = "hamer"

_MANO = {"global_orient": (1, 3, 3), "hand_pose": (15, 3, 3), "betas": (10,)}
_PREFIX = "pred_mano_params."
_SPARSEST = 10
_SHAPES: dict[str, tuple[int, ...]] = {
    "pred_keypoints_3d": (21, 3),
    "pred_cam_t": (3,),
    **{_PREFIX + name: shape for name, shape in _MANO.items()},
}


def recognises(path: Path) -> bool:
    """Whether it is an archive, or a folder with archives, of HaMeR's predictions."""
    kind = container(path)
    if kind == "folder":
        files = _files(path)
        return bool(files) and _is_frame(files[0])
    return kind == "npz" and (_is_frame(path) or _PREFIX + "hand_pose" in Archive(path))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand; with several of its side in a frame, the one with the largest box.

    Raises:
        FormatError: a file is damaged or lacks an array.
        InputError: no hand of that side, or both and `side` is None; or a shape is wrong.
    """
    if container(path) == "npz" and not _is_frame(path):
        return _load_frames(path, side)
    files = _files(path) if path.is_dir() else [path]
    if not files:
        raise FormatError(f"{path} holds no .npz file, expected one a frame.")
    times = frame_numbers(files) * frame_period(fps)
    frames = [_detections(file) for file in files]
    side, arrays, seen = follow(frames, side, path.name)
    arrays = _unmirrored(arrays, side)
    meanings = {
        "pred_cam_t": "hand in the camera of its own crop of 256 px [m]",
        "bboxes": "box in the picture, x0 y0 x1 y1 [px]",
    }
    return assemble(
        path,
        arrays["pred_keypoints_3d"],
        side,
        _source(path, frame="wrist", times_assumed=True),
        times=times,
        valid=seen,
        mano=_parameters(arrays, np.zeros((len(times), 3))),
        streams={name: Stream(times, arrays[name], meaning) for name, meaning in meanings.items()},
    )


def save_frames(
    path: str | Path,
    *,
    times: Values,
    right: Values,
    valid: Values,
    pred_keypoints_3d: Values,
    pred_cam_t: Values,
    global_orient: Values,
    hand_pose: Values,
    betas: Values,
    focal_length: Values,
    image_size: Values | None = None,
) -> None:
    """Write the form of many frames a file; shapes as in the module's table.

    Raises:
        InputError: a shape is wrong.
        OutputError: `path` cannot be written.
    """
    rows = {
        "pred_keypoints_3d": pred_keypoints_3d,
        "pred_cam_t": pred_cam_t,
        _PREFIX + "global_orient": global_orient,
        _PREFIX + "hand_pose": hand_pose,
        _PREFIX + "betas": betas,
    }
    count = np.size(np.asarray(times))
    arrays = {name: as_numbers(v, name, (count, *_SHAPES[name])) for name, v in rows.items()}
    for name, values in {"times": times, "right": right, "valid": valid}.items():
        arrays[name] = as_numbers(values, name, (count,))
    arrays["focal_length"] = _focal(focal_length)
    if image_size is not None:
        arrays["image_size"] = as_numbers(image_size, "image_size", (2,))
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def frame_numbers(files: Sequence[Path]) -> np.ndarray:
    """Which frame each file is, from 0: by the last number in its name, else by its place.

    A gap in the numbers is a gap in time. Names without numbers, or whose numbers do not increase,
    or which leave out nine in ten, count nothing: their files are taken one after the other.
    """
    found = [re.findall(r"\d+", file.stem) for file in files]
    if all(found):
        first = int(found[0][-1])
        numbers = np.array([int(parts[-1]) - first for parts in found], dtype=np.float64)
        if np.all(np.diff(numbers) > 0) and numbers[-1] < _SPARSEST * len(files):
            return numbers
    return np.arange(len(files), dtype=np.float64)


def _source(path: Path, **known: Any) -> Source:
    return Source(path.name, NAME, tracker="HaMeR", metric=False, tips=TIPS, **known)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz"))


def _is_frame(path: Path) -> bool:
    if container(path) != "npz":
        return False
    archive = Archive(path)
    return "pred_keypoints_3d" in archive and "pred_mano_params" in archive


def _detections(path: Path) -> list[Detection]:
    archive = Archive(path)
    right = np.atleast_1d(as_numbers(archive["right"], f"{path.name}: right"))
    pickled = archive.item("pred_mano_params")
    if not isinstance(pickled, Mapping) or not set(_MANO) <= set(pickled):
        raise FormatError(f"{path}: pred_mano_params holds no dict of {', '.join(_MANO)}.")
    rows: dict[str, Any] = {name: archive[name] for name in ("pred_keypoints_3d", "pred_cam_t")}
    rows |= {_PREFIX + name: pickled[name] for name in _MANO}
    rows["bboxes"] = archive.get("bboxes")
    if rows["bboxes"] is None:
        rows["bboxes"] = np.full((len(right), 4), np.nan)
    shapes = {**_SHAPES, "bboxes": (4,)}
    arrays = {
        name: as_numbers(values, f"{path.name}: {name}", (len(right), *shapes[name]))
        for name, values in rows.items()
    }
    return [
        Detection(
            _side(right[row], path),
            _area(arrays["bboxes"][row]),
            {name: values[row] for name, values in arrays.items()},
        )
        for row in range(len(right))
    ]


def _side(right: float, path: Path) -> Side:
    side = parse_side(right, path.name)
    if side is None:
        raise InputError(f"{path.name}: no side.")
    return side


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1])) if np.isfinite(box).all() else 0.0


def _load_frames(path: Path, side: Side | None) -> HandTrajectory:
    archive = Archive(path)
    names = ("times", "right", "valid")
    rows = {name: as_numbers(archive[name], f"{path.name}: {name}", (None,)) for name in names}
    count = len(rows["times"])
    if any(len(row) != count for row in rows.values()) or count == 0:
        lengths = ", ".join(f"{name} {len(row)}" for name, row in rows.items())
        raise InputError(f"{path.name}: {lengths} rows, expected as many, and at least one.")
    values = {
        name: as_numbers(archive[name], f"{path.name}: {name}", (count, *shape))
        for name, shape in _SHAPES.items()
    }
    times, frames = _by_time(rows, values, path)
    side, arrays, seen = follow(frames, side, path.name)
    arrays = _unmirrored(arrays, side)
    return assemble(
        path,
        arrays["pred_keypoints_3d"] + arrays["pred_cam_t"][:, None],
        side,
        _source(path, frame="camera", camera=_camera(archive)),
        times=times,
        valid=seen,
        mano=_parameters(arrays, arrays["pred_cam_t"]),
    )


def _by_time(
    rows: Mapping[str, np.ndarray], values: Mapping[str, np.ndarray], path: Path
) -> tuple[np.ndarray, list[list[Detection]]]:
    """Rows grouped by their times, which must not decrease: (distinct times, hands found)."""
    stamps = rows["times"]
    back = np.flatnonzero(~(np.diff(stamps) >= 0))
    if len(back) or not np.isfinite(stamps).all():
        row = back[0] + 1 if len(back) else 0
        raise InputError(f"{path.name}: times must not decrease, but times[{row}] does.")
    times, places = np.unique(stamps, return_inverse=True)
    frames: list[list[Detection]] = [[] for _ in times]
    for row in np.flatnonzero(rows["valid"]):
        detection = Detection(
            _side(rows["right"][row], path), 0.0, {name: v[row] for name, v in values.items()}
        )
        if any(detection.side == other.side for other in frames[places[row]]):
            raise InputError(f"{path.name}: two {detection.side} hands at {stamps[row]:g} s.")
        frames[places[row]].append(detection)
    return times, frames


def _camera(archive: Archive) -> Camera:
    focal = _focal(archive["focal_length"])
    size = archive.get("image_size")
    if size is None:
        return Camera((float(focal[0]), float(focal[1])))
    width, height = as_numbers(size, "image_size", (2,))
    center, extent = (float(width / 2), float(height / 2)), (float(width), float(height))
    return Camera((float(focal[0]), float(focal[1])), center, extent)


def _focal(values: Any) -> np.ndarray:
    focal = as_numbers(values, "focal_length").reshape(-1)
    if focal.size not in (1, 2) or not np.all(focal > 0):
        raise InputError(f"focal_length: {focal.tolist()}, expected one or two positive numbers.")
    return np.broadcast_to(focal, (2,)).copy()


def _unmirrored(arrays: dict[str, np.ndarray], side: Side) -> dict[str, np.ndarray]:
    """Left hands as they were in the picture; right ones unchanged."""
    if side == "right":
        return arrays
    rotations = {_PREFIX + "global_orient", _PREFIX + "hand_pose"}
    points = {"pred_keypoints_3d", "pred_cam_t"}
    turned = {name: mirror_rotations(arrays[name]) for name in rotations}
    moved = {name: mirror(arrays[name]) for name in points}
    return {**arrays, **turned, **moved}


def _parameters(arrays: Mapping[str, np.ndarray], transl: np.ndarray) -> ManoParameters:
    return ManoParameters(
        arrays[_PREFIX + "betas"],
        arrays[_PREFIX + "global_orient"][:, 0],
        arrays[_PREFIX + "hand_pose"],
        transl,
    )
