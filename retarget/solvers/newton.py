"""A compiled, box-constrained Newton method with exact second derivatives.

Each step solves (H_ff + μ I) d = −g_f for the joints f that are not held at a bound by the sign of
their gradient, moves by d, and is clipped into the box. A step that raises the cost is taken back
and the damping μ multiplied by `DAMPING_FACTOR`; one that lowers it divides μ by it
(Levenberg 1944, Marquardt 1963; Bertsekas 1982 for the projection).

A frame starts where the one before ended. A thumb can reach a point in two ways, and a hand that
follows one of them may arrive at a limit: a frame that ends with a cost above `RESTART_COST` is
tried from other starts too, and moves there if that is worth it. Where it is not, the next
`RESTART_PAUSE` frames are left alone unless their cost grows by half. On three recordings and two
hands restarts at every frame found all but 1 % of what six further random starts a frame did.

Online no frame may cost much more than another. A hurried solver leaves a frame after `HURRIED`
steps, and the next goes on from there; other starts are tried alongside, one at a time, by
`ALONGSIDE` steps a frame on each frame's own objective. Only a fresh frame takes its time.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from handsim.compiled import announce, kernel
from retarget.objective import Objective
from retarget.residuals import frame_derivatives
from retarget.solvers.solved import Solved
from retarget.status import Status

CONVERGED, OUT_OF_STEPS = int(Status.CONVERGED), int(Status.OUT_OF_STEPS)
NO_PROGRESS = int(Status.NO_PROGRESS)
MAX_STEPS = 200
STATIONARY = 1e-4
"""Largest projected gradient at which a frame has converged."""
NEGLIGIBLE = 1e-8
"""Share of the cost: a step that gains less by the quadratic model is the last, and not looked at.
Newton's steps square the error, so it leaves none."""
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-8, 1e10
DAMPING_FACTOR = 10.0
RESTART_COST = 0.05
"""The cost of one fingertip 3 mm off its target."""
RESTART_GAIN = 0.01
"""Share of the cost a restart must save to be taken."""
RESTART_PAUSE = 4
"""Frames after restarts in vain."""
HURRIED, ALONGSIDE = 9, 4
"""Steps a frame of a hurried solver: to follow, and of another start. The patient one takes up to
130 for 99 % of its frames. On two recordings and three hands the natural objective's cost is 1 to
7 % higher for it, and fingertips are up to 0.7 mm further from their targets."""


class Store(NamedTuple):
    """Arrays of one solve: two points with their derivatives, the factor of the step, and so on.

    `before` and `earlier` are the two frames before, `expected` is where the next is looked for,
    between `low` and `high`.
    """

    x: Float[np.ndarray, "2 m"]
    gradient: Float[np.ndarray, "2 m"]
    hessian: Float[np.ndarray, "2 m m"]
    factor: Float[np.ndarray, "m m"]
    step: Float[np.ndarray, " m"]
    free: Int[np.ndarray, " m"]
    before: Float[np.ndarray, " m"]
    earlier: Float[np.ndarray, " m"]
    expected: Float[np.ndarray, " m"]
    alongside: Float[np.ndarray, " m"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]


def store(size: int) -> Store:
    """Fresh arrays for `size` inputs."""
    square = np.zeros((size, size))
    return Store(
        np.zeros((2, size)),
        np.zeros((2, size)),
        np.zeros((2, size, size)),
        square,
        np.zeros(size),
        np.zeros(size, dtype=np.int64),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
    )


def newton(objective: Objective, progress: bool = False) -> Solved:
    """Minimise all frames of an objective in one compiled call; `progress` has nothing to show."""
    return Newton(objective).solve()


class Newton:
    """The solver with its memory of the frames before: of a whole clip, or of one frame at a time.

    Online, `Objective.overwrite` brings the next frame and `solve` goes on from the one before,
    to the same result as if all frames had been given at once.

    Args:
        objective: what to minimise.
        hurried: whether to bound the steps of each frame; what is left as it is has not converged.
    """

    def __init__(self, objective: Objective, hurried: bool = False):
        frames, size = len(objective), objective.size
        self._objective, self._store, self._hurried = objective, store(size), hurried
        self._restarts = np.zeros(3)
        self._x, self._cost = np.empty((frames, size)), np.empty(frames)
        self._status = np.empty(frames, dtype=np.int64)
        self.reset()
        announce(solve_clip, "the solver")

    def reset(self, before: Float[np.ndarray, " m"] | None = None) -> None:
        """Forget the frames before; go on from `before` [rad], the neutral pose when not given."""
        self._store.before[:] = self._objective.neutral if before is None else before
        self._store.earlier[:] = self._store.before
        self._restarts[:] = 0.0, RESTART_COST, 0.0

    def solve(self) -> Solved:
        """Minimise the objective's frames in order."""
        objective = self._objective
        solve_clip(
            objective.tree,
            objective.work,
            objective.spare,
            self._store,
            objective.terms,
            objective.starts,
            self._restarts,
            self._hurried,
            self._x,
            self._cost,
            self._status,
        )
        return Solved(self._x.copy(), self._cost.copy(), self._status.copy())


@kernel
def solve_clip(tree, work, spare, kept, terms, starts, restarts, hurried, x, cost, status):
    """Minimise every frame in order; fills x (T, m), cost (T,) and status (T,).

    ``kept.before`` is where the first frame goes on from. A fresh frame is near to no frame
    before. `restarts` are the frames to wait until the next restart, the cost of the last in vain,
    and the start that is tried, from 1; 0 for none.
    """
    for t in range(terms.vectors.target.shape[0]):
        fresh = terms.fresh[t]
        patient = fresh or not hurried
        if fresh:
            restarts[0], restarts[1], restarts[2] = 0.0, RESTART_COST, 0.0
        restarts[0] -= 1.0
        _expect(terms, kept, fresh)
        _copy_inside(kept, kept.before, kept.x[0])
        most = MAX_STEPS if patient else HURRIED
        smoothness = 0.0 if fresh else terms.smoothness
        # One call for all attempts: each call is compiled anew where it stands, for seconds.
        for attempt in range(starts.shape[0] + 1 if patient else 2):
            if attempt > 0:
                if not _begin(kept, starts, restarts, cost[t]):
                    break
                _copy_inside(kept, kept.alongside, kept.x[0])
                most = MAX_STEPS if patient else ALONGSIDE
            tried, verdict, at = _minimise(tree, work, spare, kept, terms, t, smoothness, most)
            better = attempt == 0 or tried < (1.0 - RESTART_GAIN) * cost[t]
            if better:
                cost[t], status[t] = tried, verdict
                _copy(kept.x[at], x[t])
            if attempt > 0:
                _copy(kept.x[at], kept.alongside)
                if better or patient or verdict != OUT_OF_STEPS:
                    _next(kept, starts, restarts, cost[t], better, patient)
        _copy(x[t] if fresh else kept.before, kept.earlier)
        _copy(x[t], kept.before)


@kernel
def _expect(terms, kept, fresh):
    """Where the joints would be had they gone on, a little slower; and how far off they may be."""
    for a in range(kept.before.size):
        kept.expected[a] = kept.before[a] + terms.momentum * (kept.before[a] - kept.earlier[a])
        limit = np.inf if fresh else terms.limit
        kept.low[a] = min(max(terms.low[a], kept.expected[a] - limit), terms.high[a])
        kept.high[a] = max(min(terms.high[a], kept.expected[a] + limit), terms.low[a])


@kernel
def _begin(kept, starts, restarts, cost):
    """Whether a start is to be tried in a frame of this cost: one going on, or the first."""
    if cost <= RESTART_COST:
        restarts[2] = 0.0
        return False
    if restarts[2] == 0.0 and (restarts[0] <= 0.0 or cost > 1.5 * restarts[1]):
        restarts[2] = 1.0
        _copy(starts[0], kept.alongside)
    return restarts[2] > 0.0


@kernel
def _next(kept, starts, restarts, cost, better, patient):
    """A start is done with: on to the next, or, after the last and after success, to none."""
    restarts[2] += 1.0
    if restarts[2] > starts.shape[0] or (better and not patient):
        restarts[2] = 0.0
        restarts[0], restarts[1] = 0.0 if better else RESTART_PAUSE, cost
    else:
        _copy(starts[int(restarts[2]) - 1], kept.alongside)


@kernel
def _minimise(tree, work, spare, kept, terms, t, smoothness, most):
    """At most `most` steps from ``kept.x[0]``: cost, verdict, and which x it ended at."""
    now, trial, damping, value = 1, 0, FIRST_DAMPING, np.inf
    for _ in range(most):
        tried = frame_derivatives(
            tree,
            work,
            spare,
            terms,
            t,
            kept.x[trial],
            kept.expected,
            smoothness,
            kept.gradient[trial],
            kept.hessian[trial],
            True,
        )
        if tried < value:
            now, trial, value = trial, now, tried
            damping = max(damping / DAMPING_FACTOR, LEAST_DAMPING)
        else:
            damping *= DAMPING_FACTOR
        if _projected(kept, terms, now) < STATIONARY:
            return value, CONVERGED, now
        while damping < MOST_DAMPING and not _step(kept, terms, now, trial, damping):
            damping *= DAMPING_FACTOR
        if damping >= MOST_DAMPING:
            return value, NO_PROGRESS, now
        if damping <= FIRST_DAMPING and _gain(kept, now) < NEGLIGIBLE * value:
            return value, CONVERGED, trial
    return value, OUT_OF_STEPS, now


@kernel
def _copy(values, out):
    for a in range(values.size):
        out[a] = values[a]


@kernel
def _copy_inside(kept, values, out):
    for a in range(values.size):
        out[a] = min(max(values[a], kept.low[a]), kept.high[a])


@kernel
def _projected(kept, terms, at):
    """Largest change of a joint under a unit step down the gradient, kept inside the box."""
    largest = 0.0
    for a in range(kept.step.size):
        x = kept.x[at, a]
        moved = min(max(x - kept.gradient[at, a], kept.low[a]), kept.high[a])
        largest = max(largest, abs(moved - x))
    return largest


@kernel
def _step(kept, terms, now, trial, damping):
    """Write the damped Newton point into ``kept.x[trial]``; False if H + μ I is not positive."""
    count = 0
    for a in range(kept.step.size):
        x, g = kept.x[now, a], kept.gradient[now, a]
        kept.x[trial, a] = x
        if not ((x <= kept.low[a] and g > 0) or (x >= kept.high[a] and g < 0)):
            kept.free[count] = a
            count += 1
    if not _factorise(kept, now, count, damping):
        return False
    kept.step[count:] = 0.0
    for i in range(count):
        total = -kept.gradient[now, kept.free[i]]
        for k in range(i):
            total -= kept.factor[i, k] * kept.step[k]
        kept.step[i] = total / kept.factor[i, i]
    for i in range(count - 1, -1, -1):
        total = kept.step[i]
        for k in range(i + 1, count):
            total -= kept.factor[k, i] * kept.step[k]
        kept.step[i] = total / kept.factor[i, i]
        a = kept.free[i]
        moved = kept.x[now, a] + kept.step[i]
        kept.x[trial, a] = min(max(moved, kept.low[a]), kept.high[a])
    return True


@kernel
def _gain(kept, now):
    """What the last step would gain by the quadratic model, were there no bounds."""
    gain = 0.0
    for i in range(kept.free.size):
        gain -= 0.5 * kept.gradient[now, kept.free[i]] * kept.step[i]
    return gain


@kernel
def _factorise(kept, now, count, damping):
    """Cholesky factor of the free block of H + μ I; False where it is not positive definite."""
    for i in range(count):
        for j in range(i + 1):
            a, b = kept.free[i], kept.free[j]
            total = kept.hessian[now, a, b]
            if i == j:
                total += damping
            for k in range(j):
                total -= kept.factor[i, k] * kept.factor[j, k]
            if i == j:
                if total <= 1e-12:
                    return False
                kept.factor[i, i] = np.sqrt(total)
            else:
                kept.factor[i, j] = total / kept.factor[j, j]
    return True
