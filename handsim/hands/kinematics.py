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

from handsim.compiled import kernel

PALM = -1
"""The index that stands for the palm frame where a joint's index is expected."""


class Tree(NamedTuple):
    """The arrays compiled code reads: ``n`` joints below the palm, ``P`` points, ``m`` inputs.

    `followers` are the joints with a driver, each after its own.
    """

    parent: Int[np.ndarray, " n"]
    slides: Int[np.ndarray, " n"]
    rotation: Float[np.ndarray, "n 3 3"]
    translation: Float[np.ndarray, "n 3"]
    axis: Float[np.ndarray, "n 3"]
    zero: Float[np.ndarray, " n"]
    driver: Int[np.ndarray, " n"]
    followers: Int[np.ndarray, " f"]
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


@kernel
def expand(tree, work, x):
    """Joint values ``q``, their slopes and bends by the inputs `x` (m,), couplings substituted."""
    for j in range(tree.parent.size):
        if tree.driver[j] < 0:
            work.q[j] = x[tree.input_of[j]]
            work.slope[j] = 1.0
            work.bend[j] = 0.0
    for k in range(tree.followers.size):
        j = tree.followers[k]
        driver = tree.driver[j]
        offset = work.q[driver] - tree.zero[driver]
        value, slope, bend = 0.0, 0.0, 0.0
        for power in range(4, -1, -1):
            bend = bend * offset + 2.0 * slope
            slope = slope * offset + value
            value = value * offset + tree.polycoef[j, power]
        work.q[j] = tree.zero[j] + value
        work.bend[j] = bend * work.slope[driver] ** 2 + slope * work.bend[driver]
        work.slope[j] = slope * work.slope[driver]


@kernel
def place(tree, work):
    """Fill joint frames and points of `work` from its joint values ``q``."""
    for j in range(tree.parent.size):
        _place_joint(tree, work, j)
    for i in range(tree.point_joint.size):
        j = tree.point_joint[i]
        p0, p1, p2 = tree.point_offset[i, 0], tree.point_offset[i, 1], tree.point_offset[i, 2]
        for r in range(3):
            if j < 0:
                work.points[i, r] = tree.point_offset[i, r]
            else:
                work.points[i, r] = work.origin[j, r] + (
                    work.rotation[j, r, 0] * p0
                    + work.rotation[j, r, 1] * p1
                    + work.rotation[j, r, 2] * p2
                )


@kernel
def _place_joint(tree, work, j):
    """The joint's frame: its parent's, its own still one, and its motion.

    Rodrigues: R = cos·1 + sin·[a]× + (1 − cos)·a aᵀ.
    """
    parent, slides = tree.parent[j], tree.slides[j]
    angle = work.q[j] - tree.zero[j]
    cos, sin = (1.0, 0.0) if slides else (np.cos(angle), np.sin(angle))
    a0, a1, a2 = tree.axis[j, 0], tree.axis[j, 1], tree.axis[j, 2]
    t0, t1, t2 = tree.translation[j, 0], tree.translation[j, 1], tree.translation[j, 2]
    for r in range(3):
        if parent < 0:
            origin = tree.translation[j, r]
            s0, s1, s2 = tree.rotation[j, r, 0], tree.rotation[j, r, 1], tree.rotation[j, r, 2]
        else:
            p0, p1, p2 = (
                work.rotation[parent, r, 0],
                work.rotation[parent, r, 1],
                work.rotation[parent, r, 2],
            )
            origin = work.origin[parent, r] + p0 * t0 + p1 * t1 + p2 * t2
            s0 = p0 * tree.rotation[j, 0, 0] + p1 * tree.rotation[j, 1, 0]
            s1 = p0 * tree.rotation[j, 0, 1] + p1 * tree.rotation[j, 1, 1]
            s2 = p0 * tree.rotation[j, 0, 2] + p1 * tree.rotation[j, 1, 2]
            s0 += p2 * tree.rotation[j, 2, 0]
            s1 += p2 * tree.rotation[j, 2, 1]
            s2 += p2 * tree.rotation[j, 2, 2]
        axis = s0 * a0 + s1 * a1 + s2 * a2
        along = (1.0 - cos) * axis
        work.axis[j, r] = axis
        work.origin[j, r] = origin + (angle * axis if slides else 0.0)
        work.rotation[j, r, 0] = cos * s0 + along * a0 + sin * (s1 * a2 - s2 * a1)
        work.rotation[j, r, 1] = cos * s1 + along * a1 + sin * (s2 * a0 - s0 * a2)
        work.rotation[j, r, 2] = cos * s2 + along * a2 + sin * (s0 * a1 - s1 * a0)


@kernel
def column(tree, work, j, p0, p1, p2):
    """∂p/∂q_j (3,) of a point at `p` that joint `j` carries, after `place`."""
    a0, a1, a2 = work.axis[j, 0], work.axis[j, 1], work.axis[j, 2]
    if tree.slides[j]:
        return a0, a1, a2
    l0, l1, l2 = p0 - work.origin[j, 0], p1 - work.origin[j, 1], p2 - work.origin[j, 2]
    return a1 * l2 - a2 * l1, a2 * l0 - a0 * l2, a0 * l1 - a1 * l0


@kernel
def batch_points(tree, work, joints, points):
    """Fill points (T, P, 3) [m] for joint values (T, n)."""
    for t in range(joints.shape[0]):
        for j in range(joints.shape[1]):
            work.q[j] = joints[t, j]
        place(tree, work)
        _copy(work.points, points, t)


@kernel
def _copy(rows, batch, t):
    for i in range(rows.shape[0]):
        for k in range(3):
            batch[t, i, k] = rows[i, k]


@kernel
def derivatives(tree, work, jacobian, hessian):
    """Fill ∂p/∂x (P, 3, m) and ∂²p/∂x² (P, 3, m, m) of all points, after `expand` and `place`."""
    jacobian[:] = 0.0
    hessian[:] = 0.0
    for point in range(tree.point_joint.size):
        j = tree.point_joint[point]
        while j >= 0:
            b = tree.input_of[j]
            p0, p1, p2 = work.points[point, 0], work.points[point, 1], work.points[point, 2]
            c0, c1, c2 = column(tree, work, j, p0, p1, p2)
            for k, moved in enumerate((c0, c1, c2)):
                jacobian[point, k, b] += work.slope[j] * moved
                hessian[point, k, b, b] += work.bend[j] * moved
            i = j
            while i >= 0:
                if not tree.slides[i]:
                    a = tree.input_of[i]
                    scale = work.slope[i] * work.slope[j]
                    a0, a1, a2 = work.axis[i, 0], work.axis[i, 1], work.axis[i, 2]
                    turn0 = scale * (a1 * c2 - a2 * c1)
                    turn1 = scale * (a2 * c0 - a0 * c2)
                    turn2 = scale * (a0 * c1 - a1 * c0)
                    hessian[point, 0, a, b] += turn0
                    hessian[point, 1, a, b] += turn1
                    hessian[point, 2, a, b] += turn2
                    if i != j:
                        hessian[point, 0, b, a] += turn0
                        hessian[point, 1, b, a] += turn1
                        hessian[point, 2, b, a] += turn2
                i = tree.parent[i]
            j = tree.parent[j]


@kernel
def batch_derivatives(tree, work, x, points, jacobian, hessian):
    """Points (T, P, 3), ∂p/∂x (T, P, 3, m) and ∂²p/∂x² (T, P, 3, m, m) for inputs `x` (T, m)."""
    for t in range(x.shape[0]):
        expand(tree, work, x[t])
        place(tree, work)
        _copy(work.points, points, t)
        derivatives(tree, work, jacobian[t], hessian[t])
