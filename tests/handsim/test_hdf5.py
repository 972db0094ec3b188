"""HDF5 that points elsewhere or claims to be larger than it is: named and refused, unread."""

import tracemalloc
import zlib

import h5py
import numpy as np
import pytest

from handsim.errors import FormatError, MissingFileError
from handsim.hdf5 import Hdf5

PLAIN = {
    "numbers": np.arange(6.0).reshape(2, 3),
    "truths": np.array([True, False]),
    "bytes": np.array([b"a", b"bc"]),
    "nothing": np.zeros((0, 21, 3)),
    "group/inside": np.int16(4),
}


def gzip_bomb(file, name):
    """A chunk of a thousand bytes whose stream unpacks to 100 MB."""
    dataset = file.create_dataset(name, (1000,), "u1", chunks=(1000,), compression="gzip")
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    dataset.id.write_direct_chunk((0,), packed)


def virtual(file, name):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (3,))
    file.create_virtual_dataset(name, layout)


def outside(file, name):
    file.create_dataset(name, (3,), "u1", external=[("/etc/hostname", 0, 3)])


def soft(file, name):
    file["target"] = np.arange(3)
    file[name] = h5py.SoftLink("/target")


def long_texts(file, name):
    file["filler"] = np.zeros(1 << 20)
    file.create_dataset(name, (1 << 12,), h5py.string_dtype())


HOSTILE = {
    "lies in another file": [virtual, outside],
    "is a link to elsewhere": [
        soft,
        lambda file, name: file.__setitem__(name, h5py.ExternalLink("other.h5", "/secret")),
    ],
    "declares 80000000000 bytes but stores 0": [
        lambda file, name: file.create_dataset(name, (10**10,), "f8", chunks=(1000,))
    ],
    "is stored in chunks of 800000000 bytes": [
        lambda file, name: file.create_dataset(name, (1,), "f8", maxshape=(None,), chunks=(10**8,))
    ],
    "a chunk of x unpacks to more than its 1000 bytes": [gzip_bomb],
    "not of plain numbers": [
        lambda file, name: file.create_dataset(name, (2,), [("a", "f4"), ("b", "i4")]),
        lambda file, name: file.create_dataset(name, (2,), h5py.ref_dtype),
        lambda file, name: file.create_dataset(name, (2,), h5py.vlen_dtype("f8")),
    ],
    "holds too many strings": [long_texts],
    "is packed otherwise than by gzip": [
        lambda file, name: file.create_dataset(name, data=np.zeros(9), compression="lzf", chunks=9)
    ],
    "holds nothing": [lambda file, name: file.__setitem__(name, h5py.Empty("f4"))],
    "has no dataset": [lambda file, name: file.create_group(name)],
}
CASES = [(reason, make) for reason, makers in HOSTILE.items() for make in makers]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.h5"


def test_plain_data_comes_back(path):
    with h5py.File(path, "w") as file:
        for name, values in PLAIN.items():
            file[name] = values
        packed = np.random.default_rng(0).normal(size=(40, 30))
        file.create_dataset("packed", data=packed, compression="gzip", shuffle=True, fletcher32=1)
        file["texts"] = ["index", "ring"]
        file["group"].attrs["task"] = "pinch"
    with Hdf5(path) as file:
        for name, values in PLAIN.items():
            np.testing.assert_array_equal(file[name], values)
        np.testing.assert_array_equal(file["packed"], packed)
        assert list(file["texts"]) == ["index", "ring"]
        assert file.attribute("task", "group") == "pinch"
        assert file.attribute("none") is None
        assert file.attributes("group") == ["task"]
        assert file.names("group") == ["inside"]
        assert file.names("none") == []
        assert "group/inside" in file
        assert "group/inside/more" not in file
        assert {m.name: m.refusal for m in file.members()} == dict.fromkeys(
            [*PLAIN, "packed", "texts"], ""
        )


@pytest.mark.parametrize(("reason", "make"), CASES, ids=lambda value: str(value)[:30])
def test_what_is_hostile_is_refused_by_name(path, reason, make):
    with h5py.File(path, "w") as file:
        make(file, "x")
    tracemalloc.start()
    try:
        with Hdf5(path) as file:
            with pytest.raises(FormatError, match=reason):
                file["x"]
            list(file.members())
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_group_in_itself_is_walked_once(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("a")
        group["a"], group["x"] = group, np.arange(3)
    with Hdf5(path) as file:
        found = {member.name: member.refusal for member in file.members()}
        assert found == {"a/a/": "contains itself, or is nested too deeply", "a/x": ""}


def test_one_dataset_under_many_names_counts_each_time(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(1000)
        for i in range(9):
            file[f"again_{i}"] = file["x"]
    with Hdf5(path, limit=40_000) as file, pytest.raises(FormatError, match="more than 40000"):
        for name in file.names():
            file[name]


def test_what_is_no_file_of_hdf5_is_refused(path):
    with pytest.raises(MissingFileError):
        Hdf5(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    with pytest.raises(FormatError):
        Hdf5(path)
