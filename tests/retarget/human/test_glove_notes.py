"""What is said of the glove's rows names the layout, the times and each sensor's failings."""

import numpy as np
import pytest

from handsim.errors import InputError
from retarget.human.glove_notes import describe
from retarget.human.magnetometers import SENSORS
from tests.retarget.human import glove

FOUND = {
    "(N, 40)": "(N, 40): txyz",
    "(N, 10, 4)": "(N, 10, 4): txyz",
    "(N, 2) of 30": "(N, 2): t_ns, xyz of shape (30,)",
    "(N, 2) of 40": "(N, 2): t_ns, txyz of shape (40,)",
    "(N, 30)": "(N, 30): xyz",
    "(N, 10, 3)": "(N, 10, 3): xyz",
    "(N, 65)": "(N, 65): message",
    "(N, 40, 14)": "(N, 40, 14): legacy",
}


@pytest.mark.parametrize("layout", glove.LAYOUTS)
def test_the_layout_and_every_sensor_are_named(layout):
    lines = describe(glove.LAYOUTS[layout](glove.counts()), "mags")
    assert lines[0] == f"magnetometers: 60 rows, by their shape {FOUND[layout]}"
    assert [line.split(":")[0] for line in lines[-10:]] == list(SENSORS)
    assert ("t_ns of each row" in lines[1]) == ("(N, 2)" in layout)


def test_times_that_jump():
    rows = glove.paired(glove.counts())
    stamps = glove.START + 40_000_000 * np.arange(60)
    stamps[10:] += 100_000_000
    stamps[20] = stamps[19]
    stamps[30] = stamps[29] - 1
    rows = [(int(stamp), row[1]) for stamp, row in zip(stamps, rows, strict=True)]
    line = describe([(stamp, row.reshape(30)) for stamp, row in rows], "mags")[1]
    assert line == "times: t_ns of each row, 2.46 s, 25 Hz, 1 repeated, 1 backwards, 3 gaps"
    even = [(glove.START + 40_000_000 * i, np.zeros(30)) for i in range(9)]
    assert describe(even, "mags")[1].endswith("0.32 s, 25 Hz, evenly increasing")
    assert "no rate" in describe(even[:1], "mags")[1]


def test_a_sensor_that_fails_is_seen():
    counts = glove.counts()
    counts[:, 1] = np.nan
    counts[:, 2, 2] = 7.0
    counts[4, 3] = 0.0
    lines = describe(counts, "mags")[-10:]
    assert lines[1] == "index_reference: x never read, y never read, z never read; 180 NaN, 0 zero"
    assert "z 7 … 7 … 7 constant; 0 NaN, 0 zero" in lines[2]
    assert lines[3].endswith("0 NaN, 3 zero")


def test_rows_that_lack_a_sensor_are_said_to():
    rows = [np.zeros(40)] * 9 + [np.zeros(36)]
    (line,) = describe(rows, "mags")
    assert line.startswith("magnetometers, damaged: mags: row 9 has shape (36,), expected (40,)")


def test_what_is_no_glove_is_refused():
    with pytest.raises(InputError):
        describe(np.zeros((9, 21, 3)), "keypoints")
