"""How fast every environment steps, on every hand, beside its physics and Gymnasium-Robotics'.

python -m benchmarks.environments --peers-python PYTHON --out docs

Three figures for each: steps a second of one environment, what a step costs over the ``mj_step``
calls in it, and what a batch gains on two threads over the same batch on one. Track follows the
sample motion, Grasp its scripted grasp, Reorient small random actions.
"""

import json
import platform
import subprocess
from functools import partial
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np
import tyro
from jaxtyping import Float
from rich.progress import track

import handsim
import retarget
from benchmarks.env_speed import Speed, frames_a_second, measure
from handsim.assets import ASSETS
from handsim.envs import GraspEnv, HandEnv, ReorientEnv, TrackEnv

RUNNER = Path(__file__).with_name("gym_robotics_runner.py")
SIZES = ((64, 64), (128, 128), (224, 224), (640, 480))
OVERHEAD, SPEEDUP = 0.15, 1.8
"""The bars: at most that much beside physics, at least that much from two threads."""
KINDS = ("Track", "Grasp", "Reorient")

_SAMPLE = ASSETS / "motions" / "sample_right.npz"
_BEGIN, _RANDOM = 100, 0.05
"""Frame of the sample at which Track begins; share of the action space for random actions."""


class Row(NamedTuple):
    """One environment on one hand."""

    kind: str
    hand: str
    wrist: str
    rate: float
    substeps: int
    speed: Speed


def made(
    kind: str, hand: str, wrist: str, trajectory: handsim.JointTrajectory | None = None
) -> HandEnv:
    """An environment with a hand of its own."""
    if kind == "Track":
        assert trajectory is not None
        return TrackEnv(hand, trajectory, wrist=wrist)
    return GraspEnv(hand, wrist=wrist) if kind == "Grasp" else ReorientEnv(hand, wrist=wrist)


def followed(hand: str) -> handsim.JointTrajectory:
    """What Track follows: the sample motion from where it moves."""
    person = retarget.load(_SAMPLE)
    whole = retarget.Retargeter(handsim.load_hand(hand)).retarget(person).trajectory
    return whole.at(whole.times[_BEGIN:] - whole.times[0])


def actions_for(env: HandEnv, kind: str, steps: int) -> Float[np.ndarray, "K a"]:
    """What is done: the demonstrated or scripted commands, or small random actions."""
    if kind == "Reorient":
        size = (steps, env.control.size)
        return np.random.default_rng(0).uniform(-_RANDOM, _RANDOM, size)
    env.reset(seed=0)
    return env.actions_to(env.commands()[:steps])


def row_of(kind: str, hand: str, wrist: str, rounds: int, steps: int, batch: int) -> Row:
    """Measure one environment on one hand."""
    make = partial(made, kind, hand, wrist, followed(hand) if kind == "Track" else None)
    env = make()
    speed = measure(make, actions_for(env, kind, steps), rounds, batch, threads=2)
    return Row(kind, hand, wrist, env.control_rate, env.substeps, speed)


def peers(python: Path, rounds: int, steps: int) -> dict[str, dict[str, float]]:
    """Gymnasium-Robotics' environments, by name; see `gym_robotics_runner`."""
    command = [str(python), str(RUNNER), str(rounds), str(steps)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, dict[str, float]] = json.loads(said.splitlines()[-1])
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    """Rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def speed_table(rows: list[Row], batch: int) -> str:
    """All environments; figures beyond a bar in italics."""
    head = ["environment", "hand", "wrist", "steps/s", "physics alone", "beside physics"]
    head += ["× real time", f"{batch} on one thread, steps/s", "on two", "gain"]
    return table(head, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    speed = row.speed
    over, gain = f"{100 * speed.overhead:.0f} %", f"{speed.speedup:.2f}"
    return [
        row.kind,
        row.hand,
        row.wrist,
        f"{1 / speed.step:.0f}",
        f"{1 / speed.physics:.0f}",
        over if speed.overhead <= OVERHEAD else f"*{over}*",
        f"{1 / speed.step / row.rate:.0f}",
        f"{1 / speed.in_turn:.0f}",
        f"{1 / speed.batch:.0f}",
        gain if speed.speedup >= SPEEDUP else f"*{gain}*",
    ]


def peer_table(found: dict[str, dict[str, float]]) -> str:
    """Gymnasium-Robotics' environments, in the same terms."""
    head = ["environment", "steps/s", "physics alone", "beside physics", "× real time"]
    rows = [
        [
            name,
            f"{1 / one['step']:.0f}",
            f"{1 / one['physics']:.0f}",
            f"{100 * (one['step'] / one['physics'] - 1):.0f} %",
            f"{1 / one['step'] / one['rate']:.0f}",
        ]
        for name, one in found.items()
    ]
    return table(head, rows)


def picture_table(hands: tuple[str, ...]) -> str:
    """Pictures a second of Track's front camera."""
    rows = []
    for hand in hands:
        env = made("Track", hand, "fixed", followed(hand))
        rows.append([hand, *(f"{frames_a_second(env, size):.0f}" for size in SIZES)])
    return table(["hand", *(f"{width} × {height}" for width, height in SIZES)], rows)


def summary(rows: list[Row]) -> str:
    """How many keep the bars."""
    lean = sum(row.speed.overhead <= OVERHEAD for row in rows)
    gain = sum(row.speed.speedup >= SPEEDUP for row in rows)
    return (
        f"At most {100 * OVERHEAD:.0f} % beside physics: {lean} of {len(rows)}. "
        f"Two threads gain at least {SPEEDUP}: {gain} of {len(rows)}."
    )


def report(rows: list[Row], batch: int, pictures: str, beside: str) -> str:
    """The document."""
    machine = (
        f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}, "
        f"MuJoCo {mujoco.__version__}, two cores"
    )
    parts = [
        "# How fast the environments are",
        f"Written by `python -m benchmarks.environments`. {machine}. Each step's time "
        "is the fastest of several rounds of the same episode. Physics alone is the `mj_step` "
        "calls that steps come down to, from the same inputs to the same bits; for a wrist that "
        f"moves one call for every physics step. The gain is that of a batch of {batch} on two "
        "threads over the same batch on one. In italics what is beyond a bar: "
        f"{100 * OVERHEAD:.0f} % beside physics, {SPEEDUP} times as many steps from two threads.",
        summary(rows),
        speed_table(rows, batch),
        "## Gymnasium-Robotics, in the same run",
        beside,
        "## Pictures a second",
        "Without a graphics card, shadows off.",
        pictures,
    ]
    return "\n\n".join(parts) + "\n"


def run(
    hands: tuple[str, ...] = handsim.hand_names(),
    kinds: tuple[str, ...] = KINDS,
    peers_python: Path | None = None,
    out: Path | None = None,
    rounds: int = 20,
    steps: int = 24,
    batch: int = 64,
) -> None:
    """Measure and print; with `out` also write environment_speed.md there.

    Args:
        hands: of the catalogue.
        kinds: of environments.
        peers_python: a Python that has gymnasium-robotics.
        out: folder for the document.
        rounds: how often each episode is repeated.
        steps: of an episode.
        batch: environments of a batch.
    """
    wrists = {"Track": ("fixed", "floating"), "Grasp": ("floating",), "Reorient": ("fixed",)}
    jobs = [(kind, hand, wrist) for kind in kinds for hand in hands for wrist in wrists[kind]]
    rows = [
        row_of(kind, hand, wrist, rounds, steps, batch)
        for kind, hand, wrist in track(jobs, "measuring", transient=True)
    ]
    beside = "Not measured: no `--peers-python`."
    if peers_python is not None:
        beside = peer_table(peers(peers_python, rounds, steps))
    text = report(rows, batch, picture_table(hands), beside)
    print(text)
    if out is not None:
        (out / "environment_speed.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(run)
