"""OpenXR, WebXR and Quest: JSON of 25 or 26 joints a hand, recorded or a collection of poses.

**Recordings** are a list of frames, a dict with it under ``frames``, or JSON Lines. A frame is a
dict of ``left`` and ``right`` (or ``leftHand``, ``left_hand``, …), or of ``handedness`` and
``joints``, and of a time (`json_files.frame_times`; else `fps`). The joints of a hand are, in the
order of OpenXR (26, the palm first) or of WebXR (25, the wrist first),

    positions   3 numbers a joint, or dicts of x, y and z, or of ``position`` (and what else)
    poses       7 numbers a joint: the position, and a rotation that is not used
    matrices    16 numbers a joint, column by column

flat or nested, or a dict of such by the joints' names (``index-finger-tip``,
``XR_HAND_JOINT_INDEX_TIP_EXT``, …); null where the hand was not seen. They are in metres, in a
world whose y is up, which is turned so that z is; a wrist that stays at the origin is a motion in
the "wrist" frame, whose axes are left alone.

**Poses** as handy.js keeps them for Quest are dicts of ``names``, ``handedness`` and
``jointPositions`` in whole millimetres in the wrist's frame. They have no times: they become frames
one second apart in the order of the file (or `fps`), and their names the stream "label".

All 25 joints are kept as the stream "joints".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError
from retarget.human.hand_trajectory import HandTrajectory, Source
from retarget.human.keypoints import FROM_MANUS, SIDES, Side
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import assemble, choose_side, parse_side
from retarget.human.sources.json_files import first, frame_times, frames_of, point, read_json
from retarget.human.sources.transforms import upright

NAME = "openxr"

POSES_FPS = 1.0
"""Frames a second [Hz] that poses without times are laid out at."""

_FINGER = ("metacarpal", "proximal", "intermediate", "distal", "tip")
JOINTS = (
    "wrist",
    *(f"thumb-{part}" for part in ("metacarpal", "proximal", "distal", "tip")),
    *(f"{name}-{part}" for name in ("index", "middle", "ring", "pinky") for part in _FINGER),
)
"""WebXR's 25 joints in order, their names as `_plain` makes them."""

_LAYOUTS = {count * width: (count, width) for count in (25, 26) for width in (3, 7, 16)}
_HANDS = {side: (side, f"{side}Hand", f"{side}_hand") for side in SIDES}
_POSE = "jointPositions"


def recognises(path: Path) -> bool:
    """Whether it is JSON with a frame that holds as many joints."""
    if container(path) != "json":
        return False
    return any(_is_frame(frame) for frame in frames_of(read_json(path)))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand.

    Raises:
        FormatError: the file is damaged, or a frame's joints are none of the kinds above.
        InputError: it holds no hand of that side, or both and `side` is None; or the times are
            wrong.
    """
    frames = frames_of(read_json(path)) if container(path) == "json" else []
    if not any(_is_frame(frame) for frame in frames):
        raise FormatError(f"{path} is no JSON of OpenXR's or WebXR's hand joints.")
    hands = {hand: [_hand(frame, hand, path) for frame in frames] for hand in SIDES}
    present = {hand for hand, joints in hands.items() if any(found is not None for found in joints)}
    side = choose_side(present, side, path.name)
    unseen = np.full((len(JOINTS), 3), np.nan)
    joints = np.stack([unseen if found is None else found for found in hands[side]])
    wrist = joints[np.isfinite(joints).all(axis=(1, 2)), 0]
    world = bool(wrist.any())
    joints = upright(joints) if world else joints
    static = first(frames[0], (_POSE,)) is not None
    return assemble(
        path,
        joints[:, FROM_MANUS],
        side,
        Source(
            path.name,
            NAME,
            tracker="OpenXR",
            frame="world" if world else "wrist",
            tips="OpenXR tip joints",
        ),
        times=None if static else frame_times(frames, path.name),
        fps=POSES_FPS if static and fps is None else fps,
        beside={"joints": (joints, "WebXR's 25 joints [m]"), **_labels(frames)},
    )


def _is_frame(frame: Any) -> bool:
    """Whether it holds joints in one of the layouts, without reading them all."""
    if first(frame, ("handedness",)) is not None:
        return first(frame, ("joints", _POSE)) is not None
    return any(_is_hand(first(frame, names)) for names in _HANDS.values())


def _is_hand(value: Any) -> bool:
    if isinstance(value, dict):
        return set(JOINTS) <= {_plain(name) for name in value}
    return isinstance(value, list) and len(value) in (25, 26, *_LAYOUTS)


def _hand(frame: Any, side: Side, path: Path) -> Float[np.ndarray, "25 3"] | None:
    """The joints [m] of a hand in a frame, None where it holds none."""
    if not isinstance(frame, Mapping):
        return None
    said = parse_side(frame.get("handedness"), path.name)
    if said is None:
        return _joints(first(frame, _HANDS[side]), path)
    if said != side:
        return None
    if frame.get(_POSE) is not None:
        found = _joints(frame[_POSE], path)
        return None if found is None else 1e-3 * found
    return _joints(frame.get("joints"), path)


def _joints(value: Any, path: Path) -> Float[np.ndarray, "25 3"] | None:
    if not value:
        return None
    if isinstance(value, dict):
        named = {_plain(name): entry for name, entry in value.items()}
        missing = [name for name in JOINTS if name not in named]
        if missing:
            raise FormatError(f"{path} has a hand without the joint {missing[0]!r}.")
        value = [named[name] for name in JOINTS]
    if not isinstance(value, list):
        raise FormatError(f"{path} has a hand that is {value!r:.60}, expected its joints.")
    if not isinstance(value[0], float):
        positions = [_position(entry, path) for entry in value]
    else:
        count, width = _LAYOUTS.get(len(value), (0, 1))
        rows = [value[width * i : width * (i + 1)] for i in range(count)]
        positions = [_position(row, path) for row in rows]
    if len(positions) not in (25, 26):
        raise FormatError(
            f"{path} has a hand of {len(positions) or len(value)} joints or numbers, expected 25 "
            "or 26 joints of 3, 7 or 16."
        )
    return np.array(positions[-25:])


def _position(entry: Any, path: Path) -> list[float]:
    """Where a joint is: the start of a pose, the last column of a matrix, or what is so called."""
    if isinstance(entry, dict) and "position" in entry:
        entry = entry["position"]
    if isinstance(entry, list) and len(entry) == 16:
        entry = entry[12:]
    return point(entry, path.name)


def _plain(name: str) -> str:
    """A joint's name as OpenXR's constants and WebXR's names have it, made the same."""
    plain = name.lower().replace("_", "-").removeprefix("xr-hand-joint-").removesuffix("-ext")
    plain = plain.replace("finger-", "").replace("phalanx-", "")
    return plain.replace("little", "pinky")


def _labels(frames: Sequence[Any]) -> dict[str, tuple[np.ndarray, str]]:
    names = [first(frame, ("names",)) for frame in frames]
    if not all(isinstance(row, list) and row for row in names):
        return {}
    labels = [", ".join(str(name) for name in row) for row in names]
    return {"label": (np.array(labels), "names of the pose")}
