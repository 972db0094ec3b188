"""Plain data, as pickles and JSON hold it, part by part: dicts, lists and the arrays in them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from handsim.errors import HandsimError
from retarget.human import glove_notes
from retarget.inspection.numbers import MOST, clock, clock_of, numbers_of
from retarget.inspection.report import Clock, Part

DESCRIBERS: tuple[Callable[[Any, str], list[str]], ...] = (glove_notes.describe,)
"""What else there is to say of an array or a list by its shape: (values, name) → notes."""

_DEEPEST, _SHOWN, _FEW = 5, 60, 3
_NANOSECONDS = 1e-9
_FRACTION, _FRAMES = 10, 20


def parts_of(name: str, value: Any, depth: int = 0) -> Iterator[Part]:
    """A value and what it holds, the outer before the inner."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        if value.ndim == 0:
            yield from parts_of(name, value.item(), depth)
            return
        yield from _objects(name, value, depth)
    elif isinstance(value, np.ndarray | np.generic):
        yield array_part(name, np.asarray(value))
    elif isinstance(value, Mapping):
        yield from _mapping(name, value, depth)
    elif isinstance(value, list | tuple | set | frozenset):
        yield from _sequence(name, type(value).__name__, list(value), depth)
    else:
        yield Part(name, _type(value), value=shown(value), none=int(value is None))


def _objects(name: str, array: np.ndarray, depth: int) -> Iterator[Part]:
    """An array of objects: numbers when all of them are, else a sequence of them."""
    flat = list(array.reshape(-1))
    if array.size <= MOST and all(isinstance(item, int | float | np.number) for item in flat):
        part = array_part(name, array.astype(np.float64))
        yield replace(part, type="array of objects", dtype="numbers")
    else:
        first, *others = _sequence(name, "array of objects", flat, depth)
        shape = first.shape[1:] if first.shape else ()
        yield replace(first, shape=(*array.shape, *shape))
        yield from others


def array_part(name: str, array: np.ndarray) -> Part:
    """An array of plain numbers or strings."""
    if array.ndim == 0:
        kind = "text" if array.dtype.kind in "SU" else "number"
        return Part(name, kind, (), str(array.dtype), value=shown(array.item()))
    notes = tuple(notes_on(array, name))
    return Part(name, "array", array.shape, str(array.dtype), 0, numbers_of(array), notes=notes)


def clocks_of(name: str, value: Any) -> Iterator[Clock]:
    """The times in a value: arrays called so, and rows that start with a time [ns]."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from clocks_of(_joined(name, key), item)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        found = clock_of(name, value)
        if found is not None:
            yield found
    elif _is_timed(value):
        stamps = np.array([int(row[0]) for row in value], dtype=np.int64)
        yield clock(_joined(name, "first of each row [ns]"), stamps, _NANOSECONDS)


def notes_on(values: Any, name: str) -> list[str]:
    """What the `DESCRIBERS` say; one that refuses the values says nothing."""
    notes = []
    for describe in DESCRIBERS:
        try:
            notes += describe(values, name)
        except HandsimError:
            continue
    return notes


def length_notes(parts: Sequence[Part]) -> list[str]:
    """A note for each group of arrays whose lengths differ, as those of rows side by side do not.

    Text does not count, nor do arrays of less than a tenth of the longest: they are no rows.
    """
    groups: dict[str, dict[str, int]] = {}
    for part in parts:
        if part.shape and part.numbers is not None:
            parent, _, name = part.name.rpartition(".")
            groups.setdefault(parent, {})[name] = part.shape[0]
    notes = []
    for parent, lengths in groups.items():
        longest = max(lengths.values())
        rows = {name: length for name, length in lengths.items() if length > longest / _FRACTION}
        if longest >= _FRAMES and len(set(rows.values())) > 1:
            listed = ", ".join(f"{name} {length}" for name, length in list(rows.items())[:12])
            notes.append(f"lengths differ{f' in {parent}' if parent else ''}: {listed}")
    return notes


def shown(value: Any) -> str:
    """A value on one short line; what cannot be printed, as Python writes it."""
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _mapping(name: str, value: Mapping[Any, Any], depth: int) -> Iterator[Part]:
    keys = ", ".join(shown(key) for key in list(value)[:8])
    none = sum(item is None for item in value.values())
    if name or not value:
        yield Part(name, "dict", (len(value),), keys, none)
    if depth >= _DEEPEST:
        return
    alike = len(value) > _FEW and len({_outline(item) for item in value.values()}) == 1
    for key, item in list(value.items())[: 1 if alike else None]:
        yield from parts_of(_joined(name, key), item, depth + 1)
    if alike:
        rest = f"{len(value) - 1} like {shown(next(iter(value)))}"
        yield Part(_joined(name, "…"), "dict", (len(value) - 1,), rest)


def _sequence(name: str, type: str, values: list[Any], depth: int) -> Iterator[Part]:
    present = [value for value in values if value is not None]
    none = len(values) - len(present)
    notes = tuple(notes_on(values, name))
    stacked = _stacked(present)
    if stacked is not None:
        shape = (len(values), *stacked.shape[1:])
        numbers = numbers_of(stacked)
        if numbers is not None:
            numbers = replace(numbers, every=max(numbers.every, len(present) // len(stacked)))
        yield Part(name, type, shape, str(stacked.dtype), none, numbers, notes=notes)
        return
    kinds = Counter(_kind(value) for value in present)
    items = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(6))
    yield Part(name, type, (len(values),), items, none, notes=notes)
    if present and depth < _DEEPEST:
        yield from parts_of(f"{name}[0]", present[0], depth + 1)


def _stacked(values: list[Any]) -> np.ndarray | None:
    """Entries of one shape as one array, every so many of them when they are large."""
    first = values[0] if values else None
    if not isinstance(first, np.ndarray | np.generic | int | float | list):
        return None
    shape = np.shape(first) if isinstance(first, np.ndarray | np.generic | int | float) else None
    if shape is None and not _is_flat(first):
        return None
    every = max(1, -(-len(values) * max(1, np.size(first)) // MOST))
    try:
        array = np.array(values[::every])
        same = all(np.shape(value) == array.shape[1:] for value in values)
    except ValueError:
        return None
    return array if same and array.dtype.kind in "biufSU" else None


def _is_flat(value: Any) -> bool:
    """Whether it is a short list of numbers."""
    return len(value) <= _SHOWN and all(isinstance(item, int | float) for item in value)


def _is_timed(value: Any) -> bool:
    """Whether each row is a pair of a large integer and something else."""
    if not isinstance(value, list | tuple) or len(value) == 0:
        return False
    return all(
        isinstance(row, list | tuple)
        and len(row) == 2
        and isinstance(row[0], int | float | np.integer)
        and 0 <= row[0] < float(1 << 63)
        and (row[1] is None or isinstance(row[1], list | tuple | np.ndarray))
        for row in value
    )


def _outline(value: Any) -> str:
    """What a container of containers looks like from outside; "" of anything else, each unlike."""
    return _kind(value) if isinstance(value, Mapping | list | tuple) else f"{id(value)}"


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    if isinstance(value, Mapping):
        return f"dict of {', '.join(shown(key) for key in list(value)[:8])}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    return _type(value)


def _type(value: Any) -> str:
    names = {str: "text", int: "number", float: "number", type(None): "none"}
    return names.get(type(value), type(value).__name__)


def _joined(name: str, key: Any) -> str:
    return f"{name}.{shown(key)}" if name else shown(key)
