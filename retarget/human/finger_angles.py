"""The angles of `retarget.human.angles`, compiled: one frame takes microseconds.

The keypoints are those of a right hand in its palm frame; chains of four keypoints a finger begin
at 1 for the thumb, then at 5, 9, 13 and 17.
"""

import numpy as np
from numba import njit

_PINKY = 17
_THUMB_MCP = 2
_NOTHING = 1e-12


@njit(cache=True, nogil=True)
def finger_angles(points):
    """Angles (N, 20) [rad] of keypoints (N, 21, 3): four a finger, the thumb's first."""
    out = np.empty((points.shape[0], 20))
    for i in range(points.shape[0]):
        for finger in range(5):
            _finger(points[i], finger, out[i, 4 * finger : 4 * finger + 4])
    return out


@njit(cache=True, nogil=True)
def _finger(points, finger, out):
    """One finger's flexion, abduction and two bends."""
    first = 1 + 4 * finger
    dx, dy, dz = _direction(points, first)
    ax, ay, az = 0.0, 1.0, 0.0
    if finger == 0:
        out[0], out[1] = np.arctan2(-dy, dz), np.arcsin(min(max(dx, -1.0), 1.0))
        wx = points[_PINKY, 0] - points[_THUMB_MCP, 0]
        wy = points[_PINKY, 1] - points[_THUMB_MCP, 1]
        wz = points[_PINKY, 2] - points[_THUMB_MCP, 2]
        ax, ay, az = dy * wz - dz * wy, dz * wx - dx * wz, dx * wy - dy * wx
    else:
        out[0], out[1] = np.arctan2(dx, dz), np.arcsin(min(max(dy, -1.0), 1.0))
    for bend in range(2):
        along = ax * dx + ay * dy + az * dz
        ax, ay, az = _unit(ax - along * dx, ay - along * dy, az - along * dz)
        ux, uy, uz = ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx
        bx, by, bz = _direction(points, first + 1 + bend)
        out[2 + bend] = np.arctan2(bx * ux + by * uy + bz * uz, bx * dx + by * dy + bz * dz)
        dx, dy, dz = bx, by, bz


@njit(cache=True, nogil=True)
def _direction(points, k):
    """From keypoint `k` to the next."""
    return _unit(
        points[k + 1, 0] - points[k, 0],
        points[k + 1, 1] - points[k, 1],
        points[k + 1, 2] - points[k, 2],
    )


@njit(cache=True, nogil=True)
def _unit(x, y, z):
    length = max(np.sqrt(x * x + y * y + z * z), _NOTHING)
    return x / length, y / length, z / length
