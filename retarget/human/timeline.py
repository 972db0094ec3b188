"""Which frames a motion has: repeats dropped, gaps filled, held or cut at, an even rate.

A frame between two others is interpolated on the rigid motions: the hand in its own palm frame and
the palm's position along lines, the palm's rotation along the great arc. All times are in seconds.
`filters` offers these functions beside its own.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from handsim.errors import InputError
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.rigid import placed, turn_between, turned

LONGEST_GAP = 0.25
"""Time without a hand [s] up to which the hand is known from the frames around it."""

_TOUCHING = 1e-9


def drop_duplicates(motion: HandTrajectory, longest: float = LONGEST_GAP) -> HandTrajectory:
    """The motion without frames that repeat the one before to the last digit.

    Trackers and recorders that are slower than their clock say the same thing again; the hand did
    not stop. Of a hand that rests for more than `longest` [s] a frame is kept every so often.
    """
    kept = [0]
    for t in range(1, len(motion)):
        before = kept[-1]
        same = motion.valid[t] and np.array_equal(motion.keypoints[t], motion.keypoints[before])
        if not same or motion.times[t] - motion.times[before] > longest:
            kept.append(t)
    return motion.select(np.array(kept))


def fill_gaps(motion: HandTrajectory, longest: float = LONGEST_GAP) -> HandTrajectory:
    """The motion with frames interpolated where no hand was seen for at most `longest` [s].

    Frames before the first and after the last that was seen stay as they are, and so do MANO
    parameters, which are not known there.
    """
    seen, times = np.flatnonzero(motion.valid), motion.times
    after = np.searchsorted(seen, np.arange(len(motion)))
    rows = np.flatnonzero((after > 0) & (after < len(seen)) & ~motion.valid)
    a, b = seen[after[rows] - 1], seen[after[rows]]
    short = times[b] - times[a] <= longest
    rows, a, b = rows[short], a[short], b[short]
    keypoints, wrist, valid = motion.keypoints.copy(), motion.wrist.copy(), motion.valid.copy()
    keypoints[rows], wrist[rows] = _between(motion, a, b, times[rows])
    valid[rows] = True
    return replace(motion, keypoints=keypoints, wrist=wrist, valid=valid)


def hold_gaps(motion: HandTrajectory, longest: float = LONGEST_GAP) -> HandTrajectory:
    """The motion with the hand kept as it was last seen, over gaps of at most `longest` [s].

    A gap may be at the end. Frames before the first that was seen stay as they are.
    """
    rows = np.arange(len(motion))
    last = np.maximum.accumulate(np.where(motion.valid, rows, 0))
    later = np.where(motion.valid, rows, len(motion) - 1)
    following = np.minimum.accumulate(later[::-1])[::-1]
    short = motion.times[following] - motion.times[last] <= longest
    index = np.where(motion.valid[last] & short, last, rows)
    mano = None if motion.mano is None else motion.mano.select(index)
    keypoints, wrist, valid = (
        getattr(motion, name)[index] for name in ("keypoints", "wrist", "valid")
    )
    return replace(motion, keypoints=keypoints, wrist=wrist, valid=valid, mano=mano)


def split_gaps(motion: HandTrajectory, longest: float = LONGEST_GAP) -> list[HandTrajectory]:
    """The parts of the motion between gaps of more than `longest` [s], on the same clock.

    Each begins and ends with a frame that was seen.
    """
    return [motion.select(slice(run[0], run[-1] + 1)) for run in runs(motion, longest)]


def runs(motion: HandTrajectory, longest: float = LONGEST_GAP) -> list[Int[np.ndarray, " n"]]:
    """The frames that were seen, apart where there are gaps of more than `longest` [s]."""
    seen = np.flatnonzero(motion.valid)
    return np.split(seen, np.flatnonzero(np.diff(motion.times[seen]) > longest) + 1)


def resample(motion: HandTrajectory, rate: float, longest: float = LONGEST_GAP) -> HandTrajectory:
    """The motion at even times, `rate` frames a second from its first frame on.

    A frame between two is interpolated; it is valid when both are and they are at most `longest`
    apart [s]. Nothing is smoothed: to a lower rate, `smooth` first. MANO parameters are left out.

    Raises:
        InputError: `rate` is not a positive number, or no frame of the result is valid.
    """
    if not (np.isfinite(rate) and rate > 0):
        raise InputError(f"rate {rate} Hz, expected a positive number.")
    if len(motion) == 1:
        return replace(motion, mano=None)
    times = motion.times[0] + np.arange(int(motion.duration * rate + _TOUCHING) + 1) / rate
    before = np.clip(np.searchsorted(motion.times, times + _TOUCHING) - 1, 0, len(motion) - 2)
    after = before + 1
    on_before, on_after = (
        np.abs(times - motion.times[rows]) <= _TOUCHING for rows in (before, after)
    )
    before, after = np.where(on_after, after, before), np.where(on_before, before, after)
    near = motion.times[after] - motion.times[before] <= longest
    keypoints, wrist = _between(motion, before, after, times)
    return replace(
        motion,
        times=times,
        keypoints=keypoints,
        wrist=wrist,
        valid=motion.valid[before] & motion.valid[after] & near,
        mano=None,
    )


def _between(
    motion: HandTrajectory,
    before: Int[np.ndarray, " n"],
    after: Int[np.ndarray, " n"],
    times: Float[np.ndarray, " n"],
) -> tuple[Float[np.ndarray, "n 21 3"], Float[np.ndarray, "n 7"]]:
    """Keypoints and palm at `times` [s] between frames; where they are the same, that frame's."""
    span = motion.times[after] - motion.times[before]
    passed = times - motion.times[before]
    share = np.divide(passed, span, out=np.zeros(len(times)), where=span > 0)
    points, wrist = motion.palm_keypoints, motion.wrist[before]
    local = points[before] + share[:, None, None] * (points[after] - points[before])
    wrist[:, :3] += share[:, None] * (motion.wrist[after, :3] - wrist[:, :3])
    for row, (later, part) in enumerate(zip(motion.wrist[after, 3:], share, strict=True)):
        wrist[row, 3:] = turned(wrist[row, 3:], part * turn_between(wrist[row, 3:], later))
    return placed(wrist, local), wrist
