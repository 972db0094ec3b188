"""Following one hand through frames in which a tracker has found any number of hands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from retarget.human.keypoints import Side
from retarget.human.sources.assembly import choose_side


@dataclass(frozen=True, eq=False)
class Detection:
    """One hand in one frame: its side, the area of its box [px²] and what the tracker says."""

    side: Side
    area: float
    arrays: Mapping[str, np.ndarray]


def follow(
    frames: Sequence[Sequence[Detection]], side: Side | None, name: str
) -> tuple[Side, dict[str, np.ndarray], Bool[np.ndarray, " T"]]:
    """The hand of `side`, the largest where there are several: (side, arrays, seen).

    Each array has a row a frame, NaN where no hand of that side was found.

    Raises:
        InputError: no such hand, or `side` is None and both occur.
    """
    present = {detection.side for frame in frames for detection in frame}
    chosen = choose_side(present, side, name)
    hands = [_largest([found for found in frame if found.side == chosen]) for frame in frames]
    first = next(hand for hand in hands if hand is not None)
    arrays = {
        key: np.stack(
            [np.full(value.shape, np.nan) if hand is None else hand.arrays[key] for hand in hands]
        )
        for key, value in first.arrays.items()
    }
    return chosen, arrays, np.array([hand is not None for hand in hands])


def _largest(found: Sequence[Detection]) -> Detection | None:
    return max(found, key=lambda detection: detection.area, default=None)
