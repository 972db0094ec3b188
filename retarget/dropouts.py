"""What a robot does while no hand is seen: it holds its pose, then eases to its resting one.

For `HOLD` after the last frame with a hand the last pose is held. Then the joints return,

    x(t) = neutral + (x_last − neutral) exp(−(t − t_last − HOLD) / EASE),

and the next hand that is seen is a fresh start: tried from several poses, near to none before.
"""

import numpy as np
from jaxtyping import Bool, Float

from retarget.human.filters import LONGEST_GAP

HOLD = LONGEST_GAP
"""How long the last pose is held [s]."""
EASE = 0.5
"""Time constant of the return [s]."""


def fresh_starts(times: Float[np.ndarray, " S"]) -> Bool[np.ndarray, " S"]:
    """Which of the frames with a hand are the first, or follow a longer time without than `HOLD`.

    Args:
        times: of those frames [s].
    """
    return np.diff(times, prepend=-np.inf) > HOLD


def eased(
    x: Float[np.ndarray, "T m"], neutral: Float[np.ndarray, " m"], unseen: Float[np.ndarray, " T"]
) -> Float[np.ndarray, "T m"]:
    """Joints [rad] that were `x` when a hand was last seen, `unseen` [s] ago."""
    left = np.exp(-np.maximum(unseen - HOLD, 0.0) / EASE)[:, None]
    return np.where(left < 1.0, neutral + left * (x - neutral), x)
