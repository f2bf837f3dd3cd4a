"""What the users need of the target's answers, and the check that an answer is the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Check = Callable[[T], bool]


class HealthReply(msgspec.Struct):
    """GET /health."""

    status: str
    uptime_s: float


class TokenReply(msgspec.Struct):
    """POST /auth/login, POST /auth/refresh. The refresh token is good for one new pair."""

    token: str
    expires_in_s: float
    role: str
    refresh_token: str


class MeReply(msgspec.Struct):
    """GET /auth/me."""

    username: str


class SessionReply(msgspec.Struct):
    """What every request about one session is answered with."""

    id: str
    state: str
    chunks: int
    raw_bytes: int
    root: str | None


class SessionPageReply(msgspec.Struct):
    """GET /sessions."""

    sessions: list[SessionReply]


class StoredChunkReply(msgspec.Struct):
    """POST /sessions/[id]/chunks."""

    sequence: int
    raw_bytes: int
    stored_bytes: int


class NodeReply(msgspec.Struct):
    """What every request about one node is answered with."""

    name: str
    cpu_count: int
    memory_mb: int
    pool: str
    heartbeats: int


class NodePageReply(msgspec.Struct):
    """GET /nodes."""

    nodes: list[NodeReply]


class PoolReply(msgspec.Struct):
    """What every request about one pool of nodes is answered with."""

    name: str
    nodes: int


class PoolListReply(msgspec.Struct):
    """GET /pools."""

    pools: list[PoolReply]


class NodeStatisticsReply(msgspec.Struct):
    """GET /nodes/statistics: sums over all nodes."""

    alive: int
    free_cpu_count: int
    free_memory_mb: int
    free_disk_mb: int


class ServerReply(msgspec.Struct):
    """What every request about one RDP server is answered with."""

    id: str
    state: str
    host: str
    port: int | None


class ServerUsageReply(msgspec.Struct):
    """GET /rdp/servers/[id]/usage."""

    id: str
    connections_now: int
    confirmed: int


class ServerTestReply(msgspec.Struct):
    """POST /rdp/servers/[id]/test."""

    reachable: bool
    answer_ms: float | None


class PootStatisticsReply(msgspec.Struct):
    """GET /poot/statistics."""

    records: int
    paid: int


class WorkRecordReply(msgspec.Struct):
    """POST /poot/records."""

    node: str
    score_ppm: int


class ScoreReply(msgspec.Struct):
    """GET /poot/scores/[node]."""

    node: str
    records: int


class LedgerEntryReply(msgspec.Struct):
    """One payment, and the balance after it."""

    amount: int
    balance: int


class LedgerReply(msgspec.Struct):
    """GET /poot/ledger/[node]: payments, newest first."""

    node: str
    balance: int
    entries: list[LedgerEntryReply]

    def adds_up(self) -> bool:
        """Whether each balance is the one before plus the payment, and the newest that of the node."""
        balances = [entry.balance for entry in self.entries]
        before = [entry.balance - entry.amount for entry in self.entries]
        return balances[:1] in ([], [self.balance]) and balances[1:] == before[:-1]


class TransactionReply(msgspec.Struct):
    """What every request about one transaction is answered with; `height` is that of its block, once that is final."""

    id: str
    sender: str
    payload: Any
    state: str
    height: int | None


class BlockReply(msgspec.Struct):
    """GET /chain/blocks/latest."""

    height: int
    hash: str
    parent: str
    created_at: float

    def follows(self, other: BlockReply) -> bool:
        """Whether it is the next block after `other`, or the same."""
        return self == other or (
            (self.height, self.parent) == (other.height + 1, other.hash) and self.created_at > other.created_at
        )


class BlockPageReply(msgspec.Struct):
    """GET /chain/blocks: newest first."""

    blocks: list[BlockReply]

    def is_chain(self) -> bool:
        """Whether each block is the parent of the one before it."""
        return all(newer.follows(older) and newer != older for newer, older in pairwise(self.blocks))


class ValidatorReply(msgspec.Struct):
    """A validator; `sync_s` is how long it took to get all blocks."""

    name: str
    sync_s: float | None


class ConsensusReply(msgspec.Struct):
    """GET /chain/consensus."""

    height: int
    quorum_weight: int
    total_weight: int
    last_consensus_s: float | None
    validators: list[ValidatorReply]


class ProofReply(msgspec.Struct):
    """GET /chain/proofs/[id]: hashes in hexadecimal."""

    height: int
    index: int
    size: int
    path: list[str]
    merkle_root: str


class StatisticsReply(msgspec.Struct):
    """GET /admin/statistics."""

    sessions: dict[str, int]
    nodes: dict[str, int]


class _Error(msgspec.Struct):
    code: str


class _ErrorReply(msgspec.Struct):
    error: _Error


class WrongReplyError(Exception):
    """The answer is not what was asked for. The message names no ids, so that equal failures count as one kind."""


_decoders: dict[Any, Callable[[bytes], Any]] = {}
_decode_error = msgspec.json.Decoder(_ErrorReply).decode


def read(status: int, content: bytes, expected: tuple[int, ...], reply: type[T], check: Check[T] | None) -> T:
    """The answer as a `reply` (for `bytes`: as it is). Raises WrongReplyError that says what is wrong with it."""
    if status not in expected:
        raise WrongReplyError(f"status {status} instead of {' or '.join(map(str, expected))}{_code(content)}")
    if reply is bytes:
        value: Any = content
    else:
        decode = _decoders.get(reply)
        if decode is None:
            decode = _decoders[reply] = msgspec.json.Decoder(reply).decode
        try:
            value = decode(content)
        except msgspec.DecodeError as error:
            raise WrongReplyError(f"body is no {reply.__name__}: {error}") from None
    if check is not None and not check(value):
        raise WrongReplyError(f"{reply.__name__} contradicts the request")
    found: T = value
    return found


def _code(content: bytes) -> str:
    try:
        return f": {_decode_error(content).error.code}"
    except msgspec.DecodeError:
        return ""
