"""Files spoiled on purpose: bytes changed, cut out, cut off and doubled; zip members too."""

import io
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

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
