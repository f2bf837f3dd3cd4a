"""Runs with tracing on nodes that wait for runs: each exports its own spans, or says that it can't."""

from __future__ import annotations

from pathlib import Path

from collector import Collector
from processes import Piswarm, Target
from standing_fleet import StandingFleet, plan

LOCUSTFILE = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.02)

    @task
    def health(self):
        self.client.get("/health")
"""


def traced(piswarm: Piswarm, endpoint: str) -> Path:
    """A scenario of two nodes whose requests are all traced to `endpoint`."""
    scenario = plan(piswarm, nodes={"expect": 2}, tracing={"endpoint": endpoint, "sample": "100 %"})
    (scenario.parent / "visitors.py").write_text(LOCUSTFILE)
    return scenario


def test_each_node_exports_its_own_spans(piswarm: Piswarm, tmp_path: Path) -> None:
    """The collector has a span for each request of the result, from both nodes."""
    with Collector() as collector, StandingFleet(tmp_path, 2) as fleet:
        finished = piswarm.run(traced(piswarm, collector.url), *fleet.options)
        fleet.wait_until_idle()
    assert finished.status == 0, finished.output
    assert len(collector.spans) == finished.result["requests"]["total"] > 20
    assert {span.attributes["piswarm.worker"] for span in collector.spans} == {"pi1_0", "pi2_0"}


def test_nodes_without_opentelemetry_are_named_before_the_load(piswarm: Piswarm, tmp_path: Path) -> None:
    """The run ends before any request, with the names of the nodes and what to do."""
    hiding = tmp_path / "modules"
    (hiding / "opentelemetry").mkdir(parents=True)
    (hiding / "opentelemetry/__init__.py").touch()  # a package of that name that has none of its parts
    with Target() as target, StandingFleet(tmp_path, 2, modules=hiding) as fleet:
        scenario = traced(piswarm, "http://127.0.0.1:4318")
        finished = piswarm.run(scenario, *fleet.options, "--target", target.url)
        counts = target.counts()
    assert finished.status == 4, finished.output
    assert "OpenTelemetry is not installed on pi1, pi2" in finished.output
    assert "fab deploy-workers --scenario FILE" in finished.output
    assert not counts
