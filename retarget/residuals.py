"""One frame's objective, which `retarget.objective` writes out, with its derivatives: compiled."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from handsim.compiled import kernel
from handsim.hands.kinematics import expand, place
from retarget.gap_residuals import Gaps, GapScratch, add_gaps
from retarget.vector_residuals import Vectors, VectorScratch, add_vectors


class Terms(NamedTuple):
    """All T frames of an objective of the independent joints, in the order of the tree's inputs.

    `fresh` frames have no frame before to be near to; `momentum` is the share of the last change
    that is expected of the next, and `limit` [rad] how far from there it may be.
    """

    vectors: Vectors
    gaps: Gaps
    joint_target: Float[np.ndarray, "T m"]
    joint_weight: Float[np.ndarray, "T m"]
    joint_slack: Float[np.ndarray, "T m"]
    smoothness: float
    momentum: float
    limit: float
    posture: float
    neutral: Float[np.ndarray, " m"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]
    fresh: Bool[np.ndarray, " T"]


class Scratch(NamedTuple):
    """Arrays the functions here write."""

    vectors: VectorScratch
    gaps: GapScratch


@kernel
def frame_derivatives(
    tree, work, spare, terms, t, x, before, smoothness, gradient, hessian, second
):
    """Frame `t`'s objective at inputs `x` (m,), expected at `before` (m,).

    Overwrites `gradient` (m,) and, where `second`, the lower triangle of `hessian` (m, m).
    """
    value = _joints(terms, t, x, before, smoothness, gradient, hessian)
    expand(tree, work, x)
    place(tree, work)
    value += add_vectors(tree, work, spare.vectors, terms.vectors, t, gradient, hessian, second)
    value += add_gaps(tree, work, spare.gaps, terms.gaps, t, gradient, hessian, second)
    return value


@kernel
def _joints(terms, t, x, before, smoothness, gradient, hessian):
    """The terms of single joints: smoothness, posture and joint targets."""
    value = 0.0
    hessian[:] = 0.0
    for a in range(x.size):
        away, bent, off = x[a] - before[a], x[a] - terms.neutral[a], x[a] - terms.joint_target[t, a]
        slack = terms.joint_slack[t, a]
        weight = terms.joint_weight[t, a] if abs(off) > slack else 0.0
        off -= slack if off > 0.0 else -slack
        value += 0.5 * (smoothness * away * away + terms.posture * bent * bent + weight * off * off)
        gradient[a] = smoothness * away + terms.posture * bent + weight * off
        hessian[a, a] = smoothness + terms.posture + weight
    return value
