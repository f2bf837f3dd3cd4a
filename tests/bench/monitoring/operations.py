"""The process that is measured: one area of the monitoring, round by round. Prints one line of JSON: figures with a value a round.

What runs is the code of a run itself: a worker's recorder, a controller's metrics and rules, the target's cache and limits.
"""

from __future__ import annotations

# Locust comes first, as in its own command: importing it patches the standard library for gevent.
import locust  # isort: skip  # noqa: F401

import argparse
import gc
import http.client
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
import untraced
from locust.env import Environment

sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what they share

from master.judge.seconds.second_facts import SecondFacts
from master.run.collect.live_rules import LiveRules
from master.scenario import parse_threshold
from master.web.metrics.server import MetricsServer
from master.web.metrics.state import LiveState, RequestTotals
from worker.http import HttpUser
from worker.load.histogram import EndpointStats
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent
from worker.tracing.span import Span
from worker.tracing.tracer import SpanPipe, Tracer
from worker.wire.work import Tracing

Values = dict[str, list[float]]

RECORDS = 3000
CACHE_READS = 10_000
MEDIA = 200
"""What the target's catalogue has when it is new."""
CHECKS = 10_000
CALLERS = 100
WORKERS = 100
REQUESTS = 10_000
SERIES = 2000
SERIES_OF_ENDPOINT = 5
SPANS = 1000
SPANS_A_TURN = 10
OFF_USERS = 50
OFF_REQUESTS = 1000
OFF_TURNS = 10
RULES = 10
EVALUATIONS = 1000
ENTRIES = 1000


@contextmanager
def timed(
    values: list[float], *, of: int = 1, unit_s: float = 1e-3, clock: Callable[[], float] = time.process_time
) -> Iterator[None]:
    """Add what the block took, for each `of` so many, in units of `unit_s`. Garbage is no round's own.

    What only computes is measured by its CPU time, for others may use the core meanwhile; what waits for a server, by the time
    that passed.
    """
    gc.collect()
    gc.disable()
    began_s = clock()
    try:
        yield
        values.append((clock() - began_s) / of / unit_s)
    finally:
        gc.enable()


def recording(rounds: int) -> Values:
    """Requests counted by a worker's recorder, as the HTTP user hands them over, at 50 endpoints."""
    recorder = Recorder(LoopLag())
    record = RequestEvent(recorder).record
    names = [f"/endpoint/{number}" for number in range(50)]
    took: list[float] = []
    for _ in range(rounds):
        with timed(took):
            for number in range(RECORDS):
                record("GET", names[number % 50], 1.0 + number % 97, 200)
        recorder.make_report({}, final=True)
    return {"record": took}


def cache(rounds: int) -> Values:
    """Reads of the target's cache of metadata, each medium put when it is missed."""
    from streamgate_media import media  # noqa: PLC0415

    from master.target.streamgate.caching.cache import Cache  # noqa: PLC0415  # no gevent there

    answers = media(MEDIA)
    keys = [f"media{1 + number * 7919 % MEDIA:04}" for number in range(CACHE_READS)]
    took: list[float] = []
    hits: list[float] = []
    for _ in range(rounds):
        kept = Cache(8 << 20, 60.0)
        with timed(took):
            for key in keys:
                if kept.get(key) is None:
                    kept.put(key, answers[key])
        figures = kept.figures()
        hits.append(100 * figures.hits / (figures.hits + figures.misses))
    return {"reads": took, "hits": hits}


def memory(rounds: int) -> Values:
    """What 1000 cached media take, keys and answers included."""
    from streamgate_media import media  # noqa: PLC0415

    from master.target.streamgate.caching.cache import Cache  # noqa: PLC0415

    media(1)  # what is made once
    taken: list[float] = []
    for _ in range(rounds):
        gc.collect()
        tracemalloc.start()
        kept = Cache(64 << 20, 60.0)
        for key, answer in media(ENTRIES).items():
            kept.put(key, answer)
        gc.collect()
        assert kept.figures().entries == ENTRIES
        taken.append(tracemalloc.get_traced_memory()[0] / 1e6)
        tracemalloc.stop()
        del kept
    return {"entries": taken}


def limits(rounds: int) -> Values:
    """Requests of 100 callers counted against the target's limit, which lets them pass."""
    from master.target.streamgate.limiting.limiter import CallerLimits  # noqa: PLC0415

    callers = [f"user{number:04}" for number in range(CALLERS)]
    took: list[float] = []
    for _ in range(rounds):
        bucket = CallerLimits(10_000.0, 10_000)
        with timed(took):
            for number in range(CHECKS):
                bucket.take(callers[number % CALLERS])
        assert bucket.allowed == CHECKS
    return {"checks": took}


def requests(rounds: int, target: str) -> Values:
    """GET /health of the embedded target by 100 users at once, each request counted by a recorder."""
    users = [_visitor(target, None) for _ in range(WORKERS)]

    def visit(user: HttpUser) -> None:
        for _ in range(REQUESTS // WORKERS):
            assert user.client.get("/health").status_code == 200

    rates: list[float] = []
    for number in range(rounds + 1):
        began_s = time.perf_counter()
        gevent.joinall([gevent.spawn(visit, user) for user in users], raise_error=True)
        if number:  # the first opens the connections
            rates.append(REQUESTS / (time.perf_counter() - began_s))
    assert sum(user.environment.stats.requests_total for user in users) == (rounds + 1) * REQUESTS
    return {"rate": rates}


def export(rounds: int) -> Values:
    """Scrapes of a controller's metrics over HTTP, from the request to the last byte."""
    totals = RequestTotals()
    for number in range(SERIES // SERIES_OF_ENDPOINT):
        totals.add(("GET", f"/endpoint/{number}"), EndpointStats(1000 + number, number, 200_000), fit=True)
    in_flight = dict.fromkeys(totals.rows, (3, 0.0))
    server = MetricsServer(0)
    server.publish(LiveState(run="bench", requests=totals.rows, in_flight=in_flight, latencies=totals.latencies))
    address = urlsplit(server.url)
    took: list[float] = []
    for _ in range(rounds):
        with timed(took, clock=time.perf_counter):
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
            connection.request("GET", address.path)
            page = connection.getresponse().read()
        connection.close()
        assert sum(not line.startswith(b"#") for line in page.splitlines()) >= SERIES
    server.close()
    return {"scrape": took}


def alerts(rounds: int) -> Values:
    """Rules that may end a run, judged over its complete seconds; an evaluation is one rule on one second of 10 endpoints."""
    rules = [parse_threshold(f"GET /e{number} p95 < 500 ms over 10s, abort") for number in range(RULES)]
    facts = SecondFacts()
    for number in range(RULES):
        tally = EndpointStats()
        for request in range(100):
            tally.total += 1
            tally.histogram.add(1.0 + request)
        facts.add_requests(("GET", f"/e{number}"), tally, fit=True)
    took: list[float] = []
    for _ in range(rounds):
        judge = LiveRules(rules)
        steady = range(EVALUATIONS // RULES)
        with timed(took):
            for second in steady:
                judge.add(second, facts, steady)
        assert judge.broken is None
    return {"evaluations": took}


def spans(rounds: int, target: str, collector: str) -> Values:
    """What a traced request takes of CPU beyond one that is not: ids, header, span, and handing it over to be exported."""
    lost: list[str] = []
    pipe = SpanPipe(Tracing(collector), "bench")
    tracer = Tracer(pipe, "bench_0", 100.0, lambda reason, _: lost.append(reason))
    plain, traced = _visitor(target, None), _visitor(target, tracer)
    took: list[float] = []
    for number in range(rounds + 1):
        each: dict[Any, list[float]] = {plain: [], traced: []}
        for user in (plain, traced) if number % 2 else (traced, plain):
            with timed(each[user], of=SPANS, unit_s=1e-6):
                for _ in range(SPANS):
                    user.client.get("/health", name="/health")
        if number:  # the first opens the connections
            took.append(each[traced][0] - each[plain][0])
        tracer.settle(gevent.sleep, 30.0)
    pipe.close()
    assert not lost, lost
    return {"span": took}


def off(rounds: int, target: str) -> Values:
    """GET requests a CPU second of users whose run has no tracing, to those of users that know nothing of tracing.

    Both take turns of a twentieth of a second in one process, so that what else the machine does meets both.
    """
    kinds = (HttpUser, untraced.HttpUser)
    users = {kind: [_visitor(target, None, kind) for _ in range(OFF_USERS)] for kind in kinds}

    def visit(user: HttpUser) -> None:
        for _ in range(OFF_REQUESTS // OFF_USERS):
            user.client.get("/health")

    ratios: list[float] = []
    for number in range(rounds + 1):
        took_s = dict.fromkeys(kinds, 0.0)
        for turn in range(OFF_TURNS):
            for kind in kinds if turn % 2 else reversed(kinds):
                began_s = time.process_time()
                gevent.joinall([gevent.spawn(visit, user) for user in users[kind]], raise_error=True)
                took_s[kind] += time.process_time() - began_s
        if number:  # the first opens the connections
            ratios.append(took_s[untraced.HttpUser] / took_s[HttpUser])
    return {"ratio": ratios}


def stalls(rounds: int, collector: str) -> Values:
    """The longest turn of the event loop, in CPU time, while 1000 spans a second are exported: in this way, and by the SDK alone.

    No user goes on during a turn, so it is what a latency may be wrong by.
    """
    return {
        "turn": [_longest_turn_ms(_by_pipe(collector)) for _ in range(rounds)],
        "sdk": [_longest_turn_ms(_by_batch_processor(collector)) for _ in range(rounds)],
    }


def _longest_turn_ms(make: tuple[Callable[[], object], Callable[[], object]]) -> float:
    """Have the first of `make` called SPANS times within a second, and then once more; the second ends it."""
    make_span, close = make
    turns = [0.0]

    def watch() -> None:
        while True:
            began_s = time.thread_time()
            gevent.sleep(0)
            turns.append(time.thread_time() - began_s)
            gevent.sleep(0.001)

    watcher = gevent.spawn(watch)
    for _ in range(2):
        for _ in range(SPANS // SPANS_A_TURN):
            for _ in range(SPANS_A_TURN):
                make_span()
            gevent.sleep(SPANS_A_TURN / SPANS)
    watcher.kill()
    close()
    return 1e3 * max(turns)


def _by_pipe(collector: str) -> tuple[Callable[[], object], Callable[[], object]]:
    pipe = SpanPipe(Tracing(collector), "bench")
    tracer = Tracer(pipe, "bench_0", 100.0, lambda *_: None)

    def make_span() -> None:
        trace_id, now_ns = tracer.sample(), time.time_ns()
        assert trace_id is not None
        url, host = "http://127.0.0.1/health", "127.0.0.1"
        tracer.send(
            Span("bench_0", trace_id, tracer.new_span_id(), now_ns, now_ns, "GET", url, host, 80, "/health", 200, "1.1")
        )

    return make_span, pipe.close


def _by_batch_processor(collector: str) -> tuple[Callable[[], object], Callable[[], object]]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # heavy
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.trace import SpanKind  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces")))
    tracer = provider.get_tracer("bench")
    attributes = {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": 80,
        "url.full": "http://127.0.0.1/health",
        "url.template": "/health",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
    }

    def make_span() -> None:
        tracer.start_span("GET /health", kind=SpanKind.CLIENT, attributes=attributes).end()

    return make_span, provider.shutdown


def _visitor(target: str, tracer: Tracer | None, base: type[HttpUser] = HttpUser) -> HttpUser:
    """A user whose requests are counted as in a worker, and traced by `tracer`."""
    environment = Environment(user_classes=[])
    recorder = environment.stats = Recorder(LoopLag())
    environment.events.request = RequestEvent(recorder)
    vars(environment)["tracer"] = tracer
    return type("Visitor", (base,), {"host": target})(environment)


AREAS: dict[str, Callable[..., Values]] = {
    each.__name__: each for each in (recording, cache, limits, requests, export, spans, stalls, off, alerts, memory)
}


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("area", choices=list(AREAS))
    parser.add_argument("rounds", type=int)
    parser.add_argument("urls", nargs="*", help="of the target, and of the collector, where the area needs them")
    options = parser.parse_args()
    print(json.dumps(AREAS[options.area](options.rounds, *options.urls)), flush=True)  # noqa: T201  # for the parent


if __name__ == "__main__":
    main()
