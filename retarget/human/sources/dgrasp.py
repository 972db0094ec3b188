"""D-Grasp's labels: static grasps of DexYCB's objects by a right hand, in a joblib pickle.

A dict from an object's number to arrays of its n grasps:

    =============== ======== ============================================================
    final_qpos      (n, 51)  the wrist's position [m], then 16 Euler angles X Y Z [rad],
                             each about the axes the ones before have turned: the wrist's,
                             then index, middle, ring, pinky, thumb, from a flat hand
    final_ee        (n, 63)  21 keypoints [m]: wrist, then the same fingers, four points each
    final_obj_pos   (n, 7)   the object: x y z [m], qw qx qy qz
    final_contacts  (n, 16)  whether each part of the hand touches the object
    =============== ======== ============================================================

The grasps follow one another, one second apart (or at `fps`), in the order of the file; they are
no motion. The stream "object" names the object of each, so that

    grasps.select(grasps.streams["object"].values == "006_mustard_bottle")

are those of one. "object_<name>" is its pose, at the times of its grasps, and "contacts" are the
labels of contact.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError
from retarget.human.hand_trajectory import HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import FROM_THUMB_LAST, Side
from retarget.human.mano import rest_wrist
from retarget.human.recording import as_numbers
from retarget.human.sources import ycb
from retarget.human.sources.arrays import container, read_pickle
from retarget.human.sources.assembly import assemble, frame_period
from retarget.human.sources.poses import MEANING, from_quaternions

NAME = "dgrasp"

STILLS_FPS = 1.0
"""Grasps a second [Hz] that they are laid out at."""

_SIDE: Side = "right"
_SHAPES = {"final_qpos": (51,), "final_ee": (63,), "final_obj_pos": (7,), "final_contacts": (16,)}
_TO_MANO = (0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 7, 8, 9, 13, 14, 15)
"""MANO's joints in D-Grasp's, which have the ring finger before the pinky."""


def recognises(path: Path) -> bool:
    """Whether it is a pickle of such labels."""
    return container(path) == "pickle" and _labels(read_pickle(path)) is not None


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read all grasps.

    Raises:
        FormatError: the pickle is damaged or unsafe, or holds no grasps.
        InputError: a shape is wrong, or the left hand is asked for.
    """
    if side not in (None, _SIDE):
        raise InputError(f"{path.name} holds right hands, as all of D-Grasp, expected {side}.")
    labels = _labels(read_pickle(path)) if container(path) == "pickle" else None
    if labels is None:
        raise FormatError(f"{path} holds no dict of grasps with {', '.join(_SHAPES)}.")
    grasps = {
        number: _grasps(arrays, f"{path.name}: {number}") for number, arrays in labels.items()
    }
    rows = {key: np.concatenate([arrays[key] for arrays in grasps.values()]) for key in _SHAPES}
    counts = [len(arrays["final_qpos"]) for arrays in grasps.values()]
    objects = np.repeat([ycb.name(number) for number in grasps], counts)
    times = np.arange(len(objects)) * frame_period(fps, STILLS_FPS)
    tips = "ends of D-Grasp's hand model"
    return assemble(
        path,
        rows["final_ee"].reshape(-1, 21, 3)[:, FROM_THUMB_LAST],
        _SIDE,
        Source(path.name, NAME, tracker="D-Grasp of DexYCB", tips=tips, times_assumed=True),
        times=times,
        mano=_parameters(rows["final_qpos"]),
        streams={
            "object": Stream(times, objects, "name of the YCB object that is grasped"),
            **_objects(objects, times, rows["final_obj_pos"], path.name),
            "contacts": Stream(
                times, rows["final_contacts"], "16 parts of the hand: 1 where it touches the object"
            ),
        },
    )


def _labels(content: Any) -> Mapping[int, Mapping[str, Any]] | None:
    if not isinstance(content, dict) or not content:
        return None
    for number, arrays in content.items():
        if not isinstance(number, int) or not isinstance(arrays, dict):
            return None
        if not set(_SHAPES) <= set(arrays):
            return None
    return content


def _grasps(arrays: Mapping[str, Any], name: str) -> dict[str, np.ndarray]:
    count = len(as_numbers(arrays["final_qpos"], f"{name}: final_qpos", (None, 51)))
    return {
        key: as_numbers(arrays[key], f"{name}: {key}", (count, *shape))
        for key, shape in _SHAPES.items()
    }


def _parameters(qpos: np.ndarray) -> ManoParameters:
    """The file gives the wrist; `transl` is what puts the wrist of the mean shape there."""
    angles = qpos[:, 3:].reshape(-1, 3)
    turns = np.full((len(angles), 3, 3), np.nan)
    seen = np.isfinite(angles).all(axis=1)
    if seen.any():
        turns[seen] = Rotation.from_euler("XYZ", angles[seen]).as_matrix()
    joints = turns.reshape(-1, 16, 3, 3)[:, _TO_MANO]
    betas = np.zeros((len(qpos), 10))
    return ManoParameters(betas, joints[:, 0], joints[:, 1:], qpos[:, :3] - rest_wrist(_SIDE))


def _objects(
    objects: np.ndarray, times: np.ndarray, poses: np.ndarray, name: str
) -> dict[str, Stream]:
    rows = from_quaternions(poses[:, 3:], poses[:, :3], f"{name}: final_obj_pos")
    streams = {}
    for known in dict.fromkeys(objects.tolist()):
        at = objects == known
        streams[f"object_{known}"] = Stream(times[at], rows[at], f"{known} in the world: {MEANING}")
    return streams
