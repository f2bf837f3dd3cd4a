"""What the generator has counted is what the target has counted, and what is in its database at the end."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

import psycopg
import pytest
from processes import ROOT, Piswarm, Target

from master.target.chain.ledger.transactions import Kind, decode
from worker.users.lucid.screen_chunks import CHUNK_BYTES

MIXED = ROOT / "configs" / "scenarios" / "mixed.yml"
SMALL = ("--local", "2", "--users", "60", "--duration", "10s")
RECEIVED = "SELECT COALESCE(SUM(received_bytes), 0) FROM requests JOIN endpoints ON id = endpoint WHERE method = ? AND name = ?"

Rows = list[tuple[object, ...]]


def rows(database: str, statements: Sequence[str]) -> list[Rows]:
    """What each statement finds in the database of a target that has ended."""
    if "://" in database:
        with psycopg.connect(database, options="-c search_path=piswarm_target") as connection:
            return [connection.execute(statement.encode()).fetchall() for statement in statements]
    with closing(sqlite3.connect(database)) as file:
        return [file.execute(statement).fetchall() for statement in statements]


def gauge(exposition: str, name: str) -> int:
    """The figure of that name, which has no labels."""
    (line,) = [line for line in exposition.splitlines() if line.startswith(f"{name} ")]
    return int(float(line.split()[1]))


def test_generator_metrics_and_database_agree(piswarm: Piswarm, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On requests of each route, sessions, chunks and their bytes, transactions, nodes and work; nothing is lost, nothing there twice."""
    monkeypatch.setenv("PISWARM_TARGET_PASSWORD", "piswarm")
    with Target(f"--database={database}", "--rdp-ports=0", "--block-time=1") as target:
        finished = piswarm.run(MIXED, *SMALL, "--target", target.url)
        answered: Counter[tuple[str, str]] = Counter()
        made: Counter[str] = Counter()
        for (method, route, status), count in target.counts().items():
            answered[method, route] += count
            if (method, status) == ("POST", 201):
                made[route] += count
        exposition = target.ask("GET", "/metrics").body.decode()

    result = finished.result
    assert (result["requests"]["failed"], result["exceptions"]) == (0, []), finished.output
    asked = {(each["method"], each["name"]): each["total"] for each in result["endpoints"]}
    over_http = {endpoint: count for endpoint, count in asked.items() if endpoint[0] != "RDP"}
    assert over_http == dict(answered)
    assert sum(asked.values()) == result["requests"]["total"]

    sessions, chunks, transactions, nodes, records = rows(
        database,
        [
            "SELECT COUNT(*), SUM(chunks), SUM(raw_bytes) FROM sessions",
            "SELECT COUNT(*), SUM(raw_bytes) FROM chunks",
            "SELECT canonical FROM chain_transactions",
            "SELECT COUNT(*) FROM nodes",
            "SELECT COUNT(*) FROM poot_records WHERE kind <> 'server'",
        ],
    )
    sent = asked["POST", "/sessions/[id]/chunks"]
    assert sent > 0
    assert sessions == [(asked["POST", "/sessions"], sent, sent * CHUNK_BYTES)]
    assert chunks == [(sent, sent * CHUNK_BYTES)]
    assert (gauge(exposition, "target_chunks"), gauge(exposition, "target_chunk_raw_bytes")) == (
        sent,
        sent * CHUNK_BYTES,
    )
    with closing(sqlite3.connect(finished.directory / "run.db")) as run:
        read = run.execute(RECEIVED, ("GET", "/sessions/[id]/chunks/[n]")).fetchone()
    assert read == (asked.get(("GET", "/sessions/[id]/chunks/[n]"), 0) * CHUNK_BYTES,)
    kinds = Counter(decode(bytes(canonical)).kind for (canonical,) in transactions)
    assert kinds[Kind.RECORD] == asked["POST", "/chain/transactions"] > 0
    assert kinds[Kind.ANCHOR] == asked.get(("POST", "/sessions/[id]/anchor"), 0)
    assert nodes == [(made["/nodes"],)]
    assert records == [(made["/poot/records"],)]
