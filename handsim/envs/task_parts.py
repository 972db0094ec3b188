"""What tasks with an object ask of every state, compiled."""

from math import atan2, exp, log, sqrt

import numpy as np
from numba import njit

from handsim.surface_parts import distances


@njit(cache=True)
def turn_to(here, there):
    """The rotation vector (3,), in the world, from one orientation (4,) to another; at most π."""
    w, x, y, z = there[0], there[1], there[2], there[3]
    a, b, c, d = here[0], -here[1], -here[2], -here[3]
    straight = w * a - x * b - y * c - z * d
    vector = np.empty(3)
    vector[0] = w * b + x * a + y * d - z * c
    vector[1] = w * c - x * d + y * a + z * b
    vector[2] = w * d + x * c - y * b + z * a
    size = sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    if straight < 0:
        straight, vector = -straight, -vector
    return vector * (2 * atan2(size, straight) / size if size > 1e-12 else 2.0)


@njit(cache=True)
def lying(pose, goal, palm, turn, home):
    """How far an object is turned from its goal and moved from its place in the palm.

    Args:
        pose: of the object (7,).
        goal: orientation (4,).
        palm, turn: of the palm, position (3,) and rotation (9,).
        home: the place (3,) in the palm frame.

    Returns:
        Angle and distance.
    """
    vector, square = turn_to(pose[3:], goal), 0.0
    for axis in range(3):
        place = -home[axis]
        for i in range(3):
            place += (pose[i] - palm[i]) * turn[3 * i + axis]
        square += place * place
    return sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2), sqrt(square)


@njit(cache=True)
def holding(sites, tips, place, turn, forces, pose, goal):
    """How an object is held.

    Args:
        sites: positions (S, 3).
        tips: the sites of the fingertips (F,), the thumb's first.
        place, turn: of the object's body, (3,) and (9,).
        forces: on the fingertips, in a row (3F,).
        pose, goal: where the object is and is to be (7,).

    Returns:
        The fingertips in the object's frame (F, 3), the force on the thumb, the largest on another
        finger, the object's distance and angle from its goal.
    """
    points = np.zeros((len(tips), 3))
    thumb = other = square = 0.0
    for f in range(len(tips)):
        force = 0.0
        for i in range(3):
            force += forces[3 * f + i] ** 2
            for axis in range(3):
                points[f, axis] += (sites[tips[f], i] - place[i]) * turn[3 * i + axis]
        if f == 0:
            thumb = sqrt(force)
        else:
            other = max(other, sqrt(force))
    for i in range(3):
        square += (pose[i] - goal[i]) ** 2
    vector = turn_to(pose[3:], goal[3:])
    angle = sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    return points, thumb, other, sqrt(square), angle


@njit(cache=True)
def close(error, margin):
    """`rewards.close`."""
    return exp(log(0.1) * (error / margin) ** 2)


@njit(cache=True)
def grasping(sites, tips, place, turn, forces, pose, goal, shape, half, margins):
    """How well an object is held and where it is to be.

    Args:
        sites, tips, place, turn, forces, pose, goal: see `holding`.
        shape, half: of the object, see `surface_parts.distances`; −1 for another shape.
        margins: of the terms (4,), the touch's being the force wanted.

    Returns:
        What `holding` returns after the points, then the terms: how close the fingertips are to
        the object's surface, the forces of thumb and another finger to the one wanted, the object
        to its goal, by its distance and by its turn. The first is 0 for another shape.
    """
    points, thumb, other, error, angle = holding(sites, tips, place, turn, forces, pose, goal)
    reach = 0.0
    if shape >= 0:
        for gap in distances(shape, half, points):
            reach += close(gap, margins[0])
    wanted = margins[1]
    touch = close(max(wanted - thumb, 0.0), wanted) + close(max(wanted - other, 0.0), wanted)
    near, turned = close(error, margins[2]), close(angle, margins[3])
    return thumb, other, error, angle, reach / len(tips), touch / 2, near, turned


@njit(cache=True)
def deepest(distances, geoms, bodies, body):
    """How deep a body and any but the world (0) are in each other at most.

    Args:
        distances, geoms: of all contacts, (C,) and (C, 2).
        bodies: of all geoms.
        body: the one.
    """
    depth = 0.0
    for c in range(len(distances)):
        one, other = bodies[geoms[c, 0]], bodies[geoms[c, 1]]
        if one > 0 and other > 0 and (one == body or other == body):
            depth = max(depth, -distances[c])
    return depth
