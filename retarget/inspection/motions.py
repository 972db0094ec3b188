"""The hand motions in a file: which format reads it, or why none does, and what the hands are."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from handsim.errors import HandsimError
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import BONES, NAMES, Side, bone_lengths, chirality_votes, hand_length
from retarget.human.sources import FORMATS, load_hands
from retarget.inspection.numbers import clock
from retarget.inspection.report import Clock, Hand

_LARGEST_TRIAL = 256 << 20


def recognise(path: Path) -> tuple[str, dict[str, str]]:
    """The format that reads a file, and why each other does not when none does.

    Returns:
        (a key of `FORMATS` or "", format → reason).
    """
    reasons = {}
    for name, module in FORMATS.items():
        try:
            if module.recognises(path):
                return name, {}
            reasons[name] = "its content is of another kind"
        except HandsimError as error:
            reasons[name] = str(error)
    if path.is_file() and path.stat().st_size > _LARGEST_TRIAL:
        return "", reasons
    return "", {name: _reason(path, name) for name in reasons}


def _reason(path: Path, name: str) -> str:
    """What the format itself says when it is made to read the file."""
    try:
        FORMATS[name].load(path)
    except HandsimError as error:
        return str(error).replace(str(path), path.name)
    return f"not recognised by its content, but format={name!r} reads it"


def read_hands(path: Path, format: str) -> tuple[Mapping[Side, HandTrajectory], str]:
    """The motions by side, and what is wrong when there are none."""
    try:
        return load_hands(path, format), ""
    except HandsimError as error:
        return {}, str(error)


def hand_of(motion: HandTrajectory) -> Hand:
    """The figures of a motion."""
    seen = motion.keypoints[motion.valid]
    lengths = bone_lengths(seen)
    names = [NAMES[child] for _, child in BONES]
    usual = np.median(lengths, axis=0)
    spread = lengths.std(axis=0) / np.maximum(lengths.mean(axis=0), 1e-12)
    left, right = chirality_votes(seen)
    source = motion.source
    return Hand(
        side=motion.side,
        tracker=source.tracker,
        frame=source.frame,
        metric=source.metric,
        tips=source.tips,
        frames=len(motion),
        valid=int(motion.valid.sum()),
        length=float(np.median(hand_length(seen))),
        bones=dict(zip(names, usual.tolist(), strict=True)),
        variation=dict(zip(names, spread.tolist(), strict=True)),
        left_votes=left,
        right_votes=right,
        repeated=int((seen[1:] == seen[:-1]).all(axis=(1, 2)).sum()),
        mano=motion.mano is not None,
        streams={
            name: f"{stream.values.shape} {stream.meaning}".rstrip()
            for name, stream in motion.streams.items()
        },
    )


def motion_clock(motion: HandTrajectory) -> Clock:
    """The times of a motion, and where they come from."""
    if not motion.source.times_assumed:
        return clock("motion: the file's own", motion.times)
    assumed = f"assumed, {motion.rate:g} frames a second" if motion.rate else "a single frame"
    return clock(f"motion: {assumed}; the file has no times", motion.times)
