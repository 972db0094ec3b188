"""What moves a wrist beside physics, compiled."""

from math import cos, sin, sqrt

import numpy as np
from numba import njit


@njit(cache=True)
def lead(state, inputs, targets, timestep, most, places):
    """Inputs with poses of a mocap body that pulls a floating wrist towards targets.

    Args:
        state: in which the wrist is and moves (P,).
        inputs: of a physics step (u,).
        targets: poses (S, 7).
        timestep: physics step [s].
        most: how far a target may be from where the wrist gets to [m]; what is farther is reached
            for in the same direction.
        places: where the wrist's position and velocity begin in the state, the mocap body's
            position and orientation in the inputs (4,).

    Returns:
        Inputs (S, u) of as many physics steps, alike but for the poses.
    """
    steps = np.empty((len(targets), len(inputs)))
    here, velocity = state[places[0] :], state[places[1] :]
    for s in range(len(targets)):
        steps[s] = inputs
        square = 0.0
        for i in range(3):
            square += (targets[s, i] - here[i] - s * timestep * velocity[i]) ** 2
        share = most / sqrt(square) if square > most**2 else 1.0
        for i in range(3):
            there = here[i] + s * timestep * velocity[i]
            reach = there + share * (targets[s, i] - there)
            steps[s, places[2] + i] = reach if share < 1 else targets[s, i]
        for i in range(4):
            steps[s, places[3] + i] = targets[s, 3 + i]
    return steps


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
