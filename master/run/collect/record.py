"""Writing to run.db, once a second, what has come of a run and where it stands; `now_s` is on the monotonic clock."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import psutil

from master.fleet.registry import Registry
from master.fleet.states import NodeState
from master.judge.target.thresholds import ThresholdOutcome
from master.run.checkpoint import Checkpoint, boot_id
from master.run.collect.report_intake import ReportIntake
from master.run.collect.sample_intake import SampleIntake
from master.run.collect.timeline import RunTimeline
from master.store import CHECKPOINT_KEY, Event, NodeRow, SecondRow, Store

MAX_NODE_EVENTS = 1000
"""So that one node can't fill the store's place for events. A worker that crashes again and again has as many in some 8 hours."""


class RunRecord:
    """What a run records besides what is measured: events, its seconds, and the checkpoint to resume it from."""

    def __init__(self, store: Store, registry: Registry, timeline: RunTimeline, dropped: Counter[str]) -> None:
        """`dropped` counts parts of reports that were dropped, by reason."""
        self.ready_s: float | None = None
        """How long the fleet took to be ready, in seconds; None when it never was."""
        self.users_peak = 0
        self.stop_reason: str | None = None
        """Why the load ended, if not by plan."""
        self._store = store
        self._registry = registry
        self._timeline = timeline
        self._dropped = dropped
        self._events_of: Counter[str] = Counter()
        self._latest_second: int | None = None
        self._process = psutil.Process()

    def resume(self, earlier: Checkpoint) -> None:
        """Go on from where another controller left the run."""
        self.ready_s, self.users_peak, self.stop_reason = earlier.ready_s, earlier.users_peak, earlier.reason
        self._dropped.update(earlier.dropped)
        self._registry.peak_ready = earlier.nodes_peak
        self._registry.ever_lost.update(earlier.nodes_lost)
        self._registry.ever_quarantined.update(earlier.nodes_quarantined)

    def event(self, event: Event) -> None:
        """Keep that something happened; of one node no more than MAX_NODE_EVENTS are kept."""
        if event.node is not None:
            self._events_of[event.node] += 1
            if self._events_of[event.node] > MAX_NODE_EVENTS:
                self._dropped["events of a node that has had very many"] += 1
                return
        self._store.add_event(event)

    def put_second(self, users: int, now_s: float) -> None:
        """Write the state of the run in the present second; in the open model that of seconds that were missed, too.

        How many arrivals were due in them is known all the same.
        """
        second = int(self._timeline.offset_s(now_s))
        if self._timeline.arrivals is not None and self._latest_second is not None:
            for missed in range(self._latest_second + 1, second):
                self._put_second(missed, missed + 0.5, users)
        self._latest_second = second
        self._put_second(second, self._timeline.offset_s(now_s), users)
        self._store.put_controller_memory(second, self._process.memory_info().rss)

    def _put_second(self, second: int, offset_s: float, users: int) -> None:
        states, position = self._registry.counts, self._timeline.progress.at(offset_s)
        self._store.put_second(
            SecondRow(
                second,
                f"{position.stage + 1} {position.kind}",
                second in self._timeline.steady,
                users,
                self._registry.usable,
                states[NodeState.HOT] + states[NodeState.THROTTLED],
                states[NodeState.LOST] + states[NodeState.GONE] + states[NodeState.QUARANTINED],
                self._timeline.offered_in(second),
            )
        )

    def put_checkpoint(
        self, now_s: float, now_wall_s: float, unreported: list[str], broken_rule: ThresholdOutcome | None
    ) -> None:
        """Write where the run stands now, for a controller that may have to take it over.

        `unreported` are the workers that ended without a final report; `now_wall_s` is Unix time.
        """
        timeline, registry = self._timeline, self._registry
        assert timeline.began_s is not None
        offset_s = timeline.offset_s(now_s)
        position = timeline.progress.at(offset_s)
        checkpoint = Checkpoint(
            boot=boot_id(),
            began_s=timeline.began_s,
            began_wall_s=now_wall_s - offset_s,
            offset_s=offset_s,
            stage=position.stage,
            kind=position.kind,
            stage_left_s=min(position.stage_left_s, timeline.progress.hold_of(position.stage)),
            steady_spans=timeline.progress.steady_spans(min(offset_s, timeline.ended_s)),
            gaps=timeline.gaps,
            users_peak=self.users_peak,
            nodes_peak=registry.peak_ready,
            nodes_lost=sorted(registry.ever_lost),
            nodes_quarantined=sorted(registry.ever_quarantined),
            ready_s=self.ready_s,
            unreported_workers=unreported,
            dropped=dict(self._dropped),
            ended_s=None if timeline.ended_s == math.inf else timeline.ended_s,
            reason=self.stop_reason,
            broken_rule=broken_rule,
            arrivals_dealt=timeline.arrivals_dealt,
            arrivals_due=timeline.offered_before(min(offset_s, timeline.ended_s)),
            start_skew_s=timeline.start_skew_s,
        )
        self._store.put_meta(CHECKPOINT_KEY, msgspec.to_builtins(checkpoint))

    def commit(self, samples: SampleIntake, reports: ReportIntake) -> None:
        """Write what has changed of nodes, and what `samples` and `reports` have accepted; then commit all."""
        store, registry = self._store, self._registry
        nodes = [registry.nodes[name] for name in registry.touched]
        store.put_node_rows(
            NodeRow(node.name, node.state.value, node.wall_offset_s, node.capacity.value) for node in nodes
        )
        registry.touched.clear()
        store.put_samples(samples.unwritten)
        store.put_fitness(reports.unwritten)
        store.put_reports(reports.report_acks.uncommitted)
        samples.unwritten.clear()
        reports.unwritten.clear()
        store.commit()
        reports.report_acks.note_committed()
