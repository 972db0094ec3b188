"""VITRA's annotations, which HaWoR and a camera tracker made of videos: a pickled dict in a `.npy`.

``left`` and ``right`` hold of T frames ``joints_worldspace`` (T, 21, 3) in the canonical order and
``transl_worldspace`` (T, 3), its wrist [m]; ``global_orient_worldspace`` (T, 3, 3), ``hand_pose``
(T, 15, 3, 3), ``beta`` (10,), and ``kept_frames`` (T,), whether the hand was found. Joints and the
wrist's orientation of a left hand are those of the left hand in the world; its finger rotations and
betas are those of the right model that was shown the mirrored picture: they are mirrored here.

``extrinsics`` (T, 4, 4) take the world to the optical frame of the camera of each frame: the stream
"camera" is its inverse, the camera in the world. ``intrinsics`` (3, 3) are in `source.camera`.
``text`` is the stream "text": what the hand is said to do, at the time it begins to. The scale of
the world is an estimate, not measured.

``video_decode_frame`` numbers the frames of the video: they are at `fps`, 30 when not given.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError
from retarget.human.hand_trajectory import Camera, HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import SIDES, Side
from retarget.human.mano import TIPS, mirror_rotations, rest_wrist
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container, read_npy
from retarget.human.sources.assembly import assemble, choose_side, frame_period
from retarget.human.sources.poses import MEANING, from_matrices, inverted

NAME = "vitra"

_SHAPES: dict[str, tuple[int | None, ...]] = {
    "joints_worldspace": (None, 21, 3),
    "transl_worldspace": (None, 3),
    "global_orient_worldspace": (None, 3, 3),
    "hand_pose": (None, 15, 3, 3),
    "kept_frames": (None,),
}
_MARKS = ("extrinsics", "video_decode_frame", *SIDES)


def recognises(path: Path) -> bool:
    """Whether it is an annotation of a video with both hands in it."""
    return container(path) == "npy" and _annotation(path) is not None


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand.

    Raises:
        FormatError: the file is damaged or lacks an entry.
        InputError: no hand of that side was kept, or both and `side` is None; or a shape is wrong.
    """
    content = _annotation(path) if container(path) == "npy" else None
    if content is None:
        raise FormatError(f"{path} holds no dict of {', '.join(_MARKS)}.")
    numbers = as_numbers(content["video_decode_frame"], f"{path.name}: video_decode_frame", (None,))
    count = len(numbers)
    hands = {known: _hand(content[known], count, f"{path.name}: {known}") for known in SIDES}
    present = {known for known in SIDES if hands[known]["kept_frames"].any()}
    side = choose_side(present, side, path.name)
    hand = hands[side]
    times = (numbers - numbers[:1]) * frame_period(fps)
    extrinsics = as_numbers(content["extrinsics"], f"{path.name}: extrinsics", (count, 4, 4))
    camera = inverted(from_matrices(extrinsics[:, :3, :3], extrinsics[:, :3, 3]))
    given = content.get("intrinsics")
    lens = None if given is None else Camera.from_matrix(given, f"{path.name}: intrinsics")
    return assemble(
        path,
        hand["joints_worldspace"],
        side,
        Source(
            path.name,
            NAME,
            tracker="HaWoR",
            metric=False,
            tips=TIPS,
            times_assumed=True,
            camera=lens,
        ),
        times=times,
        valid=hand["kept_frames"],
        mano=_parameters(hand, side),
        streams={
            "camera": Stream(times, camera, f"camera in the world: {MEANING}"),
            **_text(content.get("text"), side, times),
        },
    )


def _annotation(path: Path) -> Mapping[str, Any] | None:
    array = read_npy(path)
    content = array.item() if array.shape == () and array.dtype == object else None
    if not isinstance(content, dict) or not set(_MARKS) <= set(content):
        return None
    return content


def _hand(content: Any, count: int, name: str) -> dict[str, np.ndarray]:
    if not isinstance(content, dict) or not {*_SHAPES, "beta"} <= set(content):
        raise FormatError(f"{name} holds no dict of {', '.join([*_SHAPES, 'beta'])}.")
    hand = {
        key: as_numbers(content[key], f"{name}: {key}", (count, *shape[1:]))
        for key, shape in _SHAPES.items()
    }
    hand["beta"] = np.tile(as_numbers(content["beta"], f"{name}: beta", (10,)), (count, 1))
    return hand


def _parameters(hand: Mapping[str, np.ndarray], side: Side) -> ManoParameters:
    """NaN where the hand was not kept: the file has identities there."""
    kept = hand["kept_frames"].astype(bool)[:, None]
    pose = hand["hand_pose"]
    rows = {
        "betas": hand["beta"],
        "global_orient": hand["global_orient_worldspace"],
        "hand_pose": mirror_rotations(pose) if side == "left" else pose,
        "transl": hand["transl_worldspace"] - rest_wrist(side),
    }
    for name, values in rows.items():
        shown = kept.reshape(len(kept), *[1] * (values.ndim - 1))
        rows[name] = np.where(shown, values, np.nan)
    return ManoParameters(**rows)


def _text(content: Any, side: Side, times: np.ndarray) -> dict[str, Stream]:
    """What the hand does, by the frame it begins at; entries that are none are left out."""
    entries = content.get(side) if isinstance(content, dict) else None
    rows = sorted(
        (int(entry[1][0]), entry[0])
        for entry in (entries if isinstance(entries, list) else [])
        if _is_text(entry, len(times))
    )
    if not rows:
        return {}
    starts = times[[frame for frame, _ in rows]]
    return {"text": Stream(starts, np.array([text for _, text in rows]), "what the hand does")}


def _is_text(entry: Any, count: int) -> bool:
    """Whether it is a text with the frames it begins and ends at."""
    if not isinstance(entry, tuple | list) or len(entry) != 2 or not isinstance(entry[0], str):
        return False
    span = entry[1]
    if not isinstance(span, tuple | list) or len(span) != 2:
        return False
    if not all(isinstance(frame, int | np.integer) for frame in span):
        return False
    return 0 <= int(span[0]) < min(int(span[1]), count)
