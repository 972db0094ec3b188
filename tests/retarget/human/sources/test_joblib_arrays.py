"""joblib's files: arrays come back, and what is no plain array is refused in bounded memory."""

import struct
import tracemalloc

import numpy as np
import pytest

from handsim.errors import FormatError
from retarget.human.sources.restricted_pickle import loads
from tests.retarget.human.sources.joblib_writer import dumps

ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    np.arange(4, dtype=">i2"),
    np.zeros((0, 3)),
    np.array(3.5),
    np.array(["index", "ring"]),
]


@pytest.mark.parametrize(("protocol", "alignment"), [(2, None), (3, None), (4, 16), (5, 16)])
def test_arrays_come_back_between_other_data(protocol, alignment):
    value = {np.int64(3): ARRAYS, "after": ["text", 1.5]}
    found = loads(dumps(value, protocol, alignment), "data")
    assert set(found) == {3, "after"}
    assert found["after"] == ["text", 1.5]
    for array, expected in zip(found[3], ARRAYS, strict=True):
        np.testing.assert_array_equal(array, expected)
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)


WRAPPER = b"\x80\x03cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"
DTYPE = b"U\x05dtypecnumpy\ndtype\nU\x02%s\x85R"


def wrapped(shape, spec=b"f8", order=b"U\x01C", content=b""):
    """A described array that says what it likes of itself."""
    state = b"}(U\x05shape" + shape + b"U\x05order" + order + DTYPE % spec + b"u"
    return WRAPPER + state + b"b" + content + b"."


def test_the_crafted_array_is_a_good_one_when_it_tells_the_truth():
    found = loads(wrapped(b"K\x02\x85", b"i2", content=b"\1\0\2\0"), "data")
    np.testing.assert_array_equal(found, [1, 2])


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (wrapped(b"\x8a\x08" + struct.pack("<q", 10**15) + b"\x85"), "array of shape"),
        (wrapped(b"\x8a\x05" + (10**11).to_bytes(5, "little") + b"\x85"), "damaged|holds an array"),
        (wrapped(b"J\xff\xff\xff\xff\x85"), "array of shape"),
        (wrapped(b"U\x01x\x85"), "array of shape"),
        (wrapped(b"]"), "without a shape"),
        (wrapped(b"K\x01\x85", b"O8"), "not one of plain numbers"),
        (wrapped(b"K\x01\x85", b"V8"), "not of plain numbers"),
        (WRAPPER + b"}U\x01xK\x01sb.", "without shape, order and type"),
        (WRAPPER + b"K\x01b.", "without shape, order and type"),
        (WRAPPER + b".", "without a type"),
        (b"\x80\x03cjoblib.numpy_pickle\nNDArrayWrapper\n.", "names joblib.numpy_pickle.NDArray"),
        (b"\x80\x03cnumpy\ndtype\n)\x81.", "opcode NEWOBJ"),
    ],
)  # fmt: skip
def test_what_is_no_plain_array_is_refused_in_bounded_memory(stream, message):
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=message) as caught:
            loads(stream, "clip.pkl")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused():
    data = dumps({"a": np.arange(100.0)}, 4, 16)
    for end in range(1, len(data), 37):
        with pytest.raises(FormatError):
            loads(data[:end], "clip.pkl")
