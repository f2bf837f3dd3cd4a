"""The chain in the database: transactions as soon as they are acknowledged, final blocks with their certificates, keys.

A block is on record with one insertion, its transactions' ids inside; that is what counts. That each transaction's row then
gets its height is an index for looking it up, made in portions afterwards and taken up again after a crash. So an
acknowledged transaction is always either pending or in one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from master.target.chain.consensus.catching_up import Tip
from master.target.chain.ledger.blocks import Certificate, FinalBlock, Header, encode
from master.target.chain.ledger.signing import SigningKey
from master.target.chain.ledger.validator_set import decode_set
from master.target.database.database import Database, Row

MARKED_AT_ONCE = 64
"""Rows a statement: 0.3 ms."""
PRUNED_AT_ONCE = 256

_TABLES = """
CREATE TABLE IF NOT EXISTS chain_transactions (
    serial SERIAL_KEY, id BLOB UNIQUE NOT NULL, canonical BLOB NOT NULL, submitted_at REAL NOT NULL, height INTEGER);
CREATE INDEX IF NOT EXISTS chain_transactions_pending ON chain_transactions (serial) WHERE height IS NULL;
CREATE TABLE IF NOT EXISTS chain_blocks (
    height INTEGER PRIMARY KEY, header BLOB NOT NULL, certificate BLOB NOT NULL, next_set BLOB, ids BLOB,
    marked INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS chain_blocks_unmarked ON chain_blocks (height) WHERE marked = 0;
CREATE INDEX IF NOT EXISTS chain_blocks_by_set ON chain_blocks (height) WHERE next_set IS NOT NULL;
CREATE TABLE IF NOT EXISTS chain_keys (name TEXT PRIMARY KEY, seed BLOB NOT NULL);
"""
_ADD = "INSERT INTO chain_transactions (id, canonical, submitted_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"
_TRANSACTION = "SELECT canonical, submitted_at, height FROM chain_transactions WHERE id = ?"
_PENDING = (
    "SELECT serial, id, canonical FROM chain_transactions WHERE height IS NULL AND serial > ? ORDER BY serial LIMIT ?"
)
_MARK = f"UPDATE chain_transactions SET height = ? WHERE id IN ({', '.join('?' * MARKED_AT_ONCE)})"  # noqa: S608  # placeholders alone
_MARKED = "UPDATE chain_blocks SET marked = 1 WHERE height = ?"
_ADD_BLOCK = (
    "INSERT INTO chain_blocks (height, header, certificate, next_set, ids, marked) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (height) DO NOTHING"
)
_SELECT = "SELECT header, certificate, next_set, ids FROM chain_blocks"
_BLOCK = f"{_SELECT} WHERE height = ?"
_HEADER = "SELECT header FROM chain_blocks WHERE height = ?"
_BLOCKS_FROM = f"{_SELECT} WHERE height >= ? ORDER BY height LIMIT ?"
_BLOCKS_BEFORE = (
    "SELECT header, certificate, NULL, NULL FROM chain_blocks WHERE height < ? ORDER BY height DESC LIMIT ?"
)
_LAST = f"{_SELECT} ORDER BY height DESC LIMIT 1"
_FIRST = f"{_SELECT} ORDER BY height LIMIT 1"
_UNMARKED = f"{_SELECT} WHERE marked = 0 ORDER BY height"
_SET_AT = "SELECT next_set FROM chain_blocks WHERE next_set IS NOT NULL AND height <= ? ORDER BY height DESC LIMIT 1"
_KEYS = "SELECT name, seed FROM chain_keys ORDER BY name"
_ADD_KEY = "INSERT INTO chain_keys (name, seed) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
_FIRST_SERIAL = "SELECT MIN(serial) FROM chain_transactions"
_PRUNE_TRANSACTIONS = "DELETE FROM chain_transactions WHERE serial >= ? AND serial < ? AND height <= ?"
_PRUNE_BODIES = "UPDATE chain_blocks SET ids = NULL WHERE height >= ? AND height <= ?"
_KEEP_SET = "UPDATE chain_blocks SET next_set = ? WHERE height = ?"
_PRUNE_BLOCKS = "DELETE FROM chain_blocks WHERE height < ?"

_decode_header = msgspec.msgpack.Decoder(Header).decode
_decode_certificate = msgspec.msgpack.Decoder(Certificate).decode


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """A transaction's canonical bytes, when it was acknowledged (Unix s), and the height of its block, or None."""

    canonical: bytes
    submitted_at: float
    height: int | None


class ChainStorage:
    """The chain's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self) -> None:
        """Create the tables where they are missing."""
        await self._database.create(_TABLES)

    async def keys(self) -> dict[str, SigningKey]:
        """All private keys by the names of their owners."""
        return {name: SigningKey(bytes(seed)) for name, seed in await self._database.fetch_all(_KEYS)}

    async def add_key(self, name: str, key: SigningKey) -> bool:
        """Keep a private key; False if there is one of that name."""
        return await self._database.execute(_ADD_KEY, name, key.seed) == 1

    async def add_transaction(self, identity: bytes, canonical: bytes, now: float) -> bool:
        """Keep a new transaction; False if it is known."""
        return await self._database.execute(_ADD, identity, canonical, now) == 1

    async def transaction(self, identity: bytes) -> StoredTransaction | None:
        """The transaction with that id. Its height may not be marked yet."""
        row = await self._database.fetch_one(_TRANSACTION, identity)
        return None if row is None else StoredTransaction(bytes(row[0]), row[1], row[2])

    async def pending(self, after: int, limit: int) -> list[tuple[int, bytes, bytes]]:
        """Transactions without a block in the order of their serial numbers: serial, id, canonical bytes."""
        rows = await self._database.fetch_all(_PENDING, after, limit)
        return [(serial, bytes(identity), bytes(canonical)) for serial, identity, canonical in rows]

    async def mark(self, ids: Sequence[bytes], height: int) -> None:
        """Note the height of at least one and at most `MARKED_AT_ONCE` transactions."""
        padded = [*ids, *[ids[0]] * (MARKED_AT_ONCE - len(ids))]  # so that one statement serves all
        await self._database.execute(_MARK, height, *padded)

    async def set_marked(self, height: int) -> None:
        """All transactions of that block have their height."""
        await self._database.execute(_MARKED, height)

    async def add_block(self, block: FinalBlock, *, marked: bool = False) -> None:
        """Put a final block on record, unless there is one of that height."""
        values = (block.header.height, encode(block.header), encode(block.certificate), block.next_set, block.ids)
        await self._database.execute(_ADD_BLOCK, *values, int(marked))

    async def block(self, height: int) -> FinalBlock | None:
        """The block of that height, if it is kept."""
        row = await self._database.fetch_one(_BLOCK, height)
        return None if row is None else _block(row)

    async def header(self, height: int) -> Header | None:
        """The header of that height, if it is kept."""
        row = await self._database.fetch_one(_HEADER, height)
        return None if row is None else _decode_header(bytes(row[0]))

    async def blocks_from(self, height: int, limit: int) -> list[FinalBlock]:
        """Kept blocks from that height upwards."""
        return [_block(row) for row in await self._database.fetch_all(_BLOCKS_FROM, height, limit)]

    async def blocks_before(self, height: int, limit: int) -> list[FinalBlock]:
        """Kept blocks below that height downwards, without bodies."""
        return [_block(row) for row in await self._database.fetch_all(_BLOCKS_BEFORE, height, limit)]

    async def unmarked(self) -> list[FinalBlock]:
        """Blocks whose transactions have not all got their height."""
        return [_block(row) for row in await self._database.fetch_all(_UNMARKED)]

    async def tip(self) -> Tip | None:
        """The last block; None before there is a chain."""
        row = await self._database.fetch_one(_LAST)
        return None if row is None else await self._tip_at(_block(row))

    async def checkpoint(self) -> Tip:
        """The first block that is kept: what one trusts who starts with nothing."""
        row = await self._database.fetch_one(_FIRST)
        assert row is not None
        return await self._tip_at(_block(row))

    async def first_serial(self) -> int:
        """The serial number of the oldest kept transaction; 1 if there is none."""
        row = await self._database.fetch_one(_FIRST_SERIAL)
        return 1 if row is None or row[0] is None else int(row[0])

    async def prune_transactions(self, serial: int, height: int) -> int:
        """Of the `PRUNED_AT_ONCE` serial numbers from `serial` on delete what is in blocks up to that height; how many."""
        return await self._database.execute(_PRUNE_TRANSACTIONS, serial, serial + PRUNED_AT_ONCE, height)

    async def prune_bodies(self, first: int, last: int) -> None:
        """Forget which transactions were in the blocks from `first` to `last`."""
        await self._database.execute(_PRUNE_BODIES, first, last)

    async def prune_blocks(self, height: int) -> None:
        """Delete all blocks below that height, which becomes the checkpoint."""
        async with self._database.transaction() as database:
            row = await database.fetch_one(_SET_AT, height)
            assert row is not None
            await database.execute(_KEEP_SET, bytes(row[0]), height)
            await database.execute(_PRUNE_BLOCKS, height)

    async def _tip_at(self, block: FinalBlock) -> Tip:
        row = await self._database.fetch_one(_SET_AT, block.header.height)
        assert row is not None
        return Tip(block.header, decode_set(bytes(row[0])))


def _block(row: Row) -> FinalBlock:
    header, certificate, next_set, ids = (None if value is None else bytes(value) for value in row)
    assert header is not None
    assert certificate is not None
    return FinalBlock(_decode_header(header), _decode_certificate(certificate), next_set, ids)
