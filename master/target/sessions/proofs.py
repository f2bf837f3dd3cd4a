"""Proofs that a chunk belongs to a session: who has the chunk, and the root from the chain, needs nothing else of the target."""

from __future__ import annotations

import asyncio

from master.target.api import errors
from master.target.chain.ledger.merkle import MerkleTree
from master.target.sessions.chunk_storage import ChunkStorage
from master.target.sessions.messages import ChunkProof
from master.target.sessions.states import State
from master.target.sessions.storage import StoredSession

_PROVABLE = {State.PROCESSED, State.ANCHORING, State.ANCHORED}
_DIGESTS_AT_ONCE = 256  # a millisecond, until others have their turn


async def prove(storage: ChunkStorage, stored: StoredSession, sequence: int) -> ChunkProof:
    """The audit path of a chunk in the tree of its session.

    Raises ApiError 409 before the session is processed, 404 if the session has no such chunk or its chunks are no longer all kept.
    """
    serial, session = stored
    if session.state not in _PROVABLE or session.root is None:
        raise errors.conflict(f"session is {session.state.value}")
    if sequence >= session.chunks:
        raise errors.not_found("chunk")
    digests: list[bytes] = []
    tree = MerkleTree()
    while len(digests) < session.chunks:
        found = await storage.digests(serial, len(digests), session.chunks, _DIGESTS_AT_ONCE)
        if not found:
            break
        digests += found
        tree.extend(found)
        await asyncio.sleep(0)
    if tree.root().hex() != session.root:
        raise errors.not_found("every chunk of the session")
    path = [node.hex() for node in tree.proof(sequence)]
    return ChunkProof(
        sequence, digests[sequence].hex(), session.chunks, path, session.root, session.anchor, session.anchor_height
    )
