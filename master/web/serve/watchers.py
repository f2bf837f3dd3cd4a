"""Everybody who watches a run: one reader of its run.db for all of them, with bounded queues of what is new."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path
from weakref import WeakValueDictionary

from master.errors import InputError
from master.web.serve.feed import RunFeed, Update, open_feed

INTERVAL_S = 1.0
MAX_FEEDS = 4
"""Runs that are kept in memory; those that nobody watches are forgotten first."""
MAX_WATCHERS = 100
QUEUED = 10
"""Updates that wait for a slow watcher; then it is sent away, and its browser comes again."""


class TooManyError(Exception):
    """There are as many watchers as there may be."""


class Watched:
    """A run that is read, and those who watch it."""

    def __init__(self, feed: RunFeed) -> None:
        self.feed = feed
        self.complete = feed.state["verdict"] is not None
        """The run was over when it was first read: reports that came late are among its figures."""
        self.fault = ""
        """Why it can't be read any more."""
        self.queues: set[asyncio.Queue[Update | None]] = set()
        self._polling: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Read it once a second from now on, if it is on."""
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        while self.queues:
            await asyncio.sleep(INTERVAL_S)
            try:
                update = await asyncio.to_thread(self.feed.poll)
            except (InputError, sqlite3.Error) as error:
                self.fault = str(error)
                self._tell(None)
                return
            self._tell(update)
            if update.state["verdict"] is not None:
                self._tell(None)
                return

    def _tell(self, update: Update | None) -> None:
        for queue in list(self.queues):
            try:
                queue.put_nowait(update)
            except asyncio.QueueFull:
                self.queues.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)


class Watchers:
    """All runs that are watched."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Path, Watched] = OrderedDict()
        self._opening: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        """A run that takes long to read holds up no other one."""

    async def open(self, directory: Path) -> Watched:
        """The run in `directory`, read up to now. Raises InputError where it can't be read."""
        lock = self._opening.get(directory)
        if lock is None:
            lock = self._opening[directory] = asyncio.Lock()
        async with lock:
            watched = self._runs.get(directory)
            if watched is None or (
                not watched.queues and (watched.fault or (watched.feed.state["verdict"] and not watched.complete))
            ):
                watched = Watched(await asyncio.to_thread(open_feed, directory))
                self._runs[directory] = watched
                for path in [path for path, each in self._runs.items() if not each.queues][: -MAX_FEEDS or None]:
                    del self._runs[path]
            elif not watched.queues and watched.feed.state["verdict"] is None:
                try:
                    await asyncio.to_thread(watched.feed.poll)
                except sqlite3.Error as error:
                    raise InputError(f"{directory.name} can't be read: {error}") from None
            self._runs.move_to_end(directory)
            return watched

    async def updates(self, watched: Watched, next_s: int = 0, events_total: int = 0) -> AsyncIterator[Update]:
        """What is new to who knows the run up to there, at once and then once a second, until it is over. Raises TooManyError."""
        if sum(len(each.queues) for each in self._runs.values()) >= MAX_WATCHERS:
            raise TooManyError
        queue: asyncio.Queue[Update | None] = asyncio.Queue(QUEUED)
        watched.queues.add(queue)
        watched.begin()
        with contextlib.ExitStack() as leaving:
            leaving.callback(watched.queues.discard, queue)
            update: Update | None = watched.feed.all()
            while update is not None:
                update = update.after(next_s, events_total)
                next_s, events_total = update.next_s, update.events_total
                yield update
                update = await queue.get()
