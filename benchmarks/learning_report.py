"""Learning curves: kept in files, tabulated."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.learning_tasks import FIGURES, RANDOM, REPLAY, TASKS, ZERO, Score
from handsim.files import replacing

LEARNED = "PPO"
"""The policy that learns; all others are `benchmarks.learning_tasks.baselines`."""


@dataclass(frozen=True)
class Point:
    """One evaluation: after how many steps and seconds of training, and the mean score."""

    steps: int
    seconds: float
    score: Score


@dataclass(frozen=True)
class Curve:
    """The evaluations of one policy, or of one that does not learn: then there is one."""

    task: str
    hand: str
    policy: str
    seed: int
    points: tuple[Point, ...]

    def save(self, path: Path) -> None:
        """Write JSON."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> "Curve":
        """Read what `save` wrote."""
        values = json.loads(path.read_text())
        rows = [{**row, "score": Score(**row["score"])} for row in values.pop("points")]
        return cls(**values, points=tuple(Point(**row) for row in rows))


def read(folder: Path) -> list[Curve]:
    """All curves of a folder."""
    return [Curve.load(path) for path in sorted(folder.glob("*.json"))]


def table(curves: Sequence[Curve]) -> str:
    """Every policy's scores as a Markdown table; those of PPO are means over its seeds."""
    lines = ["| task | hand | policy | steps | reward a step | what counts |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for task in TASKS:
        for policy in (RANDOM, ZERO, REPLAY, LEARNED):
            chosen = [c for c in curves if (c.task, c.policy) == (task, policy)]
            if chosen:
                lines.append(_row(chosen))
    return "\n".join(lines)


def _row(curves: Sequence[Curve]) -> str:
    """Curves of one policy, where the shortest of them ends."""
    steps = min(curve.points[-1].steps for curve in curves)
    ends = [next(p.score for p in curve.points if p.steps == steps) for curve in curves]
    first = curves[0]
    reward = _spread([score.reward for score in ends])
    figure = _spread([score.figure for score in ends])
    trained = f"{steps} × {len(curves)} seeds" if first.policy == LEARNED else "–"
    cells = [first.task, first.hand, first.policy, trained, reward]
    return f"| {' | '.join([*cells, f'{figure} {FIGURES[first.task]}'])} |"


def _spread(values: Sequence[float]) -> str:
    """The mean, and the least and the most where there are several."""
    if len(values) == 1:
        return f"{values[0]:.3g}"
    return f"{np.mean(values):.3g} ({min(values):.3g} to {max(values):.3g})"
