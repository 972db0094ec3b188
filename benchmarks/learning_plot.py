"""A picture of learning curves."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.learning_report import LEARNED, Curve
from benchmarks.learning_tasks import RANDOM, REACHED, REPLAY, TASKS, ZERO
from handsim.files import replacing

matplotlib.use("agg")
COLOURS = {LEARNED: "#1f6fb4", RANDOM: "#b5651d", ZERO: "#6b6b6b", REPLAY: "#2e8b57"}
STYLES = {RANDOM: ":", ZERO: "--", REPLAY: "-."}
TITLES = {"track": "Track-v0", "cube": "Reorient-v0, cube", "ball": "Reorient-v0, ball"}
_REACHED = f"{REACHED} of 4 s"
DRAWN = {"track": "reward a step", "cube": _REACHED, "ball": _REACHED}


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draw a task a panel: the mean over seeds, and from the least to the most of them."""
    tasks = [task for task in TASKS if any(curve.task == task for curve in curves)]
    figure, panels = pyplot.subplots(1, len(tasks), figsize=(4.8 * len(tasks), 3.4), squeeze=False)
    for task, axes in zip(tasks, panels[0], strict=True):
        _draw_task(axes, task, [curve for curve in curves if curve.task == task])
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    pyplot.close(figure)


def _draw_task(axes: Axes, task: str, curves: Sequence[Curve]) -> None:
    for curve in curves:
        if curve.policy != LEARNED:
            level = _drawn(curve)[0]
            axes.axhline(level, color=COLOURS[curve.policy], ls=STYLES[curve.policy], lw=1.4)
            axes.plot(
                [], [], color=COLOURS[curve.policy], ls=STYLES[curve.policy], label=curve.policy
            )
    learned = [curve for curve in curves if curve.policy == LEARNED]
    if learned:
        length = min(len(curve.points) for curve in learned)
        steps = np.array([point.steps for point in learned[0].points[:length]]) / 1000
        values = np.array([_drawn(curve)[:length] for curve in learned])
        axes.fill_between(steps, values.min(0), values.max(0), color=COLOURS[LEARNED], alpha=0.2)
        label = f"{LEARNED}, {len(learned)} seeds"
        axes.plot(steps, values.mean(0), color=COLOURS[LEARNED], lw=2, label=label)
    axes.set_title(f"{TITLES[task]}, {curves[0].hand}", fontsize=10)
    axes.set_xlabel("thousand steps")
    axes.set_ylabel(DRAWN[task])
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def _drawn(curve: Curve) -> list[float]:
    name = "reward" if curve.task == "track" else "figure"
    return [getattr(point.score, name) for point in curve.points]
