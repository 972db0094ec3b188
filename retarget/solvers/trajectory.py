"""All frames at once: Newton's method on the whole motion, its Hessian banded.

A motion solved frame by frame knows only what came before. Here every frame's joints are variables
of one problem, coupled by the smoothness and the jerk of their neighbours; the Hessian is banded
(`retarget.solvers.banded`), so a step costs no more than a few frame-by-frame solves.

Each step minimises the second-order model inside the box of the joint limits, by a primal-dual
active set (Hintermüller, Ito & Kunisch 2002); a frame's own Hessian enters with the magnitudes of
its eigenvalues, so that a step leaves a saddle (Dauphin et al. 2014). Levenberg's damping is a
frame's own, so that one stiff frame does not hold up the others: it rises where a frame's cost came
out worse than its model.

It starts at the frame-by-frame solution. The jerk's weight is large against all else and would
freeze that start, so its Huber function is brought in by `STAGES`: first a square, then bending
closer and closer to zero at one and the same slope.
"""

import numpy as np
from jaxtyping import Bool, Float
from rich.progress import track
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.linalg.blas import dsbmv

from handsim.compiled import announce
from retarget.objective import Objective
from retarget.solvers.banded import (
    Chain,
    Evaluation,
    assemble,
    evaluate,
    evaluation,
    isolate,
    surprise,
)
from retarget.solvers.newton import newton
from retarget.solvers.solved import Solved
from retarget.status import Status

JERK_BEND = 1e-3
"""Third difference [rad] beyond which the jerk's Huber function is linear."""
STAGES = ((1 / 300, np.inf), (0.1, 10 * JERK_BEND), (1.0, JERK_BEND))
"""Share of the jerk's weight, and where its Huber function bends [rad]."""
MAX_STEPS = 60
SETTLED, ROUGHLY = 3e-4, 3e-3
"""Relative decrease of the objective at which the last stage ends, and the others."""
FIRST_DAMPING, LEAST_DAMPING, STIFF_DAMPING = 1e-4, 1e-6, 0.1
ROUNDING = 1e-12
"""Relative increase of the objective that is none."""
MODEL_ERROR = 0.5
"""Share of a frame's change by which its model may be off before its damping rises."""
ACTIVE_SET_ROUNDS = 3


def trajectory(objective: Objective, progress: bool = False) -> Solved:
    """Minimise the whole objective, all frames at once.

    A frame's `cost` is that of its own terms. All frames have converged together, when a step
    changed the whole by less than `SETTLED` of it, or none.

    Args:
        objective: what to minimise.
        progress: whether to show a bar.
    """
    announce(evaluate, "the solver of whole motions")
    start = newton(objective)
    jerk, smoothness = objective.reference.jerk, objective.reference.smoothness
    stages = STAGES if jerk > 0 else STAGES[-1:]
    linked = ~objective.terms.fresh
    descent = _Descent(objective, start.x)
    for share, bend in track(stages, "smoothing", transient=True, disable=not progress):
        chain = Chain(linked, smoothness, share * jerk, bend)
        settled = descent.run(chain, SETTLED if share == 1.0 else ROUGHLY)
    status = Status.CONVERGED if settled else Status.OUT_OF_STEPS
    return Solved(descent.x, descent.now.cost, np.full(len(start.x), int(status)))


class _Descent:
    """Damped Newton steps on the whole motion.

    Attributes:
        x: where it is (T, m) [rad].
        now: the evaluation there.
    """

    def __init__(self, objective: Objective, start: Float[np.ndarray, "T m"]):
        self._objective, self.x = objective, start.copy()
        self.now, self._next = (evaluation(*start.shape) for _ in range(2))
        self._damping = np.full(len(start), FIRST_DAMPING)
        self._band = np.zeros((3 * objective.size + 1, start.size), order="F")
        self._at_low, self._at_high = (np.zeros(start.size, dtype=bool) for _ in range(2))

    def run(self, chain: Chain, settled: float) -> bool:
        """Descend until a step gains less than `settled` of the value; False if none did."""
        objective, value = self._objective, self._evaluate(chain, self.x, self.now)
        own = _convex(self.now.hessian)
        for _ in range(MAX_STEPS):
            assemble(chain, own, self.now.curvature, self._damping, self._band)
            moved = np.clip(self.x + self._step(), objective.low, objective.high)
            tried = self._evaluate(chain, moved, self._next)
            better = tried < value
            self._adapt(moved - self.x, better)
            if not better:
                if tried - value <= ROUNDING * value:
                    return True
                continue
            gain, value, self.x = value - tried, tried, moved
            self.now, self._next = self._next, self.now
            if gain < settled * value:
                return True
            own = _convex(self.now.hessian)
        return False

    def _evaluate(self, chain: Chain, x: Float[np.ndarray, "T m"], out: Evaluation) -> float:
        o = self._objective
        return evaluate(o.tree, o.work, o.spare, o.terms, chain, x, out)

    def _adapt(self, step: Float[np.ndarray, "T m"], better: bool) -> None:
        """Raise the damping of the frames whose model was wrong, lower that of the others."""
        error = np.empty(len(step))
        surprise(self.now, self._next, step, error)
        wrong = error > MODEL_ERROR * (np.abs(self.now.cost - self._next.cost) + 1e-6)
        stiff = np.maximum(16 * self._damping, STIFF_DAMPING)
        softer = np.maximum(self._damping / 4, LEAST_DAMPING)
        self._damping = np.where(wrong, stiff, softer if better else 4 * self._damping)

    def _step(self) -> Float[np.ndarray, "T m"]:
        """The minimiser of the second-order model inside the box."""
        gradient, width = self.now.gradient.ravel(), len(self._band) - 1
        low = (self._objective.low - self.x).ravel()
        high = (self._objective.high - self.x).ravel()
        step = np.zeros(len(gradient))
        for _ in range(ACTIVE_SET_ROUNDS):
            held = self._at_low | self._at_high
            fixed = np.where(self._at_low, low, np.where(self._at_high, high, 0.0))
            force = -gradient - dsbmv(width, 1.0, self._band, fixed, lower=1)
            step = _solve(self._band, held, np.where(held, fixed, force))
            slope = gradient + dsbmv(width, 1.0, self._band, step, lower=1)
            at_low = np.where(self._at_low, slope > 0, step < low) & ~self._at_high
            at_high = np.where(self._at_high, slope < 0, step > high) & ~self._at_low
            same = (at_low == self._at_low).all() and (at_high == self._at_high).all()
            self._at_low, self._at_high = at_low, at_high
            if same:
                break
        return step.reshape(self.x.shape)


def _convex(hessian: Float[np.ndarray, "T m m"]) -> Float[np.ndarray, "T m m"]:
    """Symmetric matrices, given by their lower triangles, with their eigenvalues' magnitudes."""
    values, vectors = np.linalg.eigh(hessian)
    return (vectors * np.abs(values)[:, None, :]) @ np.swapaxes(vectors, 1, 2)


def _solve(
    band: Float[np.ndarray, "b n"], held: Bool[np.ndarray, " n"], right: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Solve a banded system in the variables that are not held."""
    free = band.copy(order="F")
    isolate(free, held)
    factor = cholesky_banded(free, lower=True, overwrite_ab=True, check_finite=False)
    return cho_solve_banded((factor, True), right, check_finite=False)
