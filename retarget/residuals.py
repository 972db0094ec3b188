"""The value and gradient of weighted, robust vector residuals, compiled."""

import numpy as np
from numba import njit

from handsim.hands.kinematics import column, expand, place

LENGTH = 0.01
"""The unit of length [m] that brings lengths and angles to one order of magnitude."""


@njit(cache=True)
def residuals(tree, work, x, origin, point, target, weight, delta, gradient):
    """Σ_r w_r H_δ(‖e_r‖)/L²; adds its gradient (m,) in place."""
    expand(tree, work, x)
    place(tree, work)
    value = 0.0
    pull = np.empty(3)
    for r in range(point.size):
        square = 0.0
        for k in range(3):
            pull[k] = work.points[point[r], k] - target[r, k]
            if origin[r] >= 0:
                pull[k] -= work.points[origin[r], k]
            square += pull[k] * pull[k]
        distance = np.sqrt(square)
        scale = weight[r] / LENGTH**2
        if distance <= delta:
            value += scale * 0.5 * square
        else:
            value += scale * delta * (distance - 0.5 * delta)
            scale *= delta / distance
        _chain(tree, work, point[r], pull, scale, gradient)
        if origin[r] >= 0:
            _chain(tree, work, origin[r], pull, -scale, gradient)
    return value


@njit(cache=True)
def _chain(tree, work, point, pull, scale, gradient):
    """Add scale · pullᵀ ∂point/∂x to the gradient, joint by joint up to the palm."""
    j = tree.point_joint[point]
    while j >= 0:
        c0, c1, c2 = column(tree, work, j, point)
        turned = c0 * pull[0] + c1 * pull[1] + c2 * pull[2]
        gradient[tree.input_of[j]] += scale * work.slope[j] * turned
        j = tree.parent[j]
