"""The way of a chunk: taken from a client, compressed, sealed, stored; and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import TypeVar

from master.target.api import errors
from master.target.sessions import chunks
from master.target.sessions.chunk_storage import ChunkStorage
from master.target.sessions.keys import SessionKeys
from master.target.sessions.messages import StoredChunk
from master.target.sessions.states import SessionEvent, next_state
from master.target.sessions.storage import StoredSession

# Compressing 64 KB takes 1 to 2 ms, about what the loop can stall without harm to others' latency; below that, a thread
# costs more (0.1 ms and a fight for the interpreter lock) than it saves.
INLINE_RAW_BYTES = 64 * 1024
# Desktops unpack to ten times that, and a bomb to the 1 MiB that is the most for any chunk, which takes 3 ms.
INLINE_COMPRESSED_BYTES = 8 * 1024

T = TypeVar("T")
FindSession = Callable[[], Awaitable[StoredSession]]
"""Reads the session as it is now, for a caller that may see it. Raises ApiError 404."""


class SessionRecorder:
    """Stores chunks and reads them back. `pool` compresses what would hold up the loop."""

    def __init__(self, storage: ChunkStorage, keys: SessionKeys, pool: Executor) -> None:
        self._storage = storage
        self._keys = keys
        self._pool = pool

    async def append(self, find: FindSession, body: bytes, encoding: str) -> StoredChunk:
        """Store a chunk under the next number. Raises ApiError."""
        stored = await find()
        next_state(stored[1].state, SessionEvent.CHUNK)  # nothing is compressed in vain
        chunk = await self._pack(body, encoding)
        cipher = self._keys.cipher(stored[1].id)
        while (sequence := await self._storage.add(stored, chunk, cipher)) is None:
            stored = await find()  # it has moved on while the chunk was compressed or stored
        return _stored(sequence, chunk)

    async def put(self, find: FindSession, sequence: int, body: bytes, encoding: str) -> tuple[StoredChunk, bool]:
        """Store a chunk under this number, and tell whether it is a new one. Raises ApiError.

        Done again it changes nothing more, so a client may repeat it until it has an answer; and it mends a damaged chunk.
        """
        stored = await find()
        if sequence > stored[1].chunks:
            raise errors.conflict(f"the next chunk is number {stored[1].chunks}")
        next_state(stored[1].state, SessionEvent.CHUNK)
        chunk = await self._pack(body, encoding)
        cipher = self._keys.cipher(stored[1].id)
        while True:
            if sequence < stored[1].chunks:
                if await self._storage.replace(stored, sequence, chunk, cipher):
                    return _stored(sequence, chunk), False
            elif await self._storage.add(stored, chunk, cipher, at=sequence) is not None:
                return _stored(sequence, chunk), True
            stored = await find()
            next_state(stored[1].state, SessionEvent.CHUNK)

    async def read(self, stored: StoredSession, sequence: int) -> bytes:
        """The recorded bytes of a chunk. Raises ApiError."""
        serial, session = stored
        found = await self._storage.find(serial, sequence)
        if found is None:
            raise errors.not_found("chunk")
        cipher = self._keys.cipher(session.id)
        try:
            compressed = cipher.open(found.sealed, sequence, found.raw_bytes, found.digest)
        except chunks.CorruptChunkError as error:
            raise errors.ApiError(500, "damaged", str(error)) from None
        return await self._run(chunks.unpack, compressed, inline=found.raw_bytes <= INLINE_RAW_BYTES)

    async def _pack(self, body: bytes, encoding: str) -> chunks.PackedChunk:
        try:
            match encoding.strip().lower():
                case "identity":
                    return await self._run(chunks.pack, body, inline=len(body) <= INLINE_RAW_BYTES)
                case "gzip":
                    return await self._run(chunks.accept, body, inline=len(body) <= INLINE_COMPRESSED_BYTES)
        except chunks.BadChunkError as error:
            raise errors.invalid(str(error)) from None
        raise errors.ApiError(415, "unsupported_media_type", "Content-Encoding of a chunk must be gzip, if any")

    async def _run(self, work: Callable[[bytes], T], data: bytes, *, inline: bool) -> T:
        return work(data) if inline else await asyncio.get_running_loop().run_in_executor(self._pool, work, data)


def _stored(sequence: int, chunk: chunks.PackedChunk) -> StoredChunk:
    saved = chunks.reduction(chunk.raw_bytes, chunk.stored_bytes)
    assert saved is not None
    return StoredChunk(sequence, chunk.raw_bytes, chunk.stored_bytes, saved, chunk.digest.hex())
