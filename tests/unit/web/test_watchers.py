"""Those who watch a run: who comes late, or was away, misses no second; what can't be read holds up nobody."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from master.errors import InputError
from master.store import Event, SecondRow, Store
from master.web.serve import feed, watchers
from master.web.serve.columns import Span
from master.web.serve.feed import RunFeed, Update, open_feed
from master.web.serve.watchers import Watchers


class Growing(RunFeed):
    """A feed of a run that has one second and one event more with each look, and is over after 6."""

    def _poll(self) -> Update:
        second = self._next_s
        self._next_s += 1
        event = Event(float(second), "note", None, "")
        self.events.append(event)
        span = one_second(second)
        rows = [self.columns.add(span)]
        self.state = {"verdict": "PASS" if second >= 6 else None}
        return Update(rows, [event], self.state, self._next_s, len(self.events))


def one_second(second: int) -> Span:
    span = Span(second)
    span.seconds = 1
    return span


def grown(directory: Path) -> RunFeed:
    feed = Growing(directory)
    feed.poll()
    return feed


@pytest.mark.parametrize("known", [0, 1])
def test_who_comes_late_misses_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: int) -> None:
    """From where a reader says it knows the run each second and event comes once, though others made the run be read meanwhile."""
    monkeypatch.setattr(watchers, "INTERVAL_S", 0.01)
    monkeypatch.setattr(watchers, "open_feed", grown)

    async def watch() -> list[Update]:
        all_runs = Watchers()
        await all_runs.open(tmp_path)  # the page
        watched = await all_runs.open(tmp_path)  # its stream, which looks anew
        return [update async for update in all_runs.updates(watched, known, known)]

    found = asyncio.run(watch())
    assert [row[0] for update in found for row in update.rows] == list(range(known, 7))
    assert [event.offset_s for update in found for event in update.events] == list(range(known, 7))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE meta SET value = '{\"a\":'",
        "UPDATE meta SET value = '[5]'; INSERT INTO meta VALUES ('checkpoint', '[5]')",
    ],
)
def test_a_damaged_run_is_told_of(tmp_path: Path, damage: str) -> None:
    """Whatever stands in run.db, it is an error for the reader to see, none of the server's own."""
    store = Store(tmp_path / "run.db", create=True)
    store.put_second(SecondRow(0, "1 hold", True, 1, 1, 0, 0))
    store.put_meta("verdict", "PASS")
    store.commit()
    store.close()
    with closing(sqlite3.connect(tmp_path / "run.db")) as database, database:
        database.executescript(damage)
    with pytest.raises(InputError):
        open_feed(tmp_path)


def test_a_query_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run.db whose table is a view that never ends takes no thread of the server for ever."""
    monkeypatch.setattr(feed, "READ_S", 0.3)
    Store(tmp_path / "run.db", create=True).close()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS offset_s FROM n"
    with closing(sqlite3.connect(tmp_path / "run.db")) as database, database:
        database.executescript(f"DROP TABLE events; CREATE VIEW events AS {endless} WHERE i < 0")
    with pytest.raises(InputError, match="interrupted"):
        open_feed(tmp_path)
