"""The controller's own metrics for Prometheus: one page on a loopback port, drawn from the state that the run hands over."""

from __future__ import annotations

import errno
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent import socket
from gevent.pywsgi import WSGIHandler, WSGIServer
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from master.errors import InputError
from master.scenario.rules import Endpoint
from worker import __version__
from worker.load.histogram import ArrivalTally

HOST = "127.0.0.1"
MAX_CONNECTIONS = 16
MAX_CONNECTION_S = 5.0
StartResponse = Callable[[str, list[tuple[str, str]]], object]
_OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


class RequestTotals:
    """Requests since the run began, by endpoint: all, failed, and bytes received; and the arrivals of the open model."""

    def __init__(self) -> None:
        self.rows: dict[Endpoint, list[int]] = {}
        self.arrivals = ArrivalTally()

    def add(self, endpoint: Endpoint, total: int, failed: int, received_bytes: int) -> None:
        """Count requests that were reported."""
        row = self.rows.setdefault(endpoint, [0, 0, 0])
        row[0] += total
        row[1] += failed
        row[2] += received_bytes

    def add_arrivals(self, tally: ArrivalTally) -> None:
        """Count arrivals that were reported."""
        self.arrivals.merge(tally)


@dataclass(frozen=True)
class LiveState:
    """A run at one moment."""

    run: str = ""
    users: int = 0
    users_planned: int = 0
    nodes: Mapping[str, int] = field(default_factory=dict)
    """How many are in each state."""
    requests: Mapping[Endpoint, list[int]] = field(default_factory=dict)
    """As RequestTotals.rows."""
    in_flight: Mapping[Endpoint, tuple[int, float]] = field(default_factory=dict)
    """Requests in flight at the end of the latest complete second, and the age of the oldest in seconds, 0 when below one."""
    exceptions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Exceptions in users' code, by user class and type."""
    latency_s: Mapping[float, float] = field(default_factory=dict)
    """Percentiles of the latest seconds, by quantile (0 to 1)."""
    service_time_s: Mapping[float, float] = field(default_factory=dict)
    """The same of service times, in the open model."""
    arrivals: ArrivalTally | None = None
    """Arrivals that workers have reported since the run began; None in the closed model."""
    offered: int | None = None
    """Arrivals that have been due since then, by the schedule; None in the closed model."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Messages and connections that were turned away, by reason."""
    reports: int = 0
    workers_restarted: int = 0


class MetricsServer:
    """Serves `/metrics` and `/health` on loopback. Nothing that a client does can hold up the run, or other clients, for long.

    Only requests to a name of loopback are answered: a web page whose host's name suddenly means 127.0.0.1 (DNS rebinding) could
    read it otherwise, by the browser of whoever looks at it on this machine.
    """

    def __init__(self, port: int) -> None:
        """Listen on `port`; 0 takes a free one. Raises InputError when it can't be had."""
        self._state = LiveState()
        registry = CollectorRegistry()
        registry.register(_Page(lambda: self._state))
        # Nothing is gained by compressing what stays on this machine.
        self._metrics = make_wsgi_app(registry, disable_compression=True)
        self._connections: deque[gevent.Greenlet[..., object]] = deque()
        self._server = WSGIServer(
            _listen(port), self._answer, log=None, error_log=None, spawn=self._spawn, handler_class=_Handler
        )
        self._server.start()
        self.url = f"http://{HOST}:{self._server.server_port}/metrics"

    def publish(self, state: LiveState) -> None:
        """Serve this state from now on."""
        self._state = state

    def close(self) -> None:
        """Listen no more."""
        self._server.stop(timeout=1)

    def _spawn(self, serve: Callable[..., object], *arguments: object) -> gevent.Greenlet[..., object]:
        """Serve a new connection, in the place of the oldest one where there are many: those that are served in time are gone."""
        self._connections = deque(connection for connection in self._connections if not connection.ready())
        if len(self._connections) >= MAX_CONNECTIONS:
            self._connections.popleft().kill(block=False)
        connection = gevent.spawn(serve, *arguments)
        self._connections.append(connection)
        return connection

    def _answer(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        def start_closing(status: str, headers: list[tuple[str, str]]) -> object:
            # A connection for each request: one that stays open would keep its place from others.
            return start(status, [*headers, ("Connection", "close")])

        if not _OWN_HOST.fullmatch(environ.get("HTTP_HOST", "")):
            return _text(start_closing, "421 Misdirected Request", b"Ask for localhost or 127.0.0.1.\n")
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/metrics":
                answer: Iterable[bytes] = self._metrics(environ, start_closing)
                return answer
            case "GET", "/health":
                return _text(start_closing, "200 OK", b'{"status":"ok"}\n', "application/json")
            case _, "/metrics" | "/health":
                return _text(start_closing, "405 Method Not Allowed", b"Only GET.\n")
        return _text(start_closing, "404 Not Found", b"There are /metrics and /health.\n")


def _text(start: StartResponse, status: str, body: bytes, kind: str = "text/plain") -> list[bytes]:
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        taken = "is taken by another program" if error.errno == errno.EADDRINUSE else f"can't be had: {error.strerror}"
        raise InputError(
            f"port {port} on {HOST} {taken}", hint="Choose another --metrics-port; 0 takes a free one."
        ) from None
    return listener


class _Handler(WSGIHandler):  # type: ignore[misc]  # gevent is untyped here
    """Ends a connection that takes too long, whatever it does."""

    def handle(self) -> None:
        with gevent.Timeout(MAX_CONNECTION_S, False):  # gevent's way to say: just leave the block
            super().handle()

    def log_error(self, msg: str, *args: object) -> None:
        pass  # what a stranger sends is no news


class _Page(Collector):
    """The state as Prometheus metrics."""

    def __init__(self, state: Callable[[], LiveState]) -> None:
        self._state = state

    def collect(self) -> Iterator[Any]:
        state = self._state()
        info = {"version": __version__, "run": state.run}
        yield InfoMetricFamily("piswarm", "This controller and its run.", info)
        yield GaugeMetricFamily("piswarm_users", "Users that run.", state.users)
        yield GaugeMetricFamily("piswarm_users_planned", "Users that should run now.", state.users_planned)
        nodes = GaugeMetricFamily("piswarm_nodes", "Nodes by state.", labels=["state"])
        for name, count in state.nodes.items():
            nodes.add_metric([name], count)
        yield nodes
        for place, (name, text) in enumerate(
            (
                ("piswarm_requests", "Requests that workers have reported."),
                ("piswarm_requests_failed", "Those of them that failed."),
                ("piswarm_received_bytes", "Bytes of their answers."),
            )
        ):
            family = CounterMetricFamily(name, text, labels=["method", "name"])
            for endpoint, row in state.requests.items():
                family.add_metric(list(endpoint), row[place])
            yield family
        for place, (name, text) in enumerate(
            (
                (
                    "piswarm_requests_in_flight",
                    "Requests sent and not answered, at the end of the latest complete second.",
                ),
                ("piswarm_oldest_request_seconds", "How long the oldest of them had been waiting; 0 below a second."),
            )
        ):
            gauge = GaugeMetricFamily(name, text, labels=["method", "name"])
            for endpoint, values in state.in_flight.items():
                gauge.add_metric(list(endpoint), values[place])
            yield gauge
        exceptions = CounterMetricFamily(
            "piswarm_user_exceptions", "Exceptions that users' code let through.", labels=["user_class", "type"]
        )
        for labels, count in state.exceptions.items():
            exceptions.add_metric(list(labels), count)
        yield exceptions
        latency = GaugeMetricFamily(
            "piswarm_latency_seconds", "Latency of the latest seconds, by quantile.", labels=["quantile"]
        )
        for quantile, value_s in state.latency_s.items():
            latency.add_metric([f"{quantile:g}"], value_s)
        yield latency
        if state.arrivals is not None:
            yield from _arrival_families(state, state.arrivals)
        dropped = CounterMetricFamily(
            "piswarm_dropped_messages", "Messages and connections that were dropped.", labels=["reason"]
        )
        for reason, count in state.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        yield CounterMetricFamily("piswarm_reports", "Reports of workers that were accepted.", state.reports)
        yield CounterMetricFamily("piswarm_workers_restarted", "Workers started again.", state.workers_restarted)


def _arrival_families(state: LiveState, tally: ArrivalTally) -> Iterator[Any]:
    """Arrivals of the open model: what was due, what became of it, and how late it began."""
    if state.offered is not None:
        yield CounterMetricFamily("piswarm_arrivals_offered", "Arrivals that were due by the schedule.", state.offered)
    outcomes = CounterMetricFamily(
        "piswarm_arrivals", "Arrivals that workers have reported, by what became of them.", labels=["outcome"]
    )
    for outcome, count in (("started", tally.started), ("missed", tally.missed), ("given up", tally.given_up)):
        outcomes.add_metric([outcome], count)
    yield outcomes
    yield CounterMetricFamily(
        "piswarm_arrivals_late", "Of those started, the ones that a worker was late for.", tally.late
    )
    service = GaugeMetricFamily(
        "piswarm_service_time_seconds", "Service time of the latest seconds, by quantile.", labels=["quantile"]
    )
    for quantile, value_s in state.service_time_s.items():
        service.add_metric([f"{quantile:g}"], value_s)
    yield service
