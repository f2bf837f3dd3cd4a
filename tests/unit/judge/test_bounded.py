"""The controller's memory is bounded by nodes, endpoints and the latest seconds, however long a run is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from held import Held, held
from played_nodes import Traffic
from played_run import PlayedRun, Troubles

from master.fleet.clocks import ClockMap
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.unfit import NodeCondition
from master.run.collect.report_intake import EARLY_REPORTS
from master.store import MAX_ENDPOINTS, MAX_ERRORS
from worker.load.histogram import LAST_BUCKET, Histogram

NODES, ENDPOINTS = 6, 4
STEP_S = 20.0
"""That makes 180 steps an hour, each with a report, and most with a node lost, a clock set, and a worker restarted."""
MARGIN = 120
"""What was under way when it was counted; less than an hour brings of anything."""


@contextmanager
def played(
    path: Path, *, endpoints: int = ENDPOINTS, stray: bool = False, restarts: bool = False
) -> Iterator[PlayedRun]:
    """A run with unique errors in every report, wandering clocks, and nodes that are lost and return."""
    run = PlayedRun(
        path / f"run{endpoints}.db",
        nodes=NODES,
        traffic=Traffic(endpoints, stray=stray),
        step_s=STEP_S,
        reporters=1,
        troubles=Troubles(restarts=restarts),
    )
    with run:
        yield run


def assert_same(after: Held, before: Held) -> None:
    """Assert that no more is held after than before, up to the margin."""
    assert after.entries <= before.entries + MARGIN
    assert after.objects <= before.objects + MARGIN


def test_four_hours_need_no_more_than_two_or_one(tmp_path: Path) -> None:
    """A run of two or of four hours, full of trouble that is all in run.db, holds no more in memory than one of one hour."""
    with played(tmp_path) as run:
        run.hour()
        after_one = run.held()
        run.hour()
        assert_same(run.held(), after_one)
        run.hour()
        run.hour()
        assert_same(run.held(), after_one)
        happened = [event.kind for event in run.store.events()]
        assert min(happened.count(kind) for kind in ("lost", "returned", "clock set")) > 4 * 50
        assert len(run.store.errors()) == MAX_ERRORS + 1
        assert run.registry.ever_lost == set(run.registry.nodes)
        assert run.collector.report_acks.accepted > 4 * 100


def test_twice_the_endpoints_need_at_most_twice_as_much(tmp_path: Path) -> None:
    """Twice the endpoints need at most twice the memory, since what is kept for each of them has a fixed length."""
    of = {}
    for endpoints in (ENDPOINTS, 2 * ENDPOINTS):
        with played(tmp_path, endpoints=endpoints) as run:
            run.hour()
            of[endpoints] = run.held()
            assert len(run.collector.totals.rows) == endpoints
    for once, twice in zip(of[ENDPOINTS], of[2 * ENDPOINTS], strict=True):
        assert once < twice < 2 * once


def test_workers_that_are_started_again_and_again_need_no_more(tmp_path: Path) -> None:
    """Workers that are started again and again, each time with new report numbers, need no more memory."""
    with played(tmp_path, restarts=True) as run:
        run.hour()
        before = run.held()
        run.hour()
        run.hour()
        assert run.collector.agents.restarts > 3 * 100
        assert_same(run.held(), before)


def test_endpoints_that_are_new_in_every_report_share_one_name_in_the_end(tmp_path: Path) -> None:
    """Endpoints with a new name in every report, as a number in each URL makes, share one name beyond the maximum."""
    with played(tmp_path, stray=True) as run:
        run.hour()
        assert len(run.collector.totals.rows) == MAX_ENDPOINTS + 1
        after_one = run.held()
        run.hour()
        # The latest seconds are sometimes 15 and sometimes 16, of which some have no latencies: both are as before.
        before = Held(*map(max, after_one, run.held()))
        run.hour()
        run.hour()
        assert_same(run.held(), before)
        assert len({endpoint for _, endpoint, *_ in run.store.requests()}) == MAX_ENDPOINTS + 1


def test_fitness_of_a_node_has_an_upper_bound() -> None:
    """A node's fitness has a maximum size, tested with every possible value twice: tenths of a percent and buckets of the lag."""
    log = FitnessLog()
    sizes = []
    for _ in range(2):
        for tenth in range(-10, 1100):
            log.add_node("pi1", NodeCondition(tenth / 10, tenth / 10, tenth / 10))
            log.add_worker_cpu("pi1", tenth / 10)
        for bucket in range(LAST_BUCKET + 1):
            log.add_lag("pi1", Histogram({bucket: 1}, 1.0), fit=True)
        sizes.append(held([log]))
    assert sizes[0] == sizes[1]
    assert len(log.node_cpu["pi1"].bins) == len(log.node_memory["pi1"].bins) == len(log.worker_cpu["pi1"].bins) == 1001
    assert len(log.lag["pi1"].buckets) == LAST_BUCKET + 1


def test_reports_that_wait_for_a_clock_have_an_upper_bound(tmp_path: Path) -> None:
    """Reports that wait for a node's clock are limited; the others are not acknowledged, so their worker sends them again."""
    with played(tmp_path) as run:
        node = run.nodes[0]
        run.registry.nodes[node.name].clock = ClockMap()
        for _ in range(3 * EARLY_REPORTS):
            run.report(node)
        assert {name: len(early) for name, early in run.collector.reports._early.items()} == {node.name: EARLY_REPORTS}


def test_what_is_added_anywhere_below_is_counted(tmp_path: Path) -> None:
    """Objects added to any part of the run are counted; otherwise the tests of memory would show nothing."""
    with played(tmp_path) as run:
        before = run.held()
        run.collector.agents.leak = ["one", {2: "three"}]
        after = run.held()
        assert after.objects - before.objects >= 4
        assert after.entries - before.entries >= 2 + 1 + len("onethree")
        assert after.size_bytes > before.size_bytes
