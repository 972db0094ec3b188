"""WiLoR, as WiLoR-mini returns it: a pickled list of detections a picture.

Read are a dict from a still's name to its detections and a list with an entry a video frame, each
entry nested in lists at will. A detection is a dict of ``is_right``, ``hand_bbox`` and
``wilor_preds``: ``pred_keypoints_3d`` (1, 21, 3) [m], ``pred_cam_t_full`` (1, 3) [m], axis-angle
``global_orient`` (1, 1, 3) and ``hand_pose`` (1, 15, 3), ``betas`` (1, 10), ``scaled_focal_length``
[px]. WiLoR-mini has mirrored left hands back already. The motion is in the "camera" frame; its
depth is a guess, not metric.

Stills have no times: they become frames one second apart in the order of the file (or `fps`), and
their names the stream "image". Frames of a list are at `fps`, 30 by default.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handsim.errors import FormatError
from retarget.human.hand_trajectory import Camera, HandTrajectory, ManoParameters, Source, Stream
from retarget.human.keypoints import Side
from retarget.human.mano import TIPS, rotation_matrices
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container, read_pickle
from retarget.human.sources.assembly import (
    DEFAULT_FPS,
    assemble,
    frame_period,
    parse_side,
)
from retarget.human.sources.detections import Detection, follow

NAME = "wilor"

STILLS_FPS = 1.0
"""Frames a second [Hz] that stills are laid out at."""

_PREDICTIONS = "wilor_preds"
_SHAPES = {
    "pred_keypoints_3d": (21, 3),
    "pred_cam_t_full": (3,),
    "global_orient": (3,),
    "hand_pose": (15, 3),
    "betas": (10,),
    "scaled_focal_length": (),
}


def recognises(path: Path) -> bool:
    """Whether it is a pickle with a detection of WiLoR in it."""
    if container(path) != "pickle":
        return False
    content = read_pickle(path)
    entries = content.values() if isinstance(content, dict) else [content]
    return any(_PREDICTIONS in item for entry in entries for item in _dicts(entry))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand; with several of its side in a picture, the one with the largest box.

    Raises:
        FormatError: the pickle is damaged or unsafe, or a detection lacks an entry.
        InputError: no hand of that side, or both and `side` is None; or a shape is wrong.
    """
    content = read_pickle(path) if container(path) == "pickle" else None
    if not isinstance(content, dict | list) or not content:
        raise FormatError(f"{path} holds no detections, expected a pickled dict or list of them.")
    stills = isinstance(content, dict)
    entries = list(content.values()) if isinstance(content, dict) else content
    frames = [[_detection(item, path) for item in _dicts(entry)] for entry in entries]
    side, arrays, seen = follow(frames, side, path.name)
    period = frame_period(fps, STILLS_FPS if stills else DEFAULT_FPS)
    times = np.arange(len(frames)) * period
    streams = {}
    if stills:
        names = np.array([str(name) for name in content])
        streams["image"] = Stream(times, names, "name of the still")
    focal = float(np.nanmedian(arrays["scaled_focal_length"]))
    return assemble(
        path,
        arrays["pred_keypoints_3d"] + arrays["pred_cam_t_full"][:, None],
        side,
        Source(
            path.name,
            NAME,
            tracker="WiLoR",
            frame="camera",
            metric=False,
            tips=TIPS,
            times_assumed=True,
            camera=Camera((focal, focal)),
        ),
        times=times,
        valid=seen,
        mano=_parameters(arrays),
        streams=streams,
    )


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every dict in nested lists."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _dicts(item)


def _detection(item: Mapping[str, Any], path: Path) -> Detection:
    predictions = item.get(_PREDICTIONS)
    if not isinstance(predictions, dict):
        raise FormatError(f"{path} has a detection without {_PREDICTIONS!r}.")
    missing = sorted(set(_SHAPES) - set(predictions))
    if missing:
        raise FormatError(f"{path} has a detection without {', '.join(missing)}.")
    side = parse_side(item.get("is_right"), path.name)
    if side is None:
        raise FormatError(f"{path} has a detection without 'is_right'.")
    arrays = {
        name: _squeezed(predictions[name], shape, f"{path.name}: {name}")
        for name, shape in _SHAPES.items()
    }
    x0, y0, x1, y1 = as_numbers(item.get("hand_bbox"), f"{path.name}: hand_bbox", (4,))
    return Detection(side, float((x1 - x0) * (y1 - y0)), arrays)


def _squeezed(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """The array without its leading axes of one."""
    array = as_numbers(value, name)
    while array.ndim > len(shape) and len(array) == 1:
        array = array[0]
    return as_numbers(array, name, shape)


def _parameters(arrays: Mapping[str, np.ndarray]) -> ManoParameters:
    return ManoParameters(
        arrays["betas"],
        rotation_matrices(arrays["global_orient"]),
        rotation_matrices(arrays["hand_pose"]),
        arrays["pred_cam_t_full"],
    )
