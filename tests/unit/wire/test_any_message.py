"""Whatever a node with a key sends within the types of the wire, what is stored is consistent, and the run is judged."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judged_run import run_facts
from msgspec import inspect
from msgspec.structs import replace
from report_example import FACTS

from master.fleet.registry import Registry
from master.fleet.reports.checks import MAX_REQUESTS_PER_S
from master.judge.outcome import conclude
from master.report.html import write_report
from master.run.collect import agents, collector
from master.run.collect.collector import Collector
from master.scenario import ExpectedNodes, Scenario, Stage, parse_threshold
from master.store import Store
from worker.load.histogram import Histogram
from worker.wire.messages import WORKER_MESSAGES, AgentMessage, ClockReply, Hello, Ready, decode_agent_message, encode
from worker.wire.reports import EndpointSecond, Report, Unanswered, WorkerSecond
from worker.wire.work import UserShare

NODES = ("pi1", "pi2")
USERS = 4
START_S = 1000
NOW_S = START_S + 20.0
RULES = ("rate >= 1/s", "rate_per_user < 1000/s", "errors < 50 %", "p99 < 1 s over 5s", "GET /x max < 1 s, abort")
EDGES = (0, 1, 2, START_S - 3, START_S, START_S + 5, START_S + 6, START_S + 15, START_S + 25, 1 << 32, 1 << 53)
TEXTS = st.sampled_from(["", "ApiUser", "GET", "/x", "pi1", "pi1_0", "pi2_0", "\x1b[2J\u202e\x00"]) | st.text(
    max_size=5
)
_decoders = {kind: msgspec.msgpack.Decoder(data) for kind, data in WORKER_MESSAGES.items()}


def values(of: inspect.Type) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911  # one for each type
    """Return all values that the wire accepts for a type, sometimes at its edges."""
    match of:
        case inspect.IntType(ge=ge, le=le):
            low, high = -(1 << 63) if ge is None else ge, (1 << 63) - 1 if le is None else le
            return st.sampled_from([edge for edge in EDGES if low <= edge <= high] or [low]) | st.integers(low, high)
        case inspect.FloatType(gt=gt, ge=ge, le=le):
            low = ge if gt is None else math.nextafter(gt, math.inf)
            edges = [float(edge) for edge in EDGES if (low is None or edge >= low) and (le is None or edge <= le)]
            # Infinity is no less than any least value, and none of the most.
            return st.sampled_from(edges) | st.floats(low, math.inf if le is None else le, allow_nan=False)
        case inspect.StrType(pattern=str()):
            return st.sampled_from(["0a" * 32, "f" * 64])
        case inspect.StrType(min_length=least):
            return TEXTS.filter(lambda text: len(text) >= (least or 0))
        case inspect.BytesType():
            return st.binary(max_size=5)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.ListType(item_type=item):
            return st.lists(values(item), max_size=3)
        case inspect.TupleType(item_types=items):
            return st.tuples(*map(values, items))
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(values(key), values(value), max_size=3)
        case inspect.UnionType(types=types):
            return st.one_of(*map(values, types))
        case inspect.StructType(cls=cls, fields=fields):
            made = st.builds(cls, **{field.name: values(field.type) for field in fields})
            return MENDED[cls](made) if cls in MENDED else made
    raise AssertionError(f"the wire has a type that this test does not know: {of}")


def sometimes(mend: Callable[[Any, random.Random], Any]) -> Callable[[st.SearchStrategy[Any]], st.SearchStrategy[Any]]:
    """Return most values as `mend` makes them, since by chance alone hardly any would be accepted."""
    return lambda made: st.builds(
        lambda one, dice: mend(one, dice) if dice.random() < 0.9 else one, made, st.randoms(use_true_random=False)
    )


def mended_endpoint(entry: EndpointSecond, dice: random.Random) -> EndpointSecond:
    """Return an endpoint that does not contradict itself."""
    histograms = [Histogram() for _ in range(3)]
    for histogram in histograms:
        for _ in range(dice.randrange(4)):
            histogram.add(dice.choice([0.0, 5.0, 1500.0, 1e300]))
    answered, failed, waiting = histograms
    without_latency = dice.randrange(3)
    return EndpointSecond(
        entry.method,
        entry.name,
        answered.count + failed.count + without_latency,
        failed.count + dice.randint(0, without_latency),
        entry.received_bytes,
        answered.max_ms,
        answered.buckets,
        dice.randint(0, answered.count),
        failed.max_ms,
        failed.buckets,
        without_latency,
        waiting.count + dice.randrange(3),
        min(waiting.max_ms, 1500.0),
        {bucket: count for bucket, count in waiting.buckets.items() if bucket < 720},
    )


def mended_second(row: WorkerSecond, dice: random.Random) -> WorkerSecond:
    """Return a second of the run, with possible lags."""
    lag = Histogram()
    for _ in range(dice.randrange(22)):
        lag.add(dice.choice([0.1, 5.0, 800.0]))
    return replace(
        row,
        second=START_S + dice.randrange(20),
        lag_max_ms=lag.max_ms,
        lag_buckets=lag.buckets,
        local_errors=0,
        exceptions=dice.randrange(3),
    )


def mended_report(report: Report, dice: random.Random) -> Report:
    """Return the next report in turn (see `Played.receive`), with its seconds in order."""
    seconds = sorted(report.seconds, key=lambda row: row.second)
    return replace(report, incarnation=1, number=0, sent_s=NOW_S - dice.random(), seconds=seconds)


def mended_unanswered(row: Unanswered, dice: random.Random) -> Unanswered:
    """Return unanswered requests of the run."""
    sent = START_S + dice.randrange(20)
    count = dice.randint(1, 5)
    return replace(row, sent=sent, ended=sent + dice.randrange(3), total=count, max_ms=1500.0, buckets={719: count})


MENDED = {
    Unanswered: sometimes(mended_unanswered),
    EndpointSecond: sometimes(mended_endpoint),
    WorkerSecond: sometimes(mended_second),
    Report: sometimes(mended_report),
}

AGENT_MESSAGES = values(inspect.type_info(AgentMessage))
WORKER_DATA = st.one_of(
    *(st.tuples(st.just(kind), values(inspect.type_info(data))) for kind, data in WORKER_MESSAGES.items())
)
REPORTS = st.tuples(st.just("stats"), values(inspect.type_info(Report)))
SAID = st.lists(
    st.tuples(
        st.sampled_from(NODES),
        st.one_of(AGENT_MESSAGES.map(lambda message: ("agent", message)), WORKER_DATA, REPORTS, REPORTS),
    ),
    min_size=1,
    max_size=8,
)


class Played:
    """A run of two nodes that send any messages."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = float(START_S)
        clock = SimpleNamespace(monotonic=lambda: self.now_s, time=lambda: self.now_s)
        monkeypatch.setattr(collector, "time", clock)
        monkeypatch.setattr(agents, "time", clock)
        self.scenario = Scenario(
            "any",
            "http://127.0.0.1:9",
            {"ApiUser": UserShare(weight=1)},
            (Stage(users=2 * USERS, spawn_rate=10, hold_s=60),),
            nodes=ExpectedNodes(2, 1),
            thresholds=tuple(parse_threshold(rule) for rule in RULES),
        )
        self.store = Store(path, create=True)
        self.registry = Registry(NODES, simulated=True)
        self.collector = Collector(self.store, self.registry, self.scenario, send=lambda _node, _message: None)
        self._numbers = dict.fromkeys(NODES, 0)
        for node in NODES:
            self.collector.on_agent(node, Hello(FACTS))
            self.collector.on_agent(node, ClockReply(self.now_s, self.now_s, self.now_s))
            self.collector.on_worker_joined(node, f"{node}_0", Ready("2.47.0", 1, 1, "run"))
            self.collector.on_order(f"{node}_0", {"ApiUser": USERS})
        self.collector.begin()
        self.collector.progress.hold_started(0)
        self.now_s = NOW_S

    def receive(self, node: str, kind: str, data: Any) -> None:
        """Pass a message on as the master does with what its port accepts."""
        worker = f"{node}_0"
        if kind == "agent":
            self.collector.on_agent(node, decode_agent_message(encode(data)))
            return
        data = _decoders[kind].decode(encode(data))
        if kind == "client_ready":
            self.collector.on_worker_joined(node, worker, data)
        elif kind == "spawning_complete":
            assert self.collector.credible_users(worker, data.user_classes_count).get("ApiUser", 0) <= USERS
        elif kind == "stats":
            if not data.number:
                self._numbers[node] += 1
                data.number = self._numbers[node]
            data.users = self.collector.credible_users(worker, data.users)
            self.collector.on_report(worker, data)
            if self.collector.report_acks._accepted[worker][0] == 1:
                self._numbers[node] = self.collector.report_acks._accepted[worker][1]

    def end(self, report: Path) -> None:
        """Let the run go on for a while, end it, and judge it."""
        for _ in range(10):
            self.now_s += 1
            self.registry.find_silent(self.now_s)
            list(self.registry.adjust_capacities(self.now_s))
            self.collector.tick(2 * USERS, lambda _worker, _number: None)
        self.collector.load_ended(None)
        self.collector.end()
        self.check()
        facts = run_facts(steady_seconds=self.collector.steady_seconds(), broken_rule=self.collector.broken_rule)
        result = conclude(self.scenario, self.store, self.collector.fitness, facts)
        assert not [row for row in result.validity if "fault of ours" in row.message]
        write_report(result, self.store, self.scenario.to_yaml(), report)

    def check(self) -> None:
        """Assert that what is stored is consistent."""
        most = 2 * (MAX_REQUESTS_PER_S + USERS) * 3
        for second, endpoint, tally, *_ in self.store.requests():
            failures = tally.failures.count if tally.failures else 0
            assert 0 <= second <= 21
            assert all(text.isprintable() for text in endpoint)
            assert tally.failed <= tally.total <= most
            assert tally.histogram.count + failures == tally.total - tally.without_latency
            assert tally.userspace_timed <= tally.histogram.count
            assert math.isfinite(tally.histogram.max_ms)
        for row in self.store.fitness():
            assert row.users is None or row.users <= USERS
        for row in self.store.errors():
            assert (row.method + row.name + row.error).isprintable()
        for event in self.store.events():
            assert event.detail.isprintable()


@settings(max_examples=min(60, settings().max_examples), deadline=None, suppress_health_check=list(HealthCheck))
@given(said=SAID)
def test_whatever_a_node_says_what_is_kept_makes_sense_and_the_run_is_judged(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, tuple[str, Any]]]
) -> None:
    """After any messages of agents and workers, in any order, what is stored is consistent, and the run is judged."""
    directory = tmp_path_factory.mktemp("any")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run = Played(directory / "run.db", monkeypatch)
        for node, (kind, data) in said:
            run.receive(node, kind, data)
        run.end(directory / "report.html")
        run.store.close()
