"""PoOT on a real database: batches by themselves, what is forgotten, and a batch that was interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from master.target.api.caller import Caller, Role
from master.target.api.errors import ApiError
from master.target.chain.ledger.merkle import MerkleTree
from master.target.database.sqlite import SqliteDatabase
from master.target.poot.poot import Poot, PootLimits
from master.target.poot.records import WorkRecord
from master.target.poot.storage import PootStorage

NOW_S = 1_800_000_000.0
NOW_MS = int(NOW_S * 1000)
ADMIN = Caller("admin01", Role.ADMIN, 0)


class NotedChain:
    """Keeps what it is told by id, as the chain does; refuses as long as it is `down`."""

    def __init__(self) -> None:
        self.told: dict[str, bytes] = {}
        self.told_twice = asyncio.Event()
        self.down = False

    async def submit(self, kind: str, payload: bytes, sender: str, nonce: str) -> str:
        if self.down:
            raise OSError("the process ends here")
        assert (kind, sender) == ("poot", "poot")
        self.told[nonce] = payload
        if len(self.told) == 2:
            self.told_twice.set()
        return nonce

    async def final(self, transaction_id: str) -> int | None:
        return 1 if transaction_id in self.told else None

    def validator_names(self) -> list[str]:
        return ["validator-1", "n-1"]


def with_poot(
    path: Path, play: Callable[[Poot, NotedChain, SqliteDatabase], Awaitable[None]], limits: PootLimits | None = None
) -> None:
    async def run() -> None:
        database, chain = SqliteDatabase(path / "target.db"), NotedChain()
        poot = new_poot(database, chain, limits)
        await poot.start()
        async with asyncio.timeout(60):
            await play(poot, chain, database)
        await poot.stop()
        await database.close()

    asyncio.run(run())


def new_poot(database: SqliteDatabase, chain: NotedChain, limits: PootLimits | None = None) -> Poot:
    async def owner_of(_: str) -> str | None:
        return None

    return Poot(PootStorage(database), chain, owner_of, clock=lambda: NOW_S, limits=limits)


def work(node: str, minute: int, units: int = 300) -> WorkRecord:
    """A minute's work, so many minutes ago."""
    ended_ms = NOW_MS - 60_000 * minute
    return WorkRecord(node, "relay", units, 1_000_000, ended_ms - 60_000, ended_ms)


def test_a_batch_is_over_the_records_since_the_last_one(tmp_path: Path) -> None:
    async def play(poot: Poot, chain: NotedChain, _: SqliteDatabase) -> None:
        records = [work(f"n-{number % 3}", number) for number in range(300)]
        for record in records[:200]:
            await poot.add(record, ADMIN)
        first = await poot.make_batch(1000)
        for record in records[200:]:
            await poot.add(record, ADMIN)
        second = await poot.make_batch(1000)
        for batch, part in ((first, records[:200]), (second, records[200:])):
            assert batch.root == MerkleTree(record.canonical() for record in part).root()
            assert (batch.records, batch.units, batch.nodes) == (len(part), 300 * len(part), 3)
        payload = msgspec.json.decode(chain.told["batch 2"])
        _, score = await poot.add(work("n-1", 301), ADMIN)
        assert set(payload["weights"]) == {"n-1"}
        assert payload["weights"]["n-1"] < score
        await poot.make_batch(1)
        with pytest.raises(ApiError, match="no records") as caught:
            await poot.make_batch(1)
        assert caught.value.status == 409

    with_poot(tmp_path, play)


def test_a_batch_that_failed_is_completed_before_the_next_one(tmp_path: Path) -> None:
    async def play(poot: Poot, chain: NotedChain, _: SqliteDatabase) -> None:
        await poot.add(work("n-1", 2), ADMIN)
        chain.down = True
        with pytest.raises(OSError, match="ends here"):
            await poot.make_batch(10)
        chain.down = False
        await poot.add(work("n-1", 1), ADMIN)
        await poot.make_batch(10)
        assert list(chain.told) == ["batch 1", "batch 2"]
        assert poot.paid == 20

    with_poot(tmp_path, play)


def test_records_that_wait_make_a_batch_by_themselves(tmp_path: Path) -> None:
    async def play(poot: Poot, chain: NotedChain, _: SqliteDatabase) -> None:
        for number in range(25):
            await poot.add(work("n-1", number), ADMIN)
            await asyncio.sleep(0)
        await chain.told_twice.wait()
        assert poot.waiting == 5

    with_poot(tmp_path, play, PootLimits(batch_records=10))


def test_what_is_no_longer_kept_can_not_be_reported_again(tmp_path: Path) -> None:
    async def play(poot: Poot, _: NotedChain, database: SqliteDatabase) -> None:
        for minute in range(40, 0, -1):
            await poot.add(work("n-1", minute), ADMIN)
            await poot.make_batch(7)
        for table, kept in (("records", 10), ("ledger", 11), ("batches", 5)):
            row = await database.fetch_one(f"SELECT COUNT(*) FROM poot_{table}")
            assert row is not None
            assert row[0] <= kept, table
        for minute in (40, 35, 5):
            with pytest.raises(ApiError) as caught:
                await poot.add(work("n-1", minute), ADMIN)
            assert caught.value.status == 409
        assert (poot.records, poot.paid, poot.batches) == (40, 280, 40)
        again = new_poot(database, NotedChain())
        await again.start()
        assert (again.records, again.paid, again.batches, again.waiting) == (40, 280, 40, 0)
        await again.stop()

    with_poot(tmp_path, play, PootLimits(records=10, entries=10, batches=5))


@pytest.mark.parametrize("paid", [0, 128, 300])
def test_a_batch_that_was_interrupted_is_paid_to_the_end_once(
    tmp_path: Path, paid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after so many of its 300 payments; after all of them, before the chain was told."""

    async def play(poot: Poot, chain: NotedChain, database: SqliteDatabase) -> None:
        for number in range(300):
            await poot.add(work(f"n-{number}", 1), ADMIN)
        pay = poot.storage.pay

        async def pay_until(batch: int, shares: list[tuple[str, int]], applied: int, now: float) -> None:
            if applied > paid:
                raise OSError("the process ends here")
            await pay(batch, shares, applied, now)

        monkeypatch.setattr(poot.storage, "pay", pay_until)
        chain.down = True
        with pytest.raises(OSError, match="ends here"):
            await poot.make_batch(1_000_003)
        chain.down = False
        again = new_poot(database, chain)
        await again.start()
        assert again.paid == 1_000_003
        _, _, _, balances = await again.storage.sums()
        assert balances == 1_000_003
        assert list(chain.told) == ["batch 1"]
        last = await again.storage.last_batch()
        assert last is not None
        assert last.transaction_id == "batch 1"
        await again.stop()

    with_poot(tmp_path, play)
