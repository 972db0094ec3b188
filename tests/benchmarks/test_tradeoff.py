"""The trade-off's curves: what a larger weight gives and takes."""

from benchmarks import tradeoff
from benchmarks.figures import case
from handsim.assets import ASSETS
from retarget import HandTrajectory, Pace
from tests.hands import hand

SAMPLE = HandTrajectory.load(ASSETS / "motions" / "sample_right.npz").select(slice(100, 180))


def test_jerk_falls_and_tips_stray_as_the_weight_grows():
    measured = case(hand("ability"), SAMPLE, 0.01)
    points = tradeoff.curves([measured], offline=(1e3, 1e6), online=(Pace(1.0), Pace(300.0)))
    assert [p.solver for p in points] == ["trajectory", "trajectory", "newton", "newton"]
    assert points[1].figures["jerk_mean"] < 0.7 * points[0].figures["jerk_mean"]
    for light, heavy in (points[:2], points[2:]):
        assert heavy.figures["tip_aligned"] > light.figures["tip_aligned"]
    assert len(tradeoff.table(points).splitlines()) == 6
