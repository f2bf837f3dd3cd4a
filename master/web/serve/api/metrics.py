"""The run that is on, for Prometheus, from what run.db has of it."""

from __future__ import annotations

import asyncio
import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from master.errors import InputError
from master.nodes.latest import read_latest
from master.web.metrics.state import LiveState
from master.web.metrics.stored import stored_state
from master.web.metrics.text import CONTENT_TYPE, page_parts
from master.web.serve.api.access import AccessApi
from master.web.serve.api.answers import refusal, told
from master.web.serve.run_list import RunList
from master.web.serve.settings import ServeSettings
from master.web.serve.watchers import Watchers

FRESH_S = 1.0
"""A page is made no more often, however many ask."""


class MetricsPage:
    """`/metrics`."""

    def __init__(self, settings: ServeSettings, runs: RunList, watchers: Watchers, access: AccessApi) -> None:
        self._settings = settings
        self._runs = runs
        self._watchers = watchers
        self._access = access
        self._making = asyncio.Lock()
        self._made = (-FRESH_S, b"")

    def route(self) -> Route:
        """The route."""
        return Route("/metrics", told(self.show))

    async def show(self, request: Request) -> Response:
        """The metrics; where there are accounts, for who is signed in or sends a name and password."""
        if request.scope["session"] is None and not await self._access.basic_is_right(request):
            return refusal(401, "sign in first", "Prometheus: basic_auth, with an account of this page.")
        async with self._making:
            made_s, page = self._made
            if time.monotonic() - made_s >= FRESH_S:
                page = await self._make()
                self._made = (time.monotonic(), page)
        return Response(page, headers={"Content-Type": CONTENT_TYPE})

    async def _make(self) -> bytes:
        running = await asyncio.to_thread(self._runs.running)
        state = LiveState()
        if running is not None and running.state == "running":
            path = self._runs.path(running.id)
            watched = await self._watchers.open(path)
            fleet = await asyncio.to_thread(read_latest, path)
            try:
                state = stored_state(watched.feed.scenario, watched.feed.state, watched.feed.totals, fleet)
            except msgspec.MsgspecError as error:
                raise InputError(f"run.db is not as piswarm writes it: {error}") from None
        return await asyncio.to_thread(lambda: b"".join(page_parts(state)))
