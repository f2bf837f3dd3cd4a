"""Monitoring of the run directory: free space on its disk, and whether run.db is still the file that the run created.

A run that could no longer keep what it measures ends in order while there is room for its result, and can be resumed when
there is more.
"""

from __future__ import annotations

import errno
import math
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from master.run.directory import RunDirectory
from master.run.thinning import FULL, SHORT
from master.scenario import Scenario
from master.scenario.model import ramps_s
from worker.printable import printable

REPORT_BYTES = 8 << 20
"""Size of report.html (5 MB of it a library for its charts), result.json and junit.xml together."""
SECOND_BYTES, NODE_SECOND_BYTES = 4000, 120
"""Approximate size of one second of a run in run.db: without its nodes, and for each node."""
THINNED_SHARE = 0.12
"""About so much of it is left once it is thinned."""
LOG_BYTES = 4 << 20
"""SQLite's log beside run.db grows to this, and is begun anew."""
KEPT_FREE_BYTES, KEPT_FREE_S = 96 << 10, 3
"""A run ends while there is this much room, or as much as it has lately taken in so many seconds."""
WARN_AFTER_S = 10
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HEADER = b"SQLite format 3\x00"
_RESUME_HINT = "Make room, then go on with: piswarm resume"


def estimate_run_bytes(scenario: Scenario) -> int:
    """Estimated disk space that a run takes, with its report."""
    load_s = sum(ramps_s(scenario.load)) + sum(stage.hold_s for stage in scenario.load)
    second_bytes = SECOND_BYTES + NODE_SECOND_BYTES * scenario.nodes.expect
    return int(second_bytes * _full_seconds(load_s, FULL.requests_s)) + REPORT_BYTES


def _full_seconds(left_s: float, full_s: float) -> float:
    """How many seconds at full size take as much as `left_s`, of which the first `full_s` are not thinned."""
    return min(left_s, full_s) + THINNED_SHARE * max(0.0, left_s - full_s)


def format_bytes(count: float) -> str:
    """A size for people: `500 kB`, `12 MB`, `3.4 GB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.0f} kB"


SETTLED_MIN = 20
"""So many minutes after the first are thinned, and of so many, the growth of run.db tells how it will go on."""
SOON_S = 900
"""So long before the disk is full that is told once more."""


class Growth:
    """Growth of a run's files, and an estimate of the space that the rest of the run needs. Pure: sizes and times are parameters."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._latest: deque[int] = deque(maxlen=10)
        self._by_minute: deque[tuple[float, int]] = deque(maxlen=SETTLED_MIN)

    def observe(self, offset_s: float, database_bytes: int, log_bytes: int) -> None:
        """Note the sizes of run.db and of its log at `offset_s` of the run."""
        self._latest.append(database_bytes + log_bytes)
        self._first = self._first or (offset_s, database_bytes)
        self._now = (offset_s, database_bytes, log_bytes)
        if not self._by_minute or offset_s - self._by_minute[-1][0] >= 60:
            self._by_minute.append((offset_s, database_bytes))

    def recent_growth_bytes(self) -> int:
        """Largest growth within one of the latest ten seconds."""
        return max((after - before for before, after in pairwise(self._latest)), default=0)

    def lasts_s(self, free_bytes: int) -> float:
        """How long so much space lasts at the growth of the latest minutes; infinite where nothing grows."""
        offset_s, database_bytes, _ = self._now
        since_s, since_bytes = self._by_minute[0]
        rate = (database_bytes - since_bytes) / max(offset_s - since_s, 1.0)
        return free_bytes / rate if rate > 0 else math.inf

    def still_needed_bytes(self, left_s: float) -> int:
        """Estimated further space for the `left_s` that are left, with the report."""
        assert self._first is not None
        offset_s, database_bytes, log_bytes = self._now
        first_s, first_bytes = self._first
        full_s = FULL.requests_s
        if (
            offset_s > full_s + 60 * SETTLED_MIN
        ):  # as much is thinned as comes, so that the latest growth is that of all that follows
            since_s, since_bytes = self._by_minute[0]
            grown = (database_bytes - since_bytes) / max(offset_s - since_s, 1.0) * left_s
        else:
            passed_s = max(offset_s - first_s, 1.0)
            grown = (database_bytes - first_bytes) / passed_s * _full_seconds(left_s, max(0.0, full_s - offset_s))
        # run.db itself is first written to when its log is full; until then the log's growth is all that is known.
        log = min(LOG_BYTES - log_bytes, log_bytes / max(offset_s, 1.0) * left_s)
        return int(grown + max(0.0, log)) + REPORT_BYTES


class StorageMonitor:
    """The run directory of a run that is on."""

    def __init__(self, directory: RunDirectory) -> None:
        """Create it after run.db."""
        self.fault: str | None = None
        """Reason why nothing more can be written, with the remedy; None as long as writing works."""
        self.writable = True
        """False once a write has failed or run.db is gone."""
        self.resumable = True
        """False where run.db was lost, so that no controller can resume the run."""
        self.free_bytes: int | None = None
        """Room on the disk, as last seen; None where that can't be told."""
        self.needed_bytes: int | None = None
        """Estimate of what the rest of the run takes of it; None before there is one."""
        self._directory = directory
        self._shown = printable(str(directory.path))
        self._identity = _identity(directory.database)
        # Never closed: a process that closes any descriptor of a file loses all its locks on it (POSIX, fcntl), and with them
        # SQLite's, so that another program could delete the log that is being written.
        self._descriptor = os.open(directory.database, os.O_RDONLY | os.O_CLOEXEC)
        self._growth = Growth()
        self._warned = self._warned_soon = False
        self.short = False
        """Whether the disk would not last with all seconds that are kept as a rule."""

    def warnings_at_start(self, scenario: Scenario) -> Iterator[str]:
        """A warning where the disk has less free space than the run is estimated to take."""
        free, needed = _free_bytes(self._directory.path), estimate_run_bytes(scenario)
        if free is not None and free < needed:
            yield (
                f"the disk of {self._shown} has {format_bytes(free)} free, and this run may take "
                f"{format_bytes(needed)}: make room, or name another place with --out"
            )

    def check(self, offset_s: float, left_s: float, truncate_wal: Callable[[], None]) -> Iterator[str]:
        """Check the storage, once a second; sets `fault` when it fails. Yields warnings. `truncate_wal` frees space by a checkpoint of SQLite's log."""
        if self.fault is not None:
            return
        if (lost := self._lost()) is not None:
            self._set_fault(lost, resumable=False)
            self.writable = False
            return
        self.free_bytes = free = _free_bytes(self._directory.path)
        if free is None:
            return
        self._growth.observe(offset_s, _size(self._directory.database), _size(self._directory.log))
        needed = self._growth.still_needed_bytes(left_s)
        self.needed_bytes = needed if offset_s > WARN_AFTER_S else None
        kept = max(KEPT_FREE_BYTES, KEPT_FREE_S * self._growth.recent_growth_bytes())
        if free < kept:
            truncate_wal()
            free = _free_bytes(self._directory.path) or 0
        if free < kept:
            self._set_fault(self._full())
        elif not self._warned and offset_s > WARN_AFTER_S and free < needed:
            self._warned = self.short = True
            yield (
                f"the disk of {self._shown} has {format_bytes(free)} free, and the rest of this run may "
                f"take {format_bytes(needed)}: make room; else the run ends when the disk is full. From now on seconds are kept one by one"
                f" for {SHORT.requests_s // 60} minutes only"
            )
        elif self._warned and not self._warned_soon:
            lasts_s = self._growth.lasts_s(free - kept)
            if lasts_s < min(SOON_S, left_s):
                self._warned_soon = True
                yield (
                    f"the disk of {self._shown} is full in about {max(1, round(lasts_s / 60))} min: make room; else the run ends then, in order,"
                    " and can be resumed"
                )

    def note(self, error: Exception) -> bool:
        """Note that a write failed; whether `error` is the storage's fault."""
        if not isinstance(error, (sqlite3.Error, OSError)):
            return False
        number = error.errno if isinstance(error, OSError) else None
        full = number in _NO_ROOM or getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        if self.fault is not None:
            pass
        elif (lost := self._lost()) is not None:
            self._set_fault(lost, resumable=False)
        elif full:
            self._set_fault(self._full())
        elif isinstance(error, sqlite3.Error) or number in (errno.EROFS, errno.EIO, errno.ENOENT):
            again = f"When that is mended, go on with: piswarm resume {self._shown}"
            self._set_fault(
                f"{self._shown}/{self._directory.database.name} can't be written any more: {error}. {again}"
            )
        else:
            return False
        self.writable = False
        return True

    def _set_fault(self, fault: str, *, resumable: bool = True) -> None:
        self.fault, self.resumable = fault, resumable

    def _full(self) -> str:
        return f"the disk of {self._shown} is full. {_RESUME_HINT} {self._shown}"

    def _lost(self) -> str | None:
        """Description of what happened to run.db: removed, replaced or overwritten; None while it is the file that was created."""
        database = self._directory.database
        identity = _identity(database)
        if identity is None:
            what = f"{self._shown}/{database.name}" if self._directory.path.is_dir() else self._shown
            return f"{what} was removed in mid-run"
        shown = f"{self._shown}/{database.name}"
        if identity != self._identity:
            return f"{shown} was replaced in mid-run"
        try:
            begins = os.pread(self._descriptor, len(_HEADER), 0)
        except OSError:
            return None  # a moment's trouble; the next write tells
        return None if begins == _HEADER else f"{shown} was overwritten in mid-run"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _free_bytes(path: Path) -> int | None:
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
