"""Apple Vision Pro as VisionProTeleop streams it: 25 joints of ARKit, each a 4 × 4 matrix.

Read are what its Python package gives a frame, put away as a pickled list of dicts or stacked in a
``.npz``, and the ``tracking.jsonl`` its app records:

    ============================== =========== =================================================
    left_wrist, right_wrist        (T, 1, 4, 4)  in a world whose z is up; (T, 4, 4) also
    left_fingers, right_fingers    (T, 25, 4, 4) in the wrist's frame, which is the first of them
    head                           (T, 1, 4, 4)  the head in that world
    timestamp, timestamps or times (T,)          [s], where they were kept
    ============================== =========== =================================================

A line of ``tracking.jsonl`` holds ``timestamp``, ``headMatrix``, ``leftHand`` and ``rightHand``:
the hands by the names of `JOINTS`, every matrix 16 numbers column by column, y up, all joints but
the wrist in the wrist's frame; null where a hand was not seen. Frames without times are at `fps`,
30 by default. The head's pose is the stream "head".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from handsim.errors import FormatError
from retarget.human.hand_trajectory import HandTrajectory, Source
from retarget.human.keypoints import FROM_MANUS, SIDES, Side
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import Archive, container, read_npy, read_pickle
from retarget.human.sources.assembly import assemble, choose_side
from retarget.human.sources.json_files import first, frame_times, frames_of, read_json
from retarget.human.sources.transforms import poses, upright_matrices

NAME = "avp"

_THUMB = ("Knuckle", "IntermediateBase", "IntermediateTip", "Tip")
_FINGER = ("Metacarpal", *_THUMB)
JOINTS = (
    "wrist",
    *(f"thumb{part}" for part in _THUMB),
    *(f"{name}{part}" for name in ("index", "middle", "ring", "little") for part in _FINGER),
)
"""What the app calls the 25 joints, in the order of `FROM_MANUS`."""

_TIMES = ("timestamp", "timestamps", "times")
_NAMES = ("head", *(f"{side}_{part}" for side in SIDES for part in ("wrist", "fingers")), *_TIMES)


def recognises(path: Path) -> bool:
    """Whether it holds the fingers of either hand."""
    kind = container(path)
    if kind == "npz":
        return any(f"{side}_fingers" in Archive(path) for side in SIDES)
    if kind == "json":
        return any(_is_tracking(frame) for frame in frames_of(read_json(path)))
    return kind in ("npy", "pickle") and bool(_pickled(path))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand.

    Raises:
        FormatError: the file is damaged, or none of the kinds above.
        InputError: it holds no hand of that side, or both and `side` is None; or a shape is wrong.
    """
    arrays = _READERS.get(container(path), _nothing)(path)
    if not arrays:
        raise FormatError(f"{path} holds no left_fingers or right_fingers of VisionProTeleop.")
    hands = {hand: _keypoints(arrays, hand, path.name) for hand in SIDES}
    tracked = {hand for hand, points in hands.items() if _seen(points).any()}
    side = choose_side(tracked, side, path.name)
    beside = {}
    if "head" in arrays:
        head = poses(_matrices(arrays["head"], f"{path.name}: head", len(hands[side])))
        beside["head"] = (head, "head in the world: x y z [m], qw qx qy qz")
    return assemble(
        path,
        hands[side],
        side,
        Source(path.name, NAME, tracker="Apple Vision Pro", tips="ARKit"),
        times=first(arrays, _TIMES),
        fps=fps,
        valid=_seen(hands[side]),
        beside=beside,
    )


def _seen(points: Float[np.ndarray, "T 21 3"]) -> Bool[np.ndarray, " T"]:
    """Joints all in one place are what a hand that is not tracked is sent as."""
    known = np.isfinite(points).all(axis=(1, 2))
    return known & np.any(points != points[:, :1], axis=(1, 2))


def _keypoints(arrays: Mapping[str, Any], side: Side, name: str) -> Float[np.ndarray, "T 21 3"]:
    wrist, fingers = arrays.get(f"{side}_wrist"), arrays.get(f"{side}_fingers")
    if wrist is None or fingers is None:
        return np.empty((0, 21, 3))
    joints = as_numbers(fingers, f"{name}: {side}_fingers", (None, len(JOINTS), 4, 4))
    at = _matrices(wrist, f"{name}: {side}_wrist", len(joints))
    with np.errstate(over="ignore", invalid="ignore"):
        return (at[:, None] @ joints)[..., :3, 3][:, FROM_MANUS]


def _matrices(values: Any, name: str, count: int) -> Float[np.ndarray, "T 4 4"]:
    array = as_numbers(values, name)
    if array.shape == (count, 1, 4, 4):
        array = array[:, 0]
    return as_numbers(array, name, (count, 4, 4))


def _archived(path: Path) -> dict[str, Any]:
    archive = Archive(path)
    return {name: archive[name] for name in _NAMES if name in archive}


def _pickled(path: Path) -> dict[str, Any]:
    """The arrays of a pickled dict of them, or of a list of dicts; none when it is neither."""
    content = read_npy(path) if container(path) == "npy" else read_pickle(path)
    if isinstance(content, np.ndarray) and content.dtype == object:
        content = content.tolist()
    frames = [frame for frame in _listed(content) if isinstance(frame, dict)]
    if not frames or len(frames) < len(_listed(content)):
        return {}
    names = [name for name in _NAMES if name in frames[0]]
    if not any(name.endswith("fingers") for name in names):
        return {}
    if isinstance(content, dict):
        return {name: content[name] for name in names}
    return {name: _column(frames, name, path) for name in names}


def _listed(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _column(frames: Sequence[Mapping[str, Any]], name: str, path: Path) -> np.ndarray:
    rows = [as_numbers(frame.get(name), f"{path.name}: {name}") for frame in frames]
    if any(row.shape != rows[0].shape for row in rows):
        raise FormatError(f"{path}: {name} has another shape in some frames.")
    return np.stack(rows)


def _is_tracking(frame: Any) -> bool:
    hand = first(frame, ("leftHand", "rightHand"))
    return isinstance(hand, dict) and "thumbIntermediateBase" in hand


def _tracked(path: Path) -> dict[str, Any]:
    """The arrays of a ``tracking.jsonl``."""
    frames = frames_of(read_json(path))
    if not any(_is_tracking(frame) for frame in frames):
        return {}
    arrays: dict[str, Any] = {}
    for side in SIDES:
        hands = [first(frame, (f"{side}Hand",)) for frame in frames]
        matrices = np.stack([[_matrix(hand, joint, path) for joint in JOINTS] for hand in hands])
        arrays[f"{side}_wrist"] = upright_matrices(matrices[:, 0])
        arrays[f"{side}_fingers"] = matrices
        arrays[f"{side}_fingers"][:, 0] = np.eye(4)
    heads = np.stack([_matrix(frame, "headMatrix", path) for frame in frames])
    arrays["head"] = upright_matrices(heads)
    times = frame_times(frames, path.name)
    return arrays if times is None else {**arrays, "times": times}


def _matrix(values: Any, name: str, path: Path) -> Float[np.ndarray, "4 4"]:
    """16 numbers, column by column; NaN where there are none."""
    numbers = first(values, (name,))
    if numbers is None:
        return np.full((4, 4), np.nan)
    return as_numbers(numbers, f"{path.name}: {name}", (16,)).reshape(4, 4).T


def _nothing(path: Path) -> dict[str, Any]:
    return {}


_READERS = {"npz": _archived, "npy": _pickled, "pickle": _pickled, "json": _tracked}
