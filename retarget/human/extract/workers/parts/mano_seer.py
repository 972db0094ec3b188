"""What a worker does whose network sees crops of hands.

`run(backend, arguments, defaults, load)` is all of it; `load(options, job)` gives it

- a network: (B, 3, 256, 256) float32 → {name: (B, …)} of what HaMeR says, as it says it;
- a detector: (frame, picture of blue, green, red) → `Boxes`;
- a dict of what is worth knowing about them.

Neither remembers anything, so a chunk of frames is the same whether or not the run was cut off.
Of a left hand all that the network says is kept as of the mirrored picture, but `keypoints_2d` and
`pred_cam_t_full` are of the real one.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from mano_crops import (
    ASPECT,
    PATCH,
    Boxes,
    blur,
    full_focal,
    full_translation,
    normalised,
    read_boxes,
    squares,
    to_crop,
    to_picture,
)
from worker_frames import Job, Picture, RefusalError, existing, put

SCHEMA = 1
TIPS = (
    "MANO vertices 744, 320, 443, 554, 671 (thumb, index, middle, ring, pinky), as HaMeR has them"
)
SAID: dict[str, tuple[int, ...]] = {
    "pred_keypoints_3d": (21, 3),
    "global_orient": (3, 3),
    "hand_pose": (15, 3, 3),
    "betas": (10,),
    "pred_cam": (3,),
}
COLUMNS: dict[str, tuple[type, tuple[int, ...]]] = {
    "frame": (np.int64, ()),
    "right": (np.bool_, ()),
    "score": (np.float32, ()),
    "box": (np.float32, (4,)),
    "keypoints_2d": (np.float32, (21, 2)),
    **{name: (np.float32, shape) for name, shape in SAID.items()},
    "pred_cam_t_full": (np.float32, (3,)),
    "focal_length": (np.float32, (2,)),
    "box_center": (np.float32, (2,)),
    "box_size": (np.float32, ()),
}
VERTICES = {"pred_vertices": (np.float32, (778, 3))}
Said = dict[str, np.ndarray]
Network = Callable[[np.ndarray], Said]
Detector = Callable[[int, Picture], Boxes]
Load = Callable[[dict[str, Any], Job], tuple[Network, Detector, dict[str, Any]]]


class Hand(NamedTuple):
    """A hand to be looked at: what is known of it, and its crop."""

    row: dict[str, Any]
    size: tuple[int, int]
    crop: np.ndarray


class Seer:
    """Looks at frames and gathers the hands of a chunk, a batch at a time.

    Attributes:
        aspect: of width to height that boxes grow to; None for none.
        rescale: how much they grow before.
    """

    def __init__(self, network: Network, detector: Detector, options: Mapping[str, Any]) -> None:
        self.network, self.detector = network, detector
        self.rescale, self.batch = float(options["rescale"]), int(options["batch"])
        self.aspect = options.get("aspect", ASPECT)
        self.columns = COLUMNS | (VERTICES if options["vertices"] else {})
        self.waiting: list[Hand] = []
        self.rows: list[dict[str, Any]] = []

    def see(self, frame: int, picture: Picture | None) -> None:
        """Find the hands of a frame and look at them once there is a batch."""
        if picture is None:
            return
        found = self.detector(frame, picture)
        height, width = picture.shape[:2]
        centers, sizes = squares(found.box, self.rescale, self.aspect)
        for box, right, score, center, size in zip(*found, centers, sizes, strict=True):
            row = {"frame": frame, "right": bool(right), "score": score, "box": box}
            row |= {"box_center": center, "box_size": size}
            crop = cut(picture, center, float(size), bool(right))
            self.waiting.append(Hand(row, (width, height), crop))
        while len(self.waiting) >= self.batch:
            self.look(self.batch)

    def look(self, count: int) -> None:
        """Show the network the first hands that wait."""
        hands, self.waiting = self.waiting[:count], self.waiting[count:]
        if not hands:
            return
        said = self.network(np.stack([hand.crop for hand in hands]))
        for place, hand in enumerate(hands):
            self.rows.append({**hand.row, **full(hand, {k: v[[place]] for k, v in said.items()})})

    def write(self, path: Path) -> None:
        """Write all hands since the last time."""
        self.look(len(self.waiting))
        columns: dict[str, np.ndarray] = {
            name: np.array([row[name] for row in self.rows], kind).reshape(-1, *shape)
            for name, (kind, shape) in self.columns.items()
        }
        put(path, lambda stream: np.savez(stream, **columns))  # type: ignore[arg-type]
        self.rows = []


def full(hand: Hand, said: Said) -> dict[str, np.ndarray]:
    """The columns of one hand that the network has spoken about, with those of the picture."""
    right, side = np.array([hand.row["right"]]), np.array([hand.row["box_size"]], np.float64)
    center = np.array([hand.row["box_center"]], np.float64)
    columns = {name: said[name].reshape(shape) for name, shape in SAID.items()}
    columns["keypoints_2d"] = to_picture(said["pred_keypoints_2d"], right, center, side)[0]
    columns["pred_cam_t_full"] = full_translation(
        said["pred_cam"].astype(np.float64), right, center, side, hand.size
    )[0]
    columns["focal_length"] = np.full(2, full_focal(hand.size))
    columns["pred_vertices"] = said["pred_vertices"].reshape(-1, 3)
    return columns


def cut(picture: Picture, center: np.ndarray, size: float, right: bool) -> np.ndarray:
    """The crop of a hand as the network takes it (3, 256, 256)."""
    affine = to_crop(center, size, right, picture.shape[1])
    if not right:
        picture = np.ascontiguousarray(picture[:, ::-1])
    sigma = blur(size)
    if sigma:
        # scipy's kernel, which HaMeR blurs with, reaches four standard deviations.
        kernel = 2 * int(4 * sigma + 0.5) + 1
        picture = cv2.GaussianBlur(
            picture.astype(np.float32), (kernel, kernel), sigma, borderType=cv2.BORDER_REPLICATE
        )
    patch = cv2.warpAffine(
        picture, affine, (PATCH, PATCH), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return normalised(patch)


def boxes_of_file(options: dict[str, Any]) -> Detector:
    """A detector that knows the boxes of a file, the option `boxes`.

    Raises:
        RefusalError: there is none, or it cannot be read.
    """
    if not options["boxes"]:
        raise RefusalError("boxes: none given, expected a file, since detector is boxes.")
    path = existing("boxes", options["boxes"], "Expected a file of boxes of hands.")
    try:
        found = read_boxes(path)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise RefusalError(f"boxes: {path} cannot be read: {error}.") from error
    return lambda frame, picture: found.get(frame, Boxes.of([]))


def work(
    backend: str, job: Job, defaults: Mapping[str, Any], load: Load, report: Callable[..., None]
) -> None:
    """Do a job."""
    options = job.options(defaults)
    network, detector, told = load(options, job)
    seer = Seer(network, detector, {**options, **told.get("crop", {})})
    frames, count = job.frames(), 0
    for count, picture in enumerate(frames, start=1):
        path = job.chunk_of(count - 1)
        if not path.exists():
            seer.see(count - 1, picture())
            if count % job.chunk == 0:
                seer.write(path)
        report(done=count, total=max(frames.announced, count))
    if not count:
        raise RefusalError(f"{job.asked['video']} has no frame that OpenCV can decode.")
    if not job.chunk_of(count - 1).exists():
        seer.write(job.chunk_of(count - 1))
    versions = {"opencv": cv2.__version__, "numpy": np.__version__, **told.pop("versions", {})}
    meta = {"schema": SCHEMA, "backend": backend, "versions": versions, "frames": count}
    meta |= {"tips": TIPS, "model": told, **frames.meta()}
    put(job.folder / "meta.json", lambda stream: stream.write(json.dumps(meta).encode()))


def run(backend: str, arguments: list[str], defaults: Mapping[str, Any], load: Load) -> int:
    """Work; what libraries print goes to stderr. The exit code."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def report(**values: Any) -> None:
        lines.write(json.dumps(values) + "\n")
        lines.flush()

    if len(arguments) != 1:
        report(error=f"{len(arguments)} arguments, expected one: the job's folder.")
        return 1
    try:
        work(backend, Job(Path(arguments[0])), defaults, load, report)
    except RefusalError as refusal:
        report(error=str(refusal))
        return 1
    except BrokenPipeError:
        return 1
    finally:
        sys.stdout.flush()
    return 0
