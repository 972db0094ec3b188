"""The retargeting error of every method: motions × hands × methods, in one run.

    python -m benchmarks.retargeting [--motions DIR] [--hands …] [--quick] [--out DIR]

Writes `results.jsonl` (a row a combination, with versions and the machine) and `results.md`.
Without `--motions` it runs on the authored sample motion alone; with the folder of recordings
that `MOTIONS` names, on those too. Errors are against the targets of one calibration a (motion,
hand), the same for all methods. `--quick` takes every tenth frame.
"""

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import tyro
from rich.progress import track

import handsim
import retarget
from handsim.assets import ASSETS
from handsim.files import replacing
from retarget import metrics

MOTIONS = {
    "dexretarget": "dexretarget/human_joint_right.pkl",
    "geort": "geort/human_alex.npy",
    "manus": "manus/manus_right_subject-000_run-010.npz",
    "dexmv": "dexmv_mustard",
    "wilor stills": "wilor_stills/outputs.pkl",
}
SAMPLE = ASSETS / "motions" / "sample_right.npz"
COLUMNS = (
    "tip_error_mm",
    "tip_error_percent",
    "direction_error_deg",
    "pinch_f1",
    "joint_jerk_rms",
    "converged_percent",
)
PACKAGES = ("mujoco", "nlopt", "numba", "numpy")


@dataclass(frozen=True)
class Row:
    """One combination's result."""

    motion: str
    hand: str
    method: str
    frames: int
    frames_per_second: float
    scores: dict[str, float | None]


def run(
    motions: Path | None = None,
    hands: tuple[str, ...] = handsim.hand_names(),
    quick: bool = False,
    out: Path = Path("out/benchmark"),
) -> None:
    """Run the comparison and print its table.

    Args:
        motions: folder of recordings, laid out as `MOTIONS` says; those it lacks are left out.
        hands: hands of the catalogue.
        quick: take every tenth frame only.
        out: folder for `results.jsonl` and `results.md`.
    """
    people = load_motions(motions, quick)
    combinations = [(p, hand) for p in people for hand in hands]
    rows = [
        row
        for person, hand in track(combinations, "benchmark", transient=True)
        for row in compare(person, people[person], hand)
    ]
    write(out, rows, quick)
    print(table(rows))
    print(f"wrote {out / 'results.jsonl'} and {out / 'results.md'}")


def load_motions(folder: Path | None, quick: bool) -> dict[str, retarget.HandTrajectory]:
    """The motions there are, by name."""
    paths = {"sample": SAMPLE}
    if folder is not None:
        paths |= {name: folder / path for name, path in MOTIONS.items() if (folder / path).exists()}
    people = {name: retarget.load(path) for name, path in paths.items()}
    step = 10 if quick else 1
    return {name: person.select(slice(None, None, step)) for name, person in people.items()}


def compare(motion: str, person: retarget.HandTrajectory, name: str) -> list[Row]:
    """Every method on one motion and hand, with one calibration."""
    hand = handsim.load_hand(name, person.side)
    calibration = retarget.calibrate(hand, person)
    rows = []
    for method in retarget.METHODS:
        solution = retarget.Retargeter(hand, method, calibration).retarget(person)
        scores = retarget.score(person, solution, hand=hand)
        rate = len(person) / float(solution.seconds.sum())
        finite = {key: value if value == value else None for key, value in scores.items()}
        rows.append(Row(motion, name, method, len(person), rate, finite))
    return rows


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    units = [f"{name} [{metrics.METRICS[name].unit}]" for name in COLUMNS]
    head = ["motion", "hand", "method", "frames/s", *units]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        values = [row.scores[name] for name in COLUMNS]
        shown = ["–" if value is None else f"{value:.3g}" for value in values]
        lines.append([row.motion, row.hand, row.method, f"{row.frames_per_second:.0f}", *shown])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(folder: Path, rows: list[Row], quick: bool) -> None:
    """`results.jsonl` and `results.md`, each row with what it was measured on."""
    where = {
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in PACKAGES},
        "quick": quick,
    }
    with replacing(folder / "results.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(asdict(row) | where) + "\n" for row in rows))
    with replacing(folder / "results.md") as temporary:
        temporary.write_text(table(rows) + "\n")


if __name__ == "__main__":
    tyro.cli(run)
