"""How an object lies in the hand: fingers curled to a cup, palm up.

There is no formula for where a given object rests in a given hand. A small grid of postures and
places is simulated, and the firmest rest is taken.
"""

from collections.abc import Iterator

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from handsim.furniture import OBJECT
from handsim.poses import matrices_from_poses, poses_from_matrices
from handsim.postures import curled
from handsim.scene import Scene

_PITCH = np.radians(15.0)
"""By how much the fingers point down: it brings the object to rest against them."""
_PALM_UP = np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])
"""Out of the palm is up, the fingers point along the world's x axis."""
_LEVEL = Rotation.from_euler("y", _PITCH).as_matrix()
UPTURNED = poses_from_matrices(
    np.block([[_LEVEL @ _PALM_UP, np.zeros((3, 1))], [np.array([0.0, 0.0, 0.0, 1.0])]])
)
"""Palm frame of an upturned hand in the world."""

_CURLS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
_SHARES = (0.35, 0.5, 0.65)
"""Where the object is let go: shares of the way from the wrist to the straight fingertips."""
_FREE_STEP, _FREE_STEPS = 0.005, 16
"""Heights that are tried for the object, from the palm up until it touches nothing [m]."""
_SETTLING, _SHAKING = 1.0, 0.25
"""Time given to come to rest, and of each push [s]."""
_REST_SPEED, _FALL = 0.05, 0.1
"""What is slower lies still [m/s, rad/s]; what came farther down than that lies beside the hand
[m]."""
_PUSH = 0.7
"""Sideways force on the object while the hold is tried, as a share of its weight."""
_GRAVITY = 9.81
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_found: dict[str, Float[np.ndarray, " S"]] = {}


def cupped(scene: Scene) -> Float[np.ndarray, " S"]:
    """The state (``mjSTATE_INTEGRATION``) in which the object lies firmest in the upturned hand.

    The measure is how far the object's surface moves: how much it tips while it settles, and how
    far it slides when it is pushed to any side. A state that was found is kept for equal scenes.

    Args:
        scene: with an object, the palm as `UPTURNED`.

    Raises:
        InputError: the object rests nowhere in the hand.
    """
    if scene.xml not in _found:
        trials = list(_trials(scene))
        unrest, state = min(trials, key=lambda trial: trial[0])
        if not np.isfinite(unrest):
            raise InputError(
                f"object: {scene.object and scene.object.name!r} finds no rest in the upturned "
                f"hand {scene.hand.name!r}, expected one that a hand can hold."
            )
        _found[scene.xml] = state
    return _found[scene.xml].copy()


def _trials(scene: Scene) -> Iterator[tuple[float, Float[np.ndarray, " S"]]]:
    data = mujoco.MjData(scene.model)
    for curl in _CURLS:
        qpos = curled(scene.hand, curl)
        for share in _SHARES:
            start = _let_go(scene, data, qpos, share)
            mujoco.mj_step(scene.model, data, round(_SETTLING / scene.model.opt.timestep))
            state = np.empty(mujoco.mj_stateSize(scene.model, _STATE))
            mujoco.mj_getState(scene.model, data, state, _STATE)
            yield _unrest(scene, data, start, state), state


def _let_go(
    scene: Scene, data: mujoco.MjData, qpos: Float[np.ndarray, " nq"], share: float
) -> Float[np.ndarray, " 7"]:
    """Place hand and object, which just touches nothing; returns where the object is."""
    assert scene.object is not None
    reach = float(np.linalg.norm(scene.hand.tips(scene.hand.neutral[None])[0], axis=1).max())
    T_world_palm = matrices_from_poses(UPTURNED)
    T_palm_object = np.eye(4)
    T_palm_object[:3, :3] = _PALM_UP
    for step in range(_FREE_STEPS):
        height = scene.object.rest_height + step * _FREE_STEP
        T_palm_object[:3, 3] = height, 0.0, share * reach
        start = poses_from_matrices(T_world_palm @ T_palm_object)
        scene.place(data, qpos, UPTURNED, start)
        if not _touched(scene, data):
            break
    return start


def _touched(scene: Scene, data: mujoco.MjData) -> bool:
    body = scene.model.body(OBJECT).id
    return bool((scene.model.geom_bodyid[data.contact.geom] == body).any())


def _unrest(
    scene: Scene,
    data: mujoco.MjData,
    start: Float[np.ndarray, " 7"],
    state: Float[np.ndarray, " S"],
) -> float:
    """How far the surface of the object moves [m]; infinite if it fell or does not lie still."""
    assert scene.object is not None
    pose, velocity = scene.object_pose(data), scene.object_velocity(data)
    if pose[2] < start[2] - _FALL or np.abs(velocity).max() > _REST_SPEED:
        return float("inf")
    ways = Rotation.from_quat([start[3:], pose[3:]], scalar_first=True)
    tipped = float((ways[0].inv() * ways[1]).magnitude())
    slides = []
    for way in ([1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]):
        mujoco.mj_setState(scene.model, data, state, _STATE)
        force = _PUSH * scene.object.mass * _GRAVITY
        data.xfrc_applied[scene.model.body(OBJECT).id, :2] = force * np.array(way)
        mujoco.mj_step(scene.model, data, round(_SHAKING / scene.model.opt.timestep))
        slides.append(float(np.linalg.norm(scene.object_pose(data)[:3] - pose[:3])))
    return max(slides) + tipped * max(scene.object.size) / 2
