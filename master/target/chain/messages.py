"""JSON of the chain's API. Hashes, ids, keys and signatures are in hexadecimal; times are Unix seconds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from master.target.chain.ledger.transactions import Name


class NewTransaction(Struct, forbid_unknown_fields=True):
    """Body of POST /chain/transactions. Without a `nonce` one is made; with one, saying the same twice is a duplicate."""

    payload: dict[str, Any]
    kind: Literal["record", "anchor"] = "record"
    nonce: Name | None = None


class TransactionInfo(Struct):
    """A transaction; `height` is that of its block once that is final."""

    id: str
    kind: str
    sender: str
    nonce: str
    payload: Any
    submitted_at: float
    state: Literal["pending", "final"]
    height: int | None


class BlockInfo(Struct):
    """A final block. `round`: the round of its certificate, which is how many leaders were passed over.

    With the hash of block 0 this is all that its own hash is over, so that anybody can check the votes.
    """

    height: int
    hash: str
    parent: str
    created_at: float
    merkle_root: str
    transactions: int
    total_transactions: int
    proposer: str
    round: int
    validators_hash: str
    next_validators_hash: str


class BlockPage(Struct):
    """Blocks, newest first; `next` is the `before` of the next page, or null."""

    blocks: list[BlockInfo]
    next: int | None


class BlockPageQuery(Struct):
    """Query of GET /chain/blocks."""

    before: Annotated[int, Meta(ge=0, le=2**53)] = 2**53
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class TransactionIdsQuery(Struct):
    """Query of GET /chain/blocks/{height}: which of the transactions' ids to list."""

    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Meta(ge=0, le=1000)] = 100


class SignedVote(Struct):
    """A vote for the block."""

    validator: str
    signature: str


class BlockDetails(BlockInfo):
    """A block with its certificate, and a part of its transactions' ids; null once the bodies of old blocks have gone."""

    votes: list[SignedVote]
    transaction_ids: list[str] | None


class NewValidator(Struct, forbid_unknown_fields=True):
    """Body of POST /chain/validators. Its weight is the trust score of the node of the same name."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]


class ValidatorInfo(Struct):
    """A validator. `state`: it catches up, follows without a vote, or votes. `sync_s`: how long catching up took."""

    name: str
    public_key: str
    weight: int
    state: Literal["syncing", "following", "voting"]
    height: int
    sync_s: float | None


class Consensus(Struct):
    """How the agreement on the block of this height stands."""

    height: int
    round: int
    leader: str
    block_time_s: float
    last_block_at: float
    last_consensus_s: float | None
    pending: int
    quorum_weight: int
    total_weight: int
    validators: list[ValidatorInfo]


class Proof(Struct):
    """That a transaction is in a block: the audit path of RFC 6962 from leaf `index` of `size` to `merkle_root`."""

    transaction: str
    height: int
    block: str
    index: int
    size: int
    path: list[str]
    merkle_root: str


class ChainStatistics(Struct):
    """Sums since the chain began, messages since the process did, means over the last 100 blocks.

    Consensus counts from the moment at which a block was due to its being final.
    """

    height: int
    transactions: int
    pending: int
    validators: int
    mean_block_time_s: float | None
    mean_consensus_s: float | None
    max_consensus_s: float | None
    transactions_per_s: float | None
    duplicates: int
    passed_over: dict[str, int]
    double_votes: dict[str, int]
    """Heights at which a validator was found to have voted for two blocks, by its name."""
    refused_messages: dict[str, int]
    dropped_messages: int
