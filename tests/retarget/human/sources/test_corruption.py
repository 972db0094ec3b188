"""Whatever the bytes of a file: a typed error of one line or a valid motion, in bounded memory."""

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from functools import cache, partial

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handsim
from handsim import datasets
from handsim.errors import HandsimError, MissingExtraError
from retarget import Calibration, HandTrajectory, Solution
from retarget.human.keypoints import SIDES
from retarget.human.sources import FORMATS, load_hands
from tests.handsim.test_rollout import rollout
from tests.retarget.human.sources import samples, test_mano_datasets
from tests.retarget.human.sources.damage import Sample, copied, edits, spoil_values

pytestmark = pytest.mark.usefixtures("unchecked")

FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
FRACTION = st.floats(0, 1, exclude_max=True)


def survives(read):
    """Whether it is read; anything but a valid result or a typed error of one line is a failure."""
    said = ""
    try:
        read()
    except HandsimError as error:
        said = str(error)
    assert "\n" not in said
    return not said


def read_motions(path, format=None):
    for side, motion in load_hands(path, format).items():
        assert motion.side == side
        assert motion.valid.any()
        assert np.isfinite(motion.palm_keypoints[motion.valid]).all()


@cache
def recordings(motions):
    return samples.real(motions)


def fuzz(path, folder, format):
    sample = Sample(path, folder)
    try:
        read_motions(sample.path, format)
    except MissingExtraError as error:
        pytest.skip(str(error))

    @FEW
    @given(changes=edits(), which=FRACTION, inside=st.booleans())
    def trial(changes, which, inside):
        with sample.spoiled(changes, which, inside):
            survives(lambda: read_motions(sample.path, format))
            survives(lambda: read_motions(sample.path))

    trial()


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_recordings(shared, tmp_path, format):
    found = recordings(shared / "motions")
    if format not in found:
        pytest.skip("no recording of that format")
    fuzz(copied(found[format], tmp_path), tmp_path, format)


@pytest.fixture(scope="module")
def mano_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mano")
    for side in SIDES:
        content = pickle.dumps(test_mano_datasets.mano_content(side))
        (folder / f"MANO_{side.upper()}.pkl").write_bytes(content)
    return folder


@pytest.mark.parametrize("name", samples.MAKERS)
def test_damaged_files_made_up(tmp_path, mano_folder, monkeypatch, name):
    monkeypatch.setenv("HANDSIM_MANO", str(mano_folder))
    fuzz(samples.make(name, tmp_path), tmp_path, name.split(",")[0])


@pytest.mark.parametrize("name", samples.MAKERS)
def test_values_of_another_kind(tmp_path, mano_folder, monkeypatch, name):
    monkeypatch.setenv("HANDSIM_MANO", str(mano_folder))
    path, format, rng = samples.make(name, tmp_path), name.split(",")[0], np.random.default_rng(0)
    files = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    for _ in range(12):
        file = files[int(rng.integers(len(files)))]
        whole = file.read_bytes()
        if not spoil_values(file, rng):
            continue
        survives(lambda: read_motions(path, format))
        survives(lambda: read_motions(path))
        file.write_bytes(whole)


@pytest.mark.parametrize("name", samples.MAKERS)
def test_a_file_of_one_format_read_as_any_other(tmp_path, name):
    path = samples.make(name, tmp_path)
    for other in FORMATS:
        survives(lambda other=other: read_motions(path, other))


OURS = {
    "motion.npz": (HandTrajectory.load, lambda path: samples.make("handsim", path.parent)),
    "rollout.npz": (handsim.Rollout.load, lambda path: rollout().save(path)),
    "trajectory.npz": (
        handsim.JointTrajectory.load,
        lambda path: rollout(observations=tracked()).achieved().save(path),
    ),
    "calibration.npz": (Calibration.load, lambda path: calibration().save(path)),
    "solution.npz": (Solution.load, lambda path: solution().save(path)),
    "demos.hdf5": (
        partial(datasets.read, "robomimic"),
        lambda path: datasets.write("robomimic", path, [rollout()]),
    ),
}


def tracked():
    palm = np.zeros((5, 7))
    palm[:, 3] = 1.0
    return {"qpos": np.zeros((5, 2)), "palm": palm}


def calibration():
    fingers = ("thumb", "index")
    return Calibration("toy", "right", fingers, np.eye(3), np.zeros(3), np.ones(2), "tips", 0.01)


def solution():
    trajectory = rollout(observations=tracked()).achieved()
    rows = (np.zeros(5), np.zeros(5, dtype=np.int64), np.zeros(5))
    return Solution(trajectory, "vector", calibration(), *rows)


@pytest.mark.parametrize("name", OURS)
def test_damaged_files_of_ours(tmp_path, name):
    read, write = OURS[name]
    write(tmp_path / name)
    sample = Sample(tmp_path / name, tmp_path)
    assert survives(lambda: read(sample.path))

    @settings(FEW, max_examples=30)
    @given(changes=edits(), which=FRACTION, inside=st.booleans())
    def trial(changes, which, inside):
        with sample.spoiled(changes, which, inside):
            survives(lambda: read(sample.path))

    trial()


def arrays_of(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


WRONG = {
    "absent": None,
    "objects": np.array([{}, []], dtype=object),
    "text": np.array(["a", "b"]),
    "complex": np.ones(3) * 1j,
    "times": np.zeros(3, "M8[s]"),
    "structured": np.zeros(3, "f4,f4"),
    "nothing": np.zeros((0, 3)),
    "scalar": np.array(1.0),
    "not finite": np.full((5, 2), np.nan),
    "no characters": np.frombuffer(b"\xff" * 8, "<U2"),
}


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith("npz")])
def test_arrays_of_another_kind_in_files_of_ours(tmp_path, name):
    read, write = OURS[name]
    path = tmp_path / name
    write(path)
    whole = arrays_of(path)
    for chosen in whole:
        for wrong in WRONG.values():
            changed = {key: value for key, value in whole.items() if key != chosen}
            np.savez(path, **changed, **({} if wrong is None else {chosen: wrong}))
            survives(lambda: read(path))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


OURS["extraction.npz"] = (
    read_motions,
    lambda path: samples.make("extraction, hamer", path.parent).rename(path),
)


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith("npz")])
def test_headers_of_another_kind_in_files_of_ours(tmp_path, name):
    read, write = OURS[name]
    path = tmp_path / name
    write(path)
    whole = arrays_of(path)
    header = json.loads(whole.pop("header").tobytes())

    @settings(FEW, max_examples=20)
    @given(key=st.sampled_from(sorted(header)), value=JUNK)
    def trial(key, value):
        text = np.frombuffer(json.dumps({**header, key: value}).encode(), np.uint8)
        np.savez(path, **whole, header=text)
        survives(lambda: read(path))

    trial()


# What grows: each is refused by `load` and told of by `inspect` in a process with little memory.


def zip_of(members, sizes=None):
    """A zip archive; `sizes` are what its list of members says they unpack to."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    data, at = bytearray(out.getvalue()), 0
    for size in sizes or []:
        at = data.index(b"PK\x01\x02", at) + 4
        data[at + 20 : at + 24] = struct.pack("<I", size)
    return bytes(data)


def npy(shape, descr, body=b"", fortran=False):
    header = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def overlapping():
    """A thousand entries of the list for one member of 10 MB."""
    whole = zip_of({"k.npy": npy((10 << 17,), "<f8", bytes(10 << 20))})
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry = whole[start:end]
    many = b"".join(entry.replace(b"k.npy", b"%05d" % i) for i in range(1000))
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1000, 1000, len(many), start, 0)
    return whole[:start] + many + tail


def endless_list():
    """A list of members of 16 MB, none of which is there."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", *[0] * 11, 1, *[0] * 6) + b"a"
    many = entry * ((16 << 20) // len(entry))
    count = min(len(many) // len(entry), 0xFFFF)
    return many + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(many), 0, 0)


def hdf5_of(fill):
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        fill(file)
    return out.getvalue()


def huge_joints(file):
    for side in ("left", "right"):
        name = f"transforms/{side}Hand"
        file.create_dataset(name, (10**8, 4, 4), "f4", chunks=(1000, 4, 4), compression="gzip")


def chunk_bomb(file):
    name = "transforms/rightHand"
    dataset = file.create_dataset(name, (10, 4, 4), "f4", chunks=(10, 4, 4), compression="gzip")
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1500)) + packer.flush()
    dataset.id.write_direct_chunk((0, 0, 0), packed)


def lists_of_lists(levels, width):
    stream = b"\x80\x02]q\x00"
    for level in range(1, levels):
        stream += b"]q" + bytes([level]) + b"(" + (b"h" + bytes([level - 1])) * width + b"e"
    return stream + b"."


BOMBS = {
    "declared.npz": lambda: zip_of({"keypoints.npy": bytes(100)}, [2**32 - 2]),
    "lying.npz": lambda: zip_of({"keypoints.npy": npy((10**7, 21, 3), "<f8", bytes(5000))}, [2000]),
    "overlapping.npz": overlapping,
    "endless.npz": endless_list,
    "objects.npz": lambda: zip_of({"keypoints.npy": npy((10**12,), "|O", pickle.dumps([1]))}),
    "zeros.npz": lambda: zip_of({"keypoints.npy": npy((10**15,), "|S0")}),
    "shape.npy": lambda: npy((10**12, 21, 3), "<f8", bytes(100)),
    "axes.npy": lambda: npy((1,) * 5000, "<f8", bytes(8)),
    "structured.npy": lambda: npy((10**9,), [("a", "<f8", (1000, 1000))], bytes(100)),
    "laughs.pkl": lambda: lists_of_lists(30, 20),
    "string.pkl": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "deep.pkl": lambda: b"\x80\x02" + b"]" * 10**5 + b".",
    "deep.json": lambda: b"[" * 10**6,
    "deep closed.json": lambda: b"[" * 10**5 + b"]" * 10**5,
    "wide.json": lambda: b"[" + b"[]," * (6 << 20) + b"[]]",
    "long.json": lambda: b'{"frames": [' + b"9" * (1 << 20) + b"]}",
    "infinite.json": lambda: b'{"frames": [1e999999999]}',
    "deep.jsonl": lambda: b'{"a":' * 10**5,
    "huge.hdf5": lambda: hdf5_of(huge_joints),
    "chunk.hdf5": lambda: hdf5_of(chunk_bomb),
    "frames.bvh": lambda: b"HIERARCHY\nROOT a\n{\n" * 10**5,
    "count.bvh": lambda: (
        b"HIERARCHY\nROOT WRIST\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n}\n"
        b"MOTION\nFrames: 999999999999\nFrame Time: 0.01\n0 0 0\n"
    ),
    "table.csv": lambda: b'"' + b"a," * 10**6,
}
FOLDERS = {
    "shape.zarr": {
        "shape": [10**6, 21, 3],
        "chunks": [10**6, 21, 3],
    },
    "chunks.zarr": {"shape": [10**6, 21, 3], "chunks": [1, 1, 1]},
}
GUARD = """
import resource, sys
from pathlib import Path
from handsim.errors import HandsimError
from retarget.human.keypoints import SIDES
from retarget.human.sources import FORMATS, load_hands
from retarget.inspection import as_text, inspect

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (700 << 20),) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        load_hands(path)
    except HandsimError:
        pass
    else:
        raise SystemExit(f"{path} is read")
    report = inspect(path)
    said = as_text(report) + repr(report.refusals)
    assert "Unable to allocate" not in said and "MemoryError" not in said, said
    # Every format has been made to read it, and has refused it.
    assert report.format or set(report.refusals) == set(FORMATS), report
    assert not any("reads it" in reason for reason in report.refusals.values()), said
    sys.stdout.write(path.name + chr(10))
"""


def test_bombs_are_refused_in_little_memory(tmp_path):
    for name, make in BOMBS.items():
        (tmp_path / name).write_bytes(make())
    for name, header in FOLDERS.items():
        folder = tmp_path / name / "clip" / "joints"
        folder.mkdir(parents=True)
        (folder.parent / ".zgroup").write_text('{"zarr_format": 2}')
        (folder.parent.parent / ".zgroup").write_text('{"zarr_format": 2}')
        plain = {"dtype": "<f4", "order": "C", "compressor": None, "filters": None}
        (folder / ".zarray").write_text(json.dumps({**header, **plain}))
    done = subprocess.run(
        [sys.executable, "-c", GUARD, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-300:]
    assert done.stdout.split("\n")[:-1] == sorted([*BOMBS, *FOLDERS])
