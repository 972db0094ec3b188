import json
from pathlib import Path

import numpy as np

SURE = 0.9


def init_pose_model(config, checkpoint, device):
    """The "weights" are the boxes of a left and a right hand."""
    assert Path(config).exists()
    return json.loads(Path(checkpoint).read_text())


def inference_top_down_pose_model(model, picture, person_results, bbox_thr, format):
    assert format == "xyxy"
    assert picture.dtype == np.uint8
    assert [len(person["bbox"]) for person in person_results] == [5]
    assert all(person["bbox"][4] > bbox_thr for person in person_results)
    body = np.zeros((133, 3))
    for start, (x0, y0, x1, y1) in zip((91, 112), model, strict=True):
        body[start : start + 4] = [
            (x0, y0, SURE),
            (x1, y1, SURE),
            (x0, y1, SURE),
            (x1, y0, SURE),
        ]
    return [{"bbox": person_results[0]["bbox"], "keypoints": body}], None
