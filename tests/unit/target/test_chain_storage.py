"""The chain on a real database: what is kept, what goes, and how it is taken up again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from master.target.api.errors import ApiError
from master.target.chain.admission import Admission
from master.target.chain.chain import Chain, ForkError
from master.target.chain.consensus import messages
from master.target.chain.consensus.catching_up import follow
from master.target.chain.consensus.network import Network
from master.target.chain.ledger.blocks import FinalBlock, split_ids
from master.target.chain.ledger.signing import SigningKey
from master.target.chain.ledger.transactions import Kind, Transaction, encode, transaction_id
from master.target.chain.retention import ChainRetention
from master.target.chain.storage import ChainStorage
from master.target.database.sqlite import SqliteDatabase

PATIENCE_S = 60


def record(number: int) -> Transaction:
    return Transaction(Kind.RECORD, "user0001", str(number), b"{}")


def on_database(path: Path, play: Callable[[SqliteDatabase, ChainStorage], Awaitable[None]]) -> None:
    async def run() -> None:
        database = SqliteDatabase(path / "target.db")
        async with asyncio.timeout(PATIENCE_S):
            await play(database, ChainStorage(database))
        await database.close()

    asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 (within the timeout of `on_database`)
        await asyncio.sleep(0.01)


async def all_ids(storage: ChainStorage) -> list[bytes]:
    found, height = list[bytes](), 0
    while blocks := await storage.blocks_from(height, 100):
        found += [identity for block in blocks for identity in split_ids(block.ids or b"")]
        height = blocks[-1].header.height + 1
    return found


def test_a_chain_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    async def play(_: SqliteDatabase, storage: ChainStorage) -> None:
        first = Chain(storage, block_time_s=0.05)
        await first.start()
        sent = [(await first.admit(record(number)))[0] for number in range(50)]
        await until(lambda: first.tip.header.total > 0)
        sent += [(await first.admit(record(number)))[0] for number in range(50, 60)]
        await first.stop()
        second = Chain(storage, block_time_s=0.05)
        await second.start()
        assert second.validator_names() == first.validator_names()
        await until(lambda: second.tip.header.total == 60)
        await second.stop()
        assert sorted(await all_ids(storage)) == sorted(sent)

    on_database(tmp_path, play)


def test_transactions_whose_block_is_on_record_are_not_put_into_another(tmp_path: Path) -> None:
    """As after a kill between a block's insertion and the marking of its transactions."""

    async def play(database: SqliteDatabase, storage: ChainStorage) -> None:
        first = Chain(storage, block_time_s=0.05)
        await first.start()
        sent = [(await first.admit(record(number)))[0] for number in range(100)]
        await until(lambda: first.tip.header.total == 100)
        await first.stop()
        await database.execute("UPDATE chain_blocks SET marked = 0")
        await database.execute("UPDATE chain_transactions SET height = NULL")
        second = Chain(storage, block_time_s=0.05)
        await second.start()
        assert len(second.admission) == 0
        height = second.tip.header.height
        await until(lambda: second.tip.header.height >= height + 2)
        for identity in sent:
            assert await second.final(identity.hex()) is not None
        await second.stop()
        assert sorted(await all_ids(storage)) == sorted(sent)

    on_database(tmp_path, play)


def test_a_transaction_left_over_from_a_failed_answer_is_taken_up_when_it_comes_again(tmp_path: Path) -> None:
    """The database had it, and the connection broke before that was known."""

    async def play(_: SqliteDatabase, storage: ChainStorage) -> None:
        chain = Chain(storage, block_time_s=0.05)
        await chain.start()
        identity = transaction_id(encode(record(1)))
        await storage.add_transaction(identity, encode(record(1)), time.time())
        assert await chain.admit(record(1)) == (identity, None)
        await until(lambda: chain.tip.header.total == 1)
        await chain.admit(record(1))
        height = chain.tip.header.height
        await until(lambda: chain.tip.header.height >= height + 2)
        assert await all_ids(storage) == [identity]
        await chain.stop()

    on_database(tmp_path, play)


def test_old_bodies_and_headers_go_and_the_rest_is_still_proven(tmp_path: Path) -> None:
    async def play(database: SqliteDatabase, storage: ChainStorage) -> None:
        retention = ChainRetention(storage, max_transactions=40, max_bodies=20, max_blocks=64)
        chain = Chain(storage, block_time_s=0.01, retention=retention)
        await chain.start()
        for number in range(200):
            await chain.admit(record(number))
            await asyncio.sleep(0.002)
        await until(lambda: chain.tip.header.height >= 200 and chain.tip.header.total >= 200)
        await until(lambda: not chain._being_marked)
        rows = await database.fetch_one("SELECT COUNT(*) FROM chain_transactions")
        bodies = await database.fetch_one("SELECT COUNT(*) FROM chain_blocks WHERE ids IS NOT NULL")
        headers = await database.fetch_one("SELECT COUNT(*) FROM chain_blocks")
        assert rows is not None
        assert bodies is not None
        assert headers is not None
        assert rows[0] <= 40 + 200 // 10
        assert bodies[0] <= 20
        assert 64 <= headers[0] <= 130
        tip = await storage.checkpoint()
        assert tip.header.height > 0
        for block in await storage.blocks_from(tip.header.height + 1, 1000):
            tip = await follow(tip, block)
        assert tip.header.total == 200, "the sum over all blocks, gone ones included"
        newcomer = await chain.add_validator("pi-1")
        await until(lambda: "pi-1" in chain.validator_names())
        assert newcomer.sync_s is not None
        with pytest.raises(KeyError):
            await chain.final(transaction_id(encode(record(0))).hex())
        await chain.stop()

    on_database(tmp_path, play)


def test_a_second_block_of_one_height_is_a_fork(tmp_path: Path) -> None:
    async def play(_: SqliteDatabase, storage: ChainStorage) -> None:
        chain = Chain(storage, block_time_s=0.05)
        await chain.start()
        await until(lambda: chain.tip.header.height >= 2)
        await chain.stop()
        (block,) = await storage.blocks_from(1, 1)
        await chain.append(block, chain.tip)
        other = msgspec.structs.replace(block.header, timestamp_ms=block.header.timestamp_ms + 1)
        with pytest.raises(ForkError):
            await chain.append(FinalBlock(other, block.certificate, None, b""), chain.tip)

    on_database(tmp_path, play)


def test_the_pool_is_bounded_and_the_platforms_own_transactions_go_before(tmp_path: Path) -> None:
    async def play(_: SqliteDatabase, storage: ChainStorage) -> None:
        await storage.create()
        admission = Admission(storage, Network(), SigningKey(), clock=time.time, max_pending=3)
        for number in range(3):
            await admission.submit(record(number), 0)
        with pytest.raises(ApiError) as caught:
            await admission.submit(record(3), 0)
        assert caught.value.status == 429
        identity, taken_in_at = await admission.submit(Transaction(Kind.POOT, "poot", "1", b'{"weights":{}}'), 0)
        assert taken_in_at is not None
        await admission.settle([identity], 1)
        assert len(admission) == 3

    on_database(tmp_path, play)


def test_what_stays_pending_for_long_is_handed_out_again(tmp_path: Path) -> None:
    async def play(_: SqliteDatabase, storage: ChainStorage) -> None:
        await storage.create()
        network, key = Network(), SigningKey()
        inbox = network.join("v1", key.public_key)
        admission = Admission(storage, network, key, clock=time.time)
        await admission.start(0)
        await admission.submit(record(1), 0)

        async def next_batch() -> list[bytes]:
            _, message = messages.open_envelope(await inbox.get())
            assert isinstance(message, messages.Transactions)
            return message.transactions

        assert await next_batch() == [encode(record(1))]
        await admission.settle([], 7)
        assert inbox.empty()
        await admission.settle([], 8)
        assert await next_batch() == [encode(record(1))]
        await admission.stop()

    on_database(tmp_path, play)
