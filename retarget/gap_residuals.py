"""Gaps between segments of a hand, and its self-collision: gradient and Hessian, compiled.

A gap is the distance of two segments less their radii, d = ‖p − q‖ − r with p and q the nearest
points. It costs ½ w (d − g)²/L², w = pull + [d < g] push. Since p and q are nearest, they move
along their segments at no cost to first order (envelope theorem): with e = p − q, D = ‖e‖ and
J = ∂e/∂x

    gradient   s Jᵀe                                            s = w (d − g)/(L² D)
    Hessian    s (JᵀJ + Σ_k e_k ∂²e_k/∂x² − F M⁻¹ Fᵀ) + c Jᵀe eᵀJ    c = (w/L² − s)/D²

where z are the places of p and q on their segments, as far as they are not at an end,
M = ∂²(½D²)/∂z² and F = ∂²(½D²)/∂x∂z.

Self-collision is a gap for each pair of capsules, with only the push. Most are far apart and cost
nothing: those are told by boxes along the palm's axes, around geoms and then around capsules.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from handsim.compiled import kernel
from handsim.hands.kinematics import column
from retarget.vector_residuals import LENGTH

COLLISION_MARGIN = 0.001
"""Links nearer than this [m] push each other away."""
_FLAT = 1e-12
"""Squared length [m²] below which a segment is a point."""


class Gaps(NamedTuple):
    """G gaps in T frames, and K pairs of capsules that must not collide, of C capsules of B geoms.

    `ends` are the points at the ends of each capsule. `between` and `pairs` are capsules, `meeting`
    geoms; the pairs of ``meeting[n]`` run from ``first_pair[n]`` to ``first_pair[n + 1]``.
    """

    ends: Int[np.ndarray, "C 2"]
    radius: Float[np.ndarray, " C"]
    geom: Int[np.ndarray, " C"]
    between: Int[np.ndarray, "G 2"]
    target: Float[np.ndarray, "T G"]
    pull: Float[np.ndarray, "T G"]
    push: Float[np.ndarray, "T G"]
    meeting: Int[np.ndarray, "N 2"]
    first_pair: Int[np.ndarray, " N+1"]
    pairs: Int[np.ndarray, "K 2"]
    collision: float


class GapScratch(NamedTuple):
    """Arrays the functions here write: boxes, which gaps are near, and those for one gap.

    `box` and `geom_box` hold the low and the high corner; `near` counts gaps first, then pairs.
    `joint` and `position` say what carries a gap's two ends, and where they are; `residual` is e;
    `factors` are cost, s and c; `columns` is J, `pull` Jᵀe. `along` are the segments of a gap,
    `slide` the two columns of F, `moment` M's entries (11, 12, 22), 0 where an end is held.
    """

    box: Float[np.ndarray, "C 2 3"]
    geom_box: Float[np.ndarray, "B 2 3"]
    near: Int[np.ndarray, " G+K"]
    joint: Int[np.ndarray, " 2"]
    position: Float[np.ndarray, "2 3"]
    residual: Float[np.ndarray, " 3"]
    factors: Float[np.ndarray, " 3"]
    columns: Float[np.ndarray, "m 3"]
    pull: Float[np.ndarray, " m"]
    along: Float[np.ndarray, "2 3"]
    slide: Float[np.ndarray, "m 2"]
    moment: Float[np.ndarray, " 3"]


def gap_scratch(size: int, gaps: Gaps) -> GapScratch:
    """Fresh arrays for `size` inputs."""
    return GapScratch(
        box=np.zeros((len(gaps.ends), 2, 3)),
        geom_box=np.zeros((gaps.geom.max(initial=-1) + 1, 2, 3)),
        near=np.zeros(len(gaps.between) + len(gaps.pairs), dtype=np.int64),
        joint=np.zeros(2, dtype=np.int64),
        position=np.zeros((2, 3)),
        residual=np.zeros(3),
        factors=np.zeros(3),
        columns=np.zeros((size, 3)),
        pull=np.zeros(size),
        along=np.zeros((2, 3)),
        slide=np.zeros((size, 2)),
        moment=np.zeros(3),
    )


@kernel
def add_gaps(tree, work, spare, gaps, t, gradient, hessian, second):
    """The value of frame `t`'s gaps and collisions, after `place`.

    Adds to `gradient` (m,) and, where `second`, to the lower triangle of `hessian` (m, m).
    """
    value = 0.0
    _box(work, spare, gaps)
    for k in range(_near(spare, gaps, t)):
        if _gap(tree, work, spare, gaps, t, spare.near[k]):
            value += spare.factors[0]
            _add(tree, work, spare, gradient, hessian, second)
    return value


@kernel
def _box(work, spare, gaps):
    """The boxes around all capsules and geoms."""
    spare.geom_box[:, 0] = np.inf
    spare.geom_box[:, 1] = -np.inf
    for c in range(gaps.radius.size):
        start, end, g, radius = gaps.ends[c, 0], gaps.ends[c, 1], gaps.geom[c], gaps.radius[c]
        for k in range(3):
            a, b = work.points[start, k], work.points[end, k]
            low, high = min(a, b) - radius, max(a, b) + radius
            spare.box[c, 0, k], spare.box[c, 1, k] = low, high
            spare.geom_box[g, 0, k] = min(low, spare.geom_box[g, 0, k])
            spare.geom_box[g, 1, k] = max(high, spare.geom_box[g, 1, k])


@kernel
def _near(spare, gaps, t):
    """Write the gaps and pairs that may cost something into ``spare.near``; their number."""
    count = 0
    for r in range(gaps.between.shape[0]):
        pushed = gaps.push[t, r] != 0.0 and not _apart(
            spare.box, gaps.between[r], gaps.target[t, r]
        )
        if gaps.pull[t, r] != 0.0 or pushed:
            spare.near[count] = r
            count += 1
    if gaps.collision == 0.0:
        return count
    for n in range(gaps.meeting.shape[0]):
        if _apart(spare.geom_box, gaps.meeting[n], COLLISION_MARGIN):
            continue
        for k in range(gaps.first_pair[n], gaps.first_pair[n + 1]):
            if not _apart(spare.box, gaps.pairs[k], COLLISION_MARGIN):
                spare.near[count] = gaps.between.shape[0] + k
                count += 1
    return count


@kernel
def _apart(boxes, two, reach):
    """Whether two boxes are at least `reach` [m] apart along an axis."""
    one, other = boxes[two[0]], boxes[two[1]]
    for k in range(3):
        if one[0, k] - other[1, k] >= reach or other[0, k] - one[1, k] >= reach:
            return True
    return False


@kernel
def _gap(tree, work, spare, gaps, t, r):
    """Prepare gap `r`, or the pair after the gaps; False where it costs nothing."""
    count = gaps.between.shape[0]
    target, pull, push = COLLISION_MARGIN, 0.0, gaps.collision
    if r < count:
        one, other = gaps.between[r, 0], gaps.between[r, 1]
        target, pull, push = gaps.target[t, r], gaps.pull[t, r], gaps.push[t, r]
    else:
        one, other = gaps.pairs[r - count, 0], gaps.pairs[r - count, 1]
    distance = _nearest(work, spare, gaps.ends[one], gaps.ends[other])
    off = distance - gaps.radius[one] - gaps.radius[other] - target
    weight = (pull + (push if off < 0.0 else 0.0)) / LENGTH**2
    if weight == 0.0:
        return False
    spare.joint[0] = tree.point_joint[gaps.ends[one, 0]]
    spare.joint[1] = tree.point_joint[gaps.ends[other, 0]]
    spare.factors[0] = 0.5 * weight * off * off
    spare.factors[1] = weight * off / distance
    spare.factors[2] = (weight - spare.factors[1]) / distance**2
    return True


@kernel
def _nearest(work, spare, one, other):
    """Nearest points of two segments into `spare`; their distance [m], never 0."""
    uu, vv, uv, uw, vw = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(3):
        u = work.points[one[1], k] - work.points[one[0], k]
        v = work.points[other[1], k] - work.points[other[0], k]
        w = work.points[one[0], k] - work.points[other[0], k]
        spare.along[0, k], spare.along[1, k] = u, v
        uu, vv, uv, uw, vw = uu + u * u, vv + v * v, uv + u * v, uw + u * w, vw + v * w
    s, t = _places(uu, vv, uv, uw, vw)
    square = 0.0
    for k in range(3):
        spare.position[0, k] = work.points[one[0], k] + s * spare.along[0, k]
        spare.position[1, k] = work.points[other[0], k] + t * spare.along[1, k]
        spare.residual[k] = spare.position[0, k] - spare.position[1, k]
        square += spare.residual[k] ** 2
    free_s, free_t = uu > _FLAT and 0.0 < s < 1.0, vv > _FLAT and 0.0 < t < 1.0
    spare.moment[0] = uu if free_s else 0.0
    spare.moment[1] = -uv if free_s and free_t else 0.0
    spare.moment[2] = vv if free_t else 0.0
    return np.sqrt(max(square, _FLAT))


@kernel
def _places(uu, vv, uv, uw, vw):
    """Where on two segments, from 0 to 1, their nearest points are (Ericson 2005, 5.1.9)."""
    if uu <= _FLAT:
        return 0.0, (min(max(vw / vv, 0.0), 1.0) if vv > _FLAT else 0.0)
    if vv <= _FLAT:
        return min(max(-uw / uu, 0.0), 1.0), 0.0
    skew = uu * vv - uv * uv
    s = min(max((uv * vw - vv * uw) / skew, 0.0), 1.0) if skew > 1e-9 * uu * vv else 0.0
    t = (uv * s + vw) / vv
    if t < 0.0:
        return min(max(-uw / uu, 0.0), 1.0), 0.0
    if t > 1.0:
        return min(max((uv - uw) / uu, 0.0), 1.0), 1.0
    return s, t


@kernel
def _add(tree, work, spare, gradient, hessian, second):
    """Add the prepared residual's gradient and Hessian."""
    spare.pull[:] = 0.0
    if second:
        spare.columns[:] = 0.0
    slides = spare.moment[0] > 0.0 or spare.moment[2] > 0.0
    if second and slides:
        spare.slide[:] = 0.0
    e0, e1, e2 = spare.residual[0], spare.residual[1], spare.residual[2]
    scale = spare.factors[1]
    for end in range(2):
        sign = 1.0 if end == 0 else -1.0
        p0, p1, p2 = spare.position[end, 0], spare.position[end, 1], spare.position[end, 2]
        j = spare.joint[end]
        while j >= 0:
            c0, c1, c2 = column(tree, work, j, p0, p1, p2)
            b = tree.input_of[j]
            s = sign * work.slope[j]
            pulled = c0 * e0 + c1 * e1 + c2 * e2
            spare.pull[b] += s * pulled
            if second:
                spare.columns[b, 0] += s * c0
                spare.columns[b, 1] += s * c1
                spare.columns[b, 2] += s * c2
                hessian[b, b] += sign * scale * work.bend[j] * pulled
                # e · (a_i × c_j) = a_i · (c_j × e), the same moment for all joints i before j.
                m0, m1, m2 = c1 * e2 - c2 * e1, c2 * e0 - c0 * e2, c0 * e1 - c1 * e0
                _bend(tree, work, j, b, scale * s, m0, m1, m2, hessian)
                if slides and not tree.slides[j]:
                    u0, u1, u2 = spare.along[end, 0], spare.along[end, 1], spare.along[end, 2]
                    turn = (
                        work.axis[j, 0] * (u1 * e2 - u2 * e1)
                        + work.axis[j, 1] * (u2 * e0 - u0 * e2)
                        + work.axis[j, 2] * (u0 * e1 - u1 * e0)
                    )
                    spare.slide[b, end] += s * turn
            j = tree.parent[j]
    for a in range(gradient.size):
        gradient[a] += scale * spare.pull[a]
    if second:
        _outer(spare, hessian)
        if slides:
            _slide(spare, hessian)


@kernel
def _bend(tree, work, j, b, scale, m0, m1, m2, hessian):
    """Add scale · a_i · m for all joints i on the way from the palm to `j`: the kinematics' own."""
    i = j
    while i >= 0:
        if not tree.slides[i]:
            a = tree.input_of[i]
            turn = (
                scale
                * work.slope[i]
                * (work.axis[i, 0] * m0 + work.axis[i, 1] * m1 + work.axis[i, 2] * m2)
            )
            if a == b and i != j:
                turn *= 2.0
            hessian[max(a, b), min(a, b)] += turn
        i = tree.parent[i]


@kernel
def _outer(spare, hessian):
    """Add s JᵀJ + c Jᵀe eᵀJ."""
    scale, along = spare.factors[1], spare.factors[2]
    for a in range(spare.pull.size):
        c0, c1, c2 = spare.columns[a, 0], spare.columns[a, 1], spare.columns[a, 2]
        if c0 == 0.0 and c1 == 0.0 and c2 == 0.0:
            continue
        pulled = along * spare.pull[a]
        for b in range(a + 1):
            dot = c0 * spare.columns[b, 0] + c1 * spare.columns[b, 1] + c2 * spare.columns[b, 2]
            hessian[a, b] += scale * dot + pulled * spare.pull[b]


@kernel
def _slide(spare, hessian):
    """Take away s F M⁻¹ Fᵀ: the nearest points slide along their segments."""
    for a in range(spare.pull.size):
        for end in range(2):
            sign = 1.0 if end == 0 else -1.0
            for k in range(3):
                spare.slide[a, end] += sign * spare.along[end, k] * spare.columns[a, k]
    m11, m12, m22 = spare.moment[0], spare.moment[1], spare.moment[2]
    i11, i12, i22 = 0.0, 0.0, 0.0
    skew = m11 * m22 - m12 * m12
    if skew > 1e-9 * m11 * m22 and m11 > 0.0 and m22 > 0.0:
        i11, i12, i22 = m22 / skew, -m12 / skew, m11 / skew
    elif m11 > 0.0:
        i11 = 1.0 / m11
    elif m22 > 0.0:
        i22 = 1.0 / m22
    scale = spare.factors[1]
    for a in range(spare.pull.size):
        f, g = spare.slide[a, 0], spare.slide[a, 1]
        first, second = scale * (i11 * f + i12 * g), scale * (i12 * f + i22 * g)
        if first == 0.0 and second == 0.0:
            continue
        for b in range(a + 1):
            hessian[a, b] -= first * spare.slide[b, 0] + second * spare.slide[b, 1]
