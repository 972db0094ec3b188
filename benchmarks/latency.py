"""How long one step online takes: `Retargeter.step` over a motion, every hand.

    python -m benchmarks.latency [--hands …] [--method …] [--smoothing] [--motion FILE]

Times are wall times [ms] of the whole call in Python, from keypoints to a checked `Solution`, on
one thread. The motion is gone through once to compile and warm up, then `--rounds` times; of each
frame the fastest round counts with `--fastest`, which keeps other processes of the machine out.
"""

import platform
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import tyro
from jaxtyping import Float
from rich.progress import track

import handsim
import retarget
from handsim.assets import ASSETS

SAMPLE = ASSETS / "motions" / "sample_right.npz"


@dataclass(frozen=True)
class Latency:
    """Times of single steps of one hand [ms]."""

    hand: str
    method: str
    p50: float
    p99: float
    longest: float


def step_times(
    retargeter: retarget.Retargeter, motion: retarget.HandTrajectory, rounds: int = 1
) -> Float[np.ndarray, "rounds T"]:
    """Wall time of each step [s], after a first round that does not count."""
    times = np.zeros((rounds + 1, len(motion)))
    for row in times:
        retargeter.reset()
        for t in range(len(motion)):
            began = perf_counter()
            retargeter.step(motion.keypoints[t], time=float(motion.times[t]))
            row[t] = perf_counter() - began
    return times[1:]


def measure(
    motion: retarget.HandTrajectory,
    name: str,
    method: str = retarget.DEFAULT,
    smoothing: retarget.Smoothing | None = None,
    rounds: int = 3,
    fastest: bool = False,
) -> Latency:
    """The latency of one hand."""
    hand = handsim.load_hand(name, motion.side)
    calibration = retarget.calibrate(hand, motion)
    retargeter = retarget.Retargeter(hand, method, calibration, smoothing=smoothing)
    times = 1e3 * step_times(retargeter, motion, rounds)
    times = times.min(axis=0) if fastest else times
    p50, p99 = np.percentile(times, [50, 99])
    return Latency(name, method, float(p50), float(p99), float(times.max()))


def table(rows: list[Latency]) -> str:
    """The rows as a Markdown table."""
    lines = [["hand", "method", "p50 [ms]", "p99 [ms]", "max [ms]"], ["---"] * 5]
    for row in rows:
        times = [f"{value:.2f}" for value in (row.p50, row.p99, row.longest)]
        lines.append([row.hand, row.method, *times])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run(
    hands: tuple[str, ...] = handsim.hand_names(),
    method: str = retarget.DEFAULT,
    motion: Path = SAMPLE,
    smoothing: bool = False,
    rounds: int = 3,
    fastest: bool = False,
) -> None:
    """Measure every hand and print the table.

    Args:
        hands: of the catalogue.
        method: what to match.
        motion: the person, in any format.
        smoothing: also smooth the person's hand.
        rounds: how often to go through the motion.
        fastest: of each frame take the fastest round.
    """
    person = retarget.load(motion)
    smooth = retarget.Smoothing() if smoothing else None
    rows = [
        measure(person, name, method, smooth, rounds, fastest)
        for name in track(hands, "measuring", transient=True)
    ]
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}\n")
    print(table(rows))


if __name__ == "__main__":
    tyro.cli(run)
