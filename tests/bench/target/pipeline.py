"""What becomes of a session's chunk in the target, step by step, on chunks that look like a desktop."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from pathlib import Path

from target_gates import Gate, ceiling, floor

from master.target.database.sqlite import SqliteDatabase
from master.target.sessions.chunk_storage import ChunkStorage
from master.target.sessions.chunks import SessionCipher, pack
from master.target.sessions.messages import NewSession
from master.target.sessions.storage import SessionStorage
from master.target.sessions.tallies import SessionTallies
from worker.users.lucid.screen_chunks import chunks

REPEATS = 200
_AREA = "session chunk, the slowest of 200"


def session_chunks() -> list[Gate]:
    """The slowest of each step, and what gzip saves in all."""
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as folder:
        return asyncio.run(_measure(Path(folder, "target.db")))


async def _measure(path: Path) -> list[Gate]:
    database, tallies = SqliteDatabase(path), SessionTallies()
    sessions, storage = SessionStorage(database, tallies), ChunkStorage(database, tallies)
    await sessions.open()
    await storage.open()
    await sessions.add("bench", "user0001", NewSession(resolution=(1920, 1080)), None, time.time())
    cipher = SessionCipher(secrets.token_bytes(32), "bench")
    pack_s, seal_s, store_s, raw_bytes, stored_bytes = 0.0, 0.0, 0.0, 0, 0
    screens = chunks()
    for number in range(REPEATS):
        raw = screens[number % len(screens)]
        began_s = time.perf_counter()
        packed = pack(raw)
        packed_s = time.perf_counter()
        sealed = cipher.seal(packed, number)
        sealed_s = time.perf_counter()
        stored = await sessions.find("bench")
        assert stored is not None
        assert await storage.add(stored, packed, cipher) == number
        stored_s = time.perf_counter()
        pack_s = max(pack_s, packed_s - began_s)
        seal_s = max(seal_s, sealed_s - packed_s)
        store_s = max(store_s, stored_s - sealed_s)
        raw_bytes += len(raw)
        stored_bytes += len(sealed)
    await database.close()
    return [
        ceiling(_AREA, "gzip level 6", 100, "ms", 1000 * pack_s),
        floor(_AREA, "reduction", 70, "%", 100 * (1 - stored_bytes / raw_bytes)),
        ceiling(_AREA, "AES-256-GCM", 50, "ms", 1000 * seal_s),
        ceiling(_AREA, "storage, sealed once more", 200, "ms", 1000 * store_s),
    ]
