"""Reward terms in [0, 1] on arrays: 1 within tolerance, 0.1 at the margin beyond it."""

from collections.abc import Mapping

import numpy as np
from dm_control.utils.rewards import tolerance
from jaxtyping import Float

JOINT_MARGIN = 0.2
"""Joint error [rad] at which the joint term has fallen to 0.1."""
TIP_MARGIN = 0.02
"""Fingertip error [m] at which the tip term has fallen to 0.1."""
PALM_MARGIN = 0.05
"""Palm error [m] at which the palm term has fallen to 0.1."""


def joint_term(error: Float[np.ndarray, " nq"]) -> float:
    """How close the joints are, from their errors [rad]: 1 where every error is 0."""
    return float(np.mean(tolerance(np.abs(error), margin=JOINT_MARGIN)))


def tip_term(error: Float[np.ndarray, "F 3"]) -> float:
    """How close the fingertips are, from their errors [m]: 1 where every error is 0."""
    return float(np.mean(tolerance(np.linalg.norm(error, axis=-1), margin=TIP_MARGIN)))


def palm_term(distance: float) -> float:
    """How close the palm's origin is, from its distance to the target [m]: 1 at 0."""
    return float(tolerance(distance, margin=PALM_MARGIN))


def total(terms: Mapping[str, float]) -> float:
    """One reward from several terms: their mean, hence in [0, 1] too."""
    return float(np.mean(list(terms.values())))
