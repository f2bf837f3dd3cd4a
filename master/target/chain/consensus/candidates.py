"""Making a block, and checking everything of one that another has made."""

from __future__ import annotations

from dataclasses import dataclass

from master.target.chain.consensus.pool import Pool
from master.target.chain.consensus.slices import in_slices
from master.target.chain.ledger.blocks import (
    CLOCK_DRIFT_MS,
    Header,
    InvalidBlockError,
    chain_of,
    check_header,
    header_hash,
    split_ids,
)
from master.target.chain.ledger.merkle import MerkleTree
from master.target.chain.ledger.transactions import ID_BYTES, Change
from master.target.chain.ledger.validator_set import ValidatorSet


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block that follows all rules, and the set that decides on the one after it."""

    header: Header
    ids: bytes
    following: ValidatorSet


async def merkle_root(ids: bytes) -> bytes:
    """The root over the ids of a block, made in slices."""
    tree = MerkleTree()
    async for piece in in_slices(split_ids(ids)):
        tree.extend(piece)
    return tree.root()


async def _root_and_changes(ids: bytes, pool: Pool) -> tuple[bytes, list[Change]]:
    tree, changes = MerkleTree(), list[Change]()
    async for piece in in_slices(split_ids(ids)):
        tree.extend(piece)
        changes += pool.changes(piece)
    return tree.root(), changes


async def make_candidate(
    proposer: str, parent: Header, validators: ValidatorSet, pool: Pool, *, limit: int, timestamp_ms: int
) -> Candidate:
    """A block of the transactions that have waited longest."""
    chosen = pool.oldest(limit)
    ids = b"".join(chosen)
    root, changes = await _root_and_changes(ids, pool)
    following = validators.after(changes)
    header = Header(
        chain_of(parent),
        parent.height + 1,
        header_hash(parent),
        timestamp_ms,
        root,
        len(chosen),
        parent.total + len(chosen),
        proposer,
        validators.digest,
        following.digest,
    )
    return Candidate(header, ids, following)


async def missing_transactions(ids: bytes, pool: Pool) -> list[bytes]:
    """Those of a block that the pool lacks. Raises InvalidBlockError for what are no ids, or has one twice."""
    if len(ids) % ID_BYTES:
        raise InvalidBlockError("half an id")
    seen, missing = set[bytes](), list[bytes]()
    async for piece in in_slices(split_ids(ids)):
        seen.update(piece)
        missing += [identity for identity in piece if identity not in pool]
    if len(seen) * ID_BYTES != len(ids):
        raise InvalidBlockError("a transaction stands in it twice")
    return missing


async def check_candidate(
    header: Header, ids: bytes, parent: Header, validators: ValidatorSet, pool: Pool, *, due_ms: int, now_ms: int
) -> Candidate:
    """The block as a candidate, all of whose transactions are in the pool. Raises InvalidBlockError.

    `due_ms`: the earliest time that it may bear.
    """
    check_header(header, parent, validators)
    # The earliest time is always good: else a clock that was set back would stop the chain until it has caught up.
    if not due_ms <= header.timestamp_ms <= max(due_ms, now_ms + CLOCK_DRIFT_MS):
        raise InvalidBlockError("comes too early")
    if len(ids) != header.transactions * ID_BYTES:
        raise InvalidBlockError("the number of transactions is wrong")
    root, changes = await _root_and_changes(ids, pool)
    if root != header.root:
        raise InvalidBlockError("the Merkle root is wrong")
    following = validators.after(changes)
    if following.digest != header.next_validators:
        raise InvalidBlockError("the next validators are wrong")
    return Candidate(header, ids, following)
