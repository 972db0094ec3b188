"""What a depth camera leaves: pictures of depths, of disparities, intrinsics and poses."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image

from handsim.errors import FormatError, InputError, MissingFileError
from retarget.human.pinhole import camera_of, project, rays
from retarget.human.recording import Camera, Values, as_numbers

FARTHEST = 5.0
"""Depths count from above 0 to this [m]."""
MILLIMETRES = 1e-3


class DepthMaps:
    """Depth pictures (H, W) [m], NaN where there is no depth, read one by one when asked for."""

    def __init__(self, count: int, read: Callable[[int], np.ndarray]) -> None:
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < self._count:
            raise IndexError(index)
        depth = np.asarray(self._read(index), dtype=np.float64)
        if depth.ndim != 2:
            raise FormatError(f"depth map {index} has shape {depth.shape}, expected (H, W).")
        return np.where((depth > 0) & (depth < FARTHEST), depth, np.nan)


Maps = DepthMaps | Sequence[np.ndarray]
"""Depth pictures (H, W) [m], a frame each."""


class DepthCamera(NamedTuple):
    """What a depth camera saw.

    Attributes:
        maps: aligned to the pictures that were tracked.
        camera: of those pictures.
        T_world_camera: where it stands, (4, 4) or (T, 4, 4); None when not known.
    """

    maps: Maps
    camera: Camera
    T_world_camera: np.ndarray | None


def read_depth_camera(
    depth: Path | None,
    intrinsics: Path | None,
    extrinsics: Path | None = None,
    baseline: float | None = None,
) -> DepthCamera | None:
    """A depth camera out of its files, see `read_depth`, `read_camera`, `read_pose`.

    Returns:
        None when nothing is given.

    Raises:
        InputError: only one of depth and intrinsics is given.
        MissingFileError: a file is absent.
        FormatError: a file holds something else.
    """
    if depth is None and intrinsics is None and extrinsics is None and baseline is None:
        return None
    if depth is None or intrinsics is None:
        raise InputError(
            f"depth {depth}, intrinsics {intrinsics}: expected both, since a hand is measured by "
            "maps of depth and the camera that they are of."
        )
    camera = read_camera(intrinsics)
    pose = None if extrinsics is None else read_pose(extrinsics)
    return DepthCamera(read_depth(depth, baseline, camera.focal[0]), camera, pose)


def read_depth(
    path: str | Path,
    baseline: float | None = None,
    focal: float | None = None,
    unit: float = MILLIMETRES,
) -> DepthMaps:
    """Depth pictures, a frame each.

    Whole numbers are of `unit`, as a RealSense camera has them; other numbers are metres. With a
    `baseline` they are disparities of a stereo pair [px]: depth = baseline · focal / disparity.

    Args:
        path: a folder of 16-bit `.png` or of `.npy`, by the numbers in their names, or one `.npy`
            (T, H, W).
        baseline: between the two cameras [m].
        focal: of the camera [px], for disparities.
        unit: of whole numbers [m].

    Raises:
        MissingFileError: there is nothing.
        FormatError: it is neither, or damaged.
        InputError: there is a baseline but no focal length.
    """
    path = Path(path)
    if baseline is not None and not (baseline > 0 and focal is not None and focal > 0):
        raise InputError(f"baseline {baseline} m, focal {focal} px; expected both, and above 0.")
    if path.is_dir():
        files = sorted([*path.glob("*.png"), *path.glob("*.npy")], key=_natural)
        if not files or len({file.suffix for file in files}) > 1:
            raise FormatError(
                f"{path} holds {len(files)} files, expected .png or .npy of one kind."
            )
        count, read = len(files), lambda index: _picture(files[index])
    else:
        stack = _load(path)
        if stack.ndim != 3:
            raise FormatError(f"{path} has shape {stack.shape}, expected (T, H, W).")
        count, read = len(stack), lambda index: stack[index]

    def metres(index: int) -> np.ndarray:
        values = read(index)
        if baseline is not None:
            disparity = values.astype(np.float64)
            with np.errstate(divide="ignore"):
                return np.where(disparity > 0, baseline * float(focal or 0) / disparity, np.nan)
        return values * (unit if values.dtype.kind in "iu" else 1.0)

    return DepthMaps(count, metres)


def _natural(path: Path) -> tuple[list[int], str]:
    return [int(part) for part in re.findall(r"\d+", path.stem)], path.name


def _picture(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return _load(path)
    try:
        with Image.open(path) as picture:
            values = np.asarray(picture)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"{path} is no picture: {error}.") from error
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 2:
        raise FormatError(f"{path} has pixels of {values.dtype}, expected 16 bits.")
    return values


def _load(path: Path) -> np.ndarray:
    """An array that stays in its file until it is read."""
    if not path.is_file():
        raise MissingFileError(f"No such file or folder: {path}.")
    try:
        values: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path} is no array: {error}.") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        raise FormatError(f"{path} is no array of numbers, expected depths or disparities.")
    return values


def registered(maps: Maps, source: Camera, target: Camera, T_target_source: Values) -> DepthMaps:
    """Depth pictures as another camera would see them: an infrared one's as the colour camera's.

    Each depth is carried to the pixel of the other camera that it falls on; the nearest one stays.

    Args:
        maps: depth pictures [m] of `source`.
        source: the camera that measured.
        target: the camera to see by; its `size` is that of the new pictures.
        T_target_source: (4, 4), the first camera in the frame of the second [m].

    Raises:
        InputError: the target's size is not known, or there is no such pose.
    """
    if target.size is None:
        raise InputError(
            "target: a camera without a size, expected its pictures' width and height."
        )
    pose = as_numbers(T_target_source, "T_target_source", (4, 4))
    width, height = int(target.size[0]), int(target.size[1])

    def seen(index: int) -> np.ndarray:
        depth = maps[index]
        v, u = np.nonzero(np.isfinite(depth))
        along = rays(np.stack([u, v], axis=-1).astype(np.float64), source)
        points = along * depth[v, u][:, None] @ pose[:3, :3].T + pose[:3, 3]
        points = points[points[:, 2] > 0]
        x, y = np.rint(project(points, target)).astype(np.int64).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        nearest = np.full((height, width), np.inf)
        np.minimum.at(nearest, (y[inside], x[inside]), points[inside, 2])
        return nearest

    return DepthMaps(len(maps), seen)


def read_camera(path: str | Path) -> Camera:
    """Intrinsics: a matrix (3, 3) in `.npy` or text, or JSON of fx, fy, cx or ppx, cy or ppy.

    Raises:
        MissingFileError: there is no such file.
        InputError: it holds something else.
    """
    path = Path(path)
    if path.suffix == ".npy":
        return camera_of(np.array(_load(path)))
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return camera_of(np.reshape([float(word) for word in text.split()[:9]], (3, 3)))
        said = json.loads(text)
        fx, fy = (float(said[name]) for name in ("fx", "fy"))
        cx, cy = (float(said.get(name, said.get(f"pp{name[1]}"))) for name in ("cx", "cy"))
    except FileNotFoundError as error:
        raise MissingFileError(f"No such file: {path}.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path} holds no intrinsics: {error!r}.") from error
    return camera_of([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def read_pose(path: str | Path) -> Float[np.ndarray, "*T 4 4"]:
    """A pose (4, 4), or one a frame, in `.npy` or text.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it holds something else.
    """
    path = Path(path)
    if path.suffix == ".npy":
        values = np.array(_load(path), dtype=np.float64)
    else:
        try:
            values = np.reshape([float(w) for w in path.read_text("utf-8").split()], (4, 4))
        except FileNotFoundError as error:
            raise MissingFileError(f"No such file: {path}.") from error
        except (OSError, ValueError) as error:
            raise FormatError(f"{path} holds no pose: {error}.") from error
    if values.shape[-2:] != (4, 4) or values.ndim > 3:
        raise FormatError(f"{path} has shape {values.shape}, expected (4, 4) or (T, 4, 4).")
    return values
