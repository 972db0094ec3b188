"""WiLoR's keypoints over videos, in Zarr."""

import json

import numpy as np
import pytest

from handsim.errors import FormatError, InputError, MissingExtraError
from handsim.zarr_arrays import read_zarr
from retarget.human.sources import load
from tests.retarget.human import planted
from tests.retarget.human.sources.writers import write_zarr

KEYPOINTS = (planted.keypoints() - planted.keypoints()[:, :1]).astype(np.float32)


@pytest.fixture
def archive(tmp_path):
    write_zarr(tmp_path / "hands.zarr" / "first.mp4" / "joints", KEYPOINTS, (16, 21, 2))
    return tmp_path / "hands.zarr"


def test_the_one_video_is_read(archive):
    motion = load(archive, fps=25)
    np.testing.assert_array_equal(motion.keypoints, KEYPOINTS)
    assert (motion.source.format, motion.source.frame) == ("wilor_video", "wrist")
    assert (motion.rate, motion.side) == (pytest.approx(25), "right")
    np.testing.assert_array_equal(load(archive / "first.mp4").keypoints, KEYPOINTS)


def test_of_several_videos_one_is_named(archive):
    write_zarr(archive / "second.mp4" / "joints", KEYPOINTS, (40, 21, 3))
    with pytest.raises(InputError, match=r"2 videos, .* Available: first\.mp4, second\.mp4\."):
        load(archive)
    np.testing.assert_array_equal(load(archive / "second.mp4").keypoints, KEYPOINTS)


def test_a_compressed_array_is_read(tmp_path):
    blosc = pytest.importorskip("numcodecs.blosc")
    compress = blosc.Blosc("lz4", shuffle=blosc.Blosc.BITSHUFFLE).encode
    write_zarr(tmp_path / "a", KEYPOINTS, (16, 21, 3), lambda data: bytes(compress(data)))
    np.testing.assert_array_equal(read_zarr(tmp_path / "a"), KEYPOINTS)
    chunk = tmp_path / "a" / "1.0.0"
    good = chunk.read_bytes()
    for bad in (good[:10], good[:-5], good[:4] + b"\xff" * 4 + good[8:], good[:20] + b"x" * 99):
        chunk.write_bytes(bad)
        with pytest.raises(FormatError, match=r"1\.0\.0 is a damaged chunk"):
            read_zarr(tmp_path / "a")


def test_without_numcodecs_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    write_zarr(tmp_path / "a", KEYPOINTS, (40, 21, 3), lambda data: data)
    monkeypatch.setitem(__import__("sys").modules, "numcodecs.blosc", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'handsim\[zarr\]'"):
        read_zarr(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [10**12, 21, 3]}, "expected at most 2147483648 bytes"),
        ({"shape": [10**6, 21, 3], "chunks": [1, 1, 1]}, "63000000 chunks, .* holds 7 files"),
        ({"chunks": [0, 21, 3]}, "no plain array of numbers"),
        ({"chunks": [40, 21]}, "no plain array of numbers"),
        ({"shape": [-1, 21, 3]}, "damaged .zarray: ValueError"),
        ({"shape": 3}, "damaged .zarray: TypeError"),
        ({"shape": [60, 21, 3]}, "declares 8 chunks, .* holds 7 files"),
        ({"shape": [50, 21, 2]}, "has no chunk 3.0.0"),
        ({"dtype": "|O"}, "no plain array of numbers"),
        ({"dtype": "nonsense"}, "damaged .zarray: TypeError"),
        ({"dtype": "<f8"}, "holds 2688 bytes, expected 5376"),
        ({"order": "F"}, "no plain array of numbers"),
        ({"filters": [{"id": "delta"}]}, "no plain array of numbers"),
        ({"compressor": {"id": "zlib"}}, "compressed by 'zlib'. Available: blosc, none"),
    ],
)
def test_arrays_that_are_wrong(archive, change, message):
    member = archive / "first.mp4" / "joints" / ".zarray"
    member.write_text(json.dumps(json.loads(member.read_text()) | change))
    with pytest.raises(FormatError, match=message) as caught:
        load(archive)
    assert "\n" not in str(caught.value)
