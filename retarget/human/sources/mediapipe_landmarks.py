"""What MediaPipe answers about a picture, under any of the names its versions and users give it.

A frame holds, for all hands (a list each) or for one,

    landmarks of the hand [m]   worldLandmarks, hand_world_landmarks, multiHandWorldLandmarks, …
    landmarks of the picture    landmarks, hand_landmarks, multiHandLandmarks, …
    left or right               handedness, handednesses, multiHandedness, side, label, hand

or is a list of such dicts, also under ``hands``, or bare landmarks. Landmarks are 21 of x, y and z,
dicts or lists. No hand is null, or an empty list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError
from retarget.human.keypoints import COUNT, Side
from retarget.human.recording import as_numbers
from retarget.human.sources.assembly import parse_side
from retarget.human.sources.json_files import first, frames_of, point

_WORLD = (
    *("worldLandmarks", "world_landmarks", "handWorldLandmarks", "hand_world_landmarks"),
    *("multiHandWorldLandmarks", "multi_hand_world_landmarks"),
)
_IMAGE = (
    *("landmarks", "handLandmarks", "hand_landmarks"),
    *("multiHandLandmarks", "multi_hand_landmarks"),
)
_SIDES = (
    *("handedness", "handednesses", "multiHandedness", "multi_handedness"),
    *("side", "label", "hand"),
)
_WORDS = ("label", "categoryName", "category_name", "displayName", "display_name")
_WRAPPERS = ("data", "result", "results", "hands", "hand", "hand_pose")


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand in a frame, as it was named; NaN where it has no landmarks of that kind."""

    side: Side | None
    world: Float[np.ndarray, "21 3"]
    image: Float[np.ndarray, "21 3"]


def frames_in(content: Any) -> list[Any]:
    """The frames of a file; bare landmarks are one frame."""
    return [content] if _are_landmarks(content) else frames_of(content)


def has_landmarks(frame: Any) -> bool:
    """Whether a frame holds landmarks of anything."""
    return any(
        _are_landmarks(entry) or first(entry, (*_WORLD, *_IMAGE)) is not None
        for entry in _entries(frame)
    )


def hands_in(frame: Any, name: str) -> list[Hand]:
    """The hands in a frame; `name` is what to call the file in a message.

    Raises:
        FormatError: something in it is no hand of 21 landmarks.
        InputError: a hand is named neither left nor right.
    """
    return [hand for entry in _entries(frame) for hand in _hands(entry, name)]


def _entries(frame: Any) -> list[Any]:
    """The dicts and bare landmarks that a frame holds, out of what it wraps them in."""
    for wrapper in _WRAPPERS:
        inner = first(frame, (wrapper,))
        if isinstance(inner, dict | list) and first(frame, (*_WORLD, *_IMAGE)) is None:
            frame = inner
    if isinstance(frame, dict) or _are_landmarks(frame):
        return [frame]
    return [entry for entry in frame if entry] if isinstance(frame, list) else []


def _are_landmarks(value: Any) -> bool:
    start = value[0] if isinstance(value, list) and value else None
    if isinstance(start, list):
        return bool(start) and isinstance(start[0], float)
    return isinstance(start, dict) and "x" in start


def _hands(entry: Any, name: str) -> list[Hand]:
    if not isinstance(entry, dict):
        entry = {_IMAGE[0]: entry}
    world, image = (_each(first(entry, names), name) for names in (_WORLD, _IMAGE))
    count = max(len(world), len(image))
    said = first(entry, _SIDES) if count else None
    sides = [_word(item) for item in (said if isinstance(said, list) else [said] * count)]
    if not all(len(rows) in (0, count) for rows in (world, image)) or len(sides) != count:
        raise FormatError(
            f"{name}: {len(world)} hands, {len(image)} in the picture and {len(sides)} sides in a "
            "frame, expected as many of each."
        )
    unknown = np.full((COUNT, 3), np.nan)
    return [
        Hand(
            parse_side(sides[i], name),
            world[i] if world else unknown,
            image[i] if image else unknown,
        )
        for i in range(count)
    ]


def _each(value: Any, name: str) -> list[Float[np.ndarray, "21 3"]]:
    """The landmarks of each hand."""
    hands = value if isinstance(value, list) and not _are_landmarks(value) else [value]
    lists = [_bare(hand) for hand in hands if hand is not None]
    rows = [[point(p, name) for p in hand] if isinstance(hand, list) else [] for hand in lists]
    return [as_numbers(row, f"{name}: landmarks", (COUNT, 3)) for row in rows]


def _bare(hand: Any) -> Any:
    """Protocol buffers put landmarks under ``landmark``."""
    inner = first(hand, ("landmark", "landmarks"))
    return hand if inner is None else inner


def _word(value: Any) -> Any:
    """Left or right out of what MediaPipe wraps it in."""
    if isinstance(value, dict) and isinstance(value.get("classification"), list):
        value = value["classification"]
    if isinstance(value, list):
        value = value[0] if value else None
    word = first(value, _WORDS) if isinstance(value, dict) else value
    return word.lower().removesuffix("_hand") if isinstance(word, str) else word


def areas(hands: Sequence[Hand]) -> list[float]:
    """The area of each hand's box in the picture, 0 where it is not known."""
    sizes = [np.ptp(hand.image[:, :2], axis=0).prod() for hand in hands]
    return [float(size) if np.isfinite(size) else 0.0 for size in sizes]
