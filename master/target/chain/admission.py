"""The gateway's part in the chain: takes transactions in, keeps the pending ones, and hands them to the validators.

By its signature it vouches for the senders, whose tokens it has checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

from master.target.api import errors
from master.target.chain.consensus import messages
from master.target.chain.consensus.messages import BATCH_TRANSACTIONS
from master.target.chain.consensus.network import Network
from master.target.chain.consensus.pool import MAX_PENDING
from master.target.chain.consensus.slices import in_slices
from master.target.chain.consensus.validator import GATEWAY
from master.target.chain.ledger.signing import SigningKey
from master.target.chain.ledger.transactions import (
    MAX_PAYLOAD_BYTES,
    SYSTEM_SENDERS,
    Transaction,
    encode,
    transaction_id,
)
from master.target.chain.storage import ChainStorage

MAX_PENDING_BYTES = 64 * 1024 * 1024
HAND_OUT_S = 0.05
"""How long transactions gather before they are handed out together: one signature for many."""
REPEAT_AFTER_BLOCKS = 8
"""After so many blocks a transaction that is still pending is handed out again: a message was lost."""


async def end_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel those that run, and wait until they have ended."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


class Admission:
    """Takes transactions in. `clock` gives Unix seconds."""

    def __init__(
        self,
        storage: ChainStorage,
        network: Network,
        key: SigningKey,
        *,
        clock: Callable[[], float],
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._storage = storage
        self._network = network
        self._key = key
        self._clock = clock
        self._max_pending = max_pending
        self._inbox = network.join(GATEWAY, key.public_key)
        self._pending: dict[bytes, tuple[bytes, int]] = {}  # by id: canonical bytes, height when handed out
        self._pending_bytes = 0
        self._new: list[bytes] = []
        self._wanted = asyncio.Event()
        self._number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.duplicates = 0

    def __len__(self) -> int:
        return len(self._pending)

    async def start(self, height: int) -> None:
        """Take up what is pending in the database."""
        serial = 0
        while rows := await self._storage.pending(serial, BATCH_TRANSACTIONS):
            for _, identity, canonical in rows:
                self._keep(identity, canonical, height)
            serial = rows[-1][0]
            await asyncio.sleep(0)
        self._tasks = [
            asyncio.create_task(self._hand_out(), name="chain gateway"),
            asyncio.create_task(self._answer(), name="chain gateway's answers"),
        ]

    async def stop(self) -> None:
        """End the tasks."""
        await end_tasks(self._tasks)

    async def submit(self, transaction: Transaction, height: int) -> tuple[bytes, float | None]:
        """Take in a transaction: its id, and when that was; None if it is known. Once this returns it is on record.

        Raises ApiError 413 for a long payload, 429 while too many are pending.
        """
        if len(transaction.payload) > MAX_PAYLOAD_BYTES:
            raise errors.too_large(MAX_PAYLOAD_BYTES)
        # The platform's own are few, and things wait for them.
        is_own = transaction.kind in SYSTEM_SENDERS
        if not is_own and (len(self._pending) >= self._max_pending or self._pending_bytes >= MAX_PENDING_BYTES):
            raise errors.too_many_requests("too many transactions are pending", 1)
        canonical = encode(transaction)
        identity = transaction_id(canonical)
        now = self._clock()
        if not await self._storage.add_transaction(identity, canonical, now):
            self.duplicates += 1
            return identity, None
        self._keep(identity, canonical, height)
        return identity, now

    def __contains__(self, identity: object) -> bool:
        return identity in self._pending

    def adopt(self, transaction: Transaction, height: int) -> None:
        """Take up a transaction that is on record as pending, and that this process does not know of."""
        canonical = encode(transaction)
        identity = transaction_id(canonical)
        if identity not in self._pending:
            self._keep(identity, canonical, height)

    async def settle(self, ids: Iterable[bytes], height: int) -> None:
        """These are in the final block of that height."""
        async for piece in in_slices(ids):
            for identity in piece:
                canonical, _ = self._pending.pop(identity, (b"", 0))
                self._pending_bytes -= len(canonical)
        for identity, (canonical, handed_out) in list(islice(self._pending.items(), BATCH_TRANSACTIONS)):
            if height - handed_out >= REPEAT_AFTER_BLOCKS:
                self._pending[identity] = (canonical, height)
                self._new.append(canonical)
                self._wanted.set()

    def hand_all_to(self, name: str) -> None:
        """Hand everything that is pending to one validator, as far as its inbox has room; it asks for the rest."""
        everything = iter([canonical for canonical, _ in self._pending.values()])
        while batch := list(islice(everything, BATCH_TRANSACTIONS)):
            self._network.send(name, self._seal(batch))

    def _keep(self, identity: bytes, canonical: bytes, height: int) -> None:
        self._pending[identity] = (canonical, height)
        self._pending_bytes += len(canonical)
        self._new.append(canonical)
        self._wanted.set()

    def _seal(self, batch: list[bytes]) -> bytes:
        self._number += 1
        return messages.seal(messages.Transactions(self._number, batch), GATEWAY, self._key)

    async def _hand_out(self) -> None:
        while True:
            await self._wanted.wait()
            batch, self._new = self._new[:BATCH_TRANSACTIONS], self._new[BATCH_TRANSACTIONS:]
            self._network.broadcast(GATEWAY, self._seal(batch))
            if self._new:
                await asyncio.sleep(0)
            else:
                self._wanted.clear()
                await asyncio.sleep(HAND_OUT_S)

    async def _answer(self) -> None:
        """Validators ask for transactions of a proposal that have not reached them."""
        while True:
            raw = await self._inbox.get()
            try:
                envelope, message = messages.open_envelope(raw)
                public_key = self._network.public_key(envelope.sender)
                if isinstance(message, messages.WantTransactions) and public_key is not None:
                    messages.require_signature(envelope, message, public_key)
                    found = [self._pending[identity][0] for identity in message.ids if identity in self._pending]
                    if found:
                        self._network.send(envelope.sender, self._seal(found))
            except messages.RefusedError:
                continue
            await asyncio.sleep(0)
