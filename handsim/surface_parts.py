"""Distances from the surfaces of boxes and cylinders, compiled."""

from math import sqrt

import numpy as np
from numba import njit

BOX, CYLINDER = 0, 1


@njit(cache=True)
def box(half, points):
    """Signed distances (N,) of points (N, 3) from a box of half extents (3,)."""
    found = np.empty(len(points))
    for n in range(len(points)):
        beyond, nearest = 0.0, -np.inf
        for i in range(3):
            excess = abs(points[n, i]) - half[i]
            beyond += max(excess, 0.0) ** 2
            nearest = max(nearest, excess)
        found[n] = sqrt(beyond) + min(nearest, 0.0)
    return found


@njit(cache=True)
def cylinder(half, points):
    """Signed distances (N,) of points (N, 3) from a cylinder of half extents (3,) along z."""
    found = np.empty(len(points))
    for n in range(len(points)):
        across = sqrt(points[n, 0] ** 2 + points[n, 1] ** 2) - half[1]
        along = abs(points[n, 2]) - half[2]
        beyond = sqrt(max(across, 0.0) ** 2 + max(along, 0.0) ** 2)
        found[n] = beyond + min(max(across, along), 0.0)
    return found


@njit(cache=True)
def distances(shape, half, points):
    """Signed distances (N,) of points (N, 3) from a `BOX` or a `CYLINDER`."""
    return box(half, points) if shape == BOX else cylinder(half, points)
