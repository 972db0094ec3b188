"""Metric depth: a tracker's guess of how far and how large a hand is, put right by a depth camera.

A tracker of single pictures knows the rays along which it sees the keypoints, not how far along. A
depth map says how far. So the whole hand is scaled about the camera: each keypoint moves along its
ray, and the hand is seen exactly where it was (moving it in depth alone would not do that).

How much to scale by is measured at the wrist and the knuckles, which lie in one piece of skin and
are rarely hidden: the median of the depths in a small window around each, over the keypoint's own.
A window does not count when it is mostly holes or its depths are spread, as on the hand's edge. A
frame counts when two keypoints agree, and it agrees with the rest of the motion.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from handsim.files import load_npz, save_npz
from retarget.human.extract.depth_maps import FARTHEST, Maps
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import WRIST
from retarget.human.pinhole import in_world, placed, project, translations
from retarget.human.recording import Camera, Values, as_numbers
from retarget.human.sources import extraction

WINDOW = 11
"""Side of the window around a keypoint [px]."""
FILLED = 0.25
"""Share of a window that must hold depths."""
SPREAD = 0.03
"""Largest distance between the quartiles of a window's depths [m]."""
MEASURED = (0, 5, 9, 13, 17)
"""The keypoints at which depth is measured: the wrist and the knuckles."""
AGREE, FEWEST = 0.1, 2
"""So many of them must agree with their median this well, as a share."""
STEADY = 0.3
"""How far a frame's scale may be from the motion's median, as a share."""
LONGEST_GAP = 0.3
"""Frames without depth are filled in over at most this time [s]."""


def with_depth(
    motion: HandTrajectory,
    maps: Maps,
    camera: Camera,
    T_world_camera: Values | None = None,
    inset: float = 0.0,
) -> HandTrajectory:
    """The motion with the depth and the size that a depth camera measured.

    Where the hand is seen is taken from the stream "keypoints_2d" when there is one, else from the
    motion's own camera. With `camera` and the hand's shape it says where the hand is, up to the
    scale that is measured here. A frame whose depth is not known is filled in between others for
    at most `LONGEST_GAP`, else it is not valid: what is valid is metric.

    Args:
        motion: in the "camera" frame, or in the "wrist" frame along the camera's axes.
        maps: depth pictures [m] aligned to the pictures that were tracked, one a frame.
        camera: of those pictures, with its principal point.
        T_world_camera: the camera in the world or in a robot's base, (4, 4) or (T, 4, 4).
        inset: how far the joints lie behind the skin that is measured [m].

    Returns:
        In the "camera" frame, or in the "world" frame when the camera's pose is given. The scale
        of each frame is the stream "hand_scale".

    Raises:
        InputError: the pictures are not as many or as large as they should be, or no frame's depth
            could be measured.
    """
    wrist, scale = _measure(motion, maps, camera, inset)
    _require_some(np.isfinite(scale).any(), len(motion))
    moved = placed(motion, wrist, scale, camera)
    return moved if T_world_camera is None else in_world(moved, T_world_camera)


def measure_extraction(
    path: str | Path,
    maps: Maps,
    camera: Camera,
    T_world_camera: Values | None = None,
    inset: float = 0.0,
) -> dict[str, int]:
    """Add to a file of `retarget extract` the depth of its hands, as `with_depth` measures it.

    Nothing that the backend said is changed. `retarget.load` then gives motions that are metric.

    Returns:
        Side → in how many frames its depth is known. A side of none has no valid frame any more.

    Raises:
        InputError: as `with_depth`; or the file has been measured before.
    """
    path = Path(path)
    header, arrays = load_npz(path, extraction.KIND, extraction.SCHEMA)
    if header["metric"]:
        raise InputError(f"{path} is metric already, expected one as `retarget extract` makes it.")
    known: dict[str, int] = {}
    for side in extraction.sides(path):
        motion = extraction.load(path, side)
        wrist, scale = _measure(motion, maps, camera, inset)
        arrays[extraction.METRIC + side] = np.column_stack([wrist, scale])
        known[side] = int((np.isfinite(scale) & motion.valid).sum())
    _require_some(any(known.values()), len(maps))
    if T_world_camera is not None:
        arrays[extraction.WORLD] = as_numbers(T_world_camera, "extrinsics")
    lens = {"focal": camera.focal, "center": camera.center}
    save_npz(path, {**header, "metric": True, "camera": lens}, arrays)
    return known


def _measure(
    motion: HandTrajectory, maps: Maps, camera: Camera, inset: float
) -> tuple[Float[np.ndarray, "T 3"], Float[np.ndarray, " T"]]:
    """The wrist in the camera's frame [m] and the scale of the hand; NaN where not known."""
    if len(maps) != len(motion):
        raise InputError(f"{len(maps)} depth maps for {len(motion)} frames, expected one a frame.")
    pixels = _seen_at(motion)
    shape = motion.keypoints - motion.keypoints[:, [WRIST]]
    guess = translations(shape, pixels, camera)
    scale = np.full(len(motion), np.nan)
    for frame in np.flatnonzero(motion.valid & np.isfinite(guess).all(axis=1)):
        away = guess[frame, 2] + shape[frame, MEASURED, 2]
        depth = maps[int(frame)]
        if camera.size is not None and depth.shape != (camera.size[1], camera.size[0]):
            raise InputError(
                f"depth map {frame} has shape {depth.shape}, expected the picture's "
                f"{(int(camera.size[1]), int(camera.size[0]))}; see `registered`."
            )
        found = np.array([_depth_at(depth, pixels[frame, k]) for k in MEASURED])
        scale[frame] = _agreed((found + inset) / away)
    scale = _filled(motion.times, _steady(scale))
    return guess * scale[:, None], scale


def _require_some(known: bool | np.bool_, count: int) -> None:
    if not known:
        raise InputError(
            f"No depth of the hand in any of {count} frames, expected maps in metres that are "
            "aligned to the pictures."
        )


def _seen_at(motion: HandTrajectory) -> Float[np.ndarray, "T 21 2"]:
    """Where the keypoints are in the picture [px]."""
    if motion.source.frame not in ("camera", "wrist"):
        raise InputError(f"frame: {motion.source.frame!r}, expected 'camera'.")
    stream = motion.streams.get("keypoints_2d")
    if stream is not None and stream.values.shape == (len(motion), 21, 2):
        return stream.values.astype(np.float64)
    if motion.source.frame == "wrist" or motion.source.camera is None:
        raise InputError(
            "The motion does not say where the hand is in the picture, expected a stream "
            "keypoints_2d [px], or a motion in the frame of a camera that is known."
        )
    return project(motion.keypoints, motion.source.camera)


def _depth_at(depth: np.ndarray, pixel: np.ndarray) -> float:
    """The median depth around a pixel [m]; NaN where it cannot be told."""
    if not np.isfinite(pixel).all():
        return np.nan
    half = WINDOW // 2
    u, v = np.rint(np.clip(pixel, -1e6, 1e6)).astype(np.int64)
    rows, columns = slice(max(v - half, 0), v + half + 1), slice(max(u - half, 0), u + half + 1)
    values = depth[rows, columns] if v + half >= 0 and u + half >= 0 else np.empty(0)
    values = values[(values > 0) & (values < FARTHEST)]
    if len(values) < FILLED * WINDOW**2:
        return np.nan
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle) if high - low <= SPREAD else np.nan


def _agreed(scales: np.ndarray) -> float:
    """The scale that enough keypoints agree on, else NaN."""
    scales = scales[np.isfinite(scales)]
    if len(scales) < FEWEST:
        return np.nan
    middle = np.median(scales)
    agreeing = scales[np.abs(scales / middle - 1) <= AGREE]
    return float(np.median(agreeing)) if len(agreeing) >= FEWEST else np.nan


def _steady(scale: np.ndarray) -> np.ndarray:
    """Scales, NaN where they are of something before or behind the hand."""
    if not np.isfinite(scale).any():
        return scale
    return np.where(np.abs(scale / np.nanmedian(scale) - 1) <= STEADY, scale, np.nan)


def _filled(times: Float[np.ndarray, " T"], scale: np.ndarray) -> np.ndarray:
    """Scales with short gaps filled in, linearly in time."""
    known = np.flatnonzero(np.isfinite(scale))
    if len(known) < 2:
        return scale
    after = np.clip(np.searchsorted(known, np.arange(len(scale))), 1, len(known) - 1)
    first, last = known[after - 1], known[after]
    inside = (np.arange(len(scale)) > first) & (np.arange(len(scale)) < last)
    short = inside & (times[last] - times[first] <= LONGEST_GAP)
    return np.where(short, np.interp(times, times[known], scale[known]), scale)
