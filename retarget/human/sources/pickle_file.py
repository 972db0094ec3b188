"""The bytes of a pickle, opcode after opcode; large blocks of bytes are left where they are.

A recording may hold gigabytes of pictures beside a few kilobytes of motion. A block of at least
`BLOCK` bytes is therefore never copied: it becomes a view, which of a file mapped into memory
costs nothing until somebody looks at the pictures. All the rest, the text, is at most `LONGEST`
bytes, so that a file of any size is read in bounded memory.
"""

import mmap
import pickletools
from collections.abc import Iterator
from typing import IO, Any, cast

from retarget.human.sources.pickled_arrays import RefusalError

BLOCK = 4096
"""Bytes [B] from which on a block is a view."""
LONGEST = 256 << 20
"""Bytes [B] of a pickle that may be anything but such blocks."""

_OPCODES = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
_COUNTS = {"BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}
"""Opcodes whose argument is a block, with the bytes that count it."""


class PickleFile:
    """A pickle being read.

    Args:
        data: the bytes, or the file mapped into memory.

    Attributes:
        blocks: bytes that became views so far [B].
    """

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data, self._view, self._at = data, memoryview(data), 0
        self.blocks = 0

    @property
    def text(self) -> int:
        """Bytes read so far that are no view [B]."""
        return self._at - self.blocks

    def opcodes(self) -> Iterator[tuple[str, Any]]:
        """Each opcode's name and argument, up to STOP.

        Raises:
            RefusalError: the text is longer than `LONGEST`.
            ValueError: it is no pickle, or is cut off.
        """
        name = ""
        while name != "STOP":
            opcode = _OPCODES.get(self.read(1))
            if opcode is None:
                raise ValueError(f"no opcode of pickles at byte {self._at}")
            name = opcode.name
            if name in _COUNTS:
                yield name, self.block(int.from_bytes(self.read(_COUNTS[name]), "little"))
            else:
                yield name, None if opcode.arg is None else opcode.arg.reader(cast(IO[bytes], self))

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end.

        Raises:
            RefusalError: the text is longer than `LONGEST`.
        """
        piece = self._view[self._at : self._at + size]
        self._at += len(piece)
        if self.text > LONGEST:
            raise RefusalError(f"has more than {LONGEST} bytes besides large arrays")
        return piece.tobytes()

    def readline(self) -> bytes:
        """The next bytes up to a line feed, which is the last of them."""
        end = self._data.find(b"\n", self._at, self._at + LONGEST)
        return self.read(end + 1 - self._at if end >= 0 else len(self._view) - self._at)

    def block(self, size: int) -> bytes | memoryview:
        """The next `size` bytes, a view where they are many.

        Raises:
            RefusalError: the text is longer than `LONGEST`.
            ValueError: the file is cut off.
        """
        if size < BLOCK:
            piece: bytes | memoryview = self.read(size)
        else:
            piece = self._view[self._at : self._at + size]
            self._at += len(piece)
            self.blocks += len(piece)
        if len(piece) != size:
            raise ValueError(f"{len(piece)} bytes left of a block of {size}")
        return piece
