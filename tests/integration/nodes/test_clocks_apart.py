"""Nodes whose clocks are an hour off or are set in mid-run: every request counts once, and in its own second."""

from __future__ import annotations

import math
import os
import re
import time
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from node_clocks import Clocks, why_no_time_namespaces
from noting_server import NotingServer
from processes import Finished, Piswarm, Started

from master.fleet.registry import MAX_BEYOND_S
from master.store import CHECKPOINT_KEY, Event, Store

HOUR_S = 3600.0
DELAY_S = 0.05
CLOCK_ERROR_S = 0.25
"""The limit of `clock_error`, which the runs are held to."""
LOCUSTFILE = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("/" + self.environment.runner.client_id)
"""


@pytest.fixture
def clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clocks:
    folder = tmp_path / "clocks"
    folder.mkdir()
    path = [str(Path(__file__).parent / "clocks"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    monkeypatch.setenv("NODE_CLOCKS", str(folder))
    return Clocks(folder)


@pytest.fixture
def server() -> Iterator[NotingServer]:
    with NotingServer(DELAY_S) as started:
        yield started


def start(piswarm: Piswarm, server: NotingServer, *, nodes: int, users: int, hold: str) -> Started:
    scenario = piswarm.scenario(
        load=[{"users": users, "spawn_rate": 20, "hold": hold}],
        nodes={"expect": nodes},
        thresholds=[],
        # One late sample on a busy machine is no matter; those of a node whose clock is taken wrongly would all be missing.
        validity={
            "loop_lag_p99": "20 s",
            "node_cpu": "100 %",
            "controller_cpu": "100 %",
            "excluded_share": "100 %",
            "missing_samples": "50 %",
            "clock_error": f"{1000 * CLOCK_ERROR_S:.0f} ms",
        },
    )
    (scenario.parent / "visitors.py").write_text(LOCUSTFILE)
    return piswarm.start(scenario, "--separate", "--target", server.url)


@dataclass
class Seconds:
    """The requests that a run counted, by path and second, its start on the monotonic clock, and its steady seconds."""

    counted: dict[str, Counter[int]]
    began_s: float
    steady: list[int]

    @classmethod
    def of(cls, directory: Path) -> Seconds:
        counted: defaultdict[str, Counter[int]] = defaultdict(Counter)
        with closing(Store(directory / "run.db")) as store:
            for second, (_, path), tally, *_ in store.requests():
                counted[path][second] += tally.total
            checkpoint: Any = store.meta(CHECKPOINT_KEY)
            return cls(counted, checkpoint["began_s"], [row.second for row in store.seconds() if row.steady])


def assert_every_request_is_in_its_second(directory: Path, server: NotingServer, users_of_node: int) -> None:
    """Assert that requests count in their seconds, up to the MAX_BEYOND_S by which a node's second may be beyond the run's.

    What a node has counted at a moment is what was answered to it until then, less at most one request of each user.
    """
    seconds = Seconds.of(directory)
    apart_s = MAX_BEYOND_S + CLOCK_ERROR_S
    assert seconds.counted.keys() == server.answered_s.keys()
    for path, answered_s in server.answered_s.items():
        counted = 0
        for second in range(max(seconds.counted[path]) + 1):
            counted += seconds.counted[path][second]
            end_s = seconds.began_s + second + 1
            least, most = bisect(answered_s, end_s - apart_s) - users_of_node, bisect(answered_s, end_s + apart_s)
            assert least <= counted <= most, f"{path} until second {second}"


def assert_no_hole_and_no_burst(directory: Path, server: NotingServer) -> None:
    """Assert that each steady second has about what was answered within one second that began near it.

    The tolerance is one node in three: one of its seconds may go to a neighbour when the estimate of its clock moves.
    """
    seconds = Seconds.of(directory)
    answered_s = sorted(at_s for times in server.answered_s.values() for at_s in times)
    assert len(seconds.steady) >= 8
    for second in seconds.steady:
        counted = sum(row[second] for row in seconds.counted.values())
        starts_s = [seconds.began_s + second + step / 20 for step in range(-15, 16)]
        answered = [bisect(answered_s, start_s + 1) - bisect(answered_s, start_s) for start_s in starts_s]
        assert min(answered) * 0.6 <= counted <= max(answered) * 1.4, f"second {second}: {counted}, answered {answered}"


def assert_sound(finished: Finished, server: NotingServer, *, nodes: int, users: int) -> None:
    """Assert all that no clock may change."""
    result = finished.result
    assert (finished.status, result["verdict"]) == (0, "PASS"), finished.output
    assert result["requests"] | {"rate_per_s": 0} == {
        "total": server.total,
        "failed": 0,
        "rate_per_s": 0,
        "unanswered": 0,
    }
    by_path = {row["name"]: row for row in result["endpoints"]}
    assert {path: row["total"] for path, row in by_path.items()} == {
        path: len(times) for path, times in server.answered_s.items()
    }
    assert len(by_path) == nodes
    assert_every_request_is_in_its_second(finished.directory, server, math.ceil(users / nodes))
    assert_no_hole_and_no_burst(finished.directory, server)
    # All nodes ask the same server from the same machine; 1 % is the histogram's own error.
    medians_ms = [row["latency_ms"]["p50"] for row in by_path.values()]
    assert 1000 * DELAY_S * 0.99 <= min(medians_ms) <= max(medians_ms) < 2 * min(medians_ms)
    assert result["latency_ms"]["max"] < 1000 * HOUR_S / 60
    assert {row["check"]: row["ok"] for row in result["validity"]}["clock_error"]


def offsets(finished: Finished) -> dict[str, float]:
    return {row["node"]: row["offset_s"] for row in finished.result["clocks_off"]}


def monotonic_offsets(started: Started) -> dict[str, set[float]]:
    """Return how far the monotonic clocks of each node's processes are ahead of this machine's, as the kernel has it."""
    found: defaultdict[str, set[float]] = defaultdict(set)
    for process in started.family()[1:]:
        node = process.environ().get("NODE_CLOCKS_OF")
        if node is not None:
            text = Path(f"/proc/{process.pid}/timens_offsets").read_text(encoding="utf-8")
            found[node].add(float(re.search(r"^monotonic\s+(\S+)", text)[1]))
    return found


def shown(finished: Finished) -> dict[str, str]:
    """Return which nodes' wall clocks the report shows as ahead or behind."""
    page = (finished.directory / "report.html").read_text()
    sentence = re.search(r"The wall clock of .*?</p>", page)
    return dict(re.findall(r"(\w+) \([^)]+ (ahead|behind)\)", sentence[0] if sentence else ""))


def clock_events(directory: Path) -> list[Event]:
    with closing(Store(directory / "run.db")) as store:
        return [event for event in store.events() if event.kind == "clock set"]


def test_nodes_an_hour_apart_are_measured_as_if_they_were_not(
    piswarm: Piswarm, server: NotingServer, clocks: Clocks
) -> None:
    """Nodes whose wall and monotonic clocks are an hour off are measured as others, and the wall clocks that are off are named."""
    if reason := why_no_time_namespaces():
        pytest.skip(f"needs time namespaces: {reason}")
    # A machine can't be set to before its start.
    monotonic_s = {
        "sim001": HOUR_S,
        "sim002": HOUR_S,
        "sim003": -(min(HOUR_S, time.monotonic() / 2) // 1),
        "sim004": HOUR_S,
    }
    wall_s = {"sim001": HOUR_S, "sim002": HOUR_S, "sim003": -HOUR_S}
    for node, ahead_s in monotonic_s.items():
        clocks.shift_monotonic(node, ahead_s)
    for node, ahead_s in wall_s.items():
        clocks.set_wall(node, ahead_s)
    started = start(piswarm, server, nodes=5, users=10, hold="12s")
    started.wait_for("stage 1 of 1, hold")
    seen_s = monotonic_offsets(started)
    finished = started.finish()

    assert seen_s == {node: {ahead_s} for node, ahead_s in monotonic_s.items()} | {"sim005": {0.0}}
    assert_sound(finished, server, nodes=5, users=10)
    assert offsets(finished) == pytest.approx(wall_s, abs=1)
    assert shown(finished) == {"sim001": "ahead", "sim002": "ahead", "sim003": "behind"}
    assert clock_events(finished.directory) == []


def test_a_clock_that_is_set_in_mid_run_is_told_and_changes_no_figure(
    piswarm: Piswarm, server: NotingServer, clocks: Clocks
) -> None:
    """A wall clock that is set by an hour in mid-run, as by NTP, is reported and changes no figure."""
    steps_s = {"sim001": HOUR_S, "sim002": -HOUR_S}
    for node in steps_s:
        clocks.set_wall(node, 0.0)
    started = start(piswarm, server, nodes=3, users=6, hold="16s")
    started.wait_for("stage 1 of 1, hold")
    for node, ahead_s in steps_s.items():
        clocks.set_wall(node, ahead_s)
    finished = started.finish()

    assert_sound(finished, server, nodes=3, users=6)
    moved = {
        event.node: float(re.search(r"moved by (\S+) s", event.detail)[1]) for event in clock_events(finished.directory)
    }
    assert moved == pytest.approx(steps_s, abs=1)
    assert offsets(finished) == pytest.approx(steps_s, abs=1)
    assert shown(finished) == {"sim001": "ahead", "sim002": "behind"}
    assert "clock set" in (finished.directory / "report.html").read_text()
