"""What is read of runs: the list, one run over time and as it goes on, its nodes, two runs compared, and a trend."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import msgspec
from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from master.errors import InputError
from master.judge.result import for_json
from master.nodes.latest import read_latest
from master.store import StoreReader
from master.web.serve.api.answers import answer, refusal, told
from master.web.serve.columns import FIELDS
from master.web.serve.commands import Answers
from master.web.serve.feed import DAMAGED, READ_S, Update
from master.web.serve.run_list import RunList, is_own_file, read_result
from master.web.serve.watchers import TooManyError, Watchers

SAMPLE_COLUMNS = ("cpu_percent", "memory_percent", "temperature_c", "frequency_hz")
MAX_POINTS = 600
MAX_EVENTS = 500
_POSITION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")


class RunsApi:
    """The endpoints that read."""

    def __init__(self, runs: RunList, watchers: Watchers, answers: Answers) -> None:
        self._runs = runs
        self._answers = answers
        self._watchers = watchers

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/runs", told(self.list_runs)),
            Route("/api/runs/{id}", told(self.show)),
            Route("/api/runs/{id}/stream", told(self.stream)),
            Route("/api/runs/{id}/nodes", told(self.nodes)),
            Route("/api/runs/{id}/nodes/{node}", told(self.node)),
            Route("/api/compare", told(self.compare)),
            Route("/api/trend", told(self.trend)),
            Route("/runs/{id}/report", told(self.report)),
        ]

    async def list_runs(self, _: Request) -> Response:
        """The runs, the latest first."""
        return answer({"runs": await asyncio.to_thread(self._runs.rows)})

    async def show(self, request: Request) -> Response:
        """A run: where it stands, all of it over time, its events, and its result where it has ended."""
        path = self._runs.path(request.path_params["id"])
        watched = await self._watchers.open(path)
        feed = watched.feed
        result: Any = None
        if feed.state["verdict"] is not None:
            result = await asyncio.to_thread(_read_json, path / "result.json")
        read = feed.all()
        return await asyncio.to_thread(
            answer,
            {
                "id": path.name,
                "state": feed.state,
                "fields": FIELDS,
                "rows": read.rows,
                "position": _position(read),
                "events": read.events[-MAX_EVENTS:],
                "events_total": read.events_total,
                "report": is_own_file(path / "report.html"),
                "result": result,
            },
        )

    async def stream(self, request: Request) -> Response:
        """Server-sent events: `update` once a second, `end` when the run is over; from the `position` on that the reader knows.

        A browser that was away says with `Last-Event-ID` where it has stopped, and misses nothing.
        """
        known = _POSITION.fullmatch(request.headers.get("last-event-id") or request.query_params.get("position", ""))
        next_s, events_total = (int(known[1]), int(known[2])) if known else (0, 0)
        watched = await self._watchers.open(self._runs.path(request.path_params["id"]))

        async def events() -> AsyncIterator[dict[str, str]]:
            if watched.feed.state["verdict"] is None:
                try:
                    async for update in self._watchers.updates(watched, next_s, events_total):
                        yield {"event": "update", "id": _position(update), "data": _text(update)}
                except TooManyError:
                    yield {"event": "fault", "data": "too many watch already"}
                    return
            if watched.fault:
                yield {"event": "fault", "data": watched.fault}
            elif watched.feed.state["verdict"] is not None:
                yield {"event": "end", "data": _text({"verdict": watched.feed.state["verdict"]})}

        return EventSourceResponse(events(), ping=15)

    async def nodes(self, request: Request) -> Response:
        """All nodes as they are now, or were at the end."""
        return answer(await asyncio.to_thread(read_latest, self._runs.path(request.path_params["id"])))

    async def node(self, request: Request) -> Response:
        """One node over time, and what happened to it."""
        path, name = self._runs.path(request.path_params["id"]), request.path_params["node"]
        found = await asyncio.to_thread(_node_history, path / "run.db", name)
        return refusal(404, f"there is no node {name[:100]!r} in this run") if found is None else answer(found)

    async def compare(self, request: Request) -> Response:
        """Two runs, as `piswarm compare A B --json`."""
        paths = [str(self._runs.path(request.query_params.get(key, ""))) for key in ("a", "b")]
        return await self._by_command(["compare", *paths, "--json"])

    async def trend(self, request: Request) -> Response:
        """The runs of a scenario, as `piswarm trend RUN… --json`."""
        wanted = request.query_params.get("scenario", "")
        rows = await asyncio.to_thread(self._runs.rows)
        paths = [str(self._runs.path(row.id)) for row in rows if row.scenario == wanted and row.state == "ended"]
        if len(paths) < 2:  # less is no trend
            raise InputError(f"there are not two ended runs of {wanted[:100]!r}")
        return await self._by_command(["trend", *reversed(paths[:200]), "--json"])

    async def report(self, request: Request) -> Response:
        """The report of a run."""
        path = self._runs.path(request.path_params["id"]) / "report.html"
        if not is_own_file(path):
            return refusal(404, "this run has no report yet")
        return FileResponse(path, media_type="text/html")

    async def _by_command(self, words: list[str]) -> Response:
        status, found, complaint = await self._answers.ask(words)
        if status not in {0, 1, 3} or not found.startswith(b"{"):
            raise InputError(complaint or "the command gave no answer")
        return Response(found, media_type="application/json")


def _position(update: Update) -> str:
    return f"{update.next_s}.{update.events_total}"


def _text(content: object) -> str:
    return msgspec.json.encode(for_json(msgspec.to_builtins(content))).decode()


def _read_json(path: Any) -> Any:
    try:
        return msgspec.json.decode(read_result(path))
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _node_history(database: Any, name: str) -> dict[str, Any] | None:
    try:
        with closing(StoreReader.open(database)) as reader:
            reader.limit_time(READ_S)
            reader.hold_snapshot()
            facts = reader.nodes()
            if name not in facts:
                return None
            start_s, end_s = reader.extent()
            step_s = max(1, -(-(end_s - start_s) // MAX_POINTS))
            rows = [
                [start_s + block.span * step_s, *(None if each is None else each.mean for each in block.ranges)]
                for block in reader.sample_blocks(SAMPLE_COLUMNS, start_s, end_s, step_s, node=name)
            ]
            events = [event for event in reader.events() if event.node == name][-MAX_EVENTS:]
    except sqlite3.Error as error:
        raise InputError(f"run.db can't be read: {error}") from None
    except DAMAGED as error:
        raise InputError(f"run.db is not as piswarm writes it: {type(error).__name__}") from None
    return {"node": name, "facts": facts[name], "fields": ["offset_s", *SAMPLE_COLUMNS], "rows": rows, "events": events}
