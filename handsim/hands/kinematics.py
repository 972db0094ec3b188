"""Forward kinematics as one loop over the joints, compiled; couplings substituted.

Everything is expressed in the palm frame, so the joints before the palm (a wrist) do not appear.
A joint frame has its origin at the joint's anchor and the axes of the body it moves; joint ``j``
turns (or slides) its frame by ``q_j − zero_j`` about (along) ``axis_j``. Points hang on joint
frames. Joint ``i`` moves point ``p`` by

    ∂p/∂q_i = a_i × (p − o_i)   (hinge),      ∂p/∂q_i = a_i   (slide),

with ``a_i`` its axis and ``o_i`` its anchor in the palm frame, whenever ``i`` is on the way from
the palm to ``p``; and for ``i`` before or at ``j`` on that way

    ∂²p/∂q_i∂q_j = a_i × ∂p/∂q_j   (hinge i),      0   (slide i).

A coupled joint follows its driver by MuJoCo's joint-equality polynomial,
``q_j = zero_j + Σ_k c_k (q_driver − zero_driver)^k``; ``x`` are the joints no coupling determines,
and derivatives by ``x`` follow by the chain rule with ``slope = ∂q/∂x`` and ``bend = ∂²q/∂x²``.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numba import njit

PALM = -1
"""The index that stands for the palm frame where a joint's index is expected."""


class Tree(NamedTuple):
    """The arrays compiled code reads: ``n`` joints below the palm, ``P`` points, ``m`` inputs."""

    parent: Int[np.ndarray, " n"]
    slides: Int[np.ndarray, " n"]
    rotation: Float[np.ndarray, "n 3 3"]
    translation: Float[np.ndarray, "n 3"]
    axis: Float[np.ndarray, "n 3"]
    zero: Float[np.ndarray, " n"]
    driver: Int[np.ndarray, " n"]
    polycoef: Float[np.ndarray, "n 5"]
    input_of: Int[np.ndarray, " n"]
    point_joint: Int[np.ndarray, " P"]
    point_offset: Float[np.ndarray, "P 3"]


class Workspace(NamedTuple):
    """The arrays compiled code writes, allocated once."""

    q: Float[np.ndarray, " n"]
    slope: Float[np.ndarray, " n"]
    bend: Float[np.ndarray, " n"]
    rotation: Float[np.ndarray, "n 3 3"]
    origin: Float[np.ndarray, "n 3"]
    axis: Float[np.ndarray, "n 3"]
    points: Float[np.ndarray, "P 3"]


@njit(cache=True)
def expand(tree, work, x):
    """Joint values ``q``, their slopes and bends by the inputs `x` (m,), couplings substituted."""
    for j in range(tree.parent.size):
        if tree.driver[j] < 0:
            work.q[j] = x[tree.input_of[j]]
            work.slope[j] = 1.0
            work.bend[j] = 0.0
    for j in range(tree.parent.size):
        if tree.driver[j] >= 0:
            _follow(tree, work, j)


@njit(cache=True)
def _follow(tree, work, j):
    driver = tree.driver[j]
    if tree.driver[driver] >= 0:
        _follow(tree, work, driver)
    offset = work.q[driver] - tree.zero[driver]
    value, slope, bend = 0.0, 0.0, 0.0
    for k in range(4, -1, -1):
        bend = bend * offset + 2.0 * slope
        slope = slope * offset + value
        value = value * offset + tree.polycoef[j, k]
    work.q[j] = tree.zero[j] + value
    work.bend[j] = bend * work.slope[driver] ** 2 + slope * work.bend[driver]
    work.slope[j] = slope * work.slope[driver]


@njit(cache=True)
def place(tree, work):
    """Fill joint frames and points of `work` from its joint values ``q``."""
    for j in range(tree.parent.size):
        _place_joint(tree, work, j)
    for i in range(tree.point_joint.size):
        j = tree.point_joint[i]
        for r in range(3):
            value = tree.point_offset[i, r]
            if j >= 0:
                value = work.origin[j, r]
                for c in range(3):
                    value += work.rotation[j, r, c] * tree.point_offset[i, c]
            work.points[i, r] = value


@njit(cache=True)
def _place_joint(tree, work, j):
    parent = tree.parent[j]
    still = work.rotation[j]
    for r in range(3):
        work.origin[j, r] = tree.translation[j, r]
        for c in range(3):
            still[r, c] = tree.rotation[j, r, c]
        if parent >= 0:
            total = work.origin[parent, r]
            for c in range(3):
                total += work.rotation[parent, r, c] * tree.translation[j, c]
            work.origin[j, r] = total
            for c in range(3):
                value = 0.0
                for k in range(3):
                    value += work.rotation[parent, r, k] * tree.rotation[j, k, c]
                still[r, c] = value
    for r in range(3):
        value = 0.0
        for c in range(3):
            value += still[r, c] * tree.axis[j, c]
        work.axis[j, r] = value
    _turn(tree, work, j)


@njit(cache=True)
def _turn(tree, work, j):
    """Apply the joint's own motion; Rodrigues: R = cos·1 + sin·[a]× + (1 − cos)·a aᵀ."""
    angle = work.q[j] - tree.zero[j]
    if tree.slides[j]:
        for r in range(3):
            work.origin[j, r] += angle * work.axis[j, r]
        return
    cos, sin = np.cos(angle), np.sin(angle)
    a0, a1, a2 = tree.axis[j, 0], tree.axis[j, 1], tree.axis[j, 2]
    v = 1.0 - cos
    for r in range(3):
        s0, s1, s2 = work.rotation[j, r, 0], work.rotation[j, r, 1], work.rotation[j, r, 2]
        along = v * (s0 * a0 + s1 * a1 + s2 * a2)
        work.rotation[j, r, 0] = cos * s0 + along * a0 + sin * (s1 * a2 - s2 * a1)
        work.rotation[j, r, 1] = cos * s1 + along * a1 + sin * (s2 * a0 - s0 * a2)
        work.rotation[j, r, 2] = cos * s2 + along * a2 + sin * (s0 * a1 - s1 * a0)


@njit(cache=True)
def column(tree, work, j, p0, p1, p2):
    """∂p/∂q_j (3,) of a point at `p` that joint `j` carries, after `place`."""
    a0, a1, a2 = work.axis[j, 0], work.axis[j, 1], work.axis[j, 2]
    if tree.slides[j]:
        return a0, a1, a2
    l0, l1, l2 = p0 - work.origin[j, 0], p1 - work.origin[j, 1], p2 - work.origin[j, 2]
    return a1 * l2 - a2 * l1, a2 * l0 - a0 * l2, a0 * l1 - a1 * l0


@njit(cache=True)
def batch_points(tree, work, joints):
    """Points (T, P, 3) [m] for joint values (T, n)."""
    out = np.empty((joints.shape[0], tree.point_joint.size, 3))
    for t in range(joints.shape[0]):
        work.q[:] = joints[t]
        place(tree, work)
        out[t] = work.points
    return out


@njit(cache=True)
def derivatives(tree, work, jacobian, hessian):
    """Fill ∂p/∂x (P, 3, m) and ∂²p/∂x² (P, 3, m, m) of all points, after `expand` and `place`."""
    jacobian[:] = 0.0
    hessian[:] = 0.0
    moved = np.empty(3)
    for point in range(tree.point_joint.size):
        j = tree.point_joint[point]
        while j >= 0:
            b = tree.input_of[j]
            p0, p1, p2 = work.points[point, 0], work.points[point, 1], work.points[point, 2]
            moved[0], moved[1], moved[2] = column(tree, work, j, p0, p1, p2)
            for k in range(3):
                jacobian[point, k, b] += work.slope[j] * moved[k]
                hessian[point, k, b, b] += work.bend[j] * moved[k]
            i = j
            while i >= 0:
                if not tree.slides[i]:
                    a = tree.input_of[i]
                    scale = work.slope[i] * work.slope[j]
                    a0, a1, a2 = work.axis[i, 0], work.axis[i, 1], work.axis[i, 2]
                    turn0 = scale * (a1 * moved[2] - a2 * moved[1])
                    turn1 = scale * (a2 * moved[0] - a0 * moved[2])
                    turn2 = scale * (a0 * moved[1] - a1 * moved[0])
                    hessian[point, 0, a, b] += turn0
                    hessian[point, 1, a, b] += turn1
                    hessian[point, 2, a, b] += turn2
                    if i != j:
                        hessian[point, 0, b, a] += turn0
                        hessian[point, 1, b, a] += turn1
                        hessian[point, 2, b, a] += turn2
                i = tree.parent[i]
            j = tree.parent[j]


@njit(cache=True)
def batch_derivatives(tree, work, x, points, jacobian, hessian):
    """Points (T, P, 3), ∂p/∂x (T, P, 3, m) and ∂²p/∂x² (T, P, 3, m, m) for inputs `x` (T, m)."""
    for t in range(x.shape[0]):
        expand(tree, work, x[t])
        place(tree, work)
        points[t] = work.points
        derivatives(tree, work, jacobian[t], hessian[t])
