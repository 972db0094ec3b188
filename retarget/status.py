"""Status: how the solving of a frame ended, with what to do about it."""

from collections import Counter
from enum import IntEnum

import numpy as np
from jaxtyping import Int


class Status(IntEnum):
    """How a frame's solving ended."""

    CONVERGED = 0
    OUT_OF_STEPS = 1
    NO_PROGRESS = 2
    NOT_SEEN = 3

    @property
    def message(self) -> str:
        """What it means, and what helps."""
        return _MESSAGES[self]


_MESSAGES = {
    Status.CONVERGED: "ended at an optimum",
    Status.OUT_OF_STEPS: "was still descending when its steps ran out; the frame is usable, and a "
    "motion with more frames a second starts each one nearer to its end",
    Status.NO_PROGRESS: "no step lowered the cost, though its gradient is not zero; look at the "
    "frame's keypoints, or try another solver",
    Status.NOT_SEEN: "the tracker saw no hand there; fill the motion's gaps first if the robot "
    "should move on",
}


def tally(status: Int[np.ndarray, " T"]) -> str:
    """How many frames ended how, in one line, and what the ends other than an optimum mean.

    >>> tally(np.array([0, 0, 3]))
    '2 converged, 1 not seen (the tracker saw no hand there; …)'
    """
    counts = Counter(status.tolist())
    parts = []
    for end in Status:
        if counts[end]:
            words = f"{counts[end]} {end.name.lower().replace('_', ' ')}"
            parts.append(words if end is Status.CONVERGED else f"{words} ({end.message})")
    return ", ".join(parts)
