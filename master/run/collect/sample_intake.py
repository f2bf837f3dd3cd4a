"""Accepting the samples of nodes. Pure; `now_s` is on the monotonic clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from master.fleet.node_checks import CLOCK_JUMPED, IMPOSSIBLE_SAMPLE, check_reading
from master.fleet.refusals import Refusals
from master.fleet.registry import Node, Registry
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.unfit import NodeCondition
from master.load.schedule import Span
from master.run.collect.timeline import RunTimeline
from master.store import CONTROLLER
from worker.wire.messages import Reading, Sample


def samples_due(spans: Iterable[Span], period_s: float) -> int:
    """How many samples of each node must have come of the steady `spans`."""
    # A span cuts the schedule at both ends, so one sample less than its length may be in it.
    return sum(max(0, int((end_s - start_s) / period_s) - 2) for start_s, end_s in spans)


class SampleIntake:
    """Samples of all nodes and of the controller's own machine, each in its second of the run."""

    def __init__(
        self,
        registry: Registry,
        controller: Node,
        timeline: RunTimeline,
        fitness: FitnessLog,
        *,
        period_s: float,
        received: Counter[str],
        refusals: Refusals,
        dropped: Counter[str],
    ) -> None:
        """`received` is how many samples of steady seconds have come already, by node; `dropped` counts by reason."""
        self._registry = registry
        self._controller = controller
        self._timeline = timeline
        self._fitness = fitness
        self._period_s = period_s
        self._received = received
        self._refusals = refusals
        self._dropped = dropped
        self.unwritten: list[tuple[str, int, Reading]] = []
        """What is not in run.db yet; whoever writes it empties the list."""
        self._latest_s: dict[str, float] = {}
        """When the latest sample of each node was due."""

    def accept(self, name: str, sample: Sample, now_s: float) -> None:
        """Accept a sample of a node that has joined."""
        node = self._controller if name == CONTROLLER else self._registry.nodes[name]
        fault = check_reading(sample.reading, node.facts)
        if fault:
            self._refusals.note(name, IMPOSSIBLE_SAMPLE, f"a sample with {fault}: dropped")
            if name != CONTROLLER:
                self._registry.note_contact(name, now_s)
            return
        due_s = node.add(sample, now_s) if name == CONTROLLER else self._registry.sample(name, sample, now_s)
        if node.clock.pop_jump():
            self._refusals.note(name, CLOCK_JUMPED)
        began_s = self._timeline.began_s
        if began_s is None or due_s < began_s:
            return
        # So that no node counts for more than the others, whatever it sends.
        if not self._latest_s.get(name, -math.inf) + self._period_s / 2 < due_s < now_s + 1:
            self._dropped["a sample out of turn"] += 1
            return
        self._latest_s[name] = due_s
        second = max(0, node.second_of_sample(sample.due_s, began_s))
        self.unwritten.append((name, second, sample.reading))
        if second in self._timeline.steady:
            self._add_to_fitness(node, sample.reading)

    def _add_to_fitness(self, node: Node, reading: Reading) -> None:
        self._received[node.name] += 1
        if node.name == CONTROLLER:
            self._fitness.add_controller(reading.cpu_percent)
            return
        self._fitness.add_node(node.name, NodeCondition.of(reading, node.facts))
        error_s = node.clock.error_s
        if error_s is not None:
            self._fitness.add_clock_error(node.name, 1000 * error_s)

    def count_missing(self) -> None:
        """No more will come: count those that are missing."""
        due = samples_due(self._timeline.steady.spans, self._period_s)
        self._fitness.expect_controller(due, min(due, self._received[CONTROLLER]))
        for node in self._registry.nodes:
            self._fitness.expect_samples(node, due, min(due, self._received[node]))
