"""One run as it goes on: read once a second for all who watch it, from run.db alone."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from master.errors import InputError
from master.judge.interim import INTERIM_KEY
from master.run.collect.latest_seconds import CLOSED_AFTER_S
from master.store import CHECKPOINT_KEY, CONTROLLER, Event, RequestRow, StoreReader
from master.web.metrics.state import RequestTotals
from master.web.serve.columns import Columns, Row, Span, spans_of
from master.yaml_file.document import parse_document
from worker.load.histogram import EndpointStats

READ_S = 120.0
"""Longest time for reading a run.db; one of a day takes a few seconds."""


class Update(msgspec.Struct):
    """What has come since the one before."""

    rows: list[Row]
    """By columns.FIELDS."""
    events: list[Event]
    state: dict[str, Any]
    """Where the run stands: see RunFeed.state."""
    next_s: int
    """The second after the last of the rows."""
    events_total: int
    """All events so far."""

    def after(self, next_s: int, events_total: int) -> Update:
        """What of it is new to who knows the run up to there."""
        rows = [row for row in self.rows if (row[0] or 0) >= next_s]
        known = events_total - (self.events_total - len(self.events))
        return Update(rows, self.events[max(0, known) :], self.state, max(next_s, self.next_s), self.events_total)


DAMAGED = (msgspec.MsgspecError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a run.db raises in which something else stands than piswarm writes."""


class RunFeed:
    """The figures of one run, as far as they are read."""

    def __init__(self, directory: Path) -> None:
        self.columns = Columns()
        self.events: list[Event] = []
        self.state: dict[str, Any] = {}
        """`stage`, `offset_s`, `left_s`, `users`, `nodes` by state, `verdict` (null while it is on), `interim`, `silent_s`."""
        self.totals = RequestTotals()
        """Of the requests and arrivals that are read."""
        self.scenario = ""
        """Its name; empty until something is read."""
        self._path = directory / "run.db"
        self._next_s = 0

    def poll(self) -> Update:
        """Read what is new. Raises InputError or sqlite3.Error where run.db can't be read."""
        try:
            return self._poll()
        except DAMAGED as error:
            raise InputError(f"{self._path} is not as piswarm writes it: {type(error).__name__}") from None

    def all(self) -> Update:
        """All that is kept of what has been read."""
        rows, events = list(self.columns.rows()), list(self.events)
        next_s = int((rows[-1][0] or 0) + (rows[-1][1] or 0)) if rows else 0
        return Update(rows, events, self.state, next_s, len(events))

    def _poll(self) -> Update:
        with closing(StoreReader.open(self._path)) as reader:
            reader.limit_time(READ_S)
            reader.hold_snapshot()
            state = _state(reader)
            self.scenario = self.scenario or _scenario_name(reader)
            over = state["verdict"] is not None
            seconds = {row.second: row for row in reader.seconds(self._next_s)}
            # What is not complete yet is read again with the next look.
            end_s = max(seconds, default=-1) + 1 - (0 if over else CLOSED_AFTER_S)
            rows = []
            if end_s > self._next_s:
                rows = [self.columns.add(span) for span in self._spans(reader, seconds, end_s)]
                self._next_s = end_s
            events = reader.events()[len(self.events) :]
            self.events += events
        latest = seconds.get(end_s - 1)
        if latest is not None:
            state["stage"], state["users"] = latest.stage, latest.users
        else:
            state["stage"], state["users"] = self.state.get("stage"), self.state.get("users")
        self.state = state
        return Update(rows, events, state, self._next_s, len(self.events))

    def _spans(self, reader: StoreReader, seconds: dict[int, Any], end_s: int) -> list[Span]:
        """The spans from the next second on to `end_s`, also of seconds in which nothing was finished."""
        made: dict[int, Span] = {}
        covered: set[int] = set()
        new = (row for row in reader.requests(self._next_s) if row.second < end_s)
        for span in spans_of(self._counted(new)):
            made[span.start_s] = span
            covered.update(range(span.start_s + 1, span.start_s + span.seconds))
        for second in seconds:
            if self._next_s <= second < end_s and second not in made and second not in covered:
                made[second] = Span(second)
                made[second].seconds = 1
        for second, _, tally, _ in reader.arrivals(self._next_s):
            if second in made:
                made[second].arrivals.merge(tally)
                self.totals.add_arrivals(tally)
        for second, span in made.items():
            if second in seconds:
                span.users, span.offered = seconds[second].users, seconds[second].offered
        return [made[second] for second in sorted(made)]

    def _counted(self, rows: Iterator[RequestRow]) -> Iterator[tuple[int, int, EndpointStats, bool]]:
        for row in rows:
            self.totals.add(row.endpoint, row.tally, fit=row.fit)
            yield row.second, row.span_s, row.tally, row.fit


def _state(reader: StoreReader) -> dict[str, Any]:
    checkpoint: Any = reader.meta(CHECKPOINT_KEY)
    verdict = reader.meta("verdict")
    nodes = Counter(row.state or "unknown" for row in reader.node_rows() if row.name != CONTROLLER)
    offset_s = silent_s = None
    if checkpoint is not None:
        offset_s = float(checkpoint["offset_s"])
        silent_s = max(0.0, round(time.time() - float(checkpoint["began_wall_s"]) - offset_s, 1))
    return {
        "started_at": reader.meta("started_at"),
        "offset_s": offset_s,
        "silent_s": None if verdict is not None else silent_s,
        "nodes": dict(nodes),
        "verdict": verdict,
        "interim": reader.meta(INTERIM_KEY),
    }


def _scenario_name(reader: StoreReader) -> str:
    written = reader.meta("scenario")
    data = parse_document(written, Path("scenario.yml")).data if isinstance(written, str) else None
    return str(data.get("name", "")) if isinstance(data, dict) else ""


def open_feed(directory: Path) -> RunFeed:
    """The feed of a run, with all that is there read. Raises InputError where it can't be."""
    feed = RunFeed(directory)
    try:
        feed.poll()
    except sqlite3.Error as error:
        raise InputError(f"{directory.name} can't be read: {error}") from None
    return feed
