"""What of the chain goes when it has grown: first bodies, later headers. Sums, and what proves the rest, stay."""

from __future__ import annotations

import asyncio
from collections import deque

from master.target.chain.storage import PRUNED_AT_ONCE, ChainStorage

MAX_TRANSACTIONS = 200_000
"""Transactions kept in blocks: some 100 MB, and with the largest payloads a gigabyte."""
MAX_BODIES = 2000
"""Blocks whose bodies are kept: five hours of a block every 10 s."""
MAX_BLOCKS = 5000
"""Blocks kept, half a day's; a newcomer checks their signatures in some 2 s of a core that it has to itself."""
_PRUNE_EVERY = 64


class ChainRetention:
    """Deletes in portions, after each block."""

    def __init__(
        self,
        storage: ChainStorage,
        *,
        max_transactions: int = MAX_TRANSACTIONS,
        max_bodies: int = MAX_BODIES,
        max_blocks: int = MAX_BLOCKS,
    ) -> None:
        self._storage = storage
        self._max_transactions = max_transactions
        self._max_bodies = max_bodies
        self._max_blocks = max_blocks
        self._first = 0
        self._bodies: deque[tuple[int, int]] = deque()  # height, transactions up to it

    async def start(self, height: int) -> None:
        """Learn which bodies there are; `height` is the last block's."""
        self._first = (await self._storage.checkpoint()).header.height
        at = max(0, height - self._max_bodies)
        while blocks := await self._storage.blocks_from(at, _PRUNE_EVERY):
            self._bodies += [(block.header.height, block.header.total) for block in blocks if block.ids is not None]
            at = blocks[-1].header.height + 1
            await asyncio.sleep(0)

    def add(self, height: int, total: int) -> None:
        """A block was added; `total` counts the transactions up to it."""
        self._bodies.append((height, total))

    async def prune(self, *, is_read: bool = False) -> None:
        """Delete what is too much. Can be repeated if it fails.

        While somebody reads the chain from the checkpoint on (`is_read`), that stays, up to twice the usual number of blocks.
        """
        height, total = self._bodies[-1]
        too_many = max(len(self._bodies) - self._max_bodies, 0)
        while too_many < len(self._bodies) - 1 and total - self._bodies[too_many][1] > self._max_transactions:
            too_many += 1
        if too_many:
            last = self._bodies[too_many - 1][0]
            await self._storage.prune_bodies(self._bodies[0][0], last)
            await self._prune_transactions(last)
            for _ in range(too_many):
                self._bodies.popleft()
        kept = self._max_blocks * 2 if is_read else self._max_blocks
        if height % _PRUNE_EVERY == 0 and height - self._first > kept:
            await self._storage.prune_blocks(height - self._max_blocks)
            self._first = height - self._max_blocks

    async def _prune_transactions(self, height: int) -> None:
        """Serial numbers follow arrival, so by and large the order of blocks; what is out of order goes a block later."""
        serial = await self._storage.first_serial()
        while await self._storage.prune_transactions(serial, height):
            serial += PRUNED_AT_ONCE
            await asyncio.sleep(0)
