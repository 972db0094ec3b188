"""MediaPipe Hands: 21 landmarks a hand in JSON, of the hand itself or of a picture.

A file is a list of frames, a dict with it under ``frames`` or ``sequence``, JSON Lines, or a single
frame; `mediapipe_landmarks` says what a frame may look like. Times are those of
`json_files.frame_times`, else frames are at the file's ``fps`` or at `fps`, 30 by default.

**Size.** Landmarks of the hand are in metres, as the network guesses them. Those of the picture are
scaled by one factor so that the hand is as long as people's are, `HAND_LENGTH`; the picture is
taken to be square unless the file gives its ``width`` and ``height``. Neither is metric. Landmarks
not said to be of the hand are so if the origin lies among them: it is the middle of the hand, but
the corner of a picture.

**Side.** MediaPipe names hands as in a mirrored picture, a selfie. So a hand named "Right" whose
landmarks are a left hand's is a right one seen in a mirror, and is mirrored back, x → −x. Of a
picture that was not mirrored the names are the wrong way round, which a file does not tell: swap
them where it is written, as MediaPipe asks to. Without names, the side is the one asked for, or the
landmarks' own.

**Frame.** Where the hand is in space is not known: the motion is in the "wrist" frame, turned as
the camera saw it (x right, y down, z forward). Landmarks of the picture are the stream "image".

Frames of handposeutils (a ``hand_pose`` each) hold the picture's landmarks times 100, y up.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError, InputError
from retarget.human.hand_trajectory import HandTrajectory, Source
from retarget.human.keypoints import Side, chirality, hand_length, mirror
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import assemble
from retarget.human.sources.detections import Detection, follow
from retarget.human.sources.json_files import first, frame_times, read_json
from retarget.human.sources.mediapipe_landmarks import (
    Hand,
    areas,
    frames_in,
    hands_in,
    has_landmarks,
)

NAME = "mediapipe"

HAND_LENGTH = 0.189
"""Bones from the wrist to the middle tip [m]: 91 + 47 + 28 + 22 mm, the mean over trackers."""

_HUNDREDTHS = "hand_pose"


def recognises(path: Path) -> bool:
    """Whether it is JSON with landmarks in a frame."""
    if container(path) != "json":
        return False
    return any(has_landmarks(frame) for frame in frames_in(read_json(path)))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand; with several of its side in a picture, the one with the largest box.

    Raises:
        FormatError: the file is damaged, or a frame holds something else.
        InputError: it holds no hand of that side, or both and `side` is None; or the times are
            wrong.
    """
    content = read_json(path) if container(path) == "json" else None
    frames = frames_in(content)
    hands = _told_apart([_scaled_back(hands_in(frame, path.name), frame) for frame in frames])
    if not any(hands):
        raise FormatError(f"{path} is no JSON of MediaPipe's landmarks, or shows no hand.")
    side, arrays, seen = follow(_detections(hands, side, path.name), side, path.name)
    points = _points(arrays, _proportions(content, path.name), path.name)
    mirrored = chirality(points[np.isfinite(points).all(axis=(1, 2))]) not in (None, side)
    image = (arrays["image"], "landmarks in the picture: x y as shares of its size, z as x")
    return assemble(
        path,
        mirror(points) if mirrored else points,
        side,
        Source(
            path.name,
            NAME,
            tracker="MediaPipe, mirrored picture" if mirrored else "MediaPipe",
            frame="wrist",
            metric=False,
            tips="MediaPipe landmarks",
        ),
        times=frame_times(frames, path.name),
        fps=_rate(content, fps, path.name),
        valid=seen,
        beside={"image": image} if np.isfinite(image[0]).any() else {},
    )


def _scaled_back(hands: list[Hand], frame: Any) -> list[Hand]:
    """The hands of handposeutils as fractions of the picture, y down; others as they are."""
    if first(frame, (_HUNDREDTHS,)) is None:
        return hands
    middle = np.array([0.0, 1.0, 0.0])
    return [replace(hand, image=middle + hand.image * [0.01, -0.01, 0.01]) for hand in hands]


def _told_apart(hands: list[list[Hand]]) -> list[list[Hand]]:
    """The hands, with landmarks that were not said to be of the hand moved there if they are."""
    images = np.array([hand.image[:, :2] for row in hands for hand in row])
    if not len(images) or any(np.isfinite(hand.world).any() for row in hands for hand in row):
        return hands
    around = (images.min(axis=1) <= 0) & (images.max(axis=1) >= 0)
    if around.all(axis=1).mean() < 0.5:
        return hands
    nothing = np.full((21, 3), np.nan)
    return [[replace(hand, world=hand.image, image=nothing) for hand in row] for row in hands]


def _detections(hands: list[list[Hand]], side: Side | None, name: str) -> list[list[Detection]]:
    """Each with a side; where none is named, `side`, or what the anatomy of all of them says."""
    named = [hand.side is not None for row in hands for hand in row]
    if any(named) and not all(named):
        raise FormatError(f"{name}: some hands are named left or right and some are not.")
    own = side or ("right" if any(named) else _anatomy(hands, name))
    return [
        [
            Detection(hand.side or own, area, {"world": hand.world, "image": hand.image})
            for hand, area in zip(row, areas(row), strict=True)
        ]
        for row in hands
    ]


def _anatomy(hands: list[list[Hand]], name: str) -> Side:
    if max(len(row) for row in hands) > 1:
        raise FormatError(f"{name}: two hands in a frame, and neither is named left or right.")
    every = [hand for row in hands for hand in row]
    points = [hand.world if np.isfinite(hand.world).all() else hand.image for hand in every]
    side = chirality(np.stack(points))
    if side is None:
        raise InputError(
            f"{name}: too flat a hand to tell left from right, give side='left' or 'right'."
        )
    return side


def _points(
    arrays: dict[str, np.ndarray], proportions: Sequence[float], name: str
) -> Float[np.ndarray, "T 21 3"]:
    """Landmarks from the wrist [m]: the hand's, else the picture's at a person's size."""
    points, image = arrays["world"], arrays["image"] * proportions
    if not np.isfinite(points).any():
        lengths = hand_length(image[np.isfinite(image).all(axis=(1, 2))])
        if not lengths.any():
            raise InputError(f"{name}: none of the {len(image)} frames shows a hand.")
        points = image * (HAND_LENGTH / np.median(lengths[lengths > 0]))
    return points - points[:, :1]


def _proportions(content: Any, name: str) -> tuple[float, float, float]:
    """What x, y and z of the picture are multiplied by to be of one unit."""
    width, height = first(content, ("width",)), first(content, ("height",))
    if width is None or height is None:
        return 1.0, 1.0, 1.0
    size = as_numbers([width, height], f"{name}: width and height", (2,))
    if not (np.isfinite(size).all() and size.min() > 0):
        raise InputError(f"{name}: a picture of {width} by {height}, expected positive numbers.")
    return 1.0, float(size[1] / size[0]), 1.0


def _rate(content: Any, fps: float | None, name: str) -> float | None:
    said = first(content, ("fps",))
    return fps if fps is not None or said is None else float(as_numbers(said, f"{name}: fps", ()))
