"""What `retarget extract` writes: everything a perception backend said of a video or of pictures.

One `.npz` of this project (kind "extraction"): T frames, N rows, each a hand in a frame, K tracks.

    =================== ============== ==========================================================
    times               (T,)           of the frames [s]; absent for pictures
    track_right         (K,)           whether each track is a right hand
    frame, track        (N,)           which frame; which hand, −1 for one that was found twice
    right, score        (N,)           what the backend said of this frame's side, and how surely
    box                 (N, 4)         x0 y0 x1 y1 [px]
    keypoints_2d        (N, 21, 2)     [px]
    =================== ============== ==========================================================

and either ``keypoints_3d`` (N, 21, 3) [m], of MediaPipe: about the middle of the hand, in the axes
of the camera, so that the motion is in the "wrist" frame. Or HaMeR's and WiLoR's predictions, with
MANO parameters, as the network said them. That is a network of a right hand, which is shown a left
one mirrored: keypoints and rotations of rows that are not ``right`` belong to the mirrored picture
and are mirrored back here. ``pred_cam_t_full`` is the real picture's; the motion is in the
"camera" frame, or with ``T_world_camera`` (4, 4) or (T, 4, 4) in the "world" frame.

In each frame the hand is that of the track of its side with the largest boxes in sum, so that a
passer-by is read only where nobody else is seen.

A file whose hands were measured by a depth camera (`extract.depth`) also has ``metric.left``,
``metric.right`` or both, (T, 4): where the wrist is in the camera's frame [m] and the scale of the
hand, NaN where not known; and, when the camera's pose is known, ``metric.T_world_camera``.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, InputError
from handsim.files import HEADER
from retarget.human.hand_trajectory import Camera, HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import SIDES, WRIST, Side, mirror
from retarget.human.mano import TIPS, mirror_rotations
from retarget.human.pinhole import in_world, placed
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import Archive, container
from retarget.human.sources.assembly import assemble, choose_side, frame_period
from retarget.human.sources.hamer import frame_numbers

NAME = "extraction"
KIND, SCHEMA = "extraction", 1
ROW_SHAPES: dict[str, tuple[int, ...]] = {
    "frame": (),
    "right": (),
    "score": (),
    "box": (4,),
    "keypoints_2d": (21, 2),
    "keypoints_3d": (21, 3),
    "pred_keypoints_3d": (21, 3),
    "global_orient": (3, 3),
    "hand_pose": (15, 3, 3),
    "betas": (10,),
    "pred_cam": (3,),
    "pred_cam_t_full": (3,),
    "focal_length": (2,),
    "box_center": (2,),
    "box_size": (),
    "pred_vertices": (778, 3),
}
"""Shape of one row of each column; a file may have further columns."""
PLAIN = ("keypoints_3d",)
MANO = (
    "pred_keypoints_3d",
    "pred_cam_t_full",
    "global_orient",
    "hand_pose",
    "betas",
    "focal_length",
)
STREAMS = {
    "box": "box in the picture, x0 y0 x1 y1 [px]",
    "score": "how sure the backend is of the side",
    "keypoints_2d": "keypoints in the picture [px]",
}
METRIC, WORLD = "metric.", "metric.T_world_camera"
"""Names of what a depth camera measured: of a side's hand, and the camera's pose."""
TRACKERS = {"mediapipe": "MediaPipe", "hamer": "HaMeR", "wilor": "WiLoR"}
Header = Mapping[str, Any]
Values = Mapping[str, np.ndarray]


def recognises(path: Path) -> bool:
    """Whether it is an archive of ours with tracks of hands."""
    return container(path) == "npz" and {HEADER, "frame", "track_right"} <= Archive(path).names


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand.

    Args:
        path: the file.
        side: which hand; None where there is but one.
        fps: frames a second of pictures, which have no times of their own.

    Raises:
        FormatError: the file is damaged, or lacks an array.
        InputError: no hand of that side, or both and `side` is None; or a shape is wrong.
    """
    archive = Archive(path)
    header = _header(archive)
    times = _times(archive, header, fps)
    is_mano = "pred_keypoints_3d" in archive
    side, rows = _choose(archive, len(times), side, by_frame=is_mano)
    names = (*(MANO if is_mano else PLAIN), *STREAMS)
    values = {name: _placed(_column(archive, name), rows) for name in names}
    source = Source(
        path.name,
        NAME,
        TRACKERS.get(str(header.get("backend")), str(header.get("backend"))),
        metric=header.get("metric") is True,
        times_assumed="times" not in archive,
    )
    read = _mano_hand if is_mano else _plain_hand
    points, mano, source = read(archive, header, values, side, source)
    streams = {name: Stream(times, values[name], meaning) for name, meaning in STREAMS.items()}
    motion = assemble(
        path, points, side, source, times, valid=rows >= 0, mano=mano, streams=streams
    )
    return _measured(motion, archive, header) if METRIC + side in archive else motion


def sides(path: Path) -> list[Side]:
    """The sides of the hands in a file.

    Raises:
        FormatError: the file is damaged.
    """
    archive = Archive(path)
    _header(archive)
    right, track = archive["track_right"], _column(archive, "track").astype(np.int64)
    return sorted({SIDES[int(right[k])] for k in np.unique(track[track >= 0])})


def _measured(motion: HandTrajectory, archive: Archive, header: Header) -> HandTrajectory:
    """The motion as a depth camera measured it."""
    name = METRIC + motion.side
    values = as_numbers(archive[name], f"{archive.path.name}: {name}", (len(motion), 4))
    lens = header.get("camera") or {}
    (fx, fy), (cx, cy) = (as_numbers(lens.get(n), f"camera {n}", (2,)) for n in ("focal", "center"))
    camera = Camera((float(fx), float(fy)), (float(cx), float(cy)))
    moved = placed(motion, values[:, :3], values[:, 3], camera)
    return in_world(moved, archive[WORLD]) if WORLD in archive else moved


def _plain_hand(
    archive: Archive, header: Header, values: Values, side: Side, source: Source
) -> tuple[np.ndarray, ManoParameters | None, Source]:
    points = values["keypoints_3d"]
    told = header.get("told", {})
    return points - points[:, :1], None, replace(source, frame="wrist", tips=str(told.get("tips")))


def _mano_hand(
    archive: Archive, header: Header, values: Values, side: Side, source: Source
) -> tuple[np.ndarray, ManoParameters | None, Source]:
    model, orient, pose = (
        values[name] for name in ("pred_keypoints_3d", "global_orient", "hand_pose")
    )
    if side == "left":
        model, orient, pose = mirror(model), mirror_rotations(orient), mirror_rotations(pose)
    points = model + values["pred_cam_t_full"][:, None]
    known = replace(source, frame="camera", tips=TIPS, camera=_camera(header, values))
    if "T_world_camera" in archive:
        turn, origin = _extrinsics(archive, len(points))
        points = np.einsum("tij,tkj->tki", turn, points) + origin[:, None]
        orient, known = turn @ orient, replace(known, frame="world")
    transl = points[:, WRIST] - model[:, WRIST]
    return points, ManoParameters(values["betas"], orient, pose, transl), known


def _camera(header: Header, values: Values) -> Camera:
    """As the file says it; else the focal length of the network's guess and the middle."""
    told, given = header.get("told", {}), header.get("camera") or {}
    focal = given.get("focal", np.nanmedian(values["focal_length"], axis=0))
    size = as_numbers([told.get("width"), told.get("height")], "width, height", (2,))
    center = as_numbers(given.get("center", size / 2), "camera center", (2,))
    fx, fy = as_numbers(focal, "camera focal", (2,))
    return Camera(
        (float(fx), float(fy)),
        (float(center[0]), float(center[1])),
        (float(size[0]), float(size[1])),
    )


def _extrinsics(archive: Archive, count: int) -> tuple[np.ndarray, np.ndarray]:
    poses = as_numbers(archive["T_world_camera"], "T_world_camera")
    if poses.shape not in ((4, 4), (count, 4, 4)):
        raise InputError(f"T_world_camera: shape {poses.shape}, expected (4, 4) or (T, 4, 4).")
    poses = np.broadcast_to(poses, (count, 4, 4))
    return poses[:, :3, :3], poses[:, :3, 3]


def _header(archive: Archive) -> Header:
    try:
        header = json.loads(archive[HEADER].tobytes())
        kind, schema = header["kind"], header["schema"]
        told, files = header["told"], header["files"]
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(f"{archive.path} has a damaged header: {error!r:.80}.") from error
    if kind != KIND or not isinstance(schema, int) or schema > SCHEMA:
        raise FormatError(
            f"{archive.path} holds a {kind!r:.40} of schema {schema!r:.40}, expected a {KIND!r} of "
            f"schema {SCHEMA} or lower."
        )
    if not isinstance(told, dict) or not isinstance(files, list) or not files:
        raise FormatError(f"{archive.path} has a header without what the backend told.")
    return dict(header)


def _times(archive: Archive, header: Header, fps: float | None) -> np.ndarray:
    if "times" in archive:
        return as_numbers(archive["times"], f"{archive.path.name}: times", (None,))
    return frame_numbers([Path(str(file)) for file in header["files"]]) * frame_period(fps)


def _choose(
    archive: Archive, count: int, side: Side | None, by_frame: bool
) -> tuple[Side, np.ndarray]:
    """The side to read and its row in each frame, −1 where there is none.

    Args:
        archive: the file.
        count: number of frames.
        side: the side asked for.
        by_frame: whether rows that the backend took for the other side are left out.
    """
    name = archive.path.name
    frame, track = (_column(archive, column).astype(np.int64) for column in ("frame", "track"))
    track_right = as_numbers(archive["track_right"], f"{name}: track_right", (None,)) > 0
    if np.any((frame < 0) | (frame >= count)) or np.any((track < -1) | (track >= len(track_right))):
        raise InputError(f"{name}: rows of frames or tracks that the file does not have.")
    own = track >= 0
    right = np.zeros(len(track), dtype=bool)
    right[own] = track_right[track[own]]
    if by_frame:
        own &= right == (_column(archive, "right") > 0)
    present = {SIDES[int(value)] for value in right[own]}
    chosen = choose_side(present, side, name)
    mine = np.flatnonzero(own & (right == (chosen == "right")))
    box = _column(archive, "box")[mine]
    area = np.nan_to_num((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]))
    weight = np.bincount(track[mine], area, minlength=len(track_right))
    rows = np.full(count, -1)
    ordered = mine[np.argsort(weight[track[mine]], kind="stable")]
    rows[frame[ordered]] = ordered
    return chosen, rows


def _column(archive: Archive, name: str) -> np.ndarray:
    """A column, with as many rows as there are."""
    count = len(np.atleast_1d(archive["frame"]))
    shape = (count, *ROW_SHAPES.get(name, ()))
    return as_numbers(archive[name], f"{archive.path.name}: {name}", shape)


def _placed(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """One row a frame, NaN where there is none."""
    out = np.full((len(rows), *column.shape[1:]), np.nan)
    out[rows >= 0] = column[rows[rows >= 0]]
    return out
