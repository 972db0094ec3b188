"""Robot-learning datasets: one module a format, each with `write(path, rollouts)` and `read`."""

from collections.abc import Sequence
from pathlib import Path

from handsim.datasets import robomimic
from handsim.errors import unknown
from handsim.rollout import Rollout

WRITERS = {"robomimic": robomimic.write}
READERS = {"robomimic": robomimic.read}


def write(format: str, path: str | Path, rollouts: Sequence[Rollout]) -> None:
    """Write `rollouts` as a dataset.

    Args:
        format: one of `WRITERS`.
        path: where.
        rollouts: of one environment, at least one.

    Raises:
        UnknownNameError: there is no such format.
        InputError: the rollouts do not fit together.
        OutputError: `path` cannot be written.
    """
    if format not in WRITERS:
        raise unknown("dataset format", format, WRITERS)
    WRITERS[format](path, rollouts)


def read(format: str, path: str | Path) -> list[Rollout]:
    """Read the rollouts that `write` wrote, equal to the last bit.

    Raises:
        UnknownNameError: there is no such format.
        MissingFileError: there is no such file.
        FormatError: it is not such a dataset, or another program wrote it.
    """
    if format not in READERS:
        raise unknown("dataset format", format, READERS)
    return READERS[format](path)
