"""Reading .npy and .npz: sizes are checked before anything is allocated."""

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from handsim.errors import FormatError, MissingFileError
from retarget.human.sources import arrays
from retarget.human.sources.arrays import Archive, container, parse_npy, read_npy


def npy(header, body=b""):
    text = repr(header).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def saved(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.zeros((0, 3), np.float32),
        np.array(4),
        np.array("RIGHT"),
        np.arange(3, dtype=">i4"),
    ],
)
def test_a_npy_comes_back(array):
    found = parse_npy(saved(array), "a.npy")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_objects_in_a_npy_are_read_as_data():
    inside = {"a": np.arange(3)}
    found = parse_npy(saved(np.array(inside, dtype=object), allow_pickle=True), "a.npy")
    np.testing.assert_array_equal(found.item()["a"], np.arange(3))


class Evil:
    def __reduce__(self):
        return os.getcwd, ()


def test_objects_in_a_npy_that_are_code_are_refused():
    stream = saved(np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="names posix.getcwd"):
        parse_npy(stream, "a.npy")


BASE = {"descr": "<f8", "fortran_order": False, "shape": (2,)}


@pytest.mark.parametrize(
    "stream",
    [
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY\x09\x00v\x00" + b" " * 118,
        npy({**BASE, "shape": (10**15,)}, bytes(16)),
        npy({**BASE, "shape": (10**15,), "descr": "|S0"}, b""),
        npy({**BASE, "shape": (-2,)}, bytes(16)),
        npy({**BASE, "shape": (3,)}, bytes(16)),
        npy({**BASE, "shape": "two"}, bytes(16)),
        npy({**BASE, "descr": "nonsense"}, bytes(16)),
        npy({**BASE, "descr": "|O"}, bytes(16)),
        npy({**BASE, "descr": "|O"}, pickle.dumps([1, 2])),
        npy({**BASE, "descr": "|O", "shape": (2,)}, pickle.dumps(np.array([None], dtype=object))),
        npy({"shape": (2,)}, bytes(16)),
        npy(BASE, bytes(15)),
        npy(BASE, bytes(17)),
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000,
    ],
)
def test_a_damaged_npy_is_refused(stream):
    with pytest.raises(FormatError) as caught:
        parse_npy(stream, "a.npy")
    assert str(caught.value).startswith("a.npy ")
    assert "\n" not in str(caught.value)


def test_what_a_file_is_follows_from_its_content(tmp_path):
    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    np.savez(tmp_path / "archive.npz", a=np.arange(3))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.pkl")
    assert container(tmp_path) == "folder"
    assert container(tmp_path / "archive.pkl") == "npz"
    assert container(write("array.txt", saved(np.arange(3)))) == "npy"
    assert container(write("new.bin", pickle.dumps(1, 2))) == "pickle"
    assert container(write("old.pkl", pickle.dumps(1, 0))) == "pickle"
    assert container(write("readme.md", b"# text")) == "other"
    with pytest.raises(FormatError, match="is empty"):
        container(write("nothing.npy", b""))
    with pytest.raises(MissingFileError):
        container(tmp_path / "none.npy")
    with pytest.raises(MissingFileError):
        container(tmp_path / ("long" * 100))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="device or a pipe"):
        container(tmp_path / "pipe")


def test_an_archive_reads_what_it_is_asked_for(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.arange(3), side=np.array("left"))
    archive = Archive(tmp_path / "a.npz")
    assert archive.names == {"a", "side"}
    assert "a" in archive
    np.testing.assert_array_equal(archive["a"], np.arange(3))
    assert archive.item("side") == "left"
    assert archive.get("b") is None
    assert archive.item("b") is None
    with pytest.raises(FormatError, match=r"no array 'b'\. Available: a, side\."):
        archive["b"]
    with pytest.raises(FormatError, match=r"a has shape \(3,\), expected one value"):
        archive.item("a")


def test_a_zip_bomb_is_refused_unread(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(1000))
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(data)
    with pytest.raises(FormatError, match="unpacks to 4294967294 bytes"):
        Archive(path)


def test_an_archive_that_unpacks_to_more_than_it_says_is_cut(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", saved(np.zeros(10_000)))
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 200)
    path.write_bytes(data)
    with pytest.raises(FormatError):
        Archive(path)["a"]


def test_large_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "LIMIT", 100)
    (tmp_path / "a.npy").write_bytes(saved(np.zeros(100)))
    with pytest.raises(FormatError, match="expected at most 100"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.usefixtures("unchecked")
def test_damaged_archives_are_refused_or_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.arange(30.0), b=np.array({"c": 1}, dtype=object))
    original = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    messages = []
    for trial in range(800):
        stream = original.copy()
        places = rng.integers(0, len(stream), rng.integers(1, 4))
        stream[places] = rng.integers(0, 256, len(places))
        whole = stream.tobytes()
        path.write_bytes(whole if trial % 4 else whole[: rng.integers(1, len(whole))])
        try:
            archive = Archive(path)
            for name in archive.names:
                archive[name]
        except FormatError as error:
            messages.append(str(error))
    assert 400 < len(messages) < 800
    assert not any("\n" in message for message in messages)
