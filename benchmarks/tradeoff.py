"""What smoothness costs: the natural method's curve of jerk against tips and pinches.

    python -m benchmarks.tradeoff [--motions DIR] [--hands …] [--clips …] [--out DIR]

Offline (all frames at once) the weight of the jerk is varied, online (frame by frame) the weight of
the change from the frame before. A row is a weight, its figures the mean over hands and motions; F1
counts motions in which the person makes at least ten pinches. Writes `tradeoff.md`.
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
from retarget.objective import HELD, Objective
from retarget.references import natural
from retarget.references.natural import JERK_WEIGHT
from retarget.solvers import SOLVERS

OFFLINE = tuple(share * JERK_WEIGHT for share in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0))
ONLINE = tuple(share * HELD for share in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0))
COLUMNS = ("tip_aligned", "pinch_f1", "jerk_frame", "jerk_mean", "link_error", "penetration")
MOVING = ("sample", "manus", "geort", "dexretarget", "dexmv")
PINCHES = 10
"""Pinches of the person below which a motion's F1 says nothing."""


@dataclass(frozen=True)
class Point:
    """One weight's mean figures, by the names of `figures.FIGURES`."""

    solver: str
    weight: float
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
    online: tuple[float, ...] = ONLINE,
) -> list[Point]:
    """Both curves, averaged over the cases."""
    varied = [("trajectory", weight) for weight in offline] + [("newton", w) for w in online]
    points = []
    for solver, weight in track(varied, "trade-off", transient=True):
        found = [solved_figures(each, solver, weight) for each in cases]
        points.append(Point(solver, weight, {name: _mean(found, name) for name in COLUMNS}))
    return points


def solved_figures(measured: Case, solver: str, weight: float) -> dict[str, float]:
    """The figures of one case, with another weight of what keeps it smooth."""
    hand, person = measured.hand, measured.person
    seen = person.valid
    reference = natural(hand, person.palm_keypoints[seen], measured.aligned)
    if solver == "trajectory":
        reference = replace(reference, jerk=weight)
    objective = Objective(hand, reference, fresh_starts(person.times[seen]))
    if solver == "newton":
        objective.terms = objective.terms._replace(smoothness=weight)
    solved = SOLVERS[solver](objective)
    rows = np.maximum(np.cumsum(seen) - 1, 0)
    found = figures(measured, objective.qpos(solved.x[rows]), solved.converged[rows])
    if measured.human_pinches < PINCHES:
        found["pinch_f1"] = float("nan")
    return found


def table(points: list[Point]) -> str:
    """The points as a Markdown table."""
    head = ["solver", "weight", *COLUMNS]
    lines = [head, ["---"] * len(head)]
    for point in points:
        shown = [f"{point.figures[name]:.3g}" for name in COLUMNS]
        lines.append([point.solver, f"{point.weight:g}", *shown])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean(found: list[dict[str, float]], name: str) -> float:
    values = [each[name] for each in found if each[name] == each[name]]
    return float(np.mean(values)) if values else float("nan")


if __name__ == "__main__":
    tyro.cli(run)
