"""PoOT: takes in records of work, makes batches of them, pays, and tells the chain."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from master.target.api import errors
from master.target.api.caller import Caller
from master.target.chain.ledger.merkle import MerkleTree
from master.target.poot.messages import DEFAULT_REWARD
from master.target.poot.payout import split_reward
from master.target.poot.records import WorkRecord, find_fault
from master.target.poot.scores import HOUR_MS, Trust, add_work, score_ppm
from master.target.poot.storage import PootStorage, StoredBatch

AT_ONCE = 128
"""Rows at a stretch: less than a millisecond."""
LEAST_WEIGHT_PPM = 100_000
"""A validator whose node is not trusted weighs as much as one of which nothing is known."""
_SENDER = "poot"

_log = logging.getLogger("master.target.poot")


class BatchChain(Protocol):
    """What PoOT needs of the chain."""

    async def submit(self, kind: str, payload: bytes, sender: str, nonce: str) -> str:
        """Hand in a transaction; its id, which is the same if it was handed in before."""

    async def final(self, transaction_id: str) -> int | None:
        """The height of its block; None while it is pending. Raises KeyError if it is not known any more."""

    def validator_names(self) -> list[str]:
        """Whose scores count in the election of leaders."""


@dataclass(frozen=True, slots=True)
class PootLimits:
    """How much is kept. `batch_records` that wait make a batch by themselves; at twice as many no more are taken for a while.

    `records` and `entries` (payments) are kept, those of no batch yet aside.
    """

    batch_records: int = 10_000
    nodes: int = 20_000
    records: int = 200_000
    entries: int = 200_000
    batches: int = 10_000


OwnerOf = Callable[[str], Awaitable[str | None]]
"""The account that registered a node, or None."""


class Poot:
    """See the module. `clock` gives Unix seconds."""

    def __init__(
        self,
        storage: PootStorage,
        chain: BatchChain,
        owner_of: OwnerOf,
        *,
        clock: Callable[[], float],
        limits: PootLimits | None = None,
    ) -> None:
        self._limits = limits or PootLimits()
        self.storage = storage
        self.chain = chain
        self._owner_of = owner_of
        self._clock = clock
        self._adding = asyncio.Lock()
        self._batching = asyncio.Lock()
        self._is_full = asyncio.Event()
        self._full: asyncio.Task[None] | None = None
        self._last_serial = 0
        self._batched_serial = 0
        self.nodes = self.records = self.units = self.paid = self.batches = self.waiting = 0
        self.refused: Counter[str] = Counter()
        """Records not taken, by reason."""

    async def start(self) -> None:
        """Take up what is there: a batch that was interrupted is paid to the end, once."""
        await self.storage.create()
        self.nodes, self.records, self.units, self.paid = await self.storage.sums()
        _, self._last_serial = await self.storage.serials()
        batch = await self.storage.last_batch()
        if batch is not None:
            self.batches, self._batched_serial = batch.id, batch.last_serial
            self._last_serial = max(self._last_serial, batch.last_serial)
            if batch.transaction_id is None:
                await self._complete(batch)
        self.waiting = await self.storage.waiting(self._batched_serial)
        self._full = asyncio.create_task(self._make_full_batches(), name="poot batches")

    async def stop(self) -> None:
        """End the task; a batch under way is taken up at the next start."""
        if self._full is not None and not self._full.done():
            self._full.cancel()
            with suppress(asyncio.CancelledError):
                await self._full

    def hour(self) -> int:
        """The hour as of which scores are told."""
        return int(self._clock() * 1000) // HOUR_MS

    async def add(self, record: WorkRecord, caller: Caller) -> tuple[int, int]:
        """Take in a record of work: its serial number, and the node's score with it.

        Raises ApiError 403 for another's node, 404 for one that nobody registered, 409 for an overlap, 422 for what can't be
        right, 429 while too many records wait.
        """
        await self._require_own(record.node, caller)
        fault = find_fault(record, int(self._clock() * 1000))
        if fault is not None:
            self.refused["invalid"] += 1
            raise errors.invalid(fault)
        if self.waiting >= 2 * self._limits.batch_records:
            self.refused["busy"] += 1
            raise errors.too_many_requests("too many records wait for a batch", 1)
        async with self._adding:
            node = await self.storage.node(record.node)
            if node is None and self.nodes >= self._limits.nodes:
                raise errors.conflict("no room for another node")
            forgotten_ms = 0 if node is None else node.forgotten_ms
            if record.started_ms < forgotten_ms or await self.storage.overlaps(record):
                self.refused["overlap"] += 1
                raise errors.conflict("the node has reported work of that kind for a part of that time")
            trust = Trust() if node is None else node.trust
            trust = add_work(trust, record.units, record.quality_ppm, record.ended_ms, self.hour())
            serial = await self.storage.add_record(record, trust)
            self._last_serial = max(self._last_serial, serial)
            self.nodes += node is None
            self.records += 1
            self.units += record.units
            self.waiting += 1
        if self.waiting >= self._limits.batch_records:
            self._is_full.set()
        return serial, score_ppm(trust, self.hour())

    async def make_batch(self, reward: int) -> StoredBatch:
        """Sum up the records since the last batch, pay `reward` by score, and tell the chain. Raises ApiError 409 for none."""
        async with self._batching:
            last = await self.storage.last_batch()
            if last is not None and last.transaction_id is None:
                await self._complete(last)
            batch = await self._sum_up(reward)
            if batch is None:
                raise errors.conflict("no records since the last batch")
            await self.storage.add_batch(batch)
            self.batches, self._batched_serial = batch.id, batch.last_serial
            self.waiting -= batch.records
            batch = await self._complete(batch)
            await self._prune()
        return batch

    async def _require_own(self, node: str, caller: Caller) -> None:
        if caller.is_admin or caller.name == node:
            return
        owner = await self._owner_of(node)
        if owner is None:
            raise errors.not_found("node")
        if owner != caller.name:
            self.refused["forbidden"] += 1
            raise errors.forbidden("another account registered this node")

    async def _sum_up(self, reward: int) -> StoredBatch | None:
        async with self._adding:  # so that no record with a lower number is still on its way
            last = self._last_serial
        after, units, count = self._batched_serial, 0, 0
        tree, nodes = MerkleTree(), set[str]()
        while count < self._limits.batch_records:
            found = await self.storage.records(after, last, min(AT_ONCE, self._limits.batch_records - count))
            if not found:
                break
            tree.extend(record.canonical() for _, record in found)
            nodes.update(record.node for _, record in found)
            units += sum(record.units for _, record in found)
            after, count = found[-1][0], count + len(found)
            await asyncio.sleep(0)
        if not count:
            return None
        shares = split_reward(reward, await self._scores(nodes))
        identity, root = self.batches + 1, tree.root()
        weights = {
            name: max(LEAST_WEIGHT_PPM, score)
            for name, score in (await self._scores(self.chain.validator_names())).items()
        }
        payload = {
            "batch": identity,
            "root": root.hex(),
            "records": count,
            "units": units,
            "paid": sum(shares.values()),
        }
        return StoredBatch(
            id=identity,
            last_serial=after,
            records=count,
            units=units,
            nodes=len(nodes),
            root=root,
            reward=reward,
            paid=sum(shares.values()),
            payload=msgspec.json.encode(payload | {"weights": weights}),
            shares=sorted(shares.items()),
            applied=0,
            transaction_id=None,
            created_at=self._clock(),
        )

    async def _scores(self, names: set[str] | list[str]) -> dict[str, int]:
        """Scores as of now of those that have worked."""
        scores, hour = {}, self.hour()
        for at, name in enumerate(names):
            node = await self.storage.node(name)
            if node is not None:
                scores[name] = score_ppm(node.trust, hour)
            if at % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
        return scores

    async def _complete(self, batch: StoredBatch) -> StoredBatch:
        """Pay what is not paid yet, and tell the chain. Each portion is paid with a note of it, so none is paid twice."""
        for at in range(batch.applied, len(batch.shares), AT_ONCE):
            portion = batch.shares[at : at + AT_ONCE]
            await self.storage.pay(batch.id, portion, at + len(portion), batch.created_at)
            self.paid += sum(amount for _, amount in portion)
            await asyncio.sleep(0)
        transaction_id = await self.chain.submit("poot", batch.payload, _SENDER, f"batch {batch.id}")
        await self.storage.set_submitted(batch.id, transaction_id)
        return replace(batch, applied=len(batch.shares), transaction_id=transaction_id)

    async def _prune(self) -> None:
        first, last = await self.storage.serials()
        up_to = min(self._batched_serial, last - self._limits.records)
        for serial in range(first, up_to + 1, AT_ONCE):
            await self.storage.prune_records(min(serial + AT_ONCE - 1, up_to))
            await asyncio.sleep(0)
        while await self.storage.prune_entries(self._limits.entries):
            pass
        await self.storage.prune_batches(self.batches - self._limits.batches)

    async def _make_full_batches(self) -> None:
        while True:
            await self._is_full.wait()
            self._is_full.clear()
            try:
                while self.waiting >= self._limits.batch_records:
                    batch = await self.make_batch(DEFAULT_REWARD)
                    _log.info("batch %d made of %d waiting records", batch.id, batch.records)
            except Exception:  # noqa: BLE001  # whatever a database has to say
                _log.exception("no batch could be made; tried again with the next record")
