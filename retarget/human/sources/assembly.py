"""From the arrays of a file to a HandTrajectory: what every source has to check, in one place."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError, unknown
from retarget.human.hand_trajectory import HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import (
    COUNT,
    SIDES,
    Side,
    chirality,
    chirality_votes,
    hand_length,
)
from retarget.human.recording import Values, as_numbers

DEFAULT_FPS = 30.0
"""Frames a second [Hz] of a file that has no times, when none are given."""
HAND_LENGTHS = (0.05, 0.5)
"""What a hand may measure from the wrist to the middle tip [m]: from a newborn's to a giant's."""

_ENOUGH_VOTES = 0.05


class BothHandsError(InputError):
    """One hand was asked for without saying which, of a file that holds both."""


def assemble(
    path: Path,
    keypoints: Values,
    side: Side | None,
    source: Source,
    times: Values | None = None,
    fps: float | None = None,
    valid: Values | None = None,
    mano: ManoParameters | None = None,
    streams: Mapping[str, Stream] | None = None,
    beside: Mapping[str, tuple[np.ndarray, str]] | None = None,
) -> HandTrajectory:
    """A validated motion out of what a source has read.

    Times are made to start at zero (`Source.start` keeps the file's own), or follow from `fps`
    when the file has none. The `side` is looked up in the anatomy when it is None. What was
    recorded `beside` each frame (values and their meaning) becomes a stream at the same times.

    Raises:
        InputError: a shape, the times, the scale or the side is wrong; the message names the file.
    """
    points = as_keypoints(keypoints, path.name)
    if valid is not None:
        seen = as_numbers(valid, f"{path.name}: valid", (len(points),)).astype(bool)
        points = np.where(seen[:, None, None], points, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        require_scale(points, path.name)
        side = resolve_side(points, side, path.name)
    stamps, source = _clock(points, times, fps, source)
    try:
        motion = HandTrajectory.from_keypoints(
            stamps, points, side, mano=mano, streams=streams, source=source
        )
        more = {name: Stream(motion.times, *rows) for name, rows in (beside or {}).items()}
        return replace(motion, streams={**motion.streams, **more}) if more else motion
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def as_keypoints(values: Values, name: str) -> Float[np.ndarray, "T 21 3"]:
    """Keypoints as float64 (T, 21, 3); a single frame (21, 3) becomes one of one frame.

    Raises:
        InputError: they have another shape; for a known mix-up of the axes the message says which.
    """
    array = as_numbers(values, f"{name}: keypoints")
    if array.shape == (COUNT, 3):
        array = array[None]
    if array.ndim == 3 and array.shape[1:] == (COUNT, 3):
        if len(array) == 0:
            raise InputError(f"{name}: no frames, keypoints have shape {array.shape}.")
        return array
    raise InputError(
        f"{name}: keypoints have shape {array.shape}, expected (T, {COUNT}, 3){_hint(array.shape)}."
    )


def _hint(shape: tuple[int, ...]) -> str:
    known = {
        (0, 2): "; the axes look like (21, T, 3)",
        (0, 1): "; the axes look like (21, 3, T)",
        (1, 0): "; the axes look like (3, 21, T)",
        (2, 0): "; the axes look like (3, T, 21)",
        (2, 1): "; the axes look like (T, 3, 21)",
    }
    for (joint, space), text in known.items():
        if len(shape) == 3 and shape[joint] == COUNT and shape[space] == 3:
            return text
    return ""


def require_scale(keypoints: Float[np.ndarray, "T 21 3"], name: str) -> None:
    """Refuse keypoints that are not in metres.

    Raises:
        InputError: the hand would be smaller or larger than any hand; or no frame shows one.
    """
    lengths = hand_length(keypoints[np.isfinite(keypoints).all(axis=(1, 2))])
    if not lengths.any():
        raise InputError(f"{name}: none of the {len(keypoints)} frames shows a hand.")
    length = float(np.median(lengths[lengths > 0]))
    shortest, longest = HAND_LENGTHS
    if not shortest <= length <= longest:
        raise InputError(
            f"{name}: the hand would be {length:.3g} m long, expected metres ({shortest} to "
            f"{longest} m from the wrist to the middle tip)."
        )


def resolve_side(keypoints: Float[np.ndarray, "T 21 3"], side: Side | None, name: str) -> Side:
    """The side, held against the anatomy: fingers close towards the palm.

    Raises:
        InputError: a clear majority of the frames is of the other hand, or `side` is None and the
            frames do not tell.
    """
    if side is not None and side not in SIDES:
        raise unknown("side", side, SIDES)
    seen = keypoints[np.isfinite(keypoints).all(axis=(1, 2))]
    anatomy = chirality(seen)
    if side is None:
        if anatomy is None:
            raise InputError(
                f"{name}: too flat a hand to tell left from right, give side='left' or 'right'."
            )
        return anatomy
    votes = chirality_votes(seen)
    if anatomy not in (None, side) and sum(votes) >= _ENOUGH_VOTES * len(seen):
        raise InputError(
            f"{name}: declared {side}, but {max(votes)} of {sum(votes)} unambiguous frames show a "
            f"{anatomy} hand; expected side={anatomy!r}, or keypoints that are not mirrored."
        )
    return side


def parse_side(value: object, name: str) -> Side | None:
    """A side as files write it ("RIGHT", "r", 1 for right, 0 for left); None when it is None.

    Raises:
        InputError: it is something else.
    """
    words: dict[str, Side] = {"right": "right", "r": "right", "left": "left", "l": "left"}
    if value is None:
        return None
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    if isinstance(value, bool | int | float | np.number | np.bool_) and value in (0, 1):
        return "right" if value else "left"
    shown = value.item() if isinstance(value, np.generic) else value
    said = " ".join(repr(shown).split())[:60]
    raise InputError(f"{name}: side {said}, expected 'left' or 'right'.")


def choose_side(present: set[Side], side: Side | None, name: str) -> Side:
    """The side to read out of a file that holds those `present`.

    Raises:
        BothHandsError: `side` is None and there are two.
        InputError: `side` is not among them, or is None and there is none.
    """
    if side is not None and side not in SIDES:
        raise unknown("side", side, SIDES)
    if side is None and len(present) == 1:
        return next(iter(present))
    if side is None and present:
        raise BothHandsError(
            f"{name} holds both hands (left, right): give side='left' or 'right', or read the pair "
            "with load_hands."
        )
    if side is None:
        raise InputError(f"{name} holds no hand: expected 'left' or 'right'.")
    if side not in present:
        found = ", ".join(sorted(present)) or "none"
        raise InputError(f"{name} holds no {side} hand. Available: {found}.")
    return side


def frame_period(fps: float | None, default: float = DEFAULT_FPS) -> float:
    """Time between frames [s] at `fps` a second, or at `default`.

    Raises:
        InputError: `fps` is not a positive number.
    """
    rate = default if fps is None else fps
    if not (np.isfinite(rate) and rate > 0):
        raise InputError(f"fps: {rate}, expected a positive number of frames a second.")
    return 1.0 / rate


def _clock(
    points: Float[np.ndarray, "T 21 3"],
    times: Values | None,
    fps: float | None,
    source: Source,
) -> tuple[Float[np.ndarray, " T"], Source]:
    period = frame_period(fps)
    if times is None:
        return np.arange(len(points)) * period, replace(source, times_assumed=True)
    stamps = as_numbers(times, f"{source.file}: times", (len(points),))
    start = float(stamps[0]) if np.isfinite(stamps[0]) else 0.0
    return stamps - start, replace(source, start=start)
