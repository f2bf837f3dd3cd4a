"""Long work in slices, between which the loop serves others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import TypeVar

SLICE = 512
"""Transactions hashed or looked up at a stretch: 1 ms, a tenth of what the loop may stall."""

T = TypeVar("T")


async def in_slices(items: Iterable[T], size: int = SLICE) -> AsyncIterator[list[T]]:
    """`items` in lists of `size`; others run before each list but the first."""
    left = iter(items)
    piece = list(islice(left, size))
    while piece:
        yield piece
        piece = list(islice(left, size))
        if piece:
            await asyncio.sleep(0)
