"""Every layout of the glove gives the same readings, and comes back as it was."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim.errors import HandsimError, InputError
from retarget.human.magnetometers import FINGERS, SENSORS, decode, encode
from tests.retarget.human import glove

XYZ = glove.counts()


def assert_same_rows(one, other):
    """To the last bit, in precision and in shape."""
    assert type(one) is type(other)
    if isinstance(one, list):
        assert [row[0] for row in one] == [row[0] for row in other]
        one, other = (np.stack([row[1] for row in rows]) for rows in (one, other))
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert one.tobytes() == np.ascontiguousarray(other).tobytes()


@pytest.mark.parametrize("layout", glove.LAYOUTS)
def test_each_layout_comes_back(layout):
    rows = glove.LAYOUTS[layout](XYZ)
    readings = decode(rows, "mags")
    np.testing.assert_array_equal(readings.counts, XYZ)
    assert len(readings) == len(XYZ)
    assert_same_rows(encode(readings), rows)


@pytest.mark.parametrize("layout", glove.LAYOUTS)
def test_each_layout_says_when(layout):
    readings = decode(glove.LAYOUTS[layout](XYZ), "mags")
    if "(N, 2)" in layout:
        np.testing.assert_array_equal(readings.times_ns, glove.stamps())
    else:
        assert readings.times_ns is None
    if layout in ("(N, 2) of 30", "(N, 30)", "(N, 10, 3)"):
        assert readings.sensor_times is None
    else:
        np.testing.assert_array_equal(readings.sensor_times, glove.sensor_times())
    if layout in ("(N, 65)", "(N, 40, 14)"):
        np.testing.assert_array_equal(readings.imu, glove.inertial())
    else:
        assert readings.imu is None


@pytest.mark.parametrize("address", range(4))
def test_a_legacy_glove_has_one_of_four_addresses(address):
    rows = glove.legacy(XYZ, address)
    readings = decode(rows, "mags")
    assert readings.address == address
    np.testing.assert_array_equal(readings.counts, XYZ)
    assert_same_rows(encode(readings), rows)


def test_the_order_is_named():
    assert SENSORS[:3] == ("index_main", "index_reference", "middle_main")
    assert (len(SENSORS), FINGERS[-1]) == (10, "thumb")
    xyz = np.zeros((1, 10, 3))
    xyz[0, SENSORS.index("pinky_main"), 2] = 7.0
    assert decode(xyz.reshape(1, 30), "mags").counts[0, 6, 2] == 7.0


@pytest.mark.parametrize("container", [list, tuple, pickle, object])
@pytest.mark.parametrize("layout", glove.LAYOUTS)
def test_what_holds_the_rows_does_not_matter(layout, container):
    rows = list(glove.LAYOUTS[layout](XYZ))
    if container is pickle:
        rows = [row.tolist() if isinstance(row, np.ndarray) else list(row) for row in rows]
    elif container is object:
        held = np.empty((len(rows), 2) if "(N, 2)" in layout else len(rows), dtype=object)
        held[:] = rows
        rows = held
    else:
        rows = container(rows)
    np.testing.assert_array_equal(decode(rows, "mags").counts, XYZ)


def test_objects_and_missing_rows_are_nan():
    glove_of_objects = XYZ.astype(object)
    glove_of_objects[3, 4, 1] = None
    expected = XYZ.astype(float)
    expected[3, 4, 1] = np.nan
    np.testing.assert_array_equal(decode(glove_of_objects, "glove").counts, expected)
    rows = [None, *XYZ[1:5]]
    assert np.isnan(decode(rows, "mags").counts[0]).all()
    pairs = [(glove.START, None), *glove.paired(XYZ)[1:5]]
    assert np.isnan(decode(pairs, "mags").counts[0]).all()
    assert decode(pairs, "mags").times_ns[0] == glove.START


@pytest.mark.parametrize("missing", [1, 3, 4, 13])
@pytest.mark.parametrize("layout", ["(N, 2) of 30", "(N, 2) of 40", "(N, 40)", "(N, 65)"])
def test_a_short_message_is_refused_not_reshaped(layout, missing):
    rows = list(glove.LAYOUTS[layout](XYZ))
    short = rows[7][1] if isinstance(rows[7], tuple) else rows[7]
    short = short[:-missing]
    rows[7] = (rows[7][0], short) if isinstance(rows[7], tuple) else short
    with pytest.raises(InputError, match=rf"^mags: row 7 has shape \({len(short)},\), expected"):
        decode(rows, "mags")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((5, 36)), r"mags: rows of shape \(36,\)\. Available: \(30,\), \(10, 3\)"),
        (np.zeros((5, 4, 10)), r"rows of shape \(4, 10\)"),
        (np.zeros(40), r"rows of shape \(\)"),
        (np.zeros((5, 40), complex), "type complex128, expected numbers"),
        ([np.zeros(29)] * 3, r"rows of shape \(29,\)"),
        ([], "no rows"),
        (None, "no rows"),
        ("rows", "no rows"),
        ([None, None], "all of the 2 rows are missing"),
        ([(0, np.zeros(30)), np.zeros(30)], "row 1 is no pair of t_ns and values"),
        ([(np.nan, np.zeros(30))], "t_ns of row 0: nan, expected nanoseconds"),
        ([(-1, np.zeros(30))], "t_ns of row 0: -1, expected nanoseconds"),
        ([(1 << 70, np.zeros(30))], "t_ns of row 0: .*, expected nanoseconds"),
        ([("now", np.zeros(30))], "t_ns of row 0: 'now', expected nanoseconds"),
        ([["x"] * 30], "row 0: .*expected numbers"),
        ([[[1.0], [2.0, 3.0]] * 15], "row 0: .*expected numbers"),
        (np.full((3, 40, 14), np.nan), "addresses .* are in use, expected one of four"),
        (np.zeros((3, 40, 14)), "addresses .* are in use, expected one of four"),
    ],
)
def test_what_is_of_no_layout(values, message):
    with pytest.raises(InputError, match=message) as caught:
        decode(values, "mags")
    assert "\n" not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(st.integers(), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.integers(0, 70))
def test_anything_else_is_refused_in_words(value, width):
    for values in (value, [value] * 3, [(1, value)], [[0.5] * width, value]):
        message = ""
        try:
            decode(values, "mags")
        except HandsimError as error:
            message = str(error)
        assert "\n" not in message
