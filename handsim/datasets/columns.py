"""The columns of a dataset: what a learner sees of each step, in the types that learners use.

Row ``k`` is what is known at frame ``k``, what was done then, and what came of it; so a rollout's
last frame has no row. Floats are float32, whole numbers int64.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from handsim.datasets.packs import Card, Column, card_of
from handsim.errors import FormatError, InputError
from handsim.rollout import Rollout

STATE = "qpos"
"""The observation that is the state; it has the column of that name only."""

Names = Mapping[str, str]
"""How a format calls its columns: "state", "action", "reward", "done", and by group, with {}."""
Key = tuple[str, str]
"""A group of a rollout, and a name in it; or one of the above, and ""."""


def column_keys(card: Card, names: Names) -> dict[str, Key]:
    """What each column of an episode, or of a dataset, is; pictures and empty arrays have none.

    Raises:
        InputError: there is no state, or two columns would have the same name.
    """
    if STATE not in card.columns["observations"]:
        raise InputError(f"observations: no {STATE!r}, expected the state under that name.")
    keys: list[Key] = [("state", ""), ("action", ""), ("reward", ""), ("done", "")]
    for group in ("observations", "annotations", "info"):
        keys += [
            (group, name)
            for name, column in card.columns[group].items()
            if (group, name) != ("observations", STATE)
            and not column.is_picture
            and 0 not in column.shape
        ]
    named: dict[str, Key] = {}
    for key in keys:
        name = names[key[0]].format(key[1])
        if name in named:
            raise InputError(f"{key[0]}: the name {key[1]!r} is taken, another column has it.")
        named[name] = key
    return named


def column_spec(card: Card, key: Key) -> Column:
    """Type and shape of a column; a number is a vector of one."""
    group, name = key
    if group == "reward":
        return Column("float32", (1,))
    if group == "done":
        return Column("bool", (1,))
    if group == "state":
        group, name = "observations", STATE
    column = card.action if group == "action" else card.columns[group][name]
    return Column(_learned(np.dtype(column.dtype)), column.shape or (1,))


def column_rows(rollout: Rollout, key: Key) -> np.ndarray:
    """The rows of a column, one a step, in its type."""
    group, name = key
    if group == "reward":
        array = rollout.rewards
    elif group == "done":
        array = rollout.terminated | rollout.truncated
    elif group == "action":
        array = rollout.actions
    elif group == "state":
        array = rollout.observations[STATE]
    else:
        array = getattr(rollout, group)[name]
    rows = array[: len(rollout)].astype(_learned(array.dtype))
    return rows[:, None] if rows.ndim == 1 else rows


def require_rows(
    path: Path, index: int, rollout: Rollout, names: Names, rows: Mapping[str, np.ndarray]
) -> None:
    """Make sure that the columns of a dataset hold an episode as it was.

    Args:
        path: of the dataset.
        index: of the episode.
        rollout: the episode.
        names: how the format calls its columns.
        rows: the columns of the dataset, the rows of the episode.

    Raises:
        FormatError: a column differs.
    """
    keys = column_keys(card_of(rollout), names)
    for name, found in rows.items():
        expected = column_rows(rollout, keys[name])
        if not np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f"):
            raise FormatError(f"{path}: {name!r} of episode {index} is not what was recorded.")


def _learned(dtype: np.dtype) -> str:
    return {"f": "float32", "b": "bool"}.get(dtype.kind, "int64")
