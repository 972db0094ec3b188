"""Speed beside the peers: frames a second and the objective reached, hand by hand, in one run.

    python -m benchmarks.speed --dex-urdf DIR [--motions DIR] [--hands …] [--repeats N] [--out DIR]

Everyone gets the same configuration of dex-retargeting (its file, its URDF, its scale), the same
keypoints and one core; compiled code is warmed up first and the best of `repeats` passes counts, in
processor time, which on an idle machine is the time that passes.

    newton           ours: one call of `retarget()` for the whole motion, all of Python included
    slsqp, lbfgs     the same with nlopt's algorithms, on the same function
    dex-retargeting  its `retarget()` for each frame, vectors prepared before
    dexi-rs          the same

*No higher* is the share of frames on which our solution, from dex-retargeting's own previous one
as warm start and as what its regulariser pulls to, has an objective no higher than its solution
(within 1e-6 of it; regulariser included, and limits the joints' own for both). *Step* is one call
of `Retargeter.step` on our hand of the same name, as `benchmarks.latency --fastest` measures it.

Writes `speed.jsonl` (a row a hand and method, with versions and the machine) and `speed.md`. A peer
that is not installed is left out with a note; see `benchmarks.peers`.
"""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import tyro
from rich.progress import track

import retarget
from benchmarks import latency, peers
from handsim.assets import ASSETS
from handsim.files import replacing
from retarget.dex_config import read_dex_config
from retarget.dex_reference import operator_keypoints
from retarget.objective import Objective
from retarget.references.dexpilot import Latch
from retarget.solvers.newton import Newton

HANDS = {
    "allegro": "allegro",
    "shadow": "shadow",
    "leap": "leap",
    "svh": "schunk_svh",
    "ability": "ability",
    "inspire": "inspire",
}
"""Our names of the hands, and those of their configurations."""
SUFFIXES = {"vector": "", "dexpilot": "_dexpilot"}
MOTION = "dexretarget/human_joint_right.pkl"
ROUNDING = 1e-6
BARS = {
    "newton / dex-retargeting": (60.0, 100.0),
    "newton / dexi-rs": (5.0, 8.0),
    "slsqp / dex-retargeting": (8.0, 8.0),
}
"""What we promise of each ratio: on every row, and in the mean."""
LEAST_NO_HIGHER, MOST_STEP_MS = 99.0, 0.5
PACKAGES = ("numba", "numpy", "nlopt", "dex_retargeting", "dexi-rs", "torch", "pin")


@dataclass(frozen=True)
class Row:
    """One hand and method.

    Attributes:
        frames_per_second: by solver of ours and by peer.
        no_higher: share of frames on which our objective is no higher than dex-retargeting's [%].
        step_median_ms, step_p99_ms: of one call of `Retargeter.step`.
    """

    hand: str
    method: str
    frames: int
    frames_per_second: dict[str, float]
    no_higher: float | None
    step_median_ms: float
    step_p99_ms: float

    def ratio(self, name: str) -> float | None:
        """Ours over a peer's frames a second, for a name of `BARS`."""
        ours, peer = name.split(" / ")
        rates = self.frames_per_second
        return rates[ours] / rates[peer] if peer in rates else None


def run(
    dex_urdf: Path,
    motions: Path | None = None,
    configs: Path | None = None,
    hands: tuple[str, ...] = tuple(HANDS),
    repeats: int = 3,
    out: Path = Path("out/speed"),
) -> None:
    """Run the comparison; print its table and which bars are met.

    Args:
        dex_urdf: a checkout of dexsuite/dex-urdf.
        motions: folder of recordings, for the clip `MOTION`; without it the authored sample.
        configs: folder of dex-retargeting's configurations; those that it brings when not given.
        hands: names of `HANDS`.
        repeats: passes, of which the best counts.
        out: folder for `speed.jsonl` and `speed.md`.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    there = peers.installed()
    for name in peers.PEERS.keys() - there.keys():
        print(f"{name} is not installed: left out.")
    motion = load_motion(motions)
    folder = configs or peers.shipped_configs()
    cases = [(hand, method) for method in SUFFIXES for hand in hands]
    rows = []
    for hand, method in track(cases, "speed", transient=True):
        path = folder / f"{HANDS[hand]}_hand_right{SUFFIXES[method]}.yml"
        rows.append(measure(hand, method, path, dex_urdf / "robots" / "hands", motion, repeats))
    write(out, rows)
    print(table(rows))
    print(f"wrote {out / 'speed.jsonl'} and {out / 'speed.md'}")


def load_motion(folder: Path | None) -> retarget.HandTrajectory:
    """The published clip of dex-retargeting's example, or the authored sample."""
    if folder is None:
        return retarget.load(ASSETS / "motions" / "sample_right.npz")
    return retarget.load(folder / MOTION, side="right")


def measure(
    hand: str,
    method: str,
    path: Path,
    urdf_dir: Path,
    motion: retarget.HandTrajectory,
    repeats: int,
) -> Row:
    """All figures of one hand and method."""
    config = read_dex_config(path, urdf_dir)
    keypoints = operator_keypoints(motion.keypoints[motion.valid], motion.side)
    vectors, there = peers.vectors_of(config, keypoints), peers.installed()
    seconds = {
        solver: _best(retarget.load_dex_config(path, urdf_dir, solver=solver).retarget, motion, n)
        for solver, n in (("newton", 3 * repeats), ("slsqp", repeats), ("lbfgs", repeats))
    }
    for name, peer in there.items():
        seconds[name] = _best(peer(config).run, vectors, repeats)
    step = latency.measure(motion, hand, method, fastest=True)
    return Row(
        hand=hand,
        method=method,
        frames=len(keypoints),
        frames_per_second={name: len(keypoints) / time for name, time in seconds.items()},
        no_higher=no_higher(path, urdf_dir, keypoints) if "dex-retargeting" in there else None,
        step_median_ms=step.p50,
        step_p99_ms=step.p99,
    )


def no_higher(path: Path, urdf_dir: Path, keypoints: np.ndarray) -> float:
    """Share of frames on which our objective is no higher than dex-retargeting's [%]."""
    ours = retarget.load_dex_config(path, urdf_dir)
    theirs = peers.DexRetargeting(ours.config, own_limits=True)
    columns = [ours.joint_names.index(name) for name in theirs.targets]
    inputs, latch = ours.robot.tree.input_ids, Latch()
    first = ours.reference.reference(keypoints[:1], Latch())
    objective = Objective(ours.robot, first, np.zeros(1, dtype=bool), restarts=False)
    solver, scratch = Newton(objective), np.zeros(len(inputs))
    count = 0
    for frame, vectors in zip(keypoints, peers.vectors_of(ours.config, keypoints), strict=True):
        solved = theirs.solve(vectors)
        qpos = np.tile(ours.robot.neutral, (2, 1))
        qpos[:, columns] = solved
        before, after = qpos[:, inputs]
        objective.overwrite(ours.reference.reference(frame[None], latch), False)
        solver.reset(before)
        mine = objective.evaluate(0, solver.solve().x[0], before, scratch)
        count += mine <= objective.evaluate(0, after, before, scratch) * (1.0 + ROUNDING)
    return 100.0 * count / len(keypoints)


def _best(function: Callable[[Any], object], argument: object, repeats: int) -> float:
    """The shortest of `repeats` calls after one to warm up [s]."""
    function(argument)
    seconds = []
    for _ in range(repeats):
        began = process_time()
        function(argument)
        seconds.append(process_time() - began)
    return min(seconds)


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table, and which bars are met."""
    rates = list(dict.fromkeys(name for row in rows for name in row.frames_per_second))
    ratios = [name for name in BARS if any(row.ratio(name) for row in rows)]
    head = ["hand", "method", *(f"{name} [frames/s]" for name in rates), *ratios]
    lines = [[*head, "no higher [%]", "step [ms]", "step p99 [ms]"]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        speeds = [f"{row.frames_per_second[name]:.0f}" for name in rates]
        times = [_shown(row.ratio(name), ".1f") for name in ratios]
        steps = [f"{row.step_median_ms:.3f}", f"{row.step_p99_ms:.3f}"]
        lines.append([row.hand, row.method, *speeds, *times, _shown(row.no_higher, ".1f"), *steps])
    shown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([shown, "", *(f"- {line}" for line in bars(rows))])


def bars(rows: list[Row]) -> list[str]:
    """What was promised, what was measured, and whether it is met."""
    lines = []
    for name, (each, mean) in BARS.items():
        ratios = [ratio for row in rows if (ratio := row.ratio(name)) is not None]
        if ratios:
            least, average = min(ratios), sum(ratios) / len(ratios)
            met = least >= each and average >= mean
            lines.append(
                f"{name}: least {least:.1f}, mean {average:.1f}; promised {each:.0f} and "
                f"{mean:.0f}: {_verdict(met)}"
            )
    shares = [row.no_higher for row in rows if row.no_higher is not None]
    if shares:
        met = min(shares) >= LEAST_NO_HIGHER
        lines.append(
            f"objective no higher: least {min(shares):.1f} % of frames; promised "
            f"{LEAST_NO_HIGHER:.0f}: {_verdict(met)}"
        )
    slowest = max(row.step_p99_ms for row in rows)
    lines.append(
        f"step, 99th percentile: at most {slowest:.3f} ms; promised {MOST_STEP_MS}: "
        f"{_verdict(slowest <= MOST_STEP_MS)}"
    )
    return lines


def write(folder: Path, rows: list[Row]) -> None:
    """`speed.jsonl` and `speed.md`, each row with what it was measured on."""
    where = {
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "versions": {name: _version(name) for name in PACKAGES},
    }
    with replacing(folder / "speed.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(asdict(row) | where) + "\n" for row in rows))
    with replacing(folder / "speed.md") as temporary:
        temporary.write_text(table(rows) + "\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _verdict(met: bool) -> str:
    return "met" if met else "NOT met"


if __name__ == "__main__":
    tyro.cli(run)
