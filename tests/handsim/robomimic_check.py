"""Reads a dataset with robomimic itself; run by an interpreter that has it, see test_robomimic.py.

Writes, as JSON, what test_robomimic.py compares with what was written.
"""

import json
import sys

import robomimic.utils.obs_utils as obs_utils
from robomimic.utils.dataset import SequenceDataset
from robomimic.utils.file_utils import get_env_metadata_from_dataset


def main(path: str, out: str) -> None:
    """Load, index, and stack."""
    observed = {"low_dim": ["qpos", "palm"], "rgb": ["front_image"]}
    obs_utils.initialize_obs_utils_with_obs_specs({"obs": observed})
    dataset = SequenceDataset(
        hdf5_path=path,
        obs_keys=["qpos", "palm", "front_image"],
        dataset_keys=["actions", "rewards", "dones"],
        frame_stack=1,
        seq_length=2,
        hdf5_use_swmr=True,
        filter_by_attribute="train",
        load_next_obs=True,
    )
    items = [dataset[i] for i in range(len(dataset))]
    said = {
        "env": get_env_metadata_from_dataset(path),
        "demos": dataset.n_demos,
        "actions": [item["actions"][0].tolist() for item in items],
        "dones": [int(item["dones"][0]) for item in items],
        "qpos": [item["obs"]["qpos"][0].tolist() for item in items],
        "next": [item["next_obs"]["qpos"][0].tolist() for item in items],
        "picture": items[0]["obs"]["front_image"][0].tolist(),
        "window": list(items[0]["actions"].shape),
    }
    dataset.close_and_delete_hdf5_handle()
    with open(out, "w") as file:
        json.dump(said, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
