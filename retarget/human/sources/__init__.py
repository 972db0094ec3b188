"""The files human motions come in, one format a module; `load` reads any of them."""

from pathlib import Path
from typing import Protocol

from handsim.errors import FormatError, unknown
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import SIDES, Side
from retarget.human.sources import dexmv, extraction, hamer, keypoints, manus, saved, wilor
from retarget.human.sources.arrays import container


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
    "manus": manus,
    "dexmv": dexmv,
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
        InputError: what it holds is no hand motion: shapes, times, scale, side.
    """
    path = Path(path)
    if side is not None and side not in SIDES:
        raise unknown("side", side, SIDES)
    if format is not None and format not in FORMATS:
        raise unknown("format", format, FORMATS)
    container(path)
    return FORMATS[format or _recognise(path)].load(path, side, None if fps is None else float(fps))


def _recognise(path: Path) -> str:
    for name, module in FORMATS.items():
        if module.recognises(path):
            return name
    raise FormatError(
        f"{path} is of no known format, name one with format=. Available: {', '.join(FORMATS)}."
    )
