"""The benchmark of latency: what it counts, and how it shows it."""

import numpy as np

from benchmarks import latency
from handsim.assets import ASSETS
from retarget import HandTrajectory, Retargeter, calibrate_open
from tests.hands import hand

SAMPLE = HandTrajectory.load(ASSETS / "motions" / "sample_right.npz").select(slice(0, 12))


def test_every_step_of_every_round_is_timed():
    robot = hand("ability")
    times = latency.step_times(
        Retargeter(robot, "vector", calibrate_open(robot, SAMPLE)), SAMPLE, rounds=2
    )
    assert times.shape == (2, len(SAMPLE))
    assert (times > 0).all()


def test_the_table_has_a_row_a_hand():
    row = latency.measure(SAMPLE, "ability", "vector", rounds=1)
    assert 0 < row.p50 <= row.p99 <= row.longest
    shown = latency.table([row]).splitlines()
    assert len(shown) == 3
    assert [line.count("|") for line in shown] == [6, 6, 6]
    assert np.isclose(float(shown[2].split("|")[3]), row.p50, atol=0.006)
