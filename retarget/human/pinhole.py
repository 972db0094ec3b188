"""A pinhole camera and a hand before it: pixels, rays, and where a hand of a given shape must be.

The optical frame: x right, y down, z forward. Pixels are OpenCV's: (0, 0) is the centre of the
first one.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import WRIST
from retarget.human.recording import Camera, ManoParameters, Stream, Values, as_numbers

SCALE = "hand_scale"
"""The stream of how much larger a hand was found than its tracker took it to be."""
_ROTATION_TOLERANCE = 1e-3


def camera_of(matrix: Values, size: tuple[float, float] | None = None) -> Camera:
    """The camera of an intrinsic matrix (3, 3) [px], as OpenCV has it.

    Raises:
        InputError: it is none: no positive focal lengths, or skewed.
    """
    K = as_numbers(matrix, "intrinsics", (3, 3))
    plain = np.array([[K[0, 0], 0, K[0, 2]], [0, K[1, 1], K[1, 2]], [0, 0, 1]])
    if not np.array_equal(K, plain) or not (K[0, 0] > 0 and K[1, 1] > 0 and np.isfinite(K).all()):
        raise InputError(
            f"intrinsics: {K.tolist()}, expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels."
        )
    return Camera((float(K[0, 0]), float(K[1, 1])), (float(K[0, 2]), float(K[1, 2])), size)


def _lens(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    if camera.center is None:
        raise InputError("camera: no principal point, expected the one of its intrinsics.")
    return np.array(camera.focal), np.array(camera.center)


def project(points: Float[np.ndarray, "*batch 3"], camera: Camera) -> Float[np.ndarray, "*batch 2"]:
    """Where points of the camera's frame [m] are seen [px]; NaN of what is not before it.

    Raises:
        InputError: the camera's principal point is not known.
    """
    focal, center = _lens(camera)
    depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
    return focal * points[..., :2] / depth + center


def rays(pixels: Float[np.ndarray, "*batch 2"], camera: Camera) -> Float[np.ndarray, "*batch 3"]:
    """What is seen at a pixel [px] at a depth of 1 m [m].

    Raises:
        InputError: the camera's principal point is not known.
    """
    focal, center = _lens(camera)
    across = (pixels - center) / focal
    return np.concatenate([across, np.ones((*across.shape[:-1], 1))], axis=-1)


def translations(
    points: Float[np.ndarray, "T K 3"], pixels: Float[np.ndarray, "T K 2"], camera: Camera
) -> Float[np.ndarray, "T 3"]:
    """Where shapes of known size must be, to be seen where they are seen [m].

    A shape of `points` p at t is seen on the rays (a, b, 1) when p + t is along them: two linear
    equations a keypoint, x + tx = a (z + tz) and y + ty = b (z + tz), solved by least squares. NaN
    where a frame has no finite ones, or the shape would be behind the camera.

    Raises:
        InputError: the camera's principal point is not known.
    """
    along = rays(pixels, camera)[..., :2]
    count, keypoints = along.shape[:2]
    A = np.zeros((count, keypoints, 2, 3))
    A[..., 0, 0] = A[..., 1, 1] = 1
    A[..., 2] = -along
    b = along * points[..., 2:] - points[..., :2]
    seen = np.isfinite(along).all(axis=(1, 2)) & np.isfinite(points).all(axis=(1, 2))
    rows, right = A[seen].reshape(-1, 2 * keypoints, 3), b[seen].reshape(-1, 2 * keypoints, 1)
    turned = np.swapaxes(rows, 1, 2)
    found = np.full((count, 3), np.nan)
    solved = np.linalg.solve(turned @ rows, turned @ right)[..., 0]
    solved[solved[:, 2] <= 0] = np.nan
    found[seen] = solved
    return found


def placed(
    motion: HandTrajectory,
    wrist: Float[np.ndarray, "T 3"],
    scale: Float[np.ndarray, " T"],
    camera: Camera,
) -> HandTrajectory:
    """The motion with its wrist where it was measured, and the hand as large.

    MANO's parameters keep the pose and the shape that the tracker guessed; `transl` follows the
    wrist. Frames that are not finite are not valid. `scale` is kept as the stream "hand_scale".

    Args:
        motion: of a tracker, in the "camera" frame, or in the "wrist" frame along its axes.
        wrist: in the camera's frame [m].
        scale: of the hand about its wrist.
        camera: the one that measured.

    Raises:
        InputError: no frame was measured.
    """
    shape = motion.keypoints - motion.keypoints[:, [WRIST]]
    points = wrist[:, None] + scale[:, None, None] * shape
    points[~motion.valid] = np.nan
    source = replace(motion.source, frame="camera", metric=True, camera=camera)
    scales = Stream(motion.times, scale, "size of the hand over that which its tracker guessed")
    return HandTrajectory.from_keypoints(
        motion.times,
        points,
        motion.side,
        mano=_carried(motion, points[:, WRIST], np.eye(3)),
        streams={**motion.streams, SCALE: scales},
        source=source,
    )


def in_world(motion: HandTrajectory, T_world_camera: Values) -> HandTrajectory:
    """The motion in the world that the camera stands in, a robot's base for one.

    Args:
        motion: in the "camera" frame.
        T_world_camera: (4, 4), or (T, 4, 4) of a camera that moves: the camera in the world.

    Raises:
        InputError: that is no pose, or the motion is in another frame.
    """
    if motion.source.frame != "camera":
        raise InputError(f"frame: {motion.source.frame!r}, expected 'camera'.")
    poses = as_numbers(T_world_camera, "extrinsics")
    if poses.shape not in ((4, 4), (len(motion), 4, 4)):
        raise InputError(f"extrinsics: shape {poses.shape}, expected (4, 4) or (T, 4, 4).")
    poses = np.broadcast_to(poses, (len(motion), 4, 4))
    turn, origin = poses[:, :3, :3], poses[:, :3, 3]
    off = np.abs(turn @ np.swapaxes(turn, 1, 2) - np.eye(3)).max()
    if not off < _ROTATION_TOLERANCE or np.any(np.linalg.det(turn) < 0):
        raise InputError(
            "extrinsics: not a rotation and a translation [m], expected (4, 4) of both."
        )
    points = np.einsum("tij,tkj->tki", turn, motion.keypoints) + origin[:, None]
    return HandTrajectory.from_keypoints(
        motion.times,
        points,
        motion.side,
        valid=motion.valid,
        mano=_carried(motion, points[:, WRIST], turn),
        streams=motion.streams,
        source=replace(motion.source, frame="world"),
    )


def _carried(
    motion: HandTrajectory, wrist: Float[np.ndarray, "T 3"], turn: Float[np.ndarray, "*T 3 3"]
) -> ManoParameters | None:
    """The motion's MANO parameters once its wrist is elsewhere, and turned."""
    mano = motion.mano
    if mano is None:
        return None
    rest = motion.keypoints[:, WRIST] - mano.transl
    return replace(mano, global_orient=turn @ mano.global_orient, transl=wrist - rest)
