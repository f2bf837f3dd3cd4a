"""What the target keeps, and what it lets go of."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.messages import Heartbeat, NewNode, NewSession, State
from master.target.storage import ForeignDatabaseError, Retention, StorageLimits, TargetStorage

WANTED = NewSession(resolution=(800, 600))


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[TargetStorage]:
    made = TargetStorage(tmp_path / "target.db", StorageLimits(sessions=128, chunks=64, chunk_bytes=64_000))
    yield made
    made.close()


@given(
    sizes=st.lists(st.integers(1, 2000), max_size=300), max_rows=st.integers(1, 100), max_bytes=st.integers(1, 20_000)
)
def test_retention_never_exceeds_its_bounds_and_drops_the_oldest_first(
    sizes: list[int], max_rows: int, max_bytes: int
) -> None:
    """A model that keeps all rows and deletes up to the number it is told agrees with what retention says it keeps."""
    retention = Retention(max_rows, max_bytes)
    kept = {}
    for serial, size in enumerate(sizes, 1):
        kept[serial] = size
        last = retention.add(serial, size)
        if last is not None:
            kept = {key: value for key, value in kept.items() if key > last}
        assert serial in kept
        assert (len(retention), retention.bytes) == (len(kept), sum(kept.values()))
        assert len(kept) <= max_rows
        assert sum(kept.values()) <= max_bytes or len(kept) == 1


def test_deleting_is_amortised() -> None:
    retention = Retention(6400)
    deletions = sum(retention.add(serial) is not None for serial in range(12_800))
    assert deletions <= 64


def test_sessions_are_bounded_and_counted_by_state(storage: TargetStorage) -> None:
    for number in range(1000):
        session = storage.add_session(f"s{number}", "user0001", WANTED, now=float(number))
        if number % 2:
            serial, _ = storage.session(session.id)
            storage.set_state(serial, State.CREATED, State.CLOSED)
    assert storage.session("s0") is None
    assert storage.session("s999")[1].state is State.CLOSED
    counted = dict.fromkeys(("created", "recording", "closed"), 0)
    counted |= dict(storage._db.execute("SELECT state, COUNT(*) FROM sessions GROUP BY state"))
    assert storage.sessions_by_state == counted
    assert 100 < sum(counted.values()) <= 128


def test_chunks_are_bounded_by_bytes(storage: TargetStorage) -> None:
    storage.add_session("s", "user0001", WANTED, now=0.0)
    for _ in range(300):
        serial, session = storage.session("s")
        storage.add_chunk(serial, session, State.RECORDING, 4000, b"x" * 2000)
    totals = storage.chunk_totals()
    assert (totals.total, totals.raw_bytes, totals.stored_bytes) == (300, 1_200_000, 600_000)
    assert storage._db.execute("SELECT COUNT(*), SUM(LENGTH(sealed)) FROM chunks").fetchone() == (
        totals.kept,
        totals.kept_bytes,
    )
    assert totals.kept_bytes <= 64_000
    assert storage.chunk(serial, 0) is None
    assert storage.chunk(serial, 299) == (4000, b"x" * 2000)


def test_sessions_are_listed_newest_first_and_in_pages(storage: TargetStorage) -> None:
    for number in range(7):
        storage.add_session(f"s{number}", "user0001" if number != 3 else "user0002", WANTED, now=0.0)
    first = storage.sessions("user0001", None, 4)
    rest = storage.sessions("user0001", first[-1][0], 4)
    assert [session.id for _, session in first + rest] == ["s6", "s5", "s4", "s2", "s1", "s0"]


def test_a_node_registered_again_keeps_its_owner_and_its_history(storage: TargetStorage) -> None:
    storage.put_node(NewNode("n", "Pi 4", 4, 4096), "node0001", now=1.0)
    storage.beat("n", Heartbeat(cpu_percent=10.0, memory_percent=20.0), now=2.0)
    storage.put_node(NewNode("n", "Pi 5", 4, 8192), "admin01", now=3.0)
    node = storage.node("n")
    assert (node.owner, node.model, node.registered_at, node.heard_at, node.heartbeats) == (
        "node0001",
        "Pi 5",
        1.0,
        3.0,
        1,
    )
    assert (storage.node_totals(3.0).alive, storage.node_totals(3.1).alive, storage.node_totals(0).total) == (1, 0, 1)


def test_a_database_of_its_own_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "target.db"
    for _ in range(2):
        storage = TargetStorage(path)
        assert storage.session("s") is None
        storage.add_session("s", "user0001", WANTED, now=0.0)
        storage.close()


def test_nothing_waits_for_the_disk(storage: TargetStorage) -> None:
    """A commit is a write to memory: SQLite's 0 is OFF, no syncs at all, not even at a checkpoint."""
    assert storage._db.execute("PRAGMA synchronous").fetchone() == (0,)
    assert storage._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("kind", ["text", "database"])
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "precious.db"
    if kind == "text":
        path.write_text("precious " * 1000)
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE precious (x)")
        connection.close()
    before = path.read_bytes()
    with pytest.raises(ForeignDatabaseError, match="precious"):
        TargetStorage(path)
    assert path.read_bytes() == before
