"""LeRobotDataset v3.0: the files as they are documented, and LeRobot itself where there is one.

LeRobot wants an environment of its own: HANDSIM_LEROBOT_PYTHON names an interpreter that has
lerobot 0.4 and can decode videos.
"""

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from handsim import datasets
from handsim.errors import InputError
from tests.handsim.test_datasets import CODEC_ERROR, pictures, planted
from tests.handsim.test_rollout import rollout

av = pytest.importorskip("av")
pq = pytest.importorskip("pyarrow.parquet")
parquet = pytest.importorskip("handsim.datasets.parquet")
statistics = pytest.importorskip("handsim.datasets.statistics")

PYTHON = os.environ.get("HANDSIM_LEROBOT_PYTHON")
FRONT = "observation.images.front"
STEPS = (4, 9, 1, 6)


def made(rate=30.0):
    """Episodes of two tasks."""
    return [
        planted(steps, seed=k, times=np.arange(steps + 1) / rate) for k, steps in enumerate(STEPS)
    ]


@pytest.fixture(params=[30.0, 29.97])
def dataset(request, tmp_path):
    """The rollouts, where they were written, and their rate."""
    rollouts = made(request.param)
    datasets.write("lerobot", tmp_path / "a", rollouts)
    return rollouts, tmp_path / "a", request.param


def table(path):
    return pq.read_table(path).to_pydict()


def test_the_rows(dataset):
    rollouts, path, rate = dataset
    file = pq.ParquetFile(path / "data" / "chunk-000" / "file-000.parquet")
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types["observation.state"] == "fixed_size_list<element: float>[2]"
    assert types["action"] == "fixed_size_list<element: float>[3]"
    assert types["annotation.keypoints"].count("list") == 2
    assert (types["timestamp"], types["next.reward"]) == ("float", "float")
    assert types["next.done"] == "bool"
    indices = ("frame_index", "episode_index", "index", "task_index", "info.frame")
    assert {types[name] for name in indices} == {"int64"}
    rows = file.read().to_pydict()
    assert rows["index"] == list(range(sum(STEPS)))
    assert rows["episode_index"] == [k for k, steps in enumerate(STEPS) for _ in range(steps)]
    assert rows["task_index"] == [k % 2 for k in rows["episode_index"]]
    expected = np.concatenate([np.arange(steps) / rate for steps in STEPS]).astype(np.float32)
    np.testing.assert_array_equal(np.float32(rows["timestamp"]), expected)
    for name, part in {
        "observation.state": lambda one: one.qpos[:-1],
        "observation.environment_state": lambda one: one.observations["environment_state"][:-1],
        "observation.depth": lambda one: one.observations["depth"][:-1],
        "annotation.keypoints": lambda one: one.annotations["keypoints"][:-1],
        "action": lambda one: one.actions,
        "next.reward": lambda one: one.rewards,
        "next.done": lambda one: one.terminated | one.truncated,
        "info.frame": lambda one: one.info["frame"],
    }.items():
        planted_rows = np.concatenate([part(one) for one in rollouts])
        np.testing.assert_array_equal(np.array(rows[name], np.float32), np.float32(planted_rows))


def test_info_names_every_column(dataset):
    _, path, rate = dataset
    info = json.loads((path / "meta" / "info.json").read_text())
    columns = pq.read_schema(path / "data" / "chunk-000" / "file-000.parquet").names
    videos = {name for name, f in info["features"].items() if f["dtype"] == "video"}
    assert videos == {FRONT, "observation.images.episode", "observation.images.wrist_view"}
    assert set(info["features"]) - videos == set(columns)
    assert info["features"]["observation.state"] == {
        "dtype": "float32",
        "shape": [2],
        "names": ["a", "b"],
    }
    assert info["features"][FRONT]["shape"] == [24, 32, 3]
    assert (info["codebase_version"], info["robot_type"]) == ("v3.0", "toy_right")
    assert (info["total_episodes"], info["total_frames"]) == (len(STEPS), sum(STEPS))
    assert (info["fps"], type(info["fps"])) == (rate, int if rate == 30 else float)
    assert info["splits"] == {"train": f"0:{len(STEPS)}"}


def test_episodes_and_tasks(dataset):
    rollouts, path, rate = dataset
    episodes = table(path / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    ends = np.cumsum(STEPS)
    assert episodes["length"] == list(STEPS)
    assert episodes["dataset_to_index"] == ends.tolist()
    assert episodes["dataset_from_index"] == (ends - STEPS).tolist()
    assert episodes["tasks"] == [[one.task] for one in rollouts]
    for end in ("from", "to"):
        times = np.array(episodes[f"videos/{FRONT}/{end}_timestamp"])
        np.testing.assert_allclose(times, np.array(episodes[f"dataset_{end}_index"]) / rate)
    tasks = pq.read_table(path / "meta" / "tasks.parquet")
    assert tasks.to_pydict() == {"task_index": [0, 1], "task": ["pinch", "grasp a ball"]}
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]


def test_frames_are_at_their_times_exactly(dataset):
    _, path, rate = dataset
    with av.open(str(path / "videos" / FRONT / "chunk-000" / "file-000.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("libdav1d", "yuv420p")
        frames = list(container.decode(stream))
        assert stream.average_rate == Fraction(rate).limit_denominator(1_000_000)
    exact = [Fraction(k) / Fraction(rate).limit_denominator(1_000_000) for k in range(sum(STEPS))]
    assert [frame.pts * frame.time_base for frame in frames] == exact
    assert all(frame.key_frame for frame in frames[::2][:2])


def test_statistics_of_all_are_those_of_the_rows(dataset):
    rollouts, path, _ = dataset
    stats = json.loads((path / "meta" / "stats.json").read_text())
    rows = table(path / "data" / "chunk-000" / "file-000.parquet")
    for name in ("observation.state", "action", "annotation.keypoints", "index", "next.done"):
        values = np.array(rows[name], np.float64)
        for statistic in ("min", "max", "mean", "std"):
            expected = getattr(np, statistic)(values, axis=0)
            found = np.array(stats[name][statistic])
            np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-6)
        assert stats[name]["count"] == [sum(STEPS)]
    colours = np.concatenate([one.frames["front"][:-1] for one in rollouts]) / 255
    assert np.shape(stats[FRONT]["mean"]) == (3, 1, 1)
    np.testing.assert_allclose(np.ravel(stats[FRONT]["mean"]), colours.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(np.ravel(stats[FRONT]["std"]), colours.std(axis=(0, 1, 2)))
    assert set(stats) == set(json.loads((path / "meta" / "info.json").read_text())["features"])


def test_quantiles():
    values = np.random.default_rng(0).normal(size=(5000, 2))
    rows = dict(zip(statistics.NAMES, statistics.of_columns(values), strict=True))
    np.testing.assert_allclose(rows["q50"], np.median(values, axis=0))
    np.testing.assert_allclose(rows["q01"], np.quantile(values, 0.01, axis=0))
    values[:, 1], values[::2, 0] = np.nan, np.inf
    partly = dict(zip(statistics.NAMES, statistics.of_columns(values), strict=True))
    np.testing.assert_allclose(partly["q90"], [np.quantile(values[1::2, 0], 0.9), 0])
    shades = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    seen, count = statistics.of_pictures(shades)
    assert count == 40
    flat = shades.reshape(-1, 3) / 255
    expected = np.quantile(flat, statistics.QUANTILES, axis=0)
    np.testing.assert_allclose(seen[4:], expected, atol=1 / 255)
    np.testing.assert_allclose(seen[2], flat.mean(axis=0))


def test_full_files_are_followed_by_others(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MEGABYTE", 1)
    rollouts = made()
    datasets.write("lerobot", tmp_path / "a", rollouts)
    for below in (f"videos/{FRONT}", "data"):
        names = sorted(file.name for file in (tmp_path / "a" / below / "chunk-000").iterdir())
        assert len(names) == len(STEPS)
        assert names[1].startswith("file-001.")
    assert parquet.file_name(2003, ".mp4") == "chunk-002/file-003.mp4"
    for read, one in zip(datasets.read("lerobot", tmp_path / "a"), rollouts, strict=True):
        np.testing.assert_array_equal(read.states, one.states)
        error = np.abs(read.frames["front"].astype(int) - one.frames["front"])
        assert error.mean() < CODEC_ERROR


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": np.array([0, 1, 2, 3, 5]) / 30}, "not regular"),
        ({"frames": {"front": pictures(5, 23, 32)}}, "even numbers"),
        ({"frames": {"front": pictures(5, 8, 8)}}, "at least 16"),
        ({"observations": {"palm": np.zeros((5, 7))}}, "no 'qpos'"),
        (
            {"observations": {"qpos": np.zeros((5, 2)), "state": np.zeros((5, 2))}},
            "'state' is taken",
        ),
        (
            {"observations": {"qpos": np.zeros((5, 2)), "front": pictures(5)}},
            "'front' has the name of an observed picture",
        ),
    ],
)
def test_what_lerobot_cannot_hold(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        datasets.pack(
            "lerobot", rollout(**{"frames": {"front": pictures(5)}, **changes}), tmp_path / "p"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(PYTHON is None, reason="HANDSIM_LEROBOT_PYTHON is not set")
def test_lerobot_reads_it(dataset):
    rollouts, path, rate = dataset
    check = Path(__file__).with_name("lerobot_check.py")
    done = subprocess.run([PYTHON, str(check), str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["episodes"], said["frames"], said["fps"]) == (len(STEPS), sum(STEPS), rate)
    assert said["one episode"] == STEPS[1]
    assert said["tasks"] == [one.task for one in rollouts for _ in range(len(one))]
    assert said["batches"] == [[4, 4]] * (sum(STEPS) // 4)
    assert said["window"] == [2, 3]
    assert said["shapes"]["annotation.keypoints"] == [21, 3]
    states = np.concatenate([one.qpos[:-1] for one in rollouts])
    keypoints = np.concatenate([one.annotations["keypoints"][:-1] for one in rollouts])
    shown = {name: [item[name] for item in said["items"]] for name in said["items"][0]}
    np.testing.assert_array_equal(np.float32(shown["observation.state"]), np.float32(states))
    np.testing.assert_array_equal(np.float32(shown["annotation.keypoints"]), np.float32(keypoints))
    np.testing.assert_allclose(
        said["stats"]["observation.state"]["mean"], states.mean(axis=0), atol=1e-6
    )
    for camera in ("front", "episode"):
        seen = np.moveaxis(np.array(said["pictures"][f"observation.images.{camera}"]), 1, -1)
        exact = np.concatenate([one.frames[camera][:-1] for one in rollouts])
        errors = np.abs(seen - exact).mean(axis=(1, 2, 3))
        # A frame early or late is off by thrice the bound.
        assert errors.max() < CODEC_ERROR
