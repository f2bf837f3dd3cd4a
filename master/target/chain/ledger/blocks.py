"""Blocks: the header that names everything, the votes that made it final, and the checks that both hold."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from master.target.chain.ledger.merkle import EMPTY_ROOT
from master.target.chain.ledger.signing import is_signed
from master.target.chain.ledger.transactions import ID_BYTES, Name
from master.target.chain.ledger.validator_set import MAX_VALIDATORS, ValidatorSet, decode_set

MAX_BLOCK_TRANSACTIONS = 10_000
"""A thousand a second for the 10 s that a block takes; their ids are then 320 kB."""
NO_BLOCK = b""
"""What a vote names that is for no block of its round."""
CLOCK_DRIFT_MS = 5000
"""How far ahead of a validator's own clock a block's time may be."""

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Ids = Annotated[bytes, Meta(max_length=ID_BYTES * MAX_BLOCK_TRANSACTIONS)]


class InvalidBlockError(Exception):
    """A block, or its certificate, that does not hold; says why."""


class Header(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All that a block consists of, by hashes. Times are milliseconds of Unix time."""

    chain: Hash
    """The hash of the first header, so that nothing signed for one chain is good on another; of that header itself, a nonce."""
    height: Count
    parent: Hash
    timestamp_ms: Count
    root: Hash
    """The Merkle root over the ids of the transactions."""
    transactions: Annotated[int, Meta(ge=0, le=MAX_BLOCK_TRANSACTIONS)]
    total: Count
    """Transactions in all blocks up to this one."""
    proposer: Name
    validators: Hash
    """The set that decides on this block."""
    next_validators: Hash
    """The set that decides on the next one."""


class Step(IntEnum):
    """The two votes of a round."""

    PREVOTE = 1
    PRECOMMIT = 2


class Vote(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="vote"):
    """What a validator says to a block (its hash, or `NO_BLOCK`) in one round."""

    chain: Hash
    height: Count
    round: Count
    step: Step
    block: Annotated[bytes, Meta(max_length=32)]
    voter: Name


class Certificate(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The precommits of one round that made a block final: signatures by voter."""

    round: Count
    votes: Annotated[list[tuple[Name, Signature]], Meta(max_length=MAX_VALIDATORS)]


class FinalBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A block with what proves it. `ids` is None once the oldest bodies have gone."""

    header: Header
    certificate: Certificate
    next_set: Annotated[bytes, Meta(max_length=8192)] | None
    """The set for the next block, where it is another one."""
    ids: Ids | None
    """The ids of the transactions, one after the other."""


encode = msgspec.msgpack.Encoder().encode
decode_block = msgspec.msgpack.Decoder(FinalBlock).decode


def header_hash(header: Header) -> bytes:
    """The identity of a block."""
    return sha256(b"piswarm block" + encode(header)).digest()


def genesis(validators: ValidatorSet, nonce: bytes, timestamp_ms: int) -> Header:
    """The first header of a chain. `nonce` (32 random bytes) makes the chain one of its kind."""
    digest = validators.digest
    return Header(nonce, 0, bytes(32), timestamp_ms, EMPTY_ROOT, 0, 0, "genesis", digest, digest)


def chain_of(header: Header) -> bytes:
    """The chain to which the blocks after `header` belong."""
    return header.chain if header.height else header_hash(header)


def split_ids(ids: bytes) -> Iterator[bytes]:
    """The ids in the `ids` of a block."""
    return (ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES))


def check_header(header: Header, parent: Header, validators: ValidatorSet) -> None:
    """Raises InvalidBlockError unless `header` follows `parent`, and is for `validators` to decide on."""
    if header.height != parent.height + 1:
        raise InvalidBlockError(f"height {header.height} does not follow {parent.height}")
    if header.chain != chain_of(parent):
        raise InvalidBlockError("of another chain")
    if header.parent != header_hash(parent):
        raise InvalidBlockError("does not name its parent")
    if header.timestamp_ms <= parent.timestamp_ms:
        raise InvalidBlockError("not later than its parent")
    if header.total != parent.total + header.transactions:
        raise InvalidBlockError("the total of transactions is wrong")
    if header.validators != validators.digest or header.validators != parent.next_validators:
        raise InvalidBlockError("names other validators")
    if header.proposer not in validators:
        raise InvalidBlockError(f"{header.proposer} is no validator")


def check_certificate(
    certificate: Certificate, header: Header, validators: ValidatorSet, step: Step = Step.PRECOMMIT
) -> None:
    """Raises InvalidBlockError unless more than two thirds of the weight of `validators` have signed for `header`.

    One that signs a wrong signature, that votes twice or is a stranger spoils it: no honest validator passes that on.
    """
    block, weight = header_hash(header), 0
    seen: set[str] = set()
    for voter, signature in certificate.votes:
        if voter in seen or voter not in validators:
            raise InvalidBlockError(f"certificate: {voter} is a stranger, or has voted twice")
        seen.add(voter)
        vote = Vote(header.chain, header.height, certificate.round, step, block, voter)
        if not is_signed(validators[voter].public_key, encode(vote), signature):
            raise InvalidBlockError(f"certificate: the signature of {voter} is wrong")
        weight += validators.weight(voter)
    if not validators.is_quorum(weight):
        raise InvalidBlockError(f"certificate: weight {weight} of {validators.total_weight} is no quorum")


def set_after(block: FinalBlock, validators: ValidatorSet) -> ValidatorSet:
    """The set for the next block. Raises InvalidBlockError if it is not the one that the header names."""
    try:
        following = validators if block.next_set is None else decode_set(block.next_set)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidBlockError(f"next validators: {error}") from None
    if following.digest != block.header.next_validators:
        raise InvalidBlockError("the next validators are not those that the header names")
    return following
