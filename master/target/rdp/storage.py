"""RDP servers, the times they ran, and sums in the database. Times are Unix seconds and are passed in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from master.target.database.database import Database, Row, Statements
from master.target.rdp.allocation import Resources
from master.target.rdp.listener import Traffic
from master.target.rdp.protocol.connection import Security
from master.target.rdp.states import ServerState

MAX_RUNS = 50_000
_PRUNE_EVERY = 1024
_OPEN = 1e12
"""When a run ends that has not ended."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rdp_servers (
    serial SERIAL_KEY, id TEXT UNIQUE NOT NULL, owner TEXT NOT NULL, node TEXT NOT NULL, session TEXT,
    state TEXT NOT NULL, security TEXT NOT NULL, cpu_count INTEGER NOT NULL, memory_mb INTEGER NOT NULL,
    disk_mb INTEGER NOT NULL, port INTEGER, reason TEXT, created_at REAL NOT NULL, started_at REAL, stopped_at REAL,
    connections INTEGER NOT NULL DEFAULT 0, confirmed INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
    received_bytes INTEGER NOT NULL DEFAULT 0, sent_bytes INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS rdp_servers_by_owner ON rdp_servers (owner, serial);
CREATE TABLE IF NOT EXISTS rdp_runs (
    serial SERIAL_KEY, server TEXT NOT NULL, node TEXT NOT NULL, started_at REAL NOT NULL, seen_at REAL NOT NULL,
    ended_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS rdp_runs_by_node ON rdp_runs (node, ended_at);
CREATE INDEX IF NOT EXISTS rdp_runs_by_server ON rdp_runs (server, ended_at);
CREATE INDEX IF NOT EXISTS rdp_runs_by_end ON rdp_runs (ended_at);
CREATE TABLE IF NOT EXISTS rdp_totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
# The order is that of the fields of `StoredServer`.
_COLUMNS = (
    "serial, id, owner, node, session, state, security, cpu_count, memory_mb, disk_mb, port, reason, created_at,"
    " started_at, stopped_at, connections, confirmed, refused, received_bytes, sent_bytes"
)
_ADD = f"""
INSERT INTO rdp_servers (id, owner, node, session, state, security, cpu_count, memory_mb, disk_mb, port, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
RETURNING {_COLUMNS}
"""  # noqa: S608  # built of constants
_SERVER = f"SELECT {_COLUMNS} FROM rdp_servers WHERE id = ?"  # noqa: S608
_ALL = f"SELECT {_COLUMNS} FROM rdp_servers WHERE serial < ? ORDER BY serial DESC LIMIT ?"  # noqa: S608
_OWN = f"SELECT {_COLUMNS} FROM rdp_servers WHERE owner = ? AND serial < ? ORDER BY serial DESC LIMIT ?"  # noqa: S608
_MOVE = f"UPDATE rdp_servers SET state = ?, reason = ? WHERE id = ? AND state = ? RETURNING {_COLUMNS}"  # noqa: S608
_SET_STARTED = "UPDATE rdp_servers SET port = ?, started_at = ?, stopped_at = NULL WHERE id = ?"
_SET_STOPPED = "UPDATE rdp_servers SET stopped_at = ? WHERE id = ?"
_SET_TRAFFIC = "UPDATE rdp_servers SET connections = ?, confirmed = ?, refused = ?, received_bytes = ?, sent_bytes = ? WHERE id = ?"
_REMOVE = "DELETE FROM rdp_servers WHERE id = ? AND state = ?"
_BEGIN_RUN = (
    "INSERT INTO rdp_runs (server, node, started_at, seen_at, ended_at) VALUES (?, ?, ?, ?, ?) RETURNING serial"
)
_SEE_RUNS = "UPDATE rdp_runs SET seen_at = ? WHERE ended_at = ?"
_END_RUN = "UPDATE rdp_runs SET ended_at = ? WHERE server = ? AND ended_at = ?"
_END_RUNS = "UPDATE rdp_runs SET ended_at = seen_at WHERE ended_at = ?"
_PRUNE_RUNS = "DELETE FROM rdp_runs WHERE serial <= ? AND ended_at < ?"
_RUN_TIME = (
    "SELECT SUM((CASE WHEN ended_at < ? THEN ended_at ELSE ? END) - (CASE WHEN started_at > ? THEN started_at ELSE ? END))"
    " FROM rdp_runs WHERE node = ? AND ended_at > ? AND started_at < ?"
)
_ADD_TOTAL = (
    "INSERT INTO rdp_totals (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET"
    " value = rdp_totals.value + excluded.value"
)
_TOTALS = "SELECT name, value FROM rdp_totals"
_BY_STATE = "SELECT state, COUNT(*) FROM rdp_servers GROUP BY state"
_SUMS = (
    "SELECT COALESCE(SUM(cpu_count), 0), COALESCE(SUM(memory_mb), 0), COALESCE(SUM(disk_mb), 0),"
    " COALESCE(SUM(connections), 0), COALESCE(SUM(confirmed), 0), COALESCE(SUM(refused), 0),"
    " COALESCE(SUM(received_bytes), 0), COALESCE(SUM(sent_bytes), 0) FROM rdp_servers"
)


@dataclass(slots=True)
class StoredServer:
    """A server as the database has it."""

    serial: int
    id: str
    owner: str
    node: str
    session: str | None
    state: ServerState
    security: Security
    cpu_count: int
    memory_mb: int
    disk_mb: int
    port: int | None
    reason: str | None
    created_at: float
    started_at: float | None
    stopped_at: float | None
    connections: int = 0
    confirmed: int = 0
    refused: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0

    @property
    def resources(self) -> Resources:
        """What it has been given of its node."""
        return Resources(self.cpu_count, self.memory_mb, self.disk_mb)


class ServerSums(NamedTuple):
    """Over all servers that are there."""

    cpu_count: int
    memory_mb: int
    disk_mb: int
    connections: int
    confirmed: int
    refused: int
    received_bytes: int
    sent_bytes: int


class ServerStorage:
    """Servers and their runs. How many servers there may be is for the caller to hold; runs are bounded here."""

    def __init__(self, database: Database, max_runs: int = MAX_RUNS) -> None:
        self._database = database
        self._max_runs = max_runs

    async def create(self) -> None:
        """Create the tables where they are missing, and end the runs that an earlier process has left open."""
        await self._database.create(_SCHEMA)
        await self._database.execute(_END_RUNS, _OPEN)

    async def add(self, transaction: Statements, server: StoredServer) -> StoredServer:
        """Store a new server, within the transaction that reserves what it is given; it gets its serial number."""
        row = await transaction.fetch_one(
            _ADD,
            server.id,
            server.owner,
            server.node,
            server.session,
            server.state.value,
            server.security.value,
            *server.resources,
            server.port,
            server.created_at,
        )
        await transaction.execute(_ADD_TOTAL, "created", 1)
        return _server(row)

    async def find(self, server_id: str) -> StoredServer | None:
        """The server, or None."""
        row = await self._database.fetch_one(_SERVER, server_id)
        return None if row is None else _server(row)

    async def page(self, owner: str | None, before: int | None, limit: int) -> list[StoredServer]:
        """Up to `limit` servers, of `owner` if one is given, with serial numbers below `before`, newest first."""
        before = 2**63 - 1 if before is None else before
        if owner is None:
            rows = await self._database.fetch_all(_ALL, before, limit)
        else:
            rows = await self._database.fetch_all(_OWN, owner, before, limit)
        return [_server(row) for row in rows]

    async def move(
        self, server: StoredServer, state: ServerState, reason: str | None = None, total: str | None = None
    ) -> StoredServer | None:
        """Move a server on and add one to a total; None if it is no longer in the state that `server` says."""
        async with self._database.transaction() as transaction:
            row = await transaction.fetch_one(_MOVE, state.value, reason, server.id, server.state.value)
            if row is not None and total is not None:
                await transaction.execute(_ADD_TOTAL, total, 1)
        return None if row is None else _server(row)

    async def begin_run(self, server: StoredServer, port: int, now: float) -> None:
        """Note that a server listens from now on."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_SET_STARTED, port, now, server.id)
            row = await transaction.fetch_one(_BEGIN_RUN, server.id, server.node, now, now, _OPEN)
            await transaction.execute(_ADD_TOTAL, "started", 1)
            assert row is not None
            if int(row[0]) % _PRUNE_EVERY == 0:
                await transaction.execute(_PRUNE_RUNS, int(row[0]) - self._max_runs, _OPEN)

    async def end_run(self, server: StoredServer, now: float) -> None:
        """Note that a server listens no more."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_SET_STOPPED, now, server.id)
            await transaction.execute(_END_RUN, now, server.id, _OPEN)

    async def see_runs(self, now: float) -> None:
        """Note that the runs that are open still are, for the case that this process ends without a word."""
        await self._database.execute(_SEE_RUNS, now, _OPEN)

    async def set_traffic(self, server: StoredServer, traffic: Traffic) -> None:
        """Keep what a run has seen, on top of what earlier ones did, which is what `server` says."""
        await self._database.execute(
            _SET_TRAFFIC,
            server.connections + traffic.connections_total,
            server.confirmed + traffic.confirmed_total,
            server.refused + traffic.refused_total,
            server.received_bytes + traffic.received_bytes,
            server.sent_bytes + traffic.sent_bytes,
            server.id,
        )

    async def remove(self, transaction: Statements, server: StoredServer) -> bool:
        """Forget a server, within the transaction that gives back what it had; its traffic stays in the totals."""
        if not await transaction.execute(_REMOVE, server.id, server.state.value):
            return False
        for name in ("connections", "confirmed", "refused", "received_bytes", "sent_bytes"):
            if value := getattr(server, name):
                await transaction.execute(_ADD_TOTAL, name, value)
        await transaction.execute(_ADD_TOTAL, "deleted", 1)
        return True

    async def add_total(self, name: str) -> None:
        """Add one to a total."""
        await self._database.execute(_ADD_TOTAL, name, 1)

    async def totals(self) -> Counter[str]:
        """What was counted: created, started, stopped, failed, deleted, tests, and the traffic of deleted servers."""
        return Counter({name: int(value) for name, value in await self._database.fetch_all(_TOTALS)})

    async def sums(self) -> ServerSums:
        """Of the servers that are there."""
        row = await self._database.fetch_one(_SUMS)
        assert row is not None
        return ServerSums(*map(int, row))

    async def count_by_state(self) -> dict[str, int]:
        """How many servers there are in each state."""
        return {state: int(count) for state, count in await self._database.fetch_all(_BY_STATE)}

    async def running_s(self, node: str, since: float, now: float) -> float:
        """Server-seconds of a node: for how long servers ran on it since then, summed over the servers."""
        row = await self._database.fetch_one(_RUN_TIME, now, now, since, since, node, since, now)
        return 0.0 if row is None or row[0] is None else float(row[0])


def _server(row: Row | None) -> StoredServer:
    assert row is not None
    server = StoredServer(*row)
    server.state, server.security = ServerState(server.state), Security(server.security)
    return server
