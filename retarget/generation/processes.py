"""Jobs worked on by processes, any of which may be killed at any moment.

Each process has a pipe of its own: it says when an item of its job is done, and the pipe's end says
when it is gone. `concurrent.futures` would not tell whose process died, and give up all others.
A process ends by itself when its parent does, however that ends.
"""

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from multiprocessing.process import parent_process
from threading import Thread
from typing import Generic, NamedTuple, TypeVar

from handsim.errors import WorkerError

ATTEMPTS = 5
"""Processes an item may have killed before it is given up."""
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
"""The environment of a process that computes on one thread."""
_READY = "ready"
_PATIENCE = 10.0
"""How long a process that has nothing to do may take to end [s]."""

Item = TypeVar("Item", bound=Hashable)


class Done(NamedTuple, Generic[Item]):
    """An item that is done, or was given up.

    Attributes:
        item: which.
        lost: how its last process ended when it was given up, else "".
    """

    item: Item
    lost: str = ""


Work = Callable[[list[Item]], Iterator[object]]
"""Works on a job, its items in order; yields once for each that is done. Must be picklable."""


def run(jobs: Sequence[list[Item]], work: Work[Item], count: int) -> Iterator[Done[Item]]:
    """Work on all jobs with `count` processes; yields each item once, as it is done.

    Raises:
        WorkerError: a process cannot start.
        Exception: whatever `work` raised, in the process it was raised in.
    """
    queue, deaths = deque(jobs), Counter[Item]()
    with _one_thread_each():
        workers = [Worker(work) for _ in range(min(count, len(queue)))]
        try:
            while queue or any(worker.job for worker in workers):
                for worker in workers:
                    if queue and not worker.job:
                        worker.give(queue.popleft())
                yield from _listen(workers, queue, deaths)
        finally:
            for worker in workers:
                worker.stop()


def _listen(
    workers: list["Worker[Item]"], queue: deque[list[Item]], deaths: Counter[Item]
) -> Iterator[Done[Item]]:
    """What the workers have to say, once one of them says something."""
    busy = {worker.connection: worker for worker in workers if worker.job}
    for connection in wait(list(busy)):
        worker = busy[connection]  # type: ignore[index]
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            yield from _bury(worker, queue, deaths)
            workers[workers.index(worker)] = Worker(worker.work)
            continue
        if isinstance(said, BaseException):
            raise said
        if said == _READY:
            worker.ready = True
        else:
            yield Done(worker.job.pop(0))


def _bury(
    worker: "Worker[Item]", queue: deque[list[Item]], deaths: Counter[Item]
) -> Iterator[Done[Item]]:
    """Put what a dead worker has not done back into the queue, but what has killed too many."""
    how = worker.ending()
    left = worker.job
    deaths[left[0]] += 1
    if deaths[left[0]] >= ATTEMPTS:
        yield Done(left.pop(0), how)
    if left:
        queue.appendleft(left)


class Worker(Generic[Item]):
    """One process.

    Attributes:
        work: what it does.
        job: what it has not yet done of its job.
        connection: our end of its pipe.
        ready: whether it has begun.
    """

    context: SpawnContext = multiprocessing.get_context("spawn")

    def __init__(self, work: Work[Item]) -> None:
        self.work = work
        self.job: list[Item] = []
        self.ready = False
        self.connection, theirs = self.context.Pipe()
        self.process = self.context.Process(target=_serve, args=(theirs, work), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, job: list[Item]) -> None:
        """Have it work on a job."""
        self.job = list(job)
        # One that is dead cannot be told: its pipe will say so when it is listened to.
        with suppress(OSError):
            self.connection.send(self.job)

    def ending(self) -> str:
        """How it ended.

        Raises:
            WorkerError: it could not begin.
        """
        self.process.join()
        code = self.process.exitcode or 0
        if code > 0 and not self.ready:
            raise WorkerError(
                "A process of the run could not start, it said why above. (A script that starts "
                "one needs `if __name__ == '__main__':` around what it does.)"
            )
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def stop(self) -> None:
        """End it: in peace if it has nothing to do."""
        self.connection.close()
        self.process.join(0 if self.job else _PATIENCE)
        self.process.kill()
        self.process.join()


def _serve(connection: Connection, work: Work[Item]) -> None:
    """What a process does: jobs, until nobody has one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    connection.send(_READY)
    while True:
        try:
            job = connection.recv()
            for _ in work(job):
                connection.send(None)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:  # noqa: BLE001 - raised again by the parent
            connection.send(error)


def _end_with_parent() -> None:
    """End this process when its parent has ended, be it by kill −9."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Have processes that are started here compute on one thread: as many as there are cores do.

    The libraries read the environment when they are loaded.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
