"""How fast datasets are generated, and where the time goes.

    python -m benchmarks.generation [--hands …] [--variants 16] [--format robomimic]

Two tables. One is of single episodes, in this process and on one thread: retargeting (shared by the
variants), simulating, scoring and packing, without and with a camera of 224 × 224 pixels, beside
what rendering and encoding those pictures takes alone; it counts processor time, which other work
on the machine does not change much. The other is of whole runs of all hands, by one process and by
two, in wall time from the command to the finished dataset: it wants a machine with two processors
that are free. Rates are seconds of motion made in a second.
"""

import platform
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import tyro
from rich.progress import track

import handsim
from handsim.assets import ASSETS
from handsim.datasets import assemble, pack
from handsim.resimulation import remake
from retarget.generation import Recipe, generate, make_plan
from retarget.generation.episodes import perform, solve

SAMPLE = ASSETS / "motions" / "sample_right.npz"


@dataclass(frozen=True)
class Times:
    """Processor times of one hand [s].

    Attributes:
        hand: which.
        motion: how long an episode lasts.
        solve: retargeting, once for all variants.
        perform: simulating and scoring an episode.
        write: packing it, and its share of assembling.
        seen, written: the same two with a camera.
        render, encode: its pictures alone.
    """

    hand: str
    motion: float
    solve: float
    perform: float
    write: float
    seen: float
    written: float
    render: float
    encode: float

    def episode(self, variants: int) -> float:
        """An episode without pictures."""
        return self.solve / variants + self.perform + self.write

    def episode_seen(self, variants: int) -> float:
        """An episode with pictures."""
        return self.solve / variants + self.seen + self.written


def measure(hand: str, motion: Path, format: str, folder: Path) -> Times:
    """The times of one hand; what is compiled on its first use is used before."""
    plain = Recipe(hands=(hand,), format=(format,))
    camera = replace(plain, cameras=("front",))
    (episode,) = make_plan(plain, [motion]).episodes
    perform(episode, plain, solve(episode, plain))
    began = process_time()
    solved = solve(episode, plain)
    solve_time = process_time() - began
    began = process_time()
    rollout, _ = perform(episode, plain, solved)
    perform_time = process_time() - began
    began = process_time()
    seen, _ = perform(episode, camera, solved)
    seen_time = process_time() - began
    written = _write_time(seen, format, folder / "seen")
    bare = _write_time(replace(seen, frames={}), format, folder / "bare")
    return Times(
        hand=hand,
        motion=float(rollout.times[-1]),
        solve=solve_time,
        perform=perform_time,
        write=_write_time(rollout, format, folder / "plain"),
        seen=seen_time,
        written=written,
        render=_render_time(seen),
        encode=written - bare,
    )


def _write_time(rollout: handsim.Rollout, format: str, folder: Path) -> float:
    began = process_time()
    pack(format, rollout, folder / "pack")
    ending = ".hdf5" if format == "robomimic" else "-v0"
    assemble(format, folder / f"dataset{ending}", [folder / "pack"])
    return process_time() - began


def _render_time(rollout: handsim.Rollout) -> float:
    env = remake(rollout, width=224, height=224)
    view = env.unwrapped
    assert isinstance(view, handsim.envs.HandEnv)
    view.reset()
    began = process_time()
    for _ in rollout.times:
        view.picture("front")
    spent = process_time() - began
    env.close()
    return spent


def run_rate(recipe: Recipe, motion: Path, workers: int, folder: Path) -> float:
    """Seconds of motion that a whole run makes in a second."""
    began = perf_counter()
    generate([motion], recipe, folder / f"by {workers}", workers)
    spent = perf_counter() - began
    episodes = len(recipe.hands) * recipe.variants
    return episodes * make_plan(recipe, [motion]).clips[0].seconds / spent


def tables(rows: list[Times], variants: int) -> str:
    """The times of single episodes as a Markdown table, the mean over the hands last."""
    head = [
        "hand",
        "solve [ms]",
        "simulate, score [ms]",
        "write [ms]",
        "× real time",
        "writing [%]",
    ]
    head += ["with camera [ms]", "render + encode alone [ms]", "more than alone [%]"]
    lines = [head, ["---"] * len(head)]
    figures = np.array([_figures(row, variants) for row in rows])
    named = [*zip((row.hand for row in rows), figures, strict=True), ("mean", figures.mean(axis=0))]
    lines += [[name, *(f"{value:.3g}" for value in values)] for name, values in named]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figures(row: Times, variants: int) -> list[float]:
    alone = row.render + row.encode
    plain, seen = row.episode(variants), row.episode_seen(variants)
    return [
        1e3 * row.solve,
        1e3 * row.perform,
        1e3 * row.write,
        row.motion / plain,
        100 * row.write / plain,
        1e3 * seen,
        1e3 * alone,
        100 * (seen / alone - 1),
    ]


def run(
    hands: tuple[str, ...] = handsim.hand_names(),
    motion: Path = SAMPLE,
    variants: int = 16,
    format: str = "robomimic",
    runs: bool = True,
) -> None:
    """Measure and print.

    Args:
        hands: of the catalogue.
        motion: a human motion, in any format.
        variants: episodes a motion and hand, which share a retargeting.
        format: of the dataset.
        runs: also measure whole runs.
    """
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [
            measure(hand, motion, format, folder / hand)
            for hand in track(hands, "measuring", transient=True)
        ]
        print(f"Single episodes, {variants} variants to a retargeting, {format}:\n")
        print(f"{tables(rows, variants)}\n", flush=True)
        if runs:
            recipe = Recipe(hands=hands, format=(format,), variants=variants, time_warp=0.2)
            one, two = (run_rate(recipe, motion, workers, folder) for workers in (1, 2))
            print(f"Whole runs, {len(hands) * variants} episodes, state only: one process")
            print(f"{one:.0f} × real time, two {two:.0f} ×: {two / one:.2f} times as fast")


if __name__ == "__main__":
    tyro.cli(run)
