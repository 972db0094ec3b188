"""What is known of a recording's camera, in files of our own names beside the recording.

``T_world_camera.npy`` (4, 4) is where the camera stood: it takes points of the camera's optical
frame to the world, the base of a robot say. ``camera_intrinsics.npy`` (3, 3) [px] has the focal
lengths and the principal point. They lie in the recording's folder, or in the folder around it
where all recordings share a camera.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from retarget.human.recording import Camera, as_numbers
from retarget.human.sources.arrays import read_npy

EXTRINSICS, INTRINSICS = "T_world_camera.npy", "camera_intrinsics.npy"

_RIGID = 1e-2


def beside(folder: Path, name: str) -> Path | None:
    """The file of that name in the folder, or else in the folder around it."""
    files = (folder / name, folder.resolve().parent / name)
    return next((file for file in files if file.is_file()), None)


def extrinsics(folder: Path) -> Float[np.ndarray, "4 4"] | None:
    """The camera's pose in the world; None where no file says.

    Raises:
        InputError: the file holds no rigid motion.
    """
    file = beside(folder, EXTRINSICS)
    if file is None:
        return None
    pose = as_numbers(read_npy(file), file.name, (4, 4))
    R = pose[:3, :3]
    off = np.abs(R.T @ R - np.eye(3)).max()
    if not off < _RIGID or np.linalg.det(R) < 0 or np.any(pose[3] != [0, 0, 0, 1]):
        raise InputError(f"{file.name}: no rigid motion (off orthogonal by {off:.2g}).")
    return pose


def intrinsics(folder: Path, size: tuple[float, float] | None) -> Camera | None:
    """The camera, given its pictures' width and height [px]; None where no file says.

    Raises:
        InputError: the file holds no (3, 3) with positive focal lengths.
    """
    file = beside(folder, INTRINSICS)
    if file is None:
        return None
    matrix = as_numbers(read_npy(file), file.name, (3, 3))
    if not (np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise InputError(f"{file.name}: {matrix.tolist()}, expected positive focal lengths [px].")
    focal, center = (matrix[0, 0], matrix[1, 1]), (matrix[0, 2], matrix[1, 2])
    return Camera((float(focal[0]), float(focal[1])), (float(center[0]), float(center[1])), size)
