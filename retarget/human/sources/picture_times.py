"""When the pictures of a trial were taken, and which of them became frames of the motion."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from handsim.errors import InputError

RATE = 25.0
"""Pictures a second [Hz] where nothing says when they were taken."""


@dataclass(frozen=True, eq=False)
class PictureTimes:
    """Times [s] from the first frame on.

    Attributes:
        pictures: of all pictures.
        frames: the pictures that are frames, without gaps.
        start: what the recording's clock said at the first frame [ns].
        assumed: whether nothing says when the pictures were taken.
    """

    pictures: Float[np.ndarray, " N"]
    frames: Int[np.ndarray, " M"]
    start: int
    assumed: bool

    @classmethod
    def of(
        cls, stamps: Int[np.ndarray, " N"], frames: Int[np.ndarray, " M"], name: str
    ) -> "PictureTimes":
        """From the clock's times [ns] of all pictures.

        Pictures with the same time, because one message was the nearest to all of them, are spread
        evenly up to the next.

        Raises:
            InputError: the times decrease; the message begins with `name`.
        """
        back = np.flatnonzero(np.diff(stamps) < 0)
        if len(back):
            raise InputError(
                f"{name}: times must not decrease, but that of picture {back[0] + 1} does."
            )
        start, rows = int(stamps[frames[0]]), np.arange(len(stamps))
        new = np.concatenate([[True], np.diff(stamps) > 0])
        times = np.interp(rows, rows[new], (stamps[new] - start) * 1e-9)
        beyond = np.maximum(rows - rows[new][-1], 0)
        times += beyond / RATE
        return cls(times - times[frames[0]], frames, start, assumed=False)

    @classmethod
    def at_rate(cls, count: int, frames: Int[np.ndarray, " M"], period: float) -> "PictureTimes":
        """Of `count` pictures taken every `period` [s]."""
        return cls((np.arange(count) - frames[0]) * period, frames, 0, assumed=True)

    @property
    def times(self) -> Float[np.ndarray, " M"]:
        """Of the frames [s]."""
        return self.pictures[self.frames]

    def seconds(self, stamps: Int[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        """What the recording's clock says [ns], as times [s] from the first frame on."""
        return (stamps - self.start) * 1e-9
