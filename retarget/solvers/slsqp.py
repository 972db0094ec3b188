"""Sequential quadratic programming by nlopt, one frame after another: the published path.

It learns the curvature from a unit matrix anew in each frame, so it is given joints in units in
which that is a fair guess, y_i = x_i √|∂²E/∂x_i²| at the start: a third of the steps.
"""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import nlopt
import numpy as np
from jaxtyping import Float
from rich.progress import track

from retarget.objective import Objective
from retarget.solvers.solved import Solved

RELATIVE_TOLERANCE = 1e-9
MAX_EVALUATIONS = 300
LEAST_CURVATURE = 1e-3
"""Share of the largest one that a joint's curvature is taken for at least."""
STATIONARY = 1e-2
"""Largest projected gradient that counts as converged: at the median curvature of a fingertip
(a tip 1 mm off pulls with about 0.5) it means within some hundredths of a millimetre of it."""


class Frame(NamedTuple):
    """The minimiser of one frame: joints [rad], the objective there, whether it is an optimum."""

    x: Float[np.ndarray, " m"]
    cost: float
    converged: bool


def slsqp(objective: Objective, progress: bool = False) -> Solved:
    """Minimise all frames of an objective, each warm started by the one before.

    Args:
        objective: what to minimise.
        progress: whether to show a bar.
    """
    solving = track(
        Slsqp(objective).frames(),
        "solving",
        total=len(objective),
        transient=True,
        disable=not progress,
    )
    x, cost, converged = zip(*solving, strict=True)
    return Solved(np.array(x), np.array(cost), np.array(converged))


class Slsqp:
    """nlopt's SLSQP on one objective; each frame starts where the one before ended."""

    def __init__(self, objective: Objective):
        self._objective = objective
        self._frame = 0
        self._previous = objective.neutral
        self._gradient = np.zeros(objective.size)
        self._best = (np.inf, objective.neutral)
        self._problem = nlopt.opt(nlopt.LD_SLSQP, objective.size)
        self._unit = np.ones(objective.size)
        self._problem.set_min_objective(self._value)
        self._problem.set_ftol_rel(RELATIVE_TOLERANCE)
        self._problem.set_maxeval(MAX_EVALUATIONS)

    def frames(self) -> Iterator[Frame]:
        """The solutions of the reference's frames, one after another, warm started.

        A first frame that is fresh has nothing to start from: it takes the best of the neutral
        pose and the objective's starts. One that is not goes on from the neutral pose.
        """
        objective = self._objective
        fresh, neutral = objective.terms.fresh[0], objective.neutral
        solved = self._first() if fresh else self.solve(0, neutral, neutral)
        yield solved
        for frame in range(1, len(self._objective)):
            solved = self.solve(frame, solved.x, solved.x)
            yield solved

    def solve(
        self, frame: int, previous: Float[np.ndarray, " m"], start: Float[np.ndarray, " m"]
    ) -> Frame:
        """Minimise one frame's objective.

        Args:
            frame: which frame.
            previous: the solution the smoothness term pulls to.
            start: where to begin, inside the bounds.
        """
        self._frame, self._previous, self._best = frame, previous, (np.inf, start)
        self._measure(start)
        # nlopt raises where it stops for want of progress; the best point seen stands, and
        # whether it is an optimum is judged from its gradient.
        with contextlib.suppress(nlopt.RoundoffLimited, RuntimeError):
            self._problem.optimize(start / self._unit)
        cost, x = self._best
        return Frame(x, cost, self._stationary(x))

    def _first(self) -> Frame:
        objective = self._objective
        starts = [objective.neutral, *objective.starts]
        tried = [self.solve(0, objective.neutral, start) for start in starts]
        best = min(tried, key=lambda solved: solved.cost)
        return self.solve(0, best.x, best.x)

    def _measure(self, start: Float[np.ndarray, " m"]) -> None:
        """Choose the units of the joints by the curvatures at `start`."""
        objective, problem = self._objective, self._problem
        _, _, hessian = objective.derivatives(self._frame, start, self._previous)
        curvature = np.abs(np.diag(hessian))
        least = max(LEAST_CURVATURE * curvature.max(initial=0.0), np.finfo(float).tiny)
        self._unit = 1.0 / np.sqrt(np.maximum(curvature, least))
        problem.set_lower_bounds(objective.low / self._unit)
        problem.set_upper_bounds(objective.high / self._unit)

    def _value(self, y: Float[np.ndarray, " m"], gradient: Float[np.ndarray, " g"]) -> float:
        # A line search may step over a bound by rounding; the model is never asked about that.
        x = np.clip(y * self._unit, self._objective.low, self._objective.high)
        value = self._objective.evaluate(self._frame, x, self._previous, self._gradient)
        if gradient.size:
            gradient[:] = self._gradient * self._unit
        if value < self._best[0]:
            self._best = (value, x)
        return value

    def _stationary(self, x: Float[np.ndarray, " m"]) -> bool:
        objective = self._objective
        objective.evaluate(self._frame, x, self._previous, self._gradient)
        step = np.clip(x - self._gradient, objective.low, objective.high) - x
        return bool(np.abs(step).max(initial=0.0) < STATIONARY)
