"""Whether a run of `generate` survives: killed again and again, it must end the same to the byte.

    python -m benchmarks.faults [--episodes 200] [--kills 50] [--seed 0]

One run is left alone. Another of the same recipe is killed (SIGKILL) at random moments, now all of
it, now one of its processes, and started again each time it is gone; then it may end. The two
folders must hold the same bytes, and `verify` must find nothing. Needs Linux's /proc.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGKILL

import numpy as np
import tyro
from rich.progress import Progress

from handsim.assets import ASSETS
from retarget.generation import Recipe, generate, verify
from retarget.human.hand_trajectory import HandTrajectory

SAMPLE = ASSETS / "motions" / "sample_right.npz"
FRAMES = 20
_PROGRAM = """
import sys
from retarget.cli import main
if __name__ == "__main__":
    main(sys.argv[1:])
"""


class Run:
    """The command that is killed, and started again."""

    def __init__(self, motion: Path, recipe: Recipe, out: Path) -> None:
        options = ["--variants", recipe.variants, "--method", recipe.method, "--workers", 2]
        options += ["--time-warp", recipe.time_warp, "--hands", *recipe.hands, "-o", out]
        self.line = [sys.executable, "-c", _PROGRAM, "generate", str(motion), *map(str, options)]
        self.out, self.starts = out, 0
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self.process = subprocess.Popen(self.line, stdout=subprocess.DEVNULL)
        self.starts += 1

    def done(self) -> int:
        """How many episodes are done."""
        return len(list(self.out.glob(".work/episodes/*/record.json")))

    def workers(self) -> list[int]:
        """Its processes that work."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            pids = children.read_text().split()
            lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
        except OSError:
            return []
        return [pid for pid, line in lines.items() if b"spawn_main" in line]

    def kill(self, rng: np.random.Generator) -> str:
        """Kill it, or one of its processes; says which."""
        workers = self.workers()
        if workers and rng.random() < 0.5:
            subprocess.run(["kill", f"-{int(SIGKILL)}", str(rng.choice(workers))], check=False)
            return "a process"
        self.process.kill()
        self.process.wait()
        self.start()
        return "all"


def wait_a_while(run: Run, episodes: int, rng: np.random.Generator) -> None:
    """Until a few more episodes are done; one time in six only some seconds, wherever that is."""
    if rng.random() < 1 / 6:
        time.sleep(rng.uniform(0, 6))
        return
    goal = min(run.done() + int(rng.integers(1, 9)), episodes)
    while run.process.poll() is None and run.done() < goal:
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.3))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its content."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def run(episodes: int = 200, kills: int = 50, seed: int = 0) -> None:
    """Kill, complete, compare; exit code 1 if anything differs.

    Args:
        episodes: of the run.
        kills: how many.
        seed: of when and what is killed.
    """
    rng = np.random.default_rng(seed)
    recipe = Recipe(
        hands=("dex3", "ability"), variants=episodes // 2, method="vector", time_warp=0.3
    )
    killed = {"all": 0, "a process": 0}
    with tempfile.TemporaryDirectory() as temporary, Progress(transient=True) as bar:
        folder = Path(temporary)
        motion = folder / "motion.npz"
        HandTrajectory.load(SAMPLE).select(slice(0, FRAMES)).save(motion)
        generate([motion], recipe, folder / "undisturbed", workers=2)
        disturbed = Run(motion, recipe, folder / "disturbed")
        for _ in bar.track(range(kills), description="killing"):
            wait_a_while(disturbed, episodes, rng)
            if disturbed.process.poll() is not None:
                break
            killed[disturbed.kill(rng)] += 1
        code = disturbed.process.wait()
        same = tree(folder / "disturbed") == tree(folder / "undisturbed")
        problems = verify(folder / "disturbed")
    counts = ", ".join(f"{what} {count} times" for what, count in killed.items())
    print(f"{episodes} episodes, started {disturbed.starts} times, killed: {counts}")
    print(f"exit code {code}, {'the same bytes' if same else 'OTHER BYTES'}, {problems or 'whole'}")
    sys.exit(0 if same and not problems and code == 0 else 1)


if __name__ == "__main__":
    tyro.cli(run)
