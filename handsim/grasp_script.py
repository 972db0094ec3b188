"""An object's way from a table into the air, and the motion of a hand that takes it there.

Everything moves with least jerk from one stop to the next: ``10 s³ − 15 s⁴ + 6 s⁵`` (Flash and
Hogan, "The coordination of arm movements", J. Neuroscience 5, 1985).
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.grasps import Grasp
from handsim.hands.robot_hand import RobotHand
from handsim.joint_trajectory import JointTrajectory
from handsim.poses import interpolate_poses, matrices_from_poses, poses_from_matrices

APPROACH, CLOSE, SQUEEZE = 0.8, 0.6, 0.3
"""How long a scripted hand takes to come near, to close, and to press [s]."""
REST = 1.8
"""How long an object rests on the table at first [s]."""
_LIFT, _PAUSE, _CARRY, _LAST = 1.0, 0.5, 1.0, 0.7
LIFTED = REST + _LIFT
"""When an object has been lifted [s]."""
CARRY_SECONDS = REST + _LIFT + _PAUSE + _CARRY + _LAST
"""Duration of `carried` [s]."""
_HEIGHTS, _ASIDE, _YAW = (0.10, 0.15), 0.08, 0.5
_SHAKES, _SHAKE_HZ, _SWING = 4, 2.0, 0.03


def carried(
    start: Float[np.ndarray, " 7"], times: Float[np.ndarray, " T"], rng: np.random.Generator
) -> Float[np.ndarray, "T 7"]:
    """An object's path: it rests, is lifted by 10 to 15 cm, held, carried aside and held again.

    Args:
        start: where it rests on the table.
        times: at which its pose is wanted [s], from 0 to `CARRY_SECONDS` and beyond.
        rng: draws the height, the way aside of up to 8 cm along x and y and 0.5 rad about z.
    """
    lifted, goal = start.copy(), start.copy()
    lifted[2] += rng.uniform(*_HEIGHTS)
    goal[:3] = lifted[:3] + np.array([*rng.uniform(-_ASIDE, _ASIDE, 2), 0.0])
    yaw = Rotation.from_euler("z", rng.uniform(-_YAW, _YAW))
    turned = yaw * Rotation.from_quat(start[3:], scalar_first=True)
    goal[3:] = turned.as_quat(canonical=True, scalar_first=True)
    ends = np.cumsum([0.0, REST, _LIFT, _PAUSE, _CARRY])
    return _stops(times, ends, np.stack([start, start, lifted, lifted, goal]))


def shaken(
    start: Float[np.ndarray, " 7"], times: Float[np.ndarray, " T"], hold: float = 5.0
) -> Float[np.ndarray, "T 7"]:
    """An object's path: it rests, is lifted by 12 cm, held, and shaken up and down and sideways.

    The shake has 2 Hz and 3 cm each way, hence up to 4.7 m/s², along z and y at once.

    Args:
        start: where it rests on the table.
        times: at which its pose is wanted [s], from 0 to `shake_end(hold)` and beyond.
        hold: how long it is held before the shake [s].
    """
    lifted = start.copy()
    lifted[2] += 0.12
    path = _stops(times, np.array([0.0, REST, LIFTED]), np.stack([start, start, lifted]))
    began = LIFTED + hold
    span = _SHAKES / _SHAKE_HZ
    share = np.clip((times - began) / span, 0.0, 1.0)
    # Swings grow and fade within a quarter of the shake: none begins or ends with a jerk.
    strength = eased(4 * share) * eased(4 * (1 - share))
    path[:, 1:3] += _SWING * (strength * np.sin(2 * np.pi * _SHAKES * share))[:, None]
    return path


def shake_end(hold: float = 5.0) -> float:
    """When `shaken` is over [s]."""
    return LIFTED + hold + _SHAKES / _SHAKE_HZ


def scripted(
    hand: RobotHand,
    grasp: Grasp,
    times: Float[np.ndarray, " T"],
    path: Float[np.ndarray, "T 7"],
) -> JointTrajectory:
    """What to command, open loop, to take an object along `path` by `grasp`.

    The hand comes near, closes and presses while the object rests, `REST` seconds, and then moves
    with the object. It lets nothing go.

    Args:
        hand: the hand.
        grasp: how it grasps the object.
        times: of the frames [s], from 0.
        path: the object in the world.
    """
    stops = np.cumsum([0.0, APPROACH, CLOSE, SQUEEZE])
    postures = np.stack([grasp.open, grasp.open, grasp.closed, grasp.pressed])
    x = _between(times, stops, hand.reduce(postures))
    palm = matrices_from_poses(path) @ matrices_from_poses(grasp.palm)
    away = 1.0 - eased(times / APPROACH)
    palm[:, :3, 3] += away[:, None] * (matrices_from_poses(path)[:, :3, :3] @ grasp.retreat)
    return JointTrajectory(
        hand=hand.name,
        side=hand.side,
        joint_names=hand.joint_names,
        times=times,
        qpos=hand.expand(x),
        wrist=poses_from_matrices(palm),
        valid=np.ones(len(times), dtype=bool),
    )


def eased(share: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """From 0 at 0 to 1 at 1 with least jerk, constant outside."""
    s = np.clip(share, 0.0, 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s**2)


def _position(times: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """How many stops lie behind at each time, fractions eased."""
    leg = np.clip(np.searchsorted(stops, times, side="right") - 1, 0, len(stops) - 2)
    return leg + eased((times - stops[leg]) / (stops[leg + 1] - stops[leg]))


def _stops(times: np.ndarray, stops: np.ndarray, poses: np.ndarray) -> Float[np.ndarray, "T 7"]:
    return interpolate_poses(_position(times, stops), np.arange(len(stops), dtype=float), poses)


def _between(times: np.ndarray, stops: np.ndarray, values: np.ndarray) -> Float[np.ndarray, "T m"]:
    at = _position(times, stops)
    return np.stack([np.interp(at, np.arange(len(stops)), column) for column in values.T], axis=1)
