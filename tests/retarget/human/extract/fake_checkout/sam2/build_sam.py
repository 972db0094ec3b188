from pathlib import Path

import torch
from PIL import Image


class Predictor:
    def init_state(self, video_path, offload_video_to_cpu=False):
        files = sorted(Path(video_path).glob("*.jpg"), key=lambda file: int(file.stem))
        return {"sizes": [Image.open(file).size for file in files], "prompts": {}}

    def add_new_points_or_box(
        self, inference_state, frame_idx, obj_id, points=None, labels=None, box=None
    ):
        assert (points is None) == (labels is None)
        inference_state["prompts"][obj_id] = (frame_idx, box)

    def propagate_in_video(self, inference_state, reverse=False):
        sizes, prompts = inference_state["sizes"], inference_state["prompts"]
        first = min(frame for frame, _ in prompts.values())
        order = range(first, -1, -1) if reverse and first else range(first, len(sizes))
        for frame in [] if reverse and not first else order:
            width, height = sizes[frame]
            logits = torch.full((len(prompts), 1, height, width), -10.0)
            for mask, (_, (x0, y0, x1, y1)) in zip(logits, prompts.values(), strict=True):
                mask[0, y0:y1, x0:x1] = 10
            yield frame, list(prompts), logits


def build_sam2_video_predictor(config, checkpoint, device):
    assert Path(checkpoint).exists()
    return Predictor()
