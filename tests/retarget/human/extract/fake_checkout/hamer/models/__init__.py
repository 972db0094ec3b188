"""A network that says where the brightest spot of a crop is: the wrist of an open hand."""

import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from timm.models.layers import drop_path, to_2tuple, trunc_normal_

from ..utils import create_raymond_lights

CENTRES = torch.arange(256.0)


class HAMER(torch.nn.Module):
    def __init__(self, cfg, init_renderer=True):
        super().__init__()
        if init_renderer:
            create_raymond_lights()
        self.cfg = cfg
        self.backbone = torch.nn.Linear(3, 1, bias=False)
        trunc_normal_(self.backbone.weight, std=0.02)
        with (Path(cfg.MANO.MODEL_PATH) / "MANO_RIGHT.pkl").open("rb") as stream:
            mano = pickle.load(stream, encoding="latin1")
        assert np.array(mano["shapedirs"]).shape == mano["shapedirs"].shape == (778, 3, 10)
        self.template = torch.tensor(np.array(mano["v_template"]), dtype=torch.float32)
        self.mean = torch.tensor(np.load(cfg.MANO.MEAN_PARAMS)["pose"], dtype=torch.float32)
        assert cfg.MODEL.BBOX_SHAPE == [192, 256]
        assert "PRETRAINED_WEIGHTS" not in cfg.MODEL.BACKBONE

    def forward(self, batch):
        images = batch["img"]
        count = len(images)
        assert images.shape == (count, 3, 256, 256)
        assert images.dtype == torch.float32
        sys.stdout.write("looking\n")
        seen = images.permute(0, 2, 3, 1)[:, :, 32:-32]
        light = drop_path(self.backbone(seen)[..., 0], 0.1, self.training).clamp(min=0)
        light = light * (light > 0.9 * light.amax(dim=(1, 2), keepdim=True))
        light = light / light.sum(dim=(1, 2), keepdim=True)
        across = (light.sum(dim=1) * CENTRES[32:-32]).sum(dim=1)
        down = (light.sum(dim=2) * CENTRES).sum(dim=1)
        spot = torch.stack([across, down], dim=-1) / 256 - 0.5
        scale = torch.ones(count, 1)
        away = torch.full((count, 1), 2 * self.cfg.EXTRA.FOCAL_LENGTH / self.cfg.MODEL.IMAGE_SIZE)
        points = (self.template[:21] - self.template[0]).expand(count, -1, -1)
        whole = points + torch.cat([2 * spot, away], dim=-1)[:, None]
        identity = torch.eye(3).expand(count, 16, 3, 3).clone()
        return {
            "pred_cam": torch.cat([scale, 2 * spot], dim=-1),
            "pred_mano_params": {
                "global_orient": identity[:, :1],
                "hand_pose": identity[:, 1:],
                "betas": self.mean[:10].expand(count, 10),
            },
            "pred_cam_t": torch.cat([2 * spot, away], dim=-1),
            "focal_length": torch.full((count, 2), float(self.cfg.EXTRA.FOCAL_LENGTH)),
            "pred_keypoints_3d": points,
            "pred_vertices": self.template.expand(count, -1, -1),
            "pred_keypoints_2d": away[:, None] / 2 * whole[..., :2] / whole[..., 2:],
        }


assert to_2tuple(3) == (3, 3)
