"""A person's hand and the object it lifts, in the world of the table the object stood on.

Trackers follow hand and object apart, each with its own noise and perhaps from a camera of its own.
What is known beside the recording puts them together: an object at rest stands upright, its axis
is up and its bottom on the table; and an object that is held moves with the palm, as one body.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from handsim.grasp_script import eased
from handsim.poses import interpolate_poses, matrices_from_poses, poses_from_matrices
from retarget.human.filters import clean
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import continuous
from retarget.human.recording import Stream
from retarget.human.rigid import placed

MOVED = 0.015
"""An object farther from where it stood than this has been lifted [m]."""
REACH, ARRIVED = 1.4, 0.6
"""How much of the motion before the lift is kept, and when in it the palm is, as seen from the
object, where it will be while it holds it [s]. In between it leaves the recorded way for that."""
HOLD = 1.0
"""Until when after the lift it is looked at how the object is held [s]; trackers drift."""

_SETTLE = 0.25
"""How long after the lift an object is taken to be turned as it stood, and how long it then takes
to be turned as it is seen [s]."""
_WINDOW, _STILL = 0.2, 0.3
_STEEP = 0.3


@dataclass(frozen=True, eq=False)
class Tabletop:
    """A hand that takes an object from a table. The world is z up, the table's top is z = 0.

    At the grasp the fingers point to −y. The origin is below the middle of the object's way.

    Attributes:
        motion: the person, from `REACH` before the lift until the object is still again.
        object_path: the object's frame in the world at the motion's times, x y z qw qx qy qz.
        lift: the last frame in which the object still stands.
        hold: the palm frame in the object's while it is held.
        stray: how far the recorded palm was from there, while that was looked at, root mean squares
            [m, rad]: the trackers' noise, an error of the cameras' places, and slip.
    """

    motion: HandTrajectory
    object_path: Float[np.ndarray, "T 7"]
    lift: int
    hold: Float[np.ndarray, " 7"]
    stray: tuple[float, float]


def on_table(
    motion: HandTrajectory,
    stream: Stream,
    rest_height: float,
    T_motion_object: Float[np.ndarray, "4 4"] | None = None,
) -> Tabletop:
    """Put a hand and the object it lifts on a table.

    Args:
        motion: the person; it is cleaned (`filters.clean`).
        stream: the object's poses x y z qw qx qy qz, its z axis up as it stands.
        rest_height: of the object's frame over the table [m].
        T_motion_object: the frame of the stream's poses in that of the motion where they differ:
            one camera in another's.

    Raises:
        InputError: the stream holds no poses; the transform is not rigid; the object does not rest
            at first, for as long as the palm needs to arrive, and move then; or the hand is lost.
    """
    motion = clean(motion)
    path = _path(motion, stream, T_motion_object)
    lift, end = _span(motion.times, path[:, :3, 3])
    first = int(np.searchsorted(motion.times, motion.times[lift] - REACH - 1e-9))
    kept = motion.select(slice(first, end + 1))
    if not kept.valid.all():
        lost = kept.times[~kept.valid][0]
        raise InputError(f"No hand is seen at {lost:g} s, expected it all the time it is busy.")
    path, lift = _settled(motion.times, path, lift)[first : end + 1], lift - first
    palms = matrices_from_poses(kept.wrist)
    hold, stray = _hold(path, palms, kept.times, lift)
    world = _world(path, path[0] @ hold, rest_height)
    path, palms = world @ path, world @ palms
    wrist = _joined(kept.times - kept.times[lift], palms, path @ hold)
    keypoints = placed(wrist, kept.palm_keypoints)
    return Tabletop(
        replace(kept, wrist=wrist, keypoints=keypoints, streams={}),
        poses_from_matrices(path),
        lift,
        poses_from_matrices(hold),
        stray,
    )


def _path(
    motion: HandTrajectory, stream: Stream, T_motion_object: Float[np.ndarray, "4 4"] | None
) -> Float[np.ndarray, "T 4 4"]:
    """The object in the motion's frame at its times; held outside what was seen."""
    values = np.asarray(stream.values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 7:
        raise InputError(f"The stream has the shape {values.shape}, expected poses (N, 7).")
    seen = np.isfinite(values).all(axis=1)
    if not seen.any():
        raise InputError("The object is seen in no frame, expected it at rest and moving.")
    times = stream.times[seen]
    poses = interpolate_poses(np.clip(motion.times, times[0], times[-1]), times, values[seen])
    path = matrices_from_poses(poses)
    return path if T_motion_object is None else _rigid(T_motion_object) @ path


def _rigid(transform: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """The rigid transform that is nearest, where only the digits printed are missing."""
    rotation = transform[:3, :3]
    off = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if not (off < 1e-3 and np.linalg.det(rotation) > 0 and np.isfinite(transform).all()):
        raise InputError(f"T_motion_object {transform.tolist()} is not a rigid transform.")
    rigid = np.eye(4)
    rigid[:3, :3], rigid[:3, 3] = Rotation.from_matrix(rotation).as_matrix(), transform[:3, 3]
    return rigid


def _span(times: Float[np.ndarray, " T"], places: Float[np.ndarray, "T 3"]) -> tuple[int, int]:
    """The last frame in which the object still stands, and one in which it is still again."""
    calm = median_filter(places, (_odd(times), 1), mode="nearest")
    start = np.median(calm[times <= times[0] + _STILL], axis=0)
    away = np.linalg.norm(calm - start, axis=1) > MOVED
    lift = max(int(away.argmax()) - 1, 0)
    if not away.any() or times[lift] - times[0] < ARRIVED + _STILL:
        raise InputError(
            f"The object {f'moves after {times[lift] - times[0]:.2g} s' if away.any() else 'rests'}"
            f", expected it to rest for {ARRIVED + _STILL:g} s and then to move."
        )
    goal = np.median(calm[times >= times[-1] - _STILL], axis=0)
    going = np.flatnonzero(np.linalg.norm(calm - goal, axis=1) > MOVED)[-1]
    return lift, int(np.searchsorted(times[:-1], times[going] + _STILL))


def _settled(
    times: Float[np.ndarray, " T"], path: Float[np.ndarray, "T 4 4"], lift: int
) -> Float[np.ndarray, "T 4 4"]:
    """The path smoothed, and one upright pose until the lift.

    Where the object stands is the median of the frames before the lift, up is their mean axis.
    How it is turned about that is what it mostly is in the `HOLD` after: what is nearly round seems
    to spin while it stands, and settles once it moves.
    """
    standing, calm = path[: lift + 1], path.copy()
    after = times - times[lift]
    held = (after >= 0) & (after <= HOLD)
    rest = _upright(_medoid(path[held, :3, :3]), _unit(standing[:, :3, 2].mean(axis=0)))
    calm[:, :3, :3] = _between(rest[None], path[:, :3, :3], eased(after / _SETTLE - 1))
    calm[: lift + 1, :3, 3] = np.median(standing[:, :3, 3], axis=0)
    return _smooth(times, calm)


def _smooth(
    times: Float[np.ndarray, " T"], path: Float[np.ndarray, "T 4 4"]
) -> Float[np.ndarray, "T 4 4"]:
    """Without outliers, by a running median, and without noise (Savitzky, Golay 1964)."""
    poses, width = continuous(poses_from_matrices(path)), _odd(times)
    poses = savgol_filter(median_filter(poses, (width, 1), mode="nearest"), width, 2, axis=0)
    poses[:, 3:] /= np.linalg.norm(poses[:, 3:], axis=1, keepdims=True)
    return matrices_from_poses(poses)


def _hold(
    path: Float[np.ndarray, "T 4 4"],
    palms: Float[np.ndarray, "T 4 4"],
    times: Float[np.ndarray, " T"],
    lift: int,
) -> tuple[Float[np.ndarray, "4 4"], tuple[float, float]]:
    """The palm in the object while it is held, and how far the recorded one strays from it."""
    held = (times > times[lift] + 2 * _SETTLE) & (times <= times[lift] + HOLD)
    relative = np.linalg.inv(path[held]) @ palms[held]
    hold = np.eye(4)
    hold[:3, :3] = Rotation.from_matrix(relative[:, :3, :3]).mean().as_matrix()
    hold[:3, 3] = np.median(relative[:, :3, 3], axis=0)
    off = np.linalg.norm(relative[:, :3, 3] - hold[:3, 3], axis=1)
    turn = Rotation.from_matrix(hold[:3, :3].T @ relative[:, :3, :3]).magnitude()
    return hold, (float(np.sqrt((off**2).mean())), float(np.sqrt((turn**2).mean())))


def _world(
    path: Float[np.ndarray, "T 4 4"], palm: Float[np.ndarray, "4 4"], rest_height: float
) -> Float[np.ndarray, "4 4"]:
    """The motion's frame in the table's world.

    Where the fingers point down, the palm's normal takes their place.
    """
    up, fingers, normal = path[0, :3, 2], palm[:3, 2], palm[:3, 0]
    flat = [direction - (direction @ up) * up for direction in (fingers, normal)]
    back = -_unit(flat[0] if np.linalg.norm(flat[0]) > _STEEP else flat[1])
    world = np.eye(4)
    world[:3, :3] = np.stack([np.cross(back, up), back, up])
    way = path[:, :3, 3] @ world[:3, :3].T
    world[:2, 3] = -(way[:, :2].min(axis=0) + way[:, :2].max(axis=0)) / 2
    world[2, 3] = rest_height - way[0, 2]
    return world


def _joined(
    after: Float[np.ndarray, " T"],
    palms: Float[np.ndarray, "T 4 4"],
    held: Float[np.ndarray, "T 4 4"],
) -> Float[np.ndarray, "T 7"]:
    """The palm as recorded, going over to where it holds the object, and there from then on."""
    share = eased((after + REACH) / (REACH - ARRIVED))
    joined = held.copy()
    joined[:, :3, :3] = _between(palms[:, :3, :3], held[:, :3, :3], share)
    joined[:, :3, 3] += (1 - share)[:, None] * (palms[:, :3, 3] - held[:, :3, 3])
    return continuous(poses_from_matrices(joined))


def _upright(
    rotation: Float[np.ndarray, "3 3"], up: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "3 3"]:
    """The least turned orientation whose z axis is `up`."""
    turn = np.cross(rotation[:, 2], up)
    sine = float(np.linalg.norm(turn))
    vector = np.arctan2(sine, rotation[:, 2] @ up) * turn / max(sine, 1e-12)
    return Rotation.from_rotvec(vector).as_matrix() @ rotation


def _medoid(rotations: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "3 3"]:
    """The one with the least sum of angles to the others."""
    cosines = (np.einsum("aij,bij->ab", rotations, rotations) - 1) / 2
    return rotations[np.arccos(np.clip(cosines, -1, 1)).sum(axis=1).argmin()]


def _between(
    one: Float[np.ndarray, "#T 3 3"],
    other: Float[np.ndarray, "T 3 3"],
    share: Float[np.ndarray, " T"],
) -> Float[np.ndarray, "T 3 3"]:
    """Orientations on the great arcs from one to the other."""
    turns = Rotation.from_matrix(one.transpose(0, 2, 1) @ other).as_rotvec()
    return one @ Rotation.from_rotvec(share[:, None] * turns).as_matrix()


def _odd(times: Float[np.ndarray, " T"]) -> int:
    """How many frames `_WINDOW` is, an odd number."""
    return 2 * max(2, round(0.5 * _WINDOW * (len(times) - 1) / (times[-1] - times[0]))) + 1


def _unit(vector: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    return vector / np.linalg.norm(vector)
