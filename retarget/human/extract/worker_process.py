"""Running a worker: a script in an environment of its own, which reports by lines of JSON."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress

from handsim.errors import MissingExtraError, WorkerError

WORKERS = Path(__file__).parent / "workers"
LOG = "log.txt"
_TAIL = 4000
"""Bytes at the end of a log that are looked through for what went wrong."""


def script(backend: str) -> Path:
    """The file of a backend's worker."""
    return WORKERS / f"{backend}.py"


def run(python: Path, worker: Path, folder: Path, progress: bool = False) -> None:
    """Run a worker on the job in `folder` until it has ended.

    Args:
        python: the interpreter.
        worker: the script.
        folder: the job; what the worker says on stderr is kept there in `log.txt`.
        progress: whether to show a bar.

    Raises:
        MissingExtraError: the interpreter cannot be run.
        WorkerError: the worker failed; what it has done is kept.
    """
    log = folder / LOG
    with (
        Progress(transient=True, disable=not progress) as bar,
        started(python, worker, [str(folder)], log) as (process, lines),
    ):
        task = bar.add_task(worker.stem, total=None)
        said = ""
        for line in lines:
            said = str(line.get("error", said))
            if isinstance(line.get("done"), int):
                bar.update(task, completed=line["done"], total=line.get("total"))
        require_success(process, worker, said, log)


@contextmanager
def started(
    python: Path, worker: Path, arguments: Sequence[str], log: Path
) -> Iterator[tuple[subprocess.Popen[str], Iterator[dict[str, Any]]]]:
    """A running worker and the lines of JSON it writes; it is stopped at the end.

    The interpreter is isolated (`-I`): neither the user's packages nor our own are on its path.

    Raises:
        MissingExtraError: the interpreter cannot be run.
    """
    command = [str(python), "-I", str(worker), *arguments]
    with log.open("ab") as errors:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise MissingExtraError(f"Cannot run {python}: {error.strerror or error}.") from error
        with process:
            assert process.stdout is not None
            try:
                yield process, _objects(process.stdout)
            finally:
                if process.poll() is None:
                    process.terminate()


def _objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The lines that are objects of JSON; a library's chatter is passed over."""
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def require_success(process: subprocess.Popen[str], worker: Path, said: str, log: Path) -> None:
    """Make sure that a worker whose output has ended has done what it was asked to.

    Raises:
        WorkerError: it has not; the message is the worker's, or the end of its log.
    """
    code = process.wait()
    if code or said:
        killed = f"killed by signal {-code}" if code < 0 else ""
        raise WorkerError(f"The {worker.stem} worker failed: {said or killed or _last_words(log)}")


def _last_words(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _TAIL))
        lines = stream.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
