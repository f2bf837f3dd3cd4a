"""The handlers under /poot."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, Literal

from master.target.api import errors
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.api.metrics import Gauge
from master.target.poot.messages import (
    Batch,
    LedgerPage,
    LedgerQuery,
    NewBatch,
    NewWorkRecord,
    PootStatistics,
    Score,
    ScorePage,
    ScoreQuery,
    StoredWorkRecord,
)
from master.target.poot.poot import Poot
from master.target.poot.records import WorkRecord
from master.target.poot.scores import recent_units, score_ppm
from master.target.poot.storage import StoredBatch, WorkingNode


class PootApi(Domain):
    """Work, scores, batches and payments."""

    summary_types: ClassVar[Mapping[str, Any]] = {"poot": PootStatistics}

    def __init__(self, poot: Poot) -> None:
        self._poot = poot

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return [
            Endpoint(
                "POST",
                "/poot/records",
                self.add_record,
                "Report work of a node",
                roles=(Role.NODE, Role.ADMIN),
                body=NewWorkRecord,
                reply=StoredWorkRecord,
                status=201,
                errors=(404, 409, 429),
            ),
            Endpoint("GET", "/poot/scores", self.scores, "Scores by node", query=ScoreQuery, reply=ScorePage),
            Endpoint("GET", "/poot/scores/{node}", self.score, "A node's score", reply=Score),
            Endpoint(
                "POST",
                "/poot/batches",
                self.make_batch,
                "Make a batch of the work since the last, and pay for it",
                roles=(Role.ADMIN,),
                body=NewBatch,
                reply=Batch,
                status=201,
                errors=(409,),
                audited=True,
            ),
            Endpoint("GET", "/poot/batches/{id}", self.batch, "One batch", reply=Batch),
            Endpoint(
                "GET", "/poot/ledger/{node}", self.ledger, "Payments to a node", query=LedgerQuery, reply=LedgerPage
            ),
            Endpoint("GET", "/poot/statistics", self.statistics, "Sums", reply=PootStatistics),
        ]

    async def start(self) -> None:
        """As Domain."""
        await self._poot.start()

    async def stop(self) -> None:
        """As Domain."""
        await self._poot.stop()

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        return [
            Gauge("target_poot_nodes", "Nodes that have worked", self._poot.nodes),
            Gauge("target_poot_records", "Records of work", self._poot.records),
            Gauge("target_poot_waiting_records", "Records in no batch yet", self._poot.waiting),
            Gauge("target_poot_batches", "Batches made", self._poot.batches),
            Gauge("target_poot_paid", "Units paid", self._poot.paid),
        ]

    async def summary(self) -> dict[str, Any]:
        """As Domain."""
        return {"poot": self._statistics()}

    async def add_record(self, call: Call) -> StoredWorkRecord:
        """It counts for the score at once."""
        wanted: NewWorkRecord = call.body
        record = WorkRecord(
            wanted.node,
            wanted.kind.value,
            wanted.units,
            wanted.quality_ppm,
            round(wanted.started_at * 1000),
            round(wanted.ended_at * 1000),
        )
        serial, score = await self._poot.add(record, call.caller)
        return StoredWorkRecord(serial, wanted.node, score)

    async def scores(self, call: Call) -> ScorePage:
        """In pages."""
        query: ScoreQuery = call.query
        found = await self._poot.storage.nodes(query.after, query.limit)
        return ScorePage([self._score(node) for node in found], found[-1].name if len(found) == query.limit else None)

    async def score(self, call: Call) -> Score:
        """As of now."""
        return self._score(await self._node(call))

    async def make_batch(self, call: Call) -> Batch:
        """Paid by score, in whole units that sum up to the reward."""
        return await self._batch(await self._poot.make_batch(call.body.reward))

    async def batch(self, call: Call) -> Batch:
        """By its number."""
        number = call.path["id"]
        # Nine digits are more than there are batches.
        identity = int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else -1
        batch = await self._poot.storage.batch(identity)
        if batch is None:
            raise errors.not_found("batch")
        return await self._batch(batch)

    async def ledger(self, call: Call) -> LedgerPage:
        """In pages."""
        query: LedgerQuery = call.query
        node = await self._node(call)
        entries = await self._poot.storage.entries(node.name, query.before, query.limit)
        following = entries[-1].id if len(entries) == query.limit else None
        # A payment may have come in between the two reads.
        newest = entries[0] if entries and query.before == LedgerQuery().before else None
        balance = node.balance if newest is None else newest.balance
        return LedgerPage(node.name, balance, entries, following)

    async def statistics(self, _call: Call) -> PootStatistics:
        """As they are now."""
        return self._statistics()

    def _statistics(self) -> PootStatistics:
        poot = self._poot
        return PootStatistics(
            poot.nodes, poot.records, poot.units, poot.waiting, poot.batches, poot.paid, dict(poot.refused)
        )

    async def _node(self, call: Call) -> WorkingNode:
        node = await self._poot.storage.node(call.path["node"])
        if node is None:
            raise errors.not_found("node")
        return node

    def _score(self, node: WorkingNode) -> Score:
        hour = self._poot.hour()
        score, units = score_ppm(node.trust, hour), recent_units(node.trust, hour)
        return Score(node.name, score, units, node.records, node.units, node.balance)

    async def _batch(self, batch: StoredBatch) -> Batch:
        height, state = None, "paying"
        if batch.transaction_id is not None:
            state = "submitted"
            with suppress(KeyError):  # in a block so old that its body has gone
                height = await self._poot.chain.final(batch.transaction_id)
        stated: Literal["paying", "submitted", "anchored"] = state if height is None else "anchored"  # type: ignore[assignment]
        return Batch(
            id=batch.id,
            records=batch.records,
            units=batch.units,
            nodes=batch.nodes,
            merkle_root=batch.root.hex(),
            reward=batch.reward,
            paid=batch.paid,
            created_at=batch.created_at,
            transaction=batch.transaction_id,
            state=stated,
            height=height,
        )
