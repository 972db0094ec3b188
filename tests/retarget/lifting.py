"""A planted recording: a hand comes, takes an object from a table, lifts and turns it."""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from handsim.grasp_script import eased
from handsim.poses import matrices_from_poses, poses_from_matrices
from retarget.human.authored import poses
from retarget.human.authored_hand import hand_keypoints
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import TIPS
from retarget.human.recording import Stream

RATE, LIFT, END = 30.0, 1.8, 3.4
REST_HEIGHT = 0.05
OBJECT = "object_0"
HERE = np.eye(4)


class Lifting(NamedTuple):
    """What was planted, in a world whose z is up, and what was recorded of it.

    Attributes:
        motion: the recording, in a frame of its own, with the object as a stream.
        path: the object's poses (T, 4, 4) in the world.
        hold: the palm (4, 4) in the object while it is held.
    """

    motion: HandTrajectory
    path: np.ndarray
    hold: np.ndarray


def moved(rotation=(0.0, 0.0, 0.0), place=(0.0, 0.0, 0.0)) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec(rotation).as_matrix()
    transform[:3, 3] = place
    return transform


def lifting(recorded=HERE, camera=HERE, spin=0.0, still=False) -> Lifting:
    """The recording.

    Args:
        recorded: the world in the frame of the recording.
        camera: the frame of the object's poses in that of the recording.
        spin: how far [rad] the object seems to be turned about its axis, at random, while it rests.
        still: whether the object is never moved.
    """
    times = np.arange(round(END * RATE) + 1) / RATE
    # Not quite still: frames that repeat the one before are taken for the recorder's.
    sway = 1e-3 * np.sin(times)[:, None]
    hand = hand_keypoints((poses()["open"] + poses()["pinch index"]) / 2 + sway)
    lifted = np.zeros(len(times)) if still else eased((times - LIFT) / 0.8)
    path = np.tile(moved((0.0, 0.0, 0.4), (0.1, 0.3, REST_HEIGHT)), (len(times), 1, 1))
    path[:, :3, 3] += lifted[:, None] * [0.10, 0.04, 0.12]
    path[:, :3, :3] = path[:, :3, :3] @ Rotation.from_euler("x", 0.2 * lifted[:, None]).as_matrix()
    hold = _hold(hand[0, list(TIPS)])
    palms = path @ hold
    coming = 1 - eased((times - LIFT + 1.3) / 0.8)
    palms[:, :3, 3] += coming[:, None] * (palms[0, :3, :3] @ [0.0, 0.05, -0.15])
    seen = path.copy()
    rest = times <= LIFT
    turns = np.random.default_rng(0).uniform(-spin, spin, (rest.sum(), 1))
    seen[rest, :3, :3] = seen[rest, :3, :3] @ Rotation.from_euler("z", turns).as_matrix()
    palms, seen = recorded @ palms, np.linalg.inv(camera) @ recorded @ seen
    keypoints = hand @ palms[:, :3, :3].transpose(0, 2, 1) + palms[:, None, :3, 3]
    streams = {OBJECT: Stream(times, poses_from_matrices(seen), "object")}
    motion = HandTrajectory.from_keypoints(times, keypoints, "right", streams=streams)
    return Lifting(motion, path, hold)


def mirrored(motion: HandTrajectory) -> HandTrajectory:
    """The left hand, and its object, behind a mirror at x = 0."""
    stream = motion.streams[OBJECT]
    values = stream.values * [-1, 1, 1, 1, 1, -1, -1]
    return HandTrajectory.from_keypoints(
        motion.times,
        motion.keypoints * [-1, 1, 1],
        "left",
        streams={OBJECT: Stream(stream.times, values, "object")},
    )


def relative(poses: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Poses (T, 7) `others` in the frames `poses`, as matrices."""
    return np.linalg.inv(matrices_from_poses(poses)) @ matrices_from_poses(others)


def _hold(tips: np.ndarray) -> np.ndarray:
    """The palm in an object between thumb and fingers: its x from thumb to fingers, thumb up."""
    thumb, others = tips[0], tips[1:].mean(axis=0)
    across = (others - thumb) / np.linalg.norm(others - thumb)
    up = np.array([0.0, 1.0, 0.0]) - across[1] * across
    up /= np.linalg.norm(up)
    held = np.eye(4)
    held[:3, :3] = np.stack([across, np.cross(up, across), up], axis=1)
    held[:3, 3] = (thumb + others) / 2
    return np.linalg.inv(held)
