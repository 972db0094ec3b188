"""Reads a dataset with LeRobot itself; run by an interpreter that has it, see test_lerobot.py.

Writes, as JSON, what test_lerobot.py compares with what was written.
"""

import json
import sys

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset

SHOWN = ("observation.state", "action", "annotation.keypoints", "next.reward", "next.done")


def main(root: str) -> None:
    """Load, index, and batch."""
    dataset = LeRobotDataset("local/check", root=root)
    batches = list(torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=0))
    window = LeRobotDataset(
        "local/check", root=root, delta_timestamps={"action": [0.0, 1 / dataset.fps]}
    )
    items = [dataset[i] for i in range(len(dataset))]
    said = {
        "episodes": dataset.num_episodes,
        "frames": len(dataset),
        "fps": dataset.fps,
        "cameras": sorted(dataset.meta.camera_keys),
        "shapes": {key: list(shape) for key, shape in dataset.meta.shapes.items()},
        "items": [{key: item[key].tolist() for key in SHOWN} for item in items],
        "times": [item["timestamp"].item() for item in items],
        "tasks": [item["task"] for item in items],
        "pictures": {
            key: [(item[key] * 255).round().int().tolist() for item in items]
            for key in dataset.meta.camera_keys
        },
        "batches": [[len(batch["index"]), len(batch["task"])] for batch in batches],
        "window": list(window[0]["action"].shape),
        "stats": {
            key: {name: value.tolist() for name, value in values.items()}
            for key, values in dataset.meta.stats.items()
        },
        "one episode": len(LeRobotDataset("local/check", root=root, episodes=[1])),
    }
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
