"""The contract of every dataset format: what is packed and assembled comes back."""

import gc
import importlib
import resource
import sys
import tracemalloc
import weakref
from contextlib import contextmanager
from dataclasses import replace

import h5py
import numpy as np
import pytest

from handsim import datasets
from handsim.datasets import columns
from handsim.errors import (
    FormatError,
    HandsimError,
    InputError,
    MissingExtraError,
    MissingFileError,
    OutputError,
    UnknownNameError,
)
from tests.handsim.test_rollout import assert_equal, rollout

NEEDS = {
    "lerobot": ("pyarrow", "av"),
    "minari": ("minari",),
    "robomimic": (),
    "zarr": ("numcodecs",),
}
NAMES = {
    "robomimic": "demos.hdf5",
    "minari": "toy-track-v0",
    "lerobot": "lerobot",
    "zarr": "a.zarr",
}
CODEC_ERROR = 3.0
"""Mean difference of colours, of 255, that a video of smooth pictures stays below."""


@pytest.fixture(params=datasets.FORMATS)
def format(request):
    for package in NEEDS[request.param]:
        pytest.importorskip(package)
    return request.param


@pytest.fixture
def path(format, tmp_path):
    return tmp_path / NAMES[format]


def pictures(frames, height=24, width=32, seed=0):
    """Colours that change smoothly from pixel to pixel and frame to frame."""
    shift = np.arange(frames)[:, None, None] * 9 + 40 * seed
    y, x = np.mgrid[:height, :width]
    waves = [shift + 2 * x, shift + 3 * y, shift + x + y]
    return np.stack([np.abs(w % 255 - 127) + 60 for w in waves], axis=-1).astype(np.uint8)


def planted(steps=4, seed=0, cameras=("front", "episode"), **changes):
    """A rollout with all kinds of arrays in it."""
    rng, frames = np.random.default_rng(seed), steps + 1
    plain = rollout(steps, seed)
    made = replace(
        plain,
        observations={
            **plain.observations,
            "environment_state": rng.normal(size=(frames, 7)).astype(np.float32),
            "contact": rng.integers(0, 2, (frames, 5)).astype(bool),
            "count": rng.integers(0, 9, frames),
            "depth": rng.uniform(size=(frames, 4, 6)),
            "wrist_view": pictures(frames, 16, 16, seed=seed + 5),
        },
        annotations={**plain.annotations, "tactile": rng.integers(0, 99, (frames, 4, 4, 3))},
        frames={name: pictures(frames, seed=i) for i, name in enumerate(cameras)},
        metadata={**rollout().metadata, "seed": seed, "task": ("pinch", "grasp a ball")[seed % 2]},
        model_xml=f"<mujoco model='{seed}'>" + "é" * 70_000,
    )
    return replace(made, **changes)


def assert_comes_back(format, read, made):
    """Equal to the last bit; pictures in a video nearly, but for the last of each camera."""
    if format == "lerobot":
        for camera in made.frames:
            error = np.abs(read.frames[camera].astype(int) - made.frames[camera])
            assert error.mean() < CODEC_ERROR
            assert not error[-1].any()
        seen, exact = read.observations["wrist_view"], made.observations["wrist_view"]
        assert np.abs(seen.astype(int) - exact).mean() < CODEC_ERROR
        observations = {**made.observations, "wrist_view": seen}
        made = replace(made, frames=dict(read.frames), observations=observations)
    assert_equal(read, made)


def files_of(path):
    """The content of every file at or below a path."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}


@pytest.mark.parametrize("cameras", [(), ("front", "episode")])
def test_what_is_written_comes_back(format, path, cameras):
    made = [planted(steps=1 + 5 * k, seed=k, cameras=cameras) for k in range(4)]
    datasets.write(format, path, made)
    read = datasets.read(format, path)
    assert len(read) == 4
    for one, other in zip(read, made, strict=True):
        assert_comes_back(format, one, other)
    assert list(path.parent.iterdir()) == [path]


def test_many_episodes_keep_their_order(format, path):
    made = [planted(steps=1 + k % 3, seed=k, cameras=()) for k in range(12)]
    datasets.write(format, path, made)
    for one, other in zip(datasets.read(format, path), made, strict=True):
        assert_comes_back(format, one, other)


def test_what_only_some_episodes_have_is_kept(format, path):
    rng = np.random.default_rng(0)
    more = {**planted().annotations, "glove": np.full((5, 3), np.nan), "other": rng.normal(size=5)}
    kwargs = {**planted().metadata["env_kwargs"], "ground": 0.1}
    made = [
        planted(),
        planted(annotations=more, metadata={**planted().metadata, "env_kwargs": kwargs}),
        planted(info={}, metadata={"env_id": "handsim/Track-v0"}, model_xml=""),
        planted(annotations={}),
    ]
    datasets.write(format, path, made)
    for one, other in zip(datasets.read(format, path), made, strict=True):
        assert_comes_back(format, one, other)


def test_the_same_packs_give_the_same_bytes(format, path, tmp_path):
    made = [planted(steps=3 + k, seed=k) for k in range(3)]
    folders = [tmp_path / f"pack{k}" for k in range(3)]
    for folder, one in zip(folders, made, strict=True):
        datasets.pack(format, one, folder)
    datasets.assemble(format, path, folders)
    first = files_of(path)
    datasets.assemble(format, path, folders)
    assert files_of(path) == first
    for folder, one in zip(folders, made, strict=True):
        before = files_of(folder)
        datasets.pack(format, one, folder)
        assert files_of(folder) == before
    datasets.write(format, path, made)
    assert files_of(path) == first


def test_rollouts_are_taken_one_at_a_time(format, path):
    alive = []

    def made():
        for k in range(6):
            gc.collect()
            assert sum(reference() is not None for reference in alive) <= 1
            one = planted(seed=k, cameras=())
            alive.append(weakref.ref(one))
            yield one
            del one

    datasets.write(format, path, made())
    assert len(alive) == 6
    read = datasets.episodes(format, path)
    assert_comes_back(format, next(read), planted(seed=0, cameras=()))


def test_assembling_needs_no_more_memory_for_more_episodes(format, path, tmp_path):
    one = planted(steps=200, cameras=())
    one = replace(one, observations={**one.observations, "wide": np.ones((201, 500))})
    size = sum(array.nbytes for array in one.to_arrays()[1].values())
    folders = [tmp_path / str(k) for k in range(12)]
    for folder in folders:
        datasets.pack(format, one, folder)
    peaks = []
    datasets.assemble(format, path, folders[:1])
    for count in (3, 12):
        tracemalloc.start()
        datasets.assemble(format, path, folders[:count])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hand": "other"}, r"rollouts\[1\] has the hand other"),
        ({"joint_names": ("b", "a")}, "joint_names"),
        ({"times": np.arange(5) / 25}, "rate"),
        ({"actions": np.zeros((4, 2))}, "action"),
        ({"observations": {"qpos": np.zeros((5, 2))}}, "observations"),
        ({"frames": {}}, "frames"),
    ],
)
def test_rollouts_that_do_not_go_together(format, path, changes, message):
    with pytest.raises(InputError, match=message):
        datasets.write(format, path, [planted(), planted(**changes)])
    assert not list(path.parent.iterdir())


def test_no_rollouts(format, path):
    nothing = {name: getattr(planted(), name)[:0] for name in ("actions", "rewards", "terminated")}
    still = rollout(0, **nothing, truncated=np.zeros(0, dtype=bool))
    for none in (iter([]), [still]):
        with pytest.raises(InputError, match="at least one"):
            datasets.write(format, path, none)
    assert not list(path.parent.iterdir())


def test_a_pack_is_whole_or_absent(format, tmp_path, monkeypatch):
    module = importlib.import_module(f"handsim.datasets.{format}")
    whole = module.pack

    def disturbed(rollout, folder):
        whole(rollout, folder)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "pack", disturbed)
    with pytest.raises(OutputError, match="No space left"):
        datasets.pack(format, planted(), tmp_path / "pack")
    assert not list(tmp_path.iterdir())
    with pytest.raises(MissingFileError):
        datasets.assemble(format, tmp_path / "out" / NAMES[format], [tmp_path / "pack"])


@pytest.fixture
def full_disk():
    """Files cannot grow beyond a size, which fails as writing to a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextmanager
    def limited(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.mark.parametrize("size", [0, 1000, 6000])
def test_a_full_disk(format, path, tmp_path, full_disk, size):
    made = planted(steps=30)
    pack = tmp_path / "packs" / "0"
    datasets.pack(format, made, pack)
    with full_disk(size), pytest.raises(OutputError):
        datasets.pack(format, made, tmp_path / "packs" / "1")
    with full_disk(size), pytest.raises(OutputError):
        datasets.assemble(format, path, [pack])
    assert [folder.name for folder in pack.parent.iterdir()] == ["0"]
    assert not path.exists()
    assert [folder.name for folder in path.parent.iterdir()] == ["packs"]
    datasets.assemble(format, path, [pack])
    assert datasets.verify(format, path) == 1


def test_a_failed_assembly_leaves_the_old_dataset(format, path, tmp_path):
    datasets.write(format, path, [planted()])
    before, pack = files_of(path), tmp_path / "packs" / "0"
    datasets.pack(format, planted(), pack)
    largest = max(
        (file for file in pack.iterdir() if file.is_file()), key=lambda f: f.stat().st_size
    )
    largest.unlink()
    with pytest.raises(HandsimError):
        datasets.assemble(format, path, [pack])
    assert files_of(path) == before
    assert sorted(path.parent.iterdir()) == sorted([path, pack.parent])


def test_packs_of_another_format(format, path, tmp_path):
    other = "robomimic" if format != "robomimic" else "zarr"
    datasets.pack(other, planted(cameras=()), tmp_path / "pack")
    with pytest.raises(FormatError, match=f"is of the format '{other}', expected '{format}'"):
        datasets.assemble(format, path, [tmp_path / "pack"])


def test_a_folder_of_somebody_else_is_not_replaced(format, tmp_path):
    mine = tmp_path / NAMES[format]
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for do in (datasets.pack, lambda f, r, p: datasets.write(f, p, [r])):
        with pytest.raises(OutputError, match="holds something else|it is a folder"):
            do(format, planted(cameras=()), mine)
    assert [file.name for file in mine.iterdir()] == ["thesis.txt"]


def test_what_is_no_dataset(format, path):
    with pytest.raises(MissingFileError):
        datasets.read(format, path)
    if format == "robomimic":
        path.write_bytes(b"not HDF5")
    else:
        path.mkdir()
    with pytest.raises(FormatError):
        datasets.read(format, path)


def test_damaged_files_are_refused(format, path):
    """Or read in part, where what is damaged is not needed; nothing else is ever raised."""
    datasets.write(format, path, [planted(steps=2, seed=k) for k in range(2)])
    rng, refused = np.random.default_rng(0), 0
    files = files_of(path)
    for name in rng.permutation(sorted(files))[:12]:
        file, whole = path.parent / name, files[name]
        flipped = bytearray(whole)
        for place in rng.integers(0, len(whole), 1 + len(whole) // 50):
            flipped[place] ^= int(rng.integers(1, 256))
        for damaged in (b"", whole[: len(whole) // 2], bytes(flipped), rng.bytes(len(whole))):
            file.write_bytes(damaged)
            try:
                datasets.read(format, path)
            except HandsimError:
                refused += 1
        file.unlink()
        try:
            datasets.read(format, path)
        except HandsimError:
            refused += 1
        file.write_bytes(whole)
    assert refused
    assert len(datasets.read(format, path)) == 2


def test_verifying_counts_episodes(format, path):
    datasets.write(format, path, [planted(seed=k, steps=1 + k) for k in range(3)])
    assert datasets.verify(format, path) == 3


@pytest.mark.parametrize("number", [0.0, np.nan])
def test_verifying_finds_what_is_not_what_was_recorded(format, path, monkeypatch, number):
    """What learners see is changed; what is exact beside it is not."""
    rollouts = [planted(seed=k, steps=20, cameras=()) for k in range(2)]
    datasets.write(format, path, rollouts)
    if format == "robomimic":
        with h5py.File(path, "a") as file:
            file["data/demo_1/obs/qpos"][3] = number
    elif format == "minari":
        with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
            del file["episode_1"]
    else:
        exact = columns.column_rows

        def changed(rollout, key):
            rows = exact(rollout, key)
            if key == ("state", "") and rollout is rollouts[1]:
                rows[3, 0] = number
            return rows

        with monkeypatch.context() as patch:
            patch.setattr(f"handsim.datasets.{format}.column_rows", changed)
            datasets.write(format, path, rollouts)
    with pytest.raises(FormatError, match="not what was recorded|do not continue|holds 1 episodes"):
        datasets.verify(format, path)


def test_names_of_formats(tmp_path):
    with pytest.raises(
        UnknownNameError, match=r"'rlds'. Available: lerobot, minari, robomimic, zarr"
    ):
        datasets.write("rlds", tmp_path / "a", [planted()])
    with pytest.raises(UnknownNameError, match="robomimic"):
        datasets.read("rlds", tmp_path / "a")


@pytest.mark.parametrize(("name", "package"), [("lerobot", "pyarrow"), ("minari", "minari")])
def test_an_absent_package_is_named(tmp_path, monkeypatch, name, package):
    for module in (name, "parquet"):
        monkeypatch.delitem(sys.modules, f"handsim.datasets.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"'{package}'.*pip install 'handsim\[{name}\]'"):
        datasets.write(name, tmp_path / "toy-v0", [planted()])
