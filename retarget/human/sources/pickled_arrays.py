"""numpy arrays as a pickle describes them, put together once sizes and bytes are found to agree.

numpy's ``__reduce__`` writes a call of ``_reconstruct`` (or of ``_frombuffer``) and then a state of
version, shape, dtype, order and content; a scalar is a call of ``scalar`` with its dtype and bytes.
Nothing of numpy runs while a pickle is read: these classes only write down what it says.
"""

import re
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from handsim.files import require_text

GROWTH, SLACK, DEPTH = 16, 1 << 20, 64
_NODE = 8
_MOST_AXES = 32

# What numpy writes: a kind with its size in bytes, "O" for objects, or a C type's letter.
_DTYPE = re.compile(r"[biufcSU]\d{1,9}|O8?|[?bBhHiIlLqQefdgFDG]")


class RefusalError(Exception):
    """What a pickle does that data does not: a predicate, "names posix.system"."""


class Budget:
    """Bytes that may still be taken, in proportion to the size of the file."""

    def __init__(self, size: int) -> None:
        self.left = SLACK + GROWTH * size

    def spend(self, size: int) -> None:
        """Take `size` bytes.

        Raises:
            RefusalError: they are not left.
        """
        self.left -= size
        if self.left < 0:
            raise RefusalError(f"would grow beyond {GROWTH} times its size")


class DType:
    """A plain numpy dtype being described; structured ones are refused."""

    __slots__ = ("order", "spec")

    def __init__(self, spec: Any, align: Any = False, copy: Any = False) -> None:
        if isinstance(spec, bytes):
            spec = spec.decode("latin1")
        if not isinstance(spec, str) or not _DTYPE.fullmatch(spec):
            raise RefusalError(f"holds an array of type {spec!r:.80}, not of plain numbers")
        self.spec = spec
        self.order = "="

    def build(self, state: Sequence[Any]) -> None:
        """Take the state: version, byte order, subarray, names, fields and sizes."""
        order = state[1].decode() if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
            raise RefusalError("holds a structured array, not one of plain numbers")
        self.order = order

    @property
    def dtype(self) -> np.dtype:
        """The dtype described."""
        plain = np.dtype("O" if self.spec.startswith("O") else self.spec)
        if self.order in ("|", "="):
            return plain
        return plain.newbyteorder(self.order)  # type: ignore[arg-type]


class Array:
    """An array being described: shape, dtype, memory order and its bytes (or list of objects)."""

    __slots__ = ("content", "dtype", "fortran", "scalar", "shape")

    def __init__(
        self,
        shape: Any = (0,),
        dtype: Any = None,
        fortran: Any = False,
        content: Any = b"",
        scalar: bool = False,
    ) -> None:
        self.shape, self.dtype, self.fortran, self.content = shape, dtype, fortran, content
        self.scalar = scalar

    def build(self, state: Sequence[Any]) -> None:
        """Take the state: version, shape, dtype, order and content."""
        self.shape, self.dtype, self.fortran, self.content = state[-4:]

    def check(self) -> np.dtype:
        """Its dtype, once shape, dtype and content are found to agree.

        Raises:
            RefusalError: they do not.
        """
        if not isinstance(self.dtype, DType):
            raise RefusalError("holds an array without a type")
        if not isinstance(self.shape, tuple) or len(self.shape) > _MOST_AXES:
            raise RefusalError("holds an array without a shape")
        if not all(type(size) is int and size >= 0 for size in self.shape):
            raise RefusalError(f"holds an array of shape {self.shape!r:.80}")
        dtype = self.dtype.dtype
        kinds = (list,) if dtype.hasobject else (bytes, bytearray, memoryview, str)
        if not isinstance(self.content, kinds):
            raise RefusalError(f"holds an array made of a {type(self.content).__name__}")
        size = 1 if dtype.hasobject else dtype.itemsize
        if size == 0 or prod(self.shape) * size != len(self.content):
            raise RefusalError(
                f"declares an array of shape {self.shape!r:.80} and type {dtype} but holds "
                f"{len(self.content)} {'objects' if dtype.hasobject else 'bytes'} of it"
            )
        return dtype

    def numbers(self, dtype: np.dtype) -> Any:
        """The array, or numpy scalar, of its bytes; read-only."""
        content = self.content
        data = content.encode("latin1") if isinstance(content, str) else memoryview(content)
        flat = np.frombuffer(data, dtype) if data else np.empty(0, dtype)
        require_text(flat)
        flat.setflags(write=False)
        shaped = flat.reshape(self.shape, order="F" if self.fortran else "C")
        return shaped[()] if self.scalar else shaped


class Instance:
    """An object of a class that was permitted by name: its attributes, and nothing of it runs.

    Attributes:
        kind: the full name of its class.
        state: its attributes.
    """

    __slots__ = ("kind", "state")

    def __init__(self, kind: str, state: dict[str, Any] | None = None) -> None:
        self.kind, self.state = kind, state or {}

    def build(self, state: dict[str, Any]) -> None:
        """Take the attributes."""
        self.state = state


class Resolver:
    """Turns what was described into plain data, within a budget of bytes and depth.

    Args:
        text, blocks: bytes of the pickle that are no views of it, and that are [B].
    """

    def __init__(self, text: int, blocks: int) -> None:
        self.budget, self.views = Budget(text), Budget(blocks)

    def resolve(self, value: Any, depth: int = 0) -> Any:
        """Plain data; every use of a shared value counts against the budget again.

        Raises:
            RefusalError: it is nested too deeply, grows too large, or is no data.
        """
        self.budget.spend(_NODE)
        if depth > DEPTH:
            raise RefusalError(f"is nested deeper than {DEPTH} levels")
        if isinstance(value, dict):
            return {key: self.resolve(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.resolve(item, depth + 1) for item in value)
        if isinstance(value, Array):
            return self._array(value, depth)
        if isinstance(value, memoryview):
            self.views.spend(len(value))
            return value
        if isinstance(value, Instance):
            return Instance(value.kind, self.resolve(value.state, depth + 1))
        if isinstance(value, str | bytes | bytearray | set | frozenset):
            self.budget.spend(len(value) * (1 if isinstance(value, str | bytes) else _NODE))
            return value
        if value is None or isinstance(value, bool | int | float):
            return value
        raise RefusalError(f"holds a bare {type(value).__name__.strip('_')}")

    def _array(self, array: Array, depth: int) -> Any:
        dtype = array.check()
        budget = self.views if isinstance(array.content, memoryview) else self.budget
        budget.spend(len(array.content))
        if not dtype.hasobject:
            return array.numbers(dtype)
        filled = np.empty(len(array.content), dtype=object)
        for index, item in enumerate(array.content):
            filled[index] = self.resolve(item, depth + 1)
        return filled.reshape(array.shape, order="F" if array.fortran else "C")
