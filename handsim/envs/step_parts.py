"""The parts of a step that are not physics, compiled: they take a third of its time otherwise."""

from math import atan2, exp, isfinite, log, sqrt

import numpy as np
from numba import njit


@njit(cache=True)
def bounded(action):
    """An action clipped to [−1, 1], and the index of its first number that is not finite, or −1."""
    clipped = np.empty(len(action))
    for i in range(len(action)):
        if not isfinite(action[i]):
            return clipped, i
        clipped[i] = min(max(action[i], -1.0), 1.0)
    return clipped, -1


@njit(cache=True)
def see(state, copied, sites, turns, marks, joints, touch):
    """The numbers of an observation, in one array.

    Args:
        state: all of MuJoCo's (S,).
        copied: which of it is shown as it is: the hand's qpos and qvel, then anything else.
        sites, turns: positions (N, 3) and rotations (N, 9) of all sites.
        marks: the site of the palm, then those of the fingertips.
        joints: of the hand.
        touch: where the forces (3F,) on the fingertips, in the world, begin in the state.

    Returns:
        qpos, qvel (nq,), then tips (3F,) in the palm frame, the palm (7,), the forces (3F,) in
        the palm frame, then anything else.
    """
    fingers, palm = len(marks) - 1, marks[0]
    seen = np.empty(len(copied) + 6 * fingers + 7)
    for i in range(2 * joints):
        seen[i] = state[copied[i]]
    tips = 2 * joints
    felt = tips + 3 * fingers + 7
    for f in range(fingers):
        site = marks[1 + f]
        for axis in range(3):
            point = force = 0.0
            for world in range(3):
                turn = turns[palm, 3 * world + axis]
                point += (sites[site, world] - sites[palm, world]) * turn
                force += state[touch + 3 * f + world] * turn
            seen[tips + 3 * f + axis] = point
            seen[felt + 3 * f + axis] = force
    pose = seen[tips + 3 * fingers : felt]
    pose[:3] = sites[palm]
    _set_quaternion(pose, turns[palm])
    for i in range(2 * joints, len(copied)):
        seen[6 * fingers + 7 + i] = state[copied[i]]
    return seen


@njit(cache=True)
def _set_quaternion(pose, turn):
    """The quaternion of a rotation matrix, with qw ≥ 0, by its largest component."""
    trace = turn[0] + turn[4] + turn[8]
    if trace > 0:
        w = sqrt(1 + trace) / 2
        pose[3] = w
        pose[4] = (turn[7] - turn[5]) / (4 * w)
        pose[5] = (turn[2] - turn[6]) / (4 * w)
        pose[6] = (turn[3] - turn[1]) / (4 * w)
        return
    i = 0
    if turn[4] > turn[0]:
        i = 1
    if turn[8] > turn[4 * i]:
        i = 2
    j, k = (i + 1) % 3, (i + 2) % 3
    largest = sqrt(1 + turn[4 * i] - turn[4 * j] - turn[4 * k]) / 2
    sign = 1.0 if turn[3 * k + j] >= turn[3 * j + k] else -1.0
    pose[3] = sign * (turn[3 * k + j] - turn[3 * j + k]) / (4 * largest)
    pose[4 + i] = sign * largest
    pose[4 + j] = sign * (turn[3 * j + i] + turn[3 * i + j]) / (4 * largest)
    pose[4 + k] = sign * (turn[3 * k + i] + turn[3 * i + k]) / (4 * largest)


@njit(cache=True)
def tracking(seen, target_qpos, target_tips, joint_margin, tip_margin):
    """How well a hand tracks.

    Args:
        seen: what `see` returned.
        target_qpos, target_tips: where joints (nq,) and tips (F, 3) should be.
        joint_margin, tip_margin: errors at which a term has fallen to 0.1.

    Returns:
        Root mean square of the joints' errors, mean distance of the tips, and the two terms that
        `rewards.closeness` makes of them.
    """
    joints, fingers = len(target_qpos), len(target_tips)
    steepness = log(0.1)
    squares = close = 0.0
    for i in range(joints):
        square = (seen[i] - target_qpos[i]) ** 2
        squares += square
        close += exp(steepness * square / joint_margin**2)
    away = near = 0.0
    for f in range(fingers):
        square = 0.0
        for axis in range(3):
            square += (seen[2 * joints + 3 * f + axis] - target_tips[f, axis]) ** 2
        away += sqrt(square)
        near += exp(steepness * square / tip_margin**2)
    return sqrt(squares / joints), away / fingers, close / joints, near / fingers


@njit(cache=True)
def placing(pose, target, margin):
    """How well a pose (7,) is that of a target (7,).

    Returns:
        Distance, angle between the two orientations, and the term that `rewards.closeness` makes
        of the distance, with the error at which it has fallen to 0.1.
    """
    square = 0.0
    for i in range(3):
        square += (pose[i] - target[i]) ** 2
    w, x, y, z = pose[3], pose[4], pose[5], pose[6]
    a, b, c, d = target[3], target[4], target[5], target[6]
    straight = abs(w * a + x * b + y * c + z * d)
    turned = (w * b - x * a - y * d + z * c) ** 2
    turned += (w * c + x * d - y * a - z * b) ** 2
    turned += (w * d - x * c + y * b - z * a) ** 2
    angle = 2 * atan2(sqrt(turned), straight)
    return sqrt(square), angle, exp(log(0.1) * square / margin**2)
