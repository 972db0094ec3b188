"""Robot-learning datasets: one module a format.

A rollout becomes part of a dataset in two steps. `pack` does all that is expensive for one episode
(encoding, compressing) into a folder of its own; many may run at once. `assemble` strings packs
together: one writer, which holds no more than an episode in memory and writes the same bytes from
the same packs. `write` does both.

Each module has four functions: ``pack(rollout, folder)``, ``assemble(path, packs)``,
``episodes(path)`` and ``verify(path)``.
"""

import importlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from handsim.datasets.packs import CARD, Packs, card_of, dataset_card, write_card
from handsim.errors import (
    FormatError,
    HandsimError,
    InputError,
    MissingExtraError,
    MissingFileError,
    OutputError,
    unknown,
)
from handsim.files import replacing_folder
from handsim.rollout import Rollout

FORMATS = ("lerobot", "minari", "robomimic", "zarr")
"""Names of modules here; of the extras, too, where one is needed."""


def pack(format: str, rollout: Rollout, folder: str | Path) -> None:
    """Prepare an episode for a dataset, in a folder that is whole or absent.

    Raises:
        UnknownNameError: there is no such format.
        MissingExtraError: it needs packages that are not installed.
        InputError: the format cannot hold the rollout.
        OutputError: `folder` cannot be written, or is there and is no pack.
    """
    module = module_of(format)
    if not len(rollout):
        raise InputError("rollout: an episode of no steps, expected at least one.")
    with _writing(folder), replacing_folder(folder, CARD) as temporary:
        module.pack(rollout, temporary)
        write_card(temporary, format, card_of(rollout))


def assemble(format: str, path: str | Path, packs: Sequence[str | Path]) -> None:
    """Make a dataset of packs, in their order; the packs stay as they are.

    An older dataset of ours at `path` is replaced, once the new one is whole.

    Args:
        format: one of `FORMATS`, that of the packs.
        path: of the dataset.
        packs: folders that `pack` wrote, at least one.

    Raises:
        UnknownNameError: there is no such format.
        MissingExtraError: it needs packages that are not installed.
        MissingFileError, FormatError: one is no pack of this format.
        InputError: the episodes do not go together.
        OutputError: `path` cannot be written.
    """
    module = module_of(format)
    checked = Packs(format, [Path(folder) for folder in packs])
    with _writing(path):
        module.assemble(Path(path), checked)


def write(format: str, path: str | Path, rollouts: Iterable[Rollout]) -> None:
    """Write `rollouts` as a dataset, taking them one at a time.

    Args:
        format: one of `FORMATS`.
        path: where.
        rollouts: of one environment, at least one.

    Raises:
        UnknownNameError: there is no such format.
        MissingExtraError: it needs packages that are not installed.
        InputError: the rollouts do not go together, or the format cannot hold them.
        OutputError: `path` cannot be written.
    """
    module_of(format)
    with _writing(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=Path(path).parent, prefix=f".{Path(path).name}-") as packs:
        folders = []
        for i, rollout in enumerate(rollouts):
            folders.append(Path(packs) / str(i))
            pack(format, rollout, folders[-1])
        assemble(format, path, folders)


def read(format: str, path: str | Path) -> list[Rollout]:
    """Read the rollouts that were written, equal to the last bit but for pictures in videos.

    Raises:
        UnknownNameError: there is no such format.
        MissingExtraError: it needs packages that are not installed.
        MissingFileError: there is no such dataset.
        FormatError: it is not such a dataset, or another program wrote it.
    """
    return list(episodes(format, path))


def episodes(format: str, path: str | Path) -> Iterator[Rollout]:
    """Read the rollouts of a dataset one at a time; see `read`."""
    return module_of(format).episodes(Path(path))


def recognised(path: str | Path) -> str:
    """The format of a dataset of ours, by what is there.

    Raises:
        MissingFileError: there is nothing.
        FormatError: it is no dataset, or of no known format.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"No such dataset: {path}.")
    if path.is_file():
        return "robomimic"
    for format in FORMATS:
        with suppress(FormatError):
            dataset_card(path, format)
            return format
    raise FormatError(f"{path} is no dataset of a known format: {', '.join(FORMATS)}.")


def verify(format: str, path: str | Path) -> int:
    """Read a whole dataset, and compare what learners see of it with the exact rollouts.

    Returns:
        How many episodes it has.

    Raises:
        FormatError: something is damaged, absent, or not what was recorded.
        UnknownNameError, MissingExtraError, MissingFileError: as `read`.
    """
    return module_of(format).verify(Path(path))


def module_of(format: str) -> ModuleType:
    """The module of a format.

    Raises:
        UnknownNameError: there is no such format.
        MissingExtraError: it needs packages that are not installed.
    """
    if format not in FORMATS:
        raise unknown("dataset format", format, FORMATS)
    try:
        return importlib.import_module(f"handsim.datasets.{format}")
    except ImportError as error:
        raise MissingExtraError(
            f"The dataset format {format!r} needs the package {error.name!r}: "
            f"pip install 'handsim[{format}]'."
        ) from error


@contextmanager
def _writing(path: str | Path) -> Iterator[None]:
    """Report a full disk, and the like, as an OutputError."""
    try:
        yield
    except HandsimError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
