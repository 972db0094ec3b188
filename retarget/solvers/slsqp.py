"""nlopt's SLSQP, in variables in which the objective bends alike in all directions.

SLSQP starts from a unit Hessian, and its own linear algebra grows with the cube of the variables:
75 μs an evaluation for 24, where the objective takes 5. So it is given few variables, and few
evaluations to make. With H = LLᵀ the Hessian where it starts, of the joints that are not held at a
bound by the sign of their gradient, it minimises over y

    x = x₀ + L⁻ᵀ y,

whose Hessian is the identity there: its first step is Newton's. Bounds of x are linear constraints
on y; only joints `NEAR` a bound have one, since each takes time. A run that ends beyond another is
done again with that one too.
"""

import contextlib

import nlopt
import numpy as np
from jaxtyping import Float

from retarget.objective import Objective

NEAR = 0.2
"""Distance from a bound [rad] within which a joint is kept from it; few frames step farther."""
RELATIVE_TOLERANCE = 1e-6
ABSOLUTE_TOLERANCE = 1e-8
"""Changes of the cost at which an algorithm stops; 1e-8 is a fingertip moved by 1.4 μm."""
MAX_EVALUATIONS = 300
_ROUNDING = 1e-9
_FIRST_DAMPING = 1e-2


class Slsqp:
    """SLSQP on one frame at a time of an objective.

    Attributes:
        spent: whether the last run ended for want of evaluations.
    """

    def __init__(self, objective: Objective):
        self._objective, self._frame = objective, 0
        self._previous: Float[np.ndarray, " m"] | None = None
        self._start, self._axes = objective.neutral, np.eye(objective.size)
        self._gradient = np.zeros(objective.size)
        self._best, self._x = np.inf, objective.neutral.copy()
        self.spent = False

    def descend(
        self,
        frame: int,
        previous: Float[np.ndarray, " m"] | None,
        start: Float[np.ndarray, " m"],
    ) -> Float[np.ndarray, " m"]:
        """The best point that one run saw, inside the bounds; as `FrameSolver.solve`."""
        objective = self._objective
        self._frame, self._previous, self._start = frame, previous, start
        self.spent = False
        _, gradient, hessian = objective.derivatives(frame, start, previous)
        inwards = np.clip(start - gradient, objective.low, objective.high) != start
        free = np.flatnonzero(inwards)
        if not len(free):
            return start
        self._axes = np.zeros((objective.size, len(free)))
        self._axes[free] = _whitening(hessian[np.ix_(free, free)])
        room = np.stack([objective.high - start, start - objective.low])
        near = inwards & (room < NEAR)
        while True:
            walls = np.concatenate([self._axes, -self._axes])[near.ravel()]
            self._run(walls, room[near])
            beyond = np.stack([self._x - objective.high, objective.low - self._x]) > 0.0
            if not (beyond & ~near).any():
                return np.clip(self._x, objective.low, objective.high)
            near |= beyond

    def _run(self, walls: Float[np.ndarray, "b k"], room: Float[np.ndarray, " b"]) -> None:
        """Minimise, from y = 0, where W y ≤ r."""
        self._best, self._x[:] = np.inf, self._start
        problem = nlopt.opt(nlopt.LD_SLSQP, self._axes.shape[1])
        problem.set_min_objective(self._value)
        problem.set_ftol_rel(RELATIVE_TOLERANCE)
        problem.set_ftol_abs(ABSOLUTE_TOLERANCE)
        problem.set_maxeval(MAX_EVALUATIONS)

        def beyond(result: np.ndarray, y: np.ndarray, gradient: np.ndarray) -> None:
            if gradient.size:
                gradient[:] = walls
            result[:] = walls @ y - room

        if len(room):
            problem.add_inequality_mconstraint(beyond, np.full(len(room), _ROUNDING))
        # nlopt raises where it stops for want of progress; the best point seen stands.
        with contextlib.suppress(nlopt.RoundoffLimited, RuntimeError):
            problem.optimize(np.zeros(self._axes.shape[1]))
        self.spent = problem.last_optimize_result() == nlopt.MAXEVAL_REACHED

    def _value(self, y: Float[np.ndarray, " k"], gradient: Float[np.ndarray, " g"]) -> float:
        x = self._start + self._axes @ y
        value = self._objective.evaluate(self._frame, x, self._previous, self._gradient)
        if gradient.size:
            np.dot(self._gradient, self._axes, out=gradient)
        if value < self._best:
            self._best = value
            self._x[:] = x
        return value


def _whitening(hessian: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """L⁻ᵀ of H + μ1 = LLᵀ, with the least μ tried at which that is positive definite."""
    damping = 0.0
    while True:
        with contextlib.suppress(np.linalg.LinAlgError):
            factor = np.linalg.cholesky(hessian + damping * np.eye(len(hessian)))
            return np.linalg.inv(factor).T
        damping = max(4.0 * damping, _FIRST_DAMPING)
