"""Spans of the HTTP user's requests, as a real collector gets them from the process that exports them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import gevent
import psutil
import pytest
from collector import CLIENT, ERROR, UNSET, Collector
from free_ports import free_ports
from http_server import Server, Visitor, redirect, reply

from worker.http.session import Session
from worker.tracing.tracer import FULL, SpanPipe, Tracer
from worker.wire.work import Tracing

WORKER = "pi007_0"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as started:
        yield started


@pytest.fixture
def pipe(collector: Collector) -> Iterator[SpanPipe]:
    started = SpanPipe(Tracing(collector.url), "a-run")
    yield started
    started.close()


@pytest.fixture
def lost() -> Counter[str]:
    return Counter()


@pytest.fixture
def tracer(pipe: SpanPipe, lost: Counter[str]) -> Tracer:
    """Traces every request."""
    return Tracer(pipe, WORKER, 100.0, lambda reason, count: lost.update({reason: count}))


@pytest.fixture
def traced(server: Server, tracer: Tracer) -> Visitor:
    """A user all of whose requests are traced."""
    user = server.visitor()
    user.environment.tracer = tracer
    user.client = user.new_client(server.url)
    return user


def test_a_request_is_a_client_span_by_the_semantic_conventions(
    server: Server, traced: Visitor, collector: Collector
) -> None:
    """Name, kind, attributes and times of a span are those of its request."""
    before_ns = time.time_ns()
    response = traced.client.get("/", name="/[page]")
    (span,) = collector.wait_for_spans(1)
    assert (span.name, span.kind, span.status) == ("GET /[page]", CLIENT, UNSET)
    assert span.attributes == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": int(server.url.rpartition(":")[2]),
        "url.full": f"{server.url}/",
        "url.template": "/[page]",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "piswarm.worker": WORKER,
    }
    assert span.resource["service.name"] == "piswarm"
    assert span.resource["piswarm.run"] == "a-run"
    assert before_ns < span.start_ns < span.end_ns < time.time_ns()
    assert span.end_ns - span.start_ns == int(response.latency_s * 1e9)
    assert collector.paths == {"/v1/traces"}


def test_the_target_is_told_the_span(server: Server, traced: Visitor, collector: Collector) -> None:
    """The header traceparent has the ids of the span, and says that it is sampled; other headers stay."""
    traced.client.get("/", headers={"X-Mine": "1"})
    traced.client.get("/")
    spans = {f"00-{span.trace_id}-{span.span_id}-01" for span in collector.wait_for_spans(2)}
    assert {request["traceparent"] for request in server.requests} == spans
    assert len(spans) == 2
    assert [request["X-Mine"] for request in server.requests] == ["1", None]


def test_without_a_name_the_path_is_no_part_of_the_span_name(traced: Visitor, collector: Collector) -> None:
    """A URL that may be one of millions makes no name."""
    traced.client.post("/", data="x")
    (span,) = collector.wait_for_spans(1)
    assert span.name == "POST"
    assert "url.template" not in span.attributes


def test_a_method_that_http_does_not_define_counts_as_other(traced: Visitor, collector: Collector) -> None:
    """The number of different methods is bounded; the original one is an attribute of its own."""
    traced.client.request("PROPFIND", "/", name="/files")
    (span,) = collector.wait_for_spans(1)
    assert span.name == "HTTP /files"
    assert span.attributes["http.request.method"] == "_OTHER"
    assert span.attributes["http.request.method_original"] == "PROPFIND"


def test_failures_are_errors_with_their_kind(server: Server, traced: Visitor, collector: Collector) -> None:
    """A status of 400 or more is an error that needs no words; one without a response says what happened."""
    server.on("/missing", reply("", status="404 Not Found"))
    traced.client.get("/missing")
    traced.client.get(f"http://127.0.0.1:{free_ports()}/")
    missing, refused = collector.wait_for_spans(2)
    assert (missing.status, missing.status_message) == (ERROR, "")
    assert (missing.attributes["http.response.status_code"], missing.attributes["error.type"]) == (404, "404")
    assert refused.status == ERROR
    assert "refused" in refused.status_message
    assert refused.attributes["error.type"] == "ConnectionRefusedError"
    assert "http.response.status_code" not in refused.attributes


def test_the_verdict_of_the_task_is_the_spans(server: Server, traced: Visitor, collector: Collector) -> None:
    """What a with-block says of a response decides, in both directions."""
    server.on("/missing", reply("", status="404 Not Found"))
    with traced.client.get("/missing", catch_response=True) as response:
        response.success()
    with traced.client.get("/", catch_response=True) as response:
        response.failure("not what was asked for")
    expected, wrong = collector.wait_for_spans(2)
    assert (expected.status, "error.type" in expected.attributes) == (UNSET, False)
    assert (wrong.status, wrong.status_message) == (ERROR, "not what was asked for")
    assert wrong.attributes["error.type"] == "CatchResponseError"
    assert len(traced.fired) == 2


def test_a_request_that_is_redirected_is_one_span(server: Server, traced: Visitor, collector: Collector) -> None:
    """The URL is that which was asked for, the status that of the last response."""
    server.on("/old", redirect(302, "/"))
    traced.client.get("/old?sig=secret&x=1")
    (span,) = collector.wait_for_spans(1)
    assert span.attributes["url.full"] == f"{server.url}/old?sig=REDACTED&x=1"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["http.request.resend_count"] == 1
    assert len({request["traceparent"] for request in server.requests}) == 1


def test_a_trace_of_the_users_own_is_left_alone(server: Server, traced: Visitor, collector: Collector) -> None:
    """A request that has a traceparent keeps it, and has no span here."""
    own = f"00-{'1' * 32}-{'2' * 16}-01"
    traced.client.get("/", headers={"Traceparent": own})
    traced.client.get("/", name="after")
    (span,) = collector.wait_for_spans(1)
    assert span.name == "GET after"
    assert server.requests[0]["traceparent"] == own


@pytest.mark.parametrize("model", ["closed", "open"])
def test_late_requests_have_spans_of_their_service_time(traced: Visitor, collector: Collector, model: str) -> None:
    """Waiting since the task was due is in the latency, not in the span: the target had not heard of the request then."""
    traced._state = "running"
    traced.due_task.intended_s = time.monotonic() - 100
    if model == "open":
        traced.due_task.waited_s = 100.0
    response = traced.client.get("/")
    (span,) = collector.wait_for_spans(1)
    assert response.latency_s > response.late_s >= 100
    assert (span.end_ns - span.start_ns) / 1e9 == pytest.approx(response.latency_s - response.late_s, abs=1e-6)
    assert abs(time.time_ns() - span.start_ns) < 50e9


def test_a_user_of_a_run_without_tracing_has_the_plain_client(server: Server) -> None:
    """What is off costs nothing: its code is not there."""
    assert type(server.visitor().client) is Session


def test_a_collector_that_stalls_loses_spans_and_holds_up_nothing(lost: Counter[str]) -> None:
    """A span that finds the pipe full is lost, and counted; the rest is counted when the run ends."""
    with Collector(stalls=True) as stalled:
        pipe = SpanPipe(Tracing(stalled.url), "a-run")
        tracer = Tracer(pipe, WORKER, 100.0, lambda reason, count: lost.update({reason: count}))
        with Server() as server:
            server.on("/", reply("hello"))
            user = server.visitor()
            user.environment.tracer = tracer
            client = user.new_client(server.url)
            sent = 0
            while not lost[FULL]:
                response = client.get(f"/?{'x' * 2000}")
                sent += 1
                assert response.ok
        stalled.wait_for_request()
        tracer.settle(gevent.sleep, 0.0)
        assert sum(lost.values()) == sent
        pipe.close(0.0)


def test_a_dead_collector_loses_spans_which_are_counted(lost: Counter[str]) -> None:
    """Nobody listens: each span is reported as lost, with the reason."""
    pipe = SpanPipe(Tracing(f"http://127.0.0.1:{free_ports()}"), "a-run")
    tracer = Tracer(pipe, WORKER, 100.0, lambda reason, count: lost.update({reason: count}))
    with Server() as server:
        server.on("/", reply("hello"))
        user = server.visitor()
        user.environment.tracer = tracer
        client = user.new_client(server.url)
        assert all(client.get("/").ok for _ in range(10))
    tracer.settle(gevent.sleep, 20.0)
    pipe.close()
    assert lost == {"the collector does not answer": 10}


def test_a_collector_that_refuses_is_quoted(lost: Counter[str]) -> None:
    """The status of the collector is in the reason."""
    with Collector(status=403) as refusing:
        pipe = SpanPipe(Tracing(refusing.url), "a-run")
        tracer = Tracer(pipe, WORKER, 100.0, lambda reason, count: lost.update({reason: count}))
        with Server() as server:
            server.on("/", reply("hello"))
            user = server.visitor()
            user.environment.tracer = tracer
            user.new_client(server.url).get("/")
        tracer.settle(gevent.sleep, 20.0)
        pipe.close()
    assert lost == {"the collector answers 403": 1}


def test_the_exporting_process_ends_with_its_worker(collector: Collector) -> None:
    """A worker that is killed leaves no process behind."""
    code = (
        "import sys, time\n"
        "from worker.tracing.tracer import SpanPipe\n"
        "from worker.wire.work import Tracing\n"
        "pipe = SpanPipe(Tracing(sys.argv[1]), 'a-run')\n"
        "print(pipe._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code, collector.url], stdout=subprocess.PIPE, text=True)
    exporter = psutil.Process(int(worker.stdout.readline()))
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    exporter.wait(20)
