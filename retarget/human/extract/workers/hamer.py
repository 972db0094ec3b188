"""Worker: hands in a video or in pictures by HaMeR, from the user's own checkout and weights.

    PYTHON -I hamer.py JOBFOLDER

Options of a job; paths are absolute:

- `checkout`: a clone of HaMeR; nothing when it is installed in this environment.
- `checkpoint`, `config`: `_DATA/hamer_ckpts/checkpoints/hamer.ckpt` and
  `_DATA/hamer_ckpts/model_config.yaml` of the checkout, when not given.
- `mano`: folder of `MANO_RIGHT.pkl`, `mean`: `mano_mean_params.npz`; both of `_DATA/data`.
- `device`: auto, cpu or cuda. `fp16`: half precision, on cuda. `batch`: crops at a time.
- `rescale`: by how much boxes grow. `vertices`: whether the mesh is kept.
- `detector`: where the boxes of hands come from:
  `vitdet` or `regnety`: people by detectron2, then their hands by ViTPose;
  `boxes`: a file (`mano_crops.read_boxes`), of another backend's extraction for one;
  `sam2`: masks, of SAM 2 for one. A glove, which ViTPose does not know, wants one of the last two.
- `boxes`: that file.
- `masks`: a folder with `left` and `right`, in each a picture a frame, its number in the name; or
  `sam2`: {"config", "checkpoint", "prompts": [{"frame", "side", "box" or "points"}]} to make them.
- `person`: checkpoint of the detector of people; `vitpose`: {"config", "checkpoint"}.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

# A folder of its own at the end of the path: beside this file, `hamer` would be this file.
sys.path.append(str(Path(__file__).resolve().parent / "parts"))

import torch
from mano_crops import Boxes, mask_box
from mano_people import from_people, in_checkout, regnety, vitdet
from mano_seer import Detector, Network, boxes_of_file, run
from mano_torch import (
    Regressor,
    configured,
    device_of,
    load_weights,
    prepare,
)
from worker_frames import Job, Picture, RefusalError, existing, put

DEFAULTS: dict[str, Any] = {
    "checkout": None,
    "checkpoint": None,
    "config": None,
    "mano": None,
    "mean": None,
    "device": "auto",
    "fp16": False,
    "batch": 16,
    "rescale": 2.0,
    "vertices": False,
    "detector": "vitdet",
    "boxes": None,
    "masks": None,
    "sam2": None,
    "person": None,
    "vitpose": {},
}
FOUND_BOXES = "boxes.npz"


def load(options: dict[str, Any], job: Job) -> tuple[Network, Detector, dict[str, Any]]:
    """HaMeR, and what finds the hands."""
    device = device_of(options["device"])
    prepare(options["checkout"])
    network, checkpoint = load_network(options, device)
    if options["detector"] not in DETECTORS:
        raise RefusalError(f"detector: {options['detector']!r}. Available: {', '.join(DETECTORS)}.")
    detector = DETECTORS[options["detector"]](options, job, device)
    told = {
        "checkpoint": checkpoint.name,
        "device": str(device),
        **{name: options[name] for name in ("detector", "rescale", "fp16")},
        "versions": {"torch": torch.__version__},
    }
    return network, detector, told


def load_network(options: dict[str, Any], device: torch.device) -> tuple[Network, Path]:
    """The network, and the file of its weights."""
    data = in_checkout(options, "_DATA")
    default = data / "hamer_ckpts" / "checkpoints" / "hamer.ckpt"
    checkpoint = existing(
        "checkpoint",
        options["checkpoint"] or default,
        "Expected HaMeR's weights: run fetch_demo_data.sh of its checkout, or name them.",
    )
    config = existing(
        "config",
        options["config"] or checkpoint.parent.parent / "model_config.yaml",
        "Expected the model_config.yaml that comes with the weights.",
    )
    mano = existing(
        "mano",
        options["mano"] or data / "data" / "mano",
        "Expected the folder of MANO_RIGHT.pkl, from mano.is.tue.mpg.de after registration.",
    )
    existing("mano", mano / "MANO_RIGHT.pkl", "Download it from mano.is.tue.mpg.de.")
    beside = mano.parent / "mano_mean_params.npz"
    mean = existing(
        "mean",
        options["mean"] or (beside if beside.exists() else data / "data" / beside.name),
        "Expected mano_mean_params.npz, which comes with HaMeR's weights.",
    )
    try:
        get_config = import_module("hamer.configs").get_config
        build = import_module("hamer.models").HAMER
    except ImportError as error:
        raise RefusalError(
            f"checkout: {options['checkout']} has no HaMeR that imports: {error}. Expected a clone "
            "of it, in an environment of retarget/human/extract/environments/hamer.txt."
        ) from error
    model = build(configured(get_config, config, mano, mean), init_renderer=False)
    load_weights(model, checkpoint)
    return Regressor(model, device, bool(options["fp16"])), checkpoint


def from_masks(options: dict[str, Any], job: Job, device: torch.device) -> Detector:
    """Boxes of masks: those in a folder, or those that SAM 2 makes of prompts."""
    if options["sam2"]:
        return from_sam2(options["sam2"], job, device)
    if not options["masks"]:
        raise RefusalError("masks: none given, expected a folder, since detector is sam2.")
    folder = existing("masks", options["masks"], "Expected a folder with left and right.")
    files: dict[int, list[tuple[Path, bool]]] = {}
    for side in ("left", "right"):
        for file in sorted((folder / side).glob("*.png")):
            number = re.findall(r"\d+", file.stem)
            if not number:
                raise RefusalError(f"masks: {file} has no number, expected that of its frame.")
            files.setdefault(int(number[-1]), []).append((file, side == "right"))
    if not files:
        raise RefusalError(f"masks: {folder} has no left/*.png and no right/*.png.")

    def boxes(frame: int, picture: Picture) -> Boxes:
        hands = []
        for file, right in files.get(frame, []):
            mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
            if mask is None or mask.shape != picture.shape[:2]:
                raise RefusalError(f"masks: {file} is no mask of {picture.shape[:2]} px.")
            box = mask_box(mask > 0)
            if box is not None:
                hands.append((box, right, 1.0))
        return Boxes.of(hands)

    return boxes


def from_sam2(asked: dict[str, Any], job: Job, device: torch.device) -> Detector:
    """Boxes of what SAM 2 follows through the whole video; made once a job, then kept in it."""
    path = job.folder / FOUND_BOXES
    if not path.exists():
        hands = follow(asked, job, device)
        frame, right, box = zip(*hands, strict=True) if hands else ((), (), ())
        columns = {
            "frame": np.array(frame, np.int64),
            "right": np.array(right, bool),
            "box": np.array(box, np.float32).reshape(-1, 4),
        }
        put(path, lambda stream: np.savez(stream, **columns))  # type: ignore[arg-type]
    return boxes_of_file({"boxes": path})


def follow(
    asked: dict[str, Any], job: Job, device: torch.device
) -> list[tuple[int, bool, np.ndarray]]:
    """(frame, right, box) of every hand that SAM 2 sees, from the prompts on and back."""
    build = import_module("sam2.build_sam").build_sam2_video_predictor
    predictor = build(asked["config"], asked["checkpoint"], device=str(device))
    hands: dict[tuple[int, int], np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for number, picture in enumerate(job.frames()):
            cv2.imwrite(f"{folder}/{number:06d}.jpg", picture())
        state = predictor.init_state(video_path=folder, offload_video_to_cpu=True)
        for prompt in asked["prompts"]:
            given: dict[str, Any] = {"box": prompt.get("box"), "points": prompt.get("points")}
            if given["points"]:
                given["labels"] = prompt.get("labels") or [1] * len(given["points"])
            predictor.add_new_points_or_box(
                state,
                frame_idx=int(prompt["frame"]),
                obj_id=int(prompt["side"] == "right"),
                **{name: np.array(values) for name, values in given.items() if values},
            )
        for reverse in (False, True):
            for frame, sides, logits in predictor.propagate_in_video(state, reverse=reverse):
                for side, logit in zip(sides, logits, strict=True):
                    box = mask_box((logit > 0).cpu().numpy().reshape(logit.shape[-2:]))
                    if box is not None:
                        hands[frame, side] = box
    return [(frame, bool(side), box) for (frame, side), box in sorted(hands.items())]


DETECTORS: dict[str, Callable[[dict[str, Any], Job, torch.device], Detector]] = {
    "vitdet": partial(from_people, vitdet),
    "regnety": partial(from_people, regnety),
    "sam2": from_masks,
    "boxes": lambda options, job, device: boxes_of_file(options),
}

if __name__ == "__main__":
    sys.exit(run("hamer", sys.argv[1:], DEFAULTS, load))
