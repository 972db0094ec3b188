"""What is asked of a method beside the best of dex-retargeting's three, and whether it holds.

The best is taken figure by figure, so no single one of the three need be that good. Tip errors are
those of the solution whose palm stands where the target's does; all else is of the aligned one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from benchmarks.figures import FIGURES

FEWEST_PINCHES = 10
"""Motions with fewer pinch frames say nothing about pinches."""
PEER = "dex-retargeting"
ANY = float("inf")
PROTOCOL = "the protocol's"
"""Where a peer is measured as everyone is; its "own" palm is the better of that and its own."""
COMPARED = (
    *("tip_aligned", "tip_coinciding", "pinch_f1", "penetration", "jerk_frame"),
    *("jerk_mean", "jerk_median", "link_error", "bend_error", "hyper_bent", "swapped"),
)


@dataclass(frozen=True)
class Row:
    """One solution's figures.

    Attributes:
        motion, hand, method: what was solved; a peer's method begins with `PEER`.
        palm: the calibration it was solved with, "aligned" or "coinciding"; of a peer, where it was
            measured, "own" or `PROTOCOL`.
        pinches: pinch frames of the person that the hand can make.
        unreachable: fingers whose tip the hand's thumb cannot touch; their pinches do not count.
        figures: `FIGURES`; None where not defined.
    """

    motion: str
    hand: str
    method: str
    palm: str
    frames: int
    pinches: int
    unreachable: tuple[str, ...]
    frames_per_second: float
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Pair:
    """One hand and motion: a method's figures and the best of the peer's, nan where undefined.

    The peer's are those in the palm that suits it better, `alike` in the one for all methods.
    """

    motion: str
    hand: str
    pinches: int
    ours: dict[str, float]
    peer: dict[str, float]
    alike: dict[str, float]

    def ratio(self, name: str, alike: bool = False) -> float:
        """Ours over the peer's."""
        theirs = (self.alike if alike else self.peer)[name]
        return self.ours[name] / theirs if theirs else float("nan")


def pairs(rows: Sequence[Row], method: str) -> list[Pair]:
    """The method against the peer's filtered output, a pair a hand and motion."""
    cases = dict.fromkeys((r.motion, r.hand) for r in rows if r.method == method)
    return [_pair([r for r in rows if (r.motion, r.hand) == case], method) for case in cases]


def _pair(rows: Sequence[Row], method: str) -> Pair:
    by_palm = {r.palm: _numbers(r) for r in rows if r.method == method}
    ours = by_palm["aligned"] | {"tip_coinciding": by_palm["coinciding"]["tip_coinciding"]}
    own, alike = (
        [_numbers(r) for r in rows if r.method.startswith(PEER) and r.palm == palm]
        for palm in ("own", PROTOCOL)
    )
    best, best_alike = (
        {name: _best([p[name] for p in peers], FIGURES[name].better) for name in FIGURES}
        for peers in (own, alike)
    )
    return Pair(rows[0].motion, rows[0].hand, rows[0].pinches, ours, best, best_alike)


def _numbers(row: Row) -> dict[str, float]:
    return {name: float("nan") if v is None else v for name, v in row.figures.items()}


def _best(values: Sequence[float], better: str) -> float:
    known = [value for value in values if value == value]
    if not known:
        return float("nan")
    return min(known) if better == "lower" else max(known)


@dataclass(frozen=True)
class Bar:
    """One demand: a value of each pair, of which the worst and perhaps the mean are bounded.

    Attributes:
        value: of one pair; nan where the demand does not apply.
        worst: the bound on each pair.
        mean: the bound on the mean of all pairs, if any.
        at_least: whether the bounds are lower ones.
        by_hand: whether the worst is that of each hand's mean.
    """

    name: str
    value: Callable[[Pair], float]
    worst: float
    mean: float | None = None
    at_least: bool = False
    by_hand: bool = False

    def judge(self, compared: Sequence[Pair]) -> str:
        """One line of a Markdown table: what was found, and where it fails."""
        names, values = self._cases(compared)
        known = [i for i, value in enumerate(values) if value == value]
        if not len(known):
            return f"| {self.name} | – | – | not measured |"
        sign = -1.0 if self.at_least else 1.0
        failing = [i for i in known if sign * values[i] > sign * self.worst]
        mean = float(values[known].mean())
        good = not failing and (self.mean is None or sign * mean <= sign * self.mean)
        order = sorted(failing or known, key=lambda i: -sign * values[i])
        at = ", ".join(f"{names[i]} {values[i]:.3g}" for i in order[:4])
        share = f"{len(failing)} of {len(known)} fail: {at}" if failing else f"worst {at}"
        return f"| {self.name} | {mean:.3g} | {share} | {'holds' if good else 'FAILS'} |"

    def _cases(self, compared: Sequence[Pair]) -> tuple[list[str], Float[np.ndarray, " N"]]:
        """What is judged, by name: each pair, or each hand's mean where it is defined."""
        values = np.array([self.value(pair) for pair in compared])
        if not self.by_hand:
            return [f"{pair.hand} {pair.motion}" for pair in compared], values
        hands = np.array([pair.hand for pair in compared])
        known = np.isfinite(values)
        names = list(dict.fromkeys(hands[known]))
        return names, np.array([values[known & (hands == name)].mean() for name in names])


def _less(name: str) -> Callable[[Pair], float]:
    """Ours less the peer's."""
    return lambda pair: pair.ours[name] - pair.peer[name]


BARS = (
    Bar(
        "tip error, aligned, of the peer's", lambda p: p.ratio("tip_aligned", True), 0.75, mean=0.55
    ),
    Bar(
        "tip error, coinciding, of the peer's",
        lambda p: p.ratio("tip_coinciding", True),
        1.0,
        mean=0.8,
    ),
    Bar("tip error, aligned, its palm or ours", lambda p: p.ratio("tip_aligned"), 0.75, mean=0.55),
    Bar(
        "tip error, coinciding, its palm or ours", lambda p: p.ratio("tip_coinciding"), 1, mean=0.8
    ),
    Bar(
        "pinch F1",
        lambda p: p.ours["pinch_f1"] if p.pinches >= FEWEST_PINCHES else float("nan"),
        0.95,
        at_least=True,
    ),
    Bar("frames with penetration [%]", lambda p: p.ours["penetration"], 1.0),
    Bar("jerk, rms, of the peer's", lambda p: p.ratio("jerk_frame"), ANY, mean=0.5),
    Bar("jerk, mean, of the peer's", lambda p: p.ratio("jerk_mean"), ANY, mean=0.5),
    Bar("jerk, median frame, of the peer's", lambda p: p.ratio("jerk_median"), ANY, mean=0.5),
    Bar("link direction error, less the peer's [deg]", _less("link_error"), 0.0, by_hand=True),
    Bar("hyper-bent joints, less the peer's [%]", _less("hyper_bent"), 0.0, by_hand=True),
    Bar("limit violations", lambda p: p.ours["violations"], 0.0),
    Bar("frames lost", lambda p: p.ours["lost"], 0.0),
)


def verdict(rows: Sequence[Row], method: str) -> str:
    """Every bar for one method, as a Markdown table."""
    compared = pairs(rows, method)
    head = [f"| {method} | mean | worst | |", "| --- | --- | --- | --- |"]
    return "\n".join(head + [bar.judge(compared) for bar in BARS])


def comparison(rows: Sequence[Row], method: str) -> str:
    """A method beside the best of the peer's three, hand by hand, as a Markdown table."""
    head = ["motion", "hand", "pinches", *(f"{n} [{FIGURES[n].unit}]" for n in COMPARED)]
    lines = [head, ["---"] * len(head)]
    for pair in pairs(rows, method):
        both = [f"{_figure(pair.ours[n])} / {_figure(pair.peer[n])}" for n in COMPARED]
        lines.append([pair.motion, pair.hand, str(pair.pinches), *both])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def unreachable(rows: Sequence[Row]) -> str:
    """The pinches that no method is asked for, as a Markdown list."""
    found = {row.hand: row.unreachable for row in rows if row.unreachable}
    lines = [f"- {hand}: {', '.join(fingers)}" for hand, fingers in found.items()]
    return "\n".join(["Pinches out of a hand's reach, not counted:", "", *(lines or ["- none"])])


def table(rows: Sequence[Row]) -> str:
    """All rows as a Markdown table."""
    head = ["motion", "hand", "method", "palm", "frames/s"]
    head += [f"{name} [{metric.unit}]" for name, metric in FIGURES.items()]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        start = [row.motion, row.hand, row.method, row.palm, f"{row.frames_per_second:.0f}"]
        lines.append(start + [_figure(value) for value in _numbers(row).values()])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float) -> str:
    return f"{value:.3g}" if value == value else "–"
