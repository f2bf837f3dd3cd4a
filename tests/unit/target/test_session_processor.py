"""Processing and anchoring of sessions on a real database; the chain is played, so that it can also fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from master.target.api import errors
from master.target.chain.ledger.merkle import MerkleTree, is_in_tree
from master.target.database.sqlite import SqliteDatabase
from master.target.sessions.anchoring import SessionAnchor, SessionAnchoring
from master.target.sessions.chunk_storage import ChunkStorage
from master.target.sessions.chunks import PackedChunk, pack
from master.target.sessions.damage import MAX_LISTED, Damage
from master.target.sessions.keys import SessionKeys
from master.target.sessions.messages import NewSession, SessionInfo
from master.target.sessions.processing import SessionProcessor
from master.target.sessions.proofs import prove
from master.target.sessions.states import SessionEvent, State
from master.target.sessions.storage import SessionStorage, StoredSession
from master.target.sessions.tallies import SessionTallies

KEYS = SessionKeys(bytes(32))


@dataclass
class Chain:
    """Has transactions, and says of each what the test decided."""

    submitted: list[tuple[str, bytes, str]] = field(default_factory=list)
    heights: dict[str, int | None] = field(default_factory=dict)
    full: bool = False
    height: int = 0

    async def submit(self, kind: str, payload: bytes, sender: str) -> str:
        if self.full:
            raise errors.unavailable("the chain takes no more just now")
        self.submitted.append((kind, payload, sender))
        transaction_id = f"tx{len(self.submitted)}"
        self.heights[transaction_id] = None
        return transaction_id

    async def final(self, transaction_id: str) -> int | None:
        return self.heights[transaction_id]


class Sessions:
    """The parts that move sessions on, put together."""

    def __init__(self, database: SqliteDatabase, chain: Chain) -> None:
        self.database = database
        tallies = SessionTallies()
        self.storage = SessionStorage(database, tallies)
        self.chunks = ChunkStorage(database, tallies)
        self.processor = SessionProcessor(self.storage, self.chunks, KEYS)
        self.anchoring = SessionAnchoring(self.storage, chain)

    async def record(self, session_id: str, packed: list[PackedChunk]) -> StoredSession:
        """A session with these chunks, closed."""
        await self.storage.add(session_id, "user0001", NewSession((800, 600)), None, 1.0)
        for chunk in packed:
            await self.chunks.add(await self.find(session_id), chunk, KEYS.cipher(session_id))
        await self.storage.close(await self.find(session_id), 2.0)
        return await self.find(session_id)

    async def find(self, session_id: str = "s") -> StoredSession:
        found = await self.storage.find(session_id)
        assert found is not None
        return found

    async def read(self, session_id: str = "s") -> SessionInfo:
        return (await self.find(session_id))[1]

    async def process(self, session_id: str = "s") -> SessionInfo:
        await self.processor._process(await self.find(session_id))
        return await self.read(session_id)

    async def anchored_soon(self) -> None:
        """A processed session that was handed to the chain."""
        await self.record("s", [pack(b"a chunk")])
        await self.process()
        await self.anchoring.submit(await self.find())


def with_sessions(path: Path, work: Callable[[Sessions], Awaitable[None]], chain: Chain | None = None) -> None:
    """As a process that starts with the database at `path`."""

    async def run() -> None:
        database = SqliteDatabase(path)
        sessions = Sessions(database, chain or Chain())
        try:
            await sessions.storage.open()
            await sessions.chunks.open()
            await work(sessions)
        finally:
            await sessions.anchoring.stop()
            await sessions.processor.stop()
            await database.close()

    asyncio.run(run())


def chunks_of(count: int) -> list[PackedChunk]:
    return [pack(b"chunk %d" % number * 50) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 300])
def test_processing_gives_the_root_over_all_chunks(tmp_path: Path, count: int) -> None:
    """However many chunks a session has, the root is RFC 6962's over their digests, and each can be proven to be in it."""
    packed = chunks_of(count)

    async def work(sessions: Sessions) -> None:
        await sessions.record("s", packed)
        found = await sessions.process()
        digests = [chunk.digest for chunk in packed]
        tree = MerkleTree(digests)
        assert (found.state, found.root, found.reason) == (State.PROCESSED, tree.root().hex(), None)
        assert (found.chunks, found.raw_bytes) == (count, sum(chunk.raw_bytes for chunk in packed))
        assert found.stored_bytes == sum(chunk.stored_bytes for chunk in packed)
        assert found.processing_s is not None
        for number, digest in enumerate(digests):
            proof = await prove(sessions.chunks, await sessions.find(), number)
            path = [bytes.fromhex(node) for node in proof.path]
            assert (proof.sha256, proof.chunks, proof.root) == (digest.hex(), count, found.root)
            assert is_in_tree(digest, number, count, path, bytes.fromhex(found.root))

    with_sessions(tmp_path / "target.db", work)


def test_there_is_no_proof_of_what_is_not_known(tmp_path: Path) -> None:
    """Nothing is proven before the session is processed, of a chunk that it has not, or by chunks that are not kept."""

    async def work(sessions: Sessions) -> None:
        async def refused(number: int) -> int:
            with pytest.raises(errors.ApiError) as caught:
                await prove(sessions.chunks, await sessions.find(), number)
            return caught.value.status

        await sessions.record("s", chunks_of(5))
        assert await refused(0) == 409
        await sessions.process()
        assert await refused(5) == 404
        await sessions.database.execute("DELETE FROM chunks WHERE sequence = 4")
        assert await refused(0) == 404

    with_sessions(tmp_path / "target.db", work)


@pytest.mark.parametrize(
    ("sql", "reason", "damaged"),
    [
        ("DELETE FROM chunks WHERE sequence IN (0, 9, 19)", "3 missing, the first is 0", [0, 9, 19]),
        ("DELETE FROM chunks", "20 missing, the first is 0", list(range(20))),
        (
            "UPDATE chunks SET sealed = zeroblob(100) WHERE sequence = 4",
            "1 failing authentication, the first is 4",
            [4],
        ),
        ("UPDATE chunks SET raw_bytes = raw_bytes + 1 WHERE sequence = 4", "1 failing authentication", [4]),
        ("UPDATE chunks SET digest = zeroblob(32) WHERE sequence = 4", "1 failing authentication", [4]),
        ("UPDATE chunks SET sequence = 99 - sequence WHERE sequence IN (3, 5)", "2 missing", [3, 5]),
        (
            "UPDATE chunks SET sealed = (SELECT sealed FROM chunks WHERE sequence = 1) WHERE sequence = 2",
            "1 failing authentication, the first is 2",
            [2],
        ),
    ],
)
def test_damage_makes_a_session_fail_and_sending_anew_mends_it(
    tmp_path: Path, sql: str, reason: str, damaged: list[int]
) -> None:
    """Chunks that are gone, changed or moved are found, all of them; once they are sent again the root is as if nothing had been."""
    packed = chunks_of(20)

    async def work(sessions: Sessions) -> None:
        await sessions.record("s", packed)
        await sessions.database.execute(sql)
        failed = await sessions.process()
        assert (failed.state, failed.damaged, failed.root) == (State.FAILED, damaged, None)
        assert reason in failed.reason
        await sessions.storage.move(await sessions.find(), SessionEvent.REOPEN)
        for number in damaged:
            assert await sessions.chunks.replace(await sessions.find(), number, packed[number], KEYS.cipher("s"))
        await sessions.storage.close(await sessions.find(), 3.0)
        mended = await sessions.process()
        assert (mended.state, mended.reason, mended.damaged) == (State.PROCESSED, None, None)
        assert mended.root == MerkleTree(chunk.digest for chunk in packed).root().hex()
        assert mended.raw_bytes == sum(chunk.raw_bytes for chunk in packed)

    with_sessions(tmp_path / "target.db", work)


def test_damage_is_listed_up_to_a_bound_and_counted_beyond() -> None:
    """The list of damaged chunks stays short however many there are; the reason has their number."""
    damage = Damage()
    damage.add_corrupt(3)
    damage.add_missing(4, 4)
    damage.add_missing(5, 50_000)
    damage.add_corrupt(50_000)
    assert damage.numbers == [3, *range(5, 5 + MAX_LISTED - 1)]
    assert damage.reason() == "damaged chunks: 49995 missing and 2 failing authentication, the first is 3"
    assert not Damage()


def test_what_a_killed_process_left_is_taken_up_at_the_start(tmp_path: Path) -> None:
    """Sessions that were closed before are processed by the process that starts next, and later ones when it is told."""

    async def leave(sessions: Sessions) -> None:
        for number in range(40):
            await sessions.record(f"s{number}", chunks_of(number % 10))

    async def take_up(sessions: Sessions) -> None:
        await sessions.processor.start()
        await until_processed(sessions, 39)
        await sessions.record("s40", chunks_of(3))
        sessions.processor.wake()
        await until_processed(sessions, 40)

    async def until_processed(sessions: Sessions, last: int) -> None:
        while (await sessions.read(f"s{last}")).state is not State.PROCESSED:  # noqa: ASYNC110  # each turn of the loop brings it on
            await asyncio.sleep(0)
        for number in range(last + 1):
            assert (await sessions.read(f"s{number}")).state is State.PROCESSED

    with_sessions(tmp_path / "target.db", leave)
    with_sessions(tmp_path / "target.db", take_up)


def test_a_session_that_breaks_processing_fails_and_others_are_processed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever stands in the database, the next session has its turn; the log says what it was."""

    async def work(sessions: Sessions) -> None:
        await sessions.record("broken", chunks_of(1))
        await sessions.record("whole", chunks_of(1))
        await sessions.database.execute("UPDATE chunks SET sequence = 0.5, digest = 'text' WHERE serial = 1")
        await sessions.processor.start()
        while (await sessions.read("whole")).state is not State.PROCESSED:  # noqa: ASYNC110  # each turn brings it on
            await asyncio.sleep(0)
        broken = await sessions.read("broken")
        assert (broken.state, broken.reason) == (State.FAILED, "processing broke off: internal error")
        assert "processing of session broken failed" in caplog.text

    with_sessions(tmp_path / "target.db", work)


def test_a_session_is_anchored_once_its_transaction_is_final(tmp_path: Path) -> None:
    """The chain gets the root in the name of the session's owner; the session waits until the chain says the height."""
    chain = Chain()

    async def work(sessions: Sessions) -> None:
        await sessions.anchored_soon()
        waiting = await sessions.read()
        assert (waiting.state, waiting.anchor) == (State.ANCHORING, "tx1")
        ((kind, payload, sender),) = chain.submitted
        assert (kind, sender) == ("anchor", "user0001")
        assert msgspec.json.decode(payload, type=SessionAnchor) == SessionAnchor("s", waiting.root, 1)
        await sessions.anchoring._look()
        assert (await sessions.read()).state is State.ANCHORING
        chain.heights["tx1"] = 12
        await sessions.anchoring._look()
        anchored = await sessions.read()
        assert (anchored.state, anchored.anchor_height) == (State.ANCHORED, 12)

    with_sessions(tmp_path / "target.db", work, chain)


def test_a_chain_that_takes_nothing_leaves_the_session_processed(tmp_path: Path) -> None:
    """The client is told, and may ask again."""
    chain = Chain(full=True)

    async def work(sessions: Sessions) -> None:
        with pytest.raises(errors.ApiError, match="no more just now"):
            await sessions.anchored_soon()
        assert (await sessions.read()).state is State.PROCESSED
        chain.full = False
        await sessions.anchoring.submit(await sessions.find())
        assert (await sessions.read()).anchor == "tx1"

    with_sessions(tmp_path / "target.db", work, chain)


def test_a_lost_transaction_makes_the_session_fail_and_it_can_be_anchored_anew(tmp_path: Path) -> None:
    """A chain that does not know the transaction any more will never have it final."""
    chain = Chain()

    async def work(sessions: Sessions) -> None:
        await sessions.anchored_soon()
        del chain.heights["tx1"]
        await sessions.anchoring._look()
        failed = await sessions.read()
        assert (failed.state, failed.reason) == (State.FAILED, "transaction tx1 is not known to the chain")
        await sessions.storage.move(await sessions.find(), SessionEvent.RETRY)
        again = await sessions.process()
        assert (again.state, again.anchor, again.reason) == (State.PROCESSED, None, None)
        await sessions.anchoring.submit(await sessions.find())
        chain.heights["tx2"] = 3
        await sessions.anchoring._look()
        assert (await sessions.read()).anchor_height == 3

    with_sessions(tmp_path / "target.db", work, chain)


def test_a_session_whose_process_died_before_the_chain_had_it_is_handed_in_at_the_start(tmp_path: Path) -> None:
    """A session in `anchoring` without a transaction waits for nobody; the next process hands it in."""
    chain = Chain()

    async def leave(sessions: Sessions) -> None:
        await sessions.record("s", chunks_of(2))
        await sessions.process()
        await sessions.storage.move(await sessions.find(), SessionEvent.ANCHOR)

    async def take_up(sessions: Sessions) -> None:
        assert (await sessions.read()).anchor is None
        await sessions.anchoring.start()
        while (await sessions.read()).anchor is None:  # noqa: ASYNC110  # each turn of the loop brings it on
            await asyncio.sleep(0)
        assert [sender for _, _, sender in chain.submitted] == ["user0001"]

    with_sessions(tmp_path / "target.db", leave)
    with_sessions(tmp_path / "target.db", take_up, chain)
