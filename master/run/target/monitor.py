"""Looks at the target once a second while a run is on, and asks it for its counters where the steady part begins and ends."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import psutil

from master.judge.run_facts import CacheCounts
from master.run.target.cache_counters import TIMEOUT_S, NoCountersError, read_cache_counts
from master.run.target.process import TargetProcess, find_listener
from master.scenario import EMBEDDED, Scenario
from master.store import Store, TargetRow

_FIRST_KEY = "target_cache_first"
"""In `meta`: the counts where the steady part began, for a controller that resumes the run."""
_HTTP = ("http://", "https://")


class TargetMonitor:
    """The target of one run.

    One that is not piswarm's own is asked for counters only where a rule is on them: nobody else wants such a request in its log.
    """

    def __init__(
        self, scenario: Scenario, store: Store, read: Callable[[str], CacheCounts] = read_cache_counts
    ) -> None:
        """`read` asks for the counters."""
        asked_for = any(rule.metric == "cache_hits" for rule in scenario.thresholds)
        self._asks = asked_for or scenario.target == EMBEDDED
        self._store = store
        self._read = read
        self._url = ""
        self._process: TargetProcess | None = None
        self._steady = False
        self._reading: gevent.Greenlet[..., None] | None = None
        first = store.meta(_FIRST_KEY)
        self._first = CacheCounts(*first) if isinstance(first, list) else None
        self._last: CacheCounts | None = None

    def begin(self, url: str, pid: int | None) -> None:
        """The target is at `url`, in the process `pid` of this machine; None: nobody has started it, and it may be anywhere."""
        self._url = url
        self._asks = self._asks and url.startswith(_HTTP)
        pid = find_listener(url) if pid is None else pid
        if pid is not None:
            try:
                self._process = TargetProcess(pid)
            except psutil.Error:
                self._process = None

    def poll(self, second: int, *, steady: bool) -> None:
        """Take a look in this second of the run, which is `steady` or not."""
        if self._process is not None:
            usage = self._process.sample()
            if usage is None:
                self._process = None
            else:
                self._store.put_target(TargetRow(second, usage.cpu_percent, usage.memory_bytes))
        if steady and self._first is None:
            self._ask(self._take_first)
        elif self._steady and not steady:
            self._ask(self._take_last)
        self._steady = steady

    def end(self) -> None:
        """The load is over, and nobody has ended the target yet: ask it a last time, if its latest counts are not those of the end."""
        if self._steady:
            if self._reading is not None:
                self._reading.join(TIMEOUT_S)
            self._ask(self._take_last)
        if self._reading is not None:
            self._reading.join(2 * TIMEOUT_S)
        self._steady = False

    @property
    def cache(self) -> CacheCounts | None:
        """What it counted in the steady part; None where it did not say, or began to count anew."""
        if self._first is None or self._last is None:
            return None
        counted = CacheCounts(self._last.hits - self._first.hits, self._last.misses - self._first.misses)
        return counted if min(counted) >= 0 else None

    def _ask(self, take: Callable[[CacheCounts], None]) -> None:
        """Ask for the counters, unless that is on its way; who polls does not wait for the answer."""
        if self._asks and (self._reading is None or self._reading.ready()):
            self._reading = gevent.spawn(self._fetch, take)

    def _fetch(self, take: Callable[[CacheCounts], None]) -> None:
        try:
            with gevent.Timeout(TIMEOUT_S, TimeoutError("the target did not answer")):
                take(self._read(self._url))
        except NoCountersError:
            self._asks = False
        except OSError:
            pass  # a busy target may answer the next time

    def _take_first(self, counts: CacheCounts) -> None:
        self._first = counts
        self._store.put_meta(_FIRST_KEY, list(counts))

    def _take_last(self, counts: CacheCounts) -> None:
        self._last = counts
