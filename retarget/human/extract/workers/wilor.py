"""Worker: hands in a video or in pictures by WiLoR, from the user's own copy and weights.

    PYTHON -I wilor.py JOBFOLDER

Options of a job; paths are absolute:

- `checkout`: a clone of WiLoR, whose `pretrained_models` and `mano_data` hold what its notes say;
  without one, the package `wilor_mini` runs, which must be installed.
- `checkpoint`, `config`, `mano`, `mean`: as of HaMeR's worker, in `pretrained_models` and
  `mano_data` of the checkout when not given.
- `weights`: of wilor_mini, the folder of its `pretrained_models`. Nothing is downloaded.
- `device`, `fp16`, `batch`, `rescale`, `vertices`: as of HaMeR's worker.
- `detector`: `yolo`, WiLoR's own detector of hands, or `boxes`, a file of them.
- `yolo`: its weights, `detector.pt`; `confidence`: the least of a hand. `boxes`: that file.

Of left hands all is of the mirrored picture, as WiLoR's network says it. (wilor_mini's pipeline
turns it back; its network, which is all that is used of it here, does not.)
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

# A folder of its own at the end of the path: beside this file, `wilor` would be this file.
sys.path.append(str(Path(__file__).resolve().parent / "parts"))

import torch
from mano_crops import FOCAL, MEAN, PATCH, STD, Boxes
from mano_seer import Detector, Network, Said, boxes_of_file, run
from mano_torch import (
    Regressor,
    configured,
    device_of,
    load_weights,
    prepare,
)
from worker_frames import Job, Picture, RefusalError, existing

DEFAULTS: dict[str, Any] = {
    "checkout": None,
    "checkpoint": None,
    "config": None,
    "mano": None,
    "mean": None,
    "weights": None,
    "device": "auto",
    "fp16": False,
    "batch": 16,
    "rescale": 2.0,
    "vertices": False,
    "detector": "yolo",
    "yolo": None,
    "confidence": 0.3,
    "boxes": None,
}
WEIGHTS = ("wilor_final.ckpt", "MANO_RIGHT.pkl", "mano_mean_params.npz", "detector.pt")


def load(options: dict[str, Any], job: Job) -> tuple[Network, Detector, dict[str, Any]]:
    """WiLoR, and what finds the hands."""
    if options["detector"] not in ("yolo", "boxes"):
        raise RefusalError(f"detector: {options['detector']!r}. Available: yolo, boxes.")
    device = device_of(options["device"])
    prepare(options["checkout"])
    told: dict[str, Any] = {"versions": {"torch": torch.__version__}, "device": str(device)}
    told |= {name: options[name] for name in ("detector", "rescale", "fp16")}
    if options["checkout"]:
        network, yolo = from_checkout(options, device)
    else:
        network, yolo = from_mini(options, device)
        told["crop"] = {"aspect": None}
    if options["detector"] == "boxes":
        return network, boxes_of_file(options), told
    return network, hands_by(yolo(), float(options["confidence"])), told


def from_checkout(
    options: dict[str, Any], device: torch.device
) -> tuple[Network, Callable[[], Any]]:
    """The network of a clone of WiLoR, and how to load its detector."""
    root = Path(options["checkout"])
    notes = "Expected as WiLoR's notes say, or named by the option."
    models, data = root / "pretrained_models", root / "mano_data"
    checkpoint = options["checkpoint"] or models / "wilor_final.ckpt"
    checkpoint = existing("checkpoint", checkpoint, notes)
    config = existing("config", options["config"] or models / "model_config.yaml", notes)
    default = next((data / d for d in ("", "mano") if (data / d / "MANO_RIGHT.pkl").exists()), data)
    mano = existing("mano", options["mano"] or default, notes)
    existing("mano", mano / "MANO_RIGHT.pkl", "Download it from mano.is.tue.mpg.de.")
    mean = existing("mean", options["mean"] or data / "mano_mean_params.npz", notes)
    try:
        get_config = import_module("wilor.configs").get_config
        build = import_module("wilor.models").WiLoR
    except ImportError as error:
        raise RefusalError(
            f"checkout: {root} has no WiLoR that imports: {error}. Expected a clone of it, in an "
            "environment of retarget/human/extract/environments/wilor.txt."
        ) from error
    model = build(configured(get_config, config, mano, mean), init_renderer=False)
    load_weights(model, checkpoint)

    def yolo() -> Any:
        weights = existing("yolo", options["yolo"] or models / "detector.pt", notes)
        return import_module("ultralytics").YOLO(str(weights)).to(device)

    return Regressor(model, device, bool(options["fp16"])), yolo


def from_mini(options: dict[str, Any], device: torch.device) -> tuple[Network, Callable[[], Any]]:
    """The network of wilor_mini, and its detector."""
    if not options["weights"]:
        raise RefusalError(
            "Neither checkout nor weights is given: expected a clone of WiLoR, or the folder of "
            "wilor_mini's pretrained_models."
        )
    folder = Path(options["weights"])
    for name in WEIGHTS:
        existing("weights", folder / "pretrained_models" / name, "Expected wilor_mini's files.")
    try:
        module = import_module("wilor_mini.pipelines.wilor_hand_pose3d_estimation_pipeline")
    except ImportError as error:
        raise RefusalError(f"checkout: none given, and no wilor_mini imports: {error}.") from error
    pipeline = module.WiLorHandPose3dEstimationPipeline(
        device=device,
        dtype=torch.float16 if options["fp16"] else torch.float32,
        wilor_pretrained_dir=str(folder),
        verbose=False,
    )
    return MiniNetwork(pipeline.wilor_model, device), lambda: pipeline.hand_detector


class MiniNetwork:
    """wilor_mini's network, which takes pictures as OpenCV has them and gives axis-angles."""

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        self.model, self.device = model, device
        self.dtype = next(model.parameters()).dtype

    def __call__(self, crops: np.ndarray) -> Said:
        """Look at crops (B, 3, 256, 256)."""
        images = torch.from_numpy(coloured(crops)).to(self.device, self.dtype)
        with torch.inference_mode():
            out = self.model(images)
        said = {name: values.float().cpu().numpy() for name, values in out.items()}
        for name in ("global_orient", "hand_pose"):
            said[name] = rotations(said[name])
        if "pred_keypoints_2d" not in said:
            said["pred_keypoints_2d"] = in_crop(said["pred_keypoints_3d"], said["pred_cam"])
        return said


def coloured(crops: np.ndarray) -> np.ndarray:
    """Normalised crops (B, 3, 256, 256) as pictures (B, 256, 256, 3) of blue, green, red."""
    colours = (crops.transpose(0, 2, 3, 1) * STD + MEAN) * 255
    return np.ascontiguousarray(colours[..., ::-1])


def rotations(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices (…, 3, 3) of axis-angles (…, 3), by Rodrigues' formula."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    across = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    turned: np.ndarray = np.eye(3) + np.sin(angle) * across
    return turned + (1 - np.cos(angle)) * (across @ across)


def in_crop(points: np.ndarray, pred_cam: np.ndarray) -> np.ndarray:
    """Keypoints (B, 21, 2) in [−½, ½] of the crop, from `points` (B, 21, 3) and the camera."""
    scale, x, y = pred_cam.T
    away = np.stack([x, y, 2 * FOCAL / (PATCH * scale + 1e-9)], axis=-1)
    seen = points + away[:, None]
    return FOCAL / PATCH * seen[..., :2] / seen[..., 2:]


def hands_by(yolo: Any, confidence: float) -> Detector:
    """Hands as WiLoR's detector sees them; its class 1 is a right hand."""

    def boxes(frame: int, picture: Picture) -> Boxes:
        found = yolo(picture, conf=confidence, verbose=False)[0].boxes
        rows = zip(found.xyxy.tolist(), found.cls.tolist(), found.conf.tolist(), strict=True)
        return Boxes.of([(box, kind == 1, score) for box, kind, score in rows])

    return boxes


if __name__ == "__main__":
    sys.exit(run("wilor", sys.argv[1:], DEFAULTS, load))
