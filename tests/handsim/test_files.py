"""Files are whole or absent, and say what they are."""

import numpy as np
import pytest

from handsim import files
from handsim.errors import FormatError, OutputError
from handsim.files import load_npz, replacing, save_npz, sha256


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), replacing(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError("half way")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_replaces_and_makes_folders(tmp_path):
    target = tmp_path / "b" / "c.txt"
    with replacing(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_is_not_overwritten(tmp_path):
    with pytest.raises(OutputError, match="it is a folder"), replacing(tmp_path):
        pass


def test_archives_say_what_they_are(tmp_path):
    path = tmp_path / "x.npz"
    save_npz(path, {"kind": "a", "schema": 1, "note": "ü"}, {"v": np.arange(3)})
    header, arrays = load_npz(path, "a", 1)
    assert header["note"] == "ü"
    np.testing.assert_array_equal(arrays["v"], np.arange(3))
    with pytest.raises(FormatError, match="holds a 'a', expected a 'b'"):
        load_npz(path, "b", 1)
    with pytest.raises(FormatError, match="schema 1, this version reads up to 0"):
        load_npz(path, "a", 0)


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "x.npz", header=np.array([{"kind": "a"}], dtype=object))
    with pytest.raises(FormatError, match="not an archive written by this project"):
        load_npz(tmp_path / "x.npz", "a", 1)


def test_the_same_content_is_the_same_file(tmp_path):
    for name in ("x.npz", "y.npz"):
        save_npz(tmp_path / name, {"kind": "a", "schema": 1}, {"v": np.arange(3)})
    assert sha256(tmp_path / "x.npz") == sha256(tmp_path / "y.npz")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    save_npz(tmp_path / "x.npz", {"kind": "a", "schema": 1}, {"v": np.zeros(10_000)})
    monkeypatch.setattr(files, "LARGEST", 50_000)
    with pytest.raises(FormatError, match="unpacks to 80"):
        load_npz(tmp_path / "x.npz", "a", 1)


def test_a_damaged_archive_is_a_format_error_or_still_whole(tmp_path):
    path = tmp_path / "x.npz"
    save_npz(path, {"kind": "a", "schema": 1}, {"v": np.arange(30.0)})
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        for place in rng.integers(0, len(damaged), size=3):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            load_npz(path, "a", 1)
        except FormatError:
            refused += 1
    assert refused > 250
