"""What smoothness costs: the natural method's curve of jerk against tips and pinches.

    python -m benchmarks.tradeoff [--motions DIR] [--hands …] [--clips …] [--out DIR]

Offline (all frames at once) the weight of the jerk is varied, online (frame by frame) the pace
(`retarget.pace`). A row's figures are the mean over hands and motions; F1 counts motions in which
the person makes at least ten pinches. Writes `tradeoff.md`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from rich.progress import track

import handsim
from benchmarks import dex_peer
from benchmarks.figures import Case, case, figures
from benchmarks.quality import CLIPS, load
from handsim.files import replacing
from retarget.dropouts import fresh_starts
from retarget.objective import Objective
from retarget.pace import CALM, FOLLOWING, Pace
from retarget.references import natural
from retarget.references.natural import JERK_WEIGHT
from retarget.solvers import SOLVERS

OFFLINE = tuple(share * JERK_WEIGHT for share in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0))
ONLINE = (
    *(Pace(share * FOLLOWING.held) for share in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0)),
    *(Pace(held, limit) for held in (100.0, 300.0, 1000.0) for limit in (0.1, 0.03)),
    CALM,
)
COLUMNS = ("tip_aligned", "pinch_f1", "jerk_frame", "jerk_mean", "link_error", "penetration")
MOVING = ("sample", "manus", "geort", "dexretarget", "dexmv")
PINCHES = 10
"""Pinches of the person below which a motion's F1 says nothing."""


@dataclass(frozen=True)
class Point:
    """The mean figures of one weight, or pace, by the names of `figures.FIGURES`."""

    solver: str
    smoothness: float | Pace
    figures: dict[str, float]


def run(
    motions: Path | None = None,
    hands: tuple[str, ...] = dex_peer.HANDS,
    clips: tuple[str, ...] = MOVING,
    out: Path = Path("out/tradeoff"),
) -> None:
    """Measure both curves and print them.

    Args:
        motions: folder of recordings, laid out as `quality.CLIPS` says.
        hands: hands of the catalogue.
        clips: which of `quality.CLIPS`.
        out: folder for `tradeoff.md`.
    """
    people = load(motions, clips, quick=False)
    cases = [
        case(handsim.load_hand(name, person.side), person, CLIPS[clip].theta)
        for clip, person in people.items()
        for name in hands
    ]
    text = table(curves(cases))
    with replacing(out / "tradeoff.md") as temporary:
        temporary.write_text(text + "\n")
    print(text)
    print(f"wrote {out / 'tradeoff.md'}")


def curves(
    cases: list[Case],
    offline: tuple[float, ...] = OFFLINE,
    online: tuple[Pace, ...] = ONLINE,
) -> list[Point]:
    """Both curves, averaged over the cases."""
    varied: list[float | Pace] = [*offline, *online]
    points = []
    for smoothness in track(varied, "trade-off", transient=True):
        solver = "newton" if isinstance(smoothness, Pace) else "trajectory"
        found = [solved_figures(each, solver, smoothness) for each in cases]
        points.append(Point(solver, smoothness, {name: _mean(found, name) for name in COLUMNS}))
    return points


def solved_figures(measured: Case, solver: str, smoothness: float | Pace) -> dict[str, float]:
    """The figures of one case, with another weight of the jerk, or at another pace."""
    hand, person = measured.hand, measured.person
    seen = person.valid
    reference = natural(hand, person.palm_keypoints[seen], measured.aligned)
    pace = smoothness if isinstance(smoothness, Pace) else FOLLOWING
    if not isinstance(smoothness, Pace):
        reference = replace(reference, jerk=smoothness)
    objective = Objective(hand, reference, fresh_starts(person.times[seen]), pace=pace)
    solved = SOLVERS[solver](objective)
    rows = np.maximum(np.cumsum(seen) - 1, 0)
    found = figures(measured, objective.qpos(solved.x[rows]), solved.converged[rows])
    if measured.human_pinches < PINCHES:
        found["pinch_f1"] = float("nan")
    return found


def table(points: list[Point]) -> str:
    """The points as a Markdown table."""
    head = ["solver", "weight", "limit [rad]", *COLUMNS]
    lines = [head, ["---"] * len(head)]
    for point in points:
        shown = [f"{point.figures[name]:.3g}" for name in COLUMNS]
        pace = point.smoothness
        knobs = (pace.held, pace.limit) if isinstance(pace, Pace) else (pace, np.inf)
        lines.append([point.solver, *(f"{knob:g}" for knob in knobs), *shown])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean(found: list[dict[str, float]], name: str) -> float:
    values = [each[name] for each in found if each[name] == each[name]]
    return float(np.mean(values)) if values else float("nan")


if __name__ == "__main__":
    tyro.cli(run)
