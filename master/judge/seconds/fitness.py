"""The generator's fitness over the steady part of a run: what `master.judge.generator.validity` judges it by. Pure."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict

from master.judge.seconds.unfit import NodeCondition, throttled
from master.store import FitnessRow
from worker.load.histogram import Histogram
from worker.telemetry.conditions import UNDER_VOLTAGE, flag_state, pack_flags

_WELL = pack_flags(0)
_BINS_PER_PERCENT = 10  # psutil gives CPU and memory to a tenth of a percent


class Percents:
    """Counts of percentages, to a tenth: 1001 counters however long the run."""

    def __init__(self) -> None:
        # 4 KB from the start; as a dict it would grow to ten times that over the first hours.
        self.bins = array("I", bytes(4 * (100 * _BINS_PER_PERCENT + 1)))

    def add(self, percent: float) -> None:
        """Count one value; what is above 100 counts as 100. Not-a-number is no value and isn't counted."""
        if not math.isnan(percent):
            self.bins[math.ceil(min(max(percent, 0.0), 100.0) * _BINS_PER_PERCENT - 1e-6)] += 1

    def within(self, percent: float) -> float | None:
        """What `percent` of the values stayed at or below; None without values."""
        rank = max(1, math.ceil(percent / 100 * sum(self.bins) - 1e-9))
        for bin_, count in enumerate(self.bins):
            rank -= count
            if rank <= 0:
                return bin_ / _BINS_PER_PERCENT
        return None


class FleetPercents(defaultdict[str, Percents]):
    """Counts of percentages by node, and of all nodes together."""

    def __init__(self) -> None:
        super().__init__(Percents)
        self.all = Percents()

    def add(self, node: str, percent: float) -> None:
        """Count one value of a node."""
        self[node].add(percent)
        self.all.add(percent)


class FleetLag(defaultdict[str, Histogram]):
    """The lag of event loops by node, and of all nodes together."""

    def __init__(self) -> None:
        super().__init__(Histogram)
        self.all = Histogram()

    def add(self, node: str, lag: Histogram) -> None:
        """Count the probes of a worker on a node."""
        self[node].merge(lag)
        self.all.merge(lag)


class LagByRequest:
    """The lag of the event loop by request: a share of the requests for each bucket of lag."""

    def __init__(self) -> None:
        self.requests = 0
        self.buckets: defaultdict[int, float] = defaultdict(float)
        """Requests by the bucket of a histogram that their lag is in."""

    def add(self, lag: Histogram, requests: int) -> None:
        """So many requests met the lag of these probes."""
        probes = lag.count
        if not probes:
            return
        self.requests += requests
        for bucket, count in lag.buckets.items():
            self.buckets[bucket] += requests * count / probes

    def merge(self, other: LagByRequest) -> None:
        """Add the requests of `other` to these."""
        self.requests += other.requests
        for bucket, requests in other.buckets.items():
            self.buckets[bucket] += requests


class FitnessLog:
    """What is known of the generator's fitness over the steady part of a run. Only steady seconds are added.

    The memory is bounded by the number of nodes, not by the length of the run.
    """

    def __init__(self) -> None:
        self.lag = FleetLag()
        self.worker_cpu = FleetPercents()
        self.node_cpu = FleetPercents()
        self.node_memory = FleetPercents()
        self.temperature_c = FleetPercents()
        self.seconds: Counter[str] = Counter()
        """Node-seconds of which there is a sample."""
        self.throttled: Counter[str] = Counter()
        """Of these, those with the clock held down by throttling or a capped frequency."""
        self.throttling_unknown: Counter[str] = Counter()
        """Those of which it is not known whether they were."""
        self.throttling_unknown_of_pis: Counter[str] = Counter()
        """Of these, those of a Raspberry Pi, which can tell."""
        self.under_voltage: Counter[str] = Counter()
        self.under_voltage_unknown: Counter[str] = Counter()
        self.controller_cpu = Percents()
        self.controller_expected = self.controller_missing = 0
        """Samples of the controller's machine that were due, and those of them that never came."""
        self.clock_error_ms: dict[str, float] = {}
        self.clock_error_kept = True
        """Whether the errors of clocks are known at all: run.db, by which a run may be judged again, has none."""
        self.samples_expected: Counter[str] = Counter()
        self.samples_missing: Counter[str] = Counter()
        self.fewest_ready: int | None = None
        self.lost: set[str] = set()
        self.lag_when_fit = Histogram()
        """Of all workers, in the seconds in which they were fit."""
        self.lag_by_request: defaultdict[str, LagByRequest] = defaultdict(LagByRequest)
        """The same by node, of seconds with requests that were ended by the worker's own clock, and as often as there were such."""
        self.requests_fit = 0
        self.requests_unfit = 0

    def add_lag(self, node: str, lag: Histogram, *, fit: bool, userspace_timed: int = 0) -> None:
        """Add one worker-second's probes of how late the event loop ran, and whether it was `fit` in all.

        `userspace_timed` of its requests were ended by its own clock, so that their response times are longer by that lag.
        """
        self.lag.add(node, lag)
        if fit:
            self.lag_when_fit.merge(lag)
            if userspace_timed:
                self.lag_by_request[node].add(lag, userspace_timed)

    def add_row(self, row: FitnessRow, lag: Histogram) -> None:
        """Add one worker-second with its `lag`; its requests, of which some may come late, are added by `add_requests`."""
        self.add_lag(row.node, lag, fit=not row.unfit, userspace_timed=row.userspace_timed)
        if row.worker_cpu_percent is not None:
            self.add_worker_cpu(row.node, row.worker_cpu_percent)

    def add_worker_cpu(self, node: str, percent: float) -> None:
        """Add one worker-second: the share of one core that a worker of `node` used."""
        self.worker_cpu.add(node, percent)

    def add_node(self, node: str, condition: NodeCondition) -> None:
        """Add one node-second."""
        self.node_cpu.add(node, condition.cpu_percent)
        self.node_memory.add(node, condition.memory_percent)
        if condition.temperature_c is not None:
            self.temperature_c.add(node, condition.temperature_c)
        self.seconds[node] += 1
        if condition.conditions == _WELL:
            return  # as nearly always, with nothing to be counted
        held_down, under_voltage = throttled(condition.conditions), flag_state(condition.conditions, UNDER_VOLTAGE)
        self.throttled[node] += held_down is True
        self.throttling_unknown[node] += held_down is None
        self.throttling_unknown_of_pis[node] += held_down is None and condition.is_pi
        self.under_voltage[node] += under_voltage is True
        self.under_voltage_unknown[node] += under_voltage is None

    def add_controller(self, cpu_percent: float) -> None:
        """Add one second of the controller's machine: the share of all its cores in use."""
        self.controller_cpu.add(cpu_percent)

    def expect_controller(self, expected: int, received: int) -> None:
        """Add how many samples of the controller's machine there should be in a span, and how many there are."""
        self.controller_expected += expected
        self.controller_missing += max(0, expected - received)

    def add_clock_error(self, node: str, error_ms: float) -> None:
        """Add by how much a time of `node`'s clock, told by ours, can have been wrong in one second."""
        self.clock_error_ms[node] = max(error_ms, self.clock_error_ms.get(node, 0.0))

    def expect_samples(self, node: str, expected: int, received: int) -> None:
        """Add how many samples `node` should have sent in a span, and how many came. Too many make up for nothing."""
        self.samples_expected[node] += expected
        self.samples_missing[node] += max(0, expected - received)

    def note_ready(self, nodes_ready: int) -> None:
        """Note how many nodes are ready now."""
        self.fewest_ready = nodes_ready if self.fewest_ready is None else min(self.fewest_ready, nodes_ready)

    def note_lost(self, node: str) -> None:
        """Note that `node` went away while it was needed."""
        self.lost.add(node)

    def add_requests(self, fit: int, unfit: int) -> None:
        """Add requests measured while their node was fit, and those excluded because it wasn't."""
        self.requests_fit += fit
        self.requests_unfit += unfit
