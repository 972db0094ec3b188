"""Whose hand is whose: identity over frames from boxes alone, and one side for each hand.

Detections come frame by frame, without memory. A *track* is one hand over time. Each frame's
detections are joined to the tracks seen lately, the nearest pair first; how far apart two boxes are
is the distance of their centres over the mean of their sizes, so that it does not depend on the
resolution. What a backend says of a hand's side errs on single frames: a track has the side that
most of its detections have, by their scores.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

GAP = 1.0
"""Time [s] after which a hand that has not been seen is another."""
REACH = 1.0
"""How far, in sizes of its box, a hand may be from where it was last, plus `SPEED` a second."""
SPEED = 4.0
"""How fast a hand may move [box sizes a second]."""


class Tracks(NamedTuple):
    """Which hand each detection is of.

    Attributes:
        track: of each detection, 0 to K−1 in the order in which they were first seen.
        right: of each track, whether it is a right hand.
    """

    track: Int[np.ndarray, " N"]
    right: Bool[np.ndarray, " K"]


def follow_hands(
    time: Float[np.ndarray, " N"],
    box: Float[np.ndarray, "N 4"],
    right: Bool[np.ndarray, " N"],
    score: Float[np.ndarray, " N"],
) -> Tracks:
    """Join detections to tracks, frame after frame.

    Args:
        time: when each was seen [s], not decreasing; detections at one time are of one frame.
        box: x0 y0 x1 y1 [px].
        right: what the backend says of the side.
        score: how sure it is, 0 or more.
    """
    track = np.zeros(len(time), dtype=np.int64)
    last: list[int] = []
    for now in np.unique(time):
        rows: list[int] = np.flatnonzero(time == now).tolist()
        taken = _joined(rows, last, time, box)
        for row in rows:
            if row not in taken:
                last.append(row)
                taken[row] = len(last) - 1
            track[row] = taken[row]
            last[taken[row]] = row
    return Tracks(track, _sides(track, len(last), right, score))


def _joined(
    rows: list[int],
    last: list[int],
    time: Float[np.ndarray, " N"],
    box: Float[np.ndarray, "N 4"],
) -> dict[int, int]:
    """Detections of one frame → the track each goes on with, the nearest pair first."""
    pairs = []
    for row in rows:
        for k, before in enumerate(last):
            passed = time[row] - time[before]
            distance = separation(box[row], box[before])
            if passed <= GAP and distance <= REACH + SPEED * passed:
                pairs.append((distance, row, k))
    taken: dict[int, int] = {}
    for _, row, k in sorted(pairs):
        if row not in taken and k not in taken.values():
            taken[row] = k
    return taken


def separation(a: Float[np.ndarray, " 4"], b: Float[np.ndarray, " 4"]) -> float:
    """Distance of two boxes' centres over the mean of their sizes, the root of the area each."""
    size = np.sqrt(np.prod(np.maximum(a[2:] - a[:2], 1))) + np.sqrt(
        np.prod(np.maximum(b[2:] - b[:2], 1))
    )
    return float(np.linalg.norm(a[:2] + a[2:] - b[:2] - b[2:]) / size)


def _sides(
    track: Int[np.ndarray, " N"],
    count: int,
    right: Bool[np.ndarray, " N"],
    score: Float[np.ndarray, " N"],
) -> Bool[np.ndarray, " K"]:
    """Each track's side, by the scores of its detections; right where they are even."""
    votes = np.bincount(track, np.where(right, score, -score), minlength=count)
    return votes >= 0
