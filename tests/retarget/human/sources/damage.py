"""Files spoiled on purpose: bytes changed, cut out, cut off and doubled; zip members too."""

import io
import json
import os
import pickle
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from retarget.human.sources.arrays import Archive, container, read_pickle

TEXT = b'0123456789.eE-+[]{},:"\\ntrufalsNIy \x00\xff'


@dataclass(frozen=True)
class Edit:
    """One change, at a place given as a fraction of what there is."""

    kind: str
    place: float
    length: int
    value: int

    def apply(self, data: bytes) -> bytes:
        start = min(int(self.place * len(data)), len(data))
        end = start + self.length
        if self.kind == "cut off":
            return data[:start]
        if self.kind == "cut out":
            return data[:start] + data[end:]
        if self.kind == "double":
            return data[:end] + data[start:]
        if self.kind == "same":
            return data[:start] + bytes([self.value]) * len(data[start:end]) + data[end:]
        return data[:start] + bytes([self.value]) + data[start + 1 :]


def edits():
    """A few changes; half of them near the start, where headers are."""
    places = st.floats(0, 0.05) | st.floats(0, 1)
    values = st.integers(0, 255) | st.sampled_from(TEXT)
    kinds = st.sampled_from(["byte", "byte", "byte", "same", "cut out", "double", "cut off"])
    return st.lists(
        st.builds(Edit, kinds, places, st.integers(1, 40), values), min_size=1, max_size=4
    )


def spoil(data: bytes, changes) -> bytes:
    for change in changes:
        data = change.apply(data)
    return data


JUNK = (
    *(None, True, 0, -1, 1e308, float("nan"), 10**30, "", "text", "right", [], {}, [1, 2, 3]),
    *([[1], [2, 3]], {"a": 1}, np.zeros(0), np.zeros((3, 3)), np.zeros((21, 3)), np.array(5)),
    *(np.full((2, 21, 3), np.inf), np.full((12, 21, 3), 1e200), np.zeros((1,) * 6), np.float32(2)),
    *(np.array(["a"]), np.array([None, 1], dtype=object), np.zeros((0, 21, 3)), (), (1, 2), b"x"),
)


def replaced(value, rng, junk=JUNK, depth=0):
    """Plain data, one value of which, somewhere, is left out or is another."""
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 0:
        array = np.empty((), dtype=object)
        array[()] = replaced(value.item(), rng, junk, depth)
        return array
    inner = isinstance(value, dict | list | tuple) and len(value) > 0
    if not inner or (depth > 0 and rng.random() < 0.2):
        return junk[rng.integers(len(junk))]
    changed = dict(value) if isinstance(value, dict) else list(value)
    keys = list(changed) if isinstance(value, dict) else range(len(changed))
    key = keys[int(rng.integers(len(keys)))]
    if rng.random() < 0.2:
        del changed[key]
    else:
        changed[key] = replaced(changed[key], rng, junk, depth + 1)
    return changed


def spoil_values(file: Path, rng) -> bool:
    """Replace a value in a pickle, JSON or archive of arrays; whether it is one of these."""
    kind = container(file)
    if kind == "pickle":
        file.write_bytes(pickle.dumps(replaced(read_pickle(file), rng)))
    elif kind == "npz":
        archive = Archive(file)
        changed = replaced({name: archive[name] for name in sorted(archive.names)}, rng)
        np.savez(
            file,
            **{
                name: np.array(value, dtype=None)
                for name, value in changed.items()
                if isinstance(value, np.ndarray | np.generic | str | int | float)
            },
        )
    elif kind == "json":
        values = [json.loads(line) for line in file.read_text().splitlines()]
        plain = [junk for junk in JUNK if not isinstance(junk, np.ndarray | np.generic | bytes)]
        changed = replaced(values, rng, plain)
        file.write_text("\n".join(map(json.dumps, changed if isinstance(changed, list) else [0])))
    return kind in ("pickle", "npz", "json")


def spoil_inside(data: bytes, changes, which: float) -> bytes:
    """A zip archive, one member of which is spoiled before it is packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as spoiled:
        names = archive.namelist()
        chosen = names[min(int(which * len(names)), len(names) - 1)]
        for name in names:
            content = archive.read(name)
            spoiled.writestr(name, spoil(content, changes) if name == chosen else content)
    return out.getvalue()


def copied(original: Path, folder: Path) -> Path:
    """A copy of a file or folder, to be written to."""
    path = folder / original.name
    if not original.is_dir():
        shutil.copyfile(original, path)
        return path
    shutil.copytree(original, path, copy_function=shutil.copyfile)
    for parent, _, _ in os.walk(path):
        os.chmod(parent, 0o755)
    return path


class Sample:
    """What is read from `path`; the files in `folder` are spoiled one at a time, and made whole."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.files = sorted(file for file in folder.rglob("*") if file.is_file())

    def spoiled(self, changes, which: float, inside: bool):
        """A context in which one file is spoiled."""
        file = self.files[min(int(which * len(self.files)), len(self.files) - 1)]
        return _Spoiled(file, changes, which, inside)


class _Spoiled:
    def __init__(self, file: Path, changes, which: float, inside: bool) -> None:
        self.file, self.whole = file, file.read_bytes()
        if inside and self.whole.startswith(b"PK\x03\x04"):
            self.spoiled = spoil_inside(self.whole, changes, which * 7 % 1)
        else:
            self.spoiled = spoil(self.whole, changes)

    def __enter__(self):
        self.file.write_bytes(self.spoiled)

    def __exit__(self, *exception):
        self.file.write_bytes(self.whole)
