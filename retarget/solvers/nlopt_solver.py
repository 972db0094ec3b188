"""nlopt's local algorithms with gradients and bounds, one frame after another, by nlopt's names.

They minimise the function the Newton solver minimises. Each starts from a unit Hessian, while a
fingertip 7 cm from its joint bends the objective by about `CURVATURE`: divided by it, the first
step has the right length, which halves the evaluations. SLSQP, which takes constraints other than
bounds, is given better variables (`retarget.solvers.slsqp`).
"""

import contextlib
from collections.abc import Callable
from functools import partial

import nlopt
import numpy as np
from jaxtyping import Float
from rich.progress import track

from retarget.objective import Objective
from retarget.solvers.slsqp import ABSOLUTE_TOLERANCE, MAX_EVALUATIONS, RELATIVE_TOLERANCE, Slsqp
from retarget.solvers.solved import Solved
from retarget.status import Status

ALGORITHMS = (
    "slsqp",
    "mma",
    "ccsaq",
    "lbfgs",
    "tnewton",
    "tnewton_restart",
    "tnewton_precond",
    "tnewton_precond_restart",
    "var1",
    "var2",
)
"""Of nlopt's LD_ algorithms, those that need nothing but bounds."""
CURVATURE = 50.0
"""Typical second derivative of a fingertip's cost [1/rad²]: (7 cm / 10 mm)²."""
ATTEMPTS = 5
"""How often a frame that stopped short of an optimum is taken up again."""
STATIONARY = 1e-2
"""Largest projected gradient that counts as converged: at the median curvature of a fingertip
(a tip 1 mm off pulls with about 0.5) it means within some hundredths of a millimetre of it."""


def minimise(algorithm: str, objective: Objective, progress: bool = False) -> Solved:
    """Minimise all frames of an objective, each warm started by the one before.

    A fresh frame is near to none before: it also starts at the neutral pose and mid-range, and the
    best end is taken.

    Args:
        algorithm: one of `ALGORITHMS`.
        objective: what to minimise.
        progress: whether to show a bar.
    """
    frames = len(objective)
    x, cost = np.empty((frames, objective.size)), np.empty(frames)
    status = np.empty(frames, dtype=np.int64)
    solver, momentum = FrameSolver(algorithm, objective), objective.terms.momentum
    before = earlier = objective.neutral
    for t in track(range(frames), "solving", transient=True, disable=not progress):
        if objective.terms.fresh[t]:
            starts = (before, objective.neutral, 0.5 * (objective.low + objective.high))
            ends = [solver.solve(t, None, start) for start in starts]
            x[t], cost[t], status[t] = min(ends, key=lambda end: end[1])
        else:
            expected = before + momentum * (before - earlier)
            x[t], cost[t], status[t] = solver.solve(t, expected, before)
        earlier, before = x[t] if objective.terms.fresh[t] else before, x[t]
    return Solved(x, cost, status)


SOLVERS: dict[str, Callable[..., Solved]] = {name: partial(minimise, name) for name in ALGORITHMS}


class FrameSolver:
    """One of nlopt's algorithms on one frame at a time of an objective."""

    def __init__(self, algorithm: str, objective: Objective):
        self._objective, self._gradient = objective, np.zeros(objective.size)
        self._descent = Slsqp(objective) if algorithm == "slsqp" else Bounded(algorithm, objective)

    def solve(
        self,
        frame: int,
        previous: Float[np.ndarray, " m"] | None,
        start: Float[np.ndarray, " m"],
    ) -> tuple[Float[np.ndarray, " m"], float, Status]:
        """Minimise one frame's objective: the joints [rad], the cost there, how it ended.

        Args:
            frame: which frame.
            previous: the solution the smoothness term pulls to; None for none.
            start: where to begin, inside the bounds.
        """
        x, status = start, Status.NO_PROGRESS
        for _ in range(ATTEMPTS):
            x = self._descent.descend(frame, previous, x)
            cost = self._objective.evaluate(frame, x, previous, self._gradient)
            if self._stationary(x):
                return x, cost, Status.CONVERGED
            status = Status.OUT_OF_STEPS if self._descent.spent else Status.NO_PROGRESS
        return x, cost, status

    def _stationary(self, x: Float[np.ndarray, " m"]) -> bool:
        """Whether no unit step down the gradient leads far inside the bounds."""
        step = np.clip(x - self._gradient, self._objective.low, self._objective.high) - x
        return bool(np.abs(step).max(initial=0.0) < STATIONARY)


class Bounded:
    """An algorithm of nlopt that takes the bounds as they are.

    Attributes:
        spent: whether the last run ended for want of evaluations.
    """

    def __init__(self, algorithm: str, objective: Objective):
        self._objective, self._frame = objective, 0
        self._previous: Float[np.ndarray, " m"] | None = None
        self._gradient = np.zeros(objective.size)
        self._best, self._x = np.inf, objective.neutral.copy()
        self.spent = False
        self._problem = nlopt.opt(getattr(nlopt, f"LD_{algorithm.upper()}"), objective.size)
        self._problem.set_lower_bounds(objective.low)
        self._problem.set_upper_bounds(objective.high)
        self._problem.set_min_objective(self._value)
        self._problem.set_ftol_rel(RELATIVE_TOLERANCE)
        self._problem.set_ftol_abs(ABSOLUTE_TOLERANCE / CURVATURE)
        self._problem.set_maxeval(MAX_EVALUATIONS)

    def descend(
        self,
        frame: int,
        previous: Float[np.ndarray, " m"] | None,
        start: Float[np.ndarray, " m"],
    ) -> Float[np.ndarray, " m"]:
        """The best point that one run saw, inside the bounds; as `FrameSolver.solve`."""
        self._frame, self._previous = frame, previous
        self._best, self._x[:] = np.inf, start
        # nlopt raises where it stops for want of progress; the best point seen stands.
        with contextlib.suppress(nlopt.RoundoffLimited, RuntimeError):
            self._problem.optimize(start)
        self.spent = self._problem.last_optimize_result() == nlopt.MAXEVAL_REACHED
        # A line search may step over a bound by rounding.
        return np.clip(self._x, self._objective.low, self._objective.high)

    def _value(self, x: Float[np.ndarray, " m"], gradient: Float[np.ndarray, " g"]) -> float:
        value = self._objective.evaluate(self._frame, x, self._previous, self._gradient)
        if gradient.size:
            np.divide(self._gradient, CURVATURE, out=gradient)
        if value < self._best:
            self._best = value
            self._x[:] = x
        return value / CURVATURE
