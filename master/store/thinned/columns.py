"""Columns of numbers, compressed. Pure.

Each has the width that its numbers need; of those wider than a byte all first bytes come first, then all second ones and so on, since
the high bytes of neighbours are alike (the "shuffle" of Blosc: Alted, Computing in Science & Engineering, 2010). zlib does the rest.
"""

from __future__ import annotations

import math
import sqlite3
import zlib
from array import array
from collections.abc import Sequence

import msgspec

LEVEL = 6
MAX_BYTES = 64 << 20
"""No column of a pack is larger once decompressed: what claims to be is damaged."""
_INTEGERS = (("b", 1 << 7), ("h", 1 << 15), ("i", 1 << 31), ("q", 1 << 63))
_WIDTHS = {code: array(code).itemsize for code in "bhiqd"}


class DamagedPackError(sqlite3.DatabaseError):
    """A pack in run.db that can't be decoded: the file is damaged."""


def pack_integers(values: Sequence[int]) -> bytes:
    """A column of integers within 64 bits. Raises OverflowError for others."""
    least, most = min(values, default=0), max(values, default=0)
    code = next((code for code, limit in _INTEGERS if -limit <= least and most < limit), "q")
    return _pack(array(code, values))


def pack_numbers(values: Sequence[float]) -> bytes:
    """A column of floating-point numbers, exactly; not-a-number stands for what is not known."""
    return _pack(array("d", values))


def unpack(data: bytes) -> array[int] | array[float]:
    """The column that a function above has packed. Raises DamagedPackError for anything else."""
    code, width = data[:1].decode("ascii", "replace"), _WIDTHS.get(data[:1].decode("ascii", "replace"))
    if width is None:
        raise DamagedPackError("a column of a kind that there is not")
    try:
        shuffled = zlib.decompressobj().decompress(data[1:], MAX_BYTES)
    except zlib.error as error:
        raise DamagedPackError(str(error)) from None
    if len(shuffled) % width:
        raise DamagedPackError("a column that ends within a number")
    column = array(code)
    if width == 1:
        column.frombytes(shuffled)
        return column
    plain, length = bytearray(len(shuffled)), len(shuffled) // width
    for byte in range(width):
        plain[byte::width] = shuffled[byte * length : (byte + 1) * length]
    column.frombytes(bytes(plain))
    return column


def known(value: float) -> float | None:
    """A number of a column, None where it is not known."""
    return None if math.isnan(value) else value


def encode_pack(columns: dict[str, bytes]) -> bytes:
    """Several columns as one blob, of which each can be decompressed alone."""
    return msgspec.msgpack.encode(columns)


def decode_pack(data: bytes) -> dict[str, bytes]:
    """The columns of a blob, still compressed. Raises DamagedPackError for anything else."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise DamagedPackError(str(error)) from None


def _pack(column: array[int] | array[float]) -> bytes:
    plain, width = column.tobytes(), column.itemsize
    if width > 1:
        plain = b"".join(plain[byte::width] for byte in range(width))
    return column.typecode.encode() + zlib.compress(plain, LEVEL)


_decoder = msgspec.msgpack.Decoder(dict[str, bytes])
