"""The objective of all frames at once and its banded Hessian, compiled.

Variables are ordered frame by frame, so a term over four frames reaches 3m places from the
diagonal. Matrices are stored as LAPACK's lower bands: ``band[i − j, j] = A[i, j]``.

The jerk's Huber function enters with the curvature of the parabola that touches it and lies above,
w min(1, ε/|d|) (iteratively weighted squares): its own is zero beyond ε and would not hold a step.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from handsim.compiled import kernel
from retarget.residuals import frame_derivatives

THIRD = np.array([1.0, -3.0, 3.0, -1.0])
"""Δ³x_t = x_t − 3 x_{t−1} + 3 x_{t−2} − x_{t−3}."""


class Chain(NamedTuple):
    """How T frames hang together.

    Attributes:
        linked: whether a frame follows the one before without a gap.
        smoothness: weight of the change from frame to frame.
        jerk: weight of the third differences.
        bend: ε, where their Huber function turns linear [rad].
    """

    linked: Bool[np.ndarray, " T"]
    smoothness: float
    jerk: float
    bend: float


class Evaluation(NamedTuple):
    """What `evaluate` writes.

    Attributes:
        cost: each frame's own terms, with their `slope` and `hessian` (lower triangles).
        gradient: of the whole.
        curvature: of each third difference that ends in a frame.
    """

    cost: Float[np.ndarray, " T"]
    slope: Float[np.ndarray, "T m"]
    hessian: Float[np.ndarray, "T m m"]
    gradient: Float[np.ndarray, "T m"]
    curvature: Float[np.ndarray, "T m"]


def evaluation(frames: int, size: int) -> Evaluation:
    """Fresh arrays for `frames` frames of `size` inputs."""
    return Evaluation(
        cost=np.zeros(frames),
        slope=np.zeros((frames, size)),
        hessian=np.zeros((frames, size, size)),
        gradient=np.zeros((frames, size)),
        curvature=np.zeros((frames, size)),
    )


@kernel
def evaluate(tree, work, spare, terms, chain, x, out):
    """The objective at x (T, m): its value; `out` receives the parts and the derivatives."""
    frames, size = x.shape
    value = 0.0
    for t in range(frames):
        out.cost[t] = frame_derivatives(
            tree, work, spare, terms, t, x[t], x[t], 0.0, out.slope[t], out.hessian[t], True
        )
        value += out.cost[t]
        for a in range(size):
            out.gradient[t, a] = out.slope[t, a]
        out.curvature[t] = 0.0
        if t > 0 and chain.linked[t]:
            for a in range(size):
                change = x[t, a] - x[t - 1, a]
                value += 0.5 * chain.smoothness * change * change
                out.gradient[t, a] += chain.smoothness * change
                out.gradient[t - 1, a] -= chain.smoothness * change
        if chain.jerk > 0.0 and _has_third(chain, t):
            value += _jerk(chain, x, t, out)
    return value


@kernel
def _has_third(chain, t):
    return t >= 3 and chain.linked[t] and chain.linked[t - 1] and chain.linked[t - 2]


@kernel
def _jerk(chain, x, t, out):
    """The cost of the third differences that end in frame `t`; adds their gradient."""
    value = 0.0
    for a in range(x.shape[1]):
        third = x[t, a] - 3.0 * x[t - 1, a] + 3.0 * x[t - 2, a] - x[t - 3, a]
        away, weight = abs(third), chain.jerk
        if away <= chain.bend:
            value += 0.5 * weight * third * third
        else:
            value += weight * chain.bend * (away - 0.5 * chain.bend)
            weight *= chain.bend / away
        out.curvature[t, a] = weight
        for i in range(4):
            out.gradient[t - i, a] += weight * THIRD[i] * third
    return value


@kernel
def assemble(chain, own, curvature, damping, band):
    """Write the whole's Hessian with `damping` (T,) on its diagonal into `band` (3m + 1, T m).

    `own` (T, m, m) are the frames' Hessians, of which the lower triangles are read.
    """
    frames, size = curvature.shape
    band[:] = 0.0
    for t in range(frames):
        first = t * size
        linked = t > 0 and chain.linked[t]
        for a in range(size):
            for b in range(a + 1):
                band[a - b, first + b] += own[t, a, b]
            band[0, first + a] += damping[t]
            if linked:
                band[0, first + a] += chain.smoothness
                band[0, first - size + a] += chain.smoothness
                band[size, first - size + a] -= chain.smoothness
            if curvature[t, a] > 0.0:
                for i in range(4):
                    for j in range(i, 4):
                        part = curvature[t, a] * THIRD[i] * THIRD[j]
                        band[(j - i) * size, first - j * size + a] += part


@kernel
def surprise(was, moved, step, out):
    """How much more each frame's own cost came out than its second-order model said (T,).

    `was` and `moved` are evaluations before and after `step` (T, m).
    """
    frames, size = step.shape
    for t in range(frames):
        model = was.cost[t]
        for a in range(size):
            model += was.slope[t, a] * step[t, a]
            for b in range(a):
                model += was.hessian[t, a, b] * step[t, a] * step[t, b]
            model += 0.5 * was.hessian[t, a, a] * step[t, a] ** 2
        out[t] = moved.cost[t] - model


@kernel
def isolate(band, held):
    """Take the held variables out of a system: their rows and columns become the identity's."""
    width, size = band.shape
    for column in range(size):
        if held[column]:
            band[:, column] = 0.0
            band[0, column] = 1.0
        for k in range(1, min(width, size - column)):
            if held[column + k]:
                band[k, column] = 0.0
