"""Processing of closed sessions: every chunk is verified, and the session's Merkle root worked out.

The database is the queue: what is `processing` is to be processed, whichever process closed it. So nothing is lost when this
one is killed, and nothing waits in memory.
"""

from __future__ import annotations

import asyncio
import logging
import time

from master.target.chain.ledger.merkle import MerkleTree
from master.target.sessions.chunk_storage import ChunkStorage
from master.target.sessions.chunks import CorruptChunkError
from master.target.sessions.damage import Damage
from master.target.sessions.keys import SessionKeys
from master.target.sessions.states import State
from master.target.sessions.storage import SessionStorage, StoredSession

_SESSIONS_AT_ONCE = 16
_CHUNKS_AT_ONCE = 8  # of 1 MiB each at most: 8 MiB of memory, and a few milliseconds until others have their turn
_RETRY_S = 1.0

_log = logging.getLogger("master.target")


class SessionProcessor:
    """Moves sessions on from `processing`: one at a time, oldest first, in a task of the loop."""

    def __init__(self, sessions: SessionStorage, chunks: ChunkStorage, keys: SessionKeys) -> None:
        self._sessions = sessions
        self._chunks = chunks
        self._keys = keys
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with what an earlier process has left."""
        self._wanted.set()
        self._task = asyncio.create_task(self._run(), name="session processing")

    async def stop(self) -> None:
        """Stop; a session that is not done is taken up at the next start."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """There are sessions to process."""
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while found := await self._sessions.in_work(State.PROCESSING, 0, _SESSIONS_AT_ONCE):
                    for stored in found:
                        await self._process_or_fail(stored)
            except Exception:  # noqa: BLE001  # the task must not end
                # The database is away. Until it is back, what is `processing` stays so.
                _log.exception("processing of sessions goes on in %s s", _RETRY_S)
                self._wanted.set()
                await asyncio.sleep(_RETRY_S)

    async def _process_or_fail(self, stored: StoredSession) -> None:
        try:
            await self._process(stored)
        except Exception:  # noqa: BLE001  # one session that can't be processed must not keep the others from it
            _log.exception("processing of session %s failed", stored[1].id)
            await self._sessions.fail(stored, "processing broke off: internal error")

    async def _process(self, stored: StoredSession) -> None:
        started_s = time.monotonic()
        serial, session = stored
        cipher = self._keys.cipher(session.id)
        tree, damage = MerkleTree(), Damage()
        expected = raw_bytes = stored_bytes = 0
        while expected < session.chunks:
            batch = await self._chunks.batch(serial, expected, session.chunks, _CHUNKS_AT_ONCE)
            for chunk in batch:
                damage.add_missing(expected, chunk.sequence)
                expected = chunk.sequence + 1
                try:
                    cipher.open(chunk.sealed, chunk.sequence, chunk.raw_bytes, chunk.digest)
                except CorruptChunkError:
                    damage.add_corrupt(chunk.sequence)
                raw_bytes += chunk.raw_bytes
                stored_bytes += len(chunk.sealed)
            tree.extend(chunk.digest for chunk in batch)
            if len(batch) < _CHUNKS_AT_ONCE:
                damage.add_missing(expected, session.chunks)
                break
            await asyncio.sleep(0)  # others have their turn
        if damage:
            await self._sessions.fail(stored, damage.reason(), damage.numbers)
        else:
            duration_s = time.monotonic() - started_s
            await self._sessions.verify(stored, tree.root().hex(), raw_bytes, stored_bytes, duration_s)
