"""The users that are nodes at work: what they do counts for their trust score, and is paid."""

from __future__ import annotations

import time
from typing import Any

from worker.users.lucid import replies
from worker.users.lucid.node_user import NodeUser

_KINDS = ("session", "relay", "storage", "validation", "uptime")


class PootUser(NodeUser):
    """A node that reports its work as well as how it is, and looks at its score and its payments.

    PoOT is proof of operational tasks: a node's trust score comes from the work that it did.
    """

    wait_s = (2.0, 5.0)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._reported_until: dict[str, float] = {}
        """By kind, the Unix time up to which work has been reported."""
        self._records = 0

    def work(self) -> None:
        """Mostly a record of work, once the node is registered."""
        if not self.registered:
            super().work()
            self._reported_until = dict.fromkeys(_KINDS, time.time())
            return
        steps = (self._report_work, self._look_at_score, self._look_at_ledger, super().work)
        (step,) = self.random.choices(steps if self._records else (steps[0],), (5, 2, 1, 2) if self._records else (1,))
        step()

    def _report_work(self) -> None:
        kind = self.random.choice(_KINDS)
        started_at, ended_at = self._reported_until[kind], time.time()
        if ended_at - started_at < 0.01:  # no work was done yet, or the clock was set back
            return
        record = {
            "node": self.username,
            "kind": kind,
            "units": max(1, int((ended_at - started_at) * self.random.uniform(1, 20))),
            "quality_ppm": self.random.randint(800_000, 1_000_000),
            "started_at": started_at,
            "ended_at": ended_at,
        }
        self._reported_until[kind] = ended_at
        stored = self.call(
            "POST",
            "/poot/records",
            replies.WorkRecordReply,
            body=record,
            expected=(201,),
            check=lambda stored: stored.node == self.username and stored.score_ppm > 0,
        )
        self._records += stored is not None

    def _look_at_score(self) -> None:
        self.call(
            "GET",
            f"/poot/scores/{self.username}",
            replies.ScoreReply,
            name="/poot/scores/[node]",
            check=lambda score: score.node == self.username and score.records >= self._records,
        )

    def _look_at_ledger(self) -> None:
        self.call(
            "GET",
            f"/poot/ledger/{self.username}?limit=10",
            replies.LedgerReply,
            name="/poot/ledger/[node]",
            check=lambda ledger: ledger.node == self.username and ledger.adds_up(),
        )
