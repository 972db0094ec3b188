"""Arrays as joblib writes them: a pickled description, and after it the bytes outside the pickle.

The pickle holds a ``NumpyArrayWrapper`` whose state is a dict of ``shape``, ``order``, ``dtype``
and, since joblib 1.2, ``numpy_array_alignment_bytes``. Right after the opcode that sets the state
come, with an alignment, one byte that counts the bytes of padding after it, and then the array's
own bytes. Only uncompressed files are pickles; arrays of objects, which joblib writes as a pickle
within the pickle, are refused.
"""

from math import prod
from typing import Any

from retarget.human.sources.pickle_file import PickleFile
from retarget.human.sources.pickled_arrays import Array, DType, RefusalError

_LARGEST_AXIS = 1 << 40
_MOST_AXES = 32


class JoblibArray(Array):
    """An array being described by joblib; its bytes come out of the file."""

    __slots__ = ()

    def read(self, state: Any, file: PickleFile) -> None:
        """Take the state and as many bytes as it declares from where `file` stands.

        Raises:
            RefusalError: the state is none of a plain array of numbers.
            ValueError: the file has fewer bytes.
        """
        if not isinstance(state, dict) or not {"shape", "order", "dtype"} <= set(state):
            raise RefusalError("holds a joblib array without shape, order and type")
        self.shape, self.dtype = state["shape"], state["dtype"]
        self.fortran = state["order"] == "F"
        if not isinstance(self.dtype, DType) or self.dtype.dtype.hasobject:
            raise RefusalError("holds a joblib array that is not one of plain numbers")
        if not isinstance(self.shape, tuple) or len(self.shape) > _MOST_AXES:
            raise RefusalError("holds an array without a shape")
        if not all(type(size) is int and 0 <= size < _LARGEST_AXIS for size in self.shape):
            raise RefusalError(f"holds an array of shape {self.shape!r:.80}")
        if state.get("numpy_array_alignment_bytes") is not None:
            file.read(int.from_bytes(file.read(1), "little"))
        self.content = file.block(prod(self.shape) * self.dtype.dtype.itemsize)
