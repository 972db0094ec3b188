"""Cleaning a motion: outliers rejected, noise smoothed, bones kept, online or with hindsight.

Everything here acts on the person, before the mapping: a low-pass on a robot's joints undoes
pinches, while fingertips of a filtered person that touch still ask the robot's to touch. What is
filtered is the hand in its own palm frame, and the palm's pose beside it, so that a moving or
turning hand is not taken for moving fingers. All times are in seconds, so that a filter does the
same to a motion at any frame rate.

    clean = filters.smooth(filters.fill_gaps(filters.reject_outliers(motion)))

or everything there is, with repeated frames dropped and an even rate: `clean`.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import median_filter

from handsim.errors import InputError
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import BONES, CHAINS, bone_lengths, continuous
from retarget.human.one_euro import HandFilter, Smoothing
from retarget.human.rigid import placed
from retarget.human.timeline import (
    LONGEST_GAP,
    drop_duplicates,
    fill_gaps,
    hold_gaps,
    resample,
    runs,
    split_gaps,
)

__all__ = [
    "HAMPEL",
    "LONGEST_GAP",
    "clean",
    "constant_bones",
    "drop_duplicates",
    "fill_gaps",
    "hold_gaps",
    "one_euro",
    "plausible",
    "reject_outliers",
    "resample",
    "smooth",
    "split_gaps",
]

HAMPEL = 6.0
"""Robust standard deviations (1.4826 times the median absolute deviation) of an outlier."""
SHAPE_SLACK = 0.01
"""What bones and knuckles may always differ by [m]: trackers' own noise."""
JUMP_WINDOW, JUMP_SLACK = 0.2, 0.04
"""The time [s] whose median a frame is compared with, and what a keypoint may always differ from
it by [m]. On five recordings they take out up to 1 % of the frames as they are (those of one, from
video, that jump), and all but 1 % of planted ones in which a few keypoints or the whole hand jump
by tens of centimetres."""
WINDOW, DEGREE = 0.2, 2
"""Of `smooth`: [s], and the polynomial's."""


def clean(
    motion: HandTrajectory, rate: float | None = None, hampel: float = HAMPEL
) -> HandTrajectory:
    """The motion as a hand could have made it, of any tracker's: even times, no noise, firm bones.

    In this order: repeated frames dropped, so that what is left is what was seen; outliers
    rejected; gaps up to `LONGEST_GAP` filled; frames at an even rate; smoothed without lag; every
    bone as long as the clip's median says. Longer gaps stay, marked as not valid: `split_gaps`
    cuts there. MANO parameters are left out.

    Args:
        motion: the person.
        rate: of the result [Hz]; None keeps that of the motion.
        hampel: as for `reject_outliers`. More for a tracker whose bones change with the pose, as
            landmarks of a picture do: 10 keeps all frames of such a recording, 6 two in three.

    Raises:
        InputError: `rate` is not positive, or no frame shows a hand.
    """
    seen = fill_gaps(reject_outliers(drop_duplicates(motion), hampel))
    even = resample(seen, motion.rate if rate is None else rate) if len(motion) > 1 else seen
    return constant_bones(smooth(even))


def one_euro(motion: HandTrajectory, smoothing: Smoothing | None = None) -> HandTrajectory:
    """The motion as an online filter would have given it: it lags, and knows no future.

    The filter starts anew after a gap longer than `LONGEST_GAP`. MANO parameters, which would no
    longer fit, are left out.
    """
    hand = HandFilter(smoothing or Smoothing())
    points, wrist = motion.palm_keypoints, motion.wrist.copy()
    seen = np.flatnonzero(motion.valid)
    for before, t in zip([seen[0], *seen], seen, strict=False):
        if motion.times[t] - motion.times[before] > LONGEST_GAP:
            hand.reset()
        points[t], wrist[t] = hand(float(motion.times[t]), points[t], wrist[t])
    return _moved(motion, points, wrist)


def plausible(
    points: Float[np.ndarray, "T 21 3"], hampel: float = HAMPEL
) -> Bool[np.ndarray, " T"]:
    """Frames whose bones and knuckles are the clip's: what a hand cannot change.

    A frame is out when a bone's length or a knuckle's place in the palm frame is further from the
    clip's median than `hampel` robust standard deviations (Hampel 1974) and `SHAPE_SLACK`.

    Args:
        points: keypoints in the palm frame [m], NaN where no hand was seen.
        hampel: how many.

    Raises:
        InputError: no frame shows a whole hand.
    """
    whole = np.isfinite(points).all(axis=(1, 2))
    if not whole.any():
        raise InputError(f"None of the {len(points)} frames shows a whole hand; expected one.")
    knuckles = points[:, [chain[0] for chain in CHAINS.values()]].reshape(len(points), -1)
    shape = np.concatenate([bone_lengths(points), knuckles], axis=1)
    off = np.abs(shape - np.median(shape[whole], axis=0))
    limit = np.maximum(_hampel(hampel, np.median(off[whole], axis=0)), SHAPE_SLACK)
    return whole & (off <= limit).all(axis=1)


def reject_outliers(motion: HandTrajectory, hampel: float = HAMPEL) -> HandTrajectory:
    """The motion without frames that no hand made: they are marked as not seen.

    Out are frames that are not `plausible`, and frames in which a keypoint, in the palm frame or
    in the recording's, is further from its median over `JUMP_WINDOW` than `hampel` robust standard
    deviations there and `JUMP_SLACK`.

    Raises:
        InputError: no frame is left.
    """
    good = motion.valid & plausible(motion.palm_keypoints, hampel)
    rows = np.flatnonzero(good)
    width = 2 * round(0.5 * JUMP_WINDOW * motion.rate) + 1
    for points in (motion.palm_keypoints[rows], motion.keypoints[rows]):
        middle = median_filter(points, (width, 1, 1), mode="nearest")
        off = np.linalg.norm(points - middle, axis=-1)
        spread = median_filter(off, (width, 1), mode="nearest")
        good[rows] &= (off <= np.maximum(_hampel(hampel, spread), JUMP_SLACK)).all(axis=1)
    return replace(motion, valid=good)


def _hampel(count: float, deviation: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """`count` standard deviations of a normal distribution with this median absolute deviation."""
    return 1.4826 * count * deviation


def smooth(motion: HandTrajectory, window: float = WINDOW, degree: int = DEGREE) -> HandTrajectory:
    """The motion without its noise, and without lag.

    Each frame becomes the value, at its time, of the polynomial fitted to the frames at most half
    a `window` away (Savitzky, Golay 1964; here at the frames' own times, which need not be even):
    of keypoints in the palm frame, and of the wrist's position and quaternion. It does not look
    across gaps longer than `LONGEST_GAP`. MANO parameters, which would no longer fit, are left out.

    Args:
        motion: the person.
        window: [s].
        degree: of the polynomial.

    Raises:
        InputError: `window` is not positive, or `degree` is negative.
    """
    if not window > 0 or degree < 0:
        raise InputError(f"window {window} s, degree {degree}; expected above 0, and 0 or more.")
    points, wrist = motion.palm_keypoints, continuous(motion.wrist)
    values = np.concatenate([points.reshape(len(motion), -1), wrist], axis=1)
    for run in runs(motion):
        values[run] = _fitted(motion.times[run], values[run], 0.5 * window + 1e-9, degree)
    values[:, -4:] /= np.linalg.norm(values[:, -4:], axis=1, keepdims=True)
    points, wrist = values[:, :-7].reshape(points.shape), values[:, -7:].copy()
    return _moved(motion, points.copy(), wrist)


def constant_bones(motion: HandTrajectory) -> HandTrajectory:
    """The motion with every bone as long in each frame as its median over the clip.

    Bones keep their directions, from the wrist outwards, so that the palm stays where it is and
    fingers bend as before; tips move by what their bones were off. MANO parameters, which would no
    longer fit, are left out.
    """
    points = motion.palm_keypoints
    parents, children = np.transpose(BONES)
    bones = points[:, children] - points[:, parents]
    lengths = np.linalg.norm(bones, axis=-1)
    wanted = np.median(lengths[motion.valid], axis=0)
    bones *= np.divide(wanted, lengths, out=np.ones(lengths.shape), where=lengths > 0)[..., None]
    for bone, (parent, child) in enumerate(BONES):
        points[:, child] = points[:, parent] + bones[:, bone]
    return _moved(motion, points, motion.wrist.copy())


def _fitted(
    times: Float[np.ndarray, " T"], values: Float[np.ndarray, "T n"], reach: float, degree: int
) -> Float[np.ndarray, "T n"]:
    out = np.empty(values.shape)
    first = np.searchsorted(times, times - reach)
    end = np.searchsorted(times, times + reach, side="right")
    for t, (a, b) in enumerate(zip(first, end, strict=True)):
        powers = np.vander((times[a:b] - times[t]) / reach, min(degree + 1, b - a), increasing=True)
        out[t] = np.linalg.pinv(powers)[0] @ values[a:b]
    return out


def _moved(
    motion: HandTrajectory, points: Float[np.ndarray, "T 21 3"], wrist: Float[np.ndarray, "T 7"]
) -> HandTrajectory:
    """The motion with other keypoints in the palm frame, another palm, and so without MANO's."""
    return replace(motion, keypoints=placed(wrist, points), wrist=wrist, mano=None)
