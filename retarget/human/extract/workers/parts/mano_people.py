"""People by detectron2, and their hands by ViTPose, as HaMeR's demo finds them."""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mano_crops import Boxes, body_hands
from mano_seer import Detector
from worker_frames import Job, Picture, existing

PERSON = 0
"""The class of people (COCO)."""
SURE = 0.5
"""People below this score are passed over."""
VITDET = (
    "https://dl.fbaipublicfiles.com/detectron2/ViTDet/COCO/"
    "cascade_mask_rcnn_vitdet_h/f328730692/model_final_f05665.pkl"
)
REGNETY = "new_baselines/mask_rcnn_regnety_4gf_dds_FPN_400ep_LSJ.py"
VITPOSE = (
    "third-party/ViTPose/configs/wholebody/2d_kpt_sview_rgb_img/topdown_heatmap/"
    "coco-wholebody/ViTPose_huge_wholebody_256x192.py"
)


def in_checkout(options: dict[str, Any], path: str) -> Path:
    """A path of the checkout."""
    return Path(options["checkout"] or "/no/checkout/given") / path


def from_people(
    find: Callable[..., Any], options: dict[str, Any], job: Job, device: torch.device
) -> Detector:
    """People, then the keypoints of their hands."""
    people = find(options, device)
    pose = import_module("mmpose.apis") if installed("mmpose") else vitpose_of(options)
    asked = options["vitpose"]
    config = existing(
        "vitpose",
        asked.get("config") or in_checkout(options, VITPOSE),
        "Clone HaMeR with --recursive, or name ViTPose's config.",
    )
    weights = existing(
        "vitpose",
        asked.get("checkpoint")
        or in_checkout(options, "_DATA/vitpose_ckpts/vitpose+_huge/wholebody.pth"),
        "Run fetch_demo_data.sh of HaMeR's checkout, or name ViTPose's weights.",
    )
    model = pose.init_pose_model(str(config), str(weights), device=str(device))

    def boxes(frame: int, picture: Picture) -> Boxes:
        persons = [{"bbox": person} for person in people(picture)]
        if not persons:
            return Boxes.of([])
        bodies, _ = pose.inference_top_down_pose_model(
            model, picture, person_results=persons, bbox_thr=SURE, format="xyxy"
        )
        return Boxes.of([hand for body in bodies for hand in body_hands(body["keypoints"])])

    return boxes


def installed(name: str) -> bool:
    """Whether a module imports; it says why when it is there and does not."""
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return False
    return True


def vitpose_of(options: dict[str, Any]) -> Any:
    """`mmpose.apis` of the ViTPose in the checkout."""
    folder = existing(
        "vitpose",
        in_checkout(options, "third-party/ViTPose"),
        "Clone HaMeR with --recursive, or install ViTPose.",
    )
    sys.path.append(str(folder))
    return import_module("mmpose.apis")


def vitdet(options: dict[str, Any], device: torch.device) -> Callable[[Picture], np.ndarray]:
    """People by ViTDet-H, with the configuration in HaMeR's checkout."""
    package = Path(str(import_module("hamer").__path__[0]))
    lazy = import_module("detectron2.config").LazyConfig
    cfg = lazy.load(str(package / "configs" / "cascade_mask_rcnn_vitdet_h_75ep.py"))
    cfg.train.init_checkpoint = options["person"] or VITDET
    for stage in cfg.model.roi_heads.box_predictors:
        stage.test_score_thresh = 0.25
    return partial(people_in, *predictor(cfg, device))


def regnety(options: dict[str, Any], device: torch.device) -> Callable[[Picture], np.ndarray]:
    """People by a RegNetY: less memory, faster."""
    cfg = import_module("detectron2.model_zoo").get_config(REGNETY, trained=True)
    if options["person"]:
        cfg.train.init_checkpoint = options["person"]
    cfg.model.roi_heads.box_predictor.test_score_thresh = SURE
    cfg.model.roi_heads.box_predictor.test_nms_thresh = 0.4
    return partial(people_in, *predictor(cfg, device))


def predictor(cfg: Any, device: torch.device) -> tuple[torch.nn.Module, Any, str]:
    """A detector of detectron2's lazy configurations: model, resizing, order of colours."""
    instantiate = import_module("detectron2.config").instantiate
    model = instantiate(cfg.model).to(device).eval()
    import_module("detectron2.checkpoint").DetectionCheckpointer(model).load(
        cfg.train.init_checkpoint
    )
    mapper = instantiate(cfg.dataloader.test.mapper)
    return model, mapper.augmentations, mapper.image_format


def people_in(model: torch.nn.Module, resize: Any, colours: str, picture: Picture) -> np.ndarray:
    """The people in a picture (N, 5): x0 y0 x1 y1 [px] and score."""
    height, width = picture.shape[:2]
    ordered = picture[:, :, ::-1] if colours == "RGB" else picture
    augmented = import_module("detectron2.data.transforms").AugInput(ordered)
    image = resize(augmented).apply_image(ordered)
    tensor = torch.as_tensor(image.astype(np.float32).transpose(2, 0, 1))
    with torch.inference_mode():
        found = model([{"image": tensor, "height": height, "width": width}])[0]["instances"]
    kept = (found.pred_classes == PERSON) & (found.scores > SURE)
    boxes = found.pred_boxes.tensor[kept].cpu().numpy()
    return np.column_stack([boxes, found.scores[kept].cpu().numpy()])
