"""Keypoints without a format: (T, 21, 3) in metres, in the canonical order.

Read are a `.npy` of that array, a pickle of it or of a list of (21, 3) arrays (None or NaN where
nothing was seen), and a `.npz` or a pickled dict with it under ``keypoints`` (or ``joints``, or
whatever it is called when it is the only array of that shape) and, when present:

    ======================== ============================================================
    times or timestamps      (T,) [s], strictly increasing
    fps                      frames a second, where there are no times
    valid                    (T,) whether the frame was seen
    side, hand or chirality  "left" or "right"
    ======================== ============================================================

A hand whose wrist stays at the origin is said to be in the "wrist" frame, any other in "world".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError, InputError
from retarget.human.hand_trajectory import HandTrajectory, Source
from retarget.human.keypoints import COUNT, WRIST, Side
from retarget.human.recording import Frame, as_numbers
from retarget.human.sources.arrays import Archive, container, read_npy, read_pickle
from retarget.human.sources.assembly import as_keypoints, assemble, parse_side

NAME = "keypoints"

_KEYPOINTS = ("keypoints", "joints")
_TIMES = ("times", "timestamps")
_SIDES = ("side", "hand", "chirality")


def recognises(path: Path) -> bool:
    """Whether it is an array file, or an archive with an array in the shape of keypoints."""
    kind = container(path)
    if kind == "npz":
        archive = Archive(path)
        return any(name in archive for name in _KEYPOINTS) or len(_candidates(archive)) == 1
    return kind in ("npy", "pickle")


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read the motion; `side` overrides nothing, it must agree with the file and the anatomy.

    Raises:
        FormatError: the file is damaged, or is none of the kinds above.
        InputError: shape, times, scale or side are wrong.
    """
    values = _read(path)
    keypoints = as_keypoints(_stack(_pick(values, path), path), path.name)
    said = parse_side(_single(_first(values, _SIDES)), path.name)
    if side is not None and said is not None and side != said:
        raise InputError(f"{path.name} holds a {said} hand, expected {side}.")
    rate = _first(values, ("fps",))
    source = Source(file=path.name, format=NAME, frame=_frame(keypoints))
    return assemble(
        path,
        keypoints,
        side or said,
        source,
        times=_first(values, _TIMES),
        fps=fps if fps is not None or rate is None else _rate(rate, path),
        valid=_first(values, ("valid",)),
    )


def _read(path: Path) -> Mapping[str, Any]:
    kind = container(path)
    if kind == "npz":
        archive = Archive(path)
        names = {*_KEYPOINTS, *_TIMES, *_SIDES, "fps", "valid"} & archive.names
        named = {name: archive[name] for name in names}
        return named if any(name in named for name in _KEYPOINTS) else named | _candidates(archive)
    if kind not in ("npy", "pickle"):
        raise FormatError(f"{path} is no .npy, .npz or pickle, expected keypoints in one of them.")
    content = read_npy(path) if kind == "npy" else read_pickle(path)
    if isinstance(content, np.ndarray) and content.dtype == object and content.shape == ():
        content = content.item()
    return content if isinstance(content, dict) else {_KEYPOINTS[0]: content}


def _candidates(archive: Archive) -> dict[str, np.ndarray]:
    arrays = {name: archive[name] for name in archive.names}
    return {
        name: array
        for name, array in arrays.items()
        if array.ndim == 3 and array.shape[1:] == (COUNT, 3)
    }


def _pick(values: Mapping[str, Any], path: Path) -> Any:
    found = _first(values, _KEYPOINTS)
    if found is not None:
        return found
    others = [
        value
        for value in values.values()
        if isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[1:] == (COUNT, 3)
    ]
    if len(others) != 1:
        names = ", ".join(repr(name) for name in list(values)[:20]) or "none"
        raise FormatError(
            f"{path} has {len(others)} arrays of shape (T, {COUNT}, 3), expected one, or one named "
            f"{_KEYPOINTS[0]!r}. Available: {names}."
        )
    return others[0]


def _stack(values: Any, path: Path) -> Any:
    """A list of frames as one array, NaN where a frame is None."""
    if isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1:
        values = list(values)
    if not isinstance(values, list | tuple):
        return values
    nothing = np.full((COUNT, 3), np.nan)
    frames = [nothing if frame is None else frame for frame in values]
    for index, frame in enumerate(frames):
        if np.shape(frame) != (COUNT, 3):
            raise InputError(
                f"{path.name}: frame {index} has shape {np.shape(frame)}, expected ({COUNT}, 3)."
            )
    return np.array(frames)


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _single(value: Any) -> Any:
    """The first of an array's values."""
    if not isinstance(value, np.ndarray) or value.size == 0:
        return value
    first = value.reshape(-1)[0]
    return first.item() if isinstance(first, np.generic) else first


def _rate(value: Any, path: Path) -> float:
    return float(as_numbers(_single(value), f"{path.name}: fps", ()))


def _frame(keypoints: np.ndarray) -> Frame:
    wrist = keypoints[:, WRIST]
    return "wrist" if not np.any(wrist[np.isfinite(wrist)]) else "world"
