"""The robomimic layout, and the way back; robomimic itself where there is one.

HANDSIM_ROBOMIMIC_PYTHON names an interpreter that has robomimic.
"""

import json
import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from handsim import datasets
from handsim.envs import TrackEnv
from handsim.errors import FormatError, InputError, MissingFileError, OutputError, UnknownNameError
from handsim.replay import replay
from tests.hands import EVERY, hand
from tests.handsim.test_rollout import assert_equal, rollout
from tests.motions import motion

PYTHON = os.environ.get("HANDSIM_ROBOMIMIC_PYTHON")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "demos.hdf5"


def test_write_and_read_are_inverse(path):
    made = [rollout(steps=3 + k, seed=k, metadata=rollout().metadata) for k in range(12)]
    datasets.write("robomimic", path, made)
    read = datasets.read("robomimic", path)
    assert len(read) == 12
    for one, other in zip(read, made, strict=True):
        assert_equal(one, other)


def test_a_simulated_rollout_comes_back(path):
    robot = hand(EVERY[0][0])
    env = TrackEnv(robot, motion(robot, seconds=0.3), wrist="floating", width=32, height=24)
    keypoints = np.random.default_rng(0).normal(size=(env.steps + 1, 21, 3))
    made = replay(env, cameras=["front"], annotations={"keypoints": keypoints})
    env.close()
    datasets.write("robomimic", path, [made])
    assert_equal(datasets.read("robomimic", path)[0], made)


def test_the_layout_is_robomimics(path):
    made = [rollout(steps=4, seed=0), rollout(steps=6, seed=1, metadata=rollout().metadata)]
    datasets.write("robomimic", path, made)
    with h5py.File(path) as file:
        data = file["data"]
        assert data.attrs["total"] == 10
        env_args = json.loads(data.attrs["env_args"])
        assert env_args["env_name"] == "handsim/Track-v0"
        assert env_args["env_type"] == 2
        assert env_args["env_kwargs"]["hand"] == "toy"
        assert set(data) == {"demo_0", "demo_1"}
        assert [name.decode() for name in file["mask/train"]] == ["demo_0", "demo_1"]
        for demo, one in zip(data.values(), made, strict=True):
            steps = len(one)
            assert demo.attrs["num_samples"] == steps
            assert demo.attrs["model_file"] == "<mujoco/>"
            np.testing.assert_array_equal(demo["states"], one.states[:-1])
            np.testing.assert_array_equal(demo["actions"], one.actions)
            assert np.abs(demo["actions"]).max() <= 1
            np.testing.assert_array_equal(demo["rewards"], one.rewards)
            np.testing.assert_array_equal(demo["dones"], [0] * (steps - 1) + [1])
            np.testing.assert_array_equal(demo["obs/qpos"], one.qpos[:-1])
            np.testing.assert_array_equal(demo["next_obs/qpos"], one.qpos[1:])
            assert demo["obs/front_image"].shape == (steps, 6, 8, 3)
            assert demo["obs/front_image"].dtype == np.uint8
            assert set(demo["obs"]) == set(demo["next_obs"])
            np.testing.assert_array_equal(
                demo["annotations/keypoints"], one.annotations["keypoints"]
            )


def test_rollouts_of_two_environments_do_not_share_a_file(path):
    with pytest.raises(InputError, match=r"rollouts\[1\].*is of one environment"):
        datasets.write("robomimic", path, [rollout(), rollout(hand="other")])
    with pytest.raises(InputError, match="at least one"):
        datasets.write("robomimic", path, [])
    assert not path.exists()


def test_a_failed_write_leaves_the_old_file(path):
    datasets.write("robomimic", path, [rollout()])
    before = path.read_bytes()
    named_like_a_picture = rollout(observations={"front_image": np.zeros((5, 2))})
    with pytest.raises(InputError, match="'front_image' is taken"):
        datasets.write("robomimic", path, [named_like_a_picture])
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_same_rollouts_give_the_same_bytes(path, tmp_path):
    datasets.write("robomimic", path, [rollout()])
    datasets.write("robomimic", tmp_path / "again.hdf5", [rollout()])
    assert path.read_bytes() == (tmp_path / "again.hdf5").read_bytes()


def test_what_is_refused(path):
    with pytest.raises(UnknownNameError, match="robomimic"):
        datasets.write("rlds", path, [rollout()])
    with pytest.raises(UnknownNameError, match="robomimic"):
        datasets.read("rlds", path)
    with pytest.raises(OutputError, match=r"\.hdf5"):
        datasets.write("robomimic", path.with_suffix(".zip"), [rollout()])
    with pytest.raises(MissingFileError):
        datasets.read("robomimic", path)
    path.write_bytes(b"not HDF5")
    with pytest.raises(FormatError):
        datasets.read("robomimic", path)
    with h5py.File(path, "w") as file:
        file.create_group("data/demo_0").attrs["num_samples"] = 3
    with pytest.raises(FormatError, match="no dataset 'data/demo_0/states'"):
        datasets.read("robomimic", path)


@pytest.mark.skipif(PYTHON is None, reason="HANDSIM_ROBOMIMIC_PYTHON is not set")
def test_robomimic_reads_it(path, tmp_path):
    made = [rollout(steps=4 + k, seed=k, metadata=rollout().metadata) for k in range(3)]
    datasets.write("robomimic", path, made)
    check, out = Path(__file__).with_name("robomimic_check.py"), tmp_path / "said.json"
    done = subprocess.run([PYTHON, check, path, out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(out.read_text())
    assert (said["demos"], said["env"]["env_name"]) == (3, "handsim/Track-v0")
    assert said["dones"] == [int(k == len(one) - 1) for one in made for k in range(len(one))]
    for name, part in {
        "actions": lambda one: one.actions,
        "qpos": lambda one: one.qpos[:-1],
        "next": lambda one: one.qpos[1:],
    }.items():
        expected = np.concatenate([part(one) for one in made])
        np.testing.assert_allclose(said[name], expected, atol=1e-6)
    np.testing.assert_array_equal(said["picture"], made[0].frames["front"][0])
    assert said["window"] == [2, 3]
