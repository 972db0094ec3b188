"""Fingertips to joints: a projected Levenberg–Marquardt iteration, compiled.

It minimises ``‖tips(x) − targets‖²`` within ``low ≤ x ≤ high``, with couplings substituted. Each
step solves ``(JᵀJ + λ1) s = −Jᵀr`` for the joints that no limit holds back, is cut to the limits,
and is taken if it brings the tips nearer; λ, which keeps joints that no tip tells from moving,
shrinks after a step that did and grows after one that did not.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from handsim.compiled import kernel
from handsim.hands.kinematics import Tree, Workspace, column, expand, place

FIRST_DAMPING, LEAST_DAMPING = 1e-4, 1e-8
"""λ [m²/rad²]; a joint 50 mm from a tip has 2.5e-3 on the diagonal of JᵀJ."""
EASED, RAISED = 0.1, 4.0
CLOSE = 1e-6
"""Distance of a tip [m], and step of a joint [rad], that end the iteration."""


class TipProblem(NamedTuple):
    """A hand's kinematics, the points that are its ``F`` tips, limits of its ``m`` inputs, scratch.

    `targets` and `x` are the argument and, improved in place, the result; `misses` are the
    distances that remain.
    """

    tree: Tree
    work: Workspace
    tips: Int[np.ndarray, " F"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]
    targets: Float[np.ndarray, "F 3"]
    misses: Float[np.ndarray, " F"]
    x: Float[np.ndarray, " m"]
    trial: Float[np.ndarray, " m"]
    step: Float[np.ndarray, " m"]
    gradient: Float[np.ndarray, " m"]
    jacobian: Float[np.ndarray, "3 m"]
    normal: Float[np.ndarray, "m m"]
    factor: Float[np.ndarray, "m m"]


@kernel
def reach(problem, tries):
    """Improve ``x`` by at most `tries` steps; returns the root mean square of the distances [m]."""
    cost = _distance(problem, problem.x)
    damping = FIRST_DAMPING
    fresh = True
    for _ in range(tries):
        if cost < CLOSE * CLOSE:
            break
        if fresh:
            _linearise(problem)
        _solve(problem, damping)
        moved = 0.0
        for i in range(problem.x.size):
            wanted = problem.x[i] + problem.step[i]
            problem.trial[i] = min(max(wanted, problem.low[i]), problem.high[i])
            moved = max(moved, abs(problem.trial[i] - problem.x[i]))
        if moved < CLOSE:
            break
        found = _distance(problem, problem.trial)
        fresh = found < cost
        if fresh:
            cost = found
            for i in range(problem.x.size):
                problem.x[i] = problem.trial[i]
            damping = max(EASED * damping, LEAST_DAMPING)
        else:
            damping *= RAISED
    # The last trial may have been refused.
    return np.sqrt(_distance(problem, problem.x) / problem.tips.size)


@kernel
def _distance(problem, x):
    """Sum of the squared distances of the tips at `x` from their targets."""
    expand(problem.tree, problem.work, x)
    place(problem.tree, problem.work)
    total = 0.0
    for f in range(problem.tips.size):
        square = 0.0
        for k in range(3):
            square += (problem.work.points[problem.tips[f], k] - problem.targets[f, k]) ** 2
        problem.misses[f] = np.sqrt(square)
        total += square
    return total


@kernel
def _linearise(problem):
    """Fill JᵀJ and Jᵀr at ``x``."""
    tree, work, jacobian = problem.tree, problem.work, problem.jacobian
    expand(tree, work, problem.x)
    place(tree, work)
    problem.normal[:] = 0.0
    problem.gradient[:] = 0.0
    for f in range(problem.tips.size):
        point = problem.tips[f]
        jacobian[:] = 0.0
        j = tree.point_joint[point]
        while j >= 0:
            p0, p1, p2 = work.points[point, 0], work.points[point, 1], work.points[point, 2]
            c0, c1, c2 = column(tree, work, j, p0, p1, p2)
            jacobian[0, tree.input_of[j]] += work.slope[j] * c0
            jacobian[1, tree.input_of[j]] += work.slope[j] * c1
            jacobian[2, tree.input_of[j]] += work.slope[j] * c2
            j = tree.parent[j]
        for k in range(3):
            residual = work.points[point, k] - problem.targets[f, k]
            for a in range(problem.x.size):
                if jacobian[k, a] != 0.0:
                    problem.gradient[a] += jacobian[k, a] * residual
                    for b in range(problem.x.size):
                        problem.normal[a, b] += jacobian[k, a] * jacobian[k, b]


@kernel
def _solve(problem, damping):
    """The step of the joints that no limit holds back, by Cholesky's factors of JᵀJ + λ1."""
    factor, step, size = problem.factor, problem.step, problem.x.size
    for i in range(size):
        for j in range(i + 1):
            held = _held(problem, i) or _held(problem, j)
            total = 0.0 if held else problem.normal[i, j]
            if i == j:
                total += damping
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            factor[i, j] = np.sqrt(total) if i == j else total / factor[j, j]
    for i in range(size):
        step[i] = 0.0 if _held(problem, i) else -problem.gradient[i]
        for k in range(i):
            step[i] -= factor[i, k] * step[k]
        step[i] /= factor[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            step[i] -= factor[k, i] * step[k]
        step[i] /= factor[i, i]


@kernel
def _held(problem, i):
    """Whether input `i` stands at a limit and is drawn beyond it."""
    if problem.gradient[i] > 0.0:
        return problem.x[i] <= problem.low[i]
    return problem.x[i] >= problem.high[i]
