"""Which hands there are, and how one is loaded."""

from pathlib import Path
from typing import Any

import mujoco

from handsim.assets import ASSETS, read_toml
from handsim.errors import MissingFileError, unknown
from handsim.hands.robot_hand import SIDES, RobotHand


def hand_names() -> tuple[str, ...]:
    """The hands of the catalogue, in alphabetical order."""
    return tuple(sorted(p.parent.name for p in (ASSETS / "hands").glob("*/hand.toml")))


def hand_card(name: str) -> dict[str, Any]:
    """What `hand.toml` says of a hand: title, maker, source of the figures, notes.

    Raises:
        UnknownNameError: there is no such hand.
    """
    if name not in hand_names():
        raise unknown("hand", name, hand_names())
    return read_toml(ASSETS / "hands" / name / "hand.toml")


def load_hand(name: str, side: str = "right") -> RobotHand:
    """A hand of the catalogue.

    Args:
        name: one of `hand_names()`.
        side: "right" or "left".

    Raises:
        UnknownNameError: there is no such hand or side.

    >>> load_hand("allegro").fingers
    ('thumb', 'index', 'middle', 'ring')
    """
    if side not in SIDES:
        raise unknown("side", side, SIDES)
    hand_card(name)
    return RobotHand(name, side, mujoco.MjSpec.from_file(str(model_path(name, side))))


def model_path(name: str, side: str) -> Path:
    """The MJCF file of a hand of the catalogue."""
    path = ASSETS / "hands" / name / f"{side}.xml"
    if not path.is_file():
        raise MissingFileError(f"Hand {name!r} has no {side} side: no file {path}.")
    return path
