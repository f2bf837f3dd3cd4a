"""Records of work, batches and payments in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from master.target.database.database import Database, Row
from master.target.poot.messages import LedgerEntry
from master.target.poot.records import WorkRecord
from master.target.poot.scores import Trust

ENTRIES_AT_ONCE = 256

_TABLES = """
CREATE TABLE IF NOT EXISTS poot_nodes (
    name TEXT PRIMARY KEY, records INTEGER NOT NULL, units INTEGER NOT NULL, weighted INTEGER NOT NULL,
    recent_units INTEGER NOT NULL, hour INTEGER NOT NULL, balance INTEGER NOT NULL, forgotten_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS poot_records (
    serial SERIAL_KEY, node TEXT NOT NULL, kind TEXT NOT NULL, units INTEGER NOT NULL, quality_ppm INTEGER NOT NULL,
    started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS poot_records_by_time ON poot_records (node, kind, ended_ms);
CREATE TABLE IF NOT EXISTS poot_batches (
    id INTEGER PRIMARY KEY, last_serial INTEGER NOT NULL, records INTEGER NOT NULL, units INTEGER NOT NULL,
    nodes INTEGER NOT NULL, root BLOB NOT NULL, reward INTEGER NOT NULL, paid INTEGER NOT NULL, payload BLOB NOT NULL,
    shares BLOB NOT NULL, applied INTEGER NOT NULL, transaction_id TEXT, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS poot_ledger (
    serial SERIAL_KEY, node TEXT NOT NULL, batch INTEGER NOT NULL, amount INTEGER NOT NULL, balance INTEGER NOT NULL,
    created_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS poot_ledger_by_node ON poot_ledger (node, serial);
"""
# The order of columns is that of the fields below.
_NODE = "SELECT * FROM poot_nodes WHERE name = ?"
_NODES = "SELECT * FROM poot_nodes WHERE name > ? ORDER BY name LIMIT ?"
_SUMS = "SELECT COUNT(*), CAST(SUM(records) AS INTEGER), CAST(SUM(units) AS INTEGER), CAST(SUM(balance) AS INTEGER) FROM poot_nodes"
_PUT_NODE = (
    "INSERT INTO poot_nodes VALUES (?, 1, ?, ?, ?, ?, 0, 0) ON CONFLICT (name) DO UPDATE SET"
    " records = poot_nodes.records + 1, units = poot_nodes.units + excluded.units, weighted = excluded.weighted,"
    " recent_units = excluded.recent_units, hour = excluded.hour"
)
# Records of one kind do not overlap, so that the first that ends after the start of another decides.
_NEXT_RECORD = (
    "SELECT started_ms FROM poot_records WHERE node = ? AND kind = ? AND ended_ms > ? ORDER BY ended_ms LIMIT 1"
)
_ADD_RECORD = (
    "INSERT INTO poot_records (node, kind, units, quality_ppm, started_ms, ended_ms) VALUES (?, ?, ?, ?, ?, ?)"
    " RETURNING serial"
)
_RECORDS = "SELECT * FROM poot_records WHERE serial > ? AND serial <= ? ORDER BY serial LIMIT ?"
_SERIALS = "SELECT MIN(serial), MAX(serial) FROM poot_records"
_WAITING = "SELECT COUNT(*) FROM poot_records WHERE serial > ?"
_PRUNE_RECORDS = "DELETE FROM poot_records WHERE serial <= ? RETURNING node, ended_ms"
_FORGET = "UPDATE poot_nodes SET forgotten_ms = ? WHERE name = ? AND forgotten_ms < ?"
_ADD_BATCH = "INSERT INTO poot_batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BATCH = "SELECT * FROM poot_batches WHERE id = ?"
_LAST_BATCH = "SELECT * FROM poot_batches ORDER BY id DESC LIMIT 1"
_APPLIED = "UPDATE poot_batches SET applied = ? WHERE id = ?"
_SUBMITTED = "UPDATE poot_batches SET transaction_id = ?, shares = ? WHERE id = ?"
_PRUNE_BATCHES = "DELETE FROM poot_batches WHERE id <= ?"
_PAY = "UPDATE poot_nodes SET balance = balance + ? WHERE name = ? RETURNING balance"
_ADD_ENTRY = "INSERT INTO poot_ledger (node, batch, amount, balance, created_at) VALUES (?, ?, ?, ?, ?)"
_ENTRIES = (
    "SELECT serial, batch, amount, balance, created_at FROM poot_ledger WHERE node = ? AND serial < ?"
    " ORDER BY serial DESC LIMIT ?"
)
_ENTRY_SERIALS = "SELECT MIN(serial), MAX(serial) FROM poot_ledger"
_PRUNE_ENTRIES = "DELETE FROM poot_ledger WHERE serial <= ?"


@dataclass(frozen=True, slots=True)
class WorkingNode:
    """A node that has worked. `forgotten_ms`: the end of its latest record that is no longer kept."""

    name: str
    records: int
    units: int
    trust: Trust
    balance: int
    forgotten_ms: int


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch. `shares` lists who gets how much, until all is paid (`applied` of them so far) and told to the chain."""

    id: int
    last_serial: int
    records: int
    units: int
    nodes: int
    root: bytes
    reward: int
    paid: int
    payload: bytes
    shares: list[tuple[str, int]]
    applied: int
    transaction_id: str | None
    created_at: float


_decode_shares = msgspec.msgpack.Decoder(list[tuple[str, int]]).decode


class PootStorage:
    """PoOT's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self) -> None:
        """Create the tables where they are missing."""
        await self._database.create(_TABLES)

    async def node(self, name: str) -> WorkingNode | None:
        """A node that has worked."""
        row = await self._database.fetch_one(_NODE, name)
        return None if row is None else _node(row)

    async def nodes(self, after: str, limit: int) -> list[WorkingNode]:
        """Nodes by name."""
        return [_node(row) for row in await self._database.fetch_all(_NODES, after, limit)]

    async def sums(self) -> tuple[int, int, int, int]:
        """Nodes, their records, units and balances."""
        row = await self._database.fetch_one(_SUMS)
        nodes, records, units, balances = (int(value or 0) for value in row or (0, 0, 0, 0))
        return nodes, records, units, balances

    async def overlaps(self, record: WorkRecord) -> bool:
        """Whether the node has done work of that kind in a part of that time."""
        row = await self._database.fetch_one(_NEXT_RECORD, record.node, record.kind, record.started_ms)
        return row is not None and row[0] < record.ended_ms

    async def add_record(self, record: WorkRecord, trust: Trust) -> int:
        """Keep a record, and the node's trust with it; the serial number."""
        async with self._database.transaction() as database:
            row = await database.fetch_one(_ADD_RECORD, *record)
            await database.execute(_PUT_NODE, record.node, record.units, *trust)
        assert row is not None
        return int(row[0])

    async def records(self, after: int, last: int, limit: int) -> list[tuple[int, WorkRecord]]:
        """Records after one serial number and up to another, in order."""
        rows = await self._database.fetch_all(_RECORDS, after, last, limit)
        return [(row[0], WorkRecord(*row[1:])) for row in rows]

    async def serials(self) -> tuple[int, int]:
        """The first and the last serial number of the records; 0 and 0 if there are none."""
        row = await self._database.fetch_one(_SERIALS)
        return (0, 0) if row is None or row[0] is None else (int(row[0]), int(row[1]))

    async def waiting(self, after: int) -> int:
        """How many records come after that serial number."""
        row = await self._database.fetch_one(_WAITING, after)
        return 0 if row is None else int(row[0])

    async def prune_records(self, last: int) -> None:
        """Delete records up to that serial number, and note of each node up to when."""
        async with self._database.transaction() as database:
            latest: dict[str, int] = {}
            for node, ended_ms in await database.fetch_all(_PRUNE_RECORDS, last):
                latest[node] = max(latest.get(node, 0), ended_ms)
            for node, ended_ms in latest.items():
                await database.execute(_FORGET, ended_ms, node, ended_ms)

    async def add_batch(self, batch: StoredBatch) -> None:
        """Keep a batch, before anything of it is paid."""
        await self._database.execute(
            _ADD_BATCH,
            *(batch.id, batch.last_serial, batch.records, batch.units, batch.nodes, batch.root, batch.reward),
            *(batch.paid, batch.payload, msgspec.msgpack.encode(batch.shares), batch.applied, batch.transaction_id),
            batch.created_at,
        )

    async def batch(self, identity: int) -> StoredBatch | None:
        """A batch."""
        row = await self._database.fetch_one(_BATCH, identity)
        return None if row is None else _batch(row)

    async def last_batch(self) -> StoredBatch | None:
        """The newest batch."""
        row = await self._database.fetch_one(_LAST_BATCH)
        return None if row is None else _batch(row)

    async def pay(self, batch: int, shares: Sequence[tuple[str, int]], applied: int, now: float) -> None:
        """Pay some shares of a batch, all or none of them; `applied` is how many of all are then paid."""
        async with self._database.transaction() as database:
            for node, amount in shares:
                row = await database.fetch_one(_PAY, amount, node)
                assert row is not None
                await database.execute(_ADD_ENTRY, node, batch, amount, row[0], now)
            await database.execute(_APPLIED, applied, batch)

    async def set_submitted(self, batch: int, transaction_id: str) -> None:
        """A batch is paid, and told to the chain."""
        await self._database.execute(_SUBMITTED, transaction_id, msgspec.msgpack.encode([]), batch)

    async def entries(self, node: str, before: int, limit: int) -> list[LedgerEntry]:
        """Payments to a node, newest first."""
        return [LedgerEntry(*row) for row in await self._database.fetch_all(_ENTRIES, node, before, limit)]

    async def prune_entries(self, keep: int) -> bool:
        """Delete a portion of the oldest payments beyond so many; whether there was one."""
        row = await self._database.fetch_one(_ENTRY_SERIALS)
        if row is None or row[0] is None or row[1] - row[0] < keep:
            return False
        await self._database.execute(_PRUNE_ENTRIES, min(row[0] + ENTRIES_AT_ONCE, row[1] - keep))
        return True

    async def prune_batches(self, last: int) -> None:
        """Delete batches up to that one."""
        await self._database.execute(_PRUNE_BATCHES, last)


def _node(row: Row) -> WorkingNode:
    name, records, units, weighted, recent_units, hour, balance, forgotten_ms = row
    return WorkingNode(name, records, units, Trust(weighted, recent_units, hour), balance, forgotten_ms)


def _batch(row: Row) -> StoredBatch:
    identity, last_serial, records, units, nodes, root, reward, paid, payload, shares, applied, transaction_id, at = row
    listed = _decode_shares(bytes(shares))
    return StoredBatch(
        *(identity, last_serial, records, units, nodes, bytes(root), reward, paid, bytes(payload)),
        *(listed, applied, transaction_id, at),
    )
