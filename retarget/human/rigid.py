"""Rigid motions of one hand or many, compiled: palm frames and poses.

A pose is x y z qw qx qy qz; its inverse and products follow from

    T p = q p q* + t,      (T₁ T₂) p = T₁ (T₂ p),      T⁻¹ p = q* (p − t) q.

Everything runs for a single frame in a microsecond or two, which the online path lives on.
"""

import numpy as np
from numba import njit

WRIST, INDEX, MIDDLE, PINKY = 0, 5, 9, 17
DEGENERATE = 1e-6
"""A palm whose length [m], or the sine of whose opening angle, is below this has no frame."""


@njit(cache=True, nogil=True)
def palm_rotations(keypoints, right):
    """The palm's axes (N, 3, 3) as columns for keypoints (N, 21, 3); NaN where it has none."""
    rotation = np.full((keypoints.shape[0], 3, 3), np.nan)
    for i in range(keypoints.shape[0]):
        _palm(keypoints[i], 1.0 if right else -1.0, rotation[i])
    return rotation


@njit(cache=True, nogil=True)
def palm_poses(keypoints, right):
    """The palm's pose (N, 7) for keypoints (N, 21, 3); NaN where it has none."""
    rotation = palm_rotations(keypoints, right)
    poses = np.full((keypoints.shape[0], 7), np.nan)
    for i in range(keypoints.shape[0]):
        if not np.isnan(rotation[i, 0, 0]):
            poses[i, :3] = keypoints[i, WRIST]
            _quaternion(rotation[i], poses[i])
    return poses


@njit(cache=True, nogil=True)
def seen_from(poses, points):
    """Points (N, K, 3) in the frames `poses` (N, 7): T⁻¹ p."""
    out = np.empty(points.shape)
    for i in range(points.shape[0]):
        x, y, z = poses[i, 0], poses[i, 1], poses[i, 2]
        w, a, b, c = poses[i, 3], -poses[i, 4], -poses[i, 5], -poses[i, 6]
        for k in range(points.shape[1]):
            u, v, s = points[i, k, 0] - x, points[i, k, 1] - y, points[i, k, 2] - z
            out[i, k, 0], out[i, k, 1], out[i, k, 2] = _turn(w, a, b, c, u, v, s)
    return out


@njit(cache=True, nogil=True)
def placed(poses, points):
    """Points (N, K, 3) given in the frames `poses` (N, 7): T p."""
    out = np.empty(points.shape)
    for i in range(points.shape[0]):
        w, a, b, c = poses[i, 3], poses[i, 4], poses[i, 5], poses[i, 6]
        for k in range(points.shape[1]):
            x, y, z = _turn(w, a, b, c, points[i, k, 0], points[i, k, 1], points[i, k, 2])
            out[i, k, 0], out[i, k, 1] = poses[i, 0] + x, poses[i, 1] + y
            out[i, k, 2] = poses[i, 2] + z
    return out


@njit(cache=True, nogil=True)
def compose(first, second):
    """Products of poses (N, 7) and (N, 7), either of which may be (1, 7) for all."""
    count = max(first.shape[0], second.shape[0])
    out = np.empty((count, 7))
    for i in range(count):
        p = first[i if first.shape[0] > 1 else 0]
        q = second[i if second.shape[0] > 1 else 0]
        x, y, z = _turn(p[3], p[4], p[5], p[6], q[0], q[1], q[2])
        out[i, 0], out[i, 1], out[i, 2] = p[0] + x, p[1] + y, p[2] + z
        out[i, 3] = p[3] * q[3] - p[4] * q[4] - p[5] * q[5] - p[6] * q[6]
        out[i, 4] = p[3] * q[4] + p[4] * q[3] + p[5] * q[6] - p[6] * q[5]
        out[i, 5] = p[3] * q[5] - p[4] * q[6] + p[5] * q[3] + p[6] * q[4]
        out[i, 6] = p[3] * q[6] + p[4] * q[5] - p[5] * q[4] + p[6] * q[3]
    return out


@njit(cache=True, nogil=True)
def turn_between(first, second):
    """The rotation vector (3,) [rad] that takes quaternion `first` to `second`: log(q₂ q₁*)."""
    w = first[0] * second[0]
    x = first[0] * second[1] - first[1] * second[0] + second[3] * first[2] - second[2] * first[3]
    y = first[0] * second[2] - first[2] * second[0] + second[1] * first[3] - second[3] * first[1]
    z = first[0] * second[3] - first[3] * second[0] + second[2] * first[1] - second[1] * first[2]
    for k in range(1, 4):
        w += first[k] * second[k]
    size = np.sqrt(x * x + y * y + z * z)
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    stretch = 2.0 * np.arctan2(size, w) / size if size > 0.0 else 2.0
    return np.array([stretch * x, stretch * y, stretch * z])


@njit(cache=True, nogil=True)
def turned(quaternion, vector):
    """The quaternion (4,) turned by a rotation vector (3,) [rad]: exp(v) q."""
    angle = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    share = np.sin(0.5 * angle) / angle if angle > 0.0 else 0.5
    w, x, y, z = np.cos(0.5 * angle), share * vector[0], share * vector[1], share * vector[2]
    p, a, b, c = quaternion[0], quaternion[1], quaternion[2], quaternion[3]
    out = np.empty(4)
    out[0] = w * p - x * a - y * b - z * c
    out[1] = w * a + x * p + y * c - z * b
    out[2] = w * b - x * c + y * p + z * a
    out[3] = w * c + x * b - y * a + z * p
    return out / np.sqrt((out * out).sum())


@njit(cache=True)
def _turn(w, a, b, c, x, y, z):
    """The rotation q p q* = p + 2 w (v × p) + 2 v × (v × p) with v the quaternion's vector."""
    u, v, s = 2.0 * (b * z - c * y), 2.0 * (c * x - a * z), 2.0 * (a * y - b * x)
    return x + w * u + b * s - c * v, y + w * v + c * u - a * s, z + w * s + a * v - b * u


@njit(cache=True)
def _palm(points, sign, rotation):
    length, z0, z1, z2 = _unit(
        points[MIDDLE, 0] - points[WRIST, 0],
        points[MIDDLE, 1] - points[WRIST, 1],
        points[MIDDLE, 2] - points[WRIST, 2],
    )
    i0, i1, i2 = (
        points[INDEX, 0] - points[WRIST, 0],
        points[INDEX, 1] - points[WRIST, 1],
        points[INDEX, 2] - points[WRIST, 2],
    )
    p0, p1, p2 = (
        points[PINKY, 0] - points[WRIST, 0],
        points[PINKY, 1] - points[WRIST, 1],
        points[PINKY, 2] - points[WRIST, 2],
    )
    width, n0, n1, n2 = _unit(
        sign * (i1 * p2 - i2 * p1), sign * (i2 * p0 - i0 * p2), sign * (i0 * p1 - i1 * p0)
    )
    along = n0 * z0 + n1 * z1 + n2 * z2
    opening, x0, x1, x2 = _unit(n0 - along * z0, n1 - along * z1, n2 - along * z2)
    if length > DEGENERATE and width > DEGENERATE * length * length and opening > DEGENERATE:
        rotation[0, 0], rotation[1, 0], rotation[2, 0] = x0, x1, x2
        rotation[0, 1], rotation[1, 1] = z1 * x2 - z2 * x1, z2 * x0 - z0 * x2
        rotation[2, 1] = z0 * x1 - z1 * x0
        rotation[0, 2], rotation[1, 2], rotation[2, 2] = z0, z1, z2


@njit(cache=True)
def _unit(x, y, z):
    """A vector's length and its direction, NaN where it has none."""
    length = np.sqrt(x * x + y * y + z * z)
    if not length > 0.0:
        return length, np.nan, np.nan, np.nan
    return length, x / length, y / length, z / length


@njit(cache=True)
def _quaternion(r, pose):
    """The quaternion of a rotation into ``pose[3:]``, by its largest entry (Shepperd 1978)."""
    trace = r[0, 0] + r[1, 1] + r[2, 2]
    i = 0
    for k in range(1, 3):
        if r[k, k] > r[i, i]:
            i = k
    if trace > r[i, i]:
        twice = 2.0 * np.sqrt(1.0 + trace)
        pose[3] = 0.25 * twice
        pose[4] = (r[2, 1] - r[1, 2]) / twice
        pose[5] = (r[0, 2] - r[2, 0]) / twice
        pose[6] = (r[1, 0] - r[0, 1]) / twice
        return
    j, k = (i + 1) % 3, (i + 2) % 3
    twice = 2.0 * np.sqrt(1.0 + r[i, i] - r[j, j] - r[k, k])
    pose[3] = (r[k, j] - r[j, k]) / twice
    pose[4 + i] = 0.25 * twice
    pose[4 + j] = (r[j, i] + r[i, j]) / twice
    pose[4 + k] = (r[k, i] + r[i, k]) / twice
