"""Thinning while a run is on: which minute is next, and what was worked out put into run.db, a little each second.

Requests, arrivals and samples are kept second by second for an hour, how fit workers were for a quarter of one, since that loses nothing by
being packed. What they come to is worked out in a process of its own, which is started when the first minute is due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from master.scenario.rules import Threshold
from master.store import Store
from master.store.thinned.parts import MINUTE_S, Part, Thinned
from master.thinning.work import Job, What

BEHIND_S = 300
"""Further behind, parts are put faster than one a second."""
PARTS_WHEN_BEHIND = 4
LATE_S = 600
"""Beyond the longest window of a threshold, requests are kept so long second by second, for what comes late."""
RESTART_AFTER_S = 60.0
MAX_STARTS = 5
"""After so many ends of the process nothing is thinned any more."""


@dataclass(frozen=True)
class Kept:
    """How long seconds are kept one by one, in seconds."""

    requests_s: int = 3600
    fitness_s: int = 900
    samples_s: int = 3600


FULL, SHORT = Kept(), Kept(requests_s=LATE_S, fitness_s=120, samples_s=LATE_S)
"""As a rule, and where the disk would not last."""


class ThinnerProcess(Protocol):
    """See master.run.processes.thinning_process."""

    def send(self, job: Job) -> None:
        """Have it work on a job."""

    def take(self) -> list[Part] | None:
        """The parts of the job, once all are there."""

    @property
    def end(self) -> str | None:
        """How it ended; None while it lives."""

    def stop(self) -> None:
        """End it."""


class Thinning:
    """Thins the run.db of a run that is on."""

    def __init__(
        self,
        store: Store,
        thresholds: Sequence[Threshold],
        start: Callable[[], ThinnerProcess],
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`start` starts the process; `note` is told what a reader of the run should know. Raises DamagedPackError."""
        self.kept = FULL
        """May be set at any time."""
        self._store = store
        self._windows_s = max((rule.window_s or 0 for rule in thresholds), default=0)
        self._start, self._note = start, note
        self._process: ThinnerProcess | None = None
        self._starts, self._ended_s = 0, -RESTART_AFTER_S
        self._job: Job | None = None
        self._parts: deque[Part] = deque()
        self._done = store.thinned()

    def tick(self, offset_s: float, steady: Sequence[tuple[float, float]]) -> None:
        """Go on a little, right after a commit; `steady` are the spans in which seconds are judged, in seconds of the run."""
        self._store.drop_thinned(self._windows_s)
        if self._job is not None:
            self._go_on(offset_s)
            return
        job = self._next(int(offset_s), steady)
        if job is not None and self._has_process(offset_s):
            assert self._process is not None
            self._job = job
            self._store.begin_thinning(job.end_s)
            self._process.send(job)

    def shorten(self) -> None:
        """Keep seconds one by one for a shorter time, since the disk would not last."""
        self.kept = SHORT

    @property
    def waits(self) -> bool:
        """Whether the process has been asked for something that it has not answered."""
        return self._job is not None and not self._parts

    def stop(self) -> None:
        """The run is over. What was not put yet stays as it is."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _go_on(self, offset_s: float) -> None:
        assert self._job is not None
        if not self._parts:
            if self._process is None or self._process.end is not None:
                self._note_end(offset_s)
                return
            self._parts.extend(self._process.take() or ())
        behind = offset_s - self._job.end_s - self._kept_s(self._job.what) > BEHIND_S
        for _ in range(PARTS_WHEN_BEHIND if behind else 1):
            if self._parts and not self._store.put_thinned(self._parts.popleft()):
                self._parts.clear()
                self._job = None
                return
            if not self._parts:
                break
        self._done = self._store.thinned()
        if self._before(self._job.what) >= self._job.end_s:
            self._job = None

    def _next(self, second: int, steady: Sequence[tuple[float, float]]) -> Job | None:
        """The minute that has been due longest."""
        due: list[tuple[int, Job]] = []
        whats: tuple[What, ...] = ("requests", "fitness", "samples")
        for what in whats:
            first_s = self._before(what)
            overdue_s = second - self._kept_s(what) - first_s - MINUTE_S
            if overdue_s >= 0:
                due.append((overdue_s, Job(what, first_s, first_s + MINUTE_S, list(steady))))
        return max(due, key=lambda row: row[0])[1] if due else None

    def _kept_s(self, what: What) -> int:
        if what == "requests":
            return max(self.kept.requests_s, self._windows_s + LATE_S)
        return self.kept.fitness_s if what == "fitness" else self.kept.samples_s

    def _before(self, what: What) -> int:
        done: Thinned = self._done
        if what == "requests":
            return done.requests_before
        return done.fitness_before if what == "fitness" else done.samples_before

    def _has_process(self, offset_s: float) -> bool:
        if self._process is not None:
            return True
        if self._starts >= MAX_STARTS or offset_s < self._ended_s + RESTART_AFTER_S:
            return False
        self._starts += 1
        try:
            self._process = self._start()
        except OSError as error:
            self._note(f"what is to make run.db smaller could not be started: {error}")
            self._ended_s = offset_s
        return self._process is not None

    def _note_end(self, offset_s: float) -> None:
        how = "it was ended" if self._process is None else self._process.end
        again = "it is started again" if self._starts < MAX_STARTS else "run.db grows faster from now on"
        self._note(f"the process that makes run.db smaller has ended ({how}): {again}")
        self.stop()
        self._job, self._ended_s = None, offset_s
