"""Jobs worked on by a Ray cluster: the same work, its results sent to the machine that writes.

Every node must see the motions under the same paths; nothing else is shared.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from handsim.errors import MissingExtraError
from retarget.generation.episodes import work
from retarget.generation.plan import Episode
from retarget.generation.processes import ONE_THREAD, Done
from retarget.generation.recipe import Recipe
from retarget.generation.results import Results

_AHEAD = 2
"""Jobs handed out for each processor of the cluster."""
_RETRIES = 4

Files = dict[str, bytes]


def run_on_ray(
    jobs: Sequence[list[Episode]], recipe: Recipe, results: Results, address: str
) -> Iterator[Done[Episode]]:
    """Work on all jobs on the cluster at `address`; yields each episode once, as it is done.

    Args:
        jobs: episodes that share a solution.
        recipe: how they are made.
        results: where they are put, on this machine.
        address: of the cluster; "auto" for the one this machine belongs to, "local" for one that is
            started here and ends with the run.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--ray needs Ray: pip install 'handsim[ray]'.") from error
    ray.init(address, runtime_env={"env_vars": ONE_THREAD}, log_to_driver=False)
    try:
        remote = ray.remote(max_retries=_RETRIES, num_cpus=1)(results_of)
        most = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting, running = list(reversed(jobs)), dict[Any, list[Episode]]()
        while waiting or running:
            while waiting and len(running) < most:
                job = waiting.pop()
                running[remote.remote(job, recipe)] = job
            done, _ = ray.wait(list(running))
            job = running.pop(done[0])
            try:
                files = ray.get(done[0])
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
                yield from (Done(episode, type(error).__name__) for episode in job)
                continue
            for episode, made in zip(job, files, strict=True):
                unpack(made, episode.id, results)
                yield Done(episode)
    finally:
        ray.shutdown()


def results_of(job: list[Episode], recipe: Recipe) -> list[Files]:
    """The results of a job's episodes, each as its files by their names."""
    with tempfile.TemporaryDirectory() as folder:
        results = Results(Path(folder))
        return [files_in(Path(folder) / episode) for episode in work(job, recipe, results)]


def files_in(folder: Path) -> Files:
    """All files of a folder."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def unpack(files: Files, episode: str, results: Results) -> None:
    """Put a result, as `files_in` gave it, where the others are.

    Raises:
        OutputError: it cannot be written.
    """
    with results.adding(episode) as folder:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
