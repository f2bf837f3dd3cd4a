"""The chain as the rest of the platform sees it: hands in transactions, follows them, and runs the validators."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import msgspec

from master.target.api import errors
from master.target.chain.admission import Admission, end_tasks
from master.target.chain.consensus.catching_up import Tip
from master.target.chain.consensus.network import Network
from master.target.chain.consensus.pace import Pace
from master.target.chain.consensus.slices import in_slices
from master.target.chain.consensus.validator import GATEWAY, Validator
from master.target.chain.ledger.blocks import Certificate, FinalBlock, genesis, split_ids
from master.target.chain.ledger.signing import SigningKey
from master.target.chain.ledger.transactions import CHAIN_SENDER, Joining, Kind, Transaction
from master.target.chain.ledger.validator_set import MAX_VALIDATORS, equal_validators
from master.target.chain.retention import ChainRetention
from master.target.chain.storage import MARKED_AT_ONCE, ChainStorage, StoredTransaction

DEFAULT_BLOCK_TIME_S = 10.0
DEFAULT_VALIDATORS = 4
MEASURED_BLOCKS = 100
RETRY_S = 1.0

T = TypeVar("T")
_log = logging.getLogger("master.target.chain")


class ForkError(Exception):
    """Two different blocks of one height are final: must not be."""


@dataclass
class Member:
    """A validator of this process. `sync_s`: how long catching up took, once that is done."""

    validator: Validator
    tasks: list[asyncio.Task[None]]
    sync_s: float | None = None


@dataclass
class RecentBlocks:
    """Times (ms) of the last blocks, and the transactions up to each."""

    times: list[tuple[int, int]] = field(default_factory=list)

    def add(self, timestamp_ms: int, total: int) -> None:
        """Note a block."""
        self.times.append((timestamp_ms, total))
        del self.times[:-MEASURED_BLOCKS]

    def mean_block_time_s(self) -> float | None:
        """From block to block; None before there are two."""
        if len(self.times) < 2:
            return None
        return (self.times[-1][0] - self.times[0][0]) / 1000 / (len(self.times) - 1)

    def transactions_per_s(self) -> float | None:
        """By the blocks' times; None before there are two."""
        if len(self.times) < 2:
            return None
        return (self.times[-1][1] - self.times[0][1]) * 1000 / (self.times[-1][0] - self.times[0][0])


class Chain:
    """Runs the validators of one chain on one database. `clock` gives Unix seconds."""

    def __init__(
        self,
        storage: ChainStorage,
        *,
        validators: int = DEFAULT_VALIDATORS,
        block_time_s: float = DEFAULT_BLOCK_TIME_S,
        clock: Callable[[], float] = time.time,
        retention: ChainRetention | None = None,
    ) -> None:
        self.storage = storage
        self._count = validators
        # A leader is waited for so long that one who says nothing does not yet cost the 5 s in which a block is to be final.
        self.pace = Pace(block_time_s, round_timeout_s=min(2.0, max(0.5, block_time_s / 5)))
        self._clock = clock
        self._network = Network()
        self._appending = asyncio.Lock()
        self._unmarked: asyncio.Queue[FinalBlock] = asyncio.Queue()
        self._being_marked: dict[int, set[bytes]] = {}
        self._retention = retention or ChainRetention(storage)
        self._tasks: list[asyncio.Task[None]] = []
        self.recent = RecentBlocks()
        self.members: dict[str, Member] = {}

    async def start(self) -> None:
        """Take up the chain in the database, or begin one."""
        await self.storage.create()
        keys = await self.storage.keys()
        tip = await self.storage.tip()
        if tip is None:
            keys, tip = await self._begin(keys)
        self._tip = tip
        for block in await self.storage.unmarked():
            await self._mark(block)
        await self._retention.start(tip.header.height)
        self.admission = Admission(self.storage, self._network, keys.pop(GATEWAY), clock=self._clock)
        for name in tip.validators.names():
            self._run(name, keys.pop(name), tip, None)
        await self.admission.start(tip.header.height)
        self._tasks = [asyncio.create_task(self._mark_all(), name="chain marking")]
        self._tasks[0].add_done_callback(_log_failure)
        for name, key in keys.items():
            await self._take_in(name, key)

    async def stop(self) -> None:
        """End all tasks."""
        tasks = [task for member in self.members.values() for task in member.tasks]
        await end_tasks([*tasks, *self._tasks])
        await self.admission.stop()

    @property
    def tip(self) -> Tip:
        """The last final block, and the set that decides on the next."""
        return self._tip

    # What the platform asks for

    @property
    def height(self) -> int:
        """That of the last final block."""
        return self._tip.header.height

    async def submit(self, kind: str, payload: bytes, sender: str, nonce: str = "1") -> str:
        """Hand in a transaction; its id, which is the same if it was handed in before.

        Raises ApiError 413 for a long payload, 429 while too many are pending.
        """
        identity, _ = await self.admit(Transaction(Kind(kind), sender, nonce, payload))
        return identity.hex()

    async def admit(self, transaction: Transaction) -> tuple[bytes, float | None]:
        """As `submit`; also when it was taken in, or None if it was known."""
        identity, taken_in_at = await self.admission.submit(transaction, self._tip.header.height)
        if taken_in_at is None and identity not in self.admission and self._height_to_mark(identity) is None:
            # In a block, or left over from an insertion of which the database did not say that it succeeded.
            found = await self.storage.transaction(identity)
            if found is not None and found.height is None:
                self.admission.adopt(transaction, self._tip.header.height)
        return identity, taken_in_at

    async def final(self, transaction_id: str) -> int | None:
        """The height of the block that holds it; None while it is pending. Raises KeyError if it is not known."""
        found = await self.transaction(bytes.fromhex(transaction_id))
        if found is None:
            raise KeyError(transaction_id)
        return found.height

    async def transaction(self, identity: bytes) -> StoredTransaction | None:
        """A transaction with the height of its block."""
        found = await self.storage.transaction(identity)
        if found is None or found.height is not None:
            return found
        return StoredTransaction(found.canonical, found.submitted_at, self._height_to_mark(identity))

    def validator_names(self) -> list[str]:
        """Who decides on the next block."""
        return self._tip.validators.names()

    async def add_validator(self, name: str) -> Member:
        """Take in a validator that begins with nothing. Raises ApiError 409 for a known name, or when there is no room."""
        if len(self.members) >= MAX_VALIDATORS:
            raise errors.conflict("no room for another validator")
        key = SigningKey()
        if not await self.storage.add_key(name, key):
            raise errors.conflict(f"the name {name} is taken")
        return await self._take_in(name, key)

    def refused_messages(self) -> Counter[str]:
        """Messages that validators did not look at any further, by reason."""
        return sum((member.validator.refused for member in self.members.values()), Counter())

    def dropped_messages(self) -> int:
        """Messages lost because an inbox was full."""
        return self._network.dropped.total()

    # BlockStore, for the validators: one copy of each final block for all of them

    async def append(self, block: FinalBlock, following: Tip) -> None:
        """As BlockStore. Raises ForkError when another block of that height is on record."""
        async with self._appending:
            height = block.header.height
            is_known = height <= self._tip.header.height
            if not is_known:
                await self._insist(partial(self.storage.add_block, block))
            kept = await self._insist(partial(self.storage.header, height))
            if kept not in {None, block.header}:
                raise ForkError(f"two blocks of height {height}: {block.header} and {kept}")
            if is_known:
                return
            ids = set[bytes]()
            async for piece in in_slices(split_ids(block.ids or b"")):
                ids.update(piece)
            self._being_marked[height] = ids
            self._unmarked.put_nowait(block)
            self._tip = following
            self.recent.add(block.header.timestamp_ms, block.header.total)
            await self.admission.settle(ids, height)

    async def blocks_from(self, height: int, limit: int) -> list[FinalBlock]:
        """As BlockStore."""
        return await self._insist(partial(self.storage.blocks_from, height, limit))

    # Inside

    def _height_to_mark(self, identity: bytes) -> int | None:
        return next((height for height, ids in self._being_marked.items() if identity in ids), None)

    async def _begin(self, keys: dict[str, SigningKey]) -> tuple[dict[str, SigningKey], Tip]:
        for name in (GATEWAY, *(f"validator-{number}" for number in range(1, self._count + 1))):
            if name not in keys:
                keys[name] = SigningKey()
                await self.storage.add_key(name, keys[name])
        validators = equal_validators({name: key.public_key for name, key in keys.items() if name != GATEWAY})
        header = genesis(validators, secrets.token_bytes(32), round(self._clock() * 1000))
        await self.storage.add_block(FinalBlock(header, Certificate(0, []), validators.encoded, b""), marked=True)
        return keys, Tip(header, validators)

    def _run(self, name: str, key: SigningKey, tip: Tip, catch_up_from: str | None) -> Member:
        validator = Validator(
            name, key, tip, self._network, self, pace=self.pace, clock=self._clock, catch_up_from=catch_up_from
        )
        task = asyncio.create_task(validator.run(), name=f"chain {name}")
        task.add_done_callback(_log_failure)
        self.members[name] = member = Member(validator, [task])
        return member

    async def _take_in(self, name: str, key: SigningKey) -> Member:
        member = self._run(name, key, await self.storage.checkpoint(), self._tip.validators.names()[0])
        joining = asyncio.create_task(self._join(member, key.public_key), name=f"chain joining of {name}")
        joining.add_done_callback(_log_failure)
        member.tasks.append(joining)
        return member

    async def _join(self, member: Member, public_key: bytes) -> None:
        """Once it has caught up, a validator asks to take part; it does from the block after the one that says so."""
        started_at = time.monotonic()
        await member.validator.caught_up.wait()
        member.sync_s = time.monotonic() - started_at
        name = member.validator.name
        self.admission.hand_all_to(name)
        await self.submit(Kind.VALIDATOR, msgspec.json.encode(Joining(name, public_key.hex())), CHAIN_SENDER)

    async def _mark_all(self) -> None:
        while True:
            block = await self._unmarked.get()
            header = block.header
            await self._insist(partial(self._mark, block))
            self._being_marked.pop(header.height)
            is_read = not all(member.validator.caught_up.is_set() for member in self.members.values())
            self._retention.add(header.height, header.total)
            await self._insist(partial(self._retention.prune, is_read=is_read))

    async def _insist(self, do: Callable[[], Awaitable[T]]) -> T:
        """Until the database does it: while it can't be reached, or is full, the chain waits instead of going on without."""
        while True:
            try:
                return await do()
            except Exception as error:  # noqa: BLE001  # whatever a database has to say
                _log.error("the chain waits for its database: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _mark(self, block: FinalBlock) -> None:
        async for piece in in_slices(split_ids(block.ids or b""), MARKED_AT_ONCE):
            await self.storage.mark(piece, block.header.height)
        await self.storage.set_marked(block.header.height)


def _log_failure(task: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        error = task.exception()
        if error is not None:
            _log.error("%s failed", task.get_name(), exc_info=error)
