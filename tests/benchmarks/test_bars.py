"""The bars on planted rows: the best of the peer's counts; each demand holds or says where not."""

from dataclasses import replace

import pytest

from benchmarks.bars import (
    BARS,
    PEER,
    PROTOCOL,
    Row,
    comparison,
    pairs,
    table,
    unreachable,
    verdict,
)
from benchmarks.figures import FIGURES

GOOD = dict.fromkeys(FIGURES, 1.0) | {"pinch_f1": 0.99, "violations": 0, "lost": 0}
GOOD |= {"penetration": 0.5, "jerk_frame": 2.0, "jerk_median": 1.0, "hyper_bent": 0.0}
THEIRS = dict.fromkeys(FIGURES, 9.0) | {"pinch_f1": 0.5, "tip_aligned": 20.0, "tip_coinciding": 4.0}


def rows(pinches: int = 50, **spoilt: float | None) -> list[Row]:
    """One case that meets every bar but for `spoilt`; the peer's second method is the better."""

    def row(method: str, palm: str, figures: dict) -> Row:
        return Row("clip", "hand", method, palm, 100, pinches, ("ring",), 30.0, figures)

    return [
        row("ours", "aligned", GOOD | spoilt),
        row("ours", "coinciding", GOOD | {"tip_coinciding": 2.0, "link_error": 99.0}),
        row(f"{PEER} a", "own", THEIRS | {"tip_aligned": 30.0, "jerk_frame": 5.0}),
        row(f"{PEER} b", "own", THEIRS | {"pinch_f1": None}),
        row(f"{PEER} b", "own, unfiltered", dict.fromkeys(FIGURES, 0.0)),
        row(f"{PEER} b", PROTOCOL, dict.fromkeys(FIGURES, 50.0)),
    ]


def test_a_pair_takes_each_figure_where_it_belongs():
    (pair,) = pairs(rows(), "ours")
    assert pair.ours["tip_coinciding"] == 2.0
    assert pair.ours["link_error"] == 1.0
    assert (pair.peer["tip_aligned"], pair.peer["pinch_f1"], pair.peer["jerk_frame"]) == (
        20,
        0.5,
        5,
    )
    assert pair.alike["tip_aligned"] == 50.0


def test_a_method_that_meets_every_bar_holds():
    assert verdict(rows(), "ours").count("holds") == len(BARS)


@pytest.mark.parametrize(
    ("spoilt", "name"),
    [
        ({"tip_aligned": 12.0}, "tip error, aligned, its"),
        ({"pinch_f1": 0.9}, "pinch F1"),
        ({"penetration": 1.5}, "penetration"),
        ({"jerk_frame": 2.6}, "jerk, rms"),
        ({"jerk_mean": 5.0}, "jerk, mean"),
        ({"jerk_median": 5.0}, "jerk, median"),
        ({"link_error": 9.5}, "link direction"),
        ({"hyper_bent": 9.5}, "hyper-bent"),
        ({"violations": 1}, "violations"),
        ({"lost": 1}, "lost"),
    ],
)
def test_each_bar_fails_alone_and_says_where(spoilt, name):
    (failed,) = [line for line in verdict(rows(**spoilt), "ours").splitlines() if "FAILS" in line]
    assert name in failed
    assert "hand clip" in failed or name in (
        "tip error, aligned, its",
        "hyper-bent",
        "link direction",
    )


def test_a_mean_too_high_fails_though_no_pair_is():
    (failed,) = [
        line for line in verdict(rows(tip_aligned=12.0), "ours").splitlines() if "FAILS" in line
    ]
    assert "worst hand clip 0.6" in failed


def test_what_is_not_defined_is_not_judged():
    few = verdict(rows(pinches=9, pinch_f1=0.1, jerk_frame=None), "ours")
    assert "FAILS" not in few
    assert few.count("not measured") == 2


def test_without_the_peer_only_the_absolute_bars_are_judged():
    alone = [row for row in rows() if not row.method.startswith(PEER)]
    found = verdict(alone, "ours")
    assert (found.count("holds"), found.count("not measured")) == (4, len(BARS) - 4)


def test_tables_have_a_line_a_row():
    assert len(table(rows()).splitlines()) == 2 + len(rows())
    assert len(comparison(rows(), "ours").splitlines()) == 3
    assert "20" in comparison(rows(), "ours")


def test_pinches_out_of_reach_are_listed_once_a_hand():
    assert unreachable(rows()).endswith("\n- hand: ring")


def test_hyper_bent_joints_are_judged_by_the_mean_of_a_hand():
    """Worse than the peer on one motion, better on another: what counts is their mean."""
    worse, better = rows(hyper_bent=10.0), [replace(r, motion="other") for r in rows()]
    lines = [
        line for line in verdict(worse + better, "ours").splitlines() if line.startswith("| hyper")
    ]
    assert "worst hand -4 | holds" in lines[0]
    more = [replace(row, motion="third") for row in rows(hyper_bent=30.0)]
    assert "FAILS" in verdict(worse + better + more, "ours").split("hyper-bent")[1].split("\n")[0]
