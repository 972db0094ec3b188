"""Motions this project saved itself: `HandTrajectory.save`."""

from pathlib import Path

from handsim.errors import InputError
from handsim.files import HEADER
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import Side
from retarget.human.sources.arrays import Archive, container

NAME = "handsim"


def recognises(path: Path) -> bool:
    """Whether it is an archive with the header this project writes."""
    return container(path) == "npz" and HEADER in Archive(path)


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read the motion; it has times, so that `fps` has no effect.

    Raises:
        FormatError: it is not such an archive, or is damaged.
        InputError: it holds the other hand.
    """
    archive = Archive(path)
    for name in archive.names:
        archive[name]
    motion = HandTrajectory.load(path)
    if side is not None and side != motion.side:
        raise InputError(f"{path.name} holds a {motion.side} hand, expected {side}.")
    return motion
