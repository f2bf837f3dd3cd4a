"""JSON of the API of PoOT. Times are Unix seconds; scores and qualities are in parts per million, amounts in whole units."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from master.target.poot.records import MAX_UNITS, TaskKind
from master.target.poot.scores import PPM

NodeName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]
UnixTime = Annotated[float, Meta(ge=0, le=1e10)]
MAX_REWARD = 10**12
DEFAULT_REWARD = 1_000_000


class NewWorkRecord(Struct, forbid_unknown_fields=True):
    """Body of POST /poot/records: what a node did."""

    node: NodeName
    kind: TaskKind
    units: Annotated[int, Meta(ge=1, le=MAX_UNITS)]
    quality_ppm: Annotated[int, Meta(ge=0, le=PPM)]
    started_at: UnixTime
    ended_at: UnixTime


class StoredWorkRecord(Struct):
    """A record that counts, and the node's score with it."""

    id: int
    node: str
    score_ppm: int


class Score(Struct):
    """A node's trust. `recent_units`: its work, that of a day ago counting half."""

    node: str
    score_ppm: int
    recent_units: int
    records: int
    units: int
    balance: int


class ScorePage(Struct):
    """Scores by name; `next` is the `after` of the next page, or null."""

    scores: list[Score]
    next: str | None


class ScoreQuery(Struct):
    """Query of GET /poot/scores."""

    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class NewBatch(Struct, forbid_unknown_fields=True):
    """Body of POST /poot/batches: what to pay for the work since the last batch."""

    reward: Annotated[int, Meta(ge=0, le=MAX_REWARD)] = DEFAULT_REWARD


class Batch(Struct):
    """The records since the one before. `transaction` says it on the chain; `paid` is the reward, or 0 if nobody earned it."""

    id: int
    records: int
    units: int
    nodes: int
    merkle_root: str
    reward: int
    paid: int
    created_at: float
    transaction: str | None
    state: Literal["paying", "submitted", "anchored"]
    height: int | None


class LedgerEntry(Struct):
    """A payment to a node, and its balance after it."""

    id: int
    batch: int
    amount: int
    balance: int
    created_at: float


class LedgerPage(Struct):
    """A node's payments, newest first; `next` is the `before` of the next page, or null."""

    node: str
    balance: int
    entries: list[LedgerEntry]
    next: int | None


class LedgerQuery(Struct):
    """Query of GET /poot/ledger/{node}."""

    before: Annotated[int, Meta(ge=0, le=2**53)] = 2**53
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class PootStatistics(Struct):
    """Sums over all nodes. `waiting`: records in no batch yet."""

    nodes: int
    records: int
    units: int
    waiting: int
    batches: int
    paid: int
    refused: dict[str, int]
