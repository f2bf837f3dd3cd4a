"""A run whose requests are traced: the real command, its workers, their exporting processes and a real collector."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from collector import Collector
from free_ports import free_ports
from processes import Finished, Piswarm, left_behind

LOCUSTFILE = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.02)

    @task
    def health(self):
        self.client.get("/health", name="/health")
"""


def run(piswarm: Piswarm, tmp_path: Path, endpoint: str, sample: str = "100 %") -> Finished:
    """A run on the embedded target, traced to `endpoint`."""
    scenario = piswarm.scenario(
        tracing={"endpoint": endpoint, "sample": sample},
        load=[{"users": 8, "spawn_rate": 20, "hold": "5s"}],
        nodes={"expect": 4},
    )
    (tmp_path / "visitors.py").write_text(LOCUSTFILE)
    return piswarm.run(scenario)


def lost_spans(finished: Finished) -> Counter[str]:
    """How many spans the result says were lost, by reason."""
    with sqlite3.connect(finished.directory / "run.db") as database:
        rows = database.execute("SELECT error, sum(count) FROM errors WHERE name = 'spans lost' GROUP BY error")
        found = Counter(dict(rows.fetchall()))
    database.close()
    return found


def test_each_request_of_a_fleet_is_a_span(piswarm: Piswarm, tmp_path: Path) -> None:
    """The collector has as many spans as the result has requests, of every worker, with the name of the run."""
    with Collector() as collector:
        finished = run(piswarm, tmp_path, collector.url)
    assert finished.status == 0, finished.output
    assert len(collector.spans) == finished.result["requests"]["total"] > 200
    assert not lost_spans(finished)
    assert {span.attributes["piswarm.worker"] for span in collector.spans} == {f"sim00{n}_0" for n in range(1, 5)}
    assert {span.resource["piswarm.run"] for span in collector.spans} == {finished.directory.name}
    assert len({span.span_id for span in collector.spans}) == len(collector.spans)
    assert not left_behind(tmp_path)


@pytest.mark.parametrize("kind", ["dead", "stalled"])
def test_a_collector_that_is_dead_or_stalls_does_not_touch_the_run(piswarm: Piswarm, tmp_path: Path, kind: str) -> None:
    """All requests are made and succeed; the result says of every span that it is lost."""
    with Collector(stalls=True) as stalled:
        endpoint = stalled.url if kind == "stalled" else f"http://127.0.0.1:{free_ports()}"
        finished = run(piswarm, tmp_path, endpoint)
    assert finished.status == 0, finished.output
    result = finished.result
    assert result["requests"]["failed"] == 0
    assert sum(lost_spans(finished).values()) == result["requests"]["total"] > 200
    assert "spans lost" in (finished.directory / "report.html").read_text()
    (warning,) = result["warnings"]
    assert "spans of traced requests did not reach the collector: " in warning
    assert "did not reach the collector" in " ".join(finished.output.split())
    assert not left_behind(tmp_path)


def test_tracing_without_opentelemetry_is_refused_by_name(
    piswarm: Piswarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started where spans could not be exported; the message says what to install."""
    hiding = tmp_path / "hiding" / "opentelemetry"
    hiding.mkdir(parents=True)
    (hiding / "__init__.py").touch()  # a package of that name that has none of its parts
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(hiding.parent), os.environ.get("PYTHONPATH", "")]))
    finished = run(piswarm, tmp_path, "http://127.0.0.1:4318")
    assert finished.status == 2
    assert "OpenTelemetry is not installed here" in finished.output
    assert "pip install 'piswarm[tracing]'" in finished.output
    assert not finished.directory.exists()


def test_users_that_are_not_traced_are_refused(piswarm: Piswarm) -> None:
    """Locust's own users make no spans here; a scenario that asks for them would silently have none."""
    finished = piswarm.run(piswarm.scenario(tracing={"endpoint": "http://127.0.0.1:4318"}))
    assert finished.status == 2
    assert "none of the users makes its requests by worker.http.HttpUser" in finished.output
