"""Pickles that hold data and nothing else: the only way this project reads a pickle.

A pickle is a program for a stack machine, and Python's own machine calls whatever the program
names. This one runs the opcodes that data needs (`pickletools` documents them) on lists and dicts
of its own and calls nothing: numbers, strings, plain containers and numpy arrays can be described,
every other name or opcode is refused by name. What a byte of the file may grow into is bounded, so
neither a huge declared shape, nor an endless row of empty containers, nor a list that contains
itself ten times over can exhaust the memory, and nesting is bounded too.

joblib's files are pickles in which the bytes of an array follow the pickled description of it;
they are read from the file where the machine stands, see `joblib_arrays`.
"""

import mmap
import warnings
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from handsim.errors import FormatError
from retarget.human.sources.joblib_arrays import JoblibArray
from retarget.human.sources.pickle_file import LONGEST, PickleFile
from retarget.human.sources.pickled_arrays import (
    Array,
    Budget,
    DType,
    Instance,
    RefusalError,
    Resolver,
)

_CONTAINER, _LARGEST, _ITEM = 64, 216, 32
"""Bytes of the budget that an empty container takes, the largest of them, and an item in it."""

_KEYS = (str, bytes, int, float, bool, type(None))
_FAILURES = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    RecursionError,
)


def loads(data: bytes | mmap.mmap, name: str, classes: Collection[str] = ()) -> Any:
    """The content of a pickle: numbers, strings, lists, tuples, sets, dicts and numpy arrays.

    Arrays are read-only, and bytes of `pickle_file.BLOCK` or more are views of `data`.

    Args:
        data: the pickle, or a file mapped into memory: its large arrays then stay in the file.
        name: what to call it in a message.
        classes: full names of further classes, whose objects become an `Instance` each.

    Raises:
        FormatError: it names anything that is not data, it is damaged, or it would grow beyond
            16 times its size.
    """
    file = PickleFile(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            built = _Machine(file, min(len(data), LONGEST), classes).run()
        return Resolver(file.text, file.blocks).resolve(built)
    except RefusalError as error:
        raise FormatError(f"{name} {error}: refused.") from error
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise FormatError(f"{name} is a damaged pickle: {reason}.") from error


class _Name:
    """A permitted name on the stack, and what a call of it describes."""

    __slots__ = ("describe",)

    def __init__(self, describe: Callable[..., Any]) -> None:
        self.describe = describe


class _Machine:
    """The stack machine: values, the positions of marks, and the memo."""

    def __init__(self, file: PickleFile, size: int, classes: Collection[str] = ()) -> None:
        self.file, self.budget = file, Budget(size)
        self.names: dict[str, Callable[..., Any]] = {
            **_NAMES,
            **{name: partial(Instance, name) for name in classes},
        }
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for opcode, argument in self.file.opcodes():
            operation = _OPERATIONS.get(opcode)
            if operation is None:
                raise RefusalError(f"uses the pickle opcode {opcode}, which data does not need")
            operation(self, argument)
        (result,) = self.stack
        return result

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def new(self, value: Any, size: int = _CONTAINER) -> None:
        self.budget.spend(size)
        self.stack.append(value)

    def pop(self) -> Any:
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise ValueError("nothing left above a mark")
        return self.stack.pop()

    def pop_marked(self) -> list[Any]:
        """What lies above the last mark."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"no {kind.__name__} to add to")
        return self.stack[-1]

    def fold(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.new(tuple(reversed(values)))

    def append(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def update(self, values: list[Any]) -> None:
        self.top(dict).update(_paired(values))

    def add(self, values: list[Any]) -> None:
        self.top(set).update(map(_key, values))

    def put(self, slot: Any) -> None:
        self.memo[int(slot)] = self.stack[-1]

    def get(self, slot: Any) -> None:
        self.stack.append(self.memo[int(slot)])

    def find(self, name: str) -> None:
        if name not in self.names:
            raise RefusalError(
                f"names {_shown(name)}, which is neither a numpy array nor a container"
            )
        self.push(_Name(self.names[name]))

    def find_popped(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is no string")
        self.find(f"{module}.{name}")

    def reduce(self) -> None:
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise ValueError("a call of something that is no name")
        copied = sum(len(part) for part in arguments if isinstance(part, list | tuple | set | dict))
        self.budget.spend(_ITEM * copied)
        self.new(name.describe(*arguments), _LARGEST)

    def build(self) -> None:
        state, value = self.pop(), self.stack[-1]
        if isinstance(value, JoblibArray):
            value.read(state, self.file)
            return
        described = isinstance(value, Array | DType) and isinstance(state, tuple)
        if not described and not (isinstance(value, Instance) and isinstance(state, dict)):
            raise ValueError(f"a state for a {type(value).__name__.strip('_')}")
        value.build(state)


def _shown(name: str) -> str:
    """A name as part of a message of one line."""
    return name if name.isprintable() and len(name) < 80 else f"{name[:80]!r}"


def _key(value: Any) -> Any:
    """A key that is safe to hash: hashing a tuple nested deeply would overflow the C stack.

    A numpy scalar becomes a plain number or string.
    """
    if isinstance(value, Array) and value.scalar:
        value = value.numbers(value.check()).item()
    if not isinstance(value, _KEYS):
        raise RefusalError(
            f"has a {type(value).__name__.strip('_')} as a key, not a string or number"
        )
    return value


def _paired(values: Sequence[Any]) -> dict[Any, Any]:
    return dict(zip(map(_key, values[::2]), values[1::2], strict=True))


def _set(items: Any = ()) -> set[Any]:
    return set(map(_key, items))


def _frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(map(_key, items))


def _ordered_dict(items: Any = ()) -> dict[Any, Any]:
    return {_key(key): value for key, value in items}


def _encode(text: Any, encoding: Any) -> bytes:
    """`_codecs.encode`, by which old protocols write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusalError("encodes text otherwise than as latin-1")
    return text.encode("latin1")


def _bytes() -> bytes:
    """`bytes()`, by which old protocols write none."""
    return b""


def _ndarray(*arguments: Any) -> None:
    raise RefusalError("calls numpy.ndarray or object, which data only names")


def _reconstruct(kind: Any, shape: Any, code: Any) -> Array:
    return Array()


def _scalar(dtype: Any, content: Any) -> Array:
    return Array((), dtype, content=content, scalar=True)


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any) -> Array:
    return Array(shape, dtype, order == "F", content)


def _instance(kind: Any, base: Any = None, state: Any = None) -> Any:
    """An object without attributes yet: joblib's array, or of a class that `loads` was told of."""
    describe = kind.describe if isinstance(kind, _Name) else None
    if describe is not JoblibArray and not isinstance(describe, partial):
        raise RefusalError("uses the pickle opcode NEWOBJ, which data does not need")
    return describe()


_NAMES: dict[str, Callable[..., Any]] = {
    "numpy.dtype": DType,
    "numpy.ndarray": _ndarray,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,
    "numpy._core.numeric._frombuffer": _frombuffer,
    "joblib.numpy_pickle.NumpyArrayWrapper": JoblibArray,
    "_codecs.encode": _encode,
    "builtins.bytes": _bytes,
    "__builtin__.bytes": _bytes,
    "collections.OrderedDict": _ordered_dict,
    **dict.fromkeys(("copyreg._reconstructor", "copy_reg._reconstructor"), _instance),
    **dict.fromkeys(("builtins.object", "__builtin__.object"), _ndarray),
    "builtins.set": _set,
    "__builtin__.set": _set,
    "builtins.frozenset": _frozenset,
    "__builtin__.frozenset": _frozenset,
}
"""All a pickle may name; numpy moved its core to ``_core`` in version 2."""

_LITERALS = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BYTEARRAY8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
)


def _operations() -> dict[str, Callable[[_Machine, Any], object]]:
    return {
        **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda m, _: None),
        **dict.fromkeys(_LITERALS, _Machine.push),
        **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
        **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
        "MARK": lambda m, _: m.marks.append(len(m.stack)),
        "POP": lambda m, _: m.pop(),
        "POP_MARK": lambda m, _: m.pop_marked(),
        "DUP": lambda m, _: m.push(m.stack[-1]),
        "NONE": lambda m, _: m.push(None),
        "NEWTRUE": lambda m, _: m.push(True),
        "NEWFALSE": lambda m, _: m.push(False),
        "EMPTY_LIST": lambda m, _: m.new([]),
        "EMPTY_TUPLE": lambda m, _: m.push(()),
        "EMPTY_DICT": lambda m, _: m.new({}),
        "EMPTY_SET": lambda m, _: m.new(set(), _LARGEST),
        "LIST": lambda m, _: m.new(m.pop_marked()),
        "TUPLE": lambda m, _: m.new(tuple(m.pop_marked())),
        "TUPLE1": lambda m, _: m.fold(1),
        "TUPLE2": lambda m, _: m.fold(2),
        "TUPLE3": lambda m, _: m.fold(3),
        "DICT": lambda m, _: m.new(_paired(m.pop_marked())),
        "FROZENSET": lambda m, _: m.new(_frozenset(m.pop_marked()), _LARGEST),
        "APPEND": lambda m, _: m.append([m.pop()]),
        "APPENDS": lambda m, _: m.append(m.pop_marked()),
        "SETITEM": lambda m, _: m.update([m.pop(), m.pop()][::-1]),
        "SETITEMS": lambda m, _: m.update(m.pop_marked()),
        "ADDITEMS": lambda m, _: m.add(m.pop_marked()),
        "MEMOIZE": lambda m, _: m.put(len(m.memo)),
        "GLOBAL": lambda m, name: m.find(".".join(name.split(" ", 1))),
        "STACK_GLOBAL": lambda m, _: m.find_popped(),
        "REDUCE": lambda m, _: m.reduce(),
        "NEWOBJ": lambda m, _: m.new(_instance(*[m.pop(), m.pop()][1:]), _LARGEST),
        "BUILD": lambda m, _: m.build(),
    }


_OPERATIONS = _operations()
