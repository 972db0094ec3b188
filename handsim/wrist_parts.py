"""What moves a wrist beside physics, compiled."""

from math import cos, sin, sqrt

import numpy as np
from numba import njit


@njit(cache=True)
def lead(here, velocity, targets, timestep, most, positions, orientations):
    """Poses of a mocap body that pulls a floating wrist towards targets, one a physics step.

    Args:
        here, velocity: where the wrist is and how it moves (3,) [m, m/s].
        targets: poses (S, 7).
        timestep: physics step [s].
        most: how far a target may be from where the wrist gets to [m]; what is farther is reached
            for in the same direction.
        positions, orientations: written, (S, 3) and (S, 4).
    """
    for s in range(len(targets)):
        square = 0.0
        for i in range(3):
            square += (targets[s, i] - here[i] - s * timestep * velocity[i]) ** 2
        share = most / sqrt(square) if square > most**2 else 1.0
        for i in range(3):
            there = here[i] + s * timestep * velocity[i]
            reach = there + share * (targets[s, i] - there)
            positions[s, i] = reach if share < 1 else targets[s, i]
        orientations[s] = targets[s, 3:]


@njit(cache=True)
def way_to(start, end, reach, steps):
    """Coordinates (steps, 6) on the even way from `start` to `end`, each gone at most `reach`."""
    way = np.empty((steps, len(start)))
    for i in range(len(start)):
        gone = min(max(end[i] - start[i], -reach[i]), reach[i])
        for s in range(steps):
            way[s, i] = start[i] + (s + 1) / steps * gone
    return way


@njit(cache=True)
def poses_at(coordinates, base):
    """Poses (S, 7) of a wrist built at `base` (7,), by its coordinates (S, 6)."""
    poses = np.empty((len(coordinates), 7))
    turn, axis = np.empty(4), np.empty(4)
    for s in range(len(coordinates)):
        turn[:] = base[3:]
        for i in range(3):
            poses[s, i] = base[i] + coordinates[s, i]
            # About z, then x, then y.
            axis[:] = 0.0
            axis[0] = cos(coordinates[s, 3 + i] / 2)
            axis[(3, 1, 2)[i]] = sin(coordinates[s, 3 + i] / 2)
            _multiply(turn, axis)
        poses[s, 3:] = turn
    return poses


@njit(cache=True)
def _multiply(turn, other):
    """Turn a quaternion by another, in place, about the axes it has brought along."""
    w, x, y, z = turn
    a, b, c, d = other
    turn[0] = w * a - x * b - y * c - z * d
    turn[1] = w * b + x * a + y * d - z * c
    turn[2] = w * c - x * d + y * a + z * b
    turn[3] = w * d + x * c - y * b + z * a
