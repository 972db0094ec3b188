"""The objective of all frames at once, its gradient and its banded Hessian, compiled.

Variables are ordered frame by frame, so a term over four frames reaches 3m places from the
diagonal. The matrix is stored as LAPACK's lower band: ``band[i − j, j] = A[i, j]``.

The jerk's Huber function enters with the curvature of the parabola that touches it and lies above,
w min(1, ε/|d|) (iteratively weighted squares): its own is zero beyond ε and would not hold a step.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numba import njit

from retarget.residuals import frame_derivatives

THIRD = np.array([1.0, -3.0, 3.0, -1.0])
"""Δ³x_t = x_t − 3 x_{t−1} + 3 x_{t−2} − x_{t−3}."""


class Chain(NamedTuple):
    """How T frames hang together.

    Attributes:
        linked: whether a frame follows the one before without a gap.
        jerk: weight of the third differences.
        bend: ε, where their Huber function turns linear [rad].
    """

    linked: Bool[np.ndarray, " T"]
    jerk: float
    bend: float


class Evaluation(NamedTuple):
    """What `evaluate` writes: each frame's own cost with its derivatives, and those of the whole.

    `slope` (T, m) and `hessian` (T, m, m; lower triangles) are of a frame's own terms, `gradient`
    (T, m) and `band` (3m + 1, T m) of all.
    """

    cost: Float[np.ndarray, " T"]
    slope: Float[np.ndarray, "T m"]
    hessian: Float[np.ndarray, "T m m"]
    gradient: Float[np.ndarray, "T m"]
    band: Float[np.ndarray, "b n"]


def evaluation(frames: int, size: int) -> Evaluation:
    """Fresh arrays for `frames` frames of `size` inputs."""
    return Evaluation(
        cost=np.zeros(frames),
        slope=np.zeros((frames, size)),
        hessian=np.zeros((frames, size, size)),
        gradient=np.zeros((frames, size)),
        band=np.zeros((3 * size + 1, frames * size)),
    )


@njit(cache=True, nogil=True)
def evaluate(tree, work, spare, terms, chain, x, out):
    """The objective at x (T, m): its value; `out` receives the parts and the derivatives."""
    frames, size = x.shape
    out.band[:] = 0.0
    value = 0.0
    for t in range(frames):
        out.cost[t] = frame_derivatives(
            tree, work, spare, terms, t, x[t], x[t], 0.0, out.slope[t], out.hessian[t], True
        )
        value += out.cost[t]
        out.gradient[t] = out.slope[t]
        for a in range(size):
            for b in range(a + 1):
                out.band[a - b, t * size + b] = out.hessian[t, a, b]
    return value + _smoothness(terms.smoothness, chain, x, out) + _jerk(chain, x, out)


@njit(cache=True)
def _smoothness(weight, chain, x, out):
    frames, size = x.shape
    value = 0.0
    for t in range(1, frames):
        if not chain.linked[t]:
            continue
        for a in range(size):
            change = x[t, a] - x[t - 1, a]
            value += 0.5 * weight * change * change
            out.gradient[t, a] += weight * change
            out.gradient[t - 1, a] -= weight * change
            out.band[0, t * size + a] += weight
            out.band[0, (t - 1) * size + a] += weight
            out.band[size, (t - 1) * size + a] -= weight
    return value


@njit(cache=True)
def _jerk(chain, x, out):
    frames, size = x.shape
    value = 0.0
    if chain.jerk == 0.0:
        return value
    for t in range(3, frames):
        if not (chain.linked[t] and chain.linked[t - 1] and chain.linked[t - 2]):
            continue
        for a in range(size):
            third = x[t, a] - 3.0 * x[t - 1, a] + 3.0 * x[t - 2, a] - x[t - 3, a]
            away, weight = abs(third), chain.jerk
            if away <= chain.bend:
                value += 0.5 * weight * third * third
            else:
                value += weight * chain.bend * (away - 0.5 * chain.bend)
                weight *= chain.bend / away
            for i in range(4):
                out.gradient[t - i, a] += weight * THIRD[i] * third
                for j in range(i, 4):
                    column = (t - j) * size + a
                    out.band[(j - i) * size, column] += weight * THIRD[i] * THIRD[j]
    return value


@njit(cache=True)
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


@njit(cache=True)
def hold(low, high, x, out, held):
    """Take the variables that their gradient presses against a bound out of the system.

    Returns the largest change of a variable under a unit step down the gradient, inside the box.
    """
    frames, size = x.shape
    width = out.band.shape[0]
    largest = 0.0
    for t in range(frames):
        for a in range(size):
            g = out.gradient[t, a]
            moved = min(max(x[t, a] - g, low[a]), high[a])
            largest = max(largest, abs(moved - x[t, a]))
            pressed = (x[t, a] <= low[a] and g > 0) or (x[t, a] >= high[a] and g < 0)
            held[t * size + a] = pressed
    for column in range(frames * size):
        if held[column]:
            out.gradient[column // size, column % size] = 0.0
            out.band[:, column] = 0.0
            out.band[0, column] = 1.0
        for k in range(1, min(width, frames * size - column)):
            if held[column + k]:
                out.band[k, column] = 0.0
    return largest
