"""Solved: the minimisers of an objective."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Solved(NamedTuple):
    """The minimisers of an objective, frame by frame.

    Attributes:
        x: independent joints [rad], inside their bounds.
        cost: the objective there.
        converged: no feasible step changes the cost to first order.
    """

    x: Float[np.ndarray, "T m"]
    cost: Float[np.ndarray, " T"]
    converged: Bool[np.ndarray, " T"]
