"""Crops of hands, as HaMeR and WiLoR are shown them, and the way back to the picture; NumPy alone.

A network of this family sees a square around a hand as 256×256 px, mirrored for a left hand. What
it says is about that crop: a weak-perspective camera `pred_cam` = (s, tx, ty). The formulas are
those of HaMeR's inference code (Pavlakos et al., "Reconstructing Hands in 3D with Transformers",
CVPR 2024).

Boxes are x0 y0 x1 y1 [px]; a picture's size is (width, height) [px].
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PATCH = 256
"""Side of a crop [px]."""
ASPECT = (192, 256)
"""Width and height of the middle of a crop that the network looks at."""
FOCAL = 5000.0
"""Focal length of the crop's camera [px]."""
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
"""Of ImageNet's pictures, red, green, blue, of 1."""
CONFIDENT = 0.5
FEWEST = 4
"""A hand is there when so many of its keypoints are more than `CONFIDENT`."""
LEFT_HAND, RIGHT_HAND = slice(-42, -21), slice(-21, None)
"""The hands among the keypoints of a whole body (COCO-WholeBody)."""


class Boxes(NamedTuple):
    """The hands found in one picture.

    Attributes:
        box: (N, 4).
        right: (N,) bool.
        score: (N,), how sure the detector is.
    """

    box: np.ndarray
    right: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, hands: list[tuple[Any, bool, float]]) -> "Boxes":
        """From (box, right, score) of each; boxes without an area are left out."""
        kept = [hand for hand in hands if hand[0][2] > hand[0][0] and hand[0][3] > hand[0][1]]
        box, right, score = zip(*kept, strict=True) if kept else ((), (), ())
        return cls(
            np.array(box, np.float32).reshape(-1, 4),
            np.array(right, bool),
            np.array(score, np.float32),
        )


def body_hands(keypoints: np.ndarray) -> list[tuple[Any, bool, float]]:
    """The hands of a person, from the keypoints of the body: (box, right, score).

    Args:
        keypoints: (133, 3), x y [px] and confidence.
    """
    hands = []
    for part, right in ((LEFT_HAND, False), (RIGHT_HAND, True)):
        hand = keypoints[part]
        seen = hand[hand[:, 2] > CONFIDENT]
        if len(seen) >= FEWEST:
            corners = [*seen[:, :2].min(axis=0), *seen[:, :2].max(axis=0)]
            hands.append((corners, right, float(seen[:, 2].mean())))
    return hands


def mask_box(mask: np.ndarray) -> np.ndarray | None:
    """The box of what is set in a mask (H, W); None when nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def read_boxes(path: Path) -> dict[int, Boxes]:
    """Boxes of hands by frame.

    Args:
        path: an `.npz` with `frame` (N,), `box` (N, 4), `right` (N,) and optionally `score` (N,),
            as an extraction by another backend has them; or a JSON list of
            {"frame": 0, "box": [x0, y0, x1, y1], "side": "left"}.

    Raises:
        ValueError: it is neither; the message says what is wrong.
    """
    if path.suffix == ".json":
        rows = [_from_json(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    else:
        with np.load(path, allow_pickle=False) as arrays:
            missing = {"frame", "box", "right"} - set(arrays.files)
            if missing:
                raise ValueError(f"it lacks {', '.join(sorted(missing))}")
            frame, box, right = arrays["frame"], arrays["box"], arrays["right"]
            score = arrays["score"] if "score" in arrays.files else np.ones(len(frame))
        if box.shape != (len(frame), 4) or not len(right) == len(score) == len(frame):
            raise ValueError(f"box has shape {box.shape}, expected ({len(frame)}, 4)")
        rows = list(zip(frame.tolist(), box, right.tolist(), score.tolist(), strict=True))
    found: dict[int, list[tuple[Any, bool, float]]] = {}
    for number, corners, is_right, sure in rows:
        if not np.isfinite(corners).all():
            raise ValueError(f"the box {list(corners)} of frame {number} is not finite")
        found.setdefault(int(number), []).append((corners, bool(is_right), float(sure)))
    return {number: Boxes.of(hands) for number, hands in found.items()}


def _from_json(row: Any) -> tuple[int, list[float], bool, float]:
    if row.get("side") not in ("left", "right"):
        raise ValueError(f"side is {row.get('side')!r}, expected left or right")
    box = [float(value) for value in row["box"]]
    if len(box) != 4:
        raise ValueError(f"a box of {len(box)} numbers, expected x0 y0 x1 y1")
    return int(row["frame"]), box, row["side"] == "right", float(row.get("score", 1.0))


def squares(
    box: np.ndarray, rescale: float, aspect: tuple[float, float] | None = ASPECT
) -> tuple[np.ndarray, np.ndarray]:
    """The squares that are cut out: centres (N, 2) and sides (N,) [px].

    Boxes grow by `rescale`, then in one direction to the `aspect` of width to height, so that the
    middle of the crop holds them; None leaves their aspect.
    """
    center = (box[:, 2:] + box[:, :2]) / 2
    width, height = (rescale * (box[:, 2:] - box[:, :2])).T
    if aspect is None:
        return center, np.maximum(width, height)
    tallest = np.maximum(height, width * aspect[1] / aspect[0])
    widest = np.maximum(width, height * aspect[0] / aspect[1])
    return center, np.maximum(tallest, widest)


def blur(size: float) -> float:
    """Standard deviation of the blur before a square of `size` px is shrunk to a crop [px]."""
    shrink = size / PATCH / 2
    return (shrink - 1) / 2 if shrink > 1.1 else 0.0


def to_crop(center: np.ndarray, size: float, right: bool, width: int) -> np.ndarray:
    """The affine map (2, 3) from the picture's pixels to the crop's.

    Of a left hand, from the pixels of the picture mirrored.
    """
    x = center[0] if right else width - center[0] - 1
    zoom = PATCH / size
    return np.array(
        [[zoom, 0, PATCH / 2 - zoom * x], [0, zoom, PATCH / 2 - zoom * center[1]]], dtype=np.float64
    )


def normalised(patch: np.ndarray) -> np.ndarray:
    """What the network takes: (3, 256, 256) float32 of a crop (256, 256, 3) of blue, green, red."""
    colours = patch[:, :, ::-1].astype(np.float32) / 255
    return np.ascontiguousarray(((colours - MEAN) / STD).transpose(2, 0, 1))


def full_focal(size: tuple[int, int]) -> float:
    """The focal length [px] that HaMeR takes the picture's camera to have."""
    return FOCAL / PATCH * max(size)


def full_translation(
    pred_cam: np.ndarray,
    right: np.ndarray,
    center: np.ndarray,
    side: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Where the hand is in the camera of the real picture (N, 3) [m].

    Args:
        pred_cam: (N, 3), of the crop: mirrored for a left hand.
        right: (N,) bool.
        center: (N, 2) of the squares [px].
        side: (N,) of the squares [px].
        size: of the picture.
    """
    scale, x, y = pred_cam.T
    x = np.where(right, x, -x)
    away = side * scale + 1e-9
    return np.stack(
        [
            x + 2 * (center[:, 0] - size[0] / 2) / away,
            y + 2 * (center[:, 1] - size[1] / 2) / away,
            2 * full_focal(size) / away,
        ],
        axis=-1,
    )


def to_picture(
    points: np.ndarray, right: np.ndarray, center: np.ndarray, side: np.ndarray
) -> np.ndarray:
    """Keypoints of crops (N, K, 2), in [−½, ½], in the real picture [px]."""
    turned = points * np.where(right, 1.0, -1.0)[:, None, None] ** np.array([1, 0])
    return center[:, None] + turned * side[:, None, None]
