"""The trade-off's curves: what a larger weight gives and takes."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tradeoff
from benchmarks.bars import PEER, PROTOCOL, Row
from benchmarks.figures import FIGURES, Case, case
from benchmarks.tradeoff import Point, Shares
from handsim.assets import ASSETS
from retarget import HandTrajectory, Pace
from retarget.reference import Reference
from retarget.references import natural
from tests.hands import hand

SAMPLE = HandTrajectory.load(ASSETS / "motions" / "sample_right.npz").select(slice(100, 180))


@pytest.fixture(scope="module")
def measured() -> Case:
    return case(hand("ability"), SAMPLE, 0.01)


def test_jerk_falls_and_tips_stray_as_the_weight_grows(measured: Case):
    points = tradeoff.curves(
        {"ability": measured},
        offline=(Shares(jerk=0.003), Shares(jerk=3.0)),
        online=(Pace(1.0), Pace(300.0)),
    )
    assert [p.solver for p in points] == ["trajectory", "trajectory", "newton", "newton"]
    assert points[1].mean("jerk_mean") < 0.7 * points[0].mean("jerk_mean")
    for light, heavy in (points[:2], points[2:]):
        assert heavy.mean("tip_aligned") > light.mean("tip_aligned")
    assert len(tradeoff.table(points, {}).splitlines()) == 6


def test_pinches_and_shape_are_what_their_weights_buy(measured: Case):
    default, apart, shapeless = tradeoff.curves(
        {"ability": measured},
        offline=(Shares(), Shares(pinches=0.0), Shares(directions=0.0)),
        online=(),
    )
    assert apart.mean("pinch_f1") < 0.95 < default.mean("pinch_f1")
    assert shapeless.mean("tip_aligned") < default.mean("tip_aligned")
    assert shapeless.mean("link_error") > default.mean("link_error")


@pytest.mark.parametrize("term", ["jerk", "pinches", "directions", "collision"])
def test_a_share_weighs_its_term_alone(measured: Case, term: str):
    whole = natural(measured.hand, SAMPLE.palm_keypoints[SAMPLE.valid], measured.aligned)
    tips = len(measured.hand.fingers)
    before = _weights(whole, tips)
    after = _weights(Shares(**{term: 0.5}).of(whole, tips), tips)
    for name, weight in before.items():
        assert np.any(weight > 0)
        np.testing.assert_array_equal(after[name], weight * (0.5 if name == term else 1.0))


def _weights(reference: Reference, tips: int) -> dict[str, np.ndarray]:
    assert reference.gaps is not None
    return {
        "tips": reference.weight[:, :tips],
        "directions": reference.weight[:, tips:],
        "pinches": np.concatenate([reference.gaps.pull, reference.gaps.push]),
        "collision": np.array(reference.collision),
        "jerk": np.array(reference.jerk),
    }


def test_cases_beyond_the_bar_are_counted_against_the_peers_best(tmp_path: Path):
    def row(hand_name: str, method: str, palm: str, tip: float) -> Row:
        found = dict.fromkeys(FIGURES, 1.0) | {"tip_aligned": tip}
        return Row("clip", hand_name, method, palm, 100, 50, (), 30.0, found)

    planted = [
        row(name, method, palm, tip)
        for name in ("a", "b")
        for method, palm, tip in (
            ("natural", "aligned", 1.0),
            ("natural", "coinciding", 1.0),
            (f"{PEER} vector", PROTOCOL, 30.0),
            (f"{PEER} position", PROTOCOL, 20.0),
            (f"{PEER} position", "own", 10.0),
        )
    ]
    kept = tmp_path / "quality.jsonl"
    kept.write_text("".join(json.dumps(asdict(each) | {"quick": False}) + "\n" for each in planted))
    peer = tradeoff.peer_tips(kept)
    assert peer == {"a clip": 20.0, "b clip": 20.0}
    ours = {"a clip": 14.0, "b clip": 16.0, "unknown": 99.0}
    good = {"pinch_f1": 1.0, "penetration": 0.0, "link_error": 9.0}
    good |= {"jerk_frame": 1.0, "jerk_mean": 1.0}
    point = Point(Shares(), {n: good | {"tip_aligned": tip} for n, tip in ours.items()})
    assert point.beyond(peer) == ["b clip 0.800"]
    assert "| 1 of 2: b clip 0.800 |" in tradeoff.table([point], peer)


def test_a_setting_is_named_by_what_it_varies():
    assert tradeoff.label(Shares()) == "default"
    assert tradeoff.label(Shares(pinches=0.1, jerk=3.0)) == "jerk × 3, pinches × 0.1"
    assert tradeoff.label(Pace(300.0, 0.1)) == "held 300, within 0.1 rad"


def test_a_figure_that_no_case_defines_is_none():
    point = Point(Shares(), {"still": {"jerk_mean": float("nan")}, "b": {"jerk_mean": 2.0}})
    assert point.mean("jerk_mean") == point.worst("jerk_mean") == 2.0
    undefined = Point(Shares(), {"still": {"jerk_mean": float("nan")}})
    assert np.isnan(undefined.mean("jerk_mean"))
