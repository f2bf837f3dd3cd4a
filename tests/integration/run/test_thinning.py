"""Thinning by its process, a little with each second, while a run is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from report_example import FACTS, reading, tally

from master.run.processes.thinning_process import ThinningProcess
from master.run.thinning import Kept, Thinning
from master.scenario import parse_threshold
from master.store import FitnessRow, SecondRow, Store
from worker.load.histogram import Histogram

RULES = [parse_threshold("p99 < 1 s over 5s")]
STEADY = [(5.0, 10_000.0)]
WAIT_S = 60.0


class Written:
    """A run.db of one node that gets a row of each kind a second."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "run.db"
        self.store = Store(self.path, create=True)
        self.store.put_node("pi1", FACTS)
        self.notes: list[str] = []
        self.process: ThinningProcess | None = None
        self._log = directory / "thinning.log"
        self.thinning = Thinning(self.store, RULES, self._start, self.notes.append)
        self.thinning.kept = Kept(requests_s=60, fitness_s=60, samples_s=60)
        self.second = 0

    def _start(self) -> ThinningProcess:
        self.process = ThinningProcess(self.path, [rule.text for rule in RULES], self._log)
        return self.process

    def go_on(self, seconds: int) -> None:
        """So many seconds are written, and thinning goes on after each commit."""
        for _ in range(seconds):
            self.measure(self.second)
            self.store.commit()
            self.thinning.tick(float(self.second), STEADY)
            self.second += 1
            with gevent.Timeout(WAIT_S):
                while self.process is not None and self.thinning.waits and self.process.busy:
                    gevent.sleep(0.001)

    def measure(self, second: int) -> None:
        """What is measured in a second."""
        lag = Histogram()
        lag.add(1.0)
        self.store.put_second(SecondRow(second, "1 hold", second >= 5, 2, 1, 0, 0))
        self.store.add_requests(second, ("GET", "/x"), tally(1.0 + second % 7), fit=True)
        self.store.put_samples([("pi1", second, reading(50.0 + second % 9))])
        self.store.put_fitness([FitnessRow("pi1", second, 1.0, 20.0, 1, "", lag.encode(), 2)])

    def close(self) -> None:
        self.thinning.stop()
        self.store.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Written]:
    written = Written(tmp_path)
    yield written
    written.close()


def test_old_seconds_are_thinned_and_late_ones_still_counted(run: Written) -> None:
    """Rows leave their tables once they are packed; what comes later for their seconds counts, and is told; none is counted twice."""
    run.go_on(1000)
    done = run.store.thinned()
    assert done.requests_before >= 180
    assert done.fitness_before >= 840
    assert done.samples_before >= 840
    assert sum(row.tally.total for row in run.store.requests()) == 1000
    spans = {row.second: row.span_s for row in run.store.requests() if row.span_s > 1}
    assert {second: span_s for second, span_s in spans.items() if second >= 60} == dict.fromkeys(
        range(60, done.requests_before, 60), 60
    )
    assert (spans[0], spans[5]) == (4, 55)  # the last second before a steady one is one of its own
    assert [row.second for row in run.store.fitness()] == list(range(1000))
    assert [row.second for row in run.store.workers_by_second()] == list(range(1000))
    assert sum(block.samples for block in run.store.sample_blocks(["cpu_percent"], 0, 1000, 60)) == 1000
    run.store.add_requests(30, ("GET", "/x"), tally(1.0), fit=True)
    run.store.put_fitness([FitnessRow("pi1", 30, 9.0, 20.0, 1, "late", b"", 2, worker=1)])
    run.store.put_samples([("pi1", 30, reading(99.0))])
    run.go_on(70)
    assert sum(row.tally.total for row in run.store.requests()) == 1071
    assert run.store.thinned().late_requests == 1
    assert [(row.second, row.unfit) for row in run.store.unfit()] == [(30, "late")]
    assert (
        max(
            block.ranges[0].highest
            for block in run.store.sample_blocks(["temperature_c"], 0, 60, 60)
            if block.ranges[0]
        )
        == 99.0
    )
    assert run.notes == []
    ((left,),) = run.store._db.execute("SELECT count(*) FROM fitness")
    assert left < 300


def test_a_process_that_is_killed_is_started_again(run: Written) -> None:
    """Nothing is lost when the process ends in mid-work: it is told of, and the minute is worked out anew by another one."""
    run.go_on(125)
    assert run.process is not None
    run.process._child.kill()
    run.process._child.wait(WAIT_S)
    run.go_on(200)
    assert any("started again" in note for note in run.notes)
    assert run.store.thinned().fitness_before >= 180
    assert [row.second for row in run.store.fitness()] == list(range(325))


def test_a_minute_in_which_something_comes_late_is_worked_out_anew(run: Written) -> None:
    """A row that is written while its minute is being worked out is not lost."""
    run.store.begin_thinning(60)
    run.store.put_fitness([FitnessRow("pi1", 30, 9.0, 20.0, 1, "late", b"", 2, worker=1)])
    run.go_on(200)
    assert [row.second for row in run.store.unfit()] == [30]
    assert run.store.thinned().fitness_before >= 60
