"""Weighted, robust vectors between points of a hand: value, gradient and Hessian, compiled.

A vector (point − origin − target, weight w, Huber δ) costs w H_δ(d)/L² with e the residual and
d = ‖e‖; or, taken by coordinate, w Σ_k H_δ(|e_k|)/L². Seen from its ends it is a force and a
stiffness between two points,

    f = s e,  W = s 1 + c e eᵀ        s = w/L² · min(1, δ/d)    c = −[d > δ] s/d²
    f_k = s_k e_k,  W = diag(w/L² · [|e_k| ≤ δ])    by coordinate,  s_k = w/L² · min(1, δ/|e_k|)

(beyond δ it pulls with constant force, so along the residual nothing stiffens). Vectors that end at
a point add up there before the joints are asked: with F_p the force on point p, J_p = ∂p/∂x and
B_pq the stiffness between p and q,

    gradient   Σ_p J_pᵀ F_p
    Hessian    Σ_pq J_pᵀ B_pq J_q + Σ_p F_p · ∂²p/∂x².

The last term is the kinematics' own: joint i before or at joint j turns ∂p/∂q_j, so it is
a_i · m_j with m_j = Σ_p ∂p/∂q_j × F_p the moment that all points together have.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from handsim.compiled import kernel
from handsim.hands.kinematics import column

LENGTH = 0.01
"""The unit of length [m] that brings lengths and angles to one order of magnitude."""


class Vectors(NamedTuple):
    """R vectors between N points in T frames, and what moves the points.

    Point n is `point[n]` of the tree. The joints that carry it are ``joint[k]``, with k from
    ``first_joint[n]`` to ``first_joint[n + 1]``; its derivative by each is added to column
    ``column[k]`` of all ``C``. Its columns run from ``first_column[n]`` to ``first_column[n + 1]``;
    they are by the inputs ``input[c]``, in increasing order.
    """

    head: Int[np.ndarray, " R"]
    tail: Int[np.ndarray, " R"]
    target: Float[np.ndarray, "T R 3"]
    weight: Float[np.ndarray, "T R"]
    delta: Float[np.ndarray, " R"]
    by_coordinate: bool
    point: Int[np.ndarray, " N"]
    first_joint: Int[np.ndarray, " N+1"]
    joint: Int[np.ndarray, " K"]
    column: Int[np.ndarray, " K"]
    first_column: Int[np.ndarray, " N+1"]
    input: Int[np.ndarray, " C"]


class VectorScratch(NamedTuple):
    """Arrays written here: F of points, B of points and of vectors, columns of J, moments m.

    A stiffness is stored as its entries 00 01 02 11 12 22.
    """

    force: Float[np.ndarray, "N 3"]
    stiffness: Float[np.ndarray, "N 6"]
    between: Float[np.ndarray, "R 6"]
    columns: Float[np.ndarray, "C 3"]
    moment: Float[np.ndarray, "n 3"]


@kernel
def add_vectors(tree, work, spare, vectors, t, gradient, hessian, second):
    """The value of frame `t`'s vectors, after `place`.

    Adds to `gradient` (m,) and, where `second`, to the lower triangle of `hessian` (m, m).
    """
    value = _load(work, spare, vectors, t)
    _pull(tree, work, spare, vectors, gradient, hessian)
    if second:
        _bend(tree, work, spare, hessian)
        _stiffen(spare, vectors, t, hessian)
    return value


@kernel
def _load(work, spare, vectors, t):
    """The vectors' cost; their forces and stiffnesses, summed at the points."""
    spare.force[:] = 0.0
    spare.stiffness[:] = 0.0
    value = 0.0
    for r in range(vectors.head.size):
        if vectors.weight[t, r] == 0.0:
            continue
        head, tail = vectors.head[r], vectors.tail[r]
        p = vectors.point[head]
        e0 = work.points[p, 0] - vectors.target[t, r, 0]
        e1 = work.points[p, 1] - vectors.target[t, r, 1]
        e2 = work.points[p, 2] - vectors.target[t, r, 2]
        if tail >= 0:
            o = vectors.point[tail]
            e0 -= work.points[o, 0]
            e1 -= work.points[o, 1]
            e2 -= work.points[o, 2]
        weight, delta = vectors.weight[t, r] / LENGTH**2, vectors.delta[r]
        if vectors.by_coordinate:
            s0, w0, v0 = _huber(e0, weight, delta)
            s1, w1, v1 = _huber(e1, weight, delta)
            s2, w2, v2 = _huber(e2, weight, delta)
            value += v0 + v1 + v2
            f0, f1, f2 = s0 * e0, s1 * e1, s2 * e2
            stiffness = (w0, 0.0, 0.0, w1, 0.0, w2)
        else:
            distance = np.sqrt(e0 * e0 + e1 * e1 + e2 * e2)
            s, along, cost = _huber(distance, weight, delta)
            value += cost
            c = 0.0 if along > 0.0 else -s / (distance * distance)
            f0, f1, f2 = s * e0, s * e1, s * e2
            stiffness = (
                s + c * e0 * e0,
                c * e0 * e1,
                c * e0 * e2,
                s + c * e1 * e1,
                c * e1 * e2,
                s + c * e2 * e2,
            )
        spare.force[head, 0] += f0
        spare.force[head, 1] += f1
        spare.force[head, 2] += f2
        for k in range(6):
            spare.stiffness[head, k] += stiffness[k]
        if tail >= 0:
            spare.force[tail, 0] -= f0
            spare.force[tail, 1] -= f1
            spare.force[tail, 2] -= f2
            for k in range(6):
                spare.stiffness[tail, k] += stiffness[k]
                spare.between[r, k] = stiffness[k]
    return value


@kernel
def _huber(distance, weight, delta):
    """Of ``weight · H_δ``: force over distance, stiffness along it (0 beyond δ), and value."""
    size = abs(distance)
    if size <= delta:
        return weight, weight, 0.5 * weight * size * size
    return weight * delta / size, 0.0, weight * delta * (size - 0.5 * delta)


@kernel
def _pull(tree, work, spare, vectors, gradient, hessian):
    """The points' columns; their forces on the joints, as gradient, moments and bends."""
    spare.columns[:] = 0.0
    spare.moment[:] = 0.0
    for n in range(vectors.point.size):
        p = vectors.point[n]
        p0, p1, p2 = work.points[p, 0], work.points[p, 1], work.points[p, 2]
        f0, f1, f2 = spare.force[n, 0], spare.force[n, 1], spare.force[n, 2]
        for k in range(vectors.first_joint[n], vectors.first_joint[n + 1]):
            j, c = vectors.joint[k], vectors.column[k]
            c0, c1, c2 = column(tree, work, j, p0, p1, p2)
            slope = work.slope[j]
            spare.columns[c, 0] += slope * c0
            spare.columns[c, 1] += slope * c1
            spare.columns[c, 2] += slope * c2
            pulled = c0 * f0 + c1 * f1 + c2 * f2
            a = tree.input_of[j]
            gradient[a] += slope * pulled
            hessian[a, a] += work.bend[j] * pulled
            spare.moment[j, 0] += c1 * f2 - c2 * f1
            spare.moment[j, 1] += c2 * f0 - c0 * f2
            spare.moment[j, 2] += c0 * f1 - c1 * f0


@kernel
def _bend(tree, work, spare, hessian):
    """Add a_i · m_j for all joints i before or at j."""
    for j in range(tree.parent.size):
        b, slope = tree.input_of[j], work.slope[j]
        m0, m1, m2 = spare.moment[j, 0], spare.moment[j, 1], spare.moment[j, 2]
        if m0 == 0.0 and m1 == 0.0 and m2 == 0.0:
            continue
        i = j
        while i >= 0:
            if not tree.slides[i]:
                a = tree.input_of[i]
                turn = work.axis[i, 0] * m0 + work.axis[i, 1] * m1 + work.axis[i, 2] * m2
                turn *= slope * work.slope[i]
                if a == b and i != j:
                    turn *= 2.0
                if a > b:
                    hessian[a, b] += turn
                else:
                    hessian[b, a] += turn
            i = tree.parent[i]


@kernel
def _stiffen(spare, vectors, t, hessian):
    """Add Σ_pq J_pᵀ B_pq J_q: each point with itself, then with the other end of its vectors."""
    columns = spare.columns
    for n in range(vectors.point.size):
        first, last = vectors.first_column[n], vectors.first_column[n + 1]
        for c in range(first, last):
            y0, y1, y2 = _times(spare.stiffness, n, columns[c, 0], columns[c, 1], columns[c, 2])
            a = vectors.input[c]
            for d in range(first, c + 1):
                hessian[a, vectors.input[d]] += (
                    y0 * columns[d, 0] + y1 * columns[d, 1] + y2 * columns[d, 2]
                )
    for r in range(vectors.head.size):
        head, tail = vectors.head[r], vectors.tail[r]
        if tail < 0 or vectors.weight[t, r] == 0.0:
            continue
        for c in range(vectors.first_column[head], vectors.first_column[head + 1]):
            y0, y1, y2 = _times(spare.between, r, columns[c, 0], columns[c, 1], columns[c, 2])
            a = vectors.input[c]
            for d in range(vectors.first_column[tail], vectors.first_column[tail + 1]):
                b = vectors.input[d]
                shared = y0 * columns[d, 0] + y1 * columns[d, 1] + y2 * columns[d, 2]
                if a == b:
                    hessian[a, a] -= 2.0 * shared
                elif a > b:
                    hessian[a, b] -= shared
                else:
                    hessian[b, a] -= shared


@kernel
def _times(stiffness, n, v0, v1, v2):
    """A stored stiffness times a vector."""
    s01, s02, s12 = stiffness[n, 1], stiffness[n, 2], stiffness[n, 4]
    return (
        stiffness[n, 0] * v0 + s01 * v1 + s02 * v2,
        s01 * v0 + stiffness[n, 3] * v1 + s12 * v2,
        s02 * v0 + s12 * v1 + stiffness[n, 5] * v2,
    )
