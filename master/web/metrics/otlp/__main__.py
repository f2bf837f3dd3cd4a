"""The process that sends a run's metrics: `python -m master.web.metrics.otlp`, with PushOrders on standard input.

It reads the run's own page of metrics every few seconds, as Prometheus would, so that a slow or dead collector costs the run nothing.
What fails is told in its log, once for each reason.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import urllib.request

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.parser import text_string_to_metric_families

from master.web.metrics.otlp.orders import PushOrders, metrics_url
from master.web.metrics.otlp.points import metrics_of
from worker import __version__
from worker.parent_watch import read_orders

INTERVAL_S = 5.0
TIMEOUT_S = 5.0
NICENESS = 10
"""The run comes first."""


class Sender:
    """Reads the page, and sends what it says."""

    def __init__(self, orders: PushOrders) -> None:
        self._page_url = orders.page_url
        self._exporter = OTLPMetricExporter(metrics_url(orders.endpoint), timeout=TIMEOUT_S)
        self._resource = Resource.create(
            {"service.name": "piswarm", "service.version": __version__, "piswarm.run": orders.run}
        )
        self._scope = InstrumentationScope("piswarm", __version__)
        self._start_ns = time.time_ns()
        self._told: set[str] = set()

    def send(self) -> None:
        """Send the figures of now."""
        try:
            with urllib.request.urlopen(self._page_url, timeout=TIMEOUT_S) as answer:  # noqa: S310  # the run's own page
                page = answer.read().decode()
        except OSError as error:
            self._tell(f"the run's metrics can't be read: {error}")
            return
        metrics = list(metrics_of(text_string_to_metric_families(page), self._start_ns, time.time_ns()))
        scope = ScopeMetrics(self._scope, metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        if self._exporter.export(data) is not MetricExportResult.SUCCESS:
            self._tell("the collector does not take the metrics; the next ones are sent all the same")

    def _tell(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            sys.stderr.write(f"{what}\n")


def main() -> None:
    """Send until the controller ends."""
    orders = read_orders(PushOrders)
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    os.nice(NICENESS)
    sender, due_s = Sender(orders), time.monotonic()
    while True:
        sender.send()
        due_s = max(due_s + INTERVAL_S, time.monotonic())
        time.sleep(due_s - time.monotonic())


if __name__ == "__main__":
    main()
