"""A run at full traffic, second by second: what 500 nodes and 50 endpoints leave in run.db, made up from a seed.

Above the wire all is the controller's own: its Collector writes each second, as it does in a run. What workers report is handed to it
as it stands after its checks, since a day of encoded reports would take as long to decode as a day of a run does.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import gevent
from locust import __version__ as locust_version
from played_nodes import Traffic
from played_run import PlayedRun, Troubles

from master.judge.outcome import conclude
from master.judge.result import Result
from master.judge.run_facts import RunFacts
from master.judge.seconds.second_facts import WorkerFacts
from master.report.files import write_outcome
from master.run.collect.live_rules import LiveRules
from master.run.collect.resume import resume_fitness, resume_seconds
from master.run.directory import RunDirectory
from master.run.processes.thinning_process import ThinningProcess
from master.run.thinning import Thinning
from master.scenario import Stage, parse_threshold
from master.store import CONTROLLER, ErrorRow, FitnessRow
from worker.load.histogram import EndpointStats, Histogram
from worker.telemetry.conditions import THROTTLED, pack_flags
from worker.wire.messages import Reading

REPORTED_AFTER_S = 2
"""A second is reported so long after its beginning."""
DAY_S, HOUR_S = 86400, 3600
RATE_PER_S = 20_000
"""Requests of all nodes together."""
BODIES = 32
"""Different seconds of each endpoint, in turn: merged over a minute, they are as many latencies as it really has."""
PROBES = 22
"""Of an event loop's lag, in a second."""
LAGS = 1024
"""Different seconds of an event loop."""
UNFIT_SHARE = 5e-4
"""Of the worker-seconds, those with too much lag."""
ERROR_SHARE = 1e-3
ERRORS = ("503 Service Unavailable", "504 Gateway Timeout", "connection reset by peer", "timed out after 10 s")
EVENTS_PER_H = 20
RULES = ("p95 < 1 s", "errors < 5 %", "p99 < 2 s over 10s", "GET /items/7 p95 < 1 s over 1m")
_WELL, _THROTTLED = pack_flags(0), pack_flags(THROTTLED)


class FullDay(PlayedRun):
    """A run of so many hours in one hold. A context manager, as PlayedRun."""

    def __init__(self, directory: Path, *, nodes: int, endpoints: int, hours: int, thins: bool = True) -> None:
        """`directory` exists, and becomes a run directory. With `thins` seconds that are long past are thinned, as in a run."""
        self._thins = thins
        self.thinning: Thinning | None = None
        self._process: ThinningProcess | None = None
        self.directory = RunDirectory(directory)
        super().__init__(
            self.directory.database,
            nodes=nodes,
            traffic=Traffic(endpoints),
            step_s=1.0,
            reporters=0,
            troubles=Troubles(lost=False, clocks=False, restarts=False),
        )
        self._hours = hours
        hold = Stage(users=2 * nodes, spawn_rate=float(2 * nodes), hold_s=float(hours * HOUR_S))
        rules = tuple(parse_threshold(rule) for rule in RULES)
        self._scenario = replace(self._scenario, name="day", load=(hold,), thresholds=rules, sample_period_s=1.0)
        self._of = Random(2)
        self._bodies = [list(_bodies(Random(number), number, endpoints)) for number in range(endpoints)]
        self._lags = [_lag(Random(number)) for number in range(LAGS)]
        self._stalls = [_lag(Random(number), stall_ms=60.0 + number) for number in range(50)]
        self._node_state = [_NodeState(Random(number), number, nodes) for number in range(nodes)]
        self._controller_state = _NodeState(Random(-1), 1, nodes)

    def _start_thinning(self) -> ThinningProcess:
        log = self.directory.path / "thinning.log"
        rules = [rule.text for rule in self._scenario.thresholds]
        self._process = ThinningProcess(self.directory.database, rules, log)
        return self._process

    def wait(self) -> None:
        """Until the process that thins has answered: it has a whole second of real time for what comes in one of the played."""
        while self._process is not None and self.thinning is not None and self.thinning.waits and self._process.busy:
            gevent.sleep(0.001)

    def second(self) -> float:
        """A second passes: all that was reported of it comes, and the controller writes it. Returns the CPU seconds that writing took."""
        self._due_s += 1.0
        self.now_s = self._due_s
        if self.collector.thinning is None and self._thins:
            self.thinning = self.collector.thinning = Thinning(
                self.store, self._scenario.thresholds, self._start_thinning, lambda text: sys.stderr.write(f"{text}\n")
            )
        second = int(self.collector.offset_s()) - REPORTED_AFTER_S
        if second >= 0:
            self.measure(second)
        began_s = time.process_time()
        self.collector.tick(len(self.nodes) * 2, lambda _worker, _number: None)
        return time.process_time() - began_s

    def measure(self, second: int) -> None:
        """Hand the Collector what was measured in a second."""
        random, collector = self._of, self.collector
        at_most = len(self._lags) - 1
        samples, rows = collector.samples.unwritten, collector.reports.unwritten
        share = RATE_PER_S / len(self.nodes)
        for node, state in zip(self.nodes, self._node_state, strict=True):
            samples.append((node.name, second, state.reading(second)))
            stalled = random.random() < UNFIT_SHARE
            lag, encoded = random.choice(self._stalls) if stalled else self._lags[int(random.random() * at_most)]
            why = f"loop lag {lag.max_ms:.3g} ms above 50 ms" if stalled else "throttled" if state.throttled else ""
            requests = int(random.gauss(share, share**0.5))
            in_flight, worker_cpu_percent = int(random.random() * 3), state.cpu_percent / 2
            rows.append(
                FitnessRow(
                    node.name, second, lag.max_ms, worker_cpu_percent, requests, why, encoded, 2, 0, 0, in_flight
                )
            )
        samples.append((CONTROLLER, second, self._controller_state.reading(second)))
        slow = 1 + (math.sin(2 * math.pi * second / DAY_S) > 0.9)
        for number, bodies in enumerate(self._bodies):
            tally = EndpointStats.merged([bodies[int(random.random() * BODIES / 2) * slow]])
            collector.seconds.add_requests(second, ("GET", f"/items/{number}"), tally, fit=True)
            if tally.failed:
                error = ERRORS[(number + second // HOUR_S) % len(ERRORS)]
                self.store.add_error(ErrorRow("GET", f"/items/{number}", error, tally.failed, float(second)))
        if random.random() < 0.5:
            few = EndpointStats.merged([self._bodies[0][0]])
            collector.seconds.add_requests(second, ("GET", "/items/0"), few, fit=False)
        collector.seconds.add_worker(second, "all", WorkerFacts(2 * len(self.nodes), len(self.nodes), 0))
        if random.random() < EVENTS_PER_H / HOUR_S:
            node = random.choice(self.nodes).name
            collector.event(random.choice(("lost", "returned", "capacity")), node, "as made up")

    def finish(self) -> Result:
        """The load ends: judge the run, and write its files."""
        collector = self.collector
        if self.thinning is not None:
            self.thinning.stop()
        collector.load_ended(None)
        collector.end()
        collector.fitness, received = resume_fitness(self.store, collector.timeline.steady)
        resume_seconds(self.store, collector.timeline.steady, collector.fitness, LiveRules(()), 0)
        collector.samples._received.update(received)
        collector.samples._fitness = collector.fitness
        collector.samples.count_missing()
        for node in self.nodes:
            collector.fitness.add_clock_error(node.name, 0.5)
        facts = RunFacts(
            run_id="day",
            started_at=datetime.now(UTC),
            duration_s=collector.duration_s,
            target=self._scenario.target,
            steady_seconds=collector.steady_seconds(),
            users_peak=2 * len(self.nodes),
            nodes_peak=len(self.nodes),
            nodes_lost=0,
            nodes_quarantined=0,
            ready_s=1.0,
            gaps=[],
            simulated=True,
            slowed=False,
            clocks_off={},
            dropped_messages={},
            unreported_workers=[],
            locust_version=locust_version,
        )
        result = conclude(self._scenario, self.store, collector.fitness, facts)
        text = self._scenario.to_yaml()
        self.directory.scenario.write_text(text, encoding="utf-8")
        write_outcome(result, self.store, text, self.directory)
        return result


class _NodeState:
    """A node whose use goes up and down by itself, and whose heat follows it and the time of the day."""

    def __init__(self, random: Random, number: int, nodes: int) -> None:
        self._random = random
        self._base_c = random.uniform(48.0, 58.0) + (22.0 if number == nodes // 2 else 0.0)
        """One node stands where it is hot."""
        self.cpu_percent, self._memory_bytes, self._sent_bytes = 30.0, 600 << 20, 0
        self.throttled = False

    def reading(self, second: int) -> Reading:
        """What its sensors say now."""
        random = self._random
        noise = random.random() - 0.5
        self.cpu_percent = round(min(max(0.9 * self.cpu_percent + 3.5 + 8 * noise, 1.0), 85.0), 1)
        self._memory_bytes += int(4096 * (random.random() - 0.49))
        self._sent_bytes += 9000 + int(2000 * noise)
        day = math.sin(2 * math.pi * second / DAY_S)
        celsius = self._base_c + 5 * day + self.cpu_percent / 10 + noise
        self.throttled = celsius >= 80
        flags = _THROTTLED if self.throttled else _WELL
        return Reading(
            cpu_percent=self.cpu_percent,
            memory_percent=round(self._memory_bytes / (4 << 30) * 100, 1),
            memory_used_bytes=self._memory_bytes,
            load_1min=round(self.cpu_percent / 25, 2),
            temperature_c=round(celsius / 0.487) * 0.487,  # the step of a Pi's sensor
            frequency_hz=1.5e9 if self.throttled else 1.8e9,
            conditions=flags,
            conditions_lately=flags,
            conditions_since_start=flags,
            network_received_bytes=self._sent_bytes // 3,
            network_sent_bytes=self._sent_bytes,
        )


def _lag(random: Random, stall_ms: float | None = None) -> tuple[Histogram, bytes]:
    """The lag of a loop in one second, and the same encoded; with a stall of so long."""
    lag = Histogram()
    for _ in range(PROBES):
        lag.add(random.lognormvariate(math.log(0.3), 1.0))
    if stall_ms is not None:
        lag.add(stall_ms)
    return lag, lag.encode()


def _bodies(random: Random, number: int, endpoints: int) -> Iterator[EndpointStats]:
    """Seconds of one endpoint, every second one of them slower. Endpoints differ in how long they take."""
    per_s = RATE_PER_S // endpoints
    for body in range(BODIES):
        median_ms = (2.0 + number) * (1.0 + body % 2)
        failed = sum(random.random() < ERROR_SHARE for _ in range(per_s))
        answers, failures = Histogram(), Histogram()
        for _ in range(per_s - failed):
            answers.add(random.lognormvariate(math.log(median_ms), 0.5))
        for _ in range(failed):
            failures.add(random.lognormvariate(math.log(5.0), 0.3))
        yield EndpointStats(per_s, failed, 900 * per_s, answers, failures=failures if failed else None)
