"""Whose hand is whose: identity over frames from boxes alone, and one side for each hand.

Detections come frame by frame, without memory. A *track* is one hand over time. Each frame's
detections are joined to the tracks seen lately, the nearest pair first; how far apart two boxes are
is the distance of their centres over the mean of their sizes, so that it does not depend on the
resolution. What is left begins a track, unless it lies on one of the same side: a hand that the
backend found twice. What a backend says of a hand's side errs on single frames: a track has the
side that most of its detections have, by their scores.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

GAP = 1.0
"""Time [s] after which a hand that has not been seen is another."""
REACH, SPEED = 1.0, 4.0
"""How far a hand may be from where it was last [box sizes], and how much further each second."""
SAME = 0.5
"""Overlap (intersection over union) from which two boxes of a frame are of one hand."""
DUPLICATE = -1
"""The track of a detection of a hand that was found twice."""


class Tracks(NamedTuple):
    """Which hand each detection is of.

    Attributes:
        track: of each detection, 0 to K−1 in the order in which they were first seen, or
            `DUPLICATE`.
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
    track = np.full(len(time), DUPLICATE)
    last: list[int] = []
    for rows in _frames(time):
        joined = _join(rows, last, time, box)
        for row in sorted(rows, key=lambda row: (row not in joined, -score[row])):
            if row not in joined and not _is_found(row, joined, box, right):
                joined[row] = len(last)
                last.append(row)
        for row, k in joined.items():
            track[row], last[k] = k, row
    return Tracks(track, _sides(track, len(last), right, score))


def _frames(time: Float[np.ndarray, " N"]) -> list[list[int]]:
    """The detections of each frame."""
    starts = np.flatnonzero(np.diff(time, prepend=-np.inf) > 0)
    rows = np.split(np.arange(len(time)), starts[1:])
    return [part.tolist() for part in rows]


def _join(
    rows: list[int],
    last: list[int],
    time: Float[np.ndarray, " N"],
    box: Float[np.ndarray, "N 4"],
) -> dict[int, int]:
    """Detections of one frame → the track each goes on with, the nearest pair first.

    Args:
        rows: the detections of the frame.
        last: the last detection of each track.
    """
    pairs = []
    for row in rows:
        for k, before in enumerate(last):
            passed = time[row] - time[before]
            if passed <= GAP:
                distance = separation(box[row], box[before])
                if distance <= REACH + SPEED * passed:
                    pairs.append((distance, row, k))
    joined: dict[int, int] = {}
    for _, row, k in sorted(pairs):
        if row not in joined and k not in joined.values():
            joined[row] = k
    return joined


def _is_found(
    row: int, joined: dict[int, int], box: Float[np.ndarray, "N 4"], right: Bool[np.ndarray, " N"]
) -> bool:
    """Whether a detection is of a hand that has been joined already."""
    return any(
        right[row] == right[other] and overlap(box[row], box[other]) > SAME for other in joined
    )


def separation(a: Float[np.ndarray, " 4"], b: Float[np.ndarray, " 4"]) -> float:
    """Distance of two boxes' centres over the mean of their sizes, the roots of their areas."""
    sizes = [np.sqrt(np.prod(np.maximum(box[2:] - box[:2], 1))) for box in (a, b)]
    centres = [(box[:2] + box[2:]) / 2 for box in (a, b)]
    return float(np.linalg.norm(centres[0] - centres[1]) / np.mean(sizes))


def overlap(a: Float[np.ndarray, " 4"], b: Float[np.ndarray, " 4"]) -> float:
    """Intersection over union of two boxes; 0 for boxes without area."""
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common
    return float(common / union) if union > 0 else 0.0


def _sides(
    track: Int[np.ndarray, " N"],
    count: int,
    right: Bool[np.ndarray, " N"],
    score: Float[np.ndarray, " N"],
) -> Bool[np.ndarray, " K"]:
    """Each track's side, by the scores of its detections; right where they are even."""
    own = track != DUPLICATE
    votes = np.bincount(track[own], np.where(right, score, -score)[own], minlength=count)
    return votes >= 0
