"""Zarr as diffusion policy reads it, by the zarr package."""

import numpy as np
import pytest

from handsim import datasets
from handsim.errors import FormatError, InputError
from handsim.zarr_arrays import ZarrWriter, read_zarr
from tests.handsim.test_datasets import pictures, planted
from tests.handsim.test_rollout import rollout

zarr = pytest.importorskip("zarr")
STEPS = (4, 9, 1, 6)


@pytest.fixture
def dataset(tmp_path):
    """The rollouts, and the group that zarr opens."""
    rollouts = [planted(steps, seed=k) for k, steps in enumerate(STEPS)]
    datasets.write("zarr", tmp_path / "a.zarr", rollouts)
    return rollouts, zarr.open(str(tmp_path / "a.zarr"), mode="r")


def test_the_layout_is_that_of_a_replay_buffer(dataset):
    rollouts, group = dataset
    ends = group["meta/episode_ends"]
    assert (ends.dtype, ends[:].tolist()) == (np.int64, np.cumsum(STEPS).tolist())
    assert {array.shape[0] for _, array in group["data"].arrays()} == {sum(STEPS)}
    for name, part in {
        "state": lambda one: np.float32(one.qpos[:-1]),
        "action": lambda one: np.float32(one.actions),
        "front": lambda one: one.frames["front"][:-1],
        "wrist_view": lambda one: one.observations["wrist_view"][:-1],
        "environment_state": lambda one: one.observations["environment_state"][:-1],
        "contact": lambda one: one.observations["contact"][:-1],
        "done": lambda one: (one.terminated | one.truncated)[:, None],
        "reward": lambda one: np.float32(one.rewards)[:, None],
        "annotation_tactile": lambda one: one.annotations["tactile"][:-1],
        "info_frame": lambda one: one.info["frame"][:, None],
    }.items():
        expected = np.concatenate([part(one) for one in rollouts])
        assert group["data"][name].dtype == expected.dtype, name
        np.testing.assert_array_equal(group["data"][name][:], expected)
    assert group.attrs["env_id"] == "handsim/Track-v0"
    assert group.attrs["env_kwargs"]["hand"] == "toy"


def test_what_zarr_cannot_hold(tmp_path):
    named = {"qpos": np.zeros((5, 2)), "front": np.zeros((5, 2))}
    with pytest.raises(InputError, match="'front' is taken"):
        made = rollout(observations=named, frames={"front": pictures(5)})
        datasets.pack("zarr", made, tmp_path / "p")


@pytest.mark.parametrize("rows", [1, 6, 7, 8, 22])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5)])
def test_arrays_grow_by_rows(tmp_path, rows, shape):
    rng = np.random.default_rng(rows)
    array = rng.normal(size=(rows, *shape))
    row = int(np.prod(shape)) * 8
    writer = ZarrWriter(tmp_path / "a", "float64", shape, chunk_bytes=7 * row)
    for part in np.split(array, [rows // 3, rows // 2]):
        writer.append(part)
    writer.close()
    np.testing.assert_array_equal(zarr.open(str(tmp_path / "a"), mode="r")[:], array)
    for start in range(rows):
        for stop in range(start, rows + 1):
            np.testing.assert_array_equal(read_zarr(tmp_path / "a", start, stop), array[start:stop])
    with pytest.raises(FormatError, match="has .* rows"):
        read_zarr(tmp_path / "a", 0, rows + 1)


def test_objects_are_refused(tmp_path):
    """They would be unpickled."""
    header = (
        '{"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "order": "C", '
        '"compressor": null, "fill_value": 0, "filters": [{"id": "pickle"}]}'
    )
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / ".zarray").write_text(header)
    (folder / "0").write_bytes(b"\x80\x04N.")
    with pytest.raises(FormatError, match="no plain array"):
        read_zarr(folder)
