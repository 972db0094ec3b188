"""The pickle machine: all of data, nothing else, whatever the bytes."""

import pickle
import struct
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim.errors import FormatError
from retarget.human.sources.restricted_pickle import loads

pytestmark = pytest.mark.usefixtures("unchecked")

PROTOCOLS = range(6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
DATA = st.recursive(
    SCALARS | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=12,
)
ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    np.arange(4, dtype=">i2"),
    np.array([True, False]),
    np.zeros((0, 3)),
    np.array(3.5),
    np.array(["index", "ring"]),
    np.arange(3) * 1j,
]


@settings(max_examples=80, deadline=None)
@given(value=DATA, protocol=st.sampled_from(PROTOCOLS))
def test_plain_data_comes_back(value, protocol):
    assert loads(pickle.dumps(value, protocol), "data") == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_come_back(array, protocol):
    found = loads(pickle.dumps({"a": [array]}, protocol), "data")["a"][0]
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_scalars_and_sets_come_back(protocol):
    objects = np.array([np.arange(3), None, {"a": 1}], dtype=object)
    value = [objects, np.float64(2.5), np.int16(-3), OrderedDict(a=1), {1, 2}, frozenset("ab")]
    found = loads(pickle.dumps(value, protocol), "data")
    np.testing.assert_array_equal(found[0][0], np.arange(3))
    assert list(found[0][1:]) == [None, {"a": 1}]
    assert found[1:] == [2.5, -3, {"a": 1}, {1, 2}, frozenset("ab")]
    assert type(found[1]) is np.float64


def test_shared_values_are_shared_by_content():
    row = [1, 2]
    assert loads(pickle.dumps([row, row]), "data") == [row, row]


class Record:
    """A class somebody may be told to expect."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_of_a_class_that_is_expected_are_their_attributes(protocol):
    record = Record()
    record.values, record.inner = np.arange(3), Record()
    name = f"{Record.__module__}.Record"
    stream = pickle.dumps([record], protocol)
    (found,) = loads(stream, "data", classes=[name])
    assert found.kind == found.state["inner"].kind == name
    np.testing.assert_array_equal(found.state["values"], [0, 1, 2])
    assert found.state["inner"].state == {}
    with pytest.raises(FormatError, match="names .*Record"):
        loads(stream, "data")


class Caller:
    """What an attacker would pickle."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize(
    ("stream", "named"),
    [
        (b"cposix\nsystem\n(S'true'\ntR.", "posix.system"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "posix.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"c__builtin__\ngetattr\n.", "__builtin__.getattr"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.", "_reconstruct.__globals__"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0adtype.type\x93.", "numpy.dtype.type"),
        (pickle.dumps(Caller(print, "x")), "builtins.print"),
        (pickle.dumps(Caller), "Caller"),
        (pickle.dumps(OrderedDict), "bare Name"),
    ],
)
def test_names_that_are_not_data_are_refused_by_name(stream, named):
    with pytest.raises(FormatError, match="refused") as caught:
        loads(stream, "clip.pkl")
    assert named in str(caught.value)
    assert str(caught.value).startswith("clip.pkl ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("stream", "opcode"),
    [
        (b"(iposix\nsystem\n.", "INST"),
        (b"(cnumpy\ndtype\no.", "OBJ"),
        (b"cnumpy\ndtype\n)\x81.", "NEWOBJ"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"Pan id\n.", "PERSID"),
        (b"\x80\x02]Q.", "BINPERSID"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
    ],
)
def test_opcodes_that_data_does_not_need_are_refused(stream, opcode):
    with pytest.raises(FormatError, match=f"uses the pickle opcode {opcode}, .*refused"):
        loads(stream, "clip.pkl")


HEAD = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"


def array_stream(shape, spec, content, extra=b""):
    """A pickled array that says what it likes of itself."""
    dtype = b"cnumpy\ndtype\nX" + struct.pack("<I", len(spec)) + spec + b"\x85R" + extra
    body = b"C" + bytes([len(content)]) + content
    return HEAD + b"(K\x01" + shape + dtype + b"\x89" + body + b"tb."


def test_the_crafted_stream_is_a_good_one_when_it_tells_the_truth():
    found = loads(array_stream(b"K\x02\x85", b"i2", b"\1\0\2\0"), "data")
    np.testing.assert_array_equal(found, [1, 2])


@pytest.mark.parametrize(
    ("shape", "spec", "extra"),
    [
        (b"\x8a\x08" + struct.pack("<q", 10**12) + b"\x85", b"f8", b""),
        (b"\x8a\x08" + struct.pack("<q", 10**12) + b"\x85", b"U0", b""),
        (b"J\xff\xff\xff\xff\x85", b"f8", b""),
        (b"K\x02\x85", b"f8", b""),
        (b"]", b"f8", b""),
        (b"K\x02\x85", b"O8", b""),
        (b"K\x02\x85", b"f8,f8", b""),
        (b"K\x02\x85", b"V8", b""),
        (b"K\x02\x85", b"M8[s]", b""),
        (b"K\x01\x85", b"i4", b"(K\x03U\x01|NU\x01xNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"),
        (b"K\x01\x85", b"i4", b"(K\x03U\x01?NNNtb"),
    ],
)
def test_arrays_that_lie_about_themselves_are_refused(shape, spec, extra):
    with pytest.raises(FormatError):
        loads(array_stream(shape, spec, b"\0\0\0\0", extra), "clip.pkl")


def copies(count, times):
    """A list of numbers, and a set made of it again and again."""
    numbers = b"(" + b"".join(b"J" + struct.pack("<i", i) for i in range(count)) + b"l\x94"
    return b"\x80\x04" + numbers + b"(" + b"c__builtin__\nset\nh\x00\x85R" * times + b"l."


def nested(count, opening, closing):
    return b"\x80\x02" + opening * count + closing * count + b"."


def lists_of_lists(levels, width):
    """A list of `width` references to one list, which again …: width ** levels values."""
    stream = b"\x80\x02]q\x00"
    for level in range(1, levels):
        stream += b"]q" + bytes([level]) + b"(" + (b"h" + bytes([level - 1])) * width + b"e"
    return stream + b"."


BOMBS = {
    "a huge counted string": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "a huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "deep lists": nested(20_000, b"]", b"a")[:-2] + b".",
    "deep tuples as a key": b"\x80\x02})" + b"\x85" * 20_000 + b"K\x01s.",
    "deep tuples in a set": b"\x80\x04\x8f()" + b"\x85" * 20_000 + b"\x90.",
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "lists of lists": lists_of_lists(30, 20),
    "copies of a list": copies(10_000, 1_000),
    "a row of sets": b"\x80\x04(" + b"\x8f" * 20_000 + b"l.",
    "a long decimal": b"I" + b"9" * 100_000 + b"\n.",
    "marks": b"(" * 20_000 + b".",
}


HARMLESS = {
    "a memo slot with a huge number": b"\x80\x02]r\xff\xff\xff\x7f.",
    "a huge frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"].",
}


@pytest.mark.parametrize("name", [*BOMBS, *HARMLESS])
def test_bombs_take_no_memory(name):
    tracemalloc.start()
    try:
        if name in HARMLESS:
            assert loads(HARMLESS[name], "clip.pkl") == []
        else:
            with pytest.raises(FormatError, match="^clip.pkl "):
                loads(BOMBS[name], "clip.pkl")
        assert tracemalloc.get_traced_memory()[1] < 80e6
    finally:
        tracemalloc.stop()


def test_large_arrays_are_views_of_the_pickle():
    stream = pickle.dumps(
        {"large": np.arange(1e4), "again": [np.arange(1e4)] * 3, "raw": bytes(5000)}
    )
    found = loads(stream, "clip.pkl")
    np.testing.assert_array_equal(found["large"], np.arange(1e4))
    for array in (found["large"], found["again"][2], np.frombuffer(found["raw"], np.uint8)):
        assert np.shares_memory(array, np.frombuffer(stream, np.uint8))
        assert not array.flags.writeable
    assert found["raw"] == bytes(5000)


def test_a_shared_array_may_not_be_multiplied():
    big = np.zeros(50_000)
    loads(pickle.dumps([big] * 10), "clip.pkl")
    with pytest.raises(FormatError, match="would grow beyond 16 times its size: refused"):
        loads(pickle.dumps([big] * 1000), "clip.pkl")


def seeds():
    """Pickles to spoil, with all that recordings are made of."""
    frames = [np.arange(63.0).reshape(21, 3), None, np.float32(3), {"is_right": 1.0, "b": (1, [2])}]
    objects = np.array({"betas": np.zeros((1, 10), np.float32)}, dtype=object)
    return [pickle.dumps([frames, objects, {1, 2}], protocol) for protocol in PROTOCOLS]


def survives(stream):
    """Whether the bytes are read; anything but a FormatError of one line is a failure."""
    message = ""
    try:
        loads(stream, "clip.pkl")
    except FormatError as error:
        message = str(error)
    assert "\n" not in message
    return not message


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_truncated_pickles_are_refused(protocol):
    stream = seeds()[protocol]
    assert survives(stream)
    assert not any(survives(stream[:length]) for length in range(0, len(stream), 3))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_corrupted_pickles_are_refused_or_read(protocol):
    rng = np.random.default_rng(protocol)
    original = np.frombuffer(seeds()[protocol], np.uint8)
    read = 0
    for _ in range(600):
        stream = original.copy()
        places = rng.integers(0, len(stream), rng.integers(1, 5))
        stream[places] = rng.integers(0, 256, len(places))
        read += survives(stream.tobytes())
    assert 0 < read < 600


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_refused_or_read(stream):
    survives(stream)
    survives(stream + b".")


def test_nesting_is_bounded_in_words():
    assert loads(nested(60, b"]", b"")[:-1] + b"a" * 59 + b".", "clip.pkl")
    with pytest.raises(FormatError, match="is nested deeper than 64 levels: refused"):
        loads(nested(100, b"]", b"")[:-1] + b"a" * 99 + b".", "clip.pkl")
