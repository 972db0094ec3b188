"""Robot-learning datasets from human motions: thousands of episodes, nothing lost.

A *recipe* and motions make a *plan* that names and seeds every episode. *Processes* (or a Ray
cluster) work on the episodes, each into a folder of its own that is whole or absent. A single
writer then *assembles* datasets, manifest and card in the plan's order. Whatever is killed, the
same command goes on, and the end is the same to the byte.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from os import cpu_count
from pathlib import Path

from handsim.datasets import module_of
from handsim.opengl import context_class
from retarget.generation.assembly import finish
from retarget.generation.episodes import FAILED, record_of, work
from retarget.generation.estimate import Estimate, estimate
from retarget.generation.plan import Episode, Plan, jobs_of, make_plan
from retarget.generation.processes import Done, run
from retarget.generation.progress import bar
from retarget.generation.ray_cluster import run_on_ray
from retarget.generation.recipe import Recipe
from retarget.generation.results import Results, write_record
from retarget.generation.run_folder import RunFolder, opened
from retarget.generation.verification import verify

__all__ = ["Estimate", "Generated", "Recipe", "estimate", "generate", "make_plan", "verify"]

JOBS_EACH = 2
"""Jobs each process should at least get: more would solve the same again."""


@dataclass(frozen=True)
class Generated:
    """What a run made.

    Attributes:
        folder: where.
        counts: status → how many episodes.
        datasets: the datasets' files or folders.
    """

    folder: Path
    counts: dict[str, int]
    datasets: list[Path]

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self.counts.items()))
        return f"{self.folder}: {sum(self.counts.values())} episodes, {counts}"


def generate(
    motions: Sequence[str | Path],
    recipe: Recipe,
    out: str | Path,
    workers: int | None = None,
    ray: str | None = None,
    progress: bool = False,
) -> Generated:
    """Make datasets of human motions; cut off, the same call goes on.

    Args:
        motions: files or folders of motions, in any format, or folders of such.
        recipe: how episodes are made of them.
        out: the folder to write; a new one, or one of the same motions and recipe.
        workers: how many processes; None for one a processor.
        ray: address of a Ray cluster to work on instead, see `run_on_ray`.
        progress: whether to show a bar.

    Raises:
        MissingFileError: there is no such motion.
        InputError: no motion can be read, or `out` is of another run.
        MissingExtraError: a format, a camera or Ray needs what is not installed.
        OutputError: `out` cannot be written.
    """
    require_installed(recipe)
    plan = make_plan(recipe, motions, progress)
    with opened(out, plan.text()) as folder:
        if folder.finished:
            folder.finish()
            return generated(folder, recipe)
        _work(plan, folder.results, workers or cpu_count() or 1, ray, progress)
        finish(folder, plan, progress)
        return generated(folder, recipe)


def require_installed(recipe: Recipe) -> None:
    """Make sure, before hours of work, that formats can be written and cameras can see.

    Raises:
        MissingExtraError: something is not installed.
    """
    for format in recipe.format:
        module_of(format)
    if recipe.cameras:
        context_class()


def generated(folder: RunFolder, recipe: Recipe) -> Generated:
    """What a finished run made."""
    records = folder.records()
    names = dict.fromkeys(record["dataset"] for record in records if record["dataset"])
    datasets = [folder.dataset(format, name) for format in recipe.format for name in names]
    return Generated(folder.path, dict(Counter(r["status"] for r in records)), datasets)


def _work(plan: Plan, results: Results, workers: int, ray: str | None, progress: bool) -> None:
    """Work on all episodes that are not done."""
    left = [episode for episode in plan.episodes if episode.id not in results]
    jobs = jobs_of(left, JOBS_EACH * workers)
    if ray:
        events = run_on_ray(jobs, plan.recipe, results, ray)
    else:
        events = run(jobs, partial(work, recipe=plan.recipe, results=results), workers)
    done = len(plan.episodes) - len(left)
    with bar(progress) as shown:
        task = shown.add_task("episodes", total=len(plan.episodes), completed=done)
        for event in events:
            _account(event, results)
            shown.advance(task)


def _account(event: Done[Episode], results: Results) -> None:
    """Write the record of an episode that was given up."""
    episode = event.item
    if event.lost and episode.id not in results:
        reason = f"Its process was lost again and again ({event.lost})."
        with results.adding(episode.id) as folder:
            write_record(folder, record_of(episode, FAILED, reason))
