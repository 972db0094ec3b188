"""Status: how the solving of a frame ended, with what to do about it."""

from collections import Counter
from enum import IntEnum

import numpy as np
from jaxtyping import Int


class Status(IntEnum):
    """How a frame's solving ended; `message` says what that means and what helps."""

    message: str

    def __new__(cls, value: int, message: str) -> "Status":
        """A member with its message."""
        member = int.__new__(cls, value)
        member._value_, member.message = value, message
        return member

    CONVERGED = 0, "ended at an optimum"
    OUT_OF_STEPS = (
        1,
        "was still descending when its steps ran out; the frame is usable, and a motion with more "
        "frames a second starts each one nearer to its end",
    )
    NO_PROGRESS = (
        2,
        "no step lowered the cost, though its gradient is not zero; look at the frame's keypoints, "
        "or try another solver",
    )
    NOT_SEEN = (
        3,
        "the tracker saw no hand, so the frame holds the one before; fill the motion's gaps first "
        "if it should move there",
    )


def tally(status: Int[np.ndarray, " T"]) -> str:
    """How many frames ended how, in one line, and what the ends other than an optimum mean.

    >>> tally(np.array([0, 0, 3]))
    '2 converged, 1 not seen (the tracker saw no hand, …)'
    """
    counts = Counter(status.tolist())
    parts = []
    for end in Status:
        if counts[end]:
            words = f"{counts[end]} {end.name.lower().replace('_', ' ')}"
            parts.append(words if end is Status.CONVERGED else f"{words} ({end.message})")
    return ", ".join(parts)
