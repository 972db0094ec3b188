"""The value, gradient and Hessian of weighted, robust vector residuals, compiled.

With e the residual, d = ‖e‖, J = ∂e/∂x, and s = w/L² · min(1, δ/d):

    gradient   s Jᵀe
    Hessian    s (JᵀJ + Σ_k e_k ∂²e_k/∂x² − [d > δ] Jᵀe eᵀJ / d²)

The last term is the Huber function's own curvature: beyond δ it pulls with constant force, so along
the residual nothing stiffens.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from handsim.hands.kinematics import column, expand, place

LENGTH = 0.01
"""The unit of length [m] that brings lengths and angles to one order of magnitude."""


class Vectors(NamedTuple):
    """R vector residuals of one frame: point − origin − target, of weight w and Huber δ [m]."""

    origin: Int[np.ndarray, " R"]
    point: Int[np.ndarray, " R"]
    target: Float[np.ndarray, "R 3"]
    weight: Float[np.ndarray, " R"]
    delta: Float[np.ndarray, " R"]


class Scratch(NamedTuple):
    """Arrays the functions here write: the columns of J, and J's product with e."""

    columns: Float[np.ndarray, "m 3"]
    pull: Float[np.ndarray, " m"]
    residual: Float[np.ndarray, " 3"]


def scratch(size: int) -> Scratch:
    """Fresh arrays for `size` inputs."""
    return Scratch(np.zeros((size, 3)), np.zeros(size), np.zeros(3))


@njit(cache=True)
def value_and_gradient(tree, work, spare, vectors, x, gradient):
    """Σ_r w_r H_δ(‖e_r‖)/L² at inputs `x` (m,); adds its gradient (m,) in place."""
    expand(tree, work, x)
    place(tree, work)
    value = 0.0
    for r in range(vectors.point.size):
        if vectors.weight[r] == 0.0:
            continue
        cost, scale = _measure(work, spare, vectors, r)
        value += cost
        # One call for both ends: each call is compiled anew where it stands, for seconds.
        for end in range(2):
            point, sign = (vectors.point[r], 1.0) if end == 0 else (vectors.origin[r], -1.0)
            if point >= 0:
                _pull(tree, work, spare, point, sign * scale, gradient)
    return value


@njit(cache=True)
def value_and_derivatives(tree, work, spare, vectors, x, gradient, hessian):
    """As `value_and_gradient`; adds the Hessian (m, m) in place too, its lower triangle only."""
    expand(tree, work, x)
    place(tree, work)
    value = 0.0
    for r in range(vectors.point.size):
        if vectors.weight[r] == 0.0:
            continue
        cost, scale = _measure(work, spare, vectors, r)
        value += cost
        spare.columns[:] = 0.0
        for end in range(2):
            point, sign = (vectors.point[r], 1.0) if end == 0 else (vectors.origin[r], -1.0)
            if point >= 0:
                _columns(tree, work, spare, point, sign)
                _curvature(tree, work, spare, point, sign * scale, hessian)
        _outer(spare, vectors.delta[r], scale, gradient, hessian)
    return value


@njit(cache=True)
def _measure(work, spare, vectors, r):
    """The residual into `spare`, its cost and the scale s of its force."""
    square = 0.0
    for k in range(3):
        e = work.points[vectors.point[r], k] - vectors.target[r, k]
        if vectors.origin[r] >= 0:
            e -= work.points[vectors.origin[r], k]
        spare.residual[k] = e
        square += e * e
    scale = vectors.weight[r] / LENGTH**2
    delta = vectors.delta[r]
    if square <= delta * delta:
        return 0.5 * scale * square, scale
    distance = np.sqrt(square)
    return scale * delta * (distance - 0.5 * delta), scale * delta / distance


@njit(cache=True)
def _pull(tree, work, spare, point, scale, gradient):
    """Add scale · (∂point/∂x)ᵀ e to the gradient, joint by joint up to the palm."""
    e0, e1, e2 = spare.residual[0], spare.residual[1], spare.residual[2]
    j = tree.point_joint[point]
    while j >= 0:
        c0, c1, c2 = column(tree, work, j, point)
        gradient[tree.input_of[j]] += scale * work.slope[j] * (c0 * e0 + c1 * e1 + c2 * e2)
        j = tree.parent[j]


@njit(cache=True)
def _columns(tree, work, spare, point, sign):
    """Add sign · ∂point/∂x to the columns of J."""
    j = tree.point_joint[point]
    while j >= 0:
        c0, c1, c2 = column(tree, work, j, point)
        b = tree.input_of[j]
        s = sign * work.slope[j]
        spare.columns[b, 0] += s * c0
        spare.columns[b, 1] += s * c1
        spare.columns[b, 2] += s * c2
        j = tree.parent[j]


@njit(cache=True)
def _curvature(tree, work, spare, point, scale, hessian):
    """Add scale · Σ_k e_k ∂²point_k/∂x²: of the kinematics, and of the couplings' bends."""
    e0, e1, e2 = spare.residual[0], spare.residual[1], spare.residual[2]
    j = tree.point_joint[point]
    while j >= 0:
        c0, c1, c2 = column(tree, work, j, point)
        b = tree.input_of[j]
        hessian[b, b] += scale * work.bend[j] * (c0 * e0 + c1 * e1 + c2 * e2)
        # e · (a_i × c_j) = a_i · (c_j × e), the same moment for all joints i before j.
        s = scale * work.slope[j]
        m0, m1, m2 = s * (c1 * e2 - c2 * e1), s * (c2 * e0 - c0 * e2), s * (c0 * e1 - c1 * e0)
        i = j
        while i >= 0:
            if not tree.slides[i]:
                a = tree.input_of[i]
                turn = work.slope[i] * (
                    work.axis[i, 0] * m0 + work.axis[i, 1] * m1 + work.axis[i, 2] * m2
                )
                if a == b and i != j:
                    turn *= 2.0
                hessian[max(a, b), min(a, b)] += turn
            i = tree.parent[i]
        j = tree.parent[j]


@njit(cache=True)
def _outer(spare, delta, scale, gradient, hessian):
    """Add scale · Jᵀe to the gradient and scale · JᵀJ, robust, to the Hessian."""
    e0, e1, e2 = spare.residual[0], spare.residual[1], spare.residual[2]
    square = e0 * e0 + e1 * e1 + e2 * e2
    soft = 1.0 / square if square > delta * delta else 0.0
    size = gradient.size
    for a in range(size):
        c0, c1, c2 = spare.columns[a, 0], spare.columns[a, 1], spare.columns[a, 2]
        pull = c0 * e0 + c1 * e1 + c2 * e2
        spare.pull[a] = pull
        gradient[a] += scale * pull
        if c0 == 0.0 and c1 == 0.0 and c2 == 0.0:
            continue
        for b in range(a + 1):
            dot = c0 * spare.columns[b, 0] + c1 * spare.columns[b, 1] + c2 * spare.columns[b, 2]
            hessian[a, b] += scale * (dot - soft * pull * spare.pull[b])
