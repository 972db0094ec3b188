"""The files human motions come in, one format a module; `load` reads any of them."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from handsim.errors import FormatError, unknown
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import SIDES, Side
from retarget.human.sources import (
    arctic,
    avp,
    bvh,
    dexmv,
    dexycb,
    dgrasp,
    egodex,
    extraction,
    grab,
    hamer,
    ho3d,
    hot3d,
    keypoints,
    manus,
    mediapipe,
    openxr,
    osmo,
    saved,
    vitra,
    wilor,
    wilor_video,
)
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import BothHandsError


class Format(Protocol):
    """What a module of this package provides."""

    def recognises(self, path: Path) -> bool:
        """Whether the file's content is of this format."""
        ...

    def load(
        self, path: Path, side: Side | None = None, fps: float | None = None
    ) -> HandTrajectory:
        """Read one hand."""
        ...


FORMATS: dict[str, Format] = {
    "extraction": extraction,
    "handsim": saved,
    "hamer": hamer,
    "wilor": wilor,
    "wilor_video": wilor_video,
    "manus": manus,
    "dexmv": dexmv,
    "osmo": osmo,
    "dexycb": dexycb,
    "dgrasp": dgrasp,
    "arctic": arctic,
    "grab": grab,
    "vitra": vitra,
    "ho3d": ho3d,
    "hot3d": hot3d,
    "bvh": bvh,
    "egodex": egodex,
    "avp": avp,
    "openxr": openxr,
    "mediapipe": mediapipe,
    "keypoints": keypoints,
}
"""By name, the more particular first: the first to recognise a file reads it."""


def load(
    path: str | Path,
    side: Side | None = None,
    format: str | None = None,
    fps: float | None = None,
) -> HandTrajectory:
    """Read the motion of one hand from a file or folder.

    Args:
        path: the file or folder.
        side: "left" or "right"; None takes what the file says, else what the anatomy says.
        format: a key of `FORMATS`; None recognises it from the content.
        fps: frames a second of a file without times (30 when not given); a file's own times win.

    Raises:
        MissingFileError: there is no such file or folder.
        FormatError: the format is not known, or the file is damaged or unsafe.
        BothHandsError: it holds both hands and `side` is None; `load_hands` reads the pair.
        InputError: what it holds is no hand motion: shapes, times, scale, side.
        MissingExtraError: a package that this format needs is absent.
    """
    path = Path(path)
    if side is not None and side not in SIDES:
        raise unknown("side", side, SIDES)
    if format is not None and format not in FORMATS:
        raise unknown("format", format, FORMATS)
    container(path)
    module = FORMATS[format or _recognise(path)]
    # Numbers of any size stand in damaged files: what they overflow to is not finite, hence unseen.
    with np.errstate(over="ignore", invalid="ignore"):
        return module.load(path, side, None if fps is None else float(fps))


def load_hands(
    path: str | Path, format: str | None = None, fps: float | None = None
) -> dict[Side, HandTrajectory]:
    """Read the hand, or the pair of hands, in a file or folder.

    A pair is on one clock: both `Source.start` are the same, and so a time means the same moment
    in either. The hands are in one frame when `Source.frame` is "world" or "camera".

    Args:
        path: the file or folder.
        format: as for `load`.
        fps: as for `load`.

    Returns:
        The motions by side, left before right; one when there is one.

    Raises:
        MissingFileError, FormatError, InputError, MissingExtraError: as `load`.
    """
    try:
        motion = load(path, None, format, fps)
    except BothHandsError:
        pair = {side: load(path, side, format, fps) for side in SIDES}
        start = min(motion.source.start for motion in pair.values())
        return {side: _counted_from(motion, start) for side, motion in pair.items()}
    return {motion.side: motion}


def _counted_from(motion: HandTrajectory, start: float) -> HandTrajectory:
    """The motion with times counted from when the recording's clock said `start` [s]."""
    later = motion.source.start - start
    if later == 0:
        return motion
    streams = {
        name: replace(stream, times=stream.times + later) for name, stream in motion.streams.items()
    }
    source = replace(motion.source, start=start)
    return replace(motion, times=motion.times + later, streams=streams, source=source)


def recognised(path: str | Path) -> str | None:
    """The format of a file or folder, a key of `FORMATS`, by its content; None when unknown."""
    return next((name for name, module in FORMATS.items() if module.recognises(Path(path))), None)


def _recognise(path: Path) -> str:
    format = recognised(path)
    if format is None:
        raise FormatError(
            f"{path} is of no known format, name one with format=. Available: {', '.join(FORMATS)}."
        )
    return format
