"""Solved: the minimisers of an objective."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from retarget.status import Status


class Solved(NamedTuple):
    """The minimisers of an objective, frame by frame.

    Attributes:
        x: independent joints [rad], inside their bounds.
        cost: the objective there.
        status: how each frame ended, a `Status`.
    """

    x: Float[np.ndarray, "T m"]
    cost: Float[np.ndarray, " T"]
    status: Int[np.ndarray, " T"]

    @property
    def converged(self) -> Bool[np.ndarray, " T"]:
        """No feasible step changes the cost to first order."""
        return self.status == Status.CONVERGED
