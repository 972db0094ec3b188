"""The speed comparison: what the peers are given, ratios and bars, on planted figures."""

import numpy as np
import pytest

from benchmarks import peers, speed
from handsim.errors import MissingExtraError
from retarget.dex_config import read_dex_config
from tests.retarget.tiny_dex import POSITION, URDF, VECTOR


def row(newton=6000.0, slsqp=800.0, no_higher=99.5, p99=0.4):
    rates = {"newton": newton, "slsqp": slsqp, "dex-retargeting": 100.0}
    return speed.Row("allegro", "vector", 621, rates, no_higher, 0.2, p99)


def test_a_ratio_is_ours_over_the_peers():
    assert row().ratio("newton / dex-retargeting") == 60.0
    assert row().ratio("newton / dexi-rs") is None


def test_bars_are_met_on_every_row_and_in_the_mean():
    good = speed.bars([row(newton=6000), row(newton=14000)])
    assert good[0] == ("newton / dex-retargeting: least 60.0, mean 100.0; promised 60 and 100: met")
    assert all(line.endswith(": met") for line in good)


@pytest.mark.parametrize(
    ("rows", "which"),
    [
        ([row(newton=5000), row(newton=16000)], "newton / dex-retargeting"),
        ([row(newton=9000)], "newton / dex-retargeting"),
        ([row(newton=10000, slsqp=700)], "slsqp / dex-retargeting"),
        ([row(newton=10000, no_higher=98.0)], "objective no higher"),
        ([row(newton=10000, p99=0.6)], "step, 99th percentile"),
    ],
)
def test_a_bar_that_is_not_met_is_said(rows, which):
    failed = [line for line in speed.bars(rows) if line.endswith("NOT met")]
    assert [line.split(":")[0] for line in failed] == [which]


def test_the_table_leaves_absent_peers_open():
    lines = speed.table([row(no_higher=None)]).splitlines()
    assert "dexi-rs" not in lines[0]
    assert lines[2].split(" | ")[-3] == "–"


@pytest.mark.parametrize(
    ("text", "tasks"), [(VECTOR, [4, 8, 12]), (POSITION, [4, 8, 12, 2, 6, 10])]
)
def test_peers_are_given_what_their_users_give_them(tmp_path, text, tasks):
    (tmp_path / "tiny.urdf").write_text(URDF)
    (tmp_path / "config.yml").write_text(text)
    config = read_dex_config(tmp_path / "config.yml")
    keypoints = np.random.default_rng(0).normal(size=(5, 21, 3))
    given = peers.vectors_of(config, keypoints)
    origin = 0.0 if config.type == "position" else keypoints[:, :1]
    np.testing.assert_allclose(given, keypoints[:, tasks] - origin)


def test_without_peers_the_configurations_are_asked_for(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert peers.installed() == {}
    with pytest.raises(MissingExtraError, match="pip install dex-retargeting six"):
        peers.shipped_configs()
