"""What each of the natural method's aims costs the others: its trade-off curves.

    python -m benchmarks.tradeoff [--motions DIR] [--quality FILE] [--hands …] [--clips …]

Offline (all frames at once) the weights of jerk, pinches, finger shape and collision are varied one
at a time, online (frame by frame) the pace (`retarget.pace`). A row's figures are the mean over
hands and motions, then the worst of them; F1 counts motions in which the person makes at least ten
pinches. With the `quality.jsonl` of a run beside dex-retargeting (`benchmarks.quality`) it is
counted how many cases keep more than `MOST` of the tip error of its best. Writes `tradeoff.md` and
`tradeoff.jsonl`, a row a setting, hand and motion.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import tyro
from rich.progress import track

import handsim
from benchmarks import dex_peer
from benchmarks.bars import FEWEST_PINCHES, Row, pairs
from benchmarks.figures import Case, case, figures
from benchmarks.quality import CLIPS, load
from handsim.files import replacing
from retarget.dropouts import fresh_starts
from retarget.objective import Objective
from retarget.pace import CALM, FOLLOWING, Pace
from retarget.reference import Reference
from retarget.references import natural
from retarget.solvers import SOLVERS

MOST = 0.75
"""Of the tip error of dex-retargeting's best."""
COLUMNS = ("tip_aligned", "pinch_f1", "penetration", "link_error", "jerk_frame", "jerk_mean")


@dataclass(frozen=True)
class Shares:
    """The weights of the natural reference's terms, of the default ones."""

    jerk: float = 1.0
    pinches: float = 1.0
    directions: float = 1.0
    collision: float = 1.0

    def of(self, reference: Reference, tips: int) -> Reference:
        """The reference so weighted; its first `tips` vectors are no directions."""
        weight, gaps = reference.weight.copy(), reference.gaps
        weight[:, tips:] *= self.directions
        return replace(
            reference,
            weight=weight,
            gaps=gaps
            and replace(gaps, pull=self.pinches * gaps.pull, push=self.pinches * gaps.push),
            collision=self.collision * reference.collision,
            jerk=self.jerk * reference.jerk,
        )

    def __str__(self) -> str:
        varied = {field.name: getattr(self, field.name) for field in fields(self)}
        return ", ".join(f"{n} × {v:g}" for n, v in varied.items() if v != 1) or "default"


OFFLINE = (
    Shares(),
    *(Shares(jerk=share) for share in (0.01, 0.1, 0.3, 3.0, 10.0)),
    *(Shares(pinches=share) for share in (0.0, 0.03, 0.1, 0.3, 0.6, 3.0)),
    *(Shares(directions=share) for share in (0.0, 0.15, 0.3, 0.6, 2.0)),
    *(Shares(collision=share) for share in (0.0, 0.1, 3.0)),
    Shares(pinches=0.1, directions=0.15),
    Shares(pinches=0.0, directions=0.0, collision=0.0),
)
ONLINE = (
    *(Pace(share * FOLLOWING.held) for share in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0)),
    *(Pace(held, limit) for held in (100.0, 300.0, 1000.0) for limit in (0.1, 0.03)),
    CALM,
)


@dataclass(frozen=True)
class Point:
    """One setting, and the figures that it gives each case, by its name."""

    setting: Shares | Pace
    found: dict[str, dict[str, float]]

    @property
    def solver(self) -> str:
        """Which minimises it."""
        return "newton" if isinstance(self.setting, Pace) else "trajectory"

    def mean(self, name: str) -> float:
        """Of one of `figures.FIGURES`, where it is defined."""
        known = [each[name] for each in self.found.values() if each[name] == each[name]]
        return float(np.mean(known)) if known else float("nan")

    def worst(self, name: str, choose: Callable[[Iterable[float]], float] = max) -> float:
        """The most, or the least, where it is defined."""
        known = [each[name] for each in self.found.values() if each[name] == each[name]]
        return choose(known) if known else float("nan")

    def beyond(self, peer: dict[str, float]) -> list[str]:
        """The cases, and their ratios, with more than `MOST` of the peer's tip error."""
        ratios = {n: self.found[n]["tip_aligned"] / peer[n] for n in self.found if n in peer}
        order = sorted(ratios, key=lambda name: -ratios[name])
        return [f"{name} {ratios[name]:.3f}" for name in order if ratios[name] > MOST]


def run(
    motions: Path | None = None,
    quality: Path | None = None,
    hands: tuple[str, ...] = dex_peer.HANDS,
    clips: tuple[str, ...] = tuple(CLIPS),
    online: bool = True,
    out: Path = Path("out/tradeoff"),
) -> None:
    """Measure the curves and print them.

    Args:
        motions: folder of recordings, laid out as `quality.CLIPS` says.
        quality: `quality.jsonl` of a run beside dex-retargeting.
        hands: hands of the catalogue.
        clips: which of `quality.CLIPS`.
        online: also vary the pace.
        out: folder for `tradeoff.md` and `tradeoff.jsonl`.
    """
    people = load(motions, clips, quick=False)
    cases = {
        f"{name} {clip}": case(
            handsim.load_hand(name, person.side), person, CLIPS[clip].theta, CLIPS[clip].still
        )
        for clip, person in people.items()
        for name in hands
    }
    points = curves(cases, OFFLINE, ONLINE if online else ())
    text = table(points, peer_tips(quality) if quality else {})
    with replacing(out / "tradeoff.jsonl") as temporary:
        temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows(points)))
    with replacing(out / "tradeoff.md") as temporary:
        temporary.write_text(text + "\n")
    print(text)
    print(f"wrote {out / 'tradeoff.md'} and {out / 'tradeoff.jsonl'}")


def curves(
    cases: dict[str, Case],
    offline: tuple[Shares, ...] = OFFLINE,
    online: tuple[Pace, ...] = ONLINE,
) -> list[Point]:
    """All curves, of the cases by name."""
    settings: list[Shares | Pace] = [*offline, *online]
    return [
        Point(setting, {name: solved_figures(each, setting) for name, each in cases.items()})
        for setting in track(settings, "trade-off", transient=True)
    ]


def solved_figures(measured: Case, setting: Shares | Pace) -> dict[str, float]:
    """The figures of one case, with other weights, or at another pace."""
    hand, person = measured.hand, measured.person
    seen = person.valid
    reference = natural(hand, person.palm_keypoints[seen], measured.aligned)
    solver, pace = "newton", FOLLOWING
    if isinstance(setting, Pace):
        pace = setting
    else:
        solver, reference = "trajectory", setting.of(reference, len(hand.fingers))
    objective = Objective(hand, reference, fresh_starts(person.times[seen]), pace=pace)
    solved = SOLVERS[solver](objective)
    rows = np.maximum(np.cumsum(seen) - 1, 0)
    found = figures(measured, objective.qpos(solved.x[rows]), solved.converged[rows])
    if measured.human_pinches < FEWEST_PINCHES:
        found["pinch_f1"] = float("nan")
    return found


def peer_tips(quality: Path) -> dict[str, float]:
    """The least aligned tip error of dex-retargeting's methods, by case, from `quality.jsonl`."""
    names = [field.name for field in fields(Row)]
    read = [json.loads(line) for line in quality.read_text().splitlines()]
    compared = pairs([Row(*(row[name] for name in names)) for row in read], "natural")
    best = {f"{pair.hand} {pair.motion}": pair.alike["tip_aligned"] for pair in compared}
    return {name: tip for name, tip in best.items() if tip == tip}


def rows(points: list[Point]) -> list[dict[str, object]]:
    """A row a setting and case."""
    return [
        {"solver": point.solver, "setting": label(point.setting), "case": name, **found}
        for point in points
        for name, found in point.found.items()
    ]


def table(points: list[Point], peer: dict[str, float]) -> str:
    """The points as a Markdown table, cases beyond the bar counted where the peer is known."""
    head = ["solver", "setting", *COLUMNS, "least F1", "most penetration", "largest tip_aligned"]
    if peer:
        head[-1] = f"> {MOST:g} of the peer's tips"
    lines = [head, ["---"] * len(head)]
    for point in points:
        shown = [
            *(point.mean(name) for name in COLUMNS),
            point.worst("pinch_f1", min),
            point.worst("penetration"),
        ]
        beyond = point.beyond(peer)
        last = f"{point.worst('tip_aligned'):.3g}"
        if peer:
            last = f"{len(beyond)} of {len(peer.keys() & point.found.keys())}"
            last += f": {', '.join(beyond[:2])}" if beyond else ""
        lines.append([point.solver, label(point.setting), *(f"{v:.3g}" for v in shown), last])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def label(setting: Shares | Pace) -> str:
    """A setting's name in the table."""
    if isinstance(setting, Shares):
        return str(setting)
    limited = f", within {setting.limit:g} rad" if np.isfinite(setting.limit) else ""
    return f"held {setting.held:g}{limited}"


if __name__ == "__main__":
    tyro.cli(run)
