"""Packs: one episode each, made ready for a format, from which a dataset is assembled.

A pack is a folder that is whole or absent. Beside what its format put there it holds the card,
``handsim.json``: what the episode is of. Cards are compared before a dataset is begun, so that
episodes which do not go together are found out in seconds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from handsim.errors import FormatError, InputError, MissingFileError
from handsim.files import one_line, replacing_folder, whole
from handsim.rollout import Rollout

CARD, SCHEMA = "handsim.json", 1
ALIKE = ("observations", "frames")
"""Groups of arrays that every episode of a dataset has, alike in shape and type."""
OPTIONAL = ("annotations", "info")
"""Groups of which a dataset's columns are those arrays that every episode has."""

_SAME = ("hand", "side", "joint_names", "actuator_names", "env_id", "rate", "action")


class Column(NamedTuple):
    """Type and shape of an array's rows."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def is_picture(self) -> bool:
        """Whether a row is a picture: (H, W, 3) bytes."""
        return self.dtype == "uint8" and len(self.shape) == 3 and self.shape[-1] == 3


@dataclass(frozen=True)
class Card:
    """What one episode is of, or what all episodes of a dataset have in common.

    Attributes:
        hand, side, joint_names: which hand, and the columns of its qpos.
        actuator_names: the columns of its actions; () when nobody said.
        env_id: the environment's name in Gymnasium, "" when it has none.
        env_kwargs: its arguments.
        rate: frames a second [Hz].
        action: columns of the actions.
        columns: by group ("observations", "frames", "annotations", "info"), then by name.
        steps: of the episode, or of all.
        task: what is done, in words; "" when nobody said.
    """

    hand: str
    side: str
    joint_names: tuple[str, ...]
    actuator_names: tuple[str, ...]
    env_id: str
    env_kwargs: Mapping[str, Any]
    rate: float
    action: Column
    columns: Mapping[str, Mapping[str, Column]]
    steps: int
    task: str


def card_of(rollout: Rollout) -> Card:
    """The card of an episode."""
    seconds = float(rollout.times[-1] - rollout.times[0])
    groups = {group: getattr(rollout, group) for group in (*ALIKE, *OPTIONAL)}
    return Card(
        hand=rollout.hand,
        side=rollout.side,
        joint_names=tuple(rollout.joint_names),
        actuator_names=tuple(rollout.metadata.get("actuator_names", ())),
        env_id=rollout.metadata.get("env_id") or "",
        env_kwargs=dict(rollout.metadata.get("env_kwargs", {})),
        rate=round(len(rollout) / seconds, 6) if seconds > 0 else 0.0,
        action=column_of(rollout.actions),
        columns={
            group: {name: column_of(array) for name, array in sorted(arrays.items())}
            for group, arrays in groups.items()
        },
        steps=len(rollout),
        task=rollout.task,
    )


def picture_columns(card: Card) -> dict[str, Column]:
    """The pictures of an episode, or of a dataset, by name; see `pictures_of`."""
    seen = {name: c for name, c in card.columns["observations"].items() if c.is_picture}
    return {**card.columns["frames"], **seen}


def pictures_of(rollout: Rollout) -> dict[str, UInt8[np.ndarray, "N1 H W 3"]]:
    """The pictures of an episode by name: from cameras, and those that were observed.

    Raises:
        InputError: a camera has the name of an observed picture.
    """
    seen = {
        name: array for name, array in rollout.observations.items() if column_of(array).is_picture
    }
    both = sorted(seen.keys() & rollout.frames.keys())
    if both:
        raise InputError(f"frames: camera {both[0]!r} has the name of an observed picture.")
    return {**rollout.frames, **seen}


def write_card(folder: Path, format: str, card: Card) -> None:
    """Write the card of a pack or dataset into its folder."""
    content = {"format": format, "schema": SCHEMA, **vars(card)}
    (folder / CARD).write_text(json.dumps(content, sort_keys=True))


def read_card(folder: str | Path, format: str) -> Card:
    """Read what `write_card` wrote.

    Raises:
        MissingFileError: there is no card.
        FormatError: it is damaged, of another format, or newer than this version.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise MissingFileError(f"No such file: {path}.")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no card of an episode: {one_line(error)}.") from error
    with whole(path, "card of an episode"):
        if content.pop("schema") > SCHEMA:
            raise FormatError(f"{path} is newer than this version, which reads up to {SCHEMA}.")
        found = content.pop("format")
        if found != format:
            raise FormatError(f"{path} is of the format {found!r}, expected {format!r}.")
        for names in ("joint_names", "actuator_names"):
            content[names] = tuple(content[names])
        content["action"] = _from_json(content["action"])
        every = [name for group in content["columns"].values() for name in group]
        if any("/" in name for name in every):
            raise FormatError(f"{path} has names with '/', which lead elsewhere.")
        content["columns"] = {
            group: {name: _from_json(column) for name, column in content["columns"][group].items()}
            for group in (*ALIKE, *OPTIONAL)
        }
        return Card(**content)


class Packs:
    """Packs that make one dataset, in its order.

    Attributes:
        folders: of the packs.
        common: what they have in common; its steps are those of all.
    """

    def __init__(self, format: str, folders: Sequence[Path]) -> None:
        """Compare the cards.

        Raises:
            InputError: there are none, or they do not go together.
            MissingFileError, FormatError: one is no pack of this format.
        """
        if not folders:
            raise InputError("rollouts: none, expected at least one.")
        self.format, self.folders = format, folders
        cards = iter(self)
        self.common = next(cards)[1]
        for i, (_, card) in enumerate(cards, 1):
            self.common = _join(self.common, card, i)

    def __iter__(self) -> Iterator[tuple[Path, Card]]:
        """Each pack with its card."""
        for folder in self.folders:
            yield Path(folder), read_card(folder, self.format)

    def __len__(self) -> int:
        return len(self.folders)


@contextmanager
def dataset_folder(path: Path, packs: Packs) -> Iterator[Path]:
    """Yield a temporary folder that becomes the dataset at `path`, with its card, on success."""
    with replacing_folder(path, CARD) as folder:
        yield folder
        write_card(folder, packs.format, packs.common)


def dataset_card(path: Path, format: str) -> Card:
    """The card of a dataset of ours.

    Raises:
        MissingFileError: there is no such folder.
        FormatError: we did not write it, or in another format.
    """
    if not path.is_dir():
        raise MissingFileError(f"No such folder: {path}.")
    if not (path / CARD).is_file():
        raise FormatError(f"{path} has no {CARD}, expected a dataset that handsim wrote.")
    return read_card(path, format)


def require_steps(path: Path, common: Card, lengths: Sequence[int]) -> int:
    """Make sure that a dataset has as many steps as its card says; returns how many episodes.

    Raises:
        FormatError: it has not.
    """
    if sum(lengths) != common.steps:
        raise FormatError(f"{path} holds {sum(lengths)} steps, expected {common.steps}.")
    return len(lengths)


def _join(common: Card, card: Card, i: int) -> Card:
    """What another card leaves in common."""
    for what in _SAME:
        _require_same(i, what, getattr(card, what), getattr(common, what))
    for group in ALIKE:
        _require_same(i, group, dict(card.columns[group]), dict(common.columns[group]))
    kwargs = {
        name: value
        for name, value in common.env_kwargs.items()
        if name in card.env_kwargs and card.env_kwargs[name] == value
    }
    columns = {
        group: {
            name: column
            for name, column in common.columns[group].items()
            if group in ALIKE or card.columns[group].get(name) == column
        }
        for group in common.columns
    }
    task = common.task if card.task == common.task else ""
    changed = {"env_kwargs": kwargs, "columns": columns, "task": task}
    return Card(**{**vars(common), **changed, "steps": common.steps + card.steps})


def _require_same(i: int, what: str, value: Any, expected: Any) -> None:
    if value != expected:
        raise InputError(
            f"rollouts[{i}] has the {what} {value}, expected that of rollouts[0], {expected}: "
            "a dataset is of one environment."
        )


def column_of(array: np.ndarray) -> Column:
    """What the rows of an array are."""
    return Column(str(array.dtype), tuple(array.shape[1:]))


def _from_json(column: Sequence[Any]) -> Column:
    dtype, shape = column
    return Column(str(np.dtype(dtype)), tuple(int(size) for size in shape))
